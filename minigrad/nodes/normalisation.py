"""Normalisation of features, and of channels.

>>> import numpy as np
>>> normalize(np.array([[3.0, 4.0]]))
array([[0.6, 0.8]])
"""

import math

import numpy as np

from ..engine import block, detach, node
from ..kernels import cuda
from ..kernels import normalisation as channels
from ..kernels.order import empty_like
from ..tree import needed
from . import arithmetic, shape
from .layers import relu


@node
def normalize(X, axis=1):
    """Z = X / ||X||, unit length along the axis.  X, Z: (n, d), or any shape that has the axis.

    A zero vector stays zero, and so does its gradient. Squares are summed in X's dtype: of float32,
    vectors longer than 1.8e19 become 0, as those do of which no entry is above 2e-23.

    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    N = np.sqrt((X * X).sum(axis, keepdims=True))
    N[N == 0] = np.inf  # 0 / inf = 0, for the value and for the gradient
    Z = X / N

    def back(dZ, dX):
        dX += (dZ - Z * (dZ * Z).sum(axis, keepdims=True)) / N

    return Z, back


@node
def batchnorm(X, U, *, state=None, training=True, momentum=0.1, eps=1e-5, views=1, ranks=None):
    """Z = gamma Y + beta with Y = (X - mean) / sqrt(var + eps), mean and var those of each channel.

    X, Z: (n, c, h, w), or (n, c); U = (gamma, beta), both (c,), or None for Z = Y; training: mean
    and (biased) var are those of the batch, else those in state; state: a dict that training fills
    and updates in place, mean += momentum (mean of the batch - mean), var alike with the unbiased
    variance of the batch, from mean = 0 and var = 1; momentum: 0.1, the weight of what is new;
    eps: 1e-5, so that a constant channel gives Y = 0; views: how many views of one batch X holds
    behind each other, 1; each is normalised by its own statistics and updates the state in turn;
    ranks: processes that train together (`minigrad.learn.parallel`) and share mean and var, which
    are then those of the whole batch; None, each its own.
    The gradient in training: with m values to a channel,
    dX = gamma / sqrt(var + eps) (dZ - sum(dZ) / m - Y sum(dZ Y) / m).
    Raises ValueError if shapes do not fit, training sees a single value, or use has no state.
    Source: Ioffe and Szegedy, ICML 2015, algorithms 1 and 2.

    >>> batchnorm(np.array([[1.0, 5.0], [3.0, 5.0]]), None, eps=0.0001).round(4) + 0.0
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    check_batch(X, U, state, training, views, ranks)
    gamma, beta = (np.ones_like(X, shape=X.shape[1:2]), 0) if U is None else U
    V = channels.by_view(X, views)
    if training:
        mean, var = channels.moments(V, ranks)
    else:
        mean, var = (np.stack([state[name]] * views) for name in ("mean", "var"))
    R = 1 / np.sqrt(var + eps)
    Z = empty_like(X, X.shape, np.result_type(X, gamma, R))
    channels.scaled(channels.by_view(Z, views), V, gamma * R, beta - mean * gamma * R)
    if training and state is not None:
        remember(state, mean, channels.unbiased(V, var, ranks), momentum)

    def back(dZ, dX, dU):
        G = channels.by_view(dZ, views)
        sums, dots = channels.products(V, mean, G)
        if U is not None:
            dgamma, dbeta = dU
            dgamma += (dots * R).sum(0)
            dbeta += sums.sum(0)
        if needed(dX):
            dV = channels.by_view(dX, views)
            if training:
                sums, dots = channels.shared(np.stack([sums, dots]), ranks)
            channels.deposit(dV, G, V, *coefficients(V, gamma, mean, R, sums, dots, training))

    return Z, back


@node
def batchnorm_relu(
    X, U, S=None, *, state=None, training=True, momentum=0.1, eps=1e-5, views=1, ranks=None
):
    """Z = max(0, batchnorm(X, U) + S), what follows a convolution, in one pass over memory.

    X, U and the options as in `batchnorm`; S: like X, what goes round the convolutions of a
    residual block, or None; Z: like X. At 0 the gradient is 0. Equal to `batchnorm_relu_simple`;
    it saves what the plain nodes keep of no use, the value before the relu and that of the sum.
    Raises ValueError as `batchnorm` does, and if S is not of X's shape.
    Source: He, Zhang, Ren and Sun, CVPR 2016, section 3.

    >>> batchnorm_relu(np.array([[1.0], [3.0]]), None, np.array([[0.5], [0.5]]), eps=0.0)
    array([[0. ],
           [1.5]])
    """
    check_batch(X, U, state, training, views, ranks)
    if S is not None and S.shape != X.shape:
        raise ValueError(f"batchnorm_relu: X is {X.shape} but S is {S.shape}")
    gamma, beta = (np.ones_like(X, shape=X.shape[1:2]), 0) if U is None else U
    V, T = channels.by_view(X, views), None if S is None else channels.by_view(S, views)
    if training:
        mean, var = channels.moments(V, ranks)
    else:
        mean, var = (np.stack([state[name]] * views) for name in ("mean", "var"))
    R = 1 / np.sqrt(var + eps)
    Z = empty_like(X, X.shape, np.result_type(X, gamma, R))
    Y = channels.by_view(Z, views)
    channels.scaled(Y, V, gamma * R, beta - mean * gamma * R, T, relu=True)
    if training and state is not None:
        remember(state, mean, channels.unbiased(V, var, ranks), momentum)

    def back(dZ, dX, dU, dS):
        dA = dZ * (Z > 0)
        if S is not None:
            dS += dA
        G = channels.by_view(dA, views)
        sums, dots = channels.products(V, mean, G)
        if U is not None:
            dgamma, dbeta = dU
            dgamma += (dots * R).sum(0)
            dbeta += sums.sum(0)
        if needed(dX):
            dV = channels.by_view(dX, views)
            if training:
                sums, dots = channels.shared(np.stack([sums, dots]), ranks)
            channels.deposit(dV, G, V, *coefficients(V, gamma, mean, R, sums, dots, training))

    return Z, back


def coefficients(V, gamma, mean, R, sums, dots, training):
    """a, b, t of dX = a dZ + b X + t, from the sums of dZ and of dZ (X - mean): (views, c)."""
    a = gamma * R
    if not training:
        return a, 0 * a, 0 * a
    m = channels.count(V)
    b = -a * R * R * dots / m
    return a, b, -a * sums / m - b * mean


@block
def batchnorm_simple(X, U, *, state=None, training=True, momentum=0.1, eps=1e-5, views=1):
    """`batchnorm` of plain nodes: Z = gamma (X - mean) / sqrt(var + eps) + beta.

    >>> batchnorm_simple(np.array([[1.0, 5.0], [3.0, 5.0]]), None, eps=0.0001).round(4) + 0.0
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    if views > 1 and training:
        n = len(X) // views
        parts = [X[i : i + n] for i in range(0, len(X), n)]
        options = {"state": state, "momentum": momentum, "eps": eps}
        return shape.concatenate(tuple([batchnorm_simple(x, U, **options) for x in parts]))
    axes, c = ((0, 2, 3), (1, -1, 1, 1)) if X.ndim == 4 else (0, (1, -1))
    if training:
        mean = arithmetic.mean(X, axes, keepdims=True)
        D = X - mean
        var = arithmetic.mean(D * D, axes, keepdims=True)
        if state is not None:
            m = math.prod(X.shape) // X.shape[1]
            new = (detach(a).reshape(1, -1) for a in (mean, var * (m / (m - 1))))
            remember(state, *new, momentum)
    else:
        D, var = X - state["mean"].reshape(c), state["var"].reshape(c)
    Y = D / arithmetic.sqrt(var + eps)
    if U is None:
        return Y
    gamma, beta = U
    return shape.reshape(gamma, c) * Y + shape.reshape(beta, c)


@block
def batchnorm_relu_simple(X, U, S=None, **options):
    """Z = relu(batchnorm(X, U) + S): what `batchnorm_relu` is, in plain nodes.

    >>> batchnorm_relu_simple(np.array([[1.0], [3.0]]), None, eps=0.0)
    array([[0.],
           [1.]])
    """
    A = batchnorm_simple(X, U, **options)
    return relu(A if S is None else A + S)


def remember(state, mean, var, momentum):
    """Move the running statistics in state towards those of each view in turn: both or neither."""
    if not state:
        state.update(mean=np.zeros_like(mean[0]), var=np.ones_like(var[0]))
    m, v = state["mean"].copy(), state["var"].copy()
    for new_mean, new_var in zip(mean, var):
        m += momentum * (new_mean - m)
        v += momentum * (new_var - v)
    state["mean"][...], state["var"][...] = m, v


def check_batch(X, U, state, training, views, ranks):
    """Raise ValueError unless a batch can be normalised."""
    if X.ndim not in (2, 4):
        raise ValueError(f"batchnorm: X is (n, c, h, w) or (n, c), not {X.shape}")
    n, c = X.shape[:2]
    if U is not None and not U[0].shape == U[1].shape == (c,):
        raise ValueError(
            f"batchnorm: X {X.shape} has {c} channels but gamma is {U[0].shape}, beta {U[1].shape}"
        )
    if views < 1 or n % views:
        raise ValueError(f"batchnorm: {n} samples are not {views} views of a batch")
    if training and X.size * (1 if ranks is None else ranks.growth) <= c * views:
        raise ValueError(
            f"batchnorm: training takes the variance of a channel, from more than one value, not "
            f"from those of X {X.shape} in {views} view{'s' * (views > 1)}"
        )
    if not training and not state:
        raise ValueError("batchnorm: in use the statistics are those in state: give state=")


@node
def lrn(X, size=5, alpha=1e-4, beta=0.75, k=2.0, form="alexnet"):
    """Z = X / D^beta with D = k + alpha times the sum of X^2 over the channels near by.

    X, Z: (n, c, h, w); near are the channels i - size // 2 to i + size // 2 at the same place, 5;
    alpha: 1e-4; beta: 0.75; k: 2, as AlexNet has them. form: "alexnet" as above; "caffe" takes
    alpha / size for alpha (Caffe and its followers, mostly with k = 1).
    The gradient: dX = dZ / D^beta - 2 alpha beta X sum over channels near by of dZ Z / D.
    Raises ValueError if X is no batch of images, for another form or a size below 1.
    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3.

    >>> lrn(np.ones((1, 3, 1, 1)), size=3, alpha=1.0, beta=1.0).ravel()
    array([0.25, 0.2 , 0.25])
    """
    if X.ndim != 4:
        raise ValueError(f"lrn: X is (n, c, h, w), not {X.shape}")
    if form not in ("alexnet", "caffe") or size < 1:
        raise ValueError(f'lrn: form is "alexnet" or "caffe", size >= 1, not {form!r} and {size}')
    alpha = alpha / size if form == "caffe" else alpha
    D = k + alpha * near(X * X, size)
    F = D**-beta
    Z = X * F

    def back(dZ, dX):
        dX += dZ * F - 2 * alpha * beta * X * near(dZ * Z / D, size)

    return Z, back


@cuda.on_gpu(cuda.near)
def near(S, size):
    """Every channel plus those before and behind it, size // 2 of them: (n, c, h, w)."""
    N = S.copy(order="K")
    for i in range(1, size // 2 + 1):
        N[:, i:] += S[:, :-i]
        N[:, :-i] += S[:, i:]
    return N
