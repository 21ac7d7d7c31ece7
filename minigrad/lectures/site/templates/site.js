"use strict"

// copying: of a session at Python's prompt what was typed
for (const box of navigator.clipboard ? document.querySelectorAll(".code") : []) {
  const button = document.createElement("button")
  button.type = "button"
  button.className = "copy"
  button.textContent = "Copy"
  button.addEventListener("click", async () => {
    const lines = box.querySelector("code").textContent.split("\n")
    const typed = lines.filter(line => /^(>>>|\.\.\.)( |$)/.test(line)).map(line => line.slice(4))
    await navigator.clipboard.writeText((lines[0].startsWith(">>>") ? typed : lines).join("\n"))
    button.textContent = "Copied"
    setTimeout(() => { button.textContent = "Copy" }, 1500)
  })
  box.append(button)
}

// search: all words must occur; headings that begin with them come first
const search = document.getElementById("site-search"), found = document.getElementById("site-found")
const root = document.documentElement.dataset.root
let chosen = 0

function matches(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (!words.length) return []
  const rank = name => name.startsWith(words[0]) ? 0 : name.includes(" " + words[0]) ? 1 : 2
  return headings
    .filter(([name, page]) => words.every(word => (name + " " + page).toLowerCase().includes(word)))
    .map(entry => [rank(entry[0].toLowerCase()), entry])
    .sort(([a], [b]) => a - b)
    .slice(0, 8)
    .map(([, entry]) => entry)
}

function choose(n) {
  chosen = n
  for (const [i, item] of [...found.children].entries()) item.setAttribute("aria-selected", i === n)
  search.setAttribute("aria-activedescendant", found.children[n] ? found.children[n].id : "")
}

function show(entries) {
  found.replaceChildren(...entries.map(([name, page, place], i) => {
    const item = document.createElement("li"), where = document.createElement("small")
    item.id = "site-found-" + i
    item.role = "option"
    item.textContent = name
    where.textContent = page
    item.append(where)
    item.addEventListener("mousedown", event => { event.preventDefault(); go(place) })
    item.dataset.place = place
    return item
  }))
  found.hidden = !entries.length
  search.setAttribute("aria-expanded", !found.hidden)
  choose(0)
}

function go(place) {
  search.value = ""
  search.blur()
  location.href = root + place
}

search.parentElement.hidden = false
search.addEventListener("input", () => show(matches(search.value)))
search.addEventListener("blur", () => show([]))
search.addEventListener("keydown", event => {
  const n = found.children.length
  if (event.key === "Escape") show([])
  else if (n && event.key === "ArrowDown") choose((chosen + 1) % n)
  else if (n && event.key === "ArrowUp") choose((chosen + n - 1) % n)
  else if (n && event.key === "Enter") go(found.children[chosen].dataset.place)
  else return
  event.preventDefault()
})
document.addEventListener("keydown", event => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]")
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  search.focus()
})

// the table of contents stands open where there is room, and shows where one reads
const toc = document.querySelector(".toc"), room = matchMedia("(min-width: 75rem)")
if (toc) {
  const open = () => { toc.open = room.matches }
  room.addEventListener("change", open)
  open()
  const links = new Map([...toc.querySelectorAll("a")].map(a => [decodeURIComponent(a.hash.slice(1)), a]))
  const seen = new IntersectionObserver(entries => {
    const heading = entries.find(entry => entry.isIntersecting)
    if (!heading) return
    for (const a of links.values()) a.removeAttribute("aria-current")
    links.get(heading.target.id).setAttribute("aria-current", "true")
  }, { rootMargin: "0px 0px -70% 0px" })
  for (const id of links.keys()) seen.observe(document.getElementById(id))
}

// what is wider than its place scrolls by itself, by keyboard too
function fit() {
  for (const formula of document.querySelectorAll("main :not(.katex-display) > .katex:not(.wide)")) {
    const room = formula.closest("p, li, td, th, summary, h1, h2, h3, h4").clientWidth
    const parts = [...formula.querySelectorAll(".base")]
    if (room && parts.some(part => part.getBoundingClientRect().width > room)) formula.classList.add("wide")
  }
  for (const box of document.querySelectorAll("pre, figure, .output, .wide, .katex-display"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0
    else box.removeAttribute("tabindex")
}
addEventListener("load", fit)
addEventListener("resize", fit)
