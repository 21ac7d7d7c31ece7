"""Pooling: one number for each window of an image.

>>> import numpy as np
>>> X = np.arange(16.0).reshape(1, 1, 4, 4)
>>> maxpool(X, 2)
array([[[[ 5.,  7.],
         [13., 15.]]]])
"""

import numpy as np

from ..engine import node
from ..kernels.windows import border, padded, sliding, taps, unpadded
from ..tree import needed


@node
def maxpool(X, size, stride=None, padding=0, ceil=False):
    """Z = the greatest entry of each window.  X: (n, c, h, w), Z: (n, c, h', w').

    size: a number or (h, w); stride: the size by default; padding with -inf: as in `conv`, at most
    half the size; ceil: the last window may stick out (Caffe's rule), or is left out.
    Of equal maxima the first, row by row, takes the gradient.
    Raises ValueError if no window fits. Source: lecture, convolution.

    >>> maxpool(np.array([[[[1.0, 3.0], [3.0, 2.0]]]]), 2)
    array([[[[3.]]]])
    """
    g = checked_windows("maxpool", X, size, stride, padding, ceil)
    P = padded(X, g, -np.inf)
    Z = next(taps(P, g)).copy()
    for tap in taps(P, g):
        np.maximum(Z, tap, out=Z)

    def back(dZ, dX):
        if needed(dX):
            dP = np.zeros_like(P)
            free = np.ones_like(Z, bool)
            for dtap, tap in zip(taps(dP, g), taps(P, g)):
                first = (tap == Z) & free
                free &= ~first
                dtap += dZ * first
            dX += unpadded(dP, g, *X.shape[2:])

    return Z, back


@node
def avgpool(X, size, stride=None, padding=0, ceil=False):
    """Z = the mean of each window, over its cells inside the image.

    X: (n, c, h, w), Z: (n, c, h', w'). Options as in `maxpool`.
    Raises ValueError if no window fits. Source: lecture, convolution.

    >>> avgpool(np.array([[[[1.0, 3.0], [3.0, 2.0]]]]), 2)
    array([[[[2.25]]]])
    """
    g = checked_windows("avgpool", X, size, stride, padding, ceil)
    ones = np.ones((1, 1, *X.shape[2:]), X.dtype)
    M = np.zeros((1, 1, *g.out), X.dtype)
    S = np.zeros((*X.shape[:2], *g.out), X.dtype)
    for inside, tap in zip(taps(padded(ones, g), g), taps(padded(X, g), g)):
        M += inside
        S += tap
    Z = S / M

    def back(dZ, dX):
        if needed(dX):
            dP = padded(np.zeros_like(X), g)
            for dtap in taps(dP, g):
                dtap += dZ / M
            dX += unpadded(dP, g, *X.shape[2:])

    return Z, back


def checked_windows(name, X, size, stride, padding, ceil):
    """The windows of a pooling; each must see at least one cell of the image."""
    if X.ndim != 4:
        raise ValueError(f"{name}: X is (n, c, h, w), not {X.shape}")
    stride = size if stride is None else stride
    g = sliding(name, X.shape[2:], size, stride, padding, ceil=ceil)
    if padding != "same" and any(
        2 * p > k for side, k in zip(border(name, padding), g.size) for p in side
    ):
        raise ValueError(f"{name}: padding is at most half the window, not {padding} for {size}")
    return g
