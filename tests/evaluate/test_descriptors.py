import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
import strict
from hypothesis import given
from numeric import GOLDEN, agrees, normal, positive
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad.evaluate import (
    crow,
    crow_weights,
    mac,
    multi_scale,
    pca_whitening,
    region_grid,
    rmac,
    spoc,
)
from minigrad.gradcheck import check

POOLS = [mac, spoc, crow, rmac]
TINY = np.array([[[[1.0, 0.0], [0.0, 3.0]], [[1.0, 2.0], [0.0, 1.0]]]])
pools = pytest.mark.parametrize("pool", POOLS, ids=lambda f: f.__name__)


def maps(*shape, seed=0):
    """Maps as behind a relu: half of the entries are 0."""
    return np.maximum(normal(*shape, seed=seed), 0)


# values


def test_all_pools_have_the_golden_values(golden):
    entry = golden("region_pooling")
    X, out = entry.inputs["X"][None], entry.outputs
    assert_allclose(mac(X)[0], out["mac"], **GOLDEN)
    assert_allclose(spoc(X)[0], out["spoc"], **GOLDEN)
    assert_allclose(spoc(X, centre=True)[0], out["spoc_center"], **GOLDEN)
    a, b = crow_weights(X)
    assert_allclose(a[0], out["crow_spatial"], **GOLDEN)
    assert_allclose(b[0], out["crow_channel"], **GOLDEN)
    assert_allclose(crow(X)[0], out["crow"], **GOLDEN)
    assert_array_equal(region_grid(6, 9), out["boxes"])
    assert_allclose(rmac(X)[0], out["rmac"], **GOLDEN)


def test_the_weights_of_a_tiny_example_by_hand():
    a, b = crow_weights(TINY)
    assert_allclose(a[0], [[0.638943] * 2, [0, 0.903602]], atol=1e-6)
    assert_allclose(b[0], [0.916291, 0.510826], atol=1e-6)
    pooled = (TINY * a[:, None]).sum((2, 3)) * b
    assert_allclose(pooled[0], [3.069344, 1.440749], atol=1e-6)
    assert_allclose(crow(TINY), pooled / np.linalg.norm(pooled))


@pytest.mark.parametrize(
    ("h", "w", "vectors"),
    [(7, 7, 15), (8, 8, 15), (7, 10, 21), (6, 9, 21), (12, 16, 21), (24, 32, 21), (5, 15, 33)],
)
def test_so_many_regions_with_the_whole_map(h, w, vectors):
    assert len(region_grid(h, w)) + 1 == vectors
    turned = region_grid(w, h)[:, [1, 0, 2]].tolist()
    assert sorted(turned) == sorted(region_grid(h, w).tolist())


@given(h=st.integers(1, 30), w=st.integers(1, 30), levels=st.integers(1, 4))
def test_regions_lie_inside_the_map_and_reach_its_borders(h, w, levels):
    if 2 * min(h, w) < levels + 1:
        with pytest.raises(ValueError, match=f"not {levels} on a map of {h} x {w}"):
            region_grid(h, w, levels)
        return
    top, left, side = region_grid(h, w, levels).T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + side).max() == h
    assert (left + side).max() == w
    assert_array_equal(np.unique(side), np.unique(2 * min(h, w) // np.arange(2, levels + 2)))


def test_regions_of_one_place_begin_where_the_formula_says():
    # o = floor(1 / 2 - 1) = -1, b = 1 / 2: floor(-1 + i / 2) + 1 = 0, 0, 1
    assert_array_equal(region_grid(2, 2)[-9:, 0], np.repeat([0, 0, 1], 3))


def test_rmac_adds_unit_regions_to_the_unit_whole():
    X = maps(2, 3, 7, 7)
    regions = [X[:, :, y : y + s, x : x + s].max((2, 3)) for y, x, s in region_grid(7, 7)]
    unit = [R / np.linalg.norm(R, axis=1, keepdims=True) for R in [X.max((2, 3)), *regions]]
    assert len(unit) == 15
    total = np.sum(unit, 0)
    assert_allclose(rmac(X), total / np.linalg.norm(total, axis=1, keepdims=True))


def test_a_centred_prior_weighs_the_middle_of_a_map():
    X = np.zeros((1, 2, 5, 5))
    X[0, 0, 2, 2] = X[0, 1, 0, 2] = 1  # 2 pixels up, sigma 5 / 6
    assert_allclose(spoc(X), [[0.5**0.5] * 2])
    Z = spoc(X, centre=True)[0]
    assert_allclose(Z[1] / Z[0], np.exp(-4 / (2 * (5 / 6) ** 2)))


# what they do not mind


@given(seed=st.integers(0, 99), down=st.integers(-6, 6), right=st.integers(-6, 6))
def test_where_things_are_is_nothing_to_mac_spoc_and_crow(seed, down, right):
    X = maps(2, 3, 5, 6, seed=seed)
    for pool in (mac, spoc, crow):
        assert_allclose(pool(np.roll(X, (down, right), (2, 3))), pool(X))


@pools
@given(seed=st.integers(0, 99), power=st.integers(-12, 12))
def test_descriptors_have_unit_length_however_strong_the_maps_are(pool, seed, power):
    X = maps(3, 4, 6, 7, seed=seed)
    Z = pool(X)
    assert_allclose(np.linalg.norm(Z, axis=1), 1)
    assert_allclose(pool(X * 10.0**power), Z)


@pools
def test_images_do_not_mind_who_is_beside_them(pool):
    X = maps(5, 4, 6, 6)
    assert_allclose(pool(X)[2:3], pool(X[2:3]))


@pools
def test_maps_of_zeros_have_zero_descriptors_without_a_warning(pool):
    X = maps(3, 4, 6, 6)
    X[1] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = pool(X)
    assert not Z[1].any()
    assert_allclose(np.linalg.norm(Z[[0, 2]], axis=1), 1)
    assert pool(X[:0]).shape == (0, 4)


def test_a_map_that_answers_alone_is_not_rare():
    X = np.zeros((1, 3, 2, 2))
    X[0, 1] = 2
    assert_array_equal(crow_weights(X)[1], np.zeros((1, 3)))
    assert_array_equal(crow(X), np.zeros((1, 3)))


def test_float32_stays_and_sums_do_not_overflow():
    X = np.full((1, 2, 4, 4), 3e38, np.float32)
    X[0, 1] = 0
    for pool in (spoc, lambda X: spoc(X, centre=True)):
        assert_array_equal(pool(X), np.array([[1, 0]], np.float32))
    X[0, 1, 0, 0] = 1
    assert np.isfinite(crow(X)).all()
    for pool in POOLS:
        assert pool(maps(2, 3, 4, 4).astype(np.float32)).dtype == np.float32
    assert {w.dtype for w in crow_weights(X)} == {np.dtype(np.float32)}


# gradients


@pytest.mark.parametrize("pool", [mac, pytest.param(rmac, marks=pytest.mark.slow)])
def test_the_check_finds_both_blocks_right(pool):
    assert check(pool, positive(1, 2, 3, 4)).passed


@pytest.mark.parametrize("pool", [mac, rmac], ids=lambda f: f.__name__)
def test_gradients_go_through_a_convolution_below(pool):
    U = normal(2, 2, 2, 2), normal(2)
    assert agrees(lambda X, U: pool(mg.relu(mg.conv(X, U))), normal(1, 2, 4, 5), U)


def test_an_image_without_activation_has_no_gradient():
    X = mg.var(np.zeros((1, 2, 4, 4)))
    mg.sum(rmac(X) * normal(1, 2)).backward()
    assert_array_equal(X.grad, np.zeros((1, 2, 4, 4)))


# whitening


@pytest.mark.slow  # to import scikit-learn
def test_whitened_descriptors_are_those_of_scikit_learn_up_to_signs():
    from sklearn.decomposition import PCA

    F, G = normal(60, 8) @ normal(8, 8, seed=1), normal(10, 8, seed=2)
    for d in (3, 8):
        W = PCA(d, whiten=True).fit(F).transform(G)
        W /= np.linalg.norm(W, axis=1, keepdims=True)
        Z = pca_whitening(F, d)(G)
        assert_allclose(Z @ Z.T, W @ W.T, atol=1e-10)


def test_whitening_keeps_the_directions_along_which_the_others_vary():
    F = normal(40, 3) @ normal(3, 10, seed=1)  # in a space of 3
    whiten = pca_whitening(F)
    assert whiten.P.shape == (10, 3)
    assert pca_whitening(F.astype(np.float32)).P.shape == (10, 3)
    assert_allclose(np.linalg.norm(whiten(normal(5, 10, seed=2)), axis=1), 1)
    assert_array_equal(whiten(whiten.mean[None]), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="vary along 3 directions; dimensions is 1 to that, not 4"):
        pca_whitening(F, 4)
    assert pca_whitening(normal(4, 10)).P.shape == (10, 3)  # 4 points span 3 directions


@pytest.mark.parametrize(
    ("F", "said"),
    [
        (np.ones((1, 3)), r"n at least 2, not \(1, 3\)"),
        (np.ones(3), r"\(n, d\)"),
        (np.ones((4, 3)), "4 descriptors of 3 values vary along 0 directions"),
        (np.ones((4, 0)), "4 descriptors of 0 values vary along 0 directions"),
        (np.array([[1.0, np.nan], [0, 0]]), "descriptor 0 of 2 holds a value that is not finite"),
    ],
)
def test_what_cannot_be_whitened_is_said(F, said):
    with pytest.raises(ValueError, match=said):
        pca_whitening(F)


def test_a_whitening_refuses_other_descriptors():
    whiten = pca_whitening(normal(9, 3))
    with pytest.raises(ValueError, match=r"descriptors are \(n, 3\), not \(2, 4\)"):
        whiten(np.ones((2, 4)))
    with pytest.raises(ValueError, match="descriptor 1 of 2"):
        whiten(np.array([[1, 2, 3], [1, np.inf, 3]]))


# scales


def test_scales_are_summed_as_unit_vectors():
    images = maps(2, 3, 8, 8)
    images /= images.max()
    describe = lambda X: X.mean((2, 3)) * X.shape[2]  # the larger, the longer
    seen = []

    def noted(X):
        seen.append(X.shape[2:])
        return describe(X)

    Z = multi_scale(images, noted, (1, 0.5))
    assert seen == [(8, 8), (4, 4)]
    assert_allclose(np.linalg.norm(Z, axis=1), 1)
    single = multi_scale(images, describe, [1])
    assert_allclose(single, mg.normalize(describe(images)))
    assert_allclose(Z, single, atol=1e-6)  # a mean is the same at half the size


def test_each_scale_counts_alike_however_long_its_descriptors_are():
    images = np.zeros((1, 1, 8, 8))
    axis = {8: [100.0, 0, 0], 6: [0, 10.0, 0], 4: [0, 0, 1.0]}  # of 1, 0.71 and 0.5
    Z = multi_scale(images, lambda X: np.array([axis[X.shape[2]]]))
    assert_allclose(Z, np.full((1, 3), 3**-0.5))


def test_scales_leave_a_pixel_of_the_shorter_side():
    with pytest.raises(ValueError, match=r"leave a pixel of images \(1, 1, 2, 9\); not \[0.1\]"):
        multi_scale(np.zeros((1, 1, 2, 9)), lambda X: X.mean((2, 3)), [0.1])


@pytest.mark.parametrize("scales", [[], [0], [-1, 1], [np.nan], [np.inf], [0.1], 1.0])
def test_scales_that_leave_nothing_are_refused(scales):
    with pytest.raises(ValueError, match="multi_scale: scales are numbers above 0, one at least"):
        multi_scale(np.ones((1, 1, 4, 4)), lambda X: X.max((2, 3)), scales)


def test_a_descriptor_that_is_not_finite_is_named():
    def describe(X):
        F = X.max((2, 3))
        F[1] = np.nan
        return F

    with pytest.raises(ValueError, match="multi_scale: descriptor 1 of 3 holds a value"):
        multi_scale(np.ones((3, 1, 4, 4)), describe, [1])


# what they refuse


@pools
@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 3), (2, 0, 4, 4), (2, 3, 0, 4)])
def test_what_are_no_maps_is_refused(pool, shape):
    with pytest.raises(ValueError, match=r"maps are floats \(n, k, h, w\), not \("):
        pool(np.ones(shape))


@pools
def test_whole_numbers_are_no_maps(pool):
    with pytest.raises(ValueError, match="maps are floats .* int64"):
        pool(np.ones((2, 3, 4, 4), np.int64))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_maps_that_are_not_finite_are_named(bad):
    X = maps(3, 2, 4, 4)
    X[1, 0, 2, 2] = bad
    for pool in (spoc, crow):
        with pytest.raises(ValueError, match="image 1 of 3 holds a value that is not finite"):
            pool(X)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("pool", [mac, rmac], ids=lambda f: f.__name__)
def test_blocks_make_nan_of_them_in_that_image_alone(pool, bad):
    X = maps(3, 2, 4, 4)
    good = pool(X)
    X[1, 0, 2, 2] = bad
    Z = pool(X)
    assert np.isnan(Z[1]).any()
    assert_array_equal(Z[[0, 2]], good[[0, 2]])


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("pool", [mac, rmac], ids=lambda f: f.__name__)
def test_blocks_make_0_of_float32_of_which_squares_overflow_or_vanish(pool):
    X = maps(2, 2, 4, 4).astype(np.float32)
    for factor in (1e25, 1e-25):
        assert_array_equal(pool(X * np.float32(factor)), np.zeros((2, 2)))


def test_levels_and_dimensions_are_whole():
    with pytest.raises(ValueError, match=r"region_grid: levels is a whole number, not 2\.5"):
        rmac(TINY, 2.5)
    for dimensions in (1.5, np.nan):
        with pytest.raises(ValueError, match="pca_whitening: dimensions is a whole number, not"):
            pca_whitening(normal(9, 3), dimensions)


def test_negative_maps_have_no_weights():
    with pytest.raises(ValueError, match="maps are not negative, as behind a relu, not down to -2"):
        crow(np.array([[[[-2.0, 1.0]]]]))


def test_maps_too_small_for_regions_are_refused():
    with pytest.raises(ValueError, match="not 3 on a map of 1 x 9"):
        rmac(np.ones((1, 2, 1, 9)))
    assert rmac(np.ones((1, 2, 1, 9)), 1).shape == (1, 2)


# on another device


def test_all_of_it_stays_on_the_device(monkeypatch):
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    strict.install(monkeypatch)
    X = maps(6, 3, 6, 8)
    there = mg.to_gpu(X)
    for pool in (*POOLS, lambda X: spoc(X, centre=True)):
        Z = pool(there)
        assert type(Z) is strict.ndarray
        assert_allclose(mg.to_cpu(Z), pool(X))
    whiten = pca_whitening(mac(there), 2)
    Z = whiten(mac(there))
    assert type(Z) is strict.ndarray
    Z = mg.to_cpu(Z)
    W = pca_whitening(mac(X), 2)(mac(X))
    assert_allclose(Z @ Z.T, W @ W.T, atol=1e-10)
    Z = multi_scale(there / 4, mac)
    assert type(Z) is strict.ndarray
    assert_allclose(mg.to_cpu(Z), multi_scale(X / 4, mac), rtol=1e-5)
