import operator

import numpy as np
import pytest
from hypothesis import given
from numeric import GOLDEN, agrees, arrays, broadcastable, follows, normal, positive
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import grad, var

SHAPES = [(), (1,), (3,), (1, 3), (2, 1), (2, 3), (4, 1, 3)]
BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "maximum": mg.maximum,
    "minimum": mg.minimum,
}
ELEMENTWISE = {  # node, NumPy's function, the least argument
    "neg": (mg.neg, np.negative, -2.0),
    "exp": (mg.exp, np.exp, -2.0),
    "log": (mg.log, np.log, 0.25),
    "sqrt": (mg.sqrt, np.sqrt, 0.0),
    "abs": (mg.abs, np.abs, -2.0),
}
REDUCTIONS = {"sum": (mg.sum, np.sum), "mean": (mg.mean, np.mean), "max": (mg.max, np.max)}
DOT_SHAPES = [
    ((2, 3), (3, 4)),
    ((2, 1), (1, 4)),
    ((1, 3), (3, 1)),
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)),
]


@pytest.mark.parametrize("a", SHAPES, ids=str)
@pytest.mark.parametrize("b", SHAPES, ids=str)
@pytest.mark.parametrize("f", BINARY.values(), ids=BINARY)
def test_the_gradient_is_summed_over_what_was_broadcast(f, a, b):
    assert agrees(f, positive(*a), positive(*b, seed=3))


@pytest.mark.parametrize("f", BINARY.values(), ids=BINARY)
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=str)
def test_one_node_on_both_sides_gets_both_gradients(f, shape):
    assert agrees(lambda A: f(A, A), positive(*shape))


@pytest.mark.parametrize("f", BINARY.values(), ids=BINARY)
@pytest.mark.parametrize("other", [2.5, 3, positive(2, 3), positive(4, 1, 3)], ids=np.shape)
def test_a_plain_array_or_number_stands_on_either_side(f, other):
    assert agrees(lambda A: f(A, other), positive(2, 1, seed=3))
    assert agrees(lambda B: f(other, B), positive(2, 1, seed=3))


@pytest.mark.parametrize(
    ("f", "reference"),
    [
        (mg.sub, np.subtract),
        (mg.mul, np.multiply),
        (mg.div, np.divide),
        (mg.pow, np.power),
        (mg.maximum, np.maximum),
        (mg.minimum, np.minimum),
    ],
    ids=["sub", "mul", "div", "pow", "maximum", "minimum"],
)
@given(both=broadcastable(low=0.25))
def test_two_arrays_give_what_numpy_gives(f, reference, both):
    assert follows(f, reference, *both)


@pytest.mark.parametrize(
    ("operate", "f"),
    [
        (operator.sub, mg.sub),
        (operator.mul, mg.mul),
        (operator.truediv, mg.div),
        (operator.pow, mg.pow),
        (operator.matmul, mg.dot),
    ],
)
def test_an_operator_is_its_node_with_a_node_on_either_side(operate, f):
    A, B = positive(2, 2), positive(2, 2, seed=3)
    for a, b in [(var(A), var(B)), (var(A), B), (A, var(B))]:
        Z = operate(a, b)
        assert Z.name == f.__name__
        assert_array_equal(Z.value, f(A, B))


def test_plus_is_add_of_a_tuple_and_minus_neg():
    A, B = var((np.array(1.0), np.array(2.0)))
    assert [Z.name for Z in (A + B, A + 2.0, 2.0 + A, -A)] == ["add", "add", "add", "neg"]
    assert [float(Z) for Z in (A + B, A + 2.0, 2.0 + A, -A)] == [3, 3, 3, -1]


@given(both=broadcastable())
def test_add_of_arrays_is_their_sum(both):
    assert follows(mg.add, lambda X: X[0] + X[1], both)


def test_add_takes_one_array_or_many_of_several_shapes():
    assert agrees(mg.add, (normal(2, 3),))
    assert agrees(mg.add, (normal(2, 3), normal(3), normal(), normal(1, 3)))
    assert agrees(lambda A: mg.add((A, A, np.ones((4, 2, 3)), A)), normal(2, 3))


@pytest.mark.parametrize(("f", "reference", "low"), ELEMENTWISE.values(), ids=ELEMENTWISE)
@pytest.mark.parametrize("shape", [(), (1, 1), (2, 3), (2, 1, 3)], ids=str)
def test_an_elementwise_gradient_agrees_with_differences(f, reference, low, shape):
    assert agrees(f, positive(*shape))
    if low < 0:
        assert agrees(lambda A: f(-A), positive(*shape))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_elementwise_node_gives_what_numpy_gives(name):
    f, reference, low = ELEMENTWISE[name]

    @given(A=arrays(low=low))
    def any_array(A):
        assert follows(f, reference, A)

    any_array()


def test_log_is_minus_infinity_at_0_and_nan_below():
    with np.errstate(divide="ignore", invalid="ignore"):
        assert_array_equal(mg.log(np.array([0.0, -1.0])), [-np.inf, np.nan])


def test_sqrt_has_gradient_0_at_0():
    assert_array_equal(grad(lambda A: mg.sum(mg.sqrt(A)))(np.array([0.0, 4.0])), [0, 0.25])


def test_abs_has_gradient_0_at_0():
    assert_array_equal(grad(lambda A: mg.sum(mg.abs(A)))(np.array([0.0, -2.0, 3.0])), [0, -1, 1])


@pytest.mark.parametrize("f", [mg.maximum, mg.minimum])
def test_equal_arguments_get_half_of_the_gradient_each(f):
    A, B = var((np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    mg.sum(f(A, B) * np.array([1.0, 3.0])).backward()
    assert_array_equal(A.grad, [0.5, 1.5])
    assert_array_equal(B.grad, [0.5, 1.5])


@pytest.mark.parametrize("B", [0, 0.0, np.zeros(3)], ids=["int", "float", "array"])
def test_pow_has_gradient_0_in_a_where_the_exponent_is_0(B):
    dA = grad(lambda A: mg.sum(mg.pow(A, B)))(np.array([0.0, 2.0, -2.0]))
    assert_array_equal(dA, np.zeros(3))


def test_pow_has_gradient_0_in_b_where_a_is_not_positive():
    A, B = np.array([0.0, -2.0, 1.0]), np.array([2.0, 2.0, 2.0])
    assert_array_equal(grad(lambda B: mg.sum(mg.pow(A, B)))(B), np.zeros(3))


def test_pow_has_gradient_0_in_b_where_a_is_0_and_the_power_infinite():
    A, B = np.zeros(2), np.array([-1.0, -0.5])
    with np.errstate(divide="ignore"):
        assert_array_equal(grad(lambda B: mg.sum(mg.pow(A, B)))(B), np.zeros(2))


@pytest.mark.parametrize("exponent", [1, 2, 3, 2.0, np.array([1.0, 2.0, 3.0])], ids=repr)
def test_pow_of_negative_and_zero_entries_has_the_gradient_of_a_power(exponent):
    assert agrees(lambda A: mg.pow(A, exponent), np.array([-1.5, 0.0, 2.0]))


def test_pow_with_a_negative_exponent_is_a_quotient():
    assert agrees(lambda A: A**-2, positive(2, 3))
    assert agrees(lambda B: 2.0**B, normal(2, 3))


@pytest.mark.parametrize(("a", "b"), DOT_SHAPES, ids=str)
def test_the_gradients_of_a_matrix_product_agree_with_differences(a, b):
    A, B = normal(*a), normal(*b, seed=3)
    assert agrees(mg.dot, A, B)
    assert agrees(lambda A: A @ B, A)
    assert agrees(lambda B: A @ B, B)


def test_the_product_of_a_node_with_itself_gets_both_gradients():
    assert agrees(lambda A: A @ A, normal(3, 3))
    assert agrees(lambda a: a @ a, normal(3))


@pytest.mark.parametrize(("a", "b"), DOT_SHAPES, ids=str)
def test_dot_gives_what_numpy_gives(a, b):
    @given(A=arrays(a), B=arrays(b))
    def any_arrays(A, B):
        assert follows(mg.dot, np.matmul, A, B)

    any_arrays()


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (-1, 0), (0, 1, 2)], ids=str)
@pytest.mark.parametrize(("f", "reference"), REDUCTIONS.values(), ids=REDUCTIONS)
def test_a_reduction_s_gradient_agrees_with_differences_over_any_axes(f, reference, axis, keepdims):
    for shape in [(2, 3, 4), (1, 3, 1)]:
        assert agrees(f, normal(*shape), axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_gives_what_numpy_gives(name, axis, keepdims):
    f, reference = REDUCTIONS[name]

    @given(A=arrays((2, 3, 4)))
    def any_array(A):
        assert follows(f, reference, A, axis=axis, keepdims=keepdims)

    any_array()


@pytest.mark.parametrize("f", [mg.sum, mg.mean, mg.max])
def test_a_reduction_takes_a_number_and_one_entry(f):
    assert agrees(f, normal())
    assert agrees(f, normal(1))


def test_a_reduction_takes_its_axis_by_position():
    A = normal(2, 3)
    assert_array_equal(mg.sum(A, 0), A.sum(0))
    assert_array_equal(grad(lambda A: mg.sum(mg.max(A, 1, True)))(A).sum(1), np.ones(2))


def test_equal_maxima_share_the_gradient_equally():
    A = np.array([[1.0, 5.0, 5.0], [2.0, 2.0, 2.0], [0.0, 1.0, 2.0]])
    shares = [[0, 1 / 2, 1 / 2], [1 / 3, 1 / 3, 1 / 3], [0, 0, 1]]
    assert_array_equal(grad(lambda A: mg.sum(mg.max(A, 1)))(A), shares)
    assert_array_equal(grad(mg.max)(np.array([3.0, 3.0])), [0.5, 0.5])


def test_a_global_average_is_the_mean_over_both_image_axes(golden):
    entry = golden("global_avgpool")
    X, G = var(entry.inputs["X"]), entry.inputs["G"]
    Z = mg.mean(X, axis=(2, 3))
    mg.sum(G * Z).backward()
    assert_allclose(Z.value, entry.outputs["Z"], **GOLDEN)
    assert_allclose(X.grad, entry.grads["X"], **GOLDEN)
