import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import caltech101, stl10, stl10_folds
from minigrad.evaluate import (
    Scores,
    best_weight,
    caltech_scores,
    cifar_scores,
    label_draws,
    pixels,
    scaled,
    stl_scores,
)
from minigrad.evaluate.protocols import CIFAR_WEIGHTS
from tests.data.published import write_caltech101, write_stl10


def rng(seed=0):
    return np.random.default_rng(seed)


def samples(n, seed, classes=4, noise=1.0, d=10):
    """Features of classes that noise makes overlap, and labels."""
    T = np.arange(n) % classes
    return np.eye(classes, d)[T] + noise * rng(seed).standard_normal((n, d)), T


def refereed(train, T, test, T_test, C, B=1.0):
    """Accuracy of scikit-learn's SVM on features scaled by `scaled`."""
    from sklearn.svm import LinearSVC

    A, Z = scaled([train], [test])
    svm = LinearSVC(C=C, intercept_scaling=B, tol=1e-8, max_iter=100_000, random_state=0)
    return svm.fit(A, T).score(Z, T_test)


# CIFAR-10


def test_cifar_scores_are_scikit_learns_on_the_draws_of_the_generator():
    (X, T), (Z, S) = samples(400, 0), samples(200, 1)
    got = cifar_scores(X, T, Z, S, rng(), per_class=20, draws=3, scaling=scaled)
    draws = label_draws(T, 20, 3, rng())
    expected = [refereed(X[d], T[d], Z, S, got.C) for d in draws]
    assert_allclose(got.scores, expected, atol=0.011)  # two samples of 200 may lie on the line
    assert_allclose(got.mean, np.mean(got.scores))
    assert_allclose(got.class_scores, got.scores)  # classes are of one size here
    assert 0.4 < got.mean < 0.9


def test_cifar_s_weight_is_chosen_on_the_first_draw_against_the_training_images_left():
    (X, T), (Z, S) = samples(400, 0, d=30), samples(40, 1, d=30)
    (first,) = label_draws(T, 20, 1, rng())
    folds = [(first, np.setdiff1d(np.arange(400), first))]
    best = best_weight(X, T, folds, CIFAR_WEIGHTS, scaled)
    assert best == cifar_scores(X, T, Z, S, rng(), 20, 3, scaling=scaled).C


def test_with_all_labels_there_is_one_score_and_the_weight_comes_from_cross_validation():
    (X, T), (Z, S) = samples(200, 0), samples(200, 1)
    got = cifar_scores(X, T, Z, S, rng(), per_class=None, scaling=scaled)
    assert_allclose(got.scores, [refereed(X, T, Z, S, got.C)], atol=0.011)
    assert got.deviation == 0
    drawn_all = cifar_scores(X, T, Z, S, rng(), per_class=50, draws=2, scaling=scaled)
    assert len(drawn_all.scores) == 2  # nothing is left to choose on, and yet it is chosen


# STL-10


def test_stl_scores_are_scikit_learns_on_the_predefined_folds():
    (X, T), (Z, S) = samples(500, 0), samples(300, 1)
    folds = rng(2).permutation(500).reshape(10, 50)
    got = stl_scores(X, T, Z, S, folds, scaling=scaled)
    expected = [refereed(X[f], T[f], Z, S, got.C, B=5) for f in folds]
    assert_allclose(got.scores, expected, atol=0.011)
    assert len(got.scores) == 10


def test_stl_s_weight_is_chosen_on_the_first_fold_alone():
    (X, T), (Z, S) = samples(500, 0), samples(30, 1)
    folds = rng(2).permutation(500).reshape(10, 50)
    others = [folds[0], *rng(3).permutation(500).reshape(10, 50)[1:]]
    assert stl_scores(X, T, Z, S, folds).C == stl_scores(X, T, Z, S, others).C


# Caltech-101


def unequal():
    """Features that tell a sample's number, and labels of classes of 4, 5 and 60 samples."""
    T = rng(0).permutation(np.repeat([2, 4, 7], [4, 5, 60]))
    return np.stack([c == T for c in (2, 4, 7)], 1).astype(float), T


def test_caltech_tests_on_what_is_left_of_each_class_but_at_most_so_many():
    seen = []

    def watched(train, test):
        seen.append((train[0][:, 0], test[0][:, 0]))
        return np.concatenate(train, 1), np.concatenate(test, 1)

    F, T = unequal()
    numbers = np.arange(len(T)) / 1e6  # hardly change the features, and tell samples apart
    caltech_scores(
        [numbers[:, None], F], T, rng(), per_class=3, at_most=50, repeats=4, scaling=watched
    )
    rounds = [[np.rint(1e6 * side).astype(int) for side in pair] for pair in seen[-4:]]
    for learn, test in rounds:
        assert not set(learn) & set(test)
        assert_array_equal(np.unique(T[learn], return_counts=True)[1], [3, 3, 3])
        assert_array_equal(np.unique(T[test], return_counts=True)[1], [1, 2, 50])
    assert len({tuple(np.sort(learn)) for learn, _ in rounds}) == 4
    chosen_on = np.unique(np.concatenate([np.concatenate(pair) for pair in seen[:-4]]))
    assert_array_equal(np.rint(1e6 * chosen_on), np.sort(rounds[0][0]))  # the first training set


def test_overall_and_class_mean_accuracy_differ_where_classes_do():
    F, T = unequal()
    F[T == 7] = F[T == 2][0]  # no feature tells 7 from 2: one of both is always wrong
    got = caltech_scores(F, T, rng(), per_class=3, repeats=5)
    # of 1 + 2 + 50 tested, 4's two are right, and either the one of 2 or the fifty of 7
    for overall, mean in zip(got.scores, got.class_scores):
        assert (round(53 * overall), mean) in (
            (3, pytest.approx(2 / 3)),
            (52, pytest.approx(2 / 3)),
        )


def test_a_class_that_leaves_nothing_to_be_tested_on_is_refused():
    F, T = unequal()
    with pytest.raises(ValueError, match="caltech_scores: class 2 has 4 samples, 4 to learn from"):
        caltech_scores(F, T, rng(), per_class=4)


@pytest.mark.parametrize("per_class", [1, 0, -1])
def test_so_few_of_a_class_that_none_can_be_held_out_are_refused(per_class):
    F, T = unequal()
    with pytest.raises(ValueError, match=f"caltech_scores: per_class is 2 or more, .*{per_class}"):
        caltech_scores(F, T, rng(), per_class=per_class)
    got = caltech_scores(F, T, rng(), per_class=2, repeats=2)
    assert_array_equal(got.scores, 1)


def test_a_class_of_one_sample_cannot_be_held_out_where_all_labels_are_learned_from():
    F, T = unequal()
    F, T = np.vstack([F, F[:1]]), np.append(T, 8)
    with pytest.raises(ValueError, match="balanced_folds: .* and 1 of class 8"):
        cifar_scores(F, T, F, T, rng(), per_class=None)


def test_no_folds_are_refused():
    X, T = samples(40, 0)
    with pytest.raises(ValueError, match="stl_scores: folds are index arrays .*: there are none"):
        stl_scores(X, T, X, T, [])


# all of them


def judged(name, X, T, Z, S, **options):
    if name == "cifar":
        return cifar_scores(X, T, Z, S, rng(), per_class=30, draws=3, **options)
    if name == "stl":
        return stl_scores(X, T, Z, S, np.arange(400).reshape(4, 100), **options)
    return caltech_scores(X, T, rng(), per_class=30, repeats=3, **options)


PROTOCOLS = ["cifar", "stl", "caltech"]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_labels_that_features_say_nothing_of_are_guessed(name):
    (X, T), (Z, S) = samples(400, 0), samples(1000, 1)
    got = judged(name, X, rng(2).permutation(T), Z, rng(3).permutation(S))
    assert abs(got.mean - 0.25) < 0.08  # 250 tests or more in each of three rounds


@pytest.mark.parametrize("name", PROTOCOLS)
def test_features_that_tell_the_label_are_always_right(name):
    (X, T), (Z, S) = samples(400, 0, noise=0.01), samples(1000, 1, noise=0.01)
    got = judged(name, X, T, Z, S)
    assert_array_equal(got.scores, 1)
    assert_array_equal(got.class_scores, 1)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_blocks_and_one_array_are_judged_alike_where_blocks_have_one_scale(name):
    unit = lambda train, test: (np.concatenate(train, 1), np.concatenate(test, 1))
    (X, T), (Z, S) = samples(400, 0), samples(100, 1)
    whole = judged(name, X, T, Z, S, scaling=unit)
    parts = judged(name, [X[:, :3], X[:, 3:]], T, [Z[:, :3], Z[:, 3:]], S, scaling=unit)
    assert_array_equal(whole.scores, parts.scores)
    assert whole.C == parts.C


@pytest.mark.parametrize("name", ["cifar", "stl"])
def test_neither_test_features_nor_test_labels_reach_the_choice_of_the_weight(name):
    (X, T), (Z, S) = samples(400, 0, d=40), samples(100, 1, d=40)
    C = judged(name, X, T, Z, S).C
    assert judged(name, X, T, Z, rng(9).permutation(S)).C == C
    assert judged(name, X, T, 100 * rng(9).standard_normal(Z.shape), S).C == C
    assert judged(name, rng(9).standard_normal(X.shape), T, Z, S).C != C  # training data do
    assert not {"test", "T_test"} & set(inspect.signature(best_weight).parameters)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("as_blocks", [False, True])
def test_labels_not_as_many_as_samples_and_rows_that_are_not_finite_are_refused(name, as_blocks):
    (X, T), (Z, S) = samples(400, 0), samples(200, 1)
    cut = lambda F: [F[:, :3], F[:, 3:]] if as_blocks else F
    damaged = lambda F: np.where(np.arange(len(F))[:, None] == 7, np.nan, F)
    training = "" if name == "caltech" else ", training samples"
    bad = [
        ((cut(X), T[:-1], cut(Z), S), training, r"not \(400, \d+\) and \(399,\)"),
        ((cut(X[:-1]), T, cut(Z), S), training, r"not \(399, \d+\) and \(400,\)"),
        ((cut(damaged(X)), T, cut(Z), S), training, "sample 7 of 400 holds a value that is not"),
        ((cut(X), T, cut(Z), S[:-1]), ", test samples", r"not \(200, \d+\) and \(199,\)"),
        ((cut(X), T, cut(damaged(Z)), S), ", test samples", "sample 7 of 200 holds a value"),
        ((cut(X), T, cut(Z[:0]), S[:0]), ", test samples", "of one sample at least"),
    ]
    for given, side, sentence in bad[: 3 if name == "caltech" else None]:
        with pytest.raises(ValueError, match=f"{name}_scores{side}: .*{sentence}"):
            judged(name, *given)


def test_the_deviation_is_that_of_the_population_and_both_are_printed_in_percent():
    got = Scores(np.array([0.6, 0.7, 0.8]), np.array([0.5, 0.5, 0.5]), 0.1)
    assert_allclose((got.mean, got.deviation), (0.7, np.sqrt(0.02 / 3)))
    assert str(got) == "70.0 +- 8.2"


# from files in the published layout


def test_stl_10_goes_from_its_files_to_scores_of_ten_folds(tmp_path):
    folds = [rng(i).permutation(60)[:40] for i in range(10)]
    write_stl10(tmp_path, 60, "train", folds)
    write_stl10(tmp_path, 30, "test", rng=rng(1))
    (X, T), (Z, S) = (stl10(split, folder=tmp_path) for split in ("train", "test"))
    found = stl_scores(levels(X), T, levels(Z), S, stl10_folds(tmp_path), weights=[10.0])
    assert len(found.scores) == 10
    assert found.mean > 0.8
    shuffled = stl_scores(levels(X), rng(2).permutation(T), levels(Z), S, stl10_folds(tmp_path))
    assert shuffled.mean < 0.4


def test_caltech_101_goes_from_its_folders_to_scores_of_random_splits(tmp_path):
    write_caltech101(tmp_path, {"ant": 8, "BACKGROUND_Google": 9, "bass": 6, "crab": 7})
    X, T = caltech101(side=16, folder=tmp_path)
    assert len(T) == 21
    found = caltech_scores(levels(X), T, rng(0), per_class=4, at_most=3, repeats=5)
    assert len(found.scores) == 5
    assert min(found.mean, found.class_scores.mean()) > 0.9


def levels(X):
    """How bright images are, in ten steps: (n, 10)."""
    return (pixels(X).mean(1)[:, None] > np.arange(10, dtype=np.float32) / 15 + 0.1).astype("f4")
