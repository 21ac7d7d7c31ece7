"""PyTorch's operations in minigrad's terms: each takes what torch's takes, on Nodes.

The keys are the names of PyTorch's OpInfo. An option without a parameter here raises TypeError and
counts as wrong, so that none is passed over; what minigrad does not do is Unsupported, with why.
"""

import functools
import itertools
import math

import numpy as np
from peers.tallies import unless

import minigrad as mg


def at_numbers(f):
    """f of arguments without NaN, where libraries differ in what they call the slope."""

    def call(*args):
        arrays = [np.asarray(mg.detach(a)) for a in args]
        unless(not any(np.isnan(a).any() for a in arrays), "a slope at NaN")
        return f(*args)

    return call


def power(A, B):
    if isinstance(B, mg.Node):
        a, b = mg.detach((A, B))
        bare = np.where(a < 0, ~np.isnan(a**b), (a == 0) & (b < 0))
        unless(not bare.any(), "a gradient by the exponent of a base <= 0: ours is 0")
    return A**B


def axes(A, dim):
    """torch's dim as minigrad's axis: () stands for all axes, a number has none."""
    dim = dim if isinstance(dim, int) else tuple(dim or ())
    return None if A.ndim == 0 or dim == () else dim


def reduced(f):
    """A reduction, with torch's names of the options."""
    return lambda A, dim=None, keepdim=False: f(A, axes(A, dim), keepdim)


def least(A, axis, keepdims):
    return -mg.max(-A, axis, keepdims)


def along_axis(f):
    """f along an axis, for torch's arguments: it asks for numbers and empty axes too."""

    def call(A, dim, dtype=None):
        unless(A.ndim, "a number has no axis")
        unless(A.shape[dim], "an axis without entries")
        return f(A, dim)

    return call


def part(A, dim, i):
    """A with the index i at one axis."""
    return A[(slice(None),) * (dim % A.ndim) + (i,)]


def parts(A, sizes, dim=0):
    ends = np.cumsum([0, *sizes]).tolist()
    return tuple(part(A, dim, slice(a, b)) for a, b in itertools.pairwise(ends))


def split(A, size, dim=0):
    n = A.shape[dim]
    sizes = size if isinstance(size, (list, tuple)) else [size] * (n // size) + [n % size]
    return parts(A, [s for s in sizes if s or s in np.atleast_1d(size)], dim)


def chunk(A, chunks, dim=0):
    return split(A, -(-A.shape[dim] // chunks), dim)


def narrow(A, dim, start, length):
    start = int(start) + (A.shape[dim] if start < 0 else 0)
    return part(A, dim, slice(start, start + length))


def index_select(A, dim, i):
    unless(A.ndim, "a number has no axis")
    return mg.take(A, i, dim)


def flip(A, dims):
    turned = {d % A.ndim for d in dims}
    return A[tuple(slice(None, None, -1 if d in turned else None) for d in range(A.ndim))]


def swapped(A, a, b):
    order = np.arange(A.ndim)
    if A.ndim:
        order[[a, b]] = order[[b, a]]
    return mg.transpose(A, tuple(order))


def reshape(A, *shape):
    return mg.reshape(A, tuple(shape[0] if np.ndim(shape[0]) else shape))


def flatten(A, start_dim=0, end_dim=-1):
    if A.ndim == 0:
        return mg.reshape(A, (1,))
    end = end_dim % A.ndim + 1
    middle = math.prod(A.shape[start_dim:end])
    return mg.reshape(A, (*A.shape[:start_dim], middle, *A.shape[end:]))


def unflatten(A, dim, sizes):
    dim %= A.ndim
    known = math.prod(n for n in sizes if n != -1)
    sizes = [A.shape[dim] // known if n == -1 else n for n in sizes]
    return mg.reshape(A, (*A.shape[:dim], *sizes, *A.shape[dim + 1 :]))


def squeeze(A, dim=None):
    dims = range(A.ndim) if dim is None else np.atleast_1d(np.array(dim, int))
    dims = {d % A.ndim for d in dims} if A.ndim else {}
    return mg.reshape(A, tuple(n for i, n in enumerate(A.shape) if n != 1 or i not in dims))


def unsqueeze(A, dim):
    dim %= A.ndim + 1
    return mg.reshape(A, (*A.shape[:dim], 1, *A.shape[dim:]))


def expand(A, *shape):
    shape = shape[0] if np.ndim(shape[0]) else shape
    front = len(shape) - A.ndim
    return A + np.zeros([A.shape[i - front] if n == -1 else n for i, n in enumerate(shape)])


def cat(X, dim=0):
    unless(all(x.shape != (0,) for x in X), "empty vectors, which torch passes over")
    return mg.concatenate(tuple(X), dim)


def pad(X, pad, mode="constant", value=0.0):
    unless(min(pad) >= 0, "padding below 0, which cuts off")
    pairs = tuple(zip(pad[::2], pad[1::2]))
    return mg.pad(X, pairs[::-1], 0.0 if value is None else value)


def linear(X, W, b=None):
    if X.ndim == 2 and b is not None:
        return mg.affine(X, (mg.transpose(W), b))
    A = X @ mg.transpose(W)
    return A if b is None else A + b


def averaged(loss):
    """A loss by entry, reduced as torch's option says."""

    def call(A, B, reduction="mean"):
        E = loss(A - B)
        return {"mean": mg.mean, "sum": mg.sum, "none": lambda E: E}[reduction](E)

    return call


def mse_loss(A, B, reduction="mean"):
    if reduction == "none" or A.ndim == 0:
        return averaged(lambda E: E * E)(A, B, reduction)
    n = len(A.value)
    return mg.squared_error(A, B) * (n if reduction == "sum" else n / A.value.size)


def cross_entropy(A, T, weight=None, ignore_index=-100, reduction="mean"):
    unless(weight is None, "weights of classes")
    unless(ignore_index == -100, "a label to ignore")
    unless(reduction != "none", "a loss by sample")
    unless(not isinstance(T, mg.Node), "a gradient by the targets")
    A = mg.reshape(mg.transpose(A, (0, *range(2, A.ndim), 1)), (-1, A.shape[1]))
    D = mg.entropy(A, T.reshape(-1))
    return D * len(A) if reduction == "sum" else D


def dropout(X, p=0.5, training=True):
    unless(not training or p == 0, "a random mask, of torch's generator" if p < 1 else "rate 1")
    return mg.dropout(X, p if training else 0, rng=np.random.default_rng(0), training=training)


def normalize(X, p=2.0, dim=1, eps=1e-12):
    unless(p == 2, "a norm other than the Euclidean")
    return mg.normalize(X, dim)


def by_channel(f, X):
    """f, which sees channels only, of X (n, c, ...) as images (n, c, h, 1)."""
    images = mg.reshape(X, (*X.shape[:2], math.prod(X.shape[2:]), 1))
    return mg.reshape(f(images), X.shape)


def batch_norm(X, mean, var, gamma=None, beta=None, training=False, momentum=0.1, eps=1e-5):
    unless(X.ndim > 1, "no axis of channels")
    U = None if gamma is None else (gamma, beta)
    options = {"state": None if training else {"mean": mean, "var": var}, "eps": eps}
    return by_channel(lambda V: mg.batchnorm(V, U, training=training, **options), X)


def local_response_norm(X, size, alpha=1e-4, beta=0.75, k=1.0):
    unless(size % 2, "an even number of channels, one side longer")
    return by_channel(lambda V: mg.lrn(V, size, alpha, beta, k, form="caffe"), X)


def on_images(f):
    """f of images (n, c, h, w), or of one image (c, h, w)."""

    @functools.wraps(f)
    def call(X, *args, **options):
        return f(X, *args, **options) if X.ndim == 4 else f(X[None], *args, **options)[0]

    return call


def pair(option):
    """A number, or one of a list, twice."""
    option = np.atleast_1d(option).tolist()
    return tuple(option * 2 if len(option) == 1 else option)


@on_images
def conv2d(X, W, b=None, stride=1, padding=0, dilation=1, groups=1):
    padding = {"valid": 0, "same": "same"}[padding] if isinstance(padding, str) else pair(padding)
    return mg.conv(X, (W, b), pair(stride), padding, pair(dilation), groups)


@on_images
def conv_transpose2d(X, W, b=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    more = pair(output_padding)
    unless(all(m < s for m, s in zip(more, stride)), "output_padding as large as the stride")
    size = tuple(
        (n - 1) * s + d * (k - 1) + 1 - 2 * p + m
        for n, s, d, k, p, m in zip(X.shape[2:], stride, dilation, W.shape[2:], padding, more)
    )
    return mg.deconv(X, (W, b), stride, padding, dilation, groups, size)


@on_images
def max_pool2d(
    X, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    unless(pair(dilation) == (1, 1), "dilation")
    stride = pair(stride) if stride else None
    return mg.maxpool(X, pair(kernel_size), stride, pair(padding), ceil_mode)


@on_images
def avg_pool2d(
    X,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    unless(divisor_override is None, "a divisor that is not the number of cells")
    stride, padding = pair(stride) if stride else None, pair(padding)
    if count_include_pad and padding != (0, 0):
        unless(not ceil_mode, "padding that counts, with windows that stick out")
        X, padding = mg.pad(X, tuple((p, p) for p in padding)), 0
    return mg.avgpool(X, pair(kernel_size), stride, padding, ceil_mode)


def grid(X, output_size):
    return tuple(n if g is None else g for n, g in zip(X.shape[2:], pair(output_size)))


@on_images
def adaptive_max_pool2d(X, output_size, return_indices=False):
    h, w = grid(X, output_size)
    unless(h == w, "a grid that is not square")
    return mg.reshape(mg.pyramid(X, (h,), "adaptive"), (*X.shape[:2], h, w))


@on_images
def adaptive_avg_pool2d(X, output_size):
    sides = X.shape[2:]
    cells = grid(X, output_size)
    unless(not any(n % g for n, g in zip(sides, cells)), "means of cells that overlap")
    return mg.avgpool(X, tuple(n // g for n, g in zip(sides, cells)))


@on_images
def max_unpool2d(X, indices, kernel_size, stride=None, padding=0, output_size=None):
    indices = indices.reshape(X.shape)
    maps = indices.reshape(-1, math.prod(X.shape[2:])).tolist()
    apart = all(len(set(places)) == len(places) for places in maps)
    unless(apart, "two entries for one place, which ours adds up")
    return mg.upsample(X, size=tuple(output_size[-2:]), switches=indices)


def upsample_nearest(X, size=None, scale_factor=None, **options):
    unless(X.ndim == 4, "no images (n, c, h, w)")
    h, w = X.shape[2:]
    size = size or (int(h * scale_factor), int(w * scale_factor))
    unless(not size[0] % h and not size[1] % w, "a factor that is no whole number")
    return mg.upsample(X, (size[0] // h, size[1] // w))


OPERATIONS = {
    "add": lambda A, B, alpha=1: A + alpha * B,
    "sub": lambda A, B, alpha=1: A - alpha * B,
    "rsub": lambda A, B, alpha=1: B - alpha * A,
    "mul": lambda A, B: A * B,
    "div_no_rounding_mode": lambda A, B: A / B,
    "true_divide": lambda A, B: A / B,
    "pow": power,
    "float_power": power,
    "__radd__": lambda A, B: B + A,
    "__rsub__": lambda A, B: B - A,
    "__rmul__": lambda A, B: B * A,
    "__rdiv__": lambda A, B: B / A,
    "__rpow__": lambda A, B: power(B, A),
    "__rmatmul__": lambda A, B: B @ A,
    "maximum": at_numbers(mg.maximum),
    "minimum": at_numbers(mg.minimum),
    "max_binary": at_numbers(mg.maximum),
    "min_binary": at_numbers(mg.minimum),
    "addcmul": lambda S, A, B, value=1: S + value * A * B,
    "addcdiv": lambda S, A, B, value=1: S + value * A / B,
    "lerp": lambda A, B, weight: A + weight * (B - A),
    "neg": mg.neg,
    "abs": at_numbers(mg.abs),
    "exp": mg.exp,
    "exp2": lambda A: 2.0**A,
    "log": mg.log,
    "log2": lambda A: mg.log(A) / math.log(2),
    "log10": lambda A: mg.log(A) / math.log(10),
    "sqrt": mg.sqrt,
    "rsqrt": lambda A: 1 / mg.sqrt(A),
    "reciprocal": lambda A: 1 / A,
    "square": lambda A: A**2,
    "sum": reduced(mg.sum),
    "mean": reduced(mg.mean),
    "amax": reduced(mg.max),
    "amin": reduced(least),
    "max_reduction_no_dim": reduced(mg.max),
    "max_reduction_with_dim": reduced(mg.max),
    "min_reduction_no_dim": reduced(least),
    "min_reduction_with_dim": reduced(least),
    "dot": mg.dot,
    "vdot": mg.dot,
    "mv": mg.dot,
    "mm": mg.dot,
    "bmm": mg.dot,
    "matmul": mg.dot,
    "outer": lambda A, B: A[:, None] * B,
    "linalg_vecdot": lambda A, B, dim=-1: mg.sum(A * B, dim),
    "linalg_multi_dot": lambda X: functools.reduce(mg.dot, X),
    "addmv": lambda S, A, B, beta=1, alpha=1: beta * S + alpha * (A @ B),
    "addmm": lambda S, A, B, beta=1, alpha=1: beta * S + alpha * (A @ B),
    "baddbmm": lambda S, A, B, beta=1, alpha=1: beta * S + alpha * (A @ B),
    "addbmm": lambda S, A, B, beta=1, alpha=1: beta * S + alpha * mg.sum(A @ B, 0),
    "addr": lambda S, A, B, beta=1, alpha=1: beta * S + alpha * A[:, None] * B,
    "reshape": reshape,
    "view": reshape,
    "reshape_as": lambda A, B: mg.reshape(A, B.shape),
    "view_as": lambda A, B: mg.reshape(A, B.shape),
    "ravel": lambda A: mg.reshape(A, (-1,)),
    "flatten": flatten,
    "unflatten": unflatten,
    "squeeze": squeeze,
    "squeeze_multiple": squeeze,
    "unsqueeze": unsqueeze,
    "permute": mg.transpose,
    "transpose": swapped,
    "t": mg.transpose,
    "T": mg.transpose,
    "mT": lambda A: swapped(A, -1, -2),
    "expand": expand,
    "expand_as": lambda A, B: expand(A, B.shape),
    "cat": cat,
    "stack": lambda X, dim=0: mg.stack(tuple(X), dim),
    "hstack": lambda X: mg.concatenate(tuple(X), 0 if X[0].ndim == 1 else 1),
    "unbind": lambda A, dim=0: tuple(part(A, dim, i) for i in range(A.shape[dim])),
    "chunk": chunk,
    "split": split,
    "split_with_sizes": parts,
    "select": part,
    "narrow": narrow,
    "slice": lambda A, dim=0, start=None, end=None, step=1: part(A, dim, slice(start, end, step)),
    "flip": flip,
    "__getitem__": mg.index,
    "index_select": index_select,
    "take": lambda A, i: mg.take(mg.reshape(A, (-1,)), i),
    "constant_pad_nd": lambda X, width, value=0.0: pad(X, width, value=value),
    "nn_functional_pad_constant": pad,
    "nn_functional_embedding": mg.take,
    "nn_functional_linear": linear,
    "nn_functional_relu": at_numbers(mg.relu),
    "nn_functional_leaky_relu": lambda A, negative_slope=0.01: mg.leaky_relu(A, negative_slope),
    "sigmoid": mg.sigmoid,
    "nn_functional_silu": lambda A: A * mg.sigmoid(A),
    "tanh": mg.tanh,
    "softmax": along_axis(mg.softmax),
    "softmax_with_dtype": along_axis(mg.softmax),
    "log_softmax": along_axis(mg.log_softmax),
    "log_softmax_with_dtype": along_axis(mg.log_softmax),
    "nn_functional_softmin": along_axis(lambda A, dim: mg.softmax(-A, dim)),
    "nn_functional_softmin_with_dtype": along_axis(lambda A, dim: mg.softmax(-A, dim)),
    "nn_functional_dropout": dropout,
    "nn_functional_cross_entropy": cross_entropy,
    "nn_functional_mse_loss": mse_loss,
    "nn_functional_l1_loss": averaged(mg.abs),
    "nn_functional_normalize": normalize,
    "nn_functional_batch_norm": batch_norm,
    "nn_functional_local_response_norm": local_response_norm,
    "nn_functional_conv2d": conv2d,
    "nn_functional_conv_transpose2d": conv_transpose2d,
    "nn_functional_max_pool2d": max_pool2d,
    "nn_functional_avg_pool2d": avg_pool2d,
    "nn_functional_adaptive_max_pool2d": adaptive_max_pool2d,
    "nn_functional_adaptive_avg_pool2d": adaptive_avg_pool2d,
    "nn_functional_max_unpool2d": max_unpool2d,
    "nn_functional_interpolate_nearest": upsample_nearest,
    "nn_functional_upsample_nearest": upsample_nearest,
}
