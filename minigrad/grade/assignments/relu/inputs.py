"""Arguments at which the four functions are checked; the numbers are others when it is graded."""

import numpy as np


def matrix(rng, shape):
    """No entry is near 0, where relu has its kink."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.2, 2, shape)


def relu_inputs(rng):
    yield (matrix(rng, (4, 3)),)
    yield (matrix(rng, (3, 3)),)


def leaky_relu_inputs(rng):
    yield matrix(rng, (4, 3)), 0.1
    yield matrix(rng, (3, 3)), 0.3


sigmoid_inputs = tanh_inputs = relu_inputs


def with_zeros(rng):
    A = matrix(rng, (3, 4))
    A[[0, 1, 2], [1, 0, 3]] = 0
    return A


def between_the_slopes(slope):
    """At 0 any slope from that of the left to that of the right, 1, is accepted."""

    def accept(args, dZ, Z, D):
        A, dA = args[0], D[0]
        if not np.allclose(Z, np.where(A > 0, A, slope * A), 0, 1e-12):
            return "the value is wrong where some entries of A are 0"
        sides = dZ * np.where(A > 0, 1, slope), dZ * np.where(A < 0, slope, 1)
        if np.allclose(dA, np.clip(dA, np.minimum(*sides), np.maximum(*sides)), 0, 1e-12):
            return ""
        return "where A is 0, dA is dZ times a number between the slopes of the two sides"

    return accept


def relu_edges(rng):
    yield "entries that are 0", (with_zeros(rng),), between_the_slopes(0.0)
    yield "no entry above 0", (-rng.uniform(1, 2, (2, 3)),)


def leaky_relu_edges(rng):
    yield "entries that are 0", (with_zeros(rng), 0.2), between_the_slopes(0.2)
    yield "a slope of 0", (matrix(rng, (2, 3)), 0.0)


def sigmoid_edges(rng):
    A = [[900, -1000, 1], [-800, 2, 1000]] * rng.uniform(0.9, 1.1, (2, 3))
    yield "entries near 1000 and -1000", (A,)
    yield "zeros", (np.zeros((2, 3)),)


tanh_edges = sigmoid_edges
