import numpy as np
import pytest
from minigrad.models import alexnet, exemplar_cnn, lenet
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import conv, flatten, grad, maxpool, mul, relu
from minigrad import sum as total
from minigrad.evaluate import (
    Field,
    Filters,
    Pool,
    cut,
    feature_maps,
    only,
    receptive_field,
    strongest,
    to_image,
)

DOT = np.ones((1, 1, 1, 1))  # a filter of one pixel


def spots(*places, shape=(6, 6)):
    """An image of zeros for each (y, x, value)."""
    X = np.zeros((len(places), 1, *shape))
    for image, (y, x, value) in zip(X, places):
        image[0, y, x] = value
    return X


def random_layers(rng):
    """Two convolutions and two poolings, of every option."""
    return [
        Filters(rng.normal(size=(4, 2, 3, 2)), rng.normal(size=4), stride=2, padding=1),
        Pool(3, 2, ceil=True),
        Filters(rng.normal(size=(6, 2, 2, 2)), None, padding=1, groups=2),
        Pool(2, 1, padding=1),
    ]


def alexnets_layers(U):
    layers = [
        Filters(*U[f"conv{i}"], stride=4 if i == 1 else 1, padding=(0, 2, 1, 1, 1)[i - 1])
        for i in range(1, 6)
    ]
    return [layers[0], Pool(3, 2), layers[1], Pool(3, 2), *layers[2:], Pool(3, 2)]


# receptive fields


def test_a_field_grows_by_the_window_less_one_times_all_strides_below():
    layers = [Filters(np.ones((1, 1, 3, 3))), Pool(2), Filters(np.ones((1, 1, 3, 3)))]
    assert receptive_field(layers) == Field((8, 8), (2, 2), (0, 0))  # 3, 3 + 1, 4 + 2 * 2


def test_padding_moves_the_field_out_of_the_image_by_its_strides_below():
    layers = [Pool(2), Filters(np.ones((1, 1, 3, 5)), padding=(1, 2))]
    assert receptive_field(layers) == Field((6, 10), (2, 2), (-2, -4))


def test_no_layer_sees_one_pixel():
    assert receptive_field([]) == Field((1, 1), (1, 1), (0, 0))


def test_alexnets_last_units_see_195_pixels_in_steps_of_32():
    U = {
        name: (np.broadcast_to(0, W), np.broadcast_to(0, b))
        for name, (W, b) in alexnet.shapes().items()
        if name.startswith("conv")
    }
    assert receptive_field(alexnets_layers(U)) == Field((195, 195), (32, 32), (-64, -64))


def test_a_unit_changes_with_the_pixels_of_its_field_and_no_others():
    rng = np.random.default_rng(0)
    layers = random_layers(rng)
    field, X = receptive_field(layers), rng.normal(size=(1, 2, 15, 14))
    A = feature_maps(X, layers)
    outside = X.copy()
    place = np.array([2, 3])
    top, left = np.array(field.start) + place * field.step
    seen = np.zeros((15, 14), bool)
    seen[max(top, 0) : top + field.size[0], max(left, 0) : left + field.size[1]] = True
    assert 0 < seen.sum() < seen.size
    outside[:, :, ~seen] = rng.normal(size=(1, 2, (~seen).sum()))
    B = feature_maps(outside, layers)
    assert_array_equal(A[..., 2, 3], B[..., 2, 3])
    assert (A != B).any()
    S = np.zeros_like(A)
    S[..., 2, 3] = 1
    rows, columns = np.nonzero(to_image(X, layers, S).any((0, 1)))
    assert seen[rows, columns].all()
    # the field is no larger than it must be: its first and last row and column matter
    S[...] = 0
    S[0, :, 2, 3] = 1
    everywhere = np.zeros((15, 14), bool)
    for _ in range(20):
        dX = to_image(rng.normal(size=X.shape), layers, S)
        everywhere |= dX.any((0, 1))
    assert_array_equal(np.ptp(np.argwhere(everywhere), 0), np.ptp(np.argwhere(seen), 0))


def test_a_field_wants_paddings_in_numbers():
    with pytest.raises(ValueError, match="receptive_field: a padding is given in numbers, not 's"):
        receptive_field([Filters(DOT, padding="same")])


# strongest patches


def test_a_detector_of_one_pixel_finds_the_brightest_pixels_in_their_order():
    X = spots((1, 2, 3.0), (5, 0, 9.0), (0, 5, 6.0), (3, 3, 1.0))
    images, places = strongest(feature_maps(X, [Filters(DOT)]), 0, k=3)
    assert_array_equal(images, [1, 2, 0])
    assert_array_equal(places, [[5, 0], [0, 5], [1, 2]])


def test_an_image_counts_once_and_of_equals_the_first():
    A = np.array([[[[5.0, 6.0]]], [[[7.0, 7.0]]], [[[6.0, 0.0]]]])
    images, places = strongest(A, 0, k=3)
    assert_array_equal(images, [1, 0, 2])
    assert_array_equal(places, [[0, 0], [0, 1], [0, 0]])


def test_patches_hold_what_the_unit_saw_and_nothing_beyond_the_border():
    X = np.arange(1.0, 17).reshape(1, 1, 4, 4).repeat(3, 0)
    field = receptive_field([Filters(np.ones((1, 1, 3, 3)), padding=1)])
    P = cut(X, np.array([[0, 0], [1, 2], [3, 3]]), field, outside=-1)
    assert_array_equal(P[0, 0], [[-1, -1, -1], [-1, 1, 2], [-1, 5, 6]])
    assert_array_equal(P[1, 0], [[2, 3, 4], [6, 7, 8], [10, 11, 12]])
    assert_array_equal(P[2, 0], [[11, 12, -1], [15, 16, -1], [-1, -1, -1]])


def test_a_patch_alone_gives_the_response_of_the_whole_image():
    rng = np.random.default_rng(1)
    W = [rng.normal(size=s) for s in ((3, 2, 3, 3), (2, 3, 3, 3))]
    layers = [Filters(W[0]), Pool(2), Filters(W[1])]
    X = rng.normal(size=(12, 2, 14, 14))
    A = feature_maps(X, layers)
    images, places = strongest(A, 1)
    P = cut(X[images], places, receptive_field(layers))
    assert P.shape == (9, 2, 8, 8)
    assert_allclose(feature_maps(P, layers)[:, 1, 0, 0], A[images, 1].max((1, 2)), rtol=1e-12)


@pytest.mark.parametrize(
    ("k", "unit", "message"),
    [
        (4, 0, "strongest: k is 1 to 3 for 3 images, not 4"),
        (0, 0, "strongest: k is 1 to 3 for 3 images, not 0"),
        (1, 2, "strongest: the maps are 0 to 1, there is no 2"),
        (1, -1, "strongest: the maps are 0 to 1, there is no -1"),
        (1, 1, "strongest: map of image 2 of 3 holds a value that is not finite"),
    ],
)
def test_what_cannot_be_found_is_refused(k, unit, message):
    A = np.zeros((3, 2, 2, 2))
    A[2, 1] = np.nan
    with pytest.raises(ValueError, match=message):
        strongest(A, unit, k)


def test_every_image_wants_a_place():
    with pytest.raises(ValueError, match=r"cut: 2 images want places \(2, 2\), not \(1, 2\)"):
        cut(np.zeros((2, 1, 3, 3)), np.zeros((1, 2), int), receptive_field([Filters(DOT)]))


# signals sent back to the image


def test_a_unit_of_one_filter_is_drawn_as_its_filter_where_it_answered():
    W = np.array([[[[1.0, -2.0], [0.0, 3.0]]]])
    X = spots((3, 4, 5.0))
    layers = [Filters(W)]
    A = feature_maps(X, layers)
    images, places = strongest(A, 0, k=1)
    view = to_image(X, layers, only(A, 0, places))
    assert A.max() == 15
    expected = np.zeros((6, 6))
    expected[2:4, 3:5] = 15 * W[0, 0]
    assert_array_equal(view[0, 0], expected)


def test_through_a_pooling_a_signal_goes_back_to_the_maximum():
    X = spots((3, 4, 5.0), (2, 1, 7.0))
    layers = [Filters(DOT), Pool(2)]
    A = feature_maps(X, layers)
    images, places = strongest(A, 0, k=2)
    assert_array_equal(to_image(X[images], layers, only(A[images], 0, places)), X[images])


def test_all_responses_but_one_are_set_to_zero():
    A = np.arange(16.0).reshape(2, 2, 2, 2)
    S = only(A, 1, np.array([[0, 1], [1, 0]]))
    assert S[0, 1, 0, 1] == 5
    assert S[1, 1, 1, 0] == 14
    assert np.count_nonzero(S) == 2


@pytest.mark.parametrize("seed", range(3))
def test_the_plain_rule_is_the_gradient_by_the_image(seed):
    rng = np.random.default_rng(seed)
    layers, X = random_layers(rng), rng.normal(size=(2, 2, 15, 14))
    S = rng.normal(size=feature_maps(X, layers).shape)

    def score(X):
        for layer in layers:
            if isinstance(layer, Pool):
                X = maxpool(X, *layer)
            else:
                W, b, *options, groups = layer
                X = relu(conv(X, (W, b), *options, groups=groups))
        return total(mul(X, S))

    assert_allclose(to_image(X, layers, S, "gradient"), grad(score)(X), atol=1e-12)


def test_at_the_relu_the_rules_let_through_what_is_positive_forward_backward_or_both():
    X, S = np.array([[[[2.0, 2.0, -2.0, -2.0]]]]), np.array([[[[5.0, -5.0, 5.0, -5.0]]]])
    got = {r: to_image(X, [Filters(DOT)], S, r)[0, 0, 0].tolist() for r in RULES}
    assert got == {
        "gradient": [5, -5, 0, 0],
        "deconvnet": [5, 0, 5, 0],
        "guided": [5, 0, 0, 0],
    }


RULES = ("gradient", "deconvnet", "guided")


@pytest.mark.parametrize("rule", RULES)
def test_a_signal_of_float32_stays_one(rule):
    layers = [Filters(np.ones((2, 1, 3, 3), np.float32), padding=1), Pool(2)]
    X = np.ones((2, 1, 4, 4), np.float32)
    assert to_image(X, layers, feature_maps(X, layers), rule).dtype == np.float32


def test_another_rule_and_a_signal_of_another_shape_are_refused():
    X, layers = np.zeros((1, 1, 4, 4)), [Filters(DOT), Pool(2)]
    with pytest.raises(ValueError, match="rule is one of deconvnet, guided, gradient, not 'relu'"):
        to_image(X, layers, np.zeros((1, 1, 2, 2)), "relu")
    with pytest.raises(ValueError, match=r"the last maps are \(1, 1, 2, 2\), and so is S, not \(1"):
        to_image(X, layers, np.zeros((1, 1, 4, 4)))
    with pytest.raises(ValueError, match="only: the maps are 0 to 0, there is no 3"):
        only(np.zeros((1, 1, 2, 2)), 3, np.zeros((1, 2), int))


# the networks of the library


def test_lenet_as_a_list_of_layers_makes_the_maps_that_its_logits_come_from():
    rng = np.random.default_rng(0)
    U, X = lenet.initial(rng), rng.normal(size=(2, 1, 28, 28)).astype(np.float32)
    layers = [Filters(*U["conv1"], padding=2), Pool(2), Filters(*U["conv2"]), Pool(2)]
    Z = flatten(feature_maps(X, layers))
    for name in ("hidden1", "hidden2"):
        Z = np.maximum(Z @ U[name][0] + U[name][1], 0)
    A = Z @ U["output"][0] + U["output"][1]
    assert_allclose(A, lenet.network(X, U), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("code", ["4c5-6c3-8f", "4c3s2-6c3p3-5c3-8f"])
def test_the_plan_of_an_exemplar_cnn_gives_its_layers(code):
    rng = np.random.default_rng(0)
    U = exemplar_cnn.initial(rng, 10, side=16, code=code)
    X = rng.normal(size=(2, 1, 16, 16)).astype(np.float32)
    layers = []
    for (W, b), stride, pool in exemplar_cnn.plan(U, code):
        layers.append(Filters(W, b, stride, W.shape[2] // 2))
        if pool > 1:
            layers.append(Pool(pool, 2, ceil=pool == 3))
    assert_allclose(
        feature_maps(X, layers), exemplar_cnn.maps(X, U, code)[-1], rtol=1e-4, atol=1e-5
    )
