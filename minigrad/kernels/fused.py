"""What is done with the outputs of a convolution while they are in the cache.

A convolution makes its outputs in parts that fit the cache, and takes their gradients in such
parts. To write them out and to come back for the bias, the pooling and the relu costs more than
the products that made them. So these are handed to the convolution: finish(part, phases) is
called with each part of the outputs, fetch(part, phases) to fill in their gradients.

relu and a bias per map commute with the maximum: max(0, max_i a_i + b) = max_i max(0, a_i + b). So
they come after the pooling, on a quarter of the values.
"""

import numpy as np

from ..backend import array_module
from .memory import empty
from .order import as_images


def convolve(forward, X, W, b, g, groups):
    """(Z = W * X + b, batch-last, and what the gradients need).  forward: of an algorithm."""
    xp = array_module(X)
    Z = empty((*g.out, len(W), len(X)), common(X, W, b), xp)

    def finish(part, phases):
        (Y,) = phases
        if b is None:
            Z[part] = Y
        else:
            xp.add(Y, b[part[2], None], out=Z[part])

    kept = forward(X, W, g, groups, finish)
    return as_images(Z), kept


def convolve_back(backward, kept, X, W, dZ, g, groups, wanted):
    """(dW, dX) of `convolve`, None for what is not wanted.  dZ: (n, k, h', w')."""
    D = dZ.transpose(2, 3, 1, 0)

    def fetch(part, phases):
        phases[0][...] = D[part]

    return backward(kept, X, W, g, groups, fetch, wanted)


def convolve_pool(forward, X, W, b, g, groups, pool):
    """(Z = max(0, b + the maxima of W * X over pool x pool), and what the gradients need).

    Z (n, k, h' // pool, w' // pool), batch-last.
    """
    xp, n = array_module(X), len(X)
    shape = (g.out[0] // pool, g.out[1] // pool, len(W), n)
    Z = empty(shape, common(X, W, b), xp)
    won = [empty(shape, bool, xp) for _ in range(pool * pool - 1)]
    zeros = xp.zeros(n, Z.dtype)  # with the number 0, maximum takes twice as long

    def finish(part, phases):
        M = maxima(phases, [bits[part] for bits in won])
        if b is not None:
            xp.add(M, b[part[2], None], out=M)
        xp.maximum(M, zeros[: M.shape[-1]], out=Z[part])

    kept = forward(X, W, g, groups, finish, pool)
    return as_images(Z), (kept, won)


def convolve_pool_back(backward, kept, X, W, Z, dZ, g, groups, pool, wanted):
    """(dW, db, dX) of `convolve_pool`, None for dW or dX that is not wanted."""
    kept, won = kept
    Z, dZ = (A.transpose(2, 3, 1, 0) for A in (Z, dZ))
    sums = {}

    def fetch(part, phases):
        dM = dZ[part] * (Z[part] > 0)
        sums[tuple(s.start for s in part)] = part[2], dM.sum((0, 1, 3))
        spread(dM, [bits[part] for bits in won], phases)

    dW, dX = backward(kept, X, W, g, groups, fetch, wanted, pool)
    db = array_module(X).zeros(len(W), Z.dtype)
    for _, (maps, part) in sorted(sums.items()):  # in one order, whoever came first
        db[maps] += part
    return dW, db, dX


def common(X, W, b):
    return np.result_type(X, W) if b is None else np.result_type(X, W, b)


def maxima(A, won):
    """The entrywise maximum of the arrays A, by pairs, in the memory of the first ones.

    won: a bool array less than A, filled with whether the first of two has won, as of equals.
    """
    if len(A) == 1:
        return A[0]
    half, xp = len(A) // 2, array_module(A[0])
    first, second = maxima(A[:half], won[1:half]), maxima(A[half:], won[half:])
    xp.greater_equal(first, second, out=won[0])
    return xp.maximum(first, second, out=first)


def spread(dM, won, dA):
    """The gradient of `maxima`: each entry of dM to the array that had the maximum, 0 to others.

    Without a branch: what the first one gets is dM or 0, and the rest is for the second, exactly.
    """
    half, xp = len(dA) // 2, array_module(dM)
    if len(dA) == 1:
        dA[0][...] = dM
    elif len(dA) == 2:
        xp.multiply(dM, won[0], out=dA[0])
        xp.subtract(dM, dA[0], out=dA[1])
    else:
        first = dM * won[0]
        spread(first, won[1:half], dA[:half])
        spread(dM - first, won[half:], dA[half:])
