import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import agrees, arrays, follows, normal
from numpy.testing import assert_array_equal

import minigrad as mg
from minigrad import grad, var

INDICES = {
    "number": 1,
    "from the end": -1,
    "slice": slice(1, 3),
    "backwards": slice(None, None, -2),
    "numbers": (1, 2),
    "number and slice": (slice(None), 0),
    "ellipsis": (..., 1),
    "new axis": (None, slice(None), None),
    "0-d array": np.array(2),
    "array": np.array([2, 0, 2]),
    "list": [0, 0],
    "array of two axes": np.array([[0, 1], [1, 1]]),
    "pairs": (np.array([0, 1, 1]), np.array([3, 2, 2])),
    "array and slice": (slice(1, None), np.array([1, 1])),
    "mask": np.arange(12).reshape(3, 4) % 3 == 0,
    "mask of rows": np.array([True, False, True]),
    "nothing": (),
}


@pytest.mark.parametrize("shape", [(3, 4), (12,), 12, (-1,), (2, -1, 3), (1, 12)], ids=str)
def test_reshape_reads_in_c_order_whatever_the_memory_order(shape):
    @given(A=arrays((3, 4)))
    def any_array(A):
        assert follows(mg.reshape, np.reshape, A, shape)

    any_array()
    assert agrees(mg.reshape, normal(3, 4), shape)


def test_reshape_makes_a_number_of_one_entry_and_back():
    assert agrees(mg.reshape, normal(1, 1), ())
    assert agrees(mg.reshape, normal(), (1, 1))


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 3), (3, 1, 1, 2), (4,)], ids=str)
def test_flatten_has_one_row_per_sample(shape):
    @given(X=arrays(shape))
    def any_images(X):
        assert follows(mg.flatten, lambda X: X.reshape(len(X), -1), X)

    any_images()
    assert agrees(mg.flatten, normal(*shape))


def test_flatten_keeps_the_width_of_an_empty_batch():
    assert mg.flatten(np.ones((0, 3, 4))).shape == (0, 12)


@given(A=arrays(), data=st.data())
def test_transpose_gives_what_numpy_gives_for_any_order_of_the_axes(A, data):
    axes = data.draw(st.none() | st.permutations(range(A.ndim)).map(tuple))
    assert follows(mg.transpose, np.transpose, A, axes)


@pytest.mark.parametrize("axes", [None, (0, 1, 2), (1, 2, 0), (-1, 0, 1), (2, -2, 0)], ids=str)
def test_the_gradient_of_transpose_puts_the_axes_back(axes):
    assert agrees(mg.transpose, normal(2, 3, 4), axes)
    assert agrees(mg.transpose, normal(1, 3, 1), axes)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenate_gives_what_numpy_gives(axis):
    @given(A=arrays((2, 3)), B=arrays((2, 3)), C=arrays((2, 3)))
    def any_arrays(A, B, C):
        assert follows(mg.concatenate, np.concatenate, (A, B, C), axis)

    any_arrays()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_each_array_gets_its_piece_of_the_gradient_of_concatenate(axis):
    sizes = [(1, 3), (3, 3), (2, 3)]
    X = tuple(normal(*(s if axis == 0 else s[::-1]), seed=i) for i, s in enumerate(sizes))
    assert agrees(mg.concatenate, X, axis)
    assert agrees(mg.concatenate, list(X), axis)
    assert agrees(lambda A: mg.concatenate((A, X[1], A), axis), X[0])
    assert agrees(mg.concatenate, X[:1], axis)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_stack_gives_what_numpy_gives(axis):
    @given(A=arrays((2, 3)), B=arrays((2, 3)))
    def any_arrays(A, B):
        assert follows(mg.stack, np.stack, (A, B), axis)

    any_arrays()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_each_array_gets_its_slice_of_the_gradient_of_stack(axis):
    A, B = normal(3), normal(3, seed=3)
    assert agrees(mg.stack, (A, B), axis)
    assert agrees(lambda A: mg.stack([A, B, A], axis), A)


def test_stack_makes_a_vector_of_numbers():
    assert agrees(mg.stack, (normal(), normal(seed=3)))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize(
    "i", [1, -1, np.array([0, 1, 1]), np.array([[1, 0], [1, -1]]), [1, 1]], ids=str
)
def test_take_gives_what_numpy_gives_and_its_gradient_agrees_with_differences(i, axis):
    @given(A=arrays((2, 3, 2)))
    def any_array(A):
        assert follows(mg.take, np.take, A, i, axis)

    any_array()
    assert agrees(mg.take, normal(2, 3, 2), i, axis)


def test_a_repeated_index_adds_up_in_the_gradient_of_take():
    dA = grad(lambda A: mg.sum(mg.take(A, np.array([2, 0, 2, 2]))))(np.zeros(4))
    assert_array_equal(dA, [1, 0, 3, 0])


def test_a_repeated_index_adds_up_in_the_gradient_of_index():
    dA = grad(lambda A: mg.sum(A[np.array([2, 0, 2, 2])]))(np.zeros(4))
    assert_array_equal(dA, [1, 0, 3, 0])


@pytest.mark.parametrize("i", INDICES.values(), ids=INDICES)
def test_index_gives_what_numpy_gives_and_its_gradient_agrees_with_differences(i):
    @given(A=arrays((3, 4)))
    def any_array(A):
        assert follows(mg.index, lambda A, i: A[i], A, i)

    any_array()
    assert agrees(lambda A: A[i], normal(3, 4))


def test_the_same_rows_of_one_node_add_up():
    A = var(np.zeros((3, 2)))
    mg.sum(A[0] + A[0:2] + A[np.array([0, 0])]).backward()
    assert_array_equal(A.grad, [[5, 5], [1, 1], [0, 0]])


@pytest.mark.parametrize("value", [0.0, -1.5])
@pytest.mark.parametrize(
    "width", [((1, 2), (0, 3)), ((0, 0), (0, 0)), ((2, 1),), [(1, 0), (0, 1)], ()], ids=str
)
def test_pad_gives_what_numpy_gives_and_its_gradient_is_the_middle(width, value):
    def reference(A, width, value):
        every = [(0, 0)] * (2 - len(width)) + list(width)
        return np.pad(A, every, constant_values=value)

    @given(A=arrays((2, 3)))
    def any_array(A):
        assert follows(mg.pad, reference, A, width, value)

    any_array()
    assert agrees(mg.pad, normal(2, 3), width, value)
    assert agrees(mg.pad, normal(1, 1), width, value)


def test_pad_borders_images_and_leaves_batch_and_channels_alone():
    X = normal(2, 3, 4, 5)
    Z = mg.pad(X, ((1, 2), (3, 4)))
    assert Z.shape == (2, 3, 7, 12)
    assert_array_equal(Z[:, :, 1:5, 3:8], X)
    Z[:, :, 1:5, 3:8] = 0
    assert not Z.any()
