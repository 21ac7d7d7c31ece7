"""What holds for every loss of embeddings: gradients, dtypes, devices, bad input."""

import re
from inspect import signature

import numpy as np
import pytest
import strict
from numeric import normal
from numpy.testing import assert_allclose, assert_array_equal
from scripts import same, saved

import minigrad as mg
from minigrad import check, models, normalize, program, value_and_grad, var
from minigrad.tree import map_leaves

A, P, N = (normal(6, 4, seed=seed) for seed in range(3))
X, V, W = normalize(A), normalize(normal(9, 4, seed=4)), normal(9, 4, seed=5)
T, Y = np.array([0, 1, 1, 0, 1, 0]), np.array([3, 0, 8, 8, 1, 5])
INDEX = np.array([[0, 3, 3, 8], [4, 4, 1, 0], [7, 2, 2, 2], [8, 1, 0, 5], [1, 6, 7, 0], [5] * 4])
TAKES = {  # a loss and what it is given, embeddings first
    "contrastive": (models.contrastive, A, P, T, 4.0),
    "contrastive, a sum of Hadsell's": (models.contrastive, A, P, T, 4.0, "hadsell", "sum"),
    "triplet": (models.triplet, A, P, N),
    "triplet, unsquared": (models.triplet, A, P, N, 1.0, "unsquared", "sum"),
    "triplet, cosine": (models.triplet, A, P, N, 0.5, "cosine", "active"),
    "triplet, soft": (models.triplet, A, P, N, "soft", "unsquared"),
    "instance_softmax": (models.instance_softmax, X),
    "instance_softmax, with keys": (models.instance_softmax, X, P, 0.5),
    "instance_softmax, with itself": (models.instance_softmax, X, None, 0.5, True),
    "instance_softmax, weighted": (models.instance_softmax, X, None, 0.3, False, 3.0),
    "instance_softmax, hard": (models.instance_softmax, X, None, 0.3, True, 1.5, "hard"),
    "instance_softmax, easy": (models.instance_softmax, X, P, 0.3, False, 1.0, "easy"),
    "instance_softmax_paper": (models.instance_softmax_paper, X, normalize(P)),
    "instance_softmax_paper, sum": (models.instance_softmax_paper, X, normalize(P), 0.5, "sum"),
    "ntxent": (models.ntxent, X),
    "exemplar_softmax": (models.exemplar_softmax, X, W, Y),
    "nce": (models.nce, X, V, INDEX, 3.0),
}
CONSTANT = {"instance_softmax, easy": 1, "nce": 1}  # float arrays that carry no gradient


def float_leaves(name, dtype):
    """(loss, its arguments with embeddings of a dtype)."""
    f, *args = TAKES[name]
    floats = lambda a: hasattr(a, "dtype") and a.dtype.kind == "f"
    return f, map_leaves(lambda a: a.astype(dtype) if floats(a) else a, args)


def with_leaves(name, args):
    """The arguments with the first embeddings, those that carry gradient, as leaves."""
    place = [i for i, a in enumerate(args) if hasattr(a, "dtype") and a.dtype.kind == "f"]
    carry = place[: len(place) - CONSTANT.get(name, 0)]
    return [var(a) if i in carry else a for i, a in enumerate(args)]


def value_and_gradients(name, args):
    nodes = with_leaves(name, args)
    L = TAKES[name][0](*nodes)
    L.backward()
    return [L.value, *(n.grad for n in nodes if isinstance(n, mg.Node))]


@pytest.mark.parametrize("name", TAKES)
def test_the_check_finds_every_gradient_right(name):
    f, X, *rest = TAKES[name]
    report = check(lambda X: f(X, *rest), X) if name in CONSTANT else check(f, X, *rest)
    assert report, report


@pytest.mark.parametrize("name", TAKES)
def test_float32_gives_float32_and_the_numbers_of_float64(name):
    single, double = (
        value_and_gradients(name, float_leaves(name, dtype)[1]) for dtype in (np.float32, float)
    )
    for a, b in zip(single, double, strict=True):
        assert a.dtype == np.float32
        assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TAKES)
def test_nothing_leaves_the_device(name, monkeypatch):
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    strict.install(monkeypatch)
    _, args = float_leaves(name, np.float32)
    here, there = value_and_gradients(name, args), value_and_gradients(name, mg.to_gpu(args))
    for a, b in zip(here, there, strict=True):
        assert type(b) is strict.ndarray
        assert b.dtype == np.float32
        assert_allclose(a, mg.to_cpu(b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TAKES)
def test_a_program_writes_the_loss_out_with_the_same_bits(name):
    nodes = with_leaves(name, TAKES[name][1:])
    L = TAKES[name][0](*nodes)
    listing = program(L)
    text, inputs = listing.standalone(), listing.inputs()
    L.backward()
    space = {"inputs": saved(inputs)}
    statements = text.replace('with np.load("inputs.npz") as inputs:', "if True:")
    exec(compile(statements, "program.py", "exec"), space)
    assert same(space["L"] if "L" in space else space["J"], L.value)
    found = {v.tobytes() for v in space.values() if isinstance(v, np.ndarray)}
    assert all(n.grad.tobytes() in found for n in nodes if isinstance(n, mg.Node))
    assert "minigrad" not in text.replace("`minigrad.learn.watch`", "")


def test_every_loss_of_the_models_is_here_and_has_a_formula_and_an_example():
    blocks = {models.memory_softmax, models.memory_nce}
    for name, f in vars(models).items():
        if hasattr(f, "plain") and f not in blocks:
            assert f in {loss for loss, *_ in TAKES.values()}, name
            text, prompt, _ = f.__doc__.partition(">>>")
            assert " = " in text
            assert prompt


@pytest.mark.parametrize("name", TAKES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_refused_with_their_row(name, bad):
    f, X, *rest = TAKES[name]
    X = X.copy()
    X[4, 1] = bad
    sentence = rf"{f.__name__}: row 4 of [XAF] \(6, 4\) is not finite: what made it has diverged"
    with pytest.raises(ValueError, match=sentence):
        f(var(X), *rest)


@pytest.mark.parametrize("name", TAKES)
@pytest.mark.parametrize("dtype", [np.float32, float])
def test_embeddings_of_zeros_give_a_finite_loss_and_finite_gradients(name, dtype):
    _, args = float_leaves(name, dtype)
    zeros = [0 * a if hasattr(a, "dtype") and a.dtype.kind == "f" else a for a in args]
    for a in value_and_gradients(name, zeros):
        assert np.isfinite(a).all()


WARM = [k for k, (f, *_) in TAKES.items() if "temperature" in signature(f).parameters]


@pytest.mark.parametrize("name", WARM)
@pytest.mark.parametrize("temperature", [0.0, -0.1, np.nan])
def test_a_temperature_that_is_not_above_0_is_refused(name, temperature):
    f, *args = TAKES[name]
    sentence = f"{f.__name__}: temperature is above 0, not {temperature}"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        f(*args[: list(signature(f).parameters).index("temperature")], temperature=temperature)


@pytest.mark.parametrize("name", [k for k in TAKES if k.startswith(("contrastive", "triplet"))])
def test_of_no_rows_a_loss_of_pairs_or_triplets_is_0_and_connected(name):
    f, X, *rest = TAKES[name]
    none = [a[:0] if hasattr(a, "ndim") else a for a in rest]
    D, dX = value_and_grad(lambda X: f(X[:0], *none))(X)
    assert D == 0
    assert_array_equal(dX, np.zeros((6, 4)))
