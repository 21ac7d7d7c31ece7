import hypothesis.strategies as st
import numpy as np
import pytest
import strict
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import minigrad as mg
from minigrad.data import PROJECTION, drop_colours, pixelate, project
from minigrad.kernels.order import batch_last, is_batch_last


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_the_projection_is_the_matrix_of_the_notes_and_a_projection():
    assert_allclose(6 * PROJECTION, [[5, 2, -1], [2, 2, 2], [-1, 2, 5]], atol=1e-15)
    assert_allclose(PROJECTION @ PROJECTION, PROJECTION, atol=1e-15)
    assert_allclose(PROJECTION @ [-1, 2, -1], 0, atol=1e-15)


@given(seed=st.integers(0, 99), last=st.booleans())
def test_projected_colours_have_nothing_of_the_axis_and_greys_stay(seed, last):
    X = normal(2, 3, 4, 5, seed=seed)
    Z = project(batch_last(X) if last else X)
    assert_allclose(-Z[:, 0] + 2 * Z[:, 1] - Z[:, 2], 0, atol=1e-12)
    assert_allclose(Z, np.moveaxis(np.moveaxis(X, 1, 3) @ PROJECTION.T, 3, 1), atol=1e-12)
    grey = np.repeat(X[:, :1], 3, 1)
    assert_allclose(project(grey), grey, atol=1e-12)


def test_projection_undoes_what_only_the_green_magenta_axis_was_given():
    X = normal(2, 3, 4, 5)
    fringe = normal(2, 1, 4, 5, seed=1) * np.array([-1, 2, -1])[:, None, None]
    assert_allclose(project(X + fringe), project(X), atol=1e-12)


def test_one_channel_is_left_and_the_others_are_noise_of_a_hundredth_of_its_deviation():
    X, noise = normal(3, 3, 40, 40) * [[[[1]], [[20]], [[300]]]], normal(3, 3, 40, 40, seed=1)
    kept = np.array([2, 0, 1])
    Z = drop_colours(X, kept, noise)
    for i, k in enumerate(kept):
        assert_array_equal(Z[i, k], X[i, k])
        for other in {0, 1, 2} - {k}:
            assert_allclose(Z[i, other], 0.01 * X[i, k].std() * noise[i, other], rtol=1e-12)
    left = (np.arange(3) == kept[:, None])[..., None, None]
    assert_array_equal(drop_colours(X, kept), X * left)


@given(side=st.integers(1, 8))
def test_pixelated_is_what_pillow_makes_of_shrinking_and_enlarging(side):
    X = np.random.default_rng(side).random((2, 1, 8, 8))
    (Z, *_) = pixelate(X, [side, 8])
    small = Image.fromarray(X[0, 0].astype(np.float32)).resize((side, side), Image.BILINEAR)
    expected = np.asarray(small.resize((8, 8), Image.BILINEAR))
    assert_allclose(Z[0], expected if side < 8 else X[0, 0], atol=1e-6)


def test_what_is_not_pixelated_stays_to_the_bit_and_nothing_is_changed_in_place():
    X = batch_last(normal(4, 3, 6, 6))
    before = X.copy()
    Z = pixelate(X, [6, 2, 6, 5])
    assert_array_equal(Z[[0, 2]], X[[0, 2]])
    assert (Z[[1, 3]] != X[[1, 3]]).any((1, 2, 3)).all()
    assert_array_equal(X, before)
    assert is_batch_last(Z)


@pytest.mark.parametrize("wrong", [np.ones((2, 1, 4, 4)), np.ones((3, 4, 4))])
def test_grey_images_have_no_colours_to_lose(wrong):
    for f in (project, lambda X: drop_colours(X, np.zeros(len(X), int))):
        with pytest.raises(ValueError, match=r"images are \(n, 3, h, w\), red, green and blue"):
            f(wrong)


@pytest.mark.parametrize(
    "f", [project, lambda X: drop_colours(X, [0, 1]), lambda X: pixelate(X, [4, 2])]
)
def test_bytes_are_no_colours_to_compute_with(f):
    with pytest.raises(ValueError, match="images are of floats, as X / 255 of bytes, not uint8"):
        f(np.full((2, 3, 4, 4), 200, np.uint8))


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ([1, 5], "kept is 0, 1 or 2, not 5"),
        ([-1, 2], "kept is 0, 1 or 2, not -1"),
        ([1], r"X \(2, 3, 4, 4\) needs kept \(2,\), not \(1,\)"),
    ],
)
def test_a_patch_keeps_a_channel_that_it_has(kept, said, monkeypatch):
    X = normal(2, 3, 4, 4)
    with pytest.raises(ValueError, match=said):
        drop_colours(X, kept)
    strict.install(monkeypatch)
    with pytest.raises(ValueError, match=said):
        drop_colours(mg.to_gpu(X), kept)


@pytest.mark.parametrize(
    ("shape", "sides"), [((1, 1, 4, 5), [2]), ((1, 1, 4, 4), [0]), ((1, 1, 4, 4), [5])]
)
def test_only_squares_are_pixelated_and_to_no_other_sides(shape, sides):
    with pytest.raises(ValueError, match="pixelate: patches are square and sides 1 to that"):
        pixelate(np.ones(shape), sides)


def test_on_a_device_the_same(monkeypatch):
    strict.install(monkeypatch)
    X, noise, kept = normal(3, 3, 6, 6), normal(3, 3, 6, 6, seed=1), np.array([0, 2, 1])
    assert_allclose(project(mg.to_gpu(X)).get(), project(X))
    assert_allclose(
        drop_colours(mg.to_gpu(X), kept, mg.to_gpu(noise)).get(), drop_colours(X, kept, noise)
    )
    assert_allclose(pixelate(mg.to_gpu(X), [6, 2, 3]).get(), pixelate(X, [6, 2, 3]))
