import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_sample_images

from minigrad.data import Motion, made_clip, moving_patch, track, tracked_pairs
from minigrad.data.tracks import camera_motion, cut, matched, refined
from tests.data.test_clips import noisy

PLAIN = Motion(camera=0.5, speed=(1, 2), zoom=0, turn=0, light=0.3, hidden=0, noise=0.01)


def coarse(seed, h=60, w=80):
    """A photograph of blocks of 3 x 3 pixels: it has edges and corners, and no direction."""
    return noisy(seed, h, w).repeat(3, 1).repeat(3, 2)


def moved(step=(0, 2), n=6, top=20, left=10, side=(45, 50), below=None):
    """Frames in which a piece of one photograph moves over another one by whole steps."""
    street, bird = coarse(0, 30, 40) if below is None else below, coarse(1, 30, 40)
    frames = np.stack([street] * n)
    for t, frame in enumerate(frames):
        y, x = top + t * step[0], left + t * step[1]
        frame[:, y : y + side[0], x : x + side[1]] = bird[:, : side[0], : side[1]]
    return frames


# matching


@settings(max_examples=10)
@given(seed=st.integers(0, 99), c=st.integers(1, 3), weighted=st.booleans())
@pytest.mark.parametrize("measure", ["normalised", "squared"])
def test_the_table_of_a_match_is_that_of_plain_loops(measure, seed, c, weighted):
    rng = np.random.default_rng(seed)
    frame, T = rng.random((c, 9, 10)), rng.random((2, c, 3, 3))
    corners = rng.integers(0, 7, (2, 2))
    weights = rng.uniform(0.1, 1, (3, 3)) if weighted else None
    v = np.broadcast_to(np.ones((3, 3)) if weights is None else weights, (c, 3, 3))
    found = matched(T, frame, corners, 2, measure, weights)
    for i, (top, left) in enumerate(corners):
        for dy, dx in np.ndindex(5, 5):
            y, x = top + dy - 2, left + dx - 2
            if not (0 <= y <= 6 and 0 <= x <= 7):
                assert found.table[i, dy, dx] == np.inf
                continue
            P = frame[:, y : y + 3, x : x + 3]
            if measure == "squared":
                expected = np.average((P - T[i]) ** 2, weights=v)
            else:
                a, b = (A - np.average(A, weights=v) for A in (P, T[i]))
                norm = np.average(a * a, weights=v) * np.average(b * b, weights=v)
                expected = 1 - np.average(a * b, weights=v) / np.sqrt(norm)
            assert_allclose(found.table[i, dy, dx], expected, atol=1e-9)
        at = tuple(found.corner[i] - corners[i] + 2)
        assert found.difference[i] == found.table[(i, *at)] == found.table[i].min()


def test_of_equal_places_the_nearest_is_taken_and_a_flat_one_is_like_nothing():
    frame = np.zeros((1, 12, 12))
    corners = np.array([[4, 4]])
    for measure, difference in {"normalised": 1, "squared": 0}.items():
        found = matched(np.zeros((1, 1, 3, 3)), frame, corners, 3, measure)
        assert_array_equal(found.corner, corners)
        assert found.difference == difference
    found = matched(np.random.default_rng(0).random((1, 1, 3, 3)), frame, corners, 3)
    assert_array_equal(found.table[0], 1)


@pytest.mark.parametrize("shift", [(0.3, -0.4), (-1.25, 2.5), (0, 0)])
def test_motion_is_found_in_parts_of_a_pixel(shift):
    y, x = np.mgrid[:40, :40]
    image = lambda y, x: np.sin(0.4 * y + 0.1 * x) + np.cos(0.35 * x - 0.2 * y)
    one, two = image(y, x), image(y - shift[0], x - shift[1])
    corners = np.array([[12, 15], [20, 9]])
    found = matched(cut(one[None], corners, 9), two[None], corners, 4)
    assert_allclose(refined(found, corners, 4), [shift, shift], atol=0.15)


# tracking


def test_a_patch_that_moves_by_whole_pixels_is_followed_exactly_and_its_light_does_not_matter():
    frames = moved((1, 3))
    darker = (frames * np.linspace(1, 0.5, 6)[:, None, None, None]).astype(np.uint8)
    for seen in (frames, darker, frames / 255):
        tracks = track(seen, np.array([25, 18]))
        steps = np.arange(6)[:, None] * [1, 3]
        assert_array_equal(tracks.corners[:, 0], [25, 18] + steps)
        assert tracks.lost == 6
        assert tracks.difference.max() < 0.01
    squared = track(frames, np.array([25, 18]), measure="squared", most=0.01)
    assert_array_equal(squared.corners, track(frames, np.array([25, 18])).corners)


def test_what_is_gone_is_lost_from_there_on_and_its_corner_stays():
    frames = moved((0, 3))
    frames[3:] = coarse(5, 30, 40)
    tracks = track(frames, np.array([[25, 15], [50, 85]]), most=0.3)
    assert_array_equal(tracks.lost, [3, 3])
    assert_array_equal(tracks.corners[3:, 0], [[25, 21]] * 3)
    assert (tracks.difference[3] > 0.3).all()
    assert (tracks.difference[4:] == np.inf).all()


def test_a_patch_at_the_edge_is_sought_inside_and_never_leaves_the_frame():
    frames = moved((0, -4), left=20, top=0)
    tracks = track(frames, np.array([[0, 20], [58, 88]]))
    assert (tracks.corners >= 0).all()
    assert (tracks.corners <= np.array([90, 120]) - 32).all()
    assert_array_equal(tracks.corners[:, 0, 1], 20 - 4 * np.arange(6))


def test_on_made_clips_tracks_stay_near_the_truth():
    off = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        clip = made_clip(coarse(seed), [coarse(seed + 9)], rng, frames=8, motion=PLAIN)
        corner = np.rint(clip.middles(1)[0] - 8).astype(int)
        corner = np.clip(corner, 0, np.array([72, 96]) - 16)
        tracks = track(clip.frames, corner, 16)
        truth = clip.follow(corner[None] + 7.5, 1)[:, 0] - 7.5
        inside = ((truth >= 0) & (truth <= [56, 80])).all()
        off += [abs(tracks.corners[-1, 0] - truth[-1]).max()] if inside else []
    assert len(off) >= 4
    assert max(off) < 1.5


@pytest.mark.slow
def test_a_thing_that_turns_is_followed_longer_when_what_is_looked_for_changes_with_it():
    motion = PLAIN._replace(turn=150)
    differences = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        clip = made_clip(coarse(seed), [coarse(seed + 9)], rng, frames=12, motion=motion)
        corner = np.clip(np.rint(clip.middles(1)[0] - 10).astype(int), 0, (52, 76))
        both = (track(clip.frames, corner, 20, most=2, update=u) for u in (0, 0.3))
        differences.append([tracks.difference[-1, 0] for tracks in both])
    first, changing = np.mean(differences, 0)
    assert changing < first


@pytest.mark.slow
def test_on_clips_of_photographs_half_of_the_tracks_end_within_four_pixels_of_the_truth():
    china, flower = (X[::2, ::2].transpose(2, 0, 1) for X in load_sample_images().images)
    rng = np.random.default_rng(0)
    clips = [made_clip(*both, rng) for both in ((china, [flower]), (flower, [china])) * 12]
    found = tracked_pairs([clip.frames for clip in clips])
    assert len(found.clip) > len(clips) / 2
    off = []
    for i, start, corners in zip(found.clip, found.start, found.corners + 15.5):
        owner = clips[i].owner[(start, *corners[0].astype(int))]
        truth = clips[i].follow(corners[:1], owner, start)[start + 12, 0]
        off.append(np.hypot(*(corners[-1] - truth)))
    assert np.median(off) < 4


# what moves


@pytest.mark.slow
def test_what_moves_is_found_though_the_camera_moves_too():
    shares = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        clip = made_clip(coarse(seed), [coarse(seed + 9)], rng, frames=12, motion=PLAIN)
        found = moving_patch(*clip.frames[:2])
        thing = clip.owner[0][tuple(found.points.T)] == 1
        if found.corner is None or thing.mean() > 0.45:  # the camera's motion is that of most
            continue
        shares.append((found.moving[thing].mean(), found.moving[~thing].mean()))
    on, off = np.mean(shares, 0)
    assert len(shares) >= 3
    assert on > 0.9
    assert off < 0.1


def test_the_patch_is_the_window_with_most_moving_points():
    found = moving_patch(*moved()[:2], 24)
    P = found.points[found.moving]
    counts = {
        (y, x): (((y, x) <= P) & ((y + 24, x + 24) > P)).all(1).sum()
        for y in range(90 - 24 + 1)
        for x in range(120 - 24 + 1)
    }
    assert counts[tuple(found.corner)] == max(counts.values()) > 10
    assert_allclose(np.median(found.motion[found.moving], 0), [0, 2], atol=0.05)
    assert moving_patch(*moved((0, 1))[:2]).why == "moving"  # half a pixel is enough


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (coarse(0, 30, 40), coarse(0, 30, 40), "less than 25 % of the points move"),
        (coarse(0, 40, 50)[:, :90], coarse(0, 40, 50)[:, 2:92], "less than 25 %"),
        (coarse(0, 30, 40), coarse(1, 30, 40), "more than 75 % of the points move"),
        (np.full((3, 90, 120), 9, np.uint8),) * 2 + ("0 points have texture, 12 are needed",),
    ],
    ids=["nothing moves", "the camera", "another scene", "flat"],
)
def test_a_frame_in_which_nothing_can_be_chosen_says_why(first, second, why):
    found = moving_patch(first, second)
    assert found.corner is None
    assert found.why.startswith(why)


@pytest.mark.parametrize(
    ("rows", "share", "why"),
    [
        (24, 0.22, "less than 25 % of the points move"),
        (28, 0.25, "moving"),
        (60, 0.73, "moving"),
        (64, 0.80, "more than 75 % of the points move"),
    ],
)
def test_a_quarter_to_three_quarters_of_the_points_may_move(rows, share, why):
    first, second = coarse(0, 30, 40), coarse(0, 30, 40)
    second[:, :rows] = coarse(1, 30, 40)[:, :rows]
    found = moving_patch(first, second)
    assert found.moving.mean() == pytest.approx(share, abs=0.01)
    assert found.why == why


@settings(max_examples=10)
@given(seed=st.integers(0, 99), off=st.floats(0, 0.4))
def test_the_cameras_motion_is_that_of_the_half_that_fits_an_affine_map(seed, off):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 90, (60, 2))
    A, b = rng.normal(0, 0.01, (2, 2)), rng.normal(0, 1, 2)
    camera = points @ A + b
    motion = camera.copy()
    others = int(off * 60)
    motion[:others] += rng.uniform(1.5, 2, 2) * rng.choice([-1, 1], 2)
    assert_allclose(camera_motion(points, motion), camera, atol=1e-9)


# pairs


def test_pairs_are_the_first_and_the_last_patch_of_each_track():
    still = np.stack([coarse(3, 30, 40)] * 6)
    light = np.linspace(1, 0.6, 6)[:, None, None, None]  # so that no two patches are equal
    bird = (moved() * light).astype(np.uint8)
    late = np.concatenate([bird[[0, 0]], bird])
    found = tracked_pairs([still, bird, late], length=5)
    assert found.why == ["less than 25 % of the points move", "tracked", "tracked"]
    assert_array_equal(found.clip, [1, 2])
    assert_array_equal(found.start, [0, 2])
    for frames, start, corners, one, two in zip(
        (bird, late), found.start, found.corners, found.first, found.last
    ):
        for P, t in ((one, 0), (two, 5)):
            assert_array_equal(P, cut(frames[start + t], corners[t : t + 1], 32)[0])


def test_where_nothing_moves_there_are_no_pairs():
    still = np.stack([coarse(3, 30, 40)] * 6)
    for clips in ([still], []):
        found = tracked_pairs(clips, length=5)
        assert found.first.shape == found.last.shape == (0, 3, 32, 32)
        assert found.corners.shape == (0, 6, 2)
        assert found.first.dtype == np.uint8
        assert len(found.why) == len(clips)


def test_grey_clips_give_grey_pairs():
    found = tracked_pairs([moved()[:, :1]], length=5)
    assert found.first.shape == (1, 1, 32, 32)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda X: track(X[:1], [[0, 0]]), r"of two frames at least, not \(1, 3, 90, 120\)"),
        (lambda X: track(X[0], [[0, 0]]), r"a clip is \(n, c, h, w\).* not \(3, 90, 120\)"),
        (lambda X: track(X, [[0, 0]], 91), "a patch of 91 does not fit into frames of 90 x 120"),
        (lambda X: track(X, [[0, 0]], 0), "a patch of 0 does not fit"),
        (lambda X: track(X, [[0, 89]]), r"from \(0, 0\) to \(58, 88\) in frames of 90 x 120"),
        (lambda X: track(X, [[0.5, 1]]), r"corners are \(k, 2\) whole numbers"),
        (lambda X: track(X, [[0, 0]], measure="ssd"), "measure is normalised or squared"),
        (lambda X: track(X, [[0, 0]], reach=0), "reach a whole number from 1 on"),
        (lambda X: track(X * np.nan, [[0, 0]]), r"track: images of floats lie in \[0, 1\]"),
        (lambda X: moving_patch(X[0], X[1, :1]), r"two frames are alike, not \(3, 90, 120\) and"),
        (lambda X: moving_patch(X[0], X[1], 100), "a patch of 100 does not fit"),
        (lambda X: moving_patch(X[0], X[1], 0), "moving_patch: a patch of 0 does not fit"),
        (
            lambda X: moving_patch(X[0, :, :8], X[1, :, :8], 4),
            "blocks of 9, which do not fit into frames of 8 x 120",
        ),
        (lambda X: tracked_pairs([X], length=2.5), "here 2.5, a whole number from 1 on"),
        (lambda X: tracked_pairs([X], length=6), r"length of tracks, here 6, .* clip 0 is \(6, 3"),
        (lambda X: tracked_pairs([X[0]]), r"clip 0 is \(3, 90, 120\)"),
        (lambda X: tracked_pairs([X, X[:, :1]], 5), "clip 1 has 1 channels of uint8, the first 3"),
    ],
)
def test_what_cannot_be_tracked_is_said(call, said):
    with pytest.raises(ValueError, match=said):
        call(moved())
