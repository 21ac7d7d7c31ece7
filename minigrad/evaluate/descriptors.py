"""One vector for a whole image, from the feature maps of any network: pooled, normalised, compared.

>>> A = np.array([[[[1.0, 0.0], [0.0, 3.0]], [[1.0, 2.0], [0.0, 1.0]]]])  # 2 maps of 2 x 2
>>> for pool in (mac, spoc, crow, rmac):
...     print(pool.__name__, pool(A).round(4))
mac [[0.8321 0.5547]]
spoc [[0.7071 0.7071]]
crow [[0.9052 0.4249]]
rmac [[0.6509 0.7592]]

Maps are not negative, as behind a relu. `mac` and `rmac` are blocks of nodes: a network is trained
through them, and of maps that hold NaN or inf they make NaN, for the training to name; the others
refuse such maps. What a fully connected layer says, normalised, is a descriptor too, a neural code
(Babenko et al., ECCV 2014): `normalize(F)`.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backend import array_module, to_cpu
from ..data.transformations import resized
from ..engine import block
from ..nodes import add, normalize
from ..nodes import max as max_
from .neighbours import check_finite, check_whole

SCALES = (1, 0.5**0.5, 0.5)
OVERLAP = 0.4  # of the regions of `region_grid`, about
EXTRA = 6  # regions along the longer side that `region_grid` adds, at most


@block
def mac(X):
    """Z = M / |M|, M_k = the greatest entry of map k.  X: (n, k, h, w), Z: (n, k).

    Maximum activations of convolutions. Images whose maps are 0 get 0, and so do those of float32
    beyond some 1e19 (see `normalize`); with a map whose greatest entry is NaN or inf they get NaN.
    Raises ValueError for another shape. Source: Tolias, Sicre and Jegou, ICLR 2016, section 3.1.
    """
    _check_maps("mac", X)
    return normalize(max_(X, (2, 3)))


@block
def rmac(X, levels=3):
    """Z = S / |S|, S = mac(X) + sum over the regions R of mac(X in R).  X: (n, k, h, w), Z: (n, k).

    Regional maxima, each of unit length, on the squares of `region_grid`; levels: 3. Of what is
    0, too large or not finite it makes what `mac` does.
    Raises ValueError for another shape, and as `region_grid` does.
    Source: Tolias, Sicre and Jegou, ICLR 2016, section 3.2, without whitening each region; that
    the whole map counts as one more region is its authors' code.
    """
    _check_maps("rmac", X)
    squares = region_grid(*X.shape[2:], levels)
    regions = [mac(X[:, :, y : y + side, x : x + side]) for y, x, side in squares.tolist()]
    return normalize(add((mac(X), *regions)))


def region_grid(h: int, w: int, levels: int = 3) -> np.ndarray:
    """Squares on levels of finer grids that overlap by about 40 %: (r, 3), (top, left, side).

    With s the shorter side of the map: level l = 1 ... levels has squares of side
    floor(2 s / (l + 1)), l along the shorter side and l + m along the longer one, spread evenly;
    m = 0 on square maps, else the one of 1 ... 6 with 1 - (longer - s) / (m s) nearest to 0.4.
    On 7 x 7 it makes 14 squares, the first the whole map; on 24 x 32, 20.
    Raises ValueError for levels below 1 or not whole, and for a map too small for the last of them.
    Source: Tolias, Sicre and Jegou, ICLR 2016, section 3.2, and its authors' code.

    >>> region_grid(4, 6, levels=1)
    array([[0, 0, 4],
           [0, 2, 4]])
    """
    s = min(h, w)
    check_whole("region_grid", "levels", levels)
    if levels < 1 or 2 * s < levels + 1:
        raise ValueError(
            f"region_grid: levels are 1 or more, and the last one's squares, of side 2 s // (l + 1)"
            f", 1 or more; not {levels} on a map of {h} x {w}"
        )
    m = np.arange(1, EXTRA + 1)
    far = np.abs(1 - (max(h, w) - s) / (m * s) - OVERLAP)
    extra = 0 if h == w else 1 + int(far.argmin())
    squares = []
    for l in range(1, levels + 1):
        side = 2 * s // (l + 1)
        tops = _starts(h, side, l + extra * (h > w))
        lefts = _starts(w, side, l + extra * (w > h))
        squares += [(y, x, side) for y in tops for x in lefts]
    return np.array(squares)


def _starts(length, side, count):
    """Where so many windows begin; rounding is that of the authors' code."""
    offset = side // 2 - 1
    between = (length - side) / (count - 1) if count > 1 else 0
    return [math.floor(offset + i * between) - offset for i in range(count)]


def spoc(X: Any, centre: bool = False) -> Any:
    """Z = S / |S|, S_k = the sum of map k.  X: (n, k, h, w), Z: (n, k).

    centre: weigh places by exp(-r^2 / 2 sigma^2), r the distance from the middle, ((h - 1) / 2,
    (w - 1) / 2), and sigma a third of that from there to the nearer border, min(h, w) / 6; False.
    Raises ValueError for another shape, and for maps that are not finite.
    Source: Babenko and Lempitsky, ICCV 2015, section 3.2.

    >>> spoc(np.array([[[[3.0, 0.0]], [[0.0, 4.0]]]]))
    array([[0.6, 0.8]])
    """
    _check_finite_maps("spoc", X)
    a = 1
    if centre:
        h, w = X.shape[2:]
        y, x = np.arange(h) - (h - 1) / 2, np.arange(w) - (w - 1) / 2
        r2, sigma = y[:, None] ** 2 + x**2, min(h, w) / 6
        a = array_module(X).asarray(np.exp(-r2 / (2 * sigma**2)), X.dtype)
    return _pooled(X, a)


def crow(X: Any) -> Any:
    """Z = C / |C|, C_k = b_k sum over places p of a_p X_kp, a and b: `crow_weights`.

    X: (n, k, h, w), Z: (n, k). Raises ValueError as `crow_weights` does.
    Source: Kalantidis, Mellina and Osindero, ECCV workshop 2016, section 3.
    """
    a, b = crow_weights(X)
    return _pooled(X, a[:, None], b)


def crow_weights(X: Any) -> tuple[Any, Any]:
    """Weights of places (n, h, w) and of maps (n, k), by what an image's maps hold alone.

        a_p = sqrt(S_p / |S|),  S_p = sum_k X_kp
        b_k = ln(sum_j Q_j / Q_k), 0 where Q_k = 0,  Q_k = the share of places where X_kp > 0

    Strong places count more, and maps that answer rarely. Object discovery takes b alone:
    `feature_saliency`.
    An image whose maps are 0 has weights 0; one of whose maps a single one answers has b = 0, as it
    is not rare there.
    Raises ValueError for another shape than (n, k, h, w), for maps that are not finite, and if an
    entry is negative.
    Source: Kalantidis, Mellina and Osindero, ECCV workshop 2016, equations 3 to 6.

    >>> a, b = crow_weights(np.array([[[[1.0, 0.0], [0.0, 3.0]], [[1.0, 2.0], [0.0, 1.0]]]]))
    >>> a.round(4).tolist(), b.round(4).tolist()
    ([[[0.6389, 0.6389], [0.0, 0.9036]]], [[0.9163, 0.5108]])
    """
    _check_finite_maps("crow_weights", X)
    if (X < 0).any():
        raise ValueError(
            f"crow_weights: maps are not negative, as behind a relu, not down to {X.min():g}"
        )
    S = X.sum(1, dtype=float)  # of large float32 the squares are too
    a = np.sqrt(normalize(S, (1, 2)))
    Q = (X > 0).mean((2, 3), dtype=X.dtype)
    share = Q / np.maximum(Q.sum(1, keepdims=True), np.finfo(X.dtype).tiny)
    return a.astype(X.dtype), np.log(1 / np.where(share > 0, share, 1))


class Whitening(NamedTuple):
    """Z = Y / |Y|, Y = (F - mean) P: calling it whitens descriptors (n, d) to (n, dimensions).

    mean: (d,); P: (d, dimensions), eigenvectors of a covariance over the roots of its eigenvalues.
    """

    mean: Any
    P: Any

    def __call__(self, F: Any) -> Any:
        """Raises ValueError for another d, and for values that are not finite."""
        if F.ndim != 2 or F.shape[1] != len(self.mean):
            raise ValueError(f"Whitening: descriptors are (n, {len(self.mean)}), not {F.shape}")
        check_finite("Whitening", F, "descriptor")
        return normalize((F - self.mean) @ self.P)


def pca_whitening(F: Any, dimensions: int | None = None) -> Whitening:
    """Directions in which descriptors vary, made equally long: a `Whitening`.

    F: (n, d), descriptors of other images than those it will serve, or it has seen the answers;
    dimensions: of the largest variance; None: all along which F varies, more than rounding does.
    Raises ValueError for one descriptor, values that are not finite, and for other dimensions.
    Source: Jegou and Chum, ECCV 2012, section 3.

    >>> F = np.random.default_rng(0).normal(size=(50, 3)) * [1, 10, 100]
    >>> whiten = pca_whitening(F)
    >>> np.cov((F - whiten.mean) @ whiten.P, rowvar=False, bias=True).round(6) + 0
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    if F.ndim != 2 or len(F) < 2:
        raise ValueError(f"pca_whitening: descriptors are (n, d), n at least 2, not {F.shape}")
    check_finite("pca_whitening", F, "descriptor")
    xp, F = array_module(F), to_cpu(F)
    mean = F.mean(0)
    _, s, VT = np.linalg.svd(F - mean, full_matrices=False)
    most = s.max(initial=0)
    rank = int((s > most * np.max(F.shape) * np.finfo(s.dtype).eps).sum())
    wanted = rank if dimensions is None else dimensions
    check_whole("pca_whitening", "dimensions", wanted)
    if not 1 <= wanted <= rank:
        raise ValueError(
            f"pca_whitening: {len(F)} descriptors of {F.shape[1]} values vary along {rank} "
            f"directions; dimensions is 1 to that, not {wanted}"
        )
    P = VT[:wanted].T / (s[:wanted] / np.sqrt(len(F)))
    return Whitening(xp.asarray(mean), xp.asarray(P))


def multi_scale(images: Any, describe: Callable[[Any], Any], scales: Any = SCALES) -> Any:
    """Z = S / |S|, S = the sum of an image's descriptors at some scales, each of unit length.

    images: (n, c, h, w), bytes or floats; describe: of such images of any size gives (n, d), as
    `lambda X: mac(maps(X))`; scales: factors of both sides, 1, 0.71 and 0.5, by `resized`.
    Raises ValueError for no scale, one that is not above 0 or makes images of no pixel, and for
    descriptors that are not finite.
    Source: Gordo et al., IJCV 2017, section 4.3.

    >>> multi_scale(np.ones((1, 2, 4, 4), np.float32), lambda X: X.max((2, 3)))
    array([[0.7071068, 0.7071068]], dtype=float32)
    """
    scales = np.asarray(scales, float)
    least = 0.5 / min(images.shape[2:])
    if scales.ndim != 1 or not len(scales) or not ((scales > least) & np.isfinite(scales)).all():
        raise ValueError(
            "multi_scale: scales are numbers above 0, one at least, that leave a pixel of images "
            f"{images.shape}; not {scales}"
        )
    found = []
    for factor in scales.tolist():
        F = describe(images if factor == 1 else resized(images, factor))
        check_finite("multi_scale", F, "descriptor")
        found.append(normalize(F))
    return normalize(add(tuple(found)))


def _pooled(X, a, b=1):
    """Unit rows of sums over places weighed by a, times b; summed in float64 as maps are finite."""
    return normalize((X * a).sum((2, 3), dtype=float) * b).astype(X.dtype)


def _check_maps(name, X):
    if X.ndim != 4 or not all(X.shape[1:]) or X.dtype.kind != "f":
        raise ValueError(f"{name}: maps are floats (n, k, h, w), not {X.shape} {X.dtype}")


def _check_finite_maps(name, X):
    _check_maps(name, X)
    check_finite(name, X.reshape(len(X), math.prod(X.shape[1:])), "image")
