"""A value beside the right one: what is wrong with it, in words for who wrote the function.

>>> compared(np.zeros((2, 3)), np.ones((3, 2)))
'it returns shape (2, 3) where (3, 2) is expected'
>>> compared(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
'at [1] it is 2 and should be 4'
>>> compared(1, np.float64(1))
''
"""

import linecache
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import faults, tree
from .subjects import argument_names, copied

DIGITS = 1e-9  # of the largest entry: how far two right codings in float64 may be apart
KINDS = {
    "b": "True and False",
    "i": "numbers",
    "u": "numbers",
    "f": "numbers",
    "c": "complex numbers",
}
LOW = ("float32", "float16")


def tried(f: Callable, args: tuple) -> tuple[Any, str]:
    """(value of f at copies of the arguments, what is wrong with the call or "").

    NotImplementedError passes, as then there is nothing yet that could be wrong.
    """
    given = copied(args)
    try:
        value = f(*given)
    except NotImplementedError:
        raise
    except (Exception, SystemExit) as error:
        said = ": ".join(filter(None, (type(error).__name__, in_words(str(error)))))
        return None, f"it raises {said}{_line(f, error)}"
    for name, before, after in zip(argument_names(f, args), args, given):
        for (path, a), b in zip(tree.paths(before, name), tree.leaves(after)):
            if isinstance(a, np.ndarray) and a.tobytes() != b.tobytes():
                return value, f"it changes its argument {path}: make a new array"
    return value, ""


def in_words(text: str) -> str:
    """The text of an exception; where sizes of a product differ, without NumPy's terms."""
    return re.sub(
        r"matmul: .* \(size (\d+) is different from (\d+)\)",
        r"on the left of @ there are \2 columns, and \1 rows on the right",
        text.strip(),
    )


def shown(f: Callable, args: tuple) -> str:
    """The arguments of a call, by name and shape."""
    return ", ".join(f"{n} {faults.shapes(a)}" for n, a in zip(argument_names(f, args), args))


def compared(value: Any, expected: Any, tolerance: float = DIGITS) -> str:
    """What is wrong with a value, in words; "" if it is right, up to a part of the largest entry.

    Both are an array, a number, or a tuple of these. Integers and floats are compared as numbers;
    nan and inf are right where they are expected.
    """
    if isinstance(expected, tuple):
        if not isinstance(value, tuple) or len(value) != len(expected):
            return f"it returns {described(value)}, and should return {len(expected)} values"
        parts = (compared(v, e, tolerance) for v, e in zip(value, expected))
        said = (f"value {i} of {len(expected)}: {part}" for i, part in enumerate(parts, 1) if part)
        return next(said, "")
    if type(value) is not np.ndarray and not isinstance(value, (np.generic, bool, int, float)):
        wanted = "an array" if np.ndim(expected) else "a number"
        return f"it returns {described(value)}, and should return {wanted}"
    Z, T = np.asarray(value), np.asarray(expected)
    if KINDS.get(Z.dtype.kind) != KINDS.get(T.dtype.kind):
        return f"it returns {Z.dtype} where {KINDS.get(T.dtype.kind, T.dtype)} are expected"
    if Z.shape != T.shape:
        return _shape(Z, T, tolerance)
    if Z.dtype in LOW and T.dtype == float:
        return f"it returns {Z.dtype} for arrays of float64: somewhere digits are lost"
    return _entries(Z, T, tolerance)


def factor(Z: np.ndarray, T: np.ndarray) -> float | None:
    """c if Z is c T everywhere, and T nowhere 0; None if not, or if there is one entry only."""
    ratio = Z / np.where(T == 0, 1, T)
    if ratio.size < 2 or not T.all() or not np.ptp(ratio) < DIGITS * abs(ratio.flat[0]):
        return None
    return float(ratio.flat[0])


def described(value: Any) -> str:
    """What came back, in words."""
    if value is None:
        return "nothing (is there a return?)"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"one array {value.shape}"
    if isinstance(value, (int, float, np.generic)):
        return "one number"
    return a_kind(value)


def a_kind(value: Any) -> str:
    """The type with its article: a list, an int."""
    name = type(value).__name__
    return f"a{'n' * (name[0] in 'aeiou')} {name}"


def _shape(Z, T, tolerance):
    if not Z.ndim or not T.ndim:
        is_one, wanted = ("an array", "a number") if Z.ndim else ("one number", "an array")
        of = lambda a: f" of shape {a.shape}" if a.ndim else ""
        return f"it returns {is_one}{of(Z)} where {wanted}{of(T)} is expected"
    sentence = f"it returns shape {Z.shape} where {T.shape} is expected"
    turned = Z.T.shape == T.shape and not _entries(Z.T, T, tolerance)
    return f"{sentence}: its transpose is right" if turned else sentence


def _entries(Z, T, tolerance):
    number = lambda a: a.astype(complex if T.dtype.kind == "c" else float)
    Z_, T_ = number(Z), number(T)
    with np.errstate(all="ignore"):
        apart = np.abs(Z_ - T_)
        largest = np.abs(T_[np.isfinite(T_)]).max(initial=0) or 1.0
        same = (Z_ == T_) | np.isnan(Z_) & np.isnan(T_)
        wrong = ~(same | (apart <= tolerance * largest) & np.isfinite(T_))
        c = factor(Z_, T_) if wrong.any() and np.isfinite([Z_, T_]).all() else None
    if not wrong.any():
        return ""
    apart = np.where(np.isnan(apart), np.inf, apart)
    worst = tuple(int(i) for i in np.argwhere(wrong)[np.argmax(apart[wrong])])
    it = f"at {list(worst)} it" if worst else "it"
    sentence = f"{it} is {_text(Z[worst])} and should be {_text(T[worst])}"
    if c is not None:
        return f"{sentence}: every entry is {c:.6g} times what it should be"
    if Z.dtype.kind in "iu" and T.dtype.kind == "f" and apart[worst] < 1:
        return f"{sentence}: it is cut to an integer"
    return sentence


def _text(entry):
    return str(entry) if entry.dtype.kind in "bc" else f"{entry:.6g}"


def _line(f, error):
    """The line of a function's source that raised, if it is known."""
    code, found, trace = getattr(f, "__code__", None), "", error.__traceback__
    while trace:
        frame = trace.tb_frame.f_code
        if code and frame.co_filename == code.co_filename:
            found = linecache.getline(frame.co_filename, trace.tb_lineno).strip()
        trace = trace.tb_next
    return f", in the line: {found}" if found else ""
