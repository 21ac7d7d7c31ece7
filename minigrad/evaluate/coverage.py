"""Which clusters of images are kept, and how pure they are at what coverage.

Source: Doersch, Gupta and Efros, ICCV 2015, section 4.5.1.
"""

from typing import Any, NamedTuple

import numpy as np

from .mining import Mined


def verified_sets(mined: Mined, size: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The best verified images of each cluster: clusters (c,), by rank, and images (c, size).

    size: 10, as in the source. The cluster's own image is none of them; clusters with fewer
    verified images are left out, which the source does not say: a set of few would be pure too
    easily.
    Raises ValueError for a size below 1.
    """
    if size < 1:
        raise ValueError(f"verified_sets: the size of a set is 1 or more, not {size}")
    order = mined.ranking()
    order = order[mined.verified[order].sum(1) >= size]
    first = np.argsort(~mined.verified[order], 1, kind="stable")[:, :size]
    return order, np.take_along_axis(mined.images[order], first, 1)


def cover(sets: Any, count: int | None = None) -> np.ndarray:
    """Choose clusters that cover each image once, then twice, and so on: (count,) numbers of sets.

    sets: index arrays of images, the highest-ranked first; count: how many are chosen, None: all,
    in the order in which they would be. Repeatedly the highest-ranked set that is left is chosen
    that holds an image which fewer than r of those before it hold: r = 1 until no set does, then 2,
    and so on.
    Raises ValueError for a count below 0, and negative numbers of images.
    Source: section 4.5.1.

    >>> cover([[1, 2], [2, 1], [2, 3], [3]])
    array([0, 2, 1, 3])
    """
    sets = [np.unique(np.asarray(s, int)) for s in sets]
    if (count is not None and count < 0) or any(s[0] < 0 for s in sets if len(s)):
        raise ValueError(f"cover: count and the numbers of images are 0 or more; count is {count}")
    most = len(sets) if count is None else min(count, len(sets))
    held = np.zeros(1 + max((s[-1] for s in sets if len(s)), default=0), int)
    left, r = [i for i, s in enumerate(sets) if len(s)], 0
    chosen: list[int] = []
    while left and len(chosen) < most:
        r += 1
        later = []
        for i in left:  # what adds nothing now adds nothing later with the same r
            if (held[sets[i]] < r).any():
                chosen.append(i)
                held[sets[i]] += 1
            else:
                later.append(i)
        left = later
    chosen += [i for i, s in enumerate(sets) if not len(s)]
    return np.array(chosen[:most], int)


class PurityCoverage(NamedTuple):
    """coverage, purity: (s,), after 1, 2, ... sets; area: below the curve; half: up to coverage .5.

    The area of a perfect curve is 1, and .5 of the half.
    """

    coverage: np.ndarray
    purity: np.ndarray
    area: float
    half: float


def purity_coverage(sets: Any, labels: Any) -> PurityCoverage:
    """How pure sets of images are, the purest first, against how many images they cover.

    Purity of a set: the largest share of its images that hold the same category. Sets are sorted by
    it, equally pure ones as they come; after each the mean purity so far, and the share of all
    images that are in at least one set so far. The areas are those of trapezoids, from coverage 0
    at the purity of the first set; what is not covered adds nothing.

    sets: index arrays of images; labels: (n,), the category of each image, or (n, k) bool, which
    categories it holds: several, or none.
    Raises ValueError for labels of another shape, without any set, for an empty one, and for
    images that are not there.
    Source: section 4.5.1; the trapezoids, and how the curve begins, are ours.

    >>> curve = purity_coverage([[0, 1], [2, 3], [0, 2]], np.array([7, 7, 8, 9]))
    >>> curve.coverage, curve.purity.round(3), curve.area, curve.half
    (array([0.5, 1. , 1. ]), array([1.   , 0.75 , 0.667]), 0.9375, 0.5)
    """
    labels = np.asarray(labels)
    if labels.ndim == 1:
        labels = labels[:, None] == np.unique(labels)
    if labels.ndim != 2 or labels.dtype != bool:
        raise ValueError(
            f"purity_coverage: labels are (n,), or (n, k) bool, not {labels.shape} {labels.dtype}"
        )
    sets = [np.unique(np.asarray(s, int)) for s in sets]
    if not sets or not all(len(s) for s in sets):
        raise ValueError(f"purity_coverage: each of one set or more holds an image, not {sets}")
    n = len(labels)
    low, high = min(s[0] for s in sets), max(s[-1] for s in sets)
    if low < 0 or high >= n:
        raise ValueError(f"purity_coverage: images are 0 to {n - 1}, not {low} to {high}")
    pure = np.array([labels[s].mean(0).max(initial=0) for s in sets])
    order = np.argsort(-pure, kind="stable")
    purity = np.cumsum(pure[order]) / np.arange(1, len(sets) + 1)
    covered, coverage = np.zeros(n, bool), np.empty(len(sets))
    for i, s in enumerate(order):
        covered[sets[s]] = True
        coverage[i] = covered.mean()
    return PurityCoverage(
        coverage, purity, _area(coverage, purity, 1.0), _area(coverage, purity, 0.5)
    )


def _area(x, y, end):
    """The area below a line through points of growing x, from 0, level before the first, to end."""
    x, y = np.concatenate([[0], x]), np.concatenate([y[:1], y])
    wide = np.minimum(x[1:], end) - np.minimum(x[:-1], end)
    slope = np.diff(y) / np.where(np.diff(x) > 0, np.diff(x), 1)
    return float((wide * (y[:-1] + slope * wide / 2)).sum())
