"""Questions in which students write the check itself: known functions grade it.

The functions, right and wrong ones, go to the runner as source under a neutral name and in an order
that is drawn; what comes back is an array of answers. A check that catches a share w of the wrong
ones and refuses a share a of the right ones earns w - a of the points, so that a constant answer,
or a guess, earns nothing.
"""

import ast
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import frames
from .assignments import Assignment, Question, run
from .draws import Trace
from .feedback import MEMORY, helped
from .results import NOT_REACHED, Check
from .sandbox import Outcome

RIGHT = "right_"  # how the names of functions with a right back begin


class Trial(NamedTuple):
    """The steps of a question, and for each whether its function's back is right."""

    steps: list[tuple]
    right: list[bool]


def drawn_trial(assignment: Assignment, question: Question, rng: np.random.Generator) -> Trial:
    """Draw the functions' arguments and their order."""
    steps: list[tuple] = []
    right: list[bool] = []
    for file in ("inputs.py", "reference.py"):
        source = assignment.sources[file]
        defined = assignment.inputs if file == "inputs.py" else assignment.reference
        functions = _functions(source)
        for f, x in defined[f"{question.name}_inputs"](rng):
            text = functions[f.__name__].replace(f"def {f.__name__}(", "def f(", 1)
            steps.append(("answer", len(steps), text, np.asarray(x)))
            right.append(f.__name__.startswith(RIGHT))
    order = rng.permutation(len(steps))
    return Trial([steps[i] for i in order], [right[i] for i in order])


@functools.lru_cache(8)
def _functions(source):
    """The source of every function, by name."""
    return {
        n.name: ast.get_source_segment(source, n) or ""
        for n in ast.parse(source).body
        if isinstance(n, ast.FunctionDef)
    }


def checks_of(
    assignment: Assignment, question: Question, trial: Trial, outcome: Outcome
) -> Iterator[Check]:
    """A check for each stage: the signature, right ones passed, wrong ones caught."""
    said = [_answer(reply) for reply in outcome.replies]
    points = question.points
    if all(a is None for a in said):
        verdict, sentence = _nothing(question, outcome)
        for stage in points:
            first = (verdict.lower(), sentence) if stage == "signature" else (NOT_REACHED, "")
            yield Check(stage, 0.0, points[stage], verdict, *first)
        return
    answered = len(said)
    said += [None] * (len(trial.steps) - len(said))
    passed = [a is True for a, right in zip(said, trial.right) if right]
    caught = [a is False for a, right in zip(said, trial.right) if not right]
    share = max(0.0, float(np.mean(caught) - np.mean([not p for p in passed])))
    yield Check("signature", points["signature"], points["signature"])
    right = all(passed) and all(caught)
    code, says = ("", "") if right else _known(assignment, question, trial, said)
    if outcome.ended:
        code, says = outcome.ended.lower(), f"{outcome.said}, after {answered} functions"
    for stage, good, words in (
        ("right passed", passed, "right functions are refused"),
        ("wrong caught", caught, "wrong functions pass"),
    ):
        score = round(points[stage] * share, 2)
        if all(good):
            less = "" if share == 1 else "it earns less, as the other share counts too"
            yield Check(stage, score, points[stage], sentence=less)
            continue
        count = f"{len(good) - sum(good)} of {len(good)} {words}"
        sentence = f"{count}. {says}" if says else count
        verdict = outcome.ended or "FAIL"
        yield Check(stage, score, points[stage], verdict, code or words, sentence, question.hint)


def _nothing(question, outcome):
    """(verdict, sentence) where no function got an answer."""
    if not outcome.replies:
        return outcome.ended or "CRASH", outcome.said
    kind, what = outcome.replies[0]
    if kind == frames.MISSING:
        return "MISSING", f"there is no function {question.signature}"
    if kind == frames.MISFIT:
        return "FAIL", what
    if kind == frames.ARRAYS:
        return "PROTOCOL", "its answer is not what a runner sends"
    if what.startswith("NotImplementedError"):
        return "MISSING", f"{question.name} is not written yet"
    verdict = "MEMORY" if what.startswith(MEMORY) else "CRASH"
    whose = "the file does not run:" if kind == frames.NOT_LOADED else f"{question.name} raises"
    return verdict, f"{whose} {helped(what)}"


def _answer(reply):
    """True or False, None for anything else: an exception is no answer."""
    kind, what = reply
    one = kind == frames.ARRAYS and len(what) == 1 and what[0].shape == ()
    return bool(what[0]) if one and what[0].dtype == bool else None


def _known(assignment, question, trial, said):
    """(code, sentence) of the known mistake that answers alike, or empty."""
    for mistake in question.mistakes:
        f: Any = run(assignment.mistaken(question, mistake), assignment.folder / "reference.py")
        trace = Trace(f[question.name], question.name, trial.steps)
        if all(_answer(trace[i]) == answer for i, answer in enumerate(said)):
            return mistake.code, mistake.says
    return "", ""
