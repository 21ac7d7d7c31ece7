"""Windows that slide over images: where they stand, and what they see.

>>> import numpy as np
>>> g = sliding("conv", (4, 5), (3, 3), padding=1)
>>> g.out, g.padding
((4, 5), ((1, 1), (1, 1)))
>>> [tap.shape for tap in taps(padded(np.ones((2, 1, 4, 5)), g), g)][0]
(2, 1, 4, 5)
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..backend import array_module


class Sliding(NamedTuple):
    """A window on an image: everything as (vertical, horizontal)."""

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    out: tuple[int, int]

    @property
    def reach(self):
        """What a window spans in the image, dilation included."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.size, strict=True))


def sliding(name, image, size, stride=1, padding=0, dilation=1, ceil=False):
    """The Sliding of windows over images of size (h, w).

    size, stride, dilation: a number or (vertical, horizontal); padding: a number, (vertical,
    horizontal), ((top, bottom), (left, right)), or "same": as many places as image / stride.
    ceil: the last window may stick out, if it begins inside (Caffe's rule), else it is left out.
    Raises ValueError, in the name of the operation, if no window fits.
    """
    size, stride, dilation = (
        pair(name, *option)
        for option in (("size", size), ("stride", stride), ("dilation", dilation))
    )
    sides, out = [], []
    for i, axis in enumerate(("height", "width")):
        reach = dilation[i] * (size[i] - 1) + 1
        if isinstance(padding, str) and padding == "same":
            total = (-(-image[i] // stride[i]) - 1) * stride[i] + reach - image[i]
            before, after = (total // 2, total - total // 2) if total > 0 else (0, 0)
        else:
            before, after = border(name, padding)[i]
        room = image[i] + before + after - reach
        if room < 0:
            raise ValueError(
                f"{name}: a window of {axis} {reach} does not fit into an image of {axis} "
                f"{image[i]} padded by {before} + {after}"
            )
        places = (-(-room // stride[i]) if ceil else room // stride[i]) + 1
        if ceil and (places - 1) * stride[i] >= image[i] + before:
            places -= 1
        missing = (places - 1) * stride[i] + reach - image[i] - before - after
        sides.append((before, after + missing if missing > 0 else after))
        out.append(places)
    return Sliding(size, stride, dilation, tuple(sides), tuple(out))


def border(name, padding):
    """Padding as ((top, bottom), (left, right)), from a number, (h, w) or these pairs."""
    axes = padding if isinstance(padding, (tuple, list)) else (padding, padding)
    sides = [axis if isinstance(axis, (tuple, list)) else (axis, axis) for axis in axes]
    whole = all(isinstance(p, (int, np.integer)) and p >= 0 for side in sides for p in side)
    if len(sides) != 2 or any(len(side) != 2 for side in sides) or not whole:
        raise ValueError(
            f"{name}: padding is a whole number >= 0, (h, w), ((top, bottom), (left, right)) "
            f'or "same", not {padding!r}'
        )
    return tuple(map(tuple, sides))


def pair(name, option, value):
    """A number twice, or a pair as it is; at least 1."""
    both = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(both) != 2 or not all(isinstance(v, (int, np.integer)) and v >= 1 for v in both):
        raise ValueError(
            f"{name}: {option} is a whole number >= 1 or a pair of them, not {value!r}"
        )
    return both


def padded(X, g: Sliding, value=0.0, images_last=False):
    """X (n, c, h, w) with g's border of a value; X itself if there is none.

    images_last: as a new array that is (c, h, w, n) in memory; its shape is the same.
    """
    (top, bottom), (left, right) = g.padding
    if top == bottom == left == right == 0 and not images_last:
        return X
    n, c, h, w = X.shape
    size = (top + h + bottom, left + w + right)
    full = array_module(X).full
    if images_last:
        P = full((c, *size, n), value, X.dtype).transpose(3, 0, 1, 2)
    else:
        P = full((n, c, *size), value, X.dtype)
    unpadded(P, g, h, w)[...] = X
    return P


def unpadded(P, g: Sliding, h, w):
    """The view of a padded array that holds the image of size (h, w)."""
    (top, _), (left, _) = g.padding
    return P[:, :, top : top + h, left : left + w]


def taps(P, g: Sliding) -> Iterator:
    """What each cell of the window, row by row, sees in padded images: views (n, c, *out)."""
    for y in range(0, g.reach[0], g.dilation[0]):
        for x in range(0, g.reach[1], g.dilation[1]):
            rows = slice(y, y + (g.out[0] - 1) * g.stride[0] + 1, g.stride[0])
            columns = slice(x, x + (g.out[1] - 1) * g.stride[1] + 1, g.stride[1])
            yield P[:, :, rows, columns]


def seen(g: Sliding, image, axis, start=0, stop=None) -> Iterator[tuple[slice, slice]]:
    """For each row of the window: the outputs that see image rows through it, and these rows.

    Nothing outside the image is seen, so that no border is needed. axis: 0, or 1 for columns;
    start, stop: the first output and the one behind the last, counted from start in what is given.

    >>> g = sliding("pool", (5, 5), (2, 2), 2, padding=1)
    >>> [(list(range(3)[o]), list(range(5)[i])) for o, i in seen(g, (5, 5), 0)]
    [([1, 2], [1, 3]), ([0, 1, 2], [0, 2, 4])]
    """
    stop = g.out[axis] if stop is None else stop
    step = g.stride[axis]
    for i in range(0, g.reach[axis], g.dilation[axis]):
        offset = i - g.padding[axis][0]
        first = -(offset // step) if offset < 0 else 0  # output whose row is the first inside
        last = (image[axis] - 1 - offset) // step
        first = first if first > start else start
        last = last if last < stop else stop - 1
        if first <= last:
            rows = slice(first * step + offset, last * step + offset + 1, step)
            yield slice(first - start, last + 1 - start), rows


def blocks(g: Sliding, pool):
    """The index of all outputs, or of their blocks of pool x pool: two slices."""
    return slice(0, g.out[0] // pool), slice(0, g.out[1] // pool)


def phases(Z, pool):
    """The outputs (h', w', ...) at the same place of each block, row by row: pool pool views.

    >>> phases(np.arange(12).reshape(3, 4), 2)[1]
    array([[1, 3]])
    """
    h, w = (side // pool * pool for side in Z.shape[:2])
    return [Z[i:h:pool, j:w:pool] for i in range(pool) for j in range(pool)]


def slices(total, size):
    """range(total) as slices of that size, the last one of what is left.

    >>> slices(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(i, min(i + size, total)) for i in range(0, total, size)]
