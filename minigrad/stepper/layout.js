// Layered layout of a graph in boxes: blocks are laid out inside first, then as large boxes outside.
// An edge enters a block through a port at its top and leaves it through one at its bottom.

const GAP = { x: 22, y: 36 }
const WIDE = 560  // a row of inputs that is wider becomes two
const INSET = { x: 14, top: 5, bottom: 12 }  // between a block's frame and what is inside it

// container: { key, children }; a child is a container too, or { key, w, h, given }.
// edges: [from, to] keys of childless ones. Fills in x, y (of the centre), w, h, and returns the routes:
// for each edge a list of points, and curves run where the y of two points is not in one row.
function layOut(container, edges) {
  const home = new Map()
  mark(container, [], home)
  const pieces = edges.map(() => [])
  arrange(container, edges, home, pieces)
  move(container, 0, 0)
  return edges.map((edge, k) => joined(container, edge, pieces[k], home))
}

// home: of each key the containers around it, the outermost first
function mark(container, around, home) {
  for (const child of container.children) {
    home.set(child.key, [...around, container])
    child.ports = new Map()
    if (child.children) mark(child, [...around, container], home)
  }
}

// lay out what is inside a container: each child first
function arrange(container, edges, home, pieces) {
  for (const child of container.children) if (child.children) arrange(child, edges, home, pieces)
  const boxes = new Map(container.children.map(child => [child.key, box(child)]))
  const links = new Map()
  edges.forEach(([u, v], k) => {
    const from = inside(container, u, home), to = inside(container, v, home)
    if (from === to) return
    const a = from ? boxes.get(from.key) : port(boxes, `in ${u}`, "top")
    const b = to ? boxes.get(to.key) : port(boxes, `out ${u}`, "bottom")
    const id = `${a.key}>${b.key}>${u}`
    if (!links.has(id)) links.set(id, { a, b, from: offset(from, `out ${u}`), to: offset(to, `in ${u}`) })
    pieces[k].push({ container, link: links.get(id) })
  })
  const rows = layers([...boxes.values()], [...links.values()])
  order(rows)
  if (container.framed) addTitle(container, rows)
  align(rows)
  stack(rows)
  finish(container, rows, [...boxes.values()])
  for (const link of links.values()) link.points = route(link)
  spread([...links.values()])
}

// the child of a container in which a key is; null for what is outside
function inside(container, key, home) {
  const around = home.get(key), i = around.indexOf(container)
  if (i < 0) return null
  return around[i + 1] ?? container.children.find(child => child.key === key)
}

const box = child => ({ key: child.key, child, w: child.w, h: child.h, up: [], down: [] })

function port(boxes, key, side) {
  if (!boxes.has(key)) boxes.set(key, { key, side, w: 2, h: 0, up: [], down: [] })
  return boxes.get(key)
}

// where on a child an edge ends, from its middle
const offset = (child, name) => child?.ports.get(name) ?? 0

// rows of boxes, with dummies where a link passes through a row
function layers(boxes, links) {
  for (const b of boxes) Object.assign(b, { before: [], after: [], layer: -1 })
  for (const { a, b } of links) {
    a.after.push(b)
    b.before.push(a)
  }
  const top = boxes.some(b => b.side === "top") ? 1 : 0
  const depth = b => {
    if (b.layer < 0) b.layer = b.side === "top" ? 0 : Math.max(top, ...b.before.map(p => depth(p) + 1))
    return b.layer
  }
  boxes.forEach(depth)
  const last = Math.max(0, ...boxes.map(b => b.layer))
  for (const b of boxes) {
    if (b.side === "bottom") b.layer = last + (boxes.some(o => !o.side && o.layer === last) ? 1 : 0)
    else if (b.child?.given && b.after.length) b.layer = Math.max(top, Math.min(...b.after.map(o => o.layer)) - 1)
  }
  widen(boxes)
  const rows = []
  const put = (b, layer) => {
    for (let i = rows.length; i <= layer; i++) rows.push([])
    b.layer = layer
    rows[layer].push(b)
  }
  for (const b of boxes) put(b, b.layer)
  const trunks = new Map()  // links that begin alike run together as long as they can
  const dummy = (link, layer) => {
    const key = `${link.a.key} ${link.from} ${layer}`
    if (!trunks.has(key)) {
      trunks.set(key, { w: 6, h: 0, up: [], down: [], isDummy: true })
      put(trunks.get(key), layer)
    }
    return trunks.get(key)
  }
  for (const link of links) {
    link.chain = [link.a]
    for (let layer = link.a.layer + 1; layer < link.b.layer; layer++) link.chain.push(dummy(link, layer))
    link.chain.push(link.b)
    link.chain.slice(1).forEach((b, i) => join(link.chain[i], b, i ? 0 : link.from, b === link.b ? link.to : 0))
  }
  return rows.filter(row => row.length)
}

// neighbours; long edges should be straight more than short ones
function join(a, b, from, to) {
  if (a.down.some(n => n.other === b && n.own === from && n.far === to)) return
  const weight = [1, 2, 8][Number(Boolean(a.isDummy)) + Number(Boolean(b.isDummy))]
  a.down.push({ other: b, own: from, far: to, weight })
  b.up.push({ other: a, own: to, far: from, weight })
}

// every other box of a wide row of inputs goes up into a row of its own
function widen(boxes) {
  const first = Math.min(...boxes.map(b => b.layer)), row = boxes.filter(b => b.layer === first)
  const width = row.reduce((sum, b) => sum + b.w + GAP.x, 0)
  if (width <= WIDE || !row.every(b => b.child?.given)) return
  for (const b of boxes) if (b.layer > first || row.indexOf(b) % 2) b.layer++
}

// few crossings: sweeps by the mean place of the neighbours
function order(rows) {
  const number = row => row.forEach((b, i) => { b.place = i })
  rows.forEach(number)
  for (let sweep = 0; sweep < 16; sweep++) {
    const side = sweep % 2 ? "down" : "up"
    for (const row of sweep % 2 ? [...rows].reverse() : rows) {
      for (const b of row) b.mean = mean(b[side].map(n => n.other.place + n.far / (n.other.w + 1)), b.place)
      row.sort((a, b) => a.mean - b.mean)
      number(row)
    }
  }
}

// the title of a block stands among the ports, so that no edge runs through it
function addTitle(container, rows) {
  if (rows[0].some(b => !b.side)) rows.unshift([])
  container.title = { ...container.title, up: [], down: [], isTitle: true }
  rows[0].unshift(container.title)
}

const mean = (numbers, otherwise) =>
  numbers.length ? numbers.reduce((sum, x) => sum + x, 0) / numbers.length : otherwise

function wish(b) {
  const near = [...b.up, ...b.down], weight = near.reduce((sum, n) => sum + n.weight, 0)
  return weight ? near.reduce((sum, n) => sum + n.weight * (n.other.x + n.far - n.own), 0) / weight : b.x
}

// straight edges: each box goes where its neighbours are, as far as its row lets it
function align(rows) {
  for (const row of rows) {
    let x = 0
    for (const b of row) {
      b.x = x + b.w / 2
      x += b.w + GAP.x
    }
  }
  for (let pass = 0; pass < 60; pass++)
    for (const row of pass % 2 ? [...rows].reverse() : rows) {
      for (const b of row) b.wish = wish(b)
      if (row[0].isTitle) row[0].wish = Math.min(...rows.slice(1).map(r => r[0].x - r[0].w / 2)) + row[0].w / 2
      let least = -Infinity, most = Infinity
      for (const b of row) {
        b.left = Math.max(b.wish, least + b.w / 2)
        least = b.left + b.w / 2 + GAP.x
      }
      for (const b of [...row].reverse()) {
        b.right = Math.min(b.wish, most - b.w / 2)
        most = b.right - b.w / 2 - GAP.x
      }
      for (const b of row) b.x = (b.left + b.right) / 2
    }
}

// rows below each other; what is given stands at the bottom of its row, near what takes it
function stack(rows) {
  let y = 0
  rows.forEach((row, i) => {
    const h = Math.max(...row.map(b => b.h))
    for (const b of row) {
      Object.assign(b, { top: y, bottom: y + h })
      b.y = b.child?.given ? y + h - b.h / 2 : y + b.h / 2
    }
    y += h + (row[0].isTitle ? GAP.y * .7 : i === rows.length - 1 ? 0 : GAP.y)
  })
}

// the size of a container, and where its children and ports are, from its upper left corner
function finish(container, rows, boxes) {
  const all = rows.flat(), frame = container.framed ? INSET : { x: 0, top: 0, bottom: 0 }
  const left = Math.min(...all.map(b => b.x - b.w / 2)), right = Math.max(...all.map(b => b.x + b.w / 2))
  const x = frame.x - left, y = frame.top
  for (const b of all) {
    b.x += x
    for (const key of ["y", "top", "bottom"]) b[key] += y
  }
  container.w = right - left + 2 * frame.x
  container.h = Math.max(...all.map(b => b.bottom)) - y + frame.top + frame.bottom
  for (const b of boxes) {
    if (b.child) Object.assign(b.child, { x: b.x, y: b.y })
    else {
      container.ports.set(b.key, b.x - container.w / 2)
      const edge = b.side === "top" ? 0 : container.h
      Object.assign(b, { y: edge, ...(b.side === "top" ? { top: edge } : { bottom: edge }) })
    }
  }
}

// the points of a link inside its container: down in its row, across the gap, down in the next row
function route({ chain, a, b, from, to }) {
  const points = []
  chain.forEach((at, i) => {
    const x = at.x + (at === a ? from : at === b ? to : 0)
    if (i) points.push([x, at.top])
    if (at === b) points.push([x, at.y - at.h / 2])
    else points.push([x, at === a ? at.y + at.h / 2 : at.top], [x, at.bottom])
  })
  return points
}

// edges that end at one node end side by side
function spread(links) {
  const ends = new Map()
  for (const link of links)
    if (link.b.child && !link.b.child.children) ends.set(link.b, [...ends.get(link.b) ?? [], link])
  for (const [b, own] of ends) {
    const step = Math.min(16, (b.w - 28) / Math.max(1, own.length - 1))
    own.sort((p, q) => p.points.at(-3)[0] - q.points.at(-3)[0])
    own.forEach(({ points }, i) => {
      for (const point of points.slice(-2)) point[0] += (i - (own.length - 1) / 2) * step
    })
  }
}

// from places in their container to places on the page
function move(container, x, y) {
  Object.assign(container, { left: x, upper: y })
  for (const child of container.children) {
    child.x += x
    child.y += y
    if (child.children) move(child, child.x - child.w / 2, child.y - child.h / 2)
  }
}

// the pieces of an edge in the order in which it runs: out of the blocks around its start, into those around its end
function joined(root, [u, v], pieces, home) {
  const depth = piece => home.get(piece.container.key)?.length ?? 0
  const out = pieces.filter(({ link }) => link.b.side === "bottom").sort((p, q) => depth(q) - depth(p))
  const rest = pieces.filter(({ link }) => link.b.side !== "bottom").sort((p, q) => depth(p) - depth(q))
  return [...out, ...rest].flatMap(({ container, link }) =>
    link.points.map(([x, y]) => [x + container.left, y + container.upper]))
}
