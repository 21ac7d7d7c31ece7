"""Deposits beside differences, entry by entry, or along directions where there are too many."""

from typing import NamedTuple

import numpy as np

from .differences import derivatives, scale
from .runs import Run, rounding
from .subjects import Subject, copied
from .wrong import Wrong

# Of the largest entry. Right gradients differ from differences by 1e-11 of it, and what is computed
# in float32 by 3e-8; what rounding may do to differences of large values is added
TOLERANCE = 1e-8
ALL = 1000  # entries of an array up to which every one is looked at, in the first draw
FEW = 200  # in the other draws
SAMPLED = 20  # entries drawn at random in larger arrays, besides the largest and the border's
DIRECTIONS = 3  # random directions through a larger array; each shows one wrong entry in a hundred
SHARES = (1, 1, 0.1, 0.1, 0.01)  # of the entries moved, until no kink is crossed


class Verdict(NamedTuple):
    """Whether one gradient is right, and its worst entry.

    path: of the argument; shape; passed; worst: index of its worst entry; deposited: what back
    gives there; expected: what differences give; error: the largest, relative to the largest entry;
    looked: entries compared; kinked: of these at a kink, where any slope in between is right.
    """

    path: str
    shape: tuple[int, ...]
    passed: bool
    worst: tuple[int, ...]
    deposited: float
    expected: float
    error: float
    looked: int
    kinked: int


def compare(
    subject: Subject, this: Run, exact: bool, rng: np.random.Generator, every: int = ALL
) -> tuple[list[Verdict], list[Wrong]]:
    """A verdict for every argument, and what is wrong where every entry was looked at."""
    verdicts, wrongs = [], []
    args = copied(this.args)
    arrays = subject.arrays(args)
    for k, x in enumerate(arrays):
        small = x.size <= every
        entries = list(np.ndindex(x.shape)) if small else _sample(this.D[k], rng)
        d = derivatives(subject.value, args, x, entries, arrays if exact else ())
        verdict, off = _verdict(subject, this, k, x, entries, d)
        if exact and off.any():  # a kink has a slope on either side, and the complex step sees one
            d = derivatives(subject.value, args, x, entries)
            verdict, off = _verdict(subject, this, k, x, entries, d)
        if not small and verdict.passed:
            verdict = _along_directions(subject, this, k, args, x, verdict, rng)
        verdicts.append(verdict)
        if small and not verdict.passed:
            wrongs.append(Wrong(subject, this, k, d.J))
    return verdicts, wrongs


def _verdict(subject, this, k, x, entries, d):
    dZ = this.dZ.ravel()
    D = np.array([this.D[k][i] for i in entries])
    G = dZ @ d.J
    slack = _slack(this, k, x, np.nanmax(np.abs(G), initial=0), d.noise)
    low, high = G, G
    if d.kinked.any():
        sides = np.stack([dZ[:, None] * d.left, dZ[:, None] * d.right])
        low = np.where(d.kinked, sides.min(0).sum(0), G)
        high = np.where(d.kinked, sides.max(0).sum(0), G)
    error = np.maximum(np.maximum(low - D, D - high), 0)
    error[d.kinked & np.isnan(error)] = 0  # no step stays where f is finite: nothing to compare
    error[~np.isfinite(D)] = np.inf
    off = ~(error <= slack)
    j = int(np.argmax(np.where(np.isnan(error), np.inf, error))) if len(entries) else 0
    largest = np.nanmax(np.abs(G), initial=0) or 1.0
    if not len(entries):
        verdict = Verdict(subject.gradients_of[k], x.shape, True, (), 0.0, 0.0, 0.0, 0, 0)
        return verdict, off
    return (
        Verdict(
            subject.gradients_of[k],
            x.shape,
            not off.any(),
            index(np.array(entries[j], int)),
            float(D[j]),
            float(np.clip(D[j], low[j], high[j]) if d.kinked[j] else G[j]),
            float(error[j] / largest),
            len(entries),
            int(d.kinked.sum()),
        ),
        off,
    )


def _slack(this, k, x, largest, noise):
    """The error allowed: of both methods, and what rounding leaves in differences."""
    weight = np.sqrt(np.vdot(this.dZ, this.dZ))
    return TOLERANCE * largest + 10 * rounding(this, k, x) + weight * noise


def _sample(D, rng):
    """Indices of the largest deposits, of corners, and of some drawn at random."""
    flat = set(np.argsort(np.abs(D), None)[-SAMPLED // 2 :].tolist())
    flat |= set(rng.choice(D.size, SAMPLED, replace=False).tolist())
    entries = {index(np.array(np.unravel_index(i, D.shape))) for i in sorted(flat)}
    for axis, n in enumerate(D.shape):
        for edge in (0, n - 1):
            i = [int(rng.integers(m)) for m in D.shape]
            i[axis] = edge
            entries.add(tuple(i))
    return sorted(entries)


def _along_directions(subject, this, k, args, x, verdict, rng):
    """Compare along random directions; where one disagrees, halve the entries until one is left."""
    center = x.copy()

    def slope(v):
        t = np.zeros(1)

        def f(args):
            x[...] = center + t[0] * v
            return subject.value(args)

        try:
            return derivatives(f, args, t, [(0,)])
        finally:
            x[...] = center

    dZ = this.dZ.ravel()

    def disagrees(v):
        """(whether, kinked): does <D, v> differ from the slope along v."""
        d = slope(v)
        if d.kinked[0]:
            return False, True
        G, D = float(dZ @ d.J[:, 0]), float(np.vdot(this.D[k], v))
        size = np.sqrt(np.vdot(this.D[k] * v, this.D[k] * v))
        return not abs(D - G) <= _slack(this, k, x, max(abs(G), size), d.noise[0]), False

    for _ in range(DIRECTIONS):
        for share in SHARES:  # the fewer entries move, the fewer kinks are crossed
            v = scale(x) * rng.choice([-1.0, 1.0], x.shape) * (rng.random(x.shape) < share)
            wrong, kinked = disagrees(v)
            if not kinked:
                break
        if wrong:
            places = np.arange(x.size)
            while len(places) > 1:
                half = places[: len(places) // 2]
                part = np.zeros(x.size)
                part[half] = v.ravel()[half]
                off, kinked = disagrees(part.reshape(x.shape))
                places = half if off else places[len(places) // 2 :]
            i = index(np.array(np.unravel_index(places[0], x.shape)))
            d = derivatives(subject.value, args, x, [i])
            expected = float(dZ @ d.J[:, 0])
            D = float(this.D[k][i])
            error = abs(D - expected) / (np.abs(this.D[k]).max() or 1.0)
            return verdict._replace(
                passed=False, worst=i, deposited=D, expected=expected, error=error
            )
    return verdict


def index(i: np.ndarray) -> tuple[int, ...]:
    """An index as plain numbers."""
    return tuple(int(n) for n in i)
