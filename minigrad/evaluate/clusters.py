"""Clusters of surrogate classes: seeds that fire for the same images become one class."""

import numpy as np


def top_firing(scores, k=10):
    """The k images for which each seed's classifier fires most: (s, k), most first.

    scores: (s, n), of s seeds and n images; of equals, the lower index first.
    Raises ValueError if there are fewer than k images.

    >>> top_firing(np.array([[0.1, 0.7, 0.3], [0.5, 0.0, 0.5]]), 2)
    array([[1, 2],
           [0, 2]])
    """
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"top_firing: k is 1 to {scores.shape[1]} images, not {k}")
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def merged(groups, merge=3, discard=1):
    """Overlapping groups of images merged or discarded, greedily: a list of sorted index arrays.

    The overlap of two groups is the number of images they share. Of the pair that overlaps most
    (of several, the first) the later group goes: with an overlap above merge, 3, its images go to
    the earlier one; with one above discard, 1, it is left out. Overlaps are counted again after
    each step, until none is above discard. What is left keeps its order.
    groups: index arrays, one for each seed, as rows of `top_firing`. Time and memory grow with the
    square of their number: 3,000 groups take ten seconds at most.
    Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), appendix B.3; which of two is left out,
    and that overlaps are counted again, are ours.

    >>> merged([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [4, 5, 6], [7, 8]])
    [array([0, 1, 2, 3, 4, 5]), array([7, 8])]
    """
    groups = [set(map(int, group)) for group in groups]
    overlaps = np.array([len(a & b) for a in groups for b in groups], np.int32)
    overlaps = overlaps.reshape(len(groups), len(groups))
    np.fill_diagonal(overlaps, -1)
    best = overlaps.max(1, initial=-1)
    while best.max(initial=-1) > discard:
        i = best.argmax()
        j = overlaps[i].argmax()  # beyond i: else i were not the first
        stale = (overlaps[[i, j]] == best).any(0)  # the largest of these rows may be gone
        stale[[i, j]] = True
        if best[i] > merge:
            groups[i] |= groups[j]
            again = [len(groups[i] & group) for group in groups]
            overlaps[i] = overlaps[:, i] = np.where(overlaps[i] < 0, -1, again)
        groups[j] = set()
        overlaps[j] = overlaps[:, j] = -1
        best = np.maximum(best, overlaps[i])
        best[stale] = overlaps[stale].max(1)
    return [np.array(sorted(group)) for group in groups if group]
