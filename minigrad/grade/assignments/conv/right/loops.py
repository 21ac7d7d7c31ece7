"""The formula word by word, every index in a loop of its own."""

import itertools

import numpy as np


def conv(X, U, stride, padding):
    W, b = U
    n, c, h, w = X.shape
    k, _, r, s = W.shape
    shape = n, k, (h + 2 * padding - r) // stride + 1, (w + 2 * padding - s) // stride + 1

    def terms():
        for m, f, i, j in np.ndindex(shape):
            for ch, y, x in itertools.product(range(c), range(r), range(s)):
                row, column = i * stride + y - padding, j * stride + x - padding
                if 0 <= row < h and 0 <= column < w:
                    yield (m, f, i, j), (m, ch, row, column), (f, ch, y, x)

    Z = np.empty(shape)
    Z[...] = b[:, None, None]
    for z, x, u in terms():
        Z[z] += X[x] * W[u]

    def back(dZ, dX, dU):
        dW, db = dU
        for z, x, u in terms():
            dX[x] += dZ[z] * W[u]
            dW[u] += dZ[z] * X[x]
        for z in np.ndindex(shape):
            db[z[1]] += dZ[z]

    return Z, back
