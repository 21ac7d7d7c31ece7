"""Every write of a program, forward and backward, in order, as the engine makes them.

>>> from minigrad import mul, var
>>> A, B = var((np.array(3.0), np.array(2.0)))
>>> for w in traced(mul(A, B)):
...     print(w.node.name, w.backward, w.target.name, w.old, w.new)
mul False mul None 6.0
mul True mul None 1.0
mul True leaf 0.0 2.0
mul True leaf 0.0 3.0
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backend import to_cpu
from ..engine import Node, below
from ..tree import map_leaves


class Write(NamedTuple):
    """One write: the value that a node computes, or what its back deposits into one gradient.

    node: whose forward or back it is; target: whose value, or gradient, is written; backward: True
    for a gradient; old: the gradient before, None where nothing is added to: of values, and of the
    1 that begins the backward program; new: what is there after it; line: of the statement of the
    back, in its file, 0 where that is not known.
    """

    node: Node
    target: Node
    backward: bool
    old: Any
    new: Any
    line: int = 0

    @property
    def added(self) -> Any:
        """What has been added, nan where that cannot be told; None where nothing was."""
        with np.errstate(over="ignore", invalid="ignore"):
            return None if self.old is None else self.new - self.old


def traced(L: Node) -> list[Write]:
    """The writes of the program of a scalar, forward, then backward.

    The backward program is the engine's own, run once: gradients are then those of `L.backward()`.
    A write begins with the first deposit that a back makes for one of its arguments; deposits into
    slices, as in a loop, are one write, and so is all that a back does unseen, as in a kernel.
    An argument given twice gets two writes. Arrays are copies.
    Raises TypeError and ValueError as `backward` does.
    """
    order = [n for n in below(L) if n.function]
    writes = [Write(n, n, False, None, _copy(n.value)) for n in order]
    seed = len(writes)
    backs = {n: n._back for n in order}
    try:
        for n in order:
            n._back = _logged(n, writes)
        L.backward()
    finally:
        for n, back in backs.items():
            n._back = back
    writes.insert(seed, Write(L, L, True, None, _copy(L.grad)))
    return writes


class Deposit(NamedTuple):
    """The first of the deposits that are one write: for which argument, and what was there."""

    slot: int
    target: Node
    old: Any
    line: int


class Log:
    """The deposits of one back, as they happen."""

    def __init__(self, code: Any):
        self.code, self.deposits = code, []  # type: ignore[var-annotated]

    def note(self, slot: int, target: Node) -> None:
        """A deposit for an argument is about to be made: a new write, or more of the last one."""
        last = next((d.slot for d in reversed(self.deposits) if d.target is target), None)
        if slot != last:
            self.deposits.append(Deposit(slot, target, _copy(target.grad), self._line()))

    def _line(self):
        frame: Any = sys._getframe(1)
        while frame and frame.f_code is not self.code:
            frame = frame.f_back
        return frame.f_lineno if frame else 0


class Recorder(np.ndarray):
    """A view of a gradient that notes each deposit before it is made, also into its own views."""

    noted: Callable[[], None]

    def __array_finalize__(self, source):
        self.noted = getattr(source, "noted", lambda: None)

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if method == "at" and isinstance(inputs[0], Recorder):
            inputs[0].noted()
        for o in out:
            if isinstance(o, Recorder):
                o.noted()
        if out:
            options["out"] = tuple(map(_plain, out))
        result = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return out[0] if len(out) == 1 else result

    def __setitem__(self, index, deposit):
        self.noted()
        super().__setitem__(index, deposit)


def _logged(n: Node, writes: list[Write]) -> Callable:
    """The back of a node that also appends its writes."""
    back: Any = n._back

    def logged(dZ, *gradients):
        owners = {id(p.grad): p for p in n.parents}
        log, slots = Log(getattr(back, "__code__", None)), 0

        def recorder(gradient):
            nonlocal slots
            target = owners.get(id(gradient))
            if target is None or not isinstance(gradient, np.ndarray):
                return gradient
            view, slot = gradient.view(Recorder), slots
            view.noted = lambda: log.note(slot, target)
            slots += 1
            return view

        before = {p: _copy(p.grad) for p in n.parents if p.grad is not None}
        back(dZ, *(map_leaves(recorder, g) for g in gradients))
        writes.extend(_writes(n, log.deposits, before))

    return logged


def _writes(n, deposits, before):
    """The writes of one back, of which the log may have seen a part only."""
    now = {p: _copy(p.grad) for p in before}
    first, found = {d.target: d for d in reversed(deposits)}, []
    for d in reversed(deposits):
        old = before[d.target] if d is first[d.target] else d.old
        found.append(Write(n, d.target, True, old, now[d.target], d.line))
        now[d.target] = old
    for p, old in before.items():
        if not np.array_equal(old, now[p], equal_nan=True):
            found.append(Write(n, p, True, old, now[p]))
    return reversed(found)


def _plain(a):
    return a.view(np.ndarray) if isinstance(a, Recorder) else a


def _copy(a):
    return np.array(to_cpu(a))
