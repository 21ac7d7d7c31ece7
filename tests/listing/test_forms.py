"""Nodes that students write: nests, branches, helpers, generators, state."""

from collections import namedtuple
from typing import NamedTuple

import numpy as np
import pytest
from numeric import normal, positive
from scripts import holds

import minigrad as mg
from minigrad import affine, node, program, relu, var

# nodes that students write


class Pair(NamedTuple):
    W: object
    b: object


Plain = namedtuple("Plain", "W b")


@node
def by_field(X, U):
    A = X @ U.W + U.b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += dA.sum(0)

    return A, back


@node
def by_key(X, U):
    A = X @ U["W"] + U["b"]

    def back(dA, dX, dU):
        for k, u in dU.items():
            u += X.T @ dA if k == "W" else dA.sum(0)

    return A, back


@node
def by_place(X, U):
    A = X @ U[0] + U[1]

    def back(dA, dX, dU):
        dU[0] += X.T @ dA
        dU[1] += dA.sum(0)

    return A, back


@node
def with_lambda(X, U):
    return X @ U[0] + U[1], lambda dA, dX, dU: (
        np.add(dU[0], X.T @ dA, out=dU[0]),
        np.add(dU[1], dA.sum(0), out=dU[1]),
    )


@pytest.mark.parametrize(
    ("f", "nest"),
    [
        (by_field, lambda W, b: Pair(W, b)),
        (by_field, lambda W, b: Plain(W, b)),
        (by_key, lambda W, b: {"W": W, "b": b}),
        (by_place, lambda W, b: (W, b)),
        (by_place, lambda W, b: [W, b]),
        (with_lambda, lambda W, b: (W, b)),
        (affine, lambda W, b: Pair(W, b)),
        (affine, lambda W, b: [W, b]),
    ],
)
def test_nests_of_every_kind(f, nest):
    W, b = var((normal(4, 3), normal(3)))
    L = mg.sum(f(normal(5, 4), nest(W, b)))
    holds(program(L), L, W=W, b=b)


def test_branches_loops_and_returns():
    @node
    def polynomial(A, coefficients, form="horner"):
        if form == "horner":
            Z = 0 * A
            for c in coefficients:
                Z = Z * A + c
            D = 0 * A
            for i, c in enumerate(coefficients[:-1]):
                D = D * A + c * (len(coefficients) - 1 - i)
        else:
            raise ValueError(form)

        def back(dZ, dA):
            dA += dZ * D

        return Z, back

    A = var(normal(3))
    for coefficients in ((1.0, 2.0, 3.0), tuple(map(float, range(12)))):
        Z = polynomial(A, coefficients)
        L = mg.sum(Z)
        text = holds(program(L), L, A=A)
        assert "horner" not in text
        assert ("for " in text) == (len(coefficients) > 8)


def test_what_has_no_def_for_a_back_stands_as_a_function():
    @node
    def settled(A, rounds):
        if rounds < 0:
            return A, lambda dZ, dA: dA.__iadd__(dZ)
        Z = A
        for _ in range(rounds):
            if np.abs(Z).max() < 1:
                break
            Z = Z / 2
        return Z, lambda dZ, dA: dA.__iadd__(dZ * (Z / A))

    A = var(positive(4) * 4)
    Z = settled(A, 9)
    L = mg.sum(Z)
    text = holds(program(L), L, A=A)
    assert "def settled(A, rounds):" in text
    assert "Z, Z_back = settled(A, 9)" in text


def test_names_are_kept_apart():
    @node
    def swapped(A, B):
        dA = A - B  # a local with a gradient's name, and variables that change places
        A, B = B, A
        Z = A * dA + B

        def back(dZ, dX, dY):
            s = [dZ * x for x in (dA, A)]
            dX += s[1] + dZ
            dY += s[0] - s[1]
            for dZ in s:
                dX += 0 * dZ

        return Z, back

    A, B = var((normal(3), normal(3, seed=1)))
    s = swapped(B, A)
    x = swapped(s, A)
    L = mg.sum(x * s)
    holds(program(L), L, A=A, B=B)


def test_a_caller_s_variable_may_bear_any_name():
    len, np_, inputs, dW = var([normal(3, seed=i) for i in range(4)])
    W = len * np_ + dW
    L = mg.sum(W * inputs)
    text = program(L).standalone()
    L.backward()
    assert "len1" in text
    assert "dW1" in text  # the gradient of W: dW is a leaf
    holds(program(L), L, dW=dW)


TWO = np.float32(2)


def test_numbers_are_written_as_they_are():
    @node
    def score(A, kind, low=-np.inf, *, scale=TWO, cut=slice(1, None)):
        Z = float(scale * np.maximum(A[cut], low).sum()) if kind == "sum" else 0.0

        def back(dZ, dA):
            dA[cut] += scale * dZ * (A[cut] > low)

        return Z, back

    A = var(normal(4).astype(np.float32))
    S = score(A, "sum", -0.5)
    R = score(A, "sum")
    L = S * R
    holds(program(L), L, A=A)


def test_a_student_s_node_gets_arrays_where_a_number_was_computed():
    @node
    def capped(D):
        Z = D.copy()
        Z[Z > 1] = 1

        def back(dZ, dD):
            dD += dZ * (D <= 1)

        return Z, back

    A = var(positive(4))
    D = mg.mean(A)
    L = capped(D)
    holds(program(L), L, A=A)


def test_helpers_factories_and_nodes_within_nodes():
    def power(k):
        @node
        def raised(A):
            Y = relu(A) + step(A)
            Z = Y**k

            def back(dZ, dA):
                dA += dZ * k * Y ** (k - 1) * (A > 0)

            return Z, back

        return raised

    A = var(normal(5))
    L = mg.sum(power(2)(A) + power(3)(A))
    text = holds(program(L), L, A=A)
    assert "** 2" in text
    assert "** 3" in text


def step(A, low=0.5):
    """A helper that is too long to be written in place."""
    S = np.zeros_like(A)
    S[low < relu(A)] = 1
    S[2 * low < A] = 2
    return S


# generators and state


def test_what_a_generator_gave_is_an_input_and_the_generator_stays_where_it_is():
    @node
    def noisy(A, *, rng):
        N = rng.normal(size=A.shape)
        Z = A * N

        def back(dZ, dA):
            dA += dZ * N

        return Z, back

    rng = np.random.default_rng(0)
    A = var(normal(3))
    L = mg.sum(noisy(A, rng=rng))
    before = rng.bit_generator.state
    text = holds(program(L), L, A=A)
    assert rng.bit_generator.state == before
    assert "Z = A * N" in text


def test_a_value_whose_draw_was_not_kept_is_an_input():
    @node
    def jittered(A, *, rng):
        Z = A + rng.normal(size=A.shape)

        def back(dZ, dA):
            dA += dZ

        return Z, back

    A = var(normal(3))
    Z = jittered(A, rng=np.random.default_rng(0))
    L = mg.sum(Z * Z)
    text = holds(program(L), L, A=A)
    assert 'Z = inputs["Z"]  # (3,), as it was drawn' in text


def test_a_state_that_has_moved_on():
    @node
    def centred(A, *, state):
        if "mean" in state:
            state["mean"] = 0.9 * state["mean"] + 0.1 * A.mean(0)
        else:
            state["mean"] = A.mean(0)
        m = state["mean"]
        Z = (A - m) * m

        def back(dZ, dA):
            dA += dZ * m

        return Z, back

    A, state = var(normal(4, 3)), {}
    Z = centred(A, state=state)
    Z = centred(Z, state=state)
    L = mg.sum(Z)
    holds(program(L), L, A=A)
