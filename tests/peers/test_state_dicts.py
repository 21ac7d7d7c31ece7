"""Weights go to PyTorch's modules and come from them, and the networks then say the same."""

import numpy as np
import pytest
from minigrad.models import alexnet, drlim, exemplar_cnn, lenet, resnet
from minigrad.models import state_dicts as names
from numeric import normal
from numpy.testing import assert_allclose, assert_array_equal
from peers import modules
from peers.modules import torch

from minigrad import normalize
from minigrad.tree import leaves, map_leaves

files = pytest.importorskip(
    "safetensors.torch", reason="safetensors, of the extra `peers`, is not installed"
)

ERROR = 1e-5


def rng():
    return np.random.default_rng(0)


def stateless(network, **options):
    return lambda X, U, state: network(X, U, **options)


def small(norm):
    """AlexNet in small."""
    options = {"stem": alexnet.Stem(5, 1, 2), "widths": (8, 12, 16, 16, 10), "hidden": 20}
    U = alexnet.initial(rng(), 7, side=32, groups=1 if norm is None else 2, **options)
    network = stateless(alexnet.network, stem=options["stem"], norm=norm)
    return lambda: modules.AlexNet(norm), (3, 32, 32), U, network, names.ALEXNET


CODE = "8c5-12c5-10c3-16f"
FIRST = exemplar_cnn.initial(rng(), 7, 3, 16, CODE)
RESNET = resnet.initial(rng(), 128)
NETWORKS = {  # module, images, first parameters, network, table of names
    "LeNet-5": (
        *(modules.LeNet, (1, 28, 28)),
        *(lenet.initial(rng()), stateless(lenet.network), names.LENET),
    ),
    "DrLIM": (
        *(modules.Drlim, (1, 28, 28)),
        *(drlim.initial(rng()), stateless(drlim.network), names.DRLIM),
    ),
    "Exemplar-CNN": (
        *(modules.Exemplar, (3, 16, 16)),
        *(FIRST, stateless(exemplar_cnn.network, code=CODE), names.EXEMPLAR),
    ),
    "AlexNet": small("alexnet"),
    "CaffeNet": small("caffenet"),
    "AlexNet of torchvision": small(None),
    "ResNet-18, torchvision's names": (
        *(modules.ResNet18, (3, 32, 32)),
        *(RESNET, resnet.network, names.RESNET),
    ),
    "ResNet-18, the paper's names": (
        *(modules.paper_resnet18, (3, 32, 32)),
        *(RESNET, resnet.network, names.RESNET_OFFICIAL),
    ),
}


@pytest.fixture(params=NETWORKS)
def both(request):
    """(their module, having seen two batches; images; our parameters, network, table of names)."""
    make, shape, U, network, table = NETWORKS[request.param]
    torch.manual_seed(0)
    module, X = make(), 50 * normal(4, *shape).astype(np.float32)  # as pixels: lrn sees them
    with torch.no_grad():
        for seed in (1, 2):
            module(torch.from_numpy(normal(8, *shape, seed=seed).astype(np.float32)))
    return module.eval(), X, U, network, table


def outputs(module, X):
    with torch.inference_mode():
        return module(torch.from_numpy(X)).numpy()


def alike(A, B):
    """True if outputs differ by no more than ERROR of the greatest, and unit rows by ERROR."""
    assert_allclose(A, B, rtol=0, atol=ERROR * abs(B).max())
    assert_allclose(normalize(A), normalize(B), rtol=0, atol=ERROR)
    return True


def test_what_pytorch_wrote_says_the_same_here(both, tmp_path):
    module, X, U, network, table = both
    files.save_file(module.state_dict(), tmp_path / "theirs.safetensors")
    V, state = names.load(tmp_path / "theirs.safetensors", U, table)
    assert alike(network(X, V, state=state), outputs(module, X))


def test_what_is_written_here_says_the_same_in_pytorch(both, tmp_path):
    module, X, U, network, table = both
    state = {}
    if "stem" in U:
        network(normal(8, *X.shape[1:], seed=3).astype(np.float32), U, state=state, training=True)
    names.save(tmp_path / "ours.safetensors", U, table, state)
    module.load_state_dict(files.load_file(tmp_path / "ours.safetensors"))
    assert alike(network(X, U, state=state), outputs(module, X))


def test_the_first_weights_of_resnet_are_distributed_as_pytorchs():
    torch.manual_seed(0)
    theirs = dict(modules.ResNet18().named_parameters())
    ours = names.as_there(RESNET, statistics(RESNET), names.RESNET)
    for name, W in theirs.items():
        W = W.detach().numpy()
        if "conv" in name or name.startswith("fc"):
            assert_allclose(abs(ours[name]).max(), abs(W).max(), rtol=0.05)
            assert_allclose(ours[name].std(), W.std(), rtol=0.1)
        elif name.startswith("bn"):
            assert_array_equal(ours[name], W)


def test_training_with_batchnorm_gives_the_running_statistics_of_pytorch(tmp_path):
    torch.manual_seed(0)
    module, U = modules.ResNet18(), RESNET
    X = [normal(8, 3, 32, 32, seed=seed).astype(np.float32) for seed in (1, 2)]
    with torch.no_grad():
        module(torch.from_numpy(X[0]))
        files.save_file(module.state_dict(), tmp_path / "one.safetensors")
        V, state = names.load(tmp_path / "one.safetensors", U, names.RESNET)
        theirs = module(torch.from_numpy(X[1])).numpy()
    ours = resnet.network(X[1], V, state=state, training=True)
    assert_allclose(ours, theirs, rtol=ERROR, atol=ERROR)
    files.save_file(module.state_dict(), tmp_path / "two.safetensors")
    _, expected = names.load(tmp_path / "two.safetensors", U, names.RESNET)
    for a, b in zip(leaves(state), leaves(expected), strict=True):
        assert_allclose(a, b, rtol=ERROR, atol=ERROR)


def statistics(U):
    state = {}
    resnet.network(np.zeros((2, 3, 8, 8), np.float32), U, state=state, training=True)
    return map_leaves(np.copy, state)
