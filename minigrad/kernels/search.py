"""The largest products of many vectors with many others, exactly, without sorting them all.

>>> index, products = largest_products(np.array([[1.0, 2.0]]), np.eye(2).repeat(2, 0), 3)
>>> index, products
(array([[2, 3, 0]]), array([[2., 2., 1.]]))
"""

from typing import Any

import numpy as np

from .memory import empty
from .parallel import each

ROWS = 64  # of Q at a time: fewer make the matrix product slow, more take memory
GROUPS = 4  # for each of the k: fewer leave more candidates, more take longer to order


def largest_products(Q: Any, F: Any, k: int) -> tuple[Any, Any]:
    """For each row of Q the k rows of F with the largest products, largest first: index, products.

    Q: (q, d); F: (n, d), of the same float dtype, finite; k: 1 to n; both results (q, k). Ties: the
    lower index first.

    The products of a query are split into groups. The k-th largest of the groups' maxima is reached
    by k products at least: what is smaller is out, and a few more than k candidates are left to be
    ordered. Memory: a copy of F, and for each thread 64 rows of n products.

    How a matrix product rounds depends on where a row stands and who shares the work. So it only
    finds the candidates, with a margin for its rounding; their products are computed again, each
    alone and in the same order: those of equal rows are equal.
    """
    n, d = F.shape
    size = n // (GROUPS * k) or 1
    groups = -(-n // size)
    FT = np.ascontiguousarray(F.T)
    length = np.sqrt(np.einsum("nd,nd->n", F, F).max())
    # two sums of d products that are rounded otherwise differ by at most d eps |q| |f|
    margins = 4 * d * np.finfo(F.dtype).eps * length * np.sqrt(np.einsum("qd,qd->q", Q, Q))
    index, products = np.empty((len(Q), k), np.intp), np.empty((len(Q), k), F.dtype)

    def some(first):
        rows = Q[first : first + ROWS]
        S = empty((len(rows), size * groups), F.dtype)  # group g: columns g, g + groups, ...
        np.matmul(rows, FT, out=S[:, :n])
        S[:, n:] = -np.inf
        maxima = S.reshape(-1, size, groups).max(1)
        bounds = np.partition(maxima, groups - k, axis=1)[:, groups - k]
        near = empty((2 * k, d), F.dtype)
        for i in range(len(rows)):
            q = first + i
            candidates = np.flatnonzero(S[i, :n] >= bounds[i] - margins[q])
            room = near[: len(candidates)] if len(candidates) <= len(near) else None
            P = np.einsum("nd,d->n", F.take(candidates, 0, out=room, mode="clip"), rows[i])
            best = np.argsort(-P, kind="stable")[:k]
            index[q], products[q] = candidates[best], P[best]

    each(some, range(0, len(Q), ROWS))
    return index, products
