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

import html
from pathlib import Path
from typing import Any

import numpy as np

from .. import faults, tree
from ..gradcheck import Unfit, check
from ..gradcheck.report import Report
from ..gradcheck.subjects import copied
from ..gradcheck.values import compared
from ..lectures.exercises import NotWritten, check_exercise
from .assignments import Assignment, Question, load, shipped
from .runner import NUMBERS

HIDDEN = "Right on the public checks. Hidden ones follow when it is graded."


class Practice:
    """What the public checks of a question found: true or false, and a text.

    reports: of the gradients, by arguments; none of a value; forward: what is wrong before
    gradients are looked at, or "".
    """

    def __init__(self, question: Question, reports: list[tuple[tuple, Report]], forward: str):
        self.question, self.reports, self.forward = question, reports, forward

    def __bool__(self) -> bool:
        return not self.forward and all(report for _, report in self.reports)

    def __str__(self) -> str:
        if self.forward:
            return f"{self.question.name}: wrong\n  {self.forward}"
        if not self.reports:
            return f"{self.question.name}: right\n{HIDDEN}"
        args, report = next((pair for pair in self.reports if not pair[1]), self.reports[0])
        given = ", ".join(map(faults.shapes, args))
        return f"{report}\n  checked with {given}" + (f"\n{HIDDEN}" if self else "")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if self.forward or not self.reports:
            return f"<pre>{html.escape(str(self))}</pre>"
        _, report = next((pair for pair in self.reports if not pair[1]), self.reports[0])
        return report._repr_html_() + (f"<p>{HIDDEN}</p>" if self else "")


def check_question(f: Any, name: str, assignment: str | Path = "", seed: int = 0) -> Practice:
    """Check a function, or a pair (forward, backward), on the public inputs of a question.

    assignment: a folder, by default the shipped assignment that has the question; seed: of the
    inputs, which differ from those of the grading. Raises Unfit for a question that is not there.
    """
    task, question = question_of(name, assignment)
    if question.kind == "value":
        return _of_value(f, task, question, seed)
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


def _of_value(f, task, question, seed):
    """What the check of an exercise says of a value."""
    holds = task.inputs.get(f"{question.name}_holds")
    if not holds and "reference.py" not in task.sources:
        raise Unfit(f"{question.name} is checked when it is graded only")
    like = None if holds else task.reference[question.name]
    inputs = task.inputs[f"{question.name}_inputs"]
    try:
        told = check_exercise(f, inputs, like, holds, seed=seed, tolerance=question.tolerance)
        wrong = told.sentence
    except NotWritten:
        wrong = "it is not written yet"
    return Practice(question, [], wrong)


def _forward(f, task, question, seed):
    """A sentence if no value and back come, or not the value of the reference, if there is one."""
    forward = f[0] if isinstance(f, tuple) else getattr(f, "plain", f)  # of a node
    for (args,) in task.cases(question, np.random.default_rng(seed)):
        given = tree.leaves(args) if isinstance(f, tuple) else args
        try:
            result = forward(*copied(given))
        except NotImplementedError:
            return "it is not written yet"
        except Exception:
            return ""  # the check says what is wrong
        if not isinstance(result, tuple) or len(result) != 2:
            pair = "value, cache" if isinstance(f, tuple) else "value, back"
            return f"it returns {type(result).__name__}: return {pair}"
        if type(result[0]) not in (np.ndarray, *NUMBERS):  # as when it is graded
            return f"its value is one array, not a {type(result[0]).__name__}"
        if "reference.py" not in task.sources:
            continue
        expected, _ = task.reference[question.name](*copied(args))
        said = compared(result[0], expected)
        if said:
            return f"for {', '.join(map(faults.shapes, args))}: {said}"
    return ""
