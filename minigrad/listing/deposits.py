"""One back at a time: the gradients that it deposits into, nested like the node's arguments.

>>> from minigrad import affine, var
>>> W, b = var((np.ones((2, 3)), np.zeros(3)))
>>> A = affine(np.ones((4, 2)), (W, b))
>>> into = {b: np.zeros(3)}
>>> A._back(np.ones((4, 3)), *gradients(A, into))
>>> into[b]
array([4., 4., 4.])
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import tree
from ..engine import Node


def gradients(n: Node, into: Mapping[Node, np.ndarray]) -> list:
    """What to call the back of n with: of the Nodes in `into` their arrays, all else unwanted."""
    found = [_nested(a, into) for a in n.args[: n._count]]
    return found + [tree.Unwanted(None)] * (n._count - len(found))


def _nested(a: Any, into) -> Any:
    if type(a) is Node:
        return into[a] if a in into else tree.Unwanted(a.value)
    parts = tree.children(a)
    if parts is None:
        return tree.Unwanted(a)
    inside = [_nested(part, into) for part in parts]
    return tree.Gradients(inside) if type(a) in (tuple, list) else tree.rebuild(a, inside)
