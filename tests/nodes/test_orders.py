"""Every node in every memory order: the same numbers, and images stay batch-first or batch-last."""

import numpy as np
import pytest
from numeric import batch_last, normal, positive, strided
from numpy.testing import assert_allclose

import minigrad as mg
from minigrad.kernels.order import is_batch_last
from minigrad.kernels.parallel import threads
from minigrad.tree import leaves, map_leaves
from tests.nodes.test_every_node import NODES, TAKES


def gaps(X):
    """The same entries as every second one of a larger array of that order."""
    big = np.zeros_like(X, shape=[2 * n for n in X.shape])
    view = big[(slice(None, None, 2),) * X.ndim]
    view[...] = X
    return view


def last(X):
    return batch_last(X) if X.ndim == 4 else X.T.copy().T


ORDERS = {
    "batch first": np.ascontiguousarray,
    "batch first with gaps": gaps,
    "batch first from the end": strided,
    "batch last": last,
    "batch last with gaps": lambda X: gaps(last(X)),
}
A, B, P = normal(4, 3, 6, 5), normal(4, 3, 6, 5, seed=1), positive(4, 3, 6, 5)
ON_IMAGES = {  # what a node is called with, if with neither (A,) nor what it takes in the check
    "add": ((A, B),),
    "batchnorm": (A, (positive(3), normal(3))),
    "batchnorm_relu": (A, (positive(3), normal(3)), B),
    "concatenate": ((A, B), 1),
    "div": (A, P),
    "dropout": (A, 0.3),
    "flatten": (A,),
    "index": (A, (slice(1, 4), slice(None), slice(0, 6, 2))),
    "log": (P,),
    "max": (A, (2, 3)),
    "maximum": (A, B),
    "mean": (A, (2, 3)),
    "minimum": (A, B),
    "mul": (A, normal(3, 1, 1)),
    "pad": (A, ((1, 2), (0, 1))),
    "pow": (P, A),
    "reshape": (A, (4, 9, -1)),
    "sqrt": (P,),
    "squared_error": (A, B),
    "stack": ((A, B), 1),
    "sub": (A, normal(4, 3, 1, 1)),
    "sum": (A, 3),
}
FOR_ROWS = {"affine", "dot", "entropy"}  # takes (n, d) alone
# products, gathers and a new axis lie in memory as NumPy gives them, transpose as its axes say
AS_NUMPY_GIVES = {
    "affine",
    "conv",  # batch-last, whatever it gets
    "conv_pool",
    "conv_pool_simple",
    "dot",
    "index",
    "pyramid",
    "slide",
    "stack",
    "take",
    "transpose",
}


def calls():
    for name in NODES:
        rows = TAKES.get(name, (normal(5, 4),))
        yield name, rows
        if name not in FOR_ROWS and leaves(rows)[0].ndim != 4:
            yield name, ON_IMAGES.get(name, (A,) if name not in TAKES else rows)


def run(name, args):
    """The value and the gradients of a node; its options are those of the check."""
    options = {"rng": np.random.default_rng(0)} if name == "dropout" else {}
    nodes = map_leaves(lambda a: mg.var(a) if _is_float(a) else a, args)
    Z = NODES[name](*nodes, **options)
    G = np.zeros_like(Z.value)
    G[...] = normal(*Z.shape, seed=3)
    mg.sum(Z * G).backward()
    return Z.value, [n.grad for n in leaves(nodes) if type(n) is mg.Node]


def _is_float(a):
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("name", "args"), [*calls()], ids=lambda a: a if isinstance(a, str) else ""
)
def test_a_node_gives_the_same_in_every_order_and_keeps_the_order(name, args, order):
    arranged = map_leaves(
        lambda a: ORDERS[order](a) if _is_float(a) and a.ndim in (2, 4) else a, args
    )
    Z, gradients = run(name, arranged)
    expected = run(name, args)
    for got, right in zip([Z, *gradients], [expected[0], *expected[1]]):
        assert_allclose(got, right, rtol=1e-12, atol=1e-12)
    for a, da in zip(filter(_is_float, leaves(arranged)), gradients):
        assert is_batch_last(da) == is_batch_last(a)
    if Z.ndim > 1 and len(Z) == len(leaves(args)[0]) and name not in AS_NUMPY_GIVES:
        assert is_batch_last(Z) == order.startswith("batch last")


@pytest.mark.parametrize("name", [n for n, args in TAKES.items() if leaves(args)[0].ndim == 4])
@pytest.mark.parametrize("order", ORDERS)
def test_threads_change_no_bit(name, order):
    X = ORDERS[order](normal(9, 3, 6, 5))
    args = (X, *TAKES[name][1:])
    alone = run(name, args)
    with threads(3):
        together = run(name, args)
    for a, b in zip([alone[0], *alone[1]], [together[0], *together[1]]):
        np.testing.assert_array_equal(a, b)
