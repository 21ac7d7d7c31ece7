import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from numeric import GOLDEN, agrees, arrays, follows, normal
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import grad, var

POOLS = {"maxpool": mg.maxpool, "avgpool": mg.avgpool}
OPTIONS = [
    {"size": 2},
    {"size": 3, "stride": 2},
    {"size": 3, "stride": 2, "ceil": True},
    {"size": 2, "stride": 3},
    {"size": 2, "stride": 3, "ceil": True},
    {"size": 3, "stride": 1, "padding": 1},
    {"size": 3, "stride": 2, "padding": 1, "ceil": True},
    {"size": (2, 3), "stride": (1, 2)},
    {"size": (3, 2), "padding": (1, 0)},
    {"size": 2, "padding": ((1, 0), (0, 1))},
    {"size": 3, "stride": 2, "padding": "same"},
    {"size": 1},
    {"size": 1, "stride": 2},
]
GOLDEN_POOLS = [
    *("maxpool2_s2", "maxpool3_s2_ceil", "maxpool3_s2_floor", "maxpool3_s2_p1", "maxpool3_s1"),
    *("maxpool_ties", "avgpool2_s2", "avgpool3_s2_ceil", "avgpool3_s2_p1"),
]


def spans(n, size, stride, before, after, ceil):
    """The ranges of an axis of length n that the windows see, found by sliding one along it."""
    starts = [-before]
    while starts[-1] + size < n + after:
        starts.append(starts[-1] + stride)
    if starts[-1] + size > n + after and not (ceil and starts[-1] < n):
        starts.pop()
    return [range(s, s + size) for s in starts]


def slow_pool(reduce, X, size, stride=None, padding=0, ceil=False):
    """Each window's cells inside the image, one window at a time."""
    size, stride, sides = [
        (v, v) if np.ndim(v) == 0 else v
        for v in (size, size if stride is None else stride, padding)
    ]
    sides = [(s, s) if np.ndim(s) == 0 else s for s in sides]
    (_, _, h, w) = X.shape
    rows, columns = [
        [[i for i in span if 0 <= i < n] for span in spans(n, size[k], stride[k], *sides[k], ceil)]
        for k, n in enumerate((h, w))
    ]
    return np.array(
        [[reduce(X[:, :, r][..., c], (2, 3)) for c in columns] for r in rows]
    ).transpose(2, 3, 0, 1)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_the_gradient_of_a_pooling_agrees_with_differences(pool, options):
    assert agrees(pool, normal(2, 2, 5, 7), **options)
    assert agrees(pool, normal(1, 1, 5, 6), **options)


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_a_window_as_large_as_the_image_leaves_one_number(pool):
    assert agrees(pool, normal(2, 3, 4, 5), (4, 5))
    assert agrees(pool, normal(1, 1, 1, 1), 1)
    assert pool(normal(2, 3, 4, 5), (4, 5)).shape == (2, 3, 1, 1)


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_one_node_pooled_twice_gets_both_gradients(pool):
    assert agrees(lambda X: pool(X, 2) * pool(X, 2, 2), normal(1, 2, 4, 4))


@pytest.mark.parametrize(("name", "reduce"), [("maxpool", np.max), ("avgpool", np.mean)])
def test_a_pooling_gives_what_a_loop_over_windows_gives(name, reduce):
    pool = POOLS[name]

    @given(data=st.data())
    def any_images(data):
        h, w = data.draw(st.integers(3, 7)), data.draw(st.integers(3, 7))
        size = data.draw(st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3)))
        half = np.min(size) // 2
        options = {
            "size": size,
            "stride": data.draw(st.none() | st.integers(1, 4) | st.just((2, 1))),
            "padding": data.draw(
                st.integers(0, half) | st.just((half, 0)) | st.just(((0, half), (half, 0)))
            ),
            "ceil": data.draw(st.booleans()),
        }
        X = data.draw(arrays((2, 3, h, w)))
        assert follows(pool, lambda X, **o: slow_pool(reduce, X, **o), X, **options)

    any_images()


@pytest.mark.parametrize("name", GOLDEN_POOLS)
def test_a_pooling_has_the_golden_values(golden, name):
    entry = golden(name)
    o = entry.options
    pool = POOLS[name[:7]]
    X = var(entry.inputs["X"])
    Z = pool(X, o["kernel"], o["stride"], o.get("pad", 0), o.get("ceil", False))
    mg.sum(entry.inputs["G"] * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN)
    assert_allclose(X.grad, entry.grads["X"], **GOLDEN)


def test_a_global_average_is_a_pooling_with_a_window_as_large_as_the_image(golden):
    entry = golden("global_avgpool")
    X = var(entry.inputs["X"])
    Z = mg.flatten(mg.avgpool(X, X.shape[2:]))
    mg.sum(entry.inputs["G"] * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN)
    assert_allclose(X.grad, entry.grads["X"], **GOLDEN)


@pytest.mark.parametrize(
    ("entry", "grids", "form"),
    [("quadrant_pool_ceil", (2,), "halves"), ("pyramid_pool_adaptive", (1, 2, 4), "adaptive")],
)
def test_a_pyramid_has_the_golden_values(golden, entry, grids, form):
    entry = golden(entry)
    X = var(entry.inputs["X"])
    Z = mg.pyramid(X, grids, form)
    mg.sum(entry.inputs["G"] * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN)
    assert_allclose(X.grad, entry.grads["X"], **GOLDEN)


@given(h=st.integers(4, 20), w=st.integers(4, 20))
def test_the_cells_of_a_pyramid_halve_the_map_without_a_rest(h, w):
    X = np.arange(float(h * w)).reshape(1, 1, h, w)
    levels = np.split(mg.pyramid(X)[0, 0], [1, 5])
    for grid, Z in zip((1, 2, 4), levels):  # the last entry of a cell is its greatest
        rows, columns = Z // w, Z % w
        sizes = [np.diff(np.unique(ends), prepend=-1) for ends in (rows, columns)]
        assert [len(size) for size in sizes] == [grid, grid]
        assert [size.sum() for size in sizes] == [h, w]
        assert all(np.ptp(size) <= 1 and size[0] == size.max() for size in sizes)
    assert_array_equal(levels[1], mg.maxpool(X, (-(-h // 2), -(-w // 2)), ceil=True).ravel())


@pytest.mark.parametrize(
    ("shape", "grids", "form", "sentence"),
    [
        ((4, 4), (1,), "halves", "X is (n, c, h, w), not (4, 4)"),
        ((1, 1, 4, 4), (3,), "halves", "halves make 1, 2, 4, 8 ... cells"),
        ((1, 1, 4, 3), (4,), "halves", "no more than the map has rows or columns, not 4 of 3"),
        ((1, 1, 4, 4), (2,), "ceil", 'form is "halves" or "adaptive", not \'ceil\''),
    ],
    ids=str,
)
def test_a_pyramid_refuses_grids_that_do_not_fit(shape, grids, form, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        mg.pyramid(np.ones(shape), grids, form)


def test_of_equal_maxima_the_first_row_by_row_takes_the_gradient():
    X = np.array([[[[1.0, 3.0], [3.0, 3.0]]], [[[2.0, 2.0], [2.0, 2.0]]]])
    dX = grad(lambda X: mg.sum(mg.maxpool(X, 2)))(X)
    assert_array_equal(dX, [[[[0, 1], [0, 0]]], [[[1, 0], [0, 0]]]])


def test_the_first_of_equal_maxima_is_counted_in_each_window_anew():
    dX = grad(lambda X: mg.sum(mg.maxpool(X, 2, stride=1)))(np.ones((1, 1, 3, 3)))
    assert_array_equal(dX[0, 0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])


def test_padding_never_wins_against_negative_entries_and_never_dilutes_the_mean():
    X = np.full((1, 1, 3, 3), -5.0)
    for pool in POOLS.values():
        assert_array_equal(pool(X, 3, 1, 1), X)
        assert_array_equal(pool(X, 2, ceil=True), X[:, :, :2, :2])


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
@given(size=st.integers(1, 3), stride=st.integers(1, 3), h=st.integers(3, 7), w=st.integers(3, 7))
def test_same_padding_has_a_window_for_every_stride_begun(pool, size, stride, h, w):
    Z = pool(np.ones((1, 1, h, w)), size, stride, "same")
    assert Z.shape == (1, 1, -(-h // stride), -(-w // stride))
    assert_array_equal(Z, 1)


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_an_empty_batch_gives_empty_maps(pool):
    X = np.ones((0, 2, 4, 4))
    assert pool(X, 2).shape == (0, 2, 2, 2)
    assert grad(lambda X: mg.sum(pool(X, 2)))(X).shape == X.shape


@pytest.mark.parametrize(
    ("shape", "options", "sentence"),
    [
        ((4, 4), {"size": 2}, "X is (n, c, h, w), not (4, 4)"),
        ((1, 1, 4, 4), {"size": 5}, "a window of height 5 does not fit into an image of height 4"),
        ((1, 1, 4, 2), {"size": 3}, "a window of width 3 does not fit into an image of width 2"),
        ((1, 1, 4, 4), {"size": 0}, "size is a whole number >= 1 or a pair of them, not 0"),
        ((1, 1, 4, 4), {"size": 2, "stride": 0}, "stride is a whole number >= 1 or a pair"),
        ((1, 1, 4, 4), {"size": 2, "stride": (1, 0)}, "stride is a whole number >= 1 or a pair"),
        ((1, 1, 4, 4), {"size": 2, "padding": -1}, "padding is a whole number >= 0"),
        (
            (1, 1, 4, 4),
            {"size": 3, "padding": 2},
            "padding is at most half the window, not 2 for 3",
        ),
        (
            (1, 1, 4, 4),
            {"size": 1, "padding": 1},
            "padding is at most half the window, not 1 for 1",
        ),
        (
            (1, 1, 4, 4),
            {"size": 2, "padding": ((2, 0), (0, 0))},
            "padding is at most half the window",
        ),
        (
            (1, 1, 4, 4),
            {"size": 2, "padding": ((0, 2), (0, 0))},
            "padding is at most half the window",
        ),
        (
            (1, 1, 4, 4),
            {"size": 2, "padding": ((0, 0), (0, 2))},
            "padding is at most half the window",
        ),
        ((1, 1, 4, 4), {"size": 2, "padding": "full"}, "padding is a whole number >= 0"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", POOLS)
def test_a_pooling_refuses_windows_that_do_not_fit(name, shape, options, sentence):
    with pytest.raises(ValueError, match=re.escape(f"{name}: {sentence}")):
        POOLS[name](np.ones(shape), **options)


@given(X=arrays((1, 2, 5, 6)), size=st.integers(1, 3), padding=st.integers(0, 1))
def test_maxpool_is_minus_the_least_of_minus_x(X, size, padding):
    assume(2 * padding <= size)
    least = slow_pool(np.min, -X, size, padding=padding)
    assert_array_equal(mg.maxpool(X, size, padding=padding), -least)


def test_the_mean_of_bytes_is_theirs():
    X = np.full((1, 1, 2, 2), 200, np.uint8)
    assert mg.avgpool(X, 2) == 200
