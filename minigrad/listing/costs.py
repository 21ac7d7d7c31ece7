"""What a node costs: multiply-adds, measured by computing it again, and the bytes it keeps.

>>> from minigrad import affine, var
>>> A = affine(np.ones((4, 2)), var((np.ones((2, 3)), np.zeros(3))))
>>> multiply_adds(A), kept(A, set())
((24, 24), 208)
"""

import copy
import math
from typing import Any

import numpy as np

from ..engine import Node, detach
from ..tree import leaves, map_leaves
from .deposits import gradients

_CONTRACTIONS = (np.dot, np.vdot, np.inner, np.tensordot, np.einsum)
_PRODUCTS = ("multiply", "square", "divide", "power")


class Counted(np.ndarray):
    """An array that counts the multiplications done with it and with what comes of it."""

    count = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [_plain(a) for a in inputs]
        if out is not None:
            options["out"] = tuple(map(_plain, out))
        result = getattr(ufunc, method)(*plain, **options)
        if method == "__call__" and ufunc.__name__ in _PRODUCTS:
            Counted.count += np.size(result)
        elif ufunc.__name__ in ("matmul", "vecdot"):
            Counted.count += np.size(result) * plain[0].shape[-1]
        return out[0] if out is not None and len(out) == 1 else _counted(result)

    def __array_function__(self, function, kinds, args, options):
        if function not in _CONTRACTIONS:
            return super().__array_function__(function, kinds, args, options)
        result = function(*map_leaves(_plain, args), **map_leaves(_plain, options))
        if function is np.einsum:
            Counted.count += _einsum(args)
        else:  # n k, k m and n m entries: n k m is the root of their product
            sizes = (np.size(a) for a in (*args[:2], result))
            Counted.count += math.isqrt(math.prod(sizes))
        return _counted(result)

    def __array_namespace__(self, api_version=None):
        return COUNTING


class Counting:
    """NumPy, whose new arrays count as well: what a kernel fills in is multiplied later on."""

    def __getattr__(self, name):
        made = getattr(np, name)
        if name not in ("empty", "zeros", "ones", "full"):
            return made
        return lambda *args, **options: _counted(made(*args, **options))


COUNTING = Counting()


def _plain(a):
    return a.view(np.ndarray) if isinstance(a, Counted) else a


def _counted(a):
    return a.view(Counted) if type(a) is np.ndarray else a


def _einsum(args):
    """Multiplications of an einsum as it is written: the product of all sizes that it names."""
    if not isinstance(args[0], str):
        return 0
    letters = args[0].replace(" ", "").partition("->")[0].split(",")
    sizes = {k: n for term, a in zip(letters, args[1:]) for k, n in zip(term, np.shape(a))}
    return math.prod(sizes.values()) * (len(letters) > 1)


def multiply_adds(n: Node) -> tuple[int, int]:
    """Multiplications in the forward and the back of a node, each with at most one addition.

    The node is computed once more, on copies of its options, so that no generator moves on.
    """
    Counted.count = 0
    args = map_leaves(lambda a: _counted(a) if _is_float(a) else a, detach(n.args))
    with np.errstate(all="ignore"):
        value, back = n.function(*args, **copy.deepcopy(n.options))
        forward, Counted.count = Counted.count, 0
        into = {p: np.zeros_like(p.value) for p in n.parents}
        back(_counted(np.ones_like(np.asarray(value))), *gradients(n, into))
    return forward, Counted.count


def kept(n: Node, seen: set[int]) -> int:
    """Bytes that a node keeps for its back: its value, and the arrays that its back closes over.

    Memory counted already is in seen, and what is counted is added.
    """
    cells = [c.cell_contents for c in getattr(n._back, "__closure__", None) or ()]
    total = 0
    for a in leaves([n.value, *cells]):
        while isinstance(getattr(a, "base", None), np.ndarray):
            a = a.base
        if isinstance(a, np.ndarray) and id(a) not in seen:
            seen.add(id(a))
            total += a.nbytes
    return total


def _is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"
