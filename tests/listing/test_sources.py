"""What is read from a function's source, and what is carried elsewhere."""

import linecache

import numpy as np
import pytest

from minigrad import relu
from minigrad.listing.rewriting import Unfit, literal
from minigrad.listing.script import Script
from minigrad.listing.sources import definition, returned
from minigrad.listing.transplants import transplant
from minigrad.nodes.layers import affine


def made(text, name="<cell 1>"):
    """The function that a cell of a notebook defines last."""
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    space = {"np": np, "__name__": "__main__"}
    exec(compile(text, name, "exec"), space)
    return list(space.values())[-1]


def test_a_function_is_read_from_a_cell_and_not_from_a_cell_that_replaced_it():
    f = made("def f(A):\n    Z = A\n    return Z, None\n", "<cell 2>")
    text = "def g(B):\n    return B, None\n"
    linecache.cache["<cell 2>"] = (len(text), None, text.splitlines(True), "<cell 2>")
    assert definition(f) is None
    assert returned(f) == "v"
    assert returned(relu.plain) == "Z"
    assert definition(len) is None


def test_carried_functions_keep_comments_and_lose_decorators_and_annotations():
    f = made(
        "LOW = 0.5\n"
        "def f(A: np.ndarray, low: float = LOW, *, é: str = 'ü') -> np.ndarray:\n"
        '    """First.\n\n    Second.\n    """\n'
        "    return np.maximum(A, low + LOW)  # why: ü\n",
        "<cell 3>",
    )
    assert transplant(f, "g", Script(None)) == (
        "def g(A, low = 0.5, *, é = 'ü'):\n"
        '    """First."""\n'
        "    return np.maximum(A, low + 0.5)  # why: ü"
    )
    assert transplant(affine.plain, "a", Script(None)).startswith('def a(X, U):\n    """A = X')


def test_a_function_that_needs_what_a_file_cannot_hold_is_refused():
    f = made("g = np.random.default_rng(0)\ndef f(A):\n    return g.normal()\n", "<cell 4>")
    with pytest.raises(Unfit, match="Generator"):
        transplant(f, "f", Script(None))


@pytest.mark.parametrize(
    "value",
    [0.1, -np.inf, np.nan, (1, [2.5, None], {"a": ...}), slice(None, -1), np.float32(0.1), "é'"],
    ids=repr,
)
def test_constants_are_written_exactly(value):
    import ast

    again = eval(ast.unparse(ast.fix_missing_locations(literal(value))), {"np": np})
    assert type(again) is type(value)
    assert repr(again) == repr(value)
