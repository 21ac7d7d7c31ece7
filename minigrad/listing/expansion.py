"""Write a function out: its statements with the caller's names, for arguments that are known.

The statements are followed one by one while they run on the program's values. So the branch that
was taken is known, a nest is taken apart where it is unpacked, a small helper stands in place of
its call, and what is left is what a person would have written.

>>> from minigrad import affine
>>> from minigrad.listing.script import Script
>>> frame = Frame(Script(None), affine.plain)
>>> frame.space |= {"X": np.ones((4, 2)), "U": (np.ones((2, 3)), np.zeros(3))}
>>> frame.names = {"X": ast.Name("X"), "U": ast.parse("W1, b1", mode="eval").body}
>>> frame.own_names = {"A": "A1"}
>>> ast.unparse(follow(frame, frame.tree.body).value), *map(ast.unparse, frame.lines)
('(A, back)', 'A1 = X @ W1 + b1')
"""

import ast
import copy
from types import FunctionType, ModuleType

import numpy as np

from .frames import Frame
from .syntax import (
    Unfit,
    exposed,
    is_unwanted,
    name_of,
    names_in,
    parts,
    store,
    stored,
)

LONGEST = 8  # of a loop over a nest that is written out round by round


def follow(frame: Frame, body: list[ast.stmt]) -> ast.Return | None:
    """Write statements out, until a return is met, which is given back as it is."""
    for s in body:
        done = _step(frame, s)
        if done is not None:
            return done
    return None


def _step(frame, s):
    """Write one statement out."""
    match s:
        case ast.Return():
            return s
        case ast.Pass() | ast.Expr(ast.Constant()):
            return None
        case ast.FunctionDef():
            frame.inner[s.name] = s
            return None
        case ast.If() if frame.known(s.test):
            return follow(frame, s.body if frame.value(s.test) else s.orelse)
        case _ if frame.recall is not None and not frame.known(s):
            return _lose(frame, s)
        case ast.For() if (rounds := _rounds(frame, s)) is not None:
            frame.stores.update(stored([s]))  # several rounds bind a name several times
            for e, value in rounds:
                _bind(frame, s.target, e, value)
                done = follow(frame, s.body)
                if done is not None:
                    return done
            return None
        case ast.If() | ast.For() | ast.While() | ast.With():
            return _compound(frame, s)
        case ast.Assign([target]):
            return _assign(frame, s, target)
        case ast.AugAssign():
            return _augment(frame, s)
        case ast.Expr(ast.Call() as called):
            e = frame.write(called)
            frame.run(s)
            if e is not None and not _is_lost(e):
                frame.emit(ast.Expr(e), s)
            return None
    raise Unfit(f"{frame.function.__name__} has a statement `{ast.unparse(s)}`")


def _is_lost(e):
    """True for a deposit by a function of NumPy's into what nobody wants: np.add.at(dX, ...)."""
    numpy = isinstance(e, ast.Call) and ast.unparse(e.func).startswith("np.")
    return numpy and any(map(is_unwanted, e.args[:1]))


def _lose(frame, s):
    """Take what a statement draws from a generator or a state from the back, if it has kept it."""
    if isinstance(s, (ast.If, ast.For, ast.While, ast.With)):
        raise Unfit(f"{frame.function.__name__} draws in a branch or a loop")
    for x in stored([s]):
        if x in frame.recall and x not in frame.recalled:
            frame.recalled.add(x)
            frame.space[x] = frame.recall[x]
            frame.names[x] = frame.script.expression(frame.recall[x], x)
            frame.script.drawn |= names_in(frame.names[x])
        else:
            frame.unknown.add(x)


def _rounds(frame, s):
    """(expression, value) for each round of a loop over a literal nest; None for other loops."""
    leaps = any(isinstance(e, (ast.Break, ast.Continue)) for e in ast.walk(s))
    elements = None if s.orelse or leaps else _elements(frame, s.iter)
    if elements is None or len(elements) > LONGEST:
        return None
    return list(zip(elements, frame.value(s.iter)))


def _elements(frame, e):
    """The expressions that a loop over a literal nest, or a zip of some, goes through."""
    function = name_of(e.func) if isinstance(e, ast.Call) else ""
    if function == "zip":
        columns = [_elements(frame, a) for a in e.args]
        return None if None in columns else [ast.Tuple(list(row)) for row in zip(*columns)]
    if function == "enumerate" and len(e.args) == 1:
        found = _elements(frame, e.args[0])
        return found and [ast.Tuple([ast.Constant(i), x]) for i, x in enumerate(found)]
    if function == "leaves" or isinstance(e, (ast.Name, ast.Subscript)):
        return parts(frame.write(e))
    return None


def _bind(frame, target, e, value):
    """Let the target of a loop stand for an element."""
    if isinstance(target, ast.Name):
        frame.space[target.id] = value
        frame.assign(target.id, e)
        return
    inside = parts(e)
    if inside is None or len(inside) != len(target.elts):
        raise Unfit(f"{frame.function.__name__} unpacks `{ast.unparse(target)}` in a loop")
    for t, part, v in zip(target.elts, inside, value):
        _bind(frame, t, part, v)


def _assign(frame, s, target):
    try:
        e = frame.write(s.value)
    except Unfit:  # right for a module or function that was chosen: it goes by its own name
        if not (isinstance(target, ast.Name) and frame.known(s.value)) or not isinstance(
            frame.value(s.value), (ModuleType, FunctionType)
        ):
            raise
        e = None
    frame.run(s)
    new = list(stored([s]))
    if exposed(s.value) & frame.unsure:
        frame.unsure.update(new)
    else:
        frame.unsure.difference_update(new)
    inside = parts(e)
    if isinstance(target, ast.Name):
        frame.assign(target.id, e, s)
    elif isinstance(target, ast.Tuple) and all(isinstance(t, ast.Name) for t in target.elts):
        crossed = {frame.own_names.get(x) for x in new} & names_in(e)
        if inside is not None and len(inside) == len(new) and not crossed:
            for t, part in zip(target.elts, inside):
                frame.assign(t.id, part, s)
        else:
            frame.emit(ast.Assign([ast.Tuple([store(frame.own(x)) for x in new])], e), s)
            for x in new:
                frame.names[x] = ast.Name(frame.own(x), ast.Load())
    else:
        for x in new:
            frame.settle(x)
        into = frame.write(target)
        if not is_unwanted(into):
            frame.emit(ast.Assign([into], e), s)


def _augment(frame, s):
    e = frame.write(s.value)
    if isinstance(s.target, ast.Name):
        x = s.target.id
        into = frame.names.get(x)
        own = x in frame.own_names and name_of(into) == frame.own(x)
        in_place = isinstance(frame.space.get(x), np.ndarray) and not isinstance(into, ast.Call)
        if not (own or in_place or is_unwanted(into)):
            frame.settle(x)
        if not frame.known(s.value):
            frame.unsure.add(x)
        into = copy.deepcopy(frame.names[x])
        into.ctx = ast.Store()
    else:
        into = frame.write(s.target)
    frame.run(s)
    if not is_unwanted(into):
        frame.emit(ast.AugAssign(into, s.op, e), s)


def _compound(frame, s):
    """Write a loop or a branch that is taken when the script runs, as a whole."""
    for e in ast.walk(s):
        if isinstance(e, (ast.Return, ast.Yield, ast.YieldFrom, ast.FunctionDef, ast.Try)):
            raise Unfit(f"{frame.function.__name__} returns or yields from within a loop or branch")
    new = set(stored([s]))
    for x in sorted(new):
        frame.settle(x)
    unknown = frame.unknown
    frame.unknown, frame.nested = unknown | new, True
    written = frame.write(s)
    frame.unknown, frame.nested = unknown, False
    if exposed(s) & frame.unsure:
        frame.unsure |= new
    frame.run(s)
    frame.emit(written)
