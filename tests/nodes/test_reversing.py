import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from numeric import agrees, arrays, follows, normal
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import grad, var

OPTIONS = [
    {},
    {"stride": 2},
    {"stride": (2, 3), "padding": 1},
    {"padding": "same"},
    {"stride": 2, "padding": "same"},
    {"padding": ((1, 0), (2, 1))},
    {"dilation": (2, 1)},
    {"groups": 2},
    {"stride": 2, "groups": 2, "padding": 1, "dilation": 2},
]


def deconv_simple(X, U, stride=1, padding=0, dilation=1, groups=1, size=None):
    """The gradient of sum(X conv(Y, (W, None))) by Y, Y any images of that size."""
    W, b = mg.detach(U)
    n, c = len(X), W.shape[1] * groups

    def inner(Y):
        Z = mg.conv(Y, (W, None), stride, padding, dilation, groups)
        return mg.sum(np.asarray(X, float) * Z)

    Z = grad(inner)(np.zeros((n, c, *size)))
    return Z if b is None else Z + b[:, None, None]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_deconv_is_the_adjoint_of_conv(options):
    W, Y = normal(4, 4 // options.get("groups", 1), 3, 2), normal(2, 4, 7, 6, seed=1)
    Z = mg.conv(Y, (W, None), **options)
    X = normal(*Z.shape, seed=2)
    back = mg.deconv(X, (W, None), size=(7, 6), **options)
    assert back.shape == Y.shape
    assert_allclose((X * Z).sum(), (Y * back).sum(), rtol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("b", [None, normal(4, seed=3)], ids=["no b", "b"])
def test_the_gradient_of_deconv_agrees_with_differences(options, b):
    W = normal(4, 4 // options.get("groups", 1), 3, 2)
    assert agrees(mg.deconv, normal(2, 4, 3, 3), (W, b), **options)


@given(data=st.data())
def test_deconv_is_the_gradient_of_conv_in_any_order(data):
    size = data.draw(st.integers(3, 6)), data.draw(st.integers(3, 6))
    stride, padding = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 2))
    W, b = data.draw(arrays((2, 3, 3, 2))), data.draw(arrays((3,)))
    out = mg.conv(np.zeros((1, 3, *size)), (W, None), stride, padding).shape[2:]
    X = data.draw(arrays((2, 2, *out)))
    assume(X.dtype == W.dtype == b.dtype)
    assert follows(mg.deconv, deconv_simple, X, (W, b), stride, padding, size=size)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (5, 6)),
        ({"stride": 2}, (7, 9)),
        ({"stride": 2, "padding": 1}, (5, 7)),
        ({"padding": "same"}, (3, 4)),
        ({"stride": 2, "padding": "same"}, (6, 8)),
        ({"dilation": 2}, (7, 8)),
    ],
    ids=str,
)
def test_deconv_makes_the_smallest_images_that_conv_maps_back(options, size):
    W = np.ones((1, 1, 3, 3))
    Z = mg.deconv(np.ones((1, 1, 3, 4)), (W, None), **options)
    assert Z.shape[2:] == size
    assert mg.conv(Z, (W, None), **options).shape[2:] == (3, 4)
    smaller = np.ones((1, 1, size[0] - 1, size[1]))
    if options.get("padding") != "same":
        assert mg.conv(smaller, (W, None), **options).shape[2:] != (3, 4)


@pytest.mark.parametrize(
    ("X", "W", "b", "options", "sentence"),
    [
        ((4, 4), (1, 1, 2, 2), None, {}, "X is (n, k, h, w) and W (k, c, r, s), not (4, 4)"),
        ((1, 2, 4, 4), (3, 1, 2, 2), None, {}, "X has 2 channels (1, 2, 4, 4) but W takes 3"),
        ((1, 2, 4, 4), (2, 3, 2, 2), (2,), {}, "W makes 3 maps (2, 3, 2, 2) but b is (2,)"),
        ((1, 3, 4, 4), (3, 1, 2, 2), None, {"groups": 2}, "2 groups do not divide 3 channels"),
        ((1, 1, 4, 4), (1, 1, 2, 2), None, {"groups": 0}, "0 groups do not divide 1 channels"),
        ((1, 1, 4, 4), (1, 1, 2, 2), None, {"size": (6, 5)}, "X has maps of (4, 4), but the conv"),
        ((1, 1, 4, 4), (1, 1, 2, 2), None, {"stride": 0}, "stride is a whole number >= 1"),
        ((1, 1, 4, 4), (1, 1, 2, 2), None, {"size": (1, 5)}, "a window of height 2 does not fit"),
    ],
    ids=str,
)
def test_deconv_refuses_what_does_not_fit(X, W, b, options, sentence):
    with pytest.raises(ValueError, match=re.escape(f"deconv: {sentence}")):
        mg.deconv(np.ones(X), (np.ones(W), None if b is None else np.ones(b)), **options)


def repeated(X, factor=2, size=None):
    """Every entry times a block of ones."""
    v, h = (factor, factor) if np.ndim(factor) == 0 else factor
    Z = np.kron(X, np.ones((v, h)))
    return Z if size is None else Z[:, :, : size[0], : size[1]]


@given(X=arrays((2, 3, 2, 3)), factor=st.integers(1, 3) | st.just((2, 3)))
def test_upsampling_repeats_every_entry(X, factor):
    assert follows(mg.upsample, repeated, X, factor)


@pytest.mark.parametrize("size", [(5, 8), (6, 7), (5, 7)], ids=str)
def test_what_is_repeated_beyond_the_size_is_cut_off(size):
    assert follows(mg.upsample, repeated, normal(2, 3, 2, 3), 3, size)
    assert agrees(mg.upsample, normal(1, 2, 2, 3), 3, size)


@pytest.mark.parametrize(("h", "w", "ceil"), [(4, 6, False), (5, 7, True), (5, 7, False)])
def test_upsampling_by_switches_puts_the_maxima_back_where_they_were(h, w, ceil):
    X = normal(2, 3, h, w)
    Z, S = mg.maxpool(X, 2, ceil=ceil), mg.maxpool_switches(X, 2, ceil=ceil)
    back = mg.upsample(Z, size=(h, w), switches=S)
    kept = back != 0
    assert_array_equal(back[kept], X[kept])
    assert kept.sum() == Z.size
    assert_array_equal(mg.maxpool(np.where(kept, X, -np.inf), 2, ceil=ceil), Z)


@given(X=arrays((2, 2, 5, 6)), size=st.integers(1, 3), stride=st.integers(1, 3), ceil=st.booleans())
def test_upsampling_by_switches_is_the_gradient_of_the_pooling(X, size, stride, ceil):
    S = mg.maxpool_switches(X, size, stride, ceil=ceil)
    G = np.random.default_rng(0).integers(-4, 5, S.shape) / 4  # exact, also where several add up
    dX = grad(lambda X: mg.sum(G * mg.maxpool(X, size, stride, ceil=ceil)))(X)
    assert_array_equal(mg.upsample(G, size=(5, 6), switches=S), dX)
    assert agrees(lambda G: mg.upsample(G, size=(5, 6), switches=S), G)


@pytest.mark.parametrize(
    "name", ["maxpool2_s2", "maxpool3_s2_ceil", "maxpool3_s2_p1", "maxpool3_s1", "maxpool_ties"]
)
def test_switches_have_the_golden_values(golden, name):
    entry = golden(name)
    o = entry.options
    options = (o["kernel"], o["stride"], o.get("pad", 0), o.get("ceil", False))
    S = mg.maxpool_switches(var(entry.inputs["X"]), *options)
    assert_array_equal(S, entry.outputs["argmax"])


@pytest.mark.parametrize(
    ("shape", "options", "sentence"),
    [
        ((2, 2), {}, "X is (n, c, h, w), not (2, 2)"),
        ((1, 1, 2, 2), {"factor": 0}, "factor is a whole number >= 1"),
        ((1, 1, 2, 2), {"size": 0}, "size is a whole number >= 1 or a pair of them, not 0"),
        ((1, 1, 2, 2), {"size": (5, 4)}, "(2, 2) repeated (2, 2) times is not (5, 4)"),
        ((1, 1, 2, 2), {"size": (2, 4)}, "(2, 2) repeated (2, 2) times is not (2, 4)"),
        ((1, 1, 1, 2), {"switches": np.zeros((1, 1, 2, 1), int)}, "X is (1, 1, 1, 2), so are"),
        ((1, 1, 1, 1), {"switches": np.full((1, 1, 1, 1), 4)}, "switch 4 is no position in maps"),
        ((1, 1, 1, 1), {"switches": np.full((1, 1, 1, 1), -1)}, "switch -1 is no position in maps"),
    ],
    ids=str,
)
def test_upsample_refuses_what_does_not_fit(shape, options, sentence):
    with pytest.raises(ValueError, match=re.escape(f"upsample: {sentence}")):
        mg.upsample(np.ones(shape), **options)
