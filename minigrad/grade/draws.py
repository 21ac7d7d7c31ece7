"""What is drawn for a student's question, and what the reference gives for it.

>>> from .assignments import load
>>> affine = load("affine")
>>> steps = drawn(affine, affine.questions[0], generator(1, "ada", "affine"))
>>> [step[1] for step in steps.steps if step[0] == "forward"][:4]
['0a', '0b', '1a', '1b']
>>> [step[1] for step in steps.steps if step[0] == "back"][:6]
['0b', '0a', '0a', '1b', '1a', '1a']
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..gradcheck import Unfit
from ..gradcheck.subjects import argument_names, copied, slide_names
from . import frames, runner
from .assignments import Assignment, Question
from .stub import Unwanted


class Steps(NamedTuple):
    """The steps of a question: (what it is for, the step), what the reference gives for each.

    names: of the arrays among the arguments; values: how many arrays of a forward are its value;
    accepts: of edge cases, holds: of values of which more than one is right.
    """

    kinds: list[tuple[str, str]]
    steps: list[tuple]
    expected: list[list[np.ndarray]]
    names: tuple[str, ...]
    accepts: dict[str, Any]
    values: int = 1
    holds: Any = None


def generator(seed: int, student: str, question: str) -> np.random.Generator:
    """Of all that is drawn for a student's question; nobody can guess it without the seed."""
    text = f"{seed}|{student}|{question}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text, digest_size=16).digest()))


def drawn(assignment: Assignment, question: Question, rng: np.random.Generator) -> Steps:
    """Draw the steps of a question, and let the reference do them; Unfit if they do not fit."""
    try:
        return _drawn(assignment, question, rng)
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        raise Unfit(f"inputs.py and reference.py do not fit at {question.name}: {words}") from error


def _drawn(assignment, question, rng):
    reference, entry = assignment.reference[question.name], question.name
    kinds, accepts, steps = [], {}, []
    a, b = (np.random.default_rng(rng.integers(1 << 62)) for _ in range(2))
    calls = []
    for i, pair in enumerate(assignment.cases(question, a, b)):
        drawn_for = zip("ab" if any(pair) else "a", pair)  # without arguments both are the same
        calls += [(f"{i}{name}", args, "case") for name, args in drawn_for]
    for what, args, accept in assignment.edges(question, a):
        calls.append((what, args, "edges"))
        accepts[what] = accept
    names = _names(reference, calls[0][1])
    if question.kind == "value":
        return _of_values(assignment, question, calls, names)
    cases, edges = ([c for c in calls if c[2] == kind] for kind in ("case", "edges"))
    twice = [c for x, y in zip(cases[::2], cases[1::2]) for c in (y, x, x)]
    for forwards, backs in ((cases, twice), (edges, edges)):
        for call, args, kind in forwards:
            kinds.append((kind, "forward"))
            steps.append(("forward", call, args))
        for call, args, kind in backs:
            dZ, gradients = _incoming(reference, args, rng, filled=kind == "case")
            kinds.append((kind, "back"))
            steps.append(("back", call, dZ, gradients))
    expected = _expected(reference, entry, steps)
    drawn_for = {kind for kind, _ in kinds}
    for kind in ("case", "edges") if question.points.get("edges") else ("case",):
        if kind not in drawn_for:  # nothing compared would be nothing wrong
            raise ValueError(f"no {kind} is drawn")
    found = len(expected[kinds.index(("case", "back"))]) - 2 - len(names)
    if found != len(question.gradients):
        raise ValueError(f"back fills {found} gradients, and {question.gradients} are named")
    return Steps(kinds, steps, expected, names, accepts)


def _of_values(assignment, question, calls, names):
    """The steps of a question that asks for a value alone."""
    reference, entry = assignment.reference[question.name], question.name
    value = reference(*copied(calls[0][1]))
    count = len(value) if isinstance(value, tuple) else 0
    steps = [("forward", call, args, count) for call, args, _ in calls]
    expected = _expected(reference, entry, steps)
    holds = assignment.inputs.get(f"{entry}_holds")
    kinds = [("case", "forward")] * len(steps)
    return Steps(kinds, steps, expected, names, {}, count or 1, holds)


def _expected(reference, entry, steps):
    expected = performed(reference, entry, steps)
    for form, what in expected:
        if form != frames.ARRAYS:
            raise ValueError(f"the reference gives {what}")
    return [what for _, what in expected]


def _names(reference, args):
    """The names of all arrays among the arguments, as messages call them."""
    called = slide_names(reference)
    return tuple(
        called.get(path, path)
        for a, name in zip(args, argument_names(reference, args))
        for path, leaf in tree.paths(a, name)
        if isinstance(leaf, np.ndarray)
    )


def _incoming(reference, args, rng, filled):
    """(dZ, gradients): random, away from 0; gradients hold numbers of their own size already."""
    Z, back = reference(*copied(args))
    dZ = rng.standard_normal(np.shape(Z))
    dZ = np.asarray(dZ + np.sign(dZ) * 0.2)
    named = runner.takes_gradients(back, len(args))
    empty = tuple(
        tree.map_leaves(_place, a) if i < named else tree.map_leaves(Unwanted, a)
        for i, a in enumerate(args)
    )
    if not filled:
        return dZ, empty
    there = copied(empty)
    back(dZ.copy(), *there[:named])
    size = max((np.abs(g).max(initial=0) for g in runner.arrays_of(there)), default=0) or 1.0
    return dZ, tree.map_leaves(
        lambda g: size * rng.standard_normal(g.shape) if isinstance(g, np.ndarray) else g, empty
    )


def _place(a):
    is_float = isinstance(a, np.ndarray) and a.dtype.kind == "f"
    return np.zeros_like(a) if is_float else Unwanted(a)


def performed(f: Any, entry: str, steps: Sequence[tuple]) -> list[tuple[int, Any]]:
    """What a trusted function gives for the steps, here in the judge."""
    with np.errstate(all="ignore"):
        return list(runner.perform(f, entry, [tuple(copied(step)) for step in steps]))


class Trace:
    """What a function gives for the steps, done as far as somebody looks: most differ early."""

    def __init__(self, f: Any, entry: str, steps: Sequence[tuple]):
        self.rest = runner.perform(f, entry, (tuple(copied(step)) for step in steps))
        self.done: list[tuple[int, Any]] = []

    def __getitem__(self, i: int) -> tuple[int, Any]:
        with np.errstate(all="ignore"):
            while len(self.done) <= i:
                self.done.append(next(self.rest))
        return self.done[i]
