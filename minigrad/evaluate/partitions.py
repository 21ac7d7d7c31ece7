"""Partitions of samples: clusters of features, and whether they agree with classes."""

import numpy as np

from .neighbours import check_finite

AVERAGES = {  # of the entropies of both partitions
    "arithmetic": lambda a, b: (a + b) / 2,
    "geometric": lambda a, b: np.sqrt(a * b),
    "max": np.maximum,
    "min": np.minimum,
}


def k_means(F, k, rng, restarts=10):
    """The cluster of each sample by k-means, scikit-learn's: (n,), 0 to k - 1.

    F: (n, d) features; k: number of clusters, for `nmi` usually that of the classes; restarts: 10,
    the best of so many (1 for Products in the source). Warns (scikit-learn's ConvergenceWarning)
    if there are fewer than k different samples: some clusters then are empty.
    Raises ValueError if k is not 1 to n, or features are not finite.
    Source of the use: Oh Song et al., CVPR 2016, section 6.

    >>> F = np.array([[0.0], [0.1], [5.0], [5.1]])
    >>> C = k_means(F, 2, np.random.default_rng(0))
    >>> bool(C[0] == C[1] != C[2] == C[3])
    True
    """
    from sklearn.cluster import KMeans

    if np.ndim(F) != 2 or not 1 <= k <= len(F):
        raise ValueError(
            f"k_means: features are (n, d), and k is 1 to n, not {np.shape(F)} and {k}"
        )
    check_finite("k_means", F)
    return KMeans(k, n_init=restarts, random_state=int(rng.integers(1 << 31))).fit_predict(F)


def nmi(T, C, average="arithmetic"):
    """Normalised mutual information of classes and clusters, I(T; C) / average(H(T), H(C)): 0 to 1.

    T, C: (n,) labels of two partitions, whose numbers do not matter; average: "arithmetic"
    (default, scikit-learn's since 0.22), "geometric" (before, so that papers of that time mean it),
    "max" or "min". Say which one beside the figure. If both partitions are one class it is 1, if
    one of them is, 0.
    Raises ValueError for another average, and for labels that are empty or differ in length.
    Source: Strehl and Ghosh, JMLR 2002; Vinh, Epps and Bailey, JMLR 2010, table 2.

    >>> T, C = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 1])
    >>> for average in AVERAGES:
    ...     print(f"{average:<12}{nmi(T, C, average):.6f}")
    arithmetic  0.386253
    geometric   0.396654
    max         0.314669
    min         0.500000
    """
    if average not in AVERAGES:
        raise ValueError(f"nmi: average is one of {', '.join(AVERAGES)}, not {average!r}")
    if np.ndim(T) != 1 or np.shape(T) != np.shape(C) or not len(T):
        raise ValueError(
            f"nmi: classes and clusters are (n,), n at least 1, not {np.shape(T)} and {np.shape(C)}"
        )
    T, C = (np.unique(labels, return_inverse=True)[1] for labels in (T, C))
    P = np.zeros((T.max() + 1, C.max() + 1))
    np.add.at(P, (T, C), 1 / len(T))
    H, K = _entropy(P.sum(1)), _entropy(P.sum(0))
    if P.size == 1:
        return 1.0
    if 1 in P.shape:
        return 0.0
    return float(np.clip((H + K - _entropy(P)) / AVERAGES[average](H, K), 0, 1))


def _entropy(P):
    P = P[P > 0]
    return -(P * np.log(P)).sum()
