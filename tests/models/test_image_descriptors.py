import numpy as np
import pytest
from minigrad.models import context_extractor, embedding_training, exemplar_cnn, lenet
from minigrad.models.exemplar_extractor import Extractor
from minigrad.models.image_descriptors import described, last_maps, neural_codes
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import relu
from minigrad.data import Augmentation
from minigrad.evaluate import Filters, Pool, crow, feature_maps, mac, rmac, spoc

CODE = "4c5-6c5-8f"


def images(n=3, h=32, w=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, h, w), np.uint8)


def extractor():
    U = exemplar_cnn.initial(np.random.default_rng(0), 5, 3, 24, CODE)
    return Extractor(U, CODE, np.full((3, 24, 24), 0.5, np.float32), 2.0)


def context_net():
    return context_extractor.untrained(images(9, 24, 24), rng=np.random.default_rng(0))


def embedder(network=CODE, side=16):
    settings = embedding_training.PRESETS["small"]._replace(
        network=network, dimensions=5, augmentation=Augmentation(size=side)
    )
    return embedding_training.untrained(images(20), settings, np.random.default_rng(0))


NETWORKS = {"Extractor": extractor, "ContextNet": context_net, "Embedder": embedder}
SHAPES = {"Extractor": (6, 8, 10), "ContextNet": (64, 8, 10), "Embedder": (6, 4, 4)}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_maps_that_can_be_pooled(name):
    net, X = NETWORKS[name](), images(3, 32, 40)
    A = last_maps(net, X)
    assert A.shape == (3, *SHAPES[name])
    assert A.min() >= 0
    for pool in (mac, spoc, crow, rmac):
        F = described(net, X, pool)
        assert_allclose(np.linalg.norm(F, axis=1), 1, rtol=1e-5)
        assert_allclose(F, pool(A), rtol=1e-4, atol=1e-6)
    assert last_maps(net, X, 0).shape[2] == 2 * A.shape[2] or name == "ContextNet"


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_neural_codes_of_images_of_any_size(name):
    net = NETWORKS[name]()
    for X in (images(2, 24, 24), images(2, 40, 31)):
        F = neural_codes(net, X)
        assert F.shape == (2, {"Extractor": 8, "ContextNet": 128, "Embedder": 5}[name])
        assert_allclose(np.linalg.norm(F, axis=1), 1, rtol=1e-5)


def test_codes_of_an_extractor_are_its_hidden_units_at_the_training_size():
    net, X = extractor(), images(3, 24, 24)
    A = exemplar_cnn.maps(net.prepared(X), net.parameters, CODE)[-1]
    W, b = net.parameters["hidden"]
    H = relu(A.reshape(3, -1) @ W + b)
    assert_allclose(neural_codes(net, X), H / np.linalg.norm(H, axis=1, keepdims=True), rtol=1e-4)


def test_codes_of_the_others_are_those_they_give_themselves():
    X, net = images(3, 24, 24), context_net()
    F = net(X)
    assert_allclose(neural_codes(net, X), F / np.linalg.norm(F, axis=1, keepdims=True), rtol=1e-5)
    net = embedder()
    assert_array_equal(neural_codes(net, X), net(X))


def test_any_other_network_is_a_function_that_makes_maps(monkeypatch):
    U = lenet.initial(np.random.default_rng(0))
    layers = [Filters(*U["conv1"], padding=2), Pool(2), Filters(*U["conv2"]), Pool(2)]
    net, X = lambda X: feature_maps(X, layers), images(3, 28, 28)[:, :1].astype(np.float32) / 255
    Z = last_maps(net, X).reshape(3, 400)
    for name in ("hidden1", "hidden2"):
        Z = relu(Z @ U[name][0] + U[name][1])
    Z = Z @ U["output"][0] + U["output"][1]
    assert_allclose(Z, lenet.network(X, U), rtol=1e-4, atol=1e-5)
    whole = [described(net, X, pool) for pool in (mac, spoc, crow, rmac)]
    monkeypatch.setattr("minigrad.models.image_descriptors.CHUNK", 2)
    for pool, F in zip((mac, spoc, crow, rmac), whole):
        assert_allclose(F, pool(last_maps(net, X)), rtol=1e-5)
        assert_allclose(described(net, X, pool), F, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="layer is -1 to 0, as of a list, not 1"):
        last_maps(net, X, 1)
    for other, got in [(lambda X: lenet.network(X, U), "3, 10"), (lambda X: net(X)[:1], "1, 16,")]:
        with pytest.raises(ValueError, match=rf"last_maps: .* maps \(3, k, h, w\) .* not \({got}"):
            last_maps(other, X)


@pytest.mark.slow
def test_a_resnet_has_maps_too():
    net, X = embedder("resnet18", 32), images(2)
    A = last_maps(net, X)
    assert A.shape == (2, 512, 4, 4)
    assert A.min() >= 0
    assert described(net, X).shape == (2, 512)
    with pytest.raises(ValueError, match="layer is -1 to 0, as of a list, not 1"):
        last_maps(net, X, 1)


def test_images_are_described_some_at_a_time(monkeypatch):
    net, X = extractor(), images(5)
    whole = described(net, X)
    monkeypatch.setattr("minigrad.models.image_descriptors.CHUNK", 2)
    assert_allclose(described(net, X), whole, rtol=1e-4, atol=1e-6)


def test_a_network_of_another_kind_is_refused():
    for function in (last_maps, described, neural_codes):
        with pytest.raises(TypeError, match="an Extractor, a ContextNet.* an Embedder.* not a str"):
            function("net", images())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_layer_that_is_not_there_is_named(name):
    for layer in (-9, 9):
        with pytest.raises(ValueError, match=f"last_maps: layer is -. to ., .* not {layer}"):
            last_maps(NETWORKS[name](), images(), layer)


def test_what_are_no_images_is_refused():
    with pytest.raises(ValueError, match=r"images are an array \(n, 3, h, w\)"):
        described(extractor(), images()[:0])
    with pytest.raises(ValueError, match=r"last_maps: images are an array \(n, 3, h, w\)"):
        described(embedder(), images()[:, :1])
    with pytest.raises(ValueError, match="bytes"):
        described(extractor(), images().astype(float))


def test_a_descriptor_that_is_not_finite_is_named():
    net = extractor()
    net.parameters["conv2"][1][0] = np.nan
    with pytest.raises(ValueError, match="described: the descriptor of image 0 of 3 holds a value"):
        described(net, images())
