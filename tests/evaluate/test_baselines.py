import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import hog, pixels


def stripes(angle, side=32, channels=3):
    """Waves (channels, side, side) along an angle in degrees, from right to down."""
    y, x = np.mgrid[:side, :side]
    wave = np.sin(x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle)))
    return np.tile(0.5 + 0.4 * wave, (channels, 1, 1))


def test_pixels_are_the_image_in_its_order_and_bytes_become_shares():
    X = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    assert_allclose(pixels(X), np.arange(24).reshape(2, 12) / 255, rtol=1e-6)
    assert_array_equal(pixels(X / 255.0), pixels(X))
    assert pixels(X).dtype == np.float32


@pytest.mark.parametrize("angle", [10, 50, 90, 130, 170])
def test_hog_fires_for_the_orientation_of_the_gradient(angle):
    F = hog(stripes(angle)[None]).reshape(-1, 9)
    assert F.sum(0).argmax() == angle // 20


def test_hog_of_a_flat_image_is_zero_and_of_bytes_that_of_shares():
    assert_array_equal(hog(np.full((1, 3, 32, 32), 99, np.uint8)), 0)
    X = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16)).astype(np.uint8)
    assert_allclose(hog(X), hog(X / 255.0), atol=1e-6)
    assert hog(X).dtype == np.float32


def test_hog_hardly_minds_light_or_contrast():
    X = np.random.default_rng(0).random((1, 1, 32, 32))
    assert_allclose(hog(0.3 * X + 0.5), hog(X), atol=1e-3)


@pytest.mark.parametrize(("cell", "block"), [(8, 2), (4, 2), (8, 1), (4, 3)])
def test_hog_has_nine_values_for_each_cell_of_each_block(cell, block):
    blocks = 32 // cell - block + 1
    X = np.zeros((2, 3, 32, 32))
    assert hog(X, cell, block).shape == (2, 9 * (blocks * block) ** 2)


def test_hog_takes_the_channel_with_the_largest_gradient():
    strong, weak = stripes(50), 1e-4 * stripes(130)
    X = np.stack([weak[0], strong[1], weak[2]])[None]
    assert_allclose(hog(X), hog(strong[None]), atol=1e-3)


def test_an_image_smaller_than_a_block_is_refused():
    sentence = "hog: a block has 2 x 2 cells of 8 x 8 pixels, an image only 15 x 40"
    with pytest.raises(ValueError, match=sentence):
        hog(np.zeros((1, 3, 15, 40)))
