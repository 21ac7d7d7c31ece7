"""A function on the way to being written out: what its names are, here and in the script.

>>> from minigrad import relu
>>> frame = Frame(None, relu.plain)
>>> frame.names["A"] = ast.Name("A1", ast.Load())
>>> ast.unparse(frame.write(ast.parse("dZ * (A > 0)", mode="eval").body.right))
'A1 > 0'
"""

import ast
import copy
from collections import Counter
from types import FunctionType, ModuleType
from typing import Any

from .rewriting import Rewriter
from .sources import comments, definition, surroundings
from .syntax import Unfit, exposed, is_plain, name_of, names_in, store, stored


class Frame:
    """A function on the way to being written out.

    space: the values of its names, and of those around it; names: the expressions that stand for
    its names in the script; own_names: what its own variables are called there; unsure: names
    whose value is not the program's (gradients, generators), though their shape is; unknown: names
    of which nothing is known; recall: what its back has kept; lines: the statements so far.
    """

    def __init__(self, script: Any, function: Any, tree: Any = None, helper: bool = False):
        self.script, self.function, self.helper = script, function, helper
        self.tree: Any = tree or definition(function)
        if self.tree is None:
            raise Unfit(f"{function.__name__} has no source")
        self.space: dict[str, Any] = surroundings(function)
        self.names: dict[str, ast.expr] = {}
        self.own_names: dict[str, str] = {}
        self.unsure: set[str] = set()
        self.unknown: set[str] = set()
        self.recall: dict[str, Any] | None = None
        self.recalled: set[str] = set()
        self.lines: list[ast.stmt] = []
        self.inner: dict[str, ast.FunctionDef] = {}
        self.nested = False
        self.stores = Counter(stored(self.tree.body))

    def value(self, e: ast.expr) -> Any:
        """What an expression of the function comes to."""
        tree = ast.fix_missing_locations(ast.Expression(copy.deepcopy(e)))
        return eval(compile(tree, "<expansion>", "eval"), self.space)

    def run(self, s: ast.stmt) -> None:
        tree = ast.fix_missing_locations(ast.Module([copy.deepcopy(s)], []))
        exec(compile(tree, "<expansion>", "exec"), self.space)

    def known(self, e: ast.AST) -> bool:
        """True if what an expression comes to is the same whenever the script runs."""
        return not names_in(e) & self.unknown and not exposed(e) & self.unsure

    def write(self, e: Any) -> Any:
        """An expression of the function as one of the script."""
        return Rewriter(self).visit(copy.deepcopy(e))

    def emit(self, s: Any, origin: Any = None) -> None:
        if origin is not None:
            s.comment = comments(self.function).get(origin.end_lineno, "")
        self.lines.append(ast.fix_missing_locations(s))

    def own(self, x: str) -> str:
        """What a variable of the function is called in the script."""
        if x in self.recalled:
            raise Unfit(f"{self.function.__name__} changes {x}, which it has drawn")
        if x not in self.own_names:
            self.own_names[x] = self.script.fresh(x)
        return self.own_names[x]

    def stable(self, e: ast.expr) -> bool:
        """True if the names in an expression of the script are bound once, and can be put off."""
        names = names_in(e)
        return all(self.stores[x] == 1 for x, own in self.own_names.items() if own in names)

    def assign(self, x: str, e: ast.expr, origin: Any = None) -> None:
        """Let x stand for an expression of the script; in a line, if it is more than a name."""
        if isinstance(self.space.get(x), (ModuleType, FunctionType)):
            self.names.pop(x, None)
        elif is_plain(e) and self.stable(e):
            self.names[x] = e
        else:
            self.emit(ast.Assign([store(self.own(x))], e), origin)
            self.names[x] = ast.Name(self.own(x), ast.Load())

    def settle(self, x: str) -> None:
        """Make x a variable of the script, which a loop or `+=` can change."""
        e = self.names.get(x)
        if e is not None and not (x in self.own_names and name_of(e) == self.own(x)):
            self.emit(ast.Assign([store(self.own(x))], e))
        self.names[x] = ast.Name(self.own(x), ast.Load())
