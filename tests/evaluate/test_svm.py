import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.svm import LinearSVC

from minigrad.evaluate import (
    balanced_folds,
    best_weight,
    by_percentile,
    label_draws,
    linear_svm,
    scaled,
    svm_scores,
)

T = np.repeat([3, 5, 9], [4, 10, 6])  # unequal classes, whose numbers are no indices


def test_a_draw_has_as_many_of_each_class_and_none_twice():
    draws = label_draws(T, 4, 20, np.random.default_rng(0))
    assert len(draws) == 20
    for draw in draws:
        assert len(set(draw)) == 12
        assert_array_equal(T[draw], np.repeat([3, 5, 9], 4))


def test_every_sample_of_a_class_is_drawn_at_times():
    draws = label_draws(T, 1, 300, np.random.default_rng(0))
    assert_array_equal(np.unique(draws), np.arange(20))


def test_draws_differ_and_the_same_seed_gives_the_same():
    draws = label_draws(T, 3, 5, np.random.default_rng(0))
    assert len({tuple(draw) for draw in draws}) == 5
    assert_array_equal(draws, label_draws(T, 3, 5, np.random.default_rng(0)))


def test_labels_in_any_order_are_found():
    shuffled = np.random.default_rng(1).permutation(T)
    for draw in label_draws(shuffled, 4, 3, np.random.default_rng(0)):
        assert_array_equal(shuffled[draw], np.repeat([3, 5, 9], 4))


@pytest.mark.parametrize("per_class", [5, 100, 0, -1])
def test_more_labels_than_the_smallest_class_has_or_none_are_refused(per_class):
    sentence = f"label_draws: class 3 has 4 samples, {per_class} were asked for"
    with pytest.raises(ValueError, match=sentence):
        label_draws(T, per_class, 1, np.random.default_rng(0))


def clusters(n, seed):
    """Three classes far apart: samples (n, 2) and labels."""
    rng = np.random.default_rng(seed)
    T = np.arange(n) % 3
    centres = np.array([[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]])
    return centres[T] + 0.05 * rng.standard_normal((n, 2)), T


def test_classes_that_lie_apart_are_told_apart():
    (A, S), (B, R) = clusters(30, 0), clusters(60, 1)
    scores = svm_scores(A, S, B, R, label_draws(S, 2, 4, np.random.default_rng(0)))
    assert_array_equal(scores, [1, 1, 1, 1])


def test_the_score_is_the_share_of_the_test_set_that_is_right():
    (A, S), (B, R) = clusters(30, 0), clusters(60, 1)
    wrong = R.copy()
    wrong[:15] = (wrong[:15] + 1) % 3
    assert_array_equal(svm_scores(A, S, B, wrong, [np.arange(30)]), [0.75])


def test_a_classifier_learns_from_its_own_draw_alone():
    A, S = clusters(30, 0)
    lies = S.copy()
    lies[15:] = (lies[15:] + 1) % 3
    scores = svm_scores(A, lies, A[:15], S[:15], [np.arange(15), np.arange(15, 30)])
    assert_array_equal(scores, [1, 0])


def test_c_weighs_the_errors():
    # one label is wrong: a classifier that hardly minds errors learns the majority's line
    A = np.array([[-1.0], [-0.9], [-0.8], [0.9], [1.0], [0.8], [0.7]])
    S = np.array([0, 0, 0, 1, 1, 1, 1])
    B, R = np.array([[-0.05]]), np.array([0])
    all_of_it = [np.arange(7)]
    soft, hard = (svm_scores(A, S, B, R, all_of_it, C) for C in (1e-3, 100.0))
    assert_array_equal([soft, hard], [[0], [1]])


def test_the_same_draws_give_the_same_scores():
    rng = np.random.default_rng(0)
    A, S = rng.standard_normal((60, 20)), np.arange(60) % 3
    draws = label_draws(S, 5, 3, rng)
    first, second = (svm_scores(A, S, A, S, draws) for _ in range(2))
    assert_array_equal(first, second)
    assert first.shape == (3,)


# linear_svm


def noisy(n, seed, classes=3, d=6):
    """Samples of classes that overlap, so that no line is right for all."""
    rng = np.random.default_rng(seed)
    T = np.arange(n) % classes
    return rng.standard_normal((n, d)) + 1.5 * np.eye(classes, d)[T], 10 * T


@pytest.mark.parametrize("B", [1.0, 5.0])
@pytest.mark.parametrize("C", [1e-3, 0.1, 10.0])
def test_the_svm_is_scikit_learns(C, B):
    from sklearn.svm import LinearSVC

    X, T = noisy(90, 0)
    oracle = LinearSVC(C=C, intercept_scaling=B, tol=1e-10, max_iter=100_000, random_state=0)
    oracle.fit(X, T)
    svm = linear_svm(X, T, C, B, tolerance=1e-8)
    assert_array_equal(svm.classes, oracle.classes_)
    assert_allclose(svm.W, oracle.coef_.T, atol=1e-6)
    assert_allclose(svm.b, oracle.intercept_, atol=1e-6)
    assert_array_equal(svm.labels(X), oracle.predict(X))
    assert svm.accuracy(X, T) == oracle.score(X, T)


@given(seed=st.integers(0, 99), C=st.floats(1e-3, 100), classes=st.integers(2, 5))
def test_no_step_away_from_the_minimum_leads_down(seed, C, classes):
    X, T = noisy(40, seed, classes)
    svm = linear_svm(X, T, C, tolerance=1e-6)

    def objective(W, b):
        Y = np.where(T[:, None] == svm.classes, 1, -1)
        hinge = np.maximum(1 - Y * (X @ W + b), 0)
        return ((W**2).sum(0) + b**2) / 2 + C * (hinge**2).sum(0)

    least, rng = objective(svm.W, svm.b), np.random.default_rng(seed)
    for size in (1e-3, 1e-1, 1):
        W, b = (a + size * rng.standard_normal(a.shape) for a in (svm.W, svm.b))
        assert (objective(W, b) > least).all()


def test_where_the_search_begins_does_not_change_where_it_ends():
    X, T = noisy(90, 0)
    cold = linear_svm(X, T, 1.0, B=5.0, tolerance=1e-8)
    warm = linear_svm(X, T, 1.0, B=5.0, tolerance=1e-8, start=linear_svm(X, T, 0.01, B=5.0))
    assert_allclose(warm.W, cold.W, atol=1e-6)
    assert_allclose(warm.b, cold.b, atol=1e-6)


def test_the_svm_keeps_the_dtype_of_its_features():
    X, T = noisy(30, 0)
    svm = linear_svm(X.astype(np.float32), T)
    assert svm.W.dtype == svm.b.dtype == np.float32


def test_features_of_nothing_but_zeros_give_no_class_a_weight():
    svm = linear_svm(np.zeros((4, 2)), np.array([0, 0, 1, 1]))
    assert_array_equal(svm.W, 0)
    assert_allclose(svm.b, 0, atol=1e-3)


def test_an_svm_that_is_not_done_says_so(monkeypatch):
    monkeypatch.setattr("minigrad.evaluate.svm.STEPS", 1)
    X, T = noisy(90, 0)
    with pytest.warns(RuntimeWarning, match="3 of 3 classes are not at their minimum after 1 st"):
        linear_svm(X, T)


def test_one_class_alone_is_refused():
    with pytest.raises(ValueError, match="linear_svm: labels are of two classes or more, not 1"):
        linear_svm(np.ones((3, 2)), np.zeros(3))


# best_weight


def test_the_best_weight_is_the_one_that_held_out_samples_are_right_with():
    from sklearn.svm import LinearSVC

    X, T = noisy(150, 0, d=20)
    X *= np.geomspace(0.3, 3, 20)  # a small weight sees the largest features alone
    folds, weights = balanced_folds(T, 3, np.random.default_rng(0)), np.geomspace(1e-3, 1e3, 7)

    def held_out(C):
        right = []
        for learn, held in folds:
            A, Z = scaled([X[learn]], [X[held]])
            oracle = LinearSVC(C=C, tol=1e-8, max_iter=100_000, random_state=0).fit(A, T[learn])
            right.append(oracle.score(Z, T[held]))
        return np.mean(right)

    best = weights[np.argmax([held_out(C) for C in weights])]
    assert weights[0] < best < weights[-1]
    assert best_weight(X, T, folds, weights, scaled) == best
    assert best_weight([X[:, :5], X[:, 5:]], T, folds, weights[::-1], joined) == best


def joined(train, test):
    """Blocks scaled as if they were one."""
    return scaled([np.concatenate(train, 1)], [np.concatenate(test, 1)])


def test_of_equal_weights_the_smaller_is_taken():
    X, T = clusters(60, 0)
    assert best_weight(X, T, [(np.arange(30), np.arange(30, 60))], [1.0, 0.1, 10.0], scaled) == 0.1


@given(seed=st.integers(0, 99), parts=st.integers(2, 4))
def test_balanced_folds_hold_each_sample_out_once_and_each_class_alike(seed, parts):
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(T)
    folds = balanced_folds(shuffled, parts, rng)
    assert_array_equal(np.sort(np.concatenate([held for _, held in folds])), np.arange(len(T)))
    for learn, held in folds:
        assert_array_equal(np.sort(np.concatenate([learn, held])), np.arange(len(T)))
        for c, n in zip(*np.unique(T, return_counts=True)):
            assert (shuffled[held] == c).sum() in (n // parts, -(-n // parts))


def test_folds_are_no_more_than_the_largest_class_has_samples():
    folds = balanced_folds(np.array([0, 1, 0, 1]), 3, np.random.default_rng(0))
    assert [len(held) for _, held in folds] == [2, 2]


@pytest.mark.parametrize(("labels", "parts"), [([0, 1, 1], 2), ([0, 0, 1, 1], 1)])
def test_folds_of_a_class_of_one_or_in_one_part_are_refused(labels, parts):
    least = min(np.bincount(labels))
    with pytest.raises(ValueError, match=f"balanced_folds: .*, not {parts} and {least} of class 0"):
        balanced_folds(np.array(labels), parts, np.random.default_rng(0))


def test_features_that_are_not_centred_have_the_minimum_of_scikit_learn_too():
    rng = np.random.default_rng(0)
    X = rng.random((200, 300)) ** 3 + 0.5
    T = (X @ rng.standard_normal((300, 3))).argmax(1)
    A, Z = by_percentile([X], [rng.random((500, 300)) ** 3 + 0.5])
    theirs = LinearSVC(C=1.0, dual=True, tol=1e-8, max_iter=1_000_000).fit(A, T)
    assert (linear_svm(A, T).labels(Z) == theirs.predict(Z)).mean() > 0.995


@pytest.mark.parametrize(
    ("X", "T", "sentence"),
    [
        (np.full((4, 2), np.nan), [0, 0, 1, 1], "X holds values that are not finite"),
        (np.ones((4, 2), int), [0, 0, 1, 1], r"not \(4, 2\) int64 and \(4,\)"),
        (np.ones((4, 2)), [0, 1, 1], r"not \(4, 2\) float64 and \(3,\)"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(X, T, sentence):
    with pytest.raises(ValueError, match=sentence):
        linear_svm(X, np.array(T))
