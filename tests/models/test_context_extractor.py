import numpy as np
import pytest
import strict
from minigrad.models import context_prediction as cp
from minigrad.models.context_extractor import CHUNK, ContextNet, untrained
from minigrad.models.context_prediction import Convolution, Net
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad.learn import CheckpointError, save_checkpoint
from minigrad.tree import leaves

TINY = Net(12, (Convolution(4, 5, pool=True), Convolution(6, 3, norm=True, pool=True)), 5, (7,))


def patches(n=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 12, 12), np.uint8)


@pytest.fixture(scope="module")
def net():
    return untrained(patches(50), TINY, "project", rng=np.random.default_rng(1))


def test_an_untrained_network_has_the_mean_and_the_statistics_of_its_patches(net):
    X = patches(50)
    assert_allclose(net.prepare.mean, X.mean((0, 2, 3)) / 255, rtol=1e-6)
    F = cp.tower(net.prepare(X), net.parameters, net=TINY)  # normalised by the batch itself
    assert_allclose(net(X), F, rtol=0.02, atol=0.02)  # the state has the unbiased variance


def test_features_are_those_of_the_tower_one_by_one_and_in_chunks(net):
    X = patches(CHUNK + 3)
    F = net(X)
    assert F.shape == (CHUNK + 3, 5)
    assert_allclose(net(X[-2:]), F[-2:], rtol=1e-4, atol=1e-5)
    assert_allclose(net((X / 255).astype(np.float32)), F, rtol=1e-4, atol=1e-4)


def test_maps_are_of_images_of_any_size(net):
    X = np.random.default_rng(2).integers(0, 256, (2, 3, 20, 31), np.uint8)
    assert [Z.shape for Z in net.maps(X)] == [(2, 4, 10, 15), (2, 6, 5, 7)]
    assert_allclose(net.maps(patches())[0], cp.maps(net.prepare(patches()), **inside(net))[0])


def inside(net):
    return {"U": net.parameters, "net": TINY, "state": net.state, "training": False}


def test_positions_are_the_softmax_of_the_network(net):
    X1, X2 = patches(4), patches(4, seed=3)
    P = net.positions(X1, X2)
    assert_allclose(P.sum(1), 1, rtol=1e-5)
    A = cp.network(net.prepare(X1), net.prepare(X2), **inside(net))
    assert_allclose(P, mg.softmax(A), rtol=1e-4)


def test_accuracy_is_the_share_of_labels_that_are_named(net):
    X1, X2 = net.prepare(patches(CHUNK + 9)), net.prepare(patches(CHUNK + 9, seed=3))
    T = cp.network(X1, X2, **inside(net)).argmax(1)
    assert net.accuracy(X1, X2, T) == 1
    assert net.accuracy(X1, X2, (T + (np.arange(len(T)) < 100)) % 8) == 1 - 100 / len(T)


def test_a_saved_network_is_the_same_to_the_bit(net, tmp_path):
    net.save(tmp_path / "net.safetensors")
    again = ContextNet.load(tmp_path / "net.safetensors")
    assert again.net == TINY
    assert again.prepare[1:] == net.prepare[1:] == ("project", "mean")
    pairs = zip(leaves((net.parameters, net.state)), leaves((again.parameters, again.state)))
    for a, b in pairs:
        assert_array_equal(a, b)
    assert_array_equal(again(patches()), net(patches()))
    plain = ContextNet(TINY.without_norms(), net.parameters, {}, net.prepare)
    plain.save(tmp_path / "plain.safetensors")
    assert_array_equal(ContextNet.load(tmp_path / "plain.safetensors")(patches()), plain(patches()))


def test_a_file_of_something_else_is_refused(tmp_path):
    save_checkpoint(tmp_path / "other.safetensors", {"W": np.ones(3)}, {})
    with pytest.raises(CheckpointError, match="a checkpoint, but not of a ContextNet"):
        ContextNet.load(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (patches()[:, :1], r"patches are \(n, 3, 12, 12\), n at least 1, not \(6, 1, 12, 12\)"),
        (patches()[:, :, :11], r"not \(6, 3, 11, 12\)"),
        (patches()[:0], r"not \(0, 3, 12, 12\)"),
        (patches() / 100, r"images of floats lie in \[0, 1\]"),
        ("patches", "n at least 1, not str"),
    ],
)
def test_other_patches_are_refused(net, wrong, said):
    with pytest.raises(ValueError, match=said):
        net(wrong)


@pytest.mark.parametrize("wrong", [patches()[:, :, 1:, 1:], np.full((2, 3, 12, 12), np.nan)])
def test_an_untrained_network_begins_with_patches_that_it_takes(wrong):
    with pytest.raises(ValueError, match="ContextNet: "):
        untrained(wrong, TINY, rng=np.random.default_rng(0))


@pytest.mark.parametrize("wrong", [{"colours": "projected"}, {"contrast": "x"}])
def test_an_untrained_network_sees_patches_as_it_is_told_or_not_at_all(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} is one of .*, not '{value}'"):
        untrained(patches(), TINY, **wrong, rng=np.random.default_rng(0))


def test_patches_without_a_second_one_have_no_position(net):
    said = r"each first patch has a second one, not \(3, 3, 12, 12\) and \(5, 3, 12, 12\)"
    with pytest.raises(ValueError, match=said):
        net.positions(patches(3), patches(5))


def test_on_a_device_features_are_the_same(net, monkeypatch):
    if strict.GPP is None:
        pytest.skip("the stand-in for CUDA needs g++")
    here = net(patches())
    strict.install(monkeypatch)
    there = untrained(mg.to_gpu(patches(50)), TINY, "project", rng=np.random.default_rng(1))
    assert_allclose(there(mg.to_gpu(patches())).get(), here, rtol=1e-3, atol=1e-4)
