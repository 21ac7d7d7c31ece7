"""Questions of kind "value": a function returns an array, a number or a tuple, and has no back."""

import re

import numpy as np
import pytest

from minigrad.gradcheck import Unfit
from minigrad.grade.assignments import load
from minigrad.grade.judging import Judge
from minigrad.grade.practice import HIDDEN, check_question
from minigrad.grade.proofs import verify

QUESTION = """
[[question]]
name = "{0}"
kind = "value"
points = {{signature = 1, shapes = 1, forward = 3}}
"""
NAMES = ("spread", "positive", "count", "settings")
FILES = {
    "assignment.toml": 'schema = 1\ntitle = "Values"\n'
    + QUESTION.format("spread")
    + """
[[question.mistake]]
code = "axis kept"
stage = "shapes"
replace = "axis=0"
by = "axis=0, keepdims=True"
says = "Without keepdims."

[[question.mistake]]
code = "variance"
stage = "forward"
replace = "np.sqrt(v)"
by = "v"
says = "That is the variance."
"""
    + "".join(map(QUESTION.format, NAMES[1:])),
    "inputs.py": """
def spread_inputs(rng):
    yield rng.normal(size=(4, 3)), "population"
    yield rng.normal(size=(3, 3)), "sample"

def positive_inputs(rng):
    yield (rng.normal(size=(3, 3)),)
    yield (rng.normal(size=7),)

def count_inputs(rng):
    yield rng.integers(0, 9, (8, 9)), 3
    yield rng.integers(0, 9, (5, 5)), 4

def settings_inputs(rng):
    yield ()

def settings_holds(value):
    rate, steps = value
    return "" if 0 < rate < 1 else f"a rate of {rate} is not between 0 and 1"
""",
    "reference.py": """
import numpy as np

def spread(X, kind):
    m = X.mean(axis=0)
    v = ((X - m) ** 2).sum(0) / (len(X) - (kind == "sample"))
    return m, np.sqrt(v)

def positive(A):
    return A > 0

def count(T, k):
    return int((T == k).sum() + 10 * T.sum())

def settings():
    return 0.1, 20
""",
    "starter.py": "\n".join(f"def {name}(*a): raise NotImplementedError" for name in NAMES),
}


@pytest.fixture
def task(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return load(tmp_path)


@pytest.fixture
def got(task, sandbox):
    """got(name, source or *changes of the reference): (points, sentence, its code)."""

    def result(name, *changes):
        source = task.source_of_reference if len(changes) != 1 else changes[0]
        if len(changes) == 2:
            assert source.count(changes[0]) == 1
            source = source.replace(*changes)
        question = Judge(task, sandbox).student("ada", source, 1, [name])["questions"][name]
        wrong = [c for c in question["checks"] if c["sentence"]]
        return question["score"], *((wrong[0]["sentence"], wrong[0]["code"]) if wrong else ())

    return result


def test_the_assignment_holds(task, sandbox):
    rows = list(verify(task, sandbox))
    assert [row for row in rows if not row.holds] == []
    assert [row.kind for row in rows].count("guess") == 9  # settings has no arguments to guess from


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_has_all_points(name, got):
    assert got(name) == (5.0,)


def test_known_mistakes_in_shape_and_value_are_told(got):
    kept = got("spread", "axis=0", "axis=0, keepdims=True")
    assert kept == (1.0, "Without keepdims.", "axis kept")
    assert got("spread", "np.sqrt(v)", "v") == (2.0, "That is the variance.", "variance")


WRONG = {
    "other number": ("count", "10 * T", "11 * T", 2.0, "the value of count is wrong, for T (8"),
    "a factor": ("spread", "sqrt(v)", "sqrt(4 * v)", 2.0, "value 2 of spread is 2 times what it"),
    "one value": (
        "spread",
        "return m,",
        "return",
        0.0,
        "spread returns ndarray, and should return 2",
    ),
    "nothing": (
        "positive",
        "return A > 0",
        "A > 0",
        0.0,
        "positive returns nothing, and should re",
    ),
    "a list": (
        "positive",
        "A > 0",
        "[1]",
        0.0,
        "positive returns list, and should return an array",
    ),
    "a shape": ("spread", "np.sqrt(v)", "v[:2]", 1.0, "in value 2 of 2 shape (2,) where (3,) is"),
    "numbers": ("positive", "A > 0", "A + 0", 1.0, "numbers where True and False are expected"),
    "truths": ("count", "int((", "bool((", 1.0, "count returns bool for arrays of float64"),
    "float32": ("spread", "np.sqrt(v)", "np.float32(v)", 1.0, "float32 is used somewhere"),
    "other truths": ("positive", "> 0", "< 0", 2.0, "the value of positive is wrong in 9 of 9 ent"),
    "in place": (
        "positive",
        "return A",
        "A += 1; return A",
        2.0,
        "positive changes its argument A",
    ),
    "nan": ("spread", "np.sqrt(v)", "v + np.nan", 2.0, "value 2 of spread holds nan or inf where"),
    "exception": ("count", "int(", "1 / 0 + int(", 0.0, "count raises ZeroDivisionError"),
    "a choice": ("settings", "0.1", "1.5", 2.0, "a rate of 1.5 is not between 0 and 1"),
    "half a choice": (
        "settings",
        "0.1, 20",
        "0.1",
        0.0,
        "returns float, and should return 2 values",
    ),
}


@pytest.mark.parametrize(("name", "old", "new", "points", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(name, old, new, points, sentence, got):
    score, said, _ = got(name, old, new)
    assert (score, sentence in said) == (points, True), said


def test_an_integer_and_a_float_of_the_same_value_are_the_same_number(got):
    assert got("count", "return int(", "return 1.0 * (") == (5.0,)


@pytest.mark.parametrize("dtype", ["int16", "uint64", ">f8", "longdouble"])
def test_numbers_of_other_widths_are_numbers_for_the_grader_and_for_the_check(dtype, task, got):
    assert got("count", "return int(", f"return np.array([0], '{dtype}')[0] + (") == (5.0,)
    f = lambda T, k: np.array([task.reference["count"](T, k)], dtype)[0]
    assert check_question(f, "count", task.folder)


def test_complex_numbers_are_right_for_neither(task, got):
    assert got("count", "return int(", "return 0j + (")[0] == 1.0
    said = str(check_question(lambda T, k: np.complex128(0), "count", task.folder))
    assert "it returns complex128 where numbers are expected" in said


@pytest.mark.parametrize(("off", "right"), [(1e-10, True), (1e-8, False)])
def test_grader_and_check_allow_the_same_digits(off, right, task, got):
    assert (got("spread", "np.sqrt(v)", f"np.sqrt(v) * (1 + {off})") == (5.0,)) is right
    reference = task.reference["spread"]
    f = lambda *args: (reference(*args)[0], reference(*args)[1] * (1 + off))
    assert bool(check_question(f, "spread", task.folder)) is right


def test_a_tolerance_is_that_of_the_check_too(task):
    path = task.folder / "assignment.toml"
    path.write_text(
        path.read_text().replace('kind = "value"', 'kind = "value"\ntolerance = 1e-2', 1)
    )
    f = load(task.folder).reference["spread"]
    assert check_question(lambda *args: tuple(1.001 * v for v in f(*args)), "spread", task.folder)


def test_a_choice_without_arguments_is_made_and_judged_once(task, sandbox):
    (task.folder / "inputs.py").write_text(
        FILES["inputs.py"] + "judged = []\nsettings_holds = lambda value: judged.append(value)"
    )
    this = load(task.folder)
    Judge(this, sandbox).student("ada", this.source_of_reference, 1, ["settings"])
    assert this.inputs["judged"] == [(0.1, 20)]


def test_many_values_are_counted_and_not_listed(got):
    said = got("positive", "A > 0", "tuple(range(1000))")[1]
    assert said == "positive returns a tuple of 1000, and should return an array or a number"


def test_a_mistake_of_complex_numbers_is_told(task, sandbox, recwarn):
    changed = task.source_of_reference.replace("np.sqrt(v)", "np.sqrt(v + 0j)")
    Judge(task, sandbox).student("ada", changed, 1, ["spread"])
    assert not recwarn.list


def test_another_right_choice_has_all_points(got):
    assert got("settings", "def settings(): return 0.5, 3") == (5.0,)


def test_a_value_has_no_gradients(task):
    path = task.folder / "assignment.toml"
    path.write_text(
        path.read_text().replace('kind = "value"', 'kind = "value"\ngradients = ["dX"]', 1)
    )
    with pytest.raises(Unfit, match=re.escape("question 'spread'.gradients: a value has none")):
        load(task.folder)


def test_a_mistake_may_stand_twice_in_the_file_and_once_in_its_function(task):
    text = task.source_of_reference + "\n\ndef other(X):\n    return X.sum(axis=0)\n"
    (task.folder / "reference.py").write_text(text)
    task = load(task.folder)
    changed = task.mistaken(task.questions[0], task.questions[0].mistakes[0])
    assert changed == text.replace("X.mean(axis=0)", "X.mean(axis=0, keepdims=True)")


def test_practice_says_what_is_wrong_where_the_reference_is_at_hand(task):
    f = task.reference["spread"]
    assert str(check_question(f, "spread", task.folder)) == f"spread: right\n{HIDDEN}"
    wrong = check_question(
        lambda X, kind: (2 * f(X, kind)[0], f(X, kind)[1]), "spread", task.folder
    )
    assert not wrong
    assert "value 1 of 2: at [" in str(wrong)
    assert "every entry is 2 times what it should be" in str(wrong)
    half = check_question(lambda: (2, 3), "settings", task.folder)
    assert str(half) == "settings: wrong\n  a rate of 2 is not between 0 and 1"


def test_practice_without_a_reference_needs_something_to_hold(task):
    (task.folder / "reference.py").unlink()
    assert check_question(lambda: (0.5, 3), "settings", task.folder)
    with pytest.raises(Unfit, match="count is checked when it is graded only"):
        check_question(lambda T, k: 0, "count", task.folder)
