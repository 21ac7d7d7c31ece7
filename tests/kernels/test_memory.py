"""The pool of memory: what is used is nobody else's, what is free is used again, within a bound."""

import gc
import signal
import threading

import numpy as np
import pytest

from minigrad.kernels import memory
from minigrad.kernels.memory import empty, zeros_like


@pytest.fixture(autouse=True)
def an_empty_pool():
    gc.collect()
    memory.release()


def held():
    memory.settle()
    return sum(m.bytes.size for m in memory._idle)


def place(A):
    return A.__array_interface__["data"][0]


def test_memory_serves_again_only_when_no_view_is_left():
    A = empty((300, 300), np.float64)
    first, view = place(A), A[1:, ::2].T
    del A
    B = empty((300, 300), np.float64)
    assert place(B) != first
    del view
    assert place(empty((300, 300), np.float64)) == first


def test_another_shape_and_dtype_of_the_same_size_get_it_too():
    A = empty((200, 100, 4), np.float64)
    first = place(A)
    del A
    B = empty((160000,), np.float32)
    assert place(B) == first and B.shape == (160000,) and B.dtype == np.float32


def test_larger_memory_serves_too_but_not_much_larger():
    A, B = empty((1000, 400), np.float64), empty((1000, 700), np.float64)
    places = place(A), place(B)
    del A, B
    assert place(empty((1000, 300), np.float64)) == places[0]
    assert place(empty((1000, 120), np.float64)) not in places


def test_small_arrays_are_numpys_own():
    A = empty((4, 4), np.float32)
    assert A.base is None and A.shape == (4, 4)


def test_the_pool_is_bounded(monkeypatch):
    monkeypatch.setattr(memory, "LIMIT", 3_000_000)
    arrays = [empty((k, 1000), np.float64) for k in range(100, 150)]
    del arrays
    assert held() in range(1, 3_000_001)


def test_threads_never_share_an_array():
    failed = []

    def work(number):
        for _ in range(300):
            A = empty((100, 100), np.float64)
            A[...] = number
            if not (number == A).all():
                failed.append(number)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not failed


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("step", [1, -1])
def test_zeros_stand_in_the_order_of_their_array(axes, step, monkeypatch):
    monkeypatch.setattr(memory, "ZEROED", 0)
    X = np.ones((40, 50, 60)).transpose(axes)[::step]
    for _ in range(2):  # the second in memory that has been used
        Z = zeros_like(X)
        assert Z.shape == X.shape and Z.dtype == X.dtype and not Z.any()
        assert np.argsort(Z.strides).tolist() == np.argsort(np.square(X.strides)).tolist()
        Z[...] = 1


def test_zeros_of_an_array_with_gaps_have_none():
    X = np.ones((3000, 3000), np.float32)[::2, ::3]
    assert zeros_like(X).flags.c_contiguous


def test_what_is_larger_than_the_pool_leaves_the_others_in_it(monkeypatch):
    monkeypatch.setattr(memory, "LIMIT", 1 << 20)
    small, large = empty((1 << 18,), np.uint8), empty((1 << 21,), np.uint8)
    del small
    before = held()
    del large
    assert held() == before > 0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer here")
def test_a_ctrl_c_that_comes_while_memory_is_returned_is_heard():
    slow = list(range(1000, 2_000_000))  # goes first, for some milliseconds, and the loans after it
    things = [*(empty((1 << 17,), np.uint8) for _ in range(20)), slow]
    del slow
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            things.clear()
            for _ in range(1000):
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not things
