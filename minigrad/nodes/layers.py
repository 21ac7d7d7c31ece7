"""The layers of a network: affine maps, activations, dropout.

>>> import numpy as np
>>> X, W, b = np.ones((2, 3)), np.ones((3, 4)), np.zeros(4)
>>> relu(affine(X, (W, b)))
array([[3., 3., 3., 3.],
       [3., 3., 3., 3.]])
"""

import numpy as np

from ..engine import node
from ..kernels.matrices import add_product, product
from ..kernels.order import like
from ..tree import needed


@node
def affine(X, U):
    """A = X W + b.  X: (n, d), U = (W, b) with W: (d, k) and b: (k,), A: (n, k).

    Source: lecture, automatic differentiation.

    >>> affine(np.ones((1, 2)), (np.ones((2, 3)), np.zeros(3)))
    array([[2., 2., 2.]])
    """
    W, b = U
    A = product(X, W) + b

    def back(dA, dX, dU):
        dW, db = dU
        add_product(dW, X.T, dA)  # dW += X.T @ dA
        db += dA.sum(0)
        if needed(dX):
            dX += product(dA, W.T, dX)

    return A, back


@node
def relu(A):
    """Z = max(0, A), elementwise.  A, Z: any shape.  At A = 0 the gradient is 0.

    Source: lecture, automatic differentiation.

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        dA += dZ * (Z > 0)

    return Z, back


@node
def leaky_relu(A, slope=0.01):
    """Z = A where A > 0, slope A elsewhere.  A, Z: any shape; slope: 0 to 1, 0.01 by default.

    At A = 0 the gradient is that of the negative side, slope.
    Source: Maas, Hannun and Ng, ICML 2013, section 2.

    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    Z = np.where(A > 0, A, slope * A)

    def back(dZ, dA):
        dA += np.where(A > 0, dZ, slope * dZ)

    return Z, back


@node
def sigmoid(A):
    """Z = 1 / (1 + e^-A), elementwise.  A, Z: any shape.

    >>> sigmoid(np.array([0.0, -1e4]))
    array([0.5, 0. ])
    """
    E = np.exp(-np.abs(A))  # exp(-A) overflows below -709 in float64, -88 in float32
    Z = np.where(A >= 0, 1, E) / (1 + E)

    def back(dZ, dA):
        dA += dZ * Z * (1 - Z)

    return Z, back


@node
def tanh(A):
    """Z = tanh A, elementwise.  A, Z: any shape.

    >>> tanh(np.array([0.0]))
    array([0.])
    """
    Z = np.tanh(A)

    def back(dZ, dA):
        dA += dZ * (1 - Z * Z)

    return Z, back


@node
def softmax(A, axis=1):
    """Y = e^A / sum of e^A along the axis.  A, Y: (n, k) or any shape that has the axis.

    >>> softmax(np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """
    E = np.exp(A - A.max(axis, keepdims=True))  # shifted: exp overflows beyond 709 in float64
    Y = E / E.sum(axis, keepdims=True)

    def back(dY, dA):
        dA += Y * (dY - (Y * dY).sum(axis, keepdims=True))

    return Y, back


@node
def log_softmax(A, axis=1):
    """Z = A - ln(sum of e^A along the axis).  A, Z: (n, k) or any shape that has the axis.

    >>> log_softmax(np.array([[0.0, -1e4]]))
    array([[     0., -10000.]])
    """
    S = A - A.max(axis, keepdims=True)
    Z = S - np.log(np.exp(S).sum(axis, keepdims=True))

    def back(dZ, dA):
        dA += dZ - np.exp(Z) * dZ.sum(axis, keepdims=True)

    return Z, back


@node
def dropout(X, rate=0.5, *, rng=None, training=True):
    """Z = X M / (1 - rate), each entry of the mask M 0 with probability rate, else 1; Z = X in use.

    X, Z: any shape; rate: 0 <= rate < 1; rng: a numpy Generator, required when training; the mask
    is drawn by it for arrays on the GPU too, so that it is the same there.
    Inverted dropout: the scale stands in training, so that nothing needs scaling in use.
    Raises ValueError without rng in training, or for a rate out of range.
    Source: Srivastava et al., JMLR 15, 2014, sections 4 and 10.

    >>> dropout(np.ones(4), rng=np.random.default_rng(0))
    array([2., 2., 2., 0.])
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate is the share to drop, 0 <= rate < 1, not {rate}")
    if training and rng is None:
        raise ValueError("dropout: training draws a mask: give rng=, a numpy.random.Generator")
    if training:
        M = like(rng.random(X.shape, np.float32) >= rate, X)
        kept = 1 - rate
    else:
        M, kept = True, 1
    Z = X * M / kept

    def back(dZ, dX):
        dX += dZ * M / kept

    return Z, back
