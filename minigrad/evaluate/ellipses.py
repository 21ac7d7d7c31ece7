"""Regions of an image as ellipses: found, moved by a map, compared by their overlap.

An ellipse has the mean mu and the second moments Sigma of its area: its boundary is
(x - mu)' (4 Sigma)^-1 (x - mu) = 1, and a circle of radius r has Sigma = r^2 / 4 in each direction.

>>> E = circles([[10, 10], [10, 14]], [4, 4])
>>> intersection_over_union(E, E).round(3)
array([[1.   , 0.243],
       [0.243, 1.   ]])
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..data.checks import in_range, white

NODES = 128  # of the quadrature of an overlap
AT_ONCE = 512  # pairs of ellipses, whose chords stay in the cache
FAR = 1e6  # pixels
STEP = 0.5  # pixels, of the differences of a map
FLAT = 1e-12  # least ratio of an ellipse's variances, below which it has no area
THIN = 1 / 12  # least variance of a region in pixels^2: that of a pixel; a line has less
LUMINANCE = (0.299, 0.587, 0.114)


class Ellipses(NamedTuple):
    """centre: (n, 2) as (y, x) in pixels, whole numbers in the middle of a pixel; covariance:
    (n, 2, 2), second moments in pixels^2, of y and x in this order.
    """

    centre: Any
    covariance: Any


def circles(centre, radius):
    """Circles as `Ellipses`: centre (n, 2), radius (n,) or one for all."""
    r = np.broadcast_to(np.asarray(radius, float), len(centre))
    return Ellipses(np.asarray(centre, float), r[:, None, None] ** 2 / 4 * np.eye(2))


def mser(image, delta=5, smallest=60, largest=14400, variation=0.25, alike=0.8):
    """Maximally stable extremal regions, dark and bright, as `Ellipses`, large ones first.

    A region is a connected set of pixels all darker (brighter) than those around it; it is stable
    where its area changes little with the grey level. Its ellipse has the mean and the second
    moments of its pixels; regions not wider than a line of pixels, and the whole image, are left
    out.
    image: (h, w) or (c, h, w), c 1 or 3 (of which the luminance is taken), bytes or in [0, 1];
    delta: grey levels over which the area may change by at most variation, as a share; smallest,
    largest: areas in pixels: OpenCV's defaults. alike: .8, of ellipses that overlap by so much or
    more only the largest stays: an affine map keeps the order of areas, so that two images keep the
    same ones. (OpenCV has min_diversity for this, which with its default finds nothing in clean
    drawings; it is 0 here.)
    An image without regions, as one of a single colour, has none: n = 0.
    Raises ValueError for another image, other numbers, ImportError without OpenCV.
    Source: Matas et al., BMVC 2002; the ellipses, Mikolajczyk et al., IJCV 2005.
    """
    cv2 = opencv("mser")
    grey = grey_bytes("mser", image)
    if not (delta >= 1 and 0 <= smallest <= largest and variation >= 0 and alike > 0):
        raise ValueError(
            "mser: delta is 1 or more, smallest 0 to largest, variation 0 or more, alike above 0, "
            f"not {delta}, {smallest} to {largest}, {variation} and {alike}"
        )
    finder = cv2.MSER_create(delta, smallest, largest, variation, 0.0)
    whole = (grey.shape[0] - 2) * (grey.shape[1] - 2)  # OpenCV leaves the border out
    regions = finder.detectRegions(grey)[0] if grey.shape[0] > 2 < grey.shape[1] else ()
    points = [np.asarray(r, float)[:, ::-1] for r in regions if len(r) < whole]
    centre = np.array([p.mean(0) for p in points]).reshape(-1, 2)
    covariance = np.array([np.cov(p.T, bias=True) for p in points]).reshape(-1, 2, 2)
    wide = np.linalg.eigvalsh(covariance)[:, 0] > THIN
    return distinct(Ellipses(centre[wide], covariance[wide]), alike)


def distinct(ellipses, alike=0.8):
    """Large ellipses first, without those that overlap a larger one that stays by alike or more.

    Equally large ones by their centres, from above, from the left.

    >>> distinct(circles([[9, 9], [9, 9], [30, 9]], [4, 4.2, 3])).centre
    array([[ 9.,  9.],
           [30.,  9.]])
    """
    E = checked(ellipses)
    (y, x), area = E.centre.T, areas(E)
    E = subset(E, np.lexsort((x, y, -area)))
    near, left = intersection_over_union(E, E) >= alike, np.ones(len(area), bool)
    for i, others in enumerate(near):
        if left[i]:
            left[i + 1 :] &= ~others[i + 1 :]
    return subset(E, left)


def moved(ellipses, J, centres):
    """Ellipses under affine maps: Sigma' = J Sigma J'.  J: (n, 2, 2), d(y', x') / d(y, x); centres:
    (n, 2), where the centres come to lie.
    """
    J = np.asarray(J, float)
    return Ellipses(np.asarray(centres, float), J @ ellipses.covariance @ J.swapaxes(1, 2))


def projected(ellipses, points_map: Callable[[Any], Any]):
    """Where ellipses of one image lie in another, of which the map is known: `Ellipses`.

    points_map: points (n, 2) as (y, x) to points (n, 2), as `homography` makes one. Each ellipse is
    moved by the map's derivative at its centre, which is taken by central differences over a pixel.
    What leaves the image stays an ellipse outside; where the map has no finite value, or one beyond
    a million pixels, an ellipse becomes a point at 0 without area, which overlaps nothing.
    Raises ValueError for a map that gives another shape.

    >>> E = projected(circles([[4, 6]], [2]), lambda p: p * [3, 1] + [0, 5])
    >>> E.centre, E.covariance
    (array([[12., 11.]]), array([[[9., 0.],
            [0., 1.]]]))
    """
    mu = np.asarray(ellipses.centre, float)
    offsets = STEP * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    points = (mu + offsets[:, None]).reshape(-1, 2)
    with np.errstate(all="ignore"):
        found = np.asarray(points_map(points), float)
    if found.shape != points.shape:
        raise ValueError(f"projected: the map makes {points.shape} points {found.shape}")
    there, down, up, right, left = found.reshape(5, -1, 2)
    with np.errstate(all="ignore"):
        J = np.stack([down - up, right - left], 2) / (2 * STEP)
        E = moved(ellipses, J, there)
        near = (abs(E.centre) < FAR).all(1) & (abs(E.covariance) < FAR**2).all((1, 2))
    return Ellipses(
        np.where(near[:, None], E.centre, 0), np.where(near[:, None, None], E.covariance, 0)
    )


def homography(H):
    """The map of a homography: (n, 2) points as (y, x) to (n, 2); not finite on its horizon.

    H: (3, 3), as published: it takes (x, y, 1), x to the right, y down, to a multiple of
    (x', y', 1).
    Raises ValueError for another shape, or a matrix that is not finite.

    >>> homography([[1, 0, 10], [0, 1, 20], [0, 0, 1]])(np.zeros((1, 2)))
    array([[20., 10.]])
    """
    H = np.asarray(H, float)
    if H.shape != (3, 3) or not np.isfinite(H).all():
        raise ValueError(f"homography: H is (3, 3) and finite, not {H.shape}: {H}")

    def points_map(points):
        y, x = np.asarray(points, float).T
        u, v, w = H @ np.stack([x, y, np.ones(len(x))])
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([v / w, u / w], 1)

    return points_map


def intersection_over_union(A, B):
    """The area that two ellipses share, divided by that which they cover: (n, m), in [0, 1].

    A, B: `Ellipses` of n and m; one without area overlaps nothing: 0. Per pair, A is mapped to the
    unit circle, and the chords of both along B's long axis are compared at 128 places, dense at the
    ends. Where one holds the other the result is exact up to rounding, else within 3e-5, however
    long the ellipses: what is lost are the corners where the boundaries cross. Pairs whose bounding
    boxes are apart cost nothing.
    Raises ValueError for ellipses that are not finite or have other shapes.

    >>> A = circles([[0, 0]], [2])
    >>> intersection_over_union(A, circles([[0, 0], [0, 1.059728]], [1, 2])).round(4)
    array([[0.25, 0.5 ]])
    """
    A, B = (checked(E) for E in (A, B))
    Z = np.zeros((len(A.centre), len(B.centre)))
    reach = [2 * np.sqrt(np.diagonal(E.covariance, axis1=1, axis2=2).clip(0)) for E in (A, B)]
    apart = abs(A.centre[:, None] - B.centre) >= reach[0][:, None] + reach[1]
    solid = (areas(A) > 0)[:, None] & (areas(B) > 0)
    pairs = np.argwhere(solid & ~apart.any(2))
    for first in range(0, len(pairs), AT_ONCE):
        i, j = pairs[first : first + AT_ONCE].T
        Z[i, j] = _overlaps(subset(A, i), subset(B, j))
    return Z


def _overlaps(A, B):
    """Intersection over union of so many pairs: (n,)."""
    inverse = np.linalg.inv(np.linalg.cholesky(4 * A.covariance))
    squares, V = np.linalg.eigh(4 * inverse @ B.covariance @ inverse.swapaxes(1, 2))
    centre = (V.swapaxes(1, 2) @ inverse @ (B.centre - A.centre)[..., None])[..., 0]
    half_axes = np.sqrt(squares.clip(np.finfo(float).tiny))
    (q, p), (t, s) = centre.T[..., None], half_axes.T[..., None]

    low, high = np.maximum(-1, p - s), np.minimum(1, p + s)
    half = np.maximum(high - low, 0) / 2
    angle = (np.arange(NODES) + 0.5) * np.pi / NODES
    x = (low + high) / 2 - half * np.cos(angle)
    a = np.sqrt((1 - x * x).clip(0))  # half the chord of the circle
    b = t * np.sqrt((1 - ((x - p) / s) ** 2).clip(0))
    chord = (np.minimum(a, q + b) - np.maximum(-a, q - b)).clip(0)
    shared = (chord * half * np.sin(angle)).sum(1) * np.pi / NODES
    union = np.pi * (1 + half_axes.prod(1)) - shared
    return (shared / union).clip(0, 1)


def areas(ellipses):
    """The areas of ellipses in pixels^2, 4 pi sqrt |Sigma|: (n,); 0 unless Sigma is positive."""
    least, most = np.linalg.eigvalsh(ellipses.covariance).T
    return 4 * np.pi * np.where(least > FLAT * most, np.sqrt((least * most).clip(0)), 0)


def subset(ellipses, chosen):
    """Some of the ellipses: chosen is an index, bool or numbers."""
    return Ellipses(ellipses.centre[chosen], ellipses.covariance[chosen])


def checked(ellipses):
    """Ellipses of floats; ValueError unless they are finite and of the shapes."""
    E = Ellipses(*(np.asarray(a, float) for a in ellipses))
    n = len(E.centre)
    if E.centre.shape != (n, 2) or E.covariance.shape != (n, 2, 2):
        raise ValueError(
            f"ellipses: centres are (n, 2), covariances (n, 2, 2), "
            f"not {E.centre.shape} and {E.covariance.shape}"
        )
    whole = np.isfinite(E.centre).all(1) & np.isfinite(E.covariance).all((1, 2))
    if not whole.all():
        raise ValueError(f"ellipses: {np.argmin(whole)} of {n} holds a value that is not finite")
    return E


def opencv(name):
    """The module cv2; ImportError, in the name of a function, that says how to get it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f'{name} needs OpenCV: pip install "minigrad-lectures[matching]"', name=error.name
        ) from None
    return cv2


def grey_bytes(name, image):
    """An image (h, w) or (c, h, w), c 1 or 3, of bytes or in [0, 1], as bytes (h, w)."""
    X = np.asarray(image)
    planes = X if X.ndim == 3 else X[None]
    if planes.ndim != 3 or planes.shape[0] not in (1, 3) or not planes.size:
        raise ValueError(f"{name}: an image is (h, w), (1, h, w) or (3, h, w), not {X.shape}")
    in_range(name, planes[None])
    scale = np.float32(255 / white(planes))
    if planes.dtype == np.uint8 and len(planes) == 1:
        return np.ascontiguousarray(planes[0])
    grey = np.tensordot(LUMINANCE, planes, 1) if len(planes) == 3 else planes[0]
    return np.rint(grey * scale).clip(0, 255).astype(np.uint8)
