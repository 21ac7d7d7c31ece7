"""Programs to step through: each returns its page and its Nodes by name."""

import json
import re

import numpy as np
from minigrad.models import exemplar_cnn
from minigrad.models.contrastive_loss import contrastive

from minigrad import affine, block, decay, dot, entropy, mean, relu, show, sum, tanh, var


def data(page):
    """What the scripts of a page read."""
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.html)[1]
    return json.loads(text)


@block
def model(X, U):
    U1, U2 = U
    return affine(relu(affine(X, U1)), U2)


@block
def loss(A, T, W):
    return entropy(A, T) + decay(W, 0.1)


def weights(rng, d, k):
    return rng.normal(size=(d, k)), rng.normal(size=k)


def two_layers():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(6, 2)), np.eye(3)[[0, 1, 2, 0, 1, 2]]
    (W1, b1), (W2, b2) = var((weights(rng, 2, 4), weights(rng, 4, 3)))
    A2 = model(X, ((W1, b1), (W2, b2)))
    L = loss(A2, T, (W1, W2))
    return show(L), {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "A2": A2, "L": L}


def siamese():
    rng = np.random.default_rng(0)
    X1, X2, t = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), np.array([1, 0, 1, 0, 0])
    W, b = var(weights(rng, 4, 2))

    @block
    def embed(X, U):
        return tanh(affine(X, U))

    F, G = embed(X1, (W, b)), embed(X2, (W, b))
    L = contrastive(F, G, t, margin=2.0)
    return show(L), {"W": W, "b": b, "F": F, "G": G, "L": L}


def residual():
    rng = np.random.default_rng(1)
    X, (W1, b1), (W2, b2) = var((rng.normal(size=(5, 4)), weights(rng, 4, 4), weights(rng, 4, 4)))

    @block
    def unit(X, U1, U2):
        return relu(X + affine(relu(affine(X, U1)), U2))

    @block
    def network(X, U1, U2):
        return unit(unit(X, U1, U2), U1, U2)

    Z = network(X, (W1, b1), (W2, b2))
    L = mean(Z * Z)
    return show(L), {"X": X, "W1": W1, "b1": b1, "W2": W2, "b2": b2, "Z": Z, "L": L}


def convolutions():
    rng = np.random.default_rng(0)
    code = "64c5-64c5-128f"
    U = var(exemplar_cnn.initial(rng, 4, channels=3, side=32, code=code))
    X, T = rng.normal(size=(4, 3, 32, 32)).astype(np.float32), np.arange(4)
    L = exemplar_cnn.loss(U, X, T, rng=rng, code=code)
    nodes = {f"U['{name}'][{i}]": u for name, pair in U.items() for i, u in enumerate(pair)}
    return show(L), {**nodes, "L": L}


def recurrent(steps=35):
    rng = np.random.default_rng(0)
    X, W = var((rng.normal(size=(3, 4)), 0.4 * rng.normal(size=(4, 4))))
    Z = X
    for _ in range(steps):
        Z = tanh(dot(Z, W))
    L = sum(Z)
    return show(L), {"X": X, "W": W, "L": L}


PROGRAMS = {f.__name__: f for f in (two_layers, siamese, residual, convolutions)}
