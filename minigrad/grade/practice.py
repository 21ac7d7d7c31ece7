"""The student's side: the public checks of a question, with the full diagnosis and no sandbox.

>>> def affine(X, U):
...     W, b = U
...     def back(dA, dX, dU):
...         dW, db = dU
...         dX += dA @ W.T
...         dW += X.T @ dA
...         db += dA.mean(0)
...     return X @ W + b, back
>>> print(check_question(affine, "affine"))  # doctest: +ELLIPSIS
affine: wrong
...
1/N: the gradient of b is 4 times too small, ...
"""

from pathlib import Path
from typing import Any

import numpy as np

from .. import faults, tree
from ..gradcheck import Unfit, check
from ..gradcheck.report import Report
from .assignments import Assignment, Question, load, shipped
from .draws import copies
from .judging import close

HIDDEN = "Right on the public checks. Hidden ones follow when it is graded."


class Practice:
    """What the public checks of a question found: true or false, and a text."""

    def __init__(self, question: Question, reports: list[tuple[tuple, Report]], forward: str):
        self.question, self.reports, self.forward = question, reports, forward

    def __bool__(self) -> bool:
        return not self.forward and all(report for _, report in self.reports)

    def __str__(self) -> str:
        if self.forward:
            return f"{self.question.name}: wrong\n  {self.forward}"
        args, report = next((pair for pair in self.reports if not pair[1]), self.reports[0])
        given = ", ".join(map(faults.shapes, args))
        return f"{report}\n  checked with {given}" + (f"\n{HIDDEN}" if self else "")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if self.forward:
            return f"<pre>{self}</pre>"
        _, report = next((pair for pair in self.reports if not pair[1]), self.reports[0])
        return report._repr_html_() + (f"<p>{HIDDEN}</p>" if self else "")


def check_question(f: Any, name: str, assignment: str | Path = "", seed: int = 0) -> Practice:
    """Check a function, or a pair (forward, backward), on the public inputs of a question.

    assignment: a folder, by default the shipped assignment that has the question; seed: of the
    inputs, which differ from those of the grading. Raises Unfit for a question that is not there.
    """
    task, question = question_of(name, assignment)
    if question.kind != "operation":
        raise Unfit(f"{name} is checked when it is graded only")
    wrong, reports = _forward(f, task, question, seed), []
    for (args,) in task.cases(question, np.random.default_rng(seed)):
        args = tuple(tree.leaves(args)) if isinstance(f, tuple) else args
        reports += [] if wrong else [(args, check(f, *args, seed=seed))]
    return Practice(question, reports, wrong)


def question_of(name: str, assignment: str | Path = "") -> tuple[Assignment, Question]:
    """The question of this name, of an assignment or of those that ship."""
    for task in map(load, [assignment] if assignment else shipped()):
        for question in task.questions:
            if question.name == name:
                return task, question
    known = [
        q.name
        for task in map(load, [assignment] if assignment else shipped())
        for q in task.questions
    ]
    raise Unfit(
        f"there is no question {name!r}: there are {', '.join(sorted(known))}"
        + ("" if assignment else "; --assignment FOLDER names another assignment")
    )


def _forward(f, task, question, seed):
    """A sentence if no value and back come, or not the value of the reference, if there is one."""
    forward = f[0] if isinstance(f, tuple) else f
    for (args,) in task.cases(question, np.random.default_rng(seed)):
        given = tree.leaves(args) if isinstance(f, tuple) else args
        try:
            result = forward(*copies(given))
        except NotImplementedError:
            return "it is not written yet"
        except Exception:
            return ""  # the check says what is wrong
        if not isinstance(result, tuple) or len(result) != 2:
            pair = "value, cache" if isinstance(f, tuple) else "value, back"
            return f"it returns {type(result).__name__}: return {pair}"
        if "reference.py" not in task.sources:
            continue
        Z, (expected, _) = np.asarray(result[0]), task.reference[question.name](*copies(args))
        shapes = ", ".join(map(faults.shapes, args))
        if Z.shape != np.shape(expected):
            return f"returns shape {Z.shape} where {np.shape(expected)} is expected, for {shapes}"
        if Z.dtype != float:
            return f"its value is {Z.dtype} for arrays of float64"
        if not close(Z, np.asarray(expected), 1e-9):
            worst = np.unravel_index(np.argmax(np.abs(Z - expected)), Z.shape)
            at = [int(i) for i in worst]
            return (
                f"its value is wrong, for {shapes}: at {at} it is {Z[worst]:.6g} and should be "
                f"{np.asarray(expected)[worst]:.6g}"
            )
    return ""
