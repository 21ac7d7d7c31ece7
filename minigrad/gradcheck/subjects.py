"""What can be checked, seen alike: plain arrays in, a value and its back out.

>>> def double(A):
...     return 2 * A, lambda dZ, dA: dA.__iadd__(2 * dZ)
>>> subject = Subject(double, (np.ones(2),), {})
>>> subject.name, subject.gradients_of
('double', ['A'])
"""

import ast
import copy
import inspect
from typing import Any

import numpy as np

from .. import engine, faults, tree
from ..nodes import mul
from ..nodes import sum as total


class Unfit(TypeError):
    """What was given cannot be checked; the message says what would do."""


class Fault(Exception):
    """What is wrong with a function: the cause in a word, a sentence, the gradient's path or ''."""

    k: int | None = None  # the argument whose gradient was refused for its shape, the value, and
    value: Any = None  # what was to be deposited
    dZ: Any = None
    args: tuple = ()
    of_forward = False

    def __init__(self, cause: str, sentence: str, path: str = ""):
        super().__init__(sentence)
        self.cause, self.sentence, self.path = cause, sentence, path


class Misshapen(ValueError):
    """A gradient of the wrong shape, and the array it was meant for."""

    def __init__(self, name: str, target: np.ndarray, value: np.ndarray):
        super().__init__(
            f"{name} returns a gradient of shape {value.shape} for an array of {target.shape}"
        )
        self.target, self.value = target, value


class Subject:
    """A function under test, at arguments whose float arrays may vary.

    f: a node, a function that returns (value, back), a pair (forward, backward) as in CS231n, a
    block or any function of nodes. kind: "node", "pair" or "program". gradients_of: the paths of
    the arrays whose gradients are checked; fixed: those of float arrays held fixed.
    Raises Unfit for anything else.
    """

    def __init__(self, f: Any, args: tuple, options: dict):
        self.f, self.options = f, options
        pair = isinstance(f, (tuple, list)) and len(f) == 2 and all(map(callable, f))
        if not (pair or callable(f)):
            raise Unfit(
                "check takes a node, a function that returns (value, back), a function of nodes, "
                f"or a pair (forward, backward), not {type(f).__name__}"
            )
        self.forward = f[0] if pair else getattr(f, "plain", f)
        self.name = _name(self.forward)
        self.kind = "pair" if pair else self._kind(args)
        self.checked = self._checked(args)
        self.names = argument_names(self.forward, args)
        self.called = slide_names(self.forward)
        self.gradients_of: list[str] = []
        self.fixed: list[str] = []
        for i, a in enumerate(args):
            floats = [p for p, leaf in tree.paths(a, self.names[i]) if is_float(leaf)]
            (self.gradients_of if self.checked[i] else self.fixed).extend(floats)

    def _kind(self, args):
        try:
            result = self.forward(*copied(args), **self.fresh())
        except (Exception, SystemExit):
            return "node"  # whatever it is, running it says what is wrong
        if isinstance(result, tuple) and len(result) == 2 and callable(result[1]):
            return "node"
        if tree.children(result) is None and hasattr(result, "shape"):
            return "program"
        if isinstance(result, (int, float)):
            return "program"
        got = [type(part).__name__ for part in tree.leaves(result)]
        raise Unfit(
            f"{self.name} returned {', '.join(got)}: check takes what returns one array, or "
            "(value, back)"
        )

    def _checked(self, args):
        """Which positional arguments have gradients: those that the back names, or all that can."""
        try:
            if self.kind == "pair":
                return self._returned(args)
            if self.kind == "node":
                _, back = self.forward(*copied(args), **self.fresh())
                named = faults.positional(back, defaults=False) - 1
                return [i < named for i in range(len(args))]
            everything = [True] * len(args)
            checked = everything if self._carries(everything, args) else self._one_by_one(args)
            return self._reached(checked, args)
        except (Exception, SystemExit):
            return [True] * len(args)  # running it says what is wrong

    def _returned(self, args):
        """Of a pair: without the arguments for which backward returns None."""
        self.checked = [True] * len(args)
        Z, cache = self.f[0](*copied(args), **self.fresh())
        found = self.f[1](np.ones_like(Z, float), cache)
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        floats = [i for i, a in enumerate(args) for leaf in tree.leaves(a) if is_float(leaf)]
        if len(found) == len(floats):
            fixed = {i for i, g in zip(floats, found) if g is None}
            return [i not in fixed for i in range(len(args))]
        return self.checked

    def _carries(self, checked, args):
        """True if nodes may stand for these arguments: a label or target carries no gradient."""
        self.checked = checked
        try:
            self._run_program(copied(args))
        except TypeError as error:
            if "name its gradient in back" in str(error):
                return False
            raise
        return True

    def _one_by_one(self, args):
        return [self._carries([i == j for j in range(len(args))], args) for i in range(len(args))]

    def _reached(self, checked, args):
        """Without arguments that the program detaches."""
        self.checked = checked
        nodes = self.nodes(args)
        used = set(engine.below(self.f(*nodes, **self.fresh())))
        return [
            c and any(type(leaf) is engine.Node and leaf in used for leaf in tree.leaves(n))
            for c, n in zip(checked, nodes)
        ]

    def fresh(self):
        """The options; generators and state anew, so that every run draws the same numbers."""
        return copy.deepcopy(self.options)

    def run(self, args: tuple) -> tuple[Any, Any]:
        """(value, back) at plain arguments; back(dZ, gradients) deposits into a nest of them."""
        if self.kind == "pair":
            return self._run_pair(args)
        if self.kind == "program":
            return self._run_program(args)
        Z, back = self.forward(*args, **self.fresh())
        named = faults.positional(back, defaults=False) - 1
        most = min(faults.positional(self.forward, defaults=True), faults.ANY_NUMBER - 2)
        rest = [tree.Unwanted(None)] * (named - len(args) if named <= most else 0)  # at defaults
        return Z, lambda dZ, gradients: back(dZ, *gradients[: sum(self.checked)], *rest)

    def value(self, args: tuple) -> Any:
        """The value alone."""
        if self.kind == "program":
            return self.forward(*args, **self.fresh())
        return self.forward(*args, **self.fresh())[0]

    def _run_pair(self, args):
        result = self.f[0](*args, **self.fresh())
        if not isinstance(result, tuple) or len(result) != 2:
            raise Unfit(f"{self.name} of a pair returns two things, `return out, cache`")
        Z, cache = result

        def back(dZ, gradients):
            found = self.f[1](dZ, cache)
            found = list(found) if isinstance(found, (tuple, list)) else [found]
            wanted = [g for g in tree.leaves(gradients) if isinstance(g, np.ndarray)]
            found = [g for g in found if g is not None]
            if len(found) != len(wanted):
                raise Unfit(
                    f"{_name(self.f[1])} returns {len(found)} gradients, and {self.name} takes "
                    f"{len(wanted)} arrays of floats, {', '.join(self.gradients_of)}: return one "
                    "for each, None for what has none"
                )
            for gradient, deposit in zip(wanted, found):
                if np.shape(deposit) != gradient.shape:
                    raise Misshapen(_name(self.f[1]), gradient, np.asarray(deposit))
                gradient += deposit

        return Z, back

    def _run_program(self, args):
        nodes = self.nodes(args)
        try:
            Z = self.f(*nodes, **self.fresh())
        except TypeError as error:
            if "cannot take a Node" not in str(error):
                raise
            raise Fault(
                "exception",
                f"{self.name} returns its value only: `return Z, back`, or compute with nodes",
            ) from error
        if type(Z) is not engine.Node:
            raise Unfit(
                f"{self.name} is neither a node nor made of nodes: from Nodes it returned "
                f"{type(Z).__name__}; a function to check returns (value, back), or a Node"
            )

        def back(dZ, gradients):
            total(mul(Z, dZ)).backward()
            for node, gradient in zip(tree.leaves(nodes), tree.leaves(gradients)):
                if type(node) is engine.Node and node.grad is not None:
                    gradient += node.grad
                    node.grad = None

        return Z.value, back

    def nodes(self, args: tuple) -> tuple:
        """The arguments with leaves for the arrays that are checked."""
        checked = {id(a) for a in self.arrays(args)}
        return tree.map_leaves(lambda a: engine.Node(a) if id(a) in checked else a, args)

    def accumulators(self, args: tuple, fill: Any = np.zeros_like) -> tuple:
        """A nest of gradients for the arguments: fill(array) where one is checked."""
        checked = {id(a) for a in self.arrays(args)}

        def of(a):
            parts = tree.children(a)
            if parts is None:
                return fill(a) if id(a) in checked else tree.Unwanted(a)
            parts = [of(part) for part in parts]
            plain = type(a) is tuple or type(a) is list
            return tree.Gradients(parts) if plain else tree.rebuild(a, parts)

        return tuple(of(a) for a in args)

    def arrays(self, args: tuple) -> list[np.ndarray]:
        """The arrays whose gradients are checked, in the order of gradients_of."""
        parts = [a for a, checked in zip(args, self.checked) if checked]
        return [a for a in tree.leaves(parts) if is_float(a)]


def is_float(a: Any) -> bool:
    """True for an array of floats."""
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def copied(args: Any) -> Any:
    """The nest with its arrays copied, each in its memory order."""
    return tree.map_leaves(lambda a: a.copy("K") if isinstance(a, np.ndarray) else a, args)


def _name(f: Any) -> str:
    f = getattr(f, "func", f)  # of a partial
    return getattr(f, "__name__", type(f).__name__)


def argument_names(f: Any, args: tuple) -> list[str]:
    """A name for every positional argument, from the signature."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = []
    for i in range(len(args)):
        if i < len(parameters) and parameters[i].kind is not inspect.Parameter.VAR_POSITIONAL:
            names.append(parameters[i].name)
        else:
            star = parameters[-1].name if parameters else "argument"
            names.append(f"{star}[{i - max(len(parameters) - 1, 0)}]")
    return names


def slide_names(f: Any) -> dict[str, str]:
    """What f calls parts of its arguments, {"U[0]": "W"} for `W, b = U`; empty if unreadable."""
    body = faults.source(f)
    names = {}
    for s in ast.walk(body) if body else ():
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Tuple):
            for i, e in enumerate(s.targets[0].elts):
                if isinstance(s.value, ast.Name) and isinstance(e, ast.Name):
                    names[f"{s.value.id}[{i}]"] = e.id
    return names
