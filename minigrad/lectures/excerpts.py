"""The statements of some cells that given names need, and no others.

>>> cells = ["import numpy as np, sys", "a = 3\\nb = 4", "def f(x):\\n    return np.exp(a * x)"]
>>> [part.text for part in needed_by({"f"}, statements(cells))]
['import numpy as np', 'a = 3', 'def f(x):\\n    return np.exp(a * x)']
>>> missing({"f"}, statements(cells[2:]))
['a', 'np']
"""

import ast
import builtins
import dis
import functools
import types
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class Statement(NamedTuple):
    """A statement at the top of a cell.

    text: as it stands there; binds, reads: names; late: of those that it reads the ones that its
    functions read when they are called; alone: whether what it binds was nothing before.
    """

    text: str
    binds: frozenset[str]
    reads: frozenset[str]
    late: frozenset[str]
    alone: bool
    node: ast.stmt


def statements(cells: Iterable[str]) -> list[Statement]:
    """The statements of cells, in order; imports one name each. A cell that is no Python has none.

    What a name that a function reads means is settled by where it is bound: no local counts.
    """
    return [s for cell in cells for s in _of_cell(cell)]


@functools.lru_cache(1000)  # the checks of a lecture are cut out of the same cells
def _of_cell(cell: str) -> tuple[Statement, ...]:
    lines, found = cell.splitlines(), []
    try:
        with warnings.catch_warnings(action="ignore"):
            body = ast.parse(cell).body
    except (SyntaxError, ValueError):
        return ()
    for node in body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        text = "\n".join(lines[first - 1 : node.end_lineno])
        if is_import(node):
            found += [_statement(ast.unparse(one), one) for one in _one_by_one(node)]
        else:
            found.append(_statement(text, node))
    return tuple(found)


def needed_by(names: Iterable[str], among: list[Statement]) -> list[Statement]:
    """The statements without which names, read when all have run, would mean something else."""
    at_the_end = frozenset(names)
    while True:
        wanted, kept = set(at_the_end), list[Statement]()
        for s in reversed(among):
            if not wanted.isdisjoint(s.binds):
                kept.append(s)
                wanted.difference_update(s.binds if s.alone else ())
                wanted |= s.reads
        late = at_the_end.union(*(s.late for s in kept))
        if late == at_the_end:
            return kept[::-1]
        at_the_end = late


def missing(names: Iterable[str], among: list[Statement]) -> list[str]:
    """The names that the statements needed by others read, and none of them binds."""
    parts = needed_by(names, among)
    reads = set(names).union(*(s.reads for s in parts))
    return sorted(reads.difference(dir(builtins), *(s.binds for s in parts)))


def is_import(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _one_by_one(node: Any) -> Iterator[ast.stmt]:
    for name in node.names:
        if isinstance(node, ast.Import):
            yield ast.copy_location(ast.Import([name]), node)
        else:
            yield ast.copy_location(ast.ImportFrom(node.module, [name], node.level), node)


def _statement(text: str, node: ast.stmt) -> Statement:
    with warnings.catch_warnings(action="ignore"):
        code = compile(ast.Module([node], []), "cell", "exec", dont_inherit=True)
    binds = {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_NAME"}
    at_once, late = _reads(code), _late(code)
    plain = (ast.Assign, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    alone = isinstance(node, plain)
    for target in getattr(node, "targets", [getattr(node, "target", None)]):
        while isinstance(target, (ast.Subscript, ast.Attribute)):  # table[k] = v changes table
            target, alone = target.value, False
        binds |= {target.id} if isinstance(target, ast.Name) else set()
    return Statement(text, frozenset(binds), at_once | late, late, alone, node)


def _reads(code: types.CodeType) -> frozenset[str]:
    """The names that code reads and does not bind as its own."""
    kinds = ("LOAD_NAME", "LOAD_GLOBAL")
    return frozenset(i.argval for i in dis.get_instructions(code) if i.opname in kinds)


def _late(code: types.CodeType) -> frozenset[str]:
    """The names that the functions within code read."""
    parts = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset().union(*(_reads(part) | _late(part) for part in parts))
