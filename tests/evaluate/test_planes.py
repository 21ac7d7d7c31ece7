import numpy as np
import pytest
from numeric import normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import to_plane


def test_two_dimensions_stay_as_they_are():
    F = normal(5, 2)
    assert to_plane(F, np.random.default_rng(0)) is F


def test_pca_is_the_plane_of_the_largest_singular_values():
    F = normal(30, 5) * [5, 4, 1, 1, 1]
    Y, C = to_plane(F, np.random.default_rng(0), "PCA"), F - F.mean(0)
    U, S, _ = np.linalg.svd(C, full_matrices=False)
    assert_allclose(abs(Y), abs(U[:, :2] * S[:2]))


@pytest.mark.slow
def test_t_sne_keeps_neighbourhoods_and_repeats_with_the_generator():
    from sklearn.manifold import trustworthiness

    F = normal(90, 6) + 8 * np.eye(6)[np.arange(90) % 3]
    first, again = (to_plane(F, np.random.default_rng(1)) for _ in range(2))
    assert_array_equal(first, again)
    assert trustworthiness(F, first, n_neighbors=5) > 0.9


@pytest.mark.parametrize("method", ["t-SNE", "PCA"])
def test_a_few_samples_or_equal_ones_have_a_place_too(method):
    rng = np.random.default_rng(0)
    for n in (2, 3, 5):
        assert np.isfinite(to_plane(normal(n, 4), rng, method)).all()
        assert_array_equal(to_plane(np.full((n, 4), 0.1), rng, method), np.zeros((n, 2)))


def test_what_has_no_plane_is_refused():
    rng = np.random.default_rng(0)
    for F in (normal(5), normal(5, 1), normal(1, 5)):
        with pytest.raises(ValueError, match=r"to_plane: features are \(n, d\), both 2 or more"):
            to_plane(F, rng)
    with pytest.raises(ValueError, match='to_plane: method is "t-SNE" or "PCA", not \'UMAP\''):
        to_plane(normal(5, 3), rng, "UMAP")
    with pytest.raises(ValueError, match="to_plane: sample 0 of 2 holds a value"):
        to_plane(np.full((2, 3), np.inf), rng)
