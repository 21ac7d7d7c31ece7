"""The site in a browser, from files: two small lectures, the contents, the reference."""

import shutil
from pathlib import Path

import pytest
from small_course import write_course

pytestmark = [pytest.mark.slow, pytest.mark.browser]
KINDS = "01_softmax.html", "index.html", "reference.html", "source/minigrad.nodes.layers.html"
INSTALLED = Path(__file__).parents[2] / "build/lectures/npm"  # by `make lectures`


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for name in ("nbclient", "nbconvert", "jupytext"):
        pytest.importorskip(name, reason=f"{name} is missing: install the extra lectures")
    from minigrad.lectures.site import SiteError, build, packages

    folder = tmp_path_factory.mktemp("site")
    if INSTALLED.exists():
        shutil.copytree(INSTALLED, folder / "work/npm")
    try:
        packages.install(folder / "work")
    except SiteError as problem:
        pytest.skip(str(problem))
    build(write_course(folder / "lectures"), folder / "site", folder / "work")
    return folder / "site"


def text_of(page, selector):
    return page.locator(selector).first.inner_text()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("width", [360, 700, 1600])
def test_no_page_is_wider_than_its_window(site, visit, name, width):
    page = visit(site / name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(site, visit, violations, name, scheme):
    assert violations(visit(site / name, color_scheme=scheme)) == []


def test_axe_finds_nothing_serious_on_a_telephone(site, visit, violations):
    assert violations(visit(site / "01_softmax.html", width=360)) == []


def test_a_heading_is_found_and_reached_by_the_keyboard_alone(site, visit):
    page = visit(site / "index.html")
    page.keyboard.press("/")
    page.keyboard.type("learned")
    assert page.get_by_role("option").all_inner_texts() == [
        "What was learned\n1. Softmax",
        "What was learned\n2. Cross-entropy",
    ]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/02_cross_entropy.html#what-was-learned")
    assert page.title().startswith("2. Cross-entropy")


def test_a_name_of_the_library_is_found_from_a_page_of_sources(site, visit):
    page = visit(site / "source/minigrad.nodes.layers.html")
    page.get_by_role("combobox").fill("leaky")
    page.keyboard.press("Enter")
    page.wait_for_url("**/reference.html#minigrad.leaky_relu")


def test_escape_closes_what_was_found(site, visit):
    page = visit(site / "index.html")
    page.get_by_role("combobox").fill("learned")
    assert page.get_by_role("option").count() == 2
    page.keyboard.press("Escape")
    assert page.get_by_role("option").count() == 0


def test_a_button_copies_the_code_beside_it(site, visit):
    page = visit(site / "01_softmax.html", permissions=["clipboard-read", "clipboard-write"])
    page.locator(".exercise .copy").first.click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("def softmax(A):\n")
    assert copied.endswith("    return Y")


def test_of_a_session_what_was_typed_is_copied(site, visit):
    page = visit(site / "reference.html", permissions=["clipboard-read", "clipboard-write"])
    page.locator("section", has=page.locator("[id='minigrad.var']")).locator(".copy").click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "W, b = var((np.ones((2, 3)), np.zeros(3)))\nW"


def test_one_page_leads_to_the_next_and_back(site, visit):
    page = visit(site / "01_softmax.html")
    page.get_by_role("link", name="Next 2. Cross-entropy").click()
    page.wait_for_url("**/02_cross_entropy.html")
    page.get_by_role("link", name="Previous 1. Softmax").click()
    page.wait_for_url("**/01_softmax.html")


def test_every_link_within_the_site_leads_somewhere(site, visit):
    for file in site.glob("*.html"):
        page = visit(file)
        for link in page.locator("a").evaluate_all("links => links.map(a => a.href)"):
            path, _, anchor = link.removeprefix("file://").partition("#")
            assert Path(path).exists(), f"{file.name}: {link}"
            text = Path(path).read_text("utf-8")
            assert not anchor or f'id="{anchor}"' in text, f"{file.name}: {link}"


def test_formulas_are_set_with_the_typefaces_that_come_along(site, visit):
    page = visit(site / "01_softmax.html")
    assert page.locator("math").count() == page.locator(".katex-html").count() > 5
    faces = page.evaluate(
        "document.fonts.ready.then(all => [...all].map(f => [f.family, f.status]))"
    )
    assert ["KaTeX_Main", "loaded"] in faces
    assert "error" not in [status for _, status in faces]


def test_a_short_formula_stays_on_its_line(site, visit):
    page = visit(site / "01_softmax.html")
    formula = page.locator(".joined .katex").first
    assert formula.evaluate("formula => getComputedStyle(formula).display") == "inline"


def test_a_figure_on_a_telephone_keeps_its_labels_legible_and_scrolls(site, visit):
    page = visit(site / "01_softmax.html", width=360)
    figure = page.locator("figure")
    assert figure.evaluate("f => f.scrollWidth > f.clientWidth && f.tabIndex == 0")


def test_a_wide_box_scrolls_by_itself_and_can_be_reached_by_the_keyboard(site, visit):
    page = visit(site / "01_softmax.html", width=360)
    wide = page.locator("pre.output")
    assert wide.evaluate("box => box.scrollWidth > box.clientWidth && box.tabIndex == 0")


def test_an_interactive_page_is_shown_in_its_place_and_on_a_page_of_its_own(site, visit):
    page = visit(site / "02_cross_entropy.html")
    page.locator("iframe").scroll_into_view_if_needed()
    assert page.frame_locator("iframe").get_by_text("One < two").is_visible()
    page.get_by_role("link", name="On a page of its own").click()
    page.wait_for_url("**/02_cross_entropy.1.html")


def test_without_javascript_all_is_there_to_read(site, visit):
    page = visit(site / "01_softmax.html", java_script_enabled=False)
    assert page.get_by_role("img", name="A line that rises from 0 to 1.").is_visible()
    assert "softmax: right in 2 cases" in text_of(page, "main")
    assert not page.get_by_role("combobox").is_visible()


def test_paper_shows_the_lecture_alone_dark_or_light(site, visit):
    page = visit(site / "01_softmax.html", color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("header").is_visible()
    assert not page.locator(".copy").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
