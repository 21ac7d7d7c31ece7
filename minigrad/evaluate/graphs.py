"""Ranking on a graph of neighbours: what a query's neighbours' neighbours are, it may be too.

    W = D^-1/2 A D^-1/2,  L = (I - alpha W) / (1 - alpha),  L x = y

A: affinities (n, n) of a `reciprocal_graph`, D its degrees on the diagonal, y where the query is,
x what is ranked: y smoothed along the edges, the same as h(W) y with the low-pass filter
h(w) = (1 - alpha) / (1 - alpha w).

>>> V = np.array([[1, 0], [0.8, 0.6], [0.3, 0.95], [-1, 0.1], [-1, -0.1]])
>>> W = symmetric_normalized(reciprocal_graph(V, k=2))
>>> diffuse(W, np.array([1.0, 0, 0, 0, 0]), alpha=0.9).round(3)  # those behind are not reached
array([0.312, 0.33 , 0.222, 0.   , 0.   ])

Images of several descriptors each: the graph is of all of them, an image's observation the sum of
those of its regions, `observed(regions, V).sum(1)`, and its score the sum of theirs
(`image_scores`).

Sources: Iscen et al., CVPR 2017 (diffusion); Iscen et al., CVPR 2018 (spectral); Katz,
Psychometrika 1953 (centrality).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..nodes import normalize
from .neighbours import check_finite, check_whole, in_turn, others_in_turn

ALPHA = 0.99
GAMMA = 3.0
SMALL = 500  # nodes: eigenvectors of fewer are found all at once
SHARE = 8  # so are those of which an eighth or more is asked for: an iteration takes longer


def reciprocal_graph(V: Any, k: int = 50, gamma: float = GAMMA) -> Any:
    """Affinities of those that are among each other's k nearest: (n, n), sparse and symmetric.

        A_ij = max(v_i . v_j, 0)^gamma / (|v_i| |v_j|)^gamma, if mutual and i is not j, else 0

    V: (n, d) descriptors; k: 50, each other one counted, oneself not; more than n - 1 are all;
    gamma: 3, so that weak similarities count little; 0: all that are above 0 count 1. One that is
    nobody's mutual neighbour, as a zero vector and what `normalize` makes one, is isolated: its row
    is 0.
    V may lie in a file (`np.memmap`), of which some 40,000 rows are read at a time. Memory: a few
    times those, and some 50 bytes for each of the n k neighbours.
    Raises ValueError for fewer than two descriptors, values that are not finite, k below 1 or not
    whole and gamma below 0.
    Source: Iscen et al., CVPR 2017; that the k leave oneself out is ours, their code loses one.

    >>> reciprocal_graph(np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), k=1).toarray().round(3)
    array([[0.   , 0.   , 0.   ],
           [0.   , 0.   , 0.512],
           [0.   , 0.512, 0.   ]])
    """
    from scipy.sparse import csr_array

    V = np.asarray(V)
    if V.ndim != 2 or len(V) < 2:
        raise ValueError(f"reciprocal_graph: descriptors are (n, d), n at least 2, not {V.shape}")
    check_edges("reciprocal_graph", V, k, gamma)
    n, k = len(V), min(k, len(V) - 1)
    whole = np.int32 if n * k < 1 << 31 else np.int64  # half the memory, where it holds
    index, weights = np.empty((n, k), whole), np.empty((n, k))
    for part, found, s in others_in_turn(V, k):
        index[part], weights[part] = found, _powers(s, gamma)
    rows = np.arange(0, n * k + 1, k).astype(whole)
    A = csr_array((weights.ravel(), index.ravel(), rows), (n, n))
    A = A.minimum(A.T)
    A.eliminate_zeros()
    return A


def check_edges(name, V, k, gamma):
    """Raise ValueError unless descriptors are finite, and k and gamma those of a graph."""
    check_whole(name, "k", k)
    if k < 1 or not 0 <= gamma < np.inf:
        raise ValueError(f"{name}: k is 1 or more and gamma 0 or more, not {k}, {gamma}")
    check_finite(name, V, "descriptor")


def symmetric_normalized(A: Any) -> Any:
    """W = D^-1/2 A D^-1/2, D_ii = sum_j A_ij; rows of isolated nodes stay 0.  A, W: (n, n).

    As symmetric as A, to the bit. Its eigenvalues are in [-1, 1]; each component that has edges has
    one of 1.
    Raises ValueError if A is not square, or not symmetric up to rounding, or an entry negative or
    not finite.

    >>> symmetric_normalized(np.array([[0, 4, 0], [4, 0, 0], [0, 0, 0]])).toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 0., 0.]])
    """
    from scipy.sparse import csr_array

    A = csr_array(A, dtype=np.float64)
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"symmetric_normalized: affinities are (n, n), not {A.shape}")
    if not ((A.data >= 0) & (A.data < np.inf)).all():
        raise ValueError(
            "symmetric_normalized: affinities are finite and not negative; "
            f"they go from {A.data.min()} to {A.data.max()}"
        )
    if A.nnz and abs(A - A.T).max() > 1e-6 * A.max():
        raise ValueError(
            "symmetric_normalized: affinities are symmetric, A_ij = A_ji; "
            f"these differ by up to {abs(A - A.T).max():.3g}"
        )
    degree = A.sum(1)
    least = np.finfo(float).tiny  # of what is smaller, products of scales overflow
    scale = 1 / np.sqrt(np.where(degree >= least, degree, np.inf))
    W, row = A.copy(), np.repeat(np.arange(len(degree)), np.diff(A.indptr))
    W.data *= scale[row] * scale[A.indices]  # a product that is the same for i, j and j, i
    return W


def laplacian(W: Any, alpha: float = ALPHA) -> Any:
    """L = (I - alpha W) / (1 - alpha), regularised: positive definite.  W, L: (n, n), sparse.

    alpha: in [0, 1), 0.99; 0: the identity; the nearer to 1, the further a query is smoothed, and
    the more steps a solver takes: the condition number is at most (1 + alpha) / (1 - alpha).
    Raises ValueError for another alpha: with 1, I - W has no inverse; and if W is not square or
    holds a value that is not finite.
    """
    from scipy.sparse import eye_array

    _check_alpha("laplacian", alpha)
    W = _graph("laplacian", W)
    return ((eye_array(W.shape[0]) - alpha * W) / (1 - alpha)).tocsr()


class Solved(NamedTuple):
    """x: like b; residuals: |b - A x| / |b| after each step, a list of numbers or (q,)."""

    x: Any
    residuals: list[Any]


def conjugate_gradient(A: Any, b: Any, tolerance: float = 1e-6, steps: int = 20) -> Solved:
    """x with A x = b, by steps of which each is optimal given all before: `Solved`.

    A: (n, n) symmetric and positive definite, whatever has A @ x; b: (n,), or (n, q) columns that
    are solved each by itself: where A is sparse, to the bit as if alone. It begins with x = 0 and
    ends with residuals of at most tolerance, 1e-6, or after so many steps, 20, those of the source;
    they are carried along from step to step, as is usual. b = 0 has x = 0.
    Raises ValueError if b is not finite, for a tolerance below 0, steps that are not a whole number
    from 1 on, and where a step finds that A is not positive definite.
    Source: Hestenes and Stiefel, 1952; Iscen et al., CVPR 2017.

    >>> conjugate_gradient(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([3.0, 3.0])).x
    array([1., 1.])
    """
    check_whole("conjugate_gradient", "steps", steps)
    if steps < 1 or not tolerance >= 0:
        raise ValueError(
            f"conjugate_gradient: steps are 1 or more, tolerance 0 or more, "
            f"not {steps} and {tolerance}"
        )
    b = np.asarray(b, np.float64)
    _check_rows("conjugate_gradient", b)
    _, power = np.frexp(np.abs(b).max(0, initial=0))
    b = np.ldexp(b, -power)  # exact: of the very small and large, squares are not 0 or infinite
    x, r = np.zeros_like(b), b.copy()
    p, rr = r.copy(), _squares(r, r)
    first, residuals = np.where(rr > 0, rr, 1), []
    least = max(tolerance, np.finfo(float).eps ** 2) ** 2 * first
    for _ in range(steps):
        going = rr > least
        if not going.any():
            break
        q = A @ p
        pq = _squares(p, q)
        if not (pq > 0)[going].all():
            raise ValueError("conjugate_gradient: A is not positive definite, as p . A p <= 0")
        a = np.divide(rr, pq, out=np.zeros_like(rr), where=going)
        x += a * p
        r -= a * q
        before, rr = rr, _squares(r, r)
        p = r + np.divide(rr, before, out=np.zeros_like(rr), where=going) * p
        residuals.append(np.sqrt(rr / first))
    return Solved(np.ldexp(x, power), residuals)


def _squares(a, b):
    """Products of columns: a number or (q,). A column's sum does not depend on the others."""
    return np.asarray(np.ascontiguousarray((a * b).T).sum(-1))


def diffuse(W: Any, y: Any, alpha: float = ALPHA, tolerance: float = 1e-6, steps: int = 20) -> Any:
    """x with L x = y, L the `laplacian` of W: how near to the query each node is, along the graph.

    W: (n, n) as by `symmetric_normalized`; y: (n,), 1 at the query's node, or as by `observed` for
    a query outside the graph; (n, q) for q queries; options: `conjugate_gradient`'s. An isolated
    node has x = (1 - alpha) y; what no path leads to has 0.
    Raises ValueError if y does not fit or is not finite, and as `laplacian` and
    `conjugate_gradient` do.
    """
    if np.ndim(y) not in (1, 2) or len(y) != W.shape[0]:
        raise ValueError(f"diffuse: y has a row for each of {W.shape[0]} nodes, not {np.shape(y)}")
    _check_rows("diffuse", np.asarray(y))
    return conjugate_gradient(laplacian(W, alpha), y, tolerance, steps).x


def truncated(
    A: Any,
    candidates: Any,
    y: Any,
    alpha: float = ALPHA,
    tolerance: float = 1e-6,
    steps: int = 20,
) -> Any:
    """Scores (q, m) of each query's m candidates, by diffusion among these alone.

    A: (n, n) affinities, normalised anew for each query's part of the graph; candidates: (q, m),
    as `most_similar` finds them first; y: (n, q) as by `observed`, of which the candidates' entries
    are used; options: as for `diffuse`. In time and memory that do not grow with n; who is no
    candidate keeps the place behind them.
    Raises ValueError as `diffuse` does, and if A or y does not fit or a candidate is no node.
    Source: Iscen et al., CVPR 2017.

    >>> A = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> truncated(A, np.array([[1, 2]]), np.array([[1.0], [0.0], [1.0]]), alpha=0.5)
    array([[0.33333333, 0.66666667]])
    """
    A, candidates, y = _graph("truncated", A), np.asarray(candidates), np.asarray(y)
    n = A.shape[0]
    if candidates.ndim != 2 or y.shape != (n, len(candidates)):
        raise ValueError(
            f"truncated: candidates are (q, m) and y ({n}, q), not {candidates.shape} and {y.shape}"
        )
    if candidates.size and candidates.dtype.kind not in "iu":
        raise ValueError(f"truncated: candidates are whole numbers, not {candidates.dtype}")
    if candidates.size and not 0 <= candidates.min() <= candidates.max() < n:
        raise ValueError(
            f"truncated: candidates are 0 to {n - 1}, not {candidates.min()} to {candidates.max()}"
        )
    X = np.empty(candidates.shape)
    for i, some in enumerate(candidates.astype(int, copy=False)):
        W = symmetric_normalized(A[some][:, some])
        X[i] = diffuse(W, y[some, i], alpha, tolerance, steps)
    return X


def katz(W: Any, alpha: float = ALPHA, tolerance: float = 1e-6, steps: int = 20) -> Any:
    """Centrality g with L g = 1: how much of all queries reaches each node.  W: (n, n), g: (n,).

    Where the textbook's solves (I - beta A) g = 1 on the adjacencies themselves, this one is of the
    normalised graph, as in the lecture. Options: as for `diffuse`. An isolated node has 1 - alpha.
    """
    return diffuse(W, np.ones(W.shape[0]), alpha, tolerance, steps)


def observed(Q: Any, V: Any, k: int = 10, gamma: float = GAMMA) -> Any:
    """Where queries outside the graph touch it: y (n, q), max(v_i . q, 0)^gamma of unit vectors.

    Q: (q, d); V: (n, d), the nodes; only the k nearest are touched, 10; all where there are fewer.
    A query of which all cosines are 0 or less touches nothing: its y is 0, and so is its ranking.
    Raises ValueError as `most_similar` does, and for gamma below 0.
    Source: Iscen et al., CVPR 2017, and their code.

    >>> observed(np.array([[3.0, 4.0]]), np.eye(2), k=1)
    array([[0.   ],
           [0.512]])
    """
    if not 0 <= gamma < np.inf:
        raise ValueError(f"observed: gamma is 0 or more, not {gamma}")
    Q, V = _checked("observed", Q, V, k)
    y = np.zeros((len(V), len(Q)))
    for part, index, s in in_turn(Q, V, min(k, len(V))):
        queries = np.arange(len(Q))[part, None]
        y[index, queries] = _powers(s, gamma)
    return y


def expanded(Q: Any, V: Any, k: int = 10, power: float = 0.0) -> Any:
    """Queries moved to what they find: Z = S / |S|, S = q + sum_i s_i^power v_i, all unit vectors.

    Q: (q, d); V: (n, d); over the k most similar, 10, with their cosines s_i, negative ones left
    out; power: 0, average query expansion; above (3 in its source), alpha query expansion, in which
    far ones count less. A query that is one of V finds itself first, and counts twice. One that
    finds nothing above 0 stays, as a unit vector.
    Raises ValueError as `most_similar` does, and for a power below 0.
    Sources: Chum et al., ICCV 2007; Radenovic, Tolias and Chum, TPAMI 2019 (alpha).

    >>> expanded(np.array([[1.0, 0.0]]), np.array([[0.6, 0.8], [-1.0, 0.0]]), k=1).round(4)
    array([[0.8944, 0.4472]])
    """
    from scipy.sparse import csr_array

    if not 0 <= power < np.inf:
        raise ValueError(f"expanded: power is 0 or more, not {power}")
    Q, V = (normalize(X) for X in _checked("expanded", Q, V, k))
    k = min(k, len(V))
    S = Q.copy()
    for part, index, s in in_turn(Q, V, k):
        weights = _powers(s, power).astype(V.dtype).ravel()
        S[part] += (
            csr_array(
                (weights, index.ravel(), np.arange(0, index.size + 1, k)), (len(index), len(V))
            )
            @ V
        )
    return normalize(S)


def region_weights(V: Any, image: Any) -> Any:
    """Weights that let regions count alike in their image: w = (G + I)^-1 1, G_ij = v_i . v_j.

    V: (n, d) descriptors of regions; image: (n,) whole numbers, which image each is of; w: (n,),
    computed image by image: generalised max pooling. Of r copies each counts 1 / (r + 1), of
    orthogonal unit vectors each 1/2.
    Raises ValueError for shapes that do not fit, and values that are not finite.
    Source: Murray and Perronnin, CVPR 2014; Iscen et al., CVPR 2017.

    >>> region_weights(np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]), np.array([0, 0, 0, 1]))
    array([0.33333333, 0.33333333, 0.5       , 0.5       ])
    """
    V, image = np.asarray(V), np.asarray(image)
    if V.ndim != 2 or image.shape != (len(V),):
        raise ValueError(
            f"region_weights: descriptors are (n, d) and images (n,), "
            f"not {V.shape} and {image.shape}"
        )
    check_finite("region_weights", V, "descriptor")
    order = np.argsort(image, kind="stable")
    w = np.empty(len(V))
    for some in np.split(order, np.flatnonzero(np.diff(image[order])) + 1):
        F = V[some].astype(np.float64)
        w[some] = np.linalg.solve(F @ F.T + np.eye(len(F)), np.ones(len(F)))
    return w


def image_scores(x: Any, image: Any, n: int, weights: Any = None) -> Any:
    """Scores of images, the sum of their regions': s_j = sum over i in image j of w_i x_i.

    x: (r,) of regions, or (r, q) of q queries; image: (r,) whole numbers from 0 to n - 1, which
    image each is of; weights: (r,), as `region_weights` gives them; None: all 1. An image without
    regions has 0. Returns (n,) or (n, q).
    Raises ValueError for shapes that do not fit, images that are not there, and scores or weights
    that are not finite.
    Source: Iscen et al., CVPR 2017.

    >>> image_scores(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), 3)
    array([5., 0., 2.])
    """
    from scipy.sparse import csr_array

    x, image = np.asarray(x), np.asarray(image)
    weights = np.ones(len(x)) if weights is None else np.asarray(weights)
    if x.ndim not in (1, 2) or not x.shape[:1] == image.shape == weights.shape:
        raise ValueError(
            "image_scores: scores, images and weights are of the same regions, "
            f"not {x.shape}, {image.shape} and {weights.shape}"
        )
    if len(image) and not 0 <= image.min() <= image.max() < n:
        raise ValueError(
            f"image_scores: images are 0 to {n - 1}, not {image.min()} to {image.max()}"
        )
    if image.dtype.kind not in "iu" and len(image):
        raise ValueError(f"image_scores: images are whole numbers, not {image.dtype}")
    _check_rows("image_scores", x)
    _check_rows("image_scores", weights, "weight")
    return csr_array((weights, (image, np.arange(len(x)))), (n, len(x))) @ x


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

    W: (n, n), symmetric up to rounding; rank: 1 to n. Largest by sign, not by size: a low-pass
    filter keeps these. Each component of the graph is decomposed by itself, and of all the largest
    are kept: each has an eigenvalue 1, and an iteration on the whole misses most of those that are
    equal.
    Deterministic: the iteration starts from a fixed vector; the sign of a vector means nothing.
    Raises ValueError for another rank or W, and if W holds a value that is not finite.
    Source: Iscen et al., CVPR 2018.

    >>> spectrum(np.array([[0.0, 1.0], [1.0, 0.0]]), rank=2).w
    array([ 1., -1.])
    """
    from scipy.sparse.csgraph import connected_components

    W = _graph("spectrum", W)
    if W.nnz and abs(W - W.T).max() > 1e-6 * abs(W).max():
        raise ValueError(
            f"spectrum: W is symmetric, W_ij = W_ji; these differ by up to {abs(W - W.T).max():.3g}"
        )
    n = W.shape[0]
    check_whole("spectrum", "rank", rank)
    if not 1 <= rank <= n:
        raise ValueError(f"spectrum: rank is 1 to {n} for {n} nodes, not {rank}")
    _, component = connected_components(W, directed=False)
    order = np.argsort(component, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    alone = np.array([nodes[0] for nodes in parts if len(nodes) == 1], int)
    found, where = [W.diagonal()[alone]], [(nodes, np.ones(1)) for nodes in alone[:, None]]
    for nodes in parts:
        if len(nodes) > 1:
            values, vectors = _largest(W[nodes][:, nodes], min(rank, len(nodes)))
            found.append(values)
            where += [(nodes, u) for u in vectors.T]
    w = np.concatenate(found)
    best = np.argsort(-w, kind="stable")[:rank]
    U = np.zeros((n, rank))
    for column, i in enumerate(best):
        nodes, u = where[i]
        U[nodes, column] = u
    return Spectrum(w[best], U)


def _largest(W, rank):
    """The largest eigenvalues of a connected graph and their vectors (n, rank), in any order."""
    from scipy.sparse.linalg import eigsh

    n = W.shape[0]
    if n <= SMALL or SHARE * rank >= n:
        w, U = np.linalg.eigh(W.toarray())
        return w[-rank:], U[:, -rank:]
    start = np.random.default_rng(0).uniform(0.5, 1.5, n)
    return eigsh(W, rank, which="LA", v0=start)


def _powers(s, gamma):
    """s^gamma of what is above 0, and 0, though 0^0 is 1, of the rest."""
    return np.where(s > 0, np.maximum(s, 0, dtype=np.float64) ** gamma, 0)


def _checked(name, Q, V, k):
    """Queries and samples as float arrays, finite ones; k is whole."""
    check_whole(name, "k", k)
    Q, V = np.asarray(Q), np.asarray(V)
    if Q.ndim != 2 or V.ndim != 2 or Q.shape[1] != V.shape[1] or not len(V):
        raise ValueError(
            f"{name}: queries are (q, d) and nodes (n, d), one or more, not {Q.shape} and {V.shape}"
        )
    check_finite(name, Q, "query")
    check_finite(name, V, "node")
    dtype = np.result_type(Q, V, np.float32)
    return Q.astype(dtype, copy=False), V.astype(dtype, copy=False)


def _graph(name, W):
    """A graph as a sparse array: square, and finite."""
    from scipy.sparse import csr_array

    W = csr_array(W, dtype=np.float64)
    if W.ndim != 2 or W.shape[0] != W.shape[1]:
        raise ValueError(f"{name}: a graph is (n, n), not {W.shape}")
    if not np.isfinite(W.data).all():
        raise ValueError(f"{name}: the graph holds a value that is not finite")
    return W


def _check_rows(name, y, what="row"):
    """Raise ValueError that names the first entry (n,) or row (n, q) that is not finite."""
    check_finite(name, y if y.ndim == 2 else y[:, None], what)


def _check_alpha(name, alpha):
    if not 0 <= alpha < 1:
        raise ValueError(f"{name}: alpha is in [0, 1), as I - W has no inverse; got {alpha}")
