import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import affine, max, mean
from minigrad import sum as total
from minigrad.evaluate import Filters, class_maps, feature_maps, occlusion


def network(rng):
    """Two convolutions, and an affine layer of seven classes behind sums or means of five maps."""
    layers = [
        Filters(rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4), padding=1),
        Filters(rng.normal(size=(5, 4, 3, 3)), rng.normal(size=5), stride=2),
    ]
    return layers, (rng.normal(size=(5, 7)), rng.normal(size=7))


@pytest.mark.parametrize(("pooled", "over"), [(total, np.sum), (mean, np.mean)])
def test_a_class_map_sums_to_the_logit_less_its_bias_and_averages_to_it_behind_means(pooled, over):
    rng = np.random.default_rng(0)
    layers, (W, b) = network(rng)
    F = feature_maps(rng.normal(size=(6, 3, 9, 11)), layers)
    logits = affine(pooled(F, (2, 3)), (W, b))
    M = class_maps(F, W)
    assert M.shape == (6, 7, 4, 5)
    assert_allclose(over(M, (2, 3)) + b, logits, rtol=1e-12, atol=1e-12)


def test_a_class_map_is_positive_where_its_detector_answers_and_negative_where_another_does():
    F = np.zeros((1, 2, 3, 3))
    F[0, 0, 0, 2] = F[0, 1, 2, 1] = 4.0
    M = class_maps(F, np.array([[1.0, 0.0], [-0.5, 2.0]]))
    assert_array_equal(M[0, 0], [[0, 0, 4], [0, 0, 0], [0, -2, 0]])
    assert_array_equal(M[0, 1], [[0, 0, 0], [0, 0, 0], [0, 8, 0]])


def test_weights_for_other_maps_are_refused():
    with pytest.raises(ValueError, match=r"\(k, classes\), not \(1, 3, 2, 2\) and \(5, 7\)"):
        class_maps(np.zeros((1, 3, 2, 2)), np.zeros((5, 7)))


def brightest(X):
    return max(X, (1, 2, 3))


def test_covering_the_object_costs_its_score_and_covering_anything_else_nothing():
    X = np.zeros((2, 1, 5, 7))
    X[0, 0, 1, 5], X[1, 0, 4, 0] = 3, 8
    D = occlusion(brightest, X, 2)
    assert D.shape == (2, 4, 6)
    expected = np.zeros((2, 4, 6))
    expected[0, 0:2, 4:6], expected[1, 3, 0] = 3, 8
    assert_array_equal(D, expected)


def test_the_square_moves_by_its_stride():
    X = np.zeros((1, 1, 4, 6))
    X[0, 0, 3, 5] = 1
    D = occlusion(brightest, X, (2, 3), (2, 3))
    assert_array_equal(D, [[[0, 0], [0, 1]]])


def test_of_a_linear_score_it_is_what_the_covered_pixels_gave():
    rng = np.random.default_rng(0)
    X, V = rng.normal(size=(3, 2, 4, 4)), rng.normal(size=(2, 4, 4))
    before = X.copy()
    D = occlusion(lambda X: (X * V).sum((1, 2, 3)), X, 2, 2, value=(0.5, -1.0))
    inside = (V * (X - np.array([0.5, -1.0])[:, None, None])).sum(1)
    assert_allclose(D, inside.reshape(3, 2, 2, 2, 2).sum((2, 4)), rtol=1e-12)
    assert_array_equal(X, before)


def test_a_square_that_does_not_fit_and_scores_of_another_shape_are_refused():
    X = np.zeros((2, 1, 4, 4))
    with pytest.raises(ValueError, match="occlusion: a window of height 5 does not fit"):
        occlusion(brightest, X, 5)
    with pytest.raises(ValueError, match=r"one number for each of 2 images, \(2,\), not \(2, 1\)"):
        occlusion(lambda X: X[:, :, 0, 0], X, 2)
