"""Follow a gradient from the loss to one leaf, path by path: where does it vanish, explode, die?

>>> from minigrad import affine, explain, mean, relu, sigmoid, var
>>> X, W, b = np.ones((4, 2)), *var((np.ones((2, 3)), np.array([-9.0, 0.0, 0.0])))
>>> L = mean(sigmoid(relu(affine(X, (W, b)))))
>>> explain(L, b)
b: 1 path from L, its gradient has size 0.0495
<BLANKLINE>
path 1: size 0.0495
       1  x 0.29  L = mean(Z2)
   0.289  x 0.17  Z2 = sigmoid(Z1)
  0.0485  x 0.51  Z1 = relu(A): stops 33% of its entries, 1 of 3 units in every sample
  0.0247  x    2  A = affine(X, (W, b))
  0.0495          b
"""

import html
import itertools
import math
import sys
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from .. import faults
from ..backend import one_like
from ..engine import Node, below
from ..kernels.memory import zeros_like
from .deposits import gradients
from .names import Names

VANISHED, EXPLODED = 1e-6, 1e6  # against the size at the loss: all of float32's digits
SHORT = 12  # names beside each other in a figure
LONGEST = 40  # lines of a path; of a longer one the beginning and the end are shown


class Stop(NamedTuple):
    """A node on a path: the size of the gradient that arrives along it, and what the node stops.

    stopped: the share of the entries that arrive nonzero and leave as zero, None where the shapes
    differ; dead, units: of how many units nothing leaves in any sample.
    """

    node: Node
    size: float
    stopped: float | None = None
    dead: int = 0
    units: int = 0


class Flow:
    """The paths of a gradient, the largest first, as text and as a figure.

    paths: a list of Stops each, from the loss to the leaf; count: how many paths there are.
    """

    def __init__(self, leaf: Node, names: Names, paths: list[list[Stop]], count: int):
        self.leaf, self.names, self.paths, self.count = leaf, names, paths, count

    def __str__(self):
        loss, leaf = self.paths[0][0].node, self.names.text(self.leaf)
        every = f"{self.count} path{'s' * (self.count > 1)}"
        lines = [f"{leaf}: {every} from {self.names.text(loss)}, ", ""]
        lines[0] += f"its gradient has size {_size(self.leaf.grad):.3g}"
        left = self.count
        for i, path in enumerate(self.paths):
            ways = math.prod(Counter(a.node.parents)[b.node] for a, b in itertools.pairwise(path))
            left -= ways
            alike = f", as {ways} paths through the same nodes" if ways > 1 else ""
            lines.append(f"path {i + 1}: size {path[-1].size:.3g}{alike}{self._verdict(path)}")
            lines += _shortened([self._line(*both) for both in zip(path, [*path[1:], None])])
            lines.append("")
        return "\n".join([*lines, f"and {left} more"] if left else lines[:-1])

    __repr__ = __str__

    def _line(self, stop, after):
        n, text = stop.node, self.names.text(stop.node)
        if after is None:
            return f"{stop.size:8.3g}          {text}"
        factor = f"x{after.size / stop.size:5.2g}" if stop.size else " " * 6
        line = f"{stop.size:8.3g}  {factor}  {text} = "
        line += self.names.call(n.function, n.args, n.options)
        if stop.stopped:
            line += f": stops {stop.stopped:.0%} of its entries"
            if stop.dead:
                line += f", {stop.dead} of {stop.units} units in every sample"
        return line

    def _verdict(self, path):
        """Where the gradient dies, vanishes or explodes, if it does."""
        for what, far in (
            ("is not finite", lambda size: not math.isfinite(size)),
            ("dies", lambda size: size == 0),
            ("vanishes", lambda size: size < VANISHED),
            ("explodes", lambda size: size > EXPLODED),
        ):
            at = next((k for k, stop in enumerate(path) if far(stop.size)), None)
            if at:
                n = path[at - 1].node
                return f": {what} behind {self.names.text(n)} ({n.name})"
        return ""

    def _repr_html_(self):
        return f"<pre>{html.escape(str(self))}</pre>"

    def figure(self) -> Any:
        """A matplotlib Figure: the size along each path, from the scalar to the leaf.

        A cross marks where a gradient has become zero. Needs no display; in a notebook it shows.
        """
        from matplotlib.figure import Figure

        page = Figure(figsize=(9, 4), layout="constrained")
        ax = page.subplots()
        sizes = [s.size for path in self.paths for s in path if 0 < s.size < math.inf]
        floor = min(sizes, default=1.0) / 10
        length = len(self.paths[0])
        for i, path in enumerate(self.paths):
            pairs = zip(path, self.paths[0])
            same = len([*itertools.takewhile(lambda p: p[0].node is p[1].node, pairs)])
            places = [*range(same - 1), *np.linspace(same - 1, length - 1, len(path) - same + 1)]
            alive = [*itertools.takewhile(lambda s: s.size > 0, path)]
            y = [*[s.size for s in alive], floor][: len(path)]
            (line,) = ax.plot(places[: len(y)], y, marker="o", ms=4, lw=2, zorder=9 - i)
            line.set_label(f"path {i + 1}")
            color = line.get_color()
            if len(alive) < len(path):
                ax.plot(places[len(alive)], floor, "X", ms=11, color=color, zorder=10)
            if i and len(path) <= SHORT:  # the ticks below name the nodes of path 1
                for x, height, s in [*zip(places, y, path)][1:-1]:
                    ax.text(x, height, f" {self.names.text(s.node)}", color=color, fontsize=8)
        path = self.paths[0]
        every, between = -(-len(path) // (2 * SHORT)), " " if len(path) > SHORT else "\n"
        labels = [f"{self.names.text(s.node)}{between}{s.node.name}" for s in path[::every]]
        turned = 90 if len(path) > SHORT else 0
        ax.set_xticks(range(0, len(path), every), labels, fontsize=8, rotation=turned)
        ax.set_yscale("log")
        ax.set_ylabel("size of the gradient")
        names = [self.names.text(path[k].node) for k in (0, -1)]
        ax.set_title(f"from {names[0]} to {names[1]}", loc="left", fontsize=10)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
        return page


def explain(L: Node, leaf: Node, paths: int = 3) -> Flow:
    """The paths by which a gradient gets from a scalar to one of the Nodes below it.

    L: the scalar; leaf: a leaf, or any Node below L; paths: how many to show, 3. Beside each node
    stands the size (Euclidean norm) of what arrives along this path alone, and by how much the node
    changes it. The gradient of the leaf is the sum over all paths. They are counted without going
    through them, as there may be 2^60: of those that meet in a node, the largest few go on, so
    that the largest at the end may be missed if it was small on its way.
    Gradients are those of `L.backward()`, which is called if it has not been.
    Raises TypeError for anything but Nodes, ValueError if L is no scalar or leaf is not below it,
    RuntimeError if values have changed since, as by an update of the weights.

    >>> from minigrad import exp, var
    >>> A = var(np.array(1.0))
    >>> explain(exp(A) + A, A, paths=1)
    A: 2 paths from S, its gradient has size 3.72
    <BLANKLINE>
    path 1: size 2.72
           1  x    1  S = add((Z, A))
           1  x  2.7  Z = exp(A)
        2.72          A
    <BLANKLINE>
    and 1 more
    """
    for name, n in (("L", L), ("leaf", leaf)):
        if type(n) is not Node:
            raise TypeError(f"explain: {name} is a {type(n).__name__}, and has to be a Node")
    faults.check_scalar(L.name, L.value)
    order = below(L)
    if leaf not in order:
        raise ValueError(f"explain: the {leaf.name} of shape {leaf.shape} is not below {L.name}")
    if any(n.grad is None for n in order):
        L.backward()
    _check_unchanged(order, leaf)
    frame: Any = sys._getframe(1)
    ways = {leaf: 1}
    for n in order:
        if n is not leaf:
            count = sum(ways.get(p, 0) for p in n.parents)
            if count:
                ways[n] = count
    names = Names(order, frame.f_locals, frame.f_globals)
    with np.errstate(all="ignore"):
        found = _largest(L, leaf, [n for n in order if n in ways], paths)
    return Flow(leaf, names, found, ways[L])


def _check_unchanged(order, leaf):
    """Raise RuntimeError unless the backs still deposit what they have deposited."""
    sums = {n: zeros_like(n.value) for n in order}
    sums[order[-1]] = one_like(order[-1].value)
    with np.errstate(all="ignore"):
        for n in reversed(order):
            if n._back is not None:
                n._back(sums[n], *gradients(n, sums))
    if not np.allclose(sums[leaf], leaf.grad, rtol=1e-6, atol=0, equal_nan=True):
        raise RuntimeError(
            "explain: an array has changed since the backward program ran, as by an update of the "
            "weights: explain before it, or compute again"
        )


def _largest(root, leaf, order, most):
    """Of the paths that meet in each node, the most that bring most."""
    on_the_way = set(order)
    arrived = {root: [(one_like(root.value), ())]}
    for n in reversed(order):
        largest = sorted(arrived.pop(n), key=lambda a: -_size(a[0]))[:most]
        if n is leaf:
            return [_unrolled((Stop(n, _size(dZ)), trail)) for dZ, trail in largest]
        for dZ, trail in largest:
            into = {p: zeros_like(p.value) for p in n.parents if p in on_the_way}
            n._back(dZ, *gradients(n, into))
            for p, dA in into.items():
                stop = Stop(n, _size(dZ), *_stopped(dZ, dA))
                arrived.setdefault(p, []).append((dA, (stop, trail)))
    return []


def _unrolled(trail):
    """The stops of a trail (last stop, (the one before, ...)), the first one first."""
    path = []
    while trail:
        stop, trail = trail
        path.append(stop)
    return path[::-1]


def _stopped(dZ, dA):
    """Of the entries that arrive nonzero the share that leaves as zero; dead units, and units."""
    if dZ.shape != dA.shape or not dZ.any():
        return None, 0, 0
    share = float(1 - np.count_nonzero(dA[dZ != 0]) / np.count_nonzero(dZ))
    if dZ.ndim < 2:
        return share, 0, 0
    samples = tuple(i for i in range(dZ.ndim) if i != 1)  # (n, d) or (n, c, h, w)
    came, left = (dZ != 0).any(samples), (dA != 0).any(samples)
    return share, int((came & ~left).sum()), len(came)


def _size(a):
    return float(np.linalg.norm(np.asarray(a, float)))


def _shortened(lines):
    """The first and the last lines of a long path."""
    if len(lines) <= LONGEST:
        return lines
    half = LONGEST // 2
    return [*lines[:half], f"     ... {len(lines) - 2 * half} nodes", *lines[-half:]]
