"""Nearest neighbours: within one set in plain code, and of many queries in a large set."""

import numpy as np

from ..kernels.search import largest_products
from ..nodes import normalize


def nearest(F, queries, k):
    """The k samples most like each query by cosine, most like first, the query left out: (q, k).

    F: (n, d) features; queries: (q,) indices into F; k below n. Ties: the lower index first. All
    similarities stand in memory at once: for many queries take `most_similar`.
    Raises ValueError if k is too large.

    >>> nearest(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]), np.array([0]), 2)
    array([[1, 2]])
    """
    if not 1 <= k < len(F):
        raise ValueError(f"nearest: k is 1 to {len(F) - 1} for {len(F)} samples, not {k}")
    F = normalize(F)
    S = (F[queries] @ F.T).round(6 if F.dtype == np.float32 else 12)  # equal rows are ties
    S[np.arange(len(queries)), queries] = -np.inf
    return np.argsort(-S, axis=1, kind="stable")[:, :k]


def most_similar(Q, F, k, measure="cosine"):
    """The k samples most similar to each query, most similar first: index, similarity, both (q, k).

    Q: (q, d) queries; F: (n, d) samples; k: 1 to n; measure: "cosine" (default; that of a zero
    vector is 0) or "product". Exact up to rounding in the features' dtype; ties: the lower index
    first. Threads as set by `threads` share the queries, 64 at a time; results depend neither on
    their number nor on how queries are divided among calls. Memory: two copies of F, one for
    "product", and 64 n similarities for each thread.
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
    if not 1 <= k <= len(F):
        raise ValueError(f"most_similar: k is 1 to {len(F)} for {len(F)} samples, not {k}")
    if measure not in ("cosine", "product"):
        raise ValueError(f'most_similar: measure is "cosine" or "product", not {measure!r}')
    for name, X in (("query", Q), ("sample", F)):
        finite = np.isfinite(X).all(1)
        if not finite.all():
            raise ValueError(
                f"most_similar: {name} {np.argmin(finite)} of {len(X)} "
                "holds a value that is not finite"
            )
    kind = np.result_type(Q, F, np.float32)
    Q, F = Q.astype(kind, copy=False), F.astype(kind, copy=False)
    if measure == "cosine":
        Q, F = normalize(Q), normalize(F)
    return largest_products(Q, F, k)
