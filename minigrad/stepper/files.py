"""The stepper of a program that stands in a file: `minigrad step FILE:FUNCTION`."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..engine import Node, below, var
from ..gradcheck import Unfit
from ..gradcheck.assignment import arguments, functions
from ..gradcheck.subjects import is_float
from ..listing.names import Names
from ..tree import map_leaves
from .pages import Page
from .walkthrough import walk


def page_of(path: Path, name: str, shapes: str | None, seed: int) -> Page:
    """The stepper of what a function of a file returns, with the names of its variables.

    name: a function that returns a scalar Node; shapes: of its arguments, if it takes any, as for
    `minigrad check`; arrays of floats are then leaves. seed: of what they hold.
    Raises Unfit, in a sentence, if there is no such function or it does not fit.
    """
    f = functions(path, name)[0][name]
    if isinstance(f, tuple):  # a pair NAME_forward, NAME_backward
        raise Unfit(f"{name}: a pair of functions is not traced: make a node of it first")
    args = _arguments(f, name, shapes, np.random.default_rng(seed))
    try:
        L, scope = _called(f, args)
    except Exception as error:
        raise Unfit(f"{name} cannot be run: {_told(error)}") from error
    if type(L) is not Node or not L.function:
        kind = "a leaf" if type(L) is Node else f"type {type(L).__name__}"
        raise Unfit(f"{name} returns {kind}: the stepper takes a scalar Node, computed of var(...)")
    if L.ndim:
        raise Unfit(
            f"{name} returns shape {L.shape}, not a scalar: return its sum or mean, or a loss"
        )
    try:
        return walk(L, Names(below(L), scope), f"{name}, one write at a time")
    except Exception as error:  # of a back
        raise Unfit(f"{name}: its backward program cannot be run: {_told(error)}") from error


def _told(error):
    """An error, and what the engine noted about it, in one line."""
    words = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
    return " ".join(" ".join(words).split())


def _arguments(f, name, shapes, rng):
    """The arguments to call with: leaves for arrays of floats."""
    if shapes:
        args = arguments(shapes, rng)
        return map_leaves(lambda a: var(a) if is_float(a) else a, args)
    needed = [
        p.name
        for p in inspect.signature(f).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if needed:
        raise Unfit(f"{name} takes {', '.join(needed)}: give their --shapes")
    return ()


def _called(f: Callable, args: tuple) -> tuple[Any, dict[str, Any]]:
    """What a function returns, and its variables when it returned."""
    scope: dict[str, Any] = {}
    code = getattr(inspect.unwrap(f), "__code__", None)

    def watch(frame, event, _):
        if event == "return" and frame.f_code is code:
            scope.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        return f(*args), scope
    finally:
        sys.setprofile(before)
