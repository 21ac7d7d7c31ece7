"""What a person should look at in a source; it takes no points, as it proves nothing.

>>> list(flagged("import torch\\ndef f(X): pass", "f"))
['it imports torch, which computes gradients by itself']
"""

import ast
import functools
import warnings
from collections.abc import Iterator

GRADIENTS = {"torch", "jax", "autograd", "tensorflow", "cupy", "sympy", "mxnet", "theano"}
WORDS = {"node", "block", "needed", "check", "show", "*"}
LONGEST = 1 << 16  # characters that are read: the tree of so many takes 60 MB at most
LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


def flagged(source: str, entry: str) -> Iterator[str]:
    """Sentences on imports that compute gradients, and on a back that tries the forward out."""
    if len(source) > LONGEST:
        yield f"it is too long to be looked through: {len(source)} characters"
        return
    nodes = _nodes(source)
    for name in sorted({*_imported(nodes, _read(nodes, entry))}):
        yield f"it imports {name}, which computes gradients by itself"
    if _tried_out(nodes, entry):
        yield "its back takes differences of the forward, entry by entry"


def defined(source: str) -> list[str]:
    """The names of the functions and classes of a source, in its order."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [n.name for n in _parsed(source).body if isinstance(n, kinds)]


@functools.lru_cache(2)  # once for all questions of the students that are graded just now
def _parsed(source):
    try:
        with warnings.catch_warnings(action="ignore"):  # they are the student's
            return ast.parse(source if len(source) <= LONGEST else "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])  # that it does not run is said elsewhere


@functools.lru_cache(2)
def _nodes(source):
    return list(ast.walk(_parsed(source)))


def _imported(nodes, read):
    """Modules that compute gradients; of minigrad those that are read, as a notebook has more."""
    for n in nodes:
        if not isinstance(n, (ast.Import, ast.ImportFrom)):
            continue
        for a in n.names:
            name = (n.module or "") if isinstance(n, ast.ImportFrom) else a.name
            first, *below = name.split(".")
            if first in GRADIENTS:
                yield name
            elif first == "minigrad" and (a.asname or a.name.split(".")[0]) in read:
                if below:
                    yield name
                elif isinstance(n, ast.ImportFrom) and a.name not in WORDS:
                    yield "more of minigrad than the words of the dialect"


def _read(nodes, entry):
    """The names that an entry reads, and the functions and classes of these; no arguments."""
    defined = {n.name: n for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    wanted, read = {entry, f"{entry}_forward", f"{entry}_backward"}, set()
    while wanted:
        part = defined.get(wanted.pop(), ast.Pass())
        inside = list(ast.walk(part))
        found = {n.id for n in inside if isinstance(n, ast.Name)}
        found -= {n.arg for n in inside if isinstance(n, ast.arg)}
        wanted |= found - read
        read |= found
    return read


def _tried_out(nodes, entry):
    """True if a back takes differences of what the forward calls, or imaginary parts, in a loop."""
    defined = {n.name: n for n in nodes if isinstance(n, ast.FunctionDef)}
    forward = defined.get(entry) or defined.get(f"{entry}_forward")
    if forward is None:
        return False
    inside = [n for n in ast.walk(forward) if isinstance(n, ast.FunctionDef) and n is not forward]
    backs = [n for n in (*inside, defined.get(f"{entry}_backward")) if n]
    own = {n for back in backs for n in ast.walk(back)}
    values = _reached([n for n in ast.walk(forward) if n not in own], defined) | {forward.name}
    backs = [back for back in backs if back.name not in values]
    reached = _reached([n for back in backs for n in ast.walk(back)], defined)
    return any(_differences(f, values) for f in {*backs, *(defined[name] for name in reached)})


def _differences(function, values):
    """True if a function subtracts two results of these, or takes the imaginary part of one."""
    nodes = list(ast.walk(function))  # parents before children
    calls = _around(
        nodes, lambda n: isinstance(n, ast.Call) and getattr(n.func, "id", "") in values
    )
    assigned = [
        t for n in nodes if isinstance(n, ast.Assign) and n.value in calls for t in n.targets
    ]
    names = {m.id for t in assigned for m in ast.walk(t) if isinstance(m, ast.Name)}
    results = _around(nodes, lambda n: n in calls or (isinstance(n, ast.Name) and n.id in names))
    inside = set()
    for n in nodes:
        if isinstance(n, LOOPS) or n in inside:
            inside.update(ast.iter_child_nodes(n))
    return any(
        (isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub) and {n.left, n.right} <= results)
        or (isinstance(n, ast.Attribute) and n.attr == "imag" and n.value in results)
        for n in inside
    )


def _around(nodes, wanted):
    """The nodes that are wanted, and those around them; a source may nest, or repeat, at will."""
    found = set()
    for n in reversed(nodes):
        if wanted(n) or any(part in found for part in ast.iter_child_nodes(n)):
            found.add(n)
    return found


def _reached(nodes, defined):
    """The defined functions that are called there, and those that they call."""
    found = set()
    while True:
        names = {
            n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        new = names & defined.keys() - found
        if not new:
            return found
        found |= new
        nodes = [n for name in new for n in ast.walk(defined[name])]
