"""What convolution and pooling do, the other way round: from small maps to large ones.

>>> import numpy as np
>>> X = np.array([[[[1.0, 2.0], [5.0, 3.0]]]])
>>> upsample(maxpool(X, 2), switches=maxpool_switches(X, 2))
array([[[[0., 0.],
         [5., 0.]]]])
"""

import numpy as np

from ..backend import array_module
from ..engine import detach, node
from ..kernels import im2col
from ..kernels.fused import convolve, convolve_back
from ..kernels.order import empty_like, like
from ..kernels.windows import border, pair, seen, sliding
from ..tree import needed
from .pooling import checked_windows, maxpool


@node
def deconv(X, U, stride=1, padding=0, dilation=1, groups=1, size=None):
    """Z_c = b_c + sum_k W_kc^T * X_k: the transposed convolution, `conv`'s gradient by its input.

    X: (n, k, h', w'); U = (W, b) with W: (k, c / groups, r, s) as in the `conv` that it transposes
    and b: (c,) or None; Z: (n, c, h, w). Whatever X and Y, the sum of X conv(Y, (W, None)) is that
    of Y deconv(X, (W, None)), with the same options.
    stride, padding, dilation, groups: those of the `conv`; size: (h, w) of its input, as several
    sizes can give X's; by default the smallest, h = (h' - 1) stride + dilation (r - 1) + 1
    - padding (with "same": h' stride).
    Raises ValueError if channels or groups do not fit, or the `conv` makes other maps of that size.
    Source: Zeiler and Fergus, ECCV 2014, section 2.1.

    >>> deconv(np.ones((1, 1, 2, 2)), (np.ones((1, 1, 2, 2)), None))
    array([[[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]]])
    """
    W, b = U
    check_fit(X, W, b, groups)
    if size is None:
        size = smallest(X.shape[2:], W.shape[2:], stride, padding, dilation)
    size = pair("deconv", "size", size)
    g = sliding("deconv", size, W.shape[2:], stride, padding, dilation)
    if g.out != X.shape[2:]:
        raise ValueError(
            f"deconv: X has maps of {X.shape[2:]}, but the conv makes {g.out} of size {size}"
        )
    Y = empty_like(X, (len(X), W.shape[1] * groups, *size), X.dtype)  # the conv's, for its shape
    _, Z = convolve_back(im2col.backward, None, Y, W, X, g, groups, (False, True))
    Z = like(Z, X)
    if b is not None:
        Z = Z + b[:, None, None]

    def back(dZ, dX, dU):
        dW, db = dU
        if needed(dW):
            dW += convolve_back(im2col.backward, None, dZ, W, X, g, groups, (True, False))[0]
        if b is not None:
            db += dZ.sum((0, 2, 3))
        if needed(dX):
            dX += convolve(im2col.forward, dZ, W, None, g, groups)[0]

    return Z, back


def smallest(out, window, stride, padding, dilation):
    """The least size (h, w) of images of which a convolution makes maps of size out."""
    stride, dilation = pair("deconv", "stride", stride), pair("deconv", "dilation", dilation)
    if padding == "same":
        return tuple([n * step for n, step in zip(out, stride)])
    sides = [before + after for before, after in border("deconv", padding)]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, window)]
    return tuple([(n - 1) * s + r - p for n, s, r, p in zip(out, stride, reach, sides)])


def check_fit(X, W, b, groups):
    """Raise ValueError unless channels and groups fit together."""
    if X.ndim != 4 or W.ndim != 4:
        raise ValueError(
            f"deconv: X is (n, k, h, w) and W (k, c, r, s), not {X.shape} and {W.shape}"
        )
    if X.shape[1] != W.shape[0]:
        raise ValueError(
            f"deconv: X has {X.shape[1]} channels {X.shape} but W takes {W.shape[0]} {W.shape}"
        )
    if groups < 1 or W.shape[0] % groups:
        raise ValueError(f"deconv: {groups} groups do not divide {W.shape[0]} channels")
    if b is not None and b.shape != (W.shape[1] * groups,):
        raise ValueError(f"deconv: W makes {W.shape[1] * groups} maps {W.shape} but b is {b.shape}")


@node
def upsample(X, factor=2, size=None, *, switches=None):
    """Z = X with every entry repeated factor times along both axes; Z[switches] = X with switches.

    X: (n, c, h', w'), Z: (n, c, h, w); factor: a number or (vertical, horizontal), 2; size: (h, w),
    h' and w' times the factor by default; what is repeated beyond it is cut off, as behind a
    pooling with ceil. switches: positions y w + x in Z, integers like X as `maxpool_switches` gives
    them; Z is 0 elsewhere, and what goes to the same position adds up.
    Raises ValueError if repeating X does not make the size, or switches do not fit X and size.
    Source: Zeiler and Fergus, ECCV 2014, section 2.1.

    >>> upsample(np.array([[[[1.0, 2.0]]]]))
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """
    if X.ndim != 4:
        raise ValueError(f"upsample: X is (n, c, h, w), not {X.shape}")
    factors = pair("upsample", "factor", factor)
    size = [n * f for n, f in zip(X.shape[2:], factors)] if size is None else size
    h, w = pair("upsample", "size", size)
    if switches is None:
        g = sliding("upsample", (h, w), factors, factors, ceil=True)
        if g.out != X.shape[2:]:
            raise ValueError(f"upsample: {X.shape[2:]} repeated {factors} times is not {(h, w)}")
    else:
        check_switches(X, switches, h, w)
    Z = np.zeros_like(X, shape=(*X.shape[:2], h, w))
    if switches is None:
        for places, rows in seen(g, (h, w), 0):
            for columns, cells in seen(g, (h, w), 1):
                Z[:, :, rows, cells] = X[:, :, places, columns]
    else:
        xp = array_module(X)
        n, c = (xp.arange(count) for count in X.shape[:2])
        where = (n[:, None, None, None], c[:, None, None], switches // w, switches % w)
        xp.add.at(Z, where, X)

    def back(dZ, dX):
        if switches is not None:
            dX += dZ[where]
        else:
            for places, rows in seen(g, (h, w), 0):
                for columns, cells in seen(g, (h, w), 1):
                    dX[:, :, places, columns] += dZ[:, :, rows, cells]

    return Z, back


def check_switches(X, switches, h, w):
    """Raise ValueError unless there is a position below h w for each entry of X."""
    if switches.shape != X.shape:
        raise ValueError(f"upsample: X is {X.shape}, so are switches, not {switches.shape}")
    if switches.size and not (switches.min() >= 0 and switches.max() < h * w):
        wrong = switches.min() if switches.min() < 0 else switches.max()
        raise ValueError(f"upsample: switch {wrong} is no position in maps of {h} x {w}")


def maxpool_switches(X, size, stride=None, padding=0, ceil=False):
    """Where `maxpool` found its maxima: positions y w + x in the image, integers (n, c, h', w').

    X: (n, c, h, w), an array or a Node; the options are those of `maxpool`. Of equal maxima the
    first, row by row. They say where `upsample(Z, size=X.shape[2:], switches=...)` puts entries.

    >>> maxpool_switches(np.array([[[[1.0, 2.0], [5.0, 3.0]]]]), 2)
    array([[[[2]]]])
    """
    X = detach(X)
    g = checked_windows("maxpool_switches", X, size, stride, padding, ceil)
    image, Z = X.shape[2:], maxpool(X, size, stride, padding, ceil)
    S = empty_like(X, Z.shape, np.int64)
    S[...] = image[0] * image[1]
    at = array_module(X).arange(image[0] * image[1]).reshape(image)
    for places, rows in seen(g, image, 0):
        for columns, cells in seen(g, image, 1):
            here = X[:, :, rows, cells] == Z[:, :, places, columns]
            first = S[:, :, places, columns]
            np.minimum(first, np.where(here, at[rows, cells], first), out=first)
    return S
