import hypothesis.strategies as st
import numpy as np
import pytest
import strict
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad.data import Layout, Pairs, PatchPairs, Preparation, drop_colours, pixelate, project
from minigrad.data.parameters import rows
from minigrad.data.patch_pairs import NAMES, PLACES, noise_of
from minigrad.kernels.order import is_batch_last

SMALL = Layout(6, 3, 1)


def images(*sizes, seed=0, c=3):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (c, *size), np.uint8) for size in sizes]


def drawn(data, n, seed=0):
    rng = np.random.default_rng(seed)
    return data.draw(rng.integers(len(data.sizes), size=n), rng)


# where pairs lie


@given(
    patch=st.integers(1, 9),
    gap=st.integers(0, 6),
    jitter=st.integers(0, 3),
    more=st.tuples(*[st.integers(0, 30)] * 4),
)
def test_pairs_lie_as_their_label_says_and_never_leave_the_image(patch, gap, jitter, more):
    layout = Layout(patch, gap, jitter)
    (a, b, c, d) = (layout.needed + m for m in more)
    data = PatchPairs(images((a, b), (c, d)), layout)
    p = drawn(data, 200)
    for corner in (p.first, p.second):
        assert (corner >= 0).all()
        assert (corner + patch <= data.sizes[p.image]).all()
    away = p.second - p.first - (patch + gap) * PLACES[p.label]
    assert abs(away).max() <= 2 * jitter


def test_labels_are_row_by_row_and_uniform():
    assert NAMES == ("NW", "N", "NE", "W", "E", "SW", "S", "SE")
    assert_array_equal(PLACES[[1, 3, 6]], [(-1, 0), (0, -1), (1, 0)])  # (down, right)
    p = drawn(PatchPairs(images((40, 60), (22, 17)), SMALL), 8000)
    counts = np.bincount(p.label, minlength=8)
    assert abs(counts - 1000).max() < 5 * np.sqrt(1000)


def test_patches_come_from_everywhere_in_the_image_jitter_is_uniform():
    data = PatchPairs(images((30, 24)), Layout(6, 3, 2))
    p = drawn(data, 20_000)
    found = np.concatenate((p.first, p.second))
    for axis, side in enumerate((30, 24)):
        counts = np.bincount(found[:, axis], minlength=side - 5)
        assert len(counts) == side - 5
        assert counts.min() > 0
    moved = (p.second - p.first - 9 * PLACES[p.label])[:, 0]
    counts = np.bincount(moved + 4, minlength=9) / len(moved)
    assert_allclose(counts, np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25, atol=0.01)


def test_the_smallest_image_has_each_label_without_jitter_at_its_corners():
    data = PatchPairs(images((15, 15)), Layout(6, 3, 0))
    p = drawn(data, 200)
    assert set(p.label) == set(range(8))
    assert set(np.concatenate((p.first, p.second)).ravel()) == {0, 9}


# what patches are


def test_patches_are_cut_as_slices_would_be_and_stand_batch_last():
    sources = images((20, 31), (25, 22), (40, 18))
    data = PatchPairs(sources, SMALL)
    p = drawn(data, 50)
    for X, corners in zip(data.cut(p), (p.first, p.second), strict=True):
        assert is_batch_last(X)
        assert X.dtype == np.uint8
        for x, image, (i, j) in zip(X, p.image, corners, strict=True):
            assert_array_equal(x, sources[image][:, i : i + 6, j : j + 6])


@pytest.mark.parametrize("colours", ["drop", "project", "keep"])
def test_a_network_sees_patches_less_the_mean_without_colours_and_then_pixelated(colours):
    sources = images((30, 31), (25, 22))
    data = PatchPairs(sources, SMALL, colours=colours)
    mean = np.concatenate([x.reshape(3, -1) for x in sources], 1).mean(1) / 255
    assert_allclose(data.prepare.mean, mean, rtol=1e-6)
    p = drawn(data, 40)
    for k, (X, Z) in enumerate(zip(data.cut(p), data.prepared(p), strict=True)):
        plain = X / 255 - mean[:, None, None]
        if colours == "drop":
            noise = noise_of(p.seed, (2, 3, 6, 6))
            plain = drop_colours(plain, p.kept[:, k], noise[:, k])
        elif colours == "project":
            plain = project(plain)
        assert_allclose(Z, pixelate(plain, p.side[:, k]), atol=1e-6)
        assert Z.dtype == np.float32


def test_a_third_of_the_patches_lose_detail_down_to_a_hundredth_of_their_pixels():
    data = PatchPairs(images((300, 300)), Layout())
    side = drawn(data, 4000).side
    assert abs((side < 96).mean() - 1 / 3) < 0.03
    lost = side[side < 96]
    assert (lost.min(), lost.max()) == (10, 94)
    assert abs((lost**2).mean() - (95**2 + 10**2) / 2) < 150  # uniform in the number of pixels
    assert drawn(PatchPairs(images((300, 300)), pixelation=0), 5).side is None


@pytest.mark.parametrize("colours", ["drop", "project", "keep"])
def test_with_contrast_rms_each_patch_has_a_root_mean_square_of_50_and_a_flat_one_is_0(colours):
    X = np.concatenate([np.random.default_rng(0).random((5, 3, 8, 8)), np.ones((1, 3, 8, 8))])
    Z = Preparation(np.zeros(3), colours, "rms")(X)
    assert_allclose(np.sqrt((Z[:5] ** 2).mean((1, 2, 3))), 50 / 255, rtol=1e-5)
    assert_allclose(Z.mean((2, 3)), 0, atol=1e-6)
    assert_array_equal(Z[5], 0)


def test_where_nothing_is_drawn_green_is_left():
    X = np.random.default_rng(0).random((2, 3, 4, 4))
    Z = Preparation(np.zeros(3))(X)
    assert_allclose(Z, X * [[[0]], [[1]], [[0]]], rtol=1e-6)


# kept, replayed, turned, shown


def test_any_channel_of_a_patch_is_left_whichever_of_the_other():
    kept = drawn(PatchPairs(images((20, 20)), SMALL), 9000).kept
    counts = np.bincount(3 * kept[:, 0] + kept[:, 1], minlength=9)
    assert abs(counts - 1000).max() < 5 * np.sqrt(1000)


def test_a_pair_lies_in_the_image_that_its_number_says():
    dark_and_light = [np.full((3, 20, 20), v, np.uint8) for v in (0, 255)]
    data = PatchPairs(dark_and_light, SMALL, 4, colours="keep", mean=np.zeros(3))
    for X in data.batch(np.array([5, 0, 3, 4]), np.random.default_rng(0))[:2]:
        assert_allclose(X, np.ones_like(X) * np.reshape([1, 0, 0, 1], (4, 1, 1, 1)))


@pytest.mark.parametrize("contrast", ["mean", "rms"])
def test_pairs_drawn_once_are_the_same_whenever_and_with_whichever_others(contrast):
    options = {"contrast": contrast, "rng": np.random.default_rng(1)}
    data = PatchPairs(images((30, 31), (25, 22)), SMALL, 6, **options)
    X1, X2, T = data.all()
    assert (len(T), len(data)) == (12, 12)
    for chosen in ([7], [3, 7, 0]):
        for whole, some in zip((X1, X2, T), data.batch(np.array(chosen)), strict=True):
            assert_array_equal(some, whole[chosen])
    assert_array_equal(data.pairs.image, np.repeat([0, 1], 6))
    assert_array_equal(data.prepared(rows(data.pairs, [7]))[0], X1[[7]])


def test_stored_pairs_are_replayed_to_the_bit(tmp_path):
    data = PatchPairs(images((30, 31), (25, 22)), SMALL)
    p = drawn(data, 9)
    np.savez(tmp_path / "pairs.npz", **p._asdict())
    with np.load(tmp_path / "pairs.npz") as stored:
        again = Pairs(**stored)
    for a, b in zip(data.prepared(p), data.prepared(again), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("others", "changed", "said"),
    [
        ([(30, 30), (25, 22)], {}, r"from \(4, 25\) on leaves image 0 of 30 x 30"),
        ([(30, 31)], {}, "index is 0 to 0 for 1 images, not 0 to 1"),
        ([(30, 31), (25, 22)], {"image": [0, -1]}, "index is 0 to 1 for 2 images, not -1 to 0"),
        ([(30, 31), (25, 22)], {"first": [[4, 25], [20, 0]]}, r"from \(20, 0\) on leaves image 1"),
        ([(30, 31), (25, 22)], {"second": [[-1, 3], [0, 0]]}, r"from \(-1, 3\) on leaves image 0"),
    ],
)
def test_pairs_of_other_images_are_not_cut_across_rows_and_images(
    others, changed, said, monkeypatch
):
    corners = {"first": [[4, 25], [19, 16]], "second": [[3, 16], [10, 16]]}
    pairs = {"image": [0, 1], "label": [3, 1]} | corners
    take = lambda given: Pairs(**{name: np.array(v) for name, v in given.items()})
    PatchPairs(images((30, 31), (25, 22)), SMALL, colours="project").prepared(take(pairs))
    strict.install(monkeypatch)
    for move in (mg.to_cpu, mg.to_gpu):
        data = PatchPairs(move(images(*others)), SMALL, colours="project")
        for f in (data.cut, data.prepared):
            with pytest.raises(ValueError, match=said):
                f(take(pairs | changed))


def test_the_same_generator_gives_the_same_batch_and_goes_on():
    data = PatchPairs(images((30, 31)), SMALL)
    rng = np.random.default_rng(0)
    first, second = (data.batch(np.arange(8), rng)[0] for _ in range(2))
    again = data.batch(np.arange(8), np.random.default_rng(0))[0]
    assert_array_equal(first, again)
    assert (first != second).any()


@pytest.mark.parametrize("colours", ["drop", "project", "keep"])
def test_turned_pairs_are_the_same_patches_with_label_7_less_l(colours):
    data = PatchPairs(images((30, 31), (25, 22)), SMALL, colours=colours)
    p = drawn(data, 9)
    q = p.turned()
    assert_array_equal(q.label, 7 - p.label)
    for a, b in zip(data.prepared(p), reversed(data.prepared(q)), strict=True):
        assert_array_equal(a, b)
    for a, b in zip(p, q.turned(), strict=True):
        assert_array_equal(a, b)


def test_a_pair_is_told_in_words():
    p = drawn(PatchPairs(images((30, 31), (25, 22)), SMALL), 9)
    told = p.describe(4)
    assert f"image {p.image[4]}: " in told
    assert f" lies {NAMES[p.label[4]]} of patch 1 at ({p.first[4, 0]}, {p.first[4, 1]})" in told
    assert told.endswith(f"{p.side[4, 0]} and {p.side[4, 1]} pixels a side")


def test_on_a_device_the_same_pairs_of_the_same_numbers(monkeypatch):
    strict.install(monkeypatch)
    sources = images((30, 31), (25, 22))
    here = PatchPairs(sources, SMALL, contrast="rms").batch(np.arange(9), np.random.default_rng(0))
    there = PatchPairs(mg.to_gpu(sources), SMALL, contrast="rms")
    for a, b in zip(here, there.batch(np.arange(9), np.random.default_rng(0)), strict=True):
        assert type(b) is strict.ndarray
        assert_allclose(b.get(), a, atol=1e-6)


# what cannot be had


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layout": Layout(0)}, "patch is a whole number of pixels, at least 1, not 0"),
        ({"layout": Layout(6, -1)}, "gap is a whole number of pixels, at least 0, not -1"),
        ({"layout": Layout(6, 3, 0.5)}, "jitter is a whole number of pixels, at least 0, not 0.5"),
        ({"per_image": 0}, "per_image is a whole number from 1 on, not 0"),
        ({"colours": "gray"}, "colours is one of drop, project, keep, not 'gray'"),
        ({"contrast": "std"}, "contrast is one of mean, rms, not 'std'"),
        ({"pixelation": 1.5}, "pixelation is a share, 0 to 1, not 1.5"),
    ],
)
def test_an_option_that_is_none_is_named(options, said):
    with pytest.raises(ValueError, match=said):
        PatchPairs(images((60, 60)), **{"layout": SMALL, **options})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colours": "projected"}, "Preparation: colours is one of .*, not 'projected'"),
        ({"contrast": "x"}, "Preparation: contrast is one of mean, rms, not 'x'"),
    ],
)
def test_a_preparation_does_nothing_by_another_name(options, said):
    with pytest.raises(ValueError, match=said):
        Preparation(np.zeros(3), **options)(np.zeros((1, 3, 4, 4)))


def test_images_too_small_are_named_with_what_a_pair_needs():
    said = (
        r"image 1 has 16 x 40 pixels, and two patches of 6 with a gap of 3 and a jitter of 1 "
        r"need 17 each way \(2 of 3 images are too small\)"
    )
    with pytest.raises(ValueError, match=said):
        PatchPairs(images((17, 17), (16, 40), (40, 16)), SMALL)


def test_grey_images_keep_their_colours_or_are_refused():
    grey = images((20, 20), c=1)
    with pytest.raises(ValueError, match='these have 1: colours="keep" takes grey ones'):
        PatchPairs(grey, SMALL)
    X1, _, _ = PatchPairs(grey, SMALL, colours="keep").batch(np.arange(3), np.random.default_rng(0))
    assert X1.shape == (3, 1, 6, 6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "there are no images"),
        (images((20, 20)) + images((20, 20), c=1), "image 1 has 1 channels of uint8, the first 3"),
        ([np.full((3, 20, 20), np.nan)], "image 0 holds values that are not finite"),
        ([np.full((3, 20, 20), 255.0)], r"floats lie in \[0, 1\], these .* reach from 255 to 255"),
        ([np.ones((3, 20, 20), int)], r"floats or bytes, not \(3, 20, 20\) int64 \(image 0\)"),
        ([np.ones((20, 20))], r"images are \(c, h, w\)"),
    ],
)
def test_what_are_no_images_alike_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        PatchPairs(wrong, SMALL)


def test_a_mean_of_other_channels_is_refused():
    with pytest.raises(ValueError, match=r"mean is \(3,\), one for each channel, not \(1,\)"):
        PatchPairs(images((20, 20)), SMALL, mean=np.zeros(1))


def test_without_a_generator_nothing_is_drawn():
    with pytest.raises(ValueError, match="nothing was drawn at first: rng is needed here"):
        PatchPairs(images((20, 20)), SMALL).batch(np.arange(2))
