"""Exemplar-CNN: a network that learns features by telling transformed images apart, without labels.

Every seed image is a class of its own, made of transformed versions of it; features that tell the
seeds apart and do not mind the transformations serve other tasks.
Source: Dosovitskiy et al., TPAMI 2016 (NIPS 2014), in small: two convolutions, one hidden layer.

>>> U = initial(np.random.default_rng(0), classes=400)
>>> network(np.zeros((2, 1, 16, 16), np.float32), U).shape
(2, 400)
>>> [block.shape for block in features(np.zeros((2, 1, 16, 16), np.float32), U)]
[(2, 128), (2, 128), (2, 128)]
"""

import numpy as np

from minigrad import affine, block, conv, decay, dropout, entropy, flatten, maxpool, pyramid, relu
from minigrad.learn import he


def initial(rng, classes, channels=1, side=16, widths=(32, 32, 128)):
    """First parameters of a c5-c5-f network: He's, with a small output layer, biases 0.

    rng: a numpy Generator; classes: seeds; channels, side: of the images, side a multiple of 4;
    widths: maps of both convolutions and hidden units.
    The output weights are a tenth of what a linear layer would get: with larger ones the loss
    stays at ln(classes) for hundreds of steps, with many classes for good.
    """
    if side % 4:
        raise ValueError(
            f"exemplar_cnn: both poolings halve the side, {side} is not a multiple of 4"
        )
    k1, k2, f = widths
    d = k2 * (side // 4) ** 2
    W = {
        "conv1": he((k1, channels, 5, 5), rng),
        "conv2": he((k2, k1, 5, 5), rng),
        "hidden": he((d, f), rng),
        "output": np.float32(0.1) * he((f, classes), rng, gain=1.0),
    }
    ends = {"conv1": k1, "conv2": k2, "hidden": f, "output": classes}
    return {name: (W[name], np.zeros(k, np.float32)) for name, k in ends.items()}


@block
def layer(X, U):
    """Z = relu(W * X + b), maps as large as X.  X: (n, c, h, w), Z: (n, k, h, w)."""
    return relu(conv(X, U, padding=2))


@block
def network(X, U, *, rng=None, training=False):
    """Logits of the surrogate classes: (n, classes).

    X: (n, c, s, s); U: parameters as from `initial`; training: with dropout of one half
    on the hidden units, drawn from rng.
    """
    Z = maxpool(layer(X, U["conv1"]), 2)
    Z = maxpool(layer(Z, U["conv2"]), 2)
    Z = relu(affine(flatten(Z), U["hidden"]))
    return affine(dropout(Z, rng=rng, training=training), U["output"])


@block
def loss(U, X, T, rate=4e-4, *, rng=None):
    """Average cross-entropy of the surrogate classes plus decay of the weights.

    U: parameters, X: (n, c, s, s), T: (n,) seed of each image, rate: of the decay, 4e-4.
    """
    weights = tuple([W for W, b in U.values()])
    return entropy(network(X, U, rng=rng, training=True), T) + decay(weights, rate)


def features(X, U):
    """What the layers say of plain images: [conv1 (n, 4 k1), conv2 (n, 4 k2), hidden (n, f)].

    Of each map the greatest value in each quadrant, before the layer's own pooling; the hidden
    units as they are. Source: section 4.1.
    """
    Z1 = layer(X, U["conv1"])
    Z2 = layer(maxpool(Z1, 2), U["conv2"])
    hidden = relu(affine(flatten(maxpool(Z2, 2)), U["hidden"]))
    return [quadrants(Z1), quadrants(Z2), hidden]


def quadrants(Z):
    """The greatest value of each map in each quadrant: (n, 4 k).  Z: (n, k, h, w).

    On odd maps the quadrants above and to the left have one row or column more.
    """
    return flatten(pyramid(Z, (2,)))
