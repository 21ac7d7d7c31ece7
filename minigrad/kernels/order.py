"""Memory order: where the entries of images stand, whatever their shape says.

The shape of images is always (n, c, h, w). In memory the batch may come first or last:

    batch first, (n, c, h, w)                      batch last, (h, w, c, n)
    | image 0          | image 1          | ...    | pixel (0, 0)     | pixel (0, 1)     | ...
    | map 0   | map 1  | map 0   | map 1  |        | map 0   | map 1  | map 0   | map 1  |
    | p p p p | p p p p| p p p p | p p p p|        | n n n n | n n n n| n n n n | n n n n|

Batch last, one pixel of all images is a matrix (c, n) without gaps: weights multiply it from the
left, a shift of the window is a step over whole matrices, and whatever is done per channel or per
pixel runs over long rows. Batch first, the same entries lie n c h w apart. Which one an array has
shows in its strides alone; nodes keep the order they are given, and gradients have that of their
values. `conv` alone gives batch-last maps whatever it gets: what begins batch-first is converted
once, at the first layer.

>>> X = np.zeros((2, 3, 4, 5))
>>> L = batch_last(X)
>>> L.shape, L.strides, is_batch_last(X), is_batch_last(L)
((2, 3, 4, 5), (8, 16, 240, 48), False, True)
>>> pixels(L).shape, pixels(L).flags.c_contiguous
((4, 5, 3, 2), True)
"""

from typing import Any

import numpy as np

from ..backend import array_module
from .memory import empty


def is_batch_last(X: Any) -> bool:
    """True if the batch axis of X (n, ...) is the one whose entries are neighbours in memory."""
    if X.flags.c_contiguous or X.ndim < 2:
        return False
    n, *others = [step * step for step in X.strides]  # a step may go backwards
    return all(n <= step for step in others)


def batch_last(X: Any) -> Any:
    """The images (n, c, h, w) batch-last in memory: X itself if it is, else a copy."""
    P = pixels(X)
    return as_images(P)


def pixels(X: Any) -> Any:
    """Images (n, c, h, w) as (h, w, c, n) without gaps: a view of batch-last ones, else a copy."""
    P = X.transpose(2, 3, 1, 0)
    if P.flags.c_contiguous:
        return P
    C = empty(P.shape, P.dtype, array_module(X))
    C[...] = P
    return C


def as_images(P: Any) -> Any:
    """What is (h, w, c, n) seen as images: (n, c, h, w)."""
    return P.transpose(3, 2, 0, 1)


def empty_images(shape: tuple[int, ...], dtype: Any, xp: Any, order: str) -> Any:
    """Images (n, c, h, w) of whatever values, the batch "first" or "last" in memory."""
    if order == "first":
        return empty(shape, dtype, xp)
    n, c, h, w = shape
    return as_images(empty((h, w, c, n), dtype, xp))


def empty_like(X: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """An array of that shape, of whatever values, in the memory order of X.  Both (n, ...)."""
    xp = array_module(X)
    if len(shape) == 4 and is_batch_last(X):
        return empty_images(shape, dtype, xp, "last")
    if is_batch_last(X):
        return empty(shape[::-1], dtype, xp).T
    return empty(shape, dtype, xp)


def like(A: Any, X: Any) -> Any:
    """The array A in the memory order and on the device of X, of its shape: A itself if it is."""
    A = array_module(X).asarray(A)
    if is_batch_last(A) == is_batch_last(X):
        return A
    C = empty_like(X, A.shape, A.dtype)
    C[...] = A
    return C


def reshape(A: Any, shape: tuple[int, ...]) -> Any:
    """A read in C order into another shape, still batch-last if A is and the batch stays.

    >>> X = np.arange(24).reshape(2, 3, 2, 2)
    >>> Z = reshape(batch_last(X), (2, 12))
    >>> np.array_equal(Z, X.reshape(2, 12)), is_batch_last(Z)
    (True, True)
    """
    if not (is_batch_last(A) and np.ndim(shape) and len(shape) > 1 and shape[0] == len(A)):
        return A.reshape(shape)
    return np.moveaxis(np.moveaxis(A, 0, -1).reshape(*shape[1:], len(A)), -1, 0)
