"""Pages to play with, in a browser: their formulas are those of minigrad; hands reach all of it."""

import numpy as np
import pytest
from minigrad.models.contrastive_loss import contrastive
from minigrad.models.triplet_loss import triplet

from minigrad import conv, softmax, value_and_grad
from minigrad.stepper.interactive import convolution_page, forces_page, softmax_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

IMAGE = np.random.default_rng(0).normal(size=(6, 5))
FILTER = np.array([[1.0, 0.0], [0.5, -1.0]])
PAGES = {
    "convolution": lambda: convolution_page(IMAGE, FILTER, 1, 1),
    "contrastive": lambda: forces_page("contrastive"),
    "triplet": lambda: forces_page("triplet", margin=0.5),
    "softmax": lambda: softmax_page(np.array([2.0, 1.0, -1.0])),
}


@pytest.fixture
def open_page(visit, tmp_path):
    def open_page(page, *args, **options):
        path = tmp_path / "page.html"
        page.save(path)
        return visit(path, *args, **options)

    return open_page


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_is_too_wide(open_page, violations, name, scheme):
    for width in (360, 1200):
        page = open_page(PAGES[name](), width=width, color_scheme=scheme, reduced_motion="reduce")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_each_place_of_the_window_is_a_step_that_can_be_taken_back(open_page):
    page = open_page(convolution_page(IMAGE, FILTER, stride=2, padding=((1, 0), (0, 1))))
    output = conv(IMAGE[None, None], (FILTER[None, None], None), 2, ((1, 0), (0, 1)))[0, 0]
    assert page.evaluate("player.count") == output.size
    for k, exact in enumerate(output.ravel(), 1):
        page.keyboard.press("ArrowRight")
        shown = page.locator("#product .sum").inner_text().removeprefix("their sum: ")
        assert float(shown) == pytest.approx(exact, rel=1e-3)
        assert page.locator("#output .cell:not(.empty)").count() == k
        before = page.evaluate("document.body.outerHTML")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.body.outerHTML") == before
    products = page.evaluate(
        "rows.map(row => row.reduce((s, x, k) => s + x * filter.flat()[k], 0))"
    )
    assert np.allclose(products, output.ravel())


@pytest.mark.parametrize("margin", [0.3, 1.0, 2.5])
def test_contrastive_forces_are_those_of_minigrad(open_page, margin):
    page = open_page(forces_page("contrastive", margin))
    classes = np.array(page.evaluate("classes"))
    I, J = np.triu_indices(len(classes), 1)
    t = (classes[I] == classes[J]).astype(int)
    rng = np.random.default_rng(0)
    for k in range(5):
        points = rng.normal(size=(len(classes), 2))
        points[1] = points[2] if k == 0 else points[1]
        L, (dF, dG) = value_and_grad(contrastive, (0, 1))(points[I], points[J], t, margin)
        exact = np.zeros_like(points)
        np.add.at(exact, I, dF)
        np.add.at(exact, J, dG)
        found = page.evaluate(
            "([points, margin]) => forces(points, margin)", [points.tolist(), margin]
        )
        assert found["loss"] == pytest.approx(float(L))
        assert np.allclose(found["gradients"], exact)


@pytest.mark.parametrize("margin", [0.1, 1.0, 4.0])
def test_triplet_forces_are_those_of_minigrad(open_page, margin):
    page = open_page(forces_page("triplet", margin))
    rng = np.random.default_rng(1)
    active = []
    for _ in range(6):
        points = rng.normal(size=(3, 2))
        L, exact = value_and_grad(triplet, (0, 1, 2))(*points[:, None], margin)
        found = page.evaluate(
            "([points, margin]) => forces(points, margin)", [points.tolist(), margin]
        )
        assert found["loss"] == pytest.approx(float(L))
        assert np.allclose(found["gradients"], np.concatenate(exact))
        active.append(L > 0)
    assert any(active)


def test_points_are_moved_by_mouse_touch_and_keys(open_page):
    page = open_page(forces_page("contrastive"), has_touch=True)
    losses = [page.locator("#loss").inner_text()]

    def moved():
        losses.append(page.locator("#loss").inner_text())
        return losses[-1] != losses[-2]

    box = page.locator(".point circle").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=3)
    page.mouse.up()
    assert moved()
    page.mouse.move(x, y)
    assert not moved()
    page.locator(".point").nth(3).focus()
    page.keyboard.press("ArrowUp")
    assert moved()
    touch = page.context.new_cdp_session(page)
    box = page.locator(".point").nth(4).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    for kind, places in [
        ("touchStart", [(x, y)]),
        ("touchMove", [(x + 40, y - 30)]),
        ("touchEnd", []),
    ]:
        points = [{"x": x, "y": y} for x, y in places]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_timeout(100)
    assert moved()


@pytest.mark.parametrize("kind", ["contrastive", "triplet"])
def test_following_the_forces_makes_the_loss_smaller(open_page, kind):
    page = open_page(forces_page(kind))
    first = page.evaluate("forces(points, margin).loss")
    page.get_by_role("button", name="Follow the forces").click()
    page.wait_for_function("first => forces(points, margin).loss < .7 * first", arg=first)
    page.get_by_role("button", name="Start again").click()
    assert page.evaluate("forces(points, margin).loss") == first


def test_the_softmax_and_its_entropy_are_right_at_every_temperature(open_page):
    A = np.array([1000.0, 999.0, 998.5, -1000.0])
    page = open_page(softmax_page(A))
    for T in (0.01, 0.3, 1.0, 7.0, 100.0):
        Y = softmax(A[None] / T)[0]
        found = page.evaluate("T => softmax(activations, T)", T)
        assert np.allclose(found, Y, atol=1e-12)
        exact = -(Y[Y > 0] * np.log(Y[Y > 0])).sum()
        assert page.evaluate("T => entropy(softmax(activations, T))", T) == pytest.approx(exact)
    entropy = page.locator("#entropy").inner_text
    before = float(entropy())
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    assert float(entropy()) > before


@pytest.mark.parametrize("name", PAGES)
def test_without_javascript_there_is_a_table_and_nothing_to_press(open_page, name):
    page = open_page(PAGES[name](), java_script_enabled=False)
    assert page.locator("table:visible tr").count() >= 3
    assert page.locator("button:visible, input:visible").count() == 0


@pytest.mark.parametrize(("name", "says"), [("triplet", "margin 0.50"), ("softmax", "τ = 1")])
def test_print_keeps_what_was_set_and_drops_what_sets_it(open_page, name, says):
    page = open_page(PAGES[name]())
    page.emulate_media(media="print")
    assert says in page.locator(".controls").inner_text()
    assert page.locator("button:visible, input:visible").count() == 0
