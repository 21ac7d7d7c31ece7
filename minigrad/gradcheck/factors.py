"""Mistakes of size: nothing deposited, a sign, a factor, digits lost.

Each function returns a sentence if the mistake explains all of a wrong gradient, otherwise "".
"""

import itertools

import numpy as np

from .. import tree
from .wrong import FITS, Wrong, first


def untouched(w):
    if w.D.any():
        return ""
    return (
        f"back deposits nothing for {w.name}, and its gradient stays 0: dA += ... changes the "
        "array, dA = ... only renames it, and what back returns is thrown away"
    )


def not_finite(w):
    bad = ~np.isfinite(w.D)
    if not bad.any():
        return ""
    i = first(bad)
    return (
        f"back deposits {w.D[tuple(i)]} for {w.name} at {i}, where the value is finite: a division "
        "by 0, or the logarithm of 0? There the gradient must be chosen, usually 0"
    )


def only_float32(w):
    """All entries are numbers of float32."""
    exact = (w.D.astype(np.float32) == w.D).all() and not (np.rint(w.D) == w.D).all()
    return digits_lost(w) if exact and np.abs(w.D - w.G).max() <= 1e-5 * w.largest else ""


def rounded(w):
    """Errors of the size of float32's rounding, all over."""
    r = np.abs(w.D / w.G - 1)[w.G != 0]
    both = (w.D > w.G).any() and (w.D < w.G).any()  # as rounding does
    return digits_lost(w) if both and r.max() < 1e-5 and np.median(r) > 1e-9 else ""


def digits_lost(w):
    return f"the gradient of {w.name} is good to 7 digits only: is float32 used somewhere?"


def integers(w):
    if w.D.any() and (np.rint(w.D) == w.D).all() and np.abs(w.D - w.G).max() < 1:
        return (
            f"the gradient of {w.name} holds whole numbers: what stands behind the point is lost. "
            "Make arrays of floats: np.zeros(shape), not np.zeros_like(labels)"
        )
    return ""


def sign(w):
    return f"the gradient of {w.name} has the wrong sign" if w.is_(-w.G) else ""


def incoming_ignored(w):
    if w.is_(w.at(np.ones_like(w.dZ))):
        return (
            f"the gradient of {w.name} leaves out the incoming one: by the chain rule it is a "
            "product with it. It is 1 only where the program ends"
        )
    return ""


def factor_of(w: Wrong) -> float:
    """s if D = s G, otherwise 0; 0 also for s near 1, which is no factor but digits lost."""
    square = np.vdot(w.G, w.G)
    s = float(np.vdot(w.D, w.G) / square) if square else 0.0
    return s if abs(s - 1) > 1e-5 and w.is_(s * w.G) else 0.0


def is_about(s: float, t: float) -> bool:
    return bool(np.isclose(s, t, rtol=FITS))


def means(w: Wrong) -> list[int]:
    """How many terms a mean in the forward may have."""
    counts = {w.N, *w.x.shape[:1]} | ({w.x.size} if not w.Z.ndim else set())
    return sorted(n for n in counts if n > 1)


def times_samples(w):
    for n in means(w):
        if is_about(factor_of(w), n):
            return (
                f"the gradient of {w.name} is {n} times too large, and {n} is how many there are: "
                "if the forward takes their mean, back must divide too"
            )
    return ""


def over_samples(w):
    for n in means(w):
        if is_about(factor_of(w), 1 / n):
            return (
                f"the gradient of {w.name} is {n} times too small, and {n} is how many there are: "
                "a gradient sums over them; only a mean in the forward divides, once"
            )
    return ""


def constant(w):
    s = factor_of(w)
    for name, c in w.constants() if s else ():
        for power, words in ((1, name), (-1, f"1/{name}"), (2, f"{name}^2"), (-2, f"1/{name}^2")):
            if abs(c) not in (0, 1) and is_about(s, c**power):
                return (
                    f"the gradient of {w.name} is {words} = {s:.6g} times what it should be: the "
                    f"chain rule brings {name} in exactly once"
                )
    return ""


def factor(w):
    s = factor_of(w)
    if not s:
        return ""
    words = ""
    counts = {n for a in (w.Z, *tree.leaves(w.run.args)) for n in np.shape(a)} | {2}
    for n in sorted(counts | {a * b for a, b in itertools.combinations(counts, 2)}):
        if n > 1 and is_about(s, n):
            words = f": it is {n} times too large"
        if n > 1 and is_about(s, 1 / n):
            words = f": it is {n} times too small"
    if w.N > 1 and is_about(s * s, (w.N - 1) / w.N):
        words = ": a variance divides by N - 1 in back and by N in forward"
    norm = np.sqrt(np.vdot(w.x, w.x))
    if norm and (is_about(s * norm, 1) or is_about(2 * s * norm, 1)):
        words = ", 1 / its norm: the norm where its square is meant"
    return f"the gradient of {w.name} is wrong by the factor {s:.6g} everywhere{words}"


def eps_place(w):
    """The factor differs from group to group, and comes closer to 1 as the group's size grows."""
    for axis in range(w.D.ndim if w.D.ndim > 1 else 0):
        rest = tuple(i for i in range(w.D.ndim) if i != axis)
        square = (w.G * w.G).sum(rest)
        s = (w.D * w.G).sum(rest) / np.where(square > 0, square, 1)
        if len(s) < 2 or not w.is_(np.expand_dims(s, rest) * w.G):
            continue
        off = np.abs(s - 1)
        for size in (w.x.std(rest), np.sqrt((w.x * w.x).sum(rest))):
            falls = off.max() < 0.1 and (np.diff(off[np.argsort(size)]) <= 0).all()
            moved = [(size + c) / np.sqrt(size * size + c) for _, c in w.constants() if c > 0]
            if falls or any(np.allclose(s**p, T, rtol=FITS) for T in moved for p in (1, -1)):
                return (
                    f"the gradient of {w.name} is off by a factor that comes closer to 1 as its "
                    f"norm or deviation along axis {axis} grows, by {off.max():.1g} at most: eps "
                    "stands elsewhere in back than in forward"
                )
    return ""


def row_factor(w):
    if w.D.ndim < 2:
        return ""
    g, d = w.G.reshape(len(w.G), -1), w.D.reshape(len(w.D), -1)
    square = (g * g).sum(1)
    live = square > 0
    s = (d * g).sum(1) / np.where(live, square, 1)
    if not live.any() or not w.is_((s[:, None] * g).reshape(w.D.shape)):
        return ""
    words = ""
    for path, a in w.others():
        if a.shape == w.x.shape:
            far = np.sqrt(((w.x - a) ** 2).reshape(len(a), -1).sum(1))[live]
            for c, (power, of) in itertools.product(
                (1, 2, 0.5), ((1, "d"), (-1, "1/d"), (2, "d^2"))
            ):
                if np.allclose(s[live], c * far**power, rtol=FITS):
                    words = f": {c:g} {of}, d its distance to {path}. d and d^2 are mixed up"
    return f"the gradient of {w.name} is wrong by a factor that changes from row to row{words}"
