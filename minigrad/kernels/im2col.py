"""Convolution as matrix products, the plain form: every place of the window becomes a column.

A column holds the c r s values that the window sees at one place, W has a row for each filter,
and one product W C gives all outputs. Columns hold r s times as many values as the image, so they
are made for a few images at a time, as many as stay in the cache: for a whole batch of 128 images
of 64 x 16 x 16 the products take 2.4 times as long.

All arrays are C-ordered: X (n, c, h, w), W (k, c / groups, r, s), Z (n, k, *out).
"""

import numpy as np

from ..backend import array_module
from .windows import Sliding, padded, taps, unpadded

COLUMN_BYTES = (
    1 << 18
)  # of one piece; with products and outputs it stays in a level 2 cache of 1 MB


def columns(P, g: Sliding, groups=1):
    """What the window sees at all places of padded images: (n, groups, c / groups r s, places)."""
    V = np.lib.stride_tricks.sliding_window_view(P, g.reach, (2, 3))
    V = V[:, :, :: g.stride[0], :: g.stride[1], :: g.dilation[0], :: g.dilation[1]]
    n, _, height, width, *_ = V.shape
    return V.transpose(0, 1, 4, 5, 2, 3).reshape(n, groups, -1, height * width)


def pieces(P, g: Sliding):
    """Slices of a few images each, whose columns stay in the cache."""
    bytes_per_image = P.shape[1] * g.size[0] * g.size[1] * g.out[0] * g.out[1] * P.itemsize
    step = max(1, COLUMN_BYTES // bytes_per_image)
    return (slice(i, i + step) for i in range(0, len(P), step))


def forward(X, W, g: Sliding, groups=1):
    """Z = W * X, the cross-correlation of images and filters: (n, k, *out)."""
    P, k = padded(X, g), len(W)
    Wg = W.reshape(groups, k // groups, -1)
    Z = array_module(X).empty(
        (len(X), groups, k // groups, g.out[0] * g.out[1]), np.result_type(X, W)
    )
    for piece in pieces(P, g):
        np.matmul(Wg, columns(P[piece], g, groups), out=Z[piece])
    return Z.reshape(len(X), k, *g.out)


def weights_gradient(X, dZ, g: Sliding, groups=1):
    """dW = dZ C^T, summed over the images: (k, c / groups, r, s)."""
    P, (n, k) = padded(X, g), dZ.shape[:2]
    D = dZ.reshape(n, groups, k // groups, -1)
    dW = 0
    for piece in pieces(P, g):
        dW = dW + (D[piece] @ columns(P[piece], g, groups).swapaxes(-1, -2)).sum(0)
    return dW.reshape(k, -1, *g.size)


def input_gradient(W, dZ, g: Sliding, image, groups=1):
    """dX = W^T dZ, every column added back to the place it came from: (n, c, *image)."""
    n, k = dZ.shape[:2]
    c = W.shape[1] * groups
    (top, bottom), (left, right) = g.padding
    D = dZ.reshape(n, groups, k // groups, -1)
    Wt = W.reshape(groups, k // groups, -1).swapaxes(-1, -2)
    shape = (n, c, top + image[0] + bottom, left + image[1] + right)
    dP = array_module(dZ).zeros(shape, np.result_type(W, dZ))
    for piece in pieces(dP, g):
        C = (Wt @ D[piece]).reshape(-1, c, g.size[0] * g.size[1], *g.out)
        for i, tap in enumerate(taps(dP[piece], g)):
            tap += C[:, :, i]
    return unpadded(dP, g, *image)
