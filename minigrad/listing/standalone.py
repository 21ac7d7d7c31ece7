"""A program as a Python file of NumPy only, every node written out.

>>> from minigrad import mul, program, var
>>> A = var(np.array(3.0))
>>> L = mul(A, A)
>>> print(program(L).standalone())
\"""The forward and the backward program of L.\"""
<BLANKLINE>
import numpy as np
<BLANKLINE>
with np.load("inputs.npz") as inputs:
    A = inputs["A"]  # ()
<BLANKLINE>
# forward
L = A * A
<BLANKLINE>
# backward
dL = np.ones_like(L)
<BLANKLINE>
# L.back(A, A)
dA = np.zeros_like(A)
dA += dL * A
dA += dL * A
<BLANKLINE>
print("L =", L)
<BLANKLINE>
"""

import ast
import inspect
from types import FunctionType, ModuleType

import numpy as np

from .. import faults
from ..backend import zeros_like
from ..engine import Node, below, detach
from .deposits import gradients
from .expansion import Frame, follow
from .names import Names
from .rewriting import Unfit, literal, name_of, names_in, store, stored
from .script import Script
from .sources import kept, returned


def write(root: Node, names: Names) -> tuple[str, dict[str, np.ndarray]]:
    """The file of a program, and the arrays that it reads by name."""
    faults.check_scalar(root.name, root.value)
    script, order = Script(names), below(root)
    for own in (True, False):
        for n in order:
            name, callers = names.identifier(n)
            if callers is own:
                script.call(n, name)
    for n in order:
        script.gradient_of(n)
        if not n.function:
            script.arrays[script.called(n)] = n.value
    foreign = [
        n for n in order if n.function and not (n.function.__module__ or "").startswith("minigrad")
    ]
    script.whole = {p for n in foreign for p in n.parents}
    with np.errstate(all="ignore"):
        both = {n: _written(script, n) for n in order if n.function}
    steps = [(_heading(script, n), forward) for n, (forward, _) in both.items()]
    L = script.called(root)
    deposited, back_steps = (
        {root},
        [("", [_parsed(f"{script.gradient_of(root)} = np.ones_like({L})")])],
    )
    for n in reversed(both):
        new = [p for p in dict.fromkeys(n.parents) if p not in deposited]
        deposited.update(new)
        zeros = [f"{script.gradient_of(p)} = np.zeros_like({script.called(p)})" for p in new]
        back_steps.append((_heading(script, n, back=True), [*map(_parsed, zeros), *both[n][1]]))
    script.statements = [
        ("forward", []),
        *steps,
        ("backward", []),
        *back_steps,
    ]
    leaves = [script.gradient_of(n) for n in order if not n.function]
    text = script.text(f"The forward and the backward program of {L}.", [L, *leaves])
    return f'{text}\nprint("{L} =", {L})\n', script.inputs()


def _parsed(line):
    return ast.parse(line).body[0]


def _heading(script, n, back=False):
    try:
        args = ", ".join(ast.unparse(script.expression(a, "v")) for a in n.args)
    except Unfit:
        args = "..."
    name = script.called(n)
    return f"{name}.back({args})" if back else f"{name} = {n.name}({args})"


def _written(script, n):
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
    frame.lines += _checked(script, frame.value(value), n, again=not frame.unsure)
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
        around = frame.space.get(x)
        if not (callable(around) or isinstance(around, ModuleType)) and not _constant(around):
            frame.unsure.add(x)


def _place(frame, x, a):
    """Let x stand for an argument, if a file can hold it."""
    try:
        frame.names[x] = frame.script.expression(a, x)
    except Unfit:
        frame.unsure.add(x)


def _constant(a):
    try:
        return literal(a) is not None
    except Unfit:
        return isinstance(a, np.ndarray)


def _back(frame, n, definition_of_back):
    """The statements of a back, for the gradients of a node and its arguments."""
    script, f = frame.script, n._back
    back = Frame(script, n.function, definition_of_back)
    a = definition_of_back.args
    params = [p.arg for p in (*a.posonlyargs, *a.args)]
    if a.vararg or a.kwarg or a.kwonlyargs or not isinstance(f, FunctionType):
        raise Unfit("its back takes any number of gradients, or is no function")
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
    for x, a in kept(n._back).items():
        if not isinstance(a, (FunctionType, ModuleType)):
            frame.space[x], frame.names[x] = a, script.expression(a, x)
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


def _checked(script, value, n, again=False):
    """Refuse a value that is not the program's; the statement that makes an array of a number.

    again: the node may be computed once more, to tell whose fault it is.
    """
    if not _same(value, n):
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
    return [_parsed(f'{name} = np.asarray({name}, "{n.dtype.str}")')]


def _same(value, n):
    """True if a value is that of a Node, bit by bit, once a number is an array like it."""
    number = isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)
    a = np.asarray(value, n.dtype if number else None)
    return (a.shape, a.dtype, a.tobytes()) == (n.shape, n.dtype, n.value.tobytes())
