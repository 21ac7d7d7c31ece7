"""Seed patches: square regions of images, drawn where something is to be seen.

>>> rng = np.random.default_rng(0)
>>> photographs = [rng.random((3, h, 80), np.float32) for h in (64, 70, 75)]
>>> seeds = seed_patches(photographs, 2, rng)
>>> seeds.found.index, seeds.found.window
(array([0, 2]), array([32. , 62.5]))
>>> seeds.images().shape
(2, 3, 32, 32)
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from ..kernels.colours import luminance_weights
from .checks import white
from .parameters import Parameters, Ranges, rows
from .transformations import Places, patches

AT_ONCE = 4  # times as many candidates as seeds are kept, then the best of them
FLAT = 1e-300  # the weight of what has none: it comes after all that have one
CANDIDATE = [("key", float), ("energy", float)] + [
    (name, int) for name in ("image", "scale", "down", "right")
]


class Seeds(NamedTuple):
    """Regions of images, each with as much around it as transformations may reach.

    sources: (n, c, h, w), cut out, not resampled, of the images' dtype (on a GPU if moved there);
    places: of the seeds in them; sides: (n, 2), how much of each source is image, what is beyond
    is its mirror image; found: places in the images they are from; energy: (n,), the mean squared
    gradient that drew them, 0 of a flat one; size: of the patches, in pixels.
    """

    sources: Any
    places: Places
    sides: Any
    found: Places
    energy: Any
    size: int = 32

    def images(self):
        """The seeds as they are: (n, c, size, size) in [0, 1]."""
        return patches(self.sources, self.places, Parameters(), self.size)

    def take(self, index):
        """Some of the seeds, or some of them several times.  index: (m,)."""
        places = rows(self.places, index)._replace(index=np.arange(len(index)))
        found, energy = rows(self.found, index), self.energy[index]
        return Seeds(self.sources[index], places, self.sides[index], found, energy, self.size)


def seed_patches(
    images: Any,
    n: int,
    rng: np.random.Generator,
    size: int = 32,
    scales: tuple[float, ...] = (1, 0.8, 0.64, 0.512),
    per_image: int | None = 1,
    ranges: Ranges = Ranges(),
) -> Seeds:
    """Draw n patches of images, no two the same, in proportion to their mean squared gradient.

    images: (m, c, h, w), or a sequence of (c, h_i, w_i), bytes or floats in [0, 1]; each is looked
    at once, those with seeds once more, so that a sequence may read them from files. size: of the
    patches; scales: of the image, at which a patch is size x size: windows are size / scale, 32,
    40, 50 and 62.5 source pixels by default; per_image: at most so many of one image, 1, or None,
    any number; ranges: of the transformations that shall find everything in `Seeds.sources`.

    The gradient: central differences of the luminance, 0 at the border. At each scale a patch is
    weighed by its mean square over all positions of the image at that scale, which no patch leaves.
    Images of one grey weigh nothing, are taken when there are no others, anywhere, with a warning;
    smaller images than a patch are left out, with a warning.
    Raises ValueError if there are fewer patches than n, and for what is no image.
    Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 2; scales: the authors' program.
    """
    if n < 1:
        raise ValueError(f"seed_patches: the number of seeds is at least 1, not {n}")
    if size < 1 or size != int(size) or not len(scales) or min(scales) <= 0:
        raise ValueError(
            f"seed_patches: size is a whole number of pixels, scales are above 0, "
            f"not {size} and {scales}"
        )
    if per_image is not None and per_image < 1:
        raise ValueError(f"seed_patches: per_image is at least 1, or None, not {per_image}")
    sides = [math.ceil(size / scale) for scale in scales]
    most = n if per_image is None else per_image
    shapes: list[tuple[int, int]] = []
    kept, held, existing, first = [], 0, [], None
    for image in images:
        first = image if first is None else first
        _check(image, len(shapes), first)
        found, exist = _drawn(image, sides, most, rng)
        found["image"] = len(shapes)
        shapes.append(image.shape[1:])
        existing.append(exist)
        kept.append(found)
        held += len(found)
        if held > AT_ONCE * n:
            kept, held = [_best(np.concatenate(kept), n)], n
    available, small = np.minimum(existing, per_image or np.inf).sum(), existing.count(0)
    patch = f"{min(sides)} x {min(sides)}"
    facts = f"{small} of {len(shapes)} images are smaller than a patch of {patch}"
    if n > available:
        raise ValueError(
            f"seed_patches: {n} seeds wanted of {len(shapes)} images, which have {available:.0f}, "
            + ("none twice" if per_image is None else f"at most {per_image} of each (per_image)")
            + f"; {facts}" * (small > 0)
        )
    if small:
        warnings.warn(f"seed_patches: {facts} and left out", stacklevel=2)
    chosen = rng.permutation(_best(np.concatenate(kept), n))
    if flat := np.count_nonzero(chosen["energy"] == 0):
        warnings.warn(
            f"seed_patches: {flat} of {n} seeds are flat: there were no others, and they were "
            "drawn anywhere; their energy is 0",
            stacklevel=2,
        )
    corner = np.stack([chosen["down"], chosen["right"]], 1)
    centre = corner + (np.array(sides)[chosen["scale"], None] - 1) / 2
    window = size / np.array(scales, float)[chosen["scale"]]
    found = Places(chosen["image"], centre, window)
    reach = _reach(ranges, window.max())
    sources, places, sides = _cut(images, np.array(shapes), found, reach)
    return Seeds(sources, places, sides, found, chosen["energy"], size)


def _drawn(image, sides, most, rng):
    """At most so many patches of an image, by weight, and the number of all it has.

    Each patch has a key, exponential with its weight as rate: the k smallest keys are k draws
    without repetition, also over many images (Efraimidis and Spirakis 2006).
    """
    maps = energies(image, sides)
    E = np.concatenate([m.ravel() for m in maps])
    weights = np.concatenate([m.ravel() / max(m.size, 1) for m in maps])
    keys = rng.exponential(size=len(E)) / np.maximum(weights, FLAT)
    best = np.arange(len(E)) if len(E) <= most else np.argpartition(keys, most - 1)[:most]
    found = np.zeros(len(best), CANDIDATE)
    ends = np.cumsum([m.size for m in maps])
    found["key"], found["energy"] = keys[best], E[best]
    found["scale"] = k = np.searchsorted(ends, best, "right")
    starts, widths = (np.array(v) for v in ((0, *ends[:-1]), [m.shape[1] for m in maps]))
    found["down"], found["right"] = np.divmod(best - starts[k], widths[k])
    return found, len(E)


def _best(found, n):
    """The n candidates with the smallest keys."""
    return found if len(found) <= n else found[np.argpartition(found["key"], n - 1)[:n]]


def energies(image, sides):
    """The mean squared gradient of each patch of an image, for each side of patches.

    image: (c, h, w); sides: whole numbers; each map is (h - side + 1, w - side + 1), or empty.

    >>> X = np.array([[[0, 0, 0.5, 1, 1]]]).repeat(3, 1)
    >>> energies(X, [3, 5])[0].round(4), energies(X, [5])[0].size
    (array([[0.1042, 0.125 , 0.1042]]), 0)
    """
    c, h, w = image.shape
    L = np.tensordot(luminance_weights(c), image, 1)
    sums = np.zeros((h + 1, w + 1))  # of all above and on the left
    squares = sums[1:, 1:]
    squares[1:-1] = (L[2:] - L[:-2]) ** 2
    squares[:, 1:-1] += (L[:, 2:] - L[:, :-2]) ** 2
    for axis in (0, 1):
        np.cumsum(sums, axis, out=sums)
    sums /= (2 * white(image)) ** 2
    maps = []
    for s in sides:
        fits = min(h, w) >= s
        E = sums[s:, s:] - sums[:-s, s:] - sums[s:, :-s] + sums[:-s, :-s] if fits else sums[:0]
        maps.append(np.maximum(E, 0) / s**2)  # 0: rounding
    return maps


def _cut(images, shapes, found, reach):
    """Seeds.sources, places and sides: what lies within reach, cut out of images of shapes."""
    shapes = shapes[found.index]
    box = np.minimum(2 * math.ceil(reach) + 1, shapes.max(0))
    corners = np.clip(np.rint(found.centre).astype(int) - box // 2, 0, np.maximum(shapes - box, 0))
    sources = None
    for i in np.unique(found.index):
        image = images[i]
        for seed in np.flatnonzero(found.index == i):
            part = image[(slice(None), *map(slice, corners[seed], corners[seed] + box))]
            missing = [(0, 0), *((0, b - s) for b, s in zip(box, part.shape[1:]))]
            if sources is None:
                sources = np.empty((len(shapes), len(part), *box), part.dtype)
            sources[seed] = np.pad(part, missing, mode="reflect")
    places = Places(np.arange(len(shapes)), found.centre - corners, found.window)
    return sources, places, np.minimum(shapes, box)


def _reach(ranges, window):
    """How far from its centre a transformed window can see, down or right."""
    window = window / (ranges.scale[0] if ranges.scale else 1)
    angle = math.radians(min(ranges.rotation or 0, 45))
    return window * ((math.cos(angle) + math.sin(angle)) / 2 + (ranges.shift or 0))


def _check(image, number, first):
    """ValueError, as a sentence, for what is no image like the first one."""
    if image.ndim != 3 or not (image.dtype.kind == "f" or image.dtype == np.uint8):
        raise ValueError(
            "seed_patches: images are (c, h, w), of floats or bytes, not "
            f"{image.shape} {image.dtype} (image {number})"
        )
    if (len(image), image.dtype) != (len(first), first.dtype):
        raise ValueError(
            f"seed_patches: image {number} has {len(image)} channels of {image.dtype}, "
            f"the first {len(first)} of {first.dtype}"
        )
    if not np.isfinite(image).all():
        raise ValueError(f"seed_patches: image {number} holds values that are not finite")
