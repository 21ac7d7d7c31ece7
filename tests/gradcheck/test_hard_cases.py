"""Right functions that alarm other checks, and mistakes that hide from them."""

import re

import numpy as np
import pytest

from minigrad import check, node
from minigrad import mul as times

rng = np.random.default_rng(0)
n = rng.normal


def softmax(A):
    E = np.exp(A - A.max(1, keepdims=True))
    return E / E.sum(1, keepdims=True)


def lasso(w, X, y, rate=1e-3):
    r = X @ w - y

    def back(dD, dw):
        dw += dD * (2 * X.T @ r / len(y) + rate * np.sign(w))

    return np.mean(r**2) + rate * np.abs(w).sum(), back


def shifted_softmax(A):
    Y = softmax(A)
    return Y, lambda dY, dA: dA.__iadd__(Y * (dY - (dY * Y).sum(1, keepdims=True)))


def softplus_of_logarithm(x):
    return np.logaddexp(0, np.log(x)), lambda dz, dx: dx.__iadd__(dz / (1 + x))


def distance_from_one(x):
    return np.abs(np.log(x)), lambda dz, dx: dx.__iadd__(dz * np.sign(np.log(x)) / x)


def entropy_that_names_its_targets(A, T):
    Y = softmax(A)

    def back(dD, dA, dT):
        dA += dD * (Y - T)  # right where the rows of T sum to 1
        dT -= dD * np.log(Y)

    return -(T * np.log(Y)).sum(), back


def row_added(b, X):
    def back(dZ, db, dX):
        db += dZ.sum(0, keepdims=True)
        dX += dZ

    return X + b, back


def far_from_zero(A):
    return 0.5 * (A * A).sum() + 1e8, lambda dD, dA: dA.__iadd__(dD * A)


def permuted(A, order):
    return A[order], lambda dZ, dA: dA.__iadd__(dZ[np.argsort(order)])


def inverse(A):
    B = np.linalg.inv(A)
    return B, lambda dB, dA: dA.__isub__(B.T @ dB @ B.T)


def determinant(A):
    D = np.linalg.det(A)
    return D, lambda dD, dA: dA.__iadd__(dD * D * np.linalg.inv(A).T)  # but where A is singular


def fixed_shape(A):
    return A.repeat(2, 0), lambda dZ, dA: dA.__iadd__(dZ.reshape(3, 2, 4).sum(1))


def squared_forward(x, y):
    return ((x - y) ** 2).mean(), (x, y)


def squared_backward(dout, cache):
    x, y = cache
    return 2 * dout * (x - y) / x.size, None


RIGHT = {
    "a small absolute value in a large sum": (lasso, n(size=5), 100 * n(size=(20, 5)), n(size=20)),
    "far from zero, close together": (shifted_softmax, 1e5 + n(size=(5, 4))),
    "sizes from 1e-3 to 1e3": (softplus_of_logarithm, np.logspace(-3, 3, 7)),
    "at a kink, next to the end of the domain": (distance_from_one, np.array([1e-4, 1, 1e3])),
    "rows that sum to 1": (
        entropy_that_names_its_targets,
        n(size=(5, 4)),
        rng.dirichlet(np.ones(4), 5),
    ),
    "a row given first": (row_added, n(size=(1, 4)), n(size=(3, 4))),
    "a large constant": (far_from_zero, n(size=(4, 3))),
    "a permutation": (permuted, n(size=(4, 3)), np.array([2, 0, 3, 1])),
    "an inverse": (inverse, n(size=(4, 4))),
    "a determinant": (determinant, n(size=(4, 4))),
    "sizes written into back": (fixed_shape, n(size=(3, 4))),
    "None for what has no gradient": (
        (squared_forward, squared_backward),
        n(size=(4, 3)),
        n(size=(4, 3)),
    ),
}


@pytest.mark.parametrize("case", RIGHT.values(), ids=RIGHT)
def test_no_alarm(case):
    f, *args = case
    for seed in range(10):
        report = check(f, *args, seed=seed)
        assert report, report


def test_sizes_written_into_back_are_noted():
    report = check(fixed_shape, n(size=(3, 4)))
    assert report
    assert report.note == "wrong at other shapes, as (4, 4): are sizes written into it?"
    assert report.note in str(report)
    assert report.note in report._repr_html_()
    assert check(shifted_softmax, n(size=(3, 4))).note == ""


def rows_of(W, i):
    def back(dZ, dW):
        dW[i] += dZ

    return W[i], back


def outer_product_of_a_batch(X, W):
    def back(dZ, dX, dW):
        dX += dZ @ W.T
        dW += np.outer(X, dZ)

    return X @ W, back


def second_factor_negative(A, B):
    def back(dZ, dA, dB):
        dA += dZ @ B.T
        dB -= A.T @ dZ

    return A @ B, back


def tiny_square(A):
    return A * A, lambda dZ, dA: dA.__isub__(2 * A * dZ)


def stops_the_program(A):
    return 2 * A, lambda dZ, dA: exit(0)


def one_row_of_many(A):
    def back(dZ, dA):
        D = dZ * (A > 0)
        D[7] *= 1.3
        dA += D

    return np.maximum(A, 0), back


def distances_of_rows(X):
    E = X[:, None] - X[None]
    D = np.sqrt((E**2).sum(2) + np.eye(len(X)))

    def back(dD, dX):
        dX += (((dD + dD.T) / D)[:, :, None] * E).sum(1)

    return D, back


def kept_for_the_third_call(A, calls=[]):  # noqa: B006 - the mistake
    kept = [A]
    return 2 * A, lambda dZ, dA: (kept.append(A), dA.__iadd__((2 + (len(kept) > 4)) * dZ))


WRONG = {
    "distinct places": ("counted once", rows_of, n(size=(9, 3)), np.array([0, 3, 5])),
    "a batch of one": ("shape", outer_product_of_a_batch, n(size=(1, 4)), n(size=(4, 3))),
    "a small gradient beside a large one": (
        "sign",
        second_factor_negative,
        1e-6 * n(size=(3, 2)),
        1e6 * n(size=(2, 4)),
    ),
    "a tiny gradient": ("sign", tiny_square, 1e-12 * n(size=(3, 2))),
    "an exit": ("exception", stops_the_program, n(size=(3, 4))),
    "a row of 400": ("", one_row_of_many, n(size=(400, 400))),
    "equal rows of one array": ("not finite", distances_of_rows, n(size=(4, 3))),
    "several calls later": ("not repeatable", kept_for_the_third_call, n(size=(3, 4))),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_found(case):
    cause, f, *args = case
    report = check(f, *args)
    assert not report
    assert report.cause == cause, report


def test_an_elementwise_slope_that_fits_no_cause_is_shown():
    def tanh(A):
        return np.tanh(A), lambda dZ, dA: dA.__iadd__(dZ * (1 - A * A))

    report = check(tanh, np.array([[0.5, -1.0]]))
    assert report.cause == ""
    assert "the slope is 0.42, and back has 0" in report.sentence


def test_the_slope_that_is_shown_is_one_that_is_wrong():
    def tanh(A):
        return np.tanh(A), lambda dZ, dA: dA.__iadd__(dZ * (1 - A * A))

    report = check(tanh, np.random.default_rng(1).normal(size=(4, 3)))
    slope, has = re.search(r"the slope is (\S+), and back has (\S+)", report.sentence).groups()
    assert abs(float(slope) - float(has)) > 0.1


def test_a_node_that_is_wrong_at_its_second_use_is_named():
    @node
    def scaled(A, c):
        def back(dZ, dA):
            dA += dZ * abs(c)

        return c * A, back

    report = check(lambda A: times(scaled(A, 2.0), scaled(A, -3.0)), n(size=(3, 4)))
    assert report.sentence.startswith("in scaled: the gradient of A has the wrong sign")
