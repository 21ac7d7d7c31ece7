"""Right layers of unusual form: loops, objects, partials, nests, memory orders, minigrad's own."""

import functools
from typing import Any, NamedTuple

import numpy as np
from gradcheck.catalogue import Right, rights

import minigrad as mg

RIGHT: list[Right] = []
right = rights(RIGHT)


def layer(rng):
    return rng.normal(size=(5, 2)), (rng.normal(size=(2, 3)), rng.normal(size=3))


def flat(rng):
    return rng.normal(size=(5, 2)), rng.normal(size=(2, 3)), rng.normal(size=3)


@right(layer, name="affine_of_the_slide")
@right(lambda rng: (rng.normal(size=(1, 3)), (rng.normal(size=(3, 1)), rng.normal(size=1))))
def affine_of_size_one(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += dA.sum(0)
        dX += dA @ W.T

    return A, back


@right(layer)
def affine_by_loops(X, U):
    W, b = U
    A = np.zeros((len(X), len(b)))
    for n in range(len(X)):
        for k in range(len(b)):
            A[n, k] = b[k]
            for d in range(len(W)):
                A[n, k] += X[n, d] * W[d, k]

    def back(dA, dX, dU):
        dW, db = dU
        for n in range(len(X)):
            for k in range(len(b)):
                db[k] += dA[n, k]
                for d in range(len(W)):
                    dW[d, k] += X[n, d] * dA[n, k]
                    dX[n, d] += W[d, k] * dA[n, k]

    return A, back


@right(layer)
def affine_by_einsum(X, U):
    W, b = U

    def back(dA, dX, dU):
        dU[0] += np.einsum("nd,nk->dk", X, dA)
        dU[1] += np.einsum("nk->k", dA)
        dX += np.einsum("nk,dk->nd", dA, W)

    return np.einsum("nd,dk->nk", X, W) + b, back


@right(lambda rng: (np.asfortranarray(rng.normal(size=(5, 2))), rng.normal(size=(3, 2)).T))
@right(
    lambda rng: (rng.normal(size=(10, 4))[::2, ::-2], rng.normal(size=(2, 6))[:, ::2]),
    name="product_of_strided_matrices",
)
def product_of_fortran_matrices(X, W):
    def back(dZ, dX, dW):
        dX += dZ @ W.T
        dW += X.T @ dZ

    return X @ W, back


class Scaled:
    """A layer that is an object and keeps nothing of a call."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, X, W):
        return self.scale * X @ W, ScaledBack(self.scale, X, W)

    def forward(self, X, W):
        scale = self.scale
        return X @ W * scale, lambda dZ, dX, dW: add_product(scale * dZ, X, W, dX, dW)


class ScaledBack:
    def __init__(self, scale, X, W):
        self.scale, self.X, self.W = scale, X, W

    def __call__(self, dZ, dX, dW):
        dX += self.scale * dZ @ self.W.T
        dW += self.scale * self.X.T @ dZ


def add_product(dZ, X, W, dX, dW):
    dX += dZ @ W.T
    dW += X.T @ dZ


def matrices(rng):
    return rng.normal(size=(5, 2)), rng.normal(size=(2, 3))


right(matrices, name="callable_object")(Scaled(3.0))
right(matrices, name="bound_method")(Scaled(0.5).forward)


def activated(f, slope, X, W):
    Z = f(X @ W)
    return Z, functools.partial(activated_back, slope(Z), X, W)


def activated_back(D, X, W, dZ, dX, dW):
    dA = dZ * D
    dX += dA @ W.T
    dW += X.T @ dA


right(matrices, name="partial")(functools.partial(activated, np.tanh, lambda Z: 1 - Z**2))


@right(matrices)
def back_with_bound_defaults(X, W):
    A = X @ W
    M = A > 0

    def back(dZ, dX, dW, M=M, X=X, W=W):
        dA = dZ * M
        dX += dA @ W.T
        dW += X.T @ dA

    return A * M, back


@right(flat)
def back_of_any_number(*arguments):
    X, W, b = arguments

    def back(dA, *gradients):
        for d, g in zip(gradients, (dA @ W.T, X.T @ dA, dA.sum(0))):
            d += g

    return X @ W + b, back


class Parameters(NamedTuple):
    W: Any
    b: Any


@right(lambda rng: (rng.normal(size=(5, 2)), Parameters(*layer(rng)[1])))
def affine_of_a_named_tuple(X, U):
    def back(dA, dX, dU):
        dW, db = dU.W, dU.b
        dW += X.T @ dA
        db += dA.sum(0)
        dX += dA @ U.W.T

    return X @ U.W + U.b, back


@right(lambda rng: (rng.normal(size=(5, 2)), dict(zip("Wb", layer(rng)[1]))))
def affine_of_a_dict(X, U):
    def back(dA, dX, dU):
        dU["W"] += X.T @ dA
        dU["b"] += dA.sum(0)
        dX += dA @ U["W"].T

    return X @ U["W"] + U["b"], back


def deep(rng):
    shapes = (3, 2), (2, 3), (3, 1)
    return rng.normal(size=(2, 3)), [{"W": rng.normal(size=s), "scale": 0.7} for s in shapes]


@right(deep)
def tanh_layers_of_a_list(X, layers):
    H = [X]
    for p in layers:
        H.append(np.tanh(p["scale"] * H[-1] @ p["W"]))

    def back(dZ, dX, dlayers):
        g = dZ
        for i in reversed(range(len(layers))):
            W, scale = layers[i]["W"], layers[i]["scale"]
            g = g * (1 - H[i + 1] ** 2) * scale
            dlayers[i]["W"] += H[i].T @ g
            g = g @ W.T
        dX += g

    return H[-1], back


@right(layer)
def affine_that_prints(X, U):
    W, b = U
    A = X @ W + b
    print("forward", A.shape, A.mean())

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += dA.sum(0)
        dX += dA @ W.T
        print("back", dX, dW.dtype, db)

    return A, back


@right(layer)
def affine_that_returns_its_gradients(X, U):
    W, b = U

    def back(dA, dX, dU):
        dU[0] += X.T @ dA
        dU[1] += dA.sum(0)
        dX += dA @ W.T
        return dX, dU

    return X @ W + b, back


@right(layer)
def affine_that_asks(X, U):
    W, b = U

    def back(dA, dX, dU):
        dW, db = dU
        if mg.needed(dX):
            dX += np.matmul(dA, W.T)
        if mg.needed(dW):
            np.add(dW, X.T @ dA, out=dW)
        db += dA.sum(axis=0)

    return np.add(np.matmul(X, W), b), back


@right(lambda rng: (rng.normal(size=(5, 2)), (rng.normal(size=(2, 3)), None)))
def affine_without_bias(X, U):
    W, b = U
    A = X @ W if b is None else X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dX += dA @ W.T
        dW += X.T @ dA
        if b is not None:
            db += dA.sum(0)

    return A, back


@right(lambda rng: (1e6 * rng.normal(size=(4, 3)), 1e-6 * rng.normal(size=(3, 2))))
@right(
    lambda rng: (1e-6 * rng.normal(size=(4, 3)), rng.normal(size=(3, 2))),
    name="tanh_layer_of_tiny_inputs",
)
def tanh_layer_of_large_inputs_and_tiny_weights(X, W):
    Z = np.tanh(X @ W)

    def back(dZ, dX, dW):
        dA = dZ * (1 - Z * Z)
        dX += dA @ W.T
        dW += X.T @ dA

    return Z, back


@right(lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(3, 2))))
def tied_autoencoder(X, W):
    H = X @ W
    Z = H @ W.T

    def back(dZ, dX, dW):
        dH = dZ @ W
        dW += dZ.T @ H
        dW += X.T @ dH
        dX += dH @ W.T

    return Z, back


@right(lambda rng: (rng.normal(size=(3, 2)), rng.normal(size=(2, 2))))
def recurrent(X, W):
    states = [np.zeros((1, 2))]
    for x in X:
        states.append(np.tanh(x + states[-1] @ W))

    def back(dZ, dX, dW):
        dH = dZ
        for i in (2, 1, 0):
            dA = dH * (1 - states[i + 1] ** 2)
            dX[i] += dA[0]
            dW += states[i].T @ dA
            dH = dA @ W.T

    return states[-1], back


@right(lambda rng: tuple(rng.normal(size=(3, 3, 2))))
def attention(Q, K, V):
    S = Q @ K.T / np.sqrt(Q.shape[1])
    E = np.exp(S - S.max(1, keepdims=True))
    P = E / E.sum(1, keepdims=True)

    def back(dZ, dQ, dK, dV):
        dV += P.T @ dZ
        dP = dZ @ V.T
        dS = P * (dP - (dP * P).sum(1, keepdims=True)) / np.sqrt(Q.shape[1])
        dQ += dS @ K
        dK += dS.T @ Q

    return P @ V, back


def relu_of_affine(X, U):
    return mg.relu(mg.affine(X, U))


@mg.block
def two_layers(X, U1, U2):
    return mg.affine(mg.tanh(mg.affine(X, U1)), U2)


@mg.block
def loss_with_decay(X, U, t):
    return mg.entropy(mg.affine(X, U), t) + mg.decay(U[0], 0.1)


@mg.node
def softplus(A):
    Z = np.logaddexp(0, A)

    def back(dZ, dA):
        dA += dZ * np.exp(A - Z)

    return Z, back


right(layer)(relu_of_affine)
right(lambda rng: (*layer(rng), (rng.normal(size=(3, 1)), rng.normal(size=1))))(two_layers)
right(lambda rng: (*layer(rng), rng.integers(0, 3, 5)))(loss_with_decay)
right(lambda rng: (rng.normal(size=(4, 5)),))(softplus)
right(lambda rng: tuple(rng.normal(size=(2, 3, 3))), name="operators")(
    lambda A, B: A @ B - A * B / 2 + A[0]
)
right(lambda rng: (rng.normal(size=(2, 1, 4, 4)),), name="library_maxpool")(
    lambda X: mg.maxpool(X, 2)
)


def fc_forward(x, w, b):
    out = x.dot(w) + b
    return out, (x, w, b)


def fc_backward(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout), dout.sum(axis=0).reshape(b.shape)


right(flat, name="pair_fc")((fc_forward, fc_backward))
