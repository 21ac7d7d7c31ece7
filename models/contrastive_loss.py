"""The contrastive loss of siamese networks: similar pairs together, others a margin apart.

Two springs of Hadsell, Chopra and LeCun: one pulls similar points together, one pushes others away
from each other until they are the margin apart, and then lets go.

>>> F, G = np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[3.0, 4.0], [0.3, 0.4]])
>>> float(contrastive(F, G, np.array([1, 0]), reduction="sum"))  # 5^2 + (1 - 0.5)^2
25.25
"""

import numpy as np

from minigrad import node

from .embedding_checks import check_alike, check_option, check_positive

SCALES = {"slide": 1.0, "hadsell": 0.5}


@node
def contrastive(F, G, t, margin=1.0, form="slide", reduction="mean"):
    """L = mean of t D^2 + (1 - t) [margin - D]_+^2 with D = ||F_n - G_n||, a pair in each row.

    F, G: (n, d) embeddings of the pairs' first and second samples; t: (n,), 1 for similar pairs,
    else 0; margin: a distance, 1 by default (the slide leaves it open); L: ().
    form: "slide"; "hadsell" is the paper's, with its halves, 1/2 D^2 and 1/2 [margin - D]_+^2, and
    with its labels, *0 for similar pairs*. reduction: "mean" over all pairs, or their "sum"; of no
    pairs 0.
    The gradient of a similar pair is 2 (F - G), of another nearer than the margin
    -2 (margin - D) (F - G) / D, beyond it 0. For D = 0 that has no direction and 0 is taken: two
    coincident dissimilar points never part, they cost margin^2.
    Raises ValueError for embeddings that do not match or are not finite, labels that are not 0 and
    1 or not as many as pairs, a margin not above 0, and other forms and reductions.
    Source: lecture, manifold learning; Hadsell, Chopra and LeCun, CVPR 2006, section 2.3.

    >>> X = np.eye(2)
    >>> float(contrastive(X, X, np.array([0, 0]))), float(contrastive(X, X, np.array([1, 1])))
    (1.0, 0.0)
    """
    check_alike("contrastive", F=F, G=G)
    check_option("contrastive", "form", form, SCALES)
    check_option("contrastive", "reduction", reduction, ("mean", "sum"))
    check_positive("contrastive", "margin", margin)
    t = similar(F, t) if form == "slide" else 1 - similar(F, t)
    n = max(1, len(F)) if reduction == "mean" else 1
    s = SCALES[form] / n
    E = F - G
    D = np.sqrt((E * E).sum(1))
    H = np.maximum(margin - D, 0)
    L = s * (t * D**2 + (1 - t) * H**2).sum()

    def back(dL, dF, dG):
        inverse = 1 / np.where(D > 0, D, np.inf)
        dE = dL * s * 2 * (t - (1 - t) * H * inverse)[:, None] * E
        dF += dE
        dG -= dE

    return L, back


def similar(F, t):
    """The labels of pairs as numbers of F's dtype, if there is one for each row, 0 or 1."""
    if t.shape != F.shape[:1]:
        raise ValueError(f"contrastive: F is {F.shape}, so t is {F.shape[:1]}, not {t.shape}")
    if not ((t == 0) | (t == 1)).all():
        raise ValueError("contrastive: t holds 0 and 1 only, the labels of pairs")
    return t.astype(F.dtype)
