"""Ties share the gradient; all windows at once, as views."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def maxpool(X, size, stride):
    def windows(X, **options):
        view = sliding_window_view(X, (size, size), (2, 3), **options)
        return view[:, :, ::stride, ::stride]

    V = windows(X)
    Z = V.max((4, 5))
    mask = Z[..., None, None] == V
    share = mask / mask.sum((4, 5), keepdims=True)

    def back(dZ, dX):
        V = windows(dX, writeable=True)
        for y, x in np.ndindex(size, size):
            V[..., y, x] += dZ * share[..., y, x]
        return dX

    return Z, back
