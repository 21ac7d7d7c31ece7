// softmax(A / τ): bars, and the entropy of what they say.

const { activations } = DATA

function softmax(A, tau) {
  const most = Math.max(...A), E = A.map(a => Math.exp((a - most) / tau)), sum = E.reduce((s, e) => s + e, 0)
  return E.map(e => e / sum)
}

const entropy = Y => -Y.reduce((sum, y) => sum + (y > 0 ? y * Math.log(y) : 0), 0)

const WIDTH = 440, HEIGHT = 300, BASE = HEIGHT - 46, TOP = 26
const step = Math.min(90, WIDTH / activations.length), left = (WIDTH - step * activations.length) / 2
const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" })
const bars = activations.map((a, k) => {
  const x = left + k * step
  const bar = draw("rect", { x: x + step * .14, width: step * .72, class: "chance" })
  const text = draw("text", { x: x + step / 2, class: "chance-value" })
  const label = step >= 30 ? [draw("text", { x: x + step / 2, y: BASE + 18, class: "axis" }, digits(a))] : []
  picture.append(bar, text, ...label)
  return { bar, text }
})
picture.append(draw("line", { x1: 0, x2: WIDTH, y1: BASE, y2: BASE, class: "rule" }),
               draw("text", { x: WIDTH / 2, y: HEIGHT - 6, class: "axis" }, "activations"))
byId("bars").append(picture)

function show() {
  const tau = 10 ** Number(byId("temperature").value), Y = softmax(activations, tau)
  const largest = Math.max(...Y)
  Y.forEach((y, k) => {
    const h = y * (BASE - TOP), { bar, text } = bars[k]
    bar.setAttribute("y", BASE - h)
    bar.setAttribute("height", h)
    bar.classList.toggle("first", y === largest)
    text.setAttribute("y", BASE - h - 6)
    text.textContent = step >= 30 ? y.toFixed(2) : ""
  })
  byId("value").textContent = digits(Number(tau.toPrecision(3)))
  byId("temperature").setAttribute("aria-valuetext", `τ = ${tau.toPrecision(3)}`)
  byId("entropy").textContent = entropy(Y).toFixed(3)
  byId("largest").textContent = largest.toFixed(3)
  picture.setAttribute("aria-label", `Probabilities at τ = ${tau.toPrecision(3)}: ${Y.map(y => y.toFixed(2)).join(", ")}`)
}

byId("most").textContent = `of at most ln ${activations.length} = ${Math.log(activations.length).toFixed(3)}`
byId("temperature").addEventListener("input", show)
byId("again").addEventListener("click", () => {
  byId("temperature").value = 0
  show()
})
show()
