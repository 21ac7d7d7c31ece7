"""Weights go to PyTorch's modules and come from them, and the networks then say the same."""

import numpy as np
import pytest
from minigrad.models import alexnet, drlim, exemplar_cnn, lenet, resnet, state_dicts
from numeric import normal
from numpy.testing import assert_allclose, assert_array_equal
from peers import modules
from peers.modules import torch

from minigrad.tree import leaves, map_leaves

files = pytest.importorskip(
    "safetensors.torch", reason="safetensors, of the extra `peers`, is not installed"
)

ERROR = 1e-5


def rng():
    return np.random.default_rng(0)


SMALL = {"stem": alexnet.Stem(5, 1, 2), "widths": (8, 12, 16, 16, 10), "hidden": 20, "side": 32}


def small(norm):
    """AlexNet in small: (its module, images, our parameters, our network)."""

    def network(X, U, **options):
        return alexnet.network(X, U, stem=SMALL["stem"], norm=norm)

    groups = 1 if norm is None else 2
    U = alexnet.initial(rng(), 7, **SMALL, groups=groups)
    return lambda: modules.AlexNet(norm), (3, 32, 32), U, network, state_dicts.ALEXNET


NETWORKS = {
    "LeNet-5": (
        *(modules.LeNet, (1, 28, 28), lenet.initial(rng())),
        *(lambda X, U, state: lenet.network(X, U), state_dicts.LENET),
    ),
    "DrLIM": (
        *(modules.Drlim, (1, 28, 28), drlim.initial(rng())),
        *(lambda X, U, state: drlim.network(X, U), state_dicts.DRLIM),
    ),
    "Exemplar-CNN": (
        *(
            modules.Exemplar,
            (3, 16, 16),
            exemplar_cnn.initial(rng(), 7, 3, 16, "8c5-12c5-10c3-16f"),
        ),
        *(lambda X, U, state: exemplar_cnn.network(X, U), state_dicts.EXEMPLAR),
    ),
    "AlexNet": small("alexnet"),
    "CaffeNet": small("caffenet"),
    "AlexNet of torchvision": small(None),
    "ResNet-18, torchvision's names": (
        *(modules.ResNet18, (3, 32, 32), resnet.initial(rng(), 128)),
        *(resnet.network, state_dicts.RESNET),
    ),
    "ResNet-18, the paper's names": (
        *(modules.paper_resnet18, (3, 32, 32), resnet.initial(rng(), 128)),
        *(resnet.network, state_dicts.RESNET_OFFICIAL),
    ),
}


@pytest.fixture(params=NETWORKS)
def both(request):
    """(their module, having seen two batches; images; our parameters, network, table of names)."""
    make, shape, U, network, names = NETWORKS[request.param]
    torch.manual_seed(0)
    module, X = make(), normal(4, *shape).astype(np.float32)
    with torch.no_grad():
        for seed in (1, 2):
            module(torch.from_numpy(normal(8, *shape, seed=seed).astype(np.float32)))
    return module.eval(), X, U, network, names


def outputs(module, X):
    with torch.inference_mode():
        return module(torch.from_numpy(X)).numpy()


def test_what_pytorch_wrote_says_the_same_here(both, tmp_path):
    module, X, U, network, names = both
    files.save_file(module.state_dict(), tmp_path / "theirs.safetensors")
    V, state = state_dicts.load(tmp_path / "theirs.safetensors", U, names)
    assert_allclose(network(X, V, state=state), outputs(module, X), rtol=ERROR, atol=ERROR)


def test_what_is_written_here_says_the_same_in_pytorch(both, tmp_path):
    module, X, U, network, names = both
    state = {}
    if "stem" in U:
        network(normal(8, *X.shape[1:], seed=3).astype(np.float32), U, state=state, training=True)
    state_dicts.save(tmp_path / "ours.safetensors", U, names, state)
    module.load_state_dict(files.load_file(tmp_path / "ours.safetensors"))
    assert_allclose(network(X, U, state=state), outputs(module, X), rtol=ERROR, atol=ERROR)


def test_the_first_weights_of_resnet_are_distributed_as_pytorchs():
    torch.manual_seed(0)
    theirs = dict(modules.ResNet18().named_parameters())
    U = resnet.initial(rng(), 128)
    ours = state_dicts.as_there(U, statistics(U), state_dicts.RESNET)
    for name, W in theirs.items():
        W = W.detach().numpy()
        if "conv" in name or name.startswith("fc"):
            assert_allclose(abs(ours[name]).max(), abs(W).max(), rtol=0.05)
            assert_allclose(ours[name].std(), W.std(), rtol=0.1)
        elif name.startswith("bn"):
            assert_array_equal(ours[name], W)


def test_training_with_batchnorm_gives_the_running_statistics_of_pytorch(tmp_path):
    torch.manual_seed(0)
    module, U = modules.ResNet18(), resnet.initial(rng(), 128)
    X = [normal(8, 3, 32, 32, seed=seed).astype(np.float32) for seed in (1, 2)]
    with torch.no_grad():
        module(torch.from_numpy(X[0]))
        files.save_file(module.state_dict(), tmp_path / "one.safetensors")
        V, state = state_dicts.load(tmp_path / "one.safetensors", U, state_dicts.RESNET)
        theirs = module(torch.from_numpy(X[1])).numpy()
    ours = resnet.network(X[1], V, state=state, training=True)
    assert_allclose(ours, theirs, rtol=ERROR, atol=ERROR)
    files.save_file(module.state_dict(), tmp_path / "two.safetensors")
    _, expected = state_dicts.load(tmp_path / "two.safetensors", U, state_dicts.RESNET)
    for a, b in zip(leaves(state), leaves(expected), strict=True):
        assert_allclose(a, b, rtol=ERROR, atol=ERROR)


def statistics(U):
    state = {}
    resnet.network(np.zeros((2, 3, 8, 8), np.float32), U, state=state, training=True)
    return map_leaves(np.copy, state)
