"""What `contrastive` and `triplet` are tried on: points at given distances from each other."""

import numpy as np


def contrastive_inputs(rng):
    """(F, G, t, margin): t = 1 for similar pairs; of the others some are nearer than the margin."""
    yield (*pairs(rng, [0.6, 0.9, 1.6, 2.5], 4), np.array([1.0, 0, 0, 1]), 1.5)
    yield (*pairs(rng, [0.7, 0.3, 1.1, 0.5, 2.0], 3), np.array([0.0, 1, 0, 0, 1]), 0.8)


def contrastive_edges(rng):
    same = np.array([1.0, 0, 0])
    yield "equal points that are dissimilar", (*pairs(rng, [0.5, 0.0, 0.5], 2), same, 1.0)
    yield "similar pairs only", (*pairs(rng, [0.5, 2.0], 3), np.ones(2), 1.0)
    yield "dissimilar pairs beyond the margin", (*pairs(rng, [1.2, 2.0], 3), np.zeros(2), 1.0)


def triplet_inputs(rng):
    """(A, P, N, margin): some triplets cost something, others do not."""
    yield (*triplets(rng, [1.0, 0.5, 1.2, 0.3], [0.7, 0.8, 0.9, 2.0], 4), 0.5)
    yield (*triplets(rng, [0.4, 1.0, 0.6, 0.9, 0.2], [1.6, 0.6, 0.5, 1.0, 1.4], 3), 0.8)


def triplet_edges(rng):
    yield "triplets that cost nothing", (*triplets(rng, [0.3, 0.5], [2.0, 1.5], 3), 0.5)
    A = rng.integers(-3, 4, (2, 2)).astype(float)
    P, N = A + [[1, 0], [0, 2]], A + [[1, 1], [1, 0]]  # |a - p|^2 - |a - n|^2 is -1 and 3
    yield "a triplet exactly at the margin", (A, P, N, 1.0), at_the_kink


def pairs(rng, distances, d):
    F = rng.normal(size=(len(distances), d))
    return F, F + np.c_[distances] * directions(rng, F.shape)


def triplets(rng, to_positive, to_negative, d):
    A, P = pairs(rng, to_positive, d)
    return A, P, A + np.c_[to_negative] * directions(rng, A.shape)


def directions(rng, shape):
    V = rng.normal(size=shape)
    return V / np.sqrt((V * V).sum(1, keepdims=True))


def at_the_kink(args, dL, L, D):
    """At the kink a part of the gradient is right, the same part for A, P and N."""
    A, P, N, _ = args
    full = [dL / len(A) * 2 * G for G in (N - P, P - A, A - N)]
    part = D[1][0, 0] / full[1][0, 0]
    if not -1e-12 <= part <= 1 + 1e-12:
        return "At the margin itself the gradient is that of either side, or between them."
    if any(not np.allclose(g, [[part], [1]] * G, 1e-12) for g, G in zip(D, full)):
        return "At the margin itself A, P and N get gradients of the same side."
    return ""
