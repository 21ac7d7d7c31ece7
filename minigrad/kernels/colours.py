"""Colours as hue, saturation and value, for whole planes of pixels.

>>> R = np.array([[[0.2]], [[0.5]], [[0.8]]])
>>> H, S, V = hsv(R)
>>> [plane.round(6).item() for plane in (H / 6, S, V)]
[0.583333, 0.75, 0.8]
>>> rgb(H, S, V, R)
>>> R.ravel().round(6)
array([0.2, 0.5, 0.8])
"""

from typing import Any

import numpy as np

from ..backend import array_module
from .memory import empty


def luminance_weights(channels: int) -> np.ndarray:
    """How much each channel counts in the luminance: of three by BT.601, of others alike."""
    return np.array([0.299, 0.587, 0.114]) if channels == 3 else np.full(channels, 1 / channels)


def luminance(R: Any) -> Any:
    """The weighted mean of the channels.  R: (c, n, q), a new array (n, q)."""
    xp = array_module(R)
    return xp.tensordot(xp.asarray(luminance_weights(len(R)), R.dtype), R, 1)


def blend(R: Any, factor: Any, reference: Any) -> None:
    """R becomes factor R + (1 - factor) reference, clipped to [0, 1].

    R: (c, n, q); factor: (n,), beyond 1 away from the reference, which is (n, q) or (n, 1).
    """
    factor = factor[:, None]
    R *= factor
    R += (1 - factor) * reference
    np.clip(R, 0, 1, out=R)


def hsv(R: Any) -> tuple[Any, Any, Any]:
    """H in sixths of the circle from -1 to 5, S and V from 0 to 1.  R: (3, n, q) in [0, 1].

    V = max(r, g, b), C = V - min(r, g, b), S = C / V; H = (g - b) / C if red is the greatest,
    2 + (b - r) / C if green is, 4 + (r - g) / C if blue is. Grey has H = 0, black S = 0. New
    arrays (n, q).
    """
    r, g, b = R
    tiny = np.finfo(R.dtype).tiny  # added, it changes nothing but 0: 0 / tiny = 0
    xp = array_module(R)
    V, C, H, S, T = (empty(r.shape, R.dtype, xp) for _ in range(5))
    red, green, blue = (empty(r.shape, bool, xp) for _ in range(3))
    np.maximum(r, g, out=V)
    np.maximum(V, b, out=V)
    np.minimum(r, g, out=C)
    np.minimum(C, b, out=C)
    np.subtract(V, C, out=C)

    # multiplied by masks: to select by where takes ten times as long
    np.equal(r, V, out=red)
    np.equal(g, V, out=green)
    np.greater(green, red, out=green)
    np.logical_or(red, green, out=blue)
    np.logical_not(blue, out=blue)
    np.subtract(g, b, out=H)
    H *= red
    for minuend, subtrahend, greatest in ((b, r, green), (r, g, blue)):
        np.subtract(minuend, subtrahend, out=T)
        T *= greatest
        H += T
    np.add(C, tiny, out=T)
    H /= T
    for sector, greatest in ((2, green), (4, blue)):
        np.multiply(greatest, R.dtype.type(sector), out=T)
        H += T
    np.add(V, tiny, out=T)
    np.divide(C, T, out=S)
    return H, S, V


def rgb(H: Any, S: Any, V: Any, R: Any) -> None:
    """R = V - V S clip(min(k, 4 - k), 0, 1), k = (5, 3, 1) + H modulo 6 for red, green, blue.

    H: (n, q), in sixths of the circle, any number; S, V: (n, q), S is changed; R: (3, n, q).
    """
    k, T = (empty(H.shape, H.dtype, array_module(H)) for _ in range(2))
    S *= V
    for channel, start in enumerate((5, 3, 1)):
        np.add(H, start, out=k)
        np.multiply(k, 1 / 6, out=T)
        np.floor(T, out=T)  # the modulo of NumPy takes ten times as long
        T *= 6
        k -= T
        np.subtract(4, k, out=T)
        np.minimum(k, T, out=k)
        np.clip(k, 0, 1, out=k)
        k *= S
        np.subtract(V, k, out=R[channel])


def raised(V: Any, power: Any, factor: Any, offset: Any) -> None:
    """V becomes V^power factor + offset, clipped to [0, 1].  V: (n, q) in [0, 1], others: (n,).

    power > 0. V^p = 2^(p log2 V); black is raised like the smallest number, to 1e-9 for p = 1 / 4.
    """
    V += np.finfo(V.dtype).tiny
    np.log2(V, out=V)
    V *= power[:, None]
    np.exp2(V, out=V)
    V *= factor[:, None]
    V += offset[:, None]
    np.clip(V, 0, 1, out=V)
