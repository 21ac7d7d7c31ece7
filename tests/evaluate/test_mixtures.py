import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.evaluate import Mixture, expanding_mixture, peaks

Y, X = np.mgrid[:20, :30].astype(float)


def blob(v, u, sigma):
    return np.exp(-((Y - v) ** 2 + (X - u) ** 2) / (2 * sigma**2))


def em(points, f, weights, means, sigmas, steps):
    """Weighted EM for Gaussians of one width each, one component and one point at a time."""
    for _ in range(steps):
        R = np.zeros((len(points), len(weights)))
        for i, x in enumerate(points):
            for k, (p, m, s) in enumerate(zip(weights, means, sigmas)):
                R[i, k] = p * np.exp(-((x - m) ** 2).sum() / (2 * s * s)) / (2 * np.pi * s * s)
            R[i] *= f[i] / R[i].sum()
        weights, means, sigmas = weights.copy(), means.copy(), sigmas.copy()
        for k in range(len(weights)):
            weights[k] = R[:, k].sum() / f.sum()
            means[k] = sum(r * x for r, x in zip(R[:, k], points)) / R[:, k].sum()
            spread = sum(r * ((x - means[k]) ** 2).sum() for r, x in zip(R[:, k], points))
            sigmas[k] = np.sqrt(spread / R[:, k].sum() / 2)
    return weights, means, sigmas


def agree(a, b):
    order = np.argsort(-b[0], kind="stable")
    return all(np.allclose(x, np.asarray(y)[order], atol=1e-9) for x, y in zip(a, b))


START = Mixture(
    np.array([0.5, 0.3, 0.2]),
    np.array([[2.0, 3.0], [5.0, 1.0], [6.0, 6.0]]),
    np.array([2.0, 1.5, 3.0]),
)


def test_with_both_parameters_zero_it_is_em_on_weighted_points():
    f = np.random.default_rng(0).random((8, 7))
    f[0, 2] = f[3, 3] = 0
    points = np.array(list(np.ndindex(8, 7)), float)
    found = expanding_mixture(f, tau=0, expansion=0, start=START, steps=4)
    assert agree(found, em(points, f.ravel(), *START, steps=4))


@pytest.mark.slow  # it is imported for long
@pytest.mark.filterwarnings("ignore")  # it did not converge, and shall not
def test_with_points_that_count_alike_it_is_the_mixture_of_scikit_learn():
    mixture = pytest.importorskip("sklearn.mixture").GaussianMixture
    f = (np.random.default_rng(1).random((8, 7)) < 0.6).astype(float)
    points = np.argwhere(f > 0)
    known = mixture(
        3,
        covariance_type="spherical",
        weights_init=START.weights,
        means_init=START.means,
        precisions_init=START.sigmas**-2,
        max_iter=5,
        tol=0,
        reg_covar=0,
    ).fit(points)
    found = expanding_mixture(f, tau=0, expansion=0, start=START, steps=5)
    assert agree(found, (known.weights_, known.means_, np.sqrt(known.covariances_)))


@settings(max_examples=10, deadline=None)
@given(st.floats(7, 12), st.floats(9, 20), st.floats(0.7, 2))
def test_a_blob_has_its_mean_and_half_the_trace_of_its_covariance(v, u, sigma):
    f = blob(v, u, sigma)
    points, r = np.argwhere(f > 0), f[f > 0] / f.sum()
    mean = r @ points
    variance = np.trace(np.cov(points.T, aweights=r, ddof=0)) / 2
    found = expanding_mixture(f)
    assert len(found.weights) == 1
    np.testing.assert_allclose(found.means[0], mean, atol=1e-9)
    np.testing.assert_allclose(found.sigmas[0], max(np.sqrt(variance), 12**-0.5), rtol=1e-9)


def test_what_overlaps_is_dropped_and_what_does_not_stays():
    f = blob(6, 7, 2) + 2 * blob(12, 22, 2)
    twice = Mixture(
        np.array([0.4, 0.3, 0.3]),
        np.array([[12.0, 22.0], [12.0, 21.0], [6.0, 7.0]]),
        np.array([2.0, 2.0, 2.0]),
    )
    assert len(expanding_mixture(f, 0.5, 0, twice).weights) == 2
    assert len(expanding_mixture(f, 0, 0, twice).weights) == 3
    assert len(expanding_mixture(f, 1, 0, twice).weights) == 1  # any overlap at all


def test_the_overlap_is_that_of_the_formula():
    # |p|^2 / (|p|^2 + <p, q>): equal sigmas, distance d, q twice as heavy: 1 / (1 + 2 e^(-d^2 / 4))
    start = Mixture(np.array([2, 1]) / 3, np.array([[4.0, 4.0], [4.0, 6.0]]), np.ones(2))
    overlap = 1 / (1 + 2 * np.exp(-1))
    for tau, left in ((overlap - 1e-9, 2), (overlap + 1e-9, 1)):
        assert len(expanding_mixture(np.ones((9, 9)), tau, 0, start, steps=1).weights) == left


def test_expansion_counts_what_lies_with_others():
    f = np.random.default_rng(0).random((8, 7))
    points = np.array(list(np.ndindex(8, 7)), float)
    P = np.stack(
        [p / s**2 * np.exp(-((points - m) ** 2).sum(1) / (2 * s**2)) for p, m, s in zip(*START)],
        1,
    )
    R = f.ravel()[:, None] * P / P.sum(1, keepdims=True)
    k = 1
    m = R[:, k] @ points / R[:, k].sum()
    D = ((points - m) ** 2).sum(1)
    outer = P.argmax(1) != k
    S = R[:, k] @ D / R[:, k].sum()
    S_outer = R[outer, k] @ D[outer] / R[outer, k].sum()
    found = expanding_mixture(f, 0, 0.4, START, steps=1)
    at = np.abs(found.means - m).sum(1).argmin()
    np.testing.assert_allclose(2 * found.sigmas[at] ** 2, 0.6 * S + 0.4 * S_outer)
    plain = expanding_mixture(f, 0, 0, START, steps=1)
    assert (found.sigmas >= plain.sigmas).all()


def test_maps_of_zeros_of_one_pixel_and_of_one_value_have_values():
    assert [a.shape for a in expanding_mixture(np.zeros((4, 5)))] == [(0,), (0, 2), (0,)]
    assert expanding_mixture(np.zeros((4, 5))).boxes((4, 5)).shape == (0, 4)
    f = np.zeros((4, 5))
    f[1, 3] = 7
    for found in (expanding_mixture(f), peaks(f)):
        assert (found.weights, found.sigmas) == (1, pytest.approx(12**-0.5))
        assert found.means.tolist() == [[1, 3]]
    assert expanding_mixture(f).boxes(f.shape).tolist() == [[1, 3, 1, 1]]
    assert expanding_mixture(np.ones((1, 1))).means.tolist() == [[0, 0]]
    np.testing.assert_allclose(expanding_mixture(np.ones((6, 9))).means, [[2.5, 4]])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9), st.floats(0, 1))
def test_any_map_has_finite_components_of_sum_one_the_same_each_time(seed, h, w, share):
    rng = np.random.default_rng(seed)
    f = rng.random((h, w)) * (rng.random((h, w)) < share) * 10.0 ** rng.integers(-100, 100)
    found = expanding_mixture(f, steps=5)
    assert all(np.isfinite(a).all() for a in found)
    assert all((a == b).all() for a, b in zip(found, expanding_mixture(f, steps=5)))
    if f.any():
        assert found.weights.sum() == pytest.approx(1)
        assert (np.diff(found.weights) <= 0).all()
        assert (found.sigmas >= 12**-0.5).all()
        top, left, height, width = found.boxes(f.shape).T
        assert min(top.min(), left.min()) >= 0
        assert min(height.min(), width.min()) >= 1
        assert (top + height <= h).all()
        assert (left + width <= w).all()


def test_equal_pixels_that_touch_at_a_corner_are_one_maximum():
    assert peaks(np.pad(np.eye(2), 2)).means.tolist() == [[2.5, 2.5]]


def test_maxima_with_the_same_middle_have_a_width():
    f = np.full((5, 5), 3.0)  # a ring around a lower peak
    f[1:4, 1:4] = 1
    f[2, 2] = 2
    assert peaks(f).means.tolist() == [[2, 2], [2, 2]]
    assert peaks(f).sigmas == pytest.approx(12**-0.5)
    assert all(np.isfinite(a).all() for a in expanding_mixture(f))


def test_by_default_it_goes_on_until_it_rests_or_thirty_times():
    f = np.random.default_rng(0).random((8, 7))
    found, same, rested, before = (
        expanding_mixture(f, tau=0, **options)
        for options in ({}, {"steps": 30}, {"steps": 999}, {"steps": 9})
    )
    assert agree(found, same)
    assert agree(expanding_mixture(f), expanding_mixture(f, 0.5, 0.1, None, 30))
    assert agree(rested, expanding_mixture(f, tau=0, steps=9999))
    assert not agree(found, before)


def test_the_scale_of_a_map_does_not_matter():
    f = np.random.default_rng(0).random((7, 9))
    a, b = expanding_mixture(f), expanding_mixture(1024 * f)
    assert all(np.allclose(x, y) for x, y in zip(a, b))


def test_boxes_hold_the_pixels_within_two_sigmas():
    found = Mixture(np.ones(1), np.array([[5.0, 1.0]]), np.array([1.5]))
    assert found.boxes((12, 12)).tolist() == [[2, 0, 7, 5]]
    assert found.boxes((12, 12), reach=0).tolist() == [[5, 1, 1, 1]]


@pytest.mark.parametrize(
    ("f", "options", "words"),
    [
        (np.ones(3), {}, r"a map is \(h, w\), of one pixel at least, not \(3,\)"),
        (np.ones((0, 3)), {}, "one pixel at least"),
        (np.array([[1, np.nan]]), {}, "finite and not negative"),
        (np.array([[1, -1]]), {}, "not negative, not from -1.0 to 1.0"),
        (np.ones((2, 2)), {"tau": 1.1}, "tau and expansion are 0 to 1"),
        (np.ones((2, 2)), {"expansion": -0.1}, "tau and expansion are 0 to 1"),
        (np.ones((2, 2)), {"steps": -1}, "steps 0 or more"),
        (np.ones((2, 2)), {"start": START._replace(sigmas=np.zeros(3))}, "start: .*sigmas above 0"),
        (np.ones((2, 2)), {"start": START._replace(sigmas=np.ones(2))}, "start: one component"),
        (np.ones((2, 2)), {"start": START._replace(weights=-START.weights)}, "none below 0"),
        (np.ones((2, 2)), {"start": START._replace(weights=START.weights * np.nan)}, "some weight"),
        (np.ones((2, 2)), {"start": START._replace(weights=np.zeros(3))}, "start: .*some weight"),
    ],
)
def test_what_is_no_map_is_refused(f, options, words):
    with pytest.raises(ValueError, match=words):
        expanding_mixture(f, **options)
