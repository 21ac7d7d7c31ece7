"""Labels from the nearest labelled neighbours: the usual judge of an embedding while it learns."""

import numpy as np

from .neighbours import check_finite, check_labelled, in_turn


def knn_scores(Q, F, T, k=200, sigma=0.1):
    """How much the k nearest neighbours of each query vote for each class: (q, classes), float64.

    score_c = sum of exp((cos - cos_1) / sigma) over the neighbours of class c, by cosine; cos_1,
    that of the nearest, only keeps the numbers in range for any sigma.
    Q: (q, d) queries; F: (n, d) labelled features; T: (n,) their labels, classes ascending in the
    result; k: 200, as the source, all n where there are fewer; sigma: 0.1, the temperature that the
    source trained with on CIFAR-10 (0.07 on ImageNet), more of it counts far neighbours more,
    np.inf all alike. A query or a sample of zeros has the cosine 0 with all. Of equally near
    neighbours the lower index comes first, as in `most_similar`. All similarities never stand in
    memory at once.
    Raises ValueError for shapes that do not fit, values that are not finite, k below 1, sigma not
    above 0.
    Source: Wu et al., CVPR 2018, section 3.4; so Ye et al., CVPR 2019, section 4.1.

    >>> F = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> knn_scores(F[:1], F, np.array([3, 5, 5]), sigma=np.inf)
    array([[1., 2.]])
    """
    check_labelled("knn_scores", F, T)
    if np.ndim(Q) != 2 or np.shape(Q)[1] != F.shape[1]:
        raise ValueError(
            f"knn_scores: queries are (q, {F.shape[1]}), as the features are, not {np.shape(Q)}"
        )
    check_finite("knn_scores", Q, "query")
    if k < 1 or not sigma > 0:
        raise ValueError(f"knn_scores: k is 1 or more and sigma above 0, not {k} and {sigma}")
    classes, T = np.unique(T, return_inverse=True)
    scores = np.zeros((len(Q), len(classes)))
    for part, index, cosine in in_turn(Q, F, min(k, len(F))):
        weights = np.exp((cosine - cosine[:, :1]).astype(float) / sigma)
        np.add.at(scores[part], (np.arange(len(index))[:, None], T[index]), weights)
    return scores


def knn_vote(Q, F, T, k=200, sigma=0.1):
    """The class that the k nearest neighbours of each query vote for most: (q,); ties: the first.

    Arguments and errors: `knn_scores`.

    >>> F = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> knn_vote(np.array([[1.0, 0.0], [0.1, 1.0]]), F, np.array([3, 3, 5]))
    array([3, 5])
    """
    return np.unique(T)[knn_scores(Q, F, T, k, sigma).argmax(1)]
