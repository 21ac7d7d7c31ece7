"""What a patch is described by: SIFT, its pixels, maps of a network pooled to a few cells.

>>> patches = np.random.default_rng(0).random((2, 3, 64, 64), np.float32)
>>> raw(patches).shape, pooled_maps(patches).shape
((2, 4096), (2, 48))
"""

import numpy as np

from ..backend import array_module
from ..data.checks import in_range, white
from ..nodes import flatten, normalize, pyramid
from .ellipses import LUMINANCE, opencv

WINDOW = 6.0  # OpenCV's histograms cover 4 cells of 3 half sizes of a keypoint: six sizes


def sift(patches):
    """SIFT of each patch: (n, 128), float32, of norm about 512; of a patch of one colour, 0.

    By OpenCV, of one keypoint in the middle, upright, so large that its 4 x 4 cells cover the
    patch: nothing is searched for. patches: (n, c, s, s), bytes or in [0, 1], c 1 or 3, of which
    the luminance is taken.
    Raises ValueError for others, ImportError without OpenCV. Source: Lowe, IJCV 2004.
    """
    cv2 = opencv("sift")
    grey = greys("sift", patches)
    side = grey.shape[1]
    finder, middle = cv2.SIFT_create(), (side - 1) / 2
    F = np.zeros((len(grey), 128), np.float32)
    for patch, row in zip(np.rint(grey * 255).clip(0, 255).astype(np.uint8), F):
        keypoint = cv2.KeyPoint(middle, middle, side / WINDOW, 0)
        _, found = finder.compute(patch, [keypoint])
        row[:] = found[0]
    return F


def raw(patches):
    """The patch itself: luminance, less its mean, of unit length: (n, s s); of one colour, 0.

    patches: as for `sift`.
    """
    F = flatten(greys("raw", patches))
    F = F - F.mean(1, keepdims=True)
    F[(abs(F) < 1e-6).all(1)] = 0  # else rounding would be made a pattern
    return normalize(F)


def pooled_maps(maps, cells=4):
    """The greatest value of each map in cells x cells cells: (n, c cells^2).

    maps: (n, c, h, w); cells: 4, as many as SIFT has. Cell i of g along a side h goes from
    floor(i h / g) to ceil((i + 1) h / g), so that cells overlap where h is no multiple of g; a map
    of one value stays one.
    Raises ValueError for cells below 1, and as `pyramid` does.
    Source: Dosovitskiy et al., TPAMI 2016, section 5.1.

    >>> pooled_maps(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[ 5.,  7., 13., 15.]])
    """
    if not isinstance(cells, (int, np.integer)) or cells < 1:
        raise ValueError(f"pooled_maps: cells is a whole number, at least 1, not {cells!r}")
    if maps.shape[2:] == (1, 1):
        return flatten(maps)
    return flatten(pyramid(maps, (cells,), "adaptive"))


def greys(name, patches):
    """Patches (n, c, s, s) of 1 or 3 channels as float32 (n, s, s), luminance in [0, 1]."""
    if patches.ndim != 4 or patches.shape[1] not in (1, 3) or patches.shape[2] != patches.shape[3]:
        raise ValueError(f"{name}: patches are (n, 1 or 3, s, s), not {patches.shape}")
    if patches.shape[2] == 0:
        raise ValueError(f"{name}: patches have a pixel at least, not {patches.shape}")
    in_range(name, patches)
    if patches.dtype == np.uint8:
        patches = patches / np.float32(white(patches))
    if patches.shape[1] == 1:
        return patches[:, 0].astype(np.float32)
    weights = array_module(patches).asarray(LUMINANCE, np.float32)
    return np.einsum("c,ncyx->nyx", weights, patches)
