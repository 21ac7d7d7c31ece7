"""What `maxpool` is tried on: images whose cells all differ, and then some with ties."""

import numpy as np


def maxpool_inputs(rng):
    """(X, size, stride): windows side by side, windows that overlap, windows with gaps between."""
    yield distinct(rng, (2, 2, 4, 4)), 2, 2
    yield distinct(rng, (2, 3, 4, 5)) - 100, 3, 1  # all below 0
    yield distinct(rng, (2, 1, 5, 6)), 2, 3


def maxpool_edges(rng):
    yield "windows of one cell", (distinct(rng, (2, 2, 2, 3)), 1, 1)
    yield "one window over the whole image", (distinct(rng, (2, 2, 3, 3)), 3, 3)
    top = 2 + rng.random((2, 2, 1, 1))
    pair = np.where(np.eye(2) == 1, top, rng.random((2, 2, 2, 2)))
    yield "two equal maxima", (pair, 2, 2), shared
    yield "a window of equal cells", (np.tile(top, (1, 1, 2, 2)), 2, 2), shared


def distinct(rng, shape):
    """Cells in random order, far from each other."""
    return (rng.permutation(np.prod(shape)) - np.prod(shape) / 2).reshape(shape)


def shared(args, dZ, Z, D):
    """Of equal maxima any may take the gradient, or all may share it."""
    X, (dX,) = args[0], D
    highest = X.max((2, 3), keepdims=True) == X
    if (dX[~highest] != 0).any():
        return "A cell below the maximum of its window gets a gradient."
    if not np.allclose(dX.sum((2, 3), keepdims=True), dZ, 1e-12, 0) or (dX * dZ < 0).any():
        return "Equal maxima choose one winner or share: together they get dZ once, no more."
    return ""
