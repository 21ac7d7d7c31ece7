"""What functions on images are given: read, and checked with sentences that name the function."""

import numpy as np

ROUNDED = 1e-6  # beyond [0, 1], where resampling may end


def pair(size):
    """(h, w) of a number, or of two."""
    return (size, size) if np.ndim(size) == 0 else tuple(size)


def white(X):
    """What stands for 1 in images of X's dtype."""
    return 255 if X.dtype == np.uint8 else 1


def valued(name, X):
    """ValueError unless X are images of floats or bytes."""
    if X.ndim != 4 or not (X.dtype.kind == "f" or X.dtype == np.uint8):
        raise ValueError(
            f"{name}: images are (n, c, h, w), of floats or bytes, not {X.shape} {X.dtype}"
        )


def in_range(name, X):
    """ValueError unless X are images of bytes, or of floats in [0, 1]."""
    valued(name, X)
    if X.dtype.kind == "f" and X.size and not (X.min() >= -ROUNDED and X.max() <= 1 + ROUNDED):
        raise ValueError(
            f"{name}: images of floats lie in [0, 1], these {X.shape} reach from "
            f"{float(X.min()):.4g} to {float(X.max()):.4g}"
        )


def exist(name, index, X):
    """ValueError unless there is an image for each index."""
    if len(index) and not 0 <= np.min(index) <= np.max(index) < len(X):
        raise ValueError(
            f"{name}: index is 0 to {len(X) - 1} for {len(X)} images, not "
            f"{np.min(index)} to {np.max(index)}"
        )


def as_many(name, n, parameters):
    """ValueError unless all parameters, a named tuple of arrays or None, are of n images."""
    for field, values in parameters._asdict().items():
        if values is not None and len(values) != n:
            raise ValueError(f"{name}: {n} images, but parameters of {len(values)} ({field})")


def ordered(name, order):
    """ValueError unless order is one of memory."""
    if order not in ("first", "last"):
        raise ValueError(f'{name}: order is "first" or "last", not {order!r}')
