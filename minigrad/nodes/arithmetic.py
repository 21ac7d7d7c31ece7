"""Arithmetic on arrays of any shape.

Elementwise operations broadcast as NumPy does; their backs deposit through `fit`, which sums over
what was broadcast.

>>> import numpy as np
>>> from minigrad import var
>>> A, b = var((np.ones((2, 3)), np.ones(3)))
>>> sum(A * b).backward()
>>> b.grad
array([2., 2., 2.])
"""

import numpy as np

from ..engine import node
from ..tree import needed


def fit(dA, deposit):
    """dA += deposit, summed over the axes along which A was broadcast."""
    if deposit.shape != dA.shape:
        if not needed(dA):
            return
        deposit = deposit.sum(tuple(range(deposit.ndim - dA.ndim)))
        wide = [i for i in range(dA.ndim) if dA.shape[i] == 1 != deposit.shape[i]]
        deposit = deposit.sum(tuple(wide), keepdims=True)
    dA += deposit


@node
def add(X):
    """S = X_1 + X_2 + ..., the sum of a tuple of arrays, as on the slide; `A + B` is `add((A, B))`.

    X: arrays whose shapes broadcast to that of S.

    >>> add((1.0, 2.0, 3.0))
    6.0
    """
    S = X[0]
    for x in X[1:]:
        S = S + x

    def back(dS, dX):
        for dx in dX:
            fit(dx, dS)

    return S, back


@node
def sub(A, B):
    """Z = A - B.  A, B: shapes that broadcast to that of Z.

    >>> sub(3.0, 1.0)
    2.0
    """
    Z = A - B

    def back(dZ, dA, dB):
        fit(dA, dZ)
        fit(dB, -dZ)

    return Z, back


@node
def mul(A, B):
    """Z = A B, elementwise.  A, B: shapes that broadcast to that of Z.

    >>> mul(3.0, 2.0)
    6.0
    """
    Z = A * B

    def back(dZ, dA, dB):
        fit(dA, dZ * B)
        fit(dB, dZ * A)

    return Z, back


@node
def div(A, B):
    """Z = A / B, elementwise.  A, B: shapes that broadcast to that of Z.

    >>> div(3.0, 2.0)
    1.5
    """
    Z = A / B

    def back(dZ, dA, dB):
        fit(dA, dZ / B)
        fit(dB, -dZ * Z / B)

    return Z, back


@node
def neg(A):
    """Z = -A.  A, Z: any shape.

    >>> neg(3.0)
    -3.0
    """
    Z = -A

    def back(dZ, dA):
        dA -= dZ

    return Z, back


@node
def pow(A, B):
    """Z = A^B, elementwise.  A, B: shapes that broadcast to that of Z.

    The gradient of A is B A^(B-1) and 0 where B = 0; that of B is A^B ln A and 0 where A <= 0.
    At A = 0 with 0 < B < 1 it is infinite; `sqrt` takes 0 there.

    >>> pow(3.0, 2)
    9.0
    """
    Z = A**B

    def back(dZ, dA, dB):
        if needed(dA):
            fit(dA, dZ * B * A ** (B - (B != 0)))
        if needed(dB):
            P = np.where(np.isinf(Z) & (A == 0), 0, Z)  # 0 for 0^-1: inf times 0 would be NaN
            fit(dB, dZ * P * np.log(np.where(A > 0, A, 1)))

    return Z, back


@node
def dot(A, B):
    """Z = A B, the matrix product.  A: (n, k), B: (k, m), Z: (n, m).

    More axes in front are a batch and broadcast; a vector to the left is a row, to the right a
    column, and that axis is dropped from Z, as in NumPy's `@`.

    >>> dot(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    Z = A @ B

    def back(dZ, dA, dB):
        dZ = dZ[..., None] if B.ndim == 1 else dZ
        dZ = dZ[..., None, :] if A.ndim == 1 else dZ
        if needed(dA):
            fit(row(dA), dZ @ column(B).swapaxes(-1, -2))
        if needed(dB):
            fit(column(dB), row(A).swapaxes(-1, -2) @ dZ)

    return Z, back


def row(A):
    """A vector as a matrix of one row; everything else as it is."""
    return A[None, :] if A.ndim == 1 else A


def column(B):
    """A vector as a matrix of one column; everything else as it is."""
    return B[:, None] if B.ndim == 1 else B


@node
def exp(A):
    """Z = e^A, elementwise.  A, Z: any shape.

    >>> exp(np.zeros(1))
    array([1.])
    """
    Z = np.exp(A)

    def back(dZ, dA):
        dA += dZ * Z

    return Z, back


@node
def log(A):
    """Z = ln A, elementwise.  A, Z: any shape; -inf at 0, NaN below.

    >>> log(np.ones(1))
    array([0.])
    """
    Z = np.log(A)

    def back(dZ, dA):
        dA += dZ / A

    return Z, back


@node
def sqrt(A):
    """Z = A^(1/2), elementwise.  A, Z: any shape.

    At A = 0, where the slope is infinite, the gradient is 0: a distance of 0 pulls nowhere.

    >>> sqrt(np.array([0.0, 9.0]))
    array([0., 3.])
    """
    Z = np.sqrt(A)

    def back(dZ, dA):
        dA += dZ * (Z > 0) / (2 * Z + (Z == 0))

    return Z, back


@node
def abs(A):
    """Z = |A|, elementwise.  A, Z: any shape.  At A = 0 the gradient is 0.

    >>> abs(np.array([-3.0, 2.0]))
    array([3., 2.])
    """
    Z = np.abs(A)

    def back(dZ, dA):
        dA += dZ * np.sign(A)

    return Z, back


@node
def maximum(A, B):
    """Z = max(A, B), elementwise.  A, B: shapes that broadcast to that of Z.

    Where A = B each gets half of the gradient.

    >>> maximum(np.array([1.0, 3.0]), 2.0)
    array([2., 3.])
    """
    Z = np.maximum(A, B)

    def back(dZ, dA, dB):
        fit(dA, dZ * (A > B) + 0.5 * dZ * (A == B))
        fit(dB, dZ * (B > A) + 0.5 * dZ * (A == B))

    return Z, back


@node
def minimum(A, B):
    """Z = min(A, B), elementwise.  A, B: shapes that broadcast to that of Z.

    Where A = B each gets half of the gradient.

    >>> minimum(np.array([1.0, 3.0]), 2.0)
    array([1., 2.])
    """
    Z = np.minimum(A, B)

    def back(dZ, dA, dB):
        fit(dA, dZ * (A < B) + 0.5 * dZ * (A == B))
        fit(dB, dZ * (B < A) + 0.5 * dZ * (A == B))

    return Z, back


@node
def sum(A, axis=None, keepdims=False):
    """Z = sum of A over the axes (all of them by default).  A: any shape.

    axis: a number or a tuple; with keepdims the summed axes stay, of size 1.

    >>> sum(np.ones((2, 3)), 0)
    array([2., 2., 2.])
    """
    Z = np.sum(A, axis, keepdims=keepdims)

    def back(dZ, dA):
        dA += spread(dZ, axis, keepdims)

    return Z, back


@node
def mean(A, axis=None, keepdims=False):
    """Z = mean of A over the axes (all of them by default).  A: any shape.

    axis: a number or a tuple; with keepdims the averaged axes stay, of size 1.

    >>> mean(np.ones((2, 3)), 1)
    array([1., 1.])
    """
    Z = np.mean(A, axis, keepdims=keepdims)

    def back(dZ, dA):
        dA += spread(dZ, axis, keepdims) * (Z.size / A.size)

    return Z, back


@node
def max(A, axis=None, keepdims=False):
    """Z = greatest entry of A over the axes (all of them by default).  A: any shape.

    axis: a number or a tuple; with keepdims the axes stay, of size 1. Equal maxima share the
    gradient equally.

    >>> max(np.array([[1.0, 5.0], [2.0, 3.0]]), 1)
    array([5., 3.])
    """
    Z = np.max(A, axis, keepdims=keepdims)

    def back(dZ, dA):
        M = spread(Z, axis, keepdims) == A
        dA += M * (spread(dZ, axis, keepdims) / M.sum(axis, A.dtype, keepdims=True))

    return Z, back


def spread(Z, axis, keepdims):
    """Z, reduced over the axes, with these axes put back as size 1, so that it broadcasts."""
    return Z if keepdims or axis is None else np.expand_dims(Z, axis)
