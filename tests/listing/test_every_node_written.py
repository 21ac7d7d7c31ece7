"""Every node of the library is written out with the same bits, in every memory order."""

import numpy as np
import pytest
from numeric import batch_last, normal, positive, strided
from scripts import holds

import minigrad as mg
from minigrad import (
    affine,
    conv,
    decay,
    dropout,
    entropy,
    flatten,
    maxpool,
    program,
    relu,
    squared_error,
    var,
)
from minigrad.nodes import operators

NODES = {name for name, f in vars(mg.nodes).items() if hasattr(f, "plain")}


# every node, in every memory order

A0, B0, C0 = normal(3, 4), positive(3, 4, seed=1), normal(4, seed=2)
ORDERS = (np.ascontiguousarray, np.asfortranarray, strided)
CASES = {
    "affine": lambda A, B, C: affine(A, (mg.transpose(B), C[:3])),
    "relu": lambda A, B, C: relu(A),
    "leaky_relu": lambda A, B, C: mg.leaky_relu(A, slope=0.1),
    "sigmoid": lambda A, B, C: mg.sigmoid(A),
    "tanh": lambda A, B, C: mg.tanh(A),
    "softmax": lambda A, B, C: mg.softmax(A) * B,
    "log_softmax": lambda A, B, C: mg.log_softmax(A, 0) * B,
    "normalize": lambda A, B, C: mg.normalize(A) * B,
    "dropout": lambda A, B, C: dropout(A, 0.25, rng=np.random.default_rng(3)),
    "dropout in use": lambda A, B, C: dropout(A, training=False),
    "entropy": lambda A, B, C: entropy(A, np.array([0, 3, 1])),
    "entropy of targets": lambda A, B, C: entropy(A, np.eye(4)[:3]),
    "entropy of a list": lambda A, B, C: entropy(A, [0, 3, 1]),
    "decay": lambda A, B, C: decay({"A": A, "rest": (B, [C])}, 0.1),
    "decay of many": lambda A, B, C: decay((A, B, C) * 4),
    "decay of nothing": lambda A, B, C: decay(()) + mg.sum(A),
    "squared_error": lambda A, B, C: squared_error(A, B),
    "squared_error of a target": lambda A, B, C: squared_error(A, B.value),
    "add": lambda A, B, C: mg.add((A, B, C, 1.0, A)),
    "sub": lambda A, B, C: A - C,
    "mul": lambda A, B, C: A * C * 3,
    "div": lambda A, B, C: C / B,
    "neg": lambda A, B, C: -A,
    "pow": lambda A, B, C: A**2 + B**A,
    "dot": lambda A, B, C: A @ mg.transpose(B),
    "dot of vectors": lambda A, B, C: (A @ C) @ A + (C @ C),
    "dot of a batch": lambda A, B, C: A @ mg.stack((mg.transpose(B), mg.transpose(A))),
    "exp": lambda A, B, C: mg.exp(A),
    "log": lambda A, B, C: mg.log(B),
    "sqrt": lambda A, B, C: mg.sqrt(B),
    "abs": lambda A, B, C: mg.abs(A),
    "maximum": lambda A, B, C: mg.maximum(A, C),
    "minimum": lambda A, B, C: mg.minimum(A, 0.0),
    "sum": lambda A, B, C: mg.sum(A) + mg.sum(A, 1, keepdims=True) * mg.sum(A, 0),
    "mean": lambda A, B, C: mg.mean(A, (0,)) + mg.mean(A, 1, keepdims=True),
    "max": lambda A, B, C: mg.max(A, 1) * mg.max(A),
    "reshape": lambda A, B, C: mg.reshape(A, (2, -1)),
    "flatten": lambda A, B, C: flatten(mg.reshape(A, (3, 2, 2))),
    "transpose": lambda A, B, C: mg.transpose(mg.reshape(A, (3, 2, 2)), (2, 0, 1)),
    "concatenate": lambda A, B, C: mg.concatenate((A, B), 1),
    "stack": lambda A, B, C: mg.stack((A, B, A), 1),
    "take": lambda A, B, C: mg.take(A, np.array([1, 1, 0]), 1),
    "index": lambda A, B, C: A[1:, ::2] * A[np.array([0, 0])][:, [1, 1]] + A[-1, ..., None, 0],
    "index in a loop": lambda A, B, C: mg.stack([mg.sum(a) for a in A]),
    "pad": lambda A, B, C: mg.pad(A, ((1, 2),), value=1.5),
    "conv_pool": lambda A, B, C: mg.conv_pool(
        mg.reshape(A, (1, 1, 3, 4)), (mg.reshape(B, (2, 1, 2, 3)), C[:2])
    ),
    "conv_pool_simple": lambda A, B, C: mg.conv_pool_simple(
        mg.reshape(A, (1, 1, 3, 4)), (mg.reshape(B, (2, 1, 2, 3)), C[:2])
    ),
    "conv": lambda A, B, C: conv(mg.reshape(A, (1, 1, 3, 4)), (mg.reshape(B, (2, 1, 2, 3)), None)),
    "maxpool": lambda A, B, C: maxpool(mg.reshape(A, (1, 1, 3, 4)), 2, 1, padding=1),
    "pyramid": lambda A, B, C: mg.pyramid(mg.reshape(A, (1, 1, 3, 4)), (1, 2)),
    "batchnorm": lambda A, B, C: mg.batchnorm(A, (C, A[0])) * B,
    "batchnorm of views": lambda A, B, C: mg.batchnorm(mg.transpose(A), None, views=2) ** 3,
    "batchnorm of images": lambda A, B, C: mg.batchnorm(mg.reshape(A, (1, 3, 2, 2)), None) ** 3,
    "batchnorm with a state": lambda A, B, C: mg.batchnorm(A, (C, B[0]), state={}) * B,
    "batchnorm in use": lambda A, B, C: mg.batchnorm(
        A,
        (C, B[0]),
        state={"mean": np.ones(4, A.dtype), "var": np.ones(4, A.dtype)},
        training=False,
    ),
    "batchnorm_relu": lambda A, B, C: mg.batchnorm_relu(A, (C, A[0]), B) * B,
    "batchnorm_relu with a state": lambda A, B, C: mg.batchnorm_relu(A, None, state={}) * B,
    "lrn": lambda A, B, C: mg.lrn(mg.reshape(A, (1, 3, 2, 2)), 3, 0.5, form="caffe"),
    "deconv": lambda A, B, C: mg.deconv(
        mg.reshape(A, (2, 2, 1, 3)), (mg.reshape(B, (2, 3, 2, 1)), C[:3]), 2, (0, 1)
    ),
    "upsample": lambda A, B, C: mg.upsample(mg.reshape(A, (1, 1, 3, 4)), 2, (5, 8)),
    "upsample by switches": lambda A, B, C: mg.upsample(
        mg.reshape(A, (1, 1, 3, 4)), switches=np.arange(12).reshape(1, 1, 3, 4) ** 2 % 48
    ),
    "slide": lambda A, B, C: mg.slide(
        mg.reshape(A, (1, 2, 2, 3)), (mg.transpose(B), C[:3]), (2, 1)
    ),
    "avgpool": lambda A, B, C: mg.avgpool(mg.reshape(A, (1, 1, 3, 4)), 2, padding=1),
}


def test_every_node_has_a_case():
    assert {name for name in NODES if name not in CASES} == set()
    assert operators.OPERATORS


@pytest.mark.parametrize("order", ORDERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "dtype",
    [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)],
    ids=lambda d: d.__name__,
)
@pytest.mark.parametrize("name", CASES)
def test_every_node_gives_the_same_bits(name, dtype, order):
    A, B, C = var([order(a.astype(dtype)) for a in (A0, B0, C0)])
    Z = CASES[name](A, B, C)
    L = mg.sum(Z * Z)
    below = {n for n in mg.engine.below(L) if not n.function}
    holds(program(L), L, **{k: n for k, n in {"A": A, "B": B, "C": C}.items() if n in below})


@pytest.mark.parametrize("name", CASES)
def test_every_node_is_written_out_and_only_what_was_drawn_or_stood_in_a_state_is_given(name):
    A, B, C = var([a.astype(float) for a in (A0, B0, C0)])
    text = program(mg.sum(CASES[name](A, B, C))).standalone()
    given = [line.split()[0] for line in text.splitlines() if "as it was drawn" in line]
    assert given == {"dropout": ["M"], "batchnorm in use": ["mean", "R"]}.get(name, [])


@pytest.mark.parametrize("options", [{}, {"padding": "same"}, {"stride": 2, "padding": (1, 0)}])
@pytest.mark.parametrize("order", [*ORDERS, batch_last], ids=lambda f: f.__name__)
def test_images_in_every_memory_order(order, options):
    X, W, b = var((order(normal(3, 4, 6, 5)), order(normal(4, 2, 3, 2, seed=1)), normal(4)))
    Z = conv(X, (W, b), groups=2, **options)
    L = mg.sum(mg.avgpool(maxpool(Z * Z, 2, 1, padding=1), 2, 1) * 0.5)
    holds(program(L), L, X=X, W=W, b=b)
