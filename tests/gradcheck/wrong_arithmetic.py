"""Arithmetic, sums and rearrangements with one mistake each."""

import numpy as np
from gradcheck.catalogue import Case, wrongs

WRONG: list[Case] = []
wrong = wrongs(WRONG)


def matrix(rng):
    return (rng.normal(size=(5, 4)),)


def two(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=(4, 3))


@wrong(0, "factor", lambda rng: (rng.uniform(1, 3, (4, 4)),))
def square_root_without_half(A):
    Z = A**0.5

    def back(dZ, dA):
        dA += dZ / Z

    return Z, back


@wrong(33, "factor", matrix)
def double_counts_one_use(A):
    Z = A + A

    def back(dZ, dA):
        dA += dZ

    return Z, back


@wrong(33, "factor", matrix)
def square_counts_one_factor(A):
    Z = A * A

    def back(dZ, dA):
        dA += dZ * A

    return Z, back


@wrong(0, "sign", two)
def difference_adds(A, B):
    Z = A - B

    def back(dZ, dA, dB):
        dA += dZ
        dB += dZ

    return Z, back


@wrong(0, "sign", lambda rng: (rng.normal(size=(4, 3)), rng.uniform(1, 3, (4, 3))))
def quotient_without_minus(A, B):
    Z = A / B

    def back(dZ, dA, dB):
        dA += dZ / B
        dB += dZ * A / B**2

    return Z, back


@wrong(0, ("wrong operand", "misplaced"), two)
def product_by_own_factor(A, B):
    Z = A * B

    def back(dZ, dA, dB):
        dA += dZ * A
        dB += dZ * B

    return Z, back


@wrong(0, ("rebinding", "untouched"), two)
def product_rebound_in_a_loop(A, B):
    Z = A * B

    def back(dZ, *gradients):
        for d, other in zip(gradients, (B, A)):
            d = d + dZ * other

    return Z, back


@wrong(31, "untouched", lambda rng: ([rng.normal(size=(2, 3)) for _ in range(3)],))
def add_pays_the_first_term(X):
    S = X[0] + X[1] + X[2]

    def back(dS, dX):
        d = dX[0]
        d += dS

    return S, back


@wrong(32, ("rebinding", "untouched"), lambda rng: (tuple(rng.normal(size=(3, 2, 4))),))
def add_renames(X):
    S = sum(X)

    def back(dS, dX):
        for dx in dX:
            dx = dS  # noqa: F841

    return S, back


@wrong(0, "broadcast", lambda rng: (rng.normal(size=(4, 4)),))
def row_sum_spread_over_columns(A):
    Z = A.sum(axis=1)

    def back(dZ, dA):
        dA += dZ

    return Z, back


@wrong(0, ("broadcast", "shape", "exception"), matrix)
def row_sum_not_spread(A):
    Z = A.sum(axis=1)

    def back(dZ, dA):
        dA += dZ

    return Z, back


@wrong(0, "broadcast", lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(1, 3))))
def gain_gets_the_same_everywhere(X, g):
    Z = X * g

    def back(dZ, dX, dg):
        dX += dZ * g
        dg += (dZ * X).sum(0).mean()

    return Z, back


@wrong(0, "N", matrix)
def mean_not_divided(A):
    def back(dM, dA):
        dA += dM

    return A.mean(0), back


@wrong(0, "misplaced", matrix)
def transpose_by_reshape(A):
    def back(dZ, dA):
        dA += dZ.reshape(A.shape)

    return A.T.copy(), back


@wrong(0, "misplaced", lambda rng: (rng.normal(size=(5, 3)), np.array([2, 0, 3, 4, 1])))
def permutation_not_inverted(A, order):
    Z = A[order]

    def back(dZ, dA):
        dA += dZ[order]

    return Z, back


@wrong(0, "misplaced", lambda rng: (rng.normal(size=(2, 4)), rng.normal(size=(2, 4))))
def stack_in_the_other_order(A, B):
    Z = np.vstack([A, B])

    def back(dZ, dA, dB):
        n = len(B)
        dB += dZ[:n]
        dA += dZ[n:]

    return Z, back


@wrong(36, "counted once", lambda rng: (rng.normal(size=(4, 3)), np.array([0, 2, 2, 1, 2])))
def gather_by_fancy_index(E, words):
    Z = E[words]

    def back(dZ, dE):
        dE[words] += dZ

    return Z, back


@wrong(0, "ties", lambda rng: tuple(rng.integers(0, 2, (2, 3, 4)).astype(float)))
def maximum_pays_both(A, B):
    Z = np.maximum(A, B)

    def back(dZ, dA, dB):
        dA += dZ * (A >= B)
        dB += dZ * (B >= A)

    return Z, back


@wrong(0, "not finite", lambda rng: (np.abs(rng.normal(size=(4, 3))) * [1, 1, 0],))
def square_root_at_zero(A):
    Z = np.sqrt(A)

    def back(dZ, dA):
        dA += dZ / (2 * Z)

    return Z, back


@wrong(63, "integers", lambda rng: (rng.normal(0, 3, size=(5, 4)),))
def square_with_integer_gradients(A):
    Z = A**2

    def back(dZ, dA):
        g = np.zeros_like(A, dtype=int)
        for i in np.ndindex(A.shape):
            g[i] = 2 * A[i] * dZ[i]
        dA += g

    return Z, back


def product_forward(x, y):
    return x * y, (x, y)


def product_backward_swapped(dout, cache):
    x, y = cache
    return dout * x, dout * y


wrong(0, ("wrong operand", "misplaced"), two, name="pair_product_swapped")(
    (product_forward, product_backward_swapped)
)
