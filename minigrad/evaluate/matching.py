"""Descriptor matching: regions of two images paired by their descriptors, judged by a known map.

Source: Dosovitskiy et al., TPAMI 2016 (Exemplar-CNN), section 5, after Mikolajczyk et al., IJCV
2005. What the paper leaves open: recall is the share of the best achievable, which is read as the
size of a maximum matching between regions that may be paired rightly; the area is that of
rectangles.

>>> F = np.array([[0.0], [5.0], [9.0]])
>>> pairs, distances = greedy(F, np.array([[8.0], [1.0]]))
>>> pairs.tolist(), distances
([[0, 1], [2, 0]], array([1., 1.]))
"""

from typing import NamedTuple

import numpy as np

from .ellipses import Ellipses, intersection_over_union, mser, projected
from .neighbours import check_finite
from .patch_frames import normalised_patches


class Matched(NamedTuple):
    """Two images matched.

    pairs: (k, 2), region of image 1 and of image 2, the most alike first; distances: (k,) of their
    descriptors; right: (k,) bool; achievable: how many could be; precision, recall: (k,), after
    each; ap: the area below; regions1, regions2: `Ellipses` of both images.
    """

    pairs: np.ndarray
    distances: np.ndarray
    right: np.ndarray
    achievable: int
    precision: np.ndarray
    recall: np.ndarray
    ap: float
    regions1: Ellipses
    regions2: Ellipses


def match(
    image1, image2, points_map, describe, size=64, enlarge=3.0, regions=None, least=0.5
) -> Matched:
    """Find regions in both images, describe their patches, pair them, judge the pairs: `Matched`.

    image1, image2: (c, h, w), bytes or in [0, 1]; points_map: points (n, 2) of image 1, as (y, x),
    to image 2, as `homography` makes one; describe: patches (n, c, size, size) to descriptors
    (n, d), as `sift`; size, enlarge: as for `normalised_patches`; regions: Ellipses of both, as of
    an earlier call, None: those of `mser`; least: intersection over union from which a pair is
    right. Regions that the map moves out of image 2 have no partner there, so that they do not
    count in recall; what they are paired with is wrong.
    Without regions in one of the images there are no pairs, and ap is 0.
    Raises ValueError for descriptors that are not finite or of other numbers.
    """
    regions1, regions2 = regions or (mser(image1), mser(image2))
    relation = overlapping(regions1, regions2, points_map, least)
    if not relation.size:
        return _matched(np.zeros((0, 2), int), np.zeros(0), relation, regions1, regions2)
    F, G = (
        np.asarray(describe(normalised_patches(image, E, size, enlarge)))
        for image, E in ((image1, regions1), (image2, regions2))
    )
    if F.ndim != 2 or G.ndim != 2 or (len(F), len(G)) != relation.shape:
        raise ValueError(
            f"match: descriptors of {relation.shape[0]} and {relation.shape[1]} regions are "
            f"(n, d), not {F.shape} and {G.shape}"
        )
    pairs, distances = greedy(F, G)
    return _matched(pairs, distances, relation, regions1, regions2)


def _matched(pairs, distances, relation, regions1, regions2):
    right, most = relation[tuple(pairs.T)], achievable(relation)
    curve = precision_recall(right, most)
    ap = matching_precision(right, most)
    return Matched(pairs, distances, right, most, *curve, ap, regions1, regions2)


def overlapping(regions1, regions2, points_map, least=0.5):
    """Which regions may be paired rightly: (n, m) bool.

    Those of image 1, moved by the map, overlap those of image 2 by an intersection over union of at
    least .5; ellipses as they were found, not enlarged.
    Raises ValueError for a least that is not above 0 and at most 1.
    """
    if not 0 < least <= 1:
        raise ValueError(f"overlapping: least is above 0 and at most 1, not {least}")
    return intersection_over_union(projected(regions1, points_map), regions2) >= least


def greedy(F, G):
    """Pair rows of F and G, the nearest first: pairs (k, 2), and distances (k,), ascending.

    All n m pairs by ascending Euclidean distance; each is taken if both are still free: k =
    min(n, m). Ties: the lower row of F, then of G. F: (n, d), G: (m, d); all distances, in float64,
    and their order stand in memory at once: 24 n m bytes.
    Raises ValueError for rows that do not fit or are not finite.
    """
    from scipy.spatial.distance import cdist

    F, G = np.asarray(F), np.asarray(G)
    if F.ndim != 2 or G.ndim != 2 or F.shape[1] != G.shape[1]:
        raise ValueError(f"greedy: descriptors are (n, d) and (m, d), not {F.shape} and {G.shape}")
    check_finite("greedy", F, "descriptor")
    check_finite("greedy", G, "descriptor")
    D = cdist(F, G)  # by differences: copies are at 0, equal distances of whole numbers equal
    free1, free2 = np.ones(len(F), bool), np.ones(len(G), bool)
    pairs = []
    for i, j in zip(*np.unravel_index(np.argsort(D, None, kind="stable"), D.shape)):
        if free1[i] and free2[j]:
            free1[i] = free2[j] = False
            pairs.append((i, j))
            if len(pairs) == min(D.shape):
                break
    index = np.array(pairs, int).reshape(-1, 2)
    return index, D[tuple(index.T)]


def achievable(relation):
    """How many pairs could be right at once, no region in two: the maximum bipartite matching.

    relation: (n, m) bool, as of `overlapping`.

    >>> achievable(np.array([[1, 1], [1, 0], [1, 0]], bool))
    2
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    relation = np.asarray(relation, bool)
    if not relation.any():
        return 0
    return int((maximum_bipartite_matching(csr_matrix(relation)) >= 0).sum())


def precision_recall(right, achievable):
    """The share of right pairs so far, and of those achievable that were found: both (k,).

    right: (k,) bool, the most alike first; achievable: how many could be right; 0: recall is 0.
    Raises ValueError if more are right than achievable.

    >>> precision_recall([True, False, True], 4)
    (array([1.        , 0.5       , 0.66666667]), array([0.25, 0.25, 0.5 ]))
    """
    right = np.asarray(right, bool)
    if right.sum() > achievable:
        raise ValueError(
            f"precision_recall: {right.sum()} pairs are right, but {achievable} achievable"
        )
    found = np.cumsum(right)
    return found / np.arange(1, len(right) + 1), found / max(achievable, 1)


def matching_precision(right, achievable):
    """The area below precision over recall, by rectangles: the sum of precisions at right pairs,
    divided by achievable.

    right, achievable: as for `precision_recall`, and errors. 1: all achievable pairs, before any
    other; with none achievable, or no pairs, 0: a mean over images may leave such ones out.

    >>> matching_precision([True, False, True, False], 2)
    0.8333333333333333
    """
    right = np.asarray(right, bool)
    precision, _ = precision_recall(right, achievable)
    return float(precision[right].sum() / max(achievable, 1))
