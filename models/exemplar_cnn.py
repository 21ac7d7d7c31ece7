"""Exemplar-CNN: a network that learns features by telling transformed images apart, without labels.

Every seed image is a class of its own, made of transformed versions of it; features that tell the
seeds apart and do not mind the transformations serve other tasks. Networks are written as in the
paper: 64c5-64c5-128f has two convolutions of 64 filters 5 x 5 and 128 hidden units; each of the
first two convolutions is followed by max pooling of 2 x 2 (`architecture`).
Source: Dosovitskiy et al., TPAMI 2016 (NIPS 2014).

>>> U = initial(np.random.default_rng(0), classes=400)
>>> network(np.zeros((2, 1, 16, 16), np.float32), U).shape
(2, 400)
>>> [block.shape for block in features(np.zeros((2, 1, 16, 16), np.float32), U)]
[(2, 128), (2, 128), (2, 128)]
"""

import math
import re
from typing import NamedTuple

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
    maxpool,
    pyramid,
    relu,
    slide,
)
from minigrad.backend import array_module
from minigrad.learn import gaussian, he

from .heads import unit_rows

POOLINGS = {  # grids, form
    "quadrants": ((2,), "halves"),
    "pyramid": ((1, 2, 4), "adaptive"),
    "cells": ((4,), "adaptive"),
}
TOOLBOX = {  # deviations of the weights and the bias below the output, by number of convolutions
    2: ((1e-4, 0.01, 0.005, 0.01), 0.0),
    3: ((0.05, 0.02, 0.01, 0.01, 0.005), 0.1),
}
ENTRIES = 1 << 24  # of the first maps of a batch in `features`: 64 MB in float32


class Convolution(NamedTuple):
    """So many maps by filters of size x size, and the side of the pooling behind: 1 is none."""

    maps: int
    size: int
    stride: int
    pool: int


class Architecture(NamedTuple):
    """The layers of a network below its output."""

    convolutions: tuple[Convolution, ...]
    hidden: int


def architecture(code: str) -> Architecture:
    """The layers that a code of the paper stands for.

    64c5: a convolution of 64 filters 5 x 5, padded so that maps keep their size; 64c7s2: of stride
    2; 128f: 128 hidden units, the last layer. Behind each of the first two convolutions is max
    pooling of 2 x 2, or with p3, as 64c5p3, of 3 x 3 and stride 2 whose last window may stick out
    (Caffe's rule), as in the authors' toolbox.
    Raises ValueError with a caret under the character that does not fit.
    Source: appendix B.1; a stride, section 5.

    >>> architecture("64c7s2-32c5-128f").convolutions[0]
    Convolution(maps=64, size=7, stride=2, pool=2)
    """
    place, convolutions = 0, []

    def read(pattern, expected):
        nonlocal place
        found = re.compile(pattern, re.ASCII).match(code, place)
        if not found:
            raise ValueError(
                f"architecture: {code!r} is not like 64c5-64c5-128f: expected is {expected}\n"
                f"    {code}\n    {' ' * place}^"
            )
        place = found.end()
        return found[0]

    while True:
        number = int(read(r"[1-9]\d*", "a number of maps or units"))
        if not convolutions:
            read("c", "c, a convolution")
        elif read("[cf]", "c, a convolution, or f, the hidden units") == "f":
            read(r"\Z", "the end behind the hidden units")
            return Architecture(tuple(convolutions), number)
        size = int(read(r"\d*[13579](?!\d)", "an odd side of the filters"))
        stride = int(read(r"[1-9]\d*", "a stride")) if read("s?", "s") else 1
        pool = 1 if len(convolutions) > 1 else 2
        if pool == 2 and read("p?", "p"):
            pool = int(read("3", "3, the side of the pooling"))
        read("-", "a hyphen and the next layer")
        convolutions.append(Convolution(number, size, stride, pool))


def shapes(classes, channels=1, side=16, code="32c5-32c5-128f"):
    """The shapes of weights and bias of each layer by name.  Arguments and errors as `initial`.

    >>> shapes(400)["conv1"], shapes(400)["output"]
    (((32, 1, 5, 5), (32,)), ((128, 400), (400,)))
    """
    net, sizes, c = architecture(code), {}, channels
    for i, layer in enumerate(net.convolutions, 1):
        sizes[f"conv{i}"] = (layer.maps, c, layer.size, layer.size), (layer.maps,)
        c = layer.maps
    shrink = shrinking(net)
    if side < 1 or side % shrink:
        raise ValueError(
            f"exemplar_cnn: strides and poolings of {code} make images {shrink} times smaller, "
            f"and the side {side} is not a multiple of {shrink}"
        )
    sizes["hidden"] = (c * (side // shrink) ** 2, net.hidden), (net.hidden,)
    sizes["output"] = (net.hidden, classes), (classes,)
    return sizes


def shrinking(net):
    """How many times smaller than the images the last maps of an Architecture are."""
    return math.prod(layer.stride * min(layer.pool, 2) for layer in net.convolutions)


def initial(rng, classes, channels=1, side=16, code="32c5-32c5-128f", weights="he"):
    """First parameters of a network: {"conv1": (W, b), ..., "hidden": (W, b), "output": (W, b)}.

    rng: a numpy Generator; classes: seeds, or the dimensions of an embedding; channels, side: of
    the images; code: as `architecture` reads it. weights: "he", He's with biases 0, and of the
    output a tenth of what a linear layer would get: with larger ones the loss stays at ln(classes)
    for hundreds of steps, with many classes for good; "embedding", the same with all of the
    output's: with a tenth, each step turns the unit rows too far; "tb", the deviations and biases
    of the authors' toolbox.
    Raises ValueError for a code that is none, a side that its strides and poolings do not divide,
    and other weights; the toolbox has them for two and three convolutions.
    """
    sizes = shapes(classes, channels, side, code)
    if weights in ("he", "embedding"):
        U = {
            name: (he(W, rng, 1 if name == "output" else 2), np.zeros(b, np.float32))
            for name, (W, b) in sizes.items()
        }
        if weights == "he":
            U["output"][0][...] *= np.float32(0.1)
        return U
    if weights != "tb" or len(sizes) - 2 not in TOOLBOX:
        raise ValueError(
            f'exemplar_cnn: weights are "he" or "embedding", or "tb" for two or three '
            f"convolutions, not {weights!r} for {code}"
        )
    deviations, bias = TOOLBOX[len(sizes) - 2]
    return {
        name: (gaussian(W, rng, s), np.full(b, 0 if name == "output" else bias, np.float32))
        for (name, (W, b)), s in zip(sizes.items(), deviations, strict=True)
    }


def plan(U, code=None):
    """(parameters, stride, pool) of each convolution; without a code of stride 1, pooled twice."""
    pairs = [U[name] for name in U if name.startswith("conv")]
    if code is None:
        return [(u, 1, 2 if i < 2 else 1) for i, u in enumerate(pairs)]
    layers = architecture(code).convolutions
    if len(layers) != len(pairs):
        raise ValueError(
            f"exemplar_cnn: {code} has {len(layers)}, the parameters have {len(pairs)} convolutions"
        )
    return [(u, layer.stride, layer.pool) for u, layer in zip(pairs, layers)]


def maps(X, U, code=None, fused=True):
    """The maps behind each convolution, after its pooling.  fused: False takes plain nodes."""
    layer, Z = conv_pool if fused else conv_pool_simple, [X]
    for u, stride, pool in plan(U, code):
        A = layer(Z[-1], u, 2 if pool == 2 else 1, stride=stride, padding=u[0].shape[2] // 2)
        Z.append(pooled(A, pool) if pool == 3 else A)
    return Z[1:]


def pooled(A, pool):
    """Maxima over pool x pool in steps of 2: blocks for 2, windows by Caffe's rule for 3."""
    return maxpool(A, pool, 2, ceil=pool == 3) if pool > 1 else A


@block
def network(X, U, *, code=None, rng=None, training=False, fused=True):
    """Logits of the surrogate classes: (n, classes).

    X: (n, c, s, s); U: parameters as from `initial`; code: theirs, needed if it has a stride or p3;
    training: with dropout of one half on the hidden units, drawn from rng; fused: False takes plain
    nodes for the same numbers.
    """
    Z = relu(affine(flatten(maps(X, U, code, fused)[-1]), U["hidden"]))
    return affine(dropout(Z, rng=rng, training=training), U["output"])


embedding = unit_rows(network)


@block
def loss(U, X, T, rate=4e-4, *, code=None, rng=None, fused=True):
    """Average cross-entropy of the surrogate classes plus decay of the weights.

    U: parameters, X: (n, c, h, w), T: (n,) seed of each image; rate: of the decay, 4e-4, or by
    layer, as {"hidden": 0.004, "output": 0.016}, the others none; code: as for `network`.
    """
    D = entropy(network(X, U, code=code, rng=rng, training=True, fused=fused), T)
    if not isinstance(rate, dict):
        return D + decay(tuple([W for W, b in U.values()]), rate)
    for name, own in rate.items():
        D = D + decay(U[name][0], own)
    return D


def features(X, U, code=None, pooling="quadrants", prepare=None):
    """What the layers say of plain images of any size: (n, values k) for each layer, of k maps.

    The convolutions' maps after relu and before their own pooling; the hidden units slid over the
    last maps, as they are where those are as large as in training. Of each map the greatest value
    in each quadrant, 4 values (the first larger on odd maps), or with pooling "pyramid" in 1 + 4 +
    16 cells, 21 values, or with "cells" in 4 x 4, 16 values, as for descriptor matching (section
    5.1); a map of one value stays one.
    X: (n, c, h, w), taken in batches, and prepare(batch) of each; U, code: as for `network`.
    Raises ValueError for another pooling, and images smaller than those of training.
    Source: section 4.1.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"features: pooling is {' or '.join(POOLINGS)}, not {pooling!r}")
    layers = plan(U, code)
    (first, stride, _), last = layers[0], layers[-1][0]
    trained = math.isqrt(len(U["hidden"][0]) // len(last[0]))  # side of the last maps in training

    def blocks(X):
        X = prepare(X) if prepare else X
        for u, stride, pool in layers:
            A = conv_pool(X, u, 1, stride=stride, padding=u[0].shape[2] // 2)
            yield greatest(A, pooling)
            X = pooled(A, pool)
        if X.shape[2:] == (trained, trained):
            yield relu(affine(flatten(X), U["hidden"]))
        elif min(X.shape[2:]) < trained:
            raise ValueError(
                f"features: the images are smaller than those of training: their last maps are "
                f"{X.shape[2]} x {X.shape[3]}, those were {trained} x {trained}"
            )
        else:
            yield greatest(relu(slide(X, U["hidden"], trained)), pooling)

    many = max(1, ENTRIES * stride**2 // (len(first[0]) * X[0, 0].size))
    parts = [list(blocks(X[i : i + many])) for i in range(0, len(X), many)]
    return [array_module(X).concatenate(block) for block in zip(*parts)]


def greatest(Z, pooling="quadrants"):
    """The greatest values of each map (n, k, h, w) in the cells of a pooling: (n, k cells)."""
    grids, form = POOLINGS[pooling]
    if Z.shape[2:] == (1, 1):
        return flatten(Z)
    return flatten(pyramid(Z, grids, form if min(Z.shape[2:]) > 1 else "adaptive"))
