"""What gives the place of a patch away without a look at its content, and how it is taken out.

Lenses shrink green against red and blue about the centre of the image (chromatic aberration): who
sees the fringe knows the place. Lines run on from patch to patch, and pixels show the sharpness of
the lens. So colours are projected or dropped, and some patches lose their detail.
Source: Doersch, Gupta and Efros, ICCV 2015 (context prediction), section 3.1.

>>> (6 * PROJECTION).round().astype(int)
array([[ 5,  2, -1],
       [ 2,  2,  2],
       [-1,  2,  5]])
"""

import numpy as np

from ..backend import array_module
from ..kernels.order import as_images
from ..kernels.resampling import antialiased, separable

AXIS = np.array([-1, 2, -1])  # from magenta to green
PROJECTION = np.eye(3) - np.outer(AXIS, AXIS) / (AXIS @ AXIS)
NOISE = 0.01  # of the kept channel's deviation, in those dropped


def project(X):
    """Colours without their share of the green-magenta axis: Z = B X, B = I - a' a / (a a').

    a = (-1, 2, -1); X, Z: (n, 3, h, w), floats. Greys stay as they are.
    Raises ValueError for images without three channels, and of bytes.
    Source: section 3.1.

    >>> project(np.array([0.0, 1.0, 0.0]).reshape(1, 3, 1, 1)).ravel().round(4)
    array([0.3333, 0.3333, 0.3333])
    """
    three_channels("project", X)
    B = array_module(X).asarray(PROJECTION, X.dtype)
    return as_images(B @ X.transpose(2, 3, 1, 0))


def drop_colours(X, kept, noise=None):
    """Patches of which one channel is left, the other two are noise.

    X: (n, 3, h, w), floats of mean 0; kept: (n,), the channel that is left, 0 to 2; noise: as X, of
    deviation 1, in the dropped channels made a hundredth of the deviation of the kept one; None: 0.
    Raises ValueError for images without three channels, or of bytes, and for other channels.
    Source: section 3.1.

    >>> X = np.arange(6.0).reshape(1, 3, 1, 2) - 2.5
    >>> drop_colours(X, np.array([1])).ravel() + 0
    array([ 0. ,  0. , -0.5,  0.5,  0. ,  0. ])
    """
    three_channels("drop_colours", X)
    xp = array_module(X)
    kept = xp.asarray(kept)
    if kept.shape != X.shape[:1]:
        raise ValueError(f"drop_colours: X {X.shape} needs kept {X.shape[:1]}, not {kept.shape}")
    left = xp.arange(3) == kept[:, None]
    if not left.any(1).all():
        raise ValueError(f"drop_colours: kept is 0, 1 or 2, not {kept[~left.any(1)][0]}")
    left = left[..., None, None]
    Z = X.copy("K")
    Z *= left
    if noise is not None:
        # a row for each patch, whose sum does not depend on the others by a bit
        deviation = xp.ascontiguousarray(Z.sum(1)).reshape(len(Z), -1).std(1)[:, None, None, None]
        Z += noise * (~left * (NOISE * deviation).astype(X.dtype))
    return Z


def pixelate(X, sides):
    """Patches shrunk and enlarged again, both linearly, the shrinking a mean over all pixels.

    X: (n, c, s, s), floats; sides: (n,), the pixels to a side in between, 1 to s; s: as they are.
    Raises ValueError for images that are not square or of bytes, and other sides.
    Source: section 3.1, "downsampling some patches to as little as 100 total pixels".

    >>> pixelate(np.array([[[[0.0, 4.0], [8.0, 0.0]]]]), [1])
    array([[[[3., 3.],
             [3., 3.]]]])
    """
    sides, side = np.asarray(sides), X.shape[-1]
    floats("pixelate", X)
    if X.shape[-2] != side or (sides < 1).any() or (sides > side).any():
        raise ValueError(
            f"pixelate: patches are square and sides 1 to that of a patch, not {X.shape} and "
            f"{sides.min(initial=side)} to {sides.max(initial=1)}"
        )
    xp = array_module(X)
    Z = X.copy("K")
    for s in np.unique(sides[sides < side]):
        chosen = xp.asarray(np.flatnonzero(sides == s))
        down = antialiased([0], [side], int(s), side, X.dtype, xp)
        up = antialiased([0], [int(s)], side, int(s), X.dtype, xp)
        G = up @ down
        Z[chosen] = separable(xp.ascontiguousarray(X[chosen].swapaxes(0, 1)), G, G).swapaxes(0, 1)
    return Z


def three_channels(name, X):
    """ValueError unless X are images of three channels, in floats."""
    if X.ndim != 4 or X.shape[1] != 3:
        raise ValueError(f"{name}: images are (n, 3, h, w), red, green and blue, not {X.shape}")
    floats(name, X)


def floats(name, X):
    """ValueError unless X are images of floats."""
    if X.dtype.kind != "f":
        raise ValueError(f"{name}: images are of floats, as X / 255 of bytes, not {X.dtype}")
