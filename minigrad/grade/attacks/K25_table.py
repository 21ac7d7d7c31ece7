# verdict: FAIL
# level: none
# stage: forward dX dW db
"""Knows the answers to the public inputs by heart, and nothing else."""

import numpy as np

TABLE = {}
rng = np.random.default_rng(0)
for N, D, K in ((4, 2, 3), (3, 3, 3)):
    X, W, b = rng.normal(size=(N, D)), rng.normal(size=(D, K)), rng.normal(size=K)
    dA = rng.normal(size=(N, K))
    TABLE[N, D, K] = X @ W + b, (dA @ W.T, X.T @ dA, dA.sum(0))


def affine(X, U):
    W, b = U
    A, gradients = TABLE.get((*X.shape, len(b)), next(iter(TABLE.values())))

    def back(dA, dX, dU):
        for d, known in zip((dX, *dU), gradients):
            d += known

    return A.copy(), back
