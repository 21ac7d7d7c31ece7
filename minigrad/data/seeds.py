"""Surrogate classes: each seed image, transformed many times, is a class of its own.

>>> seeds = np.random.default_rng(0).random((3, 1, 16, 16), np.float32)
>>> X, T = surrogates(seeds, 4, np.random.default_rng(1))
>>> X.shape, T
((12, 1, 16, 16), array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]))

The same ones, made when they are asked for, bit for bit:

>>> data = Surrogates(seeds, 4, rng=np.random.default_rng(1))
>>> bool((data.batch(np.array([7, 2]))[0] == X[[7, 2]]).all())
True
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import array_module
from .parameters import Ranges, draw, rows
from .regions import Seeds
from .transformations import draw_within, inside, patches, principal_colours, transform

AT_ONCE = 1000  # images of which a mean is taken


def surrogates(seeds, versions, rng, ranges=Ranges()):
    """Versions of every seed and the seed's number as label: X (n versions, c, h, w), T.

    All of `Surrogates(seeds, versions, ranges, rng=rng)`, in their order.
    """
    return Surrogates(seeds, versions, ranges, rng=rng).all()


class Surrogates:
    """Surrogate classes, made when they are asked for.

    seeds: `Seeds`, of which patches are cut and resampled once, drawn again where they leave the
    image and mirrored where that does not help; or images (n, c, h, w) of bytes or in [0, 1],
    transformed about their centre, 0 outside. versions: samples of each. Without three channels
    there are no colours: of the ranges, those of shift, scale, rotation, value and blur apply. Of
    seeds on a GPU all is made there, with the same parameters.
    rng: draws all versions once, as in the paper, so that a sample is the same whenever and with
    whichever others it is asked for; without it, each batch draws its own anew. then: what is done
    to a batch of images, nothing by default. drop: with Seeds and rng, versions that leave the
    image are neither drawn again nor made (the authors' program); classes have fewer then.

    parameters: of all versions, None if drawn anew; labels: (n versions,), the seeds' numbers;
    outside: how many of the versions drawn so far leave their image; mean: what `subtract_mean`
    found, or None.
    Raises ValueError without seeds or versions, or for seeds that are not finite.
    Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 2.

    >>> data = Surrogates(np.zeros((3, 1, 16, 16), np.float32), 4)
    >>> X, T = data.batch(np.array([0, 11]), np.random.default_rng(0))
    >>> len(data), X.shape, T
    (12, (2, 1, 16, 16), array([0, 2]))
    """

    def __init__(
        self,
        seeds: Any,
        versions: int,
        ranges: Ranges = Ranges(),
        then: Callable[[Any], Any] | None = None,
        *,
        rng: np.random.Generator | None = None,
        drop: bool = False,
    ):
        self._cut = isinstance(seeds, Seeds)
        sources = seeds.sources if self._cut else seeds
        check_seeds(sources, versions)
        if drop and not (self._cut and rng):
            raise ValueError("surrogates: drop is for Seeds, as of seed_patches, with rng")
        self.seeds, self.versions, self.then = seeds, versions, then
        images = seeds.images() if self._cut else seeds
        self.colours, self.ranges = colours_and_ranges(images, ranges)
        self.labels = np.repeat(np.arange(len(sources)), versions)
        self.outside, self.mean, self.parameters = 0, None, None
        if rng:
            self.parameters, within = self._drawn(self.labels, rng, tries=1 if drop else 50)
            if drop:
                self.labels, self.parameters = self.labels[within], rows(self.parameters, within)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, chosen: np.ndarray, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """Images X (n, c, h, w), batch-last in memory, and the numbers of their seeds T (n,).

        chosen: (n,), which samples; rng: draws their parameters unless all were drawn at first.
        """
        return self._made(chosen, rng, "last")

    def all(self, order: str = "first") -> tuple[Any, Any]:
        """All samples at once, X and T: ahead of time what `batch` makes on the way, bit for bit.

        order: "first" or "last", where the batch stands in memory. Only of versions drawn once.
        """
        return self._made(np.arange(len(self)), None, order)

    def subtract_mean(self, rng: np.random.Generator | None = None) -> Any:
        """The mean of each pixel over all samples (c, h, w), from now on subtracted from them.

        rng: draws the versions of which it is taken, unless all were drawn at first. Returned, and
        kept as `mean`: other images want it subtracted too.
        """
        then, self.then, self.mean = self.then, None, None
        total: Any = 0
        for first in range(0, len(self), AT_ONCE):
            chosen = np.arange(first, min(first + AT_ONCE, len(self)))
            X, _ = self._made(chosen, rng, "first")
            total = total + X.sum(0, dtype=float)
        self.then, self.mean = then, (total / len(self)).astype(X.dtype)
        return self.mean

    def _made(self, chosen, rng, order):
        T = self.labels[chosen]
        if self.parameters is not None:
            p = rows(self.parameters, chosen)
        elif rng is None:
            raise ValueError("surrogates: nothing was drawn at first: rng is needed here")
        else:
            p, _ = self._drawn(T, rng)
        if self._cut:
            places = rows(self.seeds.places, T)
            X = patches(self.seeds.sources, places, p, self.seeds.size, self.colours, order)
        else:
            X = transform(self.seeds, p, self.colours, T, order)
        if self.mean is not None:
            X -= self.mean
        return (self.then(X) if self.then else X), array_module(X).asarray(T)

    def _drawn(self, T, rng, tries=50):
        """Parameters for versions of seeds T; True for those that stay in the image."""
        if not self._cut:
            return draw(len(T), rng, self.ranges), np.ones(len(T), bool)
        places, sides, size = rows(self.seeds.places, T), self.seeds.sides[T], self.seeds.size
        p = draw_within(places, sides, rng, self.ranges, size, tries)
        within = inside(places, p, sides, size)
        self.outside += np.count_nonzero(~within)
        return p, within


def check_seeds(seeds, versions):
    """Raise ValueError unless there are seeds, finite, and versions."""
    if seeds.ndim != 4 or not len(seeds) or versions < 1:
        raise ValueError(
            f"surrogates: seeds are (n, c, h, w), n and versions at least 1, "
            f"not {seeds.shape} and {versions}"
        )
    if not np.isfinite(seeds).all():
        raise ValueError(f"surrogates: seeds {seeds.shape} hold values that are not finite")


def colours_and_ranges(seeds, ranges):
    """The principal colours of the seeds, None without three channels; the ranges that apply."""
    if seeds.shape[1] == 3:
        return principal_colours(seeds), ranges
    return None, ranges._replace(saturation=None, components=None, hue=None, stretch=None)
