"""Operations that move entries and leave their values alone.

>>> import numpy as np
>>> flatten(np.ones((2, 3, 4))).shape
(2, 12)
"""

import numpy as np

from ..backend import array_module
from ..engine import node
from ..kernels import order
from ..tree import needed


@node
def reshape(A, shape):
    """Z = A read in C order into another shape.

    A: any shape; shape: numbers, at most one of them -1.

    >>> reshape(np.arange(6), (2, -1))
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    Z = order.reshape(A, shape)

    def back(dZ, dA):
        dA += order.reshape(dZ, A.shape)

    return Z, back


@node
def flatten(X):
    """Z = X with one row per sample.  X: (n, ...), Z: (n, d), d the product of the other sizes.

    >>> flatten(np.ones((2, 3, 4))).shape
    (2, 12)
    """
    d = X.size // len(X) if len(X) else int(np.prod(X.shape[1:]))
    Z = order.reshape(X, (len(X), d))

    def back(dZ, dX):
        dX += order.reshape(dZ, X.shape)

    return Z, back


@node
def transpose(A, axes=None):
    """Z = A with its axes in another order (reversed by default).  A: any shape.

    >>> transpose(np.ones((2, 3, 4)), (0, 2, 1)).shape
    (2, 4, 3)
    """
    Z = A.transpose(axes)

    def back(dZ, dA):
        dA += (
            dZ.transpose()
            if axes is None
            else dZ.transpose(np.argsort(np.arange(A.ndim)[list(axes)]))
        )

    return Z, back


@node
def concatenate(X, axis=0):
    """Z = the arrays of a tuple one behind the other.  X: arrays alike but along the axis.

    >>> concatenate((np.ones((2, 3)), np.ones((1, 3)))).shape
    (3, 3)
    """
    Z = np.concatenate(X, axis)

    def back(dZ, dX):
        ends = np.cumsum([x.shape[axis] for x in X])
        for dx, dz in zip(dX, np.split(dZ, ends[:-1], axis)):
            dx += dz

    return Z, back


@node
def stack(X, axis=0):
    """Z = the arrays of a tuple along a new axis.  X: arrays of one shape.

    >>> stack((np.ones(3), np.ones(3)), 1).shape
    (3, 2)
    """
    Z = np.stack(X, axis)

    def back(dZ, dX):
        for dx, dz in zip(dX, np.moveaxis(dZ, axis, 0)):
            dx += dz

    return Z, back


@node
def take(A, i, axis=0):
    """Z = the entries of A at the indices i along the axis.

    A: any shape; i: integers of any shape. A repeated index adds up in the gradient.

    >>> take(np.array([[1, 2], [3, 4]]), np.array([1, 1]))
    array([[3, 4],
           [3, 4]])
    """
    Z = np.take(A, i, axis)

    def back(dZ, dA):
        if needed(dA):
            rows = (slice(None),) * (axis % A.ndim)
            array_module(dZ).add.at(dA, (*rows, i), dZ)

    return Z, back


@node
def index(A, i):
    """Z = A[i], all that NumPy allows; a repeated index adds up in the gradient.  `A[i]` on nodes.

    >>> index(np.arange(5), slice(1, 3))
    array([1, 2])
    """
    Z = A[i]

    def back(dZ, dA):
        parts = i if isinstance(i, tuple) else (i,)
        if any(np.ndim(part) for part in parts):
            if needed(dA):
                array_module(dZ).add.at(dA, i, dZ)
        else:
            dA[i] += dZ

    return Z, back


@node
def pad(A, width, value=0.0):
    """Z = A with a border of a constant value.

    width: ((before, after), ...) for every axis, or for the last ones only; value: a number, 0.

    >>> pad(np.ones((2, 2)), ((1, 0),))
    array([[0., 1., 1.],
           [0., 1., 1.]])
    """
    width = ((0, 0),) * (A.ndim - len(width)) + tuple(width)
    inside = tuple([slice(before, before + n) for (before, _), n in zip(width, A.shape)])
    shape = tuple([before + n + after for (before, after), n in zip(width, A.shape)])
    Z = np.full_like(A, value, shape=shape)
    Z[inside] = A

    def back(dZ, dA):
        dA += dZ[inside]

    return Z, back
