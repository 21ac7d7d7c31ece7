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

from ..backend import array_module
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


def antialiased(start: Any, length: Any, size: int, side: int, dtype: Any, xp: Any = np) -> Any:
    """Matrices (n, size, side) that resample so many pixels of a row from start on to size pixels.

    G_ij = max(0, 1 - |j + 1/2 - c_i| / max(f, 1)), f = length / size, c_i = start + (i + 1/2) f,
    for the pixels j that are resampled, 0 for others, then divided by the sum of each row: linear
    where a row is enlarged, where it shrinks a mean of all that a pixel stands for, as Pillow's
    BILINEAR.
    start, length: (n,), whole numbers.

    >>> antialiased([0, 0], [2, 4], 2, 4, float).round(3)
    array([[[1.   , 0.   , 0.   , 0.   ],
            [0.   , 1.   , 0.   , 0.   ]],
    <BLANKLINE>
           [[0.429, 0.429, 0.143, 0.   ],
            [0.   , 0.143, 0.429, 0.429]]])
    """
    start, length = (np.asarray(a)[:, None] for a in (start, length))
    f = length / size
    centre = start + (np.arange(size) + 0.5) * f
    j = np.arange(side)
    used = (start <= j) & (j < start + length)
    centre, slope, used = (
        xp.asarray(a, dtype)[..., None] for a in (centre, -1 / np.maximum(f, 1), used)
    )
    G = empty((len(f), size, side), dtype, xp)
    np.subtract(xp.asarray(j + 0.5, dtype), centre, out=G)
    np.abs(G, out=G)
    G *= slope
    G += 1
    np.maximum(G, 0, out=G)
    G *= used.swapaxes(1, 2)
    G /= G.sum(2, keepdims=True)
    return G


def separable(R: Any, G: Any, H: Any) -> Any:
    """G R H' of every plane, each image's by matrices of its own.

    R: (c, n, h, w); G: (n, p, h); H: (n, q, w); a new array (c, n, p, q).
    """
    (c, n, _, w), p, q = R.shape, G.shape[1], H.shape[1]
    xp = array_module(R)
    A, B = (empty((c, n, p, side), R.dtype, xp) for side in (w, q))
    return xp.matmul(xp.matmul(G, R, out=A), H.swapaxes(1, 2), out=B)
