"""Hue, saturation and value: colorsys, there and back."""

import colorsys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

from minigrad.kernels.colours import blend, hsv, luminance, raised, rgb

LEVELS = np.linspace(0, 1, 5)
ALL = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS)).reshape(3, 5, 25)  # greys and ties among them
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def planes(f, *X):
    """f of three numbers for each pixel of three planes."""
    return np.stack([f(*pixel) for pixel in zip(*(x.ravel().tolist() for x in X))], 1)


@DTYPES
def test_hsv_is_colorsys_with_the_hue_in_sixths(dtype):
    H, S, V = hsv(ALL.astype(dtype))
    assert H.dtype == S.dtype == V.dtype == dtype
    assert H.min() >= -1
    assert H.max() <= 5
    expected = planes(colorsys.rgb_to_hsv, *ALL)
    got = np.stack([(H % 6) / 6, S, V]).reshape(3, -1)
    assert_allclose(got, expected, atol=4 * np.finfo(dtype).eps)


@given(st.floats(-20, 20), st.sampled_from([np.float32, np.float64]))
def test_rgb_is_colorsys_for_any_hue(turn, dtype):
    _, S, V = (a.astype(dtype) for a in ALL)
    H = (6 * ALL[0] + turn).astype(dtype)
    expected = planes(lambda h, s, v: colorsys.hsv_to_rgb(h / 6 % 1, s, v), H, S, V)
    R = np.empty_like(ALL, dtype)
    rgb(H, S.copy(), V, R)
    assert_allclose(R.reshape(3, -1), expected, atol=100 * np.finfo(dtype).eps)


@DTYPES
def test_there_and_back_is_the_same_colour(dtype):
    R = np.empty_like(ALL, dtype)
    rgb(*hsv(ALL.astype(dtype)), R)
    assert_allclose(R, ALL, atol=4 * np.finfo(dtype).eps)


@DTYPES
def test_raised_is_power_factor_offset_clipped(dtype):
    V = np.array([LEVELS] * 4, dtype)
    power, factor, offset = np.array(
        [[0.25, 0.7, -0.1], [1, 1, 0], [2, 1.4, 0.1], [4, 1, 0]], dtype
    ).T
    expected = np.clip(V ** power[:, None] * factor[:, None] + offset[:, None], 0, 1)
    raised(V, power, factor, offset)
    assert_allclose(V, expected, atol=1e-6 if dtype == np.float32 else 1e-14)


@DTYPES
def test_luminance_weighs_three_channels_and_is_the_mean_of_others(dtype):
    X = ALL.astype(dtype)
    expected = 0.299 * X[0] + 0.587 * X[1] + 0.114 * X[2]
    assert_allclose(luminance(X), expected, atol=4 * np.finfo(dtype).eps)
    assert_allclose(luminance(X[:2]), X[:2].mean(0), atol=4 * np.finfo(dtype).eps)
    assert luminance(X).dtype == dtype


def test_blend_goes_from_the_reference_through_the_image_and_beyond_and_is_clipped():
    R = np.full((1, 4, 1), 0.6)
    blend(R, np.array([0, 0.5, 1, 3]), np.full((4, 1), 0.2))
    assert_allclose(R.ravel(), [0.2, 0.4, 0.6, 1])
