"""Work shared by threads: all of it is done, whatever fails, and BLAS gets its threads back."""

import gc
import threading
import time
import weakref
from concurrent.futures import wait

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from minigrad.kernels import parallel
from minigrad.kernels.parallel import each, threads


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_each_part_is_done_once(n):
    done = []
    with threads(n):
        each(done.append, range(100))
    assert sorted(done) == list(range(100))


def test_two_threads_work_at_the_same_time():
    together = threading.Barrier(2)
    with threads(2):
        each(lambda part: together.wait(10), range(2))  # one alone would wait for ever


def test_what_is_small_is_done_by_the_caller_alone():
    who = set()
    with threads(2):
        each(lambda part: who.add(threading.get_ident()), range(100), size=1000)
    assert who == {threading.get_ident()}


@pytest.mark.parametrize("n", [1, 2])
def test_what_a_part_raises_is_raised_here_and_the_next_call_works(n):
    with threads(n):
        with pytest.raises(ZeroDivisionError):
            each(lambda part: 1 // part, [1, 0, 1, 1])
        done = []
        each(done.append, range(3))
    assert sorted(done) == [0, 1, 2]


def test_ctrl_c_while_the_caller_waits_is_raised_when_the_helper_is_done(monkeypatch):
    both, done = threading.Barrier(2), []

    def part(k):
        both.wait(10)
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.1)
            done.append(k)

    def interrupted(helpers):
        monkeypatch.setattr(parallel, "wait", wait)
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "wait", interrupted)
    with threads(2), pytest.raises(KeyboardInterrupt):
        each(part, range(2))
    assert len(done) == 1


def test_after_a_failure_no_other_part_is_begun():
    begun = []

    def part(k):
        begun.append(k)
        raise MemoryError

    with threads(2), pytest.raises(MemoryError):
        each(part, range(100))
    assert len(begun) <= 2


def test_what_a_helper_raised_is_not_kept():
    class Big:
        pass

    both, refs = threading.Barrier(2), []

    def part(k):
        big = Big()
        refs.append(weakref.ref(big))
        both.wait(10)
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError

    gc.collect()
    gc.disable()
    try:
        with threads(2), pytest.raises(MemoryError):
            each(part, range(2))
        assert [ref() for ref in refs] == [None] * 2
    finally:
        gc.enable()


def test_blas_is_held_to_one_thread_until_the_end_of_the_with():
    before = blas_threads()
    with threads(2):
        np.ones((2, 2)) @ np.ones((2, 2))
        assert set(blas_threads()) <= {1}
    assert blas_threads() == before


@pytest.mark.parametrize("n", [0, -1, 1.5, "2"])
def test_another_number_is_refused(n):
    with pytest.raises(ValueError, match="threads: a whole number >= 1"):
        threads(n)


def test_parts_may_have_parts_of_their_own():
    done = []
    with threads(2):
        each(lambda i: each(lambda j: done.append((i, j)), range(4)), range(4))
    assert sorted(done) == [(i, j) for i in range(4) for j in range(4)]
