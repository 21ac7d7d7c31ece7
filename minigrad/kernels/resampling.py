"""Images looked up between their pixels.

>>> X = np.array([[[[0.0, 1.0], [2.0, 3.0]]]])
>>> Z = np.empty((1, 1, 3))
>>> y, x = np.array([[0.0, 0.5, 1.0]]), np.array([[0.0, 0.25, 1.0]])
>>> bilinear(X, np.array([0]), y, x, Z)
>>> Z
array([[[0.  , 1.25, 3.  ]]])
"""

from typing import Any

import numpy as np

from . import cuda
from .memory import empty


@cuda.on_gpu(cuda.bilinear)
def bilinear(X: Any, index: Any, y: Any, x: Any, Z: Any) -> None:
    """Z[c, i, q] = X[index[i], c] at (y, x)[i, q], linear between the four pixels around it.

    X: (m, c, h, w), contiguous, finite, of any dtype; index: (n,); y, x: (n, q), 0 <= y <= h - 1
    and 0 <= x <= w - 1, changed: what is left are their distances from the pixel above and on the
    left; Z: (c, n, q), written, of the dtype of y and x. At whole pixels Z is exactly X.

    Each pixel is looked up by the one number that counts pixels from the beginning of X: its three
    neighbours are 1, w and w + 1 further, the next channel h w. In the last row and column there
    are none; what is found instead gets the weight 0.
    """
    _, c, h, w = X.shape
    pixels = X.reshape(-1)
    corner = empty(y.shape, np.intp)
    near, whole = (empty(y.shape, np.int32) for _ in range(2))  # converted four times as fast
    upper, lower = (empty(y.shape, y.dtype) for _ in range(2))
    for s, number, floor in ((y, near, upper), (x, whole, lower)):
        np.floor(s, out=floor)
        np.copyto(number, floor, casting="unsafe")
        s -= floor
    near *= w
    near += whole
    np.copyto(corner, near)
    corner += np.multiply(index, c * h * w, dtype=np.intp)[:, None]

    left, right = (empty(y.shape, X.dtype) for _ in range(2))
    for channel in range(c):
        for row, between in ((0, upper), (w, lower)):
            first = channel * h * w + row
            # beyond the end is the first pixel again; mode "raise" would work on a copy
            pixels[first:].take(corner, out=left, mode="wrap")
            pixels[first + 1 :].take(corner, out=right, mode="wrap")
            np.subtract(right, left, out=between, dtype=y.dtype)
            between *= x
            between += left
        lower -= upper
        lower *= y
        np.add(upper, lower, out=Z[channel])


def gaussian(deviations: Any, side: int, dtype: Any) -> Any:
    """Matrices (n, side, side) that blur a row of pixels, mirrored at its ends: d c b a | a b c d.

    deviations: (n,), in pixels, a fifth of the side at most: the mirror images on both sides of
    the row count, those further off do not; 0: the identity, exactly.

    >>> gaussian(np.array([0, 0.5]), 3, float).round(3)
    array([[[1.   , 0.   , 0.   ],
            [0.   , 1.   , 0.   ],
            [0.   , 0.   , 1.   ]],
    <BLANKLINE>
           [[0.893, 0.107, 0.   ],
            [0.107, 0.787, 0.107],
            [0.   , 0.107, 0.893]]])
    """
    i = np.arange(side)
    width = np.maximum(np.asarray(deviations, float), 1e-3)[:, None]
    taps = np.exp(-((np.arange(2 * side) / width) ** 2) / 2).astype(dtype)
    after = i[:, None] + i + 1  # as far is the mirror image beyond the row's beginning
    G = taps[:, np.abs(i[:, None] - i)] + taps[:, after] + taps[:, 2 * side - after]
    G /= G.sum(2, keepdims=True)
    return G
