"""Surrogate classes: each seed image, transformed many times, is a class of its own.

>>> seeds = np.random.default_rng(0).random((3, 1, 16, 16), np.float32)
>>> X, T = surrogates(seeds, 4, np.random.default_rng(1))
>>> X.shape, T
((12, 1, 16, 16), array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]))
"""

import numpy as np

from ..backend import array_module
from .transformations import Ranges, draw, principal_colours, transform


def surrogates(seeds, versions, rng, ranges=Ranges()):  # noqa: B008 (immutable)
    """Versions of every seed and the seed's number as label: X (n versions, c, h, w), T.

    seeds: (n, c, h, w) in [0, 1]; versions: of each seed; rng: a numpy Generator. Without three
    channels there are no colours: of the ranges, those of shift, scale, rotation and value apply.
    Of seeds on a GPU all is made there, with the same parameters.
    Raises ValueError without seeds or versions, or for seeds that are not finite.
    Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 2.
    """
    if seeds.ndim != 4 or not len(seeds) or versions < 1:
        raise ValueError(
            f"surrogates: seeds are (n, c, h, w), n and versions at least 1, "
            f"not {seeds.shape} and {versions}"
        )
    if not np.isfinite(seeds).all():
        raise ValueError(f"surrogates: seeds {seeds.shape} hold values that are not finite")
    T = np.repeat(np.arange(len(seeds)), versions)
    colours = None
    if seeds.shape[1] == 3:
        colours = principal_colours(seeds)
    else:
        ranges = ranges._replace(saturation=None, components=None, hue=None)
    X = transform(seeds, draw(len(T), rng, ranges), colours, T)
    return X, array_module(seeds).asarray(T)
