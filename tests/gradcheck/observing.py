"""What can be observed of a function and its back without any gradient check.

>>> import numpy as np
>>> def double(A):
...     return 2 * A, lambda dZ, dA: dA.__iadd__(dZ)
>>> seen = observe(double, lambda rng: (rng.normal(size=3),))
>>> seen.symptoms, bool(np.allclose(seen.deposits[0] * 2, seen.slopes[0]))
({'gradient'}, True)
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.faults import positional
from minigrad.tree import Gradients, Unwanted, children, leaves, map_leaves, rebuild

STEP = 1e-5  # of the largest entry
TOLERANCE = 1e-6  # of the largest slope: the differences are wrong by about STEP^2
NOISE = 1e-14  # what rounding makes of a difference, times values over steps
KINK = 1e-3  # smooth slopes to the left and to the right differ by about STEP


class Seen(NamedTuple):
    """Symptoms by name; of each float array its deposits, its slopes, where these are smooth and
    where they differ from the deposits."""

    symptoms: set[str]
    args: Sequence[np.ndarray] = ()
    value: Any = None
    deposits: Sequence[np.ndarray] = ()
    slopes: Sequence[np.ndarray] = ()
    smooth: Sequence[np.ndarray] = ()
    differ: Sequence[np.ndarray] = ()


def is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def floats(args: Any) -> list[np.ndarray]:
    return [a for a in leaves(args) if is_float(a)]


def arrays(args: Any) -> list[np.ndarray]:
    return [a for a in leaves(args) if isinstance(a, np.ndarray)]


def filled(args: tuple, others: Any) -> tuple:
    """The arguments with others in the places of their float arrays."""
    rest = iter(others)
    return map_leaves(lambda a: next(rest) if is_float(a) else a, args)


def nest(a: Any, start: Callable) -> Any:
    """Gradients nested like an argument, start(array) for float arrays, as a back receives them."""
    parts = children(a)
    if parts is None:
        return start(a) if is_float(a) else Unwanted(a)
    parts = [nest(part, start) for part in parts]
    return Gradients(parts) if type(a) in (tuple, list) else rebuild(a, parts)


def value_of(function: Any, args: tuple) -> Any:
    if isinstance(function, tuple):
        return function[0](*args)[0]
    result = function(*args)
    return result[0] if isinstance(result, tuple) else result


def deposits_of(function: Any, args: tuple) -> tuple[Any, Callable]:
    """(value, a function from dZ and start to the deposits), whichever kind of function it is."""
    if isinstance(function, tuple):
        value, cache = function[0](*args)

        def deposit(dZ, start=np.zeros_like):
            got = function[1](dZ, cache)
            got = got if isinstance(got, tuple) else (got,)
            for a, da in zip(floats(args), got, strict=True):
                if a.shape != da.shape:
                    raise ValueError(f"a gradient of shape {da.shape} for {a.shape}")
            return list(got)

    elif isinstance(result := function(*args), tuple):
        value, back = result

        def deposit(dZ, start=np.zeros_like):
            count = positional(back, defaults=False) - 1
            if floats(args[count:]):
                raise TypeError(f"back takes {count} gradients of {len(args)} arguments")
            buffers = [nest(a, start) for a in args[:count]]
            before = [b.copy() for b in floats(buffers)]
            back(dZ, *buffers)
            return [b - a for a, b in zip(before, floats(buffers), strict=True)]

    else:
        value, given = result, mg.var(floats(args))
        node = function(*filled(args, given))

        def deposit(dZ, start=np.zeros_like):
            mg.sum(dZ * node).backward()
            return [n.grad.copy() for n in given]

    return value, deposit


def slopes_of(function: Any, args: tuple, dZ: np.ndarray, moves: list, step: float) -> tuple:
    """Slopes of sum(dZ * value) to the left and to the right along moves, one per float array."""

    def f(h):
        moved = [np.asarray(a + h * m) for a, m in zip(floats(args), moves)]
        return np.sum(dZ * value_of(function, filled(args, moved)))

    here = f(0)
    return (here - f(-step)) / step, (f(step) - here) / step


def compared(function: Any, args: tuple, dZ: np.ndarray, deposits: list, value: Any) -> tuple:
    """(slopes, where these are smooth, where the deposits differ, ties paid wrongly)."""
    noise = NOISE * np.abs(dZ * value).sum()
    size = [np.abs(a).max() or 1 for a in floats(args)]
    slopes, smooth, differ = [], [], []
    for k, a in enumerate(floats(args)):
        both = np.zeros((2, *a.shape))
        for i in np.ndindex(a.shape):
            moves = [np.zeros_like(x) for x in floats(args)]
            moves[k][i] = 1
            both[(..., *i)] = slopes_of(function, args, dZ, moves, STEP * size[k])
        G, gap = both.mean(0), np.abs(both[0] - both[1])
        most, unsure = np.abs(G).max(), noise / (STEP * size[k])
        slopes.append(G)
        smooth.append(gap <= KINK * most + unsure)
        tolerance = TOLERANCE * most + unsure
        between = both.min(0) - tolerance <= deposits[k]
        between &= deposits[k] <= both.max(0) + tolerance
        differ.append(smooth[k] & ~between)
    together = [np.cos(7 * a) for a in floats(args)]  # equal entries move alike and stay tied
    left, right = slopes_of(function, args, dZ, together, STEP * max(size))
    paid = sum(np.sum(d * m) for d, m in zip(deposits, together))
    no_kink = abs(right - left) <= KINK * (abs(left) + abs(right))
    return (
        slopes,
        smooth,
        differ,
        no_kink and abs(paid - (left + right) / 2) > KINK * (abs(left) + 1),
    )


def same(a: list, b: list) -> bool:
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True))


def observe(function: Any, draw: Callable, seed: int = 0) -> Seen:
    """What goes wrong with a function, or with its back, on arguments drawn from a seed."""
    fresh = lambda: draw(np.random.default_rng(seed))
    rng = np.random.default_rng(seed + 1)
    args = fresh()
    with np.errstate(all="ignore"):
        try:
            Z, deposit = deposits_of(function, args)
            value, dZ = np.array(Z), rng.normal(size=np.shape(Z))
            incoming = dZ.copy()
            D = deposit(incoming)
        except Exception:
            return Seen({"raises"})
        found = set()
        if not same([*arrays(args), incoming, np.asarray(Z)], [*arrays(fresh()), dZ, value]):
            found.add("in place")
        if not all(np.isfinite(d).all() for d in D):
            found.add("not finite")
        try:
            if not same(deposit(dZ.copy()), D):
                found.add("second back")
        except Exception:
            found.add("second back")
        if "second back" not in found:
            if not np.allclose(np.hstack([2 * d.ravel() for d in D]), ravel(deposit(2 * dZ))):
                found.add("incoming")
            start = lambda a: rng.normal(size=a.shape)
            if not np.allclose(ravel(deposit(dZ.copy(), start)), ravel(D), equal_nan=True):
                found.add("accumulators")
            deposits_of(function, draw(rng))
            if not same(deposit(dZ.copy()), D):
                found.add("other call")
        if not same([value_of(function, fresh())], [value]):
            found.add("second forward")
        if not np.isfinite(value).all():
            found.add("value")
        slopes, smooth, differ, ties = compared(function, fresh(), dZ, D, value)
        if any(d.any() for d in differ):
            found.add("gradient")
        elif ties:
            found.add("ties")
    return Seen(found, floats(fresh()), value, D, slopes, smooth, differ)


def ravel(arrays: list) -> np.ndarray:
    return np.hstack([a.ravel() for a in arrays])
