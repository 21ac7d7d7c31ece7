"""The file of a program on the way: names taken, arrays to read, functions to carry, its text.

>>> script = Script(None)
>>> script.expression((np.ones(2), 3), "X").elts[0].id, script.fresh("X")
('X', 'X1')
>>> script.statements = [("", [ast.parse("Z = 2 * X").body[0]])]
>>> print(script.text("An example.", ["Z"]))
\"""An example.\"""
<BLANKLINE>
import numpy as np
<BLANKLINE>
with np.load("inputs.npz") as inputs:
    X = inputs["X"]  # (2,)
<BLANKLINE>
Z = 2 * X
"""

import ast
import builtins
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from .. import tree
from ..engine import Node
from ..kernels import memory, parallel
from .assembly import dense, lines, prune, reading
from .inlining import inline
from .names import RESERVED, Names, Taken
from .sources import STANDARD
from .syntax import UNWANTED, Unfit, literal, names_in
from .transplants import named_tuple, transplant

# what the library does for speed or with stand-ins, as it is in a file of plain NumPy
PLAIN: dict[Any, str] = {
    tree.needed: '''def {}(gradient):
    """True: every gradient is an array here."""
    return True''',
    parallel.each: '''def {}(f, parts, size=None):
    """f(part) for every part."""
    for part in parts:
        f(part)''',
    memory.empty: '''def {}(shape, dtype, xp=np):
    """An array of whatever values."""
    return xp.empty(shape, dtype)''',
}


class Script:
    """statements: (heading, statements) of each step, in the order in which they run.

    arrays: what the file reads; drawn: the names of those that a generator or a state gave;
    whole: the nodes whose number must be an array, as students' nodes may index it.
    """

    inline = staticmethod(inline)

    def __init__(self, names: Names | None):
        self.names = names
        self.taken = Taken(RESERVED)
        self.statements: list[tuple[str, list[ast.stmt]]] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.drawn: set[str] = set()
        self.whole: set[Node] = set()
        self._called: dict[int, str] = {}
        self._held: list = []  # so that no id in _called comes to mean something else
        self._carried: dict[str, str] = {}
        self._imports: set[str] = set()
        self._shapes: dict[str, tuple] = {}

    def fresh(self, base: str) -> str:
        """A name that is free in the file."""
        return self.taken.fresh(base)

    def call(self, a: Any, base: str) -> str:
        """What the file calls a value: base, at first, with a number if that is taken."""
        if id(a) not in self._called:
            self._held.append(a)
            self._called[id(a)] = self.fresh(base)
        return self._called[id(a)]

    def called(self, a: Any) -> str:
        return self._called[id(a)]

    def gradient_of(self, n: Node) -> str:
        return self._called.get(-id(n)) or self._called.setdefault(
            -id(n), self.fresh(f"d{self.called(n)}")
        )

    def expression(self, a: Any, label: str) -> Any:
        """The expression of a value or a nest; its arrays are read from the file of inputs."""
        if id(a) in self._called:
            return ast.Name(self.called(a), ast.Load())
        if isinstance(a, np.ndarray):
            known = self.names.identifier(a)[0] if self.names else ""
            name = self.call(a, known or label)
            self.arrays[name] = a
            return ast.Name(name, ast.Load())
        parts = tree.children(a)
        if parts is None:
            return literal(a)
        inside = [self.expression(part, label) for part in parts]
        return self.nest(a, inside)

    def gradient(self, a: Any) -> Any:
        """The expression of the gradient of an argument, nested like it."""
        if type(a) is Node:
            return ast.Name(self.gradient_of(a), ast.Load())
        parts = tree.children(a)
        if parts is None:
            name = f"{UNWANTED}{len(self._shapes)}"
            self._shapes[name] = np.shape(a) if hasattr(a, "__array_function__") else ()
            return ast.Name(name, ast.Load())
        inside = list(map(self.gradient, parts))
        return ast.List(inside, ast.Load()) if type(a) is tuple else self.nest(a, inside)

    def nest(self, a: Any, inside: list) -> Any:
        """The expression of a nest like a, of other parts."""
        if isinstance(a, dict):
            return ast.Dict([literal(k) for k in a], inside)
        if not hasattr(a, "_fields"):
            return (ast.List if isinstance(a, list) else ast.Tuple)(inside, ast.Load())
        made = ast.Call(self.outer(type(a), type(a).__name__), inside, [])
        made.fields = a._fields  # type: ignore[attr-defined]
        return made

    def outer(self, value: Any, name: str) -> Any:
        """The expression for what a name around a function means; raises Unfit if there is none."""
        module = getattr(value, "__module__", None) or ""
        own = getattr(value, "__name__", "")
        if hasattr(value, "cache_info"):  # kept from call to call, and no other for it
            value = value.__wrapped__
        if id(value) in self._called:
            return ast.Name(self.called(value), ast.Load())
        if isinstance(value, ModuleType):
            if own.split(".")[0] == "numpy":
                return ast.parse(f"np{own.removeprefix('numpy')}", mode="eval").body
            if own.split(".")[0] not in STANDARD:
                raise Unfit(f"{own} is not NumPy")
            return self._import(f"import {own}", own)
        if getattr(builtins, own, None) is value:
            return ast.Name(own, ast.Load())
        if own and getattr(np, own, None) is value:
            return ast.parse(f"np.{own}", mode="eval").body
        if isinstance(value, FunctionType) and value in PLAIN:
            name = self.call(value, own)
            self._carried[name] = PLAIN[value].format(name)
            return ast.Name(name, ast.Load())
        if callable(value) and own and module.split(".")[0] in STANDARD:
            return self._import(f"from {module} import {own}", own)
        if _has_source(value):
            return ast.Name(self._carry(value), ast.Load())
        if isinstance(value, np.ndarray) or tree.children(value) is not None:
            return self.expression(value, name)
        return literal(value)

    def member(self, module: ModuleType, name: str) -> Any:
        """The expression for what a module holds; None if the file can import the module."""
        if module.__name__.split(".")[0] in ("numpy", *STANDARD):
            return None
        value = getattr(module, name)
        if not isinstance(value, ModuleType) and callable(value) and not _has_source(value):
            raise Unfit(f"{module.__name__}.{name} is not NumPy")
        return self.outer(value, name)

    def _import(self, line, name):
        if line not in self._imports and name in self.taken:
            raise Unfit(f"{name} is a variable, and cannot be imported")
        self._imports.add(line)
        self.taken.add(name)
        return ast.parse(name, mode="eval").body

    def _carry(self, f):
        """Put a function or class into the file, with what it needs; its name there."""
        plain = getattr(f, "plain", f)
        name = self.call(f, plain.__name__)
        try:
            made = named_tuple if hasattr(plain, "_fields") else transplant
            self._carried[name] = made(plain, name, self)
        except Unfit:
            del self._called[id(f)]
            raise
        return name

    def release(self, taken: set[str]) -> None:
        """Free the names that were taken since, but for those that values have got."""
        imported = {line.split()[-1] for line in self._imports}
        self.taken = Taken(taken | set(self._called.values()) | imported)

    def text(self, summary: str, wanted: list[str]) -> str:
        """The file: a docstring, the functions and arrays that the statements need, these.

        wanted: the names for which the file is run; what none of them needs is left out.
        """
        prune(self.statements, set(wanted))
        for n in (n for _, body in self.statements for s in body for n in ast.walk(s)):
            if isinstance(n, ast.Name) and n.id in self._shapes:
                n.id = f"np.zeros({self._shapes[n.id]})"
        used = {n for _, body in self.statements for s in body for n in names_in(s)} | {*wanted}
        functions = []
        for name, source in reversed(self._carried.items()):  # what needs others comes after them
            if name in used:
                functions.append(source)
                used |= names_in(ast.parse(source))
        imports = [i for i in sorted(self._imports) if i.split()[-1] in used]
        self.arrays = {name: a for name, a in self.arrays.items() if name in used}
        head = [f'"""{summary}"""', "import numpy as np"]
        if imports:
            head.insert(1, "\n".join(imports))
        reads = [f"    {name} = {reading(name, a)}" for name, a in self.arrays.items()]
        reads = [read + ", as it was drawn" * (read.split()[0] in self.drawn) for read in reads]
        head_lines = [*(['with np.load("inputs.npz") as inputs:'] if reads else []), *reads]
        body = "\n".join(head_lines + lines(self.statements))
        while "\n\n\n" in body:
            body = body.replace("\n\n\n", "\n\n")
        defs = [f"\n{source}" for source in reversed(functions)]
        gap = "\n" if defs else ""
        return "\n\n".join([*head, *defs, gap + body.strip("\n")]) + "\n"

    def inputs(self) -> dict[str, np.ndarray]:
        """What the file reads, as it is to be saved."""
        return {name: dense(a)[0] for name, a in self.arrays.items()}


def _has_source(value):
    return isinstance(value, (FunctionType, type))
