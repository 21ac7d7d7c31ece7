"""Convolution as one product at each place of the window, for images that stand batch-last.

At a place, what the window sees is a matrix (s r c, n): columns of the window, its rows, channels.
If the rows of the image that a row of outputs sees are copied to [column][row][channel][image],
the windows of neighbouring places overlap in memory as they do in the image, and all of them are
there, without another copy:

    column       0      1      2      3      4
    memory   | r c n| r c n| r c n| r c n| r c n|
    place 0  |<------ s = 3 ------>|
    place 1         |<------ s = 3 ------>|

so that r times the values of the image are moved, not r s times as in `im2col`, and what is moved
stays in the cache for the products. For few channels, for stride or dilation.

X (n, c, h, w), W (k, c / groups, r, s), outputs (h', w', k, n).
"""

import numpy as np

from ..backend import array_module
from .memory import empty
from .order import images, pixels
from .parallel import each
from .windows import Sliding, phases, slices

CHUNK_BYTES = 1 << 20  # of outputs at a time: they stay in the cache
BANDS = 4  # of rows, whose gradients are summed in turn; fixed, so that sums do not depend on threads


def forward(X, W, g: Sliding, groups, finish, pool=1):
    """Z = W * X, by calls finish(part, phases) for blocks of pool x pool outputs.

    part: index into (h' // pool, w' // pool, k, n); phases: the pool pool outputs of each block,
    row by row, arrays like that part, gone when finish returns.
    """
    n, k, xp, dtype = len(X), len(W) // groups, array_module(X), np.result_type(X, W)
    P, F = pixels(X), by_columns(W, g, groups)

    def band(rows):
        for ys, j, xs in parts(rows, F, n, g, pool):
            seen = [columns(P, y, j, groups, g) for y in range(ys.start * pool, ys.stop * pool)]
            for x in xs:
                Y = empty((len(seen), (x.stop - x.start) * pool, k, n), dtype, xp)
                for B, Z in zip(seen, Y, strict=True):
                    xp.matmul(F[j], overlapping(B, x, g, pool), out=Z)
                finish((ys, x, slice(j * k, j * k + k)), phases(Y, pool))

    each(band, bands(g, pool))


def backward(kept, X, W, g: Sliding, groups, fetch, wanted, pool=1):
    """(dW (k, c / groups, r, s), dX (n, c, h, w)); None for what is not wanted, a pair of bools.

    kept: None, all is made again; fetch(part, phases) fills in gradients, as `finish` gets outputs.
    """
    n, k, xp, dtype = len(X), len(W) // groups, array_module(X), np.result_type(X, W)
    P, F = pixels(X), by_columns(W, g, groups)
    all_rows = bands(g, pool)
    dF = xp.zeros((len(all_rows), *F.shape), dtype)
    dP = [xp.zeros((height(rows, g, pool), *P.shape[1:]), dtype) for rows in all_rows if wanted[1]]

    def band(i):
        for ys, j, xs in parts(all_rows[i], F, n, g, pool):
            lines = range(ys.start * pool, ys.stop * pool)
            seen = [columns(P, y, j, groups, g) for y in lines]
            dB = [xp.zeros(B.shape, dtype) for B in seen if wanted[1]]
            for x in xs:
                dY = empty((len(seen), (x.stop - x.start) * pool, k, n), dtype, xp)
                fetch((ys, x, slice(j * k, j * k + k)), phases(dY, pool))
                if wanted[0]:
                    for dZ, B in zip(dY, seen, strict=True):
                        dF[i, j] += (overlapping(B, x, g, pool) @ dZ.swapaxes(1, 2)).sum(0).T
                if wanted[1]:
                    for dZ, d in zip(dY, dB, strict=True):
                        add_overlapping(d, x.start * pool, F[j].T @ dZ, g)
            for y, d in zip(lines, dB, strict=False):
                add_columns(dP[i], y - all_rows[i].start * pool, j, d, g)

    each(band, range(len(all_rows)))
    dW = by_columns_back(dF.sum(0), W, g) if wanted[0] else None
    return dW, images(merged(dP, all_rows, P.shape, g, pool)) if wanted[1] else None


def bands(g: Sliding, pool):
    """All rows of blocks as slices, for threads to share."""
    rows = g.out[0] // pool
    return slices(rows, -(-rows // BANDS))


def height(rows, g: Sliding, pool):
    """How many rows of the image some rows of blocks see."""
    return ((rows.stop - rows.start) * pool - 1) * g.stride[0] + g.reach[0]


def parts(rows, F, n, g: Sliding, pool):
    """(rows, group, slices of places) of a few blocks each: several rows, or a part of one."""
    across = g.out[1] // pool
    fit = CHUNK_BYTES // (pool * pool * F.shape[1] * n * F.itemsize or 1) or 1
    for first in range(rows.start, rows.stop, fit // across or 1):
        last = first + (fit // across or 1)
        for j in range(len(F)):
            yield slice(first, last if last < rows.stop else rows.stop), j, slices(across, fit)


def columns(P, y, j, groups, g: Sliding):
    """What row y of outputs sees of group j of channels: (w + padding, r, c / groups, n)."""
    h, w, c, n = P.shape
    (top, _), (left, right) = g.padding
    own = slice(j * (c // groups), (j + 1) * (c // groups))
    if g.size == (1, 1) and g.padding == ((0, 0), (0, 0)):
        return P[y * g.stride[0], :, None, own]  # no copy: a plain product of W and the pixels
    B = empty((left + w + right, g.size[0], c // groups, n), P.dtype, array_module(P))
    B[:left], B[left + w :] = 0, 0
    for i in range(g.size[0]):
        row = y * g.stride[0] + i * g.dilation[0] - top
        B[left : left + w, i] = P[row, :, own] if 0 <= row < h else 0
    return B


def add_columns(dP, y, j, dB, g: Sliding):
    """The adjoint of `columns`, into rows that begin with the first one that output row 0 sees."""
    left, w, c = g.padding[1][0], dP.shape[1], dB.shape[2]
    for i in range(g.size[0]):
        row = y * g.stride[0] + i * g.dilation[0]
        dP[row, :, j * c : (j + 1) * c] += dB[left : left + w, i]


def overlapping(B, x, g: Sliding, pool):
    """The windows of the outputs in blocks x of a row, views that overlap: (places, s r c, n)."""
    column, *_, entry = B.strides
    n, first = B.shape[-1], x.start * pool * g.stride[1]
    as_strided = array_module(B).lib.stride_tricks.as_strided
    shape = ((x.stop - x.start) * pool, g.reach[1] * B[0].size // n, n)
    return as_strided(B[first:], shape, (g.stride[1] * column, n * entry, entry))


def add_overlapping(dB, first, dV, g: Sliding):
    """The adjoint of `overlapping` from place first."""
    for x, d in enumerate(dV, first):
        seen = slice(x * g.stride[1], x * g.stride[1] + g.reach[1])
        dB[seen] += d.reshape(g.reach[1], *dB.shape[1:])


def merged(dP, bands, shape, g: Sliding, pool):
    """The sum of the bands' parts, which overlap, as pixels (h, w, c, n)."""
    dX = array_module(dP[0]).zeros(shape, dP[0].dtype)
    for band, rows in zip(bands, dP, strict=True):
        first = band.start * pool * g.stride[0] - g.padding[0][0]
        above = -first if first < 0 else 0  # rows of the padding
        inside = rows[above : len(dX) - first]
        dX[first + above : first + above + len(inside)] += inside
    return dX


def by_columns(W, g: Sliding, groups):
    """Filters as windows are: (groups, k / groups, s r c), 0 where a dilation skips columns."""
    k, c, r, _ = W.shape
    F = array_module(W).zeros((k, g.reach[1], r, c), W.dtype)
    F[:, :: g.dilation[1]] = W.transpose(0, 3, 2, 1)
    return F.reshape(groups, k // groups, -1)


def by_columns_back(dF, W, g: Sliding):
    """The adjoint of `by_columns`: (k, c / groups, r, s)."""
    k, c, r, _ = W.shape
    return dF.reshape(k, g.reach[1], r, c)[:, :: g.dilation[1]].transpose(0, 3, 2, 1)
