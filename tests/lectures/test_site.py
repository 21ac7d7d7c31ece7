"""The site, without a browser: what becomes of formulas, headings, cells, names."""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import Page
from small_course import SOFTMAX, write_course

import minigrad
from minigrad.lectures.site import SiteError, packages, reference
from minigrad.lectures.site.formulas import Formulas

ROOT = Path(__file__).parents[2]
KATEX = ROOT / "build/lectures/npm/node_modules"
needs_katex = pytest.mark.skipif(
    not (KATEX / "katex").exists() or not shutil.which("node"),
    reason="node or KaTeX is missing: make lectures",
)


@pytest.fixture(scope="module")
def tools():
    for name in ("jupytext", "mistune", "nbconvert", "nbformat"):
        pytest.importorskip(name, reason=f"{name} is missing: install the extra lectures")


@pytest.fixture
def course(tmp_path, tools):
    from minigrad.lectures.sources import load

    return [load(path) for path in sorted(write_course(tmp_path).glob("*.py"))]


def taken(text):
    """The formulas that are found in a text, each with whether it is displayed."""
    formulas = Formulas()
    formulas.taken(text, "here")
    return list(formulas.numbers)


def page_of(lecture, html="", **outputs):
    """The body of a page and its Text; outputs: of cells, by their ids; html: of softmax."""
    from nbformat.v4 import new_output

    from minigrad.lectures.site.cells import body
    from minigrad.lectures.site.texts import Text

    run = lecture.solution()
    for cell in run.cells:
        if cell.id in outputs:
            cell.outputs = [new_output("stream", text=outputs[cell.id])]
        if html and cell.id == "softmax":
            cell.outputs = [new_output("execute_result", {"text/html": html})]
    text = Text(Formulas())
    return body(lecture, run, text), text


@pytest.mark.parametrize(
    "text, found",
    [
        (r"$a_1 * b_2 * c$ and $\sigma$", [(r"a_1 * b_2 * c", False), (r"\sigma", False)]),
        ("$$\na \\\\ b\n$$", [(r"a \\ b", True)]),
        ("`$a$` and ``$b`$``, $c$", [("c", False)]),
        ("```python\nx = '$a$'\n```\n$b$", [("b", False)]),
        (r"a cost of \$5 or \$6", []),
        ("$5 and $6", []),
        ("a $5 note\n\nand a `lone tick\n\n$b$ and `", [("b", False)]),
        ("> $$\n> a\n> > b\n> $$", [("a\n> b", True)]),
        (r"$\$$", [(r"\$", False)]),
    ],
    ids=[
        "inline",
        "displayed",
        "code",
        "fenced",
        "escaped",
        "prices",
        "paragraphs",
        "quoted",
        "dollar inside",
    ],
)
def test_formulas_are_found_and_code_is_not(text, found):
    assert taken(text) == found


def test_a_formula_in_a_table_keeps_its_bars(tools):
    from minigrad.lectures.site.texts import Text

    text = Text(Formulas())
    told = text.html(text.formulas.taken("| a | b |\n|---|---|\n| $p(x|y)$ | `c` |\n", "here"))
    text.formulas.html = ["<math>p(x|y)</math>"]
    assert "<td><math>p(x|y)</math></td>" in text.formulas.put(told)


def test_a_short_formula_stays_with_its_comma_and_brackets():
    formulas = Formulas()
    told = formulas.taken(f"($a$), $b$ and ${'c + ' * 9} c$.", "here")
    formulas.html = ["A", "B", "C"]
    assert formulas.put(told) == '<span class="joined">(A),</span> B and C.'


def test_a_formula_that_cannot_be_set_ends_the_build_with_a_sentence(monkeypatch):
    answer = json.dumps([{"html": "a"}, {"error": r"Undefined control sequence: \foo"}])
    monkeypatch.setattr(packages, "run", lambda *command, input: answer)
    formulas = Formulas()
    formulas.taken("$a$", "01_softmax, cell 1")
    formulas.taken(r"$a$ and $\foo$", "01_softmax, cell 3")
    with pytest.raises(SiteError) as raised:
        formulas.set(KATEX)
    expected = r"01_softmax, cell 3: KaTeX cannot set $\foo$: Undefined control sequence: \foo"
    assert str(raised.value) == expected


@needs_katex
def test_katex_sets_formulas_as_html_and_mathml_and_knows_no_unknown_macro():
    formulas = Formulas()
    formulas.taken(r"$\underset{N\times K}{A}$", "here")
    formulas.set(KATEX)
    assert "<math" in formulas.html[0]
    assert 'class="katex-html"' in formulas.html[0]
    formulas = Formulas()
    formulas.taken(r"$\unknown$", "here")
    with pytest.raises(SiteError, match=r"here: .* \\unknown"):
        formulas.set(KATEX)


def test_without_node_the_site_says_what_to_install(monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SiteError, match=r"needs npm: install Node\.js, or pip install nodejs"):
        packages.program("npm")


def test_anchors_are_words_and_differ(tools):
    from minigrad.lectures.site.texts import Text

    text = Text(Formulas())
    told = text.html("# A & `b`\n\n## What, again?\n\n## What, again?\n")
    assert [heading.anchor for heading in text.headings] == ["a-b", "what-again", "what-again-2"]
    assert text.headings[0].words == "A & b"
    assert re.findall('id="(.*?)"', told) == ["a-b", "what-again", "what-again-2"]


def test_a_page_shows_what_students_get_with_the_outputs_of_what_was_run(course):
    told, text = page_of(course[0], softmax="as <it> is\n")
    assert "raise" in told
    assert "as &lt;it&gt; is" in told
    shown = html.unescape(re.sub("<[^>]+>", "", told))
    assert "keepdims" in SOFTMAX
    assert "keepdims" not in shown
    assert "forward = 3" not in shown
    assert [heading.words for heading in text.headings] == [
        "1. Softmax",
        "The formula of sigma",
        "Exercise: softmax",
        "What was learned",
    ]


def test_an_exercise_stands_in_one_box_from_its_task_to_its_hints(course):
    told, _ = page_of(course[0])
    Page(told)  # every element is closed
    (box,) = re.findall('<section class="exercise">(.*?)</section>', told, re.DOTALL)
    assert box.count("<summary>Hint") == 3
    assert 'id="exercise-softmax"' in box
    assert "What was learned" not in box


def test_an_output_that_shows_a_solution_ends_the_build(course):
    with pytest.raises(SiteError, match=r"01_softmax, cell 6: .* solution of softmax: E = np\.exp"):
        page_of(
            course[0], softmax="def softmax(A):\n    E = np.exp(A - A.max(axis=1, keepdims=True))"
        )


def test_an_output_may_show_what_tells_nothing_of_a_solution(tmp_path, tools):
    from minigrad.lectures.sources import load

    path = write_course(tmp_path) / "01_softmax.py"
    source = path.read_text("utf-8")
    head = "    ### BEGIN SOLUTION\n    def rows_of(A):\n        return A\n"
    path.write_text(source.replace("    ### BEGIN SOLUTION\n", head), "utf-8")
    told, _ = page_of(load(path), softmax="def rows_of(A):\n")
    assert "rows_of" in told


def test_an_interactive_page_gets_a_file_of_its_own(course):
    whole = "<!doctype html><p>1 < 2</p>"
    frame = f'<iframe srcdoc="{html.escape(whole)}" title="Steps" style="height: 9rem"></iframe>'
    told, text = page_of(course[0], html=frame)
    assert text.files == {"01_softmax.1.html": whole}
    assert '<iframe src="01_softmax.1.html" style="height: 9rem" title="Steps"></iframe>' in told
    assert '<a href="01_softmax.1.html">' in told


def test_a_solution_in_a_frame_ends_the_build_too(course):
    page = "<pre>E = np.exp(A - A.max(axis=1, keepdims=True))</pre>"
    with pytest.raises(SiteError, match="its output shows the solution of softmax"):
        page_of(course[0], html=f'<iframe srcdoc="{html.escape(page)}"></iframe>')


def test_every_public_name_has_its_place_in_the_reference():
    parts = reference.parts()
    entries = {entry.anchor: entry for part in parts for g in part.groups for entry in g.entries}
    names = {*minigrad.__all__, "sum", "max", "abs", "pow"}
    assert {f"minigrad.{name}" for name in names} <= set(entries)
    assert {"triplet_loss.triplet", "minigrad.learn.train", "minigrad.data.digits"} <= set(entries)
    assert "minigrad.stepper.interactive.softmax_page" in entries  # lectures call it
    assert entries["minigrad.softmax"].signature == "softmax(A, axis=1)"
    assert entries["minigrad.softmax"].source.startswith("source/minigrad.nodes.layers.html#L")
    assert len(entries) == sum(len(g.entries) for part in parts for g in part.groups)


def test_a_docstring_becomes_paragraphs_and_examples():
    told = reference.prose("Sum of `A` < B.\n\nMore. Raises ValueError if not.\n\n>>> 1 + 1\n2\n")
    paragraphs = re.findall("<p>(.*?)</p>", told)
    assert paragraphs == ["Sum of <code>A</code> &lt; B.", "More.", "Raises ValueError if not."]
    assert '<div class="code"><pre><code><span class="gp">&gt;&gt;&gt; </span>' in told


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(course, tmp_path):
    from minigrad.lectures.site import building

    told, text = page_of(course[0])
    lecture = building.Page(
        "01_softmax.html", "1. Softmax", told, text.headings, "lecture", course[0]
    )
    pages = [lecture, *building.other_pages(course)]
    out = tmp_path / "site"
    out.mkdir()
    building.write(pages, out)
    for file in out.rglob("*.html"):
        page = Page(file.read_text("utf-8"))
        for tag, attributes, _ in page.found:
            loaded = attributes.get("src") or (tag == "link" and attributes["href"]) or ""
            assert not re.match("[a-z]+:|//", loaded), f"{file.name}: {loaded}"
    for style in ("site.css", "site.js"):
        assert not re.search(r"url\(|@import|https?:", (out / style).read_text("utf-8"))
    index = json.loads((out / "headings.js").read_text("utf-8").removeprefix("const headings = "))
    assert ["What was learned", "1. Softmax", "01_softmax.html#what-was-learned"] in index
    assert any(place == "reference.html#minigrad.relu" for _, _, place in index)
    assert "raise NotImplementedError" in (out / "01_softmax.py").read_text("utf-8")
    assert "keepdims" not in (out / "01_softmax.ipynb").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    "line, said",
    [
        ("1 / 0", "cell 2 (1 / 0): ZeroDivisionError: division by zero"),
        ("import warnings; warnings.warn('old')", "UserWarning: old"),
        (
            "import urllib.request; urllib.request.urlopen('http://localhost')",
            "a lecture runs without the network",
        ),
    ],
    ids=["error", "warning", "network"],
)
def test_a_lecture_that_fails_ends_the_build_with_its_cell(tmp_path, tools, line, said):
    pytest.importorskip("nbclient", reason="nbclient is missing: install the extra lectures")
    from minigrad.lectures.site.running import run_all
    from minigrad.lectures.sources import load

    source = tmp_path / "01_wrong.py"
    source.write_text(f"# %% [markdown]\n# # 1. Wrong\n#\n# **What?**\n\n# %%\n{line}\n", "utf-8")
    with pytest.raises(SiteError) as raised:
        run_all([load(source)], tmp_path / "runs")
    assert said in str(raised.value)
    assert str(raised.value).startswith("01_wrong, cell 2 (")


@pytest.mark.slow
def test_what_has_not_changed_is_not_run_again(course, tmp_path):
    pytest.importorskip("nbclient", reason="nbclient is missing: install the extra lectures")
    from minigrad.lectures.site.running import run_all
    from minigrad.lectures.sources import load

    told = []
    first = run_all(course, tmp_path / "runs", told.append)
    assert len(told) == 2
    changed = course[1].path
    changed.write_text(changed.read_text("utf-8").replace("0.5", "0.25"), "utf-8")
    second = run_all([course[0], load(changed)], tmp_path / "runs", told.append)
    assert [line.partition(":")[0] for line in told[2:]] == ["02_cross_entropy"]
    assert second[0] == first[0]
    assert second[1].cells[2].outputs[0].text == "1.386\n"
    assert len(list((tmp_path / "runs").iterdir())) == 2


@pytest.mark.slow
def test_a_lecture_computes_on_one_core_as_two_run_at_once(tmp_path, tools):
    pytest.importorskip("nbclient", reason="nbclient is missing: install the extra lectures")
    from minigrad.lectures.site.running import run_all
    from minigrad.lectures.sources import load

    source = tmp_path / "01_cores.py"
    cell = (
        "import numpy, threadpoolctl\n{t['num_threads'] for t in threadpoolctl.threadpool_info()}"
    )
    source.write_text(
        f"# %% [markdown]\n# # 1. Cores\n#\n# **How many?**\n\n# %%\n{cell}\n", "utf-8"
    )
    (run,) = run_all([load(source)], tmp_path / "runs", print)
    assert run.cells[1].outputs[0].data["text/plain"] == "{1}"


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path, tools):
    from minigrad.lectures.site import build

    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").write_text("all of it")
    with pytest.raises(SiteError, match="home: not a site that was built here"):
        build(write_course(tmp_path / "lectures"), tmp_path / "home", tmp_path / "work")
    assert (tmp_path / "home/thesis.tex").read_text() == "all of it"


@pytest.mark.slow
def test_the_command_says_in_a_line_what_is_missing(tmp_path):
    command = [sys.executable, "-m", "minigrad.lectures.site", "--lectures", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("there is no lecture here, named as 01_neural_networks.py\n")
    assert done.stderr.count("\n") == 1
