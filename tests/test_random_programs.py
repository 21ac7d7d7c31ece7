"""Random programs of nodes and blocks: values and gradients are those of Scalars, one at a time."""

import functools

import numpy as np
import pytest
import scalar
from hypothesis import HealthCheck, Phase, given, reject, settings
from numpy.testing import assert_allclose
from programs import LIBRARY, OPERATIONS, SCALARS, array, programs, run

import minigrad as mg
from minigrad import engine
from minigrad.engine import Node, below
from minigrad.nodes.arithmetic import fit
from minigrad.tree import map_leaves

ROUNDING = 1e-9  # of float64, after a few dozen operations on numbers up to scalar.LARGE


def as_numpy(A, number=0):
    """An array in C order, or in Fortran's for odd numbers."""
    values = np.array([a.value for a in A.entries.values()]).reshape(A.shape)
    return values.copy(order="F" if number % 2 else "C")


def with_scalars(program):
    """(values by number, loss, gradients of the leaves by number)."""
    values = {**program.leaves, **program.constants}
    run(program.steps, values, SCALARS)
    losses = [scalar.mul(values[k], array(values[k].shape, k)) for k in program.results]
    L = scalar.add([scalar.total(x, None, False) for x in losses])[()]
    by_entry = scalar.gradients(L)
    gradients = {
        k: np.array([by_entry.get(a, 0.0) for a in A.entries.values()]).reshape(A.shape)
        for k, A in program.leaves.items()
    }
    return {k: as_numpy(A) for k, A in values.items()}, L.value, gradients


def computed(program, leaves):
    """(values by number, loss) with the library, of leaves by number."""
    values = {**leaves, **{k: as_numpy(A, k) for k, A in program.constants.items()}}
    run(program.steps, values, LIBRARY)
    weights = {k: as_numpy(array(mg.detach(values[k]).shape, k)) for k in program.results}
    return values, mg.add(tuple(mg.sum(values[k] * G) for k, G in weights.items()))


def stepped(L, values):
    """Take the steps outside blocks one by one, from the last to the first."""
    results = [n for n in values.values() if type(n) is Node and n.function]
    last = max([n.serial for n in results], default=0)
    for n in reversed(below(L)):
        if n in results or (n.function and n.serial > last):  # later: what the loss is made of
            n.back(*(n.blocks[0].args if n.blocks else n.args))


def compare(program):
    """Assert that values, and gradients in three ways, are those of Scalars."""
    try:
        values, loss, gradients = with_scalars(program)
    except scalar.Unfit:  # the loss is too large
        reject()
    size = max([1.0, *(np.abs(g).max() for g in gradients.values())])
    arrays = {k: as_numpy(A, k) for k, A in program.leaves.items()}

    def agree(found):
        for k, g in gradients.items():
            got = np.zeros_like(g) if found[k] is None else found[k]
            assert got.shape == g.shape
            assert_allclose(got, g, rtol=ROUNDING, atol=ROUNDING * size)

    def of_leaves():
        nodes = mg.var(arrays)
        found, L = computed(program, nodes)
        for k, value in values.items():
            assert mg.detach(found[k]).shape == value.shape
            assert_allclose(mg.detach(found[k]), value, rtol=ROUNDING, atol=ROUNDING)
        return nodes, found, L

    got, dU = mg.value_and_grad(lambda U: computed(program, U)[1])(arrays)
    assert_allclose(got, loss, rtol=ROUNDING, atol=ROUNDING * size)
    agree(dU)
    nodes, found, L = of_leaves()
    if type(L) is Node:
        L.backward()
        agree(map_leaves(lambda n: n.grad, nodes))
        nodes, found, L = of_leaves()
        stepped(L, found)
        agree(map_leaves(lambda n: n.grad, nodes))


def compare_many(count, **options):
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]

    @settings(max_examples=count, suppress_health_check=slow, **options)
    @given(programs())
    def one(program):
        compare(program)

    one()


def test_values_and_gradients_are_those_of_scalars():
    compare_many(300)


@pytest.mark.slow
def test_values_and_gradients_of_10000_programs_are_those_of_scalars():
    compare_many(10_000)


@mg.node
def assigns(A, B):
    """A product that is right until one of its arguments is used once more."""

    def back(dZ, dA, dB):
        dA[...] = fitted(dZ * B, dA)
        dB[...] = fitted(dZ * A, dB)

    return A * B, back


@mg.node
def forgets_the_sign(A, B):
    def back(dZ, dA, dB):
        fit(dA, dZ)
        fit(dB, dZ)

    return A - B, back


@mg.node
def lets_all_through(A):
    def back(dZ, dA):
        dA += dZ

    return np.maximum(A, 0), back


@mg.node
def averages_the_broadcast(X):
    """A sum of a nest, wrong only where a part of it was broadcast."""

    def back(dS, dX):
        for dx in dX:
            dx += fitted(dS, dx) * (dx.size / dS.size)

    return functools.reduce(np.add, X), back


def fitted(deposit, gradient):
    """The deposit, summed over what was broadcast."""
    whole = np.zeros(gradient.shape)
    fit(whole, deposit)
    return whole


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ("mul", assigns),
        ("minus", forgets_the_sign),
        ("relu", lets_all_through),
        ("add", averages_the_broadcast),
    ],
)
def test_a_wrong_back_is_noticed(operation, wrong, monkeypatch):
    right, _ = OPERATIONS[operation]
    monkeypatch.setitem(OPERATIONS, operation, (right, wrong))
    is_noticed()


def test_an_engine_that_loses_what_a_block_captures_is_noticed(monkeypatch):
    def forgetful(f):
        (around,) = [c for c in f.__closure__ if type(c.cell_contents) is dict]

        def call(*args):
            nodes, around.cell_contents = around.cell_contents, mg.detach(around.cell_contents)
            try:
                return engine.block(f)(*args)
            finally:
                around.cell_contents = nodes

        return call

    monkeypatch.setattr(mg, "block", forgetful)
    is_noticed()


def test_an_engine_that_begins_a_gradient_anew_at_each_use_is_noticed(monkeypatch):
    right = engine._gradients

    def anew(a, since=-1):
        if type(a) is Node and a.function:
            a.grad = None
        return right(a, since)

    monkeypatch.setattr(engine, "_gradients", anew)
    is_noticed()


def is_noticed():
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        compare_many(5000, phases=[Phase.generate], report_multiple_bugs=False)
