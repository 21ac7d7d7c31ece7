"""The CUDA kernels' bodies, compiled by g++ and run on the CPU, against NumPy's forms.

What differs on a GPU is who counts the entries of the result, and the compiler.
"""

import re

import hypothesis.strategies as st
import numpy as np
import pytest
import strict
from hypothesis import assume, given, settings
from numeric import arrays, batch_last, close, normal
from numpy.testing import assert_array_equal

import minigrad as mg
from minigrad import avgpool, maxpool
from minigrad.kernels import cuda, im2col
from minigrad.kernels.order import is_batch_last
from minigrad.kernels.resampling import bilinear
from minigrad.kernels.windows import sliding
from minigrad.nodes.normalisation import near

TEXT = cuda.TEXT.read_text()
KERNELS = re.findall(r"__global__ void (\w+)\(", TEXT)


@pytest.fixture(scope="module", autouse=True)
def device():
    """Arrays go to the stand-in for CuPy."""
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield strict.install(monkeypatch)


def on_device(f, *args):
    """f on the device, its result back."""
    return mg.to_cpu(f(*mg.to_gpu(args)))


@st.composite
def seen(draw, pooling=False):
    """Images in any memory order, a window on them, and the options that gave it."""
    h, w = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    X = draw(arrays((draw(st.integers(1, 3)), draw(st.integers(1, 4)), h, w)))
    X *= np.pi  # so that rounding float64 to float32 would show
    size, stride, dilation = (
        draw(st.tuples(st.integers(1, n), st.integers(1, n))) for n in (3, 3, 1 if pooling else 2)
    )
    most = min(size) // 2 if pooling else 2
    padding = tuple(draw(st.tuples(*[st.integers(0, most)] * 2)) for _ in range(2))
    options = {"size": size, "stride": stride, "padding": padding}
    options |= {"ceil": draw(st.booleans())} if pooling else {"dilation": dilation}
    try:
        return X, sliding("test", (h, w), **options), options
    except ValueError:
        assume(False)


@settings(max_examples=100)
@given(case=seen())
def test_columns_and_back_are_im2col_s_bit_by_bit(case):
    X, g, _ = case
    groups = X.shape[1]
    C = im2col.columns(X, g, groups)
    assert_array_equal(on_device(im2col.columns, X, g, groups), C)
    back = on_device(im2col.from_columns, C, g, X.shape)
    assert_array_equal(back, im2col.from_columns(C, g, X.shape))
    assert back.dtype == X.dtype


@settings(max_examples=100)
@given(case=seen(pooling=True))
def test_max_pooling_is_the_node_s_and_its_gradient_goes_to_the_first_maximum(case):
    X, g, options = case
    leaf = mg.var(X)
    Z = maxpool(leaf, **options)
    assert_array_equal(on_device(cuda.maximum, X, g), Z.value)
    dZ = np.random.default_rng(1).integers(-4, 5, Z.shape).astype(X.dtype)
    mg.sum(Z * dZ).backward()
    dX = mg.to_gpu(np.ones_like(X))
    cuda.maximum_gradient(dX, *mg.to_gpu((X, Z.value, dZ)), g)
    assert_array_equal(dX.get(), 1 + leaf.grad)


def test_a_window_that_holds_a_nan_gives_a_nan_as_with_numpy():
    X = np.array([[[[1.0, np.nan, 3.0, 4.0]]]])
    g = sliding("test", (1, 4), (1, 2))
    assert_array_equal(on_device(cuda.maximum, X, g), [[[[np.nan, np.nan, 4]]]])


@settings(max_examples=100)
@given(case=seen(pooling=True))
def test_average_pooling_is_the_node_s(case):
    X, g, options = case
    leaf = mg.var(X)
    Z = avgpool(leaf, **options)
    close(on_device(cuda.mean, X, g), Z.value, X.dtype)
    dZ = np.random.default_rng(1).integers(-4, 5, Z.shape).astype(X.dtype)
    mg.sum(Z * dZ).backward()
    dX = mg.to_gpu(np.ones_like(X))
    cuda.mean_gradient(dX, mg.to_gpu(dZ), g)
    close(dX.get(), 1 + leaf.grad, X.dtype)


@settings(max_examples=100)
@given(X=arrays((2, 6, 2, 3)), size=st.integers(1, 9))
def test_the_sum_of_channels_near_by_is_the_node_s(X, size):
    assert_array_equal(on_device(lambda S: near(S, size), X), near(X, size))


@settings(max_examples=100)
@given(X=arrays((3, 2, 6, 5)), seed=st.integers(0, 999))
def test_images_are_looked_up_between_their_pixels_as_numpy_does(X, seed):
    X, rng = np.ascontiguousarray(X), np.random.default_rng(seed)
    index = rng.integers(3, size=4)
    y, x = ((rng.random((4, 7)) * side).astype(X.dtype) for side in (5, 4))
    y[:, 0], x[:, 0], y[:, 1], x[:, 1] = 0, 0, 5, 4  # the corners
    Z = mg.to_gpu(np.empty((2, 4, 7), X.dtype))
    cuda.bilinear(*mg.to_gpu((X, index, y, x)), Z)
    expected = np.empty_like(Z.get())
    bilinear(X, index, y, x, expected)
    close(Z.get(), expected, X.dtype)


@pytest.mark.parametrize("kernel", [cuda.maximum, cuda.mean], ids=lambda f: f.__name__)
def test_images_keep_their_memory_order(kernel):
    X, g = normal(4, 3, 6, 5), sliding("test", (6, 5), 2)
    for order in (np.ascontiguousarray, batch_last):
        Z = kernel(mg.to_gpu(order(X)), g)
        assert is_batch_last(Z) == (order is batch_last)
        close(Z.get(), kernel(mg.to_gpu(X), g).get(), np.float64)


def test_float64_is_not_rounded_through_float():
    X = normal(2, 3, 5, 5)
    g = sliding("test", (5, 5), 3)
    windows = np.lib.stride_tricks.sliding_window_view(X, (3, 3), (2, 3))
    np.testing.assert_allclose(
        cuda.mean(mg.to_gpu(X), g).get()[:, :, 0, 0], windows[:, :, 0, 0].mean((2, 3)), rtol=1e-13
    )


def test_another_dtype_is_refused_in_a_sentence():
    g = sliding("test", (4, 4), 2)
    for dtype in (np.int64, np.float16):
        sentence = f"maximum: on the GPU in float32 or float64, not in {np.dtype(dtype)}"
        with pytest.raises(TypeError, match=f"^{sentence}$"):
            cuda.maximum(mg.to_gpu(np.ones((1, 1, 4, 4), dtype)), g)


def test_no_images_are_no_launch():
    X = mg.to_gpu(np.ones((0, 2, 4, 4)))
    assert cuda.maximum(X, sliding("test", (4, 4), 2, 2)).shape == (0, 2, 2, 2)


def test_a_dtype_is_compiled_once(device, monkeypatch):
    made = []

    class Counted(strict.RawModule):
        def __init__(self, code, options):
            made.append(options[-1])
            super().__init__(code, options)

    monkeypatch.setattr(device, "RawModule", Counted)
    cuda.compiled.cache_clear()
    g = sliding("test", (4, 4), 2)
    for dtype in (np.float32, np.float64, np.float32):
        cuda.maximum(mg.to_gpu(np.ones((1, 1, 4, 4), dtype)), g)
        cuda.mean(mg.to_gpu(np.ones((1, 1, 4, 4), dtype)), g)
    assert made == ["-Dreal=float", "-Dreal=double"]


def test_indices_have_64_bits_and_every_entry_one_thread():
    code = re.sub(r"(?s)/\*.*?\*/|//[^\n]*", "", TEXT)
    assert "typedef long long integer;" in code
    code = code.replace("typedef long long integer;", "")
    assert not re.search(r"\b(int|unsigned|long|size_t|float|double|atomic\w*)\b", code)
    bodies = code.split("__global__")[1:]
    assert [body.count("EACH (i, size)") for body in bodies] == [1] * len(KERNELS)
