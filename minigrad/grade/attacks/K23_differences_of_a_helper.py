# verdict: FLAGGED
# level: none
# stage:
"""Takes differences of a function that is not called like the question."""

import numpy as np


def product(X, W, b):
    return X @ W + b


def affine(X, U):
    W, b = U

    def back(dA, dX, dU):
        arrays = [X, W, b]
        for k, d in enumerate((dX, *dU)):
            h = np.abs(arrays[k]).max()
            for i in np.ndindex(d.shape):
                step = np.zeros(d.shape)
                step[i] = h
                above = product(*(a + step if j == k else a for j, a in enumerate(arrays)))
                below = product(*(a - step if j == k else a for j, a in enumerate(arrays)))
                d[i] += (dA * (above - below)).sum() / (2 * h)

    return product(X, W, b), back
