import pytest

from minigrad.grade.assignments import load
from minigrad.grade.draws import drawn, generator
from minigrad.grade.feedback import Bank, helped
from minigrad.grade.frames import RAISED
from minigrad.grade.judging import Judge

PLAIN = """
schema = 1
title = "A product"
[[question]]
name = "product"
gradients = ["dX", "dW"]
points = {signature = 1, shapes = 1, forward = 1, dX = 1, dW = 1}
"""
REFERENCE = """
import numpy as np
def product(X, W):
    A = X @ W
    def back(dA, dX, dW):
        dX += dA @ W.T
        dW += X.T @ dA
    return A, back
"""
INPUTS = """
def product_inputs(rng):
    for N, D, K in ((4, 2, 3), (3, 3, 3)):
        yield rng.normal(size=(N, D)), rng.normal(size=(D, K))
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """An assignment without known mistakes: what is told then is the check's general knowledge."""
    folder = tmp_path_factory.mktemp("product")
    for name, text in (("assignment.toml", PLAIN), ("reference.py", REFERENCE),
                       ("inputs.py", INPUTS), ("starter.py", "")):  # fmt: skip
        (folder / name).write_text(text)
    return load(folder)


@pytest.fixture
def told(product, sandbox):
    """The first check that the reference with a change fails."""

    def first(old, new):
        assert REFERENCE.count(old) == 1, old
        source = REFERENCE.replace(old, new)
        question = Judge(product, sandbox).student("ada", source, 1)["questions"]["product"]
        return next(c for c in question["checks"] if c["verdict"] != "PASS")

    return first


@pytest.mark.parametrize(
    ("old", "new", "stage", "code", "words"),
    [
        ("X.T @ dA", "-X.T @ dA", "dW", "sign", "the wrong sign"),
        ("X.T @ dA", "2 * X.T @ dA", "dW", "factor", "2 times too large"),
        ("X.T @ dA", "X.T @ dA / len(X)", "dW", "1/N", "too small"),
        ("X.T @ dA", "(X.T @ dA).astype(np.float32)", "dW", "digits", "in float32"),
        ("dW += X.T", "dW[...] = X.T", "dW", "overwritten", "replaced"),
        ("dW += X.T", "dW = X.T", "dW", "untouched", ""),
        ("X.T @ dA", "X.T @ np.ones_like(dA)", "dW", "incoming ignored", ""),
        ("X.T @ dA", "X.T @ dA * np.nan", "dW", "not finite", "dW holds nan or inf"),
        ("X.T @ dA", "X.T @ dA + dW", "dW", "wrong gradient", "dW is wrong in"),
        ("X.T @ dA", "X.T @ dA + 1e-6 * (X > 9).sum() + (dA ** 3).sum()", "dW",
         "wrong gradient", "is wrong in 6 of 6 entries"),
        ("X @ W", "X @ W * 3", "forward", "factor", "3 times what it should be everywhere"),
        ("X @ W", "X @ W + 1", "forward", "wrong value", "wrong in 12 of 12 entries, for X (4, 2)"),
        ("X @ W", "X @ W / 0.0", "forward", "not finite", "holds nan or inf"),
        ("X @ W", "(X @ W).astype(np.float32)", "shapes", "dtype", "float32 is used somewhere"),
        ("X @ W", "(X @ W).round().astype(int)", "shapes", "dtype", "int64 for arrays of float64"),
        ("X @ W", "(X @ W).T", "shapes", "shape", "shape (3, 4) where (4, 3) is expected, for X"),
    ],
)  # fmt: skip
def test_mistakes_that_no_bank_knows_have_names(told, old, new, stage, code, words):
    check = told(old, new)
    assert (check["stage"], check["code"]) == (stage, code), check
    assert words in check["sentence"]


def test_a_value_changed_in_place_is_not_told_as_a_mistake_with_a_right_value(graded):
    question = graded("", ("A = X @ W + b", "A = X @ W + b; X += 1"))
    assert next(c for c in question["checks"] if c["verdict"] != "PASS")["code"] == "in place"


def bank_of(affine, source, text, i):
    question = affine.questions[0]
    steps = drawn(affine, question, generator(1, "ada", "affine"))
    return Bank(affine, question, steps, source, [(RAISED, text)]).exception(i, text)


def test_an_exception_is_that_of_a_mistake_whose_words_stand_in_its_line(affine):
    question = affine.questions[0]
    steps = drawn(affine, question, generator(1, "ada", "affine"))
    traces = Bank(affine, question, steps, "", []).traces
    raising = [(m, trace[0][1]) for m, trace in traces if trace[0][0] == RAISED]
    assert raising
    for mistake, text in raising:
        assert bank_of(affine, affine.mistaken(affine.questions[0], mistake), text, 0) is mistake
        assert bank_of(affine, affine.source_of_reference, text, 0) is None


@pytest.mark.parametrize("line", ["(line 0)", "(line 999)", "(line x)", "", "(line -1)"])
def test_an_exception_without_a_line_that_there_is_is_told_or_not_but_never_raises(affine, line):
    assert bank_of(affine, "", f"ValueError: words {line}", 0) is None


def test_exceptions_of_a_file_that_runs_alone_are_explained():
    assert helped("FileNotFoundError: x").endswith("; while grading no other file can be read")
    assert helped("ValueError: FileNotFoundError") == "ValueError: FileNotFoundError"
