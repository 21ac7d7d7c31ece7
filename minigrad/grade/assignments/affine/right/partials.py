from functools import partial

import numpy as np


def added(target, *terms):
    for term in terms:
        target += term


def backwards(X, W, dA, dX, dU):
    added(dX, *(np.outer(column, w) for column, w in zip(dA.T, W.T)))
    added(dU[0], *(np.outer(x, da) for x, da in zip(X, dA)))
    added(dU[1], *dA)


def layer(bias, X, U):
    W, b = U
    return np.stack([x @ W for x in X]) + bias * b, partial(backwards, X, W)


affine = partial(layer, 1.0)
