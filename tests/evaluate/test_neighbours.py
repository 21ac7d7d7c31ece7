import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import most_similar, nearest, neighbours
from minigrad.kernels.parallel import threads


def spoiled(n, value):
    """Features (n, 3) with a value in sample 1."""
    F = normal(n, 3)
    F[1, 2] = value
    return F


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


def test_a_k_that_is_not_whole_is_refused():
    with pytest.raises(ValueError, match="nearest: k is a whole number, not 1.5"):
        nearest(normal(5, 2), np.array([0]), 1.5)


@pytest.mark.parametrize("k", [0, -1, 5, 6])
def test_a_k_that_cannot_be_is_refused(k):
    with pytest.raises(ValueError, match=f"nearest: k is 1 to 4 for 5 samples, not {k}"):
        nearest(normal(5, 2), np.array([0]), k)


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="nearest: sample 1 of 5 holds a value that is not finite"):
        nearest(spoiled(5, np.nan), np.array([0]), 2)


def test_the_features_are_not_changed():
    F = normal(5, 2)
    nearest(F, np.array([0]), 2)
    assert_array_equal(F, normal(5, 2))


# most_similar: whatever is chosen, a full stable sort gives the same


def full_sort(Q, F, k):
    """Indices and products by sorting all of them; exact for small whole numbers."""
    S = Q.astype(np.longdouble) @ F.astype(np.longdouble).T
    index = np.argsort(-S, axis=1, kind="stable")[:, :k]
    return index, np.take_along_axis(S, index, 1)


@given(
    seed=st.integers(0, 999),
    n=st.integers(1, 300),
    q=st.integers(1, 70),
    d=st.integers(1, 6),
    share=st.floats(0, 1),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_most_similar_by_product_is_a_full_stable_sort_with_many_ties(seed, n, q, d, share, dtype):
    rng = np.random.default_rng(seed)
    Q, F = (rng.integers(-2, 3, (m, d)).astype(dtype) for m in (q, n))  # products are exact
    k = max(1, round(share * n))
    index, similarity = most_similar(Q, F, k, "product")
    expected = full_sort(Q, F, k)
    assert_array_equal(index, expected[0])
    assert_array_equal(similarity, expected[1])
    assert similarity.dtype == dtype


@given(
    seed=st.integers(0, 99),
    k=st.sampled_from([1, 7, 20]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_most_similar_in_groups_is_a_full_sort(seed, k, dtype):
    rng = np.random.default_rng(seed)
    n = 2000 + seed  # up to 250 products in a group
    Q, F = (rng.integers(-9, 10, (m, 5)).astype(dtype) for m in (3, n))
    index, similarity = most_similar(Q, F, k, "product")
    expected = full_sort(Q, F, k)
    assert_array_equal(index, expected[0])
    assert_array_equal(similarity, expected[1])


def test_the_largest_may_all_stand_in_one_group():
    F = np.arange(2000.0)[:, None] % 125  # 2000 = 16 groups' members, 125 groups of equals
    index, similarity = most_similar(np.ones((1, 1)), F, 15, "product")
    assert_array_equal(index[0], 124 + 125 * np.arange(15))
    assert_array_equal(similarity, np.full((1, 15), 124.0))


@given(
    seed=st.integers(0, 999), d=st.integers(1, 300), dtype=st.sampled_from([np.float32, np.float64])
)
def test_of_equal_samples_the_lower_index_comes_first_wherever_they_stand(seed, d, dtype):
    rng = np.random.default_rng(seed)
    originals = rng.standard_normal((3, d)).astype(dtype)
    which = rng.integers(0, 3, int(rng.integers(3, 400)))
    for measure in ("cosine", "product"):
        index, similarity = most_similar(originals, originals[which], len(which), measure)
        for i, s in zip(index, similarity):
            for j in range(3):
                assert (np.diff(i[which[i] == j]) > 0).all()
                assert len(set(s[which[i] == j])) <= 1


@given(seed=st.integers(0, 999), dtype=st.sampled_from([np.float32, np.float64]))
def test_results_depend_neither_on_threads_nor_on_how_queries_are_divided(seed, dtype):
    rng = np.random.default_rng(seed)
    Q, F = (rng.standard_normal((m, 33)).astype(dtype) for m in (150, 321))
    with threads(1):
        whole = most_similar(Q, F, 9)
    with threads(3):
        shared = most_similar(Q, F, 9)
    cut = int(rng.integers(1, 149))
    parts = [most_similar(part, F, 9) for part in (Q[:cut], Q[cut:])]
    for a, b, *c in zip(whole, shared, *parts):
        assert_array_equal(a, b)
        assert_array_equal(a, np.concatenate(c))


def test_the_cosine_is_that_of_nearest_which_leaves_the_query_out():
    F = normal(40, 5) * np.linspace(0.1, 9, 40)[:, None]
    index, similarity = most_similar(F[:7], F, 11)
    assert_array_equal(index[:, 0], np.arange(7))
    assert_allclose(similarity[:, 0], 1)
    assert_array_equal(index[:, 1:], nearest(F, np.arange(7), 10))


@given(
    seed=st.integers(0, 999),
    d=st.integers(1, 6),
    far=st.sampled_from([0, 1e4, 1e8]),
    dtype=st.sampled_from([np.int64, np.float32, np.float64]),
)
def test_by_distance_whole_numbers_have_the_full_stable_sort_of_scipys(seed, d, far, dtype):
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(seed)
    Q, F = ((far + rng.integers(-9, 10, (m, d))).astype(dtype) for m in (7, 50))
    index, similarity = most_similar(Q, F, 50, "euclidean")
    distance = cdist(Q.astype(float), F.astype(float))
    assert_array_equal(index, np.argsort(distance, axis=1, kind="stable"))
    assert_array_equal(-similarity, np.sort(distance, 1))
    assert similarity.dtype == float


@given(seed=st.integers(0, 99), far=st.sampled_from([0, 1e4]))
def test_by_distance_copies_have_the_lower_index_first_and_numbers_are_scipys(seed, far):
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(seed)
    Q, F = far + rng.standard_normal((7, 5)), np.repeat(far + rng.standard_normal((9, 5)), 4, 0)
    index, similarity = most_similar(Q, F, 36, "euclidean")
    assert_allclose(-similarity, np.sort(cdist(Q, F), 1), atol=1e-6)
    assert_array_equal(index.reshape(7, 9, 4) % 4, np.tile(np.arange(4), (7, 9, 1)))


@pytest.mark.parametrize(("entries", "k"), [(1, 3), (20, 3), (10**6, 19)])
def test_others_in_turn_are_the_nearest_and_never_the_sample_itself(entries, k, monkeypatch):
    monkeypatch.setattr(neighbours, "ENTRIES", entries)
    F = np.repeat(normal(5, 3), 4, axis=0)  # three copies of each
    parts = list(neighbours.others_in_turn(F, k))
    index, similarity = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    assert_array_equal(index, nearest(F, np.arange(20), k))
    assert_allclose(similarity[:, :3], 1)
    assert_array_equal(np.concatenate([np.arange(20)[part] for part, _, _ in parts]), np.arange(20))


def test_the_cosine_with_a_zero_vector_is_0():
    index, similarity = most_similar(np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0], [0.0, 0.0]]), 2)
    assert_array_equal(index, [[1, 0]])
    assert_array_equal(similarity, [[0, -1]])


def test_golden_neighbours(golden):
    entry = golden("knn_vote")
    index, _ = most_similar(entry.inputs["test"], entry.inputs["train"], 10)
    assert_array_equal(index, entry.outputs["neighbours"])


def test_mixed_dtypes_are_promoted_and_whole_numbers_become_floats():
    Q, F = normal(2, 3).astype(np.float32), normal(4, 3)
    assert most_similar(Q, F, 2)[1].dtype == np.float64
    assert most_similar(np.eye(3, dtype=int), np.eye(3, dtype=int), 1, "product")[1].dtype == float


@pytest.mark.parametrize(
    ("Q", "F", "k", "measure", "sentence"),
    [
        (normal(2, 3), normal(5, 3), 0, "cosine", "k is 1 to 5 for 5 samples, not 0"),
        (normal(2, 3), normal(5, 3), 1.5, "cosine", "k is a whole number, not 1.5"),
        (normal(2, 3), normal(5, 3), 6, "cosine", "k is 1 to 5 for 5 samples, not 6"),
        (normal(2, 4), normal(5, 3), 1, "cosine", r"\(n, d\), not \(2, 4\) and \(5, 3\)"),
        (normal(3), normal(5, 3), 1, "cosine", r"\(n, d\), not \(3,\) and \(5, 3\)"),
        (normal(2, 3), normal(5, 3), 1, "l2", """measure is "cosine", "product" or .*not 'l2'"""),
        (
            spoiled(2, np.nan),
            normal(5, 3),
            1,
            "cosine",
            "query 1 of 2 holds a value that is not fin",
        ),
        (normal(2, 3), spoiled(5, np.inf), 1, "product", "sample 1 of 5 holds a value that is not"),
    ],
)
def test_what_cannot_be_searched_is_refused(Q, F, k, measure, sentence):
    with pytest.raises(ValueError, match=f"most_similar: .*{sentence}"):
        most_similar(Q, F, k, measure)


def test_no_queries_have_no_neighbours():
    index, similarity = most_similar(np.zeros((0, 3)), normal(5, 3), 2)
    assert index.shape == similarity.shape == (0, 2)


def test_who_stands_behind_its_copies_is_left_out_too(monkeypatch):
    monkeypatch.setattr(neighbours, "ENTRIES", 4)
    F = np.concatenate([np.ones((5, 2)), [[1.0, -1.0]]])
    parts = list(neighbours.others_in_turn(F, 1))
    assert [part.start for part, *_ in parts] == [0, 2, 4]
    index = np.concatenate([index for _, index, _ in parts])
    assert_array_equal(index[:5, 0], [1, 0, 0, 0, 0])


def test_distances_are_the_same_however_small_a_block_is(monkeypatch):
    F = np.random.default_rng(0).normal(size=(40, 3)) + 1e6
    monkeypatch.setattr(neighbours, "BLOCK", 8)
    ((_, *found),) = neighbours.in_turn(F, F, 5, "euclidean")
    for a, b in zip(found, most_similar(F, F, 5, "euclidean")):
        assert_array_equal(a, b)
