"""Derivatives from values alone: central differences that know a kink, and the complex step.

The derivative at one entry x of an array comes from f at x - h, x - h/2, x, x + h/2, x + h: a
quadratic fits the five where f is smooth, up to an error of order h^3 (the slope is Richardson's,
of order h^4). Where it does not fit, h shrinks; where it never fits there is a kink, and all that
can be said is that a gradient lies between the slopes on its two sides.

>>> A = np.array([3.0, 0.0])
>>> d = derivatives(lambda args: np.maximum(args[0] ** 2, args[0]), (A,), A, [(0,), (1,)])
>>> d.J.round(9)[0, 0], d.kinked.tolist()
(np.float64(6.0), [False, True])
"""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..tree import map_leaves

STEPS = (1e-3, 1e-4, 1e-5)  # of the array's size; the first serves unless a kink is near
SPREAD = 1e-9  # of the root mean square: below it all entries are the same
# A smooth f leaves about h^2 |f'''| / 4, some 1e-6 of the largest slope at the first step
ROUGH = 1e-6
GROWS = 3  # rounding makes contrasts grow tenfold from step to step
JUMP = 1e-10  # what makes them grow and is larger is a jump of f
NOISE = 100 * np.finfo(float).eps  # of the largest value, divided by the step
COMPLEX_STEP = 1e-30  # no difference is taken, so nothing cancels: the smaller the better


class Derivatives(NamedTuple):
    """J: (values, entries), the derivative of every value by every entry looked at.

    left, right: J's likes, the slopes on either side; kinked: (entries,), where they differ;
    noise: (entries,), what rounding may leave in an entry of J.
    """

    J: np.ndarray
    left: np.ndarray
    right: np.ndarray
    kinked: np.ndarray
    noise: np.ndarray


def derivatives(
    f: Callable,
    args: tuple,
    x: np.ndarray,
    entries: Sequence[tuple],
    lifted: Sequence[np.ndarray] = (),
) -> Derivatives:
    """The derivatives of f(args) by entries of x, an array among the arguments.

    f: a nest of arguments to an array; entries: indices into x; lifted: take the complex step, with
    these arrays made complex, x among them: right to the last digits where f allows it
    (`allows_complex`).
    """
    center = np.array(f(args), float).ravel()
    J = np.zeros((center.size, len(entries)))
    left, right = J.copy(), J.copy()
    kinked, noise = np.zeros(len(entries), bool), np.zeros(len(entries))
    if lifted:
        J = _complex_step(f, args, x, entries, lifted, J)
        return Derivatives(J, left, right, kinked, noise)
    for j, i in enumerate(entries):
        slopes, kinked[j], noise[j] = _five_points(f, args, x, i, center)
        J[:, j], left[:, j], right[:, j] = slopes
    noise[:] = 3 * noise.max(initial=0)  # one entry's contrast may be small by chance
    return Derivatives(J, left, right, kinked, noise)


def scale(x: np.ndarray) -> float:
    """The typical size of changes of x: its deviation or root mean square, 1 if all are 0."""
    root = float(np.sqrt(np.mean(x * x))) if x.size else 0.0
    spread = float(x.std()) if x.size else 0.0
    return (spread if spread > SPREAD * root else root) or 1.0


def _steps(x, i):
    """The steps to try, powers of 2, so that x + h is exact; smaller ones for a small entry."""
    sizes = [scale(x)]
    if 0 < abs(x[i]) < sizes[0]:
        sizes.append(abs(x[i]))
    return [2.0 ** np.round(np.log2(step * size)) for size in sizes for step in STEPS]


def _five_points(f, args, x, i, center):
    largest = np.abs(center).max(initial=0)
    before = x[i]

    def at(t):
        x[i] = before + t
        try:
            return np.array(f(args), float).ravel()
        finally:
            x[i] = before

    kept, least = (np.full(center.shape, np.nan),) * 3, np.inf
    for h in _steps(x, i):
        a, b, d, e = at(-h), at(-h / 2), at(h / 2), at(h)
        left, right = (center - a) / h, (e - center) / h
        slope = (8 * (d - b) - (e - a)) / (6 * h)
        # what no quadratic can follow: the cubic and the quartic contrast of five points
        cubic = np.abs((e - a) - 2 * (d - b)).max(initial=0) / h
        quartic = np.abs((a + e) - 4 * (b + d) + 6 * center).max(initial=0) / h
        noise = NOISE * largest / h
        rough = max(cubic, quartic)
        if not np.isfinite(rough):
            continue
        if rough > GROWS * least and rough * h < JUMP * max(largest, 1):
            return kept, False, least  # a kink stays as rough or goes: this is rounding
        if rough <= ROUGH * np.abs(slope).max(initial=0) + noise:
            return (slope, left, right), False, max(noise, quartic)
        kept, least = (slope, left, right), rough
    return kept, True, 0.0


def _complex_step(f, args, x, entries, arrays, J):
    lifted, copies = _lifted(args, arrays)
    z = next(z for z, a in zip(copies, arrays) if a is x)
    for j, i in enumerate(entries):
        z[i] += 1j * COMPLEX_STEP
        J[:, j] = np.imag(f(lifted)).ravel() / COMPLEX_STEP
        z[i] = z[i].real
    return J


def allows_complex(f: Callable, args: tuple, arrays: Sequence[np.ndarray], rng) -> bool:
    """True if f takes complex numbers, and its complex step along a direction is its slope.

    It is not where f casts to real numbers, compares, or takes absolute values.
    """
    center = np.array(f(args), float)
    before = [x.copy() for x in arrays]
    directions = [scale(x) * rng.standard_normal(x.shape) for x in arrays]

    def along(t):
        for x, b, v in zip(arrays, before, directions):
            x[...] = b + t * v
        return np.array(f(args), float)

    h = STEPS[1]
    try:
        with np.errstate(all="ignore"):
            slope = (8 * (along(h / 2) - along(-h / 2)) - (along(h) - along(-h))) / (6 * h)
    finally:
        for x, b in zip(arrays, before):
            x[...] = b
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            lifted, copies = _lifted(args, arrays)
            for z, v in zip(copies, directions):
                z += 1j * COMPLEX_STEP * v
            Z = np.asarray(f(lifted))
    except Exception:
        return False
    if Z.shape != center.shape or Z.dtype.kind != "c":
        return False
    exact = Z.imag / COMPLEX_STEP
    error = np.abs(exact - slope).max(initial=0)
    noise = 10 * NOISE * np.abs(center).max(initial=0) / h
    same = np.allclose(Z.real, center, rtol=1e-12, atol=1e-12 * np.abs(center).max(initial=0))
    return bool(same and error <= ROUGH * np.abs(exact).max(initial=0) + noise)


def _lifted(args, arrays):
    """The nest with complex copies in the places of the arrays, and the copies."""
    copies = [a.astype(complex) for a in arrays]
    of = dict(zip(map(id, arrays), copies))
    return map_leaves(lambda a: of.get(id(a), a), args), copies
