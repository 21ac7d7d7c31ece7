"""The check that follows an exercise: it runs what was written, and says what is wrong with it."""

import html
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import faults
from ..gradcheck import check
from ..gradcheck.subjects import copied
from ..version import VERSION

DIGITS = 1e-9  # of the largest entry: how far two right codings in float64 may be apart


class NotWritten(NotImplementedError):
    """An exercise that is not written yet: a notebook stops here, with one line."""

    def _render_traceback_(self) -> list[str]:  # asked for by IPython
        return [str(self)]


class Result:
    """What the check of an exercise found: true or false, and a text."""

    def __init__(self, name: str, sentence: str, cases: int, report: Any = None):
        self.name, self.sentence, self.cases, self.report = name, sentence, cases, report

    def __bool__(self) -> bool:
        return not self.sentence and (self.report is None or bool(self.report))

    def __str__(self) -> str:
        if self.sentence:
            return f"{self.name}: wrong\n  {self.sentence}"
        if self.report is not None and not self.report:
            return str(self.report)
        return f"{self.name}: right in {self.cases} case{'s' * (self.cases > 1)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if self.report is not None and not self.report and not self.sentence:
            return self.report._repr_html_()
        return f"<pre>{html.escape(str(self))}</pre>"


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

    f: a function of arrays that returns a value, or (value, back), or a node; inputs: yields the
    arguments of each case, a tuple, drawn by a generator; like: the function whose value is right;
    holds: called with the value and the arguments, returns "" or what is wrong, where more than
    one value is right; seed: of the draws; tolerance: of the largest entry of a value.
    Raises NotWritten if f raises NotImplementedError.
    """
    name, cases = getattr(f, "__name__", "the function"), 0
    for args in inputs(np.random.default_rng(seed)):
        cases += 1
        given, operation = copied(args), False
        try:
            value = getattr(f, "plain", f)(*given)
        except NotImplementedError:
            raise NotWritten(f"{name}: not written yet") from None
        except Exception as error:
            said = f"for {shown(f, args)}: it raises {type(error).__name__}: {error}"
            return Result(name, said, cases)
        if isinstance(value, tuple) and len(value) == 2 and callable(value[1]):
            value, operation = value[0], True
        said = ""
        if like is not None:
            expected = like(*copied(args))
            said = compared(value, expected, tolerance)
        if not said and holds is not None:
            said = holds(value, *copied(args))
        if said:
            return Result(name, f"for {shown(f, args)}: {said}", cases)
        if operation and not (report := check(f, *args, seed=seed)):
            return Result(name, "", cases, report)
    return Result(name, "", cases)


def shown(f: Callable, args: tuple) -> str:
    """The arguments of a case, by name and shape."""
    names = getattr(f, "plain", f).__code__.co_varnames
    return ", ".join(f"{n} {faults.shapes(a)}" for n, a in zip(names, args))


def compared(value: Any, expected: Any, tolerance: float) -> str:
    """What is wrong with a value, in words; "" if it is right."""
    if isinstance(expected, tuple):
        if not isinstance(value, tuple) or len(value) != len(expected):
            return f"it returns {described(value)}, and should return {len(expected)} values"
        parts = (compared(v, e, tolerance) for v, e in zip(value, expected))
        said = ((i, part) for i, part in enumerate(parts) if part)
        return next((f"of its values, number {i + 1}: {part}" for i, part in said), "")
    if not isinstance(value, (np.ndarray, np.generic, int, float)):
        return f"it returns {described(value)}, and should return an array or a number"
    Z, T = np.asarray(value), np.asarray(expected)
    if Z.shape != T.shape:
        return f"it returns shape {Z.shape} where {T.shape} is expected"
    if Z.dtype.kind != T.dtype.kind and not {Z.dtype.kind, T.dtype.kind} <= set("iuf"):
        return f"it returns {Z.dtype} where {T.dtype} is expected"
    with np.errstate(all="ignore"):
        apart = np.abs(Z.astype(float) - T.astype(float))
    wrong = ~(apart <= tolerance * (np.abs(T).max(initial=0) or 1.0)) & ~(
        (Z == T) | (Z != Z) & (T != T)
    )
    if not wrong.any():
        return ""
    worst = [int(i) for i in np.argwhere(wrong)[np.argmax(np.nan_to_num(apart[wrong], nan=np.inf))]]
    at = f"at {worst} it is" if worst else "it is"
    return f"{at} {Z[tuple(worst)]:.6g} and should be {T[tuple(worst)]:.6g}"


def described(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
