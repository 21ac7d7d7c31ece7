"""What HIPS autograd's public tests differentiate: functions and shapes, written anew.

f takes NumPy's functions, autograd's or ours, and the arguments. From its files test_systematic,
test_numpy, test_scalar_ops, test_binary_ops, test_truediv, test_graphs, test_jacobian,
test_wrappers, test_tuple, test_list and test_dict; its other files are about what minigrad leaves
out as a whole: complex numbers, Fourier transforms, linear algebra, SciPy, forward mode.
"""

import itertools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """A function to differentiate by the arguments at wrt."""

    name: str
    f: Callable
    args: tuple[Any, ...]
    wrt: tuple[int, ...]


CASES: list[Case] = []
RNG = np.random.default_rng(0)


def case(name, f, *args, wrt=None):
    CASES.append(Case(name, f, args, tuple(range(len(args))) if wrt is None else wrt))


def normal(*shape):
    return RNG.standard_normal(shape)


def within(low, high, shape):
    return low + (high - low) * RNG.random(shape)


def complex_numbers(shape):
    return RNG.random(shape) + 0.1j * RNG.random(shape)


def called(name, *fixed, **options):
    """The function of that name, with fixed arguments behind those that are differentiated."""
    return lambda np, *args: getattr(np, name)(*args, *fixed, **options)


SHAPES = ((), (2,), (3, 2), (1, 2))
RANGES = {  # functions of one argument, where they are smooth
    **dict.fromkeys(("abs", "absolute"), (0.1, 4)),
    "arccosh": (1.1, 4),
    **dict.fromkeys(("arcsinh", "arctanh"), (-0.9, 0.9)),
    **dict.fromkeys(("ceil", "floor"), (-1.5, 1.5)),
    **dict.fromkeys(("log", "log10", "log1p", "log2"), (0.2, 2)),
    "sqrt": (1, 3),
    "tan": (-1.1, 1.1),
    **dict.fromkeys(("sin", "cos", "sinh", "cosh", "tanh", "exp", "exp2", "expm1"), (-2, 2)),
    **dict.fromkeys(("deg2rad", "degrees", "rad2deg", "radians", "fabs", "sign"), (-2, 2)),
    **dict.fromkeys(("square", "real", "real_if_close", "imag", "conj", "angle"), (-2, 2)),
}
ONLY_REAL = {"ceil", "deg2rad", "degrees", "fabs", "floor", "rad2deg", "radians", "square"}
for name, (low, high) in RANGES.items():
    for shape in SHAPES:
        case(name, called(name), within(low, high, shape))
    if name not in ONLY_REAL:
        for shape in ((), (3, 2)):
            case(name, called(name), complex_numbers(shape))
for name in ("abs", "sin", "sign", "exp", "log", "cos", "tan", "cosh", "sinh", "tanh"):
    case(name, lambda np, x, name=name: 3.0 * getattr(np, name)(x), 1.1)
for name in ("abs", "sign"):
    case(name, lambda np, x, name=name: 3.0 * getattr(np, name)(x), -1.1)
case("negative", lambda np, x: 3.0 * -x, float(normal()))

BINARY = {  # functions of two arguments, and where both are smooth
    "add": ((-2, 2), (-2, 2)),
    "logaddexp": ((-2, 2), (-2, 2)),
    "logaddexp2": ((-2, 2), (-2, 2)),
    "remainder": ((-0.9, 0.9), (0.7, 1.9)),
    "mod": ((-2, 2), (0.8, 2.1)),
}
for name, (first, second) in BINARY.items():
    for a, b in itertools.product(SHAPES, SHAPES):
        case(name, called(name), within(*first, a), within(*second, b))
for second in ((0.8, 1.2), (-2, -0.3)):
    for a, b in itertools.product(SHAPES, SHAPES):
        case("true_divide", called("true_divide"), within(-2, 2, a), within(*second, b))
OPERATORS = {
    "x * y": (operator.mul, (-2, 2)),
    "x + y": (operator.add, (-2, 2)),
    "x - y": (operator.sub, (-2, 2)),
    "x / y": (operator.truediv, (0.5, 2)),
    "x ** y": (operator.pow, (0.7, 2)),
}
for name, (f, limits) in OPERATORS.items():
    for shapes in (SHAPES, ((), (6,), (7, 6), (1, 6))):
        for a, b in itertools.product(shapes, shapes):
            case(name, lambda np, x, y, f=f: f(x, y), within(*limits, a), within(*limits, b))
    for a, b in itertools.product(((), (3, 2)), ((), (3, 2))):
        case(name, lambda np, x, y, f=f: f(x, y), complex_numbers(a), complex_numbers(b))
for name in ("maximum", "minimum", "fmax", "fmin"):
    for a, b in itertools.product(((1,), (1, 4), (3, 4)), repeat=2):
        case(name, called(name), normal(*a), normal(*b))

STATISTICS = ("all", "any", "max", "mean", "min", "prod", "std", "sum", "var")
for name in STATISTICS:
    for number in (3.5, float(normal())):
        case(name, called(name), number)
    for keepdims, shape in itertools.product((True, False), ((3,), (2, 3), (1, 3))):
        for axis in (None, 0) if len(shape) == 1 else (None, 0, 1):
            case(name, called(name, axis=axis, keepdims=keepdims), normal(*shape))
    for shape in ((), (2, 3)):
        case(name, called(name), complex_numbers(shape))
for name in ("max", "min"):
    case(name, called(name), normal(10, 11))
    for keepdims in (False, True):
        case(name, called(name, axis=1, keepdims=keepdims), normal(3, 4, 5))
for name in ("sum", "mean"):
    case(name, called(name), normal(10, 11))
    for keepdims in (False, True):
        case(name, called(name, axis=0, keepdims=keepdims), normal(10, 11))
case("sum", called("sum", axis=(1, 2)), normal(10, 11, 7))
for shape, options in (
    ((2, 3), {}),
    ((2, 3), {"axis": 0}),
    ((2, 3), {"axis": 0, "keepdims": True}),
    ((7,), {}),
):
    case("prod", called("prod", **options), normal(*shape) ** 2 + 0.1)
for name, shape in itertools.product(("var", "std"), ((3,), (3, 4), (1, 3))):
    for keepdims, ddof in itertools.product((True, False), (0, 1)):
        case(name, called(name, keepdims=keepdims, ddof=ddof), normal(*shape))

for a, b in itertools.product(((), (3,), (2, 3), (2, 2, 3)), ((), (3,), (3, 4), (2, 3, 4))):
    case("dot", called("dot"), normal(*a), normal(*b))
for a, b in (((10, 11), (11,)), ((10, 11), (11, 10)), ((10,), (10, 11)), ((11,), (11,))):
    case("dot", called("dot"), normal(*a), normal(*b))
for shape in ((10, 11), (10,)):
    case("dot", called("dot"), normal(*shape), float(normal()))
    case("dot", called("dot"), float(normal()), normal(*shape))
for a, b in itertools.product(((3,), (2, 3), (2, 2, 3)), ((3,), (3, 4), (2, 3, 4))):
    case("matmul", called("matmul"), normal(*a), normal(*b))
for a, b in itertools.product(((), (3,), (2, 3)), ((), (3,), (4, 3))):
    case("inner", called("inner"), normal(*a), normal(*b))
case("outer", called("outer"), normal(11), normal(11))
for a, b, axes in (
    ((1, 3), (3, 1), ((1,), (0,))),
    ((2, 3, 2), (3, 4, 2), ((1,), (0,))),
    ((2, 3), (1, 2, 3), ((0, 1), (1, 2))),
    ((2, 2), (2, 2), 1),
    ((4, 2, 2), (2, 2, 4), 2),
    ((4,), (), 0),
):
    case("tensordot", called("tensordot", axes=axes), normal(*a), normal(*b))
for subscripts, *shapes in (
    ("ij->ji", (3, 4)),
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ijk,lji->lki", (3, 4, 4), (4, 4, 3)),
    ("...jk,...lj->...lk", (3, 4, 4), (3, 4, 4)),
    ("ijk,lji,lli->lki", (3, 4, 4), (4, 4, 3), (4, 4, 3)),
):
    arrays = [normal(*shape) for shape in shapes]
    case("einsum", lambda np, *X, subscripts=subscripts: np.einsum(subscripts, *X), *arrays)
for shape in ((5, 5), (3, 3)):
    case("kron", called("kron"), normal(*shape), normal(2, 2))
case("cross", called("cross"), normal(3, 3), normal(3, 3))

for axes in (None, (0, 1, 2), (0, 2, 1), (2, 0, 1), (2, 1, 0), (1, 0, 2), (1, 2, 0)):
    case("transpose", called("transpose", axes), normal(2, 3, 4))
for a, b in itertools.product(range(3), range(3)):
    case("swapaxes", called("swapaxes", a, b), normal(3, 4, 5))
for axis, start in itertools.product(range(3), range(4)):
    case("rollaxis", called("rollaxis", axis, start), normal(2, 3, 4))
for name in ("sort", "msort"):
    for n in (1, 7):
        case(name, called(name), normal(n))
for n, kth in itertools.product((7, 14), (0, 3, 6)):
    case("partition", called("partition", kth), normal(n))
for n in (1, 2, 3):
    for shape in ((), (1,), (7,), (1, 4), (2, 4), (2, 4, 5)):
        case(f"atleast_{n}d", called(f"atleast_{n}d"), normal(*shape))
for name, offset in itertools.product(("trace", "diag", "tril", "triu"), (-1, 0, 1)):
    case(name, called(name, offset), normal(5, 5))
case("diagonal", called("diagonal"), normal(4, 4))
for repeats, axis in itertools.product((1, 2), (0, 1)):
    case("repeat", called("repeat", repeats, axis), normal(5, 3))
for n, axis in itertools.product((1, 2), (0, 1)):
    case("diff", called("diff", n, axis), normal(5, 5))
for reps in ((1, 2), (2, 3), (3, 2, 1)):
    case("tile", called("tile", reps), normal(1, 2))
for shape, axis in (((10,), None), ((10, 11), None), ((10, 11), 0), ((10, 11), 1)):
    case("cumsum", called("cumsum", axis), normal(*shape))
for name in ("flipud", "fliplr", "rot90"):
    case(name, called(name), normal(10, 11))
case("roll", called("roll", 2, axis=1), normal(4, 5))
case("clip", called("clip", 0.1, 1.1), normal(5, 5))
case("nan_to_num", called("nan_to_num"), normal(4))
for n in (0, 1, 5):
    case("linspace", called("linspace", n), 1.2, 3.4)
mask = normal(4, 5) > 0
case("where", lambda np, x, y: np.where(mask, x, y), normal(4, 5), normal(4, 5))
masks = [normal(3, 4, 5) > 0 for _ in range(2)]
case("select", lambda np, x, y: np.select(masks, [x, y]), normal(3, 4, 5), normal(3, 4, 5))

case("reshape", called("reshape", (20, 6)), normal(5, 6, 4))
case("ravel", called("ravel"), normal(5, 6, 4))
case("squeeze", called("squeeze"), normal(5, 1, 4))
case("expand_dims", called("expand_dims", 2), normal(5, 1, 4))
case("x.reshape", lambda np, x: x.reshape((20, 6)), normal(5, 6, 4))
case("x.reshape", lambda np, x: x.reshape(20, 6), normal(5, 6, 4))
case("x.ravel", lambda np, x: x.ravel(), normal(5, 6, 4))
case("x.flatten", lambda np, x: x.flatten(), normal(5, 6, 4))
case("x.squeeze", lambda np, x: x.squeeze(), normal(5, 1, 4))
case("x.T", lambda np, x: x.T, normal(8, 8))
INDICES = (
    (3, 0, 1),
    (slice(None, None, -1), slice(2, 4)),
    ([0, 1, 2], slice(None)),
    (3, slice(2, None), [1, 3]),
)
for i in INDICES:
    case("x[i]", lambda np, x, i=i: x[i], normal(5, 6, 4))
for i in ([0, 0], [0, 1, 0], slice(1, 3)):
    case("x[i]", lambda np, x, i=i: x[i], normal(3))
case("x[i]", lambda np, x: x[2:6][1:3], normal(7))
case("x[i]", lambda np, x: x[::-1, 2:4] + x[::-1, 3:5], normal(5, 6, 4))
case("x[i]", lambda np, x: np.dot(x[:2], x[2:]), normal(4))
for a, b in itertools.product((4, [1, 2]), (0, 1)):
    case("split", lambda np, x, a=a, b=b: np.split(x, a, b)[0], normal(4, 8))
case("split", lambda np, x: np.split(x, 2)[0], normal(10))
for name, n in (("vsplit", 2), ("hsplit", 2), ("dsplit", 2), ("array_split", 3)):
    case(name, lambda np, x, name=name, n=n: getattr(np, name)(x, n)[0], normal(4, 4, 4))
for shapes, axes in (
    (((1,), (3,)), (0,)),
    (((2, 2), (2, 2)), (0, 1)),
    (((2, 2, 2), (2, 2, 2)), (0, 1, 2)),
    (((5, 6, 4), (4, 6, 4)), (0,)),
):
    for axis in axes:
        arrays = [normal(*shape) for shape in shapes]
        case("concatenate", lambda np, x, y, axis=axis: np.concatenate((x, y), axis), *arrays)
for axis in (0, 1):
    case("concatenate", lambda np, x, axis=axis: np.concatenate((x, x, x), axis), normal(5, 6, 4))
for name, pairs in {
    "vstack": (((2,), (2,)), ((2, 4), (1, 4)), ((2, 3, 4), (5, 3, 4))),
    "hstack": (((2,), (2,)), ((3, 4), (3, 5)), ((2, 1, 4), (2, 5, 4))),
    "column_stack": (((2,), (2,)), ((2, 2), (2, 2))),
    "append": (((3,), (1,)),),
}.items():
    for a, b in pairs:
        joined = lambda np, x, y, name=name: getattr(np, name)((x, y))
        joined = (lambda np, x, y: np.append(x, y)) if name == "append" else joined
        case(name, joined, normal(*a), normal(*b))
for axis in (0, 1):
    case("stack", lambda np, x, y, axis=axis: np.stack((x, y), axis), normal(2), normal(2))

case("array", lambda np, x: np.array(x), 3.0)
case("array", lambda np, x: np.array([x, x * 1.0, x + 2.5]), 3.0)
case("array", lambda np, x: np.array([[x, x * 1.0, x + 2.5], [x**2, x, x / 2.0]]), 3.0)
case("array", lambda np, x: np.array([x, x * 1.0]) + np.array([x, x + 2.5]), 3.0)
case("array", lambda np, x: np.array([x, x]), normal(3, 2))
case("array", lambda np, x: np.array([[2 * x, x + 1], [x, x]]), normal(3, 2))
case("array", lambda np, x: np.array([x, x**2, x**3]), float(normal()))
TIES = lambda np, x: np.array([[x, x, x], [x, 0.5, 0.5], [0.5, 0.5, 0.5], [x, x, 0.5]])
for x in (1.0, -1.0):
    case("max", lambda np, x: np.max(np.array([[x, x], [x, 0.5]]), axis=1), x)
    case("min", lambda np, x: np.min(TIES(np, x), axis=0), x)
case("max", lambda np, x: np.max(np.array([x, x])), 1.0)
case("maximum", lambda np, x: np.maximum(x, x), 1.0)
for x in (1.0, -1.0, 2.0):
    case("maximum", lambda np, x: np.maximum(np.array([x, x, 0.5]), TIES(np, x)), x)

case("sum of a list", lambda np, x, y: sum([x, y]), normal(10, 11), normal(10, 11))
case("len", lambda np, x: x * len(x), normal(3, 2))
case("a constant", lambda np, x: 0 * np.sum(x) + 1, 2.0)
case("identity", lambda np, x: x, 2.0)
case("used twice", lambda np, x: np.sin(np.sin(x) + np.sin(x)), float(normal()))
case("used twice", lambda np, x: ((x + 1.0) + 1.5) + (x + (x + 1.0)), normal(5))
case("used twice", lambda np, x: ((x + 1.0)[0] + 1.5) + (x + (x + 1.0)), normal(5))
for axis, shape in ((None, (3, 3)), (0, (3, 1)), (1, (1, 3))):
    for keepdims in (True, False):
        f = lambda np, x, axis=axis, k=keepdims: np.sum(np.sin(x), axis=axis, keepdims=k)
        case("sum of sines", f, normal(*shape))
case("a number to a power", lambda np, x: 3.0 * x**3.2, 1.7)
case("quadratic form", lambda np, x, H: np.dot(np.dot(x, H), x), normal(5), normal(5, 5))
case("many arguments", lambda np, a, b, c: a + np.sin(b) + np.cosh(c), 0.5, -0.3, 0.2)
case("a closure", lambda np, x: (lambda y: x * y)(2.0) * x, 1.0)
case("a closure", lambda np, x: np.sum(np.sin(np.outer(x, x)) + np.cos(np.dot(x, x))), normal(2))

PARTS = {"a": normal(5, 6), "b": normal(4, 3), "unused": normal(2, 4)}
case("a dict", lambda np, d: np.sum(d["a"]) + np.sum(d["b"]) + np.sum(d["b"]), PARTS)
case("a dict", lambda np, d: np.sum(np.sin(d["a"])) + np.sum(np.cos(d["b"])), PARTS)
case("a dict", lambda np, d: sum(np.sum(v * v) for v in d.values()), PARTS)
case("a dict", lambda np, d, x: d.get("a", x) ** 2, {"a": 3.0}, 2.0)
for kind in (tuple, list):
    nest = kind(PARTS.values())
    case(f"a {kind.__name__}", lambda np, X: np.sum(X[0]) + np.sum(X[1]) + np.sum(X[1]), nest)
    case(f"a {kind.__name__}", lambda np, X: np.sum(np.sin(X[0])) + np.sum(np.cos(X[1])), nest)
