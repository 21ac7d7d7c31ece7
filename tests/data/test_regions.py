import os
import warnings
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from minigrad.data import (
    Parameters,
    Places,
    Ranges,
    Surrogates,
    draw,
    inside,
    patches,
    seed_patches,
)
from minigrad.data.parameters import rows
from minigrad.data.regions import energies


def noise(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random(shape).astype(dtype)


def photographs(seed=0):
    """Images of different sizes: larger than what is cut out, smaller in one direction, in both."""
    sides = [(200, 230), (90, 210), (64, 70), (170, 66)]
    return [noise(3, *side, seed=seed + i) for i, side in enumerate(sides)]


def drawn(images, n, seed=0, **options):
    return seed_patches(images, n, np.random.default_rng(seed), **options)


# where


@given(seed=st.integers(0, 99), c=st.sampled_from([1, 2, 3]), side=st.integers(1, 5))
def test_energy_is_the_mean_squared_central_difference_of_the_luminance_in_the_patch(seed, c, side):
    X = noise(c, 7, 9, dtype=float, seed=seed)
    L = np.tensordot([0.299, 0.587, 0.114], X, 1) if c == 3 else X.mean(0)
    square = np.zeros(L.shape)
    for y, x in np.ndindex(L.shape):
        if 0 < y < 6:
            square[y, x] += ((L[y + 1, x] - L[y - 1, x]) / 2) ** 2
        if 0 < x < 8:
            square[y, x] += ((L[y, x + 1] - L[y, x - 1]) / 2) ** 2
    (E,) = energies(X, [side])
    assert E.shape == (8 - side, 10 - side)
    for y, x in np.ndindex(E.shape):
        assert_allclose(E[y, x], square[y : y + side, x : x + side].mean(), atol=1e-12)
    (bytes_,) = energies(np.round(255 * X).astype(np.uint8), [side])
    assert_allclose(bytes_, E, atol=0.02)


N = 2000


def test_positions_and_images_are_drawn_in_proportion_to_the_energy():
    X = noise(2, 1, 6, 7)
    X[1] *= 0.7
    rng = np.random.default_rng(0)
    counts = np.zeros((2, 4, 5))
    for _ in range(N):
        s = seed_patches(X, 1, rng, size=3, scales=(1,))
        counts[(s.found.index[0], *(s.found.centre[0] - 1).astype(int))] += 1
    E = np.stack([energies(image, [3])[0] for image in X])
    expected = N * E / E.sum()
    assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()
    assert expected.max() > 3 * expected.min()  # so that a uniform draw would be seen


def test_scales_are_drawn_alike_however_many_positions_they_have():
    s = drawn(noise(600, 1, 100, 100), 600)
    windows, counts = np.unique(s.found.window, return_counts=True)
    assert_array_equal(windows, [32, 40, 50, 62.5])
    assert_allclose(counts, 150, atol=5 * np.sqrt(150))


@pytest.mark.parametrize("n", [1, 3, 4])
def test_by_default_no_two_seeds_are_of_one_image(n):
    assert len(np.unique(drawn(photographs(), n).found.index)) == n


def test_many_of_an_image_are_never_the_same_patch():
    X = noise(2, 1, 34, 35)
    s = drawn(X, 24, scales=(1,), per_image=None)  # all 3 x 4 of both
    corners = np.column_stack([s.found.index, s.found.centre - 15.5])
    assert_array_equal(np.unique(corners, axis=0), list(np.ndindex(2, 3, 4)))
    s = drawn(X, 8, scales=(1,), per_image=4)
    assert_array_equal(np.bincount(s.found.index), [4, 4])


def test_more_candidates_than_are_kept_at_once_leave_the_seeds_distinct():
    s = drawn(noise(50, 1, 40, 40), 7, per_image=3)
    found = np.column_stack([s.found.index, s.found.centre, s.found.window])
    assert len(np.unique(found, axis=0)) == 7
    assert np.bincount(s.found.index).max() <= 3


def test_the_same_seed_draws_the_same_and_others_others():
    a, b, c = (drawn(photographs(), 3, seed) for seed in (0, 0, 1))
    assert_array_equal(a.images(), b.images())
    assert (a.found.centre != c.found.centre).any()


# what is cut out


def test_seeds_are_the_patches_at_their_places_inside_the_images():
    X = noise(20, 3, 70, 96)
    s = drawn(X, 12)
    assert inside(s.found, Parameters(), (70, 96)).all()
    assert inside(s.places, Parameters(), s.sides).all()
    assert s.images().shape == (12, 3, 32, 32)
    assert_allclose(s.images(), patches(X, s.found, Parameters()), atol=1e-4)
    assert_array_equal(s.energy > 0, True)


@given(seed=st.integers(0, 99))
def test_all_that_the_ranges_reach_is_cut_out_of_images_of_any_size(seed):
    X = photographs(seed)
    s = drawn(X, 12, seed, per_image=None)
    p = draw(12, np.random.default_rng(seed))._replace(components=None)
    Z = patches(s.sources, s.places, p)
    for i in range(12):
        image, q = X[s.found.index[i]], rows(p, [i])
        there = Places([0], s.found.centre[[i]], s.found.window[[i]])
        within = inside(there, q, image.shape[1:])
        assert_array_equal(inside(rows(s.places, [i]), q, s.sides[[i]]), within)
        assert_allclose(Z[i], patches(image[None], there, q)[0], atol=2e-3)


def test_bytes_stay_bytes_and_larger_images_take_no_more_room():
    X = [np.round(255 * R).astype(np.uint8) for R in [*photographs(), noise(3, 300, 400)]]
    s = drawn(X, 5)
    assert s.sources.dtype == np.uint8
    assert max(s.sources.shape[2:]) <= 153  # 62.5 / 0.7 wide, turned, moved each way
    narrow = drawn(X, 5, scales=(1,), ranges=Ranges(shift=None, scale=None, rotation=None))
    assert narrow.sources.shape == (5, 3, 33, 33)


class Files:
    """Images that are read when they are asked for."""

    def __init__(self, images):
        self.images, self.read = images, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        self.read.append(i)
        return self.images[i]


def test_of_images_that_are_read_only_those_with_seeds_are_read_again():
    files = Files(photographs())
    s = drawn(files, 2)
    assert files.read[-2:] == sorted(s.found.index)
    assert_array_equal(files.read[:4], range(4))
    assert len(files.read) <= 4 + 1 + 2  # the end of the sequence is looked for, too


def test_seeds_of_photographs_have_more_to_see_than_patches_anywhere():
    if not (folder := os.environ.get("MINIGRAD_DATA")):
        pytest.skip("photographs stand in $MINIGRAD_DATA: MINIGRAD_DATA is not set")
    paths = sorted(Path(folder, "photos").glob("*.jpg"))[::10]
    X = [np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1) for path in paths]
    s = drawn(X, 200, per_image=None)
    anywhere = np.mean([energies(x, [40])[0].mean() for x in X])
    assert s.energy.mean() > 1.5 * anywhere
    assert s.sources.shape[1:] == (3, 153, 153)
    data = Surrogates(s, 10, rng=np.random.default_rng(0))
    assert data.outside < 0.01 * len(data)


# what cannot be


def test_flat_images_are_taken_last_and_anywhere_and_it_is_said():
    X = np.concatenate([np.full((40, 1, 40, 40), 0.5, np.float32), noise(3, 1, 40, 40)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(np.sort(drawn(X, 3).found.index), [40, 41, 42])
    with pytest.warns(UserWarning, match="40 of 43 seeds are flat: there were no others"):
        s = drawn(X, 43, scales=(1,))
    assert_array_equal(s.energy == 0, s.found.index < 40)
    flat = s.found.centre[s.energy == 0] - 15.5
    assert_allclose(flat.mean(0), 4, atol=5 * np.sqrt((9**2 - 1) / 12 / 40))  # of 0 to 8


def test_images_smaller_than_a_patch_are_left_out_and_it_is_said():
    X = [noise(1, 40, 40), noise(1, 31, 90), noise(1, 40, 40)]
    with pytest.warns(UserWarning, match="1 of 3 images are smaller than a patch of 32 x 32 and"):
        s = drawn(X, 2)
    assert_array_equal(np.sort(s.found.index), [0, 2])


def test_one_image_gives_many_seeds_if_they_may_be_of_one_image():
    X = noise(1, 3, 64, 64)
    assert len(drawn(X, 50, per_image=None).energy) == 50
    sentence = r"2 seeds wanted of 1 images, which have 1, at most 1 of each \(per_image\)$"
    with pytest.raises(ValueError, match=sentence):
        drawn(X, 2)


@pytest.mark.parametrize(
    ("images", "n", "options", "sentence"),
    [
        (
            noise(3, 1, 20, 40),
            1,
            {},
            "which have 0, .*; 3 of 3 images are smaller than a patch",
        ),
        (noise(2, 1, 33, 33), 9, {"scales": (1,), "per_image": None}, "which have 8, none twice$"),
        ([], 1, {}, "1 seeds wanted of 0 images, which have 0"),
        (noise(2, 1, 33, 33), 0, {}, "the number of seeds is at least 1, not 0"),
        (noise(2, 33, 33), 1, {}, r"images are \(c, h, w\), of floats or bytes, not \(33, 33\)"),
        (np.ones((1, 1, 33, 33), int), 1, {}, r"not \(1, 33, 33\) int64 \(image 0\)"),
        ([noise(3, 40, 40), noise(1, 40, 40)], 1, {}, "image 1 has 1 channels of float32, the"),
        (np.full((1, 1, 40, 40), np.nan), 1, {}, "image 0 holds values that are not finite"),
        (noise(1, 1, 40, 40), 1, {"size": 2.5}, "size is a whole number of pixels, scales .* 2.5"),
        (noise(1, 1, 40, 40), 1, {"scales": (1, 0)}, r"scales are above 0, not 32 and \(1, 0\)"),
        (noise(1, 1, 40, 40), 1, {"scales": ()}, "scales are above 0"),
        (noise(1, 1, 40, 40), 1, {"per_image": 0}, "per_image is at least 1, or None, not 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(images, n, options, sentence):
    with pytest.raises(ValueError, match=f"seed_patches: .*{sentence}"):
        drawn(images, n, **options)


def test_some_seeds_are_taken_with_all_that_belongs_to_them():
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 40, 50), np.uint8)
    seeds = seed_patches(images, 5, np.random.default_rng(1), size=16)
    index = np.array([3, 0, 3])
    some = seeds.take(index)
    assert_array_equal(some.images(), seeds.images()[index])
    assert_array_equal(some.found.index, seeds.found.index[index])
    assert_array_equal(some.energy, seeds.energy[index])
    assert some.size == 16
