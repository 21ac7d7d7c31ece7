import colorsys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import accuracy_curve, distance_curves, transformed
from minigrad.evaluate.invariance import TRANSFORMATIONS

X = np.random.default_rng(0).random((4, 3, 24, 24))
REST = {"scale": 1, **{f"{f} {n}": 1 for f in ("saturation", "value") for n in ("power", "factor")}}


def flat(images):
    return images.reshape(len(images), -1)


# transformed


@pytest.mark.parametrize("size", [None, 10, 24])
@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_no_transformation_leaves_the_middle_of_the_image(name, size):
    margin = (24 - (size or 24)) // 2
    middle = X[:, :, margin : 24 - margin, margin : 24 - margin]
    assert_array_equal(transformed(X, name, REST.get(name, 0), size), middle)


def test_a_translation_is_a_share_of_the_size_and_brings_in_what_lies_outside():
    moved = transformed(X, "translation", 0.25, 8)
    assert_allclose(moved, X[:, :, 8:16, 10:18], atol=1e-12)


def test_a_rotation_is_counter_clockwise_in_degrees():
    assert_allclose(transformed(X, "rotation", 90), np.rot90(X, axes=(2, 3)), atol=1e-5)


def test_a_scale_of_two_halves_what_is_seen():
    ramp = np.tile(np.arange(24.0) / 24, (1, 3, 24, 1))
    steps = np.diff(transformed(ramp, "scale", 2, 8)[0, 0, 0])
    assert_allclose(steps, 0.5 / 24)


@pytest.mark.parametrize(
    ("name", "magnitude", "change"),
    [
        ("hue", 0.2, lambda h, s, v: ((h + 0.2) % 1, s, v)),
        ("saturation power", 2, lambda h, s, v: (h, s**2, v)),
        ("saturation factor", 0.5, lambda h, s, v: (h, 0.5 * s, v)),
        ("value power", 2, lambda h, s, v: (h, s, v**2)),
        ("value factor", 0.5, lambda h, s, v: (h, s, 0.5 * v)),
        ("value offset", 0.1, lambda h, s, v: (h, s, min(v + 0.1, 1))),
    ],
)
def test_colours_change_as_colorsys_has_them(name, magnitude, change):
    got = transformed(X[:1], name, magnitude)
    for i, j in ((0, 0), (3, 17), (23, 5)):
        expected = colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*X[0, :, i, j])))
        assert_allclose(got[0, :, i, j], expected, atol=1e-6)


def test_bytes_become_shares_and_another_name_is_refused():
    bytes_ = np.rint(255 * X).astype(np.uint8)
    assert_allclose(transformed(bytes_, "hue", 0.0), bytes_ / 255, atol=1e-6)
    with pytest.raises(ValueError, match="transformed: one of translation, .*, not 'shear'"):
        transformed(X, "shear", 0)


@pytest.mark.parametrize(
    ("name", "magnitude"),
    [
        ("scale", 0),
        ("scale", -2.0),
        ("value power", -1),
        ("saturation power", -0.1),
        ("rotation", np.nan),
        ("translation", np.inf),
    ],
)
def test_a_magnitude_that_no_image_can_have_is_refused(name, magnitude):
    sentence = f"transformed: magnitudes are finite, .*, not {name} {magnitude}"
    with pytest.raises(ValueError, match=sentence):
        transformed(X, name, magnitude)


# distance_curves


def test_a_curve_is_the_mean_distance_of_unit_features_as_a_share_of_the_largest():
    magnitudes = [-30, 0, 10, 60]
    (curve,) = distance_curves(flat, X, "rotation", magnitudes, 16)
    unit = lambda image: image.ravel() / np.linalg.norm(image)
    before = transformed(X, "rotation", 0, 16)
    distances = [
        np.mean([np.linalg.norm(unit(a) - unit(b)) for a, b in zip(before, after)])
        for after in (transformed(X, "rotation", m, 16) for m in magnitudes)
    ]
    assert_allclose(curve, np.array(distances) / max(distances), atol=1e-12)
    assert curve[1] == 0
    assert curve.max() == 1


def test_each_block_of_features_has_a_curve_of_its_own():
    blocks = lambda images: [flat(images), flat(images)[:, :50]]
    both = distance_curves(blocks, X, "hue", [0, 0.1, 0.3])
    for curve, g in zip(both, (flat, lambda images: flat(images)[:, :50])):
        assert_array_equal(curve, distance_curves(g, X, "hue", [0, 0.1, 0.3])[0])


def test_the_scale_of_features_does_not_matter():
    (curve,) = distance_curves(flat, X, "hue", [0, 0.1, 0.3])
    (other,) = distance_curves(lambda images: 1000 * flat(images), X, "hue", [0, 0.1, 0.3])
    assert_allclose(other, curve, atol=1e-12)


@pytest.mark.parametrize("value", [0, 3])
def test_features_that_never_change_have_a_curve_of_zeros(value):
    constant = lambda images: np.full((len(images), 5), value, float)
    (curve,) = distance_curves(constant, X, "hue", [0, 0.1, 0.3])
    assert_array_equal(curve, 0)


def test_features_that_do_not_see_colour_do_not_mind_it():
    value = lambda images: flat(images.max(1))
    (hue,) = distance_curves(value, X, "hue", [0.1, 0.2])
    assert (hue == 0).all()
    assert distance_curves(flat, X, "hue", [0.1, 0.2])[0].min() > 0.1


@pytest.mark.parametrize("place", [12, 0])  # seen from the first; only once it is moved in
def test_images_that_are_not_finite_have_no_curve(place):
    images = X.copy()
    images[2, :, 12, place] = np.nan
    with pytest.raises(
        ValueError, match="distance_curves: sample 2 of 4 holds a value that is not"
    ):
        distance_curves(flat, images, "translation", [0, -0.75], 16)


# accuracy_curve


def test_accuracy_falls_where_a_classifier_minds_what_is_done():
    bright, dark = 0.7 + 0.1 * X, 0.2 + 0.1 * X
    images, T = np.concatenate([bright, dark]), np.repeat([1, 0], 4)
    accuracy = lambda images, T: ((images.mean((1, 2, 3)) > 0.5) == T).mean()
    curve = accuracy_curve(accuracy, images, T, "value offset", [-0.5, 0, 0.5], size=16)
    assert_array_equal(curve, [0.5, 1, 0.5])
    assert_array_equal(accuracy_curve(accuracy, images, T, "rotation", [0, 90]), [1, 1])
