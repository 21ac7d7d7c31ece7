"""The program of a value, forward and backward, in the lecture's notation.

>>> from minigrad import affine, entropy, program, relu, var
>>> X, T, (W1, b1) = np.ones((4, 2)), np.array([0, 1, 2, 0]), var((np.ones((2, 3)), np.zeros(3)))
>>> L = entropy(relu(affine(X, (W1, b1))), T)
>>> program(L)
A = affine(X, (W1, b1))
Z = relu(A)
L = entropy(Z, T)
<BLANKLINE>
L.back(Z, T)
Z.back(A)
A.back(X, (W1, b1))
"""

import html
import sys
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from .. import faults
from ..engine import Block, Node, below
from ..tree import leaves
from .costs import kept, multiply_adds
from .names import Names
from .standalone import write


class Step(NamedTuple):
    """A line of the program: a node, or a block folded into one line with the nodes in it."""

    node: Node
    block: Block | None
    nodes: list[Node]


class Listing:
    """A program as text, in notebooks too, and as a file that needs NumPy only."""

    def __init__(self, root: Node, names: Names, depth: int | None, notes: dict[str, bool]):
        self._root, self._names, self._depth, self._notes = root, names, depth, notes

    def __str__(self):
        steps = folded(below(self._root), self._depth)
        forward, backward = [], []
        for step in steps:
            own = step.block or step.node
            call = self._names.call(own.function, own.args, own.options)
            given = ", ".join(map(self._names.text, own.args))
            name = self._names.text(step.node)
            forward.append(f"{name} = {call}")
            backward.append(f"{name}.back({given})")
        if any(self._notes.values()):
            ahead, behind = _columns(steps, **self._notes)
            forward = _beside(forward, ahead)
            backward = _beside(backward, behind)
        return "\n".join([*forward, "", *reversed(backward)])

    __repr__ = __str__

    def _repr_html_(self):
        return f"<pre>{html.escape(str(self))}</pre>"

    def standalone(self) -> str:
        """The program as a Python file that imports NumPy only, with every node written out.

        The file holds no engine and no node: the statements of each forward, then those of each
        back in reverse, with the names of the arguments, and of the branches those that were
        taken. A node whose source cannot be taken apart (a lambda for a back, a return from
        within a loop) stands as a function and is called; the kernels it uses stand above.

        Leaves and arrays are read from inputs.npz, which `inputs()` holds, exact at any size:
        `np.savez("inputs.npz", **program(L).inputs())`. Gradients have the names of the leaves
        with a d: `dW1`. The value and every gradient are bitwise those of `L.backward()`.

        What a node drew from a generator, or read from a state, cannot be computed again: the
        generator has moved on. Its back keeps what it needs of it, as dropout its mask, and
        this is an input too. If the value needs more than the back has kept, the value is one.

        Raises ValueError if the program's arrays have changed since it ran, or if a node has no
        source or needs what is not NumPy, by its name.
        """
        return write(self._root, self._names)[0]

    def inputs(self) -> dict[str, np.ndarray]:
        """The arrays that the standalone file reads, by name: leaves, constants, what was drawn."""
        return write(self._root, self._names)[1]


def program(
    L: Node,
    depth: int | None = None,
    shapes: bool = False,
    costs: bool = False,
    statistics: bool = False,
) -> Listing:
    """The forward and the backward program of what was computed, with the caller's names.

    depth: how many blocks within each other are opened, 0 for none, all by default; then the
    lines of a block stand for its nodes, and `.back` is written for each, although on the Node
    itself it is the outermost block's. shapes: of the values. costs: multiply-adds forward and
    backward, measured by computing each node once more, and bytes kept for the backward program.
    statistics: mean, deviation and range of each value, and of its gradient where it has one.
    Names are looked up where `program` is called, once; computing costs nothing for it.
    Raises TypeError for anything but a computed Node.

    >>> from minigrad import var
    >>> A = var(np.array([1.0, 2.0]))
    >>> B = A * A
    >>> program(B, shapes=True)
    B = mul(A, A)  # (2,)
    <BLANKLINE>
    B.back(A, A)   # (2,)
    """
    if type(L) is not Node or not L.function:
        got = "a leaf" if type(L) is Node else f"a {type(L).__name__}"
        raise TypeError(f"program: takes a Node that was computed, not {got}")
    if not L._back:
        raise RuntimeError(faults.freed("program", "program"))
    frame: Any = sys._getframe(1)
    names = Names(below(L), frame.f_locals, frame.f_globals)
    return Listing(L, names, depth, {"shapes": shapes, "costs": costs, "statistics": statistics})


def folded(order: list[Node], depth: int | None) -> list[Step]:
    """The lines of a program: blocks within depth others as one line, all other nodes each."""
    steps, hidden, opened = [], set(), Counter[Node]()
    for n in reversed(order):
        if n in hidden or not n.function:
            continue
        level = len(n.blocks) if depth is None else min(depth - opened[n], len(n.blocks))
        for block in n.blocks[:level]:
            opened.update(m for m in below(n, block.since) if m is not n)
        block = n.blocks[level] if level < len(n.blocks) else None
        inside = [m for m in below(n, block.since) if m.function] if block else [n]
        hidden.update(inside)
        steps.append(Step(n, block, inside))
    return steps[::-1]


def _columns(steps, shapes, costs, statistics):
    """The notes beside each line, forward and backward, as rows of columns."""
    forward, backward = [], []
    seen = {id(a) for s in steps for n in s.nodes for a in _given(n)}
    for s in steps:
        ahead, behind = [], []
        if shapes:
            ahead.append(str(s.node.shape))
            behind.append(str(s.node.shape))
        if costs:
            counts = np.sum([multiply_adds(n) for n in s.nodes], 0)
            memory = sum(kept(n, seen) for n in s.nodes)
            ahead += [f"{counts[0]} multiply-adds", f"{memory} bytes"]
            behind.append(f"{counts[1]} multiply-adds")
        if statistics:
            ahead.append(_summary(s.node.value))
            behind.append("" if s.node.grad is None else _summary(s.node.grad))
        forward.append(ahead)
        backward.append(behind)
    return forward, backward


def _given(n):
    """The memory of leaves and constants among a node's arguments, which it does not keep."""
    for a in leaves(n.args):
        a = a.value if type(a) is Node and not a.function else a
        while isinstance(getattr(a, "base", None), np.ndarray):
            a = a.base
        yield a


def _summary(a):
    if not a.size:
        return "empty"
    low, high, mean, deviation = a.min(), a.max(), a.mean(), a.std()
    if not a.ndim:
        return f"{float(a):.4g}"
    return f"mean {mean:.3g}, deviation {deviation:.3g}, from {low:.3g} to {high:.3g}"


def _beside(lines, rows):
    """Lines with their notes behind them, in columns."""
    width = max(map(len, lines))
    widths = [max(map(len, column)) for column in zip(*rows)]
    notes = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [f"{line:<{width}}  # {note}".rstrip(" #") for line, note in zip(lines, notes)]
