"""Normalisation over a batch, over features and to unit length, with one mistake each."""

import numpy as np
from gradcheck.catalogue import Case, wrongs

WRONG: list[Case] = []
wrong = wrongs(WRONG)


def batch(rng):
    return rng.normal(1, 2, size=(5, 3)), (rng.uniform(1, 2, 3), rng.normal(size=3))


def faint_batch(rng):
    return rng.normal(size=(5, 3)) * [1, 0.1, 0.01], (rng.uniform(1, 2, 3), rng.normal(size=3))


@wrong(44, "summand missing", batch)
def batchnorm_statistics_constant(X, U, eps=1e-5):
    gamma, beta = U
    s = np.sqrt(X.var(0) + eps)
    H = (X - X.mean(0)) / s

    def back(dY, dX, dU):
        dgamma, dbeta = dU
        dgamma += (dY * H).sum(0)
        dbeta += dY.sum(0)
        dX += dY * gamma / s

    return gamma * H + beta, back


@wrong(44, "summand missing", batch)
def batchnorm_variance_constant(X, U, eps=1e-5):
    gamma, beta = U
    s = np.sqrt(X.var(0) + eps)
    H = (X - X.mean(0)) / s

    def back(dY, dX, dU):
        dU[0] += (dY * H).sum(0)
        dU[1] += dY.sum(0)
        dH = dY * gamma
        dX += (dH - dH.mean(0)) / s

    return gamma * H + beta, back


@wrong(45, "eps place", faint_batch)
def batchnorm_eps_outside_the_root(X, U, eps=1e-5):
    gamma, beta = U
    mu, var = X.mean(0), X.var(0)
    H = (X - mu) / np.sqrt(var + eps)

    def back(dY, dX, dU):
        dgamma, dbeta = dU
        dgamma += np.sum(dY * H, axis=0)
        dbeta += np.sum(dY, axis=0)
        dH = dY * gamma
        dX += (dH - dH.mean(0) - H * (dH * H).mean(0)) / (np.sqrt(var) + eps)

    return gamma * H + beta, back


@wrong(46, "factor", batch)
def batchnorm_unbiased_back(X, U):
    gamma, beta = U
    H = (X - X.mean(0)) / X.std(0)

    def back(dY, dX, dU):
        dgamma, dbeta = dU
        dgamma += (dY * H).sum(0)
        dbeta += dY.sum(0)
        dH = dY * gamma
        dX += (dH - dH.mean(0) - H * (dH * H).mean(0)) / X.std(0, ddof=1)

    return gamma * H + beta, back


running = {"mean": 0.0}


@wrong(47, ("not repeatable", "stale or shared"), lambda rng: (rng.normal(size=(5, 3)),))
def centre_by_running_mean(X):
    running["mean"] = 0.9 * running["mean"] + 0.1 * X.mean(0)
    Z = X - running["mean"]

    def back(dZ, dX):
        dX += dZ - 0.1 * dZ.mean(0)

    return Z, back


@wrong(48, "wrong operand", batch)
def batchnorm_gamma_by_input(X, U, eps=1e-5):
    gamma, beta = U
    s = np.sqrt(X.var(0) + eps)
    H = (X - X.mean(0)) / s

    def back(dY, dX, dU):
        dU[0] += (dY * X).sum(0)
        dU[1] += dY.sum(0)
        dH = dY * gamma
        dX += (dH - dH.mean(0) - H * (dH * H).mean(0)) / s

    return gamma * H + beta, back


@wrong(0, "wrong axis", lambda rng: (rng.normal(size=(5, 4)),))
def layernorm_averages_the_batch_back(X, eps=1e-5):
    s = np.sqrt(X.var(1, keepdims=True) + eps)
    H = (X - X.mean(1, keepdims=True)) / s

    def back(dH, dX):
        dX += (dH - dH.mean(0) - H * (dH * H).mean(0)) / s

    return H, back


@wrong(0, "eps place", lambda rng: (rng.normal(size=(5, 4)) * np.c_[[1, 1, 0.1, 0.1, 0.01]],))
def normalise_eps_outside_the_root(X, eps=1e-5):
    S = (X**2).sum(1, keepdims=True)
    Z = X / np.sqrt(S + eps)

    def back(dZ, dX):
        dX += (dZ - Z * (dZ * Z).sum(1, keepdims=True)) / (np.sqrt(S) + eps)

    return Z, back


@wrong(0, "summand missing", lambda rng: (rng.normal(size=(5, 4)),))
def normalise_length_constant(X):
    N = np.linalg.norm(X, axis=1, keepdims=True)

    def back(dZ, dX):
        dX += dZ / N

    return X / N, back


def batchnorm_forward(x, gamma, beta):
    xhat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    return gamma * xhat + beta, (xhat, gamma, np.sqrt(x.var(axis=0) + 1e-5))


def batchnorm_backward_without_statistics(dout, cache):
    xhat, gamma, std = cache
    return dout * gamma / std, (dout * xhat).sum(axis=0), dout.sum(axis=0)


def flat_batch(rng):
    X, (gamma, beta) = batch(rng)
    return X, gamma, beta


wrong(44, "summand missing", flat_batch, name="pair_batchnorm_statistics_constant")(
    (batchnorm_forward, batchnorm_backward_without_statistics)
)
