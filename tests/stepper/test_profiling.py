"""profile: what a step costs, as rows, as a table and as a page."""

import itertools
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pages import Page

import minigrad as mg
from minigrad import block, node, profile, relu, sum, value_and_grad, var
from minigrad.learn import Momentum
from minigrad.stepper import observing, profiling
from models import exemplar_cnn

FORWARD, BACK, OUTSIDE = 0.02, 0.04, 0.01  # seconds


class Clock:
    """A clock that only a sleep moves on."""

    now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


CLOCK = Clock()


def by_our_clock(step, rounds):
    with pytest.MonkeyPatch.context() as patch:
        for module in (observing, profiling):
            patch.setattr(module, "perf_counter", CLOCK)
        return profile(step, rounds=rounds)


@node
def slow(A):
    CLOCK.sleep(FORWARD)

    def back(dZ, dA):
        CLOCK.sleep(BACK)
        dA += dZ

    return A.copy(), back


@block
def inner(A):
    return slow(relu(A))


@block
def outer(A):
    return sum(inner(A))


def step():
    outer(var(np.ones((100, 10)))).backward()
    CLOCK.sleep(OUTSIDE)


@pytest.fixture(scope="module")
def found():
    return by_our_clock(step, rounds=3)


@pytest.fixture(scope="module")
def training():
    rng = np.random.default_rng(0)
    U = exemplar_cnn.initial(rng, 5, code="2c5-2c5-8f")
    X, T = rng.standard_normal((4, 1, 16, 16)).astype(np.float32), np.array([0, 1, 2, 3])
    optimiser = Momentum(U)

    def step():
        L, dU = value_and_grad(exemplar_cnn.loss)(U, X, T, rng=rng, fused=False)
        optimiser.step(dU, 0.01)

    return profile(step, rounds=2)


def row(found, *path):
    (only,) = [r for r in found.rows if r.path == path]
    return only


def test_a_node_shows_its_times_in_its_place(found):
    r = row(found, "outer", "inner", "slow")
    assert r.forward == pytest.approx(FORWARD)
    assert r.back == pytest.approx(BACK)
    assert r.is_node
    assert r.calls == 1
    assert r.value == 8000


def test_a_block_shows_the_sum_of_what_is_inside_it(found):
    for block_, inside in (
        (("outer",), [("outer", "inner"), ("outer", "sum")]),
        (("outer", "inner"), [("outer", "inner", "relu"), ("outer", "inner", "slow")]),
    ):
        whole, parts = row(found, *block_), [row(found, *path) for path in inside]
        assert not whole.is_node
        assert whole.forward == pytest.approx(whole.own + np.sum([p.forward for p in parts]))
        assert whole.back == pytest.approx(np.sum([p.back for p in parts]))
        assert whole.value == np.sum([p.value for p in parts])
        assert whole.peak_back == np.max([p.peak_back for p in parts])


def test_what_no_node_takes_stands_outside(found):
    assert found.outside == pytest.approx(OUTSIDE)


def test_all_times_add_up_to_the_step(found, training):
    for p in (found, training):
        own = np.sum([r.own for r in p.rows])
        back = np.sum([r.back for r in p.rows if r.is_node])
        assert own + back + p.outside == pytest.approx(p.seconds)
    assert found.seconds == pytest.approx(FORWARD + BACK + OUTSIDE)
    assert found.seconds == pytest.approx(found.unobserved)


def test_the_rows_stand_in_the_order_of_the_program(training):
    assert [r.name for r in training.rows if len(r.path) < 4] == [
        *("loss", "network", "conv_pool_simple 1 of 2", "conv_pool_simple 2 of 2"),
        *("flatten", "affine 1 of 2", "relu", "dropout", "affine 2 of 2"),
        *("entropy", "decay", "add"),
    ]
    conv = row(training, "loss", "network", "conv_pool_simple 2 of 2", "conv")
    assert conv.value == 4 * 4 * 2 * 8 * 8


def test_a_step_runs_once_to_warm_up_twice_a_round_and_once_for_its_memory():
    calls = []
    profile(lambda: calls.append(relu(np.ones(3))), rounds=4)
    assert len(calls) == 10


def test_times_are_medians_of_the_rounds():
    naps = iter([9, 5, 1, 6, 3, 4, 2, 9])  # warm-up, three rounds of two, memory

    @node
    def nap(A):
        CLOCK.sleep(next(naps))
        return A, lambda dZ, dA: None

    found = by_our_clock(lambda: nap(np.ones(3)), rounds=3)
    assert (found.unobserved, found.rows[0].forward) == pytest.approx((5, 2))


def test_inference_has_no_backward():
    p = profile(lambda: inner(np.ones(3)), rounds=1)
    assert p.rows[0].back == 0
    assert {bar["name"] for bar in p.bars()} == {
        "step",
        "forward",
        "inner",
        "relu",
        "slow",
        "outside",
    }


# as a table


def test_it_prints_a_headline_and_an_aligned_table(found):
    headline, head, *lines = str(found).splitlines()
    assert re.fullmatch(
        r"\d+\.\d+ ms a step, \d+\.\d+ while observed; it takes at most \d+\.?\d* kB; "
        r"times are medians of 3",
        headline,
    )
    assert head.split("  ")[-1].strip() == "peak back"
    names = [re.split(r"\s{2,}", line.strip())[0] for line in lines]
    assert names == ["outer", "inner", "relu", "slow", "sum", "outside nodes and blocks"]
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4, 4, 2, 0]
    assert re.match(r"    slow +1 +20\.00 +40\.00 +85\.7%  +8 kB", lines[3])
    assert len({len(line) for line in [head, *lines[:-1]]}) == 1


def test_a_notebook_shows_the_same_escaped():
    @node
    def plain(A):
        return A, lambda dZ, dA: None

    plain.plain.__name__ = "<script>"
    page = Page(profile(lambda: plain(np.ones(3)), rounds=1)._repr_html_())
    assert page.texts("td")[:2] == ["<script>", "1"]
    assert not page.texts("script")


# as a page


@pytest.fixture(scope="module")
def page(training, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "deep" / "profile.html"
    training.save(path)
    return path


def test_the_page_needs_no_network(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//\w|@import|url\(|src=|href=", text)


def test_the_page_is_well_formed_and_says_its_language_and_encoding(page):
    p = Page(page.read_text(encoding="utf-8"))
    assert p.attributes("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in p.attributes("meta")


def test_every_bar_says_in_words_what_it_is_and_is_reached_by_keyboard(page, training):
    buttons = Page(page.read_text(encoding="utf-8")).attributes("button")
    bars = [b for b in buttons if "bar" in b.get("class", "").split()]
    assert len(bars) == len(training.bars()) > 2 * len(training.rows)
    for bar in bars:
        assert bar["title"] == bar["aria-label"]
    assert any(
        re.fullmatch(
            r"loss > network > conv_pool_simple 2 of 2 > conv, back: \S+ ms, \S+% of the step; "
            r"values 2\.05 kB, takes at most \S+ kB more",
            bar["title"],
        )
        for bar in bars
    )


def test_the_backward_program_is_the_forward_one_reversed(training):
    def order(way):
        bars = [b for b in training.bars() if b["kind"] == f"{way} node"]
        return [b["words"].partition(",")[0] for b in sorted(bars, key=lambda b: b["x"])]

    assert order("back") == order("forward")[::-1]


def test_a_bar_stands_under_the_one_that_it_is_inside_of_and_beside_the_others(training):
    bars = training.bars()
    for bar in bars:
        assert -1e-6 <= bar["x"] <= bar["x"] + bar["width"] <= 100 + 1e-6
        on_it = [b for b in bars if b["level"] == bar["level"] - 1 and b["x"] <= bar["x"] + 1e-9]
        if on_it:
            above = max(on_it, key=lambda b: (b["x"], b["width"]))
            assert bar["x"] + bar["width"] <= above["x"] + above["width"] + 1e-6
    for level in {b["level"] for b in bars}:
        row_ = sorted((b for b in bars if b["level"] == level), key=lambda b: b["x"])
        for left, right in itertools.pairwise(row_):
            assert left["x"] + left["width"] <= right["x"] + 1e-6
    top = [b["width"] for b in bars if b["level"] == 1]
    assert np.sum(top) == pytest.approx(100)


def test_names_are_shown_and_never_run(tmp_path):
    nasty = """"><script>alert('x')</script> & </style>"""

    @node
    def plain(A):
        return A, lambda dZ, dA: None

    plain.plain.__name__ = nasty
    profile(lambda: plain(np.ones(3)), rounds=1).save(tmp_path / "p.html")
    p = Page((tmp_path / "p.html").read_text(encoding="utf-8"))
    assert len(p.texts("script")) == 1
    assert nasty in p.texts("th")
    assert nasty in [b.get("data-name") for b in p.attributes("button")]


def test_a_page_that_cannot_be_written_leaves_the_old_one(training, tmp_path, monkeypatch):
    path = tmp_path / "profile.html"
    path.write_text("old")
    monkeypatch.setattr("os.fsync", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        training.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["profile.html"]
    assert path.read_text() == "old"


CLICKS = """
search.value = "conv"
search.dispatchEvent(new Event("input"))
document.title = words.textContent
bars.find(bar => bar.title.startsWith("loss > network, back")).click()
document.title += "; " + bars.filter(bar => bar.style.visibility !== "hidden")
  .every(bar => !bar.title.includes("forward"))
document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}))
document.title += "; " + bars.every(bar => bar.style.visibility !== "hidden")
bars.at(-1).dispatchEvent(new Event("focus"))
document.title += "; " + words.textContent.split(":")[0]
"""


@pytest.mark.slow
def test_a_browser_searches_widens_and_goes_back(page, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("no chromium or google-chrome here")
    tried = tmp_path / "tried.html"
    text = page.read_text(encoding="utf-8")
    tried.write_text(text.replace("</script>", CLICKS + "</script>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    dom = subprocess.run(
        [browser, *options, tried.as_uri()], capture_output=True, text=True, timeout=60
    ).stdout
    (title,) = re.findall("<title>(.*?)</title>", dom)
    assert re.fullmatch(
        r"8 bars, \d+\.\d% of the step; true; true; outside nodes and blocks", title
    )


# mistakes in its use


def test_a_step_that_calls_no_node_gets_a_sentence():
    with pytest.raises(ValueError, match=r"the step took .* ms and called no node in this thread"):
        profile(lambda: relu)


def test_a_result_in_place_of_a_step_gets_a_sentence():
    with pytest.raises(TypeError, match=r"a callable without arguments, not a Node: .*lambda"):
        profile(relu(var(np.ones(3))))


@pytest.mark.parametrize("rounds", [0, -1, 2.5, None])
def test_rounds_that_are_none_get_a_sentence(rounds):
    with pytest.raises(ValueError, match=f"rounds is a whole number >= 1, not {rounds}"):
        profile(lambda: relu(np.ones(3)), rounds=rounds)


def test_a_profile_within_a_profile_gets_a_sentence():
    within = iter(range(3))  # the warm-up and the first time unobserved may have their own

    def step():
        relu(np.ones(3))
        if next(within) == 2:
            profile(lambda: relu(np.ones(3)), rounds=1)

    with pytest.raises(RuntimeError, match="one at a time"):
        profile(step)
    assert profile(lambda: relu(np.ones(3)), rounds=1).rows


def test_minigrad_exports_it_without_jinja2():
    code = "import sys, minigrad; minigrad.profile; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert "profile" in mg.__all__
