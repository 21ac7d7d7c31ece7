"""Nearest neighbours: within one set in plain code, and of many queries in a large set."""

import numpy as np

from ..kernels.search import largest_products
from ..nodes import normalize

ENTRIES = 1 << 21  # neighbours that stand in memory at once, of all queries of a turn
BLOCK = 1 << 15  # samples that are searched at once: more take memory, half of it 10 % more time


def nearest(F, queries, k):
    """The k samples most like each query by cosine, most like first, the query left out: (q, k).

    F: (n, d) features; queries: (q,) indices into F; k below n. Ties: the lower index first. All
    similarities stand in memory at once: for many queries take `most_similar`.
    Raises ValueError for another k, and for features that are not finite.

    >>> nearest(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]), np.array([0]), 2)
    array([[1, 2]])
    """
    check_whole("nearest", "k", k)
    if not 1 <= k < len(F):
        raise ValueError(f"nearest: k is 1 to {len(F) - 1} for {len(F)} samples, not {k}")
    check_finite("nearest", F)
    F = normalize(F)
    S = (F[queries] @ F.T).round(6 if F.dtype == np.float32 else 12)  # equal rows are ties
    S[np.arange(len(queries)), queries] = -np.inf
    return np.argsort(-S, axis=1, kind="stable")[:, :k]


def most_similar(Q, F, k, measure="cosine"):
    """The k samples most similar to each query, most similar first: index, similarity, both (q, k).

    Q: (q, d) queries; F: (n, d) samples; k: 1 to n; measure: "cosine" (default; that of a zero
    vector is 0), "product", or "euclidean", the distance with a minus, in float64. Exact up to
    rounding in the features' dtype. Ties: the lower index first; copies always tie, as do equal
    distances of whole numbers; rounding may part others. Threads as set by `threads` share the
    queries, 64 at a time; results depend neither on their number nor on how queries are divided
    among calls. Memory: two copies of F, one for "product", and 64 n similarities for each thread.
    Raises ValueError for another k or measure, for features that do not match or are not finite.

    >>> F = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> index, similarity = most_similar(np.array([[2.0, 0.0]]), F, 2)
    >>> index, similarity.round(3)
    (array([[0, 1]]), array([[1.   , 0.995]]))
    """
    if np.ndim(Q) != 2 or np.ndim(F) != 2 or Q.shape[1] != F.shape[1]:
        raise ValueError(
            f"most_similar: queries are (q, d) and samples (n, d), "
            f"not {np.shape(Q)} and {np.shape(F)}"
        )
    check_whole("most_similar", "k", k)
    if not 1 <= k <= len(F):
        raise ValueError(f"most_similar: k is 1 to {len(F)} for {len(F)} samples, not {k}")
    if measure not in ("cosine", "product", "euclidean"):
        raise ValueError(
            f'most_similar: measure is "cosine", "product" or "euclidean", not {measure!r}'
        )
    check_finite("most_similar", Q, "query")
    check_finite("most_similar", F)
    kind = np.result_type(Q, F, np.float64 if measure == "euclidean" else np.float32)
    Q, F = Q.astype(kind, copy=False), F.astype(kind, copy=False)
    if measure == "cosine":
        Q, F = normalize(Q), normalize(F)
    if measure == "euclidean":
        return _least_distances(Q, F, k)
    return largest_products(Q, F, k)


def _least_distances(Q, F, k):
    """By |q - f|^2 = |q|^2 - 2 (q f - |f|^2 / 2): the least has the largest product of [q, 1]."""
    Q, F = Q - F[0], F - F[0]  # less is cancelled; unlike a mean, it leaves whole numbers whole
    index, P = largest_products(
        np.column_stack([Q, np.ones(len(Q))]), np.column_stack([F, -(F * F).sum(1) / 2]), k
    )
    return index, -np.sqrt(np.maximum((Q * Q).sum(1, keepdims=True) - 2 * P, 0))


def in_turn(Q, F, k, measure="cosine"):
    """`most_similar` for so many queries at a time that memory stays small for any number and k.

    Yields the slice of the queries, their index and their similarity. But for "euclidean", samples
    are searched a block at a time, with the same result, so that F may lie in a file.
    """
    step = max(1, ENTRIES // max(k, 1))
    size = len(F) if measure == "euclidean" else BLOCK  # its rounding depends on the first sample
    for first in range(0, len(Q), step):
        part = slice(first, first + step)
        found = most_similar(Q[part], F[:size], min(k, size), measure)
        for start in range(size, len(F), size):
            block = F[start : start + size]
            index, similarity = most_similar(Q[part], block, min(k, len(block)), measure)
            found = _best(found, (index + start, similarity), k)
        yield part, *found


def _best(a, b, k):
    """The k most similar of two results, ties as they stand."""
    index, similarity = (np.concatenate(both, 1) for both in zip(a, b))
    order = np.argsort(-similarity, 1, kind="stable")[:, :k]
    return np.take_along_axis(index, order, 1), np.take_along_axis(similarity, order, 1)


def others_in_turn(F, k, measure="cosine"):
    """`in_turn` with all samples as queries, each of them left out by its index; k below n."""
    for part, index, similarity in in_turn(F, F, k + 1, measure):
        left = index != np.arange(len(F))[part, None]
        left[left.all(1), -1] = False  # behind that many copies it is not found itself
        yield part, index[left].reshape(-1, k), similarity[left].reshape(-1, k)


def check_labelled(name, F, T):
    """Raise ValueError, in the name of a function, unless features and labels are fit to judge."""
    if np.ndim(F) != 2 or not len(F) or np.shape(T) != (len(F),):
        raise ValueError(
            f"{name}: features are (n, d), of one sample at least, and labels (n,), "
            f"not {np.shape(F)} and {np.shape(T)}"
        )
    check_finite(name, F)


def check_whole(name, what, n):
    """Raise ValueError, in the name of a function, unless n is a whole number."""
    if not isinstance(n, (int, np.integer)):
        raise ValueError(f"{name}: {what} is a whole number, not {n!r}")


def check_finite(name, F, what="sample"):
    """Raise ValueError that names the first row with a value that is not finite."""
    finite = np.isfinite(F).all(1)
    if not finite.all():
        raise ValueError(
            f"{name}: {what} {np.argmin(finite)} of {len(F)} holds a value that is not finite"
        )
