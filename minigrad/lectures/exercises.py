"""The check that follows an exercise: it runs what was written, and says what is wrong with it."""

import dis
import html
import inspect
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..gradcheck import check
from ..gradcheck.subjects import copied
from ..gradcheck.values import DIGITS, a_kind, compared, described, shown, tried
from ..version import VERSION

AGAIN = "write it in the cell above, run that cell, then this one again"


class NotWritten(NotImplementedError):
    """An exercise that is not written yet: a notebook stops here, with one line."""

    def _render_traceback_(self) -> list[str]:  # asked for by IPython
        return [str(self)]


class Result:
    """What the check of an exercise found: true or false, and a text.

    sentence: what is wrong, "" if nothing is or the gradients are; cases: how many were tried;
    report: of the gradients of an operation, None of what has none.
    """

    def __init__(self, name: str, sentence: str, cases: int, report: Any = None):
        self.name, self.sentence, self.cases, self.report = name, sentence, cases, report

    def __bool__(self) -> bool:
        return not self.sentence and (self.report is None or bool(self.report))

    def __str__(self) -> str:
        if not self and not self.sentence:
            return str(self.report)
        return "\n  ".join(filter(None, (self._headline(), self.sentence)))

    __repr__ = __str__

    def _headline(self):
        if not self:
            return f"{self.name}: wrong"
        gradients = ", and its gradients" if self.report is not None else ""
        return f"{self.name}: right in {self.cases} case{'s' * (self.cases > 1)}{gradients}"

    def _repr_html_(self) -> str:
        if not self and not self.sentence:
            return self.report._repr_html_()
        text = f"<p><b>{html.escape(self._headline())}</b></p>"
        return text + (f"<p>{html.escape(self.sentence)}</p>" if self.sentence else "")


def requires(version: str) -> None:
    """Raise ImportError if this minigrad is older than a lecture needs.

    >>> requires("0.1")
    """
    number = lambda text: [int(part) for part in text.split(".")[:2]]
    if number(VERSION) < number(version):
        raise ImportError(
            f"this lecture needs minigrad {version}, and here is {VERSION}: install the newer one"
        )


def check_exercise(
    f: Callable,
    inputs: Callable[[np.random.Generator], Iterator[tuple]],
    like: Callable | None = None,
    holds: Callable | None = None,
    *,
    seed: int = 0,
    tolerance: float = DIGITS,
) -> Result:
    """Check an exercise: its value in every case and, of an operation, its gradients.

    f: a function that returns a value (an array, a number, or a tuple of these), or (value, back),
    or a node; inputs: yields the arguments of each case, a tuple, drawn by a generator;
    like: the function whose value is right; holds: called with the value and the arguments, returns
    "" or what is wrong, where more than one value is right; seed: of the draws; tolerance: of the
    largest entry of a value, by default what two right formulas in float64 may differ by.
    Raises NotWritten if f raises NotImplementedError, ValueError if there is nothing to compare.
    """
    name, cases, report = getattr(f, "__name__", "this"), 0, None
    f = getattr(f, "plain", f)  # of a node
    if not callable(f):
        return Result(name, f"it is {a_kind(f)}, and should be a function", 0)
    for args in inputs(np.random.default_rng(seed)):
        cases += 1
        fault, operation = _fault(name, f, args, like, holds, tolerance)
        if fault:
            given = f"for {shown(f, args)}: " if args else ""
            return Result(name, f"{given}{fault}{_strays(f)}", cases)
        if not operation and like is None and holds is None:
            raise ValueError(f"check_exercise({name}, ...) compares nothing: give like= or holds=")
        if operation:
            report = check(f, *args, seed=seed)
            if "NotImplementedError" in report.sentence:
                raise NotWritten(f"the back of {name} is not written yet: {AGAIN}")
            if not report:
                break
    if not cases:
        raise ValueError(f"check_exercise({name}, ...): its inputs yield no case")
    return Result(name, "", cases, report)


def _strays(f):
    """The numbers and arrays that a function reads and does not get, in brackets, or ""."""
    if not hasattr(f, "__code__"):
        return ""
    reads = {i.argval for i in dis.get_instructions(f) if i.opname == "LOAD_GLOBAL"}
    kinds = (np.ndarray, np.generic, int, float, tuple, list, dict)
    names = sorted(n for n in reads if isinstance(f.__globals__.get(n), kinds))
    return f" (it reads {', '.join(names)}, which is none of its arguments)" if names else ""


def _fault(name, f, args, like, holds, tolerance):
    """(what is wrong with the value or "", whether there is a back)."""
    try:
        inspect.signature(f).bind(*args)
    except TypeError:
        count = f"{len(args)} argument{'s' * (len(args) != 1)}"
        return f"it is called with {count}, and takes {inspect.signature(f)}", False
    except ValueError:
        pass  # np.exp has no signature
    try:
        value, fault = tried(f, args)
    except NotImplementedError as error:
        inner = traceback.extract_tb(error.__traceback__)[-1].name
        if inner != name:
            raise NotWritten(f"{name} calls {inner}, which is not written yet") from None
        raise NotWritten(f"{name} is not written yet: {AGAIN}") from None
    if fault:
        return fault, False
    operation = isinstance(value, tuple) and len(value) == 2 and callable(value[1])
    value = value[0] if operation else value
    if like is not None:
        fault = compared(value, like(*copied(args)), tolerance)
    if not fault and holds is not None:
        try:
            fault = holds(value, *copied(args))
        except Exception as error:  # the value is anything
            words = f"{type(error).__name__}: {error}"
            fault = f"it returns {described(value)}, which is none that can be judged ({words})"
    return fault, operation
