"""The profile of a step: time and memory of every node and block, as a table and as a page.

>>> import time
>>> import numpy as np
>>> from minigrad import block, node, sum, var
>>> @node
... def slow(A):
...     time.sleep(0.001)
...     def back(dZ, dA):
...         time.sleep(0.02)
...         dA += dZ
...     return A.copy(), back
>>> @block
... def loss(A):
...     return sum(slow(A))
>>> X = var(np.ones(1000))
>>> found = profile(lambda: loss(X).backward(), rounds=3)
>>> [row.name for row in found.rows], found.rows[1].value
(['loss', 'slow', 'sum'], 8000)
>>> 0.001 < found.rows[1].forward < found.rows[1].back
True
"""

import html
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from ..learn import write_whole
from .observing import BACK, FORWARD, Call, Memory, Time

TEMPLATE = Path(__file__).with_name("profile.html")
OUTSIDE = "outside nodes and blocks"
HEAD = ("", "calls", "forward ms", "back ms", "share", "values", "peak forward", "peak back")


class Row(NamedTuple):
    """A node or block in its place, with what one step spends in it and all that is inside it.

    path: names of the blocks around it and its own, numbered where one place calls it repeatedly;
    forward, back: seconds; own: those of the forward that nothing inside it takes;
    value: bytes of the values of its nodes; peak_forward, peak_back: bytes that its forward, and
    that one back in it, take at most beyond those taken before.
    """

    path: tuple[str, ...]
    is_node: bool
    calls: int
    forward: float
    back: float
    own: float
    value: int
    peak_forward: int
    peak_back: int

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def seconds(self) -> float:
        return self.forward + self.back


class Profile:
    """What a step costs. Prints as a table; `save("profile.html")` writes a page with a picture.

    rows: Rows in the order of the program, what is inside a block after it; seconds: of a step
    that is observed, the sum of all rows at the top and of outside; outside: seconds that no node
    or block takes (the optimiser, the data, the engine's own); unobserved: seconds of the same
    step left alone; peak: bytes that the step takes at most. Times are medians of the rounds.
    """

    def __init__(self, step: Call, unobserved: list[float], rounds: int):
        self.rounds, self.unobserved = rounds, median(unobserved)
        whole = _row(step, ("step",), rounds)
        self.rows = [_row(call, path, rounds) for path, call in step.below()]
        self.seconds, self.outside, self.peak = whole.seconds, whole.own, whole.peak_forward

    def headline(self) -> str:
        return (
            f"{self.ms(self.unobserved)} ms a step, {self.ms(self.seconds)} while observed; "
            f"it takes at most {_bytes(self.peak)}; times are medians of {self.rounds}"
        )

    def ms(self, seconds: float) -> str:
        """Seconds as milliseconds, as exact as a thousandth of the step asks for."""
        digits = 3 if self.seconds < 0.01 else 2 if self.seconds < 0.1 else 1
        return f"{1e3 * seconds:.{digits}f}"

    def cells(self) -> Iterator[tuple[int, list[str]]]:
        """Each row of the table: how deep it stands, and what stands in it."""
        for row in self.rows:
            yield (
                len(row.path) - 1,
                [
                    row.name,
                    str(row.calls),
                    self.ms(row.forward),
                    self.ms(row.back),
                    f"{row.seconds / self.seconds:.1%}",
                    *map(_bytes, (row.value, row.peak_forward, row.peak_back)),
                ],
            )
        share = f"{self.outside / self.seconds:.1%}"
        yield 0, [OUTSIDE, "", self.ms(self.outside), "", share, "", "", ""]

    def __repr__(self) -> str:
        table = [HEAD, *(("  " * depth + name, *rest) for depth, (name, *rest) in self.cells())]
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in table
        ]
        return "\n".join([self.headline(), *lines])

    def _repr_html_(self) -> str:
        def line(tag, depth, cells):
            first, *rest = map(html.escape, cells)
            indent = f' style="text-align: left; padding-left: {depth + 0.5}em"'
            others = "".join(f"<{tag}>{cell}</{tag}>" for cell in rest)
            return f"<tr><{tag}{indent}>{first}</{tag}>{others}</tr>"

        body = "".join(line("td", depth, cells) for depth, cells in self.cells())
        table = f"<table><thead>{line('th', 0, HEAD)}</thead><tbody>{body}</tbody></table>"
        return f"<p>{html.escape(self.headline())}</p>{table}"

    def save(self, path: str | Path) -> None:
        """Write a page with the table and a flame graph: one file, whole, that opens offline.

        Needs jinja2.
        """
        from jinja2 import Environment, StrictUndefined

        environment = Environment(autoescape=True, undefined=StrictUndefined)
        page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
        write_whole(
            path,
            page.render(
                headline=self.headline(), head=HEAD, cells=list(self.cells()), bars=self.bars()
            ),
        )

    def bars(self) -> list[dict[str, Any]]:
        """The flame graph: each bar's place and width (percent of the step), level and words.

        From left to right as time passes: the forward program, the backward program, which is the
        forward one reversed, and what is outside.
        """
        inside: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows:
            inside.setdefault(row.path[:-1], []).append(row)
        found = []

        def bar(kind, name, where, x, seconds, level, more=""):
            share = seconds / self.seconds
            words = f"{where}: {self.ms(seconds)} ms, {share:.1%} of the step{more}"
            place = {"x": 100 * x / self.seconds, "width": 100 * share, "level": level}
            labels = {"kind": kind, "name": name, "ms": self.ms(seconds), "words": words}
            found.append(labels | place)

        def draw(path, way, x):
            for row in inside.get(path, [])[:: -1 if way == "back" else 1]:
                seconds, peak = getattr(row, way), getattr(row, f"peak_{way}")
                often = f"{row.calls} calls, " if row.calls > 1 else ""
                more = f"; {often}values {_bytes(row.value)}, takes at most {_bytes(peak)} more"
                if seconds:
                    where = f"{' > '.join(row.path)}, {way}"
                    kind = f"{way} {'node' if row.is_node else 'block'}"
                    bar(kind, row.name, where, x, seconds, len(row.path) + 1, more)
                    draw(row.path, way, x)
                x += seconds

        bar(
            "whole",
            "step",
            "the step",
            0.0,
            self.seconds,
            0,
            f"; takes at most {_bytes(self.peak)}",
        )
        x = 0.0
        for way, name in (("forward", "forward"), ("back", "backward")):
            seconds = sum(getattr(row, way) for row in inside[()])
            if seconds:
                bar(f"{way} whole", name, f"the {name} program", x, seconds, 1)
                draw((), way, x)
            x += seconds
        bar("outside", "outside", OUTSIDE, x, self.outside, 1)
        return found


def profile(step: Callable[[], Any], rounds: int = 5) -> Profile:
    """What a step costs: time and memory of every node and block, forward and backward.

    step: a callable without arguments, as in `lambda: value_and_grad(loss)(U, X, T)`, or a whole
    step of training with data and optimiser. It really runs, 2 rounds + 2 times: once to warm up,
    by turns alone and observed, and once while its memory is traced.
    rounds: 5 by default; times are medians.
    Calls of one name in one place are numbered; more than 32 of them are one row. Only what the
    calling thread runs is observed; on a GPU, times are those of starting the work. Memory that
    kernels keep (`kernels.memory`) counts where a step takes it first. Observing a call takes
    about 3 us, which count as outside; a step that is not profiled costs what it always does.

    Raises TypeError if step is not callable, ValueError if it calls no node or rounds is not a
    whole number >= 1, RuntimeError within another profile; what step raises is raised here.

    >>> import numpy as np
    >>> from minigrad import relu
    >>> print(profile(lambda: relu(np.ones((10, 10)))))  # doctest: +ELLIPSIS
    0... ms a step, 0... while observed; it takes at most ... kB; times are medians of 5
                              calls  forward ms  back ms  share  values  peak forward  peak back
    relu                          1       ...       0.000  ...%   800 B        ...         0 B
    outside nodes and blocks              ...              ...%
    """
    if not callable(step):
        raise TypeError(
            f"profile: a callable without arguments, not a {type(step).__name__}: "
            "put the step into one, as in profile(lambda: value_and_grad(loss)(U, X, T))"
        )
    if not isinstance(rounds, int) or rounds < 1:
        raise ValueError(f"profile: rounds is a whole number >= 1, not {rounds!r}")
    seen, unobserved = Call(), []
    step()
    for i in range(rounds):
        start = perf_counter()
        step()
        unobserved.append(perf_counter() - start)
        with Time(seen, i) as observer:
            observer.run(step)
    with Memory(seen, rounds) as observer:
        observer.run(step)
    if not any(call.is_node for _, call in seen.below()):
        raise ValueError(
            f"profile: the step took {1e3 * median(unobserved):.3g} ms and called no node in this "
            "thread: does it call what it should measure, as in lambda: f(X), not lambda: f?"
        )
    return Profile(seen.fold(), unobserved, rounds)


def _row(call: Call, path: tuple[str, ...], rounds: int) -> Row:
    """The sums of a call and all inside it."""
    inside = [call, *(other for _, other in call.below())]

    def seconds(of, way):
        return median(of.seconds[way][i] for i in range(rounds))

    return Row(
        path,
        call.is_node,
        call.count,
        sum(seconds(c, FORWARD) for c in inside),
        sum(seconds(c, BACK) for c in inside),
        seconds(call, FORWARD),
        sum(c.value for c in inside),
        call.peaks[FORWARD],
        max(c.peaks[BACK] for c in inside),
    )


def _bytes(n: float) -> str:
    """A number of bytes with three digits.

    >>> _bytes(512), _bytes(8000), _bytes(3_276_800)
    ('512 B', '8 kB', '3.28 MB')
    """
    for unit in ("B", "kB", "MB"):
        if n < 999.5:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"
