"""A step that fails anywhere leaves nothing behind: the next one gives the numbers it would have.

Memory may be gone, and Ctrl-C pressed, at any line that the library executes. The step is then
taken as a whole, if the optimiser had begun to change parameters, or it is not taken at all.
"""

import copy
import functools
import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from interruption import faults
from numpy.testing import assert_array_equal

import minigrad as mg
from minigrad import threads, value_and_grad, var
from minigrad.engine import Node
from minigrad.kernels import memory, parallel
from minigrad.learn import optimisers
from minigrad.learn.optimisers import FORMS, Adam, Descent, Momentum
from minigrad.tree import leaves, map_leaves

FAULTS = [MemoryError, KeyboardInterrupt]


def he(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32) / 2


class Dense:
    """Two layers with dropout, and a step of momentum."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.data = rng.standard_normal((5, 4)).astype(np.float32), np.array([0, 2, 1, 1, 0])
        self.parameters = (he(rng, 4, 6), np.zeros(6)), (he(rng, 6, 3), np.zeros(3))
        self.optimiser = Momentum(self.parameters)
        self.rng, self.state = np.random.default_rng(1), {}

    def objective(self, U, X, T, *, rng, state):
        first, last = U
        Z = mg.dropout(mg.relu(mg.affine(X, first)), rng=rng)
        return mg.entropy(mg.affine(Z, last), T) + mg.decay((first[0], last[0]), 0.01)

    def step(self):
        self.done = False  # the gradient, and with it what has been drawn
        loss, gradients = value_and_grad(self.objective)(
            self.parameters, *self.data, rng=self.rng, state=self.state
        )
        self.done = True
        self.optimiser.step(gradients, 0.1)
        return float(loss)

    def what_lasts(self):
        lasting = self.parameters, self.optimiser.state, self.state, self.rng.bit_generator.state
        return copy.deepcopy(lasting)

    def put_back(self, lasting):
        parameters, optimiser, self.state, self.rng.bit_generator.state = copy.deepcopy(lasting)
        lasting = self.parameters, self.optimiser.state
        for a, b in zip(leaves(lasting), leaves((parameters, optimiser))):
            if a is not None:
                a[...] = b


class Convolutional(Dense):
    """Convolutions of every kind, batch normalisation with its state, dropout, a step of Adam."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.data = rng.standard_normal((4, 2, 6, 6)).astype(np.float32), np.array([0, 2, 1, 1])
        self.parameters = {
            "fourier": (he(rng, 3, 2, 3, 3), None),
            "scale": (np.ones(3, np.float32), np.zeros(3, np.float32)),
            "direct": (he(rng, 4, 3, 3, 3), np.zeros(4, np.float32)),
            "im2col": (he(rng, 3, 4, 1, 1), np.zeros(3, np.float32)),
            "scale again": (np.ones(3, np.float32), np.zeros(3, np.float32)),
        }
        self.optimiser = Adam(self.parameters)
        self.rng = np.random.default_rng(1)
        self.state = {"first": {}, "second": {}}

    def objective(self, U, X, T, *, rng, state):
        Z = mg.conv(X, U["fourier"], padding=1, algorithm="fourier")
        Z = mg.batchnorm_relu(Z, U["scale"], state=state["first"])
        Z = mg.conv_pool(Z, U["direct"], padding=1, algorithm="direct")
        Z = mg.conv(mg.dropout(mg.maxpool(Z, 2, 1), rng=rng), U["im2col"], algorithm="im2col")
        Z = mg.batchnorm(Z, U["scale again"], state=state["second"])
        return mg.entropy(mg.mean(Z, (2, 3)), T)


def form_of_momentum(form):
    return functools.partial(Momentum, form=form)


def same(a, b):
    assert repr(a) == repr(b)  # nests, and whatever is no array
    for x, y in zip(leaves(a), leaves(b), strict=True):
        assert_array_equal(x, y)


@pytest.fixture(autouse=True)
def what_was_before_is_not_searched():
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def steps(run, n):
    return [(run.step(), run.what_lasts()) for _ in range(n)]


@pytest.fixture
def made(monkeypatch):
    """Weak references to all nodes that are made, and to what they have computed."""
    refs, initial = [], Node.__init__

    def noted(n, value, function=None, *rest):
        initial(n, value, function, *rest)
        refs.extend([weakref.ref(n), weakref.ref(value)] if function else [weakref.ref(n)])

    monkeypatch.setattr(Node, "__init__", noted)
    return refs


def survived(run, error, made=(), every=1, helpers=0):
    """How many faults a step has survived: whatever they leave, or change, fails the test."""
    run.step()
    before = run.what_lasts()
    expected = steps(run, 2)
    for count, fault in enumerate(faults(error, every, everywhere=helpers > 0)):
        run.put_back(before)
        with threads(1 + helpers), fault:
            run.step()
        assert fault.came == fault.arrived, fault.where
        if not fault.came:
            return count
        gc.collect()
        assert [ref() for ref in made if ref() is not None] == []
        taken = int(run.optimiser.state["t"] - before[1]["t"])
        if run.done and not taken:
            assert error is KeyboardInterrupt  # between the gradient and the step
            same((run.parameters, run.optimiser.state), before[:2])
            continue
        same(run.what_lasts(), expected[0][1] if taken else before)
        same(steps(run, 2 - taken), expected[taken:])
    return None


@pytest.mark.parametrize("error", FAULTS)
@pytest.mark.parametrize(
    ("kind", "every"),
    [(Dense, 17), pytest.param(Convolutional, 97, marks=pytest.mark.slow)],
)
def test_a_step_fails_at_many_lines(kind, every, error, made):
    assert survived(kind(), error, made, every) > 50


@pytest.mark.slow
@pytest.mark.parametrize("error", FAULTS)
@pytest.mark.parametrize(("kind", "every"), [(Dense, 1), (Convolutional, 9)])
def test_a_step_fails_at_any_line(kind, every, error, made):
    assert survived(kind(), error, made, every) > 300


@pytest.mark.slow
@pytest.mark.parametrize("error", FAULTS)
def test_a_step_on_two_threads_fails_at_many_lines_of_either(error, made, monkeypatch):
    monkeypatch.setattr(parallel, "SHARED", 0)  # what is small, too
    assert survived(Convolutional(), error, made, every=97, helpers=1) > 15
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("minigrad")]
    for thread in ours:
        thread.join(10)
    assert not any(thread.is_alive() for thread in ours)


@pytest.mark.parametrize("decay", [0, 0.1])
@pytest.mark.parametrize("kind", [Descent, Adam, *map(form_of_momentum, FORMS)])
def test_an_optimiser_asks_for_no_memory(kind, decay, monkeypatch):
    parameters = he(np.random.default_rng(0), 1000, 1000), np.zeros(1000), np.ones((3, 200)).T
    monkeypatch.setattr(optimisers, "BLOCK", 100_000)
    optimiser, gradients = kind(parameters, decay=decay), map_leaves(np.ones_like, parameters)
    tracemalloc.start()
    optimiser.step(gradients, 0.1)
    asked = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert asked < 40_000  # a hundredth of the parameters


@pytest.mark.slow
def test_memory_does_not_grow_with_the_faults_survived():
    run, peaks = Dense(), []
    for _ in range(3):
        tracemalloc.start()
        survived(run, MemoryError, every=41)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.1 * peaks[1]


def loans():
    return [a for a in gc.get_objects() if type(a) is memory.Loan]


@pytest.mark.slow
def test_the_pool_gets_its_memory_back_once(monkeypatch):
    monkeypatch.setattr(memory, "SMALLEST", 0)  # everything comes from the pool
    monkeypatch.setattr(memory, "ZEROED", 0)
    run = Convolutional()
    run.step()
    for fault in faults(MemoryError, every=31):
        with fault:
            run.step()
        gc.collect()
        assert not loans()
        memory.settle()
        idle = list(map(id, memory._idle))
        assert idle and len(idle) == len(set(idle))
    memory.release()


# by hand


def program(U, X):
    """A loss of leaves, and the calls that step through its backward program."""
    A = mg.affine(X, U[0])
    Z = mg.relu(A)
    B = Z + A
    Y = mg.affine(B, U[1])
    S = Y * Y
    L = mg.mean(S)
    return L, [(L, S), (S, Y, Y), (Y, B, U[1]), (B, (Z, A)), (Z, A), (A, X, U[0])]


def stepped(calls):
    for n, *arguments in calls:
        n.back(*arguments)


def gradients(U):
    return map_leaves(lambda n: n.grad.copy(), U)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["backward", "step by step"])
@pytest.mark.parametrize("error", FAULTS)
def test_a_program_that_failed_is_refused_or_right_and_another_one_begins(error, how):
    run = Dense()
    U, X = var(run.parameters), run.data[0]
    go = lambda L, calls: L.backward() if how == "backward" else stepped(calls)
    go(*program(U, X))
    expected, refused = gradients(U), 0
    for fault in faults(error):
        L, calls = program(U, X)
        with fault:
            go(L, calls)
        assert fault.came == fault.arrived, fault.where
        for part in (calls, calls[len(calls) // 2 :]):
            try:
                stepped(part)
            except RuntimeError:
                refused += 1
            else:
                same(gradients(U), expected)
        go(*program(U, X))
        same(gradients(U), expected)
        L.backward()
        same(gradients(U), expected)
    assert refused
