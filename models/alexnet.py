"""AlexNet: five convolutions, the first two normalised across channels, and three affine layers.

The paper's for 227 x 227 (its "224" gives maps of no whole size), torchvision's for 224 x 224, and
any smaller one: widths, hidden units, groups and the first convolution are options.
Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.

>>> U = initial(np.random.default_rng(0), 128, **SMALL)
>>> embedding(np.zeros((2, 3, 32, 32), np.float32), U, stem=SMALL["stem"]).shape
(2, 128)
"""

from typing import NamedTuple

import numpy as np

from minigrad import (
    affine,
    block,
    conv_pool,
    conv_pool_simple,
    dropout,
    flatten,
    lrn,
    maxpool,
    relu,
)
from minigrad.learn import he

from .heads import unit_rows


class Stem(NamedTuple):
    """The first convolution: the side of its filters, its stride and padding."""

    size: int
    stride: int
    padding: int


PAPER = Stem(11, 4, 0)
TORCHVISION = {  # options of `initial`: 61,100,840 parameters; the network takes norm=None
    "side": 224,
    "stem": Stem(11, 4, 2),
    "widths": (64, 192, 384, 256, 256),
    "groups": 1,
}
SMALL = {  # options of `initial` for images of 32 x 32
    "side": 32,
    "stem": Stem(5, 1, 2),
    "widths": (32, 64, 96, 96, 64),
    "hidden": 256,
}
NORMS = ("alexnet", "caffenet", None)


def shapes(
    classes=1000,
    channels=3,
    side=227,
    stem=PAPER,
    widths=(96, 256, 384, 384, 256),
    hidden=4096,
    groups=2,
):
    """The shapes of weights and bias of each layer by name.  Arguments as for `initial`.

    >>> shapes()["conv2"], shapes()["hidden1"]
    (((256, 48, 5, 5), (256,)), ((9216, 4096), (4096,)))
    """
    inputs = (channels, widths[0] // groups, widths[1], widths[2] // groups, widths[3] // groups)
    filters = zip(widths, inputs, (stem.size, 5, 3, 3, 3))
    sizes = {f"conv{i}": ((k, c, s, s), (k,)) for i, (k, c, s) in enumerate(filters, 1)}
    last = (side + 2 * stem.padding - stem.size) // stem.stride + 1
    for _ in range(3):
        last = (last - 3) // 2 + 1
    if last < 1:
        raise ValueError(f"alexnet: images of {side} x {side} leave nothing after three poolings")
    d = widths[-1] * last**2
    return sizes | {
        "hidden1": ((d, hidden), (hidden,)),
        "hidden2": ((hidden, hidden), (hidden,)),
        "output": ((hidden, classes), (classes,)),
    }


def initial(rng, classes=1000, **options):
    """First parameters: He's weights, biases 0.

    rng: a numpy Generator; classes: 1000, or the dimensions of an embedding; channels: of the
    images, 3; side: of the images, 227; stem: of the first convolution, PAPER; widths: maps of the
    convolutions, (96, 256, 384, 384, 256); hidden: units of both hidden layers, 4096; groups: into
    which the second, fourth and fifth convolution are split, 2.
    Raises ValueError if the images are too small.
    """
    return {
        name: (he(W, rng, 1.0 if name == "output" else 2.0), np.zeros(b, np.float32))
        for name, (W, b) in shapes(classes, **options).items()
    }


@block
def network(X, U, *, stem=PAPER, norm="alexnet", rng=None, training=False, fused=True):
    """Logits (n, classes).

    X: (n, c, s, s); U: parameters as from `initial`; stem: theirs; norm: behind the first two
    convolutions, "alexnet": first `lrn` of the paper, then pooling; "caffenet": first pooling, then
    `lrn` of Caffe; None: pooling alone, as torchvision has it. Pooling is 3 x 3 of stride 2.
    training: with dropout of one half on the hidden units, drawn from rng; fused: False takes plain
    nodes for the same numbers.
    Raises ValueError for another norm.
    """
    if norm not in NORMS:
        raise ValueError(f"alexnet: norm is one of {NORMS}, not {norm!r}")
    layer, Z = conv_pool if fused else conv_pool_simple, X
    for i in range(1, 6):
        W, b = U[f"conv{i}"]
        stride, padding = stem[1:] if i == 1 else (1, W.shape[2] // 2)
        groups = Z.shape[1] // W.shape[1]
        Z = layer(Z, (W, b), 1, stride=stride, padding=padding, groups=groups)
        if i < 3 and norm == "alexnet":
            Z = lrn(Z)
        if i in (1, 2, 5):
            Z = maxpool(Z, 3, 2)
        if i < 3 and norm == "caffenet":
            Z = lrn(Z, k=1.0, form="caffe")
    Z = flatten(Z)
    for name in ("hidden1", "hidden2"):
        Z = dropout(relu(affine(Z, U[name])), rng=rng, training=training)
    return affine(Z, U["output"])


embedding = unit_rows(network)
