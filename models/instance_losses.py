"""Every image a class of its own: instance softmax in both its forms, NT-Xent, and Exemplar's.

A batch holds two views of m images, rows [view 1; view 2], as unit vectors. The views of an image
are each other's positive, all other rows their negatives; that replaces labels.

>>> X = np.concatenate([np.eye(3), np.eye(3)])  # three images far apart, views alike
>>> round(float(instance_softmax(X)), 4), round(float(instance_softmax(0 * X)), 4)
(0.0004, 2.502)
"""

import math

import numpy as np

from minigrad import needed, node
from minigrad.backend import array_module

from .embedding_checks import (
    check_alike,
    check_filled,
    check_finite,
    check_labels,
    check_option,
    check_positive,
)
from .triplet_mining import ranks


@node
def instance_softmax(
    X, keys=None, temperature=0.1, self_term=False, negative_weight=1.0, negatives="all"
):
    """L = -(1/n) sum_i (ln p_ii' + c sum over negatives j of ln(1 - p_ij)), i' the other view of i.

    p_ij = e^S_ij / (e^S_ii' + c sum over negatives k of e^S_ik), S = X keys^T / temperature.
    X: (n, d), unit rows, both views of n/2 images; L: (). keys: (n, d), what rows are compared
    with; `detach(X)` is the official form, where each row moves by its own factor only, and what
    training uses; None lets both factors of a product carry gradient.
    temperature: 0.1; any above 0 is exact, also where p rounds to 1 (the authors' code gives NaN
    from 0.05 down in float32). self_term: True adds e^S_ii to the denominators, as the paper's
    equation 4 does; False, as their code. negative_weight: c, 1 or more, 1. negatives: "all";
    "hard", of each row the half most like it; "easy", the half least like it; the other half
    leaves the denominators too. The defaults are the code's, which made the reported figures; the
    paper's formula to the letter is `instance_softmax_paper`.
    With G = dL/dS n (`attraction` + `spreading`): dX = G keys / (n temperature),
    dkeys = G^T X / (n temperature).
    An image alone has no negatives: loss and gradient are 0. Zero rows are alike to all; m of them
    cost what uncorrelated ones do, ln(n - 1) - (n - 2) ln(1 - 1/(n - 1)).
    Raises ValueError for an odd number of rows or none, keys of another shape, rows that are not
    finite, a temperature not above 0, a weight below 1, other negatives.
    Source: Ye, Zhang, Yuen and Chang, CVPR 2019, section 3.2, and their code; table 8 (negatives).

    >>> X = np.eye(4)  # no view like the other: p = 1/3
    >>> np.isclose(instance_softmax(X), np.log(3) + 2 * np.log(3 / 2))
    np.True_
    """
    K = X if keys is None else keys
    check_views("instance_softmax", X, temperature)
    check_alike("instance_softmax", X=X, keys=K)
    check_option("instance_softmax", "negatives", negatives, ("all", "hard", "easy"))
    if not 1 <= negative_weight < np.inf:
        raise ValueError(f"instance_softmax: negative_weight is 1 or more, not {negative_weight}")
    n, c = len(X), negative_weight
    S = X @ K.T / temperature
    itself, positive = views(S)
    negative = half(S, ~(itself | positive), negatives)
    counted = positive | negative | (itself & self_term)
    shares = log_shares(np.where(negative, S + math.log(c), S), counted)
    L = -(log_p(shares, positive).sum() + c * log_not(shares, negative, c).sum()) / n

    def back(dL, dX, dkeys):
        G = attraction(shares, positive) + spreading(shares, negative, c)
        dS = dL * G / (n * temperature)
        dK = dX if keys is None else dkeys
        dX += dS @ K
        if needed(dK):
            dK += dS.T @ X

    return L, back


@node
def instance_softmax_paper(F, G, temperature=0.1, reduction="mean"):
    """J = -sum_i ln P(i | g_i) - sum_i sum over j != i of ln(1 - P(i | f_j)), over m.

    P(i | x) = e^(f_i x / temperature) / sum_k e^(f_k x / temperature): the paper's equations 3 to 7
    to the letter. f_j f_j stands in the denominators, the second view meets no negatives, and all
    factors carry gradient; the code that made its figures is `instance_softmax`.
    F, G: (m, d), unit rows, an image and its transformed version in each; J: (); temperature: 0.1;
    reduction: "mean" over the images, as other losses here; "sum", as printed.
    One image alone costs 0.
    Raises ValueError for embeddings that do not match or are not finite, none, a temperature not
    above 0, other reductions.
    Source: Ye, Zhang, Yuen and Chang, CVPR 2019, section 3.2.

    >>> float(instance_softmax_paper(np.eye(2), np.eye(2), 1.0)).__round__(4)
    0.6265
    """
    name = "instance_softmax_paper"
    check_alike(name, F=F, G=G)
    check_filled(name, F=F)
    check_positive(name, "temperature", temperature)
    check_option(name, "reduction", reduction, ("mean", "sum"))
    m = len(F) if reduction == "mean" else 1
    same = identity(F)
    of_views = log_shares(G @ F.T / temperature)  # a row for each g_i, a column for each f_k
    of_images = log_shares(F @ F.T / temperature)
    J = -(log_p(of_views, same).sum() + log_not(of_images, ~same).sum()) / m

    def back(dJ, dF, dG):
        A = dJ * attraction(of_views, same) / (m * temperature)
        B = dJ * spreading(of_images, ~same) / (m * temperature)
        dF += A.T @ G + (B + B.T) @ F
        dG += A @ F

    return J, back


@node
def ntxent(X, temperature=0.5):
    """L = -(1/n) sum_i ln p_ii', p_ij = e^S_ij / sum over k != i of e^S_ik.

    S = X X^T / temperature. The normalised temperature-scaled cross-entropy: the first half of
    `instance_softmax`, without its ln(1 - p_ij), and with gradient through both factors.
    X: (n, d), unit rows, both views of n/2 images; L: (); temperature: 0.5.
    With G = p, -(1 - p_ii') for the other view: dX = (G + G^T) X / (n temperature). An image alone
    costs 0.
    Raises ValueError for an odd number of rows or none, rows that are not finite, a temperature not
    above 0.
    Source: Chen, Kornblith, Norouzi and Hinton, ICML 2020, section 2.1, equation 1.

    >>> float(ntxent(np.eye(4))).__round__(4)  # ln 3
    1.0986
    """
    check_views("ntxent", X, temperature)
    n = len(X)
    itself, positive = views(X)
    shares = log_shares(X @ X.T / temperature, ~itself)
    L = -log_p(shares, positive).sum() / n

    def back(dL, dX):
        dS = dL * attraction(shares, positive) / (n * temperature)
        dX += (dS + dS.T) @ X

    return L, back


@node
def exemplar_softmax(X, W, y, temperature=1.0):
    """L = -(1/m) sum_i ln P(y_i | x_i), P(j | x) = e^(w_j x / temperature) / sum_k of the same.

    A softmax with as many classes as there are images. The weights are parameters (Exemplar) or
    the features that a memory bank remembers (`memory_softmax`).
    X: (m, d) embeddings; W: (n, d), a row for each image, without biases; y: (m,), which image
    each row of X is of; temperature: 1, equation 1 has none; L: ().
    With G = P - 1[j = y_i]: dX = G W / (m temperature), dW = G^T X / (m temperature).
    Raises ValueError for shapes that do not fit, no rows, rows of X that are not finite (those of
    W, which is large, are not looked at), images that W does not have, a temperature not above 0.
    Source: Ye, Zhang, Yuen and Chang, CVPR 2019, equation 1.

    >>> float(exemplar_softmax(np.ones((2, 3)), np.zeros((10, 3)), np.array([3, 7]))).__round__(4)
    2.3026
    """
    check_bank("exemplar_softmax", X, W, y, temperature)
    m = len(X)
    S = X @ W.T / temperature
    S -= S.max(1, keepdims=True)
    E = np.exp(S)
    s = E.sum(1, keepdims=True)
    T = y[:, None] == array_module(X).arange(len(W))
    L = (np.log(s).sum() - np.where(T, S, 0).sum()) / m

    def back(dL, dX, dW):
        dS = dL * (E / s - T) / (m * temperature)
        dX += dS @ W
        if needed(dW):
            dW += dS.T @ X

    return L, back


def check_views(loss, X, temperature):
    """Raise ValueError unless X holds the rows of two views, and the temperature is above 0."""
    check_alike(loss, X=X)
    check_positive(loss, "temperature", temperature)
    if not len(X) or len(X) % 2:
        raise ValueError(
            f"{loss}: X holds two views of each image, rows [view 1; view 2], an even number of "
            f"them, not {X.shape}"
        )


def check_bank(loss, X, W, y, temperature=1.0):
    """Raise ValueError unless rows X, of images y, can be compared with the rows W of all images.

    Of W, which is large, nothing is asked but its shape.
    """
    if X.ndim != 2 or W.ndim != 2 or X.shape[1] != W.shape[1]:
        raise ValueError(f"{loss}: X is (m, d) and W (n, d), not {X.shape} and {W.shape}")
    check_filled(loss, X=X)
    check_finite(loss, X=X)
    check_labels(loss, y, len(X), len(W))
    check_positive(loss, "temperature", temperature)


def identity(X):
    """1[i = j] for the rows of X."""
    i = array_module(X).arange(len(X))
    return i[:, None] == i


def views(X):
    """(1[j = i], 1[j = i']) for rows [view 1; view 2]."""
    n = len(X)
    i = array_module(X).arange(n)
    return i[:, None] == i, (i[:, None] + n // 2) % n == i


def half(S, negative, which):
    """Of each row's negatives all, or the half that is most ("hard") or least ("easy") alike."""
    if which == "all":
        return negative
    hard = ranks(-S, negative) < (len(S) - 2) // 2
    return hard if which == "hard" else negative & ~hard


def log_shares(S, counted=True):
    """(ln q, ln(1 - q)), q = e^S over its sum along each row's counted columns, 0 in the others.

    Exact also where q rounds to 1, as only the row's largest can: with gap = ln(sum of all others)
    - S there, q = 1 / (1 + e^gap) and 1 - q = 1 / (1 + e^-gap).
    """
    A = np.where(counted, S, -np.inf)
    largest = A.argmax(1)[:, None] == array_module(S).arange(S.shape[1])
    A = A - A.max(1, keepdims=True)
    gap = log_sum(np.where(largest, -np.inf, A))
    Q = A - np.logaddexp(gap, 0)
    small = np.exp(np.where(largest, -np.inf, Q))
    return Q, np.where(largest, -np.logaddexp(-gap, 0), np.log1p(-small))


def log_sum(A):
    """ln of the sum of e^A along each row, -inf for a row of -inf: (n, 1)."""
    most = np.maximum(A.max(1, keepdims=True), np.finfo(A.dtype).min)
    with np.errstate(divide="ignore"):
        return most + np.log(np.exp(A - most).sum(1, keepdims=True))


def log_p(shares, positive):
    """ln p of the positives, 0 for what is none."""
    return np.where(positive, shares[0], 0)


def log_not(shares, negative, c=1.0):
    """ln(1 - p) with p = q / c for the negatives, 0 for what is none.

    1 - p is (1 - q) + (c - 1) p, where nothing cancels.
    """
    Q, O = shares
    return np.where(negative, O if c == 1 else np.logaddexp(O, Q + math.log((c - 1) / c)), 0)


def attraction(shares, positive):
    """G_ik = -d ln p_ii' / dS_ik = q_ik - 1[k = i']: the other view is pulled, the rest pushed."""
    Q, O = shares
    return np.where(positive, -np.exp(O), np.exp(Q))


def spreading(shares, negative, c=1.0):
    """G_ik = -c d(sum of ln(1 - p_ij) over negatives j)/dS_ik = c (r_ik - q_ik sum_j r_ij).

    r = p / (1 - p), 0 for what is no negative. So written, it cancels where p is near 1. There,
    c r_ik - c q_ik r_ik = q_ik (1 - q_ik) / (1 - p_ik), and in the sum over all j but k only the
    row's hardest negative has r above 1; its q_ik r_ij, never large, is taken by logarithms.
    """
    Q, O = shares
    N = log_not(shares, negative, c)
    lnr = np.where(negative, Q - math.log(c) - N, -np.inf)
    hardest = lnr.argmax(1)[:, None] == array_module(Q).arange(Q.shape[1])
    r = np.exp(np.where(hardest, -np.inf, lnr))
    pushed = np.exp(Q) * (r.sum(1, keepdims=True) - r)
    pushed += np.exp(np.where(hardest, -np.inf, Q + lnr.max(1, keepdims=True)))
    return np.exp(np.where(negative, Q + O - N, -np.inf)) - c * pushed
