"""The stepper in a browser: every step, every way to get there, every width."""

import base64
import functools

import numpy as np
import pytest
import stepped

from minigrad import relu, show, sum, var

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GO = "at => player.go(at)"
# points along every edge that lie inside a node at neither of its ends
HITS = """() => {
  const boxes = [...document.querySelectorAll("#graph .vertex")].map(g => {
    const [x, y] = g.getAttribute("transform").match(/-?[\\d.]+/g).map(Number)
    const face = g.querySelector(".face"), side = name => Number(face.getAttribute(name))
    return { key: g.dataset.key, x, y, w: side("width") / 2, h: side("height") / 2 }
  })
  const hits = []
  for (const path of document.querySelectorAll("#graph .edge"))
    for (let way = 0; way <= path.getTotalLength(); way += 8) {
      const p = path.getPointAtLength(way)
      for (const b of boxes)
        if (Math.abs(p.x - b.x) < b.w - .5 && Math.abs(p.y - b.y) < b.h - .5)
          hits.push(`${path.dataset.from} to ${path.dataset.to} through ${b.key}`)
    }
  return [...new Set(hits)]
}"""
APART = """() => {
  const boxes = [...document.querySelectorAll("#graph .face")].map(f => f.getBoundingClientRect())
  return boxes.every((a, i) => boxes.slice(i + 1).every(b =>
    a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top))
}"""


@functools.cache
def made(name):
    return {**stepped.PROGRAMS, "recurrent": stepped.recurrent}[name]()


@pytest.fixture
def open_page(visit, tmp_path):
    def open_page(name, *args, **options):
        path = tmp_path / f"{name}.html"
        made(name)[0].save(path)
        return visit(path, *args, **options)

    return open_page


def body(page):
    return page.evaluate("document.body.outerHTML")


def at(page):
    return page.evaluate("player.at")


def test_it_is_one_request(open_page):
    page = open_page("two_layers")
    assert len(page.requests) == 1
    assert page.title() == "L, one write at a time"


@pytest.mark.parametrize("name", ["two_layers", "residual"])
def test_a_step_back_and_forth_changes_nothing_else(open_page, name):
    page = open_page(name)
    seen = set()
    for k in range(1, page.evaluate("player.count") + 1):
        page.evaluate(GO, k)
        before = body(page)
        page.evaluate(GO, k - 1)
        assert body(page) != before
        page.evaluate(GO, k)
        assert body(page) == before
        seen.add(before)
    assert len(seen) == page.evaluate("player.count")


def test_a_step_changes_the_picture(open_page):
    page = open_page("two_layers", "#12")
    now = page.locator("#now")
    before = now.screenshot()
    page.keyboard.press("ArrowRight")
    after = now.screenshot()
    page.keyboard.press("ArrowLeft")
    assert before != after
    assert now.screenshot() == before


@pytest.mark.parametrize("name", ["two_layers", "siamese"])
def test_the_last_gradients_are_those_of_minigrad(open_page, name):
    page, nodes = open_page(name), made(name)[1]
    state = page.evaluate(
        "known(steps.length).map((s, i) => [variables[i].name, arrays[s.gradient]])"
    )
    found = {name: entry for name, entry in state if entry}
    for name, n in nodes.items():
        exact = np.array(found[name]["values"], float).reshape(n.shape)
        assert np.allclose(exact, n.grad, rtol=5e-4, atol=1e-12)
        coded = np.frombuffer(base64.b64decode(found[name]["cells"]), np.uint8)
        low, high = found[name]["drawn"]
        assert (low, high) == (n.grad.min(), n.grad.max())
        drawn = low + coded / 254 * (high - low)
        assert np.allclose(drawn, n.grad.ravel(), atol=(high - low) / 500 + 1e-12)


def test_what_is_not_computed_is_not_zero(open_page):
    page = open_page("two_layers", "#4")

    def gradient(name):
        row = page.locator("#arrays tr", has=page.locator("th code", has_text=name)).first
        return row.locator("> td").nth(1).inner_text()

    assert gradient("W2") == "not computed yet"
    assert gradient("X") == "constant"
    page.evaluate(GO, 11)
    assert " to " in gradient("W2")


def test_old_added_and_new_share_one_scale(open_page):
    page = open_page("two_layers", "#13")
    names = page.locator("#now figcaption code").all_inner_texts()
    assert names == ["dA2", "dW2 before", "added", "dW2"]
    colours = page.evaluate(
        """() => [...document.querySelectorAll("#now canvas")].slice(1).map(canvas => {
             const p = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
             return [...p].filter((_, k) => k % 4 === 0)
           })"""
    )
    step = page.evaluate(
        "[steps[12].old, steps[12].added, steps[12].array].map(i => arrays[i].values)"
    )
    largest = max(np.abs(np.array(values, float)).max() for values in step)
    for values, reds in zip(step, colours):
        share = np.array(values, float).ravel() / largest
        end = np.where(share > 0, 178, 33)
        assert np.abs(248 + (end - 248) * np.abs(share) - reds).max() < 3


def test_the_current_line_and_the_line_of_the_source_are_marked(open_page):
    page = open_page("two_layers", "#16")
    assert page.locator("#program [aria-current=step]").all_inner_texts() == ["Z.back(A)"]
    assert page.locator("#source .now").all_inner_texts() == ["        dA += dZ * (Z > 0)\n"]
    page.evaluate(GO, 2)
    assert page.locator("#program [aria-current=step]").all_inner_texts() == ["Z = relu(A)"]
    assert page.locator("#source .now").all_inner_texts() == ["    Z = np.maximum(A, 0)\n"]


def test_the_edge_along_which_a_step_goes_is_drawn_over_the_others(open_page):
    page = open_page("two_layers", "#13")
    assert page.locator("#graph .flow.back[marker-start]").count() == 1
    page.evaluate(GO, 6)
    assert page.locator("#graph .flow.forward[marker-end]").count() == 2
    page.evaluate(GO, 7)
    assert page.locator("#graph .flow").count() == 0


def test_the_keyboard_alone_is_enough(open_page):
    page = open_page("two_layers")
    for key, place in [("ArrowRight", 1), ("End", 18), ("ArrowLeft", 17), ("Home", 0)]:
        page.keyboard.press(key)
        assert at(page) == place
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''"))
        if seen[-1] == "Fold model":
            page.keyboard.press("Enter")
            break
    assert {"Play", "Next step", "Step", "Fold model"} <= set(seen)
    assert page.locator("#program button.line").first.inner_text().startswith("A2 = model(")
    page.locator("#program button.line", has_text="A2.back").focus()
    page.keyboard.press("Enter")
    assert at(page) == 13
    page.locator("#graph .vertex[aria-label*=decay]").focus()
    page.keyboard.press("Enter")
    assert at(page) == 5


def test_what_is_focused_stays_focused(open_page):
    page = open_page("two_layers", "#17")
    focused = "document.activeElement.ariaLabel"
    page.get_by_role("button", name="Next step", exact=True).focus()
    page.keyboard.press("Enter")
    assert (at(page), page.evaluate(focused)) == (18, "Next step")
    page.keyboard.press("Enter")
    assert (at(page), page.evaluate(focused)) == (18, "Next step")
    for place, change in [("#program", "Open model"), ("#graph", "Open model, ")]:
        page.locator(f"{place} [aria-label='Fold model']").last.focus()
        page.keyboard.press("Enter")
        assert page.evaluate(focused).startswith(change)
        page.keyboard.press("Enter")
        assert page.evaluate(focused) == "Fold model"


def test_keys_in_the_slider_are_its_own(open_page):
    page = open_page("two_layers")
    page.locator("#bar input").focus()
    page.keyboard.press("ArrowRight")
    assert at(page) == 1
    page.keyboard.press("Control+ArrowRight")
    assert page.locator("#bar input").get_attribute(
        "aria-valuetext"
    ) == f"step {at(page)} of 18: " + ("A =" if at(page) == 1 else "Z =")


def test_a_key_that_is_held_is_no_burden(open_page):
    page = open_page("residual")
    for _ in range(8):
        page.evaluate("() => { for (let at = 0; at <= player.count; at++) player.go(at) }")
    page.wait_for_function("location.hash === `#${player.count}`")


def test_play_goes_on_by_itself_and_stops_at_the_end(open_page):
    page = open_page("two_layers", "#15")
    play = page.get_by_role("button", name="Play")
    play.click()
    assert page.locator("#note").get_attribute("aria-live") == "off"
    play.click()
    page.evaluate("player.milliseconds = 20")
    play.click()
    page.wait_for_function("player.at === 18 && !player.timer")
    assert play.get_attribute("aria-pressed") == "false"
    assert page.locator("#note").get_attribute("aria-live") == "polite"


def test_the_address_keeps_the_step_and_what_is_folded(open_page, visit):
    page = open_page("residual", "#7")
    assert at(page) == 7
    page.get_by_role("button", name="Fold blocks").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash === '#8/0.1.2'")
    again = open_page("residual", "#8/0.1.2")
    assert again.locator("#graph").inner_html() == page.locator("#graph").inner_html()
    again.evaluate("location.hash = '#3'")
    again.wait_for_function("player.at === 3")
    assert again.evaluate("folded.size") == 0
    again.evaluate("location.hash = '#4/-1'")
    again.wait_for_function("player.at === 4 && folded.size === 0")
    again.evaluate("location.hash = '#99/7'")
    again.wait_for_function("player.at === player.count")


def test_a_folded_block_is_one_node_and_one_line(open_page):
    page = open_page("two_layers", "#13/0.1")
    assert page.locator("#graph .vertex.folded").count() == 2
    assert page.locator("#program [aria-current=step]").inner_text().startswith("A2.back(X,")
    assert page.locator("#arrays tbody tr:not([hidden]) code").all_inner_texts() == [
        *("X", "W1", "b1", "W2", "b2", "T"),
        *("A2", "L"),
    ]
    page.locator("#program").get_by_role("button", name="Open model").first.click()
    assert page.locator("#program [aria-current=step]").inner_text() == "A2.back(Z, (W2, b2))"


@pytest.mark.parametrize("name", [*stepped.PROGRAMS, "recurrent"])
def test_no_edge_runs_through_a_node(open_page, name):
    page = open_page(name)
    assert page.locator("#graph .edge").count() > 3
    assert page.locator("#graph .vertex").count() <= 60
    for block in range(min(4, page.evaluate("blocks.length"))):
        assert page.evaluate(HITS) == []
        assert page.evaluate(APART)
        page.evaluate("block => fold(block)", block)
    page.evaluate("foldAll(true)")
    assert page.evaluate(HITS) == []


def test_an_edge_through_a_node_would_be_seen(open_page):
    page = open_page("two_layers")
    page.evaluate(
        """() => {
          const [edge] = document.querySelectorAll("#graph .edge"), node = "#graph .vertex.node"
          const { x, y } = edge.getPointAtLength(edge.getTotalLength() / 2)
          document.querySelector(node).setAttribute("transform", `translate(${x} ${y})`)
        }"""
    )
    assert page.evaluate(HITS) != []


@pytest.mark.parametrize("name", stepped.PROGRAMS)
def test_nothing_is_wider_than_a_telephone(open_page, name):
    page = open_page(name, width=360, height=740)
    for k in (0, 1, page.evaluate("steps.length"), page.evaluate("steps.length") // 2):
        page.evaluate(GO, k)
        for place in ("document.documentElement", "byId('now')", "byId('bar')", "byId('program')"):
            assert page.evaluate(f"{place}.scrollWidth <= {place}.clientWidth"), (k, place)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
def test_axe_finds_nothing_serious(open_page, violations, scheme, width):
    page = open_page("two_layers", "#13", width=width, color_scheme=scheme, reduced_motion="reduce")
    page.locator("#arrays summary").first.click()
    assert violations(page) == []
    page.evaluate("foldAll(true)")
    page.evaluate(GO, 3)
    assert violations(page) == []


def test_dark_pages_have_dark_heat_maps(open_page):
    page = open_page("two_layers", "#3", color_scheme="light")
    painted = "() => document.querySelector('#now canvas').toDataURL()"
    light = page.evaluate(painted)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => ({painted})() !== light", arg=light)


def test_nothing_moves_for_who_wants_no_motion(open_page):
    page = open_page("two_layers", reduced_motion="reduce")
    durations = (
        "[...document.querySelectorAll('*')].map(e => getComputedStyle(e).transitionDuration)"
    )
    assert set(page.evaluate(durations)) == {"0s"}


def test_without_javascript_the_listing_is_there(open_page):
    page = open_page("two_layers", java_script_enabled=False)
    assert page.locator("pre").inner_text().startswith("A = affine(X, (W1, b1))")
    assert page.locator(".unrolled tbody tr").count() == 18
    assert page.locator(".unrolled").is_visible()
    assert not page.locator("#now").is_visible()


def test_print_shows_all_steps_and_no_controls(open_page):
    page = open_page("two_layers", "#5")
    assert not page.locator(".unrolled").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".unrolled").is_visible()
    assert page.locator(".unrolled tbody tr").count() == 18
    assert not page.locator("#bar").is_visible()
    assert not page.locator(".panes").is_visible()


def test_the_screen_reader_hears_names_ranges_and_the_step(open_page):
    page = open_page("two_layers", "#13")
    tree = page.locator("#now").aria_snapshot()
    assert 'img "dW2 before, 4\N{MULTIPLICATION SIGN}3,' in tree
    assert 'img "plus"' in tree
    assert page.locator("#note").inner_text() == (
        "backward A2.back(Z, (W2, b2)) deposits dW2 += …: deposit 2 of 2, added to what is there"
    )
    assert page.locator("#bar input").get_attribute("aria-valuetext") == "step 13 of 18: dW2 +="
    graph = page.locator("#graph").aria_snapshot()
    assert "affine, value and gradient computed, current step" in graph


def test_it_works_in_the_frame_of_a_notebook(visit, tmp_path):
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><p>A cell.</p>{made('two_layers')[0]._repr_html_()}")
    page = visit(path, width=1000)
    frame = page.frame_locator("iframe")
    frame.get_by_role("button", name="Last step").click()
    assert frame.locator("output").inner_text() == "18 / 18"
    assert page.evaluate("location.hash") == ""


@pytest.mark.parametrize("width", [700, 900])
def test_in_the_frame_of_a_notebook_the_line_and_the_source_are_seen(open_page, width):
    page = open_page("two_layers", "#18", width=width, height=736)
    for place in ("#program [aria-current]", "#source .now", "#graph .vertex.back"):
        box = page.locator(place).bounding_box()
        assert 0 < box["y"] < box["y"] + box["height"] < 736, place


def test_arrays_without_entries_are_stepped_through(visit, tmp_path):
    show(sum(relu(var(np.ones((0, 3)))))).save(tmp_path / "empty.html")
    page = visit(tmp_path / "empty.html", "#5")
    assert page.locator("#now .range").all_inner_texts() == ["empty"] * 4


def test_a_training_step_of_a_convolutional_network_opens_at_once(open_page, capsys):
    page = open_page("convolutions", "#20", width=1600)
    size = len(made("convolutions")[0].html.encode())
    timing = "performance.timing.loadEventEnd - performance.timing.navigationStart"
    page.wait_for_function("performance.timing.loadEventEnd > 0")
    milliseconds = page.evaluate(timing)
    with capsys.disabled():
        print(f"\n64c5-64c5-128f: {size / 1e6:.2f} MB, open after {milliseconds} ms")
    assert size < 2_000_000
    assert milliseconds < 4000  # 1000 on a machine that does nothing else
    assert page.locator("canvas").count() > 20
