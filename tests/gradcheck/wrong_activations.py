"""Activations and dropout with one mistake each."""

import numpy as np
from gradcheck.catalogue import Case, wrongs

WRONG: list[Case] = []
wrong = wrongs(WRONG)


def matrix(rng):
    return (rng.normal(size=(5, 4)),)


@wrong(10, "wrong mask", matrix)
def relu_masks_by_incoming(A):
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        dA += dZ * (dZ > 0)

    return Z, back


@wrong(0, "wrong mask", matrix)
def relu_mask_inverted(A):
    mask = A < 0
    Z = np.where(mask, 0.0, A)

    def back(dZ, dA):
        dA += dZ * mask

    return Z, back


@wrong(11, "incoming ignored", matrix)
def relu_deposits_its_mask(A):
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        dA += A > 0

    return Z, back


@wrong(12, "mask missing", matrix)
def relu_without_mask(A):
    Z = A * (A > 0)

    def back(dZ, dA):
        dA += dZ

    return Z, back


@wrong(13, "in place", matrix)
def relu_into_its_input(A):
    np.maximum(A, 0, out=A)

    def back(dZ, dA):
        dA += dZ * (A > 0)

    return A, back


@wrong(13, "in place", matrix)
def relu_zeroes_its_input(A):
    mask = A > 0
    A[~mask] = 0

    def back(dZ, dA):
        dA[mask] += dZ[mask]

    return A.copy(), back


@wrong(14, "in place", matrix)
def relu_multiplies_the_incoming(A):
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        dZ *= A > 0
        dA += dZ

    return Z, back


@wrong(14, "in place", matrix)
def relu_zeroes_the_incoming(A):
    Z = np.maximum(0, A)

    def back(dZ, dA):
        dZ[A <= 0] = 0
        dA += dZ

    return Z, back


@wrong(15, "slope", matrix)
def leaky_forward_only(A, slope=0.1):
    Z = np.where(A > 0, A, slope * A)

    def back(dZ, dA):
        dA += dZ * (A > 0)

    return Z, back


@wrong(16, "slope", matrix)
def leaky_slope_squared(A, slope=0.1):
    Z = np.maximum(slope * A, A)

    def back(dZ, dA):
        dA += dZ * np.where(A > 0, 1, slope**2)

    return Z, back


@wrong(16, "slope", matrix)
def leaky_slope_inverted(A):
    Z = np.where(A > 0, A, A / 5)

    def back(dZ, dA):
        g = dZ.copy()
        g[A < 0] *= 5
        dA += g

    return Z, back


@wrong(17, "exception", matrix)
def relu_by_builtin_max(A):
    Z = max(A, 0)

    def back(dZ, dA):
        dA += dZ * (A > 0)

    return Z, back


@wrong(0, "exception", matrix)
def relu_returns_no_back(A):
    return np.maximum(A, 0)


@wrong(0, "untouched", matrix)
def relu_returns_its_gradient(A):
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        return dZ * (A > 0)

    return Z, back


@wrong(0, "untouched", matrix)
def relu_deposits_into_a_copy(A):
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        g = dA.flatten()
        g += dZ.ravel() * (A.ravel() > 0)

    return Z, back


@wrong(0, "wrong operand", matrix)
def sigmoid_by_its_input(A):
    Z = 1 / (1 + np.exp(-A))

    def back(dZ, dA):
        dA += dZ * A * (1 - A)

    return Z, back


@wrong(0, "wrong operand", matrix)
def tanh_of_incoming(A):
    Z = np.tanh(A)

    def back(dZ, dA):
        dA += dZ * (1 - dZ**2)

    return Z, back


@wrong(0, ("in place", "not repeatable"), matrix)
def sigmoid_spoils_its_value(A):
    Z = 1 / (1 + np.exp(-A))

    def back(dZ, dA):
        nonlocal Z
        Z *= 1 - Z
        dA += dZ * Z

    return Z, back


@wrong(0, "integers", lambda rng: (rng.normal(0, 3, size=(5, 4)),))
def relu_into_integers(A):
    Z = np.zeros(A.shape, dtype=int)
    Z[A > 0] = A[A > 0]

    def back(dZ, dA):
        dA += dZ * (A > 0)

    return Z, back


@wrong(0, "float32", matrix)
def tanh_in_float32(A):
    Z = np.tanh(A.astype("float32"))

    def back(dZ, dA):
        dA += dZ * (1 - Z**2)

    return Z, back


@wrong(0, "float32", matrix)
def tanh_remembers_float32(A):
    Z = np.tanh(A)
    keep = np.float32(Z)

    def back(dZ, dA):
        dA += dZ * (1 - keep * keep)

    return Z, back


@wrong(66, "not repeatable", matrix)
def dropout_draws_anew(A):
    M = np.random.default_rng().random(A.shape) < 0.5

    def back(dZ, dA):
        dA += dZ * M

    return A * M, back


@wrong(0, "not repeatable", matrix)
def noise_in_back(A):
    Z = 2 * A
    rng = np.random.default_rng(1)

    def back(dZ, dA):
        dA += 2 * dZ + 0.1 * rng.normal(size=dZ.shape)

    return Z, back


@wrong(0, "not repeatable", matrix)
def relu_spoils_its_mask(A):
    M = (A > 0).astype(float)
    Z = A * M

    def back(dZ, dA):
        np.multiply(M, dZ, out=M)
        dA += M

    return Z, back


@wrong(0, ("not repeatable", "exception"), matrix)
def relu_pops_its_mask(A):
    saved = [A > 0]
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        dA += dZ * saved.pop()

    return Z, back


def given_mask(rng):
    M = rng.permutation(np.arange(20) % 2).reshape(5, 4) == 1
    return rng.normal(size=(5, 4)), M


@wrong(0, "factor", given_mask)
def dropout_scale_in_forward_only(X, M):
    keep = 0.5
    Z = X * M / keep

    def back(dZ, dX):
        dX += dZ * M

    return Z, back


@wrong(0, "mask missing", given_mask)
def dropout_not_in_back(X, M):
    Z = X * M / 0.5

    def back(dZ, dX):
        dX += dZ / 0.5

    return Z, back


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward_by_incoming(dout, x):
    return np.where(dout > 0, dout, 0)


def relu_backward_in_place(dout, x):
    dx = dout
    dx[x < 0] = 0
    return dx


wrong(10, "wrong mask", matrix, name="pair_relu_by_incoming")(
    (relu_forward, relu_backward_by_incoming)
)
wrong(14, "in place", matrix, name="pair_relu_in_place")((relu_forward, relu_backward_in_place))
