"""What CuPy has: names and parameters, pinned in cupy_names.txt for where there is no CuPy.

    python tests/cupy_names.py > tests/cupy_names.txt        with CuPy installed; it needs no GPU

Each line: a name, after a dot if it is a method of arrays, and its parameters; `ufunc` for those
that are one, `property` for what is not called.
"""

import inspect
import re
from pathlib import Path

import numpy as np

PINNED = Path(__file__).with_name("cupy_names.txt")


def pinned():
    """{name: parameters} of the module, and of its arrays."""
    lines = [line.split() for line in PINNED.read_text().splitlines() if line[0] != "#"]
    both = {}, {}
    for name, *parameters in lines:
        both[name.startswith(".")][name.lstrip(".")] = parameters
    return both


def offered():
    """The lines that CuPy, as installed, would have pinned."""
    import cupy

    for name in sorted(set(dir(cupy)) & set(dir(np))):
        f = getattr(cupy, name)
        if callable(f) and not isinstance(f, type) and not name.startswith("_"):
            yield name, ["ufunc"] if isinstance(f, cupy.ufunc) else parameters(f)
    for name in sorted(set(dir(cupy.ndarray)) & set(dir(np.ndarray))):
        f = getattr(cupy.ndarray, name)
        if name.startswith("__") and name not in dir(object) and "array" not in name:
            yield f".{name}", []
        elif not name.startswith("_"):
            yield f".{name}", parameters(f)[1:] if callable(f) else ["property"]


def parameters(f):
    """Names of parameters, from the signature or, of compiled functions, from their first line."""
    try:
        found = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        (listed,) = re.findall(r"\((.*?)\)(?: ->.*)?$", f.__doc__.split("\n")[0])
        return [re.split("=", part)[0].split(" ")[-1] for part in listed.split(", ")]
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [stars.get(p.kind, "") + p.name for p in found]


if __name__ == "__main__":
    import cupy

    print(f"# CuPy {cupy.__version__}, by tests/cupy_names.py")
    for name, names in offered():
        print(name, *names)
