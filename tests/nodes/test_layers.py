import re

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from numeric import (
    GOLDEN,
    GOLDEN_EXTREME,
    agrees,
    arrays,
    close,
    follows,
    normal,
    positive,
)
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import grad, var

ACTIVATIONS = {
    "relu": (mg.relu, lambda A: np.maximum(A, 0)),
    "leaky_relu": (mg.leaky_relu, lambda A: np.where(A > 0, A, 0.01 * A)),
    "sigmoid": (mg.sigmoid, scipy.special.expit),
    "tanh": (mg.tanh, np.tanh),
}
SOFTMAXES = {
    "softmax": (mg.softmax, scipy.special.softmax),
    "log_softmax": (mg.log_softmax, scipy.special.log_softmax),
}
EXTREME = [-1e4, 0.0, 1e4]


class Stub:
    """A generator that draws what makes dropout's mask the one given."""

    def __init__(self, mask):
        self.mask = mask

    def random(self, shape, dtype):
        assert shape == self.mask.shape
        return self.mask.astype(dtype)  # 0 falls below the rate, 1 does not


@pytest.mark.parametrize(("n", "d", "k"), [(2, 3, 4), (1, 3, 4), (2, 1, 4), (2, 3, 1), (1, 1, 1)])
def test_the_gradients_of_affine_agree_with_differences(n, d, k):
    X, W, b = normal(n, d), normal(d, k, seed=3), normal(k, seed=4)
    assert agrees(mg.affine, X, (W, b))
    assert agrees(lambda X: mg.affine(X, (W, b)), X)
    assert agrees(lambda W: mg.affine(X, (W, b)), W)
    assert agrees(lambda b: mg.affine(X, [W, b]), b)


def test_affine_takes_one_node_as_input_and_as_weights():
    assert agrees(lambda A: mg.affine(A, (A, A[0])), normal(3, 3))


@given(X=arrays((2, 3)), W=arrays((3, 4)), b=arrays((4,)))
def test_affine_is_x_w_plus_b(X, W, b):
    assert follows(mg.affine, lambda X, U: X @ U[0] + U[1], X, (W, b))


def test_affine_names_the_shapes_that_do_not_fit():
    sentence = "affine: X has 3 features (2, 3) but W takes 4 (4, 5)"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        mg.affine(np.ones((2, 3)), (np.ones((4, 5)), np.ones(5)))


@pytest.mark.parametrize("shape", [(), (1, 1), (2, 3), (2, 1, 3, 2)], ids=str)
@pytest.mark.parametrize(("f", "reference"), ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_the_gradient_of_an_activation_agrees_with_differences(f, reference, shape):
    assert agrees(f, positive(*shape))
    assert agrees(lambda A: f(-A), positive(*shape))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_gives_what_its_formula_gives(name):
    f, reference = ACTIVATIONS[name]

    @given(A=arrays())
    def any_array(A):
        assert follows(f, reference, A)

    any_array()


def test_relu_has_gradient_0_at_0():
    assert_array_equal(grad(lambda A: mg.sum(mg.relu(A)))(np.array([-1.0, 0.0, 2.0])), [0, 0, 1])


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_leaky_relu_has_gradient_slope_at_0(slope):
    A = np.array([-1.0, 0.0, 2.0])
    assert_array_equal(grad(lambda A: mg.sum(mg.leaky_relu(A, slope)))(A), [slope, slope, 1])
    assert_array_equal(mg.leaky_relu(A, slope=slope), [-slope, 0, 2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_stays_finite_at_extreme_arguments(dtype):
    A = var(np.array(EXTREME, dtype))
    Z = mg.sigmoid(A)
    mg.sum(Z).backward()
    assert_array_equal(Z.value, [0, 0.5, 1])
    assert_array_equal(A.grad, [0, 0.25, 0])


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (3, 1), (2, 3, 2)], ids=str)
@pytest.mark.parametrize(("f", "reference"), SOFTMAXES.values(), ids=SOFTMAXES)
def test_the_gradient_of_a_softmax_agrees_with_differences(f, reference, shape):
    for axis in (0, 1, -1):
        assert agrees(f, normal(*shape), axis=axis)
    assert agrees(f, normal(4), 0)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_a_softmax_gives_what_scipy_gives_along_any_axis(name, axis):
    f, reference = SOFTMAXES[name]

    @given(A=arrays((2, 3, 4)))
    def any_array(A):
        assert follows(f, reference, A, axis=axis)

    any_array()


def test_a_softmax_goes_along_the_second_axis_by_default():
    A = normal(2, 3, 4)
    assert_array_equal(mg.softmax(A), mg.softmax(A, axis=1))
    assert_array_equal(mg.log_softmax(A), mg.log_softmax(A, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_softmaxes_stay_finite_at_extreme_logits(dtype):
    A = var(np.array([EXTREME, EXTREME[::-1], [1e4] * 3, [-1e4] * 3], dtype))
    Y, Z = mg.softmax(A), mg.log_softmax(A)
    third = np.full(3, 1 / 3)
    close(Y.value, [[0, 0, 1], [1, 0, 0], third, third], dtype)
    ln = np.log(third)
    close(Z.value[:2], [[-2e4, -1e4, 0], [0, -1e4, -2e4]], dtype)
    close(Z.value[2:], [ln, ln], dtype)
    G = normal(4, 3)
    mg.sum(G * Y + G * Z).backward()
    assert np.isfinite(A.grad).all()


def test_log_softmax_has_the_golden_values_at_extreme_logits(golden):
    entry = golden("log_softmax_extreme")
    A = var(entry.inputs["X"])
    Z = mg.log_softmax(A, axis=entry.options["axis"])
    mg.sum(entry.inputs["G"] * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN_EXTREME)
    assert_allclose(A.grad, entry.grads["X"], **GOLDEN_EXTREME)


@pytest.mark.parametrize("name", ["entropy_decay_int", "entropy_decay_onehot"])
def test_affine_and_softmax_have_the_golden_values(golden, name):
    entry = golden(name)
    X, W1, b1, W2, b2 = (entry.inputs[k] for k in ("X", "W1", "b1", "W2", "b2"))
    A1 = mg.affine(X, (W1, b1))
    A2 = mg.affine(mg.relu(A1), (W2, b2))
    assert_allclose(A1, entry.outputs["A1"], **GOLDEN)
    assert_allclose(A2, entry.outputs["A2"], **GOLDEN)
    assert_allclose(mg.softmax(A2), entry.outputs["Y"], **GOLDEN)


def test_dropout_has_the_golden_values_with_the_golden_mask(golden):
    entry = golden("dropout_mask")
    X = var(entry.inputs["X"])
    Z = mg.dropout(X, entry.options["p_drop"], rng=Stub(entry.inputs["mask"]))
    mg.sum(entry.inputs["G"] * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN)
    assert_allclose(X.grad, entry.grads["X"], **GOLDEN)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(), (1, 1), (3, 4)], ids=str)
def test_the_gradient_of_dropout_agrees_with_differences_under_a_fixed_mask(shape, training):
    mask = np.random.default_rng(0).integers(0, 2, shape)
    assert agrees(mg.dropout, normal(*shape), 0.3, rng=Stub(mask), training=training)


@given(X=arrays(), rate=st.sampled_from([0.25, 0.75]), seed=st.integers(0, 9))
def test_dropout_keeps_each_entry_scaled_or_sets_it_to_0(X, rate, seed):
    mask = np.random.default_rng(seed).integers(0, 2, X.shape)
    assert follows(
        lambda X: mg.dropout(X, rate, rng=Stub(mask)), lambda X: X * mask / (1 - rate), X
    )


def test_dropout_drops_about_its_rate():
    rate, n = 0.3, 100_000
    Z = mg.dropout(np.ones(n), rate, rng=np.random.default_rng(0))
    five_sigma = 5 * np.sqrt(rate * (1 - rate) / n)
    assert_allclose((Z == 0).mean(), rate, atol=five_sigma)
    assert_array_equal(np.unique(Z), [0, 1 / (1 - rate)])


def test_dropout_drops_the_same_in_the_gradient_as_in_the_value():
    X = var(np.ones((20, 30)))
    Z = mg.dropout(X, rng=np.random.default_rng(0))
    mg.sum(Z).backward()
    assert_array_equal(X.grad, Z.value)


def test_dropout_draws_another_mask_at_every_call():
    rng, X = np.random.default_rng(0), np.ones(100)
    assert (mg.dropout(X, rng=rng) != mg.dropout(X, rng=rng)).any()


def test_dropout_in_use_changes_nothing_and_needs_no_generator():
    X = normal(2, 3)
    assert_array_equal(mg.dropout(X, training=False), X)


def test_dropout_at_rate_0_drops_nothing_even_where_the_generator_draws_0():
    X = normal(2, 3)
    assert_array_equal(mg.dropout(X, 0, rng=Stub(np.zeros((2, 3)))), X)


@pytest.mark.parametrize("rate", [1, -0.1, 1.5, np.nan])
@pytest.mark.parametrize("training", [True, False])
def test_dropout_refuses_a_rate_out_of_range(rate, training):
    sentence = f"dropout: rate is the share to drop, 0 <= rate < 1, not {rate}"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        mg.dropout(np.ones(3), rate, rng=np.random.default_rng(0), training=training)


def test_dropout_refuses_to_train_without_a_generator():
    sentence = "dropout: training draws a mask: give rng=, a numpy.random.Generator"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        mg.dropout(np.ones(3))


def test_whole_numbers_are_not_rounded_by_leaky_relu_or_dropout():
    assert mg.leaky_relu(np.array([1, -2])).tolist() == [1, -0.02]
    kept = mg.dropout(np.full(9, 3), 0.25, rng=np.random.default_rng(0))
    assert set(kept.tolist()) == {0, 4}


def test_a_slid_affine_map_gives_what_it_gives_at_each_place():
    X, U = normal(2, 3, 5, 6), (normal(3 * 2 * 4, 7), normal(7, seed=1))
    A = mg.slide(X, U, (2, 4))
    assert A.shape == (2, 7, 4, 3)
    for y, x in np.ndindex(4, 3):
        place = mg.affine(mg.flatten(X[:, :, y : y + 2, x : x + 4]), U)
        np.testing.assert_allclose(A[:, :, y, x], place, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_a_slid_affine_map_agrees_with_differences():
    assert agrees(mg.slide, normal(2, 2, 3, 3), (normal(8, 3), normal(3)), 2)
    assert agrees(mg.slide, normal(2, 2, 3, 3), (normal(8, 3), None), (2, 2))


def test_an_affine_map_of_other_maps_is_not_slid():
    with pytest.raises(ValueError, match=r"slide: 3 channels .* of 2 x 2 are not the 8 rows of W"):
        mg.slide(np.ones((1, 3, 4, 4)), (np.ones((8, 2)), None), 2)
