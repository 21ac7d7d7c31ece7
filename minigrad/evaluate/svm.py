"""Linear classifiers on few labels: the usual judge of unsupervised features."""

import numpy as np


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
    from sklearn.svm import LinearSVC

    scores = [
        LinearSVC(C=C, dual=True, random_state=0, max_iter=10_000)
        .fit(train[draw], T_train[draw])
        .score(test, T_test)
        for draw in draws
    ]
    return np.array(scores)
