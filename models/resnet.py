"""ResNet-18 for small images: blocks of two convolutions that add to what they are given.

Four stages of two blocks; each stage but the first halves the maps. The stem is a 3 x 3
convolution without pooling, as it is usual for images of 32 x 32; larger ones may be given too.
With 128 outputs `embedding` is the network of instance softmax for CIFAR-10 and STL-10.
Source: He, Zhang, Ren and Sun, CVPR 2016, sections 3.2 and 4.2; Ye et al., CVPR 2019.

>>> U, state = initial(np.random.default_rng(0), widths=(4, 8, 8, 8)), {}
>>> X = np.zeros((2, 3, 32, 32), np.float32)
>>> network(X, U, state=state, training=True).shape, network(X, U, state=state).shape
((2, 10), (2, 10))
"""

import numpy as np

from minigrad import (
    affine,
    avgpool,
    batchnorm,
    batchnorm_relu,
    block,
    conv,
    decay,
    entropy,
    flatten,
    mean,
)
from minigrad.learn import he, uniform
from minigrad.nodes.normalisation import batchnorm_relu_simple, batchnorm_simple
from minigrad.tree import leaves

from .heads import unit_rows

BLOCKS = 2  # of each stage


def initial(rng, classes=10, channels=3, widths=(64, 128, 256, 512), weights="uniform"):
    """First parameters: scales 1, shifts 0; a convolution has no bias of its own.

    rng: a numpy Generator; classes: 10, or the dimensions of an embedding; channels: of the images;
    widths: maps of each stage; weights: "uniform", those that PyTorch draws and the code of
    instance softmax begins with, the bias of the output layer alike; "he", He's, of the output
    layer, which is linear, with gain 1 and a bias of 0.
    Raises ValueError for other weights.
    """
    if weights not in ("uniform", "he"):
        raise ValueError(f'resnet: weights are "uniform" or "he", not {weights!r}')
    draw = he if weights == "he" else uniform

    def first(c, k, side):
        scale_and_shift = np.ones(k, np.float32), np.zeros(k, np.float32)
        return draw((k, c, side, side), rng), scale_and_shift

    c = widths[0]
    U = {"stem": first(channels, c, 3)}
    for stage, k in enumerate(widths):
        for i in range(BLOCKS):
            parts = {"first": first(c, k, 3), "second": first(k, k, 3)}
            if c != k or stride(stage, i) > 1:
                parts["shortcut"] = first(c, k, 1)
            U[name(stage, i)] = parts
            c = k
    if weights == "he":
        U["output"] = he((c, classes), rng, gain=1.0), np.zeros(classes, np.float32)
    else:
        U["output"] = uniform((c, classes), rng), uniform((classes,), rng, fan_in=c)
    return U


def name(stage, i):
    """Of a block, among the parameters."""
    return f"stage {stage + 1} block {i + 1}"


def stride(stage, i):
    """2 where a block halves the maps: the first one of every stage but the first."""
    return 2 if stage > 0 and i == 0 else 1


@block
def unit(X, U, S=None, stride=1, *, linear=False, fused=True, **options):
    """Z = relu(batchnorm(W * X) + S), maps as large as X over the stride.

    U = (W, (gamma, beta)); S: None or maps like Z; linear: without S and the relu; fused: False
    takes plain nodes for the same numbers; the other options are those of `batchnorm`.
    """
    W, scale_and_shift = U
    A = conv(X, (W, None), stride, W.shape[2] // 2)
    if linear:
        return (batchnorm if fused else batchnorm_simple)(A, scale_and_shift, **options)
    return (batchnorm_relu if fused else batchnorm_relu_simple)(A, scale_and_shift, S, **options)


@block
def residual(X, U, stride=1, *, state=None, **options):
    """Z = relu(F(X) + X), F two units; where F makes other maps, X goes through a 1 x 1 unit.

    The options are those of `unit`.
    """
    S = X
    if "shortcut" in U:
        own = part(state, "shortcut")
        S = unit(X, U["shortcut"], None, stride, linear=True, state=own, **options)
    Z = unit(X, U["first"], None, stride, state=part(state, "first"), **options)
    return unit(Z, U["second"], S, state=part(state, "second"), **options)


@block
def features(X, U, *, state=None, pool=None, **options):
    """What stands before the output layer, the mean of each map: (n, k).  As `network`."""
    Z = maps(X, U, state=state, **options)
    return mean(Z, (2, 3)) if pool is None else flatten(avgpool(Z, pool))


def maps(X, U, *, state=None, **options):
    """The last maps, of which `features` takes means: (n, k, h / 8, w / 8).  As `network`."""
    Z = unit(X, U["stem"], state=part(state, "stem"), **options)
    for stage in range((len(U) - 2) // BLOCKS):
        for i in range(BLOCKS):
            own = name(stage, i)
            Z = residual(Z, U[own], stride(stage, i), state=part(state, own), **options)
    return Z


@block
def network(X, U, *, state=None, training=False, pool=None, **options):
    """Logits (n, classes).

    X: (n, c, h, w); U: parameters as from `initial`; state: a dict, empty at first, that training
    fills with the running statistics of every batchnorm and that use requires; training: by the
    statistics of the batch, or with views=2 of each half of it, if two views of the same images
    stand behind each other; pool: the side of the windows whose means the output layer gets, None
    for the whole maps. The code of instance softmax has 7 for images of 96 x 96; of maps of 12 x 12
    it sees the upper left 7 x 7 alone. The other options are those of `unit`.
    """
    Z = features(X, U, state=state, training=training, pool=pool, **options)
    return affine(Z, U["output"])


embedding = unit_rows(network)


@block
def loss(U, X, T, rate=5e-4, *, state=None, **options):
    """Average cross-entropy in training plus decay of the weights, not of scales and shifts.

    U: parameters, X: (n, c, h, w), T: (n,) labels, rate: of the decay, 5e-4; the options are those
    of `network`.
    """
    weights = tuple([W for W in leaves(U) if W.ndim > 1])
    A = network(X, U, state=state, training=True, **options)
    return entropy(A, T) + decay(weights, rate)


def part(state, name):
    """The state of a part, made empty at first; None of None."""
    return None if state is None else state.setdefault(name, {})
