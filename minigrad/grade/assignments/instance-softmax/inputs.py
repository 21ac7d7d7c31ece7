"""What `normalize` and `instance_softmax` are tried on."""

import numpy as np


def normalize_inputs(rng):
    yield (rng.normal(size=(4, 4)),)
    yield (3 * rng.normal(size=(5, 3)),)


def normalize_edges(rng):
    X = rng.normal(size=(3, 4))
    X[1] = 0
    yield "a row of zeros", (X,)
    yield "rows of length 1", (unit(rng.normal(size=(3, 4))),)


def instance_softmax_inputs(rng):
    """(F, tau): unit rows, the first views of all images, then their second views."""
    yield views(rng, 2, 4), 0.5
    yield views(rng, 3, 4), 0.8


def instance_softmax_edges(rng):
    tau = rng.uniform(0.0009, 0.0011)  # 1 / tau > 709, where exp overflows
    axes = np.eye(3)[rng.permutation(3)]
    yield "temperature 0.001, views alike", (axes[[0, 1, 0, 1]], tau)
    yield "temperature 0.001, views unlike", (axes[[0, 0, 0, 1]], tau)
    yield "a single image", (views(rng, 1, 3), 0.5)


def views(rng, m, d):
    X = rng.normal(size=(m, d))
    return unit(np.concatenate([X, X + 0.5 * rng.normal(size=(m, d))]))


def unit(X):
    return X / np.sqrt((X * X).sum(1, keepdims=True))
