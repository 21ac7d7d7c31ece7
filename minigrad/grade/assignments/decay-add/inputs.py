"""Arguments at which the three functions are checked; the numbers are others when it is graded."""

import numpy as np


def decay_inputs(rng):
    yield tuple(rng.normal(size=shape) for shape in ((2, 4), (4, 3), (3, 2))), 0.3
    yield tuple(rng.normal(size=(3, 3)) for _ in range(3)), 0.5


def decay_edges(rng):
    yield "weights that are 0", (tuple(np.zeros((2, 3)) for _ in range(3)), 0.3)
    yield "a rate of 0", (tuple(rng.normal(size=(2, 2)) for _ in range(3)), 0.0)


def add_inputs(rng):
    for shape in ((2, 4), (3, 3)):
        yield (tuple(rng.normal(size=shape) for _ in range(3)),)


def add_edges(rng):
    yield "three losses: arrays without axes", (tuple(np.array(rng.normal()) for _ in range(3)),)


def loss_inputs(rng):
    for (N, D, K), rate in (((5, 3, 2), 0.3), ((3, 3, 3), 0.5)):
        W, X, T = (rng.normal(size=shape) for shape in ((D, K), (N, D), (N, K)))
        yield W, X, T, rate


def loss_edges(rng):
    yield (
        "one sample",
        (rng.normal(size=(3, 2)), rng.normal(size=(1, 3)), rng.normal(size=(1, 2)), 0.3),
    )
    yield (
        "a rate of 0",
        (rng.normal(size=(2, 2)), rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), 0.0),
    )
