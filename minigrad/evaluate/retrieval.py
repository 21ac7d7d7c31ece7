"""Retrieval: each sample asks for the others of its class; are they found first?"""

from typing import Any, NamedTuple

import numpy as np

from .neighbours import check_finite, check_labelled, others_in_turn


class Retrieved(NamedTuple):
    """The mean over all queries.

    mean: a number, or one for each K; queries: how many asked; alone: samples that did not, as no
    other has their class.
    """

    mean: Any
    queries: int
    alone: int


def recall_at(F, T, K=(1, 2, 4, 8), measure="euclidean"):
    """Recall@K, the share of samples with one of their class among the K nearest: `Retrieved`.

    F: (n, d) features; T: (n,) labels; K: 1, 2, 4, 8, as for CUB and Cars (Products: 1, 10, 100); a
    K beyond the n - 1 others stands for all; measure: as for `most_similar`, "euclidean", the
    source's; on unit vectors "cosine" finds the same in half the time. A sample is left out of its
    own neighbours by its index, so that a copy of it counts. Of equally near ones the lower index
    comes first, up to rounding, as in `most_similar`.
    Raises ValueError for labels and features that do not fit or are not finite, a K below 1 or not
    whole, and if no class has two samples.
    Source: Oh Song et al., CVPR 2016, section 6.

    >>> F = np.array([[1.0, 0.0], [1.0, 0.1], [0.9, 0.2], [0.0, 1.0]])
    >>> recall_at(F, np.array([0, 1, 0, 2]), (1, 2))
    Retrieved(mean=array([0., 1.]), queries=2, alone=2)
    """
    K = np.atleast_1d(K)
    if not K.size or K.dtype.kind not in "iu" or not (K >= 1).all():
        raise ValueError(f"recall_at: K are whole numbers of neighbours, 1 or more, not {K}")
    asks = _asking("recall_at", F, T)
    n, T = len(F), np.asarray(T)
    first = np.full(n, n)  # rank of the nearest of its class, n: too far
    for part, index, _ in others_in_turn(F, min(K.max(), n - 1), measure):
        hits = T[index] == T[part, None]
        first[part] = np.where(hits.any(1), hits.argmax(1) + 1, n)
    found = first[asks, None] <= K
    return Retrieved(found.mean(0), int(asks.sum()), int((~asks).sum()))


def mean_average_precision(F, T, rule="rectangle", measure="euclidean"):
    """The mean of `average_precision` over samples that rank all others: `Retrieved`.

    F, T, measure, and how a sample is left out: as for `recall_at`; rule: as for
    `average_precision`. Time grows with n^2 (d + log n), memory does not.
    Raises ValueError as `recall_at` does, and for another rule.

    >>> F = np.array([[1.0, 0.0], [1.0, 0.1], [0.9, 0.2], [0.0, 1.0]])
    >>> mean_average_precision(F, np.array([0, 1, 0, 2]))
    Retrieved(mean=0.5, queries=2, alone=2)
    """
    _check_rule("mean_average_precision", rule)
    asks = _asking("mean_average_precision", F, T)
    T = np.asarray(T)
    values = [
        average_precision(hits, rule=rule)
        for part, index, _ in others_in_turn(F, len(F) - 1, measure)
        for hits, some in zip(T[index] == T[part, None], asks[part])
        if some
    ]
    return Retrieved(float(np.mean(values)), len(values), len(F) - len(values))


def ranked_precision(S, relevant, junk=None, rule="rectangle"):
    """The mean of `average_precision` over queries that rank samples by scores: `Retrieved`.

    S: (q, n) scores, the highest first, ties by the lower index, as diffusion gives them; relevant:
    (q, n) bool, what each query asks for; junk: (q, n) bool, what leaves its ranking, as the query
    itself where it is one of the samples; None: nothing; rule: as for `average_precision`. A query
    for which nothing is relevant, junk left out, does not ask.
    Raises ValueError for shapes that differ, scores that are not finite, another rule, and if no
    query asks.

    >>> S = np.array([[0.9, 0.5, 0.7], [0.2, 0.1, 0.3]])
    >>> ranked_precision(S, np.array([[0, 1, 0], [0, 1, 0]], bool), np.eye(2, 3, dtype=bool))
    Retrieved(mean=0.5, queries=1, alone=1)
    """
    _check_rule("ranked_precision", rule)
    hits, kept = _ranked("ranked_precision", S, relevant, junk)
    values = [average_precision(h, ~k, rule) for h, k in zip(hits, kept) if (h & k).any()]
    return Retrieved(float(np.mean(values)), len(values), len(hits) - len(values))


def ranked_recall(S, relevant, junk=None, K=(1, 2, 4, 8)):
    """The share of queries with something relevant among the K of highest score: `Retrieved`.

    S, relevant, junk, which queries ask, and what is raised: as for `ranked_precision`; K: as for
    `recall_at`.

    >>> S = np.array([[0.9, 0.5, 0.7], [0.2, 0.3, 0.1]])
    >>> ranked_recall(S, np.array([[0, 1, 0], [0, 1, 0]], bool), K=(1, 3)).mean
    array([0.5, 1. ])
    """
    K = np.atleast_1d(K)
    if not K.size or not (K >= 1).all():
        raise ValueError(f"ranked_recall: K are numbers of samples, 1 or more, not {K}")
    hits, kept = _ranked("ranked_recall", S, relevant, junk)
    asks = (hits & kept).any(1)
    rank = np.cumsum(kept, 1)  # junk takes no place
    first = np.where(hits & kept, rank, rank.shape[1] + 1).min(1)
    return Retrieved((first[asks, None] <= K).mean(0), int(asks.sum()), int((~asks).sum()))


def _ranked(name, S, relevant, junk):
    """What is relevant, and what is not junk, in the order of the scores: both (q, n)."""
    S, relevant = np.asarray(S), np.asarray(relevant, bool)
    kept = np.ones(S.shape, bool) if junk is None else ~np.asarray(junk, bool)
    if S.ndim != 2 or not S.shape == relevant.shape == kept.shape:
        raise ValueError(
            f"{name}: scores, relevant and junk are (q, n), "
            f"not {S.shape}, {relevant.shape} and {kept.shape}"
        )
    check_finite(name, S, "query")
    if not (relevant & kept).any():
        raise ValueError(f"{name}: nothing is relevant for any of {len(S)} queries")
    order = np.argsort(-S.astype(np.result_type(S, np.float32), copy=False), 1, kind="stable")
    return tuple(np.take_along_axis(a, order, 1) for a in (relevant, kept))


def average_precision(hits, junk=None, rule="rectangle"):
    """How early a ranking has its hits: from near 0, all last, to 1, all first.

    hits: (n,) bool, the most similar first; junk: (n,) bool, what is neither right nor wrong and
    leaves the ranking before anything is counted, as the query itself. With precision p_j = j / r_j
    at the rank r_j of hit j of m, rule is
      "rectangle"  mean of p_j (default: what most libraries compute);
      "trapezoid"  mean of (p_j + p'_j) / 2, p'_j = (j - 1) / (r_j - 1) just before the hit, 1 at
                   rank 1: that of the Oxford buildings and of all that is compared with them;
      "11-point"   mean over recalls 0, 0.1, ..., 1 of the largest p_j with j / m no smaller: that
                   of PASCAL VOC until 2009.
    Raises ValueError for another rule, for lengths that differ, and without any hit.
    Sources: Philbin et al., CVPR 2007, section 3.1; Everingham et al., IJCV 2010, section 4.2.

    >>> hits = np.array([1, 0, 1, 0, 0, 1], bool)
    >>> for rule in RULES:
    ...     print(f"{average_precision(hits, rule=rule):.6f}")
    0.722222
    0.677778
    0.727273
    """
    _check_rule("average_precision", rule)
    hits = np.asarray(hits, bool)
    if junk is not None:
        if np.shape(junk) != hits.shape:
            raise ValueError(
                f"average_precision: hits {hits.shape} and junk {np.shape(junk)} differ in length"
            )
        hits = hits[~np.asarray(junk, bool)]
    if not hits.any():
        raise ValueError(f"average_precision: none of {len(hits)} in the ranking is a hit")
    return float(RULES[rule](np.flatnonzero(hits) + 1, np.arange(1, hits.sum() + 1)).mean())


def _rectangle(r, j):
    return j / r


def _trapezoid(r, j):
    before = (j - 1) / np.maximum(r - 1, 1)
    before[r == 1] = 1
    return (before + j / r) / 2


def _eleven_points(r, j):
    best = np.maximum.accumulate((j / r)[::-1])[::-1]
    least = -(-np.arange(11) * len(j) // 10)  # the first j with 10 j / m >= 0, 1, ..., 10
    return best[np.maximum(least, 1) - 1]


RULES = {"rectangle": _rectangle, "trapezoid": _trapezoid, "11-point": _eleven_points}


def _check_rule(name, rule):
    if rule not in RULES:
        raise ValueError(f"{name}: rule is one of {', '.join(RULES)}, not {rule!r}")


def _asking(name, F, T):
    """Which samples share their class with another: (n,) bool."""
    check_labelled(name, F, T)
    _, T, counts = np.unique(T, return_inverse=True, return_counts=True)
    asks = counts[T] > 1
    if not asks.any():
        raise ValueError(f"{name}: no two of {len(F)} samples share a class: nothing can be found")
    return asks
