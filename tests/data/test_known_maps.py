import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.data.known_maps import (
    IDENTITY,
    MATCHING_SET,
    Waves,
    blurred,
    darkened,
    rotated,
    tilted,
    waved,
    zoomed,
)

MOVING = "rotation", "zoom", "perspective", "nonlinear"
AT_REST = {
    rotated: 0,
    zoomed: 1,
    tilted: 0,
    waved: 0,
    darkened: 1,
    blurred: 0,
}
SIDES = 60, 90
ALL = [(kind, m) for kind, change in MATCHING_SET.items() for m in change.magnitudes]
magnitudes = pytest.mark.parametrize(("kind", "magnitude"), ALL)
moving = pytest.mark.parametrize(("kind", "magnitude"), [k for k in ALL if k[0] in MOVING])


def noise(channels=3):
    return np.random.default_rng(0).integers(0, 256, (channels, *SIDES), np.uint8)


def anywhere(n=50):
    return np.random.default_rng(1).uniform(0, np.array(SIDES) - 1, (n, 2))


def spot(centre, deviation=3.0):
    """A bright Gaussian on black, whose middle can be measured between the pixels."""
    y, x = np.mgrid[: SIDES[0], : SIDES[1]]
    d = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    return np.exp(-d / (2 * deviation**2))[None].astype(np.float32)


def brightest(image):
    """The middle of what is brighter than half of the greatest value, by weight."""
    X = np.where(image[0] > image.max() / 2, image[0], 0).astype(float)
    return np.array([(X * grid).sum() for grid in np.mgrid[: X.shape[0], : X.shape[1]]]) / X.sum()


@magnitudes
def test_a_bright_spot_lands_where_the_map_says(kind, magnitude):
    for centre in ((30.0, 45.0), (22.0, 61.0), (41.0, 20.0)):
        changed = MATCHING_SET[kind].apply(spot(centre), magnitude)
        (expected,) = changed.map([centre])
        assert np.abs(brightest(changed.image) - expected).max() < 0.35


@pytest.mark.parametrize("apply", AT_REST)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_at_its_rest_value_an_image_and_its_points_stay(apply, dtype):
    image = noise() if dtype == np.uint8 else noise().astype(dtype) / 255
    same, points = apply(image, AT_REST[apply]), anywhere()
    assert same.image.dtype == dtype
    assert np.array_equal(same.image, image) or np.allclose(same.image, image, atol=1e-6)
    assert np.allclose(same.map(points), points, atol=1e-9)


def test_a_quarter_turn_is_numpy_s():
    image = noise()
    assert np.array_equal(rotated(image, 90).image, np.rot90(image, axes=(1, 2)))


@magnitudes
def test_the_inverse_brings_points_back(kind, magnitude):
    points, where = anywhere(), MATCHING_SET[kind].apply(noise(), magnitude).map
    assert np.allclose(where.inverse(where(points)), points, atol=1e-9)


@magnitudes
def test_the_jacobian_is_what_differences_give(kind, magnitude):
    points, where, step = anywhere(), MATCHING_SET[kind].apply(noise(), magnitude).map, 1e-4
    columns = [(where(points + e) - where(points - e)) / (2 * step) for e in step * np.eye(2)]
    assert np.allclose(where.jacobian(points), np.stack(columns, 2), atol=1e-6)


@moving
def test_the_frame_holds_all_of_the_image_and_no_more(kind, magnitude):
    changed = MATCHING_SET[kind].apply(noise(), magnitude)
    y, x = np.mgrid[: SIDES[0], : SIDES[1]]
    q = changed.map(np.stack([y.ravel(), x.ravel()], 1))
    last = np.array(changed.image.shape[1:]) - 1
    assert np.allclose(q.min(0), 0, atol=1e-9)
    assert (q.max(0) <= last + 1e-6).all()
    assert (q.max(0) > last - 1).all()


@given(slope=st.floats(-1, 1), length=st.floats(5, 500), seed=st.integers(0, 99))
def test_waves_keep_areas_and_so_no_point_is_hit_twice(slope, length, seed):
    where = Waves(slope, length, (3.0, 4.0))
    points = np.random.default_rng(seed).uniform(-100, 600, (20, 2))
    assert np.allclose(np.linalg.det(where.jacobian(points)), 1)
    assert np.allclose(where.inverse(where(points)), points, atol=1e-8)


@moving
def test_every_map_keeps_left_and_right_apart(kind, magnitude):
    where = MATCHING_SET[kind].apply(noise(), magnitude).map
    assert (np.linalg.det(where.jacobian(anywhere())) > 0).all()


def test_what_shrinks_is_averaged_and_not_skipped():
    stripes = np.zeros((1, *SIDES), np.uint8)
    stripes[:, :, ::2] = 200
    for factor in (2, 4):
        inner = zoomed(stripes, factor).image[0, 3:-3, 3:-3]
        assert np.abs(inner.astype(int) - 100).max() <= 1
    (far,) = tilted(stripes, 60).image
    assert far[far.shape[0] // 2, -4:].std() < 10


def test_around_the_image_is_its_mean_colour():
    image = noise()
    image[0] //= 4
    corner = rotated(image, 45).image[:, 0, 0]
    assert np.abs(corner - image.mean((1, 2))).max() <= 0.5


def test_lighting_and_blur_are_as_they_are_told():
    image = noise()
    assert np.array_equal(
        darkened(image, 2).image, np.rint((image / 255.0) ** 2 * 255).astype(np.uint8)
    )
    ndimage = pytest.importorskip("scipy.ndimage")
    X = image.astype(float) / 255
    theirs = ndimage.gaussian_filter(X, (0, 2, 2), mode="reflect", truncate=8)
    assert np.allclose(blurred(X, 2).image, theirs, atol=1e-6)
    assert blurred(image, 1).map is darkened(image, 2).map is IDENTITY


def test_the_set_is_of_six_kinds_in_four_magnitudes_that_grow():
    assert [len(change.magnitudes) for change in MATCHING_SET.values()] == [4] * 6
    for change in MATCHING_SET.values():
        assert list(change.magnitudes) == sorted(change.magnitudes)


@pytest.mark.parametrize(
    ("apply", "value", "words"),
    [
        (rotated, np.nan, "rotated: expected is a number, not nan"),
        (zoomed, 0, "zoomed: expected is above 0, not 0"),
        (tilted, 81, "tilted: expected is from -80 to 80 degrees, not 81"),
        (waved, 1.5, "waved: expected is from -1 to 1, not 1.5"),
        (darkened, -1, "darkened: expected is above 0, not -1"),
        (blurred, 13, "blurred: expected is from 0 to 12 pixels, not 13"),
    ],
)
def test_what_cannot_be_done_is_said(apply, value, words):
    with pytest.raises(ValueError, match=words):
        apply(noise(), value)


@pytest.mark.parametrize("apply", AT_REST)
@pytest.mark.parametrize("shape", [(1, 3, 60, 90), (60, 90)])
def test_what_is_no_image_is_said(apply, shape):
    with pytest.raises(ValueError, match=f"^{apply.__name__}: "):
        apply(np.zeros(shape, np.float32), AT_REST[apply])
