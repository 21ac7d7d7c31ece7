"""Right sums, products and rearrangements of unusual form: broadcasting, views, ties, scalars."""

import numpy as np
from gradcheck.catalogue import Right, rights

RIGHT: list[Right] = []
right = rights(RIGHT)


def matrix(rng):
    return (rng.normal(size=(5, 4)),)


def two(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=(4, 3))


@right(two)
def second_argument_unused(A, B):
    def back(dZ, dA, dB):
        dA += dZ

    return A + 0 * B, back


@right(lambda rng: (np.array(rng.normal()), np.array(rng.uniform(1, 2))))
def quotient_of_scalars(a, b):
    def back(dz, da, db):
        da += dz / b
        db -= dz * a / b**2

    return a / b, back


@right(lambda rng: (rng.normal(size=(4, 3)), np.array(rng.normal())))
def product_with_a_scalar(X, s):
    def back(dZ, dX, ds):
        dX += s * dZ
        ds += (dZ * X).sum()

    return s * X, back


def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(0)
    for i, n in enumerate(shape):
        if n == 1:
            g = g.sum(i, keepdims=True)
    return g


@right(lambda rng: (rng.normal(size=(3, 1)), rng.normal(size=(2, 1, 4))))
@right(lambda rng: (rng.normal(size=(1, 4)), rng.normal(size=4)), name="product_with_size_one")
def product_that_broadcasts(A, B):
    def back(dZ, dA, dB):
        dA += unbroadcast(dZ * B, A.shape)
        dB += unbroadcast(dZ * A, B.shape)

    return A * B, back


def twice(rng):
    A = rng.normal(size=(4, 3))
    return A, A


@right(twice)
def product_of_an_array_with_itself(A, B):
    def back(dZ, dA, dB):
        dA += dZ * B
        dB += dZ * A

    return A * B, back


@right(lambda rng: (tuple(rng.normal(size=(3, 2, 4))),))
def sum_of_a_tuple(X):
    def back(dS, dX):
        for dx in dX:
            dx += dS

    return np.sum(X, axis=0), back


@right(lambda rng: (rng.normal(size=8),))
def cumulative_sum(x):
    def back(dz, dx):
        dx += np.cumsum(dz[::-1])[::-1]

    return x.cumsum(), back


@right(lambda rng: (rng.normal(size=(3, 5)),))
def differences_of_neighbours(A):
    def back(dZ, dA):
        dA[:, 1:] += dZ
        dA[:, :-1] -= dZ

    return np.diff(A), back


@right(lambda rng: (rng.normal(size=5), rng.normal(size=4)))
def outer_product(x, y):
    def back(dZ, dx, dy):
        dx += dZ @ y
        dy += x @ dZ

    return np.outer(x, y), back


@right(lambda rng: (rng.normal(size=(2, 3, 4)),))
def value_is_a_reshaped_view(A):
    def back(dZ, dA):
        dA += dZ.reshape(A.shape)

    return A.reshape(2, -1), back


@right(lambda rng: (rng.normal(size=(2, 3, 4)),))
def value_is_a_transposed_view(A):
    def back(dZ, dA):
        dA += dZ.transpose(1, 2, 0)

    return A.transpose(2, 0, 1), back


@right(matrix)
def value_is_the_input(A):
    def back(dZ, dA):
        dA += dZ

    return A, back


@right(matrix)
def deposits_into_a_transposed_view(A):
    def back(dZ, dA):
        D = dA.T
        D += 3 * dZ

    return 3 * A.T, back


@right(lambda rng: (rng.normal(size=(3, 2)), rng.normal(size=(3, 4))))
def concatenation_of_columns(A, B):
    n = A.shape[1]

    def back(dZ, dA, dB):
        dA += dZ[:, :n]
        dB += dZ[:, n:]

    return np.hstack([A, B]), back


@right(lambda rng: (rng.normal(size=(4, 3)), np.array([0, 2, 2, 1, 2])))
def gather_by_add_at(E, words):
    def back(dZ, dE):
        np.add.at(dE, words, dZ)

    return E[words], back


@right(lambda rng: (rng.normal(size=(4, 3)), rng.integers(0, 4, 6)))
def gather_by_one_hot_product(E, words):
    H = np.eye(len(E), dtype=np.int8)[words]

    def back(dZ, dE):
        dE += H.T @ dZ

    return H @ E, back


@right(matrix)
def sorted_columns(A):
    order = A.argsort(0)

    def back(dZ, dA):
        g = np.empty_like(dZ)
        np.put_along_axis(g, order, dZ, 0)
        dA += g

    return np.take_along_axis(A, order, 0), back


def tied_matrix(rng):
    A = rng.integers(0, 3, (4, 5)).astype(float)
    A[0, :2] = 3
    return (A,)


@right(tied_matrix)
def maximum_of_rows_first_winner(A):
    first = A.argmax(1)
    rows = np.arange(len(A))

    def back(dZ, dA):
        dA[rows, first] += dZ

    return A[rows, first], back


@right(tied_matrix)
def maximum_of_rows_shared(A):
    Z = A.max(1, keepdims=True)
    M = Z == A

    def back(dZ, dA):
        dA += M * dZ / M.sum(1, keepdims=True)

    return Z, back


@right(lambda rng: tuple(rng.integers(0, 3, (2, 3, 4)).astype(float)))
def maximum_that_pays_the_first(A, B):
    def back(dZ, dA, dB):
        dA += dZ * (A >= B)
        dB += dZ * (B > A)

    return np.maximum(A, B), back


def product_forward(x, y):
    return x * y, {"x": x, "y": y}


def product_backward(dout, cache):
    return dout * cache["y"], dout * cache["x"]


right(two, name="pair_product")((product_forward, product_backward))
