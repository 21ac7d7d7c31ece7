"use strict"
// What all pages share: elements, heat maps, and the player that goes from step to step.

const DATA = JSON.parse(document.getElementById("data").textContent)
const byId = id => document.getElementById(id)

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

// four digits, as Python writes them
function digits(x) {
  if (x === 0) return "0"
  const size = Math.abs(x)
  if (size >= 1e-4 && size < 1e4) return String(Number(x.toPrecision(4)))
  return Number(x.toPrecision(4)).toExponential().replace(/e([+-])(\d)$/, "e$10$2")
}

// ---- heat maps: an entry is an array as `heatmaps.py` writes it

const size = ({ drawn = [] }) => Math.max(0, ...drawn.map(Math.abs))

function bytes(entry) {
  entry.bytes ??= Uint8Array.from(atob(entry.cells), letter => letter.charCodeAt(0))
  return entry.bytes
}

const cell = ({ drawn: [low, high] }, byte) => low * (1 - byte / 254) + high * (byte / 254)

function colours() {
  const style = getComputedStyle(document.documentElement)
  const read = name => style.getPropertyValue(name).split(" ").filter(Boolean).map(Number)
  return { zero: read("--zero"), plus: read("--plus"), minus: read("--minus"), strange: read("--strange") }
}
let palette = colours()
let onRepaint = () => {}  // what else a page draws in these colours

// the colour of a value t in [-1, 1]
function colour(t) {
  const end = t > 0 ? palette.plus : palette.minus, share = Math.min(1, Math.abs(t))
  return palette.zero.map((z, k) => z + (end[k] - z) * share)
}

// where the cells of an entry lie: tiles stand one cell apart
function sheet(entry) {
  const [h, w] = entry.tile ?? [entry.rows, entry.columns]
  const place = (i, side) => i + Math.floor(i / side)
  return { width: place(entry.columns - 1, w) + 1, height: place(entry.rows - 1, h) + 1,
           x: j => place(j, w), y: i => place(i, h) }
}

// largest: the size of a value that has the full colour
function paint(canvas, entry, largest = size(entry)) {
  const at = sheet(entry), values = bytes(entry)
  canvas.width = at.width
  canvas.height = at.height
  const context = canvas.getContext("2d"), image = context.createImageData(at.width, at.height)
  const filled = entry.rows * entry.columns
  for (let k = 0; k < filled; k++) {
    const i = Math.floor(k / entry.columns), j = k % entry.columns
    const shade = values[k] === 255 ? palette.strange : colour(cell(entry, values[k]) / (largest || 1))
    image.data.set([...shade, 255], 4 * (at.y(i) * at.width + at.x(j)))
  }
  context.putImageData(image, 0, 0)
  canvas.repaint = () => paint(canvas, entry, largest)
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  palette = colours()
  for (const canvas of document.querySelectorAll("canvas.map")) canvas.repaint?.()
  onRepaint()
})

const range = ({ range: [low, high] }) => low === high ? `all ${digits(low)}` : `${digits(low)} to ${digits(high)}`

const THIN = 10  // pixels of a single row or column of many cells at least

// a heat map with its range; a scalar is its number; side: pixels at most
function heatMap(name, entry, side, largest) {
  if (!entry.cells) return [make("span", { class: "range" }, entry.note)]
  if (entry.shape === "scalar") return [make("span", { class: "number" }, entry.values[0][0])]
  const note = entry.note ? `, ${entry.note}` : ""
  const words = `${name}, ${entry.shape}, ${range(entry)}${note}`
  const canvas = make("canvas", { class: "map", role: "img", "aria-label": words })
  paint(canvas, entry, largest)
  const fit = Math.min(18, side / canvas.width, side / canvas.height)
  const scale = fit > 3 ? Math.floor(fit) : fit
  canvas.style.width = `${Math.max(THIN, canvas.width * scale) + 2}px`
  canvas.style.height = `${Math.max(THIN, canvas.height * scale) + 2}px`
  canvas.addEventListener("mousemove", event => { canvas.title = under(event, entry, name) })
  const below = [make("div", { class: "range" }, range(entry))]
  if (entry.note) below.push(make("div", { class: "range" }, entry.note))
  return [canvas, ...below]
}

// what a pointer points to
function under(event, entry, name) {
  const box = event.target.getBoundingClientRect(), at = sheet(entry)
  const near = (count, place, part) => {
    let k = 0
    while (k + 1 < count && place(k + 1) <= part) k++
    return k
  }
  const i = near(entry.rows, at.y, (event.clientY - box.top) / box.height * at.height)
  const j = near(entry.columns, at.x, (event.clientX - box.left) / box.width * at.width)
  const byte = bytes(entry)[i * entry.columns + j]
  if (byte === 255) return `${name}: not finite`
  const exact = entry.whole && !entry.tile
  if (exact) return `${name}[${entry.rows > 1 ? `${i}, ` : ""}${j}] = ${entry.values[i][j]}`
  return `${name}: about ${digits(Number(cell(entry, byte).toPrecision(2)))}`
}

// a table of values that opens
function valuesOf(name, entry) {
  if (entry.shape === "scalar" || !entry.values) return []
  const title = entry.whole ? "values" : "first values"
  const rows = entry.values.map(row => make("tr", {}, ...row.map(x => make("td", {}, x))))
  const frame = make("div", { tabindex: "0", role: "region", "aria-label": `${title} of ${name}` },
                     make("table", {}, make("tbody", {}, ...rows)))
  return [make("details", { class: "values" }, make("summary", {}, title), frame)]
}

// a button that can do nothing now; one that is `disabled` would lose the focus
const inactive = (button, is) => button.setAttribute("aria-disabled", String(is))

// ---- the player: buttons, slider, keys, and the step in the address

const ICONS = {
  first: "M2 2h2v12H2zM14 2v12L5 8z", previous: "M11 1.5L4.5 8l6.5 6.5 1.6-1.6L7.7 8l4.9-4.9z", play: "M4 2l9 6-9 6z",
  pause: "M3 2h4v12H3zM9 2h4v12H9z", next: "M5 1.5L11.5 8 5 14.5l-1.6-1.6L8.3 8 3.4 3.1z", last: "M12 2h2v12h-2zM2 2v12l9-6z",
}
const icon = name => draw("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, draw("path", { d: ICONS[name] }))

class Player {
  // bar: the element that becomes the bar; count: of steps; show(at): draws; say(at): the step in words;
  // milliseconds: of a step while it plays
  constructor(bar, { count, show, say, milliseconds = 1400 }) {
    Object.assign(this, { count, show, say, milliseconds, at: 0, timer: 0 })
    this.extra = () => ""      // what else is kept in the address, and what puts it back
    this.restore = () => {}
    this.build(bar)
    document.addEventListener("keydown", event => this.key(event))
    addEventListener("hashchange", () => this.recall())
  }

  build(bar) {
    const button = (name, label, act) => {
      const made = make("button", { type: "button", "aria-label": label, title: label }, icon(name))
      made.addEventListener("click", act)
      return made
    }
    const by = move => () => { this.pause(); this.go(move()) }
    this.first = button("first", "First step", by(() => 0))
    this.previous = button("previous", "Previous step", by(() => this.at - 1))
    this.playing = button("play", "Play", () => this.timer ? this.pause() : this.play())
    this.next = button("next", "Next step", by(() => this.at + 1))
    this.last = button("last", "Last step", by(() => this.count))
    this.slider = make("input", { type: "range", min: 0, max: this.count, value: 0, "aria-label": "Step" })
    this.slider.addEventListener("input", by(() => Number(this.slider.value)))
    this.counter = make("output", { "aria-live": "off" })  // the note says it
    this.playing.setAttribute("aria-pressed", "false")
    bar.setAttribute("role", "group")
    bar.setAttribute("aria-label", "Steps")
    bar.append(this.first, this.previous, this.playing, this.next, this.last, this.slider, this.counter)
  }

  go(at) {
    this.at = Math.max(0, Math.min(this.count, at))
    this.show(this.at)
    this.slider.value = this.at
    this.slider.setAttribute("aria-valuetext", `step ${this.at} of ${this.count}: ${this.say(this.at)}`)
    this.counter.textContent = `${this.at} / ${this.count}`
    for (const button of [this.first, this.previous]) inactive(button, this.at === 0)
    for (const button of [this.next, this.last]) inactive(button, this.at === this.count)
    this.keep()
  }

  play() {
    if (this.at === this.count) this.go(0)
    this.timer = setInterval(() => this.at < this.count ? this.go(this.at + 1) : this.pause(), this.milliseconds)
    this.pressed(true)
  }

  pause() {
    clearInterval(this.timer)
    this.timer = 0
    this.pressed(false)
  }

  pressed(on) {
    this.playing.setAttribute("aria-pressed", String(on))
    this.playing.replaceChildren(icon(on ? "pause" : "play"))
    byId("note")?.setAttribute("aria-live", on ? "off" : "polite")
  }

  key(event) {
    const target = event.target
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    if (/INPUT|TEXTAREA|SELECT/.test(target.tagName) || target.scrollWidth > target.clientWidth + 1 && target.tabIndex === 0) return
    const places = { ArrowRight: this.at + 1, ArrowLeft: this.at - 1, Home: 0, End: this.count }
    if (!(event.key in places)) return
    event.preventDefault()
    this.pause()
    this.go(places[event.key])
  }

  // browsers allow few changes of the address a second; a page inside a frame of a notebook has none
  keep() {
    clearTimeout(this.keeping)
    const keep = () => history.replaceState(null, "", `#${this.at}${this.extra()}`)
    if (location.protocol !== "about:") this.keeping = setTimeout(keep, 200)
  }

  recall() {
    const [, at, extra] = /^#(\d+)(.*)$/.exec(location.hash) ?? ["", "0", ""]
    this.restore(extra)
    this.go(Number(at))
  }
}
