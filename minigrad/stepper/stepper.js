// The stepper: at each step, what this write is, the listing, the source, the graph and all arrays.

const { variables, vertices, blocks, steps, sources, arrays } = DATA
const RESULT = steps[steps.findIndex(step => step.backward)].variable
const nameOf = step => (step.backward ? "d" : "") + variables[step.variable].name

// of each variable, the arrays that it and its gradient have after so many steps
function known(at) {
  const state = variables.map(v => ({ value: v.array }))
  for (const step of steps.slice(0, at)) state[step.variable][step.backward ? "gradient" : "value"] = step.array
  return state
}

// the numbers of the steps that pass a test
const placesOf = test => steps.flatMap((step, i) => test(step) ? [i + 1] : [])

// ---- the listing: lines of nodes, and of blocks, folded or above their own lines

class Listing {
  constructor(place, choose, fold) {
    Object.assign(this, { place, choose, fold })
  }

  draw(folded) {
    const nodes = vertices.map((v, i) => ({ ...v, i })).filter(v => v.kind === "node")
    this.lines = []
    const forward = this.half(nodes, false, folded)
    const seed = this.line(`d${variables[RESULT].name} = 1`, 0, true, placesOf(step => step.backward && !step.reads))
    const back = [seed, ...this.half([...nodes].reverse(), true, folded)]
    this.place.replaceChildren(make("ol", { "aria-label": "forward" }, ...forward), make("ol", { "aria-label": "backward" }, ...back))
  }

  half(nodes, backward, folded) {
    const items = [], text = of => backward ? of.back : of.forward
    const taken = test => placesOf(step => step.backward === backward && step.reads && test(vertices[step.vertex], step.vertex))
    let around = []
    for (const node of nodes) {
      const closed = node.path.findIndex(b => folded.has(b))
      const path = closed < 0 ? node.path : node.path.slice(0, closed + 1)
      path.forEach((b, depth) => {
        if (path.slice(0, depth + 1).every((p, i) => p === around[i])) return
        const places = folded.has(b) ? taken(vertex => vertex.path.includes(b)) : null
        const item = this.line(text(blocks[b]), depth, backward, places)
        item.prepend(this.toggle(b, folded.has(b), backward))
        items.push(item)
      })
      if (closed < 0) items.push(this.line(text(node), path.length, backward, taken((_, v) => v === node.i)))
      around = path
    }
    return items
  }

  toggle(block, folded, backward) {
    const words = `${folded ? "Open" : "Fold"} ${blocks[block].name}`
    const attributes = { type: "button", class: "toggle", "aria-expanded": String(!folded), "aria-label": words, title: words,
                         "data-fold": `${backward ? "backward" : "forward"} ${block}` }
    const button = make("button", attributes, folded ? "▸" : "▾")
    button.addEventListener("click", () => this.fold(block))
    return button
  }

  // places: the steps that are this line's; null for the head of an open block
  line(text, depth, backward, places) {
    const item = make("li", { style: `--depth: ${depth}` })
    if (!places) {
      item.append(make("code", { class: "head" }, text))
      return item
    }
    const button = make("button", { type: "button" }, make("code", {}, text))
    button.addEventListener("click", () => this.choose(places))
    item.append(button)
    this.lines.push({ button, places, backward })
    return item
  }

  mark(at) {
    for (const { button, places, backward } of this.lines) {
      const current = places.includes(at)
      if (current) button.setAttribute("aria-current", "step")
      else button.removeAttribute("aria-current")
      button.className = `line moves ${backward ? "back" : "forward"}${at < places[0] ? " ahead" : ""}`
    }
    within(this.place, this.place.querySelector("[aria-current]"))
  }
}

// scroll a pane, never the page, so that an element in it is seen
function within(pane, element) {
  const frame = pane.closest(".pane")
  if (!element || frame.scrollHeight <= frame.clientHeight) return
  const inner = element.getBoundingClientRect(), outer = frame.getBoundingClientRect()
  if (inner.top < outer.top + 40) frame.scrollTop += inner.top - outer.top - 60
  else if (inner.bottom > outer.bottom - 10) frame.scrollTop += Math.min(inner.bottom - outer.bottom + 30, inner.top - outer.top - 60)
}

// ---- the source of the node that writes

function showSource(step) {
  const place = byId("source"), source = step && sources[vertices[step.vertex].source]
  byId("source-title").textContent = source ? `Source of ${source.name}` : "Source"
  if (!source || !step.reads || !source.lines.length) {
    const words = !source ? "The source of the node that writes stands here."
      : step.reads ? "This function has no source." : "The backward program begins: the derivative of a scalar by itself is 1."
    return place.replaceChildren(make("p", { class: "hint" }, words))
  }
  const [first, last] = step.lines.length ? step.lines : [-1, -1], way = step.backward ? "back" : "forward"
  const lines = source.lines.map((text, i) => {
    const now = i >= first && i <= last
    return make("span", { class: now ? `now ${way}` : inBack(source, i) === step.backward ? "" : "other" }, `${text}\n`)
  })
  place.replaceChildren(make("pre", { tabindex: "0" }, make("code", {}, ...lines)))
  within(place, place.querySelector(".now"))
}

const inBack = (source, i) => source.back.length > 0 && i >= source.back[0] && i <= source.back[1]

// ---- this step: what it reads and writes, or old + added = new on one scale

const MOST = 5  // arrays that are read, beside each other

function card(name, kind, entry, largest) {
  const head = make("figcaption", {}, make("code", {}, name), make("span", { class: "shape" }, entry.shape))
  return make("figure", { class: `card ${kind}` }, head, ...heatMap(name, entry, 108, largest))
}

const sign = (text, words) => make("span", { class: "sign", role: "img", "aria-label": words }, text)

function showStep(step, before) {
  const place = byId("now")
  if (!step) return place.replaceChildren(make("p", { class: "hint" }, "Inputs and parameters are given. Nothing is computed yet."))
  const name = nameOf(step), result = arrays[step.array]
  if (!step.reads) return place.replaceChildren(card(name, "written back", result))
  if (step.backward) {
    const [read] = step.reads, three = [step.old, step.added, step.array].map(i => arrays[i])
    const largest = Math.max(...three.map(size))
    return place.replaceChildren(
      card(`d${variables[read].name}`, "read", arrays[before[read].gradient]), sign("→", "gives"),
      card(`${name} before`, "old", three[0], largest), sign("+", "plus"),
      card("added", "added", three[1], largest), sign("=", "makes"),
      card(name, "written back", three[2], largest))
  }
  const cards = step.reads.slice(0, MOST).map(i => card(variables[i].name, "read", arrays[before[i].value]))
  if (step.reads.length > MOST) cards.push(make("p", { class: "hint" }, `and ${step.reads.length - MOST} more`))
  place.replaceChildren(...cards, sign("→", "gives"), card(name, "written forward", result))
}

// a long name may break where an index begins
const breakable = name => name.split(/(?=\[)/).flatMap((part, i) => i ? [make("wbr"), part] : [part])

// ---- all arrays: a row for each variable, its value and its gradient beside each other

class Table {
  constructor(place) {
    this.place = place
    this.open = new Set()
    this.side = innerWidth < 500 ? 88 : 112
    this.rows = variables.map(v => {
      const value = make("td", { class: "moves" }), gradient = make("td", { class: "moves" })
      const head = make("th", { scope: "row" }, make("code", {}, ...breakable(v.name)), make("span", { class: "shape" }, v.shape))
      return { row: make("tr", {}, head, value, gradient), value, gradient }
    })
    const heads = ["array", "value", "gradient"].map(text => make("th", { scope: "col" }, text))
    place.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...this.rows.map(r => r.row))))
  }

  // variables inside a folded block are hidden, but for its result
  fold(folded) {
    const result = b => vertices.findLastIndex(v => v.path.includes(b))
    variables.forEach((v, i) => {
      this.rows[i].row.hidden = vertices[v.vertex].path.some(b => folded.has(b) && result(b) !== v.vertex)
    })
  }

  fill(cell, name, array, otherwise) {
    const content = String(array ?? otherwise)
    if (cell.dataset.content === content) return
    cell.dataset.content = content
    if (array === undefined) return cell.replaceChildren(make("span", { class: "hint" }, otherwise))
    cell.replaceChildren(...heatMap(name, arrays[array], this.side), ...valuesOf(name, arrays[array]))
    for (const details of cell.querySelectorAll("details")) {
      details.open = this.open.has(name)
      details.addEventListener("toggle", () => details.open ? this.open.add(name) : this.open.delete(name))
    }
  }

  mark(step, state, at) {
    const end = at === steps.length ? "nothing deposited" : "not computed yet"
    this.rows.forEach(({ row, value, gradient }, i) => {
      if (row.hidden) return
      const { name, kind } = variables[i], written = step?.variable === i
      this.fill(value, name, state[i].value, "not computed yet")
      this.fill(gradient, `d${name}`, state[i].gradient, kind === "constant" ? "constant" : end)
      const reads = step?.reads?.includes(i)
      this.look(value, written && !step.backward, reads && !step.backward, "forward")
      this.look(gradient, written && step.backward, reads && step.backward, "back")
    })
    within(this.place, this.place.querySelector(".written"))
  }

  look(cell, written, read, way) {
    cell.className = `moves${written ? ` written ${way}` : read ? " read" : ""}`
  }
}

// ---- in words, above all

function say(at) {
  const step = steps[at - 1]
  return step ? `${nameOf(step)} ${step.old === undefined ? "=" : "+="}` : "the beginning"
}

function showNote(step) {
  const note = byId("note")
  if (!step) return note.replaceChildren("Press the right arrow key, or play: first forward, then backward.")
  const vertex = vertices[step.vertex], way = step.backward ? "back" : "forward"
  const parts = [make("b", { class: way }, step.backward ? "backward" : "forward"), " "]
  const code = text => make("code", {}, text)
  if (!step.reads) parts.push(code(`${nameOf(step)} = 1`))
  else if (!step.backward) parts.push(code(vertex.forward))
  else {
    const [part, of] = step.part, count = of > 1 ? `: deposit ${part} of ${of}, added to what is there` : ""
    parts.push(code(vertex.back), ` deposits `, code(`${nameOf(step)} += …`), count)
  }
  note.replaceChildren(...parts)
}

// ---- all together

const folded = new Set(DATA.folded)
const choose = places => {
  if (!places.length) return
  player.pause()
  player.go(places.find(place => place > player.at) ?? places[0])
}
// the steps of a node are those that it makes; those of an input are the deposits into its gradients
const nextOf = own => choose(placesOf(step => own.some(v =>
  vertices[v].kind === "given" ? vertices[v].variables.includes(step.variable) : step.vertex === v)))
const listing = new Listing(byId("program"), choose, fold)
const graph = new Graph(byId("graph"), nextOf, fold)
const table = new Table(byId("arrays"))

function show(at) {
  const step = steps[at - 1], state = known(at)
  showNote(step)
  showStep(step, known(at - 1))
  listing.mark(at)
  showSource(step)
  graph.mark(step, state)
  graph.follow()
  table.mark(step, state, at)
}

function redraw() {
  graph.folded = folded
  listing.draw(folded)
  graph.draw()
  table.fold(folded)
  inactive(byId("fold"), folded.size === blocks.length)
  inactive(byId("open"), folded.size === 0)
}

// fold or open a block, or all of them; what was focused is drawn anew
function fold(block) {
  const { fold } = document.activeElement.dataset
  if (!folded.delete(block)) folded.add(block)
  redraw()
  if (fold) document.querySelector(`[data-fold="${fold}"]`)?.focus()
  player.go(player.at)
}

function foldAll(all) {
  folded.clear()
  if (all) blocks.forEach((_, b) => folded.add(b))
  redraw()
  player.go(player.at)
}

const player = new Player(byId("bar"), { count: steps.length, show, say })
const byDefault = [...folded].sort((a, b) => a - b).join(".")
player.extra = () => {
  const now = [...folded].sort((a, b) => a - b).join(".")
  return now === byDefault ? "" : `/${now}`
}
player.restore = extra => {
  const wanted = extra.startsWith("/") ? extra.slice(1) : byDefault
  folded.clear()
  for (const b of wanted.split(".").filter(Boolean).map(Number)) if (b in blocks) folded.add(b)
  redraw()
}
byId("fold").addEventListener("click", () => foldAll(true))
byId("open").addEventListener("click", () => foldAll(false))
if (!blocks.length) byId("folding").hidden = true
player.recall()
