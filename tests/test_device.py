"""Every node, model and training step on arrays that never leave their device.

The device is `strict`, a stand-in for CuPy: what silently became a NumPy array would raise. Values
and gradients are NumPy's, to rounding.
"""

import re
import sys
import types

import numpy as np
import pytest
import strict
from devices import (
    NODES,
    A,
    arguments,
    assert_alike,
    context_learned,
    embedding_learned,
    options,
    steps,
    value_and_gradients,
)
from numeric import batch_last, normal
from numpy.testing import assert_allclose

import minigrad as mg
from examples import two_layer
from minigrad import learn
from minigrad.data import (
    Augmentation,
    Places,
    Ranges,
    Surrogates,
    Views,
    draw,
    patches,
    principal_colours,
    seed_patches,
    surrogates,
)
from minigrad.gradcheck import Unfit
from minigrad.nodes.convolution import for_arrays
from minigrad.tree import map_leaves
from models import (
    alexnet,
    drlim,
    embedding_training,
    exemplar_cnn,
    exemplar_training,
    lenet,
    resnet,
)

ERRORS = {np.float32: 1e-5, np.float64: 1e-12}


@pytest.fixture(autouse=True)
def device(monkeypatch):
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    return strict.install(monkeypatch)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", NODES)
def test_every_node_stays_on_the_device(name, dtype):
    args = arguments(name, dtype)
    there = value_and_gradients(name, mg.to_gpu(args))
    assert_alike(there, value_and_gradients(name, args), strict.ndarray, ERRORS)


@pytest.mark.parametrize("name", NODES)
def test_inference_stays_on_the_device_too(name):
    Z = NODES[name](*mg.to_gpu(arguments(name, np.float64)), **options(name))
    assert type(Z) is strict.ndarray


@pytest.mark.parametrize("convolution", [mg.conv, mg.conv_pool], ids=lambda f: f.__name__)
@pytest.mark.parametrize("algorithm", ["im2col", "direct", "fourier"])
def test_every_algorithm_of_a_convolution_stays_on_the_device(convolution, algorithm):
    def run(move):
        leaves = mg.var(move((normal(9, 8, 6, 6), normal(4, 8, 3, 3), normal(4))))
        Z = convolution(leaves[0], leaves[1:], padding=1, algorithm=algorithm)
        mg.sum(Z * Z).backward()
        return Z.value, [leaf.grad for leaf in leaves]

    assert_alike(run(mg.to_gpu), run(mg.to_cpu), strict.ndarray, ERRORS)


def test_auto_is_im2col_on_the_device():
    X = normal(128, 64, 2, 2)
    assert for_arrays("conv", mg.to_gpu(X), mg.to_gpu(X), "auto") == "im2col"
    assert for_arrays("conv", mg.to_gpu(X), mg.to_gpu(X), "fourier") == "fourier"
    assert for_arrays("conv", X, X, "auto") == "auto"


# models and training steps


OPTIMISERS = [learn.Descent, learn.Momentum, learn.Adam]


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda kind: kind.__name__)
def test_the_two_layer_network_is_trained_on_the_device(optimiser):
    rng = np.random.default_rng(0)
    X, T = two_layer.spiral(20, 3, rng)
    U = two_layer.initial(2, 10, 3, rng)
    V = mg.to_gpu(U)
    here = steps(two_layer.loss, U, (X, T), optimiser(U))
    there = steps(two_layer.loss, V, mg.to_gpu((X, T)), optimiser(V))
    assert_alike(there, here, strict.ndarray, ERRORS)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda kind: kind.__name__)
def test_large_arrays_are_updated_on_the_device(optimiser):
    W, G = normal(700, 500), normal(700, 500, seed=1)
    V = mg.to_gpu(W)
    for w, g in ((W, G), (V, mg.to_gpu(G))):
        optimiser(w, decay=0.1).step(g, 0.1)
    assert_alike([V], [W], strict.ndarray, ERRORS)


def double(U):
    return map_leaves(lambda w: w.astype(float), U)


@pytest.mark.parametrize("fused", [True, False])
def test_lenet_is_trained_on_the_device(fused):
    rng = np.random.default_rng(0)
    U, data = double(lenet.initial(rng)), (rng.random((3, 1, 28, 28)), np.arange(3))
    V = mg.to_gpu(U)
    here, there = (
        steps(lenet.loss, W, arrays, learn.Momentum(W), fused=fused)
        for W, arrays in ((U, data), (V, mg.to_gpu(data)))
    )
    assert_alike(there, here, strict.ndarray, ERRORS)


@pytest.mark.parametrize("fused", [True, False])
def test_resnet_is_trained_on_the_device_with_its_statistics(fused):
    rng = np.random.default_rng(0)
    U = double(resnet.initial(rng, widths=(2, 2, 4, 4)))
    data = rng.random((3, 3, 16, 16)), np.arange(3)
    V, states = mg.to_gpu(U), ({}, {})
    here, there = (
        steps(resnet.loss, W, arrays, learn.Momentum(W), state=state, fused=fused)
        for W, arrays, state in ((U, data, states[0]), (V, mg.to_gpu(data), states[1]))
    )
    errors = {**ERRORS, np.float64: 1e-9}  # some twenty layers
    assert_alike((there, states[1]), (here, states[0]), strict.ndarray, errors)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("module", "shape", "first", "options"),
    [
        (drlim, (1, 28, 28), {}, {}),
        (alexnet, (3, 32, 32), alexnet.SMALL, {"stem": alexnet.SMALL["stem"]}),
    ],
    ids=["DrLIM", "AlexNet"],
)
def test_embeddings_are_trained_on_the_device(module, shape, first, options, fused):
    def loss(U, X):
        return mg.sum(module.embedding(X, U, fused=fused, **options)[:, 0])

    rng = np.random.default_rng(0)
    U, X = double(module.initial(rng, 5, **first)), rng.random((3, *shape))
    V = mg.to_gpu(U)
    here, there = (
        steps(loss, W, (images,), learn.Momentum(W)) for W, images in ((U, X), (V, mg.to_gpu(X)))
    )
    assert_alike(there, here, strict.ndarray, {**ERRORS, np.float64: 1e-10})


@pytest.mark.parametrize("method", embedding_training.METHODS)
def test_every_way_to_embed_is_learned_on_the_device(method):
    here, there = (embedding_learned(method, move) for move in (mg.to_cpu, mg.to_gpu))
    assert_alike(there, here, strict.ndarray, {np.float32: 1e-3})


@pytest.mark.parametrize("colours", ["drop", "project"])
def test_context_prediction_is_learned_on_the_device(colours):
    here, there = (context_learned(colours, move) for move in (mg.to_cpu, mg.to_gpu))
    assert_alike(there, here, strict.ndarray, {np.float32: 1e-3})


def test_exemplar_cnn_is_trained_on_the_device_with_the_same_dropout():
    rng = np.random.default_rng(0)
    U = exemplar_cnn.initial(rng, 5, side=8, code="4c5-4c5-16f")
    X, T = rng.standard_normal((6, 1, 8, 8)).astype(np.float32), np.arange(6) % 5
    V = mg.to_gpu(U)
    here, there = (
        steps(exemplar_cnn.loss, W, data, learn.Momentum(W), rng=np.random.default_rng(1))
        for W, data in ((U, (X, T)), (V, mg.to_gpu((X, T))))
    )
    assert_alike(there, here, strict.ndarray, ERRORS)
    features = exemplar_cnn.features(mg.to_gpu(X), V)
    assert {type(block) for block in features} == {strict.ndarray}


def test_an_extractor_is_trained_and_used_on_the_device():
    seeds = np.random.default_rng(0).random((4, 3, 16, 16), np.float32)
    settings = exemplar_training.Settings(
        code="4c5s2-4c5p3-8f", versions=10, batch=20, epochs=2, rates="toolbox"
    )

    def run(move):
        rng = np.random.default_rng(1)
        extractor, log = exemplar_training.fit(move(seeds), settings, rng=rng, progress=False)
        return extractor(seeds), extractor.parameters, [row["loss"] for row in log]

    here, there = run(np.asarray), run(mg.to_gpu)
    assert_alike(there[:2], here[:2], strict.ndarray, {np.float32: 1e-4})  # four steps
    assert_allclose(there[2], here[2], rtol=1e-5)


def test_the_training_loop_leaves_its_arrays_on_the_device(tmp_path):
    def run(move, folder, **options):
        rng = np.random.default_rng(0)
        X, T = two_layer.spiral(20, 3, rng)
        U = move(two_layer.initial(2, 10, 3, rng))
        log = learn.train(
            two_layer.loss, U, move((X, T)), rng=rng, batch=25, folder=tmp_path / folder, **options
        )
        return [row["loss"] for row in log], U

    here, there = run(tuple, "here", epochs=3), run(mg.to_gpu, "there", epochs=3)
    assert_allclose(there[0], here[0], rtol=1e-12)
    assert_alike(there[1], here[1], strict.ndarray, ERRORS)
    again = run(mg.to_gpu, "there", epochs=3, resume=True)
    assert_alike(again[1], here[1], strict.ndarray, ERRORS)


def test_a_run_that_diverges_names_its_culprit_on_the_device():
    def loss(U, X, rng):
        return mg.sum(mg.log(U * X))

    with np.errstate(invalid="ignore"), pytest.raises(learn.NotFinite, match="the value of log"):
        data = mg.to_gpu((-np.ones((4, 1)),))
        learn.train(loss, mg.to_gpu(np.ones(1)), data, rng=np.random.default_rng(0), epochs=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_surrogate_images_are_made_on_the_device(channels):
    seeds = np.random.default_rng(0).random((3, channels, 16, 16), np.float32)
    here = surrogates(seeds, 4, np.random.default_rng(1))
    there = surrogates(mg.to_gpu(seeds), 4, np.random.default_rng(1))
    assert_alike(there, here, strict.ndarray, {**ERRORS, np.int64: 0})


def test_surrogates_of_regions_are_made_on_the_device_with_their_mean():
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 30, 40)).astype(np.uint8)
    seeds = seed_patches(images, 3, np.random.default_rng(0), size=8)
    here, there = (
        Surrogates(seeds._replace(sources=move(seeds.sources)), 4, rng=np.random.default_rng(1))
        for move in (mg.to_cpu, mg.to_gpu)
    )
    means = [data.subtract_mean() for data in (here, there)]
    assert_alike([means[1]], [means[0]], strict.ndarray, ERRORS)
    chosen = np.array([2, 7, 11])
    errors = {**ERRORS, np.int64: 0}
    assert_alike(there.batch(chosen), here.batch(chosen), strict.ndarray, errors)
    assert_alike([there.seeds.images()], [here.seeds.images()], strict.ndarray, ERRORS)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32], ids=lambda d: d.__name__)
@pytest.mark.parametrize("order", ["first", "last"])
def test_patches_are_cut_on_the_device(dtype, order):
    sources = (255 * np.random.default_rng(0).random((2, 3, 20, 24))).astype(dtype)
    sources = sources if dtype == np.uint8 else sources / 255
    ranges = Ranges(blur=2.0, stretch=True)
    colours, p = principal_colours(sources), draw(4, np.random.default_rng(1), ranges)
    places = Places([0, 1, 1, 0], [[9, 9], [5, 12], [0, 0], [19, 3]], [8.0, 8.0, 20.0, 14.0])
    here, there = (
        patches(move(sources), places, p, 8, colours, order) for move in (mg.to_cpu, mg.to_gpu)
    )
    assert_alike([there], [here], strict.ndarray, ERRORS)
    assert there.strides == here.strides


@pytest.mark.parametrize("dtype", [np.uint8, np.float32], ids=lambda d: d.__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_made_on_the_device(dtype, channels):
    images = (255 * np.random.default_rng(0).random((5, channels, 20, 12))).astype(dtype)
    images = images if dtype == np.uint8 else images / 255
    colours = principal_colours(images) if channels == 3 else None
    augment = Augmentation(
        8, upside_down=0.5, gray=0.5, pca=0.1, colours=colours, mean=0.5, std=0.2
    )
    here, there = (
        Views(move(images), augment).batch(np.array([3, 1, 4]), np.random.default_rng(1))
        for move in (mg.to_cpu, mg.to_gpu)
    )
    assert_alike(there, here, strict.ndarray, {np.float32: 1e-4, np.int64: 0})
    assert there[0].strides == here[0].strides


def test_a_step_is_watched_and_profiled_on_the_device():
    rng = np.random.default_rng(0)
    U, X, T = mg.to_gpu((two_layer.initial(2, 10, 3, rng), *two_layer.spiral(20, 3, rng)))
    assert mg.watch(two_layer.loss, U, X, T)
    assert "affine" in str(mg.profile(lambda: mg.value_and_grad(two_layer.loss)(U, X, T)))


def test_a_gradient_check_says_that_it_works_on_the_cpu():
    with pytest.raises(Unfit, match="check works on NumPy arrays, and argument 1 is on a GPU"):
        mg.check(mg.relu, mg.to_gpu(A))


# moving


def test_arrays_move_there_and_back_in_their_memory_order_and_nothing_else_moves():
    X = normal(2, 3, 4, 5)
    tree = {"X": batch_last(X), "rest": (X, None, 3, "word", np.float32(2))}
    there = mg.to_gpu(tree)
    assert there["X"].strides == tree["X"].strides
    assert there["rest"][1:] == tree["rest"][1:]
    assert mg.to_gpu(there)["X"] is there["X"]
    back = mg.to_cpu(there)
    assert back["X"].strides == tree["X"].strides
    assert (back["X"] == X).all()
    assert back["X"] is not tree["X"]
    assert mg.to_cpu(tree)["X"] is tree["X"]


@pytest.mark.parametrize("move", [mg.to_gpu, mg.to_cpu], ids=lambda f: f.__name__)
def test_nodes_do_not_move(move):
    sentence = rf"^{move.__name__}: \['W'\] is a Node: it moves arrays, before var and after .value"
    with pytest.raises(TypeError, match=sentence):
        move({"W": mg.var(np.ones(2))})


# what bad input gets


X, W, b = normal(3, 2), normal(2, 4), normal(4)


@pytest.mark.parametrize("leaf", [mg.var, lambda a: a], ids=["nodes", "arrays"])
def test_arrays_of_two_devices_in_one_call_are_refused_with_their_names_and_shapes(leaf):
    sentence = (
        "affine: arrays on two devices: U[0] (2, 4) and U[1] (4,) in NumPy, X (3, 2) on the GPU: "
        "move one side, with to_gpu or to_cpu"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        mg.affine(leaf(mg.to_gpu(X)), (W, b))
    with pytest.raises(TypeError, match=r"^mul: .* B \(3, 2\) in NumPy, A \(3, 2\) on the GPU"):
        mg.mul(leaf(mg.to_gpu(X)), X)
    with pytest.raises(TypeError, match=r"^mul: .* A \(3, 2\) in NumPy, B \(3, 2\) on the GPU"):
        mg.mul(X, leaf(mg.to_gpu(X)))


@pytest.mark.parametrize("leaf", [mg.var, lambda a: a], ids=["nodes", "arrays"])
def test_an_index_that_cupy_would_move_silently_is_refused(monkeypatch, leaf):
    monkeypatch.setattr(strict, "BY_HOST", {*strict.BY_HOST, "take", "getitem"})
    i = np.array([0, 2])
    with pytest.raises(TypeError, match=r"^take: .* i \(2,\) in NumPy, A \(3, 2\) on the GPU"):
        mg.take(leaf(mg.to_gpu(X)), i)
    with pytest.raises(TypeError, match=r"^index: .* i\[1\] \(2,\) in NumPy, A \(2, 4\) on"):
        mg.index(leaf(mg.to_gpu(W)), (slice(None), i))


def test_numbers_and_lists_belong_to_no_device():
    A = mg.to_gpu(normal(3, 4))
    assert type(mg.mul(A, np.float64(2))) is strict.ndarray
    assert type(mg.mul(mg.var(A), 2).value) is strict.ndarray
    assert type(mg.entropy(A, [0, 3, 1])) is strict.ndarray


def test_memory_that_runs_out_is_a_sentence_with_the_shapes(monkeypatch):
    x, w = mg.var(mg.to_gpu((normal(30, 2), normal(2, 40))))
    L = mg.sum(x @ w)
    monkeypatch.setattr(strict, "LIMIT", 2000)
    for memory_error in (strict.OutOfMemoryError, MemoryError):
        assert issubclass(memory_error, MemoryError)
    with pytest.raises(MemoryError, match=r"^dot\(\(30, 2\), \(2, 40\)\): Out of memory alloc"):
        x @ w
    with pytest.raises(MemoryError, match=r"^in the back of sum\(\(30, 40\)\): Out of memory all"):
        L.backward()
    sentence = r"^to_gpu: an array \(30, 40\) of float32, 4,800 bytes, does not fit into the memory"
    with pytest.raises(MemoryError, match=sentence):
        mg.to_gpu(np.zeros((30, 40), np.float32))


def test_gradients_that_nobody_wants_swallow_deposits_on_the_device_too():
    old = mg.exp(mg.var(mg.to_gpu(X)))
    i = mg.to_gpu(np.array([0, 0]))
    f = lambda W: mg.sum(mg.index(old, i) * W) + mg.sum(mg.take(old, i) * W) + mg.sum(old[0] * W)
    _, dW = mg.value_and_grad(f)(mg.to_gpu(np.ones(2)))
    assert_allclose(dW.get(), 5 * np.exp(X[0]))


def test_steps_are_taken_by_hand_on_the_device():
    U, T = mg.var(mg.to_gpu((W, b))), mg.to_gpu(np.array([0, 3, 1]))
    x = mg.to_gpu(X)
    A = mg.affine(x, U)
    L = mg.entropy(A, T)
    L.back(A, T)
    A.back(x, U)
    by_hand = mg.to_cpu((U[0].grad, U[1].grad))
    L.backward()
    assert_allclose(by_hand[0], U[0].grad.get())
    assert f"{L:.2f}" == f"{float(L):.2f}"
    assert repr(L) == f"<entropy {float(L)} float64>"


@pytest.fixture
def compute_type(monkeypatch):
    """What CuPy multiplies float32 matrices in, as its private module has it."""
    now = {np.float32: "full"}
    products = types.SimpleNamespace(
        COMPUTE_TYPE_TF32="TF32",
        COMPUTE_TYPE_DEFAULT="full",
        get_compute_type=now.__getitem__,
        set_compute_type=now.__setitem__,
    )
    core = types.SimpleNamespace(_routines_linalg=products)
    monkeypatch.setitem(sys.modules, "cupy._core", core)
    return lambda: now[np.float32]


def of_capability(monkeypatch, capability):
    device = types.SimpleNamespace(compute_capability=capability)
    cuda = types.SimpleNamespace(Device=lambda: device)
    monkeypatch.setattr(sys.modules["cupy"], "cuda", cuda, raising=False)


def test_tf32_is_set_for_good_or_for_the_time_of_a_with(monkeypatch, compute_type):
    of_capability(monkeypatch, "90")
    with mg.tf32(True):
        assert compute_type() == "TF32"
        with mg.tf32(False):
            assert compute_type() == "full"
        assert compute_type() == "TF32"
    assert compute_type() == "full"
    mg.tf32(True)
    assert compute_type() == "TF32"


def test_a_gpu_without_tf32_says_so(monkeypatch, compute_type):
    of_capability(monkeypatch, "75")
    with pytest.raises(RuntimeError, match="^tf32: this GPU has none: its compute capability is 7"):
        mg.tf32(True)
    mg.tf32(False)
    assert compute_type() == "full"


def test_without_a_device_everything_says_so(monkeypatch):
    assert mg.gpu_available()

    def fails(*args):
        raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    monkeypatch.setattr(sys.modules["cupy"], "zeros", fails)
    assert not mg.gpu_available()
    for move in (lambda: mg.to_gpu(X), lambda: mg.tf32(True)):
        with pytest.raises(RuntimeError, match="no GPU answers to CuPy strict: cudaErrorNoDevice"):
            move()
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert not mg.gpu_available()
    sentence = (
        r"^to_gpu: CuPy cannot be imported \(.*\)\. On a machine with an NVIDIA GPU: pip inst"
    )
    with pytest.raises(RuntimeError, match=sentence):
        mg.to_gpu(X)
    assert mg.to_gpu((3, None)) == (3, None)
    assert mg.to_cpu(X) is X


def test_the_example_runs_on_the_device(monkeypatch, tmp_path, capsys):
    def briefly(*args, epochs, **options):
        return learn.train(*args, epochs=1, **options)

    monkeypatch.setattr(two_layer, "train", briefly)
    said = []
    for where in ("cpu", "gpu"):
        two_layer.main(["--folder", str(tmp_path), "--device", where], standalone_mode=False)
        said.append(capsys.readouterr().out.splitlines()[:2])
    assert said[0] == said[1]
