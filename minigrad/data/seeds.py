"""Surrogate classes: each seed image, transformed many times, is a class of its own.

>>> seeds = np.random.default_rng(0).random((3, 1, 16, 16), np.float32)
>>> X, T = surrogates(seeds, 4, np.random.default_rng(1))
>>> X.shape, T
((12, 1, 16, 16), array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]))
"""

import numpy as np

from ..backend import array_module
from .transformations import Parameters, Ranges, draw, transform


def surrogates(seeds, versions, rng, ranges=Ranges()):  # noqa: B008 (immutable)
    """Versions of every seed and the seed's number as label: X (n versions, c, h, w), T.

    seeds: (n, c, h, w) in [0, 1]; versions: of each seed; rng: a numpy Generator. Of seeds on the
    GPU all is made there, with the same parameters.
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
    xp = array_module(seeds)
    T = np.repeat(np.arange(len(seeds)), versions)
    parameters = draw(len(T), rng, ranges)
    X = xp.empty((len(T), *seeds.shape[1:]), seeds.dtype)
    T, *parameters = map(xp.asarray, (T, *parameters))
    for i in range(0, len(T), 1000):  # some 1000 images at a time: 5 temporaries each
        piece = slice(i, i + 1000)
        part = Parameters(*(p[piece] for p in parameters))
        X[piece] = transform(seeds[T[piece]], part)
    return X, T
