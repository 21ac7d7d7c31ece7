"""Observing a step: what is noted, and that everything is as before when it is over."""

import sys
import threading
import tracemalloc

import numpy as np
import pytest

from minigrad import add, block, engine, node, relu, reshape, sum, value_and_grad, var
from minigrad.engine import Node
from minigrad.stepper.observing import BACK, FORWARD, MANY, Call, Memory, Observer, Time

DEPOSIT = Node._deposit
SIZE = 8 * 100_000
SMALL = 4096  # bytes of Python's own objects


@pytest.fixture
def X():
    return np.ones(100_000)


@node
def doubled(A):
    """Takes two arrays beyond its value forward; its back one, and one for dA."""
    first, second = A + 1, A + 2
    Z = first + second

    def back(dZ, dA):
        dA += 2 * dZ

    return Z, back


def observed(step, observer=Memory):
    seen = Call()
    with observer(seen, 0) as watching:
        watching.run(step)
    return seen, {" > ".join(path): call for path, call in seen.below()}


@pytest.fixture(autouse=True)
def as_before():
    yield
    assert engine._observed is None
    assert Node._deposit is DEPOSIT
    assert not tracemalloc.is_tracing()


def test_bytes_of_values_are_those_of_the_arrays(X):
    def step():
        A = relu(var(X.astype(np.float32)))
        sum(add((reshape(A, (100, -1)), np.ones((100, 1000))))).backward()

    _, calls = observed(step)
    values = {name: call.value for name, call in calls.items()}
    assert values == {"relu": SIZE // 2, "reshape": SIZE // 2, "add": SIZE, "sum": 8}


def test_peaks_are_what_a_call_takes_at_most_beyond_what_there_was(X):
    step, calls = observed(lambda: sum(doubled(var(X))).backward())
    assert calls["doubled"].peaks == pytest.approx([3 * SIZE, 2 * SIZE], abs=SMALL)
    # at most: the value, its gradient, that of X and what deposits there
    assert step.peaks[FORWARD] == pytest.approx(4 * SIZE, abs=2 * SMALL)


def test_the_peak_of_a_block_is_that_of_all_inside_it_together(X):
    @block
    def twice(A):
        return doubled(doubled(A))

    _, calls = observed(lambda: twice(var(X)))
    assert calls["twice"].peaks[FORWARD] == pytest.approx(4 * SIZE, abs=2 * SMALL)
    assert calls["twice > doubled 2 of 2"].peaks[FORWARD] == pytest.approx(3 * SIZE, abs=SMALL)


def test_memory_is_traced_on_if_it_was_before(X):
    tracemalloc.start()
    try:
        observed(lambda: relu(X))
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_calls_of_one_name_are_told_apart_by_their_order(X):
    def step():
        A = var(X)
        sum(add((relu(relu(A)), relu(A)))).backward()

    _, calls = observed(step)
    assert list(calls) == ["relu 1 of 3", "relu 2 of 3", "relu 3 of 3", "add", "sum"]
    assert {call.count for call in calls.values()} == {1}


def test_a_shared_block_is_told_apart_by_where_it_is_called(X):
    @block
    def layer(A):
        return relu(A)

    @block
    def deep(A):
        return layer(layer(A))

    _, calls = observed(lambda: sum(add((deep(var(X)), layer(var(X))))).backward())
    assert list(calls) == [
        *("deep", "deep > layer 1 of 2", "deep > layer 1 of 2 > relu"),
        *("deep > layer 2 of 2", "deep > layer 2 of 2 > relu"),
        *("layer", "layer > relu", "add", "sum"),
    ]


def test_very_many_calls_of_one_name_are_one_entry():
    @block
    def layer(A):
        return relu(relu(A))

    def step():
        A = var(np.ones(1000))
        for _ in range(MANY + 1):
            A = layer(A)
        sum(A).backward()

    seen, calls = observed(step)
    assert len(calls) == 3 * (MANY + 1) + 1
    calls = {" > ".join(path): call for path, call in seen.fold().below()}
    assert list(calls) == ["layer", "layer > relu 1 of 2", "layer > relu 2 of 2", "sum"]
    assert [call.count for call in calls.values()] == [*[MANY + 1] * 3, 1]
    assert calls["layer > relu 2 of 2"].value == 8000 * (MANY + 1)


def test_a_back_counts_where_its_node_was_made(X):
    @block
    def inner(A):
        return relu(A)

    def step():
        A = var(X)
        B = inner(A)
        L = sum(B)
        L.back(B)
        B.back(A)

    _, calls = observed(step, Time)
    assert calls["inner > relu"].seconds[BACK][0] > 0
    assert calls["inner"].seconds[BACK][0] == 0


def test_a_node_made_before_the_step_is_known_by_its_name(X):
    L = sum(relu(var(X)))
    _, calls = observed(L.backward)
    assert list(calls) == ["sum", "relu"]
    assert calls["relu"].peaks[BACK] >= SIZE
    assert calls["relu"].count == 0
    assert all(call.is_node for call in calls.values())


def test_a_node_called_inside_a_node_stands_inside_it(X):
    @node
    def outer(A):
        Z = relu(A)
        return Z, lambda dZ, dA: dA.__iadd__(dZ)

    _, calls = observed(lambda: outer(var(X)))
    assert list(calls) == ["outer", "outer > relu"]


def test_inference_is_observed_too(X):
    _, calls = observed(lambda: relu(X))
    assert calls["relu"].value == SIZE


def test_other_threads_are_left_alone(X):
    def elsewhere():
        sum(relu(var(X))).backward()

    def step():
        sum(var(X)).backward()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    _, calls = observed(step)
    assert list(calls) == ["sum"]


@pytest.mark.parametrize("observer", [Time, Memory])
def test_an_exception_is_raised_as_without_and_leaves_everything_as_before(X, observer):
    @node
    def wrong(A):
        def back(dZ, dA):
            raise ArithmeticError("in back")

        return A.copy(), back

    for step in (lambda: relu(X)[None, None].no_such, sum(wrong(var(X))).backward):
        with pytest.raises(Exception) as plain:
            step()
        with pytest.raises(type(plain.value)) as seen:
            observed(step, observer)
        assert str(seen.value) == str(plain.value)


def test_an_exception_that_the_step_catches_does_not_disturb_what_follows(X):
    @block
    def fails(A):
        return doubled(relu(A), 1, 2)

    def step():
        with pytest.raises(TypeError):
            fails(var(X))
        sum(relu(var(X))).backward()

    _, calls = observed(step)
    assert list(calls) == ["fails", "fails > relu", "fails > doubled", "relu", "sum"]


def test_a_block_that_returns_a_tuple_gets_its_sentence(X):
    @block
    def pair(A):
        return relu(A), relu(A)

    with pytest.raises(TypeError, match="pair") as plain:
        pair(var(X))
    with pytest.raises(TypeError) as seen:
        observed(lambda: pair(var(X)))
    assert str(seen.value) == str(plain.value)


def test_only_one_step_is_observed_at_a_time():
    with Observer(Call(), 0), pytest.raises(RuntimeError, match="already"):
        observed(lambda: None)


def test_values_and_gradients_are_those_of_the_step_alone(X):
    f = value_and_grad(lambda A: sum(doubled(relu(A))))
    found = []
    for observer in (Time, Memory):
        observed(lambda: found.append(f(X)), observer)
    for value, gradient in found:
        np.testing.assert_array_equal(value, f(X)[0])
        np.testing.assert_array_equal(gradient, f(X)[1])


def test_a_step_that_is_not_observed_runs_no_line_of_this(X):
    ran = set()
    sys.setprofile(lambda frame, *rest: ran.add(frame.f_code.co_filename.rpartition("/")[2]))
    try:
        sum(relu(var(X))).backward()
    finally:
        sys.setprofile(None)
    assert "engine.py" in ran
    assert not ran & {"observing.py", "profiling.py"}
