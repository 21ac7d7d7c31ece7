// From the standard input a JSON list of [formula, display]; to the output one of {html} or {error}.
const katex = require(process.argv[2])
const options = { output: "htmlAndMathml", throwOnError: true, strict: "error" }
const set = ([formula, displayMode]) => {
  try {
    return { html: katex.renderToString(formula, { ...options, displayMode }) }
  } catch (error) {
    return { error: error.message.replace(/^KaTeX parse error: /, "") }
  }
}
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"))
process.stdout.write(JSON.stringify(formulas.map(set)))
