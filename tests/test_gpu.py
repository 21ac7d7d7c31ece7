"""On a real GPU, everything against NumPy; and what a CuPy without a GPU can say about our code.

python -m pytest -q -m gpu
"""

import re

import cupy_names
import numpy as np
import pytest
from devices import (
    NODES,
    arguments,
    assert_alike,
    context_learned,
    embedding_learned,
    steps,
    value_and_gradients,
)
from numeric import batch_last, normal
from numpy.testing import assert_array_equal

import minigrad as mg
from examples import two_layer
from minigrad import learn
from minigrad.data import Augmentation, Ranges, draw, transform
from minigrad.kernels import cuda, im2col
from minigrad.kernels.windows import sliding
from models import embedding_training, exemplar_cnn

ERRORS = {np.float32: 1e-4, np.float64: 1e-10}
ARCHITECTURES = ("compute_75", "compute_90")


def on_gpu(test):
    """A test that needs a GPU; skipped with a sentence where there is none."""
    reason = "no GPU answers: minigrad.to_gpu says why"
    return pytest.mark.gpu(pytest.mark.skipif(not mg.gpu_available(), reason=reason)(test))


def kind():
    import cupy

    return cupy.ndarray


# CuPy installed, with a GPU or without


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("real", cuda.REALS.values())
def test_nvrtc_compiles_the_kernels_and_doubles_stay_doubles(real, architecture):
    nvrtc = pytest.importorskip("cupy.cuda", reason="CuPy is not installed, nor its NVRTC").nvrtc
    try:
        nvrtc.getVersion()
    except RuntimeError as missing:
        pytest.skip(f"CuPy is installed, but not NVRTC: {missing}")
    program = nvrtc.createProgram(cuda.TEXT.read_text(), "gather.cu", [], [])
    options = ["--std=c++17", f"-Dreal={real}", f"--gpu-architecture={architecture}"]
    nvrtc.compileProgram(program, options)
    ptx = nvrtc.getPTX(program).decode()
    kernels = re.findall(r"__global__ void (\w+)\(", cuda.TEXT.read_text())
    assert set(re.findall(r"\.entry (\w+)\(", ptx)) == set(kernels)
    assert (real == "double") == (".f64" in ptx)
    assert not re.search(r"cvt[.\w]*\.(f32\.f64|f64\.f32)", ptx)
    assert "atom." not in ptx
    assert "red." not in ptx


def test_the_stand_in_has_no_name_and_no_parameter_that_cupy_lacks():
    pytest.importorskip("cupy", reason="CuPy is not installed: its names stand in cupy_names.txt")
    offered = {name: set(parameters) for name, parameters in cupy_names.offered()}
    functions, methods = cupy_names.pinned()
    for name, parameters in [*functions.items(), *((f".{m}", p) for m, p in methods.items())]:
        assert set(parameters) <= offered[name], name


# with a GPU


@on_gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", NODES)
def test_every_node_s_value_and_gradients_are_numpy_s(name, dtype):
    args = arguments(name, dtype)
    there = value_and_gradients(name, mg.to_gpu(args))
    assert_alike(there, value_and_gradients(name, args), kind(), ERRORS)


@on_gpu
@pytest.mark.parametrize("order", [np.ascontiguousarray, batch_last], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
def test_the_kernels_are_numpy_s(dtype, order):
    X = order(normal(5, 6, 9, 7).astype(dtype))
    g = sliding("test", (9, 7), (3, 2), (2, 1), ((1, 0), (2, 1)), (2, 1))
    C = im2col.columns(X, g, 2)
    assert_array_equal(mg.to_cpu(im2col.columns(mg.to_gpu(X), g, 2)), C)
    back = im2col.from_columns(mg.to_gpu(C), g, X.shape)
    assert_alike([back], [im2col.from_columns(C, g, X.shape)], kind(), ERRORS)
    p = draw(
        5, np.random.default_rng(0), Ranges()._replace(saturation=None, components=None, hue=None)
    )
    assert_alike([transform(mg.to_gpu(X), p)], [transform(X, p)], kind(), ERRORS)


@on_gpu
def test_views_are_numpy_s():
    X, augment = np.random.default_rng(0).random((5, 3, 20, 12)), Augmentation(8)
    here, there = (
        augment.two_views(move(X), np.random.default_rng(1)) for move in (mg.to_cpu, mg.to_gpu)
    )
    assert_alike([there], [here], kind(), ERRORS)


@on_gpu
def test_two_networks_are_trained_as_on_the_cpu():
    rng = np.random.default_rng(0)
    U, data = two_layer.initial(2, 10, 3, rng), two_layer.spiral(20, 3, rng)
    V = mg.to_gpu(U)
    there = steps(two_layer.loss, V, mg.to_gpu(data), learn.Adam(V))
    assert_alike(there, steps(two_layer.loss, U, data, learn.Adam(U)), kind(), ERRORS)

    U = exemplar_cnn.initial(rng, 5, side=8, code="4c5-4c5-16f")
    data = rng.standard_normal((6, 1, 8, 8)).astype(np.float32), np.arange(6) % 5
    V = mg.to_gpu(U)
    here, there = (
        steps(exemplar_cnn.loss, W, arrays, learn.Momentum(W), rng=np.random.default_rng(1))
        for W, arrays in ((U, data), (V, mg.to_gpu(data)))
    )
    assert_alike(there, here, kind(), ERRORS)


@on_gpu
@pytest.mark.parametrize("method", embedding_training.METHODS)
def test_every_way_to_embed_is_learned_as_on_the_cpu(method):
    here, there = (embedding_learned(method, move) for move in (mg.to_cpu, mg.to_gpu))
    assert_alike(there, here, kind(), {np.float32: 1e-2})


@on_gpu
@pytest.mark.parametrize("colours", ["drop", "project"])
def test_context_prediction_is_learned_as_on_the_cpu(colours):
    here, there = (context_learned(colours, move) for move in (mg.to_cpu, mg.to_gpu))
    assert_alike(there, here, kind(), {np.float32: 1e-2})


@on_gpu
def test_a_convolution_gives_the_same_bits_again():
    X, W = mg.to_gpu((normal(64, 16, 16, 16), normal(32, 16, 5, 5)))
    f = mg.value_and_grad(lambda X, W: mg.sum(mg.maxpool(mg.conv(X, (W, None)), 2, 1)), (0, 1))
    (_, first), (_, second) = f(X, W), f(X, W)
    for a, b in zip(mg.to_cpu(first), mg.to_cpu(second)):
        assert_array_equal(a, b)


@on_gpu
def test_more_entries_than_32_bits_count():
    import cupy

    if cupy.cuda.Device().mem_info[0] < 24 << 30:
        pytest.skip("it takes 24 GB of the GPU's memory")
    X = cupy.zeros((1, 1, (1 << 16) + 2, 1 << 15), np.float32)  # 2^31 + 2^16 entries
    X[..., -1, -1] = 1
    Z = cuda.maximum(X, sliding("test", X.shape[2:], 2, 2))
    assert (float(Z[..., -1, -1]), float(Z.sum())) == (1, 1)


@on_gpu
def test_tf32_is_off_by_default_and_a_named_choice():
    A = normal(256, 256).astype(np.float32)
    G, exact = mg.to_gpu(A), A.astype(float) @ A.astype(float)
    error = lambda: np.abs(mg.to_cpu(G @ G) - exact).max()
    before = error()
    assert before < 1e-4
    try:
        with mg.tf32(True):
            assert 1e-4 < error() < 1
    except RuntimeError as none:
        assert "compute capability" in str(none)
    assert error() == before


@on_gpu
def test_memory_that_runs_out_is_a_sentence_with_the_shapes():
    ones = mg.to_gpu(np.ones((1 << 20, 1), np.float32))
    sentence = r"^dot\(\(1048576, 1\), \(1, 1048576\)\): Out of memory"
    with pytest.raises(MemoryError, match=sentence):
        mg.dot(ones, ones.T)
