"""Pooling: the greatest or the mean of what each window sees, rows of the window first.

Windows that stick out see only what is inside the image. Of a window of r rows and s columns the
first pass takes the rows, r long runs of memory at a time, the second one the columns of what is
left: r + s operations instead of r s. All is done a piece at a time, small enough to stay in the
cache: some images where the batch comes first in memory, some rows of all images where it is last.

X (n, c, h, w), Z (n, c, *out), in the same memory order.
"""

import numpy as np

from ..backend import array_module
from . import cuda
from .order import empty_like, is_batch_last
from .parallel import each
from .windows import Sliding, seen

PIECE_BYTES = 1 << 19  # of X: with fewer, calls cost; with four times as many, they leave the cache


@cuda.on_gpu(cuda.maximum)
def maximum(X, g: Sliding):
    """Z = the greatest entry of each window."""
    least = -np.inf if X.dtype.kind == "f" else np.iinfo(X.dtype).min
    return reduced(np.maximum, X, g, least)


@cuda.on_gpu(cuda.maximum_gradient)
def maximum_gradient(dX, X, Z, dZ, g: Sliding):
    """dX += dZ where X was the maximum of a window, for the first of equal ones, row by row.

    Every cell of the window takes from dZ what is its own and leaves the rest for the next, so
    that no position has to be kept: dZ - dZ * True is 0, dZ - dZ * False all of it, exactly.
    """

    def deposit(piece):
        images, start, stop = piece
        x, dx, z = X[images], dX[images], Z[images, :, start:stop]
        rest = empty_like(Z, z.shape, dZ.dtype)
        rest[...] = dZ[images, :, start:stop]
        for places, rows in seen(g, X.shape[2:], 0, start, stop):
            for columns, cells in seen(g, X.shape[2:], 1):
                left = rest[:, :, places, columns]
                taken = left * (x[:, :, rows, cells] == z[:, :, places, columns])
                dx[:, :, rows, cells] += taken
                left -= taken

    over(deposit, X, g, apart=False)


@cuda.on_gpu(cuda.mean)
def mean(X, g: Sliding):
    """Z = the mean of each window, over its cells inside the image."""
    X = X if X.dtype.kind == "f" else X.astype(float)  # a sum of bytes does not fit into a byte
    return reduced(np.add, X, g, 0) / counts(X, g)


@cuda.on_gpu(cuda.mean_gradient)
def mean_gradient(dX, dZ, g: Sliding):
    """dX += dZ / number of cells, for every cell of the window."""
    image, M = dX.shape[2:], counts(dX, g)

    def deposit(piece):
        images, start, stop = piece
        dz = dZ[images, :, start:stop] / M[start:stop]
        t = empty_like(dX, (*dz.shape[:3], image[1]), dX.dtype)
        t[...] = 0
        for places, cells in seen(g, image, 1):
            t[..., cells] += dz[..., places]
        for places, rows in seen(g, image, 0, start, stop):
            dX[images, :, rows] += t[:, :, places]

    over(deposit, dX, g, apart=False)


def reduced(reduce, X, g: Sliding, neutral):
    """Each window's cells inside the image, reduced by a ufunc of two arrays."""
    n, c, *image = X.shape
    Z = empty_like(X, (n, c, *g.out), X.dtype)

    def one(piece):
        images, start, stop = piece
        z = Z[images, :, start:stop]
        t = empty_like(X, (*z.shape[:3], image[1]), X.dtype)
        for target, source, axis, begin, end in (
            (t, X[images], 0, start, stop),
            (z.swapaxes(2, 3), t.swapaxes(2, 3), 1, 0, g.out[1]),
        ):
            target[...] = neutral
            for places, rows in seen(g, image, axis, begin, end):
                reduce(target[:, :, places], source[:, :, rows], out=target[:, :, places])

    over(one, X, g)
    return Z


def counts(X, g: Sliding):
    """How many cells of each window lie inside the image: (h', w')."""
    image = X.shape[2:]
    rows, columns = (np.zeros(places, X.dtype) for places in g.out)
    for axis, count in enumerate((rows, columns)):
        for places, _ in seen(g, image, axis):
            count[places] += 1
    return array_module(X).asarray(rows[:, None] * columns)


def over(f, X, g: Sliding, apart=True):
    """f of every piece (images, first row of Z, row behind the last).

    apart: pieces may be worked on at the same time; else only if no two of them see the same rows.
    """
    n, c, _, w = X.shape
    rows = g.out[0]
    if is_batch_last(X):
        step = PIECE_BYTES // (g.stride[0] * w * c * n * X.itemsize or 1) or 1
        pieces = [
            (slice(None), i, i + step if i + step < rows else rows) for i in range(0, rows, step)
        ]
        apart = apart or g.reach[0] <= g.stride[0]
    else:
        step = PIECE_BYTES // (X[:1].nbytes or 1) or 1
        pieces = [(slice(i, i + step), 0, rows) for i in range(0, n, step)]
        apart = True
    if apart:
        each(f, pieces)
    else:
        for piece in pieces:
            f(piece)
