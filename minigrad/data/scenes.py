"""Scenes seen from several sides, by maps that are known: what a reconstruction would have found.

Images of one scene are views of one photograph, through a homography each, in another light, partly
hidden. So it is known without any matching which points two images have in common.

>>> rng = np.random.default_rng(0)
>>> photographs = [rng.integers(0, 256, (3, 60, 80), np.uint8) for _ in range(2)]
>>> made = scene_views(photographs, 3, rng, side=16)
>>> made.images.shape, made.scenes
((6, 3, 16, 16), array([0, 0, 0, 1, 1, 1]))
>>> made.shared()[:3].round(2)
array([[1.  , 0.55, 0.35, 0.  , 0.  , 0.  ],
       [0.12, 1.  , 0.59, 0.  , 0.  , 0.  ],
       [0.1 , 0.75, 1.  , 0.  , 0.  , 0.  ]])
"""

from typing import Any, NamedTuple

import numpy as np

from ..kernels.resampling import bilinear
from .checks import in_range, white
from .known_maps import Projective

WINDOW = 0.3, 0.8  # side of a view's window over the photograph's shorter side
ANGLE = 0.3  # radians, at most
TILT = 0.1  # of the window's side: how far each corner is moved, at most
POWER, GAIN, TINT = 0.4, 0.3, 0.1  # of light: largest logarithms
HIDDEN = 0.5  # share of views that are partly hidden
PATCH = 0.3, 0.6  # side of what hides, over the view's
NOISE = 0.02  # deviation of what is added to each pixel, whose white is 1
POINTS = 24  # of each scene one way


class SceneViews(NamedTuple):
    """Views, and what part of its scene each one shows.

    images: (n, 3, s, s) uint8; scenes: (n,), the photograph's number; maps: (n, 3, 3), from (down,
    right, 1) in a view to that in its photograph, in pixels and up to a factor; seen: (n, p) bool,
    which of its scene's points it shows; centres: (n, 2), of windows, in pixels of the photograph;
    scales: (n,), pixels of the photograph to one of the view, in its middle.
    """

    images: np.ndarray
    scenes: np.ndarray
    maps: np.ndarray
    seen: np.ndarray
    centres: np.ndarray
    scales: np.ndarray

    def take(self, index: Any) -> "SceneViews":
        """Some of the views.  index: (m,) numbers, or (n,) bool."""
        return SceneViews(*(a[index] for a in self))

    def shared(self) -> np.ndarray:
        """(n, n): the share of i's points that j shows too, |P(i) and P(j)| / |P(i)|.

        0 for views of other scenes, and for an i that shows no point.
        """
        P = self.seen.astype(float)
        common = (P @ P.T) * (self.scenes[:, None] == self.scenes)
        return common / np.maximum(P.sum(1), 1)[:, None]

    def overlap(self) -> np.ndarray:
        """(n, n): common points over those of the view that shows fewer: the larger `shared`."""
        S = self.shared()
        return np.maximum(S, S.T)

    def zooms(self) -> np.ndarray:
        """(n, n): the change of scale between two views, 1 or more."""
        s = np.log(self.scales)
        return np.exp(np.abs(s[:, None] - s))


def scene_views(
    photographs: Any,
    views: int,
    rng: np.random.Generator,
    side: int = 48,
    window: tuple[float, float] = WINDOW,
    hidden: float = HIDDEN,
) -> SceneViews:
    """Make so many views of each photograph: `SceneViews`, a scene's behind each other.

    photographs: (3, h_i, w_i) each, bytes or in [0, 1]; side: of the views, 48. A view is a square
    window, its side 0.3 to 0.8 of the photograph's shorter side (window; each ratio alike
    probable), anywhere inside, turned by up to 0.3 radians, its corners moved by up to a tenth of
    its side; sampled bilinearly, where it shrinks as a mean of several points. Light: all pixels
    to a power of e^+-0.4, times e^+-0.3, each colour times e^+-0.1, then noise. hidden: the share
    of views, 0.5, into which a piece of another photograph is pasted, 0.3 to 0.6 of the side.
    Points are a grid of 24 x 24 over the photograph. Equal generators make equal views.
    Raises ValueError for no photograph or view, other shapes or values, a side below 2, a window
    beyond (0, 1], a share beyond [0, 1], and for hidden views of one photograph alone.
    Source of the use: Radenovic, Tolias and Chum, ECCV 2016, section 3, whose scenes are
    reconstructed; making them is ours.
    """
    low, high = window
    if views < 1 or side < 2 or not 0 < low <= high <= 1 or not 0 <= hidden <= 1:
        raise ValueError(
            "scene_views: views are 1 or more, side 2 or more, window is 0 < low <= high <= 1, "
            f"hidden in [0, 1]; not {views}, {side}, {window} and {hidden}"
        )
    if not len(photographs) or (hidden and len(photographs) < 2):
        raise ValueError(
            "scene_views: photographs are one or more, two where views are partly hidden, "
            f"not {len(photographs)}"
        )
    for i, X in enumerate(photographs):
        if X.ndim != 3 or X.shape[0] != 3 or min(X.shape[1:]) < 2:
            raise ValueError(f"scene_views: photographs are (3, h, w), number {i} is {X.shape}")
        in_range(f"scene_views: photograph {i}", X[None])
    found = [
        (i, *_view(photographs, i, rng, side, window, hidden))
        for i in range(len(photographs))
        for _ in range(views)
    ]
    scenes, images, maps, seen, centres, scales = (np.array(a) for a in zip(*found))
    return SceneViews(images, scenes, maps, seen, centres, scales)


def _view(photographs, i, rng, side, window, hidden):
    """Image, map, seen points, centre and scale of one view of photograph i."""
    X = photographs[i]
    corners = _window(X.shape[1:], rng, window)
    M = homography(_square(side), corners)
    image = _light(_sampled(X, M, side), rng)
    middle = np.full(2, (side - 1) / 2)
    centre, scale = Projective(M)(middle), _scale(M, middle)
    seen = _within(M, _points(X.shape[1:]), side)
    if rng.random() < hidden:
        other = photographs[(i + rng.integers(1, len(photographs))) % len(photographs)]
        piece = round(side * rng.uniform(*PATCH))
        top, left = rng.integers(side - piece + 1, size=2)
        there = homography(_square(piece), _window(other.shape[1:], rng, window))
        hides = _light(_sampled(other, there, piece), rng)
        image[:, top : top + piece, left : left + piece] = hides
        q = Projective(M).inverse(_points(X.shape[1:])) - (top, left)
        seen &= ~((q >= -0.5) & (q <= piece - 0.5)).all(1)
    image = np.clip(image + rng.normal(0, NOISE, image.shape), 0, 1)
    return np.rint(255 * image).astype(np.uint8), M, seen, centre, scale


def homography(A: Any, B: Any) -> np.ndarray:
    """The map M, (3, 3), M[2, 2] = 1, that takes four points to four others, M (a, 1) ~ (b, 1).

    A, B: (4, 2), no three of them on a line.

    >>> square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    >>> homography(square, 2 * square + 3).round(9) + 0
    array([[2., 0., 3.],
           [0., 2., 3.],
           [0., 0., 1.]])
    """
    rows, values = [], []
    for a, b in zip(np.asarray(A, float), np.asarray(B, float)):
        p = np.array([*a, 1])
        for axis in (0, 1):  # b (M_2 p) = M_axis p
            row = np.zeros(8)
            row[3 * axis : 3 * axis + 3] = p
            row[6:] = -b[axis] * a
            rows.append(row)
            values.append(b[axis])
    return np.append(np.linalg.solve(np.array(rows), values), 1).reshape(3, 3)


def _square(side):
    """The corners of side x side pixels, whose centres are whole numbers."""
    a, b = -0.5, side - 0.5
    return np.array([[a, a], [a, b], [b, b], [b, a]])


def _window(sides, rng, window):
    """The corners of a window inside an image (h, w): (4, 2)."""
    room = np.array(sides) - 1.0
    length = min(sides) * np.exp(rng.uniform(*np.log(window)))
    angle = rng.uniform(-ANGLE, ANGLE)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (_square(1) + rng.uniform(-TILT, TILT, (4, 2))) * length @ turn.T
    corners *= min(1, (room / np.ptp(corners, 0)).min())  # turned, the largest would not fit
    low, high = -corners.min(0), room - corners.max(0)
    return corners + low + rng.random(2) * np.maximum(high - low, 0)


def _sampled(X, M, side):
    """What side x side pixels see of an image through a map: (3, side, side) in [0, 1]."""
    k = max(1, round(_scale(M, np.full(2, (side - 1) / 2))))
    fine = (np.arange(k * side) + 0.5) / k - 0.5
    grid = np.stack(np.meshgrid(fine, fine, indexing="ij"), -1).reshape(-1, 2)
    q = Projective(M)(grid)
    y, x = (np.clip(q[None, :, axis], 0, X.shape[1 + axis] - 1) for axis in (0, 1))
    Z = np.empty((3, 1, len(grid)))
    bilinear(np.ascontiguousarray(X)[None], np.zeros(1, int), y, x, Z)
    return Z.reshape(3, side, k, side, k).mean((2, 4)) / white(X)


def _light(Z, rng):
    power, gain = np.exp(rng.uniform(-1, 1, 2) * (POWER, GAIN))
    tint = np.exp(rng.uniform(-TINT, TINT, (3, 1, 1)))
    return Z**power * gain * tint


def _points(sides):
    """A grid of points over an image (h, w): (p, 2)."""
    i = (np.arange(POINTS) + 0.5) / POINTS
    return np.stack(np.meshgrid(i, i, indexing="ij"), -1).reshape(-1, 2) * sides - 0.5


def _within(M, points, side):
    """Which points of the photograph lie in the view whose map is M: (p,) bool."""
    back = np.linalg.inv(M)
    ahead = (points @ back[2, :2] + back[2, 2]) > 0  # what is behind is projected too
    q = Projective(back)(points)
    return ahead & ((q >= -0.5) & (q <= side - 0.5)).all(1)


def _scale(M, point):
    """How many times longer lines become by a map at a point: the root of its Jacobian's area."""
    return float(np.sqrt(abs(np.linalg.det(Projective(M).jacobian(point)))))
