"""Mistakes of place: transposed, summed over the wrong axis, shifted, counted once.

Each function returns a sentence if the mistake explains all of a wrong gradient, otherwise "".
"""

import itertools

import numpy as np

from .wrong import FITS, close, first


def batch_sum(w):
    if not w.Z.ndim or len(w.Z) < 2:
        return ""
    for i, part in enumerate(w.parts((0,))):
        if w.is_(part):
            return (
                f"the gradient of {w.name} is that of row {i} alone: {w.name} acts on all "
                f"{len(w.Z)} rows, so its gradient sums over them (axis 0)"
            )
    return ""


def wrong_axis(w):
    for axis in range(w.dZ.ndim):
        if w.is_(w.dZ.sum(axis)):
            return (
                f"the gradient of {w.name} sums over axis {axis} of the incoming gradient "
                f"{w.dZ.shape}: it is the wrong one"
            )
    if w.D.size > 1 and w.is_(np.full(w.D.shape, w.G.sum())):
        return f"the gradient of {w.name} is one total for all entries: it sums over too many axes"
    return ""


def flat_axes(a):
    """The axes along which an array stays the same."""
    same = (np.broadcast_to(a.mean(i, keepdims=True), a.shape) for i in range(a.ndim))
    return [i for i, b in enumerate(same) if a.shape[i] > 1 and close(a, b)]


def broadcast(w):
    flat, expected = flat_axes(w.D), flat_axes(w.G)
    if flat and expected and flat != expected:
        return (
            f"the gradient of {w.name} is the same all along axis {flat[0]}, and must be the same "
            f"along axis {expected[0]}: what was summed over one axis is spread over another"
        )
    for axis in flat:
        total = np.broadcast_to(w.G.sum(axis, keepdims=True), w.D.shape)
        for T, words in ((total, "sum"), (total / w.D.shape[axis], "mean")):
            if w.is_(T):
                return (
                    f"the gradient of {w.name} is the same all along axis {axis}: a {words} too "
                    "many, which NumPy then broadcasts without a word"
                )
    return ""


def transposed(w):
    if w.D.ndim == 2 and w.is_(w.G.T):
        return f"the gradient of {w.name} is transposed: it must be laid out like {w.name}"
    for path, a in w.others():
        square = a.ndim == 2 and a.shape[0] == a.shape[1] > 1
        if square and w.is_with(a, np.transpose):
            return (
                f"the gradient of {w.name} uses {path} where it needs its transpose, or the other "
                f"way round: as {path} {a.shape} is square, the shapes do not tell"
            )
    return ""


def rotated(w):
    words = "turned by 180 degrees: forward and back must run over the kernel in the same order"
    if w.D.ndim >= 2 and w.is_(w.G[..., ::-1, ::-1]):
        return f"the gradient of {w.name} is {words}"
    for path, a in w.others():
        if a.ndim >= 2 and w.is_with(a, lambda b: b[..., ::-1, ::-1]):
            return f"the gradient of {w.name} uses {path} {words}"
    return ""


def border(w):
    wrong = ~w.right()
    slabs = []
    for axis, n in enumerate(w.D.shape):
        for i in (0, n - 1) if n > 2 else ():
            slab = np.zeros(w.D.shape, bool)
            np.moveaxis(slab, axis, 0)[i] = True
            if wrong[slab].mean() > 0.5:
                slabs.append((axis, i, slab))
    edge = np.any([slab for *_, slab in slabs], axis=0)
    if not slabs or wrong[~edge].any() or edge.all():
        return ""
    axis, i, _ = slabs[0]
    return (
        f"the gradient of {w.name} {w.D.shape} is wrong at the border only, as at index {i} of "
        f"axis {axis}: padding, or a range that ends one too early"
    )


def counted_once(w):
    wrong = ~w.right()
    every = tuple(range(w.Z.ndim))
    for axes in dict.fromkeys([every[:1], every[:1] + every[2:], every]):
        c = w.parts(axes) if axes else np.zeros((1, *w.x.shape))
        uses = (c != 0).sum(0)
        if len(c) < 2 or not wrong.any() or not (uses[wrong] > 1).all():
            continue
        once = (np.abs(c - w.D) <= FITS * np.abs(c).max()) & (c != 0)
        if once.any(0)[wrong].all():
            i = first(wrong)
            return (
                f"{w.name} at {i} is used {uses[tuple(i)]} times, and its gradient counts one use "
                "only: overlapping or repeated places add up (np.add.at; dA[i] += keeps one write "
                "for each index)"
            )
    return ""


def exchanged(w):
    for name, G, D in w.siblings():
        if w.is_(G) and close(D, w.G):
            return f"the gradients of {w.name} and {name} are exchanged"
    return ""


def misplaced(w):
    if close(w.D, w.G):
        return ""
    if w.D.size > 1 and close(np.sort(w.D, None), np.sort(w.G, None)):
        return (
            f"the gradient of {w.name} has the right numbers at the wrong places: an index, or a "
            "reshape that needs a transpose first"
        )
    if w.D.ndim < 3:
        return ""
    if close(w.D.sum((-2, -1)), w.G.sum((-2, -1))):
        spread = "" if w.closed().any() else ", spread over entries of which one takes all"
        return f"the gradient of {w.name} has the right sum in every image, not in place{spread}"
    for i, j in itertools.product((-2, -1, 0, 1, 2), repeat=2):
        T = shifted(w.G, i, j)
        seen = np.isfinite(T)
        if (i or j) and seen.sum() > 1 and close(w.D[seen], T[seen]):
            return (
                f"the gradient of {w.name} is shifted by {i} rows and {j} columns: is the padding "
                "cut off on both sides?"
            )
    return ""


def shifted(G, i, j):
    """G moved along its last two axes, NaN where nothing moved in."""
    h, w = G.shape[-2:]
    T = np.full(G.shape, np.nan)
    T[..., max(i, 0) : h + min(i, 0), max(j, 0) : w + min(j, 0)] = G[
        ..., max(-i, 0) : h + min(-i, 0), max(-j, 0) : w + min(-j, 0)
    ]
    return T
