"""See what goes wrong in a training step: dead relus, layers that stand still or jump, NaN.

>>> from minigrad import affine, entropy, relu, var
>>> rng = np.random.default_rng(0)
>>> X, T = rng.normal(size=(32, 5)), rng.integers(3, size=32)
>>> U1 = var((rng.normal(size=(5, 20)), np.full(20, -50.0)))
>>> U2 = var((rng.normal(size=(20, 3)), np.zeros(3)))
>>> L = entropy(affine(relu(affine(X, U1)), U2), T)
>>> with watch(L, (U1, U2)) as report:
...     L.backward()
>>> [kind for kind, sentence in report.findings]
['dead relu', 'vanishing']
"""

import html
import textwrap
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..engine import Node, below, var
from ..faults import check_scalar
from ..tree import map_leaves, paths
from .culprits import NOTHING
from .symptoms import judge


class Report:
    """What is wrong with a training step: true if nothing is; prints as sentences.

    loss: a number; findings: of (kind, sentence), the kinds "not finite", "dead relu",
    "vanishing", "exploding", "saturated softmax"; judged: what there was to judge, in words.
    Made by `watch`; as a context it judges again what has happened inside. The graph is not kept.
    """

    def __init__(self, loss: Node, parameters: Any = None):
        self.loss = float(loss)
        self._loss = weakref.ref(loss)
        self._names = {leaf: path for path, leaf in paths(parameters, "U") if leaf is not None}
        self._before: Mapping[Node, Any] = NOTHING
        self._judge()

    def __enter__(self) -> "Report":
        loss = self._loss()
        if loss is not None:
            self._before = {n: n.value.copy() for n in below(loss) if n.function is None}
        return self

    def __exit__(self, *error) -> None:
        if error[0] is None:
            self._judge()
        self._names, self._before = {}, NOTHING

    def _judge(self):
        loss = self._loss()
        if loss is None:
            raise RuntimeError(
                "watch: the loss is gone: keep it under a name, as in L = ..., until the step ends"
            )
        self.findings, self.judged = judge(loss, self._names, self._before)

    def __bool__(self) -> bool:
        return not self.findings

    def __repr__(self) -> str:
        lines = [f"- {kind}: {sentence}" for kind, sentence in self.findings]
        return "\n".join(
            textwrap.fill(line, 100, subsequent_indent="  ") for line in (self._headline(), *lines)
        )

    def _repr_html_(self) -> str:
        items = "".join(
            f"<li><b>{kind}</b>: {html.escape(sentence)}</li>" for kind, sentence in self.findings
        )
        return f"<p>{html.escape(self._headline())}</p>" + (f"<ul>{items}</ul>" if items else "")

    def _headline(self) -> str:
        found = ", ".join(kind for kind, _ in self.findings) or "nothing wrong"
        return f"loss {self.loss:.4g}: {found} ({self.judged})"


def watch(
    loss: Any, parameters: Any = None, *data: Any, update: Callable | None = None, **options: Any
) -> Report:
    """A Report on one training step: true if nothing is wrong with it; prints as sentences.

    By hand, loss is the Node and parameters the nest of leaves, which gives the weights their
    names; around what changes them, so that weights are compared with what they were:

        L = loss(model(X, U), T)
        with watch(L, U) as report:
            L.backward()
            ...  # the update

    An objective as `train` takes it, with plain arrays, takes its whole step inside, since
    `value_and_grad` frees what there is to see; update is given the gradients, nested like the
    parameters, and changes these in place (by default they stay as they are):

        report = watch(objective, U, X, T, rng=rng, update=lambda dU: optimiser.step(dU, 0.1))

    Found: the first node whose value or gradient is not finite; relu units (channels) that are 0
    for all samples; weights that a step leaves where they are or throws away; gradients that
    vanish or explode from the last layer to the first; certain and wrong softmax rows. Operations
    are known by name, so a lecture's own relu is seen too. The graph holds all of this: the engine
    knows nothing of it, and a step that is not watched costs nothing.
    Raises TypeError if loss is neither, or parameters are arrays beside a Node.

    >>> from minigrad import squared_error
    >>> step = lambda dU: np.subtract(U, 0.1 * dU, out=U)
    >>> U = np.ones((2, 2))
    >>> watch(squared_error, U, np.zeros((2, 2)), update=step)
    loss 2: nothing wrong (2 nodes; weights moved by 0.1 of their size)
    """
    if type(loss) is Node:
        check_scalar(loss.name, loss.value)
        for path, leaf in paths(parameters, "U"):
            if leaf is not None and type(leaf) is not Node:
                raise TypeError(
                    f"watch: {path} is a {type(leaf).__name__}: beside a loss that is computed, "
                    "parameters are the leaves that it was computed from"
                )
        if data or update or options:
            raise TypeError(
                "watch: a loss that is computed takes its parameters only; data, update and "
                "options are for an objective, which is called here"
            )
        return Report(loss, parameters)
    if not callable(loss):
        raise TypeError(
            f"watch: the loss is a {type(loss).__name__}, and nothing is known of how it was made: "
            "compute it from leaves, U = var(...), or give the objective itself and its arguments"
        )
    U = var(parameters)
    L = loss(U, *data, **options)
    if type(L) is not Node:
        raise TypeError(
            f"watch: {getattr(loss, '__name__', 'the objective')} made a {type(L).__name__} of "
            "its parameters, not a Node: it takes them first"
        )
    with watch(L, U) as report:
        L.backward()
        if update:
            update(map_leaves(gradient, U))
    return report


def gradient(leaf):
    """The gradient of a leaf, zeros if none has arrived; None for None."""
    if leaf is None:
        return None
    return np.zeros_like(leaf.value) if leaf.grad is None else leaf.grad
