"""How features, and what a classifier says, change as images are transformed more and more.

>>> X = np.random.default_rng(0).random((5, 3, 48, 48), np.float32)
>>> g = lambda images: [images.reshape(len(images), -1)]
>>> (curve,) = distance_curves(g, X, "rotation", [-20, 0, 20], size=32)
>>> curve.argmin(), curve.max()
(np.int64(1), np.float64(1.0))

Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 4.6 and appendix C.
"""

import numpy as np

from ..data import Parameters, Places, patches
from ..nodes import normalize
from .neighbours import check_finite
from .svm import blocks

ROUNDING = 1e-6  # of colours on their way there and back
NOTHING = (1, 1, 0)  # v^power factor + offset


def _contrast(field, place):
    def parameters(m, n):
        changes = np.tile(np.array(NOTHING, np.float32), (n, 1))
        changes[:, place] = m
        return Parameters(**{field: changes})

    return parameters


TRANSFORMATIONS = {  # what a magnitude does to n images; none: 0 or 1
    "translation": lambda m, n: Parameters(shift=np.tile(np.array([0, m], np.float32), (n, 1))),
    "scale": lambda m, n: Parameters(scale=np.full(n, m, np.float32)),
    "rotation": lambda m, n: Parameters(angle=np.full(n, np.radians(m), np.float32)),
    "hue": lambda m, n: Parameters(hue=np.full(n, m, np.float32)),
    **{
        f"{field} {name}": _contrast(field, place)
        for field in ("saturation", "value")
        for place, name in enumerate(("power", "factor", "offset"))
    },
}


def transformed(X, name, magnitude, size=None):
    """The middle of each image after a transformation: (n, c, size, size), in [0, 1].

    X: (n, c, h, w), of bytes or in [0, 1]; colours want c = 3. name and magnitude: "translation",
    of the window to the right, share of size; "scale", a factor; "rotation", degrees, content turns
    counter-clockwise; "hue", share of the circle; "saturation" or "value" with "power", "factor" or
    "offset". size: a smaller one leaves a margin for what is moved in from outside; by default h
    and w, mirrored outside.
    Raises ValueError for another name, and for a magnitude that is not finite, a scale not above 0
    or a power below 0.
    """
    if name not in TRANSFORMATIONS:
        raise ValueError(f"transformed: one of {', '.join(TRANSFORMATIONS)}, not {name!r}")
    if (
        not np.isfinite(magnitude)
        or (name == "scale" and magnitude <= 0)
        or (name.endswith("power") and magnitude < 0)
    ):
        raise ValueError(
            "transformed: magnitudes are finite, of a scale above 0, of a power 0 or more, "
            f"not {name} {magnitude}"
        )
    n, _, h, w = X.shape
    middle = Places(np.arange(n), np.full((n, 2), [(h - 1) / 2, (w - 1) / 2]))
    neutral = 1 if name == "scale" or name.endswith(("power", "factor")) else 0
    p = Parameters() if magnitude == neutral else TRANSFORMATIONS[name](magnitude, n)
    return patches(X, middle, p, (h, w) if size is None else size)


def distance_curves(features, X, name, magnitudes, size=None):
    """Mean |g(x) - g(T x)| for each magnitude of a transformation T, as shares of the largest.

    features: a function from images to features (n, d), or to blocks of them, each made a unit
    vector for each image; X, name, size: as for `transformed`. Returns a curve (m,) for each block.
    The magnitude at which nothing is changed, 0 or 1, gives 0. A curve of zeros stays one; else its
    maximum is 1, so that curves of features of any variability can be compared: the lower one is
    the more invariant.
    Raises ValueError as `transformed` does, and for features that are not finite, as of images
    that are not.
    """

    def unit(name, m):
        found = blocks(features(transformed(X, name, m, size)))
        for F in found:
            check_finite("distance_curves", F)
        return [normalize(F) for F in found]

    before = unit("translation", 0)
    D = np.array(
        [
            [np.linalg.norm(F - G, axis=1).mean() for F, G in zip(unit(name, m), before)]
            for m in magnitudes
        ],
        float,
    ).T
    D[D < ROUNDING] = 0
    top = D.max(1, keepdims=True)
    return list(D / np.where(top > 0, top, 1))


def accuracy_curve(accuracy, X, T, name, magnitudes, size=None):
    """Accuracy on images transformed more and more: (m,).

    accuracy: a function of images and labels, as one that takes features, scales them as those
    learned from, and asks an `SVM`; others: as for `transformed`. What was learned from is the
    middle of images as they are.
    """
    return np.array([accuracy(transformed(X, name, m, size), T) for m in magnitudes])
