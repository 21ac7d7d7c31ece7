import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import Motion, made_clip

STILL = Motion(camera=0, speed=(0, 0), zoom=0, turn=0, light=0, hidden=0, noise=0)
MOVED = Motion(light=0, hidden=0, noise=0)


def smooth(seed, h=110, w=150, c=3):
    """A photograph of slow waves: between its pixels it is what bilinear lookups say."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w]
    waves = rng.uniform(-0.12, 0.12, (c, 6, 2))
    phase = rng.uniform(0, 6, (c, 6))
    angle = waves[..., 0, None, None] * y + waves[..., 1, None, None] * x
    return 0.5 + np.sin(angle + phase[..., None, None]).mean(1) / 2


def noisy(seed, h=110, w=150, c=3):
    return np.random.default_rng(seed).integers(0, 256, (c, h, w), np.uint8)


def made(below, *before, motion=MOVED, seed=0, **options):
    return made_clip(below, before, np.random.default_rng(seed), motion=motion, **options)


def look(frame, points):
    """Values (c, k) of a frame at points between its pixels."""
    (y, x), (v, u) = points.T.astype(int), points.T % 1
    a, b = (frame[:, y + i, x] * (1 - u) + frame[:, y + i, x + 1] * u for i in (0, 1))
    return a * (1 - v) + b * v


def alone(owners, points, owner):
    """True for points inside a frame, around which nothing else is seen."""
    inner = (points >= 1).all(1) & (points < np.array(owners.shape) - 2).all(1)
    y, x = np.where(inner, points.T, 1).astype(int)
    around = [owners[y + i, x + j] == owner for i in (-1, 0, 1, 2) for j in (-1, 0, 1, 2)]
    return inner & np.all(around, 0)


@pytest.mark.parametrize("owner", [0, 1])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_seen_in_one_frame_is_seen_in_all_others_where_the_truth_says(owner, seed):
    clip = made(smooth(seed), smooth(seed + 9), seed=seed, frames=6)
    points = np.argwhere(clip.owner[2] == owner)[::17]
    points = points[alone(clip.owner[2], points, owner)]
    places = clip.follow(points, owner, start=2)
    assert_allclose(places[2], points, atol=1e-9)
    compared = 0
    for frame, owners, here in zip(clip.frames, clip.owner, places):
        both = alone(owners, here, owner)
        values = clip.frames[2][:, points[both, 0], points[both, 1]]
        assert_allclose(look(frame.astype(float), here[both]), values, atol=4)
        compared += both.sum()
    assert compared > 3 * len(points) > 60


def test_the_owner_of_a_pixel_is_who_is_seen_there_and_later_things_are_in_front():
    red, green, blue = (np.full((110, 150, 3), np.eye(3)[i]).transpose(2, 0, 1) for i in range(3))
    clip = made(red, green, blue, frames=4)
    sure = clip.frames.max(1) > 250
    assert_array_equal(clip.owner[sure], clip.frames.argmax(1)[sure])
    assert {*clip.owner[sure]} == {0, 1, 2}
    alone = made(red, green, frames=4)  # the same, without what is in front of it
    share = [c.frames[:, 1].sum((1, 2), dtype=float) for c in (clip, alone)]
    assert_allclose(clip.seen[:, 0], alone.seen[:, 0] * share[0] / share[1], atol=0.01)
    assert clip.seen[:, 0].min() < 0.9
    one = made(red[1:2], red[:1], frames=4)
    assert_array_equal(one.owner, one.frames[:, 0] >= 128)


def test_without_motion_all_frames_are_alike_and_without_things_there_is_the_camera_alone():
    clip = made(noisy(0), noisy(1), motion=STILL)
    assert (clip.frames == clip.frames[0]).all()
    assert clip.frames.shape == (16, 3, 72, 96)
    alone = made(noisy(0), motion=STILL._replace(camera=1.0))
    assert alone.maps.shape == (16, 1, 2, 3)
    assert not alone.owner.any()
    assert (alone.frames[0] != alone.frames[-1]).any()


def test_speed_size_and_turn_are_what_was_asked_for():
    motion = STILL._replace(speed=(2, 2), zoom=0.5, turn=40)
    clip = made(noisy(0, 150, 200), noisy(1), motion=motion, shape=(120, 160))
    steps = np.hypot(*np.diff(clip.middles(1), axis=0).T)
    assert 1.2 < steps.min() <= steps.mean() < 2.4  # a line that is bent
    A = clip.maps[:, 1, :, :2]
    zoom = np.sqrt(np.linalg.det(A))
    assert_allclose(np.diff(np.log(zoom)), np.log(zoom[1] / zoom[0]), atol=1e-6)
    assert abs(np.log(zoom[-1] / zoom[0])) <= 0.5
    angle = np.degrees(np.arctan2(A[:, 1, 0], A[:, 0, 0]))
    assert 0 < abs(angle[-1] - angle[0]) <= 40
    area = (clip.owner == 1).sum((1, 2)) / zoom**2
    assert_allclose(area, area.mean(), rtol=0.05)
    assert 20 < np.sqrt(area.mean() / np.pi) * 2 < 56


def test_things_are_cut_where_there_is_something_to_be_seen():
    corner = np.zeros((3, 110, 150), np.uint8)
    corner[:, 60:, :50] = noisy(0, 50, 50)
    for seed in range(6):
        clip = made(noisy(1) // 2, corner, motion=STILL, seed=seed, frames=2)
        assert clip.frames[0, :, clip.owner[0] == 1].std() > 10


def test_light_changes_steadily_and_noise_has_its_deviation():
    grey = np.full((3, 110, 150), 0.5)
    lit = made(grey, motion=STILL._replace(light=0.6), seed=1).frames.mean((1, 2, 3))
    steps = np.diff(np.log(lit))
    assert_allclose(steps, steps.mean(), atol=0.01)
    assert lit[0] == pytest.approx(127.5, abs=1)
    assert 0.1 < abs(np.log(lit[-1] / lit[0])) <= 0.6
    noise = made(grey, motion=STILL._replace(noise=0.04)).frames / 255.0
    assert noise.std() == pytest.approx(0.04, rel=0.02)


def test_a_strip_of_the_photograph_hides_a_part_and_seen_says_how_much():
    ground, white = np.zeros((1, 110, 150)), np.ones((1, 110, 150))
    whole, hidden = (
        made(ground, white, motion=MOVED._replace(hidden=h), seed=4, frames=8) for h in (0, 1)
    )
    share = hidden.frames.sum((1, 2, 3), float) / whole.frames.sum((1, 2, 3), float)
    assert share.min() < 0.9
    assert_allclose(hidden.seen[:, 0], whole.seen[:, 0] * share, atol=0.02)


@settings(max_examples=3)
@given(seed=st.integers(0, 999), n=st.integers(2, 5), things=st.integers(0, 2))
def test_any_clip_is_bytes_with_its_truth_and_made_again_by_the_same_seed(seed, n, things):
    pictures = [noisy(i) for i in range(1 + things)]
    clip, again = (
        made(*pictures, motion=Motion(), seed=seed, frames=n, shape=(56, 64)) for _ in range(2)
    )
    assert clip.frames.shape == (n, 3, 56, 64)
    assert clip.frames.dtype == np.uint8
    assert clip.owner.max() <= things
    assert ((clip.seen >= 0) & (clip.seen <= 1)).all()
    for a, b in zip(clip, again):
        assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("pictures", "options", "said"),
    [
        ([noisy(0)], {"frames": 1}, "a clip has two frames at least, not 1"),
        ([noisy(0)], {"frames": 2.5}, "a clip has two frames at least, not 2.5"),
        (
            [noisy(0, 70)],
            {},
            "the photograph has 70 x 150 pixels, too few for a camera that sees 72",
        ),
        ([noisy(0), noisy(1, c=1)], {}, r"number 1 is \(1, 110, 150\), the first \(3, 110, 150\)"),
        ([noisy(0)[0]], {}, r"photographs are \(c, h, w\).* number 0 is \(110, 150\)"),
        ([noisy(0), noisy(1, 40)], {}, "a diameter from 8 to 40 pixels"),
        ([noisy(0)], {"motion": Motion(noise=-1)}, "noise of a Motion is 0 or more, not -1"),
        (
            [noisy(0)],
            {"motion": Motion(speed=(1, np.nan))},
            r"speed of a Motion is .* not \(1, nan",
        ),
        ([noisy(0), noisy(1)], {"shape": (48, 96)}, "a diameter from 8 to 48 pixels"),
        (
            [noisy(0), noisy(1)],
            {"motion": Motion(speed=(2, 1))},
            r"speed of a Motion is \(least, most\), not \(2, 1\)",
        ),
        ([noisy(0)], {"motion": Motion(size=40)}, r"size of a Motion is \(least, most\), not 40"),
        ([noisy(0)], {"motion": Motion(hidden=2)}, "hidden of a Motion is a probability, not 2"),
        ([noisy(0)] * 257, {}, "255 things at most, not 256"),
        ([noisy(0) / 1.0], {}, r"images of floats lie in \[0, 1\]"),
        ([noisy(0) * np.nan], {}, r"images of floats lie in \[0, 1\]"),
        ([noisy(0).astype(int)], {}, "images are .* of floats or bytes"),
    ],
)
def test_what_no_clip_can_be_made_of_is_said(pictures, options, said):
    with pytest.raises(ValueError, match=said):
        made(*pictures, **options)
