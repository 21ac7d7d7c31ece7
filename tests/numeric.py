"""What a node must give: gradients by central differences, values by a reference.

    assert agrees(relu, normal(3, 4))
    assert follows(exp, np.exp, A)

Both raise with the entries that differ, so that a failure shows them.
"""

import hypothesis.extra.numpy as numpy_strategies
import hypothesis.strategies as st
import numpy as np
from numpy.testing import assert_allclose

import minigrad as mg
from minigrad.tree import leaves, map_leaves

STEP = 1e-5
# Central differences in float64 are wrong by about STEP^2 |f'''| / 6 + 1e-16 |f| / STEP, some 1e-10
# for values near 1; a wrong backward program is wrong in the first digits.
TOLERANCE = 1e-6
# What summing a few hundred terms near 1 in another order can change, in units of the dtype's eps.
ROUNDING = 1000
GOLDEN = {"rtol": 1e-9, "atol": 1e-12}  # oracles/README.md
GOLDEN_EXTREME = {"rtol": 1e-7, "atol": 1e-12}  # oracles/README.md: logits of 1e4


def normal(*shape, seed=0):
    """Normal numbers of a fixed seed."""
    return np.random.default_rng(seed).standard_normal(shape)


def positive(*shape, seed=0):
    """Numbers from 0.5 to 2 of a fixed seed."""
    return np.random.default_rng(seed).uniform(0.5, 2, shape)


def numeric_gradient(f, *arrays):
    """The gradients of a scalar f of float64 arrays, (f(x + h) - f(x - h)) / 2h for every entry."""
    arrays = [np.array(a, np.float64) for a in arrays]
    gradients = [np.zeros_like(a) for a in arrays]
    for a, da in zip(arrays, gradients):
        for i in np.ndindex(a.shape):
            x = a[i]
            a[i] = x + STEP
            above = f(*arrays)
            a[i] = x - STEP
            da[i] = (above - f(*arrays)) / (2 * STEP)
            a[i] = x
    return gradients


def agrees(f, *args, **options):
    """True if the gradients of sum(G * f(*args)), G random, are those of central differences.

    Every float array in the arguments becomes a Node; what shall stay plain stands in a closure.
    """
    floats = _floats(args)
    G = normal(*np.shape(f(*args, **options)), seed=1)
    expected = numeric_gradient(lambda *x: np.sum(G * f(*_filled(args, x), **options)), *floats)
    for got, da in zip(_gradients(f, args, options, G), expected):
        assert_allclose(got, da, rtol=TOLERANCE, atol=TOLERANCE)
    return True


def follows(f, reference, *args, **options):
    """True if f's value is the reference's, and its gradients are those of exact arguments.

    The value's dtype is the promoted one, on arrays and on Nodes; a gradient has its value's shape
    and dtype, and is the one of C-ordered float64 arguments, up to the coarsest dtype's rounding.
    """
    floats = _floats(args)
    dtype = np.result_type(*floats)
    coarsest = min((a.dtype for a in floats), key=lambda dtype: dtype.itemsize)
    expected = reference(*args, **options)
    nodes = _filled(args, mg.var(floats))
    for value in (f(*args, **options), f(*nodes, **options).value):
        assert value.dtype == dtype
        close(value, expected, coarsest)

    G = np.random.default_rng(2).integers(-4, 5, np.shape(expected)) / 4  # exact in float32 too
    plain = [np.array(a, np.float64, order="C") for a in floats]
    gradients = _gradients(f, args, options, G.astype(dtype))
    for a, got, da in zip(floats, gradients, _gradients(f, _filled(args, plain), options, G)):
        assert got.dtype == a.dtype
        close(got, da, coarsest)
    return True


def close(got, expected, dtype):
    """Assert that the shapes are equal, and the entries up to rounding in dtype."""
    assert np.shape(got) == np.shape(expected)
    error = ROUNDING * np.finfo(dtype).eps
    assert_allclose(got, expected, rtol=error, atol=error * np.max(np.abs(expected), initial=1))


def _gradients(f, args, options, G):
    nodes = mg.var(_floats(args))
    mg.sum(G * f(*_filled(args, nodes), **options)).backward()
    return [n.grad for n in nodes]


def _is_float(a):
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def _floats(args):
    return [a for a in leaves(args) if _is_float(a)]


def _filled(args, others):
    """The arguments with others in the places of their float arrays."""
    rest = iter(others)
    return map_leaves(lambda a: next(rest) if _is_float(a) else a, args)


def strided(a):
    """The same entries as every second one of a larger array, the last axis from its end."""
    big = np.full([2 * n for n in a.shape], np.nan, a.dtype)
    view = big[
        (..., *[slice(None, None, 2)] * (a.ndim - 1), *[slice(None, None, -2)] * (a.ndim > 0))
    ]
    view[...] = a
    return view


def batch_last(X):
    """Images (n, c, h, w) that stand in memory as (h, w, c, n)."""
    return X.transpose(2, 3, 1, 0).copy().transpose(3, 2, 0, 1)


ORDERS = (np.ascontiguousarray, np.asfortranarray, strided)


@st.composite
def arrays(draw, shape=None, low=-2.0):
    """Arrays of any memory order, float32 or float64, of quarters from low to 2.

    Quarters are exact in both dtypes, and zeros and ties are frequent. Four axes may be batch-last.
    """
    if shape is None:
        shape = draw(numpy_strategies.array_shapes(min_dims=0, max_dims=3, max_side=4))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    order = draw(st.sampled_from((*ORDERS, batch_last) if len(shape) == 4 else ORDERS))
    quarters = rng.integers(round(4 * low), 9, shape) / 4
    return order(quarters.astype(dtype)).reshape(shape)  # NumPy lays a number out as (1,)


@st.composite
def broadcastable(draw, low=-2.0):
    """Two arrays whose shapes broadcast."""
    shapes = draw(
        numpy_strategies.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)
    ).input_shapes
    return tuple(draw(arrays(shape, low)) for shape in shapes)
