"""What the layers of a network of context prediction say of whole images.

>>> from minigrad.models.context_extractor import untrained
>>> rng = np.random.default_rng(0)
>>> images = rng.integers(0, 256, (5, 3, 64, 64), np.uint8)
>>> net = untrained(images[:, :, :24, :24], rng=rng)
>>> [block.shape for block in features(net, images)]
[(5, 128), (5, 256), (5, 256), (5, 512)]
"""

import math

import numpy as np

from minigrad import relu, slide
from minigrad.backend import array_module

from .context_prediction import normed
from .exemplar_cnn import POOLINGS, greatest

ENTRIES = 1 << 22  # of images in a batch: their first maps are some times as large


def features(extractor, images, pooling="quadrants"):
    """The greatest values of each map in the cells of a pooling: (n, cells k) of each layer.

    Layers are the tower's convolutions as the next one gets them, then fc6 slid over the last maps,
    which is each patch's features, patches being a few pixels apart.
    extractor: a `ContextNet`; images: (n, c, h, w), bytes or in [0, 1], its patches' side at least;
    pooling: as for `exemplar_cnn.features`; a map of one value stays one.
    Raises ValueError for another pooling, and other images.
    Source of the pooling: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 4.1.
    """
    net, U = extractor.net, extractor.parameters
    if pooling not in POOLINGS:
        raise ValueError(f"features: pooling is {' or '.join(POOLINGS)}, not {pooling!r}")
    side = getattr(images, "shape", ())[2:]
    if len(side) == 2 and min(side) < net.patch:
        raise ValueError(
            f"features: images are {side[0]} x {side[1]}, smaller than the network's patches of "
            f"{net.patch} x {net.patch}"
        )

    def blocks(X):
        maps = extractor.maps(X)
        for A in maps:
            yield greatest(A, pooling)
        size = math.isqrt(len(U["fc6"][0]) // maps[-1].shape[1])  # of the last maps of a patch
        A = slide(maps[-1], U["fc6"], size)
        A = normed(A, "fc6", extractor.state, training=False) if net.norm else relu(A)
        yield greatest(A, pooling)

    many = max(1, ENTRIES // max(1, math.prod(np.shape(images)[1:])))
    parts = [list(blocks(images[i : i + many])) for i in range(0, max(1, len(images)), many)]
    return [array_module(images).concatenate(block) for block in zip(*parts)]
