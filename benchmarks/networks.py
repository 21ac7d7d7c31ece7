"""Our side of the comparison: each network as parameters, a loss and a forward pass.

A network is made by a function (rng, images, classes, widths) of this module, of what
`minigrad.models` has. Its parameters are nested in the order in which the peer lists its own;
`loss(U, X, T, rng=None)` is what a training step differentiates, without dropout where rng is
None; `network(X, U)` is inference.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from minigrad.models import exemplar_cnn, resnet
from minigrad.models import lenet as lenet5

from minigrad import affine, block, entropy, relu
from minigrad.learn import he


class Network(NamedTuple):
    """Parameters (a nest), loss(U, X, T, rng=None), network(X, U); the order X shall stand in."""

    parameters: Any
    loss: Callable
    network: Callable
    batch_last: bool = True


@block
def exemplar_loss(U, X, T, *, rng=None):
    return entropy(exemplar_cnn.network(X, U, rng=rng, training=rng is not None), T)


def exemplar(rng, images, classes, widths):
    """64c5-64c5-128f and alike: widths are the maps of each convolution and the hidden units."""
    *maps, hidden = widths
    code = "-".join([*(f"{k}c5" for k in maps), f"{hidden}f"])
    U = exemplar_cnn.initial(rng, classes, images[0], images[1], code)
    return Network(U, exemplar_loss, exemplar_cnn.network)


@block
def lenet_loss(U, X, T, *, rng=None):
    return entropy(lenet5.network(X, U), T)


def lenet(rng, images, classes, widths):
    """LeNet-5 with relu and max pooling, 28 x 28."""
    return Network(lenet5.initial(rng, classes, images[0]), lenet_loss, lenet5.network)


@block
def mlp_network(X, U):
    hidden, output = U
    return affine(relu(affine(X, hidden)), output)


@block
def mlp_loss(U, X, T, *, rng=None):
    return entropy(mlp_network(X, U), T)


def mlp(rng, images, classes, widths):
    """One hidden layer of widths[0] units."""
    (d,), (k,) = images, widths
    U = [(he((d, k), rng), np.zeros(k, np.float32))]
    U.append((he((k, classes), rng, gain=0.1), np.zeros(classes, np.float32)))
    return Network(U, mlp_loss, mlp_network, batch_last=False)


def resnet18(rng, images, classes, widths):
    """ResNet-18 with a 3 x 3 stem, by the statistics of the batch in inference too."""
    state = {}

    @block
    def loss(U, X, T, *, rng=None):
        return entropy(resnet.network(X, U, state=state, training=True), T)

    def network(X, U):
        return resnet.network(X, U, training=True)

    return Network(resnet.initial(rng, classes, images[0], widths), loss, network)
