"""The standard tests of features on labelled images: CIFAR-10, STL-10, Caltech-101.

All are linear SVMs, one against all, on scaled features; the weight C of their errors is chosen on
training data alone, once, by what is held out of it. Features are (n, d), or blocks of them.
All raise ValueError for features that are not finite, and labels that are not as many.
Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 4.1; ranges of C: their program.
"""

from typing import Any, NamedTuple

import numpy as np

from .neighbours import check_labelled
from .scaling import by_percentile
from .svm import balanced_folds, best_weight, blocks, label_draws, linear_svm, rows

PARTS = 3  # of a cross-validation, where all training samples are learned from
CIFAR_WEIGHTS = np.geomspace(1e-3, 1, 7)
STL_WEIGHTS = np.geomspace(2e-4, 0.2, 7)
CALTECH_WEIGHTS = np.geomspace(2e-3, 1, 7)


class Scores(NamedTuple):
    """Test accuracies, one for each classifier that was trained.

    scores: (r,), share of all test samples; class_scores: (r,), the mean of the classes' shares, as
    some report it; C: the weight that was chosen.

    >>> print(Scores(np.array([0.5, 0.75]), np.array([0.5, 0.75]), 0.1))
    62.5 +- 12.5
    """

    scores: Any
    class_scores: Any
    C: float

    @property
    def mean(self):
        return float(self.scores.mean())

    @property
    def deviation(self):
        """Of the population, as in the paper: the root of the mean squared difference."""
        return float(self.scores.std())

    def __str__(self):
        return f"{100 * self.mean:.1f} +- {100 * self.deviation:.1f}"


def cifar_scores(
    train,
    T,
    test,
    T_test,
    rng,
    per_class=400,
    draws=10,
    *,
    weights=CIFAR_WEIGHTS,
    scaling=by_percentile,
    B=1.0,
):
    """CIFAR-10 with few labels, or with all: `Scores` on the test set, one for each draw.

    per_class: labels of each class in a draw, 400; None: all of them, once; draws: 10. C is chosen
    on the first draw against the training images left, with all labels by cross-validation.
    weights: candidates for C, 7 from 0.001 to 1 (theirs: 10 ** rng.uniform(-3, 0, 50)); scaling:
    `by_percentile`, theirs, or `scaled`; B: as for `linear_svm`.
    Raises ValueError if a class has too few samples, with all labels fewer than two.
    """
    if draws < 1:
        raise ValueError(f"cifar_scores: draws are at least 1, not {draws}")
    _check("cifar_scores, training samples", train, T)
    _check("cifar_scores, test samples", test, T_test)
    chosen = [np.arange(len(T))] if per_class is None else label_draws(T, per_class, draws, rng)
    options = {"scaling": scaling, "B": B}
    return _fixed_test(train, T, test, T_test, chosen, rng, weights, options)


def stl_scores(
    train,
    T,
    test,
    T_test,
    folds,
    *,
    weights=STL_WEIGHTS,
    scaling=by_percentile,
    B=5.0,
):
    """STL-10: `Scores` on the test set, one for each of the predefined folds of training samples.

    folds: index arrays into train, ten of 1,000; C is chosen on the first against the training
    images left. Options as for `cifar_scores`; weights: 7 from 0.0002 to 0.2; B: 5.
    Raises ValueError if there are no folds.
    """
    if not len(folds):
        raise ValueError("stl_scores: folds are index arrays into train: there are none")
    _check("stl_scores, training samples", train, T)
    _check("stl_scores, test samples", test, T_test)
    options = {"scaling": scaling, "B": B}
    return _fixed_test(train, T, test, T_test, folds, None, weights, options)


def caltech_scores(
    features,
    T,
    rng,
    per_class=30,
    at_most=50,
    repeats=10,
    *,
    weights=CALTECH_WEIGHTS,
    scaling=by_percentile,
    B=1.0,
):
    """Caltech-101: `Scores` of random splits into training and test samples.

    features, T: of all images; per_class: to learn from, 30; at_most: of those left, to be tested
    on, 50; repeats: 10. C is chosen by cross-validation within the first training set. Options as
    for `cifar_scores`; weights: 7 from 0.002 to 1.
    Raises ValueError if per_class is below 2, so that none of a class could be held out, and if a
    class leaves nothing to be tested on.
    """
    _check("caltech_scores", features, T)
    features, splits = blocks(features), _splits(T, per_class, at_most, repeats, rng)
    options = {"scaling": scaling, "B": B}
    first, _ = splits[0]
    folds = balanced_folds(T[first], PARTS, rng)
    C = best_weight(rows(features, first), T[first], folds, weights, **options)
    rounds = (
        (rows(features, learn), T[learn], rows(features, test), T[test]) for learn, test in splits
    )
    return _judged(rounds, C, **options)


def _splits(T, per_class, at_most, repeats, rng):
    """Pairs of index arrays: per_class of each class, and at most so many of those left."""
    if per_class < 2:
        raise ValueError(
            "caltech_scores: per_class is 2 or more, as C is chosen on samples held out of them, "
            f"not {per_class}"
        )
    classes, counts = np.unique(T, return_counts=True)
    if counts.min() <= per_class:
        raise ValueError(
            f"caltech_scores: class {classes[counts.argmin()]} has {counts.min()} samples, "
            f"{per_class} to learn from and one to be tested on were asked for"
        )
    splits = []
    for _ in range(repeats):
        shuffled = [rng.permutation(np.flatnonzero(c == T)) for c in classes]
        learn = np.concatenate([own[:per_class] for own in shuffled])
        test = np.concatenate([own[per_class : per_class + at_most] for own in shuffled])
        splits.append((learn, test))
    return splits


def _check(name, features, T):
    """Raise ValueError unless each block is finite and has a row for each label."""
    for block in blocks(features):
        check_labelled(name, block, T)


def _fixed_test(train, T, test, T_test, chosen, rng, weights, options):
    """`Scores` of a choice of training samples after the other, on one test set."""
    train, test = blocks(train), blocks(test)
    left = np.setdiff1d(np.arange(len(T)), chosen[0])
    folds = [(chosen[0], left)] if len(left) else balanced_folds(T, PARTS, rng)
    C = best_weight(train, T, folds, weights, **options)
    return _judged(((rows(train, some), T[some], test, T_test) for some in chosen), C, **options)


def _judged(rounds, C, scaling, B):
    scores, class_scores = [], []
    for train, T, test, T_test in rounds:
        A, Z = scaling(train, test)
        right = linear_svm(A, T, C, B).labels(Z) == T_test
        scores.append(right.mean())
        class_scores.append(np.mean([right[c == T_test].mean() for c in np.unique(T_test)]))
    return Scores(np.array(scores), np.array(class_scores), C)
