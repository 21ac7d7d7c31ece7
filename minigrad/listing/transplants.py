"""Functions and classes as text that runs elsewhere, with what their outer names mean there.

>>> from minigrad.listing.script import Script
>>> from minigrad.nodes.arithmetic import spread
>>> print(transplant(spread, "spread_out", Script(None)))
def spread_out(Z, axis, keepdims):
    \"""Z, reduced over the axes, with these axes put back as size 1, so that it broadcasts.\"""
    return Z if keepdims or axis is None else np.expand_dims(Z, axis)
"""

import ast
import builtins
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from ..backend import array_module
from .sources import gives_pair, source, surroundings
from .syntax import Unfit, literal


def transplant(f: Any, name: str, script: Any) -> str:
    """The source of a function or class under another name, its comments kept.

    script: gives the expressions for what the names around it mean. Decorators and annotations
    are left out, and of a docstring all but its first line. Raises Unfit without source.
    """
    text = source(f)
    body = ast.parse(text).body if text else []
    if not body or not isinstance(body[0], (ast.FunctionDef, ast.ClassDef)):
        raise Unfit(f"{f.__name__} has no source of its own")
    tree = body[0]
    lines = text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    whole = b"".join(lines)

    def span(e: Any) -> tuple[int, int]:
        return (
            starts[e.lineno - 1] + e.col_offset,
            starts[e.end_lineno - 1] + e.end_col_offset,
        )

    begin = span(tree)[0]
    head = whole.index(b" ", begin) + 1
    edits = [(head, head + len(tree.name.encode()), name)]
    edits += _meanings(f, tree, script, span)
    for e in ast.walk(tree):
        if isinstance(e, (ast.FunctionDef, ast.ClassDef)):
            edits += _first_line(e, span)
        if isinstance(e, ast.arg) and e.annotation:
            edits.append((span(e)[0] + len(e.arg.encode()), span(e.annotation)[1], ""))
        if isinstance(e, ast.FunctionDef) and e.returns:
            start, end = span(e.returns)
            edits.append((whole.rindex(b"->", 0, start), end, ""))
    for start, end, new in sorted(edits, reverse=True):
        before = whole[:start].rstrip() if new == "" else whole[:start]
        whole = before + new.encode() + whole[end:]
    return whole[begin:].decode().rstrip()


def named_tuple(kind: Any, name: str, script: Any) -> str:
    """A named tuple with its methods, as a class that needs no import."""
    try:
        text = transplant(kind, name, script)
    except Unfit:  # made by collections.namedtuple
        text = f"class {name}:\n    pass"
    methods = [
        "\n".join(text.splitlines()[min([d.lineno, *_lines_of(d)]) - 1 : d.end_lineno])
        for d in ast.parse(text).body[0].body  # type: ignore[attr-defined]
        if isinstance(d, ast.FunctionDef)
    ]
    fields = ", ".join(kind._fields)
    head = (
        f"class {name}(tuple):\n"
        f"    def __new__(cls, {fields}):\n"
        f"        return tuple.__new__(cls, ({fields},))\n\n"
        f"    {fields}{'' if len(kind._fields) > 1 else ','} = "
        f"[property(lambda self, i=i: self[i]) for i in range({len(kind._fields)})]"
    )
    return "\n\n".join([head, *methods])


def _lines_of(d):
    return [e.lineno for e in d.decorator_list]


def _first_line(e, span):
    """The edit that leaves the first line of a docstring."""
    s = e.body[0]
    if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) and len(e.body) > 1:
        first = str(s.value.value).strip().partition("\n")[0]
        yield (*span(s), f'"""{first}"""')


def _meanings(f, tree, script, span) -> Iterator[tuple[int, int, str]]:
    """(start, end, what stands there) for all that means something else elsewhere."""
    space = surroundings(f)
    own = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)}
    own |= {d.name for d in ast.walk(tree) if isinstance(d, ast.FunctionDef) and d is not tree}
    skipped = {id(e) for part in _outside(tree) for e in ast.walk(part)}
    if isinstance(f, FunctionType):
        yield from ((*span(e), text) for e, text in _defaults(f, tree))
    for e in ast.walk(tree):
        if id(e) in skipped:
            continue
        if isinstance(e, ast.Call) and _held(e.func, space, own) is array_module:
            skipped |= {id(part) for part in ast.walk(e)}
            yield *span(e), "np"
        elif isinstance(e, ast.Attribute) and isinstance(_held(e.value, space, own), ModuleType):
            member = script.member(_held(e.value, space, own), e.attr)
            if member is not None:
                skipped |= {id(part) for part in ast.walk(e)}
                yield *span(e), ast.unparse(member)
        elif isinstance(e, ast.Call) and gives_pair(_held(e.func, space, own)):
            yield span(e)[1], span(e)[1], "[0]"
        elif isinstance(e, ast.Name) and e.id not in own:
            if e.id in space:
                new = ast.unparse(script.outer(space[e.id], e.id))
                if new != e.id:
                    yield *span(e), new
            elif not hasattr(builtins, e.id):
                raise Unfit(f"{f.__name__}: {e.id} is not defined")


def _outside(tree):
    """What is left out, or evaluated elsewhere: decorators, annotations and defaults."""
    for d in ast.walk(tree):
        if isinstance(d, ast.FunctionDef):
            if d is tree:
                yield from (*d.decorator_list, *d.args.defaults, *filter(None, d.args.kw_defaults))
            yield from filter(None, [d.returns])
        if isinstance(d, (ast.arg, ast.AnnAssign)) and d.annotation:
            yield d.annotation
        if isinstance(d, ast.ClassDef) and [ast.unparse(b) for b in d.bases] == ["NamedTuple"]:
            yield from d.bases


def _defaults(f, tree):
    """Defaults that are no constants, as what they came to when the function was defined."""
    named = tree.args.kwonlyargs
    pairs = list(zip(tree.args.defaults, f.__defaults__ or ()))
    pairs += [
        (e, f.__kwdefaults__[a.arg]) for a, e in zip(named, tree.args.kw_defaults) if e is not None
    ]
    for e, value in pairs:
        if not isinstance(e, ast.Constant):
            yield e, ast.unparse(literal(value))


def _held(e, space, own):
    """What an expression of names and attributes of modules means; None if it is another one."""
    if isinstance(e, ast.Name):
        return None if e.id in own else space.get(e.id)
    if isinstance(e, ast.Attribute):
        held = _held(e.value, space, own)
        return getattr(held, e.attr, None) if isinstance(held, ModuleType) else None
    return None
