"""A node's forward and its back as statements, in the plainest form that gives the same bits.

Written out; or, where that cannot be, as the node's function and its back called; or, where a
generator has moved on, the value as it is and the back written out with what it has kept.

>>> from minigrad import affine, var
>>> from minigrad.listing.names import Names
>>> W, b = var((np.ones((2, 3)), np.zeros(3)))
>>> A = affine(np.ones((4, 2)), (W, b))
>>> script = Script(Names([W, b, A], {"X": A.args[0], "W": W, "b": b}))
>>> _ = [script.call(n, name) for n, name in ((W, "W"), (b, "b"), (A, "A"))]
>>> [[ast.unparse(s) for s in part] for part in written(script, A)]
[['A = X @ W + b'], ['dW += X.T @ dA', 'db += dA.sum(0)']]
"""

import ast
import inspect
from types import FunctionType, ModuleType

import numpy as np

from ..engine import Node, detach
from ..kernels.memory import zeros_like
from .deposits import gradients
from .expansion import follow
from .frames import Frame
from .script import PLAIN, Script
from .sources import definition, is_ours, kept, returned, surroundings
from .syntax import Unfit, literal, name_of, names_in, parsed, store, stored


def written(script: Script, n: Node) -> tuple[list, list]:
    """The statements of a node's forward and of its back, in the first form that holds."""
    reasons = []
    for form in (_inlined, _called, _recorded):
        taken = set(script.taken)
        try:
            return form(script, n)
        except Unfit as reason:
            reasons.append(str(reason))
            script.release(taken)
    why = "; ".join(dict.fromkeys(reasons))
    raise ValueError(f"standalone: {n.name} cannot be written out: {why}")


def _inlined(script, n):
    """Both written out, with what was drawn from a generator as it was kept."""
    frame = Frame(script, n.function)
    frame.recall = kept(n._back) if isinstance(n._back, FunctionType) else {}
    _give(frame, n)
    name, letter = script.called(n), returned(n.function)
    if letter in frame.stores:
        frame.own_names[letter] = name
    done = follow(frame, frame.tree.body)
    pair = done and done.value
    if not isinstance(pair, ast.Tuple) or name_of(pair.elts[1]) not in frame.inner:
        raise Unfit("its back has no def")
    value, back = pair.elts
    if not frame.known(value):
        if any(name in stored([s]) for s in frame.lines):
            raise Unfit("its value is drawn in several steps")
        script.arrays[name] = n.value
        script.drawn.add(name)
        return frame.lines, _back(frame, n, frame.inner[back.id])
    e = frame.write(value)
    if name_of(e) != name:
        frame.emit(ast.Assign([store(name)], e))
    frame.lines += _checked(script, frame.value(value), n, again=True, state=bool(frame.unsure))
    return frame.lines, _back(frame, n, frame.inner[back.id])


def _give(frame, n):
    """Bind the arguments of a node: constants and arrays as they are, all else as unsure."""
    given = inspect.signature(n.function).bind(*n.args, **n.options)
    given.apply_defaults()
    for x, a in given.arguments.items():
        kind = given.signature.parameters[x].kind
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise Unfit("it takes any number of arguments")
        frame.space[x] = detach(a)
        if x in n.options and isinstance(a, (dict, list)):
            frame.unsure.add(x)
        elif not isinstance(a, (FunctionType, ModuleType)):
            _place(frame, x, a)
    for x in names_in(frame.tree) - frame.names.keys():
        if _is_state(frame.space.get(x), set()):
            frame.unsure.add(x)


def _place(frame, x, a):
    """Let x stand for an argument, if a file can hold it."""
    try:
        frame.names[x] = frame.script.expression(a, x)
    except Unfit:
        frame.unsure.add(x)


def _is_state(a, seen):
    """True for what a name around a function means if it may change: a generator, a dict.

    A function is one if it uses one: to call it again might move it on.
    """
    if is_ours(a) and a not in seen and a not in PLAIN:
        seen.add(a)
        names = names_in(definition(a)) if definition(a) else set()
        return any(_is_state(surroundings(a).get(x), seen) for x in names)
    if callable(a) or isinstance(a, (ModuleType, np.ndarray)):
        return False
    try:
        literal(a)
    except Unfit:
        return True
    return isinstance(a, (list, dict))


def _back(frame, n, definition_of_back):
    """The statements of a back, for the gradients of a node and its arguments."""
    script, f = frame.script, n._back
    back = Frame(script, n.function, definition_of_back)
    a = definition_of_back.args
    params = [p.arg for p in (*a.posonlyargs, *a.args)]
    if a.vararg or a.kwarg or a.kwonlyargs or not isinstance(f, FunctionType):
        raise Unfit("its back takes any number of gradients, or is no function")
    for x, a_kept in kept(f).items():
        if isinstance(a_kept, np.ndarray) and not _equal(a_kept, frame.space.get(x)):
            raise Unfit(f"{x} was changed by what was drawn")
    own = {*params, *stored(definition_of_back.body)}
    back.space = {**frame.space, **kept(f)}
    back.names = {x: e for x, e in frame.names.items() if x not in own}
    defaults = dict(zip(params[::-1], reversed(f.__defaults__ or ())))
    for x, e in zip(params[::-1], reversed(a.defaults)):
        back.space[x], back.names[x] = defaults[x], frame.write(e)
    expressions = [script.gradient(g) for g in n.args[: n._count]]
    expressions += [script.gradient(None)] * (n._count - len(expressions))
    stand_ins = gradients(n, {p: zeros_like(p.value) for p in n.parents})
    own_gradient = ast.Name(script.gradient_of(n), ast.Load())
    for x, e, value in zip(
        params, [own_gradient, *expressions], [np.ones_like(n.value), *stand_ins]
    ):
        back.names[x], back.space[x] = e, value
        back.unsure.add(x)
    follow(back, definition_of_back.body)
    return back.lines


def _called(script, n):
    """The node's function, called; its back, called in turn."""
    if any(isinstance(a, (dict, list)) for a in n.options.values()):
        raise Unfit("it has a state")
    function = script.outer(n.function, n.name)
    name = script.called(n)
    back = script.fresh(f"{name}_back")
    args = [script.expression(a, "v") for a in n.args]
    options = [ast.keyword(k, script.expression(a, k)) for k, a in n.options.items()]
    both = ast.Tuple([store(name), store(back)], ast.Store())
    lines = [ast.Assign([both], ast.Call(function, args, options))]
    value, _ = n.function(*detach(n.args), **n.options)
    lines += _checked(script, value, n)
    expressions = [script.gradient(a) for a in n.args[: n._count]]
    expressions += [script.gradient(None)] * (n._count - len(expressions))
    own = ast.Name(script.gradient_of(n), ast.Load())
    return lines, [ast.Expr(ast.Call(ast.Name(back, ast.Load()), [own, *expressions], []))]


def _recorded(script, n):
    """The value as it is; the back written out, with what it has kept."""
    frame = Frame(script, n.function)
    given = {id(p.value): p for p in n.parents}
    for x, a in kept(n._back).items():
        frame.space[x] = a
        if not isinstance(a, (FunctionType, ModuleType)):
            frame.names[x] = script.expression(given.get(id(a), a), x)
    backs = [
        d
        for d in ast.walk(frame.tree)
        if isinstance(d, ast.FunctionDef) and d.name == n._back.__name__
    ]
    if len(backs) != 1:
        raise Unfit("its back has no def")
    lines = _back(frame, n, backs[0])
    script.arrays[script.called(n)] = n.value
    script.drawn.add(script.called(n))
    return [], lines


def _checked(script, value, n, again=False, state=False):
    """Refuse a value that is not the program's; the statement that makes an array of a number.

    again: the node may be computed once more, to tell whose fault it is; state: it has one.
    """
    if not _same(value, n):
        if state:
            raise Unfit("its value depends on what was drawn")
        if again and _same(n.function(*detach(n.args), **n.options)[0], n):
            raise Unfit("its statements do not stand alone")
        raise ValueError(
            f"standalone: {n.name} gives another value when it is computed again: an array has "
            "changed since, or it draws from a generator that is not an argument; compute again"
        )
    number = isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)
    if not (number or (isinstance(value, np.generic) and n in script.whole)):
        return []
    name = script.called(n)
    return [parsed(f'{name} = np.asarray({name}, "{n.dtype.str}")')]


def _same(value, n):
    """True if a value is that of a Node, bit by bit, once a number is an array like it."""
    number = isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)
    return _equal(np.asarray(value, n.dtype if number else None), n.value)


def _equal(a, b):
    """True for arrays of the same bits."""
    a, b = np.asarray(a), np.asarray(b)
    return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())
