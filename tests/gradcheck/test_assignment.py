"""A student's file: what is checked in it, with which arguments."""

import re

import numpy as np
import pytest

from minigrad.gradcheck import Unfit
from minigrad.gradcheck.assignment import arguments, functions, guessed

rng = np.random.default_rng(0)
FILE = """
import numpy as np
from minigrad import node

def relu(A):
    def back(dZ, dA):
        dA += dZ * (A > 0)
    return np.maximum(A, 0), back

@node
def double(A):
    return 2 * A, lambda dZ, dA: dA.__iadd__(2 * dZ)

def affine_forward(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(0)

def helper(A):
    return A + 1
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "hw3.py"
    path.write_text(FILE)
    return path


def test_nodes_functions_with_a_back_and_pairs_are_found(file):
    found, others = functions(file)
    assert list(found) == ["relu", "double", "affine_forward"]
    assert isinstance(found["affine_forward"], tuple)
    assert others == ["helper"]


def test_one_function_may_be_named(file):
    assert list(functions(file, "relu")[0]) == ["relu"]
    assert isinstance(functions(file, "affine_forward")[0]["affine_forward"], tuple)


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        (FILE, "nope", "there is no function nope; it has relu, double, affine_forward"),
        ("x = 1", "", "no function returns a value and its back"),
        ("def f(:", "", "line 1: "),
        ("1 / 0", "", "cannot be run: ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_cannot_serve_gets_a_sentence(tmp_path, text, name, sentence):
    path = tmp_path / "hw.py"
    path.write_text(text)
    with pytest.raises(Unfit, match=re.escape(sentence)):
        functions(path, name)


def test_a_missing_file_gets_a_sentence(tmp_path):
    with pytest.raises(Unfit, match=r"no\.py: there is no such file"):
        functions(tmp_path / "no.py")


def test_shapes_are_read_as_arrays_nests_labels_and_constants():
    X, (W, b), T, rate, mode = arguments("(5, 4), ((4, 3), (3,)), labels(5, 3), 0.1, 'same'", rng)
    assert (X.shape, W.shape, b.shape, T.shape) == ((5, 4), (4, 3), (3,), (5,))
    assert set(T.tolist()) == {0, 1, 2}
    assert (rate, mode) == (0.1, "same")


@pytest.mark.parametrize("text", ["(5, 4), (", "x", "(5, y)", "zeros(3)"])
def test_shapes_that_are_none_get_a_sentence(text):
    with pytest.raises(Unfit, match=re.escape(f"--shapes {text!r}: ")):
        arguments(text, rng)


def test_arguments_are_guessed_by_trying(file):
    found, _ = functions(file)
    (args,) = guessed(found["affine_forward"], rng)
    assert [np.shape(a) for a in args] == [(5, 4), (4, 6), (6,)]
    assert len(guessed(found["relu"], rng)) > 1

    def picky(A, B):
        raise ValueError("never")

    with pytest.raises(Unfit, match=re.escape("picky(A, B) takes none of the shapes tried")):
        guessed(picky, rng)
