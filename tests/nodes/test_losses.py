import re

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from numeric import GOLDEN, agrees, arrays, follows, normal
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import value_and_grad, var


def slow_entropy(A, T):
    """The average over samples of -sum_k T_nk ln Y_nk, one sample and one class at a time."""
    total = 0.0
    for a, t in zip(A, T):
        ln_Y = a - scipy.special.logsumexp(a)
        total -= ln_Y[t] if np.ndim(t) == 0 else np.vdot(t, ln_Y)
    return total / len(A)


def slow_squared_error(A, T):
    return sum(np.sum((a - t) ** 2) for a, t in zip(A, T)) / len(A)


@pytest.mark.parametrize(
    ("shape", "T"),
    [
        ((3, 4), np.array([0, 3, 3])),
        ((3, 4), [0, 3, 3]),
        ((1, 4), np.array([2], np.uint8)),
        ((3, 1), np.array([0, 0, 0])),
        ((2, 2), np.eye(2, dtype=int)),
        ((2, 2), ((1, 0), (0, 1))),
    ],
    ids=repr,
)
def test_the_gradient_of_entropy_agrees_with_differences(shape, T):
    assert agrees(lambda A: mg.entropy(A, T), normal(*shape))


@pytest.mark.parametrize("T", [[[0.2, 0.8], [0.5, 0.5]], [[0.0, 0.0], [3.0, -1.0]]], ids=str)
def test_the_gradient_of_entropy_with_soft_targets_agrees_even_if_they_do_not_sum_to_1(T):
    T = np.array(T)
    assert agrees(lambda A: mg.entropy(A, T), normal(2, 2))


@given(A=arrays((3, 4)), T=st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_entropy_of_labels_is_the_average_cross_entropy(A, T):
    assert follows(mg.entropy, slow_entropy, A, np.array(T))


@given(A=arrays((3, 4)), T=arrays((3, 4), low=0.0))
def test_entropy_of_soft_targets_is_the_average_cross_entropy(A, T):
    T = T.astype(A.dtype)
    assert follows(lambda A: mg.entropy(A, T), lambda A: slow_entropy(A, T), A)


def test_entropy_of_labels_is_entropy_of_their_one_hot_targets():
    A, T = normal(3, 4), np.array([1, 0, 3])
    assert_array_equal(mg.entropy(A, T), mg.entropy(A, np.eye(4)[T]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("label", "loss", "step"), [(0, 2e4, 1), (1, 0, 0)])
def test_entropy_stays_exact_at_extreme_logits(dtype, label, loss, step):
    D, dA = value_and_grad(mg.entropy)(np.array([[-1e4, 1e4]], dtype), np.array([label]))
    assert_array_equal(D, loss)
    assert_array_equal(dA, [[-step, step]])


@pytest.mark.parametrize(
    ("A", "T", "sentence"),
    [
        ((2, 3), np.array([0, 3]), "label 3 is out of range: A (2, 3) has classes 0 to 2"),
        ((2, 3), np.array([-1, 0]), "label -1 is out of range: A (2, 3) has classes 0 to 2"),
        ((2, 3), np.array([0.0, 1.0]), "labels (n,) are integers, not float64"),
        ((2, 3), np.array([True, False]), "labels (n,) are integers, not bool"),
        ((2, 3), np.array([0, 1, 2]), "A is (2, 3), so T is (2,) or (2, 3), not (3,)"),
        ((2, 3), np.ones((2, 4)), "A is (2, 3), so T is (2,) or (2, 3), not (2, 4)"),
        ((2, 3), np.zeros((2, 1), int), "A is (2, 3), so T is (2,) or (2, 3), not (2, 1)"),
        ((3,), np.array([0]), "A holds logits (n, k), at least one row of them, not (3,)"),
        ((0, 3), np.zeros(0, int), "A holds logits (n, k), at least one row of them, not (0, 3)"),
        ((0, 3), np.zeros((0, 3)), "A holds logits (n, k), at least one row of them, not (0, 3)"),
    ],
)
def test_entropy_refuses_targets_that_do_not_fit(A, T, sentence):
    for logits in (np.ones(A), var(np.ones(A))):
        with pytest.raises(ValueError, match=re.escape(f"entropy: {sentence}")):
            mg.entropy(logits, T)


def test_entropy_refuses_targets_with_a_gradient():
    A = var(np.ones((2, 3)))
    with pytest.raises(TypeError, match="entropy: its back names the gradients of 1 of 2"):
        mg.entropy(A, A)


@pytest.mark.parametrize("name", ["entropy_decay_int", "entropy_decay_onehot"])
def test_entropy_and_decay_have_the_golden_values(golden, name):
    entry = golden(name)
    names = ("X", "W1", "b1", "W2", "b2")
    X, W1, b1, W2, b2 = leaves = [var(entry.inputs[k]) for k in names]
    A = mg.affine(mg.relu(mg.affine(X, (W1, b1))), (W2, b2))
    D = mg.entropy(A, entry.inputs["T"])
    R = mg.decay((W1, W2), entry.options["lam"])
    L = D + R
    L.backward()
    for value, key in [(D, "D"), (R, "R"), (L, "L")]:
        assert_allclose(value.value, entry.outputs[key], **GOLDEN)
    assert_allclose(A.grad, entry.outputs["dA2"], **GOLDEN)
    for leaf, key in zip(leaves, names):
        assert_allclose(leaf.grad, entry.grads[key], **GOLDEN)


@pytest.mark.parametrize("rate", [1e-4, 0.3, 0.0])
def test_the_gradient_of_decay_reaches_every_array_of_the_nest(rate):
    W = {"a": normal(2, 3), "b": [normal(1), (normal(2, 1, 2), normal())]}
    assert agrees(mg.decay, W, rate)
    assert agrees(mg.decay, normal(2, 3), rate=rate)


def test_decay_of_one_node_twice_counts_it_twice():
    assert agrees(lambda W: mg.decay((W, W, np.ones(2)), 0.3), normal(2, 3))


@given(W=arrays(), V=arrays())
def test_decay_is_half_the_rate_times_the_sum_of_squares(W, V):
    assert follows(lambda W: mg.decay(W, 0.3), lambda W: 0.15 * np.sum(W * W), W)
    assert follows(
        lambda U: mg.decay(U, 0.3), lambda U: 0.15 * (np.sum(U[0] ** 2) + np.sum(U[1] ** 2)), (W, V)
    )


def test_decay_has_a_rate_of_1e_4_by_default():
    assert_array_equal(mg.decay(np.ones((2, 3))), mg.decay(np.ones((2, 3)), 1e-4))


@pytest.mark.parametrize("shape", [(2, 3), (1, 1), (4,), (2, 1, 3)], ids=str)
def test_the_gradients_of_squared_error_agree_with_differences(shape):
    A, T = normal(*shape), normal(*shape, seed=3)
    assert agrees(mg.squared_error, A, T)
    assert agrees(lambda A: mg.squared_error(A, T), A)
    assert agrees(lambda T: mg.squared_error(A, T), T)


def test_squared_error_of_a_node_with_itself_is_0_and_so_is_its_gradient():
    D, dA = value_and_grad(lambda A: mg.squared_error(A, A))(normal(2, 3))
    assert_array_equal(D, 0)
    assert_array_equal(dA, np.zeros((2, 3)))


@given(A=arrays((2, 3, 2)), T=arrays((2, 3, 2)))
def test_squared_error_is_the_mean_over_samples_of_squared_distances(A, T):
    assert follows(mg.squared_error, slow_squared_error, A, T)


@pytest.mark.parametrize("T", [(2,), (3,), (2, 1), (3, 2), ()], ids=str)
def test_squared_error_refuses_shapes_that_would_broadcast_or_not_fit(T):
    sentence = f"squared_error: A is (2, 3), T {T}: they must be alike, not empty"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        mg.squared_error(np.ones((2, 3)), np.ones(T))
