"""Max pooling, window by window."""

import numpy as np


def maxpool(X, size, stride):
    n, c, h, w = X.shape
    rows, columns = (h - size) // stride + 1, (w - size) // stride + 1
    Z = np.empty((n, c, rows, columns))
    winner = np.empty(Z.shape, int)
    for i in range(rows):
        for j in range(columns):
            y, x = i * stride, j * stride
            window = X[:, :, y : y + size, x : x + size].reshape(n, c, -1)
            Z[:, :, i, j] = window.max(2)
            winner[:, :, i, j] = window.argmax(2)

    def back(dZ, dX):
        image, channel = np.ogrid[:n, :c]
        for i in range(rows):
            for j in range(columns):
                down, across = np.divmod(winner[:, :, i, j], size)
                place = image, channel, i * stride + down, j * stride + across
                dX[place] += dZ[:, :, i, j]

    return Z, back
