"""Nested arguments (tuples, named tuples, lists, dicts), put back; the gradient nobody wants.

>>> map_leaves(lambda a: 2 * a, {"W": 1, "U": (2, [3])})
{'W': 2, 'U': (4, [6])}
>>> list(paths((1, {"b": 2}), "U"))
[('U[0]', 1), ("U[1]['b']", 2)]
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def children(tree: Any) -> Any:
    """The parts of a nest, in order; None for a leaf."""
    if isinstance(tree, (tuple, list)):
        return tree
    if isinstance(tree, dict):
        return tree.values()
    return None


def rebuild(tree: Any, parts: list) -> Any:
    """A nest like tree (type, keys, field names) made of other parts."""
    if isinstance(tree, dict):
        return dict(zip(tree, parts, strict=True))
    kind = type(tree)
    return kind._make(parts) if hasattr(kind, "_make") else kind(parts)


def map_leaves(f: Callable, tree: Any, *others: Any) -> Any:
    """The nest of f(leaf, the others' leaves at its place); the others are nested like tree."""
    if isinstance(tree, dict):
        return {k: map_leaves(f, part, *[o[k] for o in others]) for k, part in tree.items()}
    if isinstance(tree, (tuple, list)):
        rows = zip(tree, *others, strict=True)
        return rebuild(tree, [map_leaves(f, *row) for row in rows])
    return f(tree, *others)


def leaves(tree: Any) -> list:
    """Every leaf, from left to right."""
    parts = children(tree)
    if parts is None:
        return [tree]
    found = []
    for part in parts:
        found += leaves(part)
    return found


def paths(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) of every leaf, the path as Python would write it after name."""
    if isinstance(tree, dict):
        for k, part in tree.items():
            yield from paths(part, f"{name}[{k!r}]")
    elif isinstance(tree, (tuple, list)):
        for i, part in enumerate(tree):
            field = f".{tree._fields[i]}" if hasattr(tree, "_fields") else f"[{i}]"
            yield from paths(part, name + field)
    else:
        yield name, tree


def same(a: Any, b: Any, equal: Callable = lambda x, y: True) -> bool:
    """True if both are nested alike and equal(x, y) for all leaves; tuples and lists are alike.

    >>> same((1, {"b": 2}), [3, {"b": None}]), same((1, 2), (1, (2,)))
    (True, False)
    """
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k], equal) for k in a)
    x, y = children(a), children(b)
    if x is None and y is None:
        return equal(a, b)
    if x is None or y is None or len(x) != len(y) or isinstance(a, dict) or isinstance(b, dict):
        return False
    return all(same(p, q, equal) for p, q in zip(x, y, strict=True))


def undone(f: Callable) -> Callable:
    """f that, if it fails, puts back what it has changed in its keyword arguments.

    Put back are generators, dicts, and the arrays in dicts, of which each call makes copies.

    >>> @undone
    ... def step(state):
    ...     state["mean"] += 1
    ...     state["var"] = state["square"]
    >>> state = {"mean": np.zeros(2)}
    >>> step(state=state)
    Traceback (most recent call last):
    KeyError: 'square'
    >>> state
    {'mean': array([0., 0.])}
    """

    def call(*args, **options):
        before = list(_contents([*options.values()]))
        try:
            return f(*args, **options)
        except BaseException:
            for a, content in before:
                if isinstance(a, dict):
                    a.clear()
                    a.update(content)
                elif isinstance(a, np.random.Generator):
                    a.bit_generator.state = content
                else:
                    a[...] = content
            raise

    return call


def _contents(nest: Any, in_dict: bool = False) -> Iterator[tuple[Any, Any]]:
    """(what may change in place, a copy of its content), dicts before their parts."""
    if isinstance(nest, np.random.Generator):
        yield nest, nest.bit_generator.state
    elif isinstance(nest, (dict, tuple, list)):
        if isinstance(nest, dict):
            yield nest, dict(nest)
        for part in children(nest):
            yield from _contents(part, in_dict or isinstance(nest, dict))
    elif in_dict and hasattr(nest, "nbytes") and getattr(nest.flags, "writeable", True):
        yield nest, nest.copy()


class Gradients(tuple):
    """The gradients of a tuple or list of arguments: `dW, db = dU`, or `dU[0] += ...`.

    A plain tuple would take `dU += ...` for a longer tuple under the same name: a lost deposit.
    """

    __slots__ = ()

    def __iadd__(self, deposit):  # type: ignore[misc]
        raise TypeError("a nest of gradients takes no deposit: unpack it first, as in dW, db = dU")

    __isub__ = __iadd__

    def __setitem__(self, i, gradient):
        if gradient is not self[i]:  # dU[0] += g assigns what it has just deposited into
            raise TypeError("a back never overwrites a gradient: deposit with +=")


class Unwanted(np.lib.mixins.NDArrayOperatorsMixin):
    """The gradient nobody wants: shaped like its value, reads as zeros, swallows deposits.

    A `back` deposits into it as into any other gradient, also through slices, transposes and
    `np.add.at`, and nothing happens. It iterates as often as its value has rows.

    >>> d = Unwanted(np.ones((2, 3)))
    >>> d += 5; d[0] += 1; np.add.at(d, [0, 0], 1)
    >>> d.shape, len(d), d[0].shape, d.T.shape, float(np.sum(d))
    ((2, 3), 2, (3,), (3, 2), 0.0)
    """

    __slots__ = ("of",)

    def __init__(self, of: Any):
        self.of = of if hasattr(of, "__array_function__") else np.zeros(())

    shape = property(lambda self: self.of.shape)
    ndim = property(lambda self: self.of.ndim)
    size = property(lambda self: self.of.size)
    dtype = property(lambda self: self.of.dtype)

    def __iadd__(self, deposit):
        return self

    def __setitem__(self, index, deposit):
        pass

    def __getitem__(self, index):
        return Unwanted(self.of[index])

    T = property(lambda self: Unwanted(self.of.T))

    def transpose(self, *axes):
        return Unwanted(self.of.transpose(*axes))

    def swapaxes(self, i, j):
        return Unwanted(self.of.swapaxes(i, j))

    def squeeze(self, axis=None):
        return Unwanted(self.of.squeeze(axis))

    def reshape(self, *shape):
        return Unwanted(self.of.reshape(*shape))

    def __len__(self):
        return len(self.of)

    def __iter__(self):
        return (Unwanted(part) for part in self.of)

    def __array__(self, dtype=None, copy=None):
        return np.zeros(self.shape, dtype or self.dtype)

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if method == "at" and type(inputs[0]) is Unwanted:
            return None
        if any(type(o) is Unwanted for o in out):
            return out[0]
        inputs = [np.asarray(x) if type(x) is Unwanted else x for x in inputs]
        return getattr(ufunc, method)(*inputs, **({"out": out} if out else {}), **options)

    def __repr__(self):
        return f"<a gradient of shape {self.shape} that nobody wants>"


def needed(gradient: Any) -> bool:
    """False if deposits into this gradient are thrown away: skip the product that would fill it.

    For one gradient, not for a nest: `dW, db = dU` first.
    """
    if isinstance(gradient, (tuple, list, dict)):
        raise TypeError("needed: asks about one gradient, not a nest of them: unpack it first")
    return type(gradient) is not Unwanted
