# verdict: FAIL
# level: none
# stage: forward
"""Returns views of one buffer, so that a later call changes an earlier value."""

import numpy as np

buffer = np.zeros(1 << 12)


def affine(X, U):
    W, b = U
    A = buffer[: len(X) * len(b)].reshape(len(X), len(b))
    A[...] = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dX += dA @ W.T
        dW += X.T @ dA
        db += dA.sum(0)

    return A, back
