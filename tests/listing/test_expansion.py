"""What a rewriting can get wrong."""

import numpy as np
from numeric import normal, strided
from scripts import holds, saved

import minigrad as mg
from minigrad import node, program, var


def test_a_variable_that_lags_behind_in_a_loop():
    @node
    def lagged(X):
        before = 0.0
        Z = 0.0
        for x in X:
            now = 2 * x
            Z = Z + now * before
            before = now

        def back(dZ, dX):
            for i, dx in enumerate(dX):
                for j in (i - 1, i + 1):
                    if 0 <= j < len(dX):
                        dx += 4 * dZ * X[j]

        return Z, back

    A, B, C = var([normal(3, seed=i) for i in range(3)])
    L = mg.sum(lagged((A, B, C)))
    holds(program(L), L, A=A, B=B, C=C)


def test_a_helper_that_deposits_into_several_gradients_when_one_is_unwanted():
    @node
    def linear(X, W):
        Z = X @ W

        def back(dZ, dX, dW):
            products(dX, dW, dZ, X, W)

        return Z, back

    X, W = normal(5, 4), var(normal(4, 3))
    L = mg.sum(linear(X, W))
    holds(program(L), L, W=W)


def products(dX, dW, dZ, X, W):
    left = dZ @ W.T
    right = X.T @ dZ
    dX += left
    dW += right


def test_a_deposit_through_a_view():
    @node
    def turned(A):
        Z = A.T

        def back(dZ, dA):
            into(dA.T, dZ)
            into(np.moveaxis(dA, 0, 1), dZ)

        return Z, back

    A = var(normal(3, 4))
    L = mg.sum(turned(A) ** 2)
    holds(program(L), L, A=A)


def into(dA, deposit):
    dA += deposit


def test_arrays_lie_in_memory_as_they_did():
    A, B = var((strided(normal(5, 4)), np.broadcast_to(normal(4), (5, 4))))
    L = mg.sum(A * B)
    text, inputs = program(L).standalone(), program(L).inputs()
    space = {"inputs": saved(inputs)}
    exec(text.replace('with np.load("inputs.npz") as inputs:', "if True:"), space)
    assert space["A"].strides == A.value.strides
    assert space["B"].strides == B.value.strides
    holds(program(L), L, A=A, B=B)


def test_a_helper_s_argument_is_computed_once():
    @node
    def powers(A, W):
        Z = square_and_cube(A @ W)

        def back(dZ, dA, dW):
            dW += A.T @ (dZ * (2 * (A @ W) + 3 * (A @ W) ** 2))

        return Z, back

    X, W = normal(5, 4), var(normal(4, 3))
    L = mg.sum(powers(X, W))
    text = holds(program(L), L, W=W)
    assert text.partition("# backward")[0].count("X @ W") == 1


def square_and_cube(B):
    return B * B + B**3


def test_a_long_loop_over_gradients_stays_a_loop():
    A, b = var((normal(3, 4), normal(4)))
    L = mg.sum(mg.add((A, b, 1.0) * 4))
    text = holds(program(L), L, A=A, b=b)
    assert "for dx in [dA, db, np.zeros(())" in text
    assert "Unwanted" not in text


def test_a_local_list_and_a_local_dict():
    @node
    def collected(A):
        parts, kept = [], {}
        parts.append(A * 2)
        kept["square"] = A * A
        Z = parts[0] + kept["square"]

        def back(dZ, dA):
            dA += dZ * parts[0] + 2 * dZ

        return Z, back

    A = var(normal(3))
    L = mg.sum(collected(A))
    holds(program(L), L, A=A)


def test_what_a_generator_has_shuffled_in_place():
    @node
    def shuffled(A, *, rng):
        i = np.arange(len(A))
        rng.shuffle(i)
        Z = A[i]

        def back(dZ, dA):
            dA[i] += dZ

        return Z, back

    @node
    def weighted(A, *, rng):
        w = np.arange(len(A)) * 1.0
        rng.shuffle(w)
        Z = A * 1.0

        def back(dZ, dA):
            dA += dZ * w  # not the gradient, but the script gives what the node gives

        return Z, back

    rng = np.random.default_rng(0)
    A = var(normal(9))
    L = mg.sum(weighted(shuffled(A, rng=rng), rng=rng) ** 2)
    holds(program(L), L, A=A)


RNG = np.random.default_rng(0)


def drawn(A):
    return RNG.normal(size=A.shape)


def test_a_generator_behind_a_helper_stays_where_it_is():
    @node
    def noisy(A):
        N = drawn(A)
        Z = A * N

        def back(dZ, dA):
            dA += dZ * N

        return Z, back

    A = var(normal(3))
    L = mg.sum(noisy(A))
    before = RNG.bit_generator.state
    text = holds(program(L), L, A=A)
    assert RNG.bit_generator.state == before
    assert "Z = A * N" in text
