"""First weights, drawn from an explicit generator.

>>> rng = np.random.default_rng(0)
>>> he((3, 2), rng).shape, he((8, 3, 5, 5), rng).dtype
((3, 2), dtype('float32'))
"""

import numpy as np


def gaussian(shape, rng, deviation=0.01, dtype=np.float32):
    """W ~ N(0, deviation^2).  shape: any; deviation: 0.01, as AlexNet began; dtype: float32.

    >>> gaussian((2, 3), np.random.default_rng(0)).shape
    (2, 3)
    """
    return (deviation * rng.standard_normal(shape)).astype(dtype)


def glorot(shape, rng, dtype=np.float32):
    """W ~ U(-a, a) with a = sqrt(6 / (fan in + fan out)).  shape: (d, k) or (k, c, r, s).

    Source: Glorot and Bengio, AISTATS 2010, equation 16.

    >>> bool(abs(glorot((4, 2), np.random.default_rng(0))).max() <= 1)
    True
    """
    a = np.sqrt(6 / sum(fans(shape)))
    return rng.uniform(-a, a, shape).astype(dtype)


def he(shape, rng, gain=2.0, dtype=np.float32):
    """W ~ N(0, gain / fan in).  shape: (d, k) or (k, c, r, s); gain: 2 before a relu, 1 otherwise.

    Source: He et al., ICCV 2015, equation 10.

    >>> he((4, 2), np.random.default_rng(0)).shape
    (4, 2)
    """
    return gaussian(shape, rng, np.sqrt(gain / fans(shape)[0]), dtype)


def uniform(shape, rng, fan_in=None, dtype=np.float32):
    """W ~ U(-a, a) with a = 1 / sqrt(fan in): what PyTorch draws for convolutions and affine maps.

    shape: (d, k) or (k, c, r, s), or any with fan_in given, as that of biases, which PyTorch draws
    alike. Deviation 1 / sqrt(3 fan in), smaller than He's: for networks with batch normalisation.

    >>> bool(abs(uniform((4, 2), np.random.default_rng(0))).max() <= 0.5)
    True
    """
    a = 1 / np.sqrt(fan_in or fans(shape)[0])
    return rng.uniform(-a, a, shape).astype(dtype)


def fans(shape):
    """(fan in, fan out): how many numbers an output is made of, and an input goes into.

    >>> fans((3, 2)), fans((8, 3, 5, 5))
    ((3, 2), (75, 200))
    """
    if len(shape) == 2:
        return tuple(shape)
    if len(shape) == 4:
        k, c, r, s = shape
        return c * r * s, k * r * s
    raise ValueError(f"fans: weights are (d, k) or (k, c, r, s), not of shape {tuple(shape)}")
