import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from minigrad.data import digits

# A cubic spline through the pixels' centres does not keep their means: between black and white it
# swings beyond both by some 0.1, and is clipped. Linear interpolation is twice as far off in the
# mean (0.070), and so is a cubic one whose grid is shifted by part of a pixel (0.063).
BACK_WORST, BACK_MEAN = 0.25, 0.045


@pytest.fixture(scope="module")
def originals():
    return load_digits().images / 16


@pytest.mark.parametrize("size", [8, 16, 24])
def test_digits_are_images_in_0_to_1_with_their_labels(size):
    X, T = digits(size)
    assert X.shape == (1797, 1, size, size)
    assert X.dtype == np.float32
    assert 0 == X.min() < X.max() == 1
    assert_array_equal(T, load_digits().target)
    assert T.dtype.kind == "i"


def test_digits_are_16_pixels_large_by_default():
    assert digits()[0].shape[2:] == (16, 16)


def test_at_their_own_size_digits_are_exact(originals):
    assert_array_equal(digits(8)[0][:, 0], originals.astype(np.float32))


@pytest.mark.parametrize("size", [16, 24])
def test_an_enlarged_digit_averages_back_to_about_its_original(originals, size):
    f = size // 8
    error = abs(digits(size)[0].reshape(-1, 8, f, 8, f).mean((2, 4)) - originals)
    assert error.max() < BACK_WORST
    assert error.mean() < BACK_MEAN


def test_an_enlarged_digit_stays_at_its_place(originals):
    X = digits()[0][:, 0].astype(float)
    for image, original in ((X, originals), (X.transpose(0, 2, 1), originals.transpose(0, 2, 1))):
        small, large = (
            (a.sum(2) @ (np.arange(side) + 0.5)).sum() / a.sum() / side
            for a, side in ((original, 8), (image, 16))
        )
        assert abs(small - large) < 0.01  # of the side; a grid shifted by half a pixel is 0.03 off


@pytest.mark.parametrize("size", [0, 4, 7, 12, 28, -8])
def test_a_size_that_is_no_multiple_of_8_is_refused(size):
    with pytest.raises(ValueError, match=f"digits: size is a multiple of 8, not {size}"):
        digits(size)


def test_each_call_gives_arrays_of_its_own():
    X, T = digits(8)
    X[:], T[:] = 0, 0
    assert digits(8)[0].any()
    assert digits(8)[1].any()
