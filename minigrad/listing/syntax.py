"""Small questions about expressions and statements, and constants as expressions.

>>> ast.unparse(literal((1, {"a": np.inf}, slice(0, None), np.float32(2))))
"(1, {'a': np.inf}, slice(0, None, None), np.float32(2.0))"
>>> s = ast.parse("a, b[i] = len(X) * Y")
>>> list(stored(s.body)), sorted(exposed(s)), sorted(names_in(s))
(['a'], ['Y', 'b', 'i'], ['X', 'Y', 'a', 'b', 'i', 'len'])
"""

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import tree

_SHAPE = ("shape", "ndim", "dtype", "size", "itemsize")
SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
UNWANTED = "unwanted "  # no identifier: the gradient of a value that nobody asks for


class Unfit(Exception):
    """This function cannot be written out statement by statement."""


def literal(value: Any) -> Any:
    """The expression of a constant or a nest of constants; raises Unfit for other values."""
    kind = type(value)
    if kind is float and not np.isfinite(value):
        text = f"np.{abs(value)}" if value == value else "np.nan"
        return ast.parse(f"-{text}" if value < 0 else text, mode="eval").body
    if kind in (bool, int, float, complex, str, bytes, slice) or value is None or value is ...:
        return ast.parse("..." if value is ... else repr(value), mode="eval").body
    if isinstance(value, np.generic) and not isinstance(value.item(), np.generic):
        inner = literal(value.item())
        return ast.Call(ast.parse(f"np.{kind.__name__}", mode="eval").body, [inner], [])
    if isinstance(value, np.dtype):
        return ast.parse(f"np.dtype({value.str!r})", mode="eval").body
    if kind is tuple:
        return ast.Tuple(list(map(literal, value)), ast.Load())
    if kind is list:
        return ast.List(list(map(literal, value)), ast.Load())
    if kind is dict:
        return ast.Dict(list(map(literal, value)), list(map(literal, value.values())))
    raise Unfit(f"a {kind.__name__} is no constant")


def is_whole(value):
    """True for whole numbers, truth values, strings, None, and nests of them."""
    parts = tree.children(value)
    if parts is not None:
        return all(map(is_whole, parts))
    return value is None or type(value) in (bool, int, str)


def is_plain(e: ast.expr) -> bool:
    """True for a name, a constant, a function of NumPy's, and tuples of these.

    They may stand in several places; a list or dict that is made in several places is not one.
    """
    if isinstance(e, ast.Tuple):
        return all(map(is_plain, e.elts))
    if isinstance(e, ast.Call) and name_of(e.func) == "slice":
        return all(map(is_plain, e.args))
    if isinstance(e, ast.Call) and hasattr(e, "fields"):
        return all(map(is_plain, e.args)) and any(isinstance(a, ast.Name) for a in e.args)
    if isinstance(e, ast.Attribute):
        return name_of(e.value) == "np"
    if isinstance(e, ast.UnaryOp):
        return isinstance(e.operand, ast.Constant)
    return isinstance(e, (ast.Constant, ast.Name))


def name_of(e: Any) -> str:
    return e.id if isinstance(e, ast.Name) else ""


def parsed(line: str) -> ast.stmt:
    return ast.parse(line).body[0]


def store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def is_unwanted(e: Any) -> bool:
    """True for the gradient nobody wants, and for parts and views of it."""
    while isinstance(e, (ast.Subscript, ast.Attribute)):
        e = e.value
    return name_of(e).startswith(UNWANTED)


def parts(e: Any) -> list[ast.expr] | None:
    """The parts of a literal tuple, list or named tuple."""
    if isinstance(e, (ast.Tuple, ast.List)):
        return None if any(isinstance(part, ast.Starred) for part in e.elts) else e.elts
    return e.args if hasattr(e, "fields") else None


def stored(body: Any) -> Iterator[str]:
    """The names that statements bind, in order; not those inside functions and comprehensions."""
    for s in body:
        if isinstance(s, (*SCOPES, ast.FunctionDef)):
            continue
        if isinstance(s, ast.Name) and isinstance(s.ctx, ast.Store):
            yield s.id
        yield from stored(ast.iter_child_nodes(s))


def names_in(e: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(e) if isinstance(n, ast.Name)}


def exposed(e: ast.AST) -> set[str]:
    """The names on whose values an expression depends, beyond their shapes."""
    if isinstance(e, ast.Attribute) and e.attr in _SHAPE:
        return set()
    if isinstance(e, ast.Call) and name_of(e.func) in ("len", "needed", "isinstance"):
        return set()
    if isinstance(e, ast.Compare) and isinstance(e.ops[0], (ast.Is, ast.IsNot)):
        return set()
    if isinstance(e, ast.Name):
        return {e.id} if isinstance(e.ctx, ast.Load) else set()
    return set().union(*map(exposed, ast.iter_child_nodes(e)))
