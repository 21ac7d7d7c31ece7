import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minigrad.evaluate import label_draws, svm_scores

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
