"""Write a short helper of a node in place of its call.

>>> SHORT
2
"""

import ast
import copy
import inspect
from types import FunctionType, ModuleType
from typing import Any

from .expansion import follow
from .frames import Frame
from .syntax import Unfit, is_plain, is_unwanted, literal, name_of, store, stored

SHORT = 2  # statements of a helper that may stand in place of its call
APART = (ast.Yield, ast.YieldFrom, ast.FunctionDef)  # a helper that holds one is called as it is


def inline(frame: Any, call: ast.Call, function: Any) -> tuple[bool, Any]:
    """(True, the expression of a call of a short helper), with its statements in the frame.

    (False, None) if the helper is not short, or cannot be followed.
    """
    taken = set(frame.script.taken)
    try:
        child = Frame(frame.script, function, helper=True)
        if any(isinstance(e, APART) for s in child.tree.body for e in ast.walk(s)):
            return False, None
        keywords = {str(k.arg): k.value for k in call.keywords}
        given = inspect.signature(function).bind(*call.args, **keywords)
        pending = _arguments(frame, child, given)
        done = follow(child, child.tree.body)
        result = child.write(done.value) if done and done.value else None
        if len(child.lines) > SHORT:
            raise Unfit(f"{function.__name__} is long")
    except (Unfit, TypeError):
        frame.script.release(taken)
        return False, None
    whole: Any = ast.Module([*child.lines, *([ast.Expr(result)] if result else [])], [])
    for name, e in pending.items():
        uses = [sum(name_of(n) == name for n in ast.walk(s)) for s in whole.body]
        if sum(uses) > 1 or any(uses[1:]) or name in stored(whole.body):
            # it is changed, or what runs in between might change what it is made of
            frame.emit(ast.Assign([store(name)], e))
        else:
            Substitution(name, e).visit(whole)
    statements = whole.body[: len(child.lines)]
    for s in statements:
        if not (isinstance(s, ast.AugAssign) and is_unwanted(s.target)):
            frame.emit(s)
    return True, whole.body[-1].value if result else None


def _arguments(frame, child, given):
    """Bind a helper's parameters; {name: expression} of those that are more than a name."""
    pending = {}
    for x, p in inspect.signature(child.function).parameters.items():
        if x not in given.arguments:
            child.space[x], child.names[x] = p.default, literal(p.default)
            continue
        e = given.arguments[x]
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or isinstance(e, ast.Starred):
            raise Unfit("a helper with any number of arguments")
        child.space[x] = frame.value(e)
        if not frame.known(e):
            child.unsure.add(x)
        if isinstance(child.space[x], (ModuleType, FunctionType)):
            continue
        written = frame.write(e)
        if is_plain(written):
            child.names[x] = written
        else:
            name = frame.script.fresh(x)
            pending[name] = written
            child.names[x] = ast.Name(name, ast.Load())
    return pending


class Substitution(ast.NodeTransformer):
    """Puts an expression in place of a name."""

    def __init__(self, name: str, e: ast.expr):
        self.name, self.e = name, e

    def visit_Name(self, n):
        return copy.deepcopy(self.e) if n.id == self.name else n
