"""Convolution by the convolution theorem, in real matrix products from end to end.

In one dimension, y_o = sum_j w_j x_{o + j - p} for places o. Give x, as it stands on a circle of
n places, the coefficients X_k = sum_l x_l e^{-2 pi i k l / n}, and w, moved to where it acts,
W_k = sum_j w_j e^{+2 pi i k (j - p) / n}. Then Y_k = W_k X_k: a shift turns into a factor, and a
convolution is a sum of shifts. What leaves one end of the circle enters at the other, into the
same p zeros: n = (length of x) + p is enough, where a linear convolution would take 2 p.

Three things make it fast.

*Half of it is redundant.* x is real, so X_{-k} is the conjugate of X_k: k = 0 (and n / 2, for even
n) is real, of the others one of each pair is kept. In two dimensions rows are transformed first,
then columns: of a real row coefficient (k_x = 0, n / 2) again half, of the others all n.

*Three products instead of four* (Gauss). For complex numbers w = a + ib and x = c + id,

    m1 = a (c + d),  m2 = (b - a) c,  m3 = (a + b) d,   w x = (m1 - m3) + i (m1 + m2).

The sums depend on one operand each. They are taken into the matrices that make the coefficients:
x gets the planes (c + d, c, d), w gets (a, b - a, a + b), and what is behind the products is
linear again. Everything is real now, and the whole convolution is

    y = Ty^T ((Tw w) . (Tx x))

with constant matrices Tx, Tw, Ty; the dot stands for a product of matrices (k, c) (c, n) at each
of the planes. This is bilinear, so that its gradients can be read off it, exactly:

    D = Ty dy,   dw = Tw^T (D . (Tx x)^T),   dx = Tx^T ((Tw w)^T . D).

*All of it is products of small matrices.* Images stand batch-last, (h, w, c, n): a transform is a
product with a constant matrix from the left, over a few channels at a time, as many as stay in
the cache. No fast Fourier transform does better at these lengths.

All places of an image meet in each coefficient: rounding is relative to the image's largest entry,
and a NaN or an infinity anywhere makes all outputs of its image NaN.

Stride 1; any padding, dilation and groups. For a filter of 5 x 5 on 16 x 16 places, 480 products
for 256 places stand against 25 for each. Source of the theorem: lecture, convolution.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from ..backend import array_module
from .memory import empty
from .order import as_images, pixels
from .parallel import each
from .windows import Sliding, blocks, phases, slices

KEPT_BYTES = 1 << 24  # of transforms kept for the gradients; larger ones are made again
CHUNK_BYTES = 600_000  # of a few channels half way through a transform: they stay in the cache
APART = 64  # bytes between planes: at powers of two they would push each other out of the cache


class Transform(NamedTuple):
    """A constant matrix T in three parts: along rows, then along columns of complex or real rows.

    along: (n_x, w), the real coefficients first, then real and imaginary part in turn;
    complex: (3 n_y, 2 h); real: (coefficients of a real column, h).
    """

    along: Any
    complex: Any
    real: Any

    @property
    def planes(self):
        pairs, real = divmod(len(self.along) - 1, 2)
        return pairs * len(self.complex) + (1 + real) * len(self.real)


def forward(X, W, g: Sliding, groups, finish, pool=1):
    """Z = W * X, by calls finish(part, phases) for a few maps at a time.

    X (n, c, h, w), W (k, c / groups, r, s). part: index into (h' // pool, w' // pool, k, n);
    phases: the pool pool outputs of each block, row by row, arrays like that part, gone when
    finish returns. Returns Tx x and Tw w for `backward`, None for a large one.
    """
    n, k, xp, dtype = len(X), len(W), array_module(X), np.result_type(X, W)
    Tx, Ty, Tw = constants(X.shape[2:], g, dtype, xp)
    x, w, y = (
        of_images(Tx, X, dtype),
        of_filters(Tw, W, dtype),
        empty_planes(len(Tw), k, n, dtype, xp),
    )
    products(grouped(w, groups), grouped(x, groups), grouped(y, groups))

    def deliver(s):
        Z = empty((*g.out, s.stop - s.start, n), dtype, xp)
        adjoint(Ty, y[:, s], Z)
        finish((*blocks(g, pool), s), phases(Z, pool))

    each(deliver, channels(k, n, Ty), y.nbytes)
    return [a if a.nbytes <= KEPT_BYTES else None for a in (x, w)]


def backward(kept, X, W, g: Sliding, groups, fetch, wanted, pool=1):
    """(dW (k, c / groups, r, s), dX (n, c, h, w)); None for what is not wanted, a pair of bools.

    kept: Tx x and Tw w, or None; fetch(part, phases) fills in gradients, as `finish` gets outputs.
    """
    (n, c, *image), k, xp, dtype = X.shape, len(W), array_module(X), np.result_type(X, W)
    Tx, Ty, Tw = constants(X.shape[2:], g, dtype, xp)
    x, w = kept
    D = empty_planes(len(Tw), k, n, dtype, xp)

    def collect(s):
        dZ = empty((*g.out, s.stop - s.start, n), dtype, xp)
        if g.out[0] % pool or g.out[1] % pool:
            dZ[...] = 0  # what is left over at the border
        fetch((*blocks(g, pool), s), phases(dZ, pool))
        transform(Ty, dZ, D[:, s])

    each(collect, channels(k, n, Ty), D.nbytes)
    dW: Any = None
    dX: Any = None
    if wanted[0]:
        x = of_images(Tx, X, dtype) if x is None else x
        dw = empty_planes(len(Tw), k, c // groups, dtype, xp)
        products(grouped(D, groups), grouped(x, groups).swapaxes(-1, -2), grouped(dw, groups))
        dW = to_filters(Tw, dw).reshape(W.shape)
        del dw
    if wanted[1]:
        w = of_filters(Tw, W, dtype) if w is None else w
        dx, dX = empty_planes(len(Tw), c, n, dtype, xp), empty((*image, c, n), dtype, xp)
        products(grouped(w, groups).swapaxes(-1, -2), grouped(D, groups), grouped(dx, groups))
        each(lambda s: adjoint(Tx, dx[:, s], dX[:, :, s]), channels(c, n, Tx), dx.nbytes)
        dX = as_images(dX)
    return dW, dX


def of_images(Tx, X, dtype):
    """Tx x: (planes, c, n).  X (n, c, h, w)."""
    (n, c, _, _), P = X.shape, pixels(X)
    x = empty_planes(Tx.planes, c, n, dtype, array_module(X))
    each(lambda s: transform(Tx, P[:, :, s], x[:, s]), channels(c, n, Tx), x.nbytes)
    return x


def of_filters(Tw, W, dtype):
    """Tw w: (planes, k, c / groups).  W (k, c / groups, r, s)."""
    xp = array_module(W)
    w, filters = empty_planes(len(Tw), *W.shape[:2], dtype, xp), W.reshape(-1, Tw.shape[1]).T
    flat = w.reshape(len(Tw), -1)
    parts = slices(flat.shape[1], 4096)
    each(lambda s: xp.matmul(Tw, filters[:, s], out=flat[:, s]), parts, w.nbytes)
    return w


def to_filters(Tw, dw):
    """Tw^T dw: (k c / groups, r s).  dw (planes, k, c / groups)."""
    flat, xp = dw.reshape(len(dw), -1), array_module(dw)
    dW = xp.empty((flat.shape[1], Tw.shape[1]), dw.dtype)
    each(lambda s: xp.matmul(flat[:, s].T, Tw, out=dW[s]), slices(len(dW), 256), dw.nbytes)
    return dW


def empty_planes(count, rows, columns, dtype, xp):
    """An array (count, rows, columns) of whatever values, with APART between the planes."""
    size = rows * columns
    row = size + APART // np.dtype(dtype).itemsize
    return empty((count, row), dtype, xp)[:, :size].reshape(count, rows, columns)


def transform(T, X, out):
    """out = T X.  X (h, w, c, n), out (planes, c, n)."""
    h, w, c, n = X.shape
    rows = empty((len(T.along), h, c * n), out.dtype, array_module(X))
    pairs, real, of_pairs, of_real = halves(T, rows, out.reshape(-1, c * n))
    matmul = array_module(X).matmul
    matmul(T.along, X.reshape(h, w, c * n), out=rows.transpose(1, 0, 2))
    matmul(T.complex, pairs, out=of_pairs)
    matmul(T.real, real, out=of_real)


def adjoint(T, F, out):
    """out = T^T F.  F (planes, c, n), out (h, w, c, n)."""
    h, w, c, n = out.shape
    rows = empty((len(T.along), h, c * n), F.dtype, array_module(F))
    pairs, real, of_pairs, of_real = halves(T, rows, F.reshape(-1, c * n))
    matmul = array_module(F).matmul
    matmul(T.complex.T, of_pairs, out=pairs)
    matmul(T.real.T, of_real, out=real)
    matmul(T.along.T, rows.transpose(1, 0, 2), out=out.reshape(h, w, c * n))


def halves(T, rows, F):
    """Views of transformed rows and of all planes: those of complex, those of real rows."""
    real = 2 - len(rows) % 2
    pairs = (len(rows) - real) // 2
    split, columns = pairs * len(T.complex), F.shape[1]
    return (
        rows[real:].reshape(pairs, T.complex.shape[1], columns),
        rows[:real],
        F[:split].reshape(pairs, len(T.complex), columns),
        F[split:].reshape(real, -1, columns),
    )


def products(A, B, out):
    """out = A B at each plane; of a transposed B a copy is made, which BLAS takes much faster."""
    xp = array_module(A)
    parts = slices(len(A), 32)
    each(lambda s: xp.matmul(A[s], xp.ascontiguousarray(B[s]), out=out[s]), parts, out.nbytes)


def grouped(A, groups):
    """(planes, rows, columns) as (planes, groups, rows / groups, columns)."""
    return A.reshape(len(A), groups, -1, A.shape[2])


def channels(c, n, T):
    """Slices of a few of c channels, of n images each, of about the same size."""
    bytes_per_channel = n * len(T.along) * T.real.shape[1] * T.real.dtype.itemsize
    parts = -(-c // (CHUNK_BYTES // (bytes_per_channel or 1) or 1))
    return slices(c, -(-c // parts))


@functools.lru_cache(maxsize=128)
def constants(image, g: Sliding, dtype, xp):
    """(Tx, Ty, Tw) for images of a size and windows: two Transforms, and (planes, r s)."""
    n = [
        sorted([side + before, side + after, out])[-1]
        for side, (before, after), out in zip(image, g.padding, g.out, strict=True)
    ]
    Tx = separable(n, image, lambda re, im: (re + im, re, im))
    Ty = separable(n, g.out, lambda re, im: (re + im, im, -re))
    places = [
        d * np.arange(size) - padding[0]
        for d, size, padding in zip(g.dilation, g.size, g.padding, strict=True)
    ]
    Tw = filter_matrix(n, *places)
    on_device = [Transform(*(xp.asarray(M, dtype) for M in T)) for T in (Tx, Ty)]
    return (*on_device, xp.asarray(Tw, dtype))


def circle(n, places):
    """e^(-2 pi i k l / n) at places l, for k that are their own conjugates, and one of each pair.

    Two matrices with a row for each k, and a third for all k.
    """
    E = np.exp(-2j * np.pi * (np.outer(np.arange(n), places) % n) / n)
    return E[:: n // 2 or 1].real[: 2 - n % 2], E[1 : (n + 1) // 2], E


def separable(n, sides, planes):
    """The Transform of images of these sides on circles of n places; planes: see Gauss above."""
    real, pairs, every = circle(n[0], np.arange(sides[0]))
    real_x, pairs_x, _ = circle(n[1], np.arange(sides[1]))
    along = [real_x, np.stack([pairs_x.real, pairs_x.imag], 1).reshape(-1, sides[1])]
    re, im = np.hstack([every.real, -every.imag]), np.hstack([every.imag, every.real])
    of_real = [*planes(pairs.real, pairs.imag), real]
    return [np.concatenate(along), np.concatenate(planes(re, im)), np.concatenate(of_real)]


def filter_matrix(n, y, x):
    """Tw: the coefficients of filters with cells at places y, x, conjugate, divided by n_x n_y."""
    real, pairs, every = (E.conj() / n[0] for E in circle(n[0], y))
    real_x, pairs_x, _ = (E.conj() / n[1] for E in circle(n[1], x))

    def both(Ex, Ey):
        return Ex[:, None, None, :] * Ey[None, :, :, None]

    def planes(C):  # twice: each stands for its conjugate as well
        return 2 * C.real, 2 * (C.imag - C.real), 2 * (C.real + C.imag)

    of_complex = np.concatenate(planes(both(pairs_x, every)), 1)
    of_real = np.concatenate([*planes(both(real_x, pairs)), both(real_x, real)], 1)
    cells = len(y) * len(x)
    return np.concatenate([of_complex.reshape(-1, cells), of_real.reshape(-1, cells)])
