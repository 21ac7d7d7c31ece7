"""Rows by one index array, put back with np.add.at: a pair of functions."""

import numpy as np


def conv_forward(X, W, b, stride, padding):
    n, c = X.shape[:2]
    k, _, r, s = W.shape
    P = np.pad(X, [(0, 0), (0, 0), (padding,) * 2, (padding,) * 2])
    y = np.arange(0, P.shape[2] - r + 1, stride)
    x = np.arange(0, P.shape[3] - s + 1, stride)
    at = (
        np.arange(n)[:, None, None, None, None, None],
        np.arange(c)[:, None, None],
        y[:, None, None, None, None] + np.arange(r)[:, None],
        x[:, None, None, None] + np.arange(s),
    )
    C = P[at].reshape(n * len(y) * len(x), -1)
    Z = (C @ W.reshape(k, -1).T + b).reshape(n, len(y), len(x), k)
    return np.moveaxis(Z, 3, 1), (X.shape, P.shape, W, padding, at, C)


def conv_backward(dZ, cache):
    shape, padded, W, padding, at, C = cache
    dA = np.moveaxis(dZ, 1, 3).reshape(-1, len(W))
    dC = dA @ W.reshape(len(W), -1)
    dP = np.zeros(padded)
    np.add.at(dP, at, dC.reshape(np.broadcast_shapes(*(i.shape for i in at))))
    dX = dP[:, :, padding : padding + shape[2], padding : padding + shape[3]]
    return dX, (dA.T @ C).reshape(W.shape), dA.sum(0)
