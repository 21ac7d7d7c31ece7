"""Every node, model and training step on arrays that never leave their device.

The device is `strict`, a stand-in for CuPy: what silently became a NumPy array would raise. Values
and gradients are NumPy's, to rounding.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import strict
from numeric import batch_last, normal
from numpy.testing import assert_allclose

import minigrad as mg
from minigrad import nodes
from minigrad.tree import leaves, map_leaves

ROOT = Path(__file__).parent.parent
NODES = {name: f for name, f in vars(nodes).items() if hasattr(f, "plain")}


def table():
    """What every node takes, as its own test has it."""
    path = ROOT / "tests" / "nodes" / "test_every_node.py"
    spec = importlib.util.spec_from_file_location("every_node", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TAKES = table().TAKES
A = table().A


@pytest.fixture(autouse=True)
def device(monkeypatch):
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    return strict.install(monkeypatch)


def of_dtype(args, dtype):
    return map_leaves(
        lambda a: a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a, args
    )


def both(f, args, options):
    """(value, gradients of all float arrays) of a node, weighted so that no two entries are alike."""
    leaf = lambda a: mg.var(a) if hasattr(a, "dtype") and a.dtype.kind == "f" else a
    nodes = map_leaves(leaf, args)
    Z = f(*nodes, **options())
    G = np.random.default_rng(1).standard_normal(Z.shape).astype(Z.dtype)
    mg.sum(Z * (mg.to_gpu(G) if isinstance(Z.value, strict.ndarray) else G)).backward()
    gradients = [n.grad for n in leaves(nodes) if hasattr(n, "parents")]
    return Z.value, gradients


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", NODES)
def test_every_node_stays_on_the_device(name, dtype):
    args = of_dtype(TAKES.get(name, (A,)), dtype)
    options = lambda: {"rng": np.random.default_rng(0)} if name == "dropout" else {}
    expected = both(NODES[name], args, options)
    got = both(NODES[name], mg.to_gpu(args), options)
    for there, here in zip(leaves(got), leaves(expected), strict=True):
        assert type(there) is strict.ndarray
        assert there.dtype == here.dtype
        error = 1e-12 if dtype is np.float64 else 1e-5
        assert_allclose(there.get(), here, rtol=error, atol=error)
