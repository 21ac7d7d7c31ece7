import numpy as np
import pytest
from minigrad.models import lenet
from numeric import batch_last, normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import entropy, value_and_grad
from minigrad.data import digits
from minigrad.learn import Momentum, count
from minigrad.tree import leaves, map_leaves

STEP = 1e-6
TOLERANCE = 1e-6  # differences in float64: 1e-16 / STEP, and no kink between both ends


def exact(U):
    """Parameters in float64, the biases not 0 either."""
    rng = np.random.default_rng(9)
    return map_leaves(lambda w: w + 0.05 * rng.standard_normal(w.shape), U)


def initial():
    return lenet.initial(np.random.default_rng(0))


def test_the_parameters_are_as_many_as_by_hand():
    assert count(initial()) == 156 + 2416 + 48120 + 10164 + 850


def test_there_is_a_logit_for_each_class_in_either_order():
    X = normal(3, 2, 28, 28).astype(np.float32)
    U = lenet.initial(np.random.default_rng(0), classes=7, channels=2)
    A = lenet.network(X, U)
    assert (A.shape, A.dtype) == ((3, 7), np.float32)
    assert_allclose(lenet.network(batch_last(X), U), A, rtol=1e-4, atol=1e-5)


def test_images_of_32_x_32_are_those_of_28_x_28_with_their_border():
    X, U = normal(2, 1, 28, 28).astype(np.float32), initial()
    larger = np.pad(X, ((0, 0), (0, 0), (2, 2), (2, 2)))
    assert_allclose(lenet.network(larger, U), lenet.network(X, U), rtol=1e-4, atol=1e-5)


def test_the_loss_adds_the_decay_of_the_weights_alone():
    U, X, T = exact(initial()), normal(3, 1, 28, 28), np.array([0, 3, 9])
    squares = sum((W**2).sum() for W, b in U.values())
    D = entropy(lenet.network(X, U), T)
    assert_array_equal(lenet.loss(U, X, T), D)
    assert_allclose(lenet.loss(U, X, T, rate=0.1), D + 0.05 * squares)


@pytest.mark.parametrize("part", ["conv1", "conv2", "hidden1", "hidden2", "output"])
def test_the_gradient_of_the_loss_agrees_with_differences_along_a_direction(part):
    U, X, T = exact(initial()), normal(3, 1, 28, 28), np.array([0, 3, 9])
    rng = np.random.default_rng(4)
    V = {
        name: tuple((name == part) * rng.standard_normal(w.shape) for w in pair)
        for name, pair in U.items()
    }
    ends = [lenet.loss(map_leaves(lambda w, v, h=h: w + h * v, U, V), X, T) for h in (STEP, -STEP)]
    _, dU = value_and_grad(lenet.loss)(U, X, T)
    along = sum((g * v).sum() for g, v in zip(leaves(dU), leaves(V)))
    assert abs(along) > 0.01
    assert_allclose(along, (ends[0] - ends[1]) / (2 * STEP), rtol=TOLERANCE)


def test_a_few_steps_on_thirty_digits_lower_the_loss():
    images, T = digits()
    X = np.zeros((30, 1, 28, 28), np.float32)
    X[:, :, 6:22, 6:22] = images[:30]
    U = initial()
    optimiser, losses = Momentum(U), []
    for _ in range(12):
        loss, dU = value_and_grad(lenet.loss)(U, X, T[:30])
        optimiser.step(dU, 0.03)
        losses.append(float(loss))
    assert losses[-1] < 0.6 * losses[0]
