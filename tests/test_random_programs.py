"""Random programs of nodes and blocks: values and gradients are those of Scalars, one at a time."""

import numpy as np
import pytest
import scalar
from hypothesis import HealthCheck, Phase, given, settings
from numpy.testing import assert_allclose
from programs import LIBRARY, NESTS, OPERATIONS, SCALARS, array, programs, run

import minigrad as mg
from minigrad.engine import Node, below
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
    order = below(L)
    for n in reversed([n for n in order if n in outside(L, values)]):
        n.back(*(n.blocks[0].args if n.blocks else n.args))


def outside(L, values):
    """What was computed outside blocks: results of steps, and what the loss is made of."""
    last = max([n.serial for n in values.values() if type(n) is Node and n.function], default=0)
    return {n for n in below(L) if n.function and (n.serial > last or n in values.values())}


def compare(program):
    """Assert that values, and gradients in three ways, are those of Scalars."""
    values, loss, gradients = with_scalars(program)
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
