import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import Ranges, digits, draw, surrogates, transform

POWER = {"rtol": 1e-6, "atol": 1e-7}  # NumPy's power of a float32 is right to an ulp
IDENTITY = Ranges(0, (1, 1), 0, (0, 0, 0), (0, 0, 0), 0, 0)


@pytest.fixture(scope="module")
def seeds():
    return digits()[0][:7]


@pytest.mark.parametrize(("n", "versions"), [(1, 1), (1, 4), (7, 1), (7, 3)])
def test_each_seed_is_a_class_of_as_many_versions(seeds, n, versions):
    X, T = surrogates(seeds[:n], versions, np.random.default_rng(0))
    assert X.shape == (n * versions, 1, 16, 16)
    assert X.dtype == np.float32
    assert_array_equal(T, [seed for seed in range(n) for _ in range(versions)])


def test_a_version_is_its_own_seed_transformed(seeds):
    X, T = surrogates(seeds, 3, np.random.default_rng(0), IDENTITY)
    assert_allclose(X, seeds[T], **POWER)


def test_versions_are_those_of_transform_also_beyond_the_first_thousand(seeds):
    X, T = surrogates(seeds, 300, np.random.default_rng(0))
    assert len(X) == 2100
    Z = transform(seeds[T], draw(2100, np.random.default_rng(0)))
    assert_allclose(X, Z, **POWER)


def test_versions_of_a_seed_differ(seeds):
    X, _ = surrogates(seeds[:1], 50, np.random.default_rng(0))
    assert len(np.unique(X.reshape(50, -1), axis=0)) == 50


def test_the_same_seed_gives_the_same_versions_and_the_generator_goes_on(seeds):
    rng = np.random.default_rng(2)
    first, second = (surrogates(seeds, 2, rng)[0] for _ in range(2))
    assert_array_equal(first, surrogates(seeds, 2, np.random.default_rng(2))[0])
    assert (first != second).any()


def test_colours_and_other_sides_and_dtypes_are_kept():
    seeds = np.random.default_rng(0).random((2, 3, 12, 20))
    X, _ = surrogates(seeds, 2, np.random.default_rng(0))
    assert X.shape == (4, 3, 12, 20)
    assert X.dtype == np.float64


def test_seeds_are_not_changed(seeds):
    before = seeds.copy()
    surrogates(seeds, 2, np.random.default_rng(0))
    assert_array_equal(seeds, before)


@pytest.mark.parametrize(
    ("shape", "versions"),
    [((0, 1, 8, 8), 2), ((2, 8, 8), 2), ((2, 64), 2), ((2, 1, 8, 8), 0), ((2, 1, 8, 8), -1)],
    ids=str,
)
def test_no_seeds_no_versions_and_no_images_are_refused(shape, versions):
    sentence = r"surrogates: seeds are \(n, c, h, w\), n and versions at least 1"
    with pytest.raises(ValueError, match=sentence):
        surrogates(np.zeros(shape), versions, np.random.default_rng(0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_seeds_that_are_not_finite_are_refused(value):
    seeds = np.zeros((2, 1, 8, 8))
    seeds[1, 0, 3, 3] = value
    with pytest.raises(ValueError, match=r"surrogates: seeds \(2, 1, 8, 8\) hold values that"):
        surrogates(seeds, 2, np.random.default_rng(0))
