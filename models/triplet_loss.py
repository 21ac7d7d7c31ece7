"""The triplet loss: an anchor is nearer to its positive than to its negative, by a margin.

Which triplets are worth taking is another question, `triplet_mining.py`.

>>> A, P, N = np.array([[0.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]])
>>> float(triplet(A, P, N)), float(triplet(A, P, N, margin=1.5))  # 1 - 2 + margin
(0.0, 0.5)
"""

import numpy as np

from minigrad import node, normalize

from .embedding_checks import check_alike, check_option, check_positive


@node
def triplet(A, P, N, margin=0.5, form="squared", reduction="mean"):
    """L = mean of [D(A_n, P_n) - D(A_n, N_n) + margin]_+, a triplet in each row.

    A, P, N: (n, d) embeddings of anchors, positives and negatives; L: ().
    form: "squared", D = ||a - p||^2, the lecture's; "unsquared", D = ||a - p||, that of batch-hard
    mining; "cosine", D = 1 - a p / (||a|| ||p||), the video paper's ranking loss (its decay of the
    weights is `decay`). margin: 0.5; or "soft": the hinge becomes ln(1 + e^(D(A, P) - D(A, N))),
    which never lets go.
    reduction: "mean" over all triplets, so that steps shrink as triplets become easy; "active": the
    sum over the number of those that cost something, steps that do not; "sum". Of no triplets the
    loss is 0, and connected: gradients are zeros.
    With w = dL / n for triplets that cost something (softly, times sigmoid), the gradients are
    w (dD(A, P)/dA - dD(A, N)/dA), w dD(A, P)/dP, -w dD(A, N)/dN; exactly at the hinge 0. A distance
    of 0 in "unsquared" and a zero vector in "cosine", D = 1, have no direction, and gradient 0.
    Raises ValueError for embeddings that do not match or are not finite, a margin not above 0,
    other forms and reductions.
    Source: lecture, triplet loss; Hermans, Beyer and Leibe, arXiv 1703.07737, section 2 (unsquared,
    soft); Wang and Gupta, ICCV 2015, equations 1 to 3 (cosine).

    >>> float(triplet(np.eye(2), np.eye(2), -np.eye(2), margin="soft")).__round__(4)  # ln(1+e^-4)
    0.0181
    """
    check_alike("triplet", A=A, P=P, N=N)
    check_option("triplet", "form", form, FORMS)
    check_option("triplet", "reduction", reduction, ("mean", "sum", "active"))
    Dp, Ap, Pp = FORMS[form](A, P)
    Dn, An, Nn = FORMS[form](A, N)
    H, slope = hinge(Dp - Dn, margin)
    count = {"mean": len(A), "sum": 1, "active": int((slope > 0).sum())}[reduction]
    n = max(1, count)
    L = H.sum() / n

    def back(dL, dA, dP, dN):
        w = (dL * slope / n)[:, None]
        dA += w * (Ap - An)
        dP += w * Pp
        dN -= w * Nn

    return L, back


def hinge(V, margin):
    """(cost, its slope) of V = D(A, P) - D(A, N): [V + margin]_+, or ln(1 + e^V)."""
    if margin == "soft":
        return np.logaddexp(V, 0), np.exp(-np.logaddexp(-V, 0))
    check_positive("triplet", 'margin, unless "soft",', margin)
    H = np.maximum(V + margin, 0)
    return H, (H > 0).astype(V.dtype)


def squared(A, B):
    """D = ||A - B||^2 of each row, and its derivatives with respect to A and to B."""
    E = A - B
    return (E * E).sum(1), 2 * E, -2 * E


def unsquared(A, B):
    """D = ||A - B||, and its derivatives: unit vectors, 0 where D = 0."""
    E = A - B
    V = normalize(E)
    return (E * V).sum(1), V, -V


def cosine(A, B):
    """D = 1 - U V with U = A / ||A||, V = B / ||B||, and its derivatives.

    dD/dA = -(V - (U V) U) / ||A||: of V, what stands at a right angle to A.
    """
    U, V = normalize(A), normalize(B)
    c = (U * V).sum(1, keepdims=True)
    return (1 - c)[:, 0], over(c * U - V, A), over(c * V - U, B)


def over(Z, A):
    """Z / ||A|| of each row, 0 where A = 0."""
    R = np.sqrt((A * A).sum(1, keepdims=True))
    return Z / np.where(R > 0, R, np.inf)


FORMS = {"squared": squared, "unsquared": unsquared, "cosine": cosine}
