import numpy as np
from minigrad.models import drlim
from numeric import batch_last, normal
from numpy.testing import assert_allclose

from minigrad import sum, value_and_grad
from minigrad.learn import Momentum, count
from minigrad.tree import leaves, map_leaves

STEP = 1e-6
TOLERANCE = 1e-6  # differences in float64: 1e-16 / STEP, and no kink between both ends


def initial(**options):
    return drlim.initial(np.random.default_rng(0), **options)


def exact(U):
    """Parameters in float64, the biases not 0 either."""
    rng = np.random.default_rng(9)
    return map_leaves(lambda w: w + 0.05 * rng.standard_normal(w.shape), U)


def test_the_parameters_are_as_many_as_by_hand():
    assert [count(layer) for layer in initial().values()] == [555, 36480, 542]
    assert count(initial()) == 37577


def test_images_become_points_in_either_order():
    X, U = normal(3, 2, 28, 28).astype(np.float32), initial(dimensions=3, channels=2)
    Z = drlim.network(X, U)
    assert (Z.shape, Z.dtype) == ((3, 3), np.float32)
    assert_allclose(drlim.network(batch_last(X), U), Z, rtol=1e-4, atol=1e-5)


def test_plain_nodes_give_the_same_numbers():
    X, U = normal(3, 1, 28, 28), exact(initial())
    assert_allclose(drlim.network(X, U, fused=False), drlim.network(X, U), rtol=1e-10)


def test_the_gradient_agrees_with_differences_along_a_direction():
    X, U = normal(3, 1, 28, 28), exact(initial())
    V, G = map_leaves(lambda w: normal(*w.shape, seed=4), U), normal(3, 2, seed=5)
    L = lambda U: sum(drlim.network(X, U) * G)
    ends = [L(map_leaves(lambda w, v, h=h: w + h * v, U, V)) for h in (STEP, -STEP)]
    _, dU = value_and_grad(L)(U)
    along = np.sum([np.vdot(g, v) for g, v in zip(leaves(dU), leaves(V))])
    assert abs(along) > 0.01
    assert_allclose(along, (ends[0] - ends[1]) / (2 * STEP), rtol=TOLERANCE)


def test_a_few_steps_draw_two_images_to_where_they_shall_be():
    X, U = normal(2, 1, 28, 28).astype(np.float32), initial()
    goal = np.array([[1, 0], [0, 1]], np.float32)
    optimiser, losses = Momentum(U), []
    for _ in range(15):
        loss, dU = value_and_grad(lambda U: sum((drlim.network(X, U) - goal) ** 2))(U)
        optimiser.step(dU, 0.003)
        losses.append(float(loss))
    assert losses[-1] < 0.2 * losses[0]
