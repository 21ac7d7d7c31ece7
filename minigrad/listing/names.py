"""Names of values: the caller's variables, and fresh ones for what has none.

>>> from minigrad import affine, relu, var
>>> from minigrad.engine import below
>>> W, b = var((np.ones((2, 3)), np.zeros(3)))
>>> Z = relu(affine(np.ones((4, 2)), (W, b)))
>>> names = Names(below(Z), {"W": W, "U": [b], "Z": Z})
>>> [names.text(n) for n in below(Z)], names.text((W, b)), names.text(Z.parents[0].args)
(['W', 'U[0]', 'A', 'Z'], '(W, U[0])', '(X, (W, U[0]))')
"""

import ast
import builtins
import inspect
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from ..engine import Node
from ..tree import children, leaves, paths
from .sources import definition, returned

RESERVED = {*keyword.kwlist, *dir(builtins), "np", "inputs"}
_PLAIN = (bool, int, float, complex, str, bytes, slice, type(None), type(...), np.generic)


class Taken(set):
    """Names that are taken, and the way to one that is free.

    >>> taken = Taken({"A", "A2"})
    >>> [taken.fresh(base) for base in ("B", "A", "A", "A2")]
    ['B', 'A1', 'A3', 'A4']
    """

    def __init__(self, names: Iterable[str]):
        super().__init__(names)
        self._last: Counter[str] = Counter()  # so that the ten thousandth is as fast as the first

    def fresh(self, base: str) -> str:
        """The name base, or with the next free number in place of its own: A, A1, A2, ..."""
        name, stem = base, base.rstrip("0123456789")
        while name in self:
            self._last[stem] += 1
            name = f"{stem}{self._last[stem]}"
        self.add(name)
        return name


class Names:
    """What every value of a program is called, in its listing and in its script.

    The first variable bound to a value wins; then comes the path in a container (`U1[0]`). Values
    without either, and those inside a block, whose variables are gone, take the letter that
    their node returns, or that the node which uses them gives them, numbered where it is not
    alone.
    """

    def __init__(self, order: list[Node], *scopes: Mapping[str, Any]):
        given: dict = {}
        for scope in scopes:
            _collect(scope, given)
        used = list(_arguments(order))
        keys = {_key(a) for _, a in used} | {id(n) for n in order}
        self._given = {k: path for k, path in given.items() if k in keys}
        self._variables = {
            id(n): given[id(n.value)]
            for n in order
            if n.function is None and given.get(id(n.value), "").isidentifier()
        }
        self._fresh: dict[int, str] = {}
        self._name(order, used, Taken([*RESERVED, *(name for scope in scopes for name in scope)]))

    def _name(self, order, used, taken):
        """Give fresh names to what has none."""
        bases = {id(n): returned(n.function) for n in order if n.function}
        for label, a in used:
            if children(a) is None and not isinstance(a, _PLAIN):
                bases.setdefault(id(a), label)
        self._bases = dict(bases)
        bases = {k: base for k, base in bases.items() if k not in self._given}
        alone = Counter(bases.values())
        for k, base in bases.items():
            shown = self._variables.get(k)
            if shown is None or shown in self._fresh.values():
                free = alone[base] == 1 and base not in taken
                shown = taken.fresh(base if free else base + "1")
            self._fresh[k] = shown

    def text(self, a: Any) -> str:
        """The expression that stands for a value or a nest of values."""
        shown = self._given.get(_key(a)) or self._fresh.get(id(a))
        if shown:
            return shown
        if isinstance(a, dict):
            return "{" + ", ".join(f"{k!r}: {self.text(part)}" for k, part in a.items()) + "}"
        parts = children(a)
        if parts is None:
            return repr(a) if isinstance(a, _PLAIN) else f"<{type(a).__name__}>"
        inside = ", ".join(map(self.text, parts))
        if isinstance(a, list):
            return f"[{inside}]"
        return f"({inside},)" if len(parts) == 1 else f"({inside})"

    def call(self, function: Any, args: tuple, options: dict) -> str:
        """A call of a node or block: `conv(X, (W, b), padding=2)`."""
        named = [f"{k}={self.text(option)}" for k, option in options.items()]
        return f"{function.__name__}({', '.join([*map(self.text, args), *named])})"

    def identifier(self, a: Any) -> tuple[str, bool]:
        """What a Node or array is called where only a name will do; True if that is the caller's.

        Parts of containers are called by what the node that unpacks them calls them: `U[0]` is W1,
        `P['conv'][0]` is W_conv.
        """
        shown = self._fresh.get(id(a)) or self._given.get(id(a), "")
        shown = shown if shown.isidentifier() else self._variables.get(id(a), shown)
        if shown.isidentifier():
            return shown, True
        fields = re.findall(r"(?<=\[')\w+(?='\])|(?<=\.)\w+", shown)
        return "_".join([self._bases[id(a)], *fields]) if id(a) in self._bases else "", False


def _collect(scope, given):
    """Add every value that the variables of a scope lead to; a variable comes before a path."""
    variables = {
        name: a
        for name, a in scope.items()
        if name.isidentifier()
        and not (name.startswith("_") or name in ("In", "Out"))
        and not isinstance(a, (*_PLAIN, ModuleType, FunctionType, type))
    }
    for name, a in variables.items():
        if children(a) is None:
            given.setdefault(_key(a), name)
    for name, a in variables.items():
        for path, part in _parts(name, a, set()):
            given.setdefault(_key(part), path)


def _parts(path, a, above) -> Iterator[tuple[str, Any]]:
    """(path, part) of a container, of the containers in it, and of their Nodes and arrays."""
    if children(a) is None:
        if isinstance(a, (Node, np.ndarray)):
            yield path, a
    elif id(a) not in above:
        found: list = []
        items = a.items() if isinstance(a, dict) else enumerate(a)
        for k, part in items:
            field = f".{a._fields[k]}" if hasattr(a, "_fields") else f"[{k!r}]"
            found += _parts(path + field, part, above | {id(a)})
        if found:
            yield path, a
            yield from found


def _key(a):
    """The same for the same values in nests alike: a container that was passed may be a copy."""
    parts = children(a)
    if parts is None:
        return repr(a) if isinstance(a, _PLAIN) else id(a)
    return (*(a if isinstance(a, dict) else ()), len(parts), *map(_key, parts))


def _arguments(order) -> Iterator[tuple[str, Any]]:
    """(label, part) of all that nodes and blocks were given, labelled by the first to unpack it."""
    calls = [(n.function, n.args, n.options or {}) for n in order if n.function]
    calls += [(b.function, b.args, b.options) for n in order for b in n.blocks]
    for function, args, options in calls:
        labels = _labels(function, len(args))
        yield from ((label, a) for label, a in zip(labels, args) if children(a) is not None)
        for label, a in (*zip(labels, args), *options.items()):
            unpacked = _unpacked(function, label)
            direct = [*children(a)] if children(a) is not None and unpacked else []
            if len(direct) == len(unpacked):
                yield from zip(unpacked, direct)
            yield from ((label, part) for _, part in _parts(label, a, set()))
            yield from ((label, part) for _, part in paths(a) if children(part) is None)


def _labels(function, count):
    """The names of a function's positional arguments."""
    names = [p.name for p in inspect.signature(function).parameters.values()]
    return [names[min(i, len(names) - 1)] for i in range(count)]


def _unpacked(function, name):
    """The names that a function gives to the parts of an argument: W, b for `W, b = U`."""
    for s in getattr(definition(function), "body", []):
        if isinstance(s, ast.Assign) and ast.unparse(s.value) == name:
            parts = getattr(s.targets[0], "elts", [])
            if all(isinstance(e, ast.Name) for e in parts):
                return [e.id for e in parts]
    return []


def arrays(nest: Any) -> list:
    """The arrays in a nest."""
    return [a for a in leaves(nest) if isinstance(a, np.ndarray)]
