"""Our side of the comparison: each network as parameters, a loss and a forward pass.

A network is made by a function (rng, images, classes, widths) of this module. Its parameters are
nested in the order in which the peer lists its own; `loss(U, X, T, rng=None)` is what a training
step differentiates, without dropout where rng is None; `network(X, U)` is inference.
They are made of plain nodes; where `minigrad.models` has a network, its name stands here instead.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minigrad import (
    affine,
    block,
    conv,
    dropout,
    entropy,
    flatten,
    maxpool,
    mean,
    relu,
    reshape,
    sqrt,
)
from minigrad.learn import he


class Network(NamedTuple):
    """Parameters (a nest), loss(U, X, T, rng=None), network(X, U); the order X shall stand in."""

    parameters: Any
    loss: Callable
    network: Callable
    batch_last: bool = False


def zeros(k):
    return np.zeros(k, np.float32)


def dense(sizes, rng):
    """Parameters of affine layers of these sizes, the last one small."""
    U = [(he((d, k), rng), zeros(k)) for d, k in pairwise(sizes)]
    U[-1][0][...] *= 0.1
    return U


@block
def exemplar_network(X, U, *, rng=None):
    """Convolutions 5 x 5, pooling after the first two, one hidden layer with dropout."""
    convolutions, (hidden, output) = U
    for i, V in enumerate(convolutions):
        X = relu(conv(X, V, padding=2))
        if i < 2:
            X = maxpool(X, 2)
    X = relu(affine(flatten(X), hidden))
    return affine(dropout(X, rng=rng, training=rng is not None), output)


@block
def exemplar_loss(U, X, T, *, rng=None):
    return entropy(exemplar_network(X, U, rng=rng), T)


def exemplar(rng, images, classes, widths):
    """64c5-64c5-128f and alike: widths are the maps of each convolution and the hidden units."""
    c, h, w = images
    *maps, hidden = widths
    convolutions = [(he((k, c, 5, 5), rng), zeros(k)) for c, k in pairwise((c, *maps))]
    features = maps[-1] * (h // 4) * (w // 4)
    U = (convolutions, dense((features, hidden, classes), rng))
    return Network(U, exemplar_loss, exemplar_network)


@block
def lenet_network(X, U):
    """6c5-16c5-120f-84f, the first convolution padded, max pooling."""
    first, second, *layers, output = U
    X = maxpool(relu(conv(X, first, padding=2)), 2)
    X = flatten(maxpool(relu(conv(X, second)), 2))
    for V in layers:
        X = relu(affine(X, V))
    return affine(X, output)


@block
def lenet_loss(U, X, T, *, rng=None):
    return entropy(lenet_network(X, U), T)


def lenet(rng, images, classes, widths):
    """LeNet-5 with relu and max pooling, 28 x 28."""
    U = [(he((6, 1, 5, 5), rng), zeros(6)), (he((16, 6, 5, 5), rng), zeros(16))]
    return Network(U + dense((400, 120, 84, classes), rng), lenet_loss, lenet_network)


@block
def mlp_network(X, U):
    hidden, output = U
    return affine(relu(affine(X, hidden)), output)


@block
def mlp_loss(U, X, T, *, rng=None):
    return entropy(mlp_network(X, U), T)


def mlp(rng, images, classes, widths):
    """One hidden layer of widths[0] units."""
    return Network(dense((*images, *widths, classes), rng), mlp_loss, mlp_network)


@block
def normalised(X, U):
    """Batch normalisation of maps by the batch's mean and variance."""
    gamma, beta = U
    C = X - mean(X, (0, 2, 3), keepdims=True)
    V = mean(C * C, (0, 2, 3), keepdims=True)
    return reshape(gamma, (-1, 1, 1)) * (C / sqrt(V + 1e-5)) + reshape(beta, (-1, 1, 1))


@block
def residual(X, U, stride):
    """relu(F(X) + X), F two convolutions; where the shape changes, X is projected 1 x 1."""
    W1, V1, W2, V2, *shortcut = U
    Z = relu(normalised(conv(X, (W1, None), stride=stride, padding=1), V1))
    Z = normalised(conv(Z, (W2, None), padding=1), V2)
    if shortcut:
        W, V = shortcut
        X = normalised(conv(X, (W, None), stride=stride), V)
    return relu(Z + X)


@block
def resnet18_network(X, U):
    """ResNet-18 with a 3 x 3 stem and no pooling but the last, over the whole map."""
    (W, V), residuals, output = U
    X = relu(normalised(conv(X, (W, None), padding=1), V))
    for R in residuals:
        X = residual(X, R, 2 if len(R) > 4 else 1)
    return affine(mean(X, (2, 3)), output)


@block
def resnet18_loss(U, X, T, *, rng=None):
    return entropy(resnet18_network(X, U), T)


def resnet18(rng, images, classes, widths):
    """Two residual blocks for each of the widths; from the second width on, at half the side."""

    def scale(k):
        return np.ones(k, np.float32), zeros(k)

    c = widths[0]
    stem = (he((c, images[0], 3, 3), rng), scale(c))
    residuals = []
    for k in widths:
        for _ in range(2):
            R = [he((k, c, 3, 3), rng), scale(k), he((k, k, 3, 3), rng), scale(k)]
            residuals.append(R if k == c else [*R, he((k, c, 1, 1), rng), scale(k)])
            c = k
    U = (stem, residuals, dense((c, classes), rng)[0])
    return Network(U, resnet18_loss, resnet18_network)
