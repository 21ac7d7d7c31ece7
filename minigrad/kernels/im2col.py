"""Convolution as matrix products, the plain form: every place of the window becomes a column.

A column holds the c r s values that the window sees at one place, W has a row for each filter,
and one product W C gives all outputs. Columns hold r s times as many values as the images, so they
are made for a few images at a time: as many as stay in the cache. Images stand last in memory
within such a piece, so that the rows of C are copied in long runs.

X (n, c, h, w), W (k, c / groups, r, s), Z (n, k, *out).
"""

import numpy as np

from ..backend import array_module
from . import cuda
from .windows import Sliding, padded, taps, unpadded

PIECE_BYTES = 1 << 21  # of columns: with fewer, calls cost; with more, they leave the cache


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


def rows(Z, groups=1):
    """Outputs of a few images as the product W C makes them: (groups, k / groups, places n)."""
    k = Z.shape[1]
    return Z.transpose(1, 2, 3, 0).reshape(groups, k // groups, -1)


@cuda.on_gpu(cuda.products)
def products(A, B):
    """A product for each group."""
    return A @ B


@cuda.on_gpu(cuda.chunk_bytes)
def chunk_bytes(A):
    """How many bytes of columns are made at a time."""
    return PIECE_BYTES


def pieces(A, c, g: Sliding):
    """Slices of a few images each, as many as A has, whose c columns stay in the cache."""
    n = len(A)
    bytes_per_image = c * g.size[0] * g.size[1] * g.out[0] * g.out[1] * A.itemsize
    step = chunk_bytes(A) // bytes_per_image or 1
    return (slice(i, min(i + step, n)) for i in range(0, n, step))


def forward(X, W, g: Sliding, groups=1):
    """Z = W * X, the cross-correlation of images and filters: (n, k, *out)."""
    n, k = len(X), len(W)
    Wg = W.reshape(groups, k // groups, -1)
    Z = array_module(X).empty((n, k, *g.out), np.result_type(X, W))
    for piece in pieces(X, X.shape[1], g):
        ZC = products(Wg, columns(X[piece], g, groups))
        Z[piece] = ZC.reshape(k, *g.out, -1).transpose(3, 0, 1, 2)
    return Z


def weights_gradient(X, dZ, g: Sliding, groups=1):
    """dW = dZ C^T, summed over the images: (k, c / groups, r, s)."""
    k, c = dZ.shape[1], X.shape[1] // groups
    shape = (groups, k // groups, c * g.size[0] * g.size[1])
    dW = array_module(X).zeros(shape, np.result_type(X, dZ))
    for piece in pieces(X, X.shape[1], g):
        C = columns(X[piece], g, groups)
        dW += products(rows(dZ[piece], groups), C.swapaxes(-1, -2))
    return dW.reshape(k, c, *g.size)


def input_gradient(W, dZ, g: Sliding, image, groups=1):
    """dX = W^T dZ, every column added back to the place it came from: (n, c, *image)."""
    n, k = dZ.shape[:2]
    c = W.shape[1] * groups
    Wt = W.reshape(groups, k // groups, -1).swapaxes(-1, -2)
    dX = array_module(dZ).empty((n, c, *image), np.result_type(W, dZ))
    for piece in pieces(dZ, c, g):
        dX[piece] = from_columns(products(Wt, rows(dZ[piece], groups)), g, dX[piece].shape)
    return dX
