"""Pairs of patches and how they lie to each other: the task of context prediction.

    0 1 2    patch 2 lies in one of eight places around patch 1, with a gap in between;
    3 . 4    each is moved a little by itself (jitter), so that no line says how they lie
    5 6 7

>>> rng = np.random.default_rng(0)
>>> photographs = [rng.integers(0, 256, (3, h, 90), np.uint8) for h in (64, 80)]
>>> data = PatchPairs(photographs, Layout(16, 8, 2), per_image=5)
>>> X1, X2, T = data.batch(np.array([0, 3, 7]), rng)
>>> X1.shape, T
((3, 3, 16, 16), array([6, 3, 3]))

Source: Doersch, Gupta and Efros, ICCV 2015 (context prediction), section 3; exact numbers: the
authors' program.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backend import array_module
from ..kernels.memory import empty
from ..kernels.order import as_images
from .checks import exist, in_range, white
from .cues import drop_colours, pixelate, project
from .parameters import rows

PLACES = np.array([(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)])
NAMES = ("NW", "N", "NE", "W", "E", "SW", "S", "SE")
LEAST = 10 / 96  # of a patch's side, to which it is shrunk at the furthest: 100 pixels of 96 x 96
COLOURS = ("drop", "project", "keep")
CONTRASTS = ("mean", "rms")
RMS = 50 / 255


class Layout(NamedTuple):
    """Sides in pixels: of the patches, of the gap between them, and the jitter, each way."""

    patch: int = 96
    gap: int = 48
    jitter: int = 7

    @property
    def needed(self) -> int:
        """The least side of an image: two patches, a gap, and their jitter at both ends."""
        return 2 * self.patch + self.gap + 2 * self.jitter

    @property
    def needs(self) -> str:
        """What `needed` is made of, for a reader."""
        return f"two patches of {self.patch} with a gap of {self.gap} and a jitter of {self.jitter}"


class Pairs(NamedTuple):
    """n pairs as numbers: where they lie, and what is done to them; None: not done.

    image: (n,), in which image; first, second: (n, 2), the corners (top, left) of patch 1 and 2;
    label: (n,), 0 to 7, the place of patch 2 as seen from patch 1, row by row; kept: (n, 2), the
    channel that is left of each patch; seed: (n,), of the noise in the others, ~seed: the same one
    for the other order; side: (n, 2), the pixels to which each patch is shrunk and enlarged again,
    the patch's side if it is not.
    """

    image: Any
    first: Any
    second: Any
    label: Any
    kept: Any = None
    seed: Any = None
    side: Any = None

    def describe(self, i: int) -> str:
        """Pair i, for a reader.

        >>> a = np.array
        >>> Pairs(a([3]), a([[0, 40]]), a([[24, 41]]), a([6]), kept=a([[0, 2]])).describe(0)
        'image 3: patch 2 at (24, 41) lies S of patch 1 at (0, 40); of 1 red is left, of 2 blue'
        """
        (a, b), (c, d) = self.first[i], self.second[i]
        told = f"image {self.image[i]}: patch 2 at ({c}, {d}) lies {NAMES[self.label[i]]} "
        told += f"of patch 1 at ({a}, {b})"
        if self.kept is not None:
            one, two = (("red", "green", "blue")[k] for k in self.kept[i])
            told += f"; of 1 {one} is left, of 2 {two}"
        if self.side is not None:
            told += f"; shown by {self.side[i][0]} and {self.side[i][1]} pixels a side"
        return told

    def turned(self) -> "Pairs":
        """The same patches in the other order: label l becomes 7 - l."""
        swapped = {
            name: None if (v := getattr(self, name)) is None else v[:, ::-1]
            for name in ("kept", "side")
        }
        swapped["seed"] = None if self.seed is None else ~self.seed
        return self._replace(first=self.second, second=self.first, label=7 - self.label, **swapped)


class Preparation(NamedTuple):
    """What a network sees of patches: colours in [0, 1], less their mean, projected or dropped.

    mean: (c,), of the images; colours: "drop", one channel of each patch is left, "project", the
    green-magenta axis is taken out, "keep"; contrast: "mean", only the mean is subtracted (the
    paper), or "rms", each patch less its own mean and scaled to a root mean square of 50 of 255,
    a flat one 0 (the authors' program). Called, it raises ValueError for other names.
    Source: section 3.1.
    """

    mean: Any
    colours: str = "drop"
    contrast: str = "mean"

    def __call__(self, X: Any, kept: Any = None, noise: Any = None) -> Any:
        """Z (n, c, s, s) in float32, in the memory order of X.

        X: (n, c, s, s), bytes or in [0, 1]; kept, noise: as for `drop_colours`. Where nothing is
        drawn, as for features, green is left and no noise: patches then look as in training.
        """
        check_names("Preparation", self.colours, self.contrast)
        xp = array_module(X)
        Z = xp.multiply(X, xp.float32(1 / white(X)), dtype=np.float32)
        Z -= xp.asarray(self.mean, np.float32)[:, None, None]
        if self.colours == "project":
            Z = project(Z)
        elif self.colours == "drop":
            Z = drop_colours(Z, np.ones(len(Z), int) if kept is None else kept, noise)
        if self.contrast == "rms":
            # a row for each patch, whose sums do not depend on the others by a bit
            own = xp.ascontiguousarray(Z).reshape(*Z.shape[:2], -1)
            own -= own.mean(2, keepdims=True)
            size = xp.sqrt((own * own).mean(2).mean(1))[:, None, None]
            own *= xp.float32(RMS) / xp.where(size > 0, size, 1)
            Z[...] = own.reshape(Z.shape)
        return Z


class PatchPairs:
    """Pairs of patches of images, made when they are asked for; data of `minigrad.learn.train`.

    images: (m, c, h, w), or a sequence of (c, h_i, w_i), all of bytes or of floats in [0, 1], on
    the device where pairs are made, with the same parameters on each; layout: a `Layout`;
    per_image: pairs of each image, 64; colours, contrast: as for `Preparation`; pixelation: the
    share of patches that lose detail, 1/3; mean: (c,), None: the images' own, kept as
    `prepare.mean`. rng: draws all pairs once; without it, each batch draws its own anew.

    Patch 1 and 2 lie in a grid that begins anywhere; the label is drawn first, each as often. All
    stays in the image with its jitter, nothing is clamped or resampled.
    Raises ValueError for images too small for a pair, of one channel where colours are dropped or
    projected, that are not alike, not finite or beyond [0, 1], for a mean of other channels, and
    for a layout or an option that is none.

    >>> data = PatchPairs(np.zeros((2, 3, 40, 40), np.uint8), Layout(16, 8, 0), pixelation=0)
    >>> print(data.draw(np.array([1]), np.random.default_rng(0)).describe(0))
    image 1: patch 2 at (24, 24) lies S of patch 1 at (0, 24); of 1 green is left, of 2 red
    """

    def __init__(
        self,
        images: Sequence[Any] | Any,
        layout: Layout = Layout(),
        per_image: int = 64,
        colours: str = "drop",
        contrast: str = "mean",
        pixelation: float = 1 / 3,
        mean: Any = None,
        *,
        rng: np.random.Generator | None = None,
    ):
        check_options(layout, per_image, colours, contrast, pixelation)
        check_sources(images, layout, colours)
        self.layout, self.per_image, self.pixelation = layout, per_image, pixelation
        self.sizes = np.array([image.shape[1:] for image in images])
        xp = array_module(images[0])
        # one row for each channel of all images behind one another: a patch is then an index
        self.flat = xp.concatenate([image.reshape(len(image), -1) for image in images], 1)
        self.starts = np.cumsum([0, *self.sizes.prod(1)[:-1]])
        if mean is None:
            mean = self.flat.mean(1, dtype=float) / white(self.flat)
        self.prepare = Preparation(xp.asarray(mean, np.float32), colours, contrast)
        if self.prepare.mean.shape != (len(self.flat),):
            raise ValueError(
                f"PatchPairs: mean is ({len(self.flat)},), one for each channel, not "
                f"{self.prepare.mean.shape}"
            )
        self.pairs = None
        if rng is not None:
            self.pairs = self.draw(np.repeat(np.arange(len(self.sizes)), per_image), rng)

    def __len__(self) -> int:
        return len(self.sizes) * self.per_image

    def batch(self, chosen: np.ndarray, rng: np.random.Generator | None = None) -> Any:
        """Patches X1, X2 (n, c, s, s) as a network sees them, batch-last, and labels T (n,).

        chosen: (n,), which of the pairs, pair i lies in image i // per_image; rng: draws them
        unless all were drawn at first.
        """
        if self.pairs is not None:
            pairs = rows(self.pairs, chosen)
        elif rng is None:
            raise ValueError("PatchPairs: nothing was drawn at first: rng is needed here")
        else:
            pairs = self.draw(chosen // self.per_image, rng)
        X1, X2 = self.prepared(pairs)
        return X1, X2, array_module(X1).asarray(pairs.label)

    def all(self) -> Any:
        """All pairs at once, X1, X2 and T.  Only of pairs drawn once."""
        return self.batch(np.arange(len(self)))

    def draw(self, image: np.ndarray, rng: np.random.Generator) -> Pairs:
        """Pairs, one in each of the images by their numbers (n,); labels are uniform."""
        n, (patch, gap, jitter) = len(image), self.layout
        label = rng.integers(8, size=n)
        move, step = PLACES[label], patch + gap
        room = self.sizes[image] - 2 * jitter
        start = rng.integers(0, np.minimum(step, room - 2 * patch - gap + 1))
        cells = (room - start - patch) // step + 1
        cell = rng.integers(np.maximum(0, -move), cells - np.maximum(0, move))
        corner = start + step * cell
        first, second = (
            c + rng.integers(0, 2 * jitter + 1, (n, 2)) for c in (corner, corner + step * move)
        )
        kept = seed = side = None
        if self.prepare.colours == "drop":
            kept, seed = rng.integers(3, size=(n, 2)), rng.integers(1 << 63, size=n)
        if self.pixelation:
            least, most = max(1, round(LEAST * patch)), max(1, patch - 1)
            drawn = np.sqrt(rng.uniform(least**2, most**2, (n, 2))).astype(int)
            side = np.where(rng.random((n, 2)) < self.pixelation, drawn, patch)
        return Pairs(image, first, second, label, kept, seed, side)

    def cut(self, pairs: Pairs) -> tuple[Any, Any]:
        """Patches 1 and 2 as they are in the images, (n, c, s, s), batch-last in memory.

        Raises ValueError for pairs of other images: of more, or larger ones.
        """
        one, two = (self.windows(pairs.image, c) for c in (pairs.first, pairs.second))
        return one, two

    def windows(self, image: np.ndarray, corner: np.ndarray) -> Any:
        """Patches (n, c, s, s) of images by number (n,) from corners (n, 2) on."""
        self._check_inside(image, corner)
        s, xp = np.arange(self.layout.patch), array_module(self.flat)
        down = self.starts[image] + (corner[:, 0] + s[:, None]) * self.sizes[image, 1]
        index = xp.asarray(down[:, None] + (corner[:, 1] + s[:, None])[None])
        P = empty((*index.shape[:2], len(self.flat), len(image)), self.flat.dtype, xp)
        for channel, values in enumerate(self.flat):
            P[:, :, channel] = values.take(index)
        return as_images(P)

    def _check_inside(self, image: np.ndarray, corner: np.ndarray) -> None:
        """ValueError unless there are such images, and patches from these corners in them."""
        exist("PatchPairs", image, self.sizes)
        s = self.layout.patch
        outside = ((corner < 0) | (corner > self.sizes[image] - s)).any(1)
        if outside.any():
            i = outside.argmax()
            (top, left), (h, w) = corner[i], self.sizes[image[i]]
            raise ValueError(
                f"PatchPairs: a patch of {s} x {s} from ({top}, {left}) on leaves image "
                f"{image[i]} of {h} x {w}: these are not the images of which pairs were drawn"
            )

    def prepared(self, pairs: Pairs) -> tuple[Any, Any]:
        """Patches 1 and 2 as a network sees them: `cut`, `Preparation`, and pixelation."""
        s, xp = self.layout.patch, array_module(self.flat)
        one, two = self.cut(pairs)
        if pairs.kept is None:
            one, two = self.prepare(one), self.prepare(two)
        else:
            noise = xp.asarray(noise_of(pairs.seed, (2, 3, s, s)))
            one = self.prepare(one, pairs.kept[:, 0], noise[:, 0])
            two = self.prepare(two, pairs.kept[:, 1], noise[:, 1])
        if pairs.side is None:
            return one, two
        return pixelate(one, pairs.side[:, 0]), pixelate(two, pairs.side[:, 1])


def noise_of(seeds, shape):
    """N(0, 1) in float32, (n, 2, ...): of each pair by its own seed, with whichever others.

    ~seed: of patch 2 what seed has of patch 1, and the other way round.
    """
    noise = np.empty((len(seeds), *shape), np.float32)
    for seed, own in zip(seeds, noise):
        rng = np.random.default_rng(int(seed if seed >= 0 else ~seed))
        rng.standard_normal(out=own, dtype=np.float32)
        if seed < 0:
            own[:] = own[::-1].copy()
    return noise


def check_options(layout, per_image, colours, contrast, pixelation):
    """ValueError for what is no layout and no option."""
    lowest = {"patch": 1, "gap": 0, "jitter": 0}
    for name, value in layout._asdict().items():
        if not isinstance(value, (int, np.integer)) or value < lowest[name]:
            raise ValueError(
                f"PatchPairs: {name} is a whole number of pixels, at least {lowest[name]}, "
                f"not {value!r}"
            )
    if not isinstance(per_image, (int, np.integer)) or per_image < 1:
        raise ValueError(f"PatchPairs: per_image is a whole number from 1 on, not {per_image!r}")
    check_names("PatchPairs", colours, contrast)
    if not 0 <= pixelation <= 1:
        raise ValueError(f"PatchPairs: pixelation is a share, 0 to 1, not {pixelation!r}")


def check_names(of, colours, contrast):
    """ValueError for other names of what is done to colours and contrast."""
    for name, value, known in (("colours", colours, COLOURS), ("contrast", contrast, CONTRASTS)):
        if value not in known:
            raise ValueError(f"{of}: {name} is one of {', '.join(known)}, not {value!r}")


def check_sources(images, layout, colours):
    """ValueError unless images are alike, have the channels, and room for a pair."""
    if not len(images):
        raise ValueError("PatchPairs: there are no images")
    small = []
    for i, image in enumerate(images):
        if image.ndim != 3 or not (image.dtype.kind == "f" or image.dtype == np.uint8):
            raise ValueError(
                f"PatchPairs: images are (c, h, w), of floats or bytes, not {image.shape} "
                f"{image.dtype} (image {i})"
            )
        if (len(image), image.dtype) != (len(images[0]), images[0].dtype):
            raise ValueError(
                f"PatchPairs: image {i} has {len(image)} channels of {image.dtype}, the first "
                f"{len(images[0])} of {images[0].dtype}"
            )
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise ValueError(f"PatchPairs: image {i} holds values that are not finite")
        in_range("PatchPairs", image[None])
        if min(image.shape[1:]) < layout.needed:
            small.append(i)
    if len(images[0]) != 3 and colours != "keep":
        raise ValueError(
            f"PatchPairs: colours are dropped or projected in images of three channels, these have "
            f'{len(images[0])}: colours="keep" takes grey ones'
        )
    if small:
        h, w = images[small[0]].shape[1:]
        raise ValueError(
            f"PatchPairs: image {small[0]} has {h} x {w} pixels, and {layout.needs} need "
            f"{layout.needed} each way ({len(small)} of {len(images)} images are too small)"
        )
