// Points in the plane, and the forces of the contrastive or the triplet loss on them.

const { kind, classes, names: NAMES } = DATA
const RATE = .06, HALF = 1.5  // of a step along the forces; from the middle of the plane to its side
const minus = (p, q) => [p[0] - q[0], p[1] - q[1]]
const dot = (p, q) => p[0] * q[0] + p[1] * q[1]

// the mean over all pairs of t D^2 + (1 - t) max(0, margin - D)^2, and its gradient for each point
function contrastive(points, margin) {
  const gradients = points.map(() => [0, 0]), pairs = []
  points.forEach((_, i) => points.forEach((_, j) => { if (i < j) pairs.push({ i, j }) }))
  let loss = 0
  for (const pair of pairs) {
    const E = minus(points[pair.i], points[pair.j]), D = Math.sqrt(dot(E, E)), H = Math.max(0, margin - D)
    pair.similar = classes[pair.i] === classes[pair.j]
    pair.distance = D
    pair.loss = pair.similar ? D * D : H * H
    pair.pulls = pair.similar || H > 0
    const factor = pair.similar ? 2 : D > 0 ? -2 * H / D : 0
    loss += pair.loss / pairs.length
    for (const k of [0, 1]) {
      gradients[pair.i][k] += factor * E[k] / pairs.length
      gradients[pair.j][k] -= factor * E[k] / pairs.length
    }
  }
  return { loss, gradients, pairs }
}

// max(0, |a - p|^2 - |a - n|^2 + margin), and its gradient for each point
function triplet([a, p, n], margin) {
  const toP = minus(a, p), toN = minus(a, n), inside = dot(toP, toP) - dot(toN, toN) + margin, on = inside > 0 ? 1 : 0
  const pair = (i, j, similar, E) => ({ i, j, similar, distance: Math.sqrt(dot(E, E)), loss: dot(E, E), pulls: Boolean(on) })
  return {
    loss: Math.max(0, inside),
    gradients: [0, 1].reduce((g, k) => {
      g[0][k] = on * 2 * (toP[k] - toN[k])
      g[1][k] = -on * 2 * toP[k]
      g[2][k] = on * 2 * toN[k]
      return g
    }, [[0, 0], [0, 0], [0, 0]]),
    pairs: [pair(0, 1, true, toP), pair(0, 2, false, toN)],
  }
}

const forces = (points, margin) => kind === "triplet" ? triplet(points, margin) : contrastive(points, margin)

// ---- the plane

const SIDE = 560, UNIT = SIDE / (2 * HALF), ARROW = 1.1
let points = DATA.points.map(p => [...p]), margin = DATA.margin, held = -1, timer = 0
const place = ([x, y]) => [SIDE / 2 + x * UNIT, SIDE / 2 - y * UNIT]
const clamp = x => Math.max(-HALF + .06, Math.min(HALF - .06, x))

const plane = draw("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "group", "aria-label": "The plane" })
const tip = draw("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, draw("path", { d: "M0 .5L8 4 0 7.5z" }))
const springs = draw("g", {}), arrows = draw("g", {}), handles = draw("g", {})
plane.append(draw("defs", {}, tip), draw("rect", { class: "ground", width: SIDE, height: SIDE, rx: 8 }), springs, handles, arrows)
byId("plane").append(plane)

const handle = points.map((_, i) => {
  const shape = [draw("circle", { r: 11 }), draw("rect", { x: -10, y: -10, width: 20, height: 20, rx: 3 }), draw("path", { d: "M0-13L13 10H-13z" })][classes[i]]
  const group = draw("g", { class: `point class${classes[i]}`, tabindex: "0", role: "button" }, draw("circle", { r: 22, class: "touch" }), shape, draw("text", { y: 30 }, NAMES[i]))
  group.addEventListener("pointerdown", event => {
    held = i
    group.setPointerCapture(event.pointerId)
    group.focus()
  })
  group.addEventListener("pointermove", event => { if (held === i) drag(i, event) })
  for (const end of ["pointerup", "pointercancel"]) group.addEventListener(end, () => { held = -1 })
  group.addEventListener("keydown", event => nudge(i, event))
  handles.append(group)
  return group
})

function drag(i, event) {
  const box = plane.getBoundingClientRect()
  points[i] = [clamp(((event.clientX - box.left) / box.width - .5) * 2 * HALF), clamp((.5 - (event.clientY - box.top) / box.height) * 2 * HALF)]
  show()
}

function nudge(i, event) {
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key]
  if (!by) return
  event.preventDefault()
  const step = event.shiftKey ? .01 : .05
  points[i] = points[i].map((x, k) => clamp(x + by[k] * step))
  show()
}

const line = (p, q, name) => draw("line", { x1: place(p)[0], y1: place(p)[1], x2: place(q)[0], y2: place(q)[1], class: name })

function show() {
  const { loss, gradients, pairs } = forces(points, margin)
  springs.replaceChildren(...circles(), ...pairs.filter(pair => pair.pulls).map(({ i, j, similar }) => line(points[i], points[j], similar ? "spring pull" : "spring push")))
  arrows.replaceChildren(...gradients.flatMap((g, i) => {
    const force = [-g[0], -g[1]], size = Math.hypot(...force)
    return size < 1e-3 ? [] : [line(points[i], points[i].map((x, k) => x + ARROW * (kind === "triplet" ? .25 : 1) * force[k]), "force")]
  }))
  handle.forEach((group, i) => {
    const [x, y] = place(points[i])
    group.setAttribute("transform", `translate(${x} ${y})`)
    group.setAttribute("aria-label", `${NAMES[i]} at ${points[i].map(x => x.toFixed(2)).join(", ")}, force ${Math.hypot(...gradients[i]).toFixed(3)}`)
  })
  byId("loss").textContent = digits(Number(loss.toFixed(4)))
  byId("margin").value = margin
  byId("margin-value").textContent = margin.toFixed(2)
  byId("pairs").tBodies[0].replaceChildren(...pairs.map(row))
}

// how far apart two points of different classes have to be: to see it, a circle around the held or the first one
function circles() {
  const focused = handle.indexOf(document.activeElement), i = kind === "triplet" ? 0 : Math.max(0, focused)
  const toP = kind === "triplet" ? Math.hypot(...minus(points[0], points[1])) : 0
  const radius = kind === "triplet" ? Math.sqrt(toP * toP + margin) : margin
  const [x, y] = place(points[i])
  return [draw("circle", { cx: x, cy: y, r: radius * UNIT, class: "reach" })]
}

const HEADS = ["pair", "distance", kind === "triplet" ? "squared" : "loss"]

function row({ i, j, similar, distance, loss, pulls }) {
  const words = `${NAMES[i]}, ${NAMES[j]}`, way = similar ? "pulls" : pulls ? "pushes" : "lets go"
  const cells = [distance.toFixed(3), loss.toFixed(3), kind === "triplet" && !pulls ? "lets go" : way]
  return make("tr", {}, make("th", { scope: "row" }, words), ...cells.map(text => make("td", {}, text)))
}

function follow() {
  const { gradients } = forces(points, margin)
  points = points.map((p, i) => i === held ? p : p.map((x, k) => clamp(x - (kind === "triplet" ? .25 : 1) * RATE * gradients[i][k])))
  show()
}

function stop() {
  clearInterval(timer)
  timer = 0
  byId("follow").setAttribute("aria-pressed", "false")
  byId("loss").setAttribute("aria-live", "polite")
}

byId("follow").addEventListener("click", () => {
  if (timer) return stop()
  timer = setInterval(follow, 40)
  byId("follow").setAttribute("aria-pressed", "true")
  byId("loss").setAttribute("aria-live", "off")
})
byId("again").addEventListener("click", () => {
  stop()
  points = DATA.points.map(p => [...p])
  margin = DATA.margin
  show()
})
byId("margin").addEventListener("input", () => {
  margin = Number(byId("margin").value)
  show()
})
handles.addEventListener("focusin", show)
byId("margin").max = Math.max(2, margin)
byId("heads").append(...[...HEADS, ""].map(text => text ? make("th", { scope: "col" }, text) : make("td")))
byId("formula").textContent = kind === "triplet"
  ? "The anchor and the positive pull each other, the negative is pushed out of the circle: |a − n|² should exceed |a − p|² by the margin."
  : "Points of one class (one shape) pull each other. Others push each other while they are nearer than the margin, the radius of the circle, and then let go."
show()
