"""What a catalogue of nodes is made of: cases, and the decorators that collect them.

Each module of cases keeps a list of its own, so that it may be imported twice under two names.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

CAUSES = frozenset(
    [
        *("untouched", "overwritten", "rebinding", "sign", "factor", "N", "1/N", "lambda"),
        *("transposed", "batch sum missing", "wrong axis", "incoming ignored", "wrong operand"),
        *("mask missing", "wrong mask", "stale or shared", "not repeatable", "float32", "integers"),
        *("border", "ties", "eps place", "in place", "broadcast", "summand missing"),
        *("counted once", "misplaced", "rotated", "slope", "not finite", "exception", "shape"),
    ]
)


class Case(NamedTuple):
    """A node with one mistake: its number in the list of mistakes, or 0, and what it may be called.

    function: a node without its decorator, or a pair (forward, backward) with
    `out, cache = forward(*args)` and `dx, dw, db = backward(dout, cache)`; arguments: a function
    from a Generator to the arguments. The first of the causes is the most useful one.
    """

    name: str
    number: int
    causes: tuple[str, ...]
    function: Any
    arguments: Callable


class Right(NamedTuple):
    """A node without a mistake, also a function of minigrad's nodes; fields as in `Case`."""

    name: str
    function: Any
    arguments: Callable


def wrongs(cases: list[Case]) -> Callable:
    """The decorator @wrong(number, causes, arguments) that appends to cases."""

    def wrong(number, causes, arguments, name=""):
        causes = (causes,) if isinstance(causes, str) else causes

        def register(function):
            cases.append(Case(name or function.__name__, number, causes, function, arguments))
            return function

        return register

    return wrong


def rights(cases: list[Right]) -> Callable:
    """The decorator @right(arguments) that appends to cases."""

    def right(arguments, name=""):
        def register(function):
            cases.append(Right(name or function.__name__, function, arguments))
            return function

        return register

    return right
