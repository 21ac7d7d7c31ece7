"""Every network as a file of NumPy only: the same bits, with the kernels that it really used."""

import numpy as np
import pytest
from minigrad.models import alexnet, drlim, exemplar_cnn, lenet, resnet
from numeric import normal
from scripts import same, saved

from minigrad import entropy, program, sum, threads, var
from minigrad.tree import leaves

T = np.arange(9) % 5


def rng():
    return np.random.default_rng(0)


def images(*shape):
    return normal(9, *shape).astype(np.float32)


NETWORKS = {
    "Exemplar-CNN": (
        exemplar_cnn.initial(rng(), 5, 3, 16, "6c5-8c5-9c5-10f"),
        lambda U: exemplar_cnn.loss(U, images(3, 16, 16), T, rng=rng()),
    ),
    "Exemplar-CNN with a stride and other pooling": (
        exemplar_cnn.initial(rng(), 5, 3, 16, "6c7s2-8c5p3-10f"),
        lambda U: exemplar_cnn.loss(
            U, images(3, 16, 16), T, {"output": 0.1}, code="6c7s2-8c5p3-10f", rng=rng()
        ),
    ),
    "LeNet-5": (lenet.initial(rng()), lambda U: lenet.loss(U, images(1, 28, 28), T)),
    "AlexNet in small": (
        alexnet.initial(rng(), 5, **alexnet.SMALL),
        lambda U: entropy(alexnet.network(images(3, 32, 32), U, stem=alexnet.SMALL["stem"]), T),
    ),
    "DrLIM's network on the sphere": (
        drlim.initial(rng(), 3),
        lambda U: sum(drlim.embedding(images(1, 28, 28), U) * images(3)),
    ),
    "ResNet-18": (
        resnet.initial(rng(), 5, 3, (4, 8, 8, 8)),
        lambda U: resnet.loss(U, images(3, 16, 16), T),
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in ("AlexNet in small", "ResNet-18")))
        for name in NETWORKS
    ],
)
def test_a_network_is_written_out_with_the_bits_of_one_thread(name):
    parameters, loss = NETWORKS[name]
    with threads(1):
        U = var(parameters)
        L = loss(U)
        listing = program(L)
        text, inputs = listing.standalone(), listing.inputs()
        L.backward()
        space = {"inputs": saved(inputs)}
        statements = text.replace('with np.load("inputs.npz") as inputs:', "if True:")
        exec(compile(statements, "program.py", "exec"), space)
    assert same(space[text.rstrip().rpartition(" ")[2][:-1]], L.value)
    found = {
        v.tobytes() for k, v in space.items() if k.startswith("d") and isinstance(v, np.ndarray)
    }
    assert all(leaf.grad.tobytes() in found for leaf in leaves(U))
    assert "minigrad" not in text
    assert text.count("as it was drawn") == name.startswith("Exemplar-CNN")  # dropout's mask
