"""A program as a Python file of NumPy only, every node written out.

>>> from minigrad import mul, program, var
>>> A = var(np.array(3.0))
>>> L = mul(A, A)
>>> print(program(L).standalone())
\"""The forward and the backward program of L.\"""
<BLANKLINE>
import numpy as np
<BLANKLINE>
with np.load("inputs.npz") as inputs:
    A = inputs["A"]  # ()
<BLANKLINE>
# forward
L = A * A
<BLANKLINE>
# backward
dL = np.ones_like(L)
<BLANKLINE>
# L.back(A, A)
dA = np.zeros_like(A)
dA += dL * A
dA += dL * A
<BLANKLINE>
print("L =", L)
<BLANKLINE>
"""

import ast

import numpy as np

from .. import faults
from ..engine import Node, below
from .forms import written
from .names import Names
from .script import Script
from .syntax import Unfit, parsed


def write(root: Node, names: Names) -> tuple[str, dict[str, np.ndarray]]:
    """The file of a program, and the arrays that it reads by name."""
    faults.check_scalar(root.name, root.value)
    script, order = Script(names), below(root)
    for own in (True, False):
        for n in order:
            name, callers = names.identifier(n)
            if callers is own:
                script.call(n, name)
    for n in order:
        script.gradient_of(n)
        if not n.function:
            script.arrays[script.called(n)] = n.value
    foreign = [
        n for n in order if n.function and not (n.function.__module__ or "").startswith("minigrad")
    ]
    script.whole = {p for n in foreign for p in n.parents}
    with np.errstate(all="ignore"):
        both = {n: written(script, n) for n in order if n.function}
    steps = [(_heading(script, n), forward) for n, (forward, _) in both.items()]
    L = script.called(root)
    deposited = {root}
    back_steps = [("", [parsed(f"{script.gradient_of(root)} = np.ones_like({L})")])]
    for n in reversed(both):
        new = [p for p in dict.fromkeys(n.parents) if p not in deposited]
        deposited.update(new)
        zeros = [f"{script.gradient_of(p)} = np.zeros_like({script.called(p)})" for p in new]
        back_steps.append((_heading(script, n, back=True), [*map(parsed, zeros), *both[n][1]]))
    script.statements = [("forward", []), *steps, ("backward", []), *back_steps]
    leaves = [script.gradient_of(n) for n in order if not n.function]
    text = script.text(f"The forward and the backward program of {L}.", [L, *leaves])
    return f'{text}\nprint("{L} =", {L})\n', script.inputs()


def _heading(script, n, back=False):
    try:
        args = ", ".join(ast.unparse(script.expression(a, "v")) for a in n.args)
    except Unfit:
        args = "..."
    name = script.called(n)
    return f"{name}.back({args})" if back else f"{name} = {n.name}({args})"
