"""Observe a step: every call of a node or block, and every back, where the engine makes it.

While a step is observed, a function of ours stands where the engine calls the functions of nodes
and blocks, and another where it calls backs; otherwise nothing of this runs.

>>> import numpy as np
>>> from minigrad import block, relu, sum, var
>>> @block
... def loss(A):
...     return sum(relu(relu(A)))
>>> X, step = var(np.ones((10, 100))), Call()
>>> with Memory(step, 0) as observer:
...     observer.run(lambda: loss(X).backward())
>>> [(path, call.count, call.value) for path, call in step.below()]
[(('loss',), 1, 0), (('loss', 'relu 1 of 2'), 1, 8000), \
(('loss', 'relu 2 of 2'), 1, 8000), (('loss', 'sum'), 1, 8)]
"""

import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from .. import engine
from ..engine import Node
from ..kernels.memory import release

MANY = 32  # calls of one name in one place: beyond, they are one entry
FORWARD, BACK = 0, 1


class Call:
    """What is known of a node or block in its place in a program, and the calls inside it.

    seconds: of its forward and its back, without the calls inside, by round; count: how often a
    step calls it; value: bytes of a node's values; peaks: bytes that it takes at most beyond those
    taken before, forward and back.
    """

    def __init__(self) -> None:
        self.inside: dict[tuple[str, int], Call] = {}
        self.seconds: tuple[Counter, Counter] = Counter(), Counter()
        self.count, self.value, self.peaks, self.is_node = 0, 0, [0, 0], False

    def below(self, path: tuple = ()) -> Iterator[tuple[tuple[str, ...], "Call"]]:
        """(path, call) of all that is inside, as the program calls it."""
        often = Counter(name for name, _ in self.inside)
        for (name, k), call in self.inside.items():
            place = (*path, name if often[name] == 1 else f"{name} {k + 1} of {often[name]}")
            yield place, call
            yield from call.below(place)

    def fold(self) -> "Call":
        """Make one entry of calls of one name in one place that are more than MANY."""
        often = Counter(name for name, _ in self.inside)
        for name, k in list(self.inside):
            if often[name] > MANY and k > 0:
                self.inside[name, 0].add(self.inside.pop((name, k)))
        for call in self.inside.values():
            call.fold()
        return self

    def add(self, other: "Call") -> None:
        self.count += other.count
        self.value += other.value
        self.peaks = [max(both) for both in zip(self.peaks, other.peaks)]
        for seconds, others in zip(self.seconds, other.seconds):
            seconds.update(others)
        for key, call in other.inside.items():
            self.inside.setdefault(key, Call()).add(call)


class Observer:
    """Observes the calls of one thread inside a `with`, for one round, into a Call."""

    def __init__(self, step: Call, round_: int):
        self.call, self.round = step, round_
        self.seen: Counter = Counter()  # names called so far inside this call
        # by the id of a back: an id is given again only when its back is gone
        self.made: dict[int, Call] = {}

    def __enter__(self) -> "Observer":
        if engine._observed:
            raise RuntimeError(
                "profile: a step is being profiled already, by this thread or another: "
                "one at a time"
            )
        self.thread, self.deposit = threading.get_ident(), Node._deposit
        engine._observed = self.forward
        Node._deposit = lambda n, since=-1: self.back(n, since)  # type: ignore[method-assign]
        return self

    def __exit__(self, *error: Any) -> None:
        engine._observed = None
        Node._deposit = self.deposit  # type: ignore[method-assign]

    def run(self, step: Callable) -> None:
        """Call the step, whose own time is what no node or block takes."""
        self.measure(self.call, FORWARD, step, (), {})

    def forward(self, f: Callable, args: Any, options: dict) -> Any:
        if threading.get_ident() != self.thread:
            return f(*args, **options)
        call = self.enter(f)
        result = self.measure(call, FORWARD, f, args, options)
        if type(result) is tuple and len(result) == 2:  # (value, back): a block returns no tuple
            call.is_node = True
            self.made[id(result[1])] = call
            self.note(call, result[0])
        return result

    def back(self, n: Node, since: int) -> None:
        if threading.get_ident() != self.thread:
            return self.deposit(n, since)
        call = self.made.get(id(n._back))
        if call is None:  # made before the step
            call = self.enter(n.function)
            call.is_node = True
        return self.measure(call, BACK, self.deposit, (n, since), {})

    def enter(self, f: Any) -> Call:
        name = getattr(f, "__name__", type(f).__name__)
        key = name, self.seen[name]
        self.seen[name] += 1
        return self.call.inside.setdefault(key, Call())

    def measure(self, call: Call, way: int, f: Callable, args: Any, options: dict) -> Any:
        outer = self.call, self.seen
        self.call, self.seen = call, Counter()
        try:
            return self.meter(call, way, f, args, options)
        finally:
            self.call, self.seen = outer

    def meter(self, call: Call, way: int, f: Callable, args: Any, options: dict) -> Any:
        raise NotImplementedError

    def note(self, call: Call, value: Any) -> None:
        pass


class Time(Observer):
    """Seconds of each call, without those of the calls inside it."""

    inner = 0.0  # seconds of the calls inside this one so far

    def meter(self, call, way, f, args, options):
        outer, self.inner = self.inner, 0.0
        start = perf_counter()
        try:
            return f(*args, **options)
        finally:
            whole = perf_counter() - start
            call.seconds[way][self.round] += whole - self.inner
            self.inner = outer + whole


class Memory(Observer):
    """How often each call is made, and bytes: of values, and what each call takes at most.

    A round of its own, since tracing slows a step down.
    """

    highest = 0  # bytes taken inside this call so far

    def __enter__(self):
        self.traced_before = tracemalloc.is_tracing()
        super().__enter__()
        release()  # so that a step takes all of its memory anew
        if not self.traced_before:
            tracemalloc.start()
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        if not self.traced_before:
            tracemalloc.stop()

    def meter(self, call, way, f, args, options):
        call.count += way == FORWARD
        before, high = tracemalloc.get_traced_memory()
        outer, self.highest = max(self.highest, high), 0
        tracemalloc.reset_peak()
        try:
            return f(*args, **options)
        finally:
            highest = max(self.highest, tracemalloc.get_traced_memory()[1])
            call.peaks[way] = max(call.peaks[way], highest - before)
            self.highest = max(outer, highest)

    def note(self, call, value):
        call.value += getattr(value, "nbytes", 0)
