"""Linear classifiers on few labels: the usual judge of unsupervised features."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from .scaling import by_percentile

STEPS = 100  # of Newton; fewer than ten are usual
PRODUCTS = 200  # of conjugate gradients, for one step of Newton


class SVM(NamedTuple):
    """A linear classifier, as from `linear_svm`.  classes: (k,); W: (d, k); b: (k,)."""

    classes: Any
    W: Any
    b: Any

    def values(self, X):
        """How much each sample fires for each class: (n, k).  X: (n, d)."""
        return X @ self.W + self.b

    def labels(self, X):
        """The class that each sample fires most for: (n,); of equals, the first."""
        return self.classes[self.values(X).argmax(1)]

    def accuracy(self, X, T):
        """The share of samples with the right label."""
        return float((self.labels(X) == T).mean())


def linear_svm(X, T, C=1.0, B=1.0, tolerance=1e-5, start=None):
    """One linear SVM for each class against all others, with squared hinge: an `SVM`.

    For each class w, v minimise (|w|^2 + v^2) / 2 + C sum max(0, 1 - t (x w + B v))^2, t = 1 for
    its samples, -1 for others; b = B v.  X: (n, d) scaled features, whose dtype is computed in; T:
    (n,) labels of two classes at least; C: weight of the errors; B: 1, more lets b be larger;
    tolerance: how small gradients become, of what they are at 0; start: an SVM of the same classes
    to begin from, as for a smaller C, which saves time and changes the result by no more than the
    tolerance does. Warns (RuntimeWarning) if that is not reached.
    Raises ValueError for one class only, for X that is no finite float32 or float64, and if its
    length is not that of T.

    The minimum is that of scikit-learn's LinearSVC(C=C, intercept_scaling=B), found for all classes
    at once by matrix products, which takes a fraction of its time on thousands of samples.
    Source: Keerthi and DeCoste, JMLR 2005: Newton's method, conjugate gradients for each step.

    >>> X = np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 0.0], [2.0, 0.0]])
    >>> linear_svm(X, np.array([3, 3, 5, 5])).labels(np.array([[0.5, 0.0], [0.0, 0.5]]))
    array([5, 3])
    """
    if X.ndim != 2 or len(X) != len(T) or X.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"linear_svm: X is (n, d) in float32 or float64, T (n,), "
            f"not {X.shape} {X.dtype} and {np.shape(T)}"
        )
    if not np.isfinite(X).all():
        raise ValueError("linear_svm: X holds values that are not finite")
    classes = np.unique(T)
    if len(classes) < 2:
        raise ValueError(f"linear_svm: labels are of two classes or more, not {len(classes)}")
    X = np.concatenate([X, np.full((len(X), 1), B, X.dtype)], 1)
    Y = np.where(T[:, None] == classes, 1, -1).astype(X.dtype)
    W = np.zeros((X.shape[1], len(classes)), X.dtype)
    small = (tolerance * 2 * C * np.linalg.norm(X.T @ Y, axis=0)) ** 2
    if start is not None:
        W[:] = np.vstack([start.W, start.b / B])
    P = X @ W
    for _ in range(STEPS):
        error = np.maximum(1 - Y * P, 0)
        gradient = W - 2 * C * (X.T @ (Y * error))
        left = _squares(gradient) > small
        if not left.any():
            break
        step = _newton(X, (error > 0).astype(X.dtype), C, gradient, left)
        Q = X @ step
        t = _halved(W, step, P, Q, Y, C, (gradient * step).sum(0))
        W += t * step
        P += t * Q
    else:
        warnings.warn(
            f"linear_svm: {left.sum()} of {len(classes)} classes are not at their minimum after "
            f"{STEPS} steps, with C = {C:g}: features want scaling, or C is too large",
            RuntimeWarning,
            stacklevel=2,
        )
    return SVM(classes, W[:-1], B * W[-1])


def _newton(X, active, C, gradient, left):
    """Newton's steps of the classes left, roughly; 0 for the others."""
    S, R = np.zeros_like(gradient), -gradient
    D, r = R.copy(), _squares(R)
    enough = r / 100
    for _ in range(PRODUCTS):
        on = left & (r > enough)
        if not on.any():
            break
        H = D + 2 * C * (X.T @ (active * (X @ D)))
        a = np.where(on, r / np.maximum((D * H).sum(0), np.finfo(X.dtype).tiny), 0)
        S += a * D
        R -= a * H
        before, r = r, _squares(R)
        D = R + r / np.maximum(before, np.finfo(X.dtype).tiny) * D
    return S


def _halved(W, S, P, Q, Y, C, slope):
    """For each class the largest of 1, 1/2, 1/4, ... with which a step S leads downwards."""

    def objective(t):
        return _squares(W + t * S) / 2 + C * _squares(np.maximum(1 - Y * (P + t * Q), 0))

    t, before = np.ones(W.shape[1], W.dtype), objective(0)
    noise = 10 * np.finfo(W.dtype).eps * before
    for _ in range(20):
        above = objective(t) > before + 1e-4 * t * slope + noise
        if not above.any():
            break
        t[above] /= 2
    return t


def _squares(A):
    return np.einsum("dk,dk->k", A, A)


def label_draws(T, per_class, draws, rng):
    """Class-balanced choices of labelled samples: a list of index arrays (classes per_class,).

    T: (n,) labels; draws: how many choices. Raises ValueError if a class has too few samples.

    >>> label_draws(np.array([0, 0, 1, 1]), 1, 2, np.random.default_rng(0))
    [array([1, 3]), array([1, 2])]
    """
    classes, counts = np.unique(T, return_counts=True)
    if per_class < 1 or counts.min() < per_class:
        few = classes[counts.argmin()]
        raise ValueError(
            f"label_draws: class {few} has {counts.min()} samples, {per_class} were asked for"
        )
    return [
        np.concatenate(
            [rng.choice(np.flatnonzero(c == T), per_class, replace=False) for c in classes]
        )
        for _ in range(draws)
    ]


def svm_scores(train, T_train, test, T_test, draws, C=1.0):
    """Test accuracy (draws,) of a linear SVM (squared hinge, one against all) for each label draw.

    train, test: (n, d) scaled features; T_train, T_test: (n,) labels; draws: index arrays into
    train, one classifier each; C: weight of the errors, 1.
    Source: the protocol of Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 4.
    """
    svms = [linear_svm(train[draw], T_train[draw], C) for draw in draws]
    return np.array([svm.accuracy(test, T_test) for svm in svms])


def best_weight(train, T, folds, weights, scaling=by_percentile, B=1.0):
    """The C among weights whose `linear_svm` is right most often on held-out training samples.

    train: (n, d) features or blocks of them, of training samples only; T: (n,) labels; folds: pairs
    of index arrays into them, to learn from and to be judged on; scaling: `by_percentile` or
    `scaled`, from those learned from; B: as for `linear_svm`. Weights are tried from the least on,
    until two in a row were not the best; of equals the smaller is taken.
    """
    weights = np.sort(weights)
    train = blocks(train)
    sides = [
        (*scaling(rows(train, learn), rows(train, held)), T[learn], T[held])
        for learn, held in folds
    ]
    svms, accuracy = [None] * len(sides), []
    for C in weights:
        svms = [linear_svm(A, S, C, B, start=svm) for svm, (A, _, S, _) in zip(svms, sides)]
        accuracy.append(np.mean([svm.accuracy(Z, R) for svm, (_, Z, _, R) in zip(svms, sides)]))
        if np.argmax(accuracy) < len(accuracy) - 2:
            break
    return float(weights[np.argmax(accuracy)])


def balanced_folds(T, parts, rng):
    """Samples cut into parts with as many of each class, each held out once: for `best_weight`.

    parts: 2 or more; where no class has so many samples, as many as the largest has.
    Raises ValueError if a class has one sample only: held out, it could not be learned.

    >>> balanced_folds(np.array([0, 0, 1, 1]), 2, np.random.default_rng(0))
    [(array([1, 3]), array([0, 2])), (array([0, 2]), array([1, 3]))]
    """
    classes, counts = np.unique(T, return_counts=True)
    if parts < 2 or counts.min() < 2:
        raise ValueError(
            "balanced_folds: parts are 2 or more, and so are the samples of each class, "
            f"not {parts} and {counts.min()} of class {classes[counts.argmin()]}"
        )
    parts = min(parts, counts.max())
    part = np.empty(len(T), int)
    for c in classes:
        own = rng.permutation(np.flatnonzero(c == T))
        part[own] = np.arange(len(own)) % parts
    return [(np.flatnonzero(part != i), np.flatnonzero(part == i)) for i in range(parts)]


def blocks(features):
    """Features as a list of blocks (n, d_i), if they are one array."""
    return features if isinstance(features, list | tuple) else [features]


def rows(features, index):
    """The samples of an index array: each block's rows."""
    return [block[index] for block in features]
