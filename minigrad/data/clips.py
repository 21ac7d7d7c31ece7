"""Made clips: over photographs moves a camera, before them things, and where all is is known.

>>> rng = np.random.default_rng(0)
>>> street, bird = (rng.random((3, 120, 160), np.float32) for _ in range(2))
>>> clip = made_clip(street, [bird], rng, frames=5)
>>> clip.frames.shape, clip.frames.dtype, clip.maps.shape
((5, 3, 72, 96), dtype('uint8'), (5, 2, 2, 3))
>>> clip.follow(clip.middles(1)[0][None], 1)[:, 0].round(1)[[0, -1]]  # where the bird flies
array([[38.6, 51.8],
       [35.3, 54.9]])
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .checks import in_range, white
from .parameters import Parameters
from .regions import energies
from .transformations import Places, inside, patches, transform

RANGES = "speed", "size"  # of a Motion
MOST = 256  # owners, which are bytes
TRIES = 100  # paths that are drawn until one stays inside
BEND = 0.2  # of the way, by which it departs from a line
STRIP = 6, 14  # pixels, the width of what stands in front
WAVES = (2, 0.12), (3, 0.08)  # of a thing's outline: how often, and share of the radius


class Motion(NamedTuple):
    """How far all moves; each is drawn uniformly, both ways, unless said otherwise.

    camera: pixels a frame, the most; speed: pixels a frame of a thing before the camera, (least,
    most); size: the diameter of things in pixels, (least, most); zoom: over the whole clip e^-zoom
    to e^zoom times as large, a thing, and a tenth of it the camera; turn: degrees over the whole
    clip, a thing, and a tenth of it the camera; light: over the whole clip e^-light to e^light
    times as bright; hidden: the probability that a strip of the photograph stands in front of
    things and hides what passes; noise: deviation of what is added to each pixel, of a white of 1.
    """

    camera: float = 0.6
    speed: tuple[float, float] = (1.0, 2.0)
    size: tuple[float, float] = (40, 52)
    zoom: float = 0.25
    turn: float = 45.0
    light: float = 0.3
    hidden: float = 0.3
    noise: float = 0.02


class Clip(NamedTuple):
    """Frames, and where in them everything is.

    frames: (n, c, h, w) uint8; maps: (n, 1 + m, 2, 3), which send (down, right, 1) of the
    photograph, and of each of m things, from its middle, to (down, right) of each frame; owner:
    (n, h, w) uint8, which of them is seen in each pixel, 0: the photograph; seen: (n, m), the share
    of each thing that is neither hidden nor outside.
    """

    frames: Any
    maps: Any
    owner: Any
    seen: Any

    def follow(self, points: Any, owner: int, start: int = 0) -> Any:
        """Where points (k, 2) of one owner in the frame `start` are in each frame: (n, k, 2)."""
        A, b = self.maps[:, owner, :, :2], self.maps[:, owner, :, 2]
        X = np.linalg.solve(A[start], (np.asarray(points) - b[start]).T)
        return (A @ X).swapaxes(1, 2) + b[:, None]

    def middles(self, owner: int) -> Any:
        """The middle of a thing in each frame: (n, 2)."""
        return self.maps[:, owner, :, 2]


def made_clip(
    photograph: Any,
    others: Sequence[Any],
    rng: np.random.Generator,
    frames: int = 16,
    shape: tuple[int, int] = (72, 96),
    motion: Motion = Motion(),
) -> Clip:
    """A `Clip` of a photograph, before which a piece of each of others moves.

    photograph, others: (c, h, w), bytes or in [0, 1]; others may be the photograph itself, or
    empty; frames: how many, 16; shape: (h, w) of frames in pixels of the photographs, which are not
    enlarged; motion: a `Motion`. Pieces are cut where there is something to be seen, as
    `seed_patches` are drawn, with a soft and wavy outline; later ones are in front. All ways are
    bent lines, sizes and angles change steadily; things mostly stay in the frame, if they can. The
    same generator makes the same clip.
    Raises ValueError for a clip of less than two frames, photographs of other channels, not in
    [0, 1], or smaller than what the camera sees, things larger than a frame, more of them
    than 255, and a motion below 0.
    """
    pictures = [photograph, *others]
    _check(pictures, frames, shape, motion)
    h, w = shape
    time = np.linspace(-0.5, 0.5, frames)
    camera, X = _background(photograph, time, shape, motion, rng)
    maps, covers = [camera], []
    for other in others:
        placed, piece = _thing(other, time, shape, motion, rng)
        maps.append(placed)
        covers.append(piece)
    front = np.zeros((frames, h, w))
    if covers and rng.random() < motion.hidden:
        front = _strip(camera, maps[1], shape, rng)
    owner = np.zeros((frames, h, w), np.uint8)
    shown: list[np.ndarray] = []
    for k, (piece, _) in enumerate(covers):
        visible = (1 - front) * piece[:, -1]
        X = X * (1 - visible[:, None]) + (1 - front)[:, None] * piece[:, :-1]
        owner[visible > 0.5] = k + 1
        shown = [earlier * (1 - visible) for earlier in shown] + [visible]
    seen = np.zeros((frames, len(covers)))
    for k, (visible, (_, area)) in enumerate(zip(shown, covers)):
        seen[:, k] = visible.sum((1, 2)) / area
    X *= np.exp(rng.uniform(-motion.light, motion.light) * (time + 0.5))[:, None, None, None]
    X += rng.normal(0, motion.noise, X.shape)
    made = np.rint(255 * np.clip(X, 0, 1)).astype(np.uint8)
    return Clip(made, np.stack(maps, 1), owner, np.minimum(seen, 1))


def _background(photograph, time, shape, motion, rng):
    """The camera's map (n, 2, 3) and what it sees: (n, c, h, w) in [0, 1]."""
    n, (h, w) = len(time), shape
    middle = (np.array(shape) - 1) / 2
    image = np.array(photograph.shape[1:])
    for _ in range(TRIES):
        zoom, angle = _steady(time, motion.zoom / 10, motion.turn / 10, rng)
        way = _way(time, rng.uniform(0, motion.camera) * (n - 1), rng)
        room = np.maximum((image - 1) / 2 - middle, 0)
        centre = (image - 1) / 2 + rng.uniform(-room, room) - way
        places = Places(np.zeros(n, int), centre, h / zoom)
        moved = Parameters(angle=angle)
        if inside(places, moved, image, shape).all():
            break
    else:
        raise ValueError(
            f"made_clip: the photograph has {image[0]} x {image[1]} pixels, too few for a camera "
            f"that sees {h} x {w} and moves by {motion.camera} of them a frame for {n} frames"
        )
    X = patches(photograph[None], places, moved, shape).astype(float)
    return _maps(zoom, angle, middle, centre), X


def _thing(other, time, shape, motion, rng):
    """A thing's map (n, 2, 3); it alone (n, c + 1, h, w), the last channel how much; its areas."""
    n, middle = len(time), (np.array(shape) - 1) / 2
    size = rng.uniform(*motion.size)
    canvas = _piece(other, size, shape, rng)
    for _ in range(TRIES):
        zoom, angle = _steady(time, motion.zoom, motion.turn, rng)
        way = _way(time, rng.uniform(*motion.speed) * (n - 1), rng)
        room = np.maximum(middle - size / 2, 0)
        place = rng.uniform(-room, room) + way
        if (abs(place) <= room + size / 8).all():
            break
    turned = np.stack(
        [
            np.cos(angle) * place[:, 0] + np.sin(angle) * place[:, 1],
            np.cos(angle) * place[:, 1] - np.sin(angle) * place[:, 0],
        ],
        1,
    )
    moved = Parameters(shift=-turned / shape, scale=zoom, angle=angle)
    piece = transform(canvas[None], moved, index=np.zeros(n, int)).astype(float)
    area = canvas[-1].sum() * zoom**2
    return _maps(zoom, angle, middle + place, np.zeros((n, 2))), (piece, area)


def _piece(other, size, shape, rng):
    """A round piece of a photograph in the middle of a canvas (c + 1, h, w) in [0, 1]."""
    side = int(np.ceil(size)) + 8
    side = min(side, *other.shape[1:], *shape)
    E = energies(other, [side])[0]
    weights = E.ravel() + 1e-9
    top, left = np.divmod(rng.choice(E.size, p=weights / weights.sum()), E.shape[1])
    h, w = shape
    y, x = np.mgrid[:h, :w] - ((np.array(shape) - 1) / 2)[:, None, None]
    around, radius = np.arctan2(y, x), np.full(shape, size / 2)
    for often, share in WAVES:
        radius += size / 2 * share * np.cos(often * around + rng.uniform(0, 2 * np.pi))
    cover = np.clip(0.5 + radius - np.hypot(y, x), 0, 1)
    canvas = np.zeros((len(other) + 1, h, w), np.float32)
    corner = (h - side) // 2, (w - side) // 2
    here = tuple(slice(c, c + side) for c in corner)
    canvas[(-1, *here)] = cover[here]
    cut = other[:, top : top + side, left : left + side] / white(other)
    canvas[(slice(-1), *here)] = cut * cover[here]
    return canvas


def _strip(camera, thing, shape, rng):
    """How much of each pixel (n, h, w) a strip covers that is fixed to the photograph."""
    n, angle = len(camera), rng.uniform(-np.pi / 6, np.pi / 6)
    normal, wide = np.array([np.sin(angle), np.cos(angle)]), rng.uniform(*STRIP)
    when = rng.integers(n // 4, n - n // 4)  # the thing is behind it
    back, off = np.linalg.inv(camera[..., :2]), camera[..., 2]
    through = back[when] @ (thing[when, :, 2] - off[when])
    Q = np.stack(np.mgrid[: shape[0], : shape[1]], -1)
    X = (Q - off[:, None, None]) @ back.swapaxes(1, 2)[:, None]
    return np.clip(0.5 + wide / 2 - abs((X - through) @ normal), 0, 1)


def _steady(time, zoom, turn, rng):
    """zoom and angle (n,) at each time, 1 and 0 in the middle."""
    turn = np.radians(rng.uniform(-turn, turn))
    return np.exp(rng.uniform(-zoom, zoom) * time), turn * time


def _way(time, length, rng):
    """A bent line (n, 2) of a length in any direction, from its middle."""
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.sin(angle), np.cos(angle)])
    bend = rng.uniform(-BEND, BEND) * along[::-1] * [1, -1]
    return length * (np.outer(time, along) + np.outer(4 * time**2, bend))


def _maps(zoom, angle, middle, centre):
    """x -> zoom R(angle) (x - centre) + middle, of each frame: (n, 2, 3)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    A = zoom[:, None, None] * np.array([[cosine, -sine], [sine, cosine]]).transpose(2, 0, 1)
    b = middle - (A @ centre[..., None])[..., 0]
    return np.concatenate([A, b[..., None]], 2)


def _check(pictures, frames, shape, motion):
    """ValueError, as a sentence, for what no clip can be made of."""
    if not isinstance(frames, (int, np.integer)) or frames < 2:
        raise ValueError(f"made_clip: a clip has two frames at least, not {frames!r}")
    for i, picture in enumerate(pictures):
        if np.ndim(picture) != 3 or len(picture) != len(pictures[0]):
            raise ValueError(
                f"made_clip: photographs are (c, h, w), all of as many channels; number {i} is "
                f"{np.shape(picture)}, the first {np.shape(pictures[0])}"
            )
        in_range("made_clip", picture[None])
    for name, value in motion._asdict().items():
        if not (np.isfinite(value).all() and np.min(value) >= 0):
            raise ValueError(f"made_clip: {name} of a Motion is 0 or more, not {value}")
        if name in RANGES and not (np.shape(value) == (2,) and value[0] <= value[1]):
            raise ValueError(f"made_clip: {name} of a Motion is (least, most), not {value}")
    if not 0 <= motion.hidden <= 1:
        raise ValueError(f"made_clip: hidden of a Motion is a probability, not {motion.hidden}")
    if len(pictures) > MOST:
        raise ValueError(f"made_clip: {MOST - 1} things at most, not {len(pictures) - 1}")
    least = min(min(shape), *(min(picture.shape[1:]) for picture in pictures[1:]), np.inf)
    if not 8 <= motion.size[0] <= motion.size[1] or motion.size[1] > least:
        raise ValueError(
            f"made_clip: things have a diameter from 8 to {least:g} pixels, the least side of "
            f"frames and of what they are cut from, not {motion.size}"
        )
