"""Arguments at which both losses are checked; the numbers are others when it is graded."""

import numpy as np

SHAPES = ((5, 3), (4, 4))  # of A: (N, K)


def labels(rng, N, K):
    """Every class once, then classes at random."""
    return rng.permutation(np.concatenate([np.arange(K), rng.integers(K, size=N)])[:N])


def rows(rng, N, K):
    """Targets that sum to 1 in every row; some are 0."""
    T = rng.uniform(0.2, 1, (N, K)) * (np.arange(K) != labels(rng, N, K)[:, None])
    return T / T.sum(1, keepdims=True)


def entropy_inputs(rng):
    for N, K in SHAPES:
        yield rng.normal(size=(N, K)), labels(rng, N, K)


def soft_entropy_inputs(rng):
    for N, K in SHAPES:
        yield rng.normal(size=(N, K)), rows(rng, N, K)


def hard(rng, targets):
    """Large activations, at which exp overflows, and classes with probability 0."""
    A = rng.normal(size=(3, 4))
    yield "activations near 1000", (A + 1000, targets(rng, 3, 4))
    yield "rows 1000 apart", (A + [[1000], [0], [-1000]], targets(rng, 3, 4))
    yield "classes 1000 apart", (A + [[0, 1000, 0, 0]], targets(rng, 3, 4))
    yield "a batch of one", (A[:1], targets(rng, 1, 4))


def entropy_edges(rng):
    return hard(rng, lambda rng, N, K: np.array([0, 1, 3])[:N])


def soft_entropy_edges(rng):
    return hard(rng, rows)
