"""Patches of an image in the frame of an ellipse: position, size, slant and turn taken out.

>>> from minigrad.evaluate.ellipses import circles
>>> image = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (1, 64, 1))
>>> normalised_patches(image, circles([[30, 30]], [4]), size=16).shape
(1, 1, 16, 16)
"""

import numpy as np

from ..data.checks import in_range, white
from ..kernels.resampling import bilinear, gaussian, separable
from .ellipses import areas, checked
from .neighbours import check_finite

UPRIGHT = 41  # pixels, of the patches of which the orientation is taken
BINS = 36
SMOOTH = 2.0  # pixels, the deviation of the Gaussian before gradients are taken
POINTS = 1 << 18  # looked up at a time


def normalised_patches(image, ellipses, size=64, enlarge=3.0, angles=None):
    """The patch of each ellipse, its circle upright and of one size: (n, c, size, size), float32.

    P(u) = image(mu + enlarge 2 Sigma^(1/2) R(phi) u), u the centres of size x size pixels in
    [-1, 1]^2: the ellipse, enlarged, is the circle that the patch circumscribes. Bilinear; where f
    > 1.5 pixels of the image come to one of the patch, in either direction of the patch, the mean
    of round(f) points there. Outside lies the mirror image, beyond that the border's pixels.
    image: (c, h, w), bytes or in [0, 1], which patches are; size: 64; the paper takes 157 for SIFT
    and 113 for networks; enlarge: of the half axes: 3, as regions themselves are nearly uniform;
    the paper does not give it. angles: phi (n,) or a number, in radians, 0 as it lies; None, the
    `dominant_orientation` of each, seen at 41 x 41 pixels whatever the size.
    Raises ValueError for other images, sizes and ellipses, and ellipses without area.
    Sources: Mikolajczyk et al., IJCV 2005; Dosovitskiy et al., TPAMI 2016, section 5.
    """
    X, E = np.asarray(image), checked(ellipses)
    if X.ndim != 3 or not X.size:
        raise ValueError(f"normalised_patches: an image is (c, h, w), not {X.shape}")
    in_range("normalised_patches", X[None])
    if not isinstance(size, (int, np.integer)) or size < 1 or not 0 < enlarge < np.inf:
        raise ValueError(
            f"normalised_patches: size is a whole number from 1 on, enlarge above 0 and finite, "
            f"not {size!r} and {enlarge}"
        )
    n, flat = len(E.centre), areas(E) == 0
    if flat.any():
        raise ValueError(f"normalised_patches: ellipse {flat.argmax()} of {n} has no area")
    if angles is not None and not (np.shape(angles) in ((), (n,)) and np.isfinite(angles).all()):
        raise ValueError(
            f"normalised_patches: angles are finite, one or {n}, not {np.shape(angles)}: {angles}"
        )
    squares, V = np.linalg.eigh(E.covariance)
    frame = 2 * enlarge * (V * np.sqrt(squares)[:, None]) @ V.swapaxes(1, 2)
    if angles is None:
        angles = dominant_orientation(_looked_up(X, E.centre, frame, UPRIGHT))
    angles = np.broadcast_to(np.asarray(angles, float), len(frame))
    return _looked_up(X, E.centre, frame @ rotations(angles), size)


def dominant_orientation(patches):
    """The direction in which most gradients of a patch point: radians in [-pi, pi), (n,).

    That of (dx, dy): 0 to the right, pi / 2 down. The peak of a histogram of 36 bins, gradients
    shared between the two nearest, weighted by their length and by a Gaussian about the centre (a
    quarter of the patch is its deviation; nothing counts outside the inscribed circle), smoothed
    three times by (1, 2, 1) / 4; the peak interpolated by a parabola. Patches are smoothed first,
    by a Gaussian of two pixels where they have ten a side; of several channels the mean is taken. A
    patch of one colour has 0. The round regions that are found have two or more peaks almost alike;
    with less smoothing more of them change places between two images.
    patches: (n, c, s, s).
    Raises ValueError for others, and for values that are not finite.
    Source: Lowe, IJCV 2004, section 5, who keeps all peaks above .8 of the highest: here is one.

    >>> down = np.linspace(0, 1, 9)[:, None] * np.ones(9)
    >>> dominant_orientation(np.stack([down, down.T])[:, None]).round(3)
    array([1.571, 0.   ])
    """
    if np.ndim(patches) != 4 or patches.shape[2] != patches.shape[3] or 0 in patches.shape[1:]:
        raise ValueError(f"dominant_orientation: patches are (n, c, s, s), not {np.shape(patches)}")
    n, c, side, _ = patches.shape
    check_finite("dominant_orientation", patches.reshape(n, c * side * side), "patch")
    grey = patches.mean(1, dtype=float)
    G = gaussian(np.array([SMOOTH * (side >= 5 * SMOOTH)]), side, float)
    smooth = separable(grey[:, None], G, G)[:, 0]
    dy, dx = np.gradient(smooth, axis=(1, 2)) if side > 1 else (np.zeros_like(smooth),) * 2
    u = (2 * np.arange(side) + 1) / side - 1
    r2 = u[:, None] ** 2 + u**2
    weights = np.hypot(dy, dx) * np.exp(-r2 / (2 * 0.5**2)) * (r2 <= 1)

    place = np.arctan2(dy, dx) / (2 * np.pi) * BINS
    below = np.floor(place)
    share = place - below
    patch = np.arange(n)[:, None, None] * BINS
    H = np.zeros(n * BINS)
    for bin, part in ((below, 1 - share), (below + 1, share)):
        where = patch + bin.astype(int) % BINS
        H += np.bincount(where.ravel(), (weights * part).ravel(), n * BINS)
    H = H.reshape(n, BINS)
    for _ in range(3):
        H = (np.roll(H, 1, 1) + 2 * H + np.roll(H, -1, 1)) / 4

    peak, rows = H.argmax(1), np.arange(n)
    left, top, right = (H[rows, (peak + i) % BINS] for i in (-1, 0, 1))
    curvature = 2 * top - left - right
    offset = np.where(
        curvature > 0, (right - left) / (2 * np.where(curvature > 0, curvature, 1)), 0
    )
    angle = (peak + offset) * 2 * np.pi / BINS
    return np.where(top > 0, (angle + np.pi) % (2 * np.pi) - np.pi, 0.0)


def rotations(angles):
    """R(phi) for (y, x): turns the axis of x towards that of y.  (n, 2, 2)."""
    c, s = np.cos(angles), np.sin(angles)
    return np.stack([c, s, -s, c], -1).reshape(-1, 2, 2)


def _looked_up(X, centre, frame, size):
    """X at centre + frame u, u in [-1, 1]^2, a mean of f > 1.5 pixels: (n, c, size, size)."""
    X = np.ascontiguousarray(X)[None]
    c = X.shape[1]
    Z = np.empty((len(frame), c, size, size), np.float32)
    many = np.rint(np.linalg.norm(frame, axis=1) * 2 / size).clip(1).astype(int)  # (n, 2)
    for counts in np.unique(many, axis=0):
        (alike,) = np.nonzero((many == counts).all(1))
        y, x = (((np.arange(k * size) + 0.5) / (k * size) * 2 - 1) for k in counts)
        grid = np.stack(np.meshgrid(y, x, indexing="ij")).reshape(2, -1)
        step = max(1, POINTS // grid.shape[1])
        for first in range(0, len(alike), step):
            some = alike[first : first + step]
            places = (frame[some] @ grid + centre[some, :, None]).astype(np.float32)
            y, x = (_mirrored(places[:, i], X.shape[2 + i]) for i in (0, 1))
            found = np.empty((c, *y.shape), np.float32)
            bilinear(X, np.zeros(len(some), int), y, x, found)
            cells = found.reshape(c, len(some), size, counts[0], size, counts[1])
            Z[some] = cells.mean((3, 5)).swapaxes(0, 1)
    Z *= np.float32(1 / white(X))
    return Z


def _mirrored(y, side):
    y = np.abs(y)
    return np.minimum(y, 2 * (side - 1) - y).clip(0, side - 1)
