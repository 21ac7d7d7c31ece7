"""Work shared by Python threads, one product each, with BLAS held to one thread.

Products of matrices that fit the cache are too small to split; many of them, one thread each, are
what keeps the cores busy. NumPy lets go of the interpreter while it computes, so that Python's own
threads do.

>>> squares = [0] * 4
>>> def square(i):
...     squares[i] = i * i
>>> with threads(2):
...     each(square, range(4))
>>> squares
[0, 1, 4, 9]
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

SHARED = 1 << 22  # bytes of a result, from which on threads share the work
OURS = "minigrad"  # how names of our threads begin
_workers: list[ThreadPoolExecutor] = []  # the one that helps the caller, if there is one
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.clear)  # a fork copies no threads


class threads:
    """Let kernels use n threads, and hold BLAS to one: `threads(2)`, or `with threads(2): ...`.

    n: whole number >= 1. Without this call kernels use one thread and BLAS is left as it is; with
    it, for the whole process until the end of the `with`, if there is one. Results do not depend
    on n. More threads than cores only cost. Raises ValueError for another n.
    """

    def __init__(self, n: int):
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"threads: a whole number >= 1, not {n!r}")
        from threadpoolctl import threadpool_limits

        workers = [ThreadPoolExecutor(n - 1, OURS)] if n > 1 else []
        self._before = _workers[:]
        self._blas = threadpool_limits(1, "blas")
        _workers[:] = workers

    def __enter__(self) -> "threads":
        return self

    def __exit__(self, *exception: Any) -> None:
        _workers[:] = self._before
        self._blas.restore_original_limits()


def how_many() -> int:
    """How many threads share the parts of `each`, the caller's among them."""
    return 1 + _workers[0]._max_workers if _workers else 1


def each(f: Callable[[Any], Any], parts: Iterable, size: int | None = None) -> None:
    """f(part) for every part, on the threads that `threads` has set, in any order.

    size: bytes of the result, if known; of a small one all parts are the caller's, as threads that
    share the interpreter cost more than they bring. Returns when all are done; what f raises is
    raised here, after the last part that was begun.
    """
    shared = iter(list(parts))  # whoever is free takes the next

    def work():
        for part in shared:
            f(part)

    helpers = []
    alone = size is not None and size < SHARED
    alone = alone or threading.current_thread().name.startswith(OURS)  # who helps gets no help
    try:
        for e in _workers if not alone else []:
            for _ in range(e._max_workers):
                helpers.append(e.submit(work))
        work()
        wait(helpers)
    except BaseException:  # Ctrl-C while waiting, too: then the arrays are the caller's again
        list(shared)  # nobody begins another part
        wait(helpers)
        raise
    while helpers:
        helpers.pop().result()  # no name for a failed one: its traceback would lead back to it
