import numpy as np
import pytest
from minigrad.models import resnet
from numeric import batch_last, normal, positive
from numpy.testing import assert_allclose, assert_array_equal
from scripts import holds

from minigrad import entropy, program, sum, value_and_grad, var
from minigrad.learn import Momentum, count
from minigrad.tree import leaves, map_leaves, paths

STEP = 1e-6
TOLERANCE = 1e-5  # differences in float64: 1e-16 / STEP of a loss near 2, and no kink in between
SMALL = (3, 4, 4, 5)


def initial(**options):
    return resnet.initial(np.random.default_rng(0), **options)


def exact(U):
    """Parameters in float64, scales not 1 and shifts not 0."""
    rng = np.random.default_rng(9)
    return map_leaves(lambda w: w + 0.05 * rng.standard_normal(w.shape), U)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        # stem and its batchnorm, four stages, output layer
        ({}, 1728 + 128 + 147968 + 525568 + 2099712 + 8393728 + 5130),
        ({"classes": 128}, 11234496),
    ],
)
def test_the_parameters_are_as_many_as_by_hand(options, numbers):
    assert count(initial(**options)) == numbers


def test_a_stage_but_the_first_halves_the_maps_through_a_shortcut_of_its_own():
    U = initial(widths=(4, 4, 4, 4))
    found = {path.split("'")[1] for path, W in paths(U) if "shortcut" in path}
    assert found == {f"stage {stage} block 1" for stage in (2, 3, 4)}
    assert "shortcut" in initial(widths=SMALL)["stage 2 block 1"]
    X = normal(2, 4, 8, 6)
    shapes = [resnet.residual(X, exact(U["stage 2 block 1"]), stride).shape for stride in (1, 2)]
    assert shapes == [(2, 4, 8, 6), (2, 4, 4, 3)]


def test_a_block_whose_units_give_0_passes_on_what_is_positive():
    U = initial(widths=SMALL)["stage 1 block 2"]
    W, (gamma, beta) = U["second"]
    X = normal(2, 3, 4, 4)
    Z = resnet.residual(X, {**U, "second": (W, (0 * gamma, beta))})
    assert_array_equal(Z, np.maximum(X, 0))


@pytest.mark.parametrize("order", [np.ascontiguousarray, batch_last])
@pytest.mark.parametrize(("h", "w"), [(32, 32), (17, 24)])
def test_there_is_a_logit_for_each_class_of_images_of_any_size(order, h, w):
    X = order(normal(2, 3, h, w).astype(np.float32))
    A = resnet.network(X, initial(classes=7, widths=SMALL), training=True)
    assert (A.shape, A.dtype) == ((2, 7), np.float32)
    assert_allclose(
        A, resnet.network(X.copy("C"), initial(classes=7, widths=SMALL), training=True), atol=1e-4
    )


def test_training_fills_a_state_for_every_batchnorm_and_use_leaves_it_alone():
    U, state, X = initial(widths=SMALL), {}, normal(4, 3, 8, 8).astype(np.float32)
    resnet.network(X, U, state=state, training=True)
    units = [path for path, W in paths(U) if W.ndim == 4]
    assert len(leaves(state)) == 2 * len(units)
    before = map_leaves(np.copy, state)
    alone = resnet.network(X[:1], U, state=state)
    assert_allclose(resnet.network(X, U, state=state)[:1], alone, rtol=1e-4, atol=1e-5)
    for a, b in zip(leaves(before), leaves(state)):
        assert_array_equal(a, b)


def test_use_without_a_state_is_refused():
    with pytest.raises(ValueError, match="batchnorm: in use the statistics are those in state"):
        resnet.network(normal(2, 3, 8, 8), initial(widths=SMALL))


def test_plain_nodes_give_the_same_numbers():
    U, X, T = exact(initial(widths=SMALL)), normal(3, 3, 8, 8), np.array([0, 3, 9])
    states = {}, {}
    (L, dU), (plain, dplain) = (
        value_and_grad(resnet.loss)(U, X, T, state=state, fused=fused)
        for state, fused in zip(states, (True, False))
    )
    assert_allclose(L, plain, rtol=1e-12)
    pairs = [*zip(leaves(dU), leaves(dplain)), *zip(*map(leaves, states))]
    for a, b in pairs:
        assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    used, as_plain = (resnet.network(X, U, state=states[0], fused=fused) for fused in (True, False))
    assert_allclose(used, as_plain, rtol=1e-12)


def test_the_loss_adds_the_decay_of_the_weights_alone():
    U, X, T = exact(initial(widths=SMALL)), normal(3, 3, 8, 8), np.array([0, 3, 9])
    D = entropy(resnet.network(X, U, training=True), T)
    squares = np.sum([(W**2).sum() for W in leaves(U) if W.ndim > 1])
    assert_allclose(resnet.loss(U, X, T, rate=0.1), D + 0.05 * squares)
    assert_allclose(resnet.loss(U, X, T), resnet.loss(U, X, T, rate=5e-4), rtol=0)


def test_weights_are_pytorchs_by_default_and_hes_by_name():
    widths = 16, 16, 16, 64
    for name, W in paths(initial(classes=64, widths=widths)):
        if W.ndim > 1 or name.startswith("['output']"):
            fan_in = 64 if W.ndim < 4 else W[0].size
            assert abs(W).max() <= 1 / np.sqrt(fan_in)
            assert_allclose(W.std(), 1 / np.sqrt(3 * fan_in), rtol=0.2)  # of 64 draws at least
    he = initial(classes=64, widths=widths, weights="he")
    assert_allclose(he["stage 4 block 2"]["second"][0].std(), np.sqrt(2 / (9 * 64)), rtol=0.05)
    assert_allclose(he["output"][0].std(), np.sqrt(1 / 64), rtol=0.05)
    assert not he["output"][1].any()
    with pytest.raises(ValueError, match='weights are "uniform" or "he", not \'tb\''):
        initial(weights="tb")


def test_of_96_x_96_all_is_seen_and_by_the_official_pooling_the_upper_left():
    U, X = initial(widths=(2, 2, 2, 2)), normal(2, 3, 96, 96).astype(np.float32)
    Z = resnet.unit(X, U["stem"])
    for stage in range(4):
        for i in range(resnet.BLOCKS):
            Z = resnet.residual(Z, U[resnet.name(stage, i)], resnet.stride(stage, i))
    assert Z.shape == (2, 2, 12, 12)
    for pool, seen in ((None, Z), (7, Z[:, :, :7, :7]), (12, Z)):
        found = resnet.features(X, U, pool=pool)
        assert_allclose(found, seen.mean((2, 3)), rtol=1e-5, atol=1e-6)


def test_two_views_are_normalised_together_or_each_by_its_own_statistics():
    U, A, B = initial(widths=SMALL), normal(4, 3, 8, 8), 3 + normal(4, 3, 8, 8, seed=1)
    both = np.concatenate([A, B]).astype(np.float32)
    states = {}, {}
    own = resnet.embedding(both, U, state=states[0], training=True, views=2)
    alone = [resnet.embedding(both[i : i + 4], U, state=states[1], training=True) for i in (0, 4)]
    assert_allclose(own, np.concatenate(alone), rtol=1e-4, atol=1e-5)
    for a, b in zip(leaves(states[0]), leaves(states[1]), strict=True):
        assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    shared = resnet.embedding(both, U, training=True)
    assert abs(shared - own).max() > 0.1
    used = [resnet.embedding(both, U, state=states[0], views=views) for views in (1, 2)]
    assert_allclose(*used, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", ["stem", "stage 1 block 1", "stage 2 block 1", "output"])
def test_the_gradient_of_the_loss_agrees_with_differences_along_a_direction(part):
    U, X, T = exact(initial(widths=SMALL)), normal(3, 3, 8, 8), np.array([0, 3, 9])
    rng = np.random.default_rng(4)
    V = {
        name: map_leaves(lambda w, name=name: (name == part) * rng.standard_normal(w.shape), own)
        for name, own in U.items()
    }
    ends = [resnet.loss(map_leaves(lambda w, v, h=h: w + h * v, U, V), X, T) for h in (STEP, -STEP)]
    _, dU = value_and_grad(resnet.loss)(U, X, T)
    along = np.sum([(g * v).sum() for g, v in zip(leaves(dU), leaves(V))])
    assert abs(along) > 0.01
    assert_allclose(along, (ends[0] - ends[1]) / (2 * STEP), rtol=TOLERANCE)


def test_a_block_is_written_out_as_a_script():
    U = var(exact(initial(widths=SMALL)["stage 2 block 1"]))
    X = var(normal(2, 3, 4, 4))
    L = sum(resnet.residual(X, U, 2) * positive(2, 4, 2, 2))
    holds(program(L), L, X=X)


def test_a_few_steps_lower_the_loss():
    X, T = normal(8, 3, 8, 8).astype(np.float32), np.arange(8)
    U, state = initial(widths=(4, 6, 6, 8)), {}
    optimiser, losses = Momentum(U), []
    for _ in range(10):
        loss, dU = value_and_grad(resnet.loss)(U, X, T, state=state)
        optimiser.step(dU, 0.05)
        losses.append(float(loss))
    assert losses[-1] < 0.6 * losses[0]
