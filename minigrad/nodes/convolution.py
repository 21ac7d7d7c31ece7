"""Convolution of images with filters, alone and with what follows it in a network.

>>> import numpy as np
>>> X, W, b = np.ones((2, 3, 8, 8)), np.ones((4, 3, 5, 5)), np.zeros(4)
>>> conv(X, (W, b), padding=2).shape
(2, 4, 8, 8)
"""

import numpy as np

from ..engine import block, node
from ..kernels import direct, fourier, im2col
from ..kernels.fused import convolve, convolve_back, convolve_pool, convolve_pool_back
from ..kernels.windows import sliding
from ..tree import needed
from .layers import relu
from .pooling import maxpool
from .shape import reshape, transpose

ALGORITHMS = ("auto", "im2col", "direct", "fourier")


@node
def conv(X, U, stride=1, padding=0, dilation=1, groups=1, algorithm="auto"):
    """Z_k = b_k + sum_c W_kc * X_c, * the cross-correlation, called convolution as everyone does.

    X: (n, c, h, w); U = (W, b) with W: (k, c / groups, r, s) and b: (k,) or None; Z: (n, k, h', w')
    with h' = (h + padding - dilation (r - 1) - 1) // stride + 1.
    stride, dilation: a number or (h, w), 1; padding with zeros: a number, (h, w), ((top, bottom),
    (left, right)) or "same", none by default; groups: each sees its share of c and makes its share
    of k, 1; algorithm: "im2col", "direct", "fourier" (the modules of `minigrad.kernels`) or "auto",
    which chooses by shape (`automatic`). Z is batch-last in memory (`minigrad.kernels.order`),
    whatever X is: converted once, at the first layer.
    Raises ValueError if channels, groups or sizes do not fit, or the algorithm is unknown or does
    not do this. Source: lecture, convolution.

    >>> import numpy as np
    >>> conv(np.ones((1, 1, 3, 3)), (np.ones((1, 1, 2, 2)), None))
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    W, b = U
    check_fit("conv", X, W, b, groups, algorithm)
    g = sliding("conv", X.shape[2:], W.shape[2:], stride, padding, dilation)
    algorithm = for_arrays("conv", X, W, algorithm)
    kernel = chosen("conv", algorithm, X.shape, W.shape, g)
    Z, kept = convolve(kernel.forward, X, W, b, g, groups)

    def back(dZ, dX, dU):
        dW, db = dU
        wanted = needed(dW), needed(dX)
        gW, gX = convolve_back(kernel.backward, kept, X, W, dZ, g, groups, wanted)
        if needed(dW):
            dW += gW
        if b is not None:
            db += dZ.sum((0, 2, 3))
        if needed(dX):
            dX += gX

    return Z, back


@node
def conv_pool(X, U, pool=2, stride=1, padding=0, dilation=1, groups=1, algorithm="auto"):
    """Z = max(0, maximum of (W * X + b) over blocks of pool x pool), in one pass over memory.

    X, U and the options as in `conv`; pool: side of the blocks, which do not overlap, 2 by default,
    1 for none; Z: (n, k, h' // pool, w' // pool), batch-last. Equal to `conv_pool_simple`; what it
    saves, and why, is in `minigrad.kernels.fused`.
    Raises ValueError as `conv` does, and if no block fits.

    >>> import numpy as np
    >>> conv_pool(np.ones((1, 1, 5, 5)), (np.ones((1, 1, 2, 2)), np.ones(1)))
    array([[[[5., 5.],
             [5., 5.]]]])
    """
    W, b = U
    check_fit("conv_pool", X, W, b, groups, algorithm)
    g = sliding("conv_pool", X.shape[2:], W.shape[2:], stride, padding, dilation)
    check_blocks(pool, g)
    algorithm = for_arrays("conv_pool", X, W, algorithm)
    kernel = chosen("conv_pool", algorithm, X.shape, W.shape, g)
    Z, kept = convolve_pool(kernel.forward, X, W, b, g, groups, pool)

    def back(dZ, dX, dU):
        dW, db = dU
        wanted = needed(dW), needed(dX)
        gW, gb, gX = convolve_pool_back(kernel.backward, kept, X, W, Z, dZ, g, groups, pool, wanted)
        if needed(dW):
            dW += gW
        if b is not None:
            db += gb
        if needed(dX):
            dX += gX

    return Z, back


@block
def conv_pool_simple(X, U, pool=2, **options):
    """Z = relu(maxpool(conv(X, U), pool)): what `conv_pool` is, in plain nodes.

    >>> conv_pool_simple(np.ones((1, 1, 5, 5)), (np.ones((1, 1, 2, 2)), np.ones(1))).shape
    (1, 1, 2, 2)
    """
    return relu(maxpool(conv(X, U, **options), pool))


@block
def slide(X, U, size):
    """A = what `affine` gives at every place of larger maps: a convolution with W as filters.

    X: (n, c, h, w); U = (W, b) with W: (c r s, k) of an affine map behind `flatten` of (n, c, r, s)
    and b: (k,) or None; size: (r, s) or one number for both; A: (n, k, h - r + 1, w - s + 1).
    Raises ValueError if W has not c r s rows, or the maps are smaller than size.
    Source: Dosovitskiy et al., TPAMI 2016, section 4.1.

    >>> slide(np.ones((1, 3, 4, 4)), (np.ones((12, 2)), np.zeros(2)), 2).shape
    (1, 2, 3, 3)
    """
    W, b = U
    r, s = (size, size) if np.ndim(size) == 0 else size
    c, (d, k) = X.shape[1], W.shape
    if d != c * r * s:
        raise ValueError(f"slide: {c} channels {X.shape} of {r} x {s} are not the {d} rows of W")
    return conv(X, (reshape(transpose(W), (k, c, r, s)), b))


def for_arrays(name, X, W, algorithm):
    """The algorithm; "auto" is "im2col" on a GPU, few large products, and for other numbers.

    Raises ValueError for "fourier" with other numbers than float32 and float64.
    """
    dtype = np.result_type(X, W)
    real = dtype in (np.float32, np.float64)
    if algorithm == "fourier" and not real:
        raise ValueError(f"{name}: the algorithm fourier is for float32 and float64, not {dtype}")
    plain = not (real and isinstance(X, np.ndarray))
    return "im2col" if algorithm == "auto" and plain else algorithm


def chosen(name, algorithm, image, filters, g):
    """The kernel of an algorithm; raises ValueError if it does not do this."""
    if algorithm == "auto":
        algorithm = automatic(image, filters, g)
    if algorithm == "fourier" and g.stride != (1, 1):
        raise ValueError(f"{name}: the algorithm fourier does stride 1 only, not {g.stride}")
    if algorithm == "im2col":
        return im2col
    return direct if algorithm == "direct" else fourier


def automatic(image, filters, g):
    """The algorithm that "auto" stands for, by shapes (n, c, h, w) and (k, c / groups, r, s).

    Milliseconds of forward and all gradients on one core, from the table that
    `benchmarks/algorithms.py` prints (`benchmarks/README.md` has all of it):

        images            filters           im2col  direct  fourier
        1 x 64 x 16 x 16      64c5             3.3    41.0      8.8  few images: small products
        128 x 64 x 16 x 16    64c5             427     267       51  the usual: fewest products
        128 x 3 x 32 x 32     64c5             126      60       88  few channels
        64 x 128 x 16 x 16    128c1             67      26       72  one product for each place
        64 x 64 x 32 x 32     128c3, stride 2  279     112        -  fourier has stride 1 only
        16 x 32 x 96 x 96     32c3             357     173      295  long transforms, few cells
    """
    n, _, h, w = image
    _, c, r, s = filters
    if n < 4:
        return "im2col"
    strided, single, few = g.stride != (1, 1), (r, s) == (1, 1), c < 5
    return "direct" if strided or single or few or h > 24 * r or w > 24 * s else "fourier"


def check_blocks(pool, g):
    """Raise ValueError unless blocks of outputs fit into them."""
    if not isinstance(pool, (int, np.integer)) or not 1 <= pool <= sorted(g.out)[0]:
        raise ValueError(
            f"conv_pool: pool is a whole number from 1 to the smaller side of the outputs {g.out}, "
            f"not {pool!r}"
        )


def check_fit(name, X, W, b, groups, algorithm):
    """Raise ValueError unless channels and groups fit together, and the algorithm is known."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"{name}: algorithm is one of {', '.join(ALGORITHMS)}, not {algorithm!r}")
    if X.ndim != 4 or W.ndim != 4:
        raise ValueError(
            f"{name}: X is (n, c, h, w) and W (k, c, r, s), not {X.shape} and {W.shape}"
        )
    if not isinstance(groups, (int, np.integer)):
        raise ValueError(f"{name}: groups is a whole number, not {groups!r}")
    if groups < 1 or X.shape[1] % groups or W.shape[0] % groups:
        raise ValueError(
            f"{name}: {groups} groups do not divide {X.shape[1]} channels into {W.shape[0]} filters"
        )
    if X.shape[1] != W.shape[1] * groups:
        raise ValueError(
            f"{name}: X has {X.shape[1]} channels {X.shape} but "
            f"W takes {W.shape[1] * groups} {W.shape}"
        )
    if b is not None and b.shape != W.shape[:1]:
        raise ValueError(f"{name}: W makes {W.shape[0]} maps {W.shape} but b is {b.shape}")
