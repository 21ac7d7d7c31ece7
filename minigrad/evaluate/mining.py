"""Visual data mining: patches that look alike in other images, and four of them that lie alike.

Textures match textures as readily as objects match objects. But four adjacent patches of an object
find their matches, each by itself, in the same layout again, those of a texture anywhere.

>>> rng = np.random.default_rng(0)
>>> images = rng.random((5, 1, 24, 24), np.float32)
>>> images[1:3, :, 4:16, 8:20] = images[0, :, :12, :12]  # the same object in three of five images
>>> grid = patch_grid(images, side=4)
>>> F = patch_features(images, grid, lambda X: X.reshape(len(X), -1))
>>> mined = mine(F, grid, constellations(grid), top=2)
>>> best = mined.ranking()[0]
>>> grid.corner[mined.constellations[best]].tolist()
[[0, 0], [0, 4], [4, 0], [4, 4]]
>>> mined.images[best], grid.corner[mined.patches[best, 0]].tolist()
(array([1, 2]), [[4, 8], [4, 12], [8, 8], [8, 12]])

Source: Doersch, Gupta and Efros, ICCV 2015, sections 4.1 and 4.5.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..nodes import normalize
from .neighbours import check_finite

CORNERS = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])  # of a square of side 1
ENTRIES = 1 << 23  # features and correlations of queries that stand in memory at once
FLAT = 8  # times the rounding error: a row that varies no more is constant


class Grid(NamedTuple):
    """Square patches on a grid in each of m images, numbered image by image, row by row.

    side: of the patches, step: from each to the next, in pixels; rows, columns: (m,), of each grid.
    """

    side: int
    step: int
    rows: np.ndarray
    columns: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """(m + 1,): the number of each image's first patch, and of patches in all."""
        return np.concatenate([[0], np.cumsum(self.rows * self.columns)])

    @property
    def image(self) -> np.ndarray:
        """(n,): the image that each patch is from."""
        return np.repeat(np.arange(len(self.rows)), self.rows * self.columns)

    @property
    def corner(self) -> np.ndarray:
        """(n, 2): the upper left pixel of each patch, as (down, right)."""
        image = self.image
        inside = np.arange(len(image)) - self.starts[image]
        return self.step * np.stack(np.divmod(inside, self.columns[image]), 1)

    @property
    def centre(self) -> np.ndarray:
        """(n, 2): the centre of each patch, as (down, right); pixel centres are whole numbers."""
        return self.corner + (self.side - 1) / 2


def patch_grid(images: Any, side: int, step: int | None = None) -> Grid:
    """A `Grid` of patches over images, from each upper left corner on.

    images: (m, c, h, w), or m of (c, h_i, w_i); side: of the patches in pixels; step: must divide
    the side, so that patches have adjacent ones; None: half of it. Less than a step is left over
    below and at the right.
    Raises ValueError for another step, and for images smaller than a patch.

    >>> patch_grid(np.zeros((2, 3, 8, 10)), side=4).columns
    array([4, 4])
    """
    step = side // 2 if step is None else step
    if side < 1 or step < 1 or side % step:
        raise ValueError(f"patch_grid: step divides the side of a patch, {side}, not {step}")
    shapes = np.array([np.shape(image)[-2:] for image in images], int).reshape(-1, 2)
    small = (shapes < side).any(1)
    if small.any():
        h, w = shapes[small.argmax()]
        raise ValueError(
            f"patch_grid: image {small.argmax()} of {len(shapes)} is {h} x {w}, smaller than a "
            f"patch of {side} x {side}"
        )
    return Grid(side, step, *((shapes - side) // step + 1).T)


def cut_patches(images: Any, grid: Grid, index: Any) -> np.ndarray:
    """Patches of a grid, as they are: (k, c, side, side).  index: (k,), their numbers."""
    index = np.asarray(index)
    image, corner = grid.image[index], grid.corner[index]
    return np.stack(
        [
            images[i][:, top : top + grid.side, left : left + grid.side]
            for i, (top, left) in zip(image, corner)
        ]
    )


def patch_features(
    images: Any, grid: Grid, features: Callable[[np.ndarray], Any], batch: int = 512
) -> np.ndarray:
    """The features of all patches of a grid: (n, d).

    features: of patches (b, c, side, side), cut from the images as they are, gives (b, d); it is
    called with so many patches at a time, batch.
    Raises ValueError if it gives something else.
    """
    parts = []
    for first in range(0, grid.starts[-1], batch):
        X = cut_patches(images, grid, np.arange(first, min(first + batch, grid.starts[-1])))
        F = np.asarray(features(X))
        if F.ndim != 2 or len(F) != len(X):
            raise ValueError(
                f"patch_features: features of {len(X)} patches are ({len(X)}, d), not {F.shape}"
            )
        parts.append(F)
    return np.concatenate(parts)


def centred(F: Any) -> np.ndarray:
    """Rows minus their own mean, divided by their norm: products are normalised correlations.

        corr(a, b) = (a - mean a) . (b - mean b) / (|a - mean a| |b - mean b|)

    F: (n, d). A constant row becomes 0: it correlates with nothing, not even with itself.

    >>> F = centred(np.array([[1.0, 2.0, 3.0], [5.0, 7.0, 9.0], [0.1, 0.1, 0.1]]))
    >>> (F @ F.T).round(3)
    array([[1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 0.]])
    """
    F = np.asarray(F)
    F = F.astype(np.result_type(F, np.float32), copy=False)
    size = np.abs(F).max(1, keepdims=True, initial=0)
    C = F / np.where(size > 0, size, 1)  # a constant row: 1, whose mean is exact
    C -= C.mean(1, keepdims=True, dtype=np.float64).astype(F.dtype)
    C[np.abs(C).max(1, initial=0) <= FLAT * np.finfo(F.dtype).eps] = 0
    return normalize(C)


def patch_neighbours(F: Any, grid: Grid, queries: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The patches most like each query, one of each other image: index, correlation, both (q, k).

    F: (n, d) features of the patches of a grid; queries: (q,), numbers of patches; k: 1 to m - 1
    for m images. By normalised correlation (`centred`), rounded to six digits (twelve in float64);
    ties: the lower index first. Of an image only its best patch is taken, as the next best ones
    overlap it; the query's own image is left out.
    Raises ValueError for another k, features that do not fit or are not finite, and one image.
    Source: Doersch et al., ICCV 2015, section 4.1, which does not say how often an image may come.

    >>> grid = Grid(side=2, step=2, rows=np.array([1, 1]), columns=np.array([2, 2]))
    >>> F = np.array([[1.0, 0, 0], [0, 1, 0], [0, 2, 0.1], [0, 0, 1]])
    >>> patch_neighbours(F, grid, np.array([0, 1]), k=1)[0]
    array([[3],
           [2]])
    """
    F = _checked("patch_neighbours", F, grid)
    m, queries = len(grid.rows), np.asarray(queries)
    if not 1 <= k < m:
        raise ValueError(f"patch_neighbours: k is 1 to {m - 1} for {m} images, not {k}")
    _exist("patch_neighbours", queries, F)
    index, correlation = np.empty((len(queries), k), np.intp), np.empty((len(queries), k), F.dtype)
    for part in _turns(len(queries), F, grid):
        best, where = _best_of_each_image(F, grid, queries[part])
        order = np.argsort(-best, 1, kind="stable")[:, :k]
        index[part] = np.take_along_axis(where, order, 1)
        correlation[part] = np.take_along_axis(best, order, 1)
    return index, correlation


def constellations(
    grid: Grid, n: int | None = None, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Four adjacent patches, 2 x 2, as (k, 4) numbers: upper left, right, lower left, right.

    n: how many are drawn by rng, none twice, all alike probable; None, or more than there are: all,
    in order. The patches touch and do not overlap: no gap, no jitter.
    Raises ValueError if no image has 2 x 2 patches, and for n without rng.

    >>> constellations(Grid(side=4, step=4, rows=np.array([2]), columns=np.array([3])))
    array([[0, 1, 3, 4],
           [1, 2, 4, 5]])
    """
    image, columns = grid.image, grid.columns
    next_ = grid.side // grid.step
    inside = np.arange(len(image)) - grid.starts[image]
    row, column = np.divmod(inside, columns[image])
    first = np.flatnonzero((row + next_ < grid.rows[image]) & (column + next_ < columns[image]))
    if not len(first):
        raise ValueError(
            f"constellations: none of {len(grid.rows)} images holds 2 x 2 patches of {grid.side} x "
            f"{grid.side} pixels"
        )
    if n is not None and n < len(first):
        if n < 1 or rng is None:
            raise ValueError(f"constellations: n is 1 or more, drawn by rng; got {n}, rng {rng}")
        first = np.sort(rng.choice(first, n, replace=False))
    down = next_ * columns[image[first]]
    return np.stack([first, first + next_, first + down, first + down + next_], 1)


def square_fit(P: Any, side: Any) -> tuple[Any, Any]:
    """The axis-aligned square whose corners fit four points best: its side and error, both (...).

        s = sum_k (p_k - p) . c_k / sum_k |c_k|^2, clipped to [2/3, 4/3] side
        error = sum_k |p_k - p - s c_k|^2 / s^2

    p: the mean of the points p_k; c_k = (-+1/2, -+1/2), the corners of a square of side 1.
    P: (..., 4, 2), upper left, upper right, lower left, lower right, as (down, right); side: the
    average side of the four patches, a number or (...). As the sum of squares is quadratic in s,
    the clipped s is the least-squares one within the bounds: where points are in one place, or the
    other way round and the unbounded s were negative, it is 2/3 side, and the error 2 or more.
    Raises ValueError for another shape, values that are not finite, and a side of 0 or less.
    Source: Doersch et al., ICCV 2015, section 4.5; that the square stands upright is our reading.

    >>> square_fit([[0, 0], [0, 96], [96, 0], [96, 96]], side=96)
    (np.float64(96.0), np.float64(0.0))
    >>> square_fit(np.zeros((4, 2)), side=96)
    (np.float64(64.0), np.float64(2.0))
    """
    P, side = np.asarray(P, float), np.asarray(side, float)
    if P.shape[-2:] != (4, 2):
        raise ValueError(f"square_fit: four points in the plane are (..., 4, 2), not {P.shape}")
    if not (np.isfinite(P).all() and np.isfinite(side).all() and (side > 0).all()):
        raise ValueError("square_fit: points are finite, and sides finite and above 0")
    Q = P - P.mean(-2, keepdims=True)
    s = np.clip((Q * CORNERS).sum((-2, -1)) / 2, 2 / 3 * side, 4 / 3 * side)
    E = Q - s[..., None, None] * CORNERS
    return s, (E * E).sum((-2, -1)) / (s * s)


def verified(P: Any, side: Any) -> Any:
    """Do four points lie like adjacent patches? An error of `square_fit` below 1: bool, (...)."""
    return square_fit(P, side)[1] < 1


class Mined(NamedTuple):
    """Constellations, and the images that match all four of their patches best, best first.

    constellations: (k, 4) patches; images: (k, t); patches: (k, t, 4), the best match of each patch
    in that image; correlation: (k, t), the mean of the four; verified: (k, t) bool.
    """

    constellations: np.ndarray
    images: np.ndarray
    patches: np.ndarray
    correlation: np.ndarray
    verified: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """(k,): the share of the t images that verify."""
        return self.verified.mean(1)

    def ranking(self) -> np.ndarray:
        """(k,): constellations by verified share, the highest first.

        Ties, which the source leaves open: by the mean correlation of all t images, then by index.
        """
        return np.lexsort((-self.correlation.mean(1), -self.share))


def mine(F: Any, grid: Grid, chosen: Any, top: int = 100) -> Mined:
    """Match constellations in all other images, and verify how the matches lie: `Mined`.

    F: (n, d) features of the patches of a grid; chosen: (k, 4) numbers of patches, as
    `constellations` gives them; top: how many images are kept of each, 100 as in the source, all
    others if there are fewer. In each other image each of the four patches finds its best match by
    itself, by normalised correlation; images are ordered by the mean of the four, wherever the
    matches lie. The own image is left out. Ties, to six digits (twelve in float64): the lower index
    first. Memory: two copies of F and some 200 MB, whatever k is.
    Raises ValueError for one image alone, features that do not fit or are not finite, and numbers
    that are not those of four patches of one image.
    Source: Doersch et al., ICCV 2015, section 4.5; the mean as strength of four matches is ours.
    """
    F, chosen = _checked("mine", F, grid), np.asarray(chosen)
    if top < 1:
        raise ValueError(f"mine: top is 1 or more images, not {top}")
    if chosen.ndim != 2 or chosen.shape[1] != 4 or chosen.dtype.kind not in "iu":
        raise ValueError(
            f"mine: constellations are (k, 4) numbers of patches, not {chosen.shape} {chosen.dtype}"
        )
    _exist("mine", chosen, F)
    if (np.ptp(grid.image[chosen], axis=1) > 0).any():
        raise ValueError("mine: a constellation has patches of several images")
    m, k = len(grid.rows), len(chosen)
    t = min(top, m - 1)
    images, correlation = np.empty((k, t), np.intp), np.empty((k, t))
    patches = np.empty((k, t, 4), np.intp)
    for part in _turns(k, F, grid, 4):
        best, where = _best_of_each_image(F, grid, chosen[part].ravel())
        strength = best.reshape(-1, 4, m).mean(1, dtype=float)
        order = np.argsort(-strength, 1, kind="stable")[:, :t]
        images[part] = order
        correlation[part] = np.take_along_axis(strength, order, 1)
        where = where.reshape(-1, 4, m).swapaxes(1, 2)
        patches[part] = np.take_along_axis(where, order[..., None], 1)
    return Mined(chosen, images, patches, correlation, verified(grid.centre[patches], grid.side))


def _checked(name, F, grid):
    """Features as `centred`, or ValueError if they do not fit a grid over two images or more."""
    F, n, m = np.asarray(F), grid.starts[-1], len(grid.rows)
    if F.ndim != 2 or len(F) != n:
        raise ValueError(f"{name}: features of {n} patches are ({n}, d), not {F.shape}")
    if m < 2:
        raise ValueError(f"{name}: of {m} image there is no other one to be matched with")
    if not (grid.rows * grid.columns).all():
        raise ValueError(f"{name}: image {(grid.rows * grid.columns).argmin()} of {m} has no patch")
    check_finite(name, F, "patch")
    return centred(F)


def _exist(name, index, F):
    """ValueError unless there is a patch for each number."""
    if index.size and not 0 <= index.min() <= index.max() < len(F):
        raise ValueError(
            f"{name}: numbers of patches are 0 to {len(F) - 1}, not {index.min()} to {index.max()}"
        )


def _turns(k, F, grid, each=1):
    """Slices of k queries, each of so many patches: what is computed at once stays in memory."""
    entries = each * (F.shape[1] + 2 * len(grid.rows) + (grid.rows * grid.columns).max())
    step = max(1, int(ENTRIES // entries))
    return [slice(first, min(first + step, k)) for first in range(0, k, step)]


def _best_of_each_image(F, grid, queries):
    """The largest correlation of queries (q,) in each image, and its patch, both (q, m).

    That of the own image is -inf.
    """
    Q, q, m = F[queries], np.arange(len(queries)), len(grid.rows)
    best, where = np.empty((len(Q), m), F.dtype), np.empty((len(Q), m), np.intp)
    for i, (first, end) in enumerate(itertools.pairwise(grid.starts)):
        C = (Q @ F[first:end].T).round(6 if F.dtype == np.float32 else 12)  # equal rows are ties
        found = C.argmax(1)
        best[:, i], where[:, i] = C[q, found], first + found
    best[q, grid.image[queries]] = -np.inf
    return best, where
