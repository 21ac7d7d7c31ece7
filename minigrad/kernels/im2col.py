"""Convolution as matrix products, the plain form: every place of the window becomes a column.

A column holds the c r s values that the window sees at one place, W has a row for each filter,
and one product W C gives all outputs. Columns hold r s times as many values as the images, so they
are made for a few images at a time: as many as stay in the cache. Images stand last in memory
within such a piece, so that the rows of C are copied in long runs.

X (n, c, h, w), W (k, c / groups, r, s), outputs (h', w', k, n).
"""

import numpy as np

from ..backend import array_module
from . import cuda
from .windows import Sliding, blocks, padded, phases, slices, taps, unpadded

CHUNK_BYTES = 1 << 21  # of columns: with fewer, calls cost; with more, they leave the cache


def forward(X, W, g: Sliding, groups, finish, pool=1):
    """Z = W C, by calls finish(part, phases) for a few images at a time.

    part: index into (h' // pool, w' // pool, k, n); phases: the pool pool outputs of each block,
    row by row, arrays like that part.
    """
    k = len(W)
    Wg = W.reshape(groups, k // groups, -1)
    for piece in pieces(X, g):
        Z = products(Wg, columns(X[piece], g, groups)).reshape(k, *g.out, -1)
        finish((*blocks(g, pool), slice(0, k), piece), phases(Z.transpose(1, 2, 0, 3), pool))


def backward(kept, X, W, g: Sliding, groups, fetch, wanted, pool=1):
    """dW = dZ C^T, (k, c / groups, r, s), and dX = W^T dZ with every column added to its place.

    dX (n, c, h, w); None for what is not wanted, a pair of bools. kept: None; fetch(part, phases)
    fills in gradients, as `finish` gets outputs.
    """
    k, xp = len(W), array_module(X)
    Wt = W.reshape(groups, k // groups, -1).swapaxes(-1, -2)
    dtype = np.result_type(X, W)
    dW, dX = xp.zeros(Wt.swapaxes(-1, -2).shape, dtype), xp.empty(X.shape, dtype)
    for piece in pieces(X, g):
        dZ = xp.zeros((k, *g.out, piece.stop - piece.start), dtype)
        fetch((*blocks(g, pool), slice(0, k), piece), phases(dZ.transpose(1, 2, 0, 3), pool))
        rows = dZ.reshape(groups, k // groups, -1)
        if wanted[0]:
            dW += products(rows, columns(X[piece], g, groups).swapaxes(-1, -2))
        if wanted[1]:
            dX[piece] = from_columns(products(Wt, rows), g, X[piece].shape)
    return dW.reshape(W.shape) if wanted[0] else None, dX if wanted[1] else None


@cuda.on_gpu(cuda.columns)
def columns(X, g: Sliding, groups=1):
    """What the window sees of a few images at every place: (groups, c / groups r s, places n)."""
    P = padded(X, g, images_last=True)
    V = np.lib.stride_tricks.sliding_window_view(P, g.reach, (2, 3))
    V = V[:, :, :: g.stride[0], :: g.stride[1], :: g.dilation[0], :: g.dilation[1]]
    n, _, height, width, *_ = V.shape
    return V.transpose(1, 4, 5, 2, 3, 0).reshape(groups, -1, height * width * n)


@cuda.on_gpu(cuda.from_columns)
def from_columns(C, g: Sliding, shape):
    """Every column added back to the place it came from: a few images of a shape (n, c, h, w)."""
    n, c, h, w = shape
    C = C.reshape(c, -1, *g.out, n)
    dP = padded(np.zeros(shape, C.dtype), g, images_last=True)
    for i, tap in enumerate(taps(dP, g)):
        tap += C[:, i].transpose(3, 0, 1, 2)
    return unpadded(dP, g, h, w)


@cuda.on_gpu(cuda.products)
def products(A, B):
    """A product for each group."""
    return A @ B


@cuda.on_gpu(cuda.chunk_bytes)
def chunk_bytes(A):
    """How many bytes of columns are made at a time."""
    return CHUNK_BYTES


def pieces(X, g: Sliding):
    """Slices of a few images each, whose columns stay in the cache."""
    n, c = X.shape[:2]
    bytes_per_image = c * g.size[0] * g.size[1] * g.out[0] * g.out[1] * X.itemsize
    return slices(n, chunk_bytes(X) // (bytes_per_image or 1) or 1)
