"""Photographs changed in known ways, with the exact map of their points: pairs to match.

The image set of Exemplar-CNN's section 5, made again: six kinds of change in four magnitudes each
(`MATCHING_SET`). A map takes points (n, 2) as (y, x), pixel centres are whole numbers, from the
base image to the changed one; it has an inverse and a Jacobian.

>>> image = np.zeros((1, 5, 9), np.uint8); image[0, 1, 7] = 255
>>> turned = rotated(image, 90)
>>> turned.image.shape, turned.map(np.array([[1.0, 7.0]])).round(6) + 0.0
((1, 9, 5), array([[1., 1.]]))
>>> turned.image[0, 1, 1]
np.uint8(255)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..kernels.resampling import bilinear, gaussian, separable
from .lens import accurate, checked, like

STEEPEST = 80.0  # degrees from which a plane can still be seen
PROBES = 17  # points a side, at which it is measured how much a map shrinks


class Projective(NamedTuple):
    """A homography: (y', x') = (u, v) / w, (u, v, w) = H (y, x, 1).  H: (3, 3)."""

    H: Any

    def __call__(self, points):
        """Where points (..., 2) of the base image lie: (..., 2)."""
        q = np.asarray(points, float) @ self.H[:, :2].T + self.H[:, 2]
        return q[..., :2] / q[..., 2:]

    def inverse(self, points):
        """The points of the base image that come to lie there."""
        return Projective(np.linalg.inv(self.H))(points)

    def jacobian(self, points):
        """d(y', x') / d(y, x) at points (..., 2) of the base image: (..., 2, 2)."""
        w = np.asarray(points, float) @ self.H[2, :2] + self.H[2, 2]
        fall = self(points)[..., None] * self.H[2, :2]
        return (self.H[:2, :2] - fall) / w[..., None, None]

    def moved(self, offset):
        """The same map, and then (y', x') + offset."""
        shift = np.eye(3)
        shift[:2, 2] = offset
        return Projective(shift @ self.H)


class Waves(NamedTuple):
    """Two shears: x' = x + a sin(2 pi y / length), y' = y + a sin(2 pi x' / length), then offset.

    a = slope length / 2 pi, so that slope is the greatest of both sines. Each shear keeps areas:
    the Jacobian's determinant is 1 everywhere, and the map one-to-one.
    """

    slope: float
    length: float
    offset: Any = (0.0, 0.0)

    def _wave(self, s):
        return self.slope * self.length / (2 * np.pi) * np.sin(2 * np.pi * s / self.length)

    def __call__(self, points):
        """Where points (n, 2) of the base image lie: (n, 2)."""
        y, x = np.asarray(points, float).T
        x = x + self._wave(y)
        return np.stack([y + self._wave(x), x], 1) + self.offset

    def inverse(self, points):
        """The points of the base image that come to lie there."""
        y, x = (np.asarray(points, float) - self.offset).T
        y = y - self._wave(x)
        return np.stack([y, x - self._wave(y)], 1)

    def jacobian(self, points):
        """d(y', x') / d(y, x) at points of the base image: (n, 2, 2)."""
        y, x = np.asarray(points, float).T
        first = self.slope * np.cos(2 * np.pi * y / self.length)
        second = self.slope * np.cos(2 * np.pi * (x + self._wave(y)) / self.length)
        one = np.ones_like(first)
        rows = [np.stack(row, 1) for row in ((one + first * second, second), (first, one))]
        return np.stack(rows, 1)

    def moved(self, offset):
        """The same map, and then (y', x') + offset."""
        return self._replace(offset=np.add(self.offset, offset))


IDENTITY = Projective(np.eye(3))


class Mapped(NamedTuple):
    """A changed image (c, h', w') of the base's dtype, and the map of points from the base."""

    image: Any
    map: Any


def rotated(image, degrees):
    """The image turned counter-clockwise.  image: (c, h, w), bytes or in [0, 1]."""
    _given("rotated", image, degrees)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return _resampled(image, Projective(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])))


def zoomed(image, factor):
    """The image so many times smaller, above 1, or 1 / factor times larger.

    Raises ValueError for factors that are not above 0.
    """
    _given("zoomed", image, factor, factor > 0, "above 0")
    return _resampled(image, Projective(np.diag([1 / factor, 1 / factor, 1])))


def tilted(image, degrees):
    """The image as a plane seen aslant: turned about its upright middle, from one width away.

    y' = f y / (f + x sin t), x' = f x cos t / (f + x sin t), from the middle, f the greater side.
    Raises ValueError beyond 80 degrees either way.
    """
    most = f"from -{STEEPEST:g} to {STEEPEST:g} degrees"
    _given("tilted", image, degrees, -STEEPEST <= degrees <= STEEPEST, most)
    t, (h, w) = np.radians(degrees), image.shape[1:]
    f = np.maximum(h, w)
    to_middle = IDENTITY.moved([(1 - h) / 2, (1 - w) / 2]).H
    seen = np.array([[1, 0, 0], [0, np.cos(t), 0], [0, np.sin(t) / f, 1]])
    return _resampled(image, Projective(seen @ to_middle))


def waved(image, slope):
    """The image under `Waves` as long as half of its greater side; slope: of the waves, up to 1.

    Raises ValueError beyond 1 either way.
    """
    _given("waved", image, slope, -1 <= slope <= 1, "from -1 to 1")
    return _resampled(image, Waves(slope, np.maximum(*image.shape[1:]) / 2))


def darkened(image, power):
    """Z = X^power of X in [0, 1]: above 1 darker, below brighter; nothing moves.

    Raises ValueError for powers that are not above 0.

    >>> darkened(np.full((1, 1, 1), 0.5), 2).image
    array([[[0.25]]])
    """
    _given("darkened", image, power, power > 0, "above 0")
    white = 255 if image.dtype == np.uint8 else 1
    X = (image.astype(accurate(image)) / white) ** power * white
    return Mapped(like(X, image, np), IDENTITY)


def blurred(image, deviation):
    """The image under a Gaussian of so many pixels, mirrored at its border; nothing moves.

    Raises ValueError unless the deviation is from 0 to a fifth of the smaller side.
    """
    most = np.minimum(*image.shape[1:]) / 5 if image.ndim == 3 else 0
    _given("blurred", image, deviation, 0 <= deviation <= most, f"from 0 to {most:g} pixels")
    kind = accurate(image)
    down, across = (gaussian([deviation], side, kind) for side in image.shape[1:])
    X = separable(image[:, None].astype(kind), down, across)[:, 0]
    return Mapped(like(X, image, np), IDENTITY)


class Change(NamedTuple):
    """apply(image, magnitude) is a `Mapped`; unit: of the magnitudes, in words."""

    apply: Callable[[Any, float], Mapped]
    unit: str
    magnitudes: tuple[float, ...]


MATCHING_SET = {  # the paper has the kinds and says "various magnitudes": these are ours
    "rotation": Change(rotated, "degrees", (15, 30, 60, 120)),
    "zoom": Change(zoomed, "times smaller", (1.25, 1.6, 2, 2.5)),
    "perspective": Change(tilted, "degrees", (15, 30, 45, 60)),
    "nonlinear": Change(waved, "slope of waves", (0.1, 0.2, 0.35, 0.5)),
    "lighting": Change(darkened, "power of values", (1.25, 1.5, 2, 2.5)),
    "blur": Change(blurred, "pixels", (0.8, 1.2, 1.8, 2.7)),
}


def _given(name, image, value, fits=True, expected="a number"):
    """ValueError unless image is one, and the value finite and as expected."""
    checked(name, image)
    if image.ndim != 3:
        raise ValueError(f"{name}: an image is (c, h, w), not {image.shape}")
    if not np.isfinite(value) or not fits:
        raise ValueError(f"{name}: expected is {expected}, not {value!r}")


def _resampled(image, base):
    """`Mapped` by a map and the offset to the smallest frame that holds all of the image.

    Bilinear; where base pixels come closer than one of the frame, the mean of k^2 points in it, k
    the most of them, rounded. Around the image is its mean colour.
    """
    c, h, w = image.shape
    low, high = _box(base, h, w)
    sides = [int(n) for n in np.ceil(high - low - 1e-9) + 1]
    moved = base.moved(-low)
    probes = np.stack(np.meshgrid(*(np.linspace(0, n - 1, PROBES) for n in (h, w))), -1)
    stretch = np.linalg.svd(moved.jacobian(probes.reshape(-1, 2)), compute_uv=False)
    k = int(np.maximum(1, np.rint(1 / stretch.min())))
    X = np.ascontiguousarray(image[None], accurate(image))
    ground = X.mean((0, 2, 3))[:, None]
    grid = np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"), -1).reshape(-1, 2)
    Z, part = np.zeros((c, len(grid))), np.empty((c, 1, len(grid)))
    for step in np.ndindex(k, k):
        y, x = moved.inverse(grid + (np.array(step) + 0.5) / k - 0.5).T
        outside = (np.abs(y - (h - 1) / 2) > h / 2) | (np.abs(x - (w - 1) / 2) > w / 2)
        y, x = (np.clip(s, 0, n - 1)[None] for s, n in ((y, h), (x, w)))
        bilinear(X, np.zeros(1, int), y, x, part)
        Z += np.where(outside, ground, part[:, 0])
    return Mapped(like((Z / k**2).reshape(c, *sides).astype(X.dtype), image, np), moved)


def _box(base, h, w):
    """The least and the greatest (y', x') of the image's border."""
    y, x = np.arange(h), np.arange(w)
    sides = [(y, 0 * y), (y, 0 * y + w - 1), (0 * x, x), (0 * x + h - 1, x)]
    border = base(np.concatenate([np.stack(side, 1) for side in sides]))
    return border.min(0), border.max(0)
