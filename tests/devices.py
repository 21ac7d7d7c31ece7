"""What runs on NumPy and on another device alike, and what must come out."""

import numpy as np
from nodes.test_every_node import NODES, TAKES, A
from numpy.testing import assert_allclose

import minigrad as mg
from minigrad.tree import leaves, map_leaves
from models import context_prediction, context_training, embedding_training


def arguments(name, dtype):
    """What a node takes in the test of every node, in a dtype."""
    floats = lambda a: isinstance(a, np.ndarray) and a.dtype.kind == "f"
    return map_leaves(lambda a: a.astype(dtype) if floats(a) else a, TAKES.get(name, (A,)))


def options(name):
    return {"rng": np.random.default_rng(0)} if name == "dropout" else {}


def value_and_gradients(name, args):
    """(value, gradients of all float arrays) of a node, every entry with a weight of its own."""
    leaf = lambda a: mg.var(a) if hasattr(a, "dtype") and a.dtype.kind == "f" else a
    nodes = map_leaves(leaf, args)
    Z = NODES[name](*nodes, **options(name))
    G = np.random.default_rng(1).standard_normal(Z.shape).astype(Z.dtype)
    mg.sum(Z * (G if isinstance(Z.value, np.ndarray) else mg.to_gpu(G))).backward()
    return Z.value, [n.grad for n in leaves(nodes) if hasattr(n, "parents")]


def embedding_learned(method, move):
    """Parameters, statistics and embedding of a tiny network that learned by a method."""
    images = move(np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), np.uint8))
    settings = embedding_training.PRESETS["small"]._replace(
        method=method, network="4c5-4c5-8f", dimensions=6, batch=6, epochs=1, noise=5, rate=0.001
    )
    rng = np.random.default_rng(1)
    embedder, _ = embedding_training.fit(images, settings, rng=rng, progress=False)
    return embedder.parameters, embedder.state, embedder(images)


def steps(loss, U, data, optimiser, **options):
    """The losses of three steps, and the parameters after them."""
    losses = []
    for _ in range(3):
        L, dU = mg.value_and_grad(loss)(U, *data, **options)
        optimiser.step(dU, 0.1)
        losses.append(L)
    return losses, U


def assert_alike(there, here, kind, errors):
    """Assert that all arrays are of a kind, and those of NumPy up to an error for each dtype."""
    for a, b in zip(leaves(there), leaves(here), strict=True):
        assert type(a) is kind
        assert a.dtype == b.dtype
        error = errors[a.dtype.type]
        assert_allclose(mg.to_cpu(a), b, rtol=error, atol=error)


def context_learned(colours, move):
    """Parameters, statistics and features of a tiny network that learned how patches lie."""
    rng = np.random.default_rng(0)
    images = [move(rng.integers(0, 256, (3, 30 + i, 31), np.uint8)) for i in range(3)]
    net = context_prediction.SMALL._replace(patch=8, embedding=6, pair=(5,))
    net = net._replace(convolutions=tuple(c._replace(maps=4) for c in net.convolutions))
    context_prediction.NETS["of tests"] = net
    settings = context_training.PRESETS["small"]._replace(
        net="of tests", gap=4, jitter=1, colours=colours, per_image=4, batch=6, epochs=1, rate=1e-3
    )
    trained, _ = context_training.fit(images, settings, rng=rng, held_out=images, progress=False)
    del context_prediction.NETS["of tests"]
    return trained.parameters, trained.state, trained(move(np.ones((2, 3, 8, 8), np.float32)))
