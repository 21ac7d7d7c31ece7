"""Surrogate classes: each seed image, transformed many times, is a class of its own.

>>> seeds = np.random.default_rng(0).random((3, 1, 16, 16), np.float32)
>>> X, T = surrogates(seeds, 4, np.random.default_rng(1))
>>> X.shape, T
((12, 1, 16, 16), array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]))
"""

from collections.abc import Callable
from typing import Any

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
    check_seeds("surrogates", seeds, versions)
    T = np.repeat(np.arange(len(seeds)), versions)
    colours, ranges = colours_and_ranges(seeds, ranges)
    X = transform(seeds, draw(len(T), rng, ranges), colours, T)
    return X, array_module(seeds).asarray(T)


class Surrogates:
    """Surrogate classes on the way: like `surrogates`, but drawn anew whenever they are asked for.

    A sample is a seed, as often as versions says in an epoch; no two are alike, and none stands in
    memory. seeds, versions, ranges: as for `surrogates`; then: what is done to a batch of images,
    as subtracting a mean, nothing by default.
    Raises ValueError as `surrogates` does.

    >>> data = Surrogates(np.zeros((3, 1, 16, 16), np.float32), 4)
    >>> X, T = data.batch(np.array([0, 11]), np.random.default_rng(0))
    >>> len(data), X.shape, T
    (12, (2, 1, 16, 16), array([0, 2]))
    """

    def __init__(
        self,
        seeds: Any,
        versions: int,
        ranges: Ranges = Ranges(),  # noqa: B008 (immutable)
        then: Callable[[Any], Any] | None = None,
    ):
        check_seeds("Surrogates", seeds, versions)
        self.seeds, self.versions, self.then = seeds, versions, then
        self.colours, self.ranges = colours_and_ranges(seeds, ranges)

    def __len__(self) -> int:
        return len(self.seeds) * self.versions

    def batch(self, chosen: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any]:
        """Images X (n, c, h, w), batch-last in memory, and the numbers of their seeds T (n,)."""
        T = chosen // self.versions
        X = transform(self.seeds, draw(len(T), rng, self.ranges), self.colours, T, order="last")
        return (self.then(X) if self.then else X), array_module(self.seeds).asarray(T)


def check_seeds(name, seeds, versions):
    """Raise ValueError unless there are seeds, finite, and versions."""
    if seeds.ndim != 4 or not len(seeds) or versions < 1:
        raise ValueError(
            f"{name}: seeds are (n, c, h, w), n and versions at least 1, "
            f"not {seeds.shape} and {versions}"
        )
    if not np.isfinite(seeds).all():
        raise ValueError(f"{name}: seeds {seeds.shape} hold values that are not finite")


def colours_and_ranges(seeds, ranges):
    """The principal colours of the seeds, None without three channels; the ranges that apply."""
    if seeds.shape[1] == 3:
        return principal_colours(seeds), ranges
    return None, ranges._replace(saturation=None, components=None, hue=None)
