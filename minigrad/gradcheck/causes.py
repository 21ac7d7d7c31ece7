"""Diagnoses: mistakes that explain a wrong gradient, each named only if it explains all of it.

Every cause is a function of a Wrong (one argument's deposits D beside its gradient G, with all that
was computed) that returns a sentence, or "" if this is not what happened.
"""

import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import tree
from .differences import derivatives
from .runs import Run, deposits
from .subjects import Fault, Subject, copied, is_float

FITS = 1e-7  # of the largest entry: differences are good to 1e-9, two different mistakes are not
BLOCK = 40  # contributions of so many parts of the value are told apart at most


class Wrong:
    """One argument's wrong gradient: D deposited, G expected, and the run that they are from.

    J: (values, entries) the derivative of every value by every entry of the argument.
    """

    def __init__(self, subject: Subject, this: Run, k: int, J: np.ndarray):
        self.subject, self.run, self.k, self.J = subject, this, k, J
        self.path = subject.gradients_of[k]
        self.x = subject.arrays(this.args)[k]
        self.D, self.dZ, self.Z = this.D[k], this.dZ, this.Z
        self.G = self.at(self.dZ)
        self.N = self.Z.shape[0] if self.Z.ndim else self._first_length()

    def _first_length(self):
        lengths = [len(a) for a in tree.leaves(self.run.args) if np.ndim(a)]
        return lengths[0] if lengths else 1

    def at(self, dZ: np.ndarray) -> np.ndarray:
        """The gradient for another incoming gradient."""
        return (np.ravel(dZ) @ self.J).reshape(self.x.shape)

    def fits(self, T: np.ndarray) -> bool:
        """True if D is T."""
        return T.shape == self.D.shape and close(self.D, T)

    def others(self) -> Iterator[tuple[str, np.ndarray]]:
        """(path, array) of the other float arrays."""
        for i, a in enumerate(self.run.args):
            for path, leaf in tree.paths(a, self.subject.names[i]):
                if is_float(leaf) and leaf is not self.x:
                    yield path, leaf

    def elsewhere(self, change: Callable) -> np.ndarray | None:
        """The gradient at arguments of which change(args, arrays) altered some in place."""
        args = copied(self.run.args)
        change([a for a in tree.leaves(args) if isinstance(a, np.ndarray)])
        x = self.subject.arrays(args)[self.k]
        try:
            d = derivatives(self.subject.value, args, x, list(np.ndindex(x.shape)))
        except Exception:
            return None
        if d.J.shape[0] != self.dZ.size:
            return None
        return (self.dZ.ravel() @ d.J).reshape(x.shape)


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal up to FITS of the largest entry; never for two zeros."""
    largest = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return bool(largest > 0 and np.abs(a - b).max() <= FITS * largest)


def same_entries(w: Wrong) -> np.ndarray:
    """Where D is right."""
    largest = max(np.abs(w.G).max(initial=0), np.abs(w.D).max(initial=0))
    return np.abs(w.D - w.G) <= FITS * largest


def untouched(w):
    if w.D.any() or close(w.D, w.G):
        return ""
    return (
        f"back deposits nothing for {w.path}: its gradient stays 0. "
        f"d{w.path} += ... changes the array, d{w.path} = ... only renames it"
    )


def not_finite(w):
    bad = ~np.isfinite(w.D)
    if not bad.any():
        return ""
    i = index(np.argwhere(bad)[0])
    return (
        f"back deposits {w.D[tuple(i)]} for {w.path} at {list(i)}, where the value is finite: a "
        "division by 0, or the logarithm of 0? There the gradient must be chosen, usually 0"
    )


def float32(w):
    """Entries that are exactly those of float32."""
    exact = w.D.astype(np.float32) == w.D
    near = np.abs(w.D - w.G).max() <= 1e-5 * np.abs(w.G).max()
    if exact.all() and near and not (np.rint(w.D) == w.D).all():
        return f"the gradient of {w.path} is good to 7 digits only: somewhere back casts to float32"
    return ""


def rounded(w):
    """Errors of the size of float32's rounding, all over."""
    with np.errstate(all="ignore"):
        r = np.abs(w.D / w.G - 1)[w.G != 0]
    if r.size and r.max() < 1e-5 and np.median(r) > 1e-9:
        return f"the gradient of {w.path} is good to 7 digits only: somewhere back casts to float32"
    return ""


def integers(w):
    if w.D.any() and (np.rint(w.D) == w.D).all() and np.abs(w.D - w.G).max() < 1:
        return (
            f"the gradient of {w.path} holds whole numbers: what stands behind the point is lost. "
            "Make arrays of floats, np.zeros(shape) and not np.zeros_like(labels)"
        )
    return ""


def sign(w):
    return f"the gradient of {w.path} has the wrong sign" if w.fits(-w.G) else ""


def incoming(w):
    ones = w.at(np.ones_like(w.dZ))
    if w.fits(ones) and not close(ones, w.G):
        return (
            f"the gradient of {w.path} leaves out the incoming one: by the chain rule d{w.path} is "
            "a product with it. It is 1 only where the program ends"
        )
    return ""


def factor_of(w: Wrong) -> float:
    """s if D = s G, otherwise 0."""
    square = np.vdot(w.G, w.G)
    s = np.vdot(w.D, w.G) / square if square else 0.0
    return float(s) if s and w.fits(s * w.G) else 0.0


def samples(w):
    for n in means(w):
        if np.isclose(factor_of(w), n, rtol=FITS):
            return (
                f"the gradient of {w.path} is {n} times too large, the number of terms in the mean "
                "of the forward: back divides by it too"
            )
    return ""


def samples_twice(w):
    for n in means(w):
        if np.isclose(factor_of(w), 1 / n, rtol=FITS):
            return (
                f"the gradient of {w.path} is {n} times too small, the number of samples: back "
                "divides by it once too often. A gradient sums; the mean is in the loss"
            )
    return ""


def means(w: Wrong) -> set[int]:
    """How many terms a mean in the forward may have."""
    counts = {w.N, w.x.shape[0] if w.x.ndim else 1}
    return {n for n in counts | ({w.x.size} if not w.Z.ndim else set()) if n > 1}


def constant(w):
    s = factor_of(w)
    if not s:
        return ""
    for name, c in constants(w):
        for power, words in ((1, ""), (-1, "1/"), (2, "the square of "), (-2, "1/ the square of ")):
            if c not in (0, 1, -1) and np.isclose(s, c**power, rtol=FITS):
                return (
                    f"the gradient of {w.path} is wrong by the factor {s:.6g}, which is {words}"
                    f"{name}: the chain rule brings {name} in once"
                )
    return ""


def constants(w: Wrong) -> Iterator[tuple[str, float]]:
    """(name, number) of the scalars that f was called with or has as defaults."""
    for i, a in enumerate(w.run.args):
        for path, leaf in tree.paths(a, w.subject.names[i]):
            if isinstance(leaf, (int, float)) or (np.ndim(leaf) == 0 and hasattr(leaf, "item")):
                yield path, float(leaf)
    try:
        parameters = inspect.signature(w.subject.forward).parameters.values()
    except (TypeError, ValueError):
        return
    for p in parameters:
        number = w.subject.options.get(p.name, p.default)
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            yield p.name, float(number)


def factor(w):
    s = factor_of(w)
    if not s or abs(s - 1) < 1e-5:  # float32, or an eps elsewhere
        return ""
    words = ""
    counts = {n for a in (w.Z, *(a for a in tree.leaves(w.run.args))) for n in np.shape(a)}
    products = {a * b for a, b in itertools.combinations_with_replacement(sorted(counts), 2)}
    for n in sorted(counts | products | {2}):
        if n > 1 and np.isclose(s, n, rtol=FITS):
            words = f": it is {n} times too large"
        if n > 1 and np.isclose(s, 1 / n, rtol=FITS):
            words = f": it is {n} times too small"
    for n in (w.N,):
        if n > 1 and np.isclose(s * s, (n - 1) / n, rtol=FITS):
            words = f", sqrt({n - 1}/{n}): a variance with N - 1 in back and with N in forward"
    for path, a in w.others():
        norm = np.sqrt(np.vdot(a, a))
        if np.isclose(s * norm, 1, rtol=FITS) or np.isclose(s, norm, rtol=FITS):
            words = f", which has to do with the norm of {path}"
    norm = np.sqrt(np.vdot(w.x, w.x))
    if np.isclose(s * norm, 1, rtol=FITS) or np.isclose(s * norm * 2, 1, rtol=FITS):
        words = ", 1 / its norm: the norm where its square is meant"
    return f"the gradient of {w.path} is wrong by the factor {s:.6g} everywhere{words}"


def transposed(w):
    if w.D.ndim == 2 and w.D.shape[0] == w.D.shape[1] and w.fits(w.G.T) and w.D.shape[0] > 1:
        return f"the gradient of {w.path} is transposed: it must be laid out like {w.path}"

    for path, a in w.others():
        if a.ndim == 2 and a.shape[0] == a.shape[1] > 1:
            if w.fits_elsewhere(a, lambda b: b.T.copy()):
                return (
                    f"the gradient of {w.path} uses {path} where it needs its transpose, or the "
                    f"other way round: with {path} {a.shape} square, the shapes do not tell"
                )
    return ""


def rotated(w):
    if w.D.ndim >= 2 and w.fits(w.G[..., ::-1, ::-1]):
        return (
            f"the gradient of {w.path} is turned by 180 degrees: forward and back must run over "
            "the kernel in the same order"
        )
    for path, a in w.others():
        if a.ndim >= 2 and w.fits_elsewhere(a, lambda b: b[..., ::-1, ::-1].copy()):
            return (
                f"the gradient of {w.path} uses {path} turned by 180 degrees: forward and back "
                "must run over the kernel in the same order"
            )
    return ""


def fits_elsewhere(w, a, change):
    """True if D is the gradient with one array changed."""
    arrays = [b for b in tree.leaves(w.run.args) if isinstance(b, np.ndarray)]
    j = next(j for j, b in enumerate(arrays) if b is a)

    def alter(copies):
        copies[j][...] = change(copies[j])

    G = w.elsewhere(alter)
    return G is not None and w.fits(G) and not close(G, w.G)


Wrong.fits_elsewhere = fits_elsewhere  # type: ignore[attr-defined]


def parts(w: Wrong, axis: int) -> np.ndarray:
    """(n, *x.shape): what each index along an axis of the value contributes to G."""
    J = (w.dZ.reshape(-1, 1) * w.J).reshape(*w.dZ.shape, *w.x.shape)
    J = np.moveaxis(J, axis, 0)
    return J.reshape(J.shape[0], -1, *w.x.shape).sum(1)


def batch_sum(w):
    if not w.Z.ndim or w.N < 2:
        return ""
    for i, part in enumerate(parts(w, 0)):
        if w.fits(part) and not close(part, w.G):
            return (
                f"the gradient of {w.path} is that of row {i} alone: {w.path} acts on all "
                f"{w.N} rows, so its gradient sums over them (axis 0)"
            )
    return ""


def wrong_axis(w):
    for axis in range(w.dZ.ndim):
        total = w.dZ.sum(axis)
        if total.shape == w.D.shape and w.fits(total) and not close(total, w.G):
            return (
                f"the gradient of {w.path} sums over axis {axis} of the incoming gradient "
                f"{w.dZ.shape}: it is the wrong one"
            )
    if w.D.size > 1 and w.fits(np.full(w.D.shape, w.G.sum())):
        return f"the gradient of {w.path} is one total for all entries: it sums over too many axes"
    return ""


def broadcast(w):
    along = [axis for axis, n in enumerate(w.D.shape) if n > 1]
    flat = [
        [axis for axis in along if close(a, np.broadcast_to(a.mean(axis, keepdims=True), a.shape))]
        for a in (w.D, w.G)
    ]
    if flat[0] and flat[1] and flat[0] != flat[1]:
        return (
            f"the gradient of {w.path} is the same all along axis {flat[0][0]}, and must be the "
            f"same along axis {flat[1][0]}: what was summed over one axis is spread over another"
        )
    for axis in range(w.D.ndim):
        if w.D.shape[axis] < 2:
            continue
        total = np.broadcast_to(w.G.sum(axis, keepdims=True), w.D.shape)
        for T, words in ((total, "sum"), (total / w.D.shape[axis], "mean")):
            if w.fits(T) and not close(T, w.G):
                return (
                    f"the gradient of {w.path} is the same all along axis {axis}: a {words} too "
                    "many, which NumPy then broadcast without a word"
                )
    return ""


def operand(w):
    tries: list[tuple[str, np.ndarray]] = [
        ("the square of the incoming gradient", w.at(w.dZ * w.dZ)),
        ("the value", w.at(w.Z)),
    ]
    for path, a in [(w.path, w.x), *w.others()]:
        if a.shape == w.dZ.shape:
            tries.append((path, w.at(a)))
            for axis in range(a.ndim):
                total = (w.dZ * a).sum(axis)
                tries += [(path, total), (path, (w.dZ * a).sum(tuple(range(a.ndim - 1))))]
    for words, T in tries:
        if T.shape == w.D.shape and w.fits(T) and not close(T, w.G):
            return f"the gradient of {w.path} has {words} as a factor where something else belongs"
    pairs = [(p, a) for p, a in w.others() if a.shape == w.x.shape]
    if w.x.shape == w.dZ.shape:
        pairs.append(("the value", w.Z))
        pairs.append(("the incoming gradient", w.dZ))
    for path, a in pairs:
        arrays = [b for b in tree.leaves(w.run.args) if isinstance(b, np.ndarray)]
        j = next((j for j, b in enumerate(arrays) if b is w.x), None)
        if j is None:
            continue

        def alter(copies, j=j, a=a):
            copies[j][...] = a

        G = w.elsewhere(alter)
        if G is not None and w.fits(G) and not close(G, w.G):
            return (
                f"the gradient of {w.path} is what it would be at {path} instead of {w.path}: the "
                "wrong array stands in the formula"
            )
    for path, a in pairs:
        for q, b in [(w.path, w.x), *w.others()]:
            if b.shape == w.dZ.shape and w.fits(w.dZ * b) and not close(w.dZ * b, w.G):
                return f"the gradient of {w.path} is the incoming one times {q}: the wrong factor"
    return ""


def mask_of_incoming(w):
    if w.D.shape != w.dZ.shape:
        return ""
    for T in (w.dZ * (w.dZ > 0), w.G * (w.dZ > 0)):
        if w.fits(T) and not close(T, w.G):
            return (
                f"the gradient of {w.path} is let through where the incoming gradient is positive: "
                "the mask looks at the input, not at the gradient"
            )
    return ""


def diagonal_only(w):
    if w.x.shape == w.dZ.shape and w.x.size > 1:
        diagonal = w.dZ * np.diagonal(w.J).reshape(w.x.shape)
        if w.fits(diagonal) and not close(diagonal, w.G):
            return (
                f"the gradient of {w.path} has the diagonal of the Jacobian only: every entry of "
                "the value depends on other entries too"
            )
        if w.fits(w.dZ):
            return (
                f"the gradient of {w.path} is the incoming one as it is: the terms that depend on "
                f"{w.path} are missing"
            )
    return ""


def mask(w):
    right = same_entries(w)
    largest = np.abs(w.G).max(initial=0)
    dead = np.abs(w.G) <= FITS * largest
    if not right.all() and dead.any() and right[~dead].all() and largest:
        i = index(np.argwhere(~right)[0])
        return (
            f"where the gradient of {w.path} must be 0, as at {list(i)}, something flows back: the "
            "mask of the forward is missing"
        )
    if w.D.shape == w.dZ.shape and not largest and w.D.any():
        return f"the gradient of {w.path} must be 0 here: the mask of the forward is missing"
    return ""


def wrong_mask(w):
    right = same_entries(w)
    largest = max(np.abs(w.G).max(initial=0), np.abs(w.D).max(initial=0))
    closed = np.abs(w.D) <= FITS * largest
    if right.all() or not (right | closed).any():
        return ""
    live = np.abs(w.G) > FITS * largest
    told = w.x.ndim == 2 or w.x.shape == w.dZ.shape
    if told and w.D.any() and not (live & ~closed).any() and (~live & closed).sum() < w.D.size:
        i = index(np.argwhere(~closed)[0])
        return (
            f"the gradient of {w.path} is 0 where something must flow back, and flows where it must "
            f"be 0, as at {list(i)}: the mask is the wrong way round"
        )
    if w.D.shape == w.dZ.shape:
        open_ = np.abs(w.D - w.dZ) <= FITS * largest
        if (open_ | closed).all() and (np.abs(w.G - w.dZ)[~right] <= FITS * largest).any():
            return (
                f"the gradient of {w.path} is let through at the wrong entries: the mask is wrong"
            )
    if w.D.ndim and len(w.D) > 1:  # by rows
        rows = (len(w.D), -1)
        fine = right.reshape(rows).all(1)
        shut = closed.reshape(rows).all(1)
        if (fine | shut).all() and fine.any() and not fine.all():
            i = int(np.argmin(fine))
            return (
                f"in row {i} nothing flows back to {w.path}, in row {int(np.argmax(fine))} all is "
                "right: the mask that switches rows off is wrong"
            )
    return ""


def slope(w):
    right = same_entries(w)
    for a, words in ((w.x < 0, "negative"), (w.x > 0, "positive")):
        if not a.any() or a.all() or not right[~a].all() or right[a].any():
            continue
        G, D = w.G[a], w.D[a]
        s = np.vdot(D, G) / max(np.vdot(G, G), 1e-300)
        if np.abs(D - s * G).max() <= FITS * max(np.abs(D).max(), np.abs(G).max()):
            return (
                f"where {w.path} is {words} its gradient is {s:.4g} times what it should be: the "
                "slope in back is not that of the forward"
            )
    return ""


def border(w):
    wrong = ~same_entries(w)
    if wrong.all() or not wrong.any() or max(w.D.shape, default=0) < 3:
        return ""
    edge = np.zeros(w.D.shape, bool)
    slabs = []
    for axis in range(w.D.ndim):
        if w.D.shape[axis] > 2:
            for i in (0, w.D.shape[axis] - 1):
                slab = np.zeros(w.D.shape, bool)
                np.moveaxis(slab, axis, 0)[i] = True
                if wrong[slab].mean() > 0.5:
                    slabs.append((axis, i))
                    edge |= slab
    if slabs and not wrong[~edge].any() and not edge.all():
        axis, i = slabs[0]
        return (
            f"the gradient of {w.path} {w.D.shape} is wrong at the border only, as at index {i} of "
            f"axis {axis}: padding or a range that ends one too early"
        )
    return ""


def counted_once(w):
    right = same_entries(w)
    for axes in ([0], [0, *range(2, w.Z.ndim)], [*range(w.Z.ndim)]):
        if not w.Z.ndim or max(axes) >= w.Z.ndim or right.all():
            continue
        J = (w.dZ.reshape(-1, 1) * w.J).reshape(*w.dZ.shape, *w.x.shape)
        J = np.moveaxis(J, axes, range(len(axes)))
        n = int(np.prod([w.Z.shape[i] for i in axes]))
        if n < 2:
            continue
        c = J.reshape(n, -1, *w.x.shape).sum(1)
        live = np.abs(c) > 0
        if not (live.sum(0)[~right] > 1).all():
            continue
        largest = np.abs(c).max(initial=0)
        one = (np.abs(c - w.D) <= FITS * largest) & live
        if (one.any(0) | right).all():
            i = index(np.argwhere(~right)[0])
            return (
                f"{w.path} at {list(i)} is used {int(live.sum(0)[i])} times, and its gradient "
                "counts one use only: overlapping or repeated places must add up (np.add.at; "
                "dA[i] += keeps one write per index)"
            )
    return ""


def misplaced(w):
    for path, g in other_gradients(w):
        if close(w.D, g) and not close(g, w.G):
            return f"the gradient of {w.path} is that of {path}: the two are exchanged"
    D, G = np.sort(w.D, None), np.sort(w.G, None)
    if w.D.size > 1 and close(D, G) and not close(w.D, w.G):
        return (
            f"the gradient of {w.path} has the right numbers at the wrong places: an index, or a "
            "reshape that needs a transpose first"
        )
    if w.D.ndim >= 3:
        axes = (w.D.ndim - 2, w.D.ndim - 1)
        if close(w.D.sum(axes), w.G.sum(axes)):
            return (
                f"the gradient of {w.path} has the right sum in every image, at the wrong places"
                + (": spread where one takes all" if (w.D != 0).sum() > (w.G != 0).sum() else "")
            )
        for i, j in itertools.product((-2, -1, 0, 1, 2), repeat=2):
            T = shifted(w.G, i, j)
            both = np.isfinite(T)
            if (i or j) and both.sum() > 1 and w.G.any() and close(w.D[both], T[both]):
                return (
                    f"the gradient of {w.path} is shifted by {i} rows and {j} columns: is the "
                    "padding cut off on both sides?"
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


def summand(w):
    E = w.G - w.D
    largest = np.abs(w.G).max(initial=0)
    if np.abs(E).max(initial=0) <= 1e-5 * largest:
        return ""
    for words, T in summands(w):
        square = np.vdot(T, T)
        s = np.vdot(E, T) / square if square else 0
        if s and close(E, s * T) and not close(w.D * 0, E - w.G):
            return f"a term of the gradient of {w.path} is missing: {words}"
    for path, k in other_gradients(w):
        if close(w.D, -k):
            return (
                f"a term of the gradient of {w.path} is missing: it is only the counterpart of "
                f"that of {path}, and {w.path} is in more than one place of the formula"
            )
    return both_sides(w) or by_parts(w) or projection(w) or statistics(w)


def both_sides(w):
    """F in F F^T: D holds the one factor's gradient, and with dZ^T the other's."""
    if w.dZ.ndim != 2 or w.dZ.shape[0] != w.dZ.shape[1]:
        return ""
    turned = deposits(w.subject, w.run.back, w.dZ.T.copy(), w.run.args)[w.k]
    if close(w.D + turned, w.G):
        return (
            f"a term of the gradient of {w.path} is missing: {w.path} is in both factors of the "
            "product, and each carries gradient"
        )
    return ""


def summands(w: Wrong) -> Iterator[tuple[str, np.ndarray]]:
    """What may be a summand: arrays that f was given, labels as one-hot rows, the incoming one."""
    shape = w.D.shape
    for i, a in enumerate(w.run.args):
        for path, leaf in tree.paths(a, w.subject.names[i]):
            if not isinstance(leaf, np.ndarray):
                continue
            if leaf.shape == shape and leaf.dtype.kind in "fiub":
                yield f"a multiple of {path}", leaf.astype(float)
            if leaf.dtype.kind in "iu" and leaf.shape == shape[:1] and len(shape) == 2:
                hot = (leaf[:, None] == np.arange(shape[1])).astype(float)
                yield f"a multiple of the one-hot rows of {path}", hot
    if w.Z.shape == shape:
        yield "a multiple of the value", w.Z
        yield "a multiple of the incoming gradient", w.dZ


def other_gradients(w: Wrong) -> Iterator[tuple[str, np.ndarray]]:
    """(path, gradient) of the other arguments of this shape."""
    arrays = w.subject.arrays(w.run.args)
    for path, x in zip(w.subject.gradients_of, arrays):
        if x is not w.x and x.shape == w.x.shape:
            d = derivatives(w.subject.value, w.run.args, x, list(np.ndindex(x.shape)))
            yield path, (w.dZ.ravel() @ d.J).reshape(x.shape)


def by_parts(w):
    """D holds some of the contributions along an axis of the value, whole, and misses others."""
    for axis in range(w.Z.ndim):
        n = w.Z.shape[axis]
        if not 2 <= n <= BLOCK or w.D.size <= n:
            continue
        c = parts(w, axis).reshape(n, -1)
        used = np.linalg.lstsq(c.T, w.D.ravel(), rcond=None)[0]
        if np.linalg.matrix_rank(c) < n or not w.fits((np.rint(used) @ c).reshape(w.D.shape)):
            continue
        missing = [int(i) for i in np.flatnonzero(np.rint(used) == 0)]
        if missing and set(np.rint(used)) <= {0, 1}:
            return (
                f"the gradient of {w.path} misses what flows back from index "
                f"{', '.join(map(str, missing))} of axis {axis} of the value: a range too short?"
            )
    return ""


def projection(w):
    if w.D.ndim != 2:
        return ""
    for axis in (1, 0):
        square = (w.x * w.x).sum(axis, keepdims=True)
        along = (w.D * w.x).sum(axis, keepdims=True) * w.x / np.where(square > 0, square, 1)
        if close(w.D - along, w.G):
            return (
                f"the gradient of {w.path} must be perpendicular to it, since only its direction "
                "counts after normalising: the term that projects is missing"
            )
    return ""


def statistics(w):
    """Along an axis, the missing part is made of 1 and of x: a mean and a variance held constant."""
    E = w.G - w.D
    for axis in range(w.D.ndim):
        n = w.D.shape[axis]
        if n < 4:
            continue
        e, x = (np.moveaxis(a, axis, 0).reshape(n, -1) for a in (E, w.x))
        for columns, words in ((1, "the mean depends"), (2, "mean and variance depend")):
            ok = True
            for j in range(e.shape[1]):
                basis = np.stack([np.ones(n), x[:, j]])[:columns].T
                rest = e[:, j] - basis @ np.linalg.lstsq(basis, e[:, j], rcond=None)[0]
                ok &= bool(np.abs(rest).max() <= FITS * np.abs(w.G).max())
            if ok:
                return f"terms of the gradient of {w.path} are missing: {words} on {w.path} too"
    return ""


def eps_place(w):
    largest = np.abs(w.G).max(initial=0)
    if not largest or np.abs(w.D - w.G).max() > 0.05 * largest:
        return ""
    live = np.abs(w.G) > 1e-3 * largest
    for axis in range(w.D.ndim):
        rows = [i for i in range(w.D.ndim) if i != axis]
        if not rows or w.D.shape[axis] < 2:
            continue
        with np.errstate(all="ignore"):
            r = np.where(live, np.abs(w.D / w.G - 1), np.nan)
        r = np.moveaxis(r, axis, 0).reshape(w.D.shape[axis], -1)
        worst = np.array([np.nanmedian(row) if np.isfinite(row).any() else np.nan for row in r])
        good = np.isfinite(worst)
        sizes = (w.x.std(tuple(rows)), np.sqrt((w.x**2).mean(tuple(rows))))
        falling = [(np.diff(worst[good][np.argsort(size[good])]) <= 0).all() for size in sizes]
        if good.sum() > 1 and any(falling) and worst[good].max() > 1e-7:
            return (
                f"the gradient of {w.path} is off by {worst[good].max():.1g} of itself, and more "
                "where its norm or deviation is small: eps stands elsewhere in back than in forward"
            )
    return ""


def row_factor(w):
    if w.D.ndim < 2:
        return ""
    g, d = w.G.reshape(len(w.G), -1), w.D.reshape(len(w.D), -1)
    square = (g * g).sum(1)
    if not (square > 0).any():
        return ""
    s = (d * g).sum(1) / np.where(square > 0, square, 1)
    if close(d, s[:, None] * g) and np.ptp(s[square > 0]) > FITS:
        words = ""
        for path, a in w.others():
            if a.shape == w.x.shape:
                far = np.sqrt(((w.x - a) ** 2).reshape(len(a), -1).sum(1))
                for c in (1, 2, 0.5):
                    for p, of in ((1, "d"), (-1, "1/d"), (2, "d^2")):
                        with np.errstate(all="ignore"):
                            if np.allclose(s[square > 0], c * far[square > 0] ** p, rtol=FITS):
                                words = (
                                    f", which is {c:g} {of} for the distance d of {w.path} and "
                                    f"{path}: d and d^2 are mixed up"
                                )
        return f"the gradient of {w.path} is wrong by a factor that changes from row to row{words}"
    return ""


def flipped(w):
    """Labels exchanged: D is the gradient for 1 - t."""
    arrays = [b for b in tree.leaves(w.run.args) if isinstance(b, np.ndarray)]
    for j, t in enumerate(arrays):
        if t is w.x or not t.size or not np.isin(t, (0, 1)).all() or t.min() == t.max():
            continue

        def alter(copies, j=j):
            copies[j][...] = 1 - copies[j]

        G = w.elsewhere(alter)
        if G is not None and w.fits(G) and not close(G, w.G):
            return (
                f"the gradient of {w.path} is the one for exchanged labels: 1 in the place of 0. "
                "The mask of back is not that of the forward"
            )
    return ""


def index(i: np.ndarray) -> tuple[int, ...]:
    """An index as plain numbers."""
    return tuple(int(n) for n in i)


CAUSES: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("not finite", not_finite),
    ("untouched", untouched),
    ("float32", float32),
    ("sign", sign),
    ("incoming ignored", incoming),
    ("N", samples),
    ("1/N", samples_twice),
    ("lambda", constant),
    ("factor", factor),
    ("batch sum missing", batch_sum),
    ("wrong axis", wrong_axis),
    ("broadcast", broadcast),
    ("transposed", transposed),
    ("rotated", rotated),
    ("wrong mask", flipped),
    ("wrong mask", mask_of_incoming),
    ("mask missing", mask),
    ("slope", slope),
    ("wrong mask", wrong_mask),
    ("wrong operand", operand),
    ("border", border),
    ("summand missing", diagonal_only),
    ("counted once", counted_once),
    ("misplaced", misplaced),
    ("summand missing", summand),
    ("eps place", eps_place),
    ("factor", row_factor),
    ("float32", rounded),
    ("integers", integers),
)


def diagnose(wrongs: list[Wrong]) -> tuple[str, str]:
    """(cause, sentence) of the first cause that explains every one of the draws; ("", "") if none."""
    for name, explains in CAUSES:
        with np.errstate(all="ignore"):
            sentences = [explains(w) for w in wrongs]
        if all(sentences):
            return name, sentences[0]
    return "", ""


def diagnose_shape(subject: Subject, fault: Fault) -> tuple[str, str]:
    """(cause, sentence) of a deposit that was refused for its shape, if its numbers explain it."""
    value = fault.value
    if not isinstance(value, np.ndarray) or fault.k is None:
        return "", ""
    args = copied(fault.args)
    x = subject.arrays(args)[fault.k]
    d = derivatives(subject.value, args, x, list(np.ndindex(x.shape)))
    G = (fault.dZ.ravel() @ d.J).reshape(x.shape)
    if value.T.shape == G.shape and close(value.T, G):
        return "transposed", f"{fault.sentence}. Transposed, it is right"
    for axis in range(value.ndim):
        if value.sum(axis).shape == G.shape and close(value.sum(axis), G):
            cause = "batch sum missing" if axis == 0 else "broadcast"
            return cause, f"{fault.sentence}. Summed over axis {axis}, it is right"
    return "", ""
