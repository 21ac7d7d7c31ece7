"""Exemplar-CNN: a network that learns features by telling transformed images apart, without labels.

Every seed image is a class of its own, made of transformed versions of it; features that tell the
seeds apart and do not mind the transformations serve other tasks. Networks are named as in the
paper: 64c5-64c5-128f has two convolutions of 64 filters 5 x 5 and 128 hidden units; each of the
first two convolutions is followed by max pooling of 2 x 2.
Source: Dosovitskiy et al., TPAMI 2016 (NIPS 2014).

>>> U = initial(np.random.default_rng(0), classes=400)
>>> network(np.zeros((2, 1, 16, 16), np.float32), U).shape
(2, 400)
>>> [block.shape for block in features(np.zeros((2, 1, 16, 16), np.float32), U)]
[(2, 128), (2, 128), (2, 128)]
"""

import math

import numpy as np

from minigrad import (
    affine,
    block,
    conv_pool,
    conv_pool_simple,
    decay,
    dropout,
    entropy,
    flatten,
    pyramid,
    relu,
    slide,
)
from minigrad.learn import he


def initial(rng, classes, channels=1, side=16, widths=(32, 32, 128)):
    """First parameters of a network: He's, with a small output layer, biases 0.

    rng: a numpy Generator; classes: seeds; channels, side: of the images, side a multiple of 4;
    widths: maps of the convolutions, two at least, then hidden units: (64, 64, 128) is
    64c5-64c5-128f. The output weights are a tenth of what a linear layer would get: with larger
    ones the loss stays at ln(classes) for hundreds of steps, with many classes for good.
    Raises ValueError for another side, or fewer convolutions.
    """
    if side % 4:
        raise ValueError(
            f"exemplar_cnn: both poolings halve the side, {side} is not a multiple of 4"
        )
    *maps, f = widths
    if len(maps) < 2:
        raise ValueError(
            f"exemplar_cnn: widths are two convolutions and hidden units, not {widths}"
        )
    d = maps[-1] * (side // 4) ** 2
    W = {
        f"conv{i}": he((k, c, 5, 5), rng)
        for i, (c, k) in enumerate(zip((channels, *maps), maps), 1)
    }
    W["hidden"] = he((d, f), rng)
    W["output"] = np.float32(0.1) * he((f, classes), rng, gain=1.0)
    biases = [*maps, f, classes]
    return {
        name: (w, np.zeros(k, np.float32)) for (name, w), k in zip(W.items(), biases, strict=True)
    }


def maps(X, U, fused=True):
    """The maps behind each convolution, after its pooling.  fused: False takes plain nodes."""
    layer, Z = conv_pool if fused else conv_pool_simple, [X]
    for i, name in enumerate(name for name in U if name.startswith("conv")):
        Z.append(layer(Z[-1], U[name], 2 if i < 2 else 1, padding=2))
    return Z[1:]


@block
def network(X, U, *, rng=None, training=False, fused=True):
    """Logits of the surrogate classes: (n, classes).

    X: (n, c, s, s); U: parameters as from `initial`; training: with dropout of one half
    on the hidden units, drawn from rng; fused: False takes plain nodes for the same numbers.
    """
    Z = relu(affine(flatten(maps(X, U, fused)[-1]), U["hidden"]))
    return affine(dropout(Z, rng=rng, training=training), U["output"])


@block
def loss(U, X, T, rate=4e-4, *, rng=None, fused=True):
    """Average cross-entropy of the surrogate classes plus decay of the weights.

    U: parameters, X: (n, c, s, s), T: (n,) seed of each image, rate: of the decay, 4e-4.
    """
    weights = tuple([W for W, b in U.values()])
    return entropy(network(X, U, rng=rng, training=True, fused=fused), T) + decay(weights, rate)


def features(X, U):
    """What the layers say of plain images: (n, 4 k) for each convolution, hidden units (n, f).

    Of each map the greatest value in each quadrant; the hidden units as they are, or of images
    larger than those of the training slid over the maps and taken by quadrants too, (n, 4 f).
    Source: section 4.1.
    """
    Z = maps(X, U)
    trained = math.isqrt(len(U["hidden"][0]) // Z[-1].shape[1])  # side of the maps in training
    if Z[-1].shape[2:] == (trained, trained):
        hidden = relu(affine(flatten(Z[-1]), U["hidden"]))
    else:
        hidden = quadrants(relu(slide(Z[-1], U["hidden"], trained)))
    return [*map(quadrants, Z), hidden]


def quadrants(Z):
    """The greatest value of each map in each quadrant: (n, 4 k).  Z: (n, k, h, w).

    On odd maps the quadrants above and to the left have one row or column more.
    """
    return flatten(pyramid(Z, (2,)))
