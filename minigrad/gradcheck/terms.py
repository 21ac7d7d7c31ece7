"""Mistakes of formula: a mask, an operand, a term that is missing.

Each function returns a sentence if the mistake explains all of a wrong gradient, otherwise "".
"""

from collections.abc import Iterator

import numpy as np

from .runs import deposited
from .wrong import FITS, Wrong, close, first

BLOCK = 40  # contributions of so many parts of the value are told apart at most


def labels_exchanged(w):
    for _, t in w.inputs():
        binary = isinstance(t, np.ndarray) and t is not w.x and set(np.unique(t)) == {0, 1}
        if binary and w.is_with(t, lambda t: 1 - t):
            return (
                f"the gradient of {w.name} is the one for exchanged labels, 1 in the place of 0: "
                "the mask of back is not that of the forward"
            )
    return ""


def mask_of_incoming(w):
    if w.D.shape == w.dZ.shape:
        for T in (w.dZ * (w.dZ > 0), w.G * (w.dZ > 0)):
            if w.is_(T):
                return (
                    f"the gradient of {w.name} is let through where the incoming gradient is "
                    "positive: the mask looks at the input, not at the gradient"
                )
    return ""


def mask_missing(w):
    right, dead = w.right(), np.abs(w.G) <= FITS * np.abs(w.G).max(initial=0)
    if not w.G.any():
        return (
            f"the gradient of {w.name} must be 0 here: the mask of the forward is missing"
            if w.D.shape == w.dZ.shape
            else ""
        )
    if dead.any() and right[~dead].all() and not right.all():
        return (
            f"where the gradient of {w.name} must be 0, as at {first(~right)}, something flows "
            "back: the mask of the forward is missing"
        )
    return ""


def slope(w):
    right = w.right()
    for side, words in ((w.x < 0, "negative"), (w.x > 0, "positive")):
        if not side.any() or side.all() or not right[~side].all() or right[side].any():
            continue
        G, D = w.G[side], w.D[side]
        s = np.vdot(D, G) / np.vdot(G, G)
        if np.abs(D - s * G).max() <= FITS * w.largest:
            return (
                f"where {w.name} is {words}, its gradient is {s:.4g} times what it should be: the "
                "slope in back is not that of the forward"
            )
    return ""


def wrong_mask(w):
    right, closed = w.right(), w.closed()
    live = np.abs(w.G) > FITS * w.largest
    told = w.x.ndim == 2 or w.x.shape == w.dZ.shape
    if told and not closed.all() and not (live & ~closed).any():
        return (
            f"the gradient of {w.name} is 0 where something must flow back, and flows where it "
            f"must be 0, as at {first(~closed)}: the mask is the wrong way round"
        )
    if w.D.shape == w.dZ.shape:
        through = np.abs(w.D - w.dZ) <= FITS * w.largest
        missed = np.abs(w.G - w.dZ)[~right] <= FITS * w.largest
        if (through | closed).all() and missed.any():
            return (
                f"the gradient of {w.name} is let through at the wrong entries: the mask is wrong"
            )
    if w.D.ndim and len(w.D) > 1 and w.Z.shape[:1] in ((), w.D.shape[:1]):
        fine = right.reshape(len(w.D), -1).all(1)
        shut = closed.reshape(len(w.D), -1).all(1)
        if (fine | shut).all() and fine.any() and not fine.all():
            return (
                f"in row {np.argmin(fine)} nothing flows back to {w.name}, in row "
                f"{np.argmax(fine)} all is right: the mask that switches rows off is wrong"
            )
    return ""


def wrong_operand(w):
    for words, T in operands(w):
        if w.is_(T):
            return f"the gradient of {w.name} has {words} as a factor where something else belongs"
    pairs = [(path, a) for path, a in w.others() if a.shape == w.x.shape]
    if w.x.shape == w.dZ.shape:
        pairs += [("the value", w.Z), ("the incoming gradient", w.dZ)]
    for path, a in pairs:
        if w.is_with(w.x, lambda x, a=a: a):
            return (
                f"the gradient of {w.name} is what it would be at {path} instead of {w.name}: the "
                "wrong array stands in the formula"
            )
    return ""


def operands(w: Wrong) -> Iterator[tuple[str, np.ndarray]]:
    """(what stands in the formula, the gradient it gives)."""
    yield "the square of the incoming gradient", w.at(w.dZ * w.dZ)
    yield "the value", w.at(w.Z)
    for path, a in [(w.name, w.x), *w.others()]:
        if a.shape == w.dZ.shape:
            yield path, w.at(a)
            yield path, w.dZ * a
            yield path, (w.dZ * a).sum(tuple(range(a.ndim - 1)))
            for axis in range(a.ndim):
                yield path, (w.dZ * a).sum(axis)


def diagonal_only(w):
    if w.x.shape != w.dZ.shape or w.x.size < 2:
        return ""
    if w.is_(w.dZ * np.diagonal(w.J).reshape(w.x.shape)):
        return (
            f"the gradient of {w.name} has the diagonal of the Jacobian only: every entry of the "
            "value depends on other entries too"
        )
    if w.is_(w.dZ):
        return (
            f"the gradient of {w.name} is the incoming one as it is: the terms that depend on "
            f"{w.name} are missing"
        )
    return ""


def term_missing(w):
    E = w.G - w.D
    if np.abs(E).max(initial=0) <= 1e-5 * w.largest:
        return ""
    for words, T in summands(w):
        square = np.vdot(T, T)
        s = np.vdot(E, T) / square if square else 0
        if close(E, s * T) and w.D.any():
            return f"a term of the gradient of {w.name} is missing: {words}"
    for name, G, _ in w.siblings():
        if close(w.D, -G):
            return (
                f"a term of the gradient of {w.name} is missing: it is only the counterpart of "
                f"that of {name}, and {w.name} stands in more than one place of the formula"
            )
    return both_factors(w) or parts_missing(w) or projection(w) or statistics(w)


def summands(w: Wrong) -> Iterator[tuple[str, np.ndarray]]:
    """What may be a term: the arrays that f was given, and labels as one-hot rows."""
    shape = w.D.shape
    for path, a in w.inputs():
        if not isinstance(a, np.ndarray):
            continue
        if a.shape == shape:
            yield f"a multiple of {path}", a.astype(float)
        if a.dtype.kind in "iu" and len(shape) == 2 and a.shape == shape[:1]:
            hot = a[:, None] == np.arange(shape[1])
            yield f"a multiple of the one-hot rows of {path}", hot.astype(float)
    if w.Z.shape == shape:
        yield "a multiple of the value", w.Z
        yield "a multiple of the incoming gradient", w.dZ


def both_factors(w):
    """F in F F^T: D is one factor's gradient, and what back makes of dZ^T is the other's."""
    if w.dZ.ndim != 2 or w.dZ.shape[0] != w.dZ.shape[1]:
        return ""
    turned = deposited(w.subject, w.run.back, w.dZ.T.copy(), w.run.args)[w.k]
    if close(w.D + turned, w.G):
        return (
            f"a term of the gradient of {w.name} is missing: {w.name} is in both factors of the "
            "product, and each carries gradient"
        )
    return ""


def parts_missing(w):
    """D holds some of the contributions along an axis of the value whole, and misses others."""
    for axis, n in enumerate(w.Z.shape):
        c = w.parts((axis,)).reshape(n, -1)
        if not 2 <= n <= min(BLOCK, w.D.size - 1) or np.linalg.matrix_rank(c) < n:
            continue
        used = np.rint(np.linalg.lstsq(c.T, w.D.ravel(), rcond=None)[0])
        missing = [str(i) for i in np.flatnonzero(used == 0)]
        if missing and set(used) <= {0, 1} and w.is_((used @ c).reshape(w.D.shape)):
            return (
                f"the gradient of {w.name} misses what flows back from index {', '.join(missing)} "
                f"of axis {axis} of the value: a range too short?"
            )
    return ""


def projection(w):
    for axis in (1, 0) if w.D.ndim == 2 else ():
        square = (w.x * w.x).sum(axis, keepdims=True)
        along = (w.D * w.x).sum(axis, keepdims=True) * w.x / np.where(square > 0, square, 1)
        if close(w.D - along, w.G):
            return (
                f"the gradient of {w.name} must be perpendicular to {w.name}, of which only the "
                "direction counts after normalising: the term that projects is missing"
            )
    return ""


def statistics(w):
    """What is missing is made of 1 and of x along an axis: mean and variance were held constant."""
    for axis, n in enumerate(w.D.shape):
        if n < 4:
            continue
        E, x = (np.moveaxis(a, axis, 0).reshape(n, -1) for a in (w.G - w.D, w.x))
        for size, words in ((1, "the mean depends"), (2, "mean and variance depend")):
            rest = 0.0
            for e, column in zip(E.T, x.T):
                basis = np.stack([np.ones(n), column][:size], 1)
                rest = max(rest, np.abs(e - basis @ np.linalg.lstsq(basis, e)[0]).max())
            if rest <= FITS * w.largest:
                return (
                    f"terms of the gradient of {w.name} are missing or wrong: {words} on {w.name}"
                )
    return ""
