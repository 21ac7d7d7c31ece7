import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrad.models import context_prediction as cp
from minigrad.models.context_extractor import untrained
from minigrad.models.context_training import PRESETS, fit
from minigrad.models.norm_removal import normalised, remove_norms, statistics, without_norm
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import affine, batchnorm, conv
from minigrad.tree import map_leaves

TINY = cp.Net(
    8,
    (
        cp.Convolution(4, 3, norm=True, pool=True),
        cp.Convolution(5, 3, pool=True, lrn=True),
        cp.Convolution(6, 3, norm=True),
    ),
    7,
    (8, 6),
)


def patches(n=30, side=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, side, side), np.uint8)


def tiny(**options):
    return untrained(patches(), TINY, "project", rng=np.random.default_rng(1), **options)


def largest_difference(one, two, X):
    """Of all that two networks say of patches: features, maps, and how each lies to the next."""
    pairs = [(one(X), two(X)), *zip(one.maps(X), two.maps(X))]
    pairs.append((one.positions(X, X[::-1]), two.positions(X, X[::-1])))
    return max(float(abs(a - b).max() / max(1, abs(a).max())) for a, b in pairs)


@pytest.mark.slow
def test_a_trained_network_computes_the_same_without_its_norms():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 3, 5, 5), np.uint8).repeat(16, 2).repeat(16, 3)
    settings = PRESETS["small"]._replace(per_image=40, epochs=2)
    trained, _ = fit(images, settings, rng=rng, progress=False)
    before = map_leaves(np.copy, (trained.parameters, trained.state))
    plain = remove_norms(trained)
    assert plain.net == trained.net.without_norms()
    assert plain.state == {}
    assert largest_difference(trained, plain, patches(side=24)) < 1e-5
    after = trained.parameters, trained.state
    map_leaves(assert_array_equal, after, before)  # its own are left as they were


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.floats(-3, 2), st.floats(0, 10))
def test_whatever_the_statistics_are_outputs_are_the_same(seed, log_var, mean):
    rng, net = np.random.default_rng(seed), tiny()
    for found in net.state.values():
        k = len(found["mean"])
        found["mean"] = rng.normal(0, mean, k).astype(np.float32)
        found["var"] = np.exp(rng.normal(log_var, 1, k)).astype(np.float32)
    assert largest_difference(net, remove_norms(net), patches(5, seed=1)) < 1e-5


@given(st.integers(0, 2**32), st.booleans())
def test_one_layer_follows_batchnorm_in_float64(seed, filters):
    rng = np.random.default_rng(seed)
    shape = (4, 3, 3, 3) if filters else (6, 4)
    X = rng.standard_normal((5, 3, 6, 6) if filters else (5, 6))
    W, b, state = rng.standard_normal(shape), rng.standard_normal(4), {}
    layer = (lambda X, U: conv(X, U, padding=1)) if filters else affine
    A = layer(X, (W, b))
    batchnorm(A, None, state=state, momentum=0.7)
    expected = batchnorm(A, None, state=state, training=False)
    assert_allclose(layer(X, without_norm(W, b, **state)), expected, rtol=1e-10, atol=1e-10)


def test_statistics_taken_anew_give_mean_0_and_variance_1():
    net, X = tiny(), patches(50, seed=7)
    plain = remove_norms(net, X)
    A = {"conv1": conv(plain.prepare(X), plain.parameters["conv1"], padding=1)}
    A["fc6"] = affine(plain.maps(X)[-1].reshape(50, -1), plain.parameters["fc6"])
    F = plain(X)
    A["fc7"] = affine(np.concatenate((F, F[::-1]), 1), plain.parameters["fc7"])
    for name, outputs in A.items():
        axes = (0, *range(2, outputs.ndim))
        assert_allclose(outputs.mean(axes), 0, atol=0.02, err_msg=name)  # n / (n - 1) is 1.02
        assert_allclose(outputs.var(axes), 1, atol=0.05, err_msg=name)
    again = dataclasses.replace(net, state=statistics(net, X))
    assert largest_difference(again, plain, X) < 1e-5


def test_a_network_without_norms_stays_as_it_is():
    net = remove_norms(tiny())
    again = remove_norms(net)
    assert again.net == net.net
    map_leaves(assert_array_equal, again.parameters, net.parameters)
    assert again.parameters["conv1"][0] is not net.parameters["conv1"][0]


def test_which_layers_are_normalised():
    names = [name for name in cp.shapes(TINY) if normalised(TINY, name)]
    assert names == ["conv1", "conv3", "fc6", "fc7"]
    assert not any(normalised(TINY.without_norms(), name) for name in names)
    paper = [name for name in cp.shapes(cp.PAPER) if normalised(cp.PAPER, name)]
    assert paper == ["conv3", "conv4", "conv5", "fc6", "fc7"]


def test_what_has_no_statistics_is_refused():
    net = dataclasses.replace(tiny(), state={})
    with pytest.raises(ValueError, match="conv1 is normalised, but by no statistics"):
        remove_norms(net)
    with pytest.raises(ValueError, match="two patches at least, not of 1"):
        remove_norms(net, patches(1))
    with pytest.raises(ValueError, match=r"patches are \(n, 3, 8, 8\)"):
        remove_norms(net, patches(4, side=9))


def test_a_network_without_norms_is_kept_in_a_file(tmp_path):
    plain = remove_norms(tiny())
    plain.save(tmp_path / "net.safetensors")
    again = type(plain).load(tmp_path / "net.safetensors")
    assert_array_equal(again(patches()), plain(patches()))
