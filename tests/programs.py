"""Random programs of nodes and blocks, drawn by hypothesis and carried out twice.

A program is a list of steps on values by number. As a step is drawn, it is carried out with
Scalars (tests/scalar.py), which say whether it fits; `run` does the same with the library.
"""

import random
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import scalar
from scalar import Scalar, Unfit

import minigrad as mg
from minigrad.tree import leaves, map_leaves


class Step(NamedTuple):
    """An operation, or the body of a block, its operands, nests of numbers, and its constants."""

    operation: Any
    operands: tuple
    constants: tuple = ()


class Body(NamedTuple):
    """A block: steps on its parameters, nests of numbers, and on what it captures from around."""

    parameters: tuple
    steps: dict[int, Step]
    result: int


class Program(NamedTuple):
    """Steps by the number of their result; the loss is a weighted sum of some results."""

    leaves: dict[int, scalar.Array]
    constants: dict[int, scalar.Array]
    steps: dict[int, Step]
    results: tuple


def places(i):
    """An index as the library takes it: lists as arrays."""
    return tuple(np.array(part) if isinstance(part, list) else part for part in i)


# with Scalars, and with the library
UNARY = {
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
}
BINARY = {
    "plus": (lambda A, B: scalar.add((A, B)), lambda A, B: A + B),
    "minus": (scalar.sub, lambda A, B: A - B),
    "mul": (scalar.mul, mg.mul),
    "div": (scalar.entrywise(scalar.divide), lambda A, B: A / B),
    "pow": (scalar.entrywise(scalar.power), mg.pow),
    "maximum": (scalar.entrywise(scalar.greater), mg.maximum),
    "minimum": (scalar.entrywise(scalar.smaller), mg.minimum),
    "squared_error": (scalar.squared_error, mg.squared_error),
}
NESTS = {
    "add": (scalar.add, mg.add),
    "decay": (scalar.decay, mg.decay),
    "concatenate": (scalar.concatenate, mg.concatenate),
    "stack": (scalar.stack, mg.stack),
}
REDUCTIONS = {
    "sum": (scalar.total, mg.sum),
    "mean": (scalar.average, mg.mean),
    "max": (scalar.largest, mg.max),
}
ALONG = {
    "softmax": (scalar.softmax, mg.softmax),
    "log_softmax": (scalar.log_softmax, mg.log_softmax),
    "normalize": (scalar.normalize, mg.normalize),
}
OTHERS = {
    "affine": (scalar.affine, mg.affine),
    "dot": (scalar.dot, lambda A, B: A @ B),
    "entropy": (scalar.entropy, lambda A, labels: mg.entropy(A, np.array(labels))),
    "reshape": (scalar.reshape, mg.reshape),
    "transpose": (scalar.transpose, mg.transpose),
    "take": (scalar.take, lambda A, rows, axis: mg.take(A, np.array(rows), axis)),
    "index": (scalar.index, lambda A, i: A[places(i)]),
    "pad": (scalar.pad, mg.pad),
    "times": (lambda A, k: scalar.mul(scalar.number(k), A), lambda A, k: k * A),
}
OPERATIONS = {**UNARY, **BINARY, **NESTS, **REDUCTIONS, **ALONG, **OTHERS}
KINDS = (*OPERATIONS, "block", "block", "block", "called again", "called again")
SCALARS, LIBRARY = 0, 1
ANY = st.integers(0, 9999)


def run(steps, values, way):
    """Carry out steps on values by number, and add the results to them."""
    for number, step in steps.items():
        operands = map_leaves(values.__getitem__, step.operands)
        if isinstance(step.operation, Body):
            f = body(step.operation, values, way)
        else:
            f = OPERATIONS[step.operation][way]
        values[number] = f(*operands, *step.constants)


def body(made_of, around, way):
    """The function of a block, which sees what is around it."""

    def f(*arguments):
        values = dict(around)
        values.update(zip(leaves(made_of.parameters), leaves(arguments)))
        run(made_of.steps, values, way)
        return values[made_of.result]

    return mg.block(f) if way == LIBRARY else f


def array(shape, seed):
    """Numbers away from 0; half of the seeds make positive ones."""
    rng = random.Random(seed)
    sign = lambda: 1 if seed % 2 else rng.choice((-1, 1))
    return scalar.Array(shape, lambda i: Scalar(sign() * rng.uniform(0.3, 1.7)))


class Drawing:
    """A program while it is drawn."""

    def __init__(self, draw):
        self.draw, self.values, self.leaves, self.constants = draw, {}, {}, {}

    def number(self, value):
        self.values[len(self.values)] = value
        return len(self.values) - 1

    def upto(self, n):
        """0 to n; from a wide range, of which hypothesis prefers the ends less."""
        return self.draw(ANY) % (n + 1)

    def choose(self, choices):
        return choices[self.upto(len(choices) - 1)]

    def given(self, shape):
        """A new leaf or constant."""
        seed = self.upto(999)
        number = self.number(array(shape, seed))
        kind = self.constants if seed % 5 == 4 else self.leaves
        kind[number] = self.values[number]
        return number

    def alike(self, number, seen):
        """One of its shape."""
        shape = self.values[number].shape
        return self.choose([v for v in seen if self.values[v].shape == shape])

    def like(self, number, seen):
        """One that broadcasts with it, perhaps itself."""
        return self.choose([v for v in seen if self.broadcasts(v, number)])

    def broadcasts(self, *numbers):
        try:
            return scalar.broadcast(*(self.values[v].shape for v in numbers)) is not None
        except Unfit:
            return False

    def step(self, kind, seen, bodies):
        """A step of a kind on what is seen; Unfit where there is none."""
        if kind == "block":
            return self.block(seen, bodies)
        if kind == "called again":
            if not bodies:
                raise Unfit
            again = self.choose(bodies)
            return Step(again, map_leaves(lambda v: self.alike(v, seen), again.parameters))
        matrices = [v for v in seen if len(self.values[v].shape) == 2]
        A = self.choose(matrices if matrices and kind in ("affine", "entropy") else seen)
        shape = self.values[A].shape
        ndim = len(shape)
        axis = lambda: self.upto(2 * ndim - 1) - ndim if ndim else 0
        if kind in UNARY:
            return Step(kind, (A,))
        if kind in BINARY:
            return Step(kind, (A, self.like(A, seen)))
        if kind in NESTS:
            nest = (A, *(self.like(A, seen) for _ in range(self.upto(2))))
            constants = {"add": (), "decay": (0.5,)}.get(kind, (self.upto(ndim),))
            return Step(kind, (nest,), constants)
        if kind in REDUCTIONS:
            some = self.choose([None, axis(), (axis(), axis())])
            return Step(kind, (A,), (some, self.choose([False, True])))
        if kind in ALONG:
            return Step(kind, (A,), (axis(),))
        if kind == "affine":
            k = 1 + self.upto(2)
            return Step(kind, (A, (self.given((*shape[1:], k)), self.given((k,)))))
        if kind == "dot":
            return Step(kind, (A, self.given((*shape[-1:], *self.choose([(), (2,)])))))
        if kind == "entropy":
            return Step(kind, (A,), ([self.upto(1) for _ in range(shape[0] if ndim else 0)],))
        if kind == "reshape":
            sides = self.choose([shape[::-1], (*shape, 1), (1, *shape), (scalar.size(shape),)])
            return Step(kind, (A,), (sides,))
        if kind == "transpose":
            axes = self.choose([None, self.draw(st.permutations(range(ndim)))])
            return Step(kind, (A,), (axes and tuple(axes),))
        if kind == "take":
            return Step(kind, (A,), ([self.upto(2) - 1 for _ in range(1 + self.upto(2))], axis()))
        if kind == "index":
            return Step(kind, (A,), (self.index(ndim),))
        if kind == "pad":
            width = tuple((self.upto(1), self.upto(1)) for _ in range(self.upto(ndim)))
            return Step(kind, (A,), (width, 0.5))
        return Step("times", (A,), (self.choose([2, -0.5]),))

    def index(self, ndim):
        parts = [slice(None), slice(1, None), slice(None, None, -1), slice(0, 2)]
        single = self.choose([[0, 1, -1], [[0, 0, -1], [1, 0]]])
        return tuple(
            self.choose(
                single if self.upto(1) and (k == 0 or isinstance(single[0], int)) else parts
            )
            for k in range(self.upto(ndim))
        )

    def block(self, seen, bodies):
        numbers = [self.choose(seen) for _ in range(3)]
        a, b, c = numbers
        operands = self.choose([(a,), (a, b), ((a, b),), ({"W": a, "b": b}, c), (a, [b, (c,)])])
        parameters = map_leaves(lambda v: self.number(self.values[v]), operands)
        inside = [*seen, *leaves(parameters)]
        steps = self.steps(inside, 1 + self.upto(2), bodies)
        result = self.choose([*(list(steps) or inside), *inside[-1:]])
        bodies.append(Body(parameters, steps, result))
        return Step(bodies[-1], operands)

    def steps(self, seen, count, bodies=()):
        """Steps that fit, of so many tried; their results are added to what is seen."""
        steps, bodies = {}, list(bodies)
        for _ in range(count):
            try:
                step = self.step(self.choose(KINDS), seen, bodies)
                found = dict(self.values)
                run({"result": step}, found, SCALARS)
            except Unfit:
                continue
            number = self.number(found["result"])
            steps[number] = step
            seen.append(number)
        return steps


@st.composite
def programs(draw):
    """Programs with up to ten steps outside blocks."""
    drawing = Drawing(draw)
    whole = [2 + drawing.upto(1) for _ in range(drawing.upto(3))]
    seen = []
    for _ in range(1 + drawing.upto(2)):
        shape = [1 if drawing.upto(3) == 0 else n for n in whole]
        seen.append(
            drawing.given(tuple(shape[drawing.upto(len(shape)) if drawing.upto(1) else 0 :]))
        )
    steps = drawing.steps(seen, 2 + drawing.upto(8))
    results = {drawing.choose(seen), seen[-1]}
    return Program(drawing.leaves, drawing.constants, steps, tuple(sorted(results)))
