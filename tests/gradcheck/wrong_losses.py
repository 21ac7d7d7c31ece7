"""Losses, penalties and softmaxes with one mistake each."""

import numpy as np
from gradcheck.catalogue import Case, wrongs

WRONG: list[Case] = []
wrong = wrongs(WRONG)


def labelled(rng):
    return rng.normal(size=(5, 4)), rng.integers(0, 4, 5)


def softmax(A):
    E = np.exp(A - A.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def cross_entropy(A, t):
    """(loss, softmax, one-hot targets): the forward that the mistakes below share."""
    Y, T = softmax(A), np.eye(A.shape[1])[t]
    return -np.log(Y[np.arange(len(t)), t]).mean(), Y, T


@wrong(18, "N", labelled)
def entropy_not_averaged_back(A, t):
    D, Y, T = cross_entropy(A, t)

    def back(dD, dA):
        dA += (Y - T) * dD

    return D, back


@wrong(19, "1/N", labelled)
def entropy_averaged_twice(A, t):
    D, Y, T = cross_entropy(A, t)

    def back(dD, dA):
        g = (Y - T) / len(A)
        dA += dD * g / len(A)

    return D, back


@wrong(20, "summand missing", labelled)
def entropy_without_targets(A, t):
    D, Y, T = cross_entropy(A, t)
    n = len(A)

    def back(dD, dA):
        dA += dD * Y / n

    return D, back


@wrong(21, "sign", labelled)
def entropy_targets_first(A, t):
    D, Y, T = cross_entropy(A, t)

    def back(dD, dA):
        dA += (T - Y) * (dD / len(A))

    return D, back


@wrong(22, "incoming ignored", labelled)
def entropy_begins_at_one(A, t):
    n = len(t)
    D, Y, _ = cross_entropy(A, t)

    def back(dD, dA):
        g = Y.copy()
        g[range(n), t] -= 1
        dA += g / n

    return D, back


@wrong(0, "wrong operand", labelled)
def entropy_of_logits(A, t):
    D, Y, T = cross_entropy(A, t)

    def back(dD, dA):
        dA += dD * (A - T) / len(A)

    return D, back


@wrong(0, "not finite", lambda rng: (rng.normal(size=(4, 3)) + [0, 0, -900], rng.integers(0, 2, 4)))
def entropy_through_the_logarithm(A, t):
    D, Y, T = cross_entropy(A, t)

    def back(dD, dA):
        dY = -T / Y / len(A) * dD
        dA += Y * (dY - (Y * dY).sum(1, keepdims=True))

    return D, back


@wrong(27, "summand missing", lambda rng: (rng.normal(size=(5, 4)),))
def softmax_diagonal_only(A):
    Y = softmax(A)

    def back(dY, dA):
        dA += dY * Y * (1 - Y)

    return Y, back


@wrong(0, "wrong axis", lambda rng: (rng.normal(size=(5, 4)),))
def softmax_sums_columns_back(A):
    Y = softmax(A)

    def back(dY, dA):
        dA += Y * (dY - np.sum(Y * dY, axis=0))

    return Y, back


@wrong(0, "summand missing", lambda rng: (rng.normal(size=(5, 4)),))
def log_softmax_as_identity(A):
    Z = np.log(softmax(A))

    def back(dZ, dA):
        dA += dZ

    return Z, back


def weights(rng):
    return [rng.normal(size=(3, 4)), rng.normal(size=(4, 2))], 0.3


@wrong(28, "factor", weights)
def decay_without_half(W, rate):
    R = 0
    for w in W:
        R += rate / 2 * np.sum(w**2)

    def back(dR, dW):
        for w, dw in zip(W, dW):
            dw += dR * 2 * rate * w

    return R, back


@wrong(28, "factor", weights)
def decay_halved_twice(W, lam):
    R = lam / 2 * sum((w * w).sum() for w in W)

    def back(dR, dW):
        for w, dw in zip(W, dW):
            dw += dR * lam / 2 * w

    return R, back


@wrong(28, "lambda", weights)
def decay_without_rate(W, rate):
    R = rate * sum(np.sum(w * w) for w in W) / 2

    def back(dR, dW):
        for w, dw in zip(W, dW):
            dw += dR * w

    return R, back


@wrong(29, "factor", lambda rng: (rng.normal(size=(4, 5)), 0.3))
def decay_back_of_the_norm(W, rate):
    R = rate / 2 * np.sum(W**2)

    def back(dR, dW):
        dW += dR * rate * W / np.sqrt(np.sum(W**2))

    return R, back


@wrong(29, "factor", lambda rng: (rng.normal(size=(4, 5)),))
def norm_back_of_the_square(W):
    R = np.linalg.norm(W)

    def back(dR, dW):
        dW += dR * W

    return R, back


@wrong(30, "untouched", weights)
def decay_last_weights_only(W, rate):
    R = 0.0
    for w in W:
        R += rate / 2 * np.vdot(w, w)

    def back(dR, dW):
        dw = dW[-1]
        dw += dR * rate * w

    return R, back


def fit(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=(4, 3))


@wrong(0, "factor", fit)
def squared_error_without_two(A, T):
    E = A - T

    def back(dD, dA, dT):
        dA += dD * E / len(A)
        dT -= dD * E / len(A)

    return (E**2).sum() / len(A), back


@wrong(0, "untouched", fit)
def squared_error_targets_forgotten(A, T):
    E = A - T

    def back(dD, dA, dT):
        dA += dD * 2 * E / len(A)

    return (E**2).sum() / len(A), back


@wrong(0, "N", fit)
def squared_error_of_the_sum(A, T):
    D = np.mean((A - T) ** 2)

    def back(dD, dA, dT):
        dA += 2 * dD * (A - T)
        dT += 2 * dD * (T - A)

    return D, back


@wrong(0, "sign", lambda rng: (rng.normal(size=(4, 3)),))
def absolute_error_pulls_one_way(A):
    D = np.abs(A).sum()

    def back(dD, dA):
        dA += -dD * np.sign(A)

    return D, back


@wrong(0, "incoming ignored", lambda rng: (rng.normal(size=(4, 4)), rng.normal(size=4)))
def quadratic_form_begins_at_one(Q, x):
    D = x @ Q @ x

    def back(dD, dQ, dx):
        dQ += np.outer(x, x)
        dx += (Q + Q.T) @ x

    return D, back


@wrong(0, ("summand missing", "factor"), lambda rng: (rng.normal(size=(4, 4)), rng.normal(size=4)))
def quadratic_form_as_if_symmetric(Q, x):
    D = x @ Q @ x

    def back(dD, dQ, dx):
        dQ += dD * np.outer(x, x)
        dx += dD * 2 * Q @ x

    return D, back
