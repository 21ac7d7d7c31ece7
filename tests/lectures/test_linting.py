"""Each slip of an author is a sentence that names the lecture and the cell."""

import pytest

from minigrad.lectures import linting
from minigrad.lectures.linting import faults_of, is_trivial


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(linting, "FEWEST", {})


def test_the_sample_has_no_fault(lecture):
    assert list(faults_of([lecture()])) == []


SLIPS = {
    "a mark mistyped": (
        ("### END SOLUTION", "### end solution"),
        "'### end solution' is neither '### BEGIN",
    ),
    "a mark missing": (("    ### END SOLUTION\n    return m", "    return m"), "do not alternate"),
    "a mark elsewhere": (
        ("SHIFT = 2.0", "### BEGIN SOLUTION\nSHIFT = 2.0\n### END SOLUTION"),
        "cell '### BEGIN SOLUTION': it has the marks of a solution, and is not tagged exercise",
    ),
    "no solution": (
        ("    ### BEGIN SOLUTION\n    total = X.sum(axis=0)\n", "    total = X\n"),
        "exercise mean: its marks",
    ),
    "two of a name": (('id="square"', 'id="mean"'), "exercise mean: there are two of this name"),
    "another name": (('id="square"', 'id="cube"'), "exercise cube: its function is called square"),
    "more in the cell": (
        ("    return m\n", "    return m\n\n\nN = 3\n"),
        "exercise mean: its cell holds one function and nothing else",
    ),
    "no docstring": (
        ('    """Z = A * A and its back; A, Z any shape."""\n', ""),
        "exercise square: its function has no docstring",
    ),
    "no check": (
        ('["check"]\ndef square', "[]\ndef square"),
        "exercise square: no check follows it",
    ),
    "a check that is none": (
        ("check_exercise(square, square_inputs, like=lambda A: A**2)", "square_inputs"),
        "exercise square: its check ends with check_exercise(square, square_inputs, like=...)",
    ),
    "hints": (
        ("<details><summary>Hint 3: the first line</summary> A", "A"),
        "it has 2 of three hints: the idea",
    ),
    "no question": (('[raw] tags=["question"]', "[raw]"), "exercise mean: its question has no po"),
    "a question that is no TOML": (("points = {sig", "points = sig"), "its question is no TOML"),
    "one mistake": (
        ('# [[mistake]]\n# code = "chain"\n# stage = "dA"\n', "# [other]\n"),
        "exercise square: its question has 1 of the two known mistakes",
    ),
    "a mistake that is not there": (
        ('replace = "len(X)"', 'replace = "len(Y)"'),
        "mistake 'by columns' replaces 'len(Y)', which occurs 0 times, not once",
    ),
    "another cell's name": (
        ("total = X.sum(axis=0)", "total = moved(X).sum(axis=0)"),
        "exercise mean: it reads moved: the grader runs it alone, with NumPy and minigrad's",
    ),
    "an oracle that is an exercise": (
        ("like=lambda A: A**2", "like=lambda A: mean(A, 1)"),
        "exercise square: the check of square reads mean, which no cell before it binds",
    ),
    "a leak in prose": (
        ("# Return m.", "# Begin with `total = X.sum(axis=0)`."),
        "`total = X.sum(axis=0)` stands in 01_means, cell '### Exercise: the mean of the rows'",
    ),
    "a leak in code": (
        ("SHIFT = 2.0", "SHIFT = 2.0\nA = dA = dZ = 1\ndA += 2 * A *  dZ"),
        "exercise square: its solution's line `dA += 2 * A * dZ` stands in 01_means, cell 'SHIFT",
    ),
    "a magic": (("SHIFT = 2.0", "%matplotlib inline"), "it has a magic or a shell command"),
    "the network": (("SHIFT = 2.0", 'SHIFT = "http://a.b"'), "its code names an address of the"),
    "a picture from it": (("# Return m.", "# ![m](https://a.b/c.png)"), "it shows something from"),
    "an image from it": (
        ("# Return m.", '# <img src = "https://a.b/c.png">'),
        "it shows something",
    ),
    "a background from it": (("# Return m.", "# url( http://a.b/c.png)"), "it shows something"),
    "a long cell": (("SHIFT = 2.0", "SHIFT = 2.0\n" * 26), "it has 31 lines, and should have 25"),
    "a figure without picture": (
        ("# %%\nSHIFT", '# %% tags=["figure"]\nSHIFT'),
        "a cell that ends in a Picture is tagged figure",
    ),
    "a section": (
        ("## What was learned", "## Learned"),
        "section '## What was learned' is missing",
    ),
    "something left": (("# %%\nSHIFT", '# %% tags=["later"]\nSHIFT'), "it is tagged later"),
}


@pytest.mark.parametrize(("pair", "sentence"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_told(pair, sentence, lecture):
    said = "\n".join(faults_of([lecture(pair)]))
    assert sentence in said
    assert said.startswith("01_means, ")


def test_a_solution_must_not_stand_in_an_earlier_lecture_or_in_an_output(lecture):
    early = lecture(
        ("# 1. Means", "# 0. Means"), ("# Return m.", "# m = total / len(X)"), name="00_m.py"
    )
    (fault, *_) = [said for said in faults_of([early, lecture()]) if said.startswith("01")]
    assert "`m = total / len(X)` stands in 00_m, cell '### Exercise: the mean" in fault
    (fault,) = faults_of([lecture()], {"means": "dA += 2 * A * dZ\n"})
    assert fault.endswith("stands in 01_means, its output")


TELLING = {
    "gradient += weights": True,
    "first = rows[numbers]": True,
    "negative = -numbers": True,
    "smaller = first < second": True,
    "total = sum(numbers)": True,
    "for i in range(len(numbers)):": True,
    "answer_of_this = Z": False,
    "return values, back": False,
    "# sum(numbers) is the total": False,
    "import collections": False,
    "def half(of_it):": False,
    "m = s / n": False,
}


@pytest.mark.parametrize(("line", "tells"), TELLING.items())
def test_of_a_solution_those_lines_that_tell_something_stand_nowhere_else(line, tells):
    assert is_trivial(line) is not tells


def test_lines_that_tell_nothing_may_stand_anywhere(lecture):
    pair = ("    Z = A * A\n", "    Z = A * A\n    answer_of_this = Z\n    # this is the square\n")
    assert list(faults_of([lecture(pair, ("SHIFT =", "answer_of_this = Z = SHIFT ="))])) == []


def test_a_solution_that_is_the_end_of_another_line_does_not_leak(lecture):
    prose = "# Return m, and not `sum = total / len(X)`."
    assert list(faults_of([lecture(("# Return m.", prose))])) == []


def test_an_exercise_has_the_words_of_the_dialect_and_no_operation_of_the_library(lecture):
    def said(line):
        changed = ("    Z = A * A\n", f"    Z = A * A\n    {line}\n")
        imported = ("import scipy.special", "from minigrad import needed, relu")
        return "\n".join(faults_of([lecture(imported, changed)]))

    assert said("needed(A)") == ""
    assert "exercise square: it reads relu: the grader runs it alone" in said("relu(A)")


@pytest.mark.parametrize(
    "line, expected",
    [
        ("def back(dZ, dX, dU):", True),
        ("for dx in dX:", True),
        ("for i in range(len(X)):", False),
        ("return Z, back", True),
        ("dA += dZ * (Z > 0)", False),
    ],
)
def test_heads_and_names_tell_nothing_and_formulas_do(line, expected):
    assert is_trivial(line) == expected


def test_too_few_exercises_and_figures_are_told(lecture, monkeypatch):
    monkeypatch.setattr(linting, "FEWEST", {"exercise": 4, "figure": 5})
    assert list(faults_of([lecture()])) == [
        "01_means, the whole: it has 2 cells tagged exercise, and should have 4 or more",
        "01_means, the whole: it has 0 cells tagged figure, and should have 5 or more",
    ]
