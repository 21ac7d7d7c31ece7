"""Bilinear look-up: scipy's values, at whole pixels exactly the image, nothing from elsewhere.

Parts of rows resampled to a size: Pillow's values.
"""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.ndimage import map_coordinates

from minigrad.kernels.resampling import antialiased, bilinear, separable

SIDES = st.integers(1, 9)


@given(h=SIDES, w=SIDES, seed=st.integers(0, 999), dtype=st.sampled_from([np.float32, np.float64]))
def test_values_between_pixels_are_scipys(h, w, seed, dtype):
    rng = np.random.default_rng(seed)
    X = rng.random((3, 2, h, w)).astype(dtype)
    index = rng.integers(0, 3, 4)
    y, x = (rng.uniform(0, side - 1, (4, 7)).astype(dtype) for side in (h, w))
    at = [(s.copy()) for s in (y, x)]
    Z = np.empty((2, 4, 7), dtype)
    bilinear(X, index, y, x, Z)
    for c, i in np.ndindex(2, 4):
        expected = map_coordinates(X[index[i], c], [s[i] for s in at], order=1)
        assert_allclose(Z[c, i], expected, atol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_whole_pixels_are_exact_also_the_last_ones_of_the_last_image(dtype):
    X = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5)).astype(dtype)
    y, x = (s.ravel()[None].repeat(2, 0).astype(np.float32) for s in np.mgrid[:4, :5])
    Z = np.empty((3, 2, 20), np.float32)
    bilinear(X, np.array([1, 0]), y, x, Z)
    assert_array_equal(Z.transpose(1, 0, 2).reshape(2, 3, 4, 5), X[::-1])


def test_what_stands_beyond_an_image_in_memory_is_not_seen():
    X = np.full((3, 1, 2, 2), 1e9)
    X[1] = 1
    y, x = np.array([[0.0, 1.0, 0.3, 1.0]]), np.array([[1.0, 0.0, 1.0, 0.7]])
    Z = np.empty((1, 1, 4))
    bilinear(X, np.array([1]), y, x, Z)
    assert_array_equal(Z, np.ones((1, 1, 4)))


@given(data=st.data(), h=st.integers(1, 40), w=st.integers(1, 40), p=SIDES, q=SIDES)
def test_a_part_of_an_image_is_resampled_as_by_pillow_larger_or_smaller(data, h, w, p, q):
    X = np.random.default_rng(0).random((h, w)).astype(np.float32)
    top, left = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    height, width = data.draw(st.integers(1, h - top)), data.draw(st.integers(1, w - left))
    part = Image.fromarray(X[top : top + height, left : left + width])
    expected = np.asarray(part.resize((q, p), Image.Resampling.BILINEAR))
    G = antialiased([top], [height], p, h, np.float32)
    H = antialiased([left], [width], q, w, np.float32)
    assert_allclose(separable(X[None, None], G, H)[0, 0], expected, atol=3e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_brought_to_its_own_size_stays_exactly_as_it_is(dtype):
    assert_array_equal(antialiased([0, 2], [7, 3], 7, 7, dtype)[0], np.eye(7))
    assert_array_equal(antialiased([2], [3], 3, 7, dtype)[0], np.eye(7)[2:5])
