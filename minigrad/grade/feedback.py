"""Which mistake it is: known ones of the question first, then what the check knows of any gradient.

A known mistake is a changed reference; it explains a stage if it gives what the student's function
gave there, at every step, up to 1e-9 of the largest entry, or raises the same exception.
"""

import functools
import math
import re
from typing import Any

import numpy as np

from .. import tree
from ..gradcheck.diagnosis import diagnose
from ..gradcheck.differences import derivatives
from ..gradcheck.runs import Run
from ..gradcheck.subjects import Subject, copied
from ..gradcheck.values import factor, in_words
from ..gradcheck.wrong import Wrong
from . import frames, runner
from .assignments import Mistake, run
from .draws import Trace, performed
from .sandbox import Broken

ALIKE = 1e-9  # of the largest entry: two mistakes are further apart, two codings of one are not
CARRIED = 1e-6  # of the largest entry: differences of a student's forward are good to 4e-10
STEP = 1e-5  # of those differences
DIGITS = 1e-5  # of the largest entry: what is closer is no wrong formula
MOST = 2000  # entries that are varied, one by one

MEMORY = ("MemoryError", "_ArrayMemoryError")
ALONE = "while grading no other file can be read"
HELP = {  # what a beginning of an exception means where a file runs alone
    "ModuleNotFoundError": "while grading there are NumPy and Python's own modules only",
    "ImportError: attempted relative": ALONE,
    "FileNotFoundError": ALONE,
    "PermissionError: [Errno 13]": ALONE,
    "EOFError: EOF when reading a line": "while grading nobody answers input()",
}

Fault = tuple[str, str, str]


def helped(text: str) -> str:
    """An exception, and what it means while grading, where that is not what it says."""
    return "; ".join([in_words(text), *(h for start, h in HELP.items() if text.startswith(start))])


class Bank:
    """The known mistakes of a question, and what each gives for the steps that were drawn."""

    def __init__(self, assignment: Any, question: Any, steps: Any, source: str, replies: list):
        self.assignment, self.question, self.steps = assignment, question, steps
        self.source, self.replies = source, replies

    @functools.cached_property
    def traces(self) -> "list[tuple[Mistake, Trace]]":
        """What every mistake gives, step by step."""
        traces = []
        for mistake in self.question.mistakes:
            defined = run(self.assignment.mistaken(self.question, mistake), "submission.py")
            f = defined.get(self.question.name)
            traces.append((mistake, Trace(f, self.question.name, self.steps.steps)))
        return traces

    def best(self, explains: Any, stage: str) -> Mistake | None:
        """Of the mistakes whose trace explains, one of this stage that is alike elsewhere too."""
        found = [(mistake, trace) for mistake, trace in self.traces if explains(trace)]
        alike_at = lambda trace: sum(same(trace[i], r) for i, r in enumerate(self.replies))
        found.sort(key=lambda pair: (pair[0].stage != stage, -alike_at(pair[1])))
        return found[0][0] if found else None

    def exception(self, i: int, text: str) -> Mistake | None:
        """The mistake that raises the same at a step, in a line that has the same words."""
        words, line = _parted(text, self.source)
        found = []
        for mistake, trace in self.traces:
            if trace[i][0] == frames.RAISED:
                source = self.assignment.mistaken(self.question, mistake)
                theirs, there = _parted(trace[i][1], source)
                if (theirs, there) == (words, line & there):
                    found.append((len(line & there), mistake))
        most = max((n for n, _ in found), default=0)
        best = [mistake for n, mistake in found if n == most]
        return best[0] if len(best) == 1 else None

    def shape(self, i: int) -> Fault | None:
        """The mistake that returns a value like the one at a step, of a wrong shape or dtype."""
        n, theirs = self.steps.values, self.replies[i][1]

        def explains(trace):
            kind, what = trace[i]
            if kind != frames.ARRAYS:
                return False
            pairs = list(zip(what[:n], theirs))
            return all(alike(a, b) and a.dtype == b.dtype for a, b in pairs)

        return _fault(self.best(explains, "shapes"))

    def forward(self) -> Fault | None:
        """The mistake that gives the same values, and leaves the same arguments, in all cases."""
        return self._wrong_alike("forward", slice(None), "forward")

    def gradient(self, k: int) -> Fault | None:
        """The mistake that gives the same k-th gradient in all cases."""
        return self._wrong_alike("back", slice(k, k + 1), self.question.gradients[k])

    def back(self) -> Fault | None:
        """The mistake after whose backs everything stands as after these, changed in place."""
        return self._wrong_alike("back", slice(None), "")

    def _wrong_alike(self, name, which, stage):
        """The mistake that gives the same arrays at such steps of all cases, not the right ones.

        Steps at which the student's function gave nothing are left out.
        """
        places = [i for i, this in enumerate(self.steps.kinds) if this == ("case", name)]
        given = [(i, r[1][which]) for i, r in enumerate(self.replies) if r[0] == frames.ARRAYS]
        theirs = {i: arrays for i, arrays in given if i in places}
        right = {i: self.steps.expected[i][which] for i in places}

        def explains(trace):
            gives = lambda i, arrays: (
                trace[i][0] == frames.ARRAYS and all(map(alike, trace[i][1][which], arrays))
            )
            as_theirs = all(gives(i, arrays) for i, arrays in theirs.items())
            return theirs and as_theirs and not all(gives(i, a) for i, a in right.items())

        return _fault(self.best(explains, stage))

    def edge(self, i: int, reply: tuple[int, Any]) -> Fault | None:
        """The mistake that gives the same at an edge case, and only there."""

        explains = lambda trace: self._right_in_cases(trace) and same(trace[i], reply)
        return _fault(self.best(explains, "edges"))

    def _right_in_cases(self, trace):
        """True if a trace is right in the cases, as that of a mistake at the edges is."""
        return all(
            trace[i][0] == frames.ARRAYS and all(map(alike, trace[i][1], right))
            for i, (this, right) in enumerate(zip(self.steps.kinds, self.steps.expected))
            if this[0] == "case"
        )


def _parted(text: str, source: str) -> tuple[str, set[str]]:
    """(an exception without its line, the words and signs of that line of a source)."""
    words, _, number = text.removesuffix(")").rpartition(" (line ")
    lines = ["", *source.splitlines()]
    line = lines[int(number)] if number.isdecimal() and int(number) < len(lines) else ""
    return (words if line else text), set(re.findall(r"\w+|[^\w\s]", line))


def _fault(mistake: Mistake | None) -> Fault | None:
    return ("FAIL", mistake.code, mistake.says) if mistake else None


def same(a: tuple[int, Any], b: tuple[int, Any]) -> bool:
    """True for two replies that say the same."""
    if a[0] != b[0] or a[0] != frames.ARRAYS:
        return a[0] == b[0]
    return all(map(alike, a[1], b[1]))


def one_kind(a: np.ndarray, b: np.ndarray) -> bool:
    """True for arrays of one shape that hold the same: numbers of full precision, or one dtype."""
    number = lambda a: a.dtype.kind in "iu" or a.dtype == float
    return a.shape == b.shape and (a.dtype == b.dtype or (number(a) and number(b)))


def alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal up to ALIKE of the largest entry, or not finite at the same places."""
    if not one_kind(a, b):
        return False
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.array_equal(a, b, equal_nan=True)
    largest = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return bool(np.abs(a + 0.0 - b).max(initial=0) <= ALIKE * largest)


def forward(value: str, Z: np.ndarray, expected: np.ndarray, given: str) -> Fault:
    """What can be said of a value that no known mistake explains."""
    for_given = f", for {given}" if given else ""
    if not np.isfinite(Z).all():
        sentence = f"{value} holds nan or inf where it is finite{for_given}"
        return "FAIL", "not finite", sentence
    c = factor(Z, expected)
    if c is not None:
        return "FAIL", "factor", f"{value} is {c:.6g} times what it should be everywhere"
    apart = np.abs(Z + 0.0 - expected)  # True - True is refused
    wrong = int((apart > ALIKE * np.abs(expected).max(initial=0)).sum())
    entries = f" in {wrong} of {Z.size} entries" if Z.ndim else ""
    sentence = f"{value} is wrong{entries}{for_given}"
    return "FAIL", "wrong value", sentence


def gradient(verdict: Any, k: int) -> Fault:
    """What the check says of a gradient that no known mistake explains."""
    question, steps = verdict.question, verdict.steps
    name = question.gradients[k]
    reference = verdict.judge.assignment.reference[question.name]
    wrongs = []
    for i, what in _whole_backs(verdict):
        args = copied(verdict.arguments(i))
        subject = Subject(reference, args, {})
        before = runner.arrays_of(steps.steps[i][3])
        D = [after.reshape(b.shape) - b for after, b in zip(what, before)]
        nothing = lambda dZ, gradients: None  # the student's back is out of reach
        this = Run(args, steps.expected[i][len(before)], steps.steps[i][2], D, nothing)
        x = subject.arrays(this.args)[k]
        J = derivatives(subject.value, args, x, list(np.ndindex(x.shape))).J
        if not np.isfinite(D[k]).all():
            return "FAIL", "not finite", f"{name} holds nan or inf where it is finite"
        wrongs.append(Wrong(subject, this, k, J))
    wrongs = [w for w in wrongs if not alike(w.D, w.G)] or wrongs
    off = max(float(np.abs(w.D - w.G).max() / w.largest) for w in wrongs)
    if off < DIGITS:
        digits = round(-math.log10(off or 1e-16))
        return (
            "FAIL",
            "digits",
            f"{name} is right to {digits} digits, and exact formulas in float64 give "
            "15: is it found by differences, or in float32?",
        )
    cause, sentence = diagnose(wrongs)
    if cause:
        return "FAIL", cause, sentence
    if all(alike(what[k], b[k]) for b, what in _overwritten(verdict)):
        return "FAIL", "overwritten", f"{name} is replaced: add to what stands there with +="
    w = wrongs[0]
    wrong = int((~w.right()).sum())
    return "FAIL", "wrong gradient", f"{name} is wrong in {wrong} of {w.D.size} entries"


def _whole_backs(verdict):
    """(number, arrays) of the backs that did not raise."""
    for i, reply in verdict.looked("case", "back"):
        if reply and reply[0] == frames.ARRAYS:
            yield i, reply[1]


def _overwritten(verdict):
    """For every back the gradients by themselves, and what the student's function left there."""
    for i, what in _whole_backs(verdict):
        before = runner.arrays_of(verdict.steps.steps[i][3])
        yield [e - b for e, b in zip(verdict.steps.expected[i], before)], what


def carried(verdict: Any, stage: str) -> str:
    """A sentence if a gradient is right for the student's own forward, which is wrong.

    Its forward is varied, entry by entry, and must have derivatives like those of the right one, so
    that a function with simpler gradients earns none of them.
    """
    if not hasattr(verdict, "own_gradients"):
        verdict.own_gradients = _own_gradients(verdict)
    k = verdict.question.gradients.index(stage)
    if verdict.own_gradients is None:
        return ""
    own, deposited = verdict.own_gradients[k]
    if own is None or not np.abs(own - deposited).max() <= CARRIED * np.abs(own).max():
        return ""  # nan is not equal to anything
    return f"{stage} is right for your own forward, which is wrong: its points are given"


def _own_gradients(verdict):
    """For each gradient (of the student's own forward by differences or None, deposited)."""
    steps, question = verdict.steps, verdict.question
    i = next(i for i, this in enumerate(steps.kinds) if this == ("case", "back"))
    args, dZ, gradients = verdict.arguments(i), steps.steps[i][2], steps.steps[i][3]
    if i >= len(verdict.replies) or verdict.replies[i][0] != frames.ARRAYS:
        return None
    if verdict.changed_by_back(i) is not None:
        return None
    wanted = [isinstance(g, np.ndarray) for g in tree.leaves(gradients)]
    varied = [j for j, w in enumerate(wanted) if w]
    sizes = [tree.leaves(args)[j].size for j in varied]
    if sum(sizes) > MOST:
        return None
    forwards = []
    for j, size in zip(varied, sizes):
        for at in range(size):
            for sign in (1, -1):
                moved = copied(args)
                tree.leaves(moved)[j].flat[at] += sign * STEP
                forwards.append(("forward", "moved", moved))
    outcome = verdict.judge.sandbox.run(verdict.source, question.name, forwards, verdict.limits)
    reference = verdict.judge.assignment.reference[question.name]
    if outcome.ended == "INTERNAL":
        raise Broken(outcome.said)
    theirs = outcome.replies
    right = performed(reference, question.name, forwards)
    if len(theirs) < len(forwards) or any(
        kind != frames.ARRAYS or not what for kind, what in theirs
    ):
        return None
    values = [what[0] for _, what in theirs]
    if any(Z.shape != dZ.shape or Z.dtype != float or not np.isfinite(Z).all() for Z in values):
        return None
    found, at = [], 0
    for k, (j, size) in enumerate(zip(varied, sizes)):
        own = _columns(values, at, size)
        alike_in_kind = _alike_in_kind(own, _columns([what[0] for _, what in right], at, size))
        at += size
        G = (dZ.ravel() @ own).reshape(tree.leaves(args)[j].shape)
        before = runner.arrays_of(gradients)[k]
        deposited = verdict.replies[i][1][k].reshape(before.shape) - before
        found.append((G if alike_in_kind and G.any() else None, deposited))
    return found


def _alike_in_kind(own, right):
    """True if derivatives are 0 where the right ones are, and differ from each other as they do."""
    kinds = lambda J: len(np.unique(J.round(6)))
    return np.array_equal(own != 0, right != 0) and 2 * kinds(own) >= kinds(right)


def _columns(values, at, size):
    """The derivative of every value by each of so many entries: (values, entries)."""
    pairs = values[2 * at : 2 * (at + size)]
    columns = [
        (np.ravel(up) - np.ravel(down)) / (2 * STEP) for up, down in zip(pairs[::2], pairs[1::2])
    ]
    return np.stack(columns, 1)
