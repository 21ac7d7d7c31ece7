import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import class_cosines, cosine_density, overlap

T = np.array([5, 2, 5, 2, 5, 9, 5, 2])  # 9 is alone


@given(seed=st.integers(0, 999), k=st.integers(1, 9))
def test_cosines_are_those_of_a_brute_force(seed, k):
    F = normal(8, 3, seed=seed)
    U = F / np.linalg.norm(F, axis=1, keepdims=True)
    same, other = [], []
    for i in np.flatnonzero(T != 9):
        same += sorted((U[i] @ U[j] for j in range(8) if T[j] == T[i] and j != i), reverse=True)[:k]
        other += sorted((U[i] @ U[j] for j in range(8) if T[j] != T[i]), reverse=True)[:k]
    found = class_cosines(F, T, k)
    assert_allclose(np.sort(found[0]), np.sort(same))
    assert_allclose(np.sort(found[1]), np.sort(other))


def test_a_copy_counts_though_it_is_as_near_as_the_sample_itself():
    same, _ = class_cosines(np.ones((4, 2)), np.array([0, 0, 0, 1]), k=1)
    assert_allclose(same, [1, 1, 1])
    same, other = class_cosines(np.zeros((4, 2)), np.array([0, 0, 1, 1]))
    assert_array_equal(same, np.zeros(4))
    assert_array_equal(other, np.zeros(8))


def test_a_density_has_the_mean_1_and_counts_what_is_outside_at_the_ends():
    cosines = np.array([-0.7, 0.05, 0.5, 1.0000001])
    assert_allclose(cosine_density(cosines, 10), [5, 0, 0, 0, 0, 2.5, 0, 0, 0, 2.5])
    assert_allclose(cosine_density(np.random.default_rng(0).random(999)).mean(), 1)


@given(seed=st.integers(0, 999), bins=st.integers(1, 80))
def test_the_overlap_is_the_area_below_both_densities_of_numpy(seed, bins):
    rng = np.random.default_rng(seed)
    a, b = rng.random(70) ** 2, rng.random(30)
    p, q = (np.histogram(x, np.linspace(0, 1, bins + 1))[0] / len(x) for x in (a, b))
    assert_allclose(overlap(a, b, bins), 1 - abs(p - q).sum() / 2)
    assert 1 - 1e-9 < overlap(a, a, bins) <= 1
    assert overlap(np.zeros(9, np.float32), np.zeros(4), bins) == 1
    assert overlap(a / 2.1, 0.5 + b / 2, 2) == 0


def test_classes_that_lie_apart_overlap_less():
    labels = np.arange(60) % 3
    overlaps = [
        overlap(*class_cosines(a * np.eye(3)[labels] + normal(60, 3), labels)) for a in (0, 3, 20)
    ]
    assert overlaps[0] > overlaps[1] > overlaps[2] == 0


def test_what_has_no_two_classes_or_no_neighbours_is_refused():
    F = normal(4, 2)
    for labels, found in (([0] * 4, "1 of at most 4"), ([0, 1, 2, 3], "4 of at most 1")):
        with pytest.raises(ValueError, match=f"class_cosines: two classes .* not {found}"):
            class_cosines(F, np.array(labels))
    with pytest.raises(ValueError, match="class_cosines: k is 1 or more, not 0"):
        class_cosines(F, np.array([0, 0, 1, 1]), 0)
    with pytest.raises(ValueError, match=r"class_cosines: features .* not \(4, 2\) and \(3,\)"):
        class_cosines(F, np.zeros(3))
    with pytest.raises(ValueError, match="class_cosines: sample 0 of 4 holds a value"):
        class_cosines(F * np.nan, np.array([0, 0, 1, 1]))
    with pytest.raises(ValueError, match="cosine_density: there are no cosines"):
        overlap(np.zeros(0), np.ones(3))
    with pytest.raises(ValueError, match="cosine_density: cosine 0 of 2 holds a value that is not"):
        cosine_density([np.nan, 0.1], 2)
