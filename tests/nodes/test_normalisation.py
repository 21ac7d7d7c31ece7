import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import GOLDEN, agrees, arrays, close, follows, normal, positive
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import grad, var
from minigrad.kernels import normalisation as kernels
from minigrad.nodes.normalisation import batchnorm_relu_simple, batchnorm_simple


def slow_normalize(X, axis=1):
    """Every vector along the axis over its own length, zero vectors left alone."""

    def unit(x):
        length = np.linalg.norm(x)
        return x / length if length else x

    return np.apply_along_axis(unit, axis, np.asarray(X, np.float64))


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (3, 1), (1, 1), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_gradient_of_normalize_agrees_with_differences(shape, axis):
    assert agrees(mg.normalize, normal(*shape), axis=axis)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_normalize_gives_vectors_of_length_1_along_any_axis(axis):
    @given(X=arrays((2, 3, 2)))
    def any_array(X):
        assert follows(mg.normalize, slow_normalize, X, axis)

    any_array()


def test_normalize_takes_a_vector_along_its_only_axis():
    assert_array_equal(mg.normalize(np.array([3.0, 4.0]), 0), [0.6, 0.8])
    assert agrees(mg.normalize, normal(3), 0)


def test_a_zero_vector_stays_zero_and_so_does_its_gradient():
    X = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, -2.0]])
    G = normal(3, 2)
    assert_array_equal(mg.normalize(X)[0], [0, 0])
    dX = grad(lambda X: mg.sum(G * mg.normalize(X)))(X)
    assert_array_equal(dX[0], [0, 0])
    assert dX[1].all()


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_normalize_forgets_the_scale(scale):
    X = normal(2, 3)
    close(mg.normalize(scale * X), mg.normalize(X), X.dtype)


def test_normalize_has_the_golden_values(golden):
    entry = golden("normalize_rows")
    X = var(entry.inputs["X"])
    Z = mg.normalize(X)
    mg.sum(entry.inputs["G"] * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN)
    assert_allclose(X.grad, entry.grads["X"], **GOLDEN)


BATCHNORMS = ["batchnorm2d_train", "batchnorm1d_train", "batchnorm1d_noaffine"]
BATCHNORMS += ["batchnorm2d_noaffine", "batchnorm2d_eval"]


@pytest.mark.parametrize("name", BATCHNORMS)
def test_batchnorm_has_the_golden_values(golden, name):
    entry = golden(name)
    X = var(entry.inputs["X"])
    U = var((entry.inputs["gamma"], entry.inputs["beta"])) if entry.options["affine"] else None
    state = {"mean": entry.inputs["running_mean"].copy(), "var": entry.inputs["running_var"].copy()}
    Z = mg.batchnorm(X, U, state=state, training=entry.options["train"])
    mg.sum(entry.inputs["G"] * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN)
    assert_allclose(X.grad, entry.grads["X"], **GOLDEN)
    for u, letter in zip(U or (), ("gamma", "beta")):
        assert_allclose(u.grad, entry.grads[letter], **GOLDEN)
    for statistic in ("mean", "var"):
        assert_allclose(state[statistic], entry.outputs[f"new_running_{statistic}"], **GOLDEN)


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 2, 2), (1, 2, 3, 1)], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_of_batchnorm_agrees_with_differences(shape, training):
    c = shape[1]
    state = {"mean": normal(c, seed=4), "var": positive(c)}
    U = (positive(c), normal(c, seed=5))
    assert agrees(mg.batchnorm, normal(*shape), U, state=state, training=training)
    assert agrees(mg.batchnorm, normal(*shape), None, state=state, training=training)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2, 5)], ids=str)
@pytest.mark.parametrize("piece", [1, 1 << 30], ids=["many pieces", "one"])
def test_batchnorm_is_its_simple_form_whatever_the_pieces_and_the_threads(
    monkeypatch, shape, piece
):
    monkeypatch.setattr(kernels, "PIECE_BYTES", piece)

    @given(X=arrays(shape))
    def any_batch(X):
        U = (positive(3).astype(X.dtype), normal(3).astype(X.dtype))
        with mg.threads(2):
            assert follows(mg.batchnorm, batchnorm_simple, X, U, eps=0.1)
            assert follows(mg.batchnorm, batchnorm_simple, X, None, eps=0.1)

    any_batch()


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2, 5)], ids=str)
@pytest.mark.parametrize("piece", [1, 1 << 30], ids=["many pieces", "one"])
def test_batchnorm_relu_is_its_simple_form(monkeypatch, shape, piece):
    monkeypatch.setattr(kernels, "PIECE_BYTES", piece)

    @given(X=arrays(shape), S=arrays(shape))
    def any_batch(X, S):
        X = X + 0.1 * normal(*shape).astype(X.dtype)  # no value on the kink
        U = (positive(3).astype(X.dtype), normal(3).astype(X.dtype))
        with mg.threads(2):
            assert follows(mg.batchnorm_relu, batchnorm_relu_simple, X, U, eps=0.1)
            assert follows(mg.batchnorm_relu, batchnorm_relu_simple, X, None, S.astype(X.dtype))

    any_batch()


@pytest.mark.parametrize("options", [{}, {"views": 2}, {"training": False}], ids=str)
def test_the_gradient_of_batchnorm_relu_agrees_with_differences(options):
    state = {"mean": normal(3, seed=4), "var": positive(3)}
    X, S, U = normal(4, 3, 2, 2), normal(4, 3, 2, 2, seed=1), (positive(3), normal(3, seed=5))
    assert agrees(mg.batchnorm_relu, X, U, S, state=state, **options)
    assert agrees(mg.batchnorm_relu, X, U, state=state, **options)


def test_batchnorm_relu_refuses_a_sum_of_other_shapes():
    with pytest.raises(ValueError, match=re.escape("batchnorm_relu: X is (4, 3) but S is (3,)")):
        mg.batchnorm_relu(normal(4, 3), None, normal(3))


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 2, 2)], ids=str)
@pytest.mark.parametrize("options", [{}, {"views": 3}, {"momentum": 0.5, "eps": 0.1}], ids=str)
def test_the_simple_form_keeps_the_same_state_and_uses_it_alike(shape, options):
    X, U = normal(*shape), (positive(3), normal(3))
    states = {}, {}
    for training in (True, True, False):
        Z, expected = (
            f(X, U, state=state, training=training, **options)
            for f, state in zip((mg.batchnorm, batchnorm_simple), states)
        )
        assert_allclose(Z, expected, rtol=1e-12)
    for statistic in ("mean", "var"):
        assert_allclose(states[0][statistic], states[1][statistic], rtol=1e-12)


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 2, 2)], ids=str)
def test_views_are_normalised_one_by_one_and_update_the_state_in_turn(shape):
    X, U, G = normal(*shape), (positive(3), normal(3)), normal(*shape, seed=1)
    together, apart = {}, {}
    Z, (dX, dU) = value_and_grads(lambda X, U: mg.batchnorm(X, U, state=together, views=3), X, U, G)
    for v in range(3):
        part = slice(2 * v, 2 * v + 2)
        Zv, (dXv, dUv) = value_and_grads(
            lambda X, U: mg.batchnorm(X, U, state=apart), X[part], U, G[part]
        )
        assert_allclose(Z[part], Zv, rtol=1e-12)
        assert_allclose(dX[part], dXv, rtol=1e-9, atol=1e-12)
        dU = [du - duv for du, duv in zip(dU, dUv)]
    assert_allclose(dU, 0, atol=1e-12)
    for statistic in ("mean", "var"):
        assert_allclose(together[statistic], apart[statistic], rtol=1e-12)


def value_and_grads(f, X, U, G):
    nodes = var((X, U))
    Z = f(*nodes)
    mg.sum(G * Z).backward()
    return Z.value, (nodes[0].grad, [u.grad for u in nodes[1]])


def test_in_use_every_view_has_the_running_statistics():
    X = normal(4, 3)
    state = {"mean": normal(3), "var": positive(3)}
    before = {name: a.copy() for name, a in state.items()}
    expected = (X - state["mean"]) / np.sqrt(state["var"] + 1e-5)
    for views in (1, 2):
        Z = mg.batchnorm(X, None, state=state, training=False, views=views)
        assert_allclose(Z, expected, rtol=1e-12)
    for name, a in before.items():
        assert_array_equal(state[name], a)


def test_the_running_statistics_stay_the_same_arrays_and_come_to_those_of_the_data():
    X = 3 + 2 * normal(50, 2, 4, 4)
    state = {}
    mg.batchnorm(X, None, state=state)
    first = dict(state)
    for _ in range(200):
        mg.batchnorm(X, None, state=state)
    assert state["mean"] is first["mean"]
    assert state["var"] is first["var"]
    assert_allclose(state["mean"], X.mean((0, 2, 3)), rtol=1e-6)
    assert_allclose(state["var"], X.var((0, 2, 3), ddof=1), rtol=1e-6)


def test_batchnorm_is_exact_in_float32_far_from_0_too():
    X = (normal(64, 2, 8, 8) + [[[[100.0]], [[-3.0]]]]).astype(np.float32)
    Z = mg.batchnorm(X, None)
    exact = mg.batchnorm(X.astype(float), None)
    assert Z.dtype == np.float32
    assert_allclose(Z, exact, atol=1e-4)  # of values near 100 that differ by 1, 1e-5 is rounding


def test_a_constant_channel_becomes_beta():
    X = np.full((4, 1), 7.0)
    assert_array_equal(mg.batchnorm(X, (np.ones(1), np.full(1, 0.5))), np.full((4, 1), 0.5))


@pytest.mark.parametrize(
    ("shape", "U", "options", "sentence"),
    [
        ((2, 3, 4), None, {}, "X is (n, c, h, w) or (n, c), not (2, 3, 4)"),
        ((2, 3), (np.ones(2), np.ones(3)), {}, "X (2, 3) has 3 channels but gamma is (2,)"),
        ((3, 3), None, {"views": 2}, "3 samples are not 2 views of a batch"),
        ((1, 3), None, {}, "training takes the variance of a channel, from more than one value"),
        ((0, 3), None, {}, "training takes the variance of a channel, from more than one value"),
        ((2, 3), None, {"views": 2}, "not from those of X (2, 3) in 2 views"),
        ((2, 3), None, {"training": False}, "in use the statistics are those in state"),
        ((2, 3), None, {"training": False, "state": {}}, "in use the statistics are"),
    ],
    ids=str,
)
def test_batchnorm_refuses_what_has_no_statistics(shape, U, options, sentence):
    with pytest.raises(ValueError, match="batchnorm: .*" + re.escape(sentence)):
        mg.batchnorm(np.ones(shape), U, **options)


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2, 2)], ids=str)
def test_an_empty_batch_is_normalised_in_use(shape):
    state = {"mean": normal(3), "var": positive(3)}
    Z, (dX, dU) = value_and_grads(
        lambda X, U: mg.batchnorm(X, U, state=state, training=False),
        *(np.ones(shape), (normal(3), normal(3)), np.ones(shape)),
    )
    assert Z.shape == dX.shape == shape
    assert not np.any(dU)


def test_scale_and_shift_get_their_gradients_from_plain_images_as_well():
    X, G = normal(4, 3, 2, 2), normal(4, 3, 2, 2, seed=1)
    _, (_, expected) = value_and_grads(mg.batchnorm, X, (positive(3), normal(3)), G)
    U = var((positive(3), normal(3)))
    mg.sum(G * mg.batchnorm(X, U)).backward()
    for u, du in zip(U, expected):
        assert_array_equal(u.grad, du)


def test_whole_numbers_are_not_rounded_by_batchnorm():
    assert_allclose(mg.batchnorm(np.array([[1], [3]]), None, eps=0.25), [[-(0.8**0.5)], [0.8**0.5]])


def slow_lrn(X, size=5, alpha=1e-4, beta=0.75, k=2.0, form="alexnet"):
    """One channel at a time."""
    a = alpha / size if form == "caffe" else alpha
    Z = np.empty(X.shape)
    for i in range(X.shape[1]):
        first = np.maximum(0, i - size // 2)
        squares = (X[:, first : i + size // 2 + 1].astype(float) ** 2).sum(1)
        Z[:, i] = X[:, i] / (k + a * squares) ** beta
    return Z


@given(X=arrays((2, 5, 2, 3)), size=st.integers(1, 12), form=st.sampled_from(["alexnet", "caffe"]))
def test_lrn_gives_what_a_loop_over_channels_gives(X, size, form):
    assert follows(mg.lrn, slow_lrn, X, size, 0.3, 0.6, 1.5, form)


@pytest.mark.parametrize("form", ["alexnet", "caffe"])
def test_the_gradient_of_lrn_agrees_with_differences(form):
    assert agrees(mg.lrn, normal(2, 6, 2, 2), 5, 0.4, 0.75, 1.0, form)


@pytest.mark.parametrize("name", ["lrn_alexnet", "lrn_caffe", "lrn_strong"])
def test_lrn_has_the_golden_values(golden, name):
    entry = golden(name)
    o = entry.options
    X = var(entry.inputs["X"])
    form = "caffe" if o["divide_alpha_by_n"] else "alexnet"
    Z = mg.lrn(X, o["n"], o["alpha"], o["beta"], o["k"], form)
    mg.sum(entry.inputs["G"] * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN)
    assert_allclose(X.grad, entry.grads["X"], **GOLDEN)


def test_lrn_as_it_is_called_by_default_is_alexnets(golden):
    entry = golden("lrn_alexnet")
    assert_allclose(mg.lrn(entry.inputs["X"]), entry.outputs["Z"], **GOLDEN)


@pytest.mark.parametrize(
    ("shape", "options", "sentence"),
    [
        ((2, 3), {}, "X is (n, c, h, w), not (2, 3)"),
        ((1, 1, 1, 1), {"form": "torch"}, 'form is "alexnet" or "caffe"'),
        ((1, 1, 1, 1), {"size": 0}, "size >= 1"),
    ],
)
def test_lrn_refuses_other_forms(shape, options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        mg.lrn(np.ones(shape), **options)
