"""Ranking on a graph of neighbours: what a query's neighbours' neighbours are, it may be too.

    W = D^-1/2 A D^-1/2,  L = (I - alpha W) / (1 - alpha),  L x = y

A: affinities (n, n) of a `reciprocal_graph`, D its degrees on the diagonal, y where the query is,
x what is ranked: y smoothed along the edges, the same as h(W) y with the low-pass filter
h(w) = (1 - alpha) / (1 - alpha w).

>>> V = np.array([[1, 0], [0.8, 0.6], [0.3, 0.95], [-1, 0.1], [-1, -0.1]])
>>> W = symmetric_normalized(reciprocal_graph(V, k=2))
>>> diffuse(W, np.array([1.0, 0, 0, 0, 0]), alpha=0.9).round(3)  # those behind are not reached
array([0.312, 0.33 , 0.222, 0.   , 0.   ])

Sources: Iscen et al., CVPR 2017 (diffusion); Iscen et al., CVPR 2018 (spectral); Katz,
Psychometrika 1953 (centrality).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..nodes import normalize
from .neighbours import check_finite, in_turn, others_in_turn

ALPHA = 0.99
GAMMA = 3.0


def reciprocal_graph(V: Any, k: int = 50, gamma: float = GAMMA) -> Any:
    """Affinities of those that are among each other's k nearest: (n, n), sparse and symmetric.

        A_ij = max(v_i . v_j, 0)^gamma / (|v_i| |v_j|)^gamma, if mutual and i is not j, else 0

    V: (n, d) descriptors; k: 50, each other one counted, oneself not; more than n - 1 are all;
    gamma: 3, so that weak similarities count little; 0: all that are
    above 0 count 1. One that is nobody's mutual neighbour, as a
    zero vector, is isolated: its row is 0. Neighbours are found as by `most_similar`, some at a
    time: V may lie in a file (`np.memmap`).
    Raises ValueError for fewer than two descriptors, values that are not finite, k below 1 and
    gamma below 0.
    Source: Iscen et al., CVPR 2017, section 3.1; that the k leave oneself out is ours, their code
    loses one by it.

    >>> reciprocal_graph(np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), k=1).toarray().round(3)
    array([[0.   , 0.   , 0.   ],
           [0.   , 0.   , 0.512],
           [0.   , 0.512, 0.   ]])
    """
    from scipy.sparse import csr_array

    if np.ndim(V) != 2 or len(V) < 2:
        raise ValueError(
            f"reciprocal_graph: descriptors are (n, d), n at least 2, not {np.shape(V)}"
        )
    if k < 1 or not gamma >= 0:
        raise ValueError(f"reciprocal_graph: k is 1 or more and gamma 0 or more, not {k}, {gamma}")
    n, k = len(V), min(k, len(V) - 1)
    index, weights = np.empty((n, k), np.int32), np.empty((n, k))
    for part, found, s in others_in_turn(V, k):
        index[part], weights[part] = found, _powers(s, gamma)
    A = csr_array((weights.ravel(), index.ravel(), np.arange(0, n * k + 1, k)), (n, n))
    A = A.minimum(A.T)
    A.eliminate_zeros()
    return A


def symmetric_normalized(A: Any) -> Any:
    """W = D^-1/2 A D^-1/2, D_ii = sum_j A_ij; rows of isolated nodes stay 0.  A, W: (n, n).

    Its eigenvalues are in [-1, 1]. Diffusion is truncated to a subset of the nodes by their own
    normalisation, that of A[subset][:, subset].
    Raises ValueError if A is not square, or an entry negative or not finite.
    """
    from scipy.sparse import csr_array, diags_array

    A = csr_array(A, dtype=np.float64)
    if A.shape[0] != A.shape[1] or not (A.data >= 0).all() or not np.isfinite(A.data).all():
        raise ValueError(
            f"symmetric_normalized: affinities are (n, n), finite and not negative; got {A.shape}, "
            f"from {A.min()} to {A.max()}"
        )
    degree = A.sum(1)
    D = diags_array(1 / np.sqrt(np.where(degree > 0, degree, np.inf)))
    return (D @ A @ D).tocsr()


def laplacian(W: Any, alpha: float = ALPHA) -> Any:
    """L = (I - alpha W) / (1 - alpha), regularised: positive definite.  W, L: (n, n), sparse.

    alpha: in [0, 1), 0.99; 0: the identity; the nearer to 1, the further a query is smoothed, and
    the more steps a solver takes: the condition number is at most (1 + alpha) / (1 - alpha).
    Raises ValueError for another alpha: with 1, I - W has no inverse.
    """
    from scipy.sparse import eye_array

    _check_alpha("laplacian", alpha)
    return ((eye_array(W.shape[0]) - alpha * W) / (1 - alpha)).tocsr()


class Solved(NamedTuple):
    """x: like b; residuals: |b - A x| / |b| after each step, a list of numbers or (q,)."""

    x: Any
    residuals: list[Any]


def conjugate_gradient(A: Any, b: Any, tolerance: float = 1e-6, steps: int = 20) -> Solved:
    """x with A x = b, by steps of which each is optimal given all before: `Solved`.

    A: (n, n) symmetric and positive definite, whatever has A @ x; b: (n,), or (n, q) columns that
    are solved each by itself. It begins with x = 0 and ends with residuals of at most tolerance,
    1e-6, or after so many steps, 20, those of the source. b = 0 has x = 0.
    Source: Hestenes and Stiefel, 1952; Iscen et al., CVPR 2017, section 4.1.

    >>> conjugate_gradient(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([3.0, 3.0])).x
    array([1., 1.])
    """
    b = np.asarray(b, np.float64)
    x, r = np.zeros_like(b), b.copy()
    p, rr = r.copy(), (r * r).sum(0)
    first, residuals = np.where(rr > 0, rr, 1), []
    for _ in range(steps):
        going = rr > tolerance**2 * first
        if not going.any():
            break
        q = A @ p
        a = np.divide(rr, (p * q).sum(0), out=np.zeros_like(rr), where=going)
        x += a * p
        r -= a * q
        before, rr = rr, (r * r).sum(0)
        p = r + np.divide(rr, before, out=np.zeros_like(rr), where=going) * p
        residuals.append(np.sqrt(rr / first))
    return Solved(x, residuals)


def diffuse(W: Any, y: Any, alpha: float = ALPHA, tolerance: float = 1e-6, steps: int = 20) -> Any:
    """x with L x = y, L the `laplacian` of W: how near to the query each node is, along the graph.

    W: (n, n) as by `symmetric_normalized`; y: (n,), 1 at the query's node, or as by `observed` for
    a query outside the graph; (n, q) for q queries; options: `conjugate_gradient`'s. An isolated
    node has x = (1 - alpha) y.
    Raises ValueError if y does not fit or is not finite, and as `laplacian` does.
    """
    if len(y) != W.shape[0]:
        raise ValueError(f"diffuse: y has a row for each of {W.shape[0]} nodes, not {np.shape(y)}")
    check_finite("diffuse", np.reshape(y, (len(y), -1)), "row")
    return conjugate_gradient(laplacian(W, alpha), y, tolerance, steps).x


def katz(W: Any, alpha: float = ALPHA, tolerance: float = 1e-6, steps: int = 20) -> Any:
    """Centrality g with L g = 1: how much of all queries reaches each node.  W: (n, n), g: (n,).

    Where the textbook's solves (I - beta A) g = 1 on the adjacencies themselves, this one is of the
    normalised graph, as in the lecture. Options: as for `diffuse`.
    """
    return diffuse(W, np.ones(W.shape[0]), alpha, tolerance, steps)


def observed(Q: Any, V: Any, k: int = 10, gamma: float = GAMMA) -> Any:
    """Where queries outside the graph touch it: y (n, q), max(v_i . q, 0)^gamma of unit vectors.

    Q: (q, d); V: (n, d), the nodes; only the k nearest are touched, 10; all where there are fewer.
    Raises ValueError as `most_similar` does.
    Source: Iscen et al., CVPR 2017, section 3.3 and their code.

    >>> observed(np.array([[3.0, 4.0]]), np.eye(2), k=1)
    array([[0.   ],
           [0.512]])
    """
    y = np.zeros((len(V), len(Q)))
    for part, index, s in in_turn(Q, V, min(k, len(V))):
        queries = np.arange(len(Q))[part, None]
        y[index, queries] = _powers(s, gamma)
    return y


def expanded(Q: Any, V: Any, k: int = 10, power: float = 0.0) -> Any:
    """Queries moved to what they find: Z = S / |S|, S = q + sum_i s_i^power v_i, all unit vectors.

    Q: (q, d); V: (n, d); over the k most similar, 10, with their cosines s_i, negative ones left
    out; power: 0, average query expansion; above (3 in its source), alpha query expansion, in which
    far ones count less. Raises ValueError as `most_similar` does, and for a power below 0.
    Sources: Chum et al., ICCV 2007; Radenovic, Tolias and Chum, TPAMI 2019, section 3.3 (alpha).

    >>> expanded(np.array([[1.0, 0.0]]), np.array([[0.6, 0.8], [-1.0, 0.0]]), k=1).round(4)
    array([[0.8944, 0.4472]])
    """
    if power < 0:
        raise ValueError(f"expanded: power is 0 or more, not {power}")
    Q, V = normalize(np.asarray(Q)), np.asarray(V)
    S = Q.copy()
    for part, index, s in in_turn(Q, V, min(k, len(V))):
        S[part] += np.einsum("qk,qkd->qd", _powers(s, power), normalize(V[index], 2))
    return normalize(S)


class Spectrum(NamedTuple):
    """The part of W that its largest eigenvalues make: W is about U diag(w) U^T.

    w: (r,), largest first; U: (n, r), a column each.
    """

    w: Any
    U: Any

    def filtered(self, h: Callable[[Any], Any], y: Any) -> Any:
        """U h(w) U^T y, about h(W) y.  h: of eigenvalues, as from `low_pass`; y: (n,) or (n, q)."""
        return self.U @ (h(self.w) * (self.U.T @ y).T).T

    def embedded(self, h: Callable[[Any], Any]) -> Any:
        """(n, r) vectors whose products are U h(w) U^T: ranking is a search for large products.

        Raises ValueError if h is negative somewhere.
        """
        values = h(self.w)
        if not (values >= 0).all():
            raise ValueError(
                f"Spectrum: a filter with products is not negative, not {values.min()}"
            )
        return self.U * np.sqrt(values)


def low_pass(alpha: float = ALPHA) -> Callable[[Any], Any]:
    """h(w) = (1 - alpha) / (1 - alpha w), the transfer function of `diffuse`: 1 at 1, less below.

    Raises ValueError unless alpha is in [0, 1).

    >>> low_pass(0.5)(np.array([1.0, 0.0, -1.0])).round(4)
    array([1.    , 0.5   , 0.3333])
    """
    _check_alpha("low_pass", alpha)
    return lambda w: (1 - alpha) / (1 - alpha * w)


def spectrum(W: Any, rank: int) -> Spectrum:
    """The largest eigenvalues of a graph, and their vectors: a `Spectrum`.

    W: (n, n) symmetric; rank: 1 to n. Largest by sign, not by size: a low-pass filter keeps these.
    Deterministic: the iteration starts from a fixed vector; the sign of a vector means nothing.
    Raises ValueError for another rank.
    Source: Iscen et al., CVPR 2018, section 4.

    >>> spectrum(np.array([[0.0, 1.0], [1.0, 0.0]]), rank=2).w
    array([ 1., -1.])
    """
    from scipy.sparse.linalg import eigsh

    n = W.shape[0]
    if not 1 <= rank <= n:
        raise ValueError(f"spectrum: rank is 1 to {n} for {n} nodes, not {rank}")
    if 2 * rank >= n:  # an iteration for half of them and more takes longer than all at once
        dense = W if isinstance(W, np.ndarray) else W.toarray()
        w, U = np.linalg.eigh(dense)
    else:
        start = np.random.default_rng(0).uniform(0.5, 1.5, n)
        w, U = eigsh(W, rank, which="LA", v0=start)
    order = np.argsort(-w, kind="stable")[:rank]
    return Spectrum(w[order], U[:, order])


def _powers(s, gamma):
    """s^gamma of what is above 0, and 0, though 0^0 is 1, of the rest."""
    return np.where(s > 0, np.maximum(s, 0, dtype=np.float64) ** gamma, 0)


def _check_alpha(name, alpha):
    if not 0 <= alpha < 1:
        raise ValueError(f"{name}: alpha is in [0, 1), as I - W has no inverse; got {alpha}")
