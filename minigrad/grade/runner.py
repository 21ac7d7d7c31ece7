"""The untrusted side: a student's functions do the steps that the judge sends, numbers come back.

It knows no reference, no expected value and no other student, and needs NumPy only. The judge runs
reference and known mistakes by the same `perform`, so that all are compared step by step.

A step is ("forward", call, arguments) or ("back", call, dZ, gradients); `call` names one call of
the forward, arguments and gradients are nests. Where a value alone is asked for it is ("forward",
call, arguments, 0), or the number of values in place of 0. Where students write the check it is
("answer", number, source of a function, x). What a step gives is (kind, arrays or text) of
`frames`: of a forward its value and the arguments as they stand then; of a back the gradients, the
value, the arguments and dZ as they stand then, so that changes in place show. With an exception in
a back come the gradients, as what was deposited before it may be right.
"""

import ast
import copy
import inspect
import json
import os
import re
import sys
import traceback
import types

import numpy as np

from . import frames, stub

NUMBERS = (int, float, np.float64, np.float32)  # that stand for an array without axes
MANY = 5  # parts, each of which is named
LONGEST = 240  # characters of an exception, so that its line is told whatever they are


def outline(nest, arrays):
    """A nest as JSON can hold it; its arrays are appended to a list."""
    if isinstance(nest, np.ndarray):
        arrays.append(nest)
        return {"array": len(arrays) - 1}
    if isinstance(nest, stub.Unwanted):
        return {"unwanted": list(nest.shape)}
    if isinstance(nest, dict):
        return {"dict": [[k, outline(part, arrays)] for k, part in nest.items()]}
    if isinstance(nest, (tuple, list)):
        return {type(nest).__name__: [outline(part, arrays) for part in nest]}
    return {"plain": nest.item() if isinstance(nest, np.generic) else nest}


def filled(outline, arrays):
    """The nest of an outline, with copies of the arrays."""
    ((kind, what),) = outline.items()
    if kind == "array":
        return arrays[what].copy()
    if kind == "unwanted":
        return stub.Unwanted(np.empty(what))
    if kind == "dict":
        return {k: filled(part, arrays) for k, part in what}
    if kind in ("tuple", "list"):
        return {"tuple": tuple, "list": list}[kind](filled(part, arrays) for part in what)
    return what


def leaves(nest):
    """Every leaf, from left to right."""
    if isinstance(nest, dict):
        nest = list(nest.values())
    if isinstance(nest, (tuple, list)):
        return [leaf for part in nest for leaf in leaves(part)]
    return [nest]


def arrays_of(nest):
    return [leaf for leaf in leaves(nest) if isinstance(leaf, np.ndarray)]


class Misfit(Exception):
    """A function that is not of the form that is asked for."""


def load(source, entry):
    """(function, or pair as one, or None; by name what kept it from being bound)."""
    module = types.ModuleType("submission")
    module.__file__ = "submission.py"
    sys.modules["submission"] = module  # where dataclasses look for the names of annotations
    failed = executed(source, module.__dict__)
    found = vars(module)
    if entry in found:
        return found[entry], failed
    pair = f"{entry}_forward", f"{entry}_backward"
    if all(found.get(name) is not None for name in pair):
        return paired(*map(found.get, pair), entry), failed
    for name in (entry, *pair, "*"):
        if name in failed:
            raise failed[name]
    return None, failed


def executed(source, names):
    """Execute a source, one statement after the other; returns {name: why it is not bound}.

    What a student tries out between or below the functions need not work here, and an import of
    many names binds those that there are.
    """
    body, failed = ast.parse(source, "submission.py").body, {}
    future = [s for s in body if isinstance(s, ast.ImportFrom) and s.module == "__future__"]
    for statement in (one for s in body for one in one_by_one(s)):
        try:
            part = ast.Module([*future, statement], [])
            exec(compile(part, "submission.py", "exec", dont_inherit=True), names)
        except BaseException as error:
            if isinstance(error, NameError):
                error = failed.get(error.name, error)  # what began it
            traceback.clear_frames(error.__traceback__)  # of arrays that nobody asks for again
            failed |= dict.fromkeys(bound(statement), error)
    return failed


def one_by_one(statement):
    """A statement; an import as one of each name."""
    if not isinstance(statement, (ast.Import, ast.ImportFrom)):
        return [statement]
    parts = [copy.copy(statement) for _ in statement.names]
    for part, name in zip(parts, statement.names):
        part.names = [name]
    return parts


def bound(statement):
    """The names that a statement, or a function in it, binds."""
    for n in ast.walk(statement):
        if isinstance(n, ast.alias):
            yield n.asname or n.name.partition(".")[0]
        elif isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield n.name
        elif isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            yield n.id


def paired(forward, backward, entry):
    """A pair as in CS231n, as a function that returns (value, back)."""

    def f(*args):
        result = forward(*(leaf for a in args for leaf in leaves(a)))
        if not isinstance(result, tuple) or len(result) != 2:
            raise Misfit(f"{entry}_forward returns {kind(result)}: return value, cache")

        def back(dZ, *gradients):
            found = [g for g in leaves(backward(dZ, result[1])) if g is not None]
            wanted = arrays_of(gradients)
            if len(found) != len(wanted):
                raise Misfit(
                    f"{entry}_backward returns {len(found)} gradients: {len(wanted)} are asked for"
                )
            for gradient, part in zip(wanted, found):
                if np.shape(part) != gradient.shape:
                    raise Misfit(
                        f"{entry}_backward returns a gradient of shape {np.shape(part)} for an "
                        f"array of shape {gradient.shape}"
                    )
                gradient += part

        return result[0], back

    return f


def kind(result):
    """What came back, in words."""
    if result is None:
        return "nothing"
    if isinstance(result, tuple) and len(result) > MANY:
        return f"a tuple of {len(result)}"
    if isinstance(result, tuple):
        return f"({', '.join(type(part).__name__ for part in result)})"
    return type(result).__name__


def perform(f, entry, steps):
    """Do the steps with a function; yields what each gives."""
    calls = {}
    for step in steps:
        yield done(f, entry, step, calls)


def done(f, entry, step, calls):
    """What a step gives; calls: what its forwards have returned."""
    try:
        if step[0] == "answer":
            return frames.ARRAYS, answer(f, entry, *step[2:])
        if step[0] == "forward":
            calls.pop(step[1], None)
            arrays, calls[step[1]] = forward(f, entry, *step[2:])
            return frames.ARRAYS, arrays
        if step[1] in calls:
            return frames.ARRAYS, back(*calls[step[1]], entry, *step[2:])
        return frames.RAISED, "left out, as the forward had failed"
    except Misfit as error:
        return frames.MISFIT, str(error)
    except BaseException as error:  # SystemExit and KeyboardInterrupt are a student's too
        there = arrays_of(step[3]) if step[0] == "back" else ()
        return frames.RAISED, frames.Told(told(error), [a.copy() for a in there])


def answer(check, entry, source, x):
    """What a student's check says of a function, as an array of one truth."""
    takes(check, entry, 2)
    named = {"np": np}
    exec(compile(source, "function.py", "exec", dont_inherit=True), named)
    said = check(named["f"], x)
    if type(said) not in (bool, np.bool_):
        raise Misfit(f"{entry} returns {kind(said)}, and should return True or False")
    return [np.array(bool(said))]


def forward(f, entry, args, values=None):
    takes(f, entry, len(args))
    result = f(*args)
    if values is not None:
        return [*arrays_of_values(result, entry, values), *(a.copy() for a in arrays_of(args))], ()
    if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
        raise Misfit(f"{entry} returns {kind(result)}: return value, back")
    value, back_of = result
    if type(value) in NUMBERS:
        value = np.asarray(float(value) if type(value) is int else value)
    if type(value) is not np.ndarray:
        raise Misfit(f"the value of {entry} is one array, not a {type(value).__name__}")
    return [value.copy(), *(a.copy() for a in arrays_of(args))], (value, back_of, args)


def arrays_of_values(result, entry, count):
    """A value, or a tuple of so many, as arrays."""
    if count and not (isinstance(result, tuple) and len(result) == count):
        raise Misfit(f"{entry} returns {kind(result)}, and should return {count} values")
    arrays = []
    for part in result if count else (result,):
        if type(part) is not np.ndarray and not isinstance(part, (bool, int, float, np.generic)):
            raise Misfit(f"{entry} returns {kind(part)}, and should return an array or a number")
        arrays.append(wide(np.array(part)))
    return arrays


def wide(a):
    """An array with integers of any size as int64, and floats of 64 bits or more as float64."""
    if a.dtype.kind in "iu":
        return a.astype(np.int64, copy=False)
    return a.astype(float, copy=False) if a.dtype.kind == "f" and a.itemsize >= 8 else a


def takes(f, entry, count):
    """Raise Misfit unless f can be called with so many arguments."""
    if not callable(f):
        raise Misfit(f"{entry} is a {type(f).__name__}, and should be a function")
    try:
        inspect.signature(f).bind(*range(count))
    except TypeError:
        raise Misfit(f"{entry}{inspect.signature(f)} does not take {count} arguments") from None
    except ValueError:  # no signature to be had
        pass


def back(value, back_of, args, entry, dZ, gradients):
    named = takes_gradients(back_of, len(gradients))
    wanted = [i for i, g in enumerate(gradients) if arrays_of(g)]
    if wanted and named <= wanted[-1]:
        raise Misfit(
            f"the back of {entry} takes {named} gradients after the incoming one, and needs "
            f"{wanted[-1] + 1}"
        )
    back_of(dZ, *map(nested, gradients[:named]))
    return [a.copy() for a in (*arrays_of(gradients), value, *arrays_of(args), dZ)]


def nested(gradients):
    """Gradients in a nest that takes deposits into its parts."""
    if isinstance(gradients, dict):
        return {k: nested(part) for k, part in gradients.items()}
    if isinstance(gradients, (tuple, list)):
        return stub.Gradients(map(nested, gradients))
    return gradients


def takes_gradients(f, most):
    """How many gradients a back takes by position, as many as there are at most."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return most
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return most
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return max(0, min(sum(p.kind in positional for p in parameters) - 1, most))


def told(error):
    """An exception in a line, with the student's last line that it passed."""
    line, trace = 0, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == "submission.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        words = str(error)
    except BaseException:
        words = ""
    if isinstance(error, SyntaxError):
        words, line = str(error.msg), error.lineno
    words = words[:LONGEST]
    words = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return f"{words} (line {line})" if line else words


def serve(descriptor):
    """Take one job from a descriptor, do it, and send what its steps give."""
    job, arrays = receive(lambda n: os.read(descriptor, n))
    steps = [(name, call, *(filled(o, arrays) for o in rest)) for name, call, *rest in job["steps"]]

    def send(kind, what):
        put(
            descriptor,
            frames.pack_text(kind, what) if isinstance(what, str) else frames.pack(kind, what),
        )

    try:
        f, failed = load(job["source"], job["entry"])
    except BaseException as error:
        return send(frames.NOT_LOADED, told(error))
    if f is None:
        return send(frames.MISSING, job["entry"])
    for kind, what in perform(f, job["entry"], steps):
        unbound = re.match(r"NameError: name '(\w+)'", what) if kind == frames.RAISED else None
        if unbound and unbound[1] in failed:
            what = frames.Told(f"{what}, after {told(failed[unbound[1]])}", what.arrays)
        try:
            send(kind, what)
        except frames.BadFrame as error:
            send(frames.MISFIT, f"{job['entry']} gives {error}: make it float64")
    return None


def receive(read):
    """The job: what to do as JSON, and the arrays that it names."""
    parts = []
    for _ in range(2):
        length, _, count = frames.HEAD.unpack(exactly(read, frames.HEAD.size))
        parts.append((count, exactly(read, length)))
    return json.loads(frames.text_of(parts[0][1])), frames.unpack(*parts[1])


def exactly(read, n):
    """So many bytes from a function that reads some; raises EOFError if they end before."""
    data = bytearray()
    while len(data) < n:
        part = read(n - len(data))
        if not part:
            raise EOFError("the other side is gone")
        data += part
    return bytes(data)


def put(descriptor, data):
    """Write all of the bytes; a socket's own calls are forbidden behind the walls."""
    while data:
        data = data[os.write(descriptor, data) :]
