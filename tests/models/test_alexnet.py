import math

import numpy as np
import pytest
from minigrad.models import alexnet
from minigrad.models.alexnet import PAPER, SMALL, TORCHVISION, Stem
from numeric import batch_last, normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import conv, lrn, maxpool, relu, sum, value_and_grad
from minigrad.learn import count
from minigrad.tree import leaves, map_leaves

STEP = 1e-6
TOLERANCE = 1e-6  # differences in float64: 1e-16 / STEP, and no kink between both ends
THIN = {"widths": (4, 6, 4, 4, 4), "hidden": 8, "side": 32, "stem": Stem(5, 1, 2)}


def initial(classes=5, **options):
    return alexnet.initial(np.random.default_rng(0), classes, **{**THIN, **options})


def exact(U):
    """Parameters in float64, the biases not 0 either."""
    rng = np.random.default_rng(9)
    return map_leaves(lambda w: w + 0.05 * rng.standard_normal(w.shape), U)


def network(X, U, **options):
    return alexnet.network(X, U, **{"stem": THIN["stem"], **options})


def numbers(**options):
    sizes = alexnet.shapes(**options)
    return {name: math.prod(W) + math.prod(b) for name, (W, b) in sizes.items()}


def test_the_papers_parameters_are_as_many_as_by_hand():
    by_hand = [34944, 307456, 885120, 663936, 442624, 37752832, 16781312, 4097000]
    assert list(numbers().values()) == by_hand
    assert math.fsum(numbers().values()) == 60965224


def test_torchvisions_parameters_are_as_many_as_it_says():
    assert math.fsum(numbers(**TORCHVISION).values()) == 61100840


def test_there_are_as_many_parameters_as_the_shapes_say():
    assert count(initial()) == math.fsum(numbers(classes=5, **THIN).values())
    W, b = initial()["conv1"]
    assert W.dtype == b.dtype == np.float32
    assert not b.any()


@pytest.mark.parametrize(
    ("options", "network_options"),
    [
        ({"side": 227, "stem": PAPER}, {"stem": PAPER}),
        ({"side": 224, "stem": TORCHVISION["stem"]}, {"stem": TORCHVISION["stem"], "norm": None}),
        ({}, {"norm": "caffenet"}),
        ({"groups": 1}, {}),
    ],
    ids=["the paper's images", "torchvision's", "small ones", "without groups"],
)
def test_there_is_a_logit_for_each_class_in_either_order(options, network_options):
    U, side = initial(**options), options.get("side", 32)
    X = normal(2, 3, side, side).astype(np.float32)
    A = network(X, U, **network_options)
    assert (A.shape, A.dtype) == ((2, 5), np.float32)
    assert_allclose(network(batch_last(X), U, **network_options), A, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("norm", "thinned"),
    [
        ("alexnet", lambda Z: maxpool(lrn(Z), 3, 2)),
        ("caffenet", lambda Z: lrn(maxpool(Z, 3, 2), k=1.0, form="caffe")),
        (None, lambda Z: maxpool(Z, 3, 2)),
    ],
)
def test_the_norm_stands_where_its_name_says(norm, thinned):
    U, X = exact(initial()), 100 * normal(2, 3, 32, 32)  # small numbers are not normalised at all
    Z = thinned(relu(conv(X, U["conv1"], padding=2)))
    Z = thinned(relu(conv(Z, U["conv2"], padding=2, groups=2)))
    Z = relu(conv(Z, U["conv3"], padding=1))
    for name in ("conv4", "conv5"):
        Z = relu(conv(Z, U[name], padding=1, groups=2))
    Z = maxpool(Z, 3, 2).reshape(2, -1)
    for name in ("hidden1", "hidden2"):
        Z = relu(Z @ U[name][0] + U[name][1])
    expected = Z @ U["output"][0] + U["output"][1]
    assert_allclose(network(X, U, norm=norm), expected, rtol=1e-9)
    others = [network(X, U, norm=other) for other in alexnet.NORMS if other != norm]
    assert min(abs(other - expected).max() for other in others) > 1e-4 * abs(expected).max()


def test_another_norm_and_too_small_images_are_refused():
    with pytest.raises(ValueError, match="norm is one of .* not 'batch'"):
        network(normal(2, 3, 32, 32), initial(), norm="batch")
    with pytest.raises(ValueError, match="images of 14 x 14 leave nothing after three poolings"):
        initial(side=14)
    assert initial(side=15)["hidden1"][0].shape == (4, 8)


def test_plain_nodes_give_the_same_numbers():
    U, X = exact(initial()), normal(2, 3, 32, 32)
    assert_allclose(network(X, U, fused=False), network(X, U), rtol=1e-10)


def test_training_drops_half_of_the_hidden_units_and_use_none():
    U, X = exact(initial()), normal(2, 3, 32, 32)
    draw = lambda seed: network(X, U, rng=np.random.default_rng(seed), training=True)
    assert_array_equal(draw(0), draw(0))
    assert (draw(0) != draw(1)).any()
    assert_array_equal(network(X, U, rng=np.random.default_rng(0)), network(X, U))


@pytest.mark.parametrize("part", ["conv1", "conv2", "conv5", "hidden1", "output"])
def test_the_gradient_agrees_with_differences_along_a_direction(part):
    U, X, G = exact(initial()), normal(3, 3, 32, 32), normal(3, 5, seed=5)
    V = {name: map_leaves(lambda w: 0 * w, pair) for name, pair in U.items()}
    V[part] = map_leaves(lambda w: normal(*w.shape, seed=4), U[part])
    L = lambda U: sum(network(X, U) * G)
    ends = [L(map_leaves(lambda w, v, h=h: w + h * v, U, V)) for h in (STEP, -STEP)]
    _, dU = value_and_grad(L)(U)
    along = np.sum([np.vdot(g, v) for g, v in zip(leaves(dU), leaves(V))])
    assert abs(along) > 0.01
    assert_allclose(along, (ends[0] - ends[1]) / (2 * STEP), rtol=TOLERANCE)


def test_the_small_one_is_for_images_of_32_x_32():
    sizes = alexnet.shapes(128, **SMALL)
    assert sizes["hidden1"] == ((64 * 3 * 3, 256), (256,))
    assert sizes["output"] == ((256, 128), (128,))
