import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

from minigrad.evaluate import Mined, cover, purity_coverage, verified_sets

N = 12
SETS = st.lists(
    st.lists(st.integers(0, N - 1), min_size=1, max_size=5, unique=True), min_size=1, max_size=12
)


def mined(verified, strength=0.5):
    """Constellations whose images are 10, 11, ... in the order of their strength."""
    verified = np.array(verified, bool)
    k, t = verified.shape
    images = np.tile(10 + np.arange(t), (k, 1))
    strength = np.broadcast_to(strength, (k, t))
    return Mined(np.zeros((k, 4)), images, np.zeros((k, t, 4)), strength, verified)


def test_a_set_is_the_first_verified_images_and_clusters_come_by_rank():
    found = mined([[0, 1, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [1, 0, 1, 0, 0]])
    clusters, sets = verified_sets(found, 2)
    assert clusters.tolist() == [1, 0, 3]
    assert sets.tolist() == [[10, 11], [11, 12], [10, 12]]
    clusters, sets = verified_sets(found, 6)
    assert (clusters.shape, sets.shape[0]) == ((0,), 0)


def test_a_set_of_none_is_refused():
    with pytest.raises(ValueError, match="size of a set is 1 or more, not 0"):
        verified_sets(mined([[1]]), 0)


def plainly_chosen(sets, count):
    """By looking through all that are left, from the top, each time."""
    chosen, r = [], 1
    while len(chosen) < min(count, len(sets)):
        times = [sum(i in sets[j] for j in chosen) for i in range(N)]
        for j, images in enumerate(sets):
            if j not in chosen and any(times[i] < r for i in images):
                chosen.append(j)
                break
        else:
            r += 1
    return chosen


@given(sets=SETS, count=st.integers(0, 15))
def test_the_highest_ranked_set_that_adds_is_chosen_again_and_again(sets, count):
    assert cover(sets, count).tolist() == plainly_chosen(sets, count)
    assert sorted(cover(sets)) == list(range(len(sets)))


def plain_curve(sets, labels):
    """(coverage, purity) after each set, counted one by one.  labels: a set for each image."""

    def purity(images):
        kinds = set().union(*(labels[i] for i in images))
        return max([sum(kind in labels[i] for i in images) for kind in kinds], default=0) / len(
            images
        )

    ordered = sorted(sets, key=lambda images: -purity(images))
    points = []
    for k in range(1, len(ordered) + 1):
        seen = set().union(*ordered[:k])
        points.append((len(seen) / len(labels), sum(map(purity, ordered[:k])) / k))
    return points


def plain_area(points, end):
    """By thin stripes."""
    width = 1e-4
    x = np.arange(0, end, width) + width / 2
    xs, ys = zip(*[(0, points[0][1]), *points])
    inside = x < xs[-1]
    return float((np.interp(x, xs, ys)[inside] * width).sum())


@given(
    sets=SETS,
    labels=st.lists(st.sets(st.integers(0, 2), max_size=2), min_size=N, max_size=N),
)
def test_the_curve_is_that_of_counting_one_by_one(sets, labels):
    holds = np.array([[k in held for k in range(3)] for held in labels])
    curve = purity_coverage(sets, holds)
    points = plain_curve(sets, labels)
    assert_allclose(np.column_stack([curve.coverage, curve.purity]), points)
    assert curve.area == pytest.approx(plain_area(points, 1), abs=1e-3)
    assert curve.half == pytest.approx(plain_area(points, 0.5), abs=1e-3)


@given(sets=SETS, labels=st.lists(st.integers(5, 7), min_size=N, max_size=N))
def test_one_label_for_each_image_is_one_category_for_each(sets, labels):
    points = plain_curve(sets, [{label} for label in labels])
    curve = purity_coverage(sets, np.array(labels))
    assert_allclose(np.column_stack([curve.coverage, curve.purity]), points)


def test_sets_that_are_pure_and_cover_all_have_area_1_and_a_half_up_to_half():
    curve = purity_coverage([[0, 1], [2, 3], [0, 1]], np.array([4, 4, 5, 5]))
    assert (curve.area, curve.half) == (1, 0.5)
    nothing = purity_coverage([[0, 1]], np.zeros((4, 2), bool))
    assert (nothing.area, nothing.half, nothing.purity.tolist()) == (0, 0, [0])
    assert purity_coverage([[0, 1]], np.zeros((4, 0), bool)).area == 0  # no category at all


@pytest.mark.parametrize(
    ("sets", "labels", "words"),
    [
        ([], np.zeros(3), "each of one set or more holds an image"),
        ([[0], []], np.zeros(3), "each of one set or more holds an image"),
        ([[0, 3]], np.zeros(3), "images are 0 to 2, not 0 to 3"),
        ([[-1]], np.zeros(3), "images are 0 to 2, not -1 to -1"),
        ([[0]], np.zeros((3, 2)), r"labels are \(n,\), or \(n, k\) bool, not \(3, 2\) float64"),
    ],
)
def test_a_mistake_is_told(sets, labels, words):
    with pytest.raises(ValueError, match=words):
        purity_coverage(sets, labels)


def test_a_negative_number_is_refused():
    for sets, count in (([[0]], -1), ([[0], [-1, 2]], None)):
        with pytest.raises(ValueError, match="0 or more"):
            cover(sets, count)


def test_empty_sets_cover_nothing_and_come_last():
    assert cover([[], [3], []]).tolist() == [1, 0, 2]
    assert cover([]).tolist() == []
