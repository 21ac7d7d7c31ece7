"""Patches that move, found in a clip and followed through it by block matching.

>>> rng = np.random.default_rng(0)
>>> street, bird = rng.integers(0, 256, (2, 3, 30, 40), np.uint8).repeat(3, 2).repeat(3, 3)
>>> frames = np.stack([street] * 6)
>>> for t, frame in enumerate(frames):
...     frame[:, 20:65, 10 + 2 * t : 60 + 2 * t] = bird[:, :45, :50]
>>> pairs = tracked_pairs([frames, frames[[0] * 6]], length=5)
>>> pairs.first.shape, pairs.corners[0, 5] - pairs.corners[0, 0]
((1, 3, 32, 32), array([ 0, 10]))
>>> pairs.clip, pairs.why
(array([0]), ['tracked', 'less than 25 % of the points move'])

Source: Wang and Gupta, ICCV 2015, section 4; they take SURF points, improved dense trajectories and
the KCF tracker, here all is block matching.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..kernels.colours import luminance_weights
from .checks import in_range, white

MEASURES = "normalised", "squared"
BLOCK, STEP, REACH = 9, 4, 5  # pixels: of points whose motion is asked, between them, how far
TEXTURE = 1e-3  # the least eigenvalue of a block's mean squared gradient: flat ones tell no motion
FLAT = 1e-4  # a block's variance, below which it looks like nothing
MOVING = 0.5  # pixels a frame
SHARES = 0.25, 0.75
LEAST_POINTS = 12
REFITS = 5  # of the camera's motion, each to the half of the points that fit best


class Matched(NamedTuple):
    """Of k templates. corner: (k, 2), where each is found; difference: (k,), how unlike that is;
    table: (k, 2 reach + 1, 2 reach + 1), of all places, infinite outside the frame.
    """

    corner: Any
    difference: Any
    table: Any


class Tracks(NamedTuple):
    """Of k patches through n frames. corners: (n, k, 2), (top, left); difference: (n, k); lost:
    (k,), the first frame in which it was not found, n: it never was; from there on corners stay.
    """

    corners: Any
    difference: Any
    lost: Any


class Moving(NamedTuple):
    """What moves from a frame to the next.

    corner: (2,), (top, left) of the patch with most moving points, or None, and why; points: (k, 2)
    with texture; motion: (k, 2), without the camera's; moving: (k,) bool.
    """

    corner: Any
    why: str
    points: Any
    motion: Any
    moving: Any


class TrackedPairs(NamedTuple):
    """The first and the last patch of each track.

    first, last: (m, c, size, size), of the clips' dtype; clip: (m,), which clip each is from;
    start: (m,), its first frame; corners: (m, length + 1, 2); why: of each clip, "tracked", or why
    it has no pair.
    """

    first: Any
    last: Any
    clip: Any
    start: Any
    corners: Any
    why: list[str]


def matched(templates, frame, corners, reach=REACH, measure="normalised", weights=None):
    """Where in a frame templates are found, at most `reach` pixels from given corners: `Matched`.

    templates: (k, c, s, s); frame: (c, h, w), both of floats; corners: (k, 2), (top, left), whole
    numbers inside the frame. measure: "normalised", 1 - correlation of values less their mean, from
    0, alike but for brightness and contrast, to 2; where one of the two is flat, 1; or "squared",
    the mean squared difference. weights: (s, s), above 0, how much each pixel counts, None: alike.
    Places that leave the frame are none. Ties: the nearest to the given corner.
    """
    k, c, s, _ = templates.shape
    side = 2 * reach + 1
    P = np.pad(frame, ((0, 0), (reach, reach), (reach, reach)))
    windows = sliding_window_view(P, (s + 2 * reach,) * 2, (1, 2))
    W = windows[:, corners[:, 0], corners[:, 1]].swapaxes(0, 1)  # (k, c, s + 2 reach, ...)
    W = sliding_window_view(W, (s, s), (2, 3)).transpose(0, 2, 3, 1, 4, 5)
    W = W.reshape(k, side * side, c * s * s)
    T = templates.reshape(k, c * s * s, 1)
    v = np.ones((s, s), W.dtype) if weights is None else weights
    v = np.tile((v / (c * v.sum())).ravel(), c)[:, None]
    if measure == "normalised":
        W = W - W @ v
        T = T - (T * v).sum(1, keepdims=True)
    T = T * v
    cross = (W @ T)[..., 0]
    squares, own = (W * W @ v)[..., 0], (T * T / v).sum(1)
    if measure == "normalised":
        flat = np.minimum(squares, own) < FLAT
        D = 1 - np.where(flat, 0, cross / np.sqrt(np.where(flat, 1, squares * own)))
    else:
        D = np.maximum(squares - 2 * cross + own, 0)
    off = np.arange(-reach, reach + 1)
    y, x = (corners[:, axis, None] + off for axis in (0, 1))
    inside = ((y >= 0) & (y <= frame.shape[1] - s))[:, :, None]
    inside = inside & ((x >= 0) & (x <= frame.shape[2] - s))[:, None]
    D = np.where(inside, D.reshape(k, side, side), np.inf)
    near = np.hypot(*np.meshgrid(off, off)).ravel().argsort(kind="stable")
    row = D.reshape(k, side * side)
    best = near[row[:, near].argmin(1)]
    found = corners + np.stack(np.divmod(best, side), 1) - reach
    return Matched(found, row[np.arange(k), best], D)


def refined(match, corners, reach):
    """Motion (k, 2) from given corners in parts of a pixel: a parabola's least in each direction.

    Where the best place is the last one of the search or of the frame, whole pixels.
    """
    move = match.corner - corners
    D = np.pad(match.table, ((0, 0), (1, 1), (1, 1)), constant_values=np.inf)
    k = np.arange(len(move))
    y, x = (move + reach + 1).T
    parts = []
    for dy, dx in ((1, 0), (0, 1)):
        a, b, c = D[k, y - dy, x - dx], D[k, y, x], D[k, y + dy, x + dx]
        known = np.isfinite(a) & np.isfinite(c)
        a, c = np.where(known, a, 0), np.where(known, c, 0)
        bend = a - 2 * b + c
        parts.append(np.where(known & (bend > 0), (a - c) / (2 * np.where(bend > 0, bend, 1)), 0))
    return move + np.stack(parts, 1)


def track(
    frames: Any,
    corners: Any,
    size: int = 32,
    reach: int = 6,
    most: float = 0.5,
    update: float = 0.2,
    measure: str = "normalised",
) -> Tracks:
    """Follow patches from the first frame through all others, by the best match in each: `Tracks`.

    frames: (n, c, h, w), n at least 2, bytes or in [0, 1]; corners: (k, 2), (top, left) of patches
    in the first frame, whole numbers; size: their side; reach: pixels that a patch may move from a
    frame to the next, each way; what of the search lies outside the frame is not searched: a patch
    never leaves it; most: what differs more is lost, and stays lost; update: the share of the patch
    found that enters what is looked for next, 0.2; 0 looks for the first patch throughout, 1 for
    the last one found, which drifts; measure: "normalised", 1 - correlation, 0 to 2, which light
    and contrast do not change, or "squared", the mean squared difference, for which most is
    something like 0.01. Compared is luminance, by the weights of a Hann window, as in the KCF
    tracker: what lies behind a thing's edge moves otherwise.
    Raises ValueError for frames that are none, one frame alone, patches larger than a frame or
    outside it, and other options.
    """
    X = _luminous(frames, "track", size)
    corners = np.atleast_2d(np.asarray(corners))
    if corners.shape[1:] != (2,) or corners.dtype.kind not in "iu":
        raise ValueError(
            f"track: corners are (k, 2) whole numbers, not {corners.shape} of {corners.dtype}"
        )
    last = np.array(X.shape[2:]) - size
    if len(corners) and not ((corners >= 0) & (corners <= last)).all():
        raise ValueError(
            f"track: corners of patches of {size} are from (0, 0) to ({last[0]}, {last[1]}) in "
            f"frames of {X.shape[2]} x {X.shape[3]}, not {corners.min(0)} to {corners.max(0)}"
        )
    whole = isinstance(reach, (int, np.integer)) and reach >= 1
    if measure not in MEASURES or not 0 <= update <= 1 or not whole or not most > 0:
        raise ValueError(
            f"track: measure is {' or '.join(MEASURES)}, update 0 to 1, reach a whole number "
            f"from 1 on and most above 0, not {measure!r}, {update}, {reach!r} and {most}"
        )
    n, k = len(X), len(corners)
    places, D, lost = np.zeros((n, k, 2), int), np.zeros((n, k)), np.full(k, n)
    places[:] = corners
    middle = np.sin(np.pi * (np.arange(size, dtype=np.float32) + 0.5) / size) ** 2
    weights = np.outer(middle, middle)
    looked = cut(X[0], corners, size)
    for t in range(1, n):
        there = lost == n
        match = matched(looked[there], X[t], places[t - 1, there], reach, measure, weights)
        good = match.difference <= most
        D[t, there], D[t, ~there] = match.difference, np.inf
        places[t] = places[t - 1]
        places[t, there] = np.where(good[:, None], match.corner, places[t - 1, there])
        lost[there] = np.where(good, n, t)
        found = cut(X[t], places[t, there], size)
        looked[there] += update * (found - looked[there])
    return Tracks(places, D, lost)


def moving_patch(first: Any, second: Any, size: int = 32) -> Moving:
    """The patch of a frame with most points that move to the next frame: `Moving`.

    first, second: (c, h, w), bytes or in [0, 1]; size: of the patch. Points stand on a grid, where
    blocks of 9 x 9 have texture in both directions; their motion, up to 5 pixels, is the best
    match's, in parts of a pixel. The camera's motion is the affine map that fits the half of the
    points best that it fits best (least trimmed squares), and is subtracted; what is left above 0.5
    pixels moves. A frame of which less than 25 % moves (noise) or more than 75 % (the camera) has
    no corner, nor has one with less than 12 points; `why` says so. Of patches with equally many
    moving points, that nearest to the middle of all of them.
    Raises ValueError for frames that are none, that differ, or are smaller than a patch.
    Source: Wang and Gupta, ICCV 2015, section 4.
    """
    if np.shape(first) != np.shape(second):
        raise ValueError(
            f"moving_patch: two frames are alike, not {np.shape(first)} and {np.shape(second)}"
        )
    X = _luminous(np.stack([first, second]), "moving_patch", size)
    if min(X.shape[2:]) < BLOCK:
        raise ValueError(
            f"moving_patch: motion is asked of blocks of {BLOCK}, which do not fit into frames of "
            f"{X.shape[2]} x {X.shape[3]}"
        )
    points = textured(X[0])
    if len(points) < LEAST_POINTS:
        why = f"{len(points)} points have texture, {LEAST_POINTS} are needed"
        return Moving(None, why, points, np.zeros((len(points), 2)), np.zeros(len(points), bool))
    corners = points - BLOCK // 2
    motion = refined(matched(cut(X[0], corners, BLOCK), X[1], corners, REACH), corners, REACH)
    motion = motion - camera_motion(points, motion)
    moving = np.hypot(*motion.T) > MOVING
    share = moving.mean()
    if not SHARES[0] <= share <= SHARES[1]:
        side = "less than 25 %" if share < SHARES[0] else "more than 75 %"
        return Moving(None, f"{side} of the points move", points, motion, moving)
    return Moving(_fullest(points[moving], X.shape[2:], size), "moving", points, motion, moving)


def tracked_pairs(
    clips: Iterable[Any],
    length: int = 12,
    size: int = 32,
    **options: Any,
) -> TrackedPairs:
    """One pair of patches of each clip in which something moves: `TrackedPairs`.

    clips: frames (n, c, h, w) each, n above `length`, bytes or in [0, 1], which may be made on the
    way; length: frames from the first patch to the last, 12 (the paper: 30); size: of patches;
    options: of `track`. The first frame in which a patch moves begins the track; one that is lost
    on the way gives no pair. Where nothing moves, in any clip, all arrays are empty.
    Raises ValueError for a clip of fewer frames, or of another kind than the first one, and as
    `moving_patch` and `track` do.
    """
    found: list[tuple] = []
    why, channels = [], None
    for i, frames in enumerate(clips):
        whole = isinstance(length, (int, np.integer)) and length >= 1
        if np.ndim(frames) != 4 or not whole or len(frames) <= length:
            raise ValueError(
                f"tracked_pairs: a clip is (n, c, h, w), n above the length of tracks, here "
                f"{length}, a whole number from 1 on; clip {i} is {np.shape(frames)}"
            )
        channels = channels or (frames.shape[1], frames.dtype)
        if (frames.shape[1], frames.dtype) != channels:
            raise ValueError(
                f"tracked_pairs: clip {i} has {frames.shape[1]} channels of {frames.dtype}, the "
                f"first {channels[0]} of {channels[1]}"
            )
        for begin in range(len(frames) - length):
            moving = moving_patch(frames[begin], frames[begin + 1], size)
            if moving.corner is not None:
                break
        if moving.corner is None:
            why.append(moving.why)
            continue
        seen = frames[begin : begin + length + 1]
        tracks = track(seen, moving.corner, size, **options)
        if tracks.lost[0] <= length:
            why.append("lost on the way")
            continue
        why.append("tracked")
        one, two = (cut(seen[t], tracks.corners[t], size)[0] for t in (0, -1))
        found.append((one, two, i, begin, tracks.corners[:, 0]))
    if not found:
        c, kind = channels or (3, np.dtype(np.uint8))
        none = np.zeros((0, c, size, size), kind)
        numbers = np.zeros(0, int)
        return TrackedPairs(none, none, numbers, numbers, np.zeros((0, length + 1, 2), int), why)
    first, last, clip, start, corners = (np.array(column) for column in zip(*found))
    return TrackedPairs(first, last, clip, start, corners, why)


def cut(frame, corners, size):
    """Patches (k, c, size, size) of a frame (c, h, w) from whole corners (k, 2) on."""
    windows = sliding_window_view(frame, (size, size), (1, 2))
    return windows[:, corners[:, 0], corners[:, 1]].swapaxes(0, 1).copy()


def textured(frame):
    """Points (k, 2) of a grid whose blocks have gradients in two directions.  frame: (1, h, w)."""
    down, right = np.gradient(frame[0])
    grid = slice(REACH, -REACH, STEP)  # the search stays in the frame
    a, b, c = (
        sliding_window_view(Z, (BLOCK, BLOCK))[grid, grid].mean((2, 3))
        for Z in (down * down, right * right, down * right)
    )
    least = (a + b) / 2 - np.sqrt(((a - b) / 2) ** 2 + c * c)
    return np.argwhere(least > TEXTURE) * STEP + REACH + BLOCK // 2


def camera_motion(points, motion):
    """The motion (k, 2) at points (k, 2) of the affine map that half of them follow best."""
    Q = np.column_stack([points - points.mean(0), np.ones(len(points))])
    fitted = np.median(motion, 0) + np.zeros_like(motion)
    for _ in range(REFITS):
        left = ((motion - fitted) ** 2).sum(1)
        half = left.argsort(kind="stable")[: (len(points) + 1) // 2]
        fitted = Q @ np.linalg.lstsq(Q[half], motion[half], rcond=None)[0]
    return fitted


def _fullest(points, shape, size):
    """The corner of the window with most points; ties: the nearest to their middle."""
    there = np.zeros((shape[0] + 1, shape[1] + 1), int)
    np.add.at(there, tuple(points.T + 1), 1)
    S = there.cumsum(0).cumsum(1)
    counts = S[size:, size:] - S[:-size, size:] - S[size:, :-size] + S[:-size, :-size]
    best = np.argwhere(counts == counts.max())
    far = ((best + (size - 1) / 2 - points.mean(0)) ** 2).sum(1)
    return best[far.argmin()]


def _luminous(frames, name, size):
    """Luminance (n, 1, h, w) in [0, 1], float32; ValueError for what are no frames for patches."""
    if np.ndim(frames) != 4 or len(frames) < 2:
        raise ValueError(
            f"{name}: a clip is (n, c, h, w), of two frames at least, not {np.shape(frames)}"
        )
    if not isinstance(size, (int, np.integer)) or not 1 <= size <= min(frames.shape[2:]):
        raise ValueError(
            f"{name}: a patch of {size!r} does not fit into frames of {frames.shape[2]} x "
            f"{frames.shape[3]}"
        )
    in_range(name, frames)
    weights = np.asarray(luminance_weights(frames.shape[1]), np.float32)
    L = np.einsum("c,nchw->nhw", weights, frames.astype(np.float32))
    return L[:, None] / np.float32(white(frames))
