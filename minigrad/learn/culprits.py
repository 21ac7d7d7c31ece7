"""Find where numbers went wrong first: the node that made NaN or infinity, its blocks, its inputs.

>>> from minigrad import log, sum, var
>>> from minigrad.engine import below
>>> with np.errstate(invalid="ignore"):
...     L = sum(log(var(np.array([2.0, -1.0]))))
>>> bad_value(below(L))
'the value of log (2,) is the first that is not finite; its inputs: A (2,) in [-1, 2]'
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from ..engine import Node
from ..faults import named
from ..tree import map_leaves

NOTHING: Mapping = MappingProxyType({})


def bad_value(
    order: Sequence[Node], names: Mapping[Node, str] = NOTHING, before: Mapping = NOTHING
) -> str:
    """A sentence on the first of these nodes, oldest first, that is not finite; "" if all are.

    names: of leaves; before: values of leaves that a step has changed since.

    >>> bad_value([])
    ''
    """
    for n in order:
        if not np.isfinite(before.get(n, n.value)).all():
            if n.function is None:
                return f"{names.get(n, n.name)} {n.shape} is not finite before the step"
            return (
                f"the value of {places(order)[n]} {n.shape} is the first that is not finite; "
                f"its inputs: {inputs(n, before)}"
            )
    return ""


def bad_gradient(
    order: Sequence[Node], names: Mapping[Node, str] = NOTHING, before: Mapping = NOTHING
) -> str:
    """A sentence on the first gradient that is not finite, from the loss down; "" if all are.

    It names the nodes whose backs deposited it, with their inputs. Arguments as in `bad_value`.

    >>> bad_gradient([])
    ''
    """
    for n in reversed(order):
        if n.grad is not None and not np.isfinite(n.grad).all():
            where = places(order)
            backs = "; ".join(
                f"the back of {where[u]}, which got {span('dZ', u.grad)}; its inputs: "
                f"{inputs(u, before)}"
                for u in order
                if n in u.parents and u.grad is not None
            )
            return (
                f"the gradient of {names.get(n) or where[n]} {n.shape} is the first that is not "
                f"finite; it comes from {backs}"
            )
    return ""


def places(order: Sequence[Node]) -> dict[Node, str]:
    """Each node's name behind the blocks around it, numbered where it is not the only one there.

    >>> from minigrad import block, relu, sum, var
    >>> from minigrad.engine import below
    >>> @block
    ... def model(A):
    ...     return sum(relu(relu(A)))
    >>> list(places(below(model(var(np.ones(3))))).values())
    ['leaf', 'model > relu 1 of 2', 'model > relu 2 of 2', 'model > sum']
    """
    marks = sorted(
        (mark.since, m.serial, mark.function.__name__) for m in order for mark in m.blocks
    )
    full = {}
    for n in order:
        around = [name for since, last, name in marks if since < n.serial <= last]
        full[n] = " > ".join([*around, n.name])
    count, seen = Counter(full.values()), Counter[str]()
    for n, name in full.items():
        seen[name] += 1
        if count[name] > 1:
            full[n] = f"{name} {seen[name]} of {count[name]}"
    return full


def inputs(n: Node, before: Mapping = NOTHING) -> str:
    """Shape and range of each array among a node's arguments, by its name in the signature."""
    arrays = map_leaves(lambda a: before.get(a, a.value) if type(a) is Node else a, n.args)
    found = [span(name, a) for name, a in named(n.function, arrays) if getattr(a, "size", 0)]
    return "; ".join(found)


def span(name: str, a: Any) -> str:
    """Name, shape and range of an array, and how many of its entries are not finite.

    >>> span("A", np.array([1.0, np.nan, 3.0]))
    'A (3,) in [1, 3] and 1 NaN or infinite'
    """
    good = a[np.isfinite(a)]
    text = f"{name} {a.shape}"
    if good.size:
        text += f" in [{good.min():.3g}, {good.max():.3g}]"
    bad = a.size - good.size
    return text + (f" and {bad} NaN or infinite" if bad else "")
