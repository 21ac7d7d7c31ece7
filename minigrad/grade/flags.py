"""What a person should look at in a source; it takes no points, as it proves nothing.

>>> list(flagged("import torch\\ndef f(X): pass", "f"))
['it imports torch, which computes gradients by itself']
"""

import ast
import functools
from collections.abc import Iterator

GRADIENTS = {"torch", "jax", "autograd", "tensorflow", "cupy", "sympy", "mxnet", "theano"}
LONGEST = 1 << 16  # characters that are read: the tree of so many takes 60 MB at most
WORDS = {"node", "block", "needed", "check", "show"}
LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


def flagged(source: str, entry: str) -> Iterator[str]:
    """Sentences on imports that compute gradients, and on a back that tries the forward out.

    >>> list(flagged("a;" * 40_000, "f"))
    ['it has 80000 characters: too many to look for differences and imports']
    """
    if len(source) > LONGEST:
        yield f"it has {len(source)} characters: too many to look for differences and imports"
        return
    imported, defined = _read(source)
    for name in imported:
        yield f"it imports {name}, which computes gradients by itself"
    if _tried_out(defined, entry):
        yield "its back takes differences of the forward, entry by entry"


@functools.lru_cache(2)  # read once for all questions of the students that are graded just now
def _read(source):
    """(what it imports that computes gradients, its functions by name); empty if it cannot run."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [], {}  # that it does not run is said elsewhere
    return sorted(_imported(nodes)), {n.name: n for n in nodes if isinstance(n, ast.FunctionDef)}


def _imported(nodes):
    for n in nodes:
        if isinstance(n, ast.Import):
            names = [a.name for a in n.names]
        elif isinstance(n, ast.ImportFrom):
            names = [n.module or ""]
            if n.module == "minigrad" and not all(a.name in WORDS for a in n.names):
                yield "more of minigrad than the words of the dialect"
        else:
            continue
        for name in names:
            if name.split(".")[0] in GRADIENTS or name.startswith("minigrad."):
                yield name


def _tried_out(defined, entry):
    """True if a back takes differences of what the forward calls, or imaginary parts, in a loop."""
    forward = defined.get(entry) or defined.get(f"{entry}_forward")
    if forward is None:
        return False
    inside = [n for n in ast.walk(forward) if isinstance(n, ast.FunctionDef) and n is not forward]
    backs = [n for n in (*inside, defined.get(f"{entry}_backward")) if n]
    own = {n for back in backs for n in ast.walk(back)}
    values = _reached([n for n in ast.walk(forward) if n not in own], defined) | {forward.name}
    for back in backs:
        if back.name not in values:
            reached = (defined[name] for name in _reached(ast.walk(back), defined))
            if any(_differences(f, values) for f in (back, *reached)):
                return True
    return False


def _differences(function, values):
    """True if a function subtracts two results of these, or takes the imaginary part of one."""
    of = lambda n: any(
        isinstance(m, ast.Call) and isinstance(m.func, ast.Name) and m.func.id in values
        for m in ast.walk(n)
    )
    assigned = [n for n in ast.walk(function) if isinstance(n, ast.Assign) and of(n.value)]
    names = {m.id for n in assigned for t in n.targets for m in ast.walk(t) if _is_name(m)}
    result = lambda n: of(n) or any(_is_name(m) and m.id in names for m in ast.walk(n))
    for loop in (n for n in ast.walk(function) if isinstance(n, LOOPS)):
        for n in ast.walk(loop):
            subtracts = isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub)
            if subtracts and result(n.left) and result(n.right):
                return True
            if isinstance(n, ast.Attribute) and n.attr == "imag" and result(n.value):
                return True
    return False


def _is_name(n):
    return isinstance(n, ast.Name)


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
