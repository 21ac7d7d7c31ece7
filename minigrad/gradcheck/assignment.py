"""Functions to check in a student's file, and arguments for them.

>>> rng = np.random.default_rng(0)
>>> X, (W, b), T = arguments("(5, 4), ((4, 3), (3,)), labels(5, 3)", rng)
>>> X.shape, W.shape, b.shape, T.dtype
((5, 4), (4, 3), (3,), dtype('int64'))
"""

import ast
import contextlib
import importlib.util
import inspect
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import faults, tree
from .edges import takes
from .subjects import Subject, Unfit, is_float

# What a function of a lecture may take, tried in this order by the number of its arguments
GUESSES = {
    1: ("(5, 4)", "(6,)", "(2, 3, 6, 6)", "((5, 4), (5, 4))", "((4, 6), (6, 3))"),
    2: (
        "(5, 4), ((4, 6), (6,))",
        "(2, 3, 6, 6), ((4, 3, 3, 3), (4,))",
        "(5, 4), (5, 4)",
        "(5, 4), (4, 6)",
        "(5, 4), (4,)",
        "(5, 4), labels(5, 4)",
        "(2, 3, 6, 6), 2",
    ),
    3: (
        "(5, 4), (4, 6), (6,)",
        "(5, 4), (5, 4), (5, 4)",
        "(5, 4), (5, 4), labels(5, 2)",
        "(2, 3, 6, 6), (4, 3, 3, 3), (4,)",
        "(5, 4), (4,), (4,)",
    ),
}


def arguments(text: str, rng: np.random.Generator) -> tuple:
    """Arguments from their shapes: "(5, 4), ((4, 6), (6,)), labels(5, 6), 0.1".

    A tuple of whole numbers is an array of that shape, labels(n, k) are n whole numbers below k,
    tuples of these are nests, numbers and strings stand for themselves.
    Raises Unfit for anything else.
    """
    try:
        parsed: Any = ast.parse(f"({text},)", mode="eval").body
    except SyntaxError:
        raise Unfit(f"--shapes {text!r}: shapes are like (5, 4), ((4, 6), (6,))") from None

    def of(e):
        if isinstance(e, ast.Tuple):
            parts = e.elts
            if all(isinstance(p, ast.Constant) and type(p.value) is int for p in parts):
                return rng.standard_normal([p.value for p in parts])
            return tuple(of(p) for p in parts)
        if isinstance(e, ast.Constant):
            return e.value
        match e:
            case ast.Call(
                ast.Name("labels"), [ast.Constant(int() as n), ast.Constant(int() as k)]
            ) if k > 0:
                return np.concatenate([np.arange(k), rng.integers(k, size=max(n - k, 0))])[:n]
        raise Unfit(f"--shapes {text!r}: {ast.unparse(e)} is no shape; one is like (5, 4)")

    if not isinstance(parsed, ast.Tuple):
        raise Unfit(f"--shapes {text!r}: shapes are like (5, 4), ((4, 6), (6,))")
    return tuple(of(e) for e in parsed.elts)


def guessed(f: Any, rng: np.random.Generator) -> list[tuple]:
    """Arguments that f takes: the first tried with a gradient for each, then others nested alike.

    Raises Unfit if it takes none of those tried.
    """
    forward = f[0] if isinstance(f, tuple) else getattr(f, "plain", f)
    parameters = inspect.signature(forward).parameters.values()
    count = sum(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
    tried = GUESSES.get(count, ())
    taken = []
    with contextlib.redirect_stdout(io.StringIO()):
        for text in tried:
            args = arguments(text, rng)
            subject = Subject(f, args, {})
            if takes(subject, args):
                taken.append((len(subject.gradients_of) != count, args))
    if not taken:
        names = ", ".join(p.name for p in parameters)
        raise Unfit(
            f"{forward.__name__}({names}) takes none of the shapes tried, "
            f"{'; '.join(tried) or 'as it has too many arguments'}: give --shapes"
        )
    _, best = min(taken, key=lambda pair: pair[0])
    return [best, *(args for _, args in taken if args is not best and _alike(args, best))]


def _alike(args, others):
    """True if both are nested alike, with arrays of floats in the same places."""
    return tree.same(args, others, lambda a, b: (type(a), is_float(a)) == (type(b), is_float(b)))


def functions(path: Path, name: str = "") -> tuple[dict[str, Any], list[str]]:
    """The functions to check in a file, all or the one of that name, and the names of the others.

    Those to check are nodes, functions with a back inside, and pairs NAME_forward, NAME_backward.
    Raises Unfit if there is none, or the file cannot be run.
    """
    module = _load(path)
    defined = {
        n: f
        for n, f in vars(module).items()
        if inspect.isfunction(f) and f.__module__ == module.__name__
    }
    if name:
        if name in defined and name.endswith("_forward"):
            return {name: _pair(defined, name)}, []
        if not callable(getattr(module, name, None)):
            have = ", ".join(defined) or "none"
            raise Unfit(f"{path}: there is no function {name}; it has {have}")
        return {name: getattr(module, name)}, []
    found = {n: f for n, f in defined.items() if hasattr(f, "plain") or _has_back(f)}
    found |= {n: _pair(defined, n) for n in defined if n.endswith("_forward")}
    if not found:
        raise Unfit(
            f"{path}: no function returns a value and its back: `return Z, back`, or a pair "
            "NAME_forward, NAME_backward"
        )
    partners = {n.removesuffix("_forward") + "_backward" for n in found}
    return found, [n for n in defined if n not in found and n not in partners]


def _pair(defined: dict, name: str) -> Any:
    backward = name.removesuffix("_forward") + "_backward"
    return (defined[name], defined[backward]) if backward in defined else defined[name]


def _has_back(f: Callable) -> bool:
    """True if the source returns a value and a function defined inside."""
    body = faults.source(f)
    inside = {s.name for s in ast.walk(body) if isinstance(s, ast.FunctionDef)} if body else set()
    return any(
        isinstance(s, ast.Return)
        and isinstance(s.value, ast.Tuple)
        and isinstance(s.value.elts[-1], ast.Name)
        and s.value.elts[-1].id in inside
        for s in (ast.walk(body) if body else ())
    )


def _load(path: Path) -> Any:
    if not path.is_file():
        raise Unfit(f"{path}: there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Unfit(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        raise Unfit(f"{path}, line {error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        raise Unfit(f"{path} cannot be run: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)
    return module
