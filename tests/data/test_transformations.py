import colorsys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates
from skimage.transform import resize

from minigrad.data import (
    Parameters,
    Places,
    Ranges,
    contrast,
    draw,
    draw_within,
    inside,
    patches,
    principal_colours,
    resized,
    transform,
    warp,
)
from minigrad.data.parameters import rows
from minigrad.kernels.order import is_batch_last
from minigrad.kernels.parallel import threads

# Coordinates up to 40 are rounded to 40 eps in float32, some 5e-6 of a pixel, and neighbouring
# pixels differ by up to 1: values may be off by a few times that.
ROUNDING = {np.float32: 5e-5, np.float64: 1e-12}
# NumPy's power of a float32 is right to an ulp, also at exponent 1, and depends on its place
POWER = {"rtol": 1e-6, "atol": 1e-7}
IDENTITY = Ranges(0, (1, 1), 0, (0, 0, 0), (0, 0, 0), 0, 0)
NONE = np.zeros((1, 2), np.float32), np.ones(1, np.float32), np.zeros(1, np.float32)


def images(n, c=1, h=16, w=16, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random((n, c, h, w)).astype(dtype)


def one(X, shift=(0, 0), scale=1.0, degrees=0.0):
    """A single image (h, w) warped."""
    p = np.array([shift], float), np.array([scale], float), np.radians([float(degrees)])
    return warp(np.asarray(X, float)[None, None], *p)[0, 0]


def by_scipy(image, shift, scale, angle):
    """Z(q) = X((R(-angle) q + shift side) / scale), as the docstring of warp says.

    Where f = 1 / scale pixels come to one, the mean of that at round(f)^2 points in each pixel.

    q is the place from the centre, as (down, right). A content that turns counter-clockwise as seen
    (right goes to up) is looked up where the clockwise turn of the same angle leads (up to right).
    """
    h, w = image.shape
    centre = (np.array([h, w]) - 1.0) / 2
    q = np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij"), -1) - centre
    up, right = np.array([-1.0, 0.0]), np.array([0.0, 1.0])
    turned_up = np.cos(angle) * up + np.sin(angle) * right
    turned_right = np.cos(angle) * right - np.sin(angle) * up
    Z = []
    for point in points(1 / scale):
        turned = (q + point)[..., 1:] * turned_right - (q + point)[..., :1] * turned_up
        source = ((turned + np.array(shift) * (h, w)) / scale + centre).transpose(2, 0, 1)
        Z.append(map_coordinates(image, source, order=1, mode="grid-constant", cval=0))
    return np.mean(Z, 0)


def points(f):
    """round(f)^2 points spread over a pixel, as (down, right) from its middle."""
    k = max(1, round(float(f)))
    share = [(i + 0.5) / k - 0.5 for i in range(k)]
    return [np.array([down, right]) for down in share for right in share]


# warp


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("side", [(16, 16), (5, 8), (8, 5), (1, 1), (1, 4)], ids=str)
def test_no_warp_gives_exactly_the_image(side, dtype):
    X = images(3, 2, *side, dtype)
    Z = warp(X, np.zeros((3, 2)), np.ones(3), np.zeros(3))
    assert_array_equal(Z, X)
    assert Z.dtype == dtype


@given(
    seed=st.integers(0, 999),
    side=st.sampled_from([(16, 16), (9, 14), (14, 9), (32, 32), (1, 5)]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_warp_is_what_scipy_gives_at_the_docstrings_coordinates(seed, side, dtype):
    rng = np.random.default_rng(seed)
    X = images(4, 2, *side, dtype, seed)
    shift = rng.uniform(-0.7, 0.7, (4, 2)).astype(dtype)  # also beyond the image
    scale = np.exp(rng.uniform(-1.2, 1.2, 4)).astype(dtype)
    angle = rng.uniform(-4, 4, 4).astype(dtype)
    Z = warp(X, shift, scale, angle)
    for i, j in np.ndindex(4, 2):
        expected = by_scipy(
            X[i, j].astype(float), *(p[i].astype(float) for p in (shift, scale)), angle[i]
        )
        assert_allclose(Z[i, j], expected, atol=ROUNDING[dtype] / min(1, scale[i]))


@pytest.mark.parametrize("turns", [-1, 1, 2, 3, 4])
@pytest.mark.parametrize("side", [5, 8])
def test_quarter_turns_are_those_of_rot90(side, turns):
    X = images(1, 1, side, side)[0, 0]
    assert_allclose(one(X, degrees=90 * turns), np.rot90(X, turns), atol=ROUNDING[np.float64])


def test_a_quarter_turn_in_float32_is_rot90_up_to_its_rounding():
    X = images(1)
    Z = warp(X, *NONE[:2], np.full(1, np.pi / 2, np.float32))
    assert_allclose(Z[0, 0], np.rot90(X[0, 0]), atol=ROUNDING[np.float32])


@pytest.mark.parametrize("down", [-3, 0, 2])
@pytest.mark.parametrize("right", [-1, 0, 4])
def test_shifts_by_whole_pixels_are_exact_and_bring_zeros_in(down, right):
    # sides that are powers of two: the shares are exact
    X = images(1, 2, 16, 8)
    Z = warp(X, np.array([[down / 16, right / 8]], np.float32), *NONE[1:])
    P = np.pad(X, ((0, 0), (0, 0), (4, 4), (4, 4)))
    assert_array_equal(Z, P[:, :, 4 + down : 20 + down, 4 + right : 12 + right])


def test_a_shift_of_a_whole_side_leaves_nothing_and_a_half_pixel_the_mean_of_two():
    X = np.array([[2.0, 4.0, 8.0, 16.0]])
    assert_array_equal(one(X, (0, 1)), [[0, 0, 0, 0]])
    assert_array_equal(one(X, (0, -1)), [[0, 0, 0, 0]])
    assert_array_equal(one(X, (0, 1 / 8)), [[3, 6, 12, 8]])
    assert_array_equal(one(X, (0, -1 / 8)), [[1, 3, 6, 12]])


def test_scale_2_shows_the_middle_twice_as_large():
    X = np.array([[0.0, 4.0, 8.0, 0.0]] * 4)
    # the places -1.5 -0.5 0.5 1.5 from the centre look up -0.75 -0.25 0.25 0.75 from it
    assert_array_equal(one(X, scale=2), [[3, 5, 7, 6]] * 4)


def test_scale_one_half_shows_the_means_of_2_x_2_half_as_large_and_zeros_around():
    X = np.array([[1.0, 2.0, 4.0, 8.0]] * 4)
    # -0.5 looks up -1.5 and -0.5, the first two; -1.5 looks up -3.5 and -2.5, which are outside
    expected = np.zeros((4, 4))
    expected[1:3, 1:3] = [1.5, 6]
    assert_array_equal(one(X, scale=0.5), expected)


def test_a_shift_is_of_the_window_which_is_smaller_in_a_larger_image():
    X = np.zeros((1, 16))
    X[0, 4:] = np.arange(12)
    # 1 / 8 of 16 pixels is 2; the window is half as large, so 1 pixel of the image
    a, b = one(X, (0, 1 / 8), scale=2), one(X, scale=2)
    assert_array_equal(a[0, 4:-4], b[0, 6:-2])


@given(seed=st.integers(0, 999))
def test_a_warp_stays_between_0_and_the_greatest_value(seed):
    X = images(20, 1, 8, 8, seed=seed)
    p = draw(20, np.random.default_rng(seed), Ranges(0.9, (0.2, 5), 180))
    Z = warp(X, p.shift, p.scale, p.angle)
    assert Z.min() >= 0
    assert Z.max() <= X.max() * (1 + 1e-6)  # rounding of a weighted mean


@pytest.mark.parametrize("shift", [1e6, -1e6, 1e30])
def test_a_window_far_away_sees_nothing(shift):
    assert not one(np.ones((4, 4)), (shift, 0)).any()
    assert not one(np.ones((4, 4)), (0, shift)).any()


def test_warp_changes_nothing_of_what_it_gets():
    X, p = images(5), draw(5, np.random.default_rng(0))
    copies = [np.copy(a) for a in (X, *p)]
    transform(X, p)
    for a, b in zip((X, *p), copies):
        assert_array_equal(a, b)


def test_images_of_any_memory_order_give_the_same():
    X, p = images(5, 2), draw(5, np.random.default_rng(0))
    batch_last = X.transpose(2, 3, 1, 0).copy().transpose(3, 2, 0, 1)
    assert_allclose(transform(batch_last, p), transform(X, p), **POWER)


# contrast


def test_contrast_is_power_then_factor_then_offset_and_is_not_clipped():
    X = np.array([0.0, 0.25, 1.0]).reshape(1, 1, 1, 3).repeat(2, 0)
    Z = contrast(X, np.array([0.5, 2.0]), np.array([2.0, 0.5]), np.array([0.1, -0.1]))
    assert_allclose(Z[:, 0, 0], [[0.1, 1.1, 2.1], [-0.1, -0.06875, 0.4]])


def test_contrast_is_the_same_for_all_channels_and_keeps_float32():
    X = images(2, 3)
    v = np.array([2.0, 0.5], np.float32)
    Z = contrast(X, v, v, v)
    assert Z.dtype == np.float32
    for c in range(3):
        assert_allclose(Z[:, c : c + 1], contrast(X[:, c : c + 1], v, v, v), **POWER)


# transform and draw


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_identity_of_all_parameters_gives_the_image(dtype):
    X = images(4, dtype=dtype)
    Z = transform(X, draw(4, np.random.default_rng(0), IDENTITY))
    assert_allclose(Z, X, rtol=2 * np.finfo(dtype).eps)  # an ulp, of the power


def test_a_batch_is_its_images_one_by_one():
    X, p = images(6, 2), draw(6, np.random.default_rng(0))
    Z = transform(X, p)
    for i in range(6):
        alone = transform(X[i : i + 1], rows(p, [i]))
        assert_allclose(Z[i : i + 1], alone, **POWER)


def test_transform_warps_and_then_changes_the_contrast():
    X, p = images(4), draw(4, np.random.default_rng(0))
    Z = contrast(warp(X, p.shift, p.scale, p.angle), *p.value.T)
    assert_array_equal(transform(X, p), Z)
    assert Z.dtype == np.float32


def test_some_images_are_transformed_as_they_are_among_all():
    X, p = images(9), draw(3, np.random.default_rng(0))
    index = np.array([7, 0, 7])
    assert_array_equal(transform(X, p, index=index), transform(X[index], p))
    assert transform(X, rows(p, []), index=np.zeros(0, int)).shape == (0, 1, 16, 16)


@pytest.mark.parametrize("index", [[0, 9], [-1, 2]], ids=str)
def test_an_image_that_is_not_there_is_refused(index):
    sentence = f"transform: index is 0 to 8 for 9 images, not {index[0]} to {index[1]}"
    with pytest.raises(ValueError, match=sentence):
        transform(images(9), draw(2, np.random.default_rng(0)), index=np.array(index))


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_another_number_of_parameters_than_of_images_is_refused(n):
    with pytest.raises(ValueError, match=f"transform: 4 images, but parameters of {n}"):
        transform(images(4), draw(n, np.random.default_rng(0)))


@pytest.mark.parametrize("name", Parameters._fields)
def test_what_has_no_parameters_is_not_done(name):
    X = images(3, 3)
    X[:, :, 0, :2] = [0, 1]  # no stretch changes them
    done = draw(3, np.random.default_rng(0), IDENTITY)._replace(**{name: None})
    assert_allclose(transform(X, done, principal_colours(X)), X, atol=1e-6)


# blur and stretch


@given(seed=st.integers(0, 999), sides=st.sampled_from([(32, 32), (16, 21)]))
def test_a_blur_is_scipys_gaussian_filter(seed, sides):
    X = images(3, 2, *sides, float, seed)
    deviations = np.random.default_rng(seed).uniform(0.3, 2, 3)
    Z = transform(X, Parameters(blur=deviations))
    for i, j in np.ndindex(3, 2):
        expected = gaussian_filter(X[i, j], deviations[i], mode="reflect", truncate=8)
        assert_allclose(Z[i, j], expected, atol=1e-12)


def test_no_blur_gives_exactly_the_image_among_others_that_are_blurred():
    X = images(2, 3)
    Z = transform(X, Parameters(blur=np.array([0.0, 1.0])))
    assert_array_equal(Z[0], X[0])
    assert abs(Z[1] - X[1]).max() > 0.1


def test_blur_comes_after_the_affine_map_and_before_the_colours():
    X = images(2, 3)
    p = Parameters(**ALONE, blur=np.array([0.5, 2.0]))
    colours = principal_colours(X)
    Z = transform(X, Parameters(*p[:3]))
    Z = transform(Z, Parameters(blur=p.blur))
    Z = transform(Z, p._replace(shift=None, scale=None, angle=None, blur=None), colours)
    assert_allclose(transform(X, p, colours), Z, atol=1e-6)


def test_a_stretch_brings_each_image_from_0_to_1_or_part_of_the_way():
    X = 0.2 + 0.5 * images(2, 3)
    Z = transform(X, Parameters(stretch=np.array([1.0, 0.5])))
    low, high = (f(X, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
    full = (X - low) / (high - low)
    assert_allclose(Z[0], full[0], atol=1e-6)
    assert_allclose(Z[1], (X[1] + full[1]) / 2, atol=1e-6)


def test_a_flat_image_is_stretched_to_black():
    assert not transform(np.full((1, 3, 4, 4), 0.7), Parameters(stretch=np.ones(1))).any()


# transform in colours, which are those of patches

ALONE = {  # each part of the parameters, of two images
    "shift": np.array([[0.1, -0.2], [0.0, 0.05]]),
    "scale": np.array([0.8, 1.3]),
    "angle": np.array([0.3, -0.2]),
    "value": np.array([[2.0, 1.2, -0.1], [0.3, 0.8, 0.1]]),
    "saturation": np.array([[0.5, 0.8, 0.05], [3.0, 1.3, 0.1]]),
    "components": np.array([[2.0, 0.5, 1.0], [0.7, 1.5, 2.0]]),
    "hue": np.array([0.1, -0.45]),
}


def by_colorsys(pixel, value=(1, 1, 0), saturation=(1, 1, 0), hue=0.0):
    h, s, v = colorsys.rgb_to_hsv(*(float(z) for z in pixel))
    s, v = (
        min(1.0, max(0.0, z**power * factor + offset))
        for z, (power, factor, offset) in ((s, saturation), (v, value))
    )
    return colorsys.hsv_to_rgb((h + hue) % 1, s, v)


@given(seed=st.integers(0, 999), dtype=st.sampled_from([np.float32, np.float64]))
def test_contrast_2_and_colour_are_what_colorsys_gives(seed, dtype):
    rng = np.random.default_rng(seed)
    X = (rng.integers(0, 6, (3, 3, 4, 5)) / 5).astype(dtype)  # with greys, black and equal maxima
    p = draw(3, rng)._replace(shift=None, scale=None, angle=None, components=None)
    Z = transform(X, p)
    assert Z.dtype == dtype
    for i, y, x in np.ndindex(3, 4, 5):
        expected = by_colorsys(X[i, :, y, x], p.value[i], p.saturation[i], p.hue[i])
        assert_allclose(Z[i, :, y, x], expected, atol=3e-6)


def test_contrast_2_and_colour_are_the_golden_ones(golden):
    entry = golden("hsv_contrast")
    g = {name: float(v) for name, v in entry.inputs.items() if name != "X"}
    p = Parameters(
        value=np.array([[g["v_pow"], g["v_mul"], g["v_add"]]]),
        saturation=np.array([[g["s_pow"], g["s_mul"], g["s_add"]]]),
        hue=np.array([g["h_add"]]),
    )
    Z = transform(entry.inputs["X"].transpose(2, 0, 1)[None], p)
    assert_allclose(Z[0].transpose(1, 2, 0), entry.outputs["Z"], rtol=1e-9, atol=1e-9)


def test_contrast_1_is_the_golden_one(golden):
    entry = golden("pca_contrast")
    X = entry.inputs["X"].transpose(0, 3, 1, 2)
    colours = principal_colours(X)
    assert_allclose(colours.mean, entry.outputs["mean"], rtol=1e-12)
    Z = transform(X, Parameters(components=entry.inputs["factors"]), colours)
    assert_allclose(Z.transpose(0, 2, 3, 1), entry.outputs["Zclip"], rtol=1e-9, atol=1e-12)


def test_principal_colours_are_those_of_a_decomposition_of_all_pixels():
    X = images(4, 3) * np.array([1.0, 0.5, 0.1]).reshape(3, 1, 1)
    mean, V, _ = principal_colours(X)
    R = X.transpose(1, 0, 2, 3).reshape(3, -1).astype(float)
    assert_allclose(mean, R.mean(1), rtol=1e-6)
    assert_allclose(abs(V), abs(np.linalg.svd(R - mean[:, None])[0]), atol=1e-6)
    bytes_ = np.round(X * 255).astype(np.uint8)
    assert_allclose(principal_colours(bytes_).mean, mean, atol=1e-3)


def test_one_factor_for_all_components_is_plain_contrast_about_the_mean_clipped():
    X = images(2, 3)
    colours = principal_colours(X)
    Z = transform(X, Parameters(components=np.full((2, 3), 1.5)), colours)
    mean = colours.mean.reshape(3, 1, 1)
    assert_allclose(Z, np.clip(mean + 1.5 * (X - mean), 0, 1), atol=1e-6)


def test_the_order_is_affine_map_components_then_contrast_2_and_colour():
    X = images(2, 3)
    p, colours = Parameters(**ALONE), principal_colours(X)
    Z = transform(X, Parameters(*p[:3]))
    Z = transform(Z, Parameters(components=p.components), colours)
    Z = transform(Z, Parameters(value=p.value, saturation=p.saturation, hue=p.hue))
    assert_allclose(transform(X, p, colours), Z, atol=1e-6)


def test_a_grey_image_of_three_channels_has_the_clipped_contrast_of_a_grey_one():
    X = images(2)
    saturation = np.array([[2.0, 1.3, 0.0]] * 2)  # no offset, which would make a colour of grey
    p = Parameters(**ALONE)._replace(components=None, saturation=saturation)
    grey = transform(X, p)
    coloured = transform(X.repeat(3, 1), p)
    for channel in range(3):
        assert_allclose(coloured[:, channel], np.clip(grey[:, 0], 0, 1), atol=1e-6)


# patches


def photographs(m=3, c=3, h=40, w=48, dtype=np.float32):
    return images(m, c, h, w, dtype)


@given(seed=st.integers(0, 999), dtype=st.sampled_from([np.float32, np.float64]))
def test_patches_are_what_scipy_gives_with_the_source_mirrored(seed, dtype):
    rng = np.random.default_rng(seed)
    X = photographs(c=2, dtype=dtype)
    n, sides = 4, (8, 12)
    places = Places(rng.integers(0, 3, n), rng.uniform(0, 40, (n, 2)), rng.uniform(6, 16, n))
    p = Parameters(rng.uniform(-0.3, 0.3, (n, 2)), rng.uniform(0.6, 2, n), rng.uniform(-4, 4, n))
    Z = patches(X, places, p, sides)
    assert Z.dtype == dtype
    for i in range(n):
        window = np.array(sides) * places.window[i] / sides[0] / p.scale[i]
        sine, cosine = np.sin(p.angle[i]), np.cos(p.angle[i])
        y, x = places.centre[i] + p.shift[i] * window
        each = []
        for point in points(window[0] / sides[0]):
            q = [np.arange(side) - (side - 1) / 2 + off for side, off in zip(sides, point)]
            down, right = (
                v * s / side for v, s, side in zip(np.meshgrid(*q, indexing="ij"), window, sides)
            )
            at = [y + sine * right + cosine * down, x + cosine * right - sine * down]
            each.append(
                [map_coordinates(R, at, order=1, mode="mirror") for R in X[places.index[i]]]
            )
        assert_allclose(Z[i], np.mean(each, 0), atol=ROUNDING[dtype])


def test_a_patch_is_the_golden_one(golden):
    entry = golden("affine_patch")
    g = {name: float(v) for name, v in entry.inputs.items() if name != "X"}
    places = Places([0], [[g["cy"], g["cx"]]], [g["window"]])
    p = Parameters(
        shift=np.array([[g["ty"], g["tx"]]]),
        scale=np.array([g["scale"]]),
        angle=np.radians([g["angle_deg"]]),
    )
    X = entry.inputs["X"].transpose(2, 0, 1)[None]
    assert inside(places, p, (20, 24), 8).all()
    Z = patches(X, places, p, 8)
    assert_allclose(Z[0].transpose(1, 2, 0), entry.outputs["Z"], rtol=1e-9, atol=1e-12)


def test_a_shrunk_patch_is_nearer_to_the_mean_over_its_pixels_than_a_blurred_image_looked_up():
    X = gaussian_filter(images(1, 1, 200, 200, float), (0, 0, 0.7, 0.7))  # as fine as photographs
    f, angle = 2.8, 0.3
    Z = patches(X, Places([0], [[99.5, 99.5]], [32 * f]), Parameters(angle=np.array([angle])))[0, 0]
    turn = f * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def looked_up(image, within=0.0):
        at = 99.5 + turn @ (np.broadcast_to(within, 2) - 15.5)
        return affine_transform(image, turn, at, output_shape=(32, 32), order=1)

    fine = [(i + 0.5) / 10 - 0.5 for i in range(10)]
    mean = np.mean([looked_up(X[0, 0], (a, b)) for a in fine for b in fine], 0)
    error = lambda image: abs(image - mean).std()
    assert error(Z) < error(looked_up(gaussian_filter(X[0, 0], 0.5 * np.sqrt(f**2 - 1))))
    assert error(Z) < error(looked_up(X[0, 0])) / 10


def test_the_finest_stripes_vanish_when_they_shrink_to_half():
    X = np.indices((64, 64)).sum(0)[None, None] % 2 * 1.0
    one = Places([0], [[31.5, 31.5]])
    shrunk = patches(X, one._replace(window=[32.0]), Parameters(), 16)
    assert_allclose(shrunk, 0.5, atol=1e-12)
    kept = patches(X, one._replace(window=[16.0]), Parameters(), 16)
    assert_array_equal(kept[0], X[0, :, 24:40, 24:40])


@pytest.mark.parametrize("factor", [1, 2, 1.5, 3])
def test_images_are_enlarged_as_by_scikit_image(factor):
    X = images(2, 3, 12, 10, float)
    Z = resized(X, factor)
    expected = resize(
        X, (2, 3, round(12 * factor), 10 * factor), order=1, mode="edge", anti_aliasing=False
    )
    assert_allclose(Z, expected, atol=1e-12)


def test_half_as_large_is_the_mean_of_2_x_2_and_bytes_stay_bytes():
    X = np.random.default_rng(0).integers(0, 256, (2, 3, 12, 10)).astype(np.uint8)
    Z = resized(X, 0.5)
    assert Z.dtype == np.uint8
    mean = X.reshape(2, 3, 6, 2, 5, 2).mean((3, 5))
    assert abs(Z - mean).max() <= 0.5 + 1e-4


def test_without_parameters_a_patch_is_cut_out_exactly_up_to_the_border():
    X = photographs()
    middle = (32 - 1) / 2
    places = Places([2, 0, 1], [[middle, middle], [middle + 8, middle + 16], [middle + 5, middle]])
    Z = patches(X, places, Parameters())
    assert_array_equal(Z[0], X[2, :, :32, :32])
    assert_array_equal(Z[1], X[0, :, 8:, 16:])  # with the last row and column
    assert_array_equal(Z[2], X[1, :, 5:37, :32])


def test_sources_of_bytes_are_those_of_numbers_from_0_to_1():
    X = np.round(photographs() * 255).astype(np.uint8)
    places = Places([0, 2], [[20, 20], [18, 25.5]])
    p, colours = Parameters(**ALONE), principal_colours(X)
    Z = patches(X, places, p, colours=colours)
    assert Z.dtype == np.float32
    assert_allclose(Z, patches(np.float32(X / 255), places, p, colours=colours), atol=2e-5)


def many(n=300):
    rng = np.random.default_rng(0)
    X = photographs()
    places = Places(rng.integers(0, 3, n), rng.uniform(10, 30, (n, 2)))
    return X, places, draw(n, rng), principal_colours(X)


def test_batch_last_is_another_place_in_memory_and_nothing_else():
    X, places, p, colours = many()
    first = patches(X, places, p, colours=colours)
    last = patches(X, places, p, colours=colours, order="last")
    assert first.flags.c_contiguous
    assert is_batch_last(last)
    assert_array_equal(first, last)
    assert is_batch_last(transform(X[:, :1], Parameters(hue=p.hue[:3]), order="last"))


def test_results_do_not_depend_on_threads_and_all_chunks_are_done():
    X, places, p, colours = many()
    with threads(1):
        one_thread = patches(X, places, p, colours=colours)
    with threads(3):
        three = patches(X, places, p, colours=colours)
    assert_array_equal(one_thread, three)
    for i in (0, 127, 128, 299):
        alone = patches(X, rows(places, [i]), rows(p, [i]), colours=colours)
        assert_array_equal(alone[0], three[i])


@pytest.mark.parametrize(
    "X", [photographs(), photographs()[:, :, ::-1, ::2], np.asfortranarray(photographs())]
)
def test_sources_of_any_memory_order_give_the_same_and_are_not_changed(X):
    before = X.copy()
    places, p, colours = (
        Places([0, 2], [[20, 12], [18, 13.5]]),
        Parameters(**ALONE),
        principal_colours(X),
    )
    copies = [np.copy(v) for v in p]
    Z = patches(X, places, p, 8, colours)
    assert_array_equal(Z, patches(np.ascontiguousarray(X), places, p, 8, colours))
    assert_array_equal(X, before)
    for a, b in zip(p, copies):
        assert_array_equal(a, b)


def test_windows_are_inside_exactly_where_no_pixel_is_looked_up_outside():
    rng = np.random.default_rng(0)
    n, sides = 400, (8, 6)
    places = Places(np.zeros(n, int), rng.uniform(2, 20, (n, 2)), rng.uniform(5, 9, n))
    p = draw(n, rng, Ranges(0.3, (0.5, 2), 180))
    # far inside a large image whose values are its coordinates, one sees where pixels are looked up
    wide = np.arange(-100.0, 124.0)
    W = np.stack([wide[:, None] + np.zeros(224), np.zeros((224, 1)) + wide])[None]
    far = places._replace(centre=places.centre + 100)
    y, x = patches(W, far, Parameters(*p[:3]), sides).transpose(1, 0, 2, 3)
    within = ((y >= 0) & (y <= 23) & (x >= 0) & (x <= 19)).all((1, 2))
    assert 50 < within.sum() < 350
    assert_array_equal(inside(places, p, (24, 20), sides), within)


def test_what_sticks_out_is_drawn_again_and_what_cannot_stay_inside_is_left():
    rng = np.random.default_rng(0)
    centre = np.array([[20.0, 24.0]] * 200 + [[0.0, 0.0]])  # the last is always outside
    places = Places(np.zeros(201, int), centre)
    ranges = Ranges(shift=0.3)
    assert 20 < (~inside(places, draw(201, rng, ranges), (40, 48))).sum() < 200
    p = draw_within(places, (40, 48), rng, ranges)
    assert_array_equal(np.flatnonzero(~inside(places, p, (40, 48))), [200])
    assert abs(p.shift).max() <= 0.3


def test_each_place_may_have_a_source_of_its_own_size():
    places = Places(np.zeros(2, int), np.full((2, 2), 20.0))
    sides = np.array([[41, 41], [37, 37]])
    assert_array_equal(inside(places, Parameters(), sides), [True, True])
    assert_array_equal(inside(places, Parameters(), sides - [0, 1]), [True, False])
    p = draw_within(places, [[41, 60], [60, 41]], np.random.default_rng(0), Ranges(shift=0.4))
    assert inside(places, p, [[41, 60], [60, 41]]).all()


def test_what_is_inside_at_once_is_not_drawn_again():
    places = Places(np.zeros(5, int), np.full((5, 2), 200.0))
    p = draw_within(places, (400, 400), np.random.default_rng(0))
    for a, b in zip(p, draw(5, np.random.default_rng(0))):
        assert_array_equal(a, b)


TWO = Places([0, 1], np.full((2, 2), 20.0))


@pytest.mark.parametrize(
    ("sources", "places", "p", "options", "sentence"),
    [
        (photographs(), TWO, {"hue": np.zeros(3)}, {}, r"2 images, but parameters of 3 \(hue\)"),
        (
            photographs(),
            TWO._replace(index=[0, 3]),
            {},
            {},
            "index is 0 to 2 for 3 images, not 0 to 3",
        ),
        (
            photographs(),
            TWO._replace(index=[-1, 0]),
            {},
            {},
            "index is 0 to 2 for 3 images, not -1",
        ),
        (photographs(), TWO._replace(window=[8.0]), {}, {}, "2 places, but 1 of window"),
        (photographs(), TWO, {"components": np.ones((2, 3))}, {}, "give colours=principal_colours"),
        (photographs(), TWO, {}, {"order": "middle"}, 'order is "first" or "last", not \'middle\''),
        (photographs()[0], TWO, {}, {}, r"\(n, c, h, w\), of floats or bytes, not \(3, 40, 48\)"),
        (np.ones((2, 3, 40, 48), int), TWO, {}, {}, "of floats or bytes, not .* int64"),
    ],
)
def test_what_does_not_fit_together_is_refused(sources, places, p, options, sentence):
    with pytest.raises(ValueError, match=f"patches: .*{sentence}"):
        patches(sources, places, Parameters(**p), **options)


def test_principal_colours_of_grey_images_are_refused():
    with pytest.raises(ValueError, match=r"principal_colours: images are \(n, 3, h, w\), not"):
        principal_colours(images(2))


def test_no_patches_are_no_patches():
    none = Places(np.zeros(0, int), np.zeros((0, 2)))
    assert patches(photographs(), none, Parameters()).shape == (0, 3, 32, 32)
