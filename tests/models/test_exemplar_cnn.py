import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import exemplar_cnn
from minigrad.models.exemplar_cnn import Convolution, architecture
from numeric import GOLDEN, normal
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
    ("code", "layers", "hidden"),
    [
        ("64c5-64c5-128f", [(64, 5, 1, 2), (64, 5, 1, 2)], 128),
        ("64c5-128c5-256c5-512f", [(64, 5, 1, 2), (128, 5, 1, 2), (256, 5, 1, 1)], 512),
        ("92c5-256c5-512c5-1024f", [(92, 5, 1, 2), (256, 5, 1, 2), (512, 5, 1, 1)], 1024),
        ("64c7s2-128c5-256c5-512f", [(64, 7, 2, 2), (128, 5, 1, 2), (256, 5, 1, 1)], 512),
        ("64c5p3-64c5p3-128f", [(64, 5, 1, 3), (64, 5, 1, 3)], 128),
        ("8c11s2p3-4f", [(8, 11, 2, 3)], 4),
    ],
)
def test_a_code_names_the_layers(code, layers, hidden):
    assert architecture(code) == (tuple(Convolution(*layer) for layer in layers), hidden)


@pytest.mark.parametrize(
    ("code", "place", "expected"),
    [
        ("64c5-64x5-128f", 7, "c, a convolution, or f, the hidden units"),
        ("", 0, "a number of maps or units"),
        ("64c5-0c5-128f", 5, "a number of maps or units"),
        ("128f", 3, "c, a convolution"),
        ("64C5-128f", 2, "c, a convolution"),
        ("64c-128f", 3, "an odd side of the filters"),
        ("64c4-128f", 3, "an odd side of the filters"),
        ("64c5s-128f", 5, "a stride"),
        ("64c5p2-128f", 5, "3, the side of the pooling"),
        ("4c5-4c5-4c5p3-8f", 11, "a hyphen and the next layer"),
        ("64c5_64c5-128f", 4, "a hyphen and the next layer"),
        ("64c5", 4, "a hyphen and the next layer"),
        ("64c5-128f-10f", 9, "the end behind the hidden units"),
        ("64c5-128f\n", 9, "the end behind the hidden units"),
        ("64c5-٦٤f", 5, "a number of maps or units"),
    ],
)
def test_a_wrong_code_is_refused_with_a_caret_under_the_wrong_character(code, place, expected):
    with pytest.raises(ValueError) as caught:
        architecture(code)
    sentence = str(caught.value)
    assert sentence.startswith(f"architecture: {code!r} is not like 64c5-64c5-128f: expected is ")
    assert expected in sentence
    assert sentence.endswith(f"\n    {code}\n    {' ' * place}^")


@given(
    st.lists(
        st.tuples(st.integers(1, 2000), st.sampled_from([1, 3, 5, 7, 11, 25]), st.integers(1, 12)),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 5000),
)
def test_any_layers_can_be_written_as_a_code(layers, hidden):
    words = [f"{maps}c{size}s{stride}" for maps, size, stride in layers]
    found = architecture("-".join([*words, f"{hidden}f"]))
    assert [layer[:3] for layer in found.convolutions] == layers
    assert [layer.pool for layer in found.convolutions] == [2, 2, 1, 1, 1][: len(layers)]
    assert found.hidden == hidden


@pytest.mark.parametrize(
    ("code", "below", "per_class"),
    [
        ("64c5-64c5-128f", 4864 + 102_464 + (64 * 64 * 128 + 128), 129),
        ("64c5-128c5-256c5-512f", 4864 + 204_928 + 819_456 + (256 * 64 * 512 + 512), 513),
        ("92c5-256c5-512c5-1024f", 6992 + 589_056 + 3_277_312 + (512 * 64 * 1024 + 1024), 1025),
    ],
)
@pytest.mark.parametrize("classes", [8000, 16000])
def test_the_papers_networks_are_as_large_as_by_hand(code, below, per_class, classes):
    sizes = exemplar_cnn.shapes(classes, 3, 32, code)
    numbers = [math.prod(shape) for pair in sizes.values() for shape in pair]
    assert math.fsum(numbers) == below + per_class * classes


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        # conv1, conv2, hidden (32 maps of 4 x 4), output: weights and biases
        (
            {"classes": 400},
            (25 * 32 + 32) + (25 * 32 * 32 + 32) + (512 * 128 + 128) + (128 * 400 + 400),
        ),
        (
            {"classes": 3, "channels": 3, "side": 32, "code": "4c5-6c5-8f"},
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


def test_the_weights_for_an_embedding_have_a_head_ten_times_as_large():
    U, V = initial(), initial(weights="embedding")
    assert_allclose(V["output"][0], 10 * U["output"][0], rtol=1e-6)
    for name in ("conv1", "conv2", "hidden"):
        assert_array_equal(V[name][0], U[name][0])


@pytest.mark.parametrize(
    ("code", "deviations", "bias"),
    [
        ("64c5-64c5-128f", [1e-4, 0.01, 0.005, 0.01], 0),
        ("64c5-64c5-96c5-128f", [0.05, 0.02, 0.01, 0.01, 0.005], 0.1),
    ],
)
def test_the_toolboxs_weights_have_its_deviations_and_biases(code, deviations, bias):
    U = initial(classes=50, channels=3, side=16, code=code, weights="tb")
    for (name, (W, b)), deviation in zip(U.items(), deviations, strict=True):
        assert_allclose(W.std(), deviation, rtol=0.05)  # of 4800 draws; the others are many more
        assert_allclose(b, 0 if name == "output" else bias)


@pytest.mark.parametrize(
    ("code", "weights"), [("4c5-8f", "tb"), ("4c5-4c5-8f", "glorot"), ("4c5-4c5-8f", None)]
)
def test_weights_that_nobody_gave_are_refused(code, weights):
    with pytest.raises(ValueError, match=f"weights are .* not {weights!r} for {code}"):
        initial(code=code, weights=weights)


def test_the_first_weights_are_those_of_the_seed():
    for a, b, c in zip(*(leaves(initial(seed)) for seed in (1, 1, 2))):
        assert_array_equal(a, b)
        assert a.ndim == 1 or (a != c).any()


@pytest.mark.parametrize(
    ("side", "code", "divisor"),
    [(6, "4c5-4c5-8f", 4), (15, "4c5-8f", 2), (20, "4c7s2-4c5-8f", 8), (0, "4c5p3-4c5p3-8f", 4)],
)
def test_a_side_that_strides_and_poolings_do_not_divide_is_refused(side, code, divisor):
    with pytest.raises(ValueError, match=f"{code} .* {side} is not a multiple of {divisor}"):
        initial(side=side, code=code)


@pytest.mark.parametrize(("channels", "side"), [(1, 16), (3, 8), (1, 20)])
def test_there_is_a_logit_for_each_class_and_features_of_each_layer(channels, side):
    X = normal(6, channels, side, side).astype(np.float32)
    U = initial(channels=channels, side=side, code="4c5-6c5-8f")
    logits, F = exemplar_cnn.network(X, U), exemplar_cnn.features(X, U)
    assert logits.shape == (6, 5)
    assert [block.shape for block in F] == [(6, 16), (6, 24), (6, 8)]
    assert {a.dtype for a in (logits, *F)} == {np.dtype(np.float32)}


CODES = ["4c5-6c5-8f", "4c5-6c3-5c5-8f", "4c7s2-6c5-5c5-8f", "4c5p3-6c5p3-5c1-8f", "4c5-8f"]


@pytest.mark.parametrize("code", CODES)
def test_maps_are_relu_of_padded_convolutions_pooled_as_the_code_says(code):
    X, U = normal(6, 3, 16, 16), exact(initial(channels=3, code=code))
    Z = X
    for found, (name, layer) in zip(
        exemplar_cnn.maps(X, U, code), zip(U, architecture(code).convolutions), strict=True
    ):
        Z = relu(conv(Z, U[name], stride=layer.stride, padding=layer.size // 2))
        if layer.pool > 1:
            Z = maxpool(Z, layer.pool, 2, ceil=True)
        assert_allclose(found, Z, rtol=1e-10, atol=1e-12)
    assert exemplar_cnn.network(X, U, code=code).shape == (6, 5)


def test_without_a_code_strides_are_1_and_two_poolings_2_x_2():
    code = "4c5-6c5-5c5-8f"
    X, U = normal(6, 3, 16, 16), exact(initial(channels=3, code=code))
    assert_array_equal(exemplar_cnn.network(X, U), exemplar_cnn.network(X, U, code=code))


def test_a_code_of_other_parameters_is_refused():
    X, U = normal(6, 1, 16, 16), initial(code="4c5-6c5-8f")
    with pytest.raises(ValueError, match="4c5-8f has 1, the parameters have 2 convolutions"):
        exemplar_cnn.network(X, U, code="4c5-8f")


@pytest.mark.parametrize("code", CODES)
def test_plain_nodes_give_the_same_numbers_as_fused_ones(code):
    X, T = normal(9, 3, 16, 16), np.arange(9) % 5
    U = exact(initial(channels=3, code=code))

    def both(fused):
        loss = lambda U, X: exemplar_cnn.loss(U, X, T, code=code, rng=rng(), fused=fused)
        return leaves(value_and_grad(loss)(U, X))

    def rng():
        return np.random.default_rng(0)

    for a, b in zip(both(True), both(False), strict=True):
        assert_allclose(a, b, atol=1e-13)


@pytest.mark.parametrize(("h", "w", "rows", "columns"), [(6, 6, 3, 3), (7, 5, 4, 3)])
def test_quadrants_are_the_greatest_value_of_each_quarter(h, w, rows, columns):
    Z = normal(2, 3, h, w)
    halves = [(slice(rows), slice(rows, h)), (slice(columns), slice(columns, w))]
    quarters = [Z[:, :, r, c].max((2, 3)) for r in halves[0] for c in halves[1]]
    assert_array_equal(exemplar_cnn.greatest(Z), np.stack(quarters, -1).reshape(2, 12))


@pytest.mark.parametrize(
    ("pooling", "entry"),
    [("quadrants", "quadrant_pool_ceil"), ("pyramid", "pyramid_pool_adaptive")],
)
def test_poolings_of_maps_have_the_golden_values(golden, pooling, entry):
    entry = golden(entry)
    Z = entry.inputs["X"]
    assert_allclose(
        exemplar_cnn.greatest(Z, pooling), entry.outputs["Z"].reshape(len(Z), -1), **GOLDEN
    )


@pytest.mark.parametrize("pooling", exemplar_cnn.POOLINGS)
def test_a_map_of_one_value_stays_one_and_narrow_maps_have_all_cells(pooling):
    cells = {"quadrants": 4, "pyramid": 21, "cells": 16}[pooling]
    assert_array_equal(exemplar_cnn.greatest(normal(2, 3, 1, 1), pooling), normal(2, 3))
    assert exemplar_cnn.greatest(normal(2, 3, 1, 5), pooling).shape == (2, 3 * cells)


def test_another_pooling_is_refused():
    with pytest.raises(ValueError, match="pooling is quadrants or pyramid or cells, not 'mean'"):
        exemplar_cnn.features(normal(1, 1, 16, 16), initial(), pooling="mean")


def test_features_are_what_the_networks_layers_compute(images):
    U = exact(initial())
    F = exemplar_cnn.features(images.astype(float), U)
    Z1 = relu(conv(images.astype(float), U["conv1"], padding=2))
    Z2 = relu(conv(maxpool(Z1, 2), U["conv2"], padding=2))
    assert_array_equal(F[0], exemplar_cnn.greatest(Z1))
    assert_array_equal(F[1], exemplar_cnn.greatest(Z2))
    W, b = U["output"]
    assert_allclose(F[2] @ W + b, exemplar_cnn.network(images.astype(float), U), rtol=1e-12)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("pooling", exemplar_cnn.POOLINGS)
def test_features_are_of_maps_before_their_own_pooling_on_odd_images_too(code, pooling):
    X, U = normal(3, 3, 33, 27), exact(initial(channels=3, code=code))
    F, Z = exemplar_cnn.features(X, U, code, pooling), X
    assert len(F) == len(U) - 1
    for found, layer, name in zip(F, architecture(code).convolutions, U):
        A = relu(conv(Z, U[name], stride=layer.stride, padding=layer.size // 2))
        assert_allclose(found, exemplar_cnn.greatest(A, pooling), rtol=1e-10, atol=1e-12)
        Z = maxpool(A, layer.pool, 2, ceil=layer.pool == 3) if layer.pool > 1 else A


def test_features_come_in_batches_that_are_prepared_one_by_one(monkeypatch):
    X, U = normal(7, 1, 16, 16), exact(initial(code="4c5-6c5-8f"))
    whole, seen = exemplar_cnn.features(3 * X, U), []

    def prepare(batch):
        seen.append(len(batch))
        return 3 * batch

    monkeypatch.setattr(exemplar_cnn, "ENTRIES", 3 * 4 * 16 * 16)
    for a, b in zip(exemplar_cnn.features(X, U, prepare=prepare), whole, strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert seen == [3, 3, 1]


def test_images_smaller_than_those_of_training_are_refused():
    U = initial(code="4c5-6c5-8f")
    with pytest.raises(ValueError, match="their last maps are 3 x 5, those were 4 x 4"):
        exemplar_cnn.features(normal(1, 1, 15, 20), U)


def test_larger_images_have_the_hidden_units_of_every_place_by_quadrants():
    U = exact(initial(code="4c5-6c5-8f"))
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
    assert_allclose(hidden, exemplar_cnn.greatest(places), rtol=1e-10)


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
    squares = {name: (W**2).sum() for name, (W, b) in U.items()}
    expected = entropy + 0.05 * squares["hidden"] + 0.2 * squares["output"]
    assert_allclose(loss(rate={"hidden": 0.1, "output": 0.4}), expected)


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
