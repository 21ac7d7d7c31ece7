"""Layers that learn at the same rate: weights scaled to it without a change of the function.

A step changes a layer by its gradient, so that ||gradient|| / ||weights|| is how fast it learns.
relu, max pooling, convolution and affine maps scale their output when their input is scaled (they
are positively homogeneous), so that one layer can be made larger and another smaller.

>>> from minigrad import relu
>>> rng = np.random.default_rng(0)
>>> X, draw = rng.standard_normal((50, 6)), lambda *shape: rng.standard_normal(shape)
>>> U = {"fc1": (9 * draw(6, 8), draw(8)), "fc2": (draw(8, 3), draw(3))}
>>> outputs = lambda U: affine(relu(affine(X, U["fc1"])), U["fc2"])
>>> V = balanced(outputs, U, rng=np.random.default_rng(1))
>>> np.allclose(outputs(V), outputs(U))
True
>>> for found in ratios(outputs, U, rng), ratios(outputs, V, rng):
...     print({name: f"{ratio:.1f}" for name, ratio in found.items()})
{'fc1': '1.1', 'fc2': '133.4'}
{'fc1': '11.4', 'fc2': '11.4'}

Source: Krähenbühl, Doersch, Donahue and Darrell, arXiv 1511.06856 (ICLR 2016), and the authors'
program (philkr/magic_init).
"""

import math

import numpy as np

from minigrad import affine, conv, value_and_grad
from minigrad import sum as total
from minigrad.backend import array_module
from minigrad.learn import gaussian


def ratios(outputs, U, rng, draws=10):
    """{layer: ||dW|| / ||W||} for the loss sum(E A), A = outputs(U), E drawn from N(0, 1).

    outputs: a function of parameters {layer: (W, b)} that gives A (n, k) for some samples, made of
    nodes; rng: a numpy Generator; draws: of E, 10, over which ||dW||^2 is averaged.
    As each sample has an E of its own, ||dW||^2 is expected to be the sum of all samples' own.
    Source: the authors' program (calibrateGradientRatio), where one draw is taken at a time, and
    biases are left out, too.
    """
    A = outputs(U)
    squares = dict.fromkeys(U, 0.0)
    for _ in range(draws):
        E = array_module(A).asarray(rng.standard_normal(A.shape), A.dtype)
        _, dU = value_and_grad(lambda U, E=E: total(outputs(U) * E))(U)
        for name in U:
            squares[name] += norm(dU[name][0]) ** 2 / draws
    return {name: math.sqrt(squares[name]) / (norm(W) or math.nan) for name, (W, b) in U.items()}


def balanced(outputs, U, breaks=(), *, rng):
    """Parameters of the same function, of whose layers all have the same `ratios`.

    With s_k = sqrt(ratio_k / their geometric mean), whose product is 1,
        W_k <- s_k W_k,   b_k <- s_1 ... s_k b_k:
    the output of layer k is s_1 ... s_k times what it was, the last as it was; its gradient is
    divided by s_k, so that its ratio is divided by s_k^2, the same for all.
    outputs, rng: as for `ratios`; U: parameters in the order of the layers, left as they are.
    breaks: names of layers whose output must keep its scale, because what follows is not
    homogeneous, as `lrn` with its constant k; layers are then alike between two breaks, each
    stretch by its own mean.
    Raises ValueError for breaks that are no layers, and a layer whose weights or gradient are 0.
    Source: the authors' program, which repeats ten times what one step does here, and corrects an
    lrn's output afterwards by its deviation; breaks are ours, and keep the function exactly.
    """
    if unknown := [name for name in breaks if name not in U]:
        raise ValueError(f"balanced: breaks are among {', '.join(U)}, not {', '.join(unknown)}")
    found = ratios(outputs, U, rng)
    for name, ratio in found.items():
        if not 0 < ratio < np.inf:
            raise ValueError(f"balanced: {name} does not learn: its gradient or its weights are 0")
    V, stretch = {}, []
    for name in U:
        stretch.append(name)
        if name in breaks or name == list(U)[-1]:
            logs = np.log([found[layer] for layer in stretch])
            scales = np.exp((logs - logs.mean()) / 2)
            for layer, s, passed in zip(stretch, scales, np.cumprod(scales)):
                W, b = U[layer]
                V[layer] = W * W.dtype.type(s), b * b.dtype.type(passed)
            stretch = []
    return V


def breaks(net):
    """The layers of a `context_prediction.Net` behind which lrn is: `balanced` stops there."""
    return tuple(f"conv{i}" for i, layer in enumerate(net.convolutions, 1) if layer.lrn)


def drawn(X, shape, rng, bias=0.0):
    """A new layer (W, b) whose outputs on X have mean `bias` and variance 1 in each channel.

    X: (n, d) or maps (n, c, h, w); shape: of W, (d, k) or filters (k, c, r, s), then with padding
    of half of r; rng: a numpy Generator; bias: 0 (the authors' program: 0.1, so that relus are on).
    With W from N(0, 1), of which outputs have mean m and deviation s by channel: W / s and
    bias - m / s.
    Source: the authors' program (initializeLayer, "elwise").

    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 5)) + 3
    >>> A = affine(X, drawn(X, (5, 2), rng))
    >>> (abs(A.mean(0)).max() < 1e-5, abs(A.std(0) - 1).max() < 1e-5)
    (np.True_, np.True_)
    """
    xp = array_module(X)
    W = xp.asarray(gaussian(shape, rng, 1.0, X.dtype))
    A = affine(X, (W, 0)) if W.ndim == 2 else conv(X, (W, None), padding=shape[-1] // 2)
    axes = (0,) if A.ndim == 2 else (0, 2, 3)
    m, s = A.mean(axes), A.std(axes)
    s = xp.where(s > 1e-5 * abs(m), s, 1)  # a constant channel, but for rounding
    return W / (s if W.ndim == 2 else s[:, None, None, None]), bias - m / s


def norm(A):
    return float(np.sqrt((A.astype(float) ** 2).sum()))
