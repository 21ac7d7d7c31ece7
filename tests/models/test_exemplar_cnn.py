import numpy as np
import pytest
from minigrad.models import exemplar_cnn
from numeric import normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import value_and_grad
from minigrad.data import digits, surrogates
from minigrad.learn import Momentum, count
from minigrad.nodes import conv, maxpool, relu
from minigrad.tree import leaves, map_leaves

STEP = 1e-6
# Differences in float64 are wrong by some 1e-16 / STEP = 1e-10 and by STEP^2; a kink of relu or a
# tie of two maxima between both ends would be seen: none lies there with these seeds.
TOLERANCE = 1e-6


def initial(seed=0, **options):
    return exemplar_cnn.initial(np.random.default_rng(seed), **{"classes": 5, **options})


def exact(U):
    """Parameters in float64, the biases not 0 either."""
    rng = np.random.default_rng(9)
    return map_leaves(lambda w: w + 0.05 * rng.standard_normal(w.shape), U)


@pytest.fixture(scope="module")
def images():
    return 2 * digits()[0][:6] - 1


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        # conv1, conv2, hidden (32 maps of 4 x 4), output: weights and biases
        (
            {"classes": 400},
            (25 * 32 + 32) + (25 * 32 * 32 + 32) + (512 * 128 + 128) + (128 * 400 + 400),
        ),
        (
            {"classes": 3, "channels": 3, "side": 32, "widths": (4, 6, 8)},
            (25 * 3 * 4 + 4) + (25 * 4 * 6 + 6) + (6 * 64 * 8 + 8) + (8 * 3 + 3),
        ),
    ],
    ids=["the example's", "colours"],
)
def test_the_parameters_are_as_many_as_by_hand(options, numbers):
    assert count(initial(**options)) == numbers


def test_the_first_weights_are_hes_the_last_ones_a_tenth_and_the_biases_0():
    U = initial(classes=400)
    deviations = {"conv1": (2 / 25) ** 0.5, "conv2": (2 / 800) ** 0.5, "hidden": (2 / 512) ** 0.5}
    for name, deviation in {**deviations, "output": 0.1 / 128**0.5}.items():
        W, b = U[name]
        assert W.dtype == b.dtype == np.float32
        assert_allclose(W.std(), deviation, rtol=0.1)  # of 800 draws; the others are many more
        assert not b.any()


def test_the_first_weights_are_those_of_the_seed():
    for a, b, c in zip(*(leaves(initial(seed)) for seed in (1, 1, 2))):
        assert_array_equal(a, b)
        assert a.ndim == 1 or (a != c).any()


@pytest.mark.parametrize("side", [6, 15, 17, 30])
def test_a_side_that_cannot_be_halved_twice_is_refused(side):
    with pytest.raises(ValueError, match=f"exemplar_cnn: .* {side} is not a multiple of 4"):
        initial(side=side)


@pytest.mark.parametrize(("channels", "side"), [(1, 16), (3, 8), (1, 20)])
def test_there_is_a_logit_for_each_class_and_features_of_each_layer(channels, side):
    X = normal(6, channels, side, side).astype(np.float32)
    U = initial(channels=channels, side=side, widths=(4, 6, 8))
    logits, F = exemplar_cnn.network(X, U), exemplar_cnn.features(X, U)
    assert logits.shape == (6, 5)
    assert [block.shape for block in F] == [(6, 16), (6, 24), (6, 8)]
    assert {a.dtype for a in (logits, *F)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("widths", [(4, 6, 8), (4, 6, 5, 8), (4, 6, 5, 3, 8)])
def test_the_first_two_convolutions_are_pooled_and_all_cut_below_0(widths):
    X, U = normal(6, 3, 8, 8), exact(initial(channels=3, side=8, widths=widths))
    Z = exemplar_cnn.maps(X, U)
    sides = [4, 2, 2, 2]
    assert [z.shape for z in Z] == [(6, k, s, s) for k, s in zip(widths[:-1], sides, strict=False)]
    assert all(z.min() == 0 < z.max() for z in Z)
    assert exemplar_cnn.network(X, U).shape == (6, 5)


@pytest.mark.parametrize("widths", [(4, 6, 8), (4, 6, 5, 8)])
def test_plain_nodes_give_the_same_numbers_as_fused_ones(widths):
    X, T = normal(9, 3, 8, 8), np.arange(9) % 5
    U = exact(initial(channels=3, side=8, widths=widths))

    def both(fused):
        f = value_and_grad(lambda U, X: exemplar_cnn.loss(U, X, T, rng=rng(), fused=fused))
        return leaves(f(U, X))

    def rng():
        return np.random.default_rng(0)

    for a, b in zip(both(True), both(False), strict=True):
        assert_allclose(a, b, atol=1e-13)


def test_one_convolution_is_refused():
    with pytest.raises(ValueError, match=r"exemplar_cnn: widths are two convolutions .* \(4, 8\)"):
        initial(widths=(4, 8))


@pytest.mark.parametrize(("h", "w", "rows", "columns"), [(6, 6, 3, 3), (7, 5, 4, 3)])
def test_quadrants_are_the_greatest_value_of_each_quarter(h, w, rows, columns):
    Z = normal(2, 3, h, w)
    halves = [(slice(rows), slice(rows, h)), (slice(columns), slice(columns, w))]
    quarters = [Z[:, :, r, c].max((2, 3)) for r in halves[0] for c in halves[1]]
    assert_array_equal(exemplar_cnn.quadrants(Z), np.stack(quarters, -1).reshape(2, 12))


def test_features_are_what_the_networks_layers_compute(images):
    U = exact(initial())
    F = exemplar_cnn.features(images.astype(float), U)
    Z1 = relu(conv(images.astype(float), U["conv1"], padding=2))
    Z2 = relu(conv(maxpool(Z1, 2), U["conv2"], padding=2))
    assert_array_equal(F[0], exemplar_cnn.quadrants(Z1))
    assert_array_equal(F[1], exemplar_cnn.quadrants(Z2))
    W, b = U["output"]
    assert_allclose(F[2] @ W + b, exemplar_cnn.network(images.astype(float), U), rtol=1e-12)


def test_larger_images_have_the_hidden_units_of_every_place_by_quadrants():
    U = exact(initial(widths=(4, 6, 8)))
    X = normal(2, 1, 24, 28)
    Z = exemplar_cnn.maps(X, U)[-1]  # (2, 6, 6, 7), the hidden units see 4 x 4 of it
    W, b = U["hidden"]
    places = np.array(
        [
            [np.maximum(Z[:, :, y : y + 4, x : x + 4].reshape(2, -1) @ W + b, 0) for x in range(4)]
            for y in range(3)
        ]
    ).transpose(2, 3, 0, 1)
    hidden = exemplar_cnn.features(X, U)[-1]
    assert hidden.shape == (2, 4 * 8)
    assert_allclose(hidden, exemplar_cnn.quadrants(places), rtol=1e-10)


def test_outside_training_nothing_is_drawn_and_features_of_an_image_are_its_own(images):
    U = initial()
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    logits = exemplar_cnn.network(images, U, rng=rng)
    assert rng.bit_generator.state == before
    assert_array_equal(logits, exemplar_cnn.network(images, U))
    for together, alone in zip(
        exemplar_cnn.features(images, U), exemplar_cnn.features(images[:1], U)
    ):
        assert_allclose(together[:1], alone, rtol=1e-5, atol=1e-6)  # float32, summed in other order


def test_in_training_half_of_the_hidden_units_are_dropped(images):
    U = initial()
    draws = [
        exemplar_cnn.network(images, U, rng=np.random.default_rng(seed), training=True)
        for seed in (0, 0, 1)
    ]
    assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    H = exemplar_cnn.features(images, U)[2]
    mask = np.random.default_rng(0).random(H.shape, np.float32) >= 0.5
    W, b = U["output"]
    assert_allclose(draws[0], 2 * H * mask @ W + b, rtol=1e-4, atol=1e-6)  # float32


def test_the_loss_trains_with_dropout_and_adds_the_decay_of_the_weights_alone(images):
    U, T = exact(initial()), np.array([0, 1, 2, 3, 4, 0])
    X = images.astype(float)

    def loss(**options):
        return exemplar_cnn.loss(U, X, T, rng=np.random.default_rng(0), **options)

    A = exemplar_cnn.network(X, U, rng=np.random.default_rng(0), training=True)
    P = np.exp(A) / np.exp(A).sum(1, keepdims=True)
    entropy = -np.log(P[np.arange(6), T]).mean()
    assert_allclose(loss(rate=0), entropy)
    squares = sum((W**2).sum() for W, b in U.values())
    assert_allclose(loss(rate=0.1), entropy + 0.05 * squares)
    assert_allclose(loss(), loss(rate=4e-4), rtol=0)


def test_training_without_a_generator_is_refused(images):
    with pytest.raises(ValueError, match="dropout: training draws a mask: give rng="):
        exemplar_cnn.loss(initial(), images, np.zeros(6, int))


@pytest.mark.parametrize("part", ["conv1", "conv2", "hidden", "output", "all"])
def test_the_gradient_of_the_loss_agrees_with_differences_along_a_direction(images, part):
    U, X, T = exact(initial()), images.astype(float), np.array([0, 1, 2, 3, 4, 0])

    def loss(U):
        return exemplar_cnn.loss(U, X, T, rate=0.1, rng=np.random.default_rng(3))

    rng = np.random.default_rng(4)
    V = {
        name: tuple((part in (name, "all")) * rng.standard_normal(w.shape) for w in pair)
        for name, pair in U.items()
    }
    ends = [loss(map_leaves(lambda w, v, h=h: w + h * v, U, V)) for h in (STEP, -STEP)]
    _, dU = value_and_grad(loss)(U)
    along = sum((g * v).sum() for g, v in zip(leaves(dU), leaves(V)))
    assert abs(along) > 0.01
    assert_allclose(along, (ends[0] - ends[1]) / (2 * STEP), rtol=TOLERANCE)


@pytest.mark.parametrize("seed", range(5))
def test_a_few_steps_on_five_seeds_lower_the_loss(seed):
    rng = np.random.default_rng(seed)
    X, T = surrogates(digits()[0][rng.choice(900, 5, replace=False)], 10, rng)
    X, U = 2 * (X - X.mean(0)), exemplar_cnn.initial(rng, classes=5)
    optimiser, losses = Momentum(U), []
    for _ in range(15):
        loss, dU = value_and_grad(exemplar_cnn.loss)(U, X, T, rng=rng)
        optimiser.step(dU, 0.05)
        losses.append(float(loss))
    assert abs(losses[0] - np.log(5)) < 0.5  # small output weights: it begins at a guess
    assert losses[-1] < 0.6 * losses[0]
