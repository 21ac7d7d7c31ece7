import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from numeric import arrays, normal
from numpy.testing import assert_array_equal

from minigrad.kernels.windows import padded, sliding, taps, unpadded


def test_a_number_stands_for_both_axes():
    g = sliding("conv", (7, 9), 3, 2, 1, 2)
    assert (g.size, g.stride, g.dilation) == ((3, 3), (2, 2), (2, 2))
    assert g.padding == ((1, 1), (1, 1))
    assert g == sliding("conv", (7, 9), (3, 3), (2, 2), (1, 1), (2, 2))
    assert g == sliding("conv", (7, 9), (3, 3), (2, 2), ((1, 1), (1, 1)), (2, 2))


@pytest.mark.parametrize(
    ("image", "size", "options", "out"),
    [
        ((5, 5), 3, {}, (3, 3)),
        ((5, 6), 3, {"stride": 2}, (2, 2)),
        ((5, 6), 3, {"stride": 2, "ceil": True}, (2, 3)),
        ((5, 6), 3, {"dilation": 2}, (1, 2)),
        ((5, 6), (5, 6), {}, (1, 1)),
        ((5, 6), (1, 2), {"stride": (4, 5)}, (2, 1)),
        ((5, 6), 3, {"padding": ((1, 2), (0, 3))}, (6, 7)),
        ((3, 3), 1, {"stride": 3, "ceil": True}, (1, 1)),  # a second window would begin outside
        ((4, 4), 1, {"stride": 3, "ceil": True}, (2, 2)),
    ],
    ids=str,
)
def test_the_places_of_a_window_are_counted(image, size, options, out):
    assert sliding("conv", image, size, **options).out == out


def test_the_reach_of_a_window_includes_its_gaps():
    assert sliding("conv", (9, 9), (3, 2), dilation=(2, 4)).reach == (5, 5)


@pytest.mark.parametrize(("size", "expected"), [(1, (0, 0)), (2, (0, 1)), (3, (1, 1)), (4, (1, 2))])
def test_same_padding_puts_the_odd_cell_behind(size, expected):
    assert sliding("conv", (5, 5), size, padding="same").padding == (expected, expected)


@given(
    image=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.integers(1, 4),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
)
def test_same_padding_gives_as_many_places_as_strides_begin(image, size, stride, dilation):
    g = sliding("conv", image, size, stride, "same", dilation)
    assert g.out == tuple(-(-n // stride) for n in image)


@given(
    image=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    size=st.integers(1, 3),
    stride=st.integers(1, 4),
    padding=st.integers(0, 2),
    ceil=st.booleans(),
)
def test_the_padding_covers_every_place(image, size, stride, padding, ceil):
    assume(2 * padding <= size)  # as pooling asks
    g = sliding("maxpool", image, size, stride, padding, ceil=ceil)
    for n, m, (before, after) in zip(image, g.out, g.padding):
        assert before == padding
        assert after >= padding
        assert before + n + after >= (m - 1) * stride + size
        assert (m - 1) * stride < before + n


@given(X=arrays((2, 3, 4, 5)), value=st.sampled_from([0.0, -np.inf]), images_last=st.booleans())
def test_padded_puts_a_border_around_a_copy_of_the_images(X, value, images_last):
    g = sliding("conv", (4, 5), 2, padding=((1, 0), (2, 3)))
    P = padded(X, g, value, images_last=images_last)
    width = ((0, 0), (0, 0), *g.padding)
    assert_array_equal(P, np.pad(X, width, constant_values=value))
    assert P.dtype == X.dtype
    assert_array_equal(unpadded(P, g, 4, 5), X)


def test_without_a_border_padded_images_are_the_images_themselves():
    X = normal(2, 1, 4, 5)
    g = sliding("conv", (4, 5), 2)
    assert padded(X, g) is X
    assert padded(X, g, images_last=True) is not X


@pytest.mark.parametrize("images_last", [False, True])
def test_images_last_is_an_order_in_memory_and_no_shape(images_last):
    P = padded(np.ones((2, 3, 4, 5)), sliding("conv", (4, 5), 3, padding=1), 0.0, images_last)
    assert P.shape == (2, 3, 6, 7)
    assert P.flags.c_contiguous != images_last
    assert P.transpose(1, 2, 3, 0).flags.c_contiguous == images_last


def test_unpadded_is_a_view():
    g = sliding("conv", (4, 5), 3, padding=((1, 0), (2, 3)))
    P = np.zeros((1, 1, 5, 10))
    unpadded(P, g, 4, 5)[...] = 1
    assert_array_equal(P[0, 0, 1:, 2:7], np.ones((4, 5)))
    assert P.sum() == 20


@given(
    X=arrays((2, 1, 6, 7)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_a_tap_holds_what_one_cell_of_the_window_sees_at_every_place(X, size, stride, dilation):
    g = sliding("conv", (6, 7), size, stride, 0, dilation)
    for (r, s), tap in zip(np.ndindex(*size), taps(X, g), strict=True):
        assert tap.shape == (2, 1, *g.out)
        for y, x in np.ndindex(*g.out):
            cell = X[:, :, y * stride[0] + r * dilation[0], x * stride[1] + s * dilation[1]]
            assert_array_equal(tap[:, :, y, x], cell)


def test_taps_are_views_so_that_deposits_arrive():
    g = sliding("conv", (3, 3), 2)
    P = np.zeros((1, 1, 3, 3))
    for tap in taps(P, g):
        tap += 1
    assert_array_equal(P[0, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 0}, "size is a whole number >= 1 or a pair of them, not 0"),
        ({"size": 2.0}, "size is a whole number >= 1 or a pair of them, not 2.0"),
        ({"size": (2, 2, 2)}, "size is a whole number >= 1 or a pair of them, not (2, 2, 2)"),
        ({"size": 2, "stride": (1, 0)}, "stride is a whole number >= 1 or a pair of them"),
        ({"size": 2, "dilation": -1}, "dilation is a whole number >= 1 or a pair of them"),
        ({"size": 2, "padding": -1}, "padding is a whole number >= 0, (h, w), "),
        ({"size": 2, "padding": ((0, 0), (0, -1))}, "not ((0, 0), (0, -1))"),
        ({"size": 2, "padding": "full"}, "or \"same\", not 'full'"),
        ({"size": 2, "padding": (1, 2, 3)}, "not (1, 2, 3)"),
        ({"size": 2, "padding": ((1, 1),)}, "not ((1, 1),)"),
        ({"size": 2, "padding": 1.5}, "not 1.5"),
        (
            {"size": (7, 2), "padding": ((1, 1), (0, 0))},
            "a window of height 7 does not fit into an image of height 4 padded by 1 + 1",
        ),
        (
            {"size": (2, 3), "dilation": 3},
            "a window of width 7 does not fit into an image of width 5 padded by 0 + 0",
        ),
    ],
    ids=str,
)
def test_sliding_refuses_windows_that_do_not_fit_in_the_name_of_the_operation(options, sentence):
    with pytest.raises(ValueError, match=rf"^maxpool: .*{re.escape(sentence)}"):
        sliding("maxpool", (4, 5), **options)
