"""LeNet-5: two convolutions, each pooled, and three fully connected layers; digits of 28 x 28.

As it is mostly built today: maxima for averages, relu for tanh, and every map of the second
convolution sees all maps of the first one.
Source: LeCun et al., Proceedings of the IEEE 86(11), 1998, section II.B.

>>> U = initial(np.random.default_rng(0))
>>> network(np.zeros((2, 1, 28, 28), np.float32), U).shape
(2, 10)
"""

import numpy as np

from minigrad import (
    affine,
    block,
    conv_pool,
    conv_pool_simple,
    decay,
    entropy,
    flatten,
    relu,
)
from minigrad.learn import he

from .heads import unit_rows


def initial(rng, classes=10, channels=1):
    """First parameters: He's weights, biases 0.

    rng: a numpy Generator; classes: 10, or the dimensions of an embedding; channels: of the images,
    1.
    """
    W = {
        "conv1": he((6, channels, 5, 5), rng),
        "conv2": he((16, 6, 5, 5), rng),
        "hidden1": he((400, 120), rng),
        "hidden2": he((120, 84), rng),
        "output": he((84, classes), rng, gain=1.0),
    }
    ends = {"conv1": 6, "conv2": 16, "hidden1": 120, "hidden2": 84, "output": classes}
    return {name: (W[name], np.zeros(k, np.float32)) for name, k in ends.items()}


@block
def network(X, U, fused=True):
    """Logits (n, classes).

    X: (n, c, 32, 32), or (n, c, 28, 28), which are padded; U: parameters as from `initial`; fused:
    False takes plain nodes for the same numbers.
    """
    layer = conv_pool if fused else conv_pool_simple
    Z = layer(X, U["conv1"], padding=(32 - X.shape[2]) // 2)
    Z = layer(Z, U["conv2"])
    Z = relu(affine(flatten(Z), U["hidden1"]))
    Z = relu(affine(Z, U["hidden2"]))
    return affine(Z, U["output"])


embedding = unit_rows(network)


@block
def loss(U, X, T, rate=0.0, fused=True):
    """Average cross-entropy plus decay of the weights.

    U: parameters, X: (n, c, 28, 28), T: (n,) labels, rate: of the decay, none by default.
    """
    weights = tuple([W for W, b in U.values()])
    return entropy(network(X, U, fused), T) + decay(weights, rate)
