"""Transformations of many images at once: one affine map each, then contrast.

>>> rng = np.random.default_rng(0)
>>> X = rng.random((5, 1, 16, 16), np.float32)
>>> transform(X, draw(5, rng)).shape
(5, 1, 16, 16)
"""

from typing import NamedTuple

import numpy as np

from ..kernels import cuda


class Ranges(NamedTuple):
    """How far transformations may go; the defaults are the Exemplar paper's (section 2).

    shift: share of the side, each way; scale: factors, log-uniform; rotation: degrees, each way;
    contrast: x^p m + a with p and m in 2^[-contrast, contrast] and a in [-offset, offset].
    """

    shift: float = 0.2
    scale: tuple[float, float] = (0.7, 1.4)
    rotation: float = 20.0
    contrast: float = 1.0
    offset: float = 0.1


class Parameters(NamedTuple):
    """What is done to each of n images; shift: (n, 2) as (down, right), the others (n,).

    angle: radians, content turns counter-clockwise.
    """

    shift: np.ndarray
    scale: np.ndarray
    angle: np.ndarray
    power: np.ndarray
    factor: np.ndarray
    offset: np.ndarray


def draw(n, rng, ranges=Ranges()):  # noqa: B008 (immutable)
    """Parameters for n images, uniform in the ranges.

    >>> draw(3, np.random.default_rng(0)).shift.shape
    (3, 2)
    """

    def uniform(low, high, *shape):
        return rng.uniform(low, high, (n, *shape)).astype(np.float32)

    return Parameters(
        shift=uniform(-ranges.shift, ranges.shift, 2),
        scale=np.exp(uniform(*np.log(ranges.scale))),
        angle=np.radians(uniform(-ranges.rotation, ranges.rotation)),
        power=2 ** uniform(-ranges.contrast, ranges.contrast),
        factor=2 ** uniform(-ranges.contrast, ranges.contrast),
        offset=uniform(-ranges.offset, ranges.offset),
    )


def transform(X, parameters):
    """The images warped, then their contrast changed.  X: (n, c, h, w); parameters: of n images.

    Raises ValueError if the numbers differ.
    """
    p = parameters
    if len(X) != len(p.scale):
        raise ValueError(f"transform: {len(X)} images, but parameters of {len(p.scale)}")
    return contrast(warp(X, p.shift, p.scale, p.angle), p.power, p.factor, p.offset)


@cuda.on_gpu(cuda.warp)
def warp(X, shift, scale, angle):
    """Images moved, scaled and turned about their centre, resampled once, bilinear, 0 outside.

    Z(q) = X((R(-angle) q + shift side) / scale), q from the centre: what a window sees that is
    turned, 1 / scale as large and moved by shift of its own side.  X, Z: (n, c, h, w); shift:
    (n, 2) as (down, right); scale, angle (radians; the content turns counter-clockwise): (n,).
    Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 2.

    >>> X = np.zeros((1, 1, 3, 3)); X[0, 0, 0, 1] = 1
    >>> warp(X, np.zeros((1, 2)), np.ones(1), np.full(1, np.pi / 2))[0, 0].round(6)
    array([[0., 0., 0.],
           [1., 0., 0.],
           [0., 0., 0.]])
    """
    n, c, h, w = X.shape
    kind = X.dtype.type
    y, x = np.meshgrid(
        *(np.arange(side, dtype=kind) - kind(side - 1) / 2 for side in (h, w)), indexing="ij"
    )
    y, x = y.ravel(), x.ravel()
    scale = np.asarray(scale, kind)[:, None]
    sine, cosine = [f(angle).astype(kind)[:, None] / scale for f in (np.sin, np.cos)]
    down, right = np.asarray(shift, kind).T[..., None]
    sy = cosine * y + sine * x + kind(h - 1) / 2 + down * h / scale
    sx = cosine * x - sine * y + kind(w - 1) / 2 + right * w / scale

    # a border of zeros: what lies outside is there, one pixel further all is the same
    P = np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1))).reshape(n, c, -1)
    sy, sx = np.clip(sy, -1, h) + 1, np.clip(sx, -1, w) + 1
    top, left = np.minimum(sy.astype(np.intp), h), np.minimum(sx.astype(np.intp), w)
    fy, fx = ((s - i).astype(kind)[:, None] for s, i in ((sy, top), (sx, left)))
    corner = (top * (w + 2) + left)[:, None]
    a, b, d, e = (np.take_along_axis(P, corner + step, 2) for step in (0, 1, w + 2, w + 3))
    upper, lower = a + fx * (b - a), d + fx * (e - d)
    return (upper + fy * (lower - upper)).reshape(X.shape)


def contrast(X, power, factor, offset):
    """Z = X^power factor + offset, for each image.  X, Z: (n, c, h, w) in [0, 1]; others: (n,).

    Not clipped: a shift of all values is part of the variation.
    """
    power, factor, offset = (v[:, None, None, None] for v in (power, factor, offset))
    return X**power * factor + offset
