import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates

from minigrad.evaluate import (
    Ellipses,
    circles,
    dominant_orientation,
    moved,
    normalised_patches,
)
from tests.regions import angles, ellipse, photograph, some, turn


def offsets(size):
    """u: (size^2, 2), as (y, x)."""
    u = (2 * np.arange(size) + 1) / size - 1
    return np.stack(np.meshgrid(u, u, indexing="ij"), -1).reshape(-1, 2)


def apart(a, b):
    """The angle between two directions."""
    return abs((a - b + np.pi) % (2 * np.pi) - np.pi)


def test_a_circle_of_the_patch_is_cut_out_as_it_is():
    X = photograph()
    (P,) = normalised_patches(X, circles([[40.5, 60.5]], [8]), 16, enlarge=1, angles=0)
    assert_allclose(P, X[:, 33:49, 53:69] / 255, atol=1e-6)


@given(
    axes=st.tuples(st.floats(2, 6), st.floats(2, 6)), slant=angles, angle=angles,
    enlarge=st.floats(0.5, 2),
)  # fmt: skip
def test_of_a_plane_of_grey_a_patch_is_the_plane_at_the_frames_points(axes, slant, angle, enlarge):
    gradient, E = np.array([0.003, 0.006]), ellipse((31, 44), axes, slant)
    image = 0.2 + np.tensordot(gradient, np.indices((70, 90)), 1)[None]
    w, V = np.linalg.eigh(E.covariance[0])
    frame = 2 * enlarge * V @ np.diag(np.sqrt(w)) @ V.T @ turn(angle)
    expected = 0.2 + (E.centre + offsets(9) @ frame.T) @ gradient
    (P,) = normalised_patches(image, E, 9, enlarge, angle)
    assert_allclose(P.ravel(), expected, atol=1e-5)


def test_a_region_larger_than_the_patch_is_a_mean_of_what_its_pixels_stand_for():
    X = photograph()
    (P,) = normalised_patches(X, circles([[63.5, 95.5]], [32]), 16, enlarge=1, angles=0)
    blocks = X[:, 32:96, 64:128].reshape(3, 16, 4, 16, 4).mean((2, 4)) / 255
    assert_allclose(P, blocks, atol=1e-6)
    E = circles([[63.5, 95.5]], [14])  # 1.75 pixels to one: two points each way
    coarse, fine = (normalised_patches(X, E, s, enlarge=1, angles=0) for s in (16, 32))
    assert_allclose(coarse, fine.reshape(1, 3, 16, 2, 16, 2).mean((3, 5)), atol=1e-5)
    noise = np.random.default_rng(0).random((1, 200, 200))
    flat = normalised_patches(noise, circles([[99.5, 99.5]], [80]), 8, enlarge=1, angles=0.3)
    assert flat.std() < 0.05 < noise.std() / 5


def test_of_a_long_region_it_is_a_mean_along_the_region_however_it_is_turned():
    E = ellipse((79.5, 99.5), (8, 40))
    upright, turned = (
        normalised_patches(photograph(), E, 16, enlarge=1, angles=a)[0] for a in (0, np.pi / 2)
    )
    assert_allclose(turned, np.rot90(upright, axes=(1, 2)), atol=1e-4)


def test_outside_lies_the_mirror_image_and_beyond_that_the_border():
    X = photograph()[:, :20, :20]
    (P,) = normalised_patches(X, circles([[0.5, 3.5]], [8]), 16, enlarge=1, angles=0)
    mirrored = np.pad(X, ((0, 0), (8, 8), (8, 8)), "reflect")
    assert_allclose(P, mirrored[:, 1:17, 4:20] / 255, atol=1e-6)
    (P,) = normalised_patches(X, circles([[18.5, 15.5]], [8]), 16, enlarge=1, angles=0)
    assert_allclose(P, mirrored[:, 19:35, 16:32] / 255, atol=1e-6)
    (far,) = normalised_patches(X, circles([[500.5, 3.5]], [2]), 4, enlarge=1, angles=0)
    assert_allclose(far, np.broadcast_to(X[:, :1, 2:6] / 255, far.shape), atol=1e-6)


def test_photographs_turned_by_any_angle_have_the_same_patches():
    X, E = photograph(), some(20, spread=12.0, longest=1.5)
    E = Ellipses(E.centre + [79.5, 99.5], 36 * E.covariance)
    upright = normalised_patches(X, E, 24)
    for angle in (0.5, 2.0, 4.1):
        J, middle = turn(angle), np.array([79.5, 99.5])
        grid = np.stack(np.indices((160, 200)), -1) - middle
        places = np.moveaxis(grid @ J + middle, -1, 0)  # of the pixels before
        turned = np.stack([map_coordinates(c, places, float, 1, mode="mirror") for c in X]) / 255
        after = moved(E, np.tile(J, (len(E.centre), 1, 1)), (E.centre - middle) @ J.T + middle)
        found = normalised_patches(turned.astype(np.float32), after, 24)
        alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(upright, found)]
        assert np.median(alike) > 0.97
        assert np.mean(np.array(alike) > 0.9) >= 0.8


# orientation


@given(angle=angles)
def test_the_orientation_is_where_a_plane_of_grey_rises(angle):
    u = offsets(21).reshape(21, 21, 2)
    patch = np.cos(angle) * u[..., 1] + np.sin(angle) * u[..., 0]
    (found,) = dominant_orientation(patch[None, None])
    assert apart(found, angle) < 0.02
    assert -np.pi <= found < np.pi


def test_a_frame_turned_by_the_orientation_points_to_the_right():
    E = circles([[40, 60], [90, 120], [70, 80], [100, 60]], [5, 6, 7, 8])
    P = normalised_patches(photograph(), E, 41)
    assert (apart(dominant_orientation(P), 0) < 0.1).all()
    by_hand = dominant_orientation(normalised_patches(photograph(), E, 41, angles=0))
    assert_array_equal(P, normalised_patches(photograph(), E, 41, angles=by_hand))


def test_the_orientation_is_not_that_of_the_corners():
    u = offsets(33).reshape(33, 33, 2)
    corners = (u**2).sum(-1) > 1.6  # some pixels outside the circle, so that smoothing stays there
    (found,) = dominant_orientation(np.where(corners, 50 * u[..., 0], u[..., 1])[None, None])
    assert apart(found, 0) < 0.01


def test_a_patch_of_one_colour_has_the_orientation_0_and_no_patch_none():
    assert_array_equal(dominant_orientation(np.full((2, 3, 9, 9), 0.3)), [0, 0])
    assert_array_equal(dominant_orientation(np.zeros((1, 1, 1, 1))), [0])
    none = Ellipses(np.zeros((0, 2)), np.zeros((0, 2, 2)))
    assert normalised_patches(photograph(), none, 16).shape == (0, 3, 16, 16)


def test_what_cannot_be_cut_out_is_refused():
    E = circles([[9, 9], [9, 9]], [3, 0])
    with pytest.raises(ValueError, match="normalised_patches: ellipse 1 of 2 has no area"):
        normalised_patches(photograph(), E)
    with pytest.raises(ValueError, match=r"normalised_patches: an image is .* not \(9, 9\)"):
        normalised_patches(np.zeros((9, 9)), E)
    with pytest.raises(ValueError, match="size is a whole number .* not 0 and 3"):
        normalised_patches(photograph(), E, 0)
    thin = Ellipses(E.centre[:1], np.diag([1e-30, 4.0])[None])
    with pytest.raises(ValueError, match="normalised_patches: ellipse 0 of 1 has no area"):
        normalised_patches(photograph(), thin)


@pytest.mark.parametrize(
    ("image", "options", "said"),
    [
        (np.full((1, 9, 9), np.inf), {}, r"images of floats lie in \[0, 1\]"),
        (np.full((1, 9, 9), 200.0), {}, r"images of floats lie in \[0, 1\]"),
        (np.zeros((3, 0, 9)), {}, r"an image is \(c, h, w\), not \(3, 0, 9\)"),
        (np.zeros((0, 9, 9), np.uint8), {}, r"an image is \(c, h, w\), not \(0, 9, 9\)"),
        (np.zeros((1, 9, 9)), {"size": 8.0}, "size is a whole number from 1 on"),
        (np.zeros((1, 9, 9)), {"enlarge": np.inf}, ".* above 0 and finite, not 64 and inf"),
        (np.zeros((1, 9, 9)), {"angles": np.nan}, "angles are finite, one or 2"),
        (np.zeros((1, 9, 9)), {"angles": [1, 2, 3]}, r"angles are finite, one or 2, not \(3,\)"),
    ],
)
def test_images_and_options_without_a_meaning_are_refused(image, options, said):
    E = circles([[4, 4], [5, 5]], [3, 2])
    with pytest.raises(ValueError, match=f"normalised_patches: {said}"):
        normalised_patches(image, E, **options)


def test_what_has_no_orientation_is_refused():
    P = np.zeros((2, 1, 9, 9))
    for wrong in (P[0], P[..., :8], P[:, :0]):
        with pytest.raises(ValueError, match=r"dominant_orientation: patches are \(n, c, s, s\)"):
            dominant_orientation(wrong)
    P[1, 0, 4, 4] = np.nan
    with pytest.raises(ValueError, match="dominant_orientation: patch 1 of 2 holds a value that"):
        dominant_orientation(P)
