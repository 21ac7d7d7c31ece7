"""The source of a node as a page shows it: without its docstring, and which lines are its back.

>>> import numpy as np
>>> from minigrad import relu, var
>>> Z = relu(var(np.array([-1.0, 2.0])))
>>> source = source_of(Z)
>>> for line in source.lines:
...     print(line)
@node
def relu(A):
    Z = np.maximum(A, 0)
<BLANKLINE>
    def back(dZ, dA):
        dA += dZ * (Z > 0)
<BLANKLINE>
    return Z, back
>>> source.forward, source.back
([2, 2], [4, 5])
>>> source.statement(source.numbers[5])
[5, 5]
"""

import ast
import inspect
from typing import Any, NamedTuple

from ..engine import Node
from ..listing.sources import source


class Source(NamedTuple):
    """The lines that are shown, their numbers in the file, and spans of them: [first, last].

    forward: what computes the value; back: what deposits; statements: all simple ones.
    """

    lines: list[str]
    numbers: list[int]
    forward: list[int]
    back: list[int]
    statements: list[list[int]]

    def statement(self, number: int) -> list[int]:
        """The span of the statement at a line of the file; the whole back where there is none."""
        if number not in self.numbers:
            return self.back
        line = self.numbers.index(number)
        return next((s for s in self.statements if s[0] <= line <= s[1]), [line, line])


def source_of(n: Node) -> Source:
    """The source of a node's function, and behind it that of a back that is written elsewhere."""
    whole, back = _taken_apart(n.function), getattr(n._back, "__code__", None)
    if back is None or not whole.lines or back is n.function.__code__:
        return whole
    if back.co_filename == n.function.__code__.co_filename and back.co_firstlineno in whole.numbers:
        return whole
    own = _taken_apart(n._back)
    start = len(whole.lines) + 1
    moved = [[first + start, last + start] for first, last in own.statements]
    return Source(
        [*whole.lines, "", *own.lines],
        [*whole.numbers, 0, *own.numbers],
        whole.forward,
        [start, start + len(own.lines) - 1] if own.lines else whole.back,
        [*whole.statements, *moved],
    )


def _taken_apart(f: Any) -> Source:
    text = source(f)
    try:
        body: Any = ast.parse(text).body[0]
    except (SyntaxError, IndexError):
        return Source([], [], [], [], [])
    first, lines = inspect.unwrap(f).__code__.co_firstlineno, text.splitlines()
    if not isinstance(body, ast.FunctionDef):  # a lambda
        every = [0, len(lines) - 1]
        return Source(lines, [first + i for i in range(len(lines))], every, every, [])
    hidden = set()
    if ast.get_docstring(body, clean=False) is not None:
        hidden = set(range(body.body[0].lineno, (body.body[0].end_lineno or 0) + 1))
    shown = [i for i in range(1, len(lines) + 1) if i not in hidden]
    place = {number: i for i, number in enumerate(shown)}

    def span(a, b):
        return [place[a.lineno], place[b.end_lineno]]

    kept = [s for s in body.body if s.lineno not in hidden]
    inner = [s for s in kept if isinstance(s, ast.FunctionDef)]
    ahead = kept[: kept.index(inner[-1])] if inner else kept
    simple = [s for s in ast.walk(body) if isinstance(s, ast.stmt) and not hasattr(s, "body")]
    return Source(
        [lines[i - 1] for i in shown],
        [first + i - 1 for i in shown],
        span(ahead[0], ahead[-1]) if ahead else [],
        span(inner[-1], inner[-1]) if inner else span(kept[-1], kept[-1]),
        [span(s, s) for s in simple if s.lineno not in hidden],
    )
