"""The source of functions, read as a tree.

>>> from minigrad import relu
>>> definition(relu.plain).name, returned(relu.plain)
('relu', 'Z')
"""

import ast
import functools
import inspect
import io
import sys
import textwrap
import tokenize
from types import FunctionType
from typing import Any

STANDARD = sys.stdlib_module_names - {"__main__"}


@functools.lru_cache(maxsize=256)
def source(f: Any) -> str:
    """The source of a function or class, from its margin; empty where there is none."""
    try:
        return textwrap.dedent(inspect.getsource(f))
    except (OSError, TypeError):
        return ""


@functools.lru_cache(maxsize=256)
def definition(f: Any) -> ast.FunctionDef | None:
    """The `def` of a function; None without source, or where the source is no longer this one's."""
    try:
        body = ast.parse(source(f)).body
    except SyntaxError:
        return None
    if not isinstance(f, FunctionType) or not body or not isinstance(body[0], ast.FunctionDef):
        return None
    a = body[0].args
    names = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    fits = tuple(names) == f.__code__.co_varnames[: len(names)]
    return body[0] if fits and body[0].name == f.__code__.co_name else None


def returned(f: Any) -> str:
    """The name under which a node returns its value; v where it returns an expression."""
    for s in reversed(getattr(definition(f), "body", [])):
        if isinstance(s, ast.Return) and isinstance(s.value, ast.Tuple):
            first = s.value.elts[0]
            return first.id if isinstance(first, ast.Name) else "v"
    return "v"


def surroundings(f: Any) -> dict[str, Any]:
    """What the names around a function or class mean: its module's, and those it closes over."""
    if not isinstance(f, FunctionType):
        return dict(vars(sys.modules[f.__module__]))
    return {**f.__globals__, **kept(f)}


def kept(f: Any) -> dict[str, Any]:
    """What a function closes over, by name."""
    found = {}
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # a name that was never bound
            continue
    return found


def is_ours(f: Any) -> bool:
    """True for a function whose source may be taken: neither NumPy's nor the standard library's."""
    module = (getattr(f, "__module__", None) or "").split(".")[0]
    return isinstance(f, FunctionType) and module not in ("numpy", *STANDARD)


def gives_pair(f: Any) -> bool:
    """True for a node, which in the file is the function of a pair that it was made of."""
    code = getattr(f, "__code__", None)
    return code is not None and code.co_qualname == "node.<locals>.call"


@functools.lru_cache(maxsize=256)
def comments(f: Any) -> dict[int, str]:
    """The comments behind the statements of a function, by line of its source."""
    tokens = tokenize.generate_tokens(io.StringIO(source(f)).readline)
    return {
        t.start[0]: t.string
        for t in tokens
        if t.type == tokenize.COMMENT and t.line[: t.start[1]].strip()
    }
