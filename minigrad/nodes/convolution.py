"""Convolution of images with filters.

>>> import numpy as np
>>> X, W, b = np.ones((2, 3, 8, 8)), np.ones((4, 3, 5, 5)), np.zeros(4)
>>> conv(X, (W, b), padding=2).shape
(2, 4, 8, 8)
"""

from ..engine import node
from ..kernels import im2col
from ..kernels.windows import sliding
from ..tree import needed

ALGORITHMS = ("auto", "im2col")


@node
def conv(X, U, stride=1, padding=0, dilation=1, groups=1, algorithm="auto"):
    """Z_k = b_k + sum_c W_kc * X_c, * the cross-correlation, called convolution as everyone does.

    X: (n, c, h, w); U = (W, b) with W: (k, c / groups, r, s) and b: (k,) or None; Z: (n, k, h', w')
    with h' = (h + padding - dilation (r - 1) - 1) // stride + 1.
    stride, dilation: a number or (h, w), 1; padding with zeros: a number, (h, w), ((top, bottom),
    (left, right)) or "same", none by default; groups: each sees its share of c and makes its share
    of k, 1; algorithm: "im2col" (`minigrad.kernels.im2col`) or "auto", which chooses by shape.
    Raises ValueError if channels, groups or sizes do not fit, or the algorithm is unknown.
    Source: lecture, convolution.

    >>> import numpy as np
    >>> conv(np.ones((1, 1, 3, 3)), (np.ones((1, 1, 2, 2)), None))
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    W, b = U
    check_fit(X, W, b, groups, algorithm)
    g = sliding("conv", X.shape[2:], W.shape[2:], stride, padding, dilation)
    Z = im2col.forward(X, W, g, groups)
    if b is not None:
        Z = Z + b[:, None, None]

    def back(dZ, dX, dU):
        dW, db = dU
        if needed(dW):
            dW += im2col.weights_gradient(X, dZ, g, groups)
        if b is not None:
            db += dZ.sum((0, 2, 3))
        if needed(dX):
            dX += im2col.input_gradient(W, dZ, g, X.shape[2:], groups)

    return Z, back


def check_fit(X, W, b, groups, algorithm):
    """Raise ValueError unless channels and groups fit together, and the algorithm is known."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"conv: algorithm is one of {', '.join(ALGORITHMS)}, not {algorithm!r}")
    if X.ndim != 4 or W.ndim != 4:
        raise ValueError(f"conv: X is (n, c, h, w) and W (k, c, r, s), not {X.shape} and {W.shape}")
    if groups < 1 or X.shape[1] % groups or W.shape[0] % groups:
        raise ValueError(
            f"conv: {groups} groups do not divide {X.shape[1]} channels into {W.shape[0]} filters"
        )
    if X.shape[1] != W.shape[1] * groups:
        raise ValueError(
            f"conv: X has {X.shape[1]} channels {X.shape} but "
            f"W takes {W.shape[1] * groups} {W.shape}"
        )
    if b is not None and b.shape != W.shape[:1]:
        raise ValueError(f"conv: W makes {W.shape[0]} maps {W.shape} but b is {b.shape}")
