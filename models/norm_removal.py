"""Batch normalisation taken into the weights, so that a network can be used and tuned without it.

>>> import numpy as np
>>> from minigrad.models.context_extractor import untrained
>>> rng = np.random.default_rng(0)
>>> patches = rng.integers(0, 256, (40, 3, 24, 24), np.uint8)
>>> net = untrained(patches, rng=rng)
>>> plain = remove_norms(net)
>>> plain.net == net.net.without_norms(), plain.state
(True, {})
>>> bool(abs(plain(patches) - net(patches)).max() < 1e-5)
True
"""

import dataclasses

from minigrad.backend import array_module

from . import context_prediction as cp

EPS = 1e-5  # as in `batchnorm`


def remove_norms(extractor, patches=None):
    """A ContextNet without batch normalisation that computes what this one does.

    Of a layer that is normalised without scale and shift, with r = 1 / sqrt(var + eps) by channel,
        ((x W + b) - mean) r = x (W r) + (b - mean) r,
    so that its weights become W r and its biases (b - mean) r.
    extractor: a `ContextNet`, left as it is; patches: (n, c, s, s), two at least, bytes or in
    [0, 1], whose mean and variance are taken layer by layer, fc7's of each patch beside its mirror
    in the list; each channel then has mean 0 and variance 1 on them (within eps and n / (n - 1)).
    None: the statistics that training kept.
    Raises ValueError for a network that was never used in training, and for other patches.
    Source: Doersch, Gupta and Efros, ICCV 2015, section 4.3.
    """
    net, state = extractor.net, extractor.state
    if patches is not None:
        state = statistics(extractor, patches)
    U = {}
    for name, (W, b) in extractor.parameters.items():
        if normalised(net, name):
            if name not in state:
                raise ValueError(
                    f"remove_norms: {name} is normalised, but by no statistics: train the network, "
                    "or give patches to take them from"
                )
            W, b = without_norm(W, b, **state[name])
        U[name] = W.copy("K"), b.copy()
    return dataclasses.replace(extractor, net=net.without_norms(), parameters=U, state={})


def without_norm(W, b, mean, var):
    """(W r, (b - mean) r) with r = 1 / sqrt(var + eps).

    W: (d, k), or filters (k, c, r, s); b, mean, var: (k,).

    >>> import numpy as np
    >>> without_norm(np.ones((2, 1)), np.array([3.0]), np.array([1.0]), np.array([4 - EPS]))
    (array([[0.5],
           [0.5]]), array([1.]))
    """
    xp = array_module(W)
    R = 1 / xp.sqrt(var.astype(float) + EPS)
    scale = R[:, None, None, None] if W.ndim == 4 else R
    return (W * scale).astype(W.dtype), ((b - mean) * R).astype(b.dtype)


def normalised(net, name):
    """Whether a `Net` normalises the layer of that name."""
    kind, number = name.rstrip("0123456789"), int(name.lstrip("convf"))
    return net.convolutions[number - 1].norm if kind == "conv" else net.norm and number < 8


def statistics(extractor, patches):
    """{layer: {"mean": (k,), "var": (k,)}} of patches, as if they were one batch of training."""
    extractor._check(patches)
    if len(patches) < 2:
        raise ValueError("remove_norms: statistics are of two patches at least, not of 1")
    X, state = extractor.prepare(patches), {}
    options = {"net": extractor.net, "state": state, "momentum": 1.0}
    cp.network(X, X[::-1], extractor.parameters, **options)
    return state
