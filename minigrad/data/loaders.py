"""Loaders: images as float32 arrays (n, c, h, w) in [0, 1], labels as integers (n,).

>>> X, T = digits()
>>> X.shape, T.shape
((1797, 1, 16, 16), (1797,))
"""

import numpy as np


def digits(size=16):
    """The 1797 handwritten digits that scikit-learn carries, 8 x 8, enlarged: X, T.

    size: pixels a side, a multiple of 8, 16 by default (cubic, pixel centres kept, clipped to
    [0, 1]). The order is the data set's: neighbours often share their writer, so that halves in
    order are a harder and fairer split than a shuffled one.
    Source: UCI, Optical Recognition of Handwritten Digits, its test set.

    >>> digits(8)[0].max()
    np.float32(1.0)
    """
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    if size < 8 or size % 8:
        raise ValueError(f"digits: size is a multiple of 8, not {size}")
    images, labels = load_digits(return_X_y=True)
    X = images.reshape(-1, 8, 8) / 16
    X = zoom(X, (1, size // 8, size // 8), order=3, mode="nearest", grid_mode=True)
    return np.clip(X, 0, 1, dtype=np.float32)[:, None], labels
