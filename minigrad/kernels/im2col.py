"""Convolution as matrix products, the plain form: every place of the window becomes a column.

A column holds the c r s values that the window sees at one place, W has a row for each filter,
and one product W C gives all outputs. Columns hold r s times as many values as the images, so they
are made for a few images at a time: as many as stay in the cache. Images stand last in memory
within such a piece, so that the rows of C are copied in long runs.

X (n, c, h, w), W (k, c / groups, r, s), outputs (h', w', k, n).
"""

import numpy as np

from ..backend import array_module
from .windows import Sliding, blocks, padded, phases, slices, taps, unpadded

CHUNK_BYTES = 1 << 21  # of columns: with fewer, calls cost; with more, they leave the cache


def forward(X, W, g: Sliding, groups, finish, pool=1):
    """Z = W C, by calls finish(part, phases) for a few images at a time.

    part: index into (h' // pool, w' // pool, k, n); phases: the pool pool outputs of each block,
    row by row, arrays like that part.
    """
    (n, c), k = X.shape[:2], len(W)
    Wg = W.reshape(groups, k // groups, -1)
    for piece in pieces(n, c, g, X.itemsize):
        Z = (Wg @ columns(X[piece], g, groups)).reshape(k, *g.out, -1)
        finish((*blocks(g, pool), slice(0, k), piece), phases(Z.transpose(1, 2, 0, 3), pool))


def backward(kept, X, W, g: Sliding, groups, fetch, wanted, pool=1):
    """dW = dZ C^T, (k, c / groups, r, s), and dX = W^T dZ with every column added to its place.

    dX (n, c, h, w); None for what is not wanted, a pair of bools. kept: None; fetch(part, phases)
    fills in gradients, as `finish` gets outputs.
    """
    (n, c, *image), k, xp = X.shape, len(W), array_module(X)
    Wt = W.reshape(groups, k // groups, -1).swapaxes(-1, -2)
    dtype = np.result_type(X, W)
    dW, dX = xp.zeros(Wt.swapaxes(-1, -2).shape, dtype), xp.empty(X.shape, dtype)
    for piece in pieces(n, c, g, X.itemsize):
        dZ = xp.zeros((k, *g.out, piece.stop - piece.start), dtype)
        fetch((*blocks(g, pool), slice(0, k), piece), phases(dZ.transpose(1, 2, 0, 3), pool))
        rows = dZ.reshape(groups, k // groups, -1)
        if wanted[0]:
            dW += rows @ columns(X[piece], g, groups).swapaxes(-1, -2)
        if wanted[1]:
            dC = (Wt @ rows).reshape(c, -1, *dZ.shape[1:])
            dP = padded(xp.zeros_like(dX[piece]), g, images_last=True)
            for i, tap in enumerate(taps(dP, g)):
                tap += dC[:, i].transpose(3, 0, 1, 2)
            dX[piece] = unpadded(dP, g, *image)
    return dW.reshape(W.shape) if wanted[0] else None, dX if wanted[1] else None


def columns(X, g: Sliding, groups=1):
    """What the window sees of a few images at every place: (groups, c / groups r s, places n)."""
    P = padded(X, g, images_last=True)
    V = np.lib.stride_tricks.sliding_window_view(P, g.reach, (2, 3))
    V = V[:, :, :: g.stride[0], :: g.stride[1], :: g.dilation[0], :: g.dilation[1]]
    n, _, height, width, *_ = V.shape
    return V.transpose(1, 4, 5, 2, 3, 0).reshape(groups, -1, height * width * n)


def pieces(n, c, g: Sliding, itemsize):
    """Slices of a few images each, whose columns stay in the cache."""
    bytes_per_image = c * g.size[0] * g.size[1] * g.out[0] * g.out[1] * itemsize
    return slices(n, CHUNK_BYTES // (bytes_per_image or 1) or 1)
