import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import GOLDEN, normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import k_means, nmi
from minigrad.evaluate.partitions import AVERAGES


@pytest.mark.parametrize("average", AVERAGES)
@given(seed=st.integers(0, 999), n=st.integers(1, 60), k=st.integers(1, 8))
def test_nmi_is_scikit_learns_for_each_average(average, seed, n, k):
    from sklearn.metrics import normalized_mutual_info_score

    rng = np.random.default_rng(seed)
    T, C = rng.integers(0, k, n), rng.integers(0, 4, n)
    expected = normalized_mutual_info_score(T, C, average_method=average)
    assert_allclose(nmi(T, C, average), expected, atol=1e-12)


@pytest.mark.parametrize("average", AVERAGES)
def test_nmi_has_the_golden_value(golden, average):
    entry = golden("recall_nmi_map")
    found = nmi(entry.inputs["y"], entry.inputs["clusters"], average)
    assert_allclose(found, entry.outputs[f"nmi_{average}"], **GOLDEN)


@given(seed=st.integers(0, 999))
def test_nmi_does_not_depend_on_the_numbers_of_clusters_or_on_which_side_they_stand(seed):
    rng = np.random.default_rng(seed)
    T, C = rng.integers(0, 3, 30), rng.integers(0, 5, 30)
    renamed = rng.permutation(1000)[:5][C]
    for average in AVERAGES:
        assert_allclose(nmi(T, renamed, average), nmi(T, C, average))
        assert_allclose(nmi(C, T, average), nmi(T, C, average))
        assert_allclose(nmi(C, renamed, average), 1)


@pytest.mark.parametrize("average", AVERAGES)
def test_one_class_alone_has_a_value_by_every_average(average):
    one, some = np.zeros(6, int), np.arange(6) % 2
    assert nmi(one, one, average) == 1
    assert nmi(one, some, average) == nmi(some, one, average) == 0
    assert nmi(some, np.arange(6) // 2 // 2, average) >= 0


@pytest.mark.parametrize(
    ("T", "C"), [([0, 1], [0, 1, 2]), ([], []), ([[0, 1]], [[0, 1]])], ids=["length", "none", "2-d"]
)
def test_labels_that_are_no_two_partitions_of_samples_are_refused(T, C):
    with pytest.raises(ValueError, match=r"nmi: classes and clusters are \(n,\), n at least 1"):
        nmi(np.array(T), np.array(C))


def test_another_average_is_refused():
    with pytest.raises(
        ValueError, match="nmi: average is one of arithmetic, geometric, max, min, not 'mean'"
    ):
        nmi([0, 1], [0, 1], "mean")


def test_k_means_finds_clusters_that_lie_apart():
    T = np.arange(60) % 4
    F = 10 * np.eye(4)[T] + normal(60, 4)
    C = k_means(F, 4, np.random.default_rng(0))
    assert set(C) == {0, 1, 2, 3}
    assert nmi(T, C) == 1


def test_k_means_is_scikit_learns_and_repeats_with_the_generator():
    from sklearn.cluster import KMeans

    F = normal(80, 3)
    first, again = (k_means(F, 5, np.random.default_rng(3)) for _ in range(2))
    assert_array_equal(first, again)
    means = np.array([F[first == c].mean(0) for c in range(5)])
    ours = ((F - means[first]) ** 2).sum()
    assert ours <= KMeans(5, n_init=1, random_state=0).fit(F).inertia_ * 1.01


def test_a_collapsed_embedding_is_one_cluster_and_says_so():
    from sklearn.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        C = k_means(np.ones((6, 2)), 3, np.random.default_rng(0))
    assert nmi(np.arange(6) % 3, C) == 0


def test_what_cannot_be_clustered_is_refused():
    rng = np.random.default_rng(0)
    for F, k in ((normal(5, 2), 6), (normal(5, 2), 0), (normal(5), 1)):
        with pytest.raises(ValueError, match=r"k_means: features are \(n, d\), and k is 1 to n"):
            k_means(F, k, rng)
    with pytest.raises(ValueError, match="k_means: sample 1 of 2 holds a value that is not finite"):
        k_means(np.array([[0.0], [np.inf]]), 1, rng)
