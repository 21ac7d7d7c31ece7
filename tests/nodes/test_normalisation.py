import numpy as np
import pytest
from hypothesis import given
from numeric import GOLDEN, agrees, arrays, close, follows, normal
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import grad, var


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
