import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import GOLDEN, normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import knn_scores, knn_vote


def labelled(n, d, classes=3, seed=0):
    """Features, and labels whose numbers are no indices."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.permutation(2 + 5 * (np.arange(n) % classes))


@given(
    seed=st.integers(0, 999),
    n=st.integers(3, 60),
    k=st.integers(1, 60),
    sigma=st.sampled_from([0.05, 0.1, 1.0, 30.0]),
)
def test_scores_are_those_of_scikit_learn_with_these_weights(seed, n, k, sigma):
    from sklearn.neighbors import KNeighborsClassifier

    (F, T), Q, k = labelled(n, 4, seed=seed), normal(5, 4, seed=seed + 1), min(k, n)
    oracle = KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda D: np.exp((1 - D) / sigma)
    ).fit(F, T)
    scores = knn_scores(Q, F, T, k, sigma)
    assert_allclose(scores / scores.sum(1, keepdims=True), oracle.predict_proba(Q), atol=1e-9)
    assert_array_equal(knn_vote(Q, F, T, k, sigma), oracle.predict(Q))


def test_votes_and_scores_have_the_golden_values(golden):
    entry = golden("knn_vote")
    Q, F, T = (entry.inputs[name] for name in ("test", "train", "labels"))
    k, sigma = entry.options["k"], entry.options["sigma"]
    nearest = (Q @ F.T).max(1, keepdims=True)  # the golden weights are not relative to it
    scores = knn_scores(Q, F, T, k, sigma) * np.exp(nearest / sigma)
    assert_allclose(scores, entry.outputs["scores"], **GOLDEN)
    assert_array_equal(knn_vote(Q, F, T, k, sigma), entry.outputs["pred"])


def test_more_neighbours_than_samples_are_all_of_them():
    (F, T), Q = labelled(9, 4), normal(5, 4, seed=1)
    assert_array_equal(knn_scores(Q, F, T, 10**9), knn_scores(Q, F, T, 9))


def test_one_near_neighbour_outvotes_two_far_ones_until_sigma_counts_all_alike():
    F, T = np.array([[1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]), np.array([4, 7, 7])
    Q = np.array([[1.0, 0.0]])
    votes = [knn_vote(Q, F, T, 3, sigma)[0] for sigma in (1e-300, 1e-6, 0.1, 10, np.inf)]
    assert_array_equal(votes, [4, 4, 4, 7, 7])
    assert_array_equal(knn_scores(Q, F, T, 3, np.inf), [[1, 2]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_classes_with_equal_votes_the_first_wins(dtype):
    F = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], dtype)
    T = np.array([9, 5, 9, 5])
    assert_array_equal(knn_vote(np.array([[1, 1], [3, 4]], dtype), F, T), [5, 5])
    assert_array_equal(knn_vote(np.array([[1, 1]], dtype), F, T, k=1), [9])  # the first sample


def test_zero_vectors_are_equally_near_to_all():
    F, T = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), np.array([1, 2, 3])
    assert_array_equal(knn_scores(np.zeros((1, 2)), F, T), [[1, 1, 1]])
    assert_array_equal(np.isfinite(knn_scores(F, 0 * F, T)), True)


def test_features_need_no_unit_length():
    (F, T), Q = labelled(40, 4), normal(5, 4, seed=1)
    lengths = np.geomspace(0.01, 100, 40)[:, None]
    assert_allclose(knn_scores(Q * 7, F * lengths, T, 9), knn_scores(Q, F, T, 9))


def test_similarities_of_all_queries_never_stand_in_memory(monkeypatch):
    monkeypatch.setattr("minigrad.evaluate.neighbours.ENTRIES", 10_000)
    q, n = 2_000, 20_000
    (F, T), Q = labelled(n, 8), normal(q, 8, seed=1).astype(np.float32)
    F = F.astype(np.float32)
    tracemalloc.start()
    try:
        votes = knn_vote(Q, F, T, k=50)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(votes) == q
    assert peak < q * n * F.itemsize / 8


def test_turns_do_not_change_the_scores(monkeypatch):
    (F, T), Q = labelled(50, 4), normal(31, 4, seed=1)
    whole = knn_scores(Q, F, T, 20)
    monkeypatch.setattr("minigrad.evaluate.neighbours.ENTRIES", 60)
    assert_array_equal(knn_scores(Q, F, T, 20), whole)


def spoiled(n):
    F = normal(n, 3)
    F[1, 2] = np.nan
    return F


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"T": np.arange(4)}, r"labels \(n,\), not \(5, 3\) and \(4,\)"),
        ({"F": np.zeros((0, 3)), "T": np.zeros(0)}, r"one sample at least, .* not \(0, 3\)"),
        ({"F": spoiled(5)}, "sample 1 of 5 holds a value that is not finite"),
        ({"Q": spoiled(2)}, "query 1 of 2 holds a value that is not finite"),
        ({"Q": normal(2, 4)}, r"queries are \(q, 3\), as the features are, not \(2, 4\)"),
        ({"k": 0}, "k is 1 or more and sigma above 0, not 0 and 0.1"),
        ({"sigma": 0}, "k is 1 or more and sigma above 0, not 200 and 0"),
        ({"sigma": np.nan}, "not 200 and nan"),
    ],
)
def test_what_cannot_vote_is_refused(change, sentence):
    arguments = {"Q": normal(2, 3), "F": normal(5, 3), "T": np.arange(5), **change}
    for f in (knn_scores, knn_vote):
        with pytest.raises(ValueError, match=f"knn_scores: .*{sentence}"):
            f(**arguments)


def test_no_queries_have_no_votes():
    assert knn_vote(np.zeros((0, 3)), normal(5, 3), np.arange(5)).shape == (0,)
