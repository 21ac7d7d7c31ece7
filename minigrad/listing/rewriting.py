"""Expressions of a function as expressions of a script.

>>> from minigrad.listing.frames import Frame
>>> from minigrad.nodes.arithmetic import spread
>>> frame = Frame(None, spread)
>>> frame.names, frame.space["axis"] = {"Z": ast.Name("A"), "axis": ast.Constant(None)}, None
>>> ast.unparse(frame.write(ast.parse("Z if axis is None else 0", mode="eval").body))
'A'
"""

import ast
import builtins
import copy
from types import ModuleType
from typing import Any

from .. import tree
from ..backend import array_module
from .sources import gives_pair, is_ours
from .syntax import Unfit, exposed, is_whole, literal, name_of, parts


class Rewriter(ast.NodeTransformer):
    """Puts the script's expressions in place of the names of a frame's function."""

    def __init__(self, frame: Any):
        self.frame = frame

    def visit(self, e):
        if self.frame.helper and isinstance(e, ast.expr) and not isinstance(e, ast.Constant):
            value = self._by_shape(e)
            if value is not self:
                return literal(value)
        return super().visit(e)

    def _by_shape(self, e):
        """What a helper's expression of shapes and constants comes to; self for other ones."""
        f = self.frame
        loads = isinstance(getattr(e, "ctx", ast.Load()), ast.Load)
        if not loads or isinstance(e, (ast.Starred, ast.Slice)) or not f.known(e):
            return self
        if not all(is_whole(f.space.get(x)) for x in exposed(e) if x in f.names):
            return self
        try:
            value = f.value(e)
        except Exception:  # a part of a comprehension does not stand alone
            return self
        return value if is_whole(value) and not isinstance(value, str) else self

    def visit_Name(self, e):
        f = self.frame
        if e.id in f.names:
            found = copy.deepcopy(f.names[e.id])
            if isinstance(e.ctx, ast.Store):
                found.ctx = e.ctx
            return found
        if e.id in f.unknown:
            raise Unfit(f"{e.id} was not kept")
        if e.id in f.space:
            return f.script.outer(f.space[e.id], e.id)
        if not hasattr(builtins, e.id):
            raise Unfit(f"{e.id} is not defined")
        return e

    def visit_IfExp(self, e):
        if self.frame.known(e.test):
            return self.visit(e.body if self.frame.value(e.test) else e.orelse)
        return self.generic_visit(e)

    def visit_Attribute(self, e):
        held = self._static(e.value)
        if isinstance(held, ModuleType):
            member = self.frame.script.member(held, e.attr)
            if member is not None:
                return member
        e = self.generic_visit(e)
        fields = getattr(e.value, "fields", ())
        return e.value.args[fields.index(e.attr)] if e.attr in fields else e

    def visit_Subscript(self, e):
        fixed = self.frame.known(e.slice)
        origin = copy.deepcopy(e.slice)
        e = self.generic_visit(e)
        inside = parts(e.value)
        if fixed and (inside is not None or isinstance(e.value, ast.Dict)):
            key = self.frame.value(_as_value(origin))
            if isinstance(e.value, ast.Dict):
                keys = [k.value for k in e.value.keys]
                return _like(e.value.values[keys.index(key)], e)
            return ast.Tuple(inside[key]) if isinstance(key, slice) else _like(inside[key], e)
        e.slice = _as_slice(e.slice)
        return e

    def visit_Call(self, e):
        function = self._static(e.func)
        if function is array_module:
            return ast.Name("np", ast.Load())
        if function is tree.leaves:
            found = _leaves(self.visit(e.args[0]))
            if found is not None:
                return ast.Tuple(found)
        if is_ours(function):
            if self.frame.known(e) and not self.frame.nested:
                value = self.frame.value(e)
                if isinstance(value, tuple) and is_whole(value):
                    return self.frame.script.expression(value, "")
            if not self.frame.nested and not hasattr(function, "plain"):
                done, written = self.frame.script.inline(self.frame, e, function)
                if done:
                    return written
        e = self.generic_visit(e)
        return ast.Subscript(e, ast.Constant(0), ast.Load()) if gives_pair(function) else e

    def _static(self, e):
        """The function or module that an expression names, from around the function."""
        f = self.frame
        if isinstance(e, ast.Name) and e.id not in f.names and e.id not in f.unknown:
            return f.space.get(e.id)
        if isinstance(e, ast.Attribute):
            held = self._static(e.value)
            return getattr(held, e.attr, None) if isinstance(held, ModuleType) else None
        return None

    def _scope(self, e):
        """A comprehension or lambda: its own variables get names that are free in the script."""
        f = self.frame
        new = {
            n.id for n in ast.walk(e) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        new |= {a.arg for a in ast.walk(e) if isinstance(a, ast.arg)}
        if new & (f.names.keys() | f.unknown):
            raise Unfit(f"{f.function.__name__} uses a name again in a comprehension")
        f.names |= {x: ast.Name(f.own(x), ast.Load()) for x in new}
        f.unknown, unknown = f.unknown | new, f.unknown
        nested, f.nested = f.nested, True
        for a in ast.walk(e):
            if isinstance(a, ast.arg):
                a.arg = f.own(a.arg)
        e = self.generic_visit(e)
        f.unknown, f.nested = unknown, nested
        for x in new:
            del f.names[x]
        return e

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Lambda = _scope


def _like(e, other):
    """An expression that is read, or stored into, as the other one was."""
    if hasattr(e, "ctx"):
        e.ctx = other.ctx
    return e


def _as_value(e):
    """What stands in brackets as an expression of its own."""
    if isinstance(e, ast.Slice):
        bounds = [b or ast.Constant(None) for b in (e.lower, e.upper, e.step)]
        return ast.Call(ast.Name("slice", ast.Load()), bounds, [])
    return e


def _as_slice(e):
    """`slice(1, None, None)` in brackets as `1:`."""
    if isinstance(e, ast.Tuple):
        e.elts = [_as_slice(part) for part in e.elts]
    elif isinstance(e, ast.Call) and name_of(e.func) == "slice" and len(e.args) == 3:
        none = [isinstance(a, ast.Constant) and a.value is None for a in e.args]
        return ast.Slice(*[None if skip else a for a, skip in zip(e.args, none)])
    return e


def _leaves(e):
    """The leaves of a literal nest; None for what is not literal."""
    inside = e.values if isinstance(e, ast.Dict) else parts(e)
    if inside is None:
        return [e] if isinstance(e, ast.Name) else None
    found = [_leaves(part) for part in inside]
    return None if None in found else [leaf for part in found for leaf in part]
