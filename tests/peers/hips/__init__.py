"""HIPS autograd's `grad`, `elementwise_grad`, `jacobian` and `check_grads`, made of minigrad's.

Arguments are arrays, Python numbers or nests of these; f is written with `peers.hips.functions`.
"""

import numpy as np
from numpy.testing import assert_allclose
from peers.tallies import unless

import minigrad as mg
from minigrad.tree import leaves, map_leaves

STEP = 1e-6
# A central difference of step 1e-6 is wrong by some 1e-12 in its terms and 1e-10 in its rounding.
TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}


def floats(nest):
    """The nest with arrays for its numbers."""
    unless(not any(np.iscomplexobj(a) for a in leaves(nest)), "complex numbers")
    return map_leaves(np.asarray, nest)


def grad(f, argnum=0):
    """The function that returns the gradient of f by an argument, or by a tuple of them."""

    def gradient(*args):
        return mg.grad(f, argnum)(*map(floats, args))

    return gradient


def elementwise_grad(f, argnum=0):
    """The gradient of the sum of f: of an elementwise f its slope at every entry."""
    return grad(lambda *args: mg.sum(f(*args)), argnum)


def jacobian(f, argnum=0):
    """The function that returns dZ_i / dA_j for all entries: (shape of Z) + (shape of A)."""

    def derivatives(*args):
        A = floats(args[argnum])
        Z = value(f, *args)
        rows = [
            grad(lambda *x, i=i: mg.index(f(*x), i), argnum)(*args) for i in np.ndindex(Z.shape)
        ]
        return np.array(rows).reshape(Z.shape + A.shape)

    return derivatives


def check_grads(f, argnum=0, seed=0):
    """The function that raises AssertionError unless f's gradients are its slopes.

    argnum: a number or a tuple; along one random direction, against central differences.
    """
    positions = (argnum,) if isinstance(argnum, int) else argnum

    def check(*args):
        args, rng = [floats(a) for a in args], np.random.default_rng(seed)
        random = lambda nest: map_leaves(lambda a: rng.standard_normal(np.shape(a)), nest)
        G = random(value(f, *args))
        direction = random([args[i] for i in positions])
        gradients = grad(lambda *x: mg.sum(G * f(*x)), tuple(positions))(*args)

        def at(step):
            moved = list(args)
            for i, v in zip(positions, direction):
                moved[i] = shifted(args[i], v, step)
            return np.sum(G * value(f, *moved))

        expected = (at(STEP) - at(-STEP)) / (2 * STEP)
        products = zip(leaves(gradients), leaves(direction))
        assert_allclose(sum(np.sum(g * v) for g, v in products), expected, **TOLERANCE)

    return check


def shifted(nest, direction, step):
    steps = iter(leaves(direction))
    return map_leaves(lambda a: a + step * next(steps), nest)


def value(f, *args):
    """f of arrays, as an array."""
    return np.asarray(f(*map(floats, args)))
