import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates

from minigrad.data import Ranges, contrast, draw, transform, warp

# Coordinates up to 40 are rounded to 40 eps in float32, some 5e-6 of a pixel, and neighbouring
# pixels differ by up to 1: values may be off by a few times that.
ROUNDING = {np.float32: 5e-5, np.float64: 1e-12}
# NumPy's power of a float32 is right to an ulp, also at exponent 1, and depends on its place
POWER = {"rtol": 1e-6, "atol": 1e-7}
IDENTITY = Ranges(shift=0, scale=(1, 1), rotation=0, contrast=0, offset=0)
NONE = np.zeros((1, 2), np.float32), np.ones(1, np.float32), np.zeros(1, np.float32)


def images(n, c=1, h=16, w=16, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random((n, c, h, w)).astype(dtype)


def one(X, shift=(0, 0), scale=1.0, degrees=0.0):
    """A single image (h, w) warped."""
    p = np.array([shift], float), np.array([scale], float), np.radians([float(degrees)])
    return warp(np.asarray(X, float)[None, None], *p)[0, 0]


def by_scipy(image, shift, scale, angle):
    """Z(q) = X((R(-angle) q + shift side) / scale), as the docstring of warp says.

    q is the place from the centre, as (down, right). A content that turns counter-clockwise as seen
    (right goes to up) is looked up where the clockwise turn of the same angle leads (up to right).
    """
    h, w = image.shape
    centre = (np.array([h, w]) - 1.0) / 2
    q = np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij"), -1) - centre
    up, right = np.array([-1.0, 0.0]), np.array([0.0, 1.0])
    turned_up = np.cos(angle) * up + np.sin(angle) * right
    turned_right = np.cos(angle) * right - np.sin(angle) * up
    turned = q[..., 1:] * turned_right - q[..., :1] * turned_up
    source = (turned + np.array(shift) * (h, w)) / scale + centre
    return map_coordinates(image, source.transpose(2, 0, 1), order=1, mode="grid-constant", cval=0)


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


def test_scale_one_half_shows_all_half_as_large_and_zeros_around():
    X = np.array([[1.0, 2.0, 4.0, 8.0]] * 4)
    # -0.5 looks up -1, which lies between the first two; -1.5 looks up -3, which is outside
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
    copies = [a.copy() for a in (X, *p)]
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
        alone = transform(X[i : i + 1], type(p)(*(v[i : i + 1] for v in p)))
        assert_allclose(Z[i : i + 1], alone, **POWER)


def test_transform_warps_and_then_changes_the_contrast():
    X, p = images(4), draw(4, np.random.default_rng(0))
    Z = contrast(warp(X, p.shift, p.scale, p.angle), p.power, p.factor, p.offset)
    assert_array_equal(transform(X, p), Z)
    assert Z.dtype == np.float32


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_another_number_of_parameters_than_of_images_is_refused(n):
    with pytest.raises(ValueError, match=f"transform: 4 images, but parameters of {n}"):
        transform(images(4), draw(n, np.random.default_rng(0)))


N = 4000
EDGE = 0.02  # of 4000 uniform draws the outermost lies nearer to its end than this share
WIDE = Ranges(0.3, (0.5, 3.0), 45, 2.0, 0.4)


@pytest.mark.parametrize("ranges", [Ranges(), WIDE], ids=["the paper's", "wide"])
def test_parameters_are_uniform_within_their_ranges_and_reach_their_ends(ranges):
    p = draw(N, np.random.default_rng(0), ranges)
    assert p.shift.shape == (N, 2)
    turn = np.radians(ranges.rotation)
    for values, (low, high) in [
        (p.shift[:, 0], (-ranges.shift, ranges.shift)),
        (p.shift[:, 1], (-ranges.shift, ranges.shift)),
        (np.log(p.scale), np.log(ranges.scale)),
        (p.angle, (-turn, turn)),
        (np.log2(p.power), (-ranges.contrast, ranges.contrast)),
        (np.log2(p.factor), (-ranges.contrast, ranges.contrast)),
        (p.offset, (-ranges.offset, ranges.offset)),
    ]:
        assert values.shape == (N,)
        assert values.dtype == np.float32
        share = (values - low) / (high - low)
        assert -1e-6 <= share.min() < EDGE  # 1e-6: float32
        assert 1 - EDGE < share.max() <= 1 + 1e-6
        deciles = np.histogram(share, 10, (-1e-6, 1 + 1e-6))[0]
        assert_allclose(deciles, N / 10, atol=5 * np.sqrt(N / 10))  # five deviations


def test_parameters_are_drawn_independently():
    p = draw(N, np.random.default_rng(0))
    columns = np.column_stack([*p.shift.T, *p[1:]])
    r = np.corrcoef(columns.T) - np.eye(7)
    assert abs(r).max() < 5 / np.sqrt(N)


def test_the_same_seed_draws_the_same_and_the_generator_goes_on():
    rng = np.random.default_rng(1)
    first, second = draw(5, rng), draw(5, rng)
    for a, b, c in zip(first, draw(5, np.random.default_rng(1)), second):
        assert_array_equal(a, b)
        assert (a != c).all()


def test_the_defaults_are_the_papers():
    assert Ranges() == (0.2, (0.7, 1.4), 20, 1, 0.1)
