"""Right elementwise nodes of unusual form: kinks, masks of any dtype, scales, dropout."""

import numpy as np
from gradcheck.catalogue import Right, rights

RIGHT: list[Right] = []
right = rights(RIGHT)


def matrix(rng):
    return (rng.normal(size=(5, 4)),)


def with_zeros(rng):
    A = rng.normal(size=(5, 4))
    A[rng.integers(0, 5, 3), :2] = 0
    return (A,)


def scaled(scale):
    return lambda rng: (scale * rng.normal(size=(5, 4)),)


@right(with_zeros)
@right(scaled(1e-6), name="relu_of_tiny_inputs")
@right(scaled(1e6), name="relu_of_large_inputs")
def relu_that_pays_nothing_at_zero(A):
    def back(dZ, dA):
        dA += dZ * (A > 0)

    return np.maximum(A, 0), back


@right(with_zeros)
def relu_that_pays_at_zero(A):
    mask = A >= 0

    def back(dZ, dA):
        dA[mask] += dZ[mask]

    return np.where(mask, A, 0), back


@right(with_zeros)
def relu_that_pays_half_at_zero(A):
    def back(dZ, dA):
        dA += dZ * (np.sign(A) + 1) / 2

    return (A + np.abs(A)) / 2, back


@right(with_zeros)
def absolute_value_at_zero(A):
    def back(dZ, dA):
        dA += np.where(A > 0, dZ, -dZ)

    return np.abs(A), back


@right(matrix)
def relu_with_uint8_mask(A):
    M = np.uint8(A > 0)

    def back(dZ, dA):
        dA += dZ * M

    return A * M, back


@right(matrix)
def relu_with_int64_mask(A):
    M = (A > 0).astype(np.int64)

    def back(dZ, dA):
        dA += M * dZ

    return M * A, back


@right(matrix)
def leaky_relu_with_float32_mask(A, slope=0.25):
    M = np.where(A > 0, np.float32(1), np.float32(slope))

    def back(dZ, dA):
        dA += dZ * M

    return A * M, back


@right(matrix)
def relu_with_packed_mask(A):
    bits = np.packbits(A > 0)

    def back(dZ, dA):
        dA += dZ * np.unpackbits(bits, count=A.size).reshape(A.shape)

    return np.maximum(A, 0), back


@right(lambda rng: (rng.normal(size=(5, 4)), 0.1))
def leaky_relu_by_where(A, slope):
    def back(dZ, dA):
        dA += np.where(A > 0, dZ, slope * dZ)

    return np.where(A > 0, A, slope * A), back


@right(lambda rng: (rng.normal(size=(4, 4)), -0.5, 0.5))
def clip_between_numbers(A, low, high):
    def back(dZ, dA, dlow, dhigh):
        dA += dZ * ((low <= A) & (high >= A))

    return A.clip(low, high), back


@right(matrix)
def sigmoid_with_temporaries(A):
    Z = np.negative(A)
    np.exp(Z, out=Z)
    Z += 1
    np.reciprocal(Z, out=Z)

    def back(dZ, dA):
        g = dZ * Z
        g -= g * Z
        dA += g

    return Z, back


@right(matrix)
def swish_entry_by_entry(A):
    s = lambda a: 1 / (1 + np.exp(-a))
    Z = np.vectorize(lambda a: a * s(a))(A)

    def back(dZ, dA):
        for i, a in np.ndenumerate(A):
            dA[i] += dZ[i] * (s(a) + a * s(a) * (1 - s(a)))

    return Z, back


@right(lambda rng: (rng.uniform(1, 3, (4, 4)) * 1e-6,))
def logarithm_of_tiny_inputs(A):
    def back(dZ, dA):
        dA += dZ / A

    return np.log(A), back


@right(lambda rng: (rng.uniform(1, 3, (4, 4)) * 1e6,))
def square_root_of_large_inputs(A):
    Z = np.sqrt(A)

    def back(dZ, dA):
        dA += dZ / (2 * Z)

    return Z, back


@right(lambda rng: (rng.normal(0, 3, (5, 4)),))
def floor_has_no_gradient(A):
    def back(dZ, dA):
        pass

    return np.floor(A), back


@right(lambda rng: (rng.normal(size=(5, 4)), rng.random((5, 4)) < 0.5, 0.5))
def dropout_by_a_given_mask(X, M, rate):
    def back(dZ, dX):
        dX += dZ * M / (1 - rate)

    return X * M / (1 - rate), back


@right(matrix)
def dropout_with_a_fixed_seed(X):
    M = 2.0 * np.random.default_rng(7).integers(0, 2, X.shape)

    def back(dZ, dX):
        dX += M * dZ

    return M * X, back


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, x):
    dx = np.array(dout, copy=True)
    dx[x <= 0] = 0
    return dx


right(matrix, name="pair_relu")((relu_forward, relu_backward))
