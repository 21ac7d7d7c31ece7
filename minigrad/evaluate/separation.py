"""How far the cosines within classes stand from those to other classes."""

import numpy as np

from .neighbours import check_finite, check_labelled, most_similar, others_in_turn


def class_cosines(F, T, k=5):
    """Cosines of each sample with its k nearest of its class, and with those of others: both (m,).

    F: (n, d) features; T: (n,) labels; k: 5; where there are fewer, all of them. A sample is left
    out of its own neighbours by its index; a class of one, which has none, is left out altogether.
    Raises ValueError for shapes that do not fit, values that are not finite, k below 1, and if
    there is one class only, or none of two samples.
    Source: Ye et al., CVPR 2019, figure 5; that all samples ask and are asked is ours.

    >>> F = np.array([[1.0, 0.0], [4.0, 3.0], [0.0, 1.0], [3.0, 4.0]])
    >>> class_cosines(F, np.array([0, 0, 1, 1]), k=1)
    (array([0.8, 0.8, 0.8, 0.8]), array([0.6 , 0.96, 0.6 , 0.96]))
    """
    check_labelled("class_cosines", F, T)
    if k < 1:
        raise ValueError(f"class_cosines: k is 1 or more, not {k}")
    T = np.asarray(T)
    classes, counts = np.unique(T, return_counts=True)
    if len(classes) < 2 or counts.max() < 2:
        raise ValueError(
            "class_cosines: two classes are wanted, one of them of two samples at least, "
            f"not {len(classes)} of at most {counts.max()}"
        )
    same, other = [], []
    for c in classes[counts > 1]:
        own, rest = F[c == T], F[c != T]
        same += [S.ravel() for _, _, S in others_in_turn(own, min(k, len(own) - 1))]
        other.append(most_similar(own, rest, min(k, len(rest)))[1].ravel())
    return np.concatenate(same), np.concatenate(other)


def cosine_density(cosines, bins=50):
    """A histogram of cosines on [0, 1] as a density, whose mean is 1: (bins,).

    What lies outside counts in the bin at that end. Raises ValueError if there are none, or one is
    not finite.

    >>> cosine_density(np.array([0.1, 0.2, 0.9, -0.3]), bins=2)
    array([1.5, 0.5])
    """
    if not np.size(cosines):
        raise ValueError("cosine_density: there are no cosines")
    check_finite("cosine_density", np.reshape(cosines, (-1, 1)), "cosine")
    inside = np.clip(np.asarray(cosines, float), 0, 1)
    return np.histogram(inside, bins, (0, 1), density=True)[0]


def overlap(same, other, bins=50):
    """The area that two densities of cosines share: 0, they are apart, to 1, they are equal.

    same, other: as `class_cosines` gives them. More bins make it smaller: compare equal ones.

    >>> overlap(np.array([0.9, 0.8, 0.2]), np.array([0.1, 0.3, 0.7]), bins=2)
    0.6666666666666666
    """
    area = np.minimum(cosine_density(same, bins), cosine_density(other, bins)).mean()
    return min(float(area), 1.0)
