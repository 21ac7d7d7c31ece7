"""Some of the functions on which a check is tried: right_ ones must pass, wrong_ ones must not."""

import numpy as np


def check_inputs(rng):
    """(f, x): f(x) gives the value and its back, as in `starter.py`."""
    yield right_affine, rng.normal(size=(2, 3))
    yield right_relu, away_from_0(rng, (3, 4))
    yield right_softmax, rng.normal(size=(2, 3))
    yield right_norm, rng.normal(size=(2, 3))
    yield wrong_sign, rng.normal(size=(2, 3))
    yield wrong_factor_2, rng.normal(size=(2, 3))
    yield wrong_mask_missing, away_from_0(rng, (3, 4))
    yield wrong_one_entry, rng.normal(size=(2, 3))
    yield wrong_overwriting, away_from_0(rng, (3, 4))


def away_from_0(rng, shape):
    """Half of the numbers below 0, half above, none near it: there relu has a kink."""
    signs = rng.permutation(np.resize([1, -1], np.prod(shape)))
    return (signs * rng.uniform(0.3, 1.5, signs.shape)).reshape(shape)


def right_affine(x):
    W = np.array([[1.0, -2.0], [0.5, 3.0], [2.0, 1.5]])

    def back(dZ, dX):
        dX += dZ @ W.T

    return x @ W + 1, back


def right_relu(x):
    def back(dZ, dX):
        dX += dZ * (x > 0)

    return np.maximum(x, 0), back


def right_softmax(x):
    E = np.exp(x - x.max(1, keepdims=True))
    Y = E / E.sum(1, keepdims=True)

    def back(dY, dX):
        dX += Y * (dY - (dY * Y).sum(1, keepdims=True))

    return Y, back


def right_norm(x):
    Z = np.sqrt((x * x).sum())

    def back(dZ, dX):
        dX += dZ * x / Z

    return Z, back


def wrong_sign(x):
    def back(dZ, dX):
        dX += dZ * np.sin(x)

    return np.cos(x), back


def wrong_factor_2(x):
    def back(dZ, dX):
        dX += 2 * dZ * np.exp(x)

    return np.exp(x), back


def wrong_mask_missing(x):
    def back(dZ, dX):
        dX += dZ

    return np.maximum(x, 0), back


def wrong_one_entry(x):
    def back(dZ, dX):
        G = dZ * (1 - np.tanh(x) ** 2)
        G[-1, -1] = 0
        dX += G

    return np.tanh(x), back


def wrong_overwriting(x):
    def back(dZ, dX):
        dX[...] = dZ * (x > 0)

    return np.maximum(x, 0), back
