"""Pooling: one number for each window of an image.

Over whole maps, global pooling is `max(X, (2, 3))` or `mean(X, (2, 3))`.

>>> import numpy as np
>>> X = np.arange(16.0).reshape(1, 1, 4, 4)
>>> maxpool(X, 2)
array([[[[ 5.,  7.],
         [13., 15.]]]])
"""

import itertools

from ..engine import block, node
from ..kernels import pooling
from ..kernels.windows import border, sliding
from ..tree import needed
from . import arithmetic
from .shape import stack


@node
def maxpool(X, size, stride=None, padding=0, ceil=False):
    """Z = the greatest entry of each window.  X: (n, c, h, w), Z: (n, c, h', w').

    size: a number or (h, w); stride: the size by default; padding with -inf: as in `conv`, at most
    half the size; ceil: the last window may stick out (Caffe's rule), or is left out.
    Of equal maxima the first, row by row, takes the gradient.
    Raises ValueError if no window fits. Source: lecture, convolution.

    >>> import numpy as np
    >>> maxpool(np.array([[[[1.0, 3.0], [3.0, 2.0]]]]), 2)
    array([[[[3.]]]])
    """
    g = checked_windows("maxpool", X, size, stride, padding, ceil)
    Z = pooling.maximum(X, g)

    def back(dZ, dX):
        if needed(dX):
            pooling.maximum_gradient(dX, X, Z, dZ, g)

    return Z, back


@node
def avgpool(X, size, stride=None, padding=0, ceil=False):
    """Z = the mean of each window, over its cells inside the image.

    X: (n, c, h, w), Z: (n, c, h', w'). Options as in `maxpool`.
    Raises ValueError if no window fits. Source: lecture, convolution.

    >>> import numpy as np
    >>> avgpool(np.array([[[[1.0, 3.0], [3.0, 2.0]]]]), 2)
    array([[[[2.25]]]])
    """
    g = checked_windows("avgpool", X, size, stride, padding, ceil)
    Z = pooling.mean(X, g)

    def back(dZ, dX):
        if needed(dX):
            pooling.mean_gradient(dX, dZ, g)

    return Z, back


@block
def pyramid(X, grids=(1, 2, 4), form="halves"):
    """Z = the greatest entry in each cell of grids laid over the map: (n, c, sum of grids^2).

    X: (n, c, h, w); cells of a grid row by row, grids in their order; grids: how many cells each
    has along a side: 1 + 4 + 16 by default, (2,) for quadrants.
    form: "halves", the default: every half is halved again, the first one larger on odd maps (9 is
    5 + 4, and 3 + 2 + 2 + 2); grids are powers of 2. "adaptive": cell i of g along a side of h goes
    from floor(i h / g) to ceil((i + 1) h / g), so that cells may overlap, and no map is too small.
    Equal maxima of a cell share the gradient equally.
    Raises ValueError for another form, or a map too small for the grid.
    Source: Lazebnik, Schmid and Ponce, CVPR 2006; Dosovitskiy et al., TPAMI 2016, section 4.1.

    >>> import numpy as np
    >>> pyramid(np.arange(9.0).reshape(1, 1, 3, 3), (1, 2))
    array([[[8., 4., 5., 7., 8.]]])
    """
    if X.ndim != 4:
        raise ValueError(f"pyramid: X is (n, c, h, w), not {X.shape}")
    sides = [(cuts(X.shape[2], grid, form), cuts(X.shape[3], grid, form)) for grid in grids]
    cells = [(rows, columns) for down, across in sides for rows in down for columns in across]
    return stack([arithmetic.max(X[:, :, rows, columns], (2, 3)) for rows, columns in cells], 2)


def cuts(length, grid, form):
    """The slices into which a grid cuts a side of that length."""
    if form not in ("halves", "adaptive"):
        raise ValueError(f'pyramid: form is "halves" or "adaptive", not {form!r}')
    if form == "adaptive":
        return [slice(i * length // grid, -(-(i + 1) * length // grid)) for i in range(grid)]
    ends = [0, length]
    while len(ends) <= grid:
        halves = [(a, (a + b + 1) // 2) for a, b in itertools.pairwise(ends)]
        ends = [*(end for pair in halves for end in pair), length]
    if len(ends) != grid + 1 or length < grid:
        raise ValueError(
            f"pyramid: halves make 1, 2, 4, 8 ... cells, no more than the map has rows or columns, "
            f"not {grid} of {length}"
        )
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


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
