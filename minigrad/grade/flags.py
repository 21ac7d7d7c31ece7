"""What a person should look at in a source; it takes no points, as it proves nothing.

>>> list(flagged("import torch\\ndef f(X): pass", "f"))
['it imports torch, which computes gradients by itself']
"""

import ast
from collections.abc import Iterator

GRADIENTS = {"torch", "jax", "autograd", "tensorflow", "cupy", "sympy", "mxnet", "theano"}
WORDS = {"node", "block", "needed", "check", "show"}


def flagged(source: str, entry: str) -> Iterator[str]:
    """Sentences on imports that compute gradients, and on a back that calls its own forward."""
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # that it does not run is said elsewhere
    for name in sorted(_imported(module)):
        yield f"it imports {name}, which computes gradients by itself"
    if any(_calls(back, entry) for back in _backs(module, entry)):
        yield f"its back calls {entry} again, as finite differences do"


def _imported(module):
    for n in ast.walk(module):
        if isinstance(n, ast.Import):
            names = [a.name for a in n.names]
        elif isinstance(n, ast.ImportFrom):
            names = [n.module or ""]
            if n.module == "minigrad" and all(a.name in WORDS for a in n.names):
                continue
        else:
            continue
        for name in names:
            if name.split(".")[0] in GRADIENTS or name.startswith("minigrad."):
                yield name
            elif name == "minigrad" and isinstance(n, ast.ImportFrom):
                yield "more of minigrad than the words of the dialect"


def _backs(module, entry):
    for n in ast.walk(module):
        if isinstance(n, ast.FunctionDef) and n.name == entry:
            yield from (m for m in ast.walk(n) if isinstance(m, ast.FunctionDef) and m is not n)
        if isinstance(n, ast.FunctionDef) and n.name == f"{entry}_backward":
            yield n


def _calls(back, entry):
    names = (entry, f"{entry}_forward")
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in names
        for n in ast.walk(back)
    )
