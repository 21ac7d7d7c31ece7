"""Affine layers with one mistake each, as nodes and as pairs of functions."""

import numpy as np
from gradcheck.catalogue import Case, wrongs

WRONG: list[Case] = []
wrong = wrongs(WRONG)


def oblong(rng):
    return rng.normal(size=(5, 2)), (rng.normal(size=(2, 3)), rng.normal(size=3))


def square(rng):
    return rng.normal(size=(3, 3)), (rng.normal(size=(3, 3)), rng.normal(size=3))


def flat(rng):
    return rng.normal(size=(5, 2)), rng.normal(size=(2, 3)), rng.normal(size=3)


@wrong(1, "transposed", square, name="affine_dx_by_w_square")
@wrong(1, ("transposed", "shape", "exception"), oblong)
def affine_dx_by_w(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += dA.sum(0)
        dX += dA @ W

    return A, back


@wrong(2, "transposed", square, name="affine_dw_transposed_square")
@wrong(2, ("transposed", "shape", "exception"), oblong)
def affine_dw_transposed(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dX += dA @ W.T
        dW += dA.T @ X
        db += dA.sum(0)

    return A, back


@wrong(3, "batch sum missing", oblong)
def affine_db_first_row(X, U):
    W, b = U

    def back(dA, dX, dU):
        dW, db = dU
        dX += dA @ W.T
        dW += X.T @ dA
        db += dA[0]

    return X @ W + b, back


@wrong(3, ("batch sum missing", "shape", "exception"), oblong)
def affine_db_not_summed(X, U):
    W, b = U

    def back(dA, dX, dU):
        dX += np.dot(dA, W.T)
        dU[0] += np.dot(X.T, dA)
        dU[1] += dA

    return np.dot(X, W) + b, back


@wrong(3, "batch sum missing", lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=3)))
def bias_last_row_wins(X, b):
    Z = X + b

    def back(dZ, dX, db):
        dX += dZ
        g = np.zeros_like(b)
        for row in dZ:
            g = row
        db += g

    return Z, back


@wrong(4, "1/N", oblong)
def affine_db_mean(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += dA.mean(axis=0)
        dX += dA @ W.T

    return A, back


@wrong(4, "1/N", oblong)
def affine_dw_averaged(X, U):
    W, b = U
    n = X.shape[0]

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA / n
        db += dA.sum(0)
        dX += dA @ W.T

    return X @ W + b, back


@wrong(5, "wrong axis", square, name="affine_db_axis_1_square")
@wrong(5, ("wrong axis", "shape", "exception"), oblong)
def affine_db_axis_1(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += dA.sum(1)
        dX += dA @ W.T

    return A, back


@wrong(5, "wrong axis", oblong)
def affine_db_total(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += np.sum(dA)
        dX += dA @ W.T

    return A, back


@wrong(6, ("rebinding", "untouched"), oblong)
def affine_dw_rebound(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW = dW + X.T @ dA
        db += dA.sum(0)
        dX += dA @ W.T

    return A, back


@wrong(6, ("rebinding", "untouched"), oblong)
def affine_dx_assigned(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dX = dA @ W.T  # noqa: F841
        dW += X.T @ dA
        db += dA.sum(0)

    return A, back


@wrong(7, "overwritten", oblong)
def affine_dw_overwritten(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW[...] = X.T @ dA
        db += dA.sum(0)
        dX += dA @ W.T

    return A, back


@wrong(7, "overwritten", oblong)
def affine_dx_written_out(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        np.matmul(dA, W.T, out=dX)
        dW += X.T @ dA
        db += dA.sum(0)

    return A, back


@wrong(7, "overwritten", oblong)
def affine_zeroes_first(X, U):
    W, b = U

    def back(dA, dX, dU):
        for d in (dX, *dU):
            d.fill(0)
        dX += dA @ W.T
        dU[0] += X.T @ dA
        dU[1] += dA.sum(0)

    return X @ W + b, back


workspace = np.empty((5, 3))


@wrong(8, "stale or shared", oblong)
def sigmoid_layer_in_a_workspace(X, U):
    W, b = U
    A = np.add(X @ W, b, out=workspace)
    Z = 1 / (1 + np.exp(-A))

    def back(dZ, dX, dU):
        s = 1 / (1 + np.exp(-A))
        dA = dZ * s * (1 - s)
        dX += dA @ W.T
        dU[0] += X.T @ dA
        dU[1] += dA.sum(0)

    return Z, back


@wrong(
    8,
    ("stale or shared", "wrong operand"),
    lambda rng: (rng.normal(size=(3, 2)), rng.normal(size=(2, 2))),
)
def recurrent_states_by_reference(X, W):
    H, states = np.array(X), []
    for _ in range(3):
        states.append(H)
        H[...] = np.tanh(X + H @ W)
    Z = H.copy()

    def back(dZ, dX, dW):
        dH, after = dZ, Z
        for H in reversed(states):
            dA = dH * (1 - after**2)
            dX += dA
            dW += H.T @ dA
            dH, after = dA @ W.T, H
        dX += dH

    return Z, back


cache = {}


@wrong(9, "stale or shared", oblong)
def affine_in_globals(X, U):
    cache["X"], (cache["W"], b) = X, U

    def back(dA, dX, dU):
        dW, db = dU
        dW += cache["X"].T @ dA
        db += dA.sum(0)
        dX += dA @ cache["W"].T

    return X @ cache["W"] + b, back


class Affine:
    """A layer that remembers its last input only."""

    def forward(self, X, U):
        self.X, self.W = X, U[0]
        return X @ U[0] + U[1], self.backward

    def backward(self, dA, dX, dU):
        dU[0] += self.X.T @ dA
        dU[1] += dA.sum(0)
        dX += dA @ self.W.T


wrong(9, "stale or shared", oblong, name="affine_on_self")(Affine().forward)


@wrong(0, "untouched", oblong)
def affine_db_forgotten(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dU[0] += X.T @ dA
        dX += dA @ W.T

    return A, back


@wrong(0, "wrong operand", oblong)
def affine_dw_by_output(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ A
        db += dA.sum(0)
        dX += dA @ W.T

    return A, back


@wrong(0, "sign", oblong)
def affine_descends(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW -= X.T @ dA
        db += dA.sum(0)
        dX += dA @ W.T

    return A, back


@wrong(0, "float32", oblong)
def affine_dw_in_float32(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.astype(np.float32).T @ dA.astype(np.float32)
        db += dA.sum(0)
        dX += dA @ W.T

    return A, back


@wrong(0, ("untouched", "exception"), oblong)
def affine_back_takes_no_weights(X, U):
    W, b = U

    def back(dA):
        return dA @ W.T, X.T @ dA, dA.sum(0)

    return X @ W + b, back


def fc_forward(x, w, b):
    return x.dot(w) + b, (x, w, b)


def fc_dx_by_w(dout, cache):
    x, w, _ = cache
    return dout.dot(w), x.T.dot(dout), dout.sum(axis=0)


def fc_db_mean(dout, cache):
    x, w, _ = cache
    dx = np.dot(dout, w.T)
    dw = np.dot(x.T, dout)
    db = np.mean(dout, axis=0)
    return dx, dw, db


def fc_db_not_summed(dout, cache):
    x, w, _ = cache
    return dout @ w.T, x.T @ dout, dout


def cube(rng):
    return rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)


wrong(1, "transposed", cube, name="pair_dx_by_w")((fc_forward, fc_dx_by_w))
wrong(4, "1/N", flat, name="pair_db_mean")((fc_forward, fc_db_mean))
wrong(3, ("batch sum missing", "shape"), flat, name="pair_db_not_summed")(
    (fc_forward, fc_db_not_summed)
)
