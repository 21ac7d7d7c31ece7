import itertools
import time

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal

from minigrad.evaluate import merged, top_firing


def same(got, expected):
    assert [list(map(int, group)) for group in got] == expected
    return True


def test_the_images_that_fire_most_come_first_and_of_equals_the_lower_index():
    scores = np.array([[0.2, 0.9, 0.9, 0.1], [-1, -2, -3, -0.5]])
    assert_array_equal(top_firing(scores, 3), [[1, 2, 0], [3, 0, 1]])


@pytest.mark.parametrize("k", [0, 5])
def test_more_images_than_there_are_or_none_are_refused(k):
    with pytest.raises(ValueError, match=f"top_firing: k is 1 to 4 images, not {k}"):
        top_firing(np.zeros((2, 4)), k)


def test_groups_that_share_more_than_three_are_merged():
    assert same(merged([[0, 1, 2, 3, 9], [0, 1, 2, 3, 8]]), [[0, 1, 2, 3, 8, 9]])


@pytest.mark.parametrize("overlap", [2, 3])
def test_of_groups_that_share_two_or_three_the_later_is_left_out(overlap):
    common = list(range(overlap))
    assert same(merged([[*common, 9], [*common, 8]]), [[*common, 9]])


def test_groups_that_share_one_or_none_stay():
    groups = [[0, 1, 2], [2, 3], [4, 5]]
    assert same(merged(groups), groups)


def test_the_pair_that_overlaps_most_comes_first():
    # 0 and 1 share 2 images, 1 and 2 share 4: 2 goes into 1, which now shares 5 with 0
    groups = [[0, 1, 6, 7, 8], [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7, 8]]
    assert same(merged(groups), [[0, 1, 2, 3, 4, 5, 6, 7, 8]])
    # with the pairs in their order, 1 would have been left out, and 2 have shared 3 with 0


def test_overlaps_are_counted_again_after_each_step():
    # 0 and 2 share one image; 1, merged into 0, shares two more with 2, which then is left out
    groups = [[0, 1, 2, 3, 10], [0, 1, 2, 3, 11, 12], [10, 11, 12]]
    assert same(merged(groups), [[0, 1, 2, 3, 10, 11, 12]])


def test_a_group_that_was_left_out_takes_no_other_with_it():
    # 1 goes for 0 (3 common), before it could make 2 go (2 common)
    groups = [[0, 1, 2], [0, 1, 2, 8, 9], [8, 9, 7]]
    assert same(merged(groups), [[0, 1, 2], [7, 8, 9]])


def test_both_thresholds_can_be_others():
    groups = [[0, 1, 2], [0, 1, 3], [3, 4]]
    assert same(merged(groups, merge=1), [[0, 1, 2, 3], [3, 4]])
    assert same(merged(groups, merge=1, discard=0), [[0, 1, 2, 3]])
    assert same(merged([]), [])


def by_the_rules(groups, merge, discard):
    """The rules of the source, word by word, with nothing kept from step to step."""
    groups = {i: set(map(int, group)) for i, group in enumerate(groups)}
    while True:
        pairs = [(len(groups[i] & groups[j]), -i, -j) for i, j in itertools.combinations(groups, 2)]
        overlap, i, j = max(pairs, default=(0, 0, 0))
        if overlap <= discard:
            return [sorted(group) for group in groups.values()]
        later = groups.pop(-j)
        if overlap > merge:
            groups[-i] |= later


@given(
    seed=st.integers(0, 9999),
    s=st.integers(1, 30),
    images=st.integers(10, 120),
    merge=st.integers(1, 4),
)
def test_any_groups_are_merged_by_the_rules(seed, s, images, merge):
    rng = np.random.default_rng(seed)
    groups = [rng.choice(images, int(rng.integers(1, 10)), replace=False) for _ in range(s)]
    assert same(merged(groups, merge), by_the_rules(groups, merge, 1))


def test_the_groups_given_are_not_changed():
    groups = np.array([[0, 1, 2, 3], [0, 1, 2, 3]])
    merged(groups)
    assert_array_equal(groups, [[0, 1, 2, 3]] * 2)


@pytest.mark.slow
def test_thousands_of_groups_are_merged_while_one_waits():
    rng = np.random.default_rng(0)
    groups = [rng.choice(300, 10, replace=False) + 100 * (i // 40) for i in range(3000)]
    start = time.process_time()
    left = merged(groups)
    assert time.process_time() - start < 60
    assert 1 <= len(left) < 3000
    assert all(len(set(a) & set(b)) <= 1 for a, b in itertools.combinations(left, 2))
