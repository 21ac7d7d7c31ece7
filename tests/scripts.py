"""Whether the file of a program runs, imports NumPy only, and gives the program's bits.

assert "A1 = X @ W1 + b1" in runs(program(L), tmp_path, L, W1=W1)
"""

import io
import os
import subprocess
import sys

import numpy as np

ONLY_NUMPY = """
import builtins, sys
imported, allowed = builtins.__import__, {"numpy", *sys.argv[1].split(",")}

def checked(name, space=None, *rest, **options):
    if space and space.get("__name__") == "__main__" and name.split(".")[0] not in allowed:
        raise ImportError(f"the file imports {name}")
    return imported(name, space, *rest, **options)

import numpy as np
builtins.__import__ = checked
space = {"__name__": "__main__"}
exec(compile(open("program.py").read(), "program.py", "exec"), space)
assert not any(m.split(".")[0] == "minigrad" for m in sys.modules)
np.savez("results.npz", **{k: v for k, v in space.items() if k in sys.argv[2].split(",")})
"""


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


def saved(inputs):
    """The arrays as the file reads them."""
    memory = io.BytesIO()
    np.savez(memory, **inputs)
    memory.seek(0)
    with np.load(memory) as read:
        return dict(read)


def holds(listing, L, **leaves):
    """Run the file in this process and compare the value and the gradient of every leaf."""
    text, inputs = listing.standalone(), listing.inputs()
    L.backward()
    space = {"inputs": saved(inputs)}
    statements = text.replace('with np.load("inputs.npz") as inputs:', "if True:")
    with np.errstate(all="ignore"):
        exec(compile(statements, "program.py", "exec"), space)
    assert same(space[text.rstrip().rpartition(" ")[2][:-1]], L.value), text
    assert leaves
    for name, leaf in leaves.items():
        assert same(space[name], leaf.value), text
        assert same(space[f"d{name}"], leaf.grad), (name, text)
    return text


def runs(listing, folder, L, *, imports="", **leaves):
    """The same in a process of its own, which may import NumPy and what is named, nothing else."""
    text = listing.standalone()
    L.backward()
    (folder / "program.py").write_text(text)
    np.savez(folder / "inputs.npz", **listing.inputs())
    names = ["L", *(f"d{name}" for name in leaves)]
    command = [sys.executable, "-I", "-W", "error", "-c", ONLY_NUMPY, imports, ",".join(names)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr + text
    assert done.stdout == f"L = {L.value[()]!s}\n"
    with np.load(folder / "results.npz") as results:
        assert same(results["L"], L.value), text
        for name, leaf in leaves.items():
            assert same(results[f"d{name}"], leaf.grad), (name, text)
    return text
