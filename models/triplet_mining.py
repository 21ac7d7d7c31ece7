"""Which triplets are worth learning from: index arrays for `triplet`, chosen outside the graph.

Every function gives (a, p, n), integer arrays of anchors, positives and negatives: p is another
sample of a's label, never a itself, n one of another label. They see embeddings as plain arrays,
and what they choose carries no gradient. All pairwise differences of a batch stand in memory.

    a, p, n = semi_hard(detach(X), y)
    L = triplet(X[a], X[p], X[n])

Where no triplet can be made, as without positives or with one label only, the arrays are empty, and
the loss is 0. Two views of m images in one batch have the labels 0 to m - 1 twice.

>>> X, y = np.array([[0.0], [2.0], [3.0], [9.0]]), np.array([0, 0, 1, 1])
>>> hard(X, y)
(array([0, 1, 2, 3]), array([1, 0, 3, 2]), array([2, 2, 1, 1]))
>>> semi_hard(X, y)  # from 0 and 1 the nearest beyond the positive; from 2 and 3 the farthest
(array([0, 1, 2, 3]), array([1, 0, 3, 2]), array([2, 3, 0, 1]))
"""

import numpy as np

from minigrad.backend import array_module

from .embedding_checks import check_alike, check_labels


def random_triplets(y, rng):
    """Every ordered pair of a label, with a negative drawn uniformly from the other labels.

    y: (n,) labels; rng: a numpy Generator.

    >>> random_triplets(np.array([0, 0, 1]), np.random.default_rng(0))
    (array([0, 1]), array([1, 0]), array([2, 2]))
    """
    check_labels("random_triplets", y, len(y))
    a, p, others = pairs(y)
    return a, p, first(-draws(others, rng), others)


def hard(X, y):
    """Every ordered pair of a label, with the negative nearest to the anchor.

    X: (n, d) embeddings; y: (n,) labels. The paper of instance softmax calls it Triplet (hard).
    Source: Ye et al., CVPR 2019, table 1.
    """
    D = distances("hard", X, y)
    a, p, others = pairs(y)
    return a, p, first(D[a], others)


def semi_hard(X, y):
    """Every ordered pair of a label, with the nearest negative farther away than the positive.

    If there is none, the farthest negative, as is usual. X: (n, d) embeddings; y: (n,) labels.
    Source: Schroff, Kalenichenko and Philbin, CVPR 2015, section 3.2.
    """
    D = distances("semi_hard", X, y)
    a, p, others = pairs(y)
    beyond = others & (D[a] > D[a, p][:, None])
    found = beyond.any(1)
    return a, p, np.where(found, first(D[a], beyond), first(-D[a], others))


def hard_with_random(X, y, rng, hardest=4, hard=2, random=2):
    """Every ordered pair of a label, with negatives from the hardest and from the rest.

    Of the negatives nearest to the anchor, `hardest` in number, `hard` are drawn, and `random` of
    the rest: as many triplets to a pair, fewer where negatives are few. X: (n, d) embeddings; y:
    (n,) labels; rng: a numpy Generator; hardest, hard, random: 4, 2, 2, the example of the authors'
    code. The paper draws its negatives at random for 10 epochs (`random_triplets`), then takes the
    4 hardest of the batch (hard=4, random=0).
    Raises ValueError if hard is more than hardest.
    Source: Wang and Gupta, ICCV 2015, section 5.3, and its code.
    """
    if not 0 <= hard <= hardest or random < 0 or hard + random < 1:
        raise ValueError(
            f"hard_with_random: hard negatives are drawn from the hardest, {hard} cannot be from "
            f"{hardest}, beside {random} random ones: at least one in all"
        )
    D = distances("hard_with_random", X, y)
    a, p, others = pairs(y)
    near = ranks(D[a], others) < hardest
    order = draws(others, rng)
    chosen = ranks(order, others & near) < hard
    chosen |= ranks(order, others & ~near) < random
    row, n = np.nonzero(chosen)
    return a[row], p[row], n


def batch_hard(X, y):
    """Every anchor once, with its farthest positive and its nearest negative.

    X: (n, d) embeddings, of a batch of P labels with K samples each; y: (n,) labels. Anchors that
    lack one or the other are left out.
    Source: Hermans, Beyer and Leibe, arXiv 1703.07737, section 2, equation 5.
    """
    D = distances("batch_hard", X, y)
    same, others = relations(y)
    (a,) = np.nonzero(same.any(1) & others.any(1))
    return a, first(-D, same)[a], first(D, others)[a]


def relations(y):
    """(same, others), both (n, n): who shares a label, without oneself, and who does not."""
    same = y[:, None] == y
    i = array_module(y).arange(len(y))
    return same & (i[:, None] != i), ~same


def pairs(y):
    """(a, p, others): ordered pairs of a label, row by row, and who is negative to them, (k, n)."""
    same, others = relations(y)
    a, p = np.nonzero(same & others.any(1)[:, None])
    return a, p, others[a]


def distances(name, X, y):
    """||X_i - X_j||^2 of all rows, (n, n): exact, so that equal rows are 0 apart."""
    check_alike(name, X=X)
    check_labels(name, y, len(X))
    E = X[:, None] - X
    return (E * E).sum(2)


def first(D, allowed):
    """Of each row, the column of the least D among the allowed ones; ties: the first."""
    D = np.where(allowed, D, np.inf)
    return D.argmin(1) if D.size else D.sum(1).astype(int)


def ranks(D, allowed):
    """Place of each column by D among the allowed ones of its row, from 0; inf for the others."""
    order = np.where(allowed, D, np.inf).argsort(1, kind="stable")
    return np.where(allowed, order.argsort(1), np.inf)


def draws(like, rng):
    """Uniform numbers of an array's shape and device."""
    return array_module(like).asarray(rng.random(like.shape))
