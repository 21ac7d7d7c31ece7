"""`gradient-check`, where students write the check: known functions grade it."""

import ast
import tomllib
from pathlib import Path

import numpy as np
import pytest

import minigrad

FOLDER = Path(minigrad.__file__).parent / "grade/assignments/gradient-check"
QUESTION = tomllib.loads((FOLDER / "assignment.toml").read_text())["question"][0]
INPUTS, REFERENCE = ((FOLDER / name).read_text() for name in ("inputs.py", "reference.py"))
MISTAKES = QUESTION["mistake"]
SOLUTIONS = sorted((FOLDER / "right").glob("*.py"))


def run(source):
    names = {}
    exec(compile(source, "<file>", "exec"), names)
    return names


def cases(seed):
    """(name, f, x) of all functions, those of students first."""
    for source in (INPUTS, REFERENCE):
        for f, x in run(source)["check_inputs"](np.random.default_rng(seed)):
            yield f.__name__, f, x


NAMES = [name for name, _, _ in cases(0)]


def answers(check, seed=0):
    """What a check says of each function: True, False, or the name of what it raises."""
    said = {}
    with np.errstate(all="ignore"):
        for name, f, x in cases(seed):
            try:
                said[name] = bool(check(f, x.copy()))
            except Exception as error:
                said[name] = type(error).__name__
    return said


def right(name):
    return name.startswith("right_")


def failures(check, seed=0):
    """The names of right functions that it refuses, and of wrong ones that it lets pass."""
    said = answers(check, seed)
    return (
        {name for name, answer in said.items() if right(name) and answer is not True},
        {name for name, answer in said.items() if not right(name) and answer is not False},
    )


def earned(check):
    """The share of points: of the wrong ones caught, less that of the right ones refused."""
    refused, passed = map(len, failures(check))
    rights = sum(map(right, NAMES))
    return max(0, 1 - passed / (len(NAMES) - rights) - refused / rights)


def mistaken(mistake):
    old, new = (m if isinstance(m, list) else [m] for m in (mistake["replace"], mistake["by"]))
    source = REFERENCE
    for a, b in zip(old, new, strict=True):
        assert source.count(a) == 1
        source = source.replace(a, b)
    return run(source)["check"]


def test_names_tell_what_is_right_and_none_stands_twice():
    assert len(NAMES) == len(set(NAMES))
    assert all(name.startswith(("right_", "wrong_")) for name in NAMES)


def test_each_function_stands_alone_so_that_its_source_can_be_sent():
    sources = {
        n.name: ast.unparse(n)
        for source in (INPUTS, REFERENCE)
        for n in ast.parse(source).body
        if isinstance(n, ast.FunctionDef)
    }
    for name, f, x in cases(0):
        alone = {"np": np}
        exec(sources[name], alone)
        Z, back = alone[name](x.astype(float))
        assert np.array_equal(Z, f(x.astype(float))[0])


@pytest.mark.parametrize(
    "name, f, x", list(cases(0)), ids=lambda v: v if isinstance(v, str) else ""
)
def test_the_check_of_the_library_agrees(name, f, x):
    assert bool(minigrad.check(f, x.astype(float))) == right(name)


@pytest.mark.parametrize("seed", range(5))
def test_the_reference_fails_at_none(seed):
    assert failures(run(REFERENCE)["check"], seed) == (set(), set())


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)
def test_odd_but_right_checks_fail_at_none(path):
    for seed in range(3):
        assert failures(run(path.read_text())["check"], seed) == (set(), set())


def test_constants_earn_nothing_and_guesses_little():
    assert earned(lambda f, x: True) == earned(lambda f, x: False) == 0
    rng = np.random.default_rng(0)
    assert np.mean([earned(lambda f, x: rng.random() < 0.5) for _ in range(30)]) < 0.15


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m["code"])
def test_a_mistake_fails_first_where_its_stage_says(mistake):
    for seed in range(3):
        refused, passed = failures(mistaken(mistake), seed)
        assert (mistake["stage"] == "right passed") == bool(refused)
        assert refused or passed


def test_no_two_mistakes_fail_at_the_same_functions():
    found = [tuple(sorted(set.union(*failures(mistaken(m), seed=5)))) for m in MISTAKES]
    assert len(set(found)) == len(MISTAKES)


def test_a_single_mistake_keeps_most_points_and_a_useless_check_none():
    shares = {m["code"]: earned(mistaken(m)) for m in MISTAKES}
    assert shares["x not put back"] < shares["whole numbers"] < 1
    assert 0.9 < shares["adding not tested"] < 1
    assert 0 < shares["back against itself"] < 0.3
    assert shares["new weights each time"] < 0.1
