"""Convolution by im2col: every window becomes a row, and one matrix product gives all outputs."""

import numpy as np


def conv(X, U, stride, padding):
    W, b = U
    n, c, h, w = X.shape
    k, _, r, s = W.shape
    P = np.pad(X, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows = (h + 2 * padding - r) // stride + 1
    columns = (w + 2 * padding - s) // stride + 1
    C = np.empty((n, rows, columns, c, r, s))
    for i in range(rows):
        for j in range(columns):
            y, x = i * stride, j * stride
            C[:, i, j] = P[:, :, y : y + r, x : x + s]
    C = C.reshape(n * rows * columns, c * r * s)
    A = C @ W.reshape(k, c * r * s).T + b
    Z = A.reshape(n, rows, columns, k).transpose(0, 3, 1, 2)

    def back(dZ, dX, dU):
        dW, db = dU
        dA = dZ.transpose(0, 2, 3, 1).reshape(n * rows * columns, k)
        dC = (dA @ W.reshape(k, -1)).reshape(n, rows, columns, c, r, s)
        dP = np.zeros(P.shape)
        for i in range(rows):
            for j in range(columns):
                top, left = i * stride, j * stride
                dP[:, :, top : top + r, left : left + s] += dC[:, i, j]
        dX += dP[:, :, padding : padding + h, padding : padding + w]
        dW += (dA.T @ C).reshape(k, c, r, s)
        db += dA.sum(0)

    return Z, back
