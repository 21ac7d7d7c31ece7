"""Mistakes in sentences: what a student did, what was expected, with names and shapes.

The engine calls this module when something is wrong, and once when a node is made, to read its
body. It works on functions, plain arrays and shapes.
"""

import ast
import inspect
import linecache
import re
import sys
import textwrap
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .tree import children, map_leaves, paths

ANY_NUMBER = 1 << 30


def positional(f: Callable, defaults: bool) -> int:
    """How many arguments f takes by position, those with defaults counted or not."""
    if type(f) is types.FunctionType and not f.__code__.co_flags & inspect.CO_VARARGS:
        return f.__code__.co_argcount - (0 if defaults else len(f.__defaults__ or ()))
    count = 0
    for p in inspect.signature(f).parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            return ANY_NUMBER
        by_position = p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        count += by_position and (defaults or p.default is p.empty)
    return count


def read(f: Callable) -> None:
    """Refuse a node whose back loses a deposit in a way that shows in its source.

    `dA = dA + ...` makes a new array; `dA.reshape(-1)` may be a copy. Other lost deposits are
    found by the gradient check. Raises TypeError; says nothing where there is no source.
    """
    body = source(f)
    if body is None:
        return
    returned = {
        s.value.elts[1].id
        for s in _statements(getattr(body, "body", []))
        if isinstance(s, ast.Return)
        and isinstance(s.value, ast.Tuple)
        and len(s.value.elts) == 2
        and isinstance(s.value.elts[1], ast.Name)
    }
    for s in ast.walk(body):
        if isinstance(s, ast.FunctionDef) and s is not body and s.name in returned:
            _read_back(getattr(f, "__name__", "a node"), s)


def source(f: Callable) -> Any:
    """The definition of f, parsed; None where there is no source."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(f))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def _read_back(name: str, back: ast.FunctionDef) -> None:
    arguments = [a.arg for a in (*back.args.posonlyargs, *back.args.args)]
    gradients = set(arguments[1 : len(arguments) - len(back.args.defaults)])
    if back.args.vararg:
        gradients.add(back.args.vararg.arg)

    def is_gradient(e: ast.AST) -> bool:
        """A gradient by name, or a part or view of one."""
        if isinstance(e, ast.Attribute) and e.attr in ("shape", "dtype", "ndim", "size", "strides"):
            return False
        if isinstance(e, (ast.Attribute, ast.Subscript)):
            return is_gradient(e.value)
        return isinstance(e, ast.Name) and e.id in gradients

    def follow(target: Any, value: Any) -> None:
        """Add the names that the parts of a gradient get by unpacking and in loops."""
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.args:
            function, tuples = value.func.id, isinstance(target, ast.Tuple)
            if function == "zip" and tuples:
                for t, v in zip(target.elts, value.args):
                    follow(t, v)
            elif function == "enumerate" and tuples:
                follow(target.elts[-1], value.args[0])
            elif function == "leaves":
                follow(target, value.args[0])
        elif is_gradient(value):
            gradients.update(n.id for n in ast.walk(target) if isinstance(n, ast.Name))

    for s in _statements(back.body):
        for e in ast.walk(s):
            if isinstance(e, ast.Call) and isinstance(e.func, ast.Attribute):
                copies = e.func.attr in ("reshape", "ravel", "flatten")
                if copies and is_gradient(e.func.value):
                    raise TypeError(
                        f"{name}: its back uses {ast.unparse(e.func)}(...), which may be a copy, "
                        "and what is deposited there is lost. Reshape the deposit, not the gradient"
                    )
        if isinstance(s, ast.For):
            follow(s.target, s.iter)
        for target, value in _assignments(s):
            operation = isinstance(value, (ast.BinOp, ast.UnaryOp))
            if operation and isinstance(target, ast.Name) and target.id in gradients:
                raise TypeError(
                    f"{name}: its back assigns {target.id} = {ast.unparse(value)}, which makes a "
                    f"new array, and the gradient is lost. Deposit instead: {target.id} += ..."
                )
            if not isinstance(value, ast.Name) or isinstance(target, ast.Tuple):
                follow(target, value)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements in order, a compound one before those in it; not those of inner functions."""
    for s in body:
        if isinstance(s, (ast.FunctionDef, ast.ClassDef)):
            continue
        if isinstance(s, ast.stmt):
            yield s
        for part in ("body", "handlers", "orelse", "finalbody", "cases"):
            yield from _statements(getattr(s, part, []))


def _assignments(s: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(target, value) of each assignment in a statement, tuples taken apart."""
    if not isinstance(s, ast.Assign):
        return
    for target in s.targets:
        parts = [e.elts if isinstance(e, ast.Tuple) else [] for e in (target, s.value)]
        if parts[0] and len(parts[0]) == len(parts[1]):
            yield from zip(*parts)
        else:
            yield target, s.value


def shapes(a: Any) -> str:
    """The shapes of a nest of arrays, nested alike; small constants as they are."""
    if isinstance(a, dict):
        return "{" + ", ".join(f"{k!r}: {shapes(part)}" for k, part in a.items()) + "}"
    parts = children(a)
    if parts is not None:
        inside = ", ".join(map(shapes, parts)) + ("," if len(parts) == 1 else "")
        return f"({inside})" if isinstance(a, tuple) else f"[{inside.rstrip(',')}]"
    return str(tuple(a.shape)) if hasattr(a, "shape") else repr(a)


def call(f: Callable, args: Sequence) -> str:
    """A call with shapes for arrays: affine((32, 784), ((100, 10), (10,)))."""
    return f"{f.__name__}({', '.join(map(shapes, args))})"


def explain_forward(f: Callable, args: Sequence, error: Exception) -> None:
    """Say in a sentence which shapes or devices do not fit, or what took the memory; else note."""
    one_device(f, None, args, error)
    if isinstance(error, MemoryError):
        raise MemoryError(f"{call(f, args)}: {error}") from error
    sentence = _misfit(error)
    if sentence:
        raise ValueError(f"{f.__name__}: {sentence}") from error
    if " to unpack" in str(error):
        raise ValueError(
            f"{call(f, args)}: nested otherwise than {f.__name__} unpacks it: {error}"
        ) from error
    if not str(error).startswith(f"{f.__name__}:"):
        error.add_note(f"in {call(f, args)}")


def explain_back(f: Callable, args: Sequence, gradients: Sequence, error: BaseException) -> None:
    """Say which deposit has the wrong shape, and into which argument; otherwise note the node."""
    if isinstance(error, MemoryError):
        raise MemoryError(f"in the back of {call(f, args)}: {error}") from error
    expression, frame = _failed(error)
    if isinstance(error, ValueError) and isinstance(expression, ast.AugAssign):
        target = _evaluate(expression.target, frame)
        stated = re.findall(r"\([\d,]*\)", str(error))
        for name, gradient in named(f, gradients):
            if len(stated) > 1 and np.shape(target) and _shares(gradient, target):
                value = _evaluate(expression.value, frame)
                shape = ast.literal_eval(stated[1]) if value is None else np.shape(value)
                raise ValueError(
                    f"{f.__name__}: its back deposits an array of shape {shape} into "
                    f"{ast.unparse(expression.target)} of shape {target.shape}, "
                    f"the gradient of {name} of shape {gradient.shape}"
                ) from error
    sentence = _misfit(error)
    if sentence:
        raise ValueError(f"{f.__name__}: in its back, {sentence}") from error
    error.add_note(f"in the back of {call(f, args)}")


_OF_NUMPY = (np.ndarray, np.generic, float, int)


def one_device(f: Callable, value: Any, args: Sequence, error: Exception | None = None) -> Any:
    """What f made of args; refused if some are NumPy's arrays and others on the GPU.

    CuPy takes an index of NumPy's without a word, other arrays with an error that names none.
    """
    if error is None and isinstance(value, _OF_NUMPY):
        return value
    arrays = [(path, a) for path, a in named(f, args) if hasattr(a, "__array_function__")]
    sides = [
        " and ".join(
            f"{path} {a.shape}" for path, a in arrays if isinstance(a, np.ndarray) is numpy
        )
        for numpy in (True, False)
    ]
    if all(sides):
        raise TypeError(
            f"{f.__name__}: arrays on two devices: {sides[0]} in NumPy, {sides[1]} on the GPU: "
            "move one side, with to_gpu or to_cpu"
        ) from error
    return value


def refused_deposit(error: BaseException) -> tuple[Any, Any]:
    """(target, value) of the deposit that NumPy refused, None where they cannot be had."""
    expression, frame = _failed(error)
    if not isinstance(error, ValueError) or not isinstance(expression, ast.AugAssign):
        return None, None
    return _evaluate(expression.target, frame), _evaluate(expression.value, frame)


def _shares(gradient: Any, target: Any) -> bool:
    return isinstance(gradient, np.ndarray) and np.may_share_memory(gradient, target)


def named(f: Callable, arguments: Sequence) -> Iterator[tuple[str, Any]]:
    """(path, leaf) of positional arguments under the names in f's signature, as in U[1]."""
    names = list(inspect.signature(f).parameters.values())
    for i, a in enumerate(arguments):
        p = names[min(i, len(names) - 1)]
        star = p.kind is p.VAR_POSITIONAL
        yield from paths(a, f"{p.name}[{i - len(names) + 1}]" if star else p.name)


def _misfit(error: BaseException) -> str:
    """A sentence on the operands of the expression that NumPy refused; empty if it was not one."""
    expression, frame = _failed(error)
    expression = expression and _Spelled().visit(expression)
    explained = isinstance(error, ValueError) and re.search("broadcast|mismatch", str(error))
    if not explained or not isinstance(expression, (ast.BinOp, ast.AugAssign)):
        return ""
    both = (
        (expression.left, expression.right)
        if isinstance(expression, ast.BinOp)
        else (expression.target, expression.value)
    )
    a, b = [_evaluate(e, frame) for e in both]
    if not hasattr(a, "shape") or not hasattr(b, "shape"):
        return ""
    left, right = map(ast.unparse, both)
    if isinstance(expression.op, ast.MatMult):
        if min(a.ndim, b.ndim) == 0:
            return f"{left} {a.shape} and {right} {b.shape}: a matrix product takes no scalars"
        inner = b.shape[max(b.ndim - 2, 0)]
        if inner == a.shape[-1]:
            return f"the batches of {left} {a.shape} and {right} {b.shape} do not fit together"
        return f"{left} has {a.shape[-1]} features {a.shape} but {right} takes {inner} {b.shape}"
    return f"{left} {a.shape} and {right} {b.shape} do not fit together"


class _Spelled(ast.NodeTransformer):
    """product(A, B), a kernel's, as what it is: A @ B."""

    def visit_Call(self, e):
        return ast.BinOp(e.args[0], ast.MatMult(), e.args[1]) if _is_product(e) else e


def _is_product(e):
    return isinstance(e.func, ast.Name) and e.func.id == "product" and len(e.args) > 1


def _failed(error: BaseException) -> tuple[ast.AST | None, types.FrameType]:
    """The innermost expression or statement that raised, parsed from its source, and its frame.

    What a kernel raises is put down to the node that called it.
    """
    trace: Any = error.__traceback__
    while trace.tb_next and not _in_kernel(trace.tb_next):
        trace = trace.tb_next
    frame = trace.tb_frame
    position = list(frame.f_code.co_positions())[trace.tb_lasti // 2]
    first, last, start, end = position
    if None in position:
        return None, frame
    lines = [
        linecache.getline(frame.f_code.co_filename, n, frame.f_globals).encode()
        for n in range(first, last + 1)
    ]
    if not lines or not lines[0]:
        return None, frame
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    text = b"".join(lines).decode(errors="replace")
    for source, mode in ((f"({text}\n)", "eval"), (text, "exec")):
        try:
            parsed: Any = ast.parse(source, mode=mode)
        except SyntaxError:
            continue
        return parsed.body if mode == "eval" else parsed.body[0], frame
    return None, frame


def _in_kernel(trace):
    return trace.tb_frame.f_globals.get("__name__", "").startswith("minigrad.kernels.")


_PURE = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Slice),
    *(ast.Tuple, ast.expr_context, ast.operator, ast.unaryop),
)


def _evaluate(expression: ast.expr, frame: types.FrameType) -> Any:
    """The value of an expression without calls in the frame that failed; None if it has none."""
    if not all(isinstance(e, _PURE) for e in ast.walk(expression)):
        return None
    try:
        return eval(ast.unparse(expression), frame.f_globals, frame.f_locals)
    except Exception:
        return None


_NAMES = {"absolute": "abs", "true_divide": "div", "divide": "div", "subtract": "sub"}
_NAMES |= {"multiply": "mul", "negative": "neg", "power": "pow", "matmul": "dot", "square": "mul"}
_NAMES |= {"amax": "max", "amin": "min", "ravel": "reshape", "getitem": "index"}
_NAMES |= {
    "hstack": "concatenate",
    "vstack": "concatenate",
    "tensordot": "dot",
    "inner": "dot",
    "T": "transpose",
}


def operation(name: str) -> str:
    """The minigrad operation that does what a NumPy name does, or ''."""
    name = _NAMES.get(name, name)
    return name if hasattr(sys.modules["minigrad"], name) else ""


def no_numpy(name: str, in_place: bool = False) -> str:
    if in_place:
        return (
            "a Node cannot be written into an array in place: write X = X + A, which makes a Node"
        )
    if name == "asarray":
        return "a Node is no array: take its .value, or float(L) of a scalar (no gradient flows on)"
    ours = operation(name)
    advice = f"use minigrad.{ours}, or" if ours else "there is no operation for it: take"
    return f"np.{name} cannot take a Node: {advice} .value, through which no gradient flows"


def no_attribute(name: str, attribute: str) -> str:
    ours = operation(attribute)
    advice = ": its array is .value"
    if ours:
        of_arrays = f", or A.value.{attribute}" if hasattr(np.ndarray, attribute) else ""
        advice = f": write minigrad.{ours}(A){of_arrays}"
    return f"{name}: a Node has no attribute {attribute!r}{advice}"


def freed(name: str, attribute: str) -> str:
    return (
        f"{name}: this Node's {attribute} was freed: grad and value_and_grad free what they have "
        "used. To look at it, make leaves with var, compute, and call .backward()"
    )


def check_scalar(name: str, value: Any) -> None:
    """Refuse to begin a backward program at anything but a scalar."""
    if value is None:
        raise TypeError(f"{name}: backward starts at a scalar, not at None: is a return missing?")
    if isinstance(value, str) or children(value) is not None:
        raise TypeError(f"{name}: backward starts at a scalar, not at a {type(value).__name__}")
    if np.shape(value):
        raise ValueError(
            f"{name}: backward starts at a scalar, and this value has shape {value.shape}: "
            "take its sum or mean first, or a loss of it"
        )


def not_an_argument(a: Any) -> str:
    return (
        f"a {type(a).__name__} by position: positional arguments are arrays, numbers, strings, "
        "slices, None and nests of them; state and generators go by keyword"
    )


def check_leaves(tree: Any) -> None:
    """Refuse leaves that are not float arrays, naming the first by its path."""
    for path, a in paths(tree):
        kind = a.dtype.kind if hasattr(a, "__array_function__") else ""
        if hasattr(a, "parents"):
            raise TypeError(f"var: {path or 'this'} is a Node already; detach it for its array")
        if a is not None and kind != "f":
            got = f"holds {a.dtype}" if kind else f"is a {type(a).__name__}"
            advice = ".astype(float), if it is no label" if kind else "np.array(...)"
            raise TypeError(
                f"var: leaves are float arrays, and {path or 'this'} {got}: use {advice}"
            )


def not_a_pair(name: str, result: Any) -> str:
    parts = result if isinstance(result, tuple) else (result,)
    got = ", ".join(type(part).__name__ for part in parts)
    sentence = f"{name}: a node returns its value and its back, `return Z, back`; it returned {got}"
    return sentence + ("" if isinstance(result, tuple) else ". A program of nodes is a @block")


def not_a_value(name: str, value: Any) -> str:
    if hasattr(value, "parents"):
        return (
            f"{name}: its value is a Node that it did not get as an argument: pass it by position"
        )
    return f"{name}: the value of a node is one array, not a {type(value).__name__}"


def check_one_value(name: str, value: Any) -> None:
    """Refuse what a block returns unless it is one value."""
    if value is None:
        raise TypeError(f"{name}: a block returns one value, not None: is a return missing?")
    if children(value) is not None:
        pair = isinstance(value, tuple) and len(value) == 2 and callable(value[1])
        advice = (
            "what returns a value and its back is a @node"
            if pair
            else "write one call per branch; shared weights add up"
        )
        raise TypeError(
            f"{name}: a block returns one value, not a {type(value).__name__}: {advice}"
        )


def check_options(name: str, nodes: dict[str, bool]) -> None:
    """Refuse options that are Nodes or hold one."""
    for option, found in nodes.items():
        if found:
            raise TypeError(
                f"{name}: the option {option} is a Node, and options carry no gradient: "
                "pass it by position, or detach it"
            )


def check_count(name: str, count: int, most: int, nodes: Sequence[bool]) -> int:
    """How many gradients to give a back that names `count`; refuse too many, or too few of them."""
    if count == ANY_NUMBER - 1:
        return len(nodes)
    if count < 0:
        raise TypeError(f"{name}: its back takes no argument: `def back(dZ, dA, ...)`")
    if count > most:
        raise TypeError(
            f"{name}: its back takes the gradients of {count} arguments, and {name} has {most}"
        )
    if any(nodes[count:]):
        raise TypeError(
            f"{name}: its back names the gradients of {count} of {len(nodes)} arguments, but "
            f"argument {nodes.index(True, count) + 1} is a Node or holds one: "
            "name its gradient in back, or detach the argument"
        )
    return count


def check_position(f: Callable, i: int, count: int) -> None:
    if not -count <= i < count:
        name = getattr(f, "__name__", "the function")
        raise TypeError(f"{name}: wrt={i}, but it was called with {count} positional arguments")


def other_arguments(f: Callable, args: Sequence, given: Sequence) -> str:
    plain = map_leaves(lambda a: a.value if hasattr(a, "parents") else a, (tuple(args), given))
    expected, got = (call(f, part) for part in plain)
    if len(args) == len(given) and expected == got:
        return (
            f"{f.__name__}.back: shapes agree, but these are not the arguments of the forward call"
        )
    return f"{f.__name__}.back: the forward call was {expected}, these arguments are {got}"


def no_gradient(node: Any, name: str) -> str:
    return (
        f"{name}.back: no gradient has arrived here, and a value of shape {node.shape} cannot "
        "begin a backward program: begin with the loss"
    )


def _step(n: Any, steps: Sequence) -> str:
    """The name of the step that runs n: its own, or that of the outermost block it is inside."""
    for m in steps:
        if m.blocks and m.blocks[0].since < n.serial <= m.serial:
            return m.blocks[0].function.__name__
    return n.name


def _again(name: str) -> str:
    return f"{name}: call .backward() on the loss, or compute the values again"


def check_unfinished(name: str, order: Sequence) -> None:
    for program in {n._program for n in order if n._back is not None}:
        if program and not program.failed:
            left = [s for s in program.steps if s._program is program and not s._ran]
            if left:
                step = _step(max(left, key=lambda s: s.serial), left)
                raise RuntimeError(
                    f"{name}.back: a backward program below it is unfinished: {step}.back has not "
                    "run; finish it, or call .backward()"
                )


def check_turn(node: Any, name: str, order: Sequence) -> None:
    """Raise unless everything that uses the values of this step has run, and the step has not."""
    program = node._program
    if program is None or node._ran:
        raise RuntimeError(_again(f"{name}.back has run already in this backward program"))
    if program.failed:
        raise RuntimeError(_again(f"{name}.back: an earlier step of this program failed"))
    inside = Counter(p for n in order for p in n.parents)
    if any(n._program is not program for n in (*order, *inside)):
        raise RuntimeError(_again(f"{name}.back: another backward program has begun below it"))
    for n in order:
        if n._back is not None and n._waits > inside[n]:
            users = [u for u in program.steps if n in u.parents and not u._ran and u not in order]
            if not users:
                raise RuntimeError(_again(f"{name}.back: what uses its value is gone"))
            missing = _step(users[0], list(program.steps))
            value = "this value" if n is node else f"the value of {n.name} inside"
            raise RuntimeError(f"{name}.back: {missing}.back comes first: it uses {value}")
