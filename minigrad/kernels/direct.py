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
from .order import as_images, pixels
from .parallel import each
from .windows import Sliding, phases, slices

CHUNK_BYTES = 1 << 20  # of outputs at a time: they stay in the cache
BANDS = (
    4  # of rows, whose gradients are summed in turn; fixed, so that sums do not depend on threads
)


def forward(X, W, g: Sliding, groups, finish, pool=1):
    """Z = W * X, by calls finish(part, phases) for blocks of pool x pool outputs.

    part: index into (h' // pool, w' // pool, k, n); phases: the pool pool outputs of each block,
    row by row, arrays like that part, gone when finish returns.
    """
    n, k, xp, dtype = len(X), len(W) // groups, array_module(X), np.result_type(X, W)
    P, F = bordered(pixels(X), g), by_columns(W, g, groups)

    def band(rows):
        for ys, j, xs in parts(rows, F, n, g, pool):
            B = columns(P, ys, j, groups, g, pool)
            for x in xs:
                Y = empty((len(B), (x.stop - x.start) * pool, k, n), dtype, xp)
                xp.matmul(F[j], overlapping(B, x, g, pool), out=Y)
                finish((ys, x, slice(j * k, j * k + k)), phases(Y, pool))

    each(band, bands(g, pool), output_bytes(g, W, n, dtype))


def backward(kept, X, W, g: Sliding, groups, fetch, wanted, pool=1):
    """(dW (k, c / groups, r, s), dX (n, c, h, w)); None for what is not wanted, a pair of bools.

    kept: None, all is made again; fetch(part, phases) fills in gradients, as `finish` gets outputs.
    """
    n, k, xp, dtype = len(X), len(W) // groups, array_module(X), np.result_type(X, W)
    P, F = bordered(pixels(X), g), by_columns(W, g, groups)
    all_rows = bands(g, pool)
    dF, dP = xp.zeros((len(all_rows), *F.shape), dtype), [None] * len(all_rows)

    def band(i):
        first, last = all_rows[i].start * pool, all_rows[i].stop * pool
        if wanted[1]:
            dP[i] = xp.zeros(((last - first - 1) * g.stride[0] + g.reach[0], *P.shape[1:]), dtype)
        for ys, j, xs in parts(all_rows[i], F, n, g, pool):
            B = columns(P, ys, j, groups, g, pool)
            dB = xp.zeros(B.shape, dtype) if wanted[1] else None
            for x in xs:
                dY = empty((len(B), (x.stop - x.start) * pool, k, n), dtype, xp)
                fetch((ys, x, slice(j * k, j * k + k)), phases(dY, pool))
                if wanted[0]:
                    V = overlapping(B, x, g, pool)
                    dF[i, j] += (V @ dY.swapaxes(2, 3)).sum((0, 1)).T
                if wanted[1]:
                    add_overlapping(dB, x.start * pool, F[j].T @ dY, g)
            if wanted[1]:
                add_columns(dP[i], ys.start * pool - first, j, dB, g)

    each(band, range(len(all_rows)), output_bytes(g, W, n, dtype))
    dW = by_columns_back(dF.sum(0), W, g) if wanted[0] else None
    return dW, as_images(merged(dP, all_rows, P.shape, g, pool)) if wanted[1] else None


def bands(g: Sliding, pool):
    """All rows of blocks as slices, for threads to share."""
    rows = g.out[0] // pool
    return slices(rows, -(-rows // BANDS))


def output_bytes(g: Sliding, W, n, dtype):
    return g.out[0] * g.out[1] * len(W) * n * dtype.itemsize


def parts(rows, F, n, g: Sliding, pool):
    """(rows, group, slices of places) of a few blocks each: several rows, or a part of one."""
    across = g.out[1] // pool
    fit = CHUNK_BYTES // (pool * pool * F.shape[1] * n * F.itemsize or 1) or 1
    for first in range(rows.start, rows.stop, fit // across or 1):
        last = first + (fit // across or 1)
        for j in range(len(F)):
            yield slice(first, last if last < rows.stop else rows.stop), j, slices(across, fit)


def bordered(P, g: Sliding):
    """Pixels (h, w, c, n) with g's border of zeros; P itself if there is none."""
    if g.padding == ((0, 0), (0, 0)):
        return P
    ((top, bottom), (left, right)), (h, w, c, n) = g.padding, P.shape
    xp = array_module(P)
    B = empty((top + h + bottom, left + w + right, c, n), P.dtype, xp)
    for border in (B[:top], B[top + h :], B[top : top + h, :left], B[top : top + h, left + w :]):
        border[...] = 0
    B[top : top + h, left : left + w] = P
    return B


def columns(P, ys, j, groups, g: Sliding, pool):
    """What rows ys of blocks see of group j of channels: (rows, w + padding, r, c / groups, n)."""
    _, w, c, n = P.shape
    xp, (line, column, channel, entry) = array_module(P), steps(P)
    c = c // groups
    own = P[ys.start * pool * g.stride[0] :, :, j * c : j * c + c]
    shape = ((ys.stop - ys.start) * pool, w, g.size[0], c, n)
    strides = (g.stride[0] * line, column, g.dilation[0] * line, channel, entry)
    seen = xp.lib.stride_tricks.as_strided(own, shape, strides)
    if g.size[0] == 1 and groups == 1:
        return seen  # the rows as they are; with one column too, W is multiplied with the pixels
    B = empty(shape, P.dtype, xp)
    B[...] = seen
    return B


def steps(P):
    """The strides of an array without gaps, whatever it says for sides of 1."""
    *others, n = P.shape
    found = [P.itemsize]
    for side in (n, *others[:0:-1]):
        found.insert(0, found[0] * side)
    return found


def add_columns(dP, first, j, dB, g: Sliding):
    """The adjoint of `columns` from row first of outputs, into what a band of them sees."""
    rows, _, r, c, _ = dB.shape
    for i in range(r):
        top = first * g.stride[0] + i * g.dilation[0]
        lines = slice(top, top + (rows - 1) * g.stride[0] + 1, g.stride[0])
        dP[lines, :, j * c : j * c + c] += dB[:, :, i]


def overlapping(B, x, g: Sliding, pool):
    """The windows of the outputs in blocks x of rows, views that overlap: (rows, places, m, n).

    m = s r c: the values of a window are neighbours in memory.
    """
    row, column, *_ = B.strides
    rows, _, r, c, n = B.shape
    as_strided = array_module(B).lib.stride_tricks.as_strided
    shape = (rows, (x.stop - x.start) * pool, g.reach[1] * r * c, n)
    strides = (row, g.stride[1] * column, n * B.itemsize, B.itemsize)
    return as_strided(B[:, x.start * pool * g.stride[1] :], shape, strides)


def add_overlapping(dB, first, dV, g: Sliding):
    """The adjoint of `overlapping` from place first."""
    rows, _, *cell = dB.shape
    for x in range(dV.shape[1]):
        left = (first + x) * g.stride[1]
        dB[:, left : left + g.reach[1]] += dV[:, x].reshape(rows, g.reach[1], *cell)


def merged(dP, bands, shape, g: Sliding, pool):
    """The sum of the bands' parts, which overlap, without the border: pixels (h, w, c, n)."""
    whole = array_module(dP[0]).zeros(shape, dP[0].dtype)
    for band, part in zip(bands, dP, strict=True):
        first = band.start * pool * g.stride[0]
        whole[first : first + len(part)] += part
    (top, bottom), (left, right) = g.padding
    return whole[top : len(whole) - bottom, left : whole.shape[1] - right]


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
