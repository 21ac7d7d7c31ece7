import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import GOLDEN, agrees, arrays, follows, normal
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import grad, var
from minigrad.kernels import direct, fourier, im2col
from minigrad.kernels.windows import sliding
from minigrad.nodes.convolution import chosen
from minigrad.tree import leaves

OPTIONS = [
    {},
    {"stride": 2},
    {"stride": (1, 3)},
    {"padding": 1},
    {"padding": (0, 2)},
    {"padding": ((1, 0), (2, 3))},
    {"padding": ((1, 1), (0, 2))},
    {"padding": "same"},
    {"padding": "same", "stride": 2},
    {"dilation": 2},
    {"dilation": (2, 1), "padding": 2, "stride": (2, 1)},
    {"groups": 2},
    {"groups": 2, "stride": 2, "padding": ((1, 0), (0, 1)), "dilation": (1, 2)},
    {"algorithm": "im2col"},
    {"algorithm": "direct", "padding": 1, "stride": (1, 2)},
    {"algorithm": "direct", "groups": 2, "dilation": (1, 2)},
    {"algorithm": "fourier", "padding": ((1, 0), (0, 2))},
    {"algorithm": "fourier", "groups": 2, "padding": 2, "dilation": (2, 1)},
]
GOLDEN_CONVOLUTIONS = [
    *("conv5_s1_p0", "conv5_s1_p2", "conv5_s2_p0", "conv5_s2_p2", "conv5_s3_p1", "conv5_g2"),
    *("conv5_nobias", "conv3_dil2", "conv1_s1", "conv1_s2", "conv11_s4_p5", "conv7_s2_p3"),
]


def pair(v):
    return (v, v) if np.ndim(v) == 0 else tuple(v)


def sides(padding, image, reach, stride):
    """((top, bottom), (left, right)); "same" pads so that a window begins at every stride-th cell,
    the odd one to the right."""
    if padding != "same":
        return [pair(p) for p in (pair(padding) if np.ndim(padding) == 0 else padding)]
    places = [-(-n // s) for n, s in zip(image, stride)]
    total = [max((m - 1) * s + r - n, 0) for m, s, r, n in zip(places, stride, reach, image)]
    return [(t // 2, t - t // 2) for t in total]


def slow_conv(X, U, stride=1, padding=0, dilation=1, groups=1, algorithm=None):
    """The sum over every output, every filter and every cell of the window, one at a time."""
    W, b = U
    (n, c, *image), (k, _, *size) = X.shape, W.shape
    stride, dilation = pair(stride), pair(dilation)
    reach = [d * (r - 1) + 1 for d, r in zip(dilation, size)]
    (top, bottom), (left, right) = sides(padding, image, reach, stride)
    height = (image[0] + top + bottom - reach[0]) // stride[0] + 1
    width = (image[1] + left + right - reach[1]) // stride[1] + 1
    Z = np.zeros((n, k, height, width))
    for f, y, x in np.ndindex(k, height, width):
        first = f // (k // groups) * (c // groups)
        for j, r, s in np.ndindex(*W.shape[1:]):
            row = y * stride[0] + r * dilation[0] - top
            column = x * stride[1] + s * dilation[1] - left
            if 0 <= row < image[0] and 0 <= column < image[1]:
                Z[:, f, y, x] += W[f, j, r, s] * X[:, first + j, row, column]
        Z[:, f, y, x] += 0 if b is None else b[f]
    return Z


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_gradients_of_conv_agree_with_differences(options):
    W = normal(4, 4 // options.get("groups", 1), 2, 3, seed=3)
    X, b = normal(2, 4, 4, 5), normal(4, seed=4)
    assert agrees(lambda X, U: mg.conv(X, U, **options), X, (W, b))
    assert agrees(lambda X, W: mg.conv(X, (W, None), **options), X, W)


@pytest.mark.parametrize(
    ("image", "filters"),
    [
        ((1, 1, 1, 1), (1, 1, 1, 1)),
        ((1, 1, 3, 4), (1, 1, 3, 4)),
        ((1, 2, 1, 5), (3, 2, 1, 2)),
        ((2, 1, 5, 1), (1, 1, 2, 1)),
        ((3, 2, 2, 2), (1, 2, 1, 1)),
    ],
    ids=str,
)
def test_the_gradients_of_conv_agree_at_sizes_of_1(image, filters):
    assert agrees(mg.conv, normal(*image), (normal(*filters, seed=3), normal(filters[0], seed=4)))


def test_plain_images_filters_or_biases_stand_beside_nodes():
    X, W, b = normal(1, 2, 3, 3), normal(2, 2, 2, 2, seed=3), normal(2, seed=4)
    assert agrees(lambda X: mg.conv(X, (W, b)), X)
    assert agrees(lambda W: mg.conv(X, (W, b)), W)
    assert agrees(lambda b: mg.conv(X, [W, b]), b)


def test_one_node_as_image_and_as_filter_gets_both_gradients():
    assert agrees(lambda A: mg.conv(A, (A, None), padding=1), normal(2, 2, 3, 3))


@given(data=st.data())
def test_conv_gives_what_nested_loops_give(data):
    groups = data.draw(st.sampled_from([1, 2]))
    r, s = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    pad = st.integers(0, 2)
    options = {
        "stride": data.draw(st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": data.draw(
            pad
            | st.tuples(pad, pad)
            | st.tuples(st.tuples(pad, pad), st.tuples(pad, pad))
            | st.just("same")
        ),
        "dilation": data.draw(st.integers(1, 2) | st.just((1, 2)) | st.just((2, 1))),
        "groups": groups,
    }
    options["algorithm"] = data.draw(st.sampled_from(["auto", "im2col", "direct", "fourier"]))
    if options["algorithm"] == "fourier":
        options["stride"] = 1
    h, w = data.draw(st.integers(5, 7)), data.draw(st.integers(5, 7))
    X = data.draw(arrays((data.draw(st.integers(1, 2)), 2 * groups, h, w)))
    W = data.draw(arrays((2 * groups, 2, r, s)))
    b = data.draw(st.none() | arrays((2 * groups,)))
    b = None if b is None else b.astype(np.result_type(X, W))
    assert follows(mg.conv, slow_conv, X, (W, b), **options)


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        (name, algorithm)
        for name in GOLDEN_CONVOLUTIONS
        for algorithm in ("auto", "im2col", "direct", "fourier")
        if algorithm != "fourier" or not re.search("_s[2-9]", name)  # that does stride 1 only
    ],
)
def test_conv_has_the_golden_values(golden, name, algorithm):
    entry = golden(name)
    o = entry.options
    X, W, b = [var(entry.inputs.get(k)) for k in ("X", "W", "b")]
    Z = mg.conv(X, (W, b), o["stride"], o["pad"], o["dilation"], o["groups"], algorithm)
    mg.sum(entry.inputs["G"] * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN)
    for leaf, key in [(X, "X"), (W, "W"), (b, "b")][: len(entry.grads)]:
        assert_allclose(leaf.grad, entry.grads[key], **GOLDEN)


def test_conv_is_a_cross_correlation_the_filter_is_not_turned():
    X = np.arange(4.0).reshape(1, 1, 2, 2)
    W = np.array([[[[1.0, 10.0], [100.0, 1000.0]]]])
    assert_array_equal(mg.conv(X, (W, None)), [[[[3210]]]])


def test_conv_with_filters_of_one_cell_is_an_affine_map_of_the_channels():
    X, W, b = normal(2, 3, 4, 5), normal(6, 3, 1, 1), normal(6)
    rows = X.transpose(0, 2, 3, 1).reshape(-1, 3)
    Z = mg.affine(rows, (W[:, :, 0, 0].T, b)).reshape(2, 4, 5, 6).transpose(0, 3, 1, 2)
    assert_allclose(mg.conv(X, (W, b)), Z, **GOLDEN)


@pytest.mark.parametrize("narrow", ["X", "W", "b"])
def test_the_dtype_of_conv_is_the_promoted_one_of_images_filters_and_biases(narrow):
    args = {"X": normal(1, 1, 2, 2), "W": normal(1, 1, 1, 1), "b": normal(1)}
    args[narrow] = args[narrow].astype(np.float32)
    assert mg.conv(args["X"], (args["W"], args["b"])).dtype == np.float64
    wide = {k: a.astype(np.float64 if k == narrow else np.float32) for k, a in args.items()}
    assert mg.conv(wide["X"], (wide["W"], wide["b"])).dtype == np.float64


def test_an_empty_batch_gives_empty_maps_and_gradients_of_0():
    X, W, b = np.ones((0, 2, 4, 4)), normal(3, 2, 3, 3), normal(3)
    assert mg.conv(X, (W, b), padding=1).shape == (0, 3, 4, 4)
    f = lambda X, U: mg.sum(mg.conv(X, U, padding=1))
    dX, (dW, db) = grad(f, (0, 1))(X, (W, b))
    assert dX.shape == X.shape
    assert_array_equal(dW, np.zeros_like(W))
    assert_array_equal(db, np.zeros_like(b))


@pytest.mark.parametrize(
    ("X", "W", "b", "options", "sentence"),
    [
        ((1, 3, 4, 4), (2, 4, 2, 2), (2,), {}, "X has 3 channels (1, 3, 4, 4) but W takes 4"),
        ((1, 4, 4, 4), (2, 4, 2, 2), (2,), {"groups": 2}, "X has 4 channels (1, 4, 4, 4) but W t"),
        ((1, 3, 4, 4), (2, 1, 2, 2), (2,), {"groups": 2}, "2 groups do not divide 3 channels into"),
        ((1, 4, 4, 4), (3, 2, 2, 2), (3,), {"groups": 2}, "2 groups do not divide 4 channels into"),
        ((1, 4, 4, 4), (2, 4, 2, 2), (2,), {"groups": 0}, "0 groups do not divide 4 channels into"),
        ((1, 3, 4, 4), (2, 3, 2, 2), (3,), {}, "W makes 2 maps (2, 3, 2, 2) but b is (3,)"),
        ((1, 3, 4, 4), (2, 3, 2, 2), (2, 1), {}, "W makes 2 maps (2, 3, 2, 2) but b is (2, 1)"),
        ((3, 4, 4), (2, 3, 2, 2), (2,), {}, "X is (n, c, h, w) and W (k, c, r, s), not (3, 4, 4)"),
        ((1, 3, 4, 4), (2, 3), (2,), {}, "X is (n, c, h, w) and W (k, c, r, s), not"),
        ((1, 1, 4, 4), (1, 1, 5, 2), (1,), {}, "a window of height 5 does not fit into an image"),
        ((1, 1, 4, 4), (1, 1, 2, 5), (1,), {}, "a window of width 5 does not fit into an image"),
        (
            *((1, 1, 4, 4), (1, 1, 3, 3), (1,), {"dilation": 3, "padding": 1}),
            "a window of height 7 does not fit into an image of height 4 padded by 1 + 1",
        ),
        ((1, 1, 4, 4), (1, 1, 2, 2), (1,), {"stride": 0}, "stride is a whole number >= 1"),
        ((1, 1, 4, 4), (1, 1, 2, 2), (1,), {"stride": 1.5}, "stride is a whole number >= 1"),
        ((1, 1, 4, 4), (1, 1, 2, 2), (1,), {"stride": (1, 1, 1)}, "stride is a whole number >= 1"),
        ((1, 1, 4, 4), (1, 1, 2, 2), (1,), {"dilation": 0}, "dilation is a whole number >= 1"),
        ((1, 1, 4, 4), (1, 1, 0, 2), (1,), {}, "size is a whole number >= 1"),
        ((1, 1, 4, 4), (1, 1, 2, 2), (1,), {"padding": -1}, "padding is a whole number >= 0"),
        ((1, 1, 4, 4), (1, 1, 2, 2), (1,), {"padding": "valid"}, "padding is a whole number >= 0"),
        (
            *((1, 1, 4, 4), (1, 1, 2, 2), (1,), {"algorithm": "fft"}),
            "algorithm is one of auto, im2col, direct, fourier, not 'fft'",
        ),
        (
            *((1, 1, 4, 4), (1, 1, 2, 2), (1,), {"algorithm": "fourier", "stride": 2}),
            "the algorithm fourier does stride 1 only, not (2, 2)",
        ),
    ],
    ids=str,
)
def test_conv_refuses_what_does_not_fit(X, W, b, options, sentence):
    with pytest.raises(ValueError, match=re.escape(f"conv: {sentence}")):
        mg.conv(np.ones(X), (np.ones(W), np.ones(b)), **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("pool", [1, 2])
def test_conv_pool_is_its_composite_of_plain_nodes(options, pool):
    """The same values to the last bit; gradients in another order of sums."""
    X, b = normal(9, 4, 7, 8), normal(4, seed=4)
    W = normal(4, 4 // options.get("groups", 1), 2, 3, seed=3)
    Z, simple = [f(X, (W, b), pool, **options) for f in (mg.conv_pool, mg.conv_pool_simple)]
    assert_array_equal(Z, simple)
    gradients = [
        grad(lambda X, U, f=f: mg.sum(f(X, U, pool, **options) * np.cos(Z)), (0, 1))(X, (W, b))
        for f in (mg.conv_pool, mg.conv_pool_simple)
    ]
    for a, c in zip(*map(leaves, gradients), strict=True):
        assert_allclose(a, c, atol=1e-12)


def test_the_gradients_of_conv_pool_agree_with_differences():
    for options in ({"pool": 2, "padding": 1}, {"pool": 1}, {"pool": 3, "algorithm": "fourier"}):
        X, W, b = normal(9, 2, 5, 6), normal(3, 2, 2, 2, seed=3), normal(3, seed=4)
        assert agrees(lambda X, U, o=options: mg.conv_pool(X, U, **o), X, (W, b))
        assert agrees(lambda X, W, o=options: mg.conv_pool(X, (W, None), **o), X, W)


@pytest.mark.parametrize("pool", [0, 5, 1.5])
def test_conv_pool_refuses_blocks_that_do_not_fit(pool):
    with pytest.raises(ValueError, match=r"conv_pool: pool is .* outputs \(4, 6\), not"):
        mg.conv_pool(np.ones((1, 1, 4, 6)), (np.ones((1, 1, 1, 1)), None), pool)


@pytest.mark.parametrize(
    ("image", "filters", "options", "kernel"),
    [
        ((1, 3, 32, 32), (64, 3, 5, 5), {}, im2col),
        ((128, 3, 32, 32), (64, 3, 5, 5), {}, direct),
        ((128, 64, 16, 16), (64, 64, 5, 5), {"padding": 2}, fourier),
        ((128, 64, 16, 16), (64, 64, 3, 3), {"stride": 2}, direct),
        ((128, 64, 16, 16), (64, 64, 1, 1), {}, direct),
    ],
)
def test_auto_chooses_by_shape(image, filters, options, kernel):
    g = sliding("conv", image[2:], filters[2:], **options)
    assert chosen("conv", "auto", image, filters, g) is kernel


@pytest.mark.parametrize("algorithm", ["auto", "im2col", "direct"])
@pytest.mark.parametrize("dtype", [np.int64, np.float16])
def test_other_numbers_are_convolved_without_transforms(algorithm, dtype):
    X = (np.arange(8 * 8 * 6 * 6) % 7).reshape(8, 8, 6, 6).astype(dtype)
    W = (np.arange(4 * 8 * 3 * 3) % 3).reshape(4, 8, 3, 3).astype(dtype)
    Z = mg.conv(X, (W, None), padding=1, algorithm=algorithm)
    assert Z.dtype == dtype
    assert_array_equal(Z, slow_conv(X, (W, None), padding=1))  # whole numbers below 2048: exact


@pytest.mark.parametrize("f", [mg.conv, mg.conv_pool])
def test_fourier_refuses_other_numbers(f):
    with pytest.raises(ValueError, match=f"{f.__name__}: .* is for float32 and float64, not int64"):
        f(np.ones((8, 8, 6, 6), int), (np.ones((4, 8, 3, 3), int), None), algorithm="fourier")


@pytest.mark.parametrize("groups", [2.0, "2", None])
def test_groups_that_are_no_whole_number_are_refused(groups):
    with pytest.raises(ValueError, match=f"conv: groups is a whole number, not {groups!r}"):
        mg.conv(normal(1, 4, 5, 5), (normal(4, 2, 3, 3), None), groups=groups)
