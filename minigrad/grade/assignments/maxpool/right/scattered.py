"""Flat indices of all winners, and one np.add.at; the back is a partial."""

from functools import partial

import numpy as np

from minigrad import node


def deposit(at, dZ, dX):
    np.add.at(dX, at, dZ)


@node
def maxpool(X, size, stride):
    n, c, h, w = X.shape
    cells = np.arange(h * w).reshape(h, w)
    i = np.arange(0, h - size + 1, stride)[:, None, None, None]
    j = np.arange(0, w - size + 1, stride)[:, None, None]
    seen = cells[i + np.arange(size)[:, None], j + np.arange(size)]
    seen = seen.reshape(len(i), len(j), size * size)
    best = X.reshape(n, c, -1)[:, :, seen].argmax(-1)
    cell = np.take_along_axis(seen[None, None], best[..., None], -1)[..., 0]
    at = (*np.ix_(range(n), range(c), [0], [0])[:2], *np.unravel_index(cell, (h, w)))
    return X[at], partial(deposit, at)
