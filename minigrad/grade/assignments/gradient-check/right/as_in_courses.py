"""The numeric gradient of an array-valued function, and an error relative to the largest entry."""

import numpy as np


def numeric_gradient(f, x, df, h=1e-5):
    gradient = np.zeros_like(x)
    places = np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    while not places.finished:
        at = places.multi_index
        old = x[at]
        x[at] = old + h
        above = np.copy(f(x))
        x[at] = old - h
        below = np.copy(f(x))
        x[at] = old
        gradient[at] = np.sum((above - below) * df) / (2 * h)
        places.iternext()
    return gradient


def relative_error(a, b):
    largest = np.max(np.abs(a) + np.abs(b))
    return 0.0 if largest == 0 else np.max(np.abs(a - b)) / largest


def check(f, x):
    x = np.asarray(x, dtype=np.float64)
    value, back = f(x.copy())
    dZ = 1 + np.random.default_rng(3).random(np.shape(value))
    start = np.random.default_rng(4).random(x.shape)

    touched, incoming, found = x.copy(), np.copy(dZ), np.zeros(x.shape)
    _, back = f(touched)
    back(incoming, found)
    scale = np.max(np.abs(found))
    again = scale * start
    back(incoming, again)
    if (touched != x).any() or (incoming != dZ).any():
        return False
    if not np.allclose(again - scale * start, found, rtol=0, atol=1e-7 * scale):
        return False
    numeric = numeric_gradient(lambda a: f(a)[0], x.copy(), dZ)
    return relative_error(found, numeric) < 1e-7
