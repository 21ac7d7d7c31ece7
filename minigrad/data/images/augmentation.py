"""Random crops, flips and colours of many images at once, as PyTorch's torchvision makes them.

    crop        a random part of the image, of random shape, resampled to one size
    flip        left and right exchanged, or up and down
    jitter      brightness, contrast, saturation and hue, in an order drawn for each image
    gray        the luminance in all three channels
    pca         AlexNet's: something added along each principal component of the colours

What is done to a batch is drawn first, as a named tuple of arrays (`Changes`): keep it and apply it
again, take some rows of it, or replace what shall not be done by None.

>>> augment, rng = Augmentation(), np.random.default_rng(0)
>>> X = rng.integers(0, 256, (4, 3, 32, 32), np.uint8)
>>> augment(X, rng).shape, augment.two_views(X, rng).shape
((4, 3, 32, 32), (8, 3, 32, 32))
>>> changes = augment.draw(4, (32, 32), rng)._replace(brightness=None, saturation=None)
>>> augment.apply(X, changes).shape
(4, 3, 32, 32)
>>> print(changes.describe(0))
25 x 22 pixels from (0, 9), contrast x 0.75, hue +0.06

Changes are stored by np.savez, those that are not None, and are Changes(**np.load(file)) again.

Source: torchvision's documented transforms; their order: the authors' code of Ye et al.,
Unsupervised Embedding Learning via Invariant and Spreading Instance Feature, CVPR 2019.
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from ...backend import array_module
from ...kernels.colours import blend, hsv, luminance, rgb
from ...kernels.memory import empty
from ...kernels.order import empty_images
from ...kernels.parallel import each
from ..checks import as_many, exist, in_range, ordered, pair, valued
from ..parameters import rows
from ..transformations import CHUNK, GPU_CHUNK, Colours
from .changes import JITTER, Changes
from .crops import RULES, boxes, check_boxes, resampled

STEPS = ("jitter", "gray", "pca")
CHANNELS = range(1, 1 << 16)


@dataclass(frozen=True, eq=False)
class Augmentation:
    """What may be done to images, and how far; the defaults are the instance-softmax authors'.

    What is done, in this order, with torchvision's meanings of the numbers:
    - crop: area = scale x the image's, width / height = ratio, uniform in scale and in the log of
      ratio; sides are rounded half to even, places uniform. Drawn up to 10 times until it fits,
      then the whole image, or the largest central part whose ratio is allowed; scale=None: no crop.
      Resampled to size, a number or (h, w): linear, where it shrinks antialiased, as Pillow's
      BILINEAR.
    - flip, upside_down: left and right, up and down exchanged, with these probabilities. (In
      torchvision's programs after the colours, which does not make a difference.)
    - steps, in the order given:
      "jitter": Z = clip(f X + (1 - f) R, 0, 1), f uniform in [max(0, 1 - b), 1 + b] for b the
      brightness, contrast, saturation; R: 0, the image's mean luminance, the pixel's luminance; and
      the hue turned by a share of the circle, uniform in [-hue, hue], 1/2 at most. The order of the
      four is drawn for each image; 0: not done.
      "gray": with this probability the luminance .299 r + .587 g + .114 b in all channels.
      "pca": Z = X + V (d a), a ~ N(0, pca^2), for directions V and deviations d of `colours`, as of
      principal_colours; not clipped. 0: not done; AlexNet's is 0.1.
    - (X - mean) / std of each channel; None: not done. Defaults: CIFAR-10's.

    With other than three channels saturation, hue, gray and pca do not apply. All is done in
    floats; torchvision rounds Pillow images to bytes after the crop and after each change, hue and
    saturation too.
    rule: "torchvision", or "torchvision 0.2.1", which the authors had in 2018: uniform in ratio,
    not its log, height and width exchanged half of the time (4000 crops do not show it), and the
    central square where nothing fits. AlexNet's paper has variances for d, its authors' program
    deviations; the paper's are colours._replace(deviations=colours.deviations**2).

    Frozen: dataclasses.replace(augment, gray=0) is another one, without gray.
    Raises ValueError for what is no range.
    Sources: torchvision's documentation of RandomResizedCrop, ColorJitter, RandomGrayscale;
    Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, 4.1.
    """

    size: int | tuple[int, int] = 32
    scale: tuple[float, float] | None = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    upside_down: float = 0.0
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.4
    gray: float = 0.2
    pca: float = 0.0
    steps: tuple[str, str, str] = STEPS
    mean: float | tuple[float, ...] | None = (0.4914, 0.4822, 0.4465)
    std: float | tuple[float, ...] | None = (0.2023, 0.1994, 0.2010)
    colours: Colours | None = None
    rule: str = "torchvision"

    def __post_init__(self):
        check(self)

    def __call__(self, X: Any, rng: np.random.Generator) -> Any:
        """Each image once, changed: float32 (n, c, *size).  X: (n, c, h, w), as for `apply`."""
        in_range("Augmentation", X)
        return self.apply(X, self.draw(len(X), X.shape[2:], rng))

    def two_views(self, X: Any, rng: np.random.Generator) -> Any:
        """Each image twice, changed independently: (2n, c, *size), rows [view 1; view 2]."""
        in_range("two_views", X)
        index = np.tile(np.arange(len(X)), 2)
        return self.apply(X, self.draw(len(index), X.shape[2:], rng), index)

    def draw(self, n: int, image: tuple[int, int], rng: np.random.Generator) -> Changes:
        """Changes for n images of sides (h, w), drawn field by field."""

        def happens(probability):
            return rng.random(n) < probability if probability else None

        def factor(reach):
            return uniform(max(0, 1 - reach), 1 + reach) if reach else None

        def uniform(low, high):
            return rng.uniform(low, high, n).astype(np.float32)

        jittered = any(getattr(self, name) for name in JITTER)
        return Changes(
            box=boxes(n, image, rng, self.scale, self.ratio, self.rule) if self.scale else None,
            flip=happens(self.flip),
            upside_down=happens(self.upside_down),
            brightness=factor(self.brightness),
            contrast=factor(self.contrast),
            saturation=factor(self.saturation),
            hue=uniform(-self.hue, self.hue) if self.hue else None,
            order=rng.permuted(np.tile(np.arange(4), (n, 1)), axis=1) if jittered else None,
            gray=happens(self.gray),
            pca=rng.normal(0, self.pca, (n, 3)).astype(np.float32) if self.pca else None,
        )

    def apply(self, X: Any, changes: Changes, index: Any = None, order: str = "first") -> Any:
        """The images changed: (m, c, *size), float32, or float64 if X is.

        X: (n, c, h, w) of bytes, or of floats in [0, 1]; index: (m,), which images to change, the
        same ones as often as wanted, by default each once; changes: of m. apply(X, Changes()): as
        for a test, resampled only if their size is another, and normalised. order: "first" or
        "last", where the batch stands in memory; a first convolution wants it last. What is done to
        images on a GPU is done there; changes and index are NumPy's all the same. Threads as set by
        `threads` share the images; results do not depend on their number.
        Raises ValueError if numbers differ, a crop leaves its image, or `colours` are missing.
        """
        index = np.arange(len(X)) if index is None else index
        self._agree(X, changes, index, order)
        n, (c, *image), sides = len(index), X.shape[1:], pair(self.size)
        if c != 3:
            changes = changes._replace(saturation=None, hue=None, gray=None, pca=None)
        h, w = sides
        kind, xp = np.result_type(X.dtype, np.float32), array_module(X)
        Z = empty_images((n, c, h, w), kind, xp, order)
        many = max(1, (CHUNK if xp is np else GPU_CHUNK) // max(h * w, image[0] * image[1]))
        mean = xp.asarray(0 if self.mean is None else self.mean, kind).reshape(-1, 1, 1)
        factor = 1 / xp.asarray(1 if self.std is None else self.std, kind).reshape(-1, 1, 1)

        def some(first):
            chunk = slice(first, first + many)
            p = rows(changes, chunk)
            R = resampled(X, index[chunk], p, sides, kind).reshape(c, -1, h * w)
            for step in self.steps:
                if step == "jitter":
                    jitter(R, p)
                elif step == "gray" and p.gray is not None:
                    which = xp.asarray(np.nonzero(p.gray)[0])
                    R[:, which] = luminance(R.take(which, 1))
                elif step == "pca" and p.pca is not None:
                    shift = self.colours.directions @ (p.pca * self.colours.deviations).T
                    R += xp.asarray(shift, kind)[..., None]
            # longer than a power of two: else a pixel of all images meets in the same cache lines
            A = empty((c, R.shape[1], h * w + 16), kind, xp)[..., : h * w]
            np.subtract(R, mean, out=A)
            A *= factor
            Z[chunk] = A.swapaxes(0, 1).reshape(-1, c, h, w)

        each(some, range(0, n, many))
        return Z

    def _agree(self, X, changes, index, order):
        """ValueError, as a sentence, if what `apply` gets does not fit together."""
        valued("apply", X)
        exist("apply", index, X)
        as_many("apply", len(index), changes)
        ordered("apply", order)
        _, c, *image = X.shape
        if changes.box is not None:
            check_boxes(changes.box, image)
        for name in ("mean", "std"):
            found = np.size(getattr(self, name))
            if found not in (1, c):
                raise ValueError(
                    f"apply: {name} has {found} numbers, the images have {c} channels: give "
                    "Augmentation one for each, or one for all"
                )
        if c == 3 and changes.pca is not None and getattr(self.colours, "deviations", None) is None:
            raise ValueError(
                "apply: pca are multiples of the colours' deviations: give Augmentation "
                "colours=principal_colours(images), or changes._replace(pca=None)"
            )


def jitter(R, p):
    """Brightness, contrast, saturation and hue of R (c, n, q), in each image's own order."""
    xp = array_module(R)
    order = np.arange(4)[:, None] if p.order is None else np.transpose(p.order)
    for turn in order:
        for k, name in enumerate(JITTER):
            values = getattr(p, name)
            if values is None:
                continue
            (which,) = np.nonzero(np.broadcast_to(turn == k, len(values)))
            if len(which):
                some = xp.asarray(which)
                A = R.take(some, 1)
                change(name, A, xp.asarray(values[which], R.dtype))
                R[:, some] = A


def change(name, R, by):
    """One of the four, in place.  R: (c, n, q) in [0, 1]; by: (n,)."""
    if name == "brightness":
        blend(R, by, 0)
    elif name == "contrast":
        blend(R, by, luminance(R).mean(1, keepdims=True))
    elif name == "saturation":
        blend(R, by, luminance(R))
    else:
        H, S, V = hsv(R)
        H += 6 * by[:, None]
        rgb(H, S, V, R)


def check(augmentation):
    """ValueError, as a sentence, unless each field is what it is to be."""

    def numbers(v, n, least, most=np.inf):
        try:
            found = np.ravel(np.asarray(v, float))
        except (TypeError, ValueError):
            return False
        return (
            len(found) in n
            and np.isfinite(found).all()
            and least <= found.min()
            and found.max() <= most
        )

    def span(v, most):
        return numbers(v, (2,), 1e-6, most) and v[0] <= v[1]

    tests = {
        "size": lambda v: numbers(v, (1, 2), 1) and np.asarray(v).dtype.kind in "iu",
        "scale": lambda v: v is None or span(v, 1),
        "ratio": lambda v: span(v, np.inf),
        **dict.fromkeys(("flip", "upside_down", "gray"), lambda v: numbers(v, (1,), 0, 1)),
        **dict.fromkeys(
            ("brightness", "contrast", "saturation", "pca"), lambda v: numbers(v, (1,), 0)
        ),
        "hue": lambda v: numbers(v, (1,), 0, 0.5),
        "steps": lambda v: v in [*permutations(STEPS)],
        "mean": lambda v: v is None or numbers(v, CHANNELS, -np.inf),
        "std": lambda v: v is None or numbers(v, CHANNELS, 1e-6),
        "rule": lambda v: v in RULES,
    }
    for name, holds in tests.items():
        value = getattr(augmentation, name)
        if not holds(value):
            raise ValueError(
                f"Augmentation: {name} cannot be {value!r}: its docstring says what it is"
            )


# of Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, CVPR 2018,
# for ImageNet: gray comes before the jitter
NPID_IMAGENET = Augmentation(
    size=224,
    steps=("gray", "jitter", "pca"),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
