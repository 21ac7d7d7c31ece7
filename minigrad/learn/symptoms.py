"""Judge the nodes of a training step: what is dead, vanishes, explodes, is certain and wrong.

>>> from minigrad import relu, sum, var
>>> L = sum(relu(var(-np.ones((4, 3)))))
>>> [finding], judged = judge(L)
>>> finding.kind, judged
('dead relu', '3 nodes, values only: no backward yet')
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine import Node, below
from .culprits import NOTHING, bad_gradient, bad_value, inputs, places

# "as much as 40% of your network can be dead" at too high a rate: the notes of Stanford's CS231n,
# on relu. Networks that learned digits well had up to 25 % of units without a use.
DEAD = 0.4
# An update of about 1e-3 of the weights' norm is healthy: a rule of thumb, in the same notes. Small
# output layers began healthily with 0.3; beyond 1 a step replaces the weight. Below 1e-6 it comes
# near what float32 rounds away.
HEALTHY, STILL, JUMP = 1e-3, 1e-6, 1.0
# A sigmoid passes on at most 1/4 of the gradient. From the last layer to any other its norm changed
# by factors of up to 11 in networks that learned well.
DEPTH = 1e3
CERTAIN = 0.999  # as certain and wrong costs at least ln 1000 = 6.9 in the entropy
WRONG = 0.25  # the share of rows; a few are wrong labels, or hard


class Finding(NamedTuple):
    """One thing that is wrong: its kind, and a sentence."""

    kind: str
    sentence: str


@np.errstate(all="ignore")  # of numbers that overflow, a report says more than a warning
def judge(
    L: Node, names: Mapping[Node, str] = NOTHING, before: Mapping[Node, Any] = NOTHING
) -> tuple[list[Finding], str]:
    """The findings on the step of a loss, and in words what there was to judge.

    names: the parameters' leaves (all leaves by default); before: leaves' values before an update.
    Of what follows from a number that is not finite, nothing is said.

    >>> from minigrad import sum, var
    >>> judge(sum(var(np.ones(2))))
    ([], '2 nodes, values only: no backward yet')
    """
    order, done = below(L), L.grad is not None
    judged = f"{len(order)} nodes" + ("" if done else ", values only: no backward yet")
    first = bad_value(order, names, before)
    if done and not first:
        first = bad_gradient(order, names, before) or bad_update(names, before)
    if first:
        return [Finding("not finite", f"{first}. Begin there: the rest follows from it")], judged
    where = places(order)
    findings = [*dead(order, where, before)]
    weights = {
        n: names.get(n, where[n])
        for n in order
        if n.function is None and n.ndim > 1 and (not names or n in names)
    }
    if done:
        moved = movements(weights, before)
        layers = [*depth(order, where, weights)]
        known = {finding.kind for finding in layers}  # a sentence for each cause
        findings += layers + [f for f in steps(moved) if f.kind not in known]
        findings += saturated(order, where, before)
        judged += f"; {extent(moved)}" if before else "; no update watched"
    return findings, judged


def bad_update(names: Mapping[Node, str], before: Mapping[Node, Any]) -> str:
    """A sentence on the first leaf that an update made NaN or infinite; "" if none."""
    for n in before:
        if not np.isfinite(n.value).all():
            return (
                f"{names.get(n, n.name)} {n.shape} is the first that is not finite after the "
                "update; before it all was, and so were the gradients"
            )
    return ""


def dead(
    order: Sequence[Node], where: Mapping[Node, str], before: Mapping[Node, Any]
) -> Iterator[Finding]:
    """Relus of which most units (maps of images) are 0 for every sample.

    By chance each of n samples is 0 in half of the units. A relu of a vector is a hinge.
    """
    for n in order:
        if n.name == "relu" and n.ndim > 1 and n.value.size:
            units = (n.value == 0).all((0, 2, 3) if n.ndim == 4 else 0)
            if units.mean() > DEAD + 0.5 ** len(n.value):
                what = "maps" if n.ndim == 4 else "units"
                yield Finding(
                    "dead relu",
                    f"{where[n]} {n.shape}: {units.sum()} of {units.size} {what} are 0 for every "
                    f"sample of the batch and get no gradient; input: {inputs(n, before)}. Too "
                    "large a step or a bad start put them there: lower the rate, or begin with "
                    "`he` weights and biases of 0",
                )


def depth(
    order: Sequence[Node], where: Mapping[Node, str], weights: Mapping[Node, str]
) -> Iterator[Finding]:
    """Layers whose gradient is far smaller or larger than at the last layer.

    A layer is a node that takes a weight; its gradient is that of its value.
    """
    layers = {
        n: (norm(n.grad), f"{where[n]} with {weights[w]}")
        for n in order
        for w in n.parents
        if w in weights and n.ndim > 1 and n.grad is not None
    }
    if not layers:
        return
    last, at = list(layers.values())[-1]
    least, lowest = min(layers.values())
    most, highest = max(layers.values())
    if least * DEPTH < last:
        yield Finding(
            "vanishing",
            f"the gradient's norm is {last:.2g} at the last layer, {at}, and {least:.2g} at "
            f"{lowest}, which hardly learns. Take relu for sigmoid or tanh, and `he` or `glorot` "
            "first weights",
        )
    if most > last * DEPTH and last:
        yield Finding(
            "exploding",
            f"the gradient's norm is {last:.2g} at the last layer, {at}, and {most:.2g} at "
            f"{highest}. Take smaller first weights, `he` or `glorot`, or normalise between layers",
        )


def movements(weights: Mapping[Node, str], before: Mapping[Node, Any]) -> dict[str, float]:
    """||W' - W|| / ||W|| of each weight that an update has changed, by name and shape.

    One that did not change at all is frozen, and one of zeros has no size to compare with.
    """
    return {
        f"{name} {n.shape}": norm(n.value - before[n]) / norm(before[n])
        for n, name in weights.items()
        if n in before and np.any(n.value != before[n]) and np.any(before[n])
    }


def extent(moved: Mapping[str, float]) -> str:
    """How far weights moved, in words.

    >>> extent({"U[0]": 0.001, "U[1]": 0.02})
    'weights moved by 0.001 to 0.02 of their size'
    """
    if not moved:
        return "no weight moved"
    ends = dict.fromkeys(f"{r:.2g}" for r in (min(moved.values()), max(moved.values())))
    return f"weights moved by {' to '.join(ends)} of their size"


def steps(moved: Mapping[str, float]) -> Iterator[Finding]:
    """Weights that an update leaves almost where they are, or throws far away."""
    still = {name: r for name, r in moved.items() if r < STILL}
    jumped = {name: r for name, r in moved.items() if r > JUMP}
    if still:
        name = min(still, key=lambda name: still[name])
        yield Finding(
            "vanishing",
            f"the update moved {len(still)} of {len(moved)} weights by less than {STILL:g} of "
            f"their size, {name} by {still[name]:.2g}; about {HEALTHY:g} is healthy. The rate or "
            "the gradient is too small",
        )
    if jumped:
        name = max(jumped, key=lambda name: jumped[name])
        yield Finding(
            "exploding",
            f"the update moved {len(jumped)} of {len(moved)} weights by more than their size, "
            f"{name} by {jumped[name]:.2g} times; about {HEALTHY:g} is healthy. Lower the rate",
        )


def saturated(
    order: Sequence[Node], where: Mapping[Node, str], before: Mapping[Node, Any]
) -> Iterator[Finding]:
    """Softmaxes with many rows that are certain of a class of which the loss wants less.

    Certain and right is what training is for. The gradient tells: descent raises the entry where
    it is least: of the probabilities of `softmax`, of the logits of `log_softmax` and `entropy`.
    """
    for n in order:
        if n.name not in ("softmax", "log_softmax", "entropy") or type(n.args[0]) is not Node:
            continue
        A = before.get(n.args[0], n.args[0].value)
        axis = 1 if n.name == "entropy" else n.options.get("axis", (*n.args[1:], 1)[0])
        wish = n.grad if n.name == "softmax" else n.args[0].grad
        if wish is None or A.ndim < 2:
            continue
        S = A - A.max(axis, keepdims=True)
        winner = np.expand_dims(S.argmax(axis), axis)
        certain = 1 / np.exp(S).sum(axis) > CERTAIN
        disliked = np.take_along_axis(wish, winner, axis).squeeze(axis) > wish.min(axis)
        wrong = certain & disliked
        if wrong.mean() > WRONG:
            k = A.shape[axis]
            effect = (
                "Its slope is almost 0 there: give the logits to `entropy`, of gradient Y - T"
                if n.name == "softmax"
                else f"Each costs {-np.log(1 - CERTAIN):.2g} or more, a guess ln {k} = "
                f"{np.log(k):.2g}: begin with smaller weights in the last layer"
            )
            yield Finding(
                "saturated softmax",
                f"{where[n]}: {certain.sum()} of {certain.size} rows give one class a probability "
                f"above {CERTAIN:g}, {wrong.sum()} of them a wrong one, of which the loss wants "
                f"less; input: {inputs(n, before)}. {effect}, or lower the rate",
            )


def norm(a: Any) -> float:
    """The square root of the sum of squares, also of numbers whose squares overflow.

    >>> norm(np.array([0.0, 3e200]))
    3e+200
    """
    most = float(np.abs(a).max()) if a.size else 0.0
    return most * float(np.linalg.norm(a / most)) if 0 < most < np.inf else most
