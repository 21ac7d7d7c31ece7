import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import graf
from minigrad.evaluate import (
    Ellipses,
    achievable,
    circles,
    greedy,
    homography,
    match,
    matching_precision,
    mser,
    normalised_patches,
    overlapping,
    precision_recall,
    raw,
    sift,
)
from tests.data.published import real
from tests.regions import photograph

same = lambda points: points


@given(seed=st.integers(0, 999), n=st.integers(0, 7), m=st.integers(0, 7), d=st.integers(1, 3))
def test_pairs_are_those_of_a_loop_over_all_ties_by_row(seed, n, m, d):
    rng = np.random.default_rng(seed)
    F, G = rng.integers(0, 3, (n, d)), rng.integers(0, 3, (m, d))
    left = sorted((((F[i] - G[j]) ** 2).sum() ** 0.5, i, j) for i in range(n) for j in range(m))
    expected = []
    while left:
        expected.append(left[0])
        left = [t for t in left if t[1] != left[0][1] and t[2] != left[0][2]]
    pairs, distances = greedy(F, G)
    assert pairs.shape == (min(n, m), 2)
    assert_array_equal(pairs, np.array([t[1:] for t in expected]).reshape(-1, 2))
    assert_allclose(distances, [t[0] for t in expected])


def test_descriptors_that_do_not_fit_or_are_not_finite_are_refused():
    F = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"greedy: descriptors are .* not \(3, 2\) and \(4, 3\)"):
        greedy(F, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="greedy: descriptor 1 of 2 holds a value that is not"):
        greedy(F, np.array([[0, 0], [0, np.nan]]))


@given(seed=st.integers(0, 999), n=st.integers(0, 4), m=st.integers(1, 4))
def test_what_is_achievable_is_the_best_of_all_ways_to_pair(seed, n, m):
    relation = np.random.default_rng(seed).random((n, m)) < 0.3
    wide = np.pad(relation, ((0, 0), (0, n)))  # a row may stay alone
    ways = itertools.permutations(range(n + m), n)
    assert achievable(relation) == max((sum(wide[range(n), way]) for way in ways), default=0)


@given(right=st.lists(st.booleans(), max_size=9), more=st.integers(0, 3))
def test_precision_and_recall_count_and_the_area_is_that_of_rectangles(right, more):
    most = sum(right) + more
    precision, recall = precision_recall(right, most)
    area = 0.0
    for r in range(1, len(right) + 1):
        found = sum(right[:r])
        assert_allclose(precision[r - 1], found / r)
        assert_allclose(recall[r - 1], found / most if most else 0)
        area += right[r - 1] and found / r / most
    assert_allclose(matching_precision(right, most), area, atol=1e-12)


def test_all_achievable_pairs_first_are_1_and_nothing_to_find_is_0():
    assert matching_precision([1, 1, 0], 2) == 1
    assert [matching_precision(*case) for case in (([], 3), ([0, 0], 0), ([], 0))] == [0, 0, 0]
    with pytest.raises(ValueError, match="precision_recall: 2 pairs are right, but 1 achievable"):
        precision_recall([1, 1], 1)


def test_regions_are_paired_rightly_if_they_overlap_by_half_where_the_map_says():
    A = circles([[10, 10], [30, 30]], [5, 5])
    B = circles([[30, 20], [10, 22.64], [10, 23]], [5, 5, 5])
    right = overlapping(A, B, lambda p: p + [0, 10])
    assert_array_equal(right, [[False, True, False], [False, False, False]])
    assert_array_equal(overlapping(A, B, lambda p: p + [0, 10], 0.1)[0], [False, True, True])


@pytest.mark.parametrize("least", [0, -1, 1.1, np.nan])
def test_an_overlap_that_all_pairs_have_or_none_can_have_is_refused(least):
    E = circles([[10, 10], [90, 90]], [5, 5])
    with pytest.raises(ValueError, match=f"least is above 0 and at most 1, not {least}"):
        overlapping(E, E, same, least)


# two images


@pytest.fixture(scope="module")
def regions():
    pytest.importorskip("cv2")
    E = mser(photograph())
    return Ellipses(E.centre[-40:], E.covariance[-40:])


def test_a_photograph_matches_itself(regions):
    M = match(photograph(), photograph(), same, sift, 32, regions=(regions, regions))
    n = len(regions.centre)
    assert M.pairs.shape == (n, 2)
    assert M.achievable == n
    assert M.ap > 0.99
    assert not M.distances.any()
    assert M.recall[-1] > 0.99


def test_what_is_described_are_patches_of_the_size_asked_for_of_ellipses_so_enlarged(regions):
    seen = []
    describe = lambda P: seen.append(P) or raw(P)
    match(photograph(), photograph(), same, describe, 8, 1.5, regions=(regions, regions))
    expected = normalised_patches(photograph(), regions, 8, 1.5)
    for P in seen:
        assert_array_equal(P, expected)
    assert len(seen) == 2


def test_a_random_descriptor_matches_badly(regions):
    rng = np.random.default_rng(0)
    random = lambda patches: rng.random((len(patches), 8))
    assert match(photograph(), photograph(), same, random, 8, regions=(regions, regions)).ap < 0.1


def test_regions_are_found_where_none_are_given():
    pytest.importorskip("cv2")
    whole, part = photograph()[:, :80], photograph()[:, :60]
    M = match(whole, part, same, raw, 16)
    assert_array_equal(M.regions1.centre, mser(whole).centre)
    assert_array_equal(M.regions2.centre, mser(part).centre)
    assert 0 < M.achievable < len(M.regions1.centre)
    assert 0.3 < M.ap <= 1
    assert_allclose(M.ap, matching_precision(M.right, M.achievable))


def test_what_counts_as_right_is_what_overlaps_by_so_much_as_is_asked_for(regions):
    away = lambda p: p + 1.5
    both = (regions, regions)
    some, few = (
        match(photograph(), photograph(), away, raw, 8, regions=both, **options)
        for options in ({}, {"least": 0.8})
    )
    assert few.right.sum() < some.right.sum()
    assert few.achievable < some.achievable == achievable(overlapping(*both, away))


@pytest.mark.parametrize("away", [lambda p: p + 1e4, lambda p: p * np.nan])
def test_where_the_map_leaves_the_image_all_pairs_are_wrong(regions, away):
    M = match(photograph(), photograph(), away, raw, 8, regions=(regions, regions))
    assert len(M.pairs) == len(regions.centre)
    assert (M.achievable, M.ap, M.right.any()) == (0, 0, False)
    assert not (M.precision.any() or M.recall.any())


def test_without_regions_there_are_no_pairs():
    pytest.importorskip("cv2")
    blank = np.zeros((3, 40, 40), np.uint8)
    small = photograph()[:, :60, :60]
    for images in ((small, blank), (blank, small), (blank, blank)):
        M = match(*images, same, raw, 8)
        assert M.pairs.shape == (0, 2)
        assert M.distances.shape == M.right.shape == M.precision.shape == M.recall.shape == (0,)
        assert (M.achievable, M.ap) == (0, 0)


def test_descriptors_of_another_number_are_refused(regions):
    few = Ellipses(regions.centre[:4], regions.covariance[:4])
    with pytest.raises(ValueError, match=r"match: descriptors of 4 and 4 regions .* not \(3, 64\)"):
        match(photograph(), photograph(), same, lambda P: raw(P)[:3], 8, regions=(few, few))


@pytest.mark.slow
@pytest.mark.parametrize("other", [2, 4])
def test_sift_matches_the_wall_better_than_raw_patches(other):
    pytest.importorskip("cv2")
    a, b, H = graf(other, real("affine/graf").parents[1])
    by_sift = match(a, b, homography(H), sift)
    by_pixels = match(a, b, homography(H), raw, regions=by_sift[-2:])
    assert by_sift.achievable > 90
    assert by_sift.ap > by_pixels.ap + 0.05  # .85 and .75, .67 and .58
    wrong_way = match(a, b, homography(np.linalg.inv(H)), sift, regions=by_sift[-2:])
    assert wrong_way.ap < 0.3
