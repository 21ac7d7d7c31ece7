"""Made collections in which it is known what there is to discover: objects planted in images.

>>> made = planted(6, np.random.default_rng(0), side=64, size=24, kinds=2)
>>> made.images.shape, made.images.dtype
((6, 3, 64, 64), dtype('uint8'))
>>> made.kinds
array([ 1,  0, -1, -1,  1,  0])
>>> made.boxes[0]
array([29, 25, 24, 24])

In `planted` what does not matter is a texture; in `cluttered` it is other objects, each there once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

TEXTURES = ("stripes", "spots", "clouds", "strokes")
MOVED = 0.04  # of an object's side: how far each part is moved, at most
GROWN = 0.85, 1.15  # sizes of the objects of `cluttered`, of the one asked for
PALE = 0.35, 0.65  # red, green and blue of its clouds
GAINS = 0.8, 1.2  # of an object's brightness
NOISE = 0.03  # deviation of what is added to each pixel of an image, whose white is 1
PALETTE = np.array(
    [
        *([0.85, 0.25, 0.2], [0.95, 0.75, 0.2], [0.2, 0.55, 0.3], [0.15, 0.35, 0.7]),
        *([0.55, 0.3, 0.6], [0.95, 0.95, 0.9], [0.12, 0.12, 0.15], [0.35, 0.7, 0.75]),
    ]
)


class Cluttered(NamedTuple):
    """Images, what comes again in them, and what does not.

    images: (n, 3, h, w) uint8; kinds: (n,), which object recurs here; boxes: (n, 4), where, as
    (top, left, height, width) in pixels; clutter: (n, m, 4), where the objects are that do not.
    """

    images: np.ndarray
    kinds: np.ndarray
    boxes: np.ndarray
    clutter: np.ndarray


class Planted(NamedTuple):
    """Images, and what is planted in them.

    images: (n, 3, h, w) uint8; kinds: (n,), which object, -1: none; boxes: (n, 4), where, as (top,
    left, height, width) in pixels, 0 without an object; textures: (n,), indices into TEXTURES.
    """

    images: np.ndarray
    kinds: np.ndarray
    boxes: np.ndarray
    textures: np.ndarray


def planted(
    n: int,
    rng: np.random.Generator,
    side: int = 128,
    size: int = 48,
    kinds: int = 4,
    share: float = 0.6,
) -> Planted:
    """Make n images of textures, into some of which an object is pasted: `Planted`.

    side: of the images, size: of the objects, in pixels; kinds: of objects; share: of the images
    that have one, each kind equally often, up to one. A texture (stripes, spots, clouds or strokes,
    with two colours and an angle of its kind, always the same) has no layout: it is the same
    everywhere but for where it happens to begin. An object has one: in its four quadrants lie four
    different shapes, each with two colours of its own; kinds differ in both. Each time its parts
    are moved by up to 4 % of its size, its brightness is multiplied by 0.8 to 1.2, and noise of
    deviation 0.03 is added to the image. Equal generators make equal images.
    Raises ValueError for an object larger than an image or of less than 8 pixels, a share outside
    [0, 1], and no image or kind at all.
    """
    if not 8 <= size <= side:
        raise ValueError(f"planted: the size of an object is 8 to the image's {side}, not {size}")
    if not 0 <= share <= 1 or n < 1 or kinds < 1:
        raise ValueError(
            f"planted: share is 0 to 1, n and kinds are 1 or more, not {share}, {n} and {kinds}"
        )
    looks = [_look(rng) for _ in range(kinds)]
    tones = [rng.choice(len(PALETTE), 2, replace=False) for _ in TEXTURES]
    angles = rng.uniform(0, np.pi, len(TEXTURES))
    there = np.full(n, -1)
    there[: round(share * n)] = np.arange(round(share * n)) % kinds
    there = rng.permutation(there)
    textures = rng.integers(len(TEXTURES), size=n)
    boxes = np.zeros((n, 4), int)
    images = np.empty((n, 3, side, side), np.uint8)
    for i in range(n):
        kind = textures[i]
        cover = _texture(TEXTURES[kind], side, size, angles[kind], rng)
        X = _mixed(cover, *PALETTE[tones[kind]])
        if there[i] >= 0:
            top, left = rng.integers(side - size + 1, size=2)
            boxes[i] = top, left, size, size
            X[:, top : top + size, left : left + size] = _object(looks[there[i]], size, rng)
        X += rng.normal(0, NOISE, X.shape)
        images[i] = np.rint(255 * np.clip(X, 0, 1))
    return Planted(images, there, boxes, textures)


def cluttered(
    n: int,
    rng: np.random.Generator,
    side: int = 128,
    size: int = 36,
    kinds: int = 6,
    clutter: int = 2,
    grounds: Sequence[np.ndarray] | None = None,
) -> Cluttered:
    """Make n images, each of one object that recurs and some as salient that do not: `Cluttered`.

    side: of the images; size: of objects, each of 0.85 to 1.15 times that; kinds: of objects that
    recur, each equally often, up to one; clutter: how many others an image has, all of them kinds
    of their own, made in the same way and pasted once. No two overlap. grounds: photographs, bytes
    (3, h, w) at least side each way, of which a place is cut for each image; None: clouds, in two
    colours drawn for each image. Objects vary as those of `planted`, noise is added likewise.
    Equal generators make equal images.
    Raises ValueError unless all objects of an image fit into a row, so that a place for each is
    found by drawing, for grounds too small, and for no image or kind at all.
    """
    largest = round(GROWN[1] * size)
    if size < 8 or clutter < 0 or (1 + clutter) * largest > side:
        raise ValueError(
            f"cluttered: size is 8 or more, clutter 0 or more, and so many objects of up to 1.15 "
            f"size fit into a row, not {1 + clutter} of {largest} into {side}"
        )
    if n < 1 or kinds < 1:
        raise ValueError(f"cluttered: n and kinds are 1 or more, not {n} and {kinds}")
    grounds = () if grounds is None else grounds
    for i, X in enumerate(grounds):
        if X.ndim != 3 or len(X) != 3 or X.dtype != np.uint8 or min(X.shape[1:]) < side:
            raise ValueError(
                f"cluttered: grounds are bytes (3, h, w) of {side} pixels or more each way; "
                f"{i} is {X.shape}, {X.dtype}"
            )
    looks = [_look(rng) for _ in range(kinds)]
    there = rng.permutation(np.arange(n) % kinds)
    boxes = np.empty((n, 1 + clutter, 4), int)
    images = np.empty((n, 3, side, side), np.uint8)
    for i in range(n):
        X = _ground(side, size, grounds, rng)
        sizes = np.rint(size * rng.uniform(*GROWN, 1 + clutter)).astype(int)
        boxes[i] = _apart(sizes, side, rng)
        shown = [looks[there[i]], *(_look(rng) for _ in range(clutter))]
        for look, (top, left, h, w) in zip(shown, boxes[i]):
            X[:, top : top + h, left : left + w] = _object(look, h, rng)
        X += rng.normal(0, NOISE, X.shape)
        images[i] = np.rint(255 * np.clip(X, 0, 1))
    return Cluttered(images, there, boxes[:, 0], boxes[:, 1:])


def _ground(side, size, grounds, rng):
    """What objects are pasted on: (3, side, side)."""
    if len(grounds):
        X = grounds[rng.integers(len(grounds))]
        top, left = (rng.integers(s - side + 1) for s in X.shape[1:])
        return X[:, top : top + side, left : left + side] / 255
    return _mixed(_texture("clouds", side, size, 0, rng), *rng.uniform(*PALE, (2, 3)))


def _apart(sizes, side, rng):
    """Boxes of squares anywhere in an image, drawn until no two overlap: (m, 4)."""
    while True:
        corners = np.array([rng.integers(side - s + 1, size=2) for s in sizes])
        middles = 2 * corners + sizes[:, None]
        far = np.abs(middles[:, None] - middles).max(2)
        if (far >= sizes[:, None] + sizes)[np.triu_indices(len(sizes), 1)].all():
            return np.column_stack([corners, sizes, sizes])


def _mixed(cover, ground, ink):
    """(3, h, w) of two colours: ink where cover (h, w) is 1, ground where it is 0."""
    return ground[:, None, None] * (1 - cover) + ink[:, None, None] * cover


def _soft(distance, width=1.0):
    """1 inside, where a distance in pixels is below 0, 0 outside, and a soft edge."""
    return np.clip(0.5 - distance / width, 0, 1)


def _texture(name, side, size, angle, rng):
    """How much ink there is in each pixel: (side, side) in [0, 1].  size: what its scale is of."""
    y, x = np.mgrid[:side, :side]
    scale = size / 8
    if name == "stripes":
        across = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(0, side)
        return 0.5 + 0.5 * np.sin(2 * np.pi * across / (1.5 * scale))
    if name == "clouds":
        from scipy.ndimage import gaussian_filter

        Z = gaussian_filter(rng.normal(size=(side, side)), scale / 2, mode="wrap")
        return np.clip(0.5 + Z / (4 * Z.std()), 0, 1)
    cover = np.zeros((side, side))
    beyond = 2 * scale  # so that there are as many at the border as anywhere
    for _ in range(round((side / scale + 4) ** 2 / 6)):
        v, u = (z - rng.uniform(-beyond, side + beyond) for z in (y, x))
        if name == "spots":
            distance = np.hypot(v, u) - 0.7 * scale
        else:
            along = u * np.cos(angle) + v * np.sin(angle)
            aside = v * np.cos(angle) - u * np.sin(angle)
            distance = np.maximum(np.abs(along) - 1.5 * scale, np.abs(aside) - 0.3 * scale)
        cover = np.maximum(cover, _soft(distance))
    return cover


SHAPES = {  # distances in units of a quadrant, (v, u) in [-1/2, 1/2]: below 0 inside
    "disc": lambda v, u: np.hypot(v, u) - 0.33,
    "ring": lambda v, u: np.abs(np.hypot(v, u) - 0.27) - 0.09,
    "cross": lambda v, u: np.maximum(
        np.minimum(np.abs(v), np.abs(u)) - 0.1, np.maximum(np.abs(v), np.abs(u)) - 0.38
    ),
    "bar": lambda v, u: np.maximum(np.abs(v - u) - 0.2, np.abs(v + u) - 0.6),
    "triangle": lambda v, u: np.maximum(np.abs(u) - (v + 0.35) / 2, v - 0.35),
    "frame": lambda v, u: np.abs(np.maximum(np.abs(v), np.abs(u)) - 0.28) - 0.08,
    "half": lambda v, u: np.maximum(np.hypot(v, u) - 0.38, u),
    "diamond": lambda v, u: np.abs(v) + np.abs(u) - 0.4,
}


def _look(rng):
    """What a kind of object looks like: for each quadrant a shape, and two colours of its own."""
    shapes = rng.choice(list(SHAPES), 4, replace=False)
    return list(zip(shapes, rng.permutation(len(PALETTE)).reshape(4, 2)))


def _object(look, size, rng):
    """One object of a kind: (3, size, size)."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    X = np.empty((3, size, size))
    for (shape, colours), (down, right) in zip(look, np.ndindex(2, 2)):
        dv, du = rng.uniform(-2 * MOVED, 2 * MOVED, 2)
        v, u = 2 * (y - (down - 0.5) / 2) - dv, 2 * (x - (right - 0.5) / 2) - du
        cover = _soft(SHAPES[shape](v, u) * size / 2)
        here = (y >= 0) == down, (x >= 0) == right
        part = _mixed(cover, *PALETTE[colours])
        X = np.where(here[0] & here[1], part, X)
    return X * rng.uniform(*GAINS)
