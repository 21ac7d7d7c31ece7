"""minigrad step FILE:FUNCTION: a page, or one line and exit code 2."""

import sys

import pytest
import stepped

from minigrad.cli import main
from minigrad.stepper.files import page_of

SOURCE = """
import numpy as np
from minigrad import affine, block, entropy, mean, node, relu, var


def step():
    X = np.ones((3, 2))
    W1, b1 = var((np.ones((2, 2)), np.zeros(2)))
    hidden = relu(affine(X, (W1, b1)))
    return mean(hidden)


@block
def loss(X, U, T):
    return entropy(affine(X, U), T)


def pixels(X):
    return X * 2.0


def number():
    return 3.0


def broken():
    return 1 / 0


class Net:
    pass


@node
def lost(A):
    def back(dZ, dA):
        dA += np.ones(7)

    return A.sum(), back
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def minigrad_step(file, monkeypatch, capsys):
    def run(name, *words):
        monkeypatch.setattr(sys, "argv", ["minigrad", "step", f"{file}{name}", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, *capsys.readouterr()

    return run


def test_the_page_has_the_names_of_the_functions_variables(file):
    data = stepped.data(page_of(file, "step", None, 0))
    names = [v["name"] for v in data["variables"]]
    assert names == ["X", "W1", "b1", "A", "hidden", "Z"]


def test_the_page_is_written_and_said(minigrad_step, tmp_path):
    page = tmp_path / "page.html"
    code, out, _ = minigrad_step(":step", "-o", str(page))
    assert (code, out) == (0, f"{page} goes through step, one write at a time\n")
    assert "<title>step, one write at a time</title>" in page.read_text("utf-8")


def test_arguments_are_made_of_shapes_and_floats_are_leaves(file):
    shapes = "(5, 4), ((4, 6), (6,)), labels(5, 6)"
    data = stepped.data(page_of(file, "loss", shapes, 0))
    kinds = {v["name"]: v["kind"] for v in data["variables"] if v["kind"] != "computed"}
    assert list(kinds.values()) == ["leaf", "leaf", "leaf", "constant"]
    again, other = (stepped.data(page_of(file, "loss", shapes, seed)) for seed in (0, 1))
    assert data["arrays"] == again["arrays"] != other["arrays"]


@pytest.mark.parametrize(
    ("name", "shapes", "says"),
    [
        ("", None, "name the function behind a colon, as in"),
        (":nothing", None, "there is no function nothing; it has step, loss"),
        (":loss", None, "loss takes X, U, T: give their --shapes"),
        (":loss", "(5, 4)", "loss cannot be run: TypeError"),
        (":loss", "five", "'five': five is no shape"),
        (":pixels", "(2, 3)", "pixels returns shape (2, 3), not a scalar: return its sum or mean"),
        (":number", None, "number returns type float: the stepper takes a scalar Node"),
        (":broken", None, "broken cannot be run: ZeroDivisionError: division by zero"),
        (":Net", None, "Net returns type Net"),
        (":lost", "(3,)", "lost: its backward program cannot be run: ValueError: operands"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(minigrad_step, name, shapes, says):
    code, out, err = minigrad_step(name, *(["--shapes", shapes] if shapes else []))
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
