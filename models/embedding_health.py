"""How an embedding fares while it is trained: similarities, active triplets, rank, collapse.

Plain functions of arrays, to be called between steps; on a GPU's arrays they work on the CPU. What
`health` gives, `train` notes in its log:

    def after_epoch():
        X = embedding(images, U)
        return health(X, y, triplets=hard(X, y))

A network that gives the same for every image is a minimum that a triplet or contrastive loss falls
into easily and rarely leaves: the loss then stays at the margin. `health` warns of it.

>>> X, y = np.eye(4), np.array([0, 0, 1, 1])
>>> health(X, y)
{'positive similarity': 0.0, 'negative similarity': 0.0, 'effective rank': 4.0}
"""

import math
import warnings

import numpy as np

from minigrad import normalize, to_cpu

from .embedding_checks import check_alike, check_labels, check_option
from .triplet_loss import FORMS, hinge
from .triplet_mining import relations

EQUAL = 1e-3  # spread of embeddings that are all equal; of unit rows, their mean cosine is 0.999
STUCK = 0.01  # of the margin: how far from it triplets cost when they are stuck there


class CollapseWarning(UserWarning):
    """All embeddings are equal, or a triplet loss is stuck at its margin; says what to do."""


def health(X, y, triplets=None, margin=0.5, form="squared"):
    """Scores of an embedding by name, for the log of `train`; warns of a collapse.

    X: (n, d) embeddings; y: (n,) labels, those of two views of m images 0 to m - 1 twice.
    triplets: (a, p, n) of `triplet_mining`, for their share that is active; margin, form: as for
    `triplet`.
    Warns with CollapseWarning if all embeddings are equal, or every triplet costs the margin.
    Raises ValueError as `similarities` and `triplet`.
    """
    X, y = to_cpu((X, y))
    positive, negative = similarities(X, y)
    scores = {"positive similarity": positive, "negative similarity": negative}
    scores["effective rank"] = effective_rank(X)
    if triplets is not None:
        scores["active triplets"] = active_share(X, triplets, margin, form)
    if spread(X) < EQUAL:
        message = (
            f"collapse: all {len(X)} embeddings are equal, they differ by {spread(X):.1g} of their "
            "size. Begin again at a lower rate, with random or semi-hard negatives before hard "
            "ones, and batch normalisation below the embedding"
        )
        warnings.warn(message, CollapseWarning, stacklevel=2)
    elif triplets is not None and stuck(X, triplets, margin, form):
        message = (
            f"collapse: the triplet loss is stuck at its margin, {margin}: to every anchor the "
            "positive is as far as the negative. Take semi-hard or random negatives for hard ones, "
            "lower the rate, and see that the positives are what they should be"
        )
        warnings.warn(message, CollapseWarning, stacklevel=2)
    return scores


def similarities(X, y):
    """Mean cosine of pairs that share a label, and of those that do not, as numbers.

    X: (n, d), a zero row's cosine is 0; y: (n,) labels.
    Raises ValueError for labels that do not fit, rows that are not finite, and labels that make no
    pair of one kind.

    >>> similarities(np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]]), np.array([0, 0, 1]))
    (1.0, 0.0)
    """
    X, y = to_cpu((X, y))
    check_alike("similarities", X=X)
    check_labels("similarities", y, len(X))
    same, others = relations(y)
    if not (same.any() and others.any()):
        missing = "positives" if others.any() else "negatives"
        raise ValueError(f"similarities: there are no {missing} among {len(X)} rows of labels y")
    U = normalize(X)
    S = U @ U.T
    return float(S[same].mean()), float(S[others].mean())


def active_share(X, triplets, margin=0.5, form="squared"):
    """The share of triplets that cost something, 0 of none: what is left to learn from.

    X: (n, d); triplets: (a, p, n), index arrays; margin, form: as for `triplet`. With a "soft"
    margin all of them do. Raises ValueError for a form or margin that `triplet` does not know.

    >>> X = np.array([[0.0], [1.0], [2.0], [1.1]])
    >>> active_share(X, (np.array([0, 0]), np.array([1, 1]), np.array([2, 3])))
    0.5
    """
    _, slope = triplet_costs(X, triplets, margin, form)
    return float((slope > 0).mean()) if len(slope) else 0.0


def effective_rank(X):
    """e^H of the singular values over their sum, H the entropy: from 1, all on a line, to d.

    X: (n, d), not centred, so that equal rows have 1; zeros have 0.
    Source: Roy and Vetterli, EUSIPCO 2007.

    >>> effective_rank(np.ones((5, 3))).__round__(6), effective_rank(np.zeros((5, 3)))
    (1.0, 0.0)
    """
    X = to_cpu(X)
    check_alike("effective_rank", X=X)
    s = np.linalg.svd(X, compute_uv=False)
    if not s.any():
        return 0.0
    p = s[s > 0] / s.sum()
    return math.exp(-(p * np.log(p)).sum())


def spread(X):
    """Mean squared distance of rows from their mean over their mean squared length; 0 of zeros."""
    size = (X * X).sum(1).mean()
    return float(X.var(0).sum() / size) if size else 0.0


def stuck(X, triplets, margin, form):
    """True if triplets cost the margin (soft: ln 2) each, as where both distances are equal."""
    cost, _ = triplet_costs(X, triplets, margin, form)
    level = math.log(2) if margin == "soft" else margin
    return len(cost) > 0 and float(np.abs(cost - level).mean()) < STUCK * level


def triplet_costs(X, triplets, margin, form):
    """What each triplet costs, and the slope of that."""
    check_option("triplet", "form", form, FORMS)
    A, P, N = (to_cpu(X)[to_cpu(i)] for i in triplets)
    return hinge(FORMS[form](A, P)[0] - FORMS[form](A, N)[0], margin)
