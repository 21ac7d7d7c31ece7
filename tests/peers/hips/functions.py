"""NumPy's functions of the same name, on Nodes: what stands for `autograd.numpy` in the cases."""

import numpy as np
from peers.tallies import unless

import minigrad as mg

absolute = fabs = abs = mg.abs
exp, log, sqrt, tanh = mg.exp, mg.log, mg.sqrt, mg.tanh
add = lambda A, B: mg.add((A, B))
subtract, multiply, divide, power = mg.sub, mg.mul, mg.div, mg.pow
true_divide, negative = divide, mg.neg
square = lambda A: A**2
maximum, minimum = mg.maximum, mg.minimum
sum, mean, max = mg.sum, mg.mean, mg.max
min = lambda A, axis=None, keepdims=False: -mg.max(-A, axis, keepdims)
matmul, transpose, stack = mg.dot, mg.transpose, mg.stack
expand_dims = lambda A, axis: reshape(A, np.expand_dims(np.empty(A.shape), axis).shape)
ravel = lambda A: mg.reshape(A, (-1,))
squeeze = lambda A: mg.reshape(A, tuple(n for n in A.shape if n != 1))
ones = np.ones


def reshape(A, shape):
    return mg.reshape(A, shape)


def swapaxes(A, axis1, axis2):
    order = np.arange(A.ndim)
    order[[axis1, axis2]] = order[[axis2, axis1]]
    return mg.transpose(A, tuple(order))


def concatenate(X, axis=0):
    return mg.concatenate(tuple(X), axis)


def vstack(X):
    return mg.concatenate(tuple(x[None] if x.ndim == 1 else x for x in X), 0)


def hstack(X):
    return mg.concatenate(tuple(X), 0 if X[0].ndim == 1 else 1)


def split(A, parts, axis=0):
    n = A.shape[axis]
    cuts = [n * i // parts for i in range(1, parts)] if isinstance(parts, int) else parts
    places = [slice(a, b) for a, b in zip([0, *cuts], [*cuts, n])]
    return [A[(slice(None),) * axis + (place,)] for place in places]


def dot(A, B):
    if not A.ndim or not B.ndim:
        return A * B
    unless(B.ndim <= 2, "dot of more than two axes, which is no matrix product")
    return mg.dot(A, B)


def array(nest):
    """An array of Nodes and numbers in lists of lists."""
    return mg.stack(tuple(map(array, nest))) if isinstance(nest, list) else nest
