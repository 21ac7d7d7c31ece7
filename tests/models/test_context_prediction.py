import numpy as np
import pytest
from minigrad.models import context_prediction as cp
from minigrad.models.context_prediction import PAPER, SMALL, Convolution, Net
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import var
from minigrad.tree import leaves, map_leaves

TINY = Net(
    12,
    (Convolution(4, 5, pool=True, lrn=True), Convolution(6, 3, norm=True, pool=True)),
    5,
    (7, 6),
)


def parameters(net=TINY, seed=0):
    U = cp.initial(np.random.default_rng(seed), net)
    rng = np.random.default_rng(seed + 1)
    return map_leaves(lambda a: a + 0.1 * rng.standard_normal(a.shape), U)


def patches(n=4, net=TINY, seed=2):
    rng = np.random.default_rng(seed)
    X1, X2 = rng.standard_normal((2, n, 3, net.patch, net.patch))
    return X1, X2, rng.integers(8, size=n)


def test_the_papers_network_has_its_layers_and_its_63_561_096_parameters():
    counts = {name: int(np.prod(W) + np.prod(b)) for name, (W, b) in cp.shapes(PAPER).items()}
    assert counts == {
        "conv1": 34_944,
        "conv2": 614_656,
        "conv3": 885_120,
        "conv4": 1_327_488,
        "conv5": 884_992,
        "fc6": 9_441_280,
        "fc7": 33_558_528,
        "fc8": 16_781_312,
        "fc9": 32_776,
    }
    assert sum(counts.values()) == 63_561_096


def test_the_papers_maps_are_of_24_12_6_and_3_pixels_and_only_five_layers_are_normalised():
    narrow = PAPER._replace(
        convolutions=tuple(c._replace(maps=c.maps // 32) for c in PAPER.convolutions),
        embedding=16,
        pair=(16, 16),
    )
    U, state = cp.initial(np.random.default_rng(0), narrow), {}
    X = np.random.default_rng(1).standard_normal((2, 3, 96, 96), np.float32)
    assert [Z.shape[2] for Z in cp.maps(X, U, narrow)] == [12, 6, 6, 6, 3]
    assert U["fc6"][0].shape == (8 * 3 * 3, 16)
    assert cp.network(X, X[::-1], U, net=narrow, state=state).shape == (2, 8)
    assert sorted(state) == ["conv3", "conv4", "conv5", "fc6", "fc7"]


@pytest.mark.slow
def test_the_papers_network_runs_whole():
    U, state = cp.initial(np.random.default_rng(0), PAPER), {}
    X = np.random.default_rng(1).standard_normal((3, 3, 96, 96), np.float32)
    assert cp.tower(X, U, net=PAPER, state=state).shape == (3, 4096)
    L, _ = mg.value_and_grad(cp.loss)(U, X, X[::-1], np.array([0, 4, 7]), net=PAPER, state=state)
    assert 1 < L < 6


def simple(X1, X2, U):
    """TINY in NumPy's words, but for nodes that have tests of their own."""

    def normed(A):
        axes = (0, *range(2, A.ndim))
        Y = (A - A.mean(axes, keepdims=True)) / np.sqrt(A.var(axes, keepdims=True) + 1e-5)
        return np.maximum(Y, 0)

    def features(X):
        Z = np.maximum(mg.conv(X, U["conv1"], padding=2), 0)
        Z = mg.lrn(mg.maxpool(Z, 3, 2, ceil=True), k=1.0, form="caffe")
        Z = mg.maxpool(normed(mg.conv(Z, U["conv2"], padding=1)), 3, 2, ceil=True)
        W, b = U["fc6"]
        return normed(Z.reshape(len(Z), -1) @ W + b)

    Z = np.concatenate((features(X1), features(X2)), 1)
    (W7, b7), (W8, b8), (W9, b9) = (U[f"fc{i}"] for i in (7, 8, 9))
    return np.maximum(normed(Z @ W7 + b7) @ W8 + b8, 0) @ W9 + b9


def test_the_network_is_its_layers():
    U, (X1, X2, _) = parameters(), patches()
    assert_allclose(cp.network(X1, X2, U, net=TINY), simple(X1, X2, U), rtol=1e-9, atol=1e-9)


def test_both_towers_are_one_function_its_gradients_add_up():
    U, (X1, X2, T) = parameters(), patches()

    def logits(U, V):
        F, G = cp.tower(X1, U, net=TINY), cp.tower(X2, V, net=TINY)
        return mg.entropy(cp.fuse(mg.concatenate((F, G), 1), U, net=TINY), T)

    tied = var(U)
    logits(tied, tied).backward()
    one, other = var(U), var(U)
    logits(one, other).backward()
    for name in ("conv1", "conv2", "fc6"):
        for a, b, c in zip(tied[name], one[name], other[name], strict=True):
            assert_allclose(a.grad, b.grad + c.grad, rtol=1e-9, atol=1e-12)
            assert abs(c.grad).max() > 1e-6 or a.ndim == 1  # biases below a norm have no gradient


@pytest.mark.parametrize("seed", range(4))
def test_gradients_of_the_loss_agree_with_differences_along_any_direction(seed):
    U, (X1, X2, T) = parameters(seed=seed), patches(seed=seed + 20)
    _, G = mg.value_and_grad(cp.loss)(U, X1, X2, T, net=TINY)
    rng, h = np.random.default_rng(seed), 1e-6
    D = map_leaves(lambda a: rng.standard_normal(a.shape), U)
    moved = lambda s: map_leaves(lambda a, d: a + s * d, U, D)
    there, back = (cp.loss(moved(s), X1, X2, T, net=TINY) for s in (h, -h))
    slope = sum(np.vdot(g, d) for g, d in zip(leaves(G), leaves(D), strict=True))
    assert_allclose((there - back) / (2 * h), slope, rtol=1e-4)


def test_the_loss_takes_both_orders_and_does_not_mind_which_comes_first():
    U, (X1, X2, T) = parameters(), patches()
    L = cp.loss(U, X1, X2, T, net=TINY)
    assert_allclose(L, cp.loss(U, X2, X1, 7 - T, net=TINY), rtol=1e-12)
    assert abs(L - cp.loss(U, X1, X2, 7 - T, net=TINY)) > 1e-6


@pytest.mark.parametrize("wrong", [8, -1])
def test_a_label_that_is_none_is_named_as_it_was_given(wrong):
    U, (X1, X2, T) = parameters(), patches()
    T[2] = wrong
    with pytest.raises(ValueError, match=f"labels are 0 to 7, not {wrong}$"):
        cp.loss(U, X1, X2, T, net=TINY)


def test_without_norms_nothing_is_normalised_and_patches_do_not_see_each_other():
    net = TINY.without_norms()
    U, (X1, X2, _) = parameters(net), patches(net=net)
    state = {}
    A = cp.network(X1, X2, U, net=net, state=state)
    assert state == {}
    assert_allclose(cp.network(X1[:1], X2[:1], U, net=net), A[:1])


def test_in_use_the_statistics_are_those_of_training():
    U, (X1, X2, _) = parameters(), patches()
    state = {}
    cp.network(X1, X2, U, net=TINY, state=state, momentum=1.0)
    before = [a.copy() for a in leaves(state)]
    options = {"net": TINY, "state": state, "training": False}
    A = cp.network(X1, X2, U, **options)
    assert_allclose(cp.network(X1[:1], X2[:1], U, **options), A[:1])
    for a, b in zip(before, leaves(state), strict=True):
        assert_array_equal(a, b)


def test_first_weights_are_hes_and_the_last_layer_has_half_their_variance():
    U = cp.initial(np.random.default_rng(0), SMALL)
    for name, (W, b) in U.items():
        fan_in = W[0].size if W.ndim == 4 else len(W)
        gain = 1 if name == "fc8" else 2
        assert_allclose(W.std(), np.sqrt(gain / fan_in), rtol=0.1)
        assert not b.any()
        assert W.dtype == b.dtype == np.float32


def test_gaussian_weights_are_those_of_alexnet_and_others_are_refused():
    U = cp.initial(np.random.default_rng(0), SMALL, weights="gaussian")
    assert_allclose([W.std() for W, _ in U.values()], 0.01, rtol=0.05)
    with pytest.raises(ValueError, match="weights are he or gaussian, not 'glorot'"):
        cp.initial(np.random.default_rng(0), SMALL, weights="glorot")


def test_patches_of_which_nothing_is_left_are_refused():
    with pytest.raises(ValueError, match="patches of 3 leave nothing after pooling"):
        cp.initial(np.random.default_rng(0), TINY._replace(patch=3))
