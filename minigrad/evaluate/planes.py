"""Features of many dimensions in two, to be looked at."""

import numpy as np

from .neighbours import check_finite


def to_plane(F, rng, method="t-SNE"):
    """Features in two dimensions, to be drawn: (n, 2).

    F: (n, d), n and d 2 or more; with d = 2 as they are. method: "t-SNE", which keeps
    neighbourhoods and neither distances nor sizes of clusters, or "PCA", the plane in which they
    differ most; both scikit-learn's. rng: for t-SNE. If all samples are equal, all are 0.
    Raises ValueError for another method, shape, or values that are not finite.
    Source: van der Maaten and Hinton, JMLR 2008; perplexity 30, or a third of the samples.

    >>> to_plane(np.diag([3.0, 2.0, 0.0]), np.random.default_rng(0), "PCA").shape
    (3, 2)
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if method not in ("t-SNE", "PCA"):
        raise ValueError(f'to_plane: method is "t-SNE" or "PCA", not {method!r}')
    if np.ndim(F) != 2 or min(np.shape(F)) < 2:
        raise ValueError(f"to_plane: features are (n, d), both 2 or more, not {np.shape(F)}")
    check_finite("to_plane", F)
    if F.shape[1] == 2:
        return F
    if not np.ptp(F, 0).any():
        return np.zeros((len(F), 2), F.dtype)
    if method == "PCA":
        return PCA(2, svd_solver="full").fit_transform(F)
    seed = int(rng.integers(1 << 31))
    return TSNE(perplexity=min(30, len(F) / 3), random_state=seed).fit_transform(F)
