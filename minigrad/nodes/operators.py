"""The operators of Node: each is an operation, so that the engine need not know any.

>>> import numpy as np
>>> from minigrad import var
>>> A = var(np.array([1.0, 2.0]))
>>> (3 * A + 1)[1]
<index 7.0 float64>
"""

from ..engine import Node
from .arithmetic import add, div, dot, mul, neg, pow, sub
from .shape import index

OPERATORS = {
    "__add__": lambda A, B: add((A, B)),
    "__radd__": lambda A, B: add((B, A)),
    "__sub__": lambda A, B: sub(A, B),
    "__rsub__": lambda A, B: sub(B, A),
    "__mul__": lambda A, B: mul(A, B),
    "__rmul__": lambda A, B: mul(B, A),
    "__truediv__": lambda A, B: div(A, B),
    "__rtruediv__": lambda A, B: div(B, A),
    "__pow__": lambda A, B: pow(A, B),
    "__rpow__": lambda A, B: pow(B, A),
    "__matmul__": lambda A, B: dot(A, B),
    "__rmatmul__": lambda A, B: dot(B, A),
    "__neg__": lambda A: neg(A),
    "__getitem__": lambda A, i: index(A, i),
    "__iter__": lambda A: (index(A, i) for i in range(len(A))),
}


def changed(A, B):
    """Refuse W -= ... of a leaf, which would make a Node of W; `A += B` of others is A = A + B."""
    if A.function is None:
        raise TypeError("a leaf is changed through its array: W.value -= rate * W.grad")
    return NotImplemented


OPERATORS |= {f"__i{name}__": changed for name in ("add", "sub", "mul", "truediv", "matmul", "pow")}
for name, operator in OPERATORS.items():
    setattr(Node, name, operator)
