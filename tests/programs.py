"""Random programs of nodes and blocks, drawn by hypothesis and carried out twice.

A program is a list of steps on values by number. As a step is drawn, it is carried out on Scalars
(tests/scalar.py), which say whether it fits; `carried_out` does the same with the library.
"""

from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import scalar
from scalar import Scalar, Unfit

import minigrad as mg
from minigrad.tree import leaves, map_leaves


class Step(NamedTuple):
    """operation(*operands, **options), whose operands are nests of values by number."""

    name: str
    operands: tuple
    options: dict


class Body(NamedTuple):
    """The steps of a block on its parameters, nests of numbers, and on values from around it."""

    parameters: tuple
    steps: tuple
    result: int


class Program(NamedTuple):
    """Steps, each with the number of its result, on leaves and constants by number."""

    inputs: dict[int, scalar.Array]
    constants: frozenset[int]
    steps: tuple
    weights: tuple


def i_th(parts):
    """What an index is in the library: a tuple, of one part that part, of lists arrays."""
    return tuple(np.array(part) if isinstance(part, list) else part for part in parts)


# name: (with Scalars, with the library)
OPERATIONS: dict[str, Any] = {
    "neg": (scalar.entrywise(scalar.neg), lambda A: -A),
    "exp": (scalar.entrywise(scalar.exp), mg.exp),
    "log": (scalar.entrywise(scalar.log), mg.log),
    "sqrt": (scalar.entrywise(scalar.sqrt), mg.sqrt),
    "tanh": (scalar.entrywise(scalar.tanh), mg.tanh),
    "sigmoid": (scalar.entrywise(scalar.sigmoid), mg.sigmoid),
    "relu": (scalar.entrywise(scalar.relu), mg.relu),
    "leaky_relu": (scalar.entrywise(scalar.leaky_relu), mg.leaky_relu),
    "abs": (scalar.entrywise(scalar.absolute), mg.abs),
    "flatten": (scalar.flatten, mg.flatten),
    "plus": (lambda A, B: scalar.add((A, B)), lambda A, B: A + B),
    "sub": (scalar.sub, lambda A, B: A - B),
    "mul": (scalar.mul, mg.mul),
    "times": (scalar.mul, lambda A, B: A * B),
    "div": (scalar.entrywise(scalar.divide), mg.div),
    "pow": (scalar.entrywise(scalar.power), mg.pow),
    "maximum": (scalar.entrywise(scalar.greater), mg.maximum),
    "minimum": (scalar.entrywise(scalar.smaller), mg.minimum),
    "dot": (scalar.dot, lambda A, B: A @ B),
    "affine": (scalar.affine, mg.affine),
    "squared_error": (scalar.squared_error, mg.squared_error),
    "add": (scalar.add, mg.add),
    "decay": (scalar.decay, mg.decay),
    "concatenate": (scalar.concatenate, mg.concatenate),
    "stack": (scalar.stack, mg.stack),
    "sum": (scalar.total, mg.sum),
    "mean": (scalar.average, mg.mean),
    "max": (scalar.largest, mg.max),
    "softmax": (scalar.softmax, mg.softmax),
    "log_softmax": (scalar.log_softmax, mg.log_softmax),
    "normalize": (scalar.normalize, mg.normalize),
    "entropy": (scalar.entropy, lambda A, labels: mg.entropy(A, np.array(labels))),
    "reshape": (scalar.reshape, mg.reshape),
    "transpose": (scalar.transpose, mg.transpose),
    "take": (scalar.take, lambda A, rows, axis: mg.take(A, np.array(rows), axis)),
    "index": (scalar.index, lambda A, i: A[i_th(i)]),
    "pad": (scalar.pad, mg.pad),
    "scaled": (
        lambda A, factor: scalar.mul(scalar.number(factor), A),
        lambda A, factor: factor * A,
    ),
}
