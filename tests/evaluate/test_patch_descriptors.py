import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import circles, normalised_patches, pooled_maps, raw, sift
from tests.regions import photograph


def test_sift_says_where_in_the_patch_which_gradients_are():
    pytest.importorskip("cv2")
    y, x = np.indices((64, 64)) / 63
    left, lower = np.minimum(x, 0.5), np.maximum(y, 0.5)  # rise on the left, in the lower half
    A, B = sift(np.stack([left, lower])[:, None]).reshape(2, 4, 4, 8)  # y, x, direction
    assert A[:, :2].sum() > 0.85 * A.sum()
    assert B[2:].sum() > 0.85 * B.sum()
    assert A.sum((0, 1)).argmax() != B.sum((0, 1)).argmax()
    assert_allclose(np.linalg.norm([A.ravel(), B.ravel()], axis=1), 512, rtol=0.02)


def test_sift_does_not_mind_light_and_raw_patches_do_not_either():
    pytest.importorskip("cv2")
    E = circles([[40, 60], [90, 120], [70, 80]], [5, 6, 7])
    P = normalised_patches(photograph(), E, 41)
    F, G = sift(P), sift(0.7 * P + 0.1)
    assert F.shape == (3, 128)
    own = np.linalg.norm(F - G, axis=1)
    assert own.max() < 0.2 * np.linalg.norm(F - np.roll(F, 1, 0), axis=1).min()
    assert_allclose(raw(P), raw(0.7 * P + 0.1), atol=1e-5)


def test_raw_is_the_luminance_without_mean_of_unit_length():
    P = np.random.default_rng(0).random((2, 3, 5, 5))
    grey = np.tensordot(P, [0.299, 0.587, 0.114], (1, 0)).reshape(2, 25)
    grey -= grey.mean(1, keepdims=True)
    assert_allclose(raw(P), grey / np.linalg.norm(grey, axis=1, keepdims=True), atol=1e-6)


def test_a_patch_of_one_colour_is_0_and_no_patch_no_descriptor():
    pytest.importorskip("cv2")
    flat = np.full((2, 3, 32, 32), 0.3, np.float32)
    assert_array_equal(raw(flat), np.zeros((2, 1024)))
    assert_array_equal(sift(flat), np.zeros((2, 128)))
    assert sift(flat[:0]).shape == (0, 128)
    rounded = np.full((1, 1, 41, 41), 0.37, np.float32)  # whose mean is not quite .37
    assert_array_equal(raw(rounded), np.zeros((1, 1681)))


def test_maps_are_pooled_to_so_many_cells_which_overlap_on_odd_maps():
    Z = np.random.default_rng(0).random((2, 3, 9, 9))
    cells = pooled_maps(Z, 4).reshape(2, 3, 4, 4)
    for i, j in np.ndindex(4, 4):
        rows, columns = (slice(k * 9 // 4, -(-(k + 1) * 9 // 4)) for k in (i, j))
        assert_array_equal(cells[:, :, i, j], Z[:, :, rows, columns].max((2, 3)))
    assert_array_equal(pooled_maps(Z[:, :, :1, :1]), Z[:, :, 0, 0])


def test_what_is_no_patch_is_refused():
    with pytest.raises(ValueError, match=r"raw: patches are .* not \(2, 2, 5, 5\)"):
        raw(np.zeros((2, 2, 5, 5)))
    with pytest.raises(ValueError, match=r"raw: patches .* a pixel at least, not \(2, 1, 0, 0\)"):
        raw(np.zeros((2, 1, 0, 0)))
    for value in (np.nan, np.inf, 200.0, -1.0):
        with pytest.raises(ValueError, match=r"raw: images of floats lie in \[0, 1\]"):
            raw(np.full((2, 1, 5, 5), value))
    with pytest.raises(ValueError, match="raw: images are .* of floats or bytes, not .* bool"):
        raw(np.ones((2, 1, 5, 5), bool))
    for cells in (0, 2.5):
        with pytest.raises(ValueError, match=f"cells is a whole number, at least 1, not {cells}"):
            pooled_maps(np.zeros((2, 3, 9, 9)), cells)


@pytest.mark.parametrize("c", [1, 3])
def test_patches_of_bytes_are_described_as_those_of_numbers_up_to_1(c):
    pytest.importorskip("cv2")
    P = photograph()[None, :c, 30:70, 40:80]
    numbers = P / np.float32(255)
    assert_allclose(raw(P), raw(numbers), atol=1e-6)
    assert_array_equal(sift(P), sift(numbers))


def test_without_opencv_sift_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r'sift needs OpenCV: pip install ".*\[matching\]"'):
        sift(np.zeros((1, 1, 9, 9)))
