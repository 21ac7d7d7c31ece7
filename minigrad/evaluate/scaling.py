"""Bringing blocks of features to one scale, so that a linear classifier can use them together."""

import numpy as np


def scaled(train, test):
    """Blocks of features side by side, each centred and divided by its root-mean-square norm.

    train, test: lists of blocks (n, d_1), (n, d_2), ... of two sets of samples; mean and norm come
    from the training set, without labels. Returns (n, d_1 + d_2 + ...) of each.
    Raises ValueError if the lists do not fit together.

    >>> A, B = scaled([np.array([[0.0], [2.0]])], [np.array([[4.0]])])
    >>> A.ravel(), B.ravel()
    (array([-1.,  1.]), array([3.]))
    """
    if len(train) != len(test):
        raise ValueError(f"scaled: {len(train)} blocks of training features, {len(test)} of test")
    pairs = []
    for A, B in zip(train, test):
        mean = A.mean(0)
        norm = np.sqrt(((A - mean) ** 2).sum(1).mean())
        noise = 10 * np.finfo(norm.dtype).eps * np.linalg.norm(mean)  # of a block that is constant
        pairs.append([(block - mean) / (norm if norm > noise else 1) for block in (A, B)])
    return tuple(np.concatenate(side, 1) for side in zip(*pairs))


def by_percentile(train, test, percent=99.99):
    """Blocks of features side by side, each divided by its 99.99th percentile, not centred.

    train, test: as for `scaled`; the percentile is that of a block's absolute values in the
    training set, so that a few outliers do not make all others small. A block of zeros stays.
    Raises ValueError if the lists do not fit together.
    Source: what the authors of Exemplar-CNN (Dosovitskiy et al., TPAMI 2016) released.

    >>> by_percentile([np.array([[1.0], [2.0]])], [np.array([[3.0]])], percent=100)
    (array([[0.5],
           [1. ]]), array([[1.5]]))
    """
    if len(train) != len(test):
        raise ValueError(
            f"by_percentile: {len(train)} blocks of training features, {len(test)} of test"
        )
    pairs = []
    for A, B in zip(train, test):
        top = np.percentile(np.abs(A), percent).astype(A.dtype)
        pairs.append([block / (top if top > 0 else 1) for block in (A, B)])
    return tuple(np.concatenate(side, 1) for side in zip(*pairs))
