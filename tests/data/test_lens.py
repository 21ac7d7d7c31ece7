import numpy as np
import pytest
import strict
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from minigrad import to_cpu, to_gpu
from minigrad.data import aberration, vignette

sides = st.integers(1, 12)
shares = st.floats(0, 0.9)


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def in_bytes(X):
    return np.rint(255 * X).astype(np.uint8)


@pytest.mark.parametrize("fault", [aberration, vignette])
@given(h=sides, w=sides)
def test_none_of_a_fault_leaves_every_image_exactly_as_it_is(fault, h, w):
    for X in (images(2, 3, h, w), images(2, 3, h, w).astype(np.float32), in_bytes(images(3, h, w))):
        Z = fault(X, 0)
        assert Z.dtype == X.dtype
        np.testing.assert_array_equal(Z, X)


@given(h=sides, w=sides, share=shares)
def test_green_is_what_scipy_finds_further_out_and_the_border_goes_on(h, w, share):
    X = images(2, 3, h, w)
    Z = aberration(X, share)
    away = [(side - 1) / 2 + (np.arange(side) - (side - 1) / 2) / (1 - share) for side in (h, w)]
    places = np.meshgrid(*away, indexing="ij")
    for image, found in zip(X, Z):
        expected = ndimage.map_coordinates(image[1], places, order=1, mode="nearest")
        np.testing.assert_allclose(found[1], expected, atol=1e-12)
        np.testing.assert_array_equal(found[::2], image[::2])


def test_a_green_dot_comes_nearer_to_the_centre_by_its_share_of_the_distance():
    X = np.zeros((3, 21, 41))
    X[:, 10, 40] = 1  # 20 to the right of the centre
    Z = aberration(X, 0.1)
    assert np.argwhere(Z[1] == 1).tolist() == [[10, 38], [10, 39], [10, 40]]  # and the border
    X[:, 10, 40], X[:, 10, 30] = 0, 1
    assert np.argwhere(aberration(X, 0.1)[1] == 1).tolist() == [[10, 29]]


@given(share=shares, fault=st.sampled_from([aberration, vignette]))
def test_the_centre_stays(share, fault):
    X = images(1, 3, 9, 7)
    np.testing.assert_array_equal(fault(X, share)[..., 4, 3], X[..., 4, 3])


@given(h=sides, w=sides, strength=shares)
def test_brightness_falls_with_the_squared_distance_to_its_least_in_the_corners(h, w, strength):
    Z = vignette(np.ones((1, h, w)), strength)[0]
    centre = np.array([h - 1, w - 1]) / 2
    for (y, x), value in np.ndenumerate(Z):
        far = ((y, x) - centre) @ ((y, x) - centre) / max(centre @ centre, 0.1)
        assert value == pytest.approx(1 - strength * far)
    if h * w > 1:
        np.testing.assert_allclose(Z[[0, 0, -1, -1], [0, -1, 0, -1]], 1 - strength)


@pytest.mark.parametrize("fault", [aberration, vignette])
def test_bytes_are_rounded_and_what_is_given_stays(fault):
    X = in_bytes(images(2, 3, 10, 13))
    before = X.copy()
    Z = fault(X, 0.3)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_allclose(Z, fault(X.astype(float), 0.3), atol=0.5 + 1e-4)


@pytest.mark.parametrize("fault", [aberration, vignette])
def test_on_another_device_images_are_the_same(fault, monkeypatch):
    strict.install(monkeypatch)
    for X in (images(2, 3, 10, 13).astype(np.float32), in_bytes(images(3, 6, 5))):
        Z = fault(to_gpu(X), 0.2)
        assert type(Z) is strict.ndarray
        assert Z.dtype == X.dtype
        np.testing.assert_array_equal(to_cpu(Z), fault(X, 0.2))


@pytest.mark.parametrize("share", [-0.01, 1, 3.0, float("nan")])
def test_other_shares_are_refused(share):
    with pytest.raises(ValueError, match=f"aberration: share is from 0 to below 1, not {share}"):
        aberration(images(3, 4, 4), share)
    with pytest.raises(ValueError, match="vignette: strength .* with which corners are black"):
        vignette(images(3, 4, 4), share)


def test_what_are_no_images_is_refused():
    with pytest.raises(ValueError, match=r"red, green and blue, not \(2, 1, 4, 4\)"):
        aberration(images(2, 1, 4, 4), 0.1)
    with pytest.raises(ValueError, match=r"vignette: images are .* not \(4, 4\) float64"):
        vignette(images(4, 4), 0.1)
    with pytest.raises(ValueError, match="floats or bytes, .* int64"):
        aberration(np.ones((3, 4, 4), int), 0.1)
