"""Kernels for arrays on the GPU: the doors to `gather.cu`, and their place beside NumPy's code.

Each does what the NumPy function that it stands for does, with the same arguments. They take
float32 and float64, each in its own precision, images in either memory order, through their
strides; they are compiled once for each dtype and need a CUDA device only when they are called.

>>> import numpy as np
>>> @on_gpu(columns)
... def numpy_columns(X, g, groups=1):
...     return "NumPy's"
>>> numpy_columns(np.zeros((1, 1, 2, 2)), None)
"NumPy's"
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import array_module
from .memory import empty
from .order import as_images, batch_last, empty_like, is_batch_last
from .windows import Sliding

TEXT = Path(__file__).with_name("gather.cu")
REALS = {"float32": "float", "float64": "double"}
BLOCK = 256  # threads
CHUNK_BYTES = 1 << 28  # of columns at a time: large products for the GPU, a bounded place for them


def on_gpu(kernel: Callable) -> Callable:
    """Decorate NumPy's code with the kernel that stands in for it on arrays of the GPU.

    The first argument decides. The decorated function has its NumPy form as `.plain`.
    """

    def beside(f):
        @functools.wraps(f)
        def call(array, *args, **options):
            chosen = f if isinstance(array, np.ndarray) else kernel
            return chosen(array, *args, **options)

        call.plain = f
        return call

    return beside


def chunk_bytes(A):
    """How many bytes of columns are made at a time."""
    return CHUNK_BYTES


def products(A, B):
    """The matrix product of every A and B, one at a time: (groups, n, k), (groups, k, m).

    CuPy's product of many matrices copies those that are transposed, and knows no TF32.
    """
    xp = array_module(A)
    Z = xp.empty((len(A), A.shape[1], B.shape[2]), xp.result_type(A, B))
    for a, b, z in zip(A, B, Z):
        xp.matmul(a, b, out=z)
    return Z


def columns(X, g: Sliding, groups=1):
    """What windows see of images at every place: (groups, c / groups r s, places n)."""
    n, c = X.shape[:2]
    C = empty((c, *g.size, *g.out, n), X.dtype, array_module(X))
    launch("columns_of", C, batch_last(X), n, *window(X.shape, g))
    return C.reshape(groups, -1, g.out[0] * g.out[1] * n)


def from_columns(C, g: Sliding, shape):
    """Every column added back to the place it came from: images of a shape (n, c, h, w)."""
    n, c, h, w = shape
    xp = array_module(C)
    X = as_images(empty((h, w, c, n), C.dtype, xp))
    launch("images_of", X, xp.ascontiguousarray(C), n, c, *window(shape, g), 1)
    return X


def maximum(X, g: Sliding):
    """Z = the greatest entry of each window, padded by -inf."""
    Z = empty_like(X, (*X.shape[:2], *g.out), X.dtype)
    launch("maximum", Z, X, *X.shape[:2], *window(X.shape, g), is_batch_last(Z))
    return Z


def maximum_gradient(dX, X, Z, dZ, g: Sliding):
    """dX += dZ where X was the maximum of a window, for the first of equal ones, row by row."""
    n, c = X.shape[:2]
    launch("maximum_gradient", dX, X, Z, dZ, n, c, *window(X.shape, g), is_batch_last(dX))


def mean(X, g: Sliding):
    """Z = the mean of each window, over its cells inside the image."""
    Z = empty_like(X, (*X.shape[:2], *g.out), X.dtype)
    launch("mean", Z, X, *X.shape[:2], *window(X.shape, g), is_batch_last(Z))
    return Z


def mean_gradient(dX, dZ, g: Sliding):
    """dX += dZ / number of cells, for every cell of the window."""
    launch("mean_gradient", dX, dZ, *dX.shape[:2], *window(dX.shape, g), is_batch_last(dX))


def near(X, size):
    """Every channel plus those before and behind it, size // 2 of them: (n, c, h, w)."""
    Z = empty_like(X, X.shape, X.dtype)
    launch("near", Z, X, *X.shape, size // 2, is_batch_last(Z))
    return Z


def bilinear(X, index, y, x, Z):
    """Z[c, i, q] = X[index[i], c] at (y, x)[i, q], linear between the four pixels around it."""
    pixels = X.reshape(-1).astype(Z.dtype, copy=False)  # of bytes, too
    launch("bilinear", Z, pixels, index, y, x, *Z.shape, *X.shape[2:])


def window(shape, g: Sliding):
    """A window on images of a shape as a kernel takes it."""
    (top, _), (left, _) = g.padding
    return *shape[2:], *g.size, *g.stride, *g.dilation, top, left, *g.out


def launch(name: str, result: Any, *args: Any) -> None:
    """Run a kernel of `gather.cu` for every entry of the result, an array.

    Arrays get the dtype of the result, those of whole numbers 64 bits; images, which have four
    axes, go with their strides in entries, others without gaps, and so must the result be. Raises
    TypeError in another dtype than REALS.
    """
    if result.dtype.name not in REALS:
        raise TypeError(f"{name}: on the GPU in float32 or float64, not in {result.dtype}")
    passed: list[Any] = [np.int64(result.size)]
    for a in (result, *args):
        if isinstance(a, (int, np.integer)):
            passed.append(np.int64(a))
        elif isinstance(a, np.generic):
            passed.append(a)
        else:
            a = a.astype(np.int64 if a.dtype.kind in "iu" else result.dtype, copy=False)
            a = a if a.ndim == 4 else array_module(a).ascontiguousarray(a)
            passed += [a, *(np.int64(step // a.itemsize) for step in a.strides if a.ndim == 4)]
    if result.size:
        kernel = compiled(array_module(result), result.dtype.name).get_function(name)
        blocks = -(-result.size // BLOCK)
        kernel((blocks if blocks < 2**31 else 2**31 - 1,), (BLOCK,), tuple(passed))


@functools.cache
def compiled(xp: Any, dtype: str) -> Any:
    """All kernels for a dtype."""
    options = ("--std=c++17", f"-Dreal={REALS[dtype]}")
    return xp.RawModule(code=TEXT.read_text(), options=options)
