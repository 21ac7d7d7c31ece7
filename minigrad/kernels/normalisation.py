"""Statistics of channels, and what is done with them, in pieces that stay in the cache.

V: images (n, c, h, w) or rows (n, c) as `by_view` shows them, (views, n / views, c, h, w); what
belongs to the channels of each view is (views, c). Pieces are runs of memory without gaps: some
images where the batch comes first, some rows of all images where it is last.
"""

import numpy as np

from .order import is_batch_last
from .parallel import each

PIECE_BYTES = 1 << 20  # with fewer, calls cost; with four times as many, they leave the cache


def by_view(X, views):
    """The view (views, n / views, c, h, w) of images, or of rows as images of one pixel."""
    return X.reshape(views, len(X) // views, *X.shape[1:], *(1,) * (4 - X.ndim))


def count(V, ranks=None):
    """How many values a channel of one view has; those of all ranks, if there are some."""
    m = V[0, :, 0].size
    return m if ranks is None else round(m * ranks.growth)


def shared(a, ranks):
    """A mean over this rank's samples as the mean over those of all ranks, if there are some."""
    return a if ranks is None else ranks.mean(a)


def broad(a):
    """What is (views, c), so that it broadcasts with V."""
    return a[:, None, :, None, None]


def moments(V, ranks=None):
    """Mean and variance of each channel, over all ranks if there are some: (views, c) both."""
    m = count(V)
    mean = shared(total(lambda i: np.einsum("vnchw->vc", V[i]), V) / m, ranks)

    def squares(i):
        D = V[i] - broad(mean)
        return np.einsum("vnchw,vnchw->vc", D, D)

    return mean, shared(total(squares, V) / m, ranks)


def unbiased(V, var, ranks=None):
    """The variance of what V is drawn from."""
    m = count(V, ranks)
    return var * (m / (m - 1))


def scaled(Z, V, s, t, S=None, relu=False):
    """Z = s V + t + S into Z, and the greater of that and 0."""
    s, t = broad(s), broad(t)

    def one(i):
        z = np.multiply(V[i], s, out=Z[i])
        z += t
        if S is not None:
            z += S[i]
        if relu:
            np.maximum(z, 0, out=z)

    each(one, pieces(V))


def products(V, mean, G):
    """Of each channel the sum of G, and that of G (V - mean): (views, c) both."""

    def one(i):
        D = V[i] - broad(mean)
        return np.stack([np.einsum("vnchw->vc", G[i]), np.einsum("vnchw,vnchw->vc", D, G[i])])

    return total(one, V)


def deposit(dV, G, V, a, b, t):
    """dV += a G + b V + t."""
    a, b, t = broad(a), broad(b), broad(t)

    def one(i):
        D = V[i] * b
        D += t
        D += a * G[i]
        dV[i] += D

    each(one, pieces(V))


def total(f, V):
    """The sum of f(piece) over the pieces of V, in their order whatever the threads do."""
    parts = list(pieces(V))
    found = [None] * len(parts)

    def one(k):
        found[k] = f(parts[k])

    each(one, range(len(parts)))
    return np.stack(found).sum(0)


def pieces(V):
    """Indices of the pieces of V."""
    last = is_batch_last(V[0])
    whole = V.shape[3 if last else 1]
    step = PIECE_BYTES * whole // (V.nbytes or 1) or 1
    for start in range(0, whole or 1, step):
        part = slice(start, start + step)
        yield (..., part, slice(None)) if last else (slice(None), part)
