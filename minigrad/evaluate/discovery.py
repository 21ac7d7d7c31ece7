"""Object discovery: of what stands out in an image, which comes again in the others?

    feature saliency   F(p) = sum_k b_k X_k(p), of each image by itself, b: `crow_weights`
    regions            boxes of the Gaussians that fit F, described by the maxima in them
    centrality         g of all regions of all images, L g = 1 on their graph: `katz`
    object saliency    O(p) = F(p) sum over regions r of other images of g_r max(u_p . v_r, 0)^gamma
    regions again      on O: what stands out but never comes again is left out

>>> X = np.zeros((3, 4, 6, 16))  # maps of three images
>>> X[[0, 1], 0, 1:4, 1:4] = 1  # the first two have the same object at the left,
>>> X[[0, 1, 2], [1, 2, 3], 1:4, 11:14] = 1  # all have one of their own at the right
>>> F = feature_saliency(X)
>>> found = salient_regions(F)
>>> V = region_features(X, found)
>>> g = region_centrality(V, found.image, k=2)
>>> O = object_saliency(X, F, V, found.image, g, window=3, k=2)
>>> truth = np.zeros((2, 6, 16), bool)
>>> truth[:, 1:4, 1:4] = True
>>> [saliency_precision(S[:2], truth).round(2) for S in (F, O)]
[array([0.5, 0.5]), array([1., 1.])]

Source: Simeoni et al., Unsupervised object discovery for instance recognition, WACV 2018.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..nodes import normalize
from .descriptors import crow_weights, mac
from .graphs import ALPHA, GAMMA, check_edges, katz, reciprocal_graph, symmetric_normalized
from .mixtures import EXPANSION, TAU, expanding_mixture
from .neighbours import check_finite, check_whole


class Regions(NamedTuple):
    """Boxes in maps of n images: image (r,), which each is in; boxes (r, 4), in places of a map.

    A box is (top, left, height, width); those of an image stand together, the images ascending.
    """

    image: np.ndarray
    boxes: np.ndarray


def feature_saliency(X: Any) -> Any:
    """F(p) = sum_k b_k X_k(p): how much there is in each place of maps that answer rarely.

    X: (n, k, h, w), not negative; F: (n, h, w); b: `crow_weights` of each image. The weights of
    places a = sqrt(S / |S|), S = sum_k X_k, are the other saliency of CroW; the slides say CroW
    and no more, and this one tells places apart more sharply. Maps of zeros have F = 0.
    Raises ValueError as `crow_weights` does.

    >>> feature_saliency(np.array([[[[1.0, 0.0], [0.0, 3.0]], [[1.0, 2.0], [0.0, 1.0]]]])).round(3)
    array([[[1.427, 1.022],
            [0.   , 3.26 ]]])
    """
    _check_maps("feature_saliency", X)
    return (X * crow_weights(X)[1][:, :, None, None]).sum(1)


def salient_regions(
    S: Any, power: float = 1.0, tau: float = TAU, expansion: float = EXPANSION
) -> Regions:
    """The boxes of `expanding_mixture` on each of n saliency maps, the heaviest first: `Regions`.

    S: (n, h, w), not negative; power: maps are raised to it before, 1; a larger one (ours) keeps
    what is weak but everywhere, as a ground, from being a region; options as there. A map of zeros
    has no region.
    Raises ValueError as `expanding_mixture` does, for another shape, and for a power not above 0.
    """
    if not power > 0:
        raise ValueError(f"salient_regions: power is above 0, not {power}")
    if np.ndim(S) != 3 or not len(S):
        raise ValueError(f"salient_regions: saliency is (n, h, w), n at least 1, not {np.shape(S)}")
    boxes = []
    for f in np.asarray(S, np.float64):
        top = f.max()
        sharp = (f / top) ** power if 0 < top < np.inf and f.min() >= 0 else f
        boxes.append(expanding_mixture(sharp, tau, expansion).boxes(f.shape))
    return Regions(np.repeat(np.arange(len(S)), [len(b) for b in boxes]), np.concatenate(boxes))


def region_features(X: Any, found: Regions) -> Any:
    """V = M / |M|, M_k = the greatest entry of map k in the box: (r, k), a row for each region.

    X: (n, k, h, w). Regions in which all maps are 0 get 0.
    Raises ValueError if a region does not lie in the maps.
    """
    _check_maps("region_features", X)
    if np.shape(found.boxes) != (len(found.image), 4):
        raise ValueError(
            f"region_features: regions are images (r,) and boxes (r, 4), "
            f"not {np.shape(found.image)} and {np.shape(found.boxes)}"
        )
    top, left, height, width = np.transpose(found.boxes)
    inside = (top >= 0) & (left >= 0) & (height >= 1) & (width >= 1)
    inside &= (top + height <= X.shape[2]) & (left + width <= X.shape[3])
    inside &= (found.image >= 0) & (found.image < len(X))
    if not inside.all():
        i = int(np.argmin(inside))
        raise ValueError(
            f"region_features: region {i}, image {found.image[i]}, box {found.boxes[i]}, does not "
            f"lie in maps {X.shape}"
        )
    M = np.empty((len(found.image), X.shape[1]), X.dtype)
    for i, (image, (y, x, h, w)) in enumerate(zip(found.image, found.boxes)):
        M[i] = X[image, :, y : y + h, x : x + w].max((1, 2))
    return normalize(M)


def region_centrality(
    V: Any, image: Any, k: int = 50, gamma: float = GAMMA, alpha: float = ALPHA
) -> Any:
    """How central each region is among all of a collection: g (r,), L g = 1, `katz`.

    V: (r, d) descriptors; image: (r,), whose region each is; k, gamma: of the `reciprocal_graph`,
    more than there are: all; alpha: of the Laplacian. That edges within an image count nothing is
    ours: an object would come again by its own parts. A region without edges, as a lone one, has
    1 - alpha.
    Raises ValueError as `reciprocal_graph` does, and unless there is an image for each region.
    """
    from scipy.sparse import csr_array

    image = _images("region_centrality", V, image)
    check_edges("region_centrality", V, k, gamma)
    if len(V) < 2:
        return katz(csr_array((1, 1)), alpha)[: len(V)]  # no edges
    A = reciprocal_graph(V, k, gamma).tocoo()
    A.data = np.where(image[A.row] == image[A.col], 0, A.data)
    A = A.tocsr()
    A.eliminate_zeros()
    return katz(symmetric_normalized(A), alpha)


def object_saliency(
    X: Any,
    F: Any,
    V: Any,
    image: Any,
    g: Any,
    window: int = 5,
    k: int = 50,
    gamma: float = GAMMA,
    described: Callable[[Any], Any] = normalize,
) -> Any:
    """O(p) = F(p) sum_r g_r max(u_p . v_r, 0)^gamma: (n, h, w), salient and like what comes again.

    r: the k regions of other images most like p, 50, all if there are fewer; u_p: the maxima of
    the maps in the square of side window around the place, 5, odd, of unit length, then described.
    X: (n, k, h, w) maps; F: (n, h, w), their saliency; V, image, g: descriptors (r, d), images and
    centralities (r,) of regions, as of `region_centrality`; described: what made V of maxima
    (m, k), as a `Whitening`. The form is ours: the slides name its parts. A place whose image has
    the only regions gets 0.
    Raises ValueError for shapes that do not fit, values that are not finite, an even window, a
    gamma below 0.
    """
    from scipy.ndimage import maximum_filter

    _check_maps("object_saliency", X)
    image = _images("object_saliency", V, image)
    n, _, h, w = X.shape
    if np.shape(F) != (n, h, w) or np.shape(g) != image.shape:
        raise ValueError(
            f"object_saliency: saliency is {(n, h, w)} and centrality {image.shape}, "
            f"not {np.shape(F)} and {np.shape(g)}"
        )
    check_whole("object_saliency", "k", k)
    if window < 1 or window % 2 != 1 or k < 1 or not 0 <= gamma < np.inf:
        raise ValueError(
            "object_saliency: window is odd, k 1 or more, gamma 0 or more, "
            f"not {window}, {k} and {gamma}"
        )
    check_finite("object_saliency", V, "region")
    check_finite("object_saliency", np.reshape(g, (-1, 1)), "centrality")
    check_finite("object_saliency", np.reshape(F, (n, -1)), "saliency")
    O = np.zeros((n, h, w))
    for i in range(n):
        others, near = image != i, min(k, int((image != i).sum()))
        if not near:
            continue
        U = maximum_filter(X[i], (1, window, window), mode="constant").reshape(len(X[i]), -1).T
        D = described(normalize(U))
        if D.shape[1] != V.shape[1]:
            raise ValueError(
                f"object_saliency: places of maps {X.shape} are described by {D.shape[1]} values, "
                f"regions {V.shape} by {V.shape[1]}"
            )
        s = np.maximum(D @ V[others].T, 0).astype(np.float64) ** gamma
        best = np.argpartition(-s, near - 1, 1)[:, :near]
        O[i] = (np.take_along_axis(s, best, 1) * g[others][best]).sum(1).reshape(h, w)
    return O * F


def saliency_precision(S: Any, inside: Any) -> Any:
    """P = sum of S inside / sum of S: (n,), the share of the saliency that lies where it should.

    S: (n, h, w), not negative; inside: (n, h, w) bool, the true regions, or the share of each
    place that is in them. A map of zeros has P = 0.
    Raises ValueError for shapes that differ, saliency negative or not finite, and other shares.
    Source: the measure of the slides, "saliency precision".

    >>> saliency_precision(np.array([[[1.0, 3.0]], [[0.0, 0.0]]]), np.array([[[0, 1]], [[1, 0]]]))
    array([0.75, 0.  ])
    """
    S, inside = np.asarray(S, np.float64), np.asarray(inside, np.float64)
    if S.ndim != 3 or S.shape != inside.shape:
        raise ValueError(
            f"saliency_precision: saliency and truth are (n, h, w), "
            f"not {S.shape} and {inside.shape}"
        )
    if not (np.isfinite(S).all() and (S >= 0).all()):
        raise ValueError("saliency_precision: saliency is finite and not negative")
    if not ((inside >= 0) & (inside <= 1)).all():
        raise ValueError("saliency_precision: the truth of a place is 0 to 1, a share")
    total = S.sum((1, 2))
    return (S * inside).sum((1, 2)) / np.where(total > 0, total, 1)


def pooled(X: Any, found: Regions, described: Callable[[Any], Any] = normalize) -> Any:
    """Z = S / |S|, S = the sum of the descriptors of an image's regions: (n, d), as in R-MAC.

    X: (n, k, h, w); found: regions of them; described: what is made of each region's unit maxima,
    as a `Whitening`; normalize: nothing. An image without a region is described as a whole, by
    described(mac(X)).
    Raises ValueError as `region_features` does.
    """
    V = region_features(X, found)
    whole = described(mac(X))
    Z = np.zeros_like(whole)
    if len(V):
        np.add.at(Z, found.image, described(V))
    lone = np.bincount(found.image, minlength=len(X)) == 0
    Z[lone] = whole[lone]
    return normalize(Z)


def _images(name, V, image):
    image = np.asarray(image)
    if np.ndim(V) != 2 or image.shape != (len(V),):
        raise ValueError(
            f"{name}: descriptors are (r, d) and images (r,), not {np.shape(V)} and {image.shape}"
        )
    return image


def _check_maps(name, X):
    if np.ndim(X) != 4 or not np.size(X):
        raise ValueError(f"{name}: maps are (n, k, h, w), not {np.shape(X)}")
    check_finite(name, X.reshape(len(X), -1), "image")
