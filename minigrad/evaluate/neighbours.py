"""Nearest neighbours by cosine."""

import numpy as np

from ..nodes import normalize


def nearest(F, queries, k):
    """The k samples most like each query by cosine, most like first, the query left out: (q, k).

    F: (n, d) features; queries: (q,) indices into F; k below n. Ties: the lower index first.
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
