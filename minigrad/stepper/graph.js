// The graph of a program: which nodes are seen, with blocks open or folded, and the drawing.

const LETTER = { label: 8.1, sub: 6.7 }  // widths
const short = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text

// what many arrays are called together: the container that they are in, or how many they are
function common(names) {
  const [first, ...others] = names
  let length = first.lastIndexOf("[")
  while (length > 0 && !others.every(name => name.startsWith(first.slice(0, length)))) length = first.lastIndexOf("[", length - 1)
  const container = first.slice(0, Math.max(0, length))
  return container && container.length <= 22 ? container : `${names.length} arrays`
}

class Graph {
  // place: the element that holds the drawing; choose(vertices): a node was chosen; fold(block)
  constructor(place, choose, fold) {
    Object.assign(this, { place, choose, fold, folded: new Set() })
  }

  // the key of what is seen of a vertex
  seen(vertex) {
    const block = DATA.vertices[vertex].path.find(b => this.folded.has(b))
    return block === undefined ? this.merged.get(vertex) ?? `v${vertex}` : `b${block}`
  }

  // inputs that go to the same nodes, folded blocks among them, are one node: leaves, or constants
  merge() {
    const groups = new Map()
    this.merged = new Map()
    DATA.vertices.forEach(({ kind, variables }, v) => {
      if (kind !== "given") return
      const takers = [...new Set(DATA.edges.filter(([u]) => u === v).map(([, w]) => this.seen(w)))]
      if (takers.some(key => key.startsWith("b"))) {
        const key = [DATA.variables[variables[0]].kind, ...takers.sort()].join(" ")
        groups.set(key, [...groups.get(key) ?? [], v])
      }
    })
    for (const group of groups.values()) for (const v of group) this.merged.set(v, `v${group[0]}`)
  }

  draw() {
    this.merge()
    this.boxes = new Map()
    const root = { key: "root", children: [], ports: new Map() }
    const containers = new Map([["", root]])
    DATA.vertices.forEach((vertex, v) => {
      const key = this.seen(v)
      if (this.boxes.has(key)) return this.boxes.get(key).vertices.push(v)
      const box = { key, vertices: [v], given: vertex.kind === "given", block: key[0] === "b" ? Number(key.slice(1)) : -1 }
      this.boxes.set(key, box)
      const path = box.block < 0 ? vertex.path : DATA.blocks[box.block].path
      this.container(containers, path).children.push(box)
    })
    for (const box of this.boxes.values()) this.size(box)
    const edges = this.edges()
    const routes = layOut(root, edges.map(({ ends }) => ends))
    this.picture(root, edges, routes)
  }

  container(containers, path) {
    const id = path.join(" ")
    if (!containers.has(id)) {
      const block = path.at(-1), name = DATA.blocks[block].name
      const made = { key: `c${block}`, block, name, framed: true, title: { w: name.length * LETTER.sub + 24, h: 18 }, children: [] }
      containers.set(id, made)
      this.container(containers, path.slice(0, -1)).children.push(made)
    }
    return containers.get(id)
  }

  size(box) {
    const all = box.vertices.flatMap(v => DATA.vertices[v].variables.map(i => DATA.variables[i]))
    const names = box.given ? box.vertices.map(v => DATA.vertices[v].label).join(", ") : ""
    const result = all.at(-1)
    box.title = box.given ? names : box.block < 0 ? DATA.vertices[box.vertices[0]].label : DATA.blocks[box.block].name
    box.label = names.length > 20 && box.vertices.length > 1 ? common(all.map(v => v.name)) : short(box.title, 20)
    const shapes = [...new Set(all.map(v => v.shape))].join(", ")
    box.sub = box.given ? short(shapes, 22) : `${short(result.name, 10)}  ${result.shape}`
    box.w = Math.max(72, box.label.length * LETTER.label + 26, box.sub.length * LETTER.sub + 22)
    box.h = 44
  }

  // edges between what is seen; each knows which variables go along it, and to which vertices
  edges() {
    const found = new Map()
    for (const [u, v, variables] of DATA.edges) {
      const ends = [this.seen(u), this.seen(v)]
      if (ends[0] === ends[1]) continue
      const id = ends.join(">")
      if (!found.has(id)) found.set(id, { ends, along: [] })
      for (const variable of variables) found.get(id).along.push([variable, v])
    }
    return [...found.values()]
  }

  picture(root, edges, routes) {
    const margin = 6, width = root.w + 2 * margin, height = root.h + 2 * margin
    const words = `The graph: ${this.boxes.size} nodes, inputs at the top, the result at the bottom`
    const image = draw("svg", { viewBox: `${-margin} ${-margin} ${width} ${height}`, role: "group", "aria-label": words })
    image.style.width = `${width}px`
    image.style.minWidth = `${Math.min(width, Math.max(300, width * .62))}px`
    const tip = (id, kind) => draw("marker", { id, class: kind, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7,
      markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto-start-reverse" }, draw("path", { d: "M0 .5L8 4 0 7.5z" }))
    image.append(draw("defs", {}, tip("tip-forward", "forward"), tip("tip-back", "back")))
    this.frames(image, root)
    this.lines = edges.map((edge, k) => ({ ...edge, d: curve(routes[k]) }))
    for (const { ends: [from, to], d } of this.lines) image.append(draw("path", { class: "edge", d, "data-from": from, "data-to": to }))
    this.flows = draw("g")
    image.append(this.flows)
    this.titles(image, root)
    for (const box of this.boxes.values()) image.append(this.node(box))
    this.place.replaceChildren(image)
  }

  frames(image, container) {
    for (const child of container.children.filter(c => c.children)) {
      image.append(draw("rect", { class: "frame", x: child.left, y: child.upper, width: child.w, height: child.h, rx: 9 }))
      this.frames(image, child)
    }
  }

  titles(image, container) {
    for (const child of container.children.filter(c => c.children)) {
      const title = draw("text", { x: child.left + child.title.x - child.title.w / 2, y: child.upper + child.title.y + 5, class: "title" }, `▾ ${child.name}`)
      image.append(this.button(draw("g", { "aria-label": `Fold ${child.name}`, "data-fold": `graph ${child.block}` }, title), () => this.fold(child.block)))
      this.titles(image, child)
    }
  }

  button(group, act) {
    group.setAttribute("role", "button")
    group.setAttribute("tabindex", "0")
    group.classList.add("button")
    group.addEventListener("click", act)
    group.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return
      event.preventDefault()
      act()
    })
    return group
  }

  node(box) {
    const [w, h] = [box.w, box.h], kind = box.given ? "given" : box.block < 0 ? "node" : "folded"
    const group = draw("g", { class: `vertex ${kind}`, transform: `translate(${box.x} ${box.y})`, "data-key": box.key })
    const rect = (extra, name) => draw("rect", { class: name, x: -w / 2 + extra, y: -h / 2 + extra, width: w, height: h, rx: box.given ? 22 : 7 })
    if (kind === "folded") {
      group.dataset.fold = `graph ${box.block}`
      group.append(rect(4, "below moves"))
    }
    group.append(draw("title", {}, box.title), rect(0, "face moves"))
    group.append(draw("text", { class: "label", y: -2 }, kind === "folded" ? `▸ ${box.label}` : box.label))
    group.append(draw("text", { class: "sub", y: 14 }, box.sub))
    box.group = this.button(group, () => kind === "folded" ? this.fold(box.block) : this.choose(box.vertices))
    return group
  }

  // scroll to where the step is, if that cannot be seen
  follow() {
    const node = this.place.querySelector(".vertex.forward, .vertex.back")
    if (!node) return
    within(this.place, node)
    const inner = node.getBoundingClientRect(), outer = this.place.getBoundingClientRect()
    if (inner.left < outer.left || inner.right > outer.right)
      this.place.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2
  }

  // step: the step that was just taken, undefined before the first; known: of each variable, what is computed
  mark(step, known) {
    const current = step && this.seen(step.vertex)
    for (const box of this.boxes.values()) {
      const variables = box.vertices.flatMap(v => DATA.vertices[v].variables)
      const result = box.given ? variables : variables.slice(-1)
      const computed = result.every(i => known[i].value !== undefined), graded = result.some(i => known[i].gradient !== undefined)
      box.group.classList.toggle("computed", computed)
      box.group.classList.toggle("graded", graded)
      box.group.classList.toggle("forward", current === box.key && !step.backward)
      box.group.classList.toggle("back", current === box.key && step.backward)
      const state = computed ? graded ? "value and gradient computed" : "value computed" : "not computed yet"
      const act = box.block < 0 ? "Go to the next step of" : "Open"
      box.group.setAttribute("aria-label", `${act} ${box.title}, ${state}${current === box.key ? ", current step" : ""}`)
    }
    this.flows.replaceChildren(...this.lines.flatMap(line => this.flow(line, step, current)))
  }

  // the edge along which a step reads, or deposits, drawn over the others
  flow({ ends, along, d }, step, current) {
    if (!step?.reads || ends[1] !== current) return []
    if (!along.some(([i, v]) => v === step.vertex && (!step.backward || i === step.variable))) return []
    const way = step.backward ? "back" : "forward", tip = step.backward ? "marker-start" : "marker-end"
    return [draw("path", { class: "halo", d }), draw("path", { class: `flow ${way}`, d, [tip]: `url(#tip-${way})` })]
  }
}

// down in straight lines, across in curves
function curve(points) {
  const round = x => Math.round(10 * x) / 10
  let path = `M${points[0].map(round)}`
  for (let i = 1; i < points.length; i++) {
    const [[a, b], [x, y]] = [points[i - 1].map(round), points[i].map(round)]
    if (a === x && b === y) continue
    path += a === x ? `V${y}` : `C${a} ${round((b + y) / 2)} ${x} ${round((b + y) / 2)} ${x} ${y}`
  }
  return path
}
