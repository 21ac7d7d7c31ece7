"""Multiply-adds are those that the node does; bytes are counted where they are made."""

import numpy as np
import pytest
from numeric import normal
from numpy.testing import assert_equal

import minigrad as mg
from minigrad import affine, conv, dropout, node, relu, var
from minigrad.listing.costs import kept, multiply_adds

N, D, K = 5, 4, 3


def test_an_affine_map_multiplies_n_d_k_times_and_twice_that_backward():
    X, W, b = var((normal(N, D), normal(D, K), normal(K)))
    assert multiply_adds(affine(X, (W, b))) == (N * D * K, 2 * N * D * K)
    assert multiply_adds(affine(X.value, (W, b))) == (N * D * K, N * D * K)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_multiplies_once_for_each_weight_and_place(groups):
    X, W = var((normal(2, 4, 6, 5), normal(6, 4 // groups, 3, 3)))
    Z = conv(X, (W, None), padding=1, groups=groups)
    products = Z.value.size * W.value[0].size
    assert multiply_adds(Z) == (products, 2 * products)


def products(f):
    @node
    def spelled(A, B):
        Z = f(A, B)

        def back(dZ, dA, dB):
            pass

        return Z, back

    return spelled


@pytest.mark.parametrize(
    ("f", "count"),
    [
        (lambda A, B: A @ B, N * D * K),
        (lambda A, B: np.dot(A, B), N * D * K),
        (lambda A, B: np.matmul(A, B), N * D * K),
        (lambda A, B: np.einsum("nd,dk->nk", A, B), N * D * K),
        (lambda A, B: np.tensordot(A, B, 1), N * D * K),
        (lambda A, B: np.inner(A, B.T), N * D * K),
        (lambda A, B: np.array([[np.vdot(a, b) for b in B.T] for a in A]), N * D * K),
        (lambda A, B: (A[:, :, None] * B).sum(1), N * D * K),
        (lambda A, B: A + 1, 0),
        (lambda A, B: np.maximum(A, 0), 0),
        (lambda A, B: A * 2, N * D),
    ],
)
def test_however_a_product_is_spelled(f, count):
    A, B = var((normal(N, D), normal(D, K)))
    assert multiply_adds(products(f)(A, B))[0] == count


def test_counting_changes_nothing():
    rng, X = np.random.default_rng(0), var(normal(3, 4))
    Z = dropout(relu(X), rng=rng)
    state, value, mask = rng.bit_generator.state, Z.value.copy(), kept(Z, set())
    multiply_adds(Z)
    assert rng.bit_generator.state == state
    assert_equal(Z.value, value)
    assert kept(Z, set()) == mask
    assert X.grad is None


def test_an_array_is_counted_once_and_a_view_is_none():
    X = var(normal(6, 4))
    A = mg.exp(X)
    Z = mg.flatten(A)
    seen = {id(X.value)}
    assert kept(A, seen) == 6 * 4 * 8
    assert kept(Z, seen) == 0
