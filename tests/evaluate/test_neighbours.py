import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import normal
from numpy.testing import assert_array_equal

from minigrad.evaluate import nearest


def brute_force(F, query, k):
    """The k most like a query, one by one, in higher precision."""
    F = F.astype(np.longdouble)

    def cosine(i):
        return F[i] @ F[query] / np.sqrt((F[i] @ F[i]) * (F[query] @ F[query]))

    others = [i for i in range(len(F)) if i != query]
    return sorted(others, key=lambda i: (-cosine(i), i))[:k]


@given(seed=st.integers(0, 999), n=st.integers(2, 40), d=st.integers(2, 6))
def test_neighbours_are_those_of_a_brute_force(seed, n, d):
    rng = np.random.default_rng(seed)
    F = rng.standard_normal((n, d)) * rng.uniform(0.1, 10, (n, 1))  # of any length
    queries, k = rng.integers(0, n, 3), int(rng.integers(1, n))
    expected = [brute_force(F, q, k) for q in queries]
    assert_array_equal(nearest(F, queries, k), expected)


def test_the_most_like_come_first_by_cosine_and_not_by_distance():
    F = np.array([[1.0, 0.0], [0.9, 0.3], [100.0, 1.0], [-1.0, 0.0]])
    assert_array_equal(nearest(F, np.array([0]), 3), [[2, 1, 3]])


def test_of_equals_the_lower_index_comes_first():
    F = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, 2.0], [1.0, 0.0]])
    assert_array_equal(nearest(F, np.array([0, 4]), 4), [[4, 1, 2, 3], [0, 1, 2, 3]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_copies_the_lower_index_comes_first_wherever_they_stand(dtype):
    for d in range(1, 40):
        F = np.repeat(normal(2, d, seed=d).astype(dtype), [1, 60], axis=0)
        assert_array_equal(nearest(F, np.array([0]), 60), [range(1, 61)])


def test_a_query_is_left_out_even_among_its_copies():
    F = np.ones((5, 2))
    assert_array_equal(nearest(F, np.array([2, 0]), 4), [[0, 1, 3, 4], [1, 2, 3, 4]])


def test_the_query_is_left_out_even_where_all_others_point_away():
    F = np.array([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.1]])
    assert_array_equal(nearest(F, np.array([0]), 2), [[2, 1]])


def test_a_sample_of_zeros_is_like_nothing_and_unlike_nothing():
    F = np.array([[1.0, 0.0], [-1.0, 0.1], [0.0, 0.0], [1.0, 1.0]])
    assert_array_equal(nearest(F, np.array([0]), 3), [[3, 2, 1]])


@pytest.mark.parametrize("k", [0, -1, 5, 6])
def test_a_k_that_cannot_be_is_refused(k):
    with pytest.raises(ValueError, match=f"nearest: k is 1 to 4 for 5 samples, not {k}"):
        nearest(normal(5, 2), np.array([0]), k)


def test_the_features_are_not_changed():
    F = normal(5, 2)
    nearest(F, np.array([0]), 2)
    assert_array_equal(F, normal(5, 2))
