import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from minigrad.models import context_prediction as cp
from minigrad.models.rescaling import balanced, breaks, drawn, ratios
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import affine, conv, relu
from minigrad.tree import map_leaves

PLAIN = cp.Net(8, (cp.Convolution(4, 3, pool=True), cp.Convolution(5, 3)), 6, (7,), norm=False)
LRN = PLAIN._replace(
    convolutions=(cp.Convolution(8, 3, pool=True, lrn=True), *PLAIN.convolutions[1:])
)


def case(net, seed, n=40):
    """A network of layers of very different scales, with biases: (outputs, parameters)."""
    rng = np.random.default_rng(seed)
    X1, X2 = rng.standard_normal((2, n, 3, net.patch, net.patch))
    sizes = cp.shapes(net)
    scales = dict(zip(sizes, 3.0 ** rng.permutation(np.arange(len(sizes)) - 2)))
    U = {
        name: (scales[name] * rng.standard_normal(W), rng.standard_normal(b))
        for name, (W, b) in sizes.items()
    }
    return lambda U: cp.network(X1, X2, U, net=net), U


def spread(found):
    return max(found.values()) / min(found.values())


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(0, 2**32))
@example(0)
def test_the_function_stays_and_all_layers_learn_alike(seed):
    outputs, U = case(PLAIN, seed, 5)
    V = balanced(outputs, U, rng=np.random.default_rng(seed))
    assert_allclose(outputs(V), outputs(U), rtol=1e-5)
    same = ratios(outputs, V, np.random.default_rng(seed))  # the same E as those it was made with
    before = ratios(outputs, U, np.random.default_rng(seed))
    assert_allclose(list(same.values()), np.exp(np.mean(np.log(list(before.values())))), rtol=1e-6)


def test_the_ratio_is_that_of_other_draws_too():
    outputs, U = case(PLAIN, 0)
    V = balanced(outputs, U, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    assert spread(ratios(outputs, U, rng)) > 10
    assert spread(ratios(outputs, V, rng)) < 1.25


def test_a_ratio_is_what_a_step_changes():
    """For one layer without a relu, dW = X' E: by hand."""
    rng = np.random.default_rng(0)
    X, W = rng.standard_normal((50, 4)), rng.standard_normal((4, 3))
    found = ratios(lambda U: affine(X, U["fc"]), {"fc": (W, np.zeros(3))}, rng, draws=400)
    expected = np.sqrt(3 * (X**2).sum() / (W**2).sum())  # E |dW|^2 = 3 |X|^2, as E is independent
    assert_allclose(found["fc"], expected, rtol=0.05)


def test_lrn_keeps_the_scale_of_its_input():
    outputs, U = case(LRN, 3, 10)
    assert breaks(LRN) == ("conv1",)
    V = balanced(outputs, U, breaks(LRN), rng=np.random.default_rng(0))
    assert_allclose(outputs(V), outputs(U), rtol=1e-5)
    map_leaves(assert_array_equal, V["conv1"], U["conv1"])
    rest = {
        name: r
        for name, r in ratios(outputs, V, np.random.default_rng(0)).items()
        if name != "conv1"
    }
    assert spread(rest) < 1 + 1e-6
    wrong = balanced(outputs, U, rng=np.random.default_rng(0))
    assert abs(outputs(wrong) - outputs(U)).max() > 1e-3 * abs(outputs(U)).max()


def test_of_the_papers_network_the_layers_from_conv3_on_are_alike():
    assert breaks(cp.PAPER.without_norms()) == ("conv1", "conv2")


def test_what_cannot_be_rescaled_is_refused():
    outputs, U = case(PLAIN, 0, 3)
    with pytest.raises(ValueError, match="breaks are among conv1, .* not conv9"):
        balanced(outputs, U, ("conv9",), rng=np.random.default_rng(0))
    still = U | {"fc6": (0 * U["fc6"][0], U["fc6"][1] * 0)}
    with pytest.raises(ValueError, match="does not learn: its gradient or its weights are 0"):
        balanced(outputs, still, rng=np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(12, 5), (5, 3, 3, 3)])
def test_a_new_layer_has_outputs_of_mean_and_variance_as_asked(shape):
    rng = np.random.default_rng(0)
    X = 2 + rng.standard_normal((200, 12) if len(shape) == 2 else (20, 3, 6, 6))
    W, b = drawn(X, shape, rng, bias=0.1)
    assert W.shape == shape
    A = affine(X, (W, b)) if W.ndim == 2 else conv(X, (W, b), padding=1)
    axes = (0,) if W.ndim == 2 else (0, 2, 3)
    assert_allclose(A.mean(axes), 0.1, atol=1e-6)
    assert_allclose(A.var(axes), 1, rtol=1e-6)
    assert 0.3 < (relu(A) > 0).mean() < 0.7


def test_a_new_layer_on_constant_inputs_is_finite():
    W, b = drawn(np.ones((5, 3), np.float32), (3, 2), np.random.default_rng(0))
    assert W.dtype == b.dtype == np.float32
    assert_allclose(np.ones((1, 3)) @ W + b, 0, atol=1e-5)
