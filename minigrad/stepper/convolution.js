// A window slides over an image. Each place of it is a step.

const { image, inside, filter, stride, rows, output } = DATA
const largestOf = matrix => Math.max(...matrix.flat().map(Math.abs)) || 1
const SCALE = { image: largestOf(image), filter: largestOf(filter), output: largestOf(output) }
const [high, wide] = [filter.length, filter[0].length]
const across = output[0].length
const fill = t => `rgb(${colour(t)})`
const few = (x, scale) => String(Number(scale < .1 ? x.toPrecision(1) : x.toFixed(scale < 10 ? 2 : 1)))

// white or black letters, whichever can be read on the colour of t
function letters(t) {
  const [r, g, b] = colour(t)
  return .3 * r + .59 * g + .11 * b > 140 ? "#14181f" : "#ffffff"
}

// a matrix as a picture: look(i, j) gives a cell's value, undefined where there is none yet, and scale
function grid(name, down, right, side, look, marks = []) {
  const height = down * side, width = right * side
  const picture = draw("svg", { viewBox: `-2 -2 ${width + 4} ${height + 4}`, width: width + 4, height: height + 4, role: "img", "aria-label": name })
  for (let i = 0; i < down; i++)
    for (let j = 0; j < right; j++) {
      const [value, scale, quiet] = look(i, j), t = value / scale
      const cell = draw("rect", { x: j * side, y: i * side, width: side, height: side, class: value === undefined ? "cell empty" : quiet ? "cell border" : "cell" })
      if (value !== undefined) cell.setAttribute("fill", fill(t))
      picture.append(cell)
      if (value !== undefined && side >= 30)
        picture.append(draw("text", { x: (j + .5) * side, y: (i + .5) * side + 4, class: "value", fill: letters(t) }, few(value, scale)))
    }
  for (const { i, j, h, w, kind } of marks)
    picture.append(draw("rect", { x: j * side, y: i * side, width: w * side, height: h * side, class: `mark ${kind}` }))
  return picture
}

const sideFor = (down, right, room, most = 40) => Math.max(4, Math.min(most, Math.floor(Math.min(room / right, 380 / down))))

// where the window is at a step, from 1
const placeOf = at => [Math.floor((at - 1) / across), (at - 1) % across]

function showImage(at) {
  const down = image.length, right = image[0].length, [top, left, h, w] = inside
  const border = (i, j) => i < top || j < left || i >= top + h || j >= left + w
  const [i, j] = placeOf(at)
  const marks = at ? [{ i: i * stride[0], j: j * stride[1], h: high, w: wide, kind: "forward" }] : []
  const words = at ? `the image, the window at row ${i * stride[0]}, column ${j * stride[1]}` : "the image"
  byId("image").replaceChildren(grid(words, down, right, sideFor(down, right, ROOM), (i, j) => [image[i][j], SCALE.image, border(i, j)], marks))
}

function showProduct(at) {
  const side = sideFor(high, wide, ROOM / 3.6, 40), row = at ? rows[at - 1] : null
  const seen = (i, j) => row?.[i * wide + j]
  const times = (i, j) => row ? row[i * wide + j] * filter[i][j] : undefined
  const most = SCALE.image * SCALE.filter
  const part = (words, look, sign) => make("div", { class: "part" }, grid(words, high, wide, side, look), make("span", { class: "sign", "aria-hidden": "true" }, sign))
  const [i, j] = placeOf(at)
  byId("product").replaceChildren(
    part("what the window sees", (i, j) => [seen(i, j), SCALE.image], "×"),
    part("the filter", (i, j) => [filter[i][j], SCALE.filter], "="),
    part("their products", (i, j) => [times(i, j), most], ""),
    make("p", { class: "sum" }, `their sum: ${at ? digits(output[i][j]) : "not computed yet"}`))
}

function showOutput(at) {
  const down = output.length, [i, j] = placeOf(at)
  const look = (i, j) => [i * across + j < at ? output[i][j] : undefined, SCALE.output]
  const marks = at ? [{ i, j, h: 1, w: 1, kind: "forward" }] : []
  byId("output").replaceChildren(grid(`the output, ${at} of ${rows.length} computed`, down, across, sideFor(down, across, ROOM), look, marks))
}

function showRows(at) {
  const right = high * wide, side = Math.max(4, Math.min(18, Math.floor(Math.min((ROOM - 60) / (right + 4), 460 / rows.length))))
  const look = (i, j) => [i < at ? rows[i][j] : undefined, SCALE.image]
  const marks = at ? [{ i: at - 1, j: 0, h: 1, w: right, kind: "forward" }] : []
  const column = grid("the filter as a column", right, 1, side, i => [filter.flat()[i], SCALE.filter])
  const outputs = grid("the outputs as a column", rows.length, 1, side, i => [i < at ? output.flat()[i] : undefined, SCALE.output],
                       at ? [{ i: at - 1, j: 0, h: 1, w: 1, kind: "forward" }] : [])
  const sign = text => make("span", { class: "sign", "aria-hidden": "true" }, text)
  byId("rows").replaceChildren(grid(`the matrix, ${rows.length} rows of ${right} values`, rows.length, right, side, look, marks), sign("×"), column, sign("="), outputs)
}

function say(at) {
  if (!at) return "the beginning"
  const [i, j] = placeOf(at)
  return `output ${i}, ${j} is ${digits(output[i][j])}`
}

function show(at) {
  if (at) {
    const [i, j] = placeOf(at)
    byId("note").replaceChildren("The window at place ", make("code", {}, `${i}, ${j}`), " becomes row ", make("code", {}, String(at - 1)),
      ": its product with the filter is ", make("code", {}, digits(output[i][j])), ".")
  } else byId("note").textContent = START
  for (const part of [showImage, showProduct, showOutput, showRows]) part(at)
}

const START = byId("note").textContent
let ROOM = 0
const measure = () => { ROOM = Math.min(400, document.documentElement.clientWidth - 64) }
const shapes = { image, rows, output }
for (const [name, matrix] of Object.entries(shapes)) byId(`${name}-shape`).textContent = `${matrix.length}×${matrix[0].length}`
if (image.length > inside[2] || image[0].length > inside[3]) byId("image-shape").append(" with its border")
measure()
const player = new Player(byId("bar"), { count: rows.length, show, say, milliseconds: 700 })
onRepaint = () => show(player.at)
addEventListener("resize", () => { measure(); show(player.at) })
player.recall()
