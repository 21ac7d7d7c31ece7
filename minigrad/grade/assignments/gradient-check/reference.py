"""A right check, and the functions on which checks are tried that students do not see."""

import numpy as np

H = 1e-5  # central differences in float64: error about H^2 and 1e-16 / H
TOLERANCE = 1e-6  # of the largest entry


def check(f, x):
    rng = np.random.default_rng(0)
    x = np.array(x, float)
    given = x.copy()
    Z, back = f(x)
    incoming = rng.normal(size=np.shape(Z))
    dZ = incoming.copy()
    D = np.zeros(x.shape)
    back(dZ, D)
    twice = D.copy()
    back(dZ, twice)
    x_kept = np.array_equal(x, given)
    dZ_kept = np.array_equal(dZ, incoming)
    adds = close(twice, 2 * D)

    def loss():
        return (incoming * f(x)[0]).sum()

    G = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] = given[i] + H
        up = loss()
        x[i] = given[i] - H
        down = loss()
        x[i] = given[i]
        G[i] = (up - down) / (2 * H)
    return x_kept and dZ_kept and adds and close(D, G)


def close(D, G):
    error = np.abs(D - G).max()
    scale = np.abs(G).max()
    return bool(error <= TOLERANCE * scale)


def check_inputs(rng):
    """(f, x), as in inputs.py."""
    yield right_square, rng.normal(size=(2, 3))
    yield right_product, rng.normal(size=(2, 3))
    yield right_sum, rng.normal(size=(2, 3))
    yield right_bias, rng.normal(size=3)
    yield right_reshape, rng.normal(size=(2, 3))
    yield right_whole_numbers, rng.integers(2, 6, (2, 3))
    yield right_saturated_softmax, rng.permuted([[0.0, 10, 20], [0, 0.5, 1]], axis=1)
    yield right_large, rng.uniform(0.5, 1.5, (2, 3))
    yield right_constant, rng.uniform(0.2, 0.8, (2, 3))
    yield right_dead_relu, -rng.uniform(0.2, 0.8, (2, 3))
    yield wrong_incoming_ignored, rng.normal(size=(2, 3))
    yield wrong_incoming_averaged, rng.normal(size=(2, 3))
    yield wrong_batch_sum_missing, rng.normal(size=3)
    yield wrong_diagonal_only, rng.normal(size=(2, 3))
    yield wrong_order, rng.normal(size=(2, 3))
    yield wrong_by_one_percent, rng.normal(size=(2, 3))
    yield wrong_and_small, rng.uniform(0.5, 1.5, (2, 3))
    yield wrong_with_nan, np.append(rng.uniform(0.5, 1.5, 3), 0)
    yield wrong_renaming, rng.normal(size=(2, 3))
    yield wrong_changes_x, np.c_[[1, -1]] * rng.uniform(0.3, 1.5, (2, 3))
    yield wrong_changes_dZ, np.c_[[1, -1]] * rng.uniform(0.3, 1.5, (2, 3))


def right_square(x):
    def back(dZ, dX):
        dX += dZ * x
        dX += dZ * x

    return x * x, back


def right_product(x):
    def back(dZ, dX):
        dX[0] += dZ * x[1]
        dX[1] += dZ * x[0]

    return x[0] * x[1], back


def right_sum(x):
    def back(dZ, dX):
        dX += dZ

    return x.sum(), back


def right_bias(x):
    def back(dZ, dX):
        for row in dZ:
            dX += row

    return np.ones((4, 1)) * x, back


def right_reshape(x):
    def back(dZ, dX):
        dX += dZ.reshape(dX.shape)

    return x.reshape(-1), back


def right_whole_numbers(x):
    def back(dZ, dX):
        dX -= dZ / x**2

    return 1 / x, back


def right_saturated_softmax(x):
    E = np.exp(x - x.max(1, keepdims=True))
    Y = E / E.sum(1, keepdims=True)

    def back(dY, dX):
        dX += Y * (dY - (dY * Y).sum(1, keepdims=True))

    return Y, back


def right_large(x):
    def back(dZ, dX):
        dX += 3e6 * dZ * x**2

    return 1e6 * x**3, back


def right_constant(x):
    def back(dZ, dX):
        dX += dZ * (x > 1)

    return np.maximum(x, 1), back


def right_dead_relu(x):
    def back(dZ, dX):
        dX += dZ * (x > 0)

    return np.maximum(x, 0), back


def wrong_incoming_ignored(x):
    def back(dZ, dX):
        dX += np.cos(x)

    return np.sin(x), back


def wrong_incoming_averaged(x):
    def back(dZ, dX):
        dX += dZ.mean() * np.cos(x)

    return np.sin(x), back


def wrong_batch_sum_missing(x):
    def back(dZ, dX):
        dX += dZ[0]

    return np.ones((4, 1)) * x, back


def wrong_diagonal_only(x):
    E = np.exp(x - x.max(1, keepdims=True))
    Y = E / E.sum(1, keepdims=True)

    def back(dY, dX):
        dX += dY * Y * (1 - Y)

    return Y, back


def wrong_order(x):
    def back(dZ, dX):
        dX += (dZ * np.exp(x))[::-1]

    return np.exp(x), back


def wrong_by_one_percent(x):
    def back(dZ, dX):
        dX += 1.01 * dZ * np.exp(x)

    return np.exp(x), back


def wrong_and_small(x):
    def back(dZ, dX):
        dX += 1e-9 * dZ * x**2

    return 1e-9 * x**3, back


def wrong_with_nan(x):
    Z = x.prod()

    def back(dZ, dX):
        dX += dZ * Z / x

    return Z, back


def wrong_renaming(x):
    def back(dZ, dX):
        dX = dX + dZ * np.exp(x)

    return np.exp(x), back


def wrong_changes_x(x):
    x[x < 0] = 0

    def back(dZ, dX):
        dX += 2 * dZ * (x > 0)

    return 2 * x, back


def wrong_changes_dZ(x):
    def back(dZ, dX):
        dZ *= x > 0
        dX += dZ

    return np.maximum(x, 0), back
