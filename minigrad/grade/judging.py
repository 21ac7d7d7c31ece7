"""The verdict: what a student's function gave, step by step, beside what the reference gives.

For every case arguments a and b are drawn, and the student's function does forward(a), forward(b),
back(b), back(a), back(a) with random incoming gradients and gradients that hold something already.
So a back that overwrites, shares memory between calls or works once only shows. Points are added
for what was compared and found equal, never for anything else.

>>> from .assignments import load
>>> affine = load("affine")
>>> with Sandbox() as sandbox:
...     right = Judge(affine, sandbox).student("ada", affine.source_of_reference, seed=1)
>>> right["questions"]["affine"]["verdict"], right["score"] == right["max_score"]
('PASS', True)
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..gradcheck.subjects import copied
from . import feedback, frames, runner
from .assignments import Assignment, Question
from .checkers import checks_of, drawn_trial
from .draws import Steps, drawn, generator
from .feedback import MEMORY, helped
from .flags import defined, flagged
from .results import NOT_REACHED, NOT_RUN, Check, question_result, score_of
from .sandbox import Limits, Outcome, Sandbox

AFTER_TIMEOUT = 2.0  # s of wall time for the questions after a student's first timeout
SLOW = 30.0  # times as long as forward: a back by differences takes 300, an honest one 5
NOTICED = 2e-3  # s: below that a pause of the machine is as long as a back


class Judge:
    """Grades submissions to an assignment in a sandbox."""

    def __init__(self, assignment: Assignment, sandbox: Sandbox):
        self.assignment, self.sandbox = assignment, sandbox
        self.level = sandbox.level
        self.seconds: dict[str, float] = {}

    def student(
        self, student: str, source: str, seed: int, only: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The result of a student, a question at a time; only: names of questions, all if empty."""
        questions, limits = {}, self.assignment.limits
        for question in self.assignment.questions:
            if only and question.name not in only:
                continue
            self.seconds[question.name] = 0.0
            rng = generator(seed, student, question.name)
            result = self.question(question, source, rng, limits)
            questions[question.name] = result
            if result["verdict"] == "TIMEOUT":
                limits = limits._replace(wall=min(limits.wall, AFTER_TIMEOUT))
        return self._result(student, questions, seed)

    def without(
        self, verdict: str, said: str, student: str, seed: int, only: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The result of a student whose submission is not run: the same verdict for every stage."""
        asked = [q for q in self.assignment.questions if not only or q.name in only]
        questions = {
            q.name: question_result(
                [
                    Check(stage, 0.0, points, verdict, verdict.lower(), said)
                    for stage, points in q.points.items()
                ]
            )
            for q in asked
        }
        return self._result(student, questions, seed)

    def _result(self, student, questions, seed):
        return {
            "student": student,
            "score": score_of(questions),
            "max_score": sum(q["max_score"] for q in questions.values()),
            "assignment": self.assignment.name,
            "title": self.assignment.title,
            "level": self.level,
            "seed": seed,
            "questions": questions,
        }

    def question(
        self, question: Question, source: str, rng: np.random.Generator, limits: Limits
    ) -> dict[str, Any]:
        """The result of one question; what fails in here is INTERNAL, and no zero."""
        try:
            if question.kind == "check":
                return self.checker(question, source, rng, limits)
            steps = drawn(self.assignment, question, rng)
            outcome = self.sandbox.run(source, question.name, steps.steps, limits)
            self.seconds[question.name] = sum(outcome.seconds)
            if outcome.ended == "INTERNAL":
                return internal(question, outcome.said)
            with np.errstate(all="ignore"):  # of numbers that a student chose
                checks = list(Verdict(self, question, source, steps, outcome, limits).checks())
            return question_result(checks, [*flagged(source, question.name), *slow(steps, outcome)])
        except Exception as error:
            return internal(question, f"{type(error).__name__}: {error}")

    def checker(
        self, question: Question, source: str, rng: np.random.Generator, limits: Limits
    ) -> dict[str, Any]:
        """The result of a question in which the student writes the check."""
        trial = drawn_trial(self.assignment, question, rng)
        outcome = self.sandbox.run(source, question.name, trial.steps, limits)
        self.seconds[question.name] = sum(outcome.seconds)
        if outcome.ended == "INTERNAL":
            return internal(question, outcome.said)
        return question_result(list(checks_of(self.assignment, question, trial, outcome)))


def internal(question: Question, said: str) -> dict[str, Any]:
    checks = [
        Check(stage, 0.0, points, "INTERNAL", "grader", f"the grader failed: {said}")
        for stage, points in question.points.items()
    ]
    return question_result(checks)


def slow(steps: Steps, outcome: Outcome) -> Iterator[str]:
    """A sentence if back takes as long as differences of the forward would."""
    times: dict[str, list[float]] = {"forward": [], "back": []}
    for (_, name), seconds, _ in list(zip(steps.kinds, outcome.seconds, outcome.replies))[1:]:
        times[name].append(seconds)
    if times["forward"] and times["back"]:
        there, back = np.median(times["forward"]), np.median(times["back"])
        if back > NOTICED and back > SLOW * there:
            yield "its back takes far longer than its forward, as finite differences do"


class Verdict:
    """Compares the replies to a question's steps with what the reference gave."""

    def __init__(self, judge, question, source, steps, outcome, limits):
        self.judge, self.question, self.source, self.limits = judge, question, source, limits
        self.steps, self.outcome = steps, well_formed(outcome, steps)
        self.replies = self.outcome.replies
        self.bank = feedback.Bank(judge.assignment, question, steps, source, self.replies)

    def checks(self) -> Iterator[Check]:
        """A check for every stage; what comes after a failure that ends all says so."""
        blocked: Check | None = None
        forward_right, said = True, None
        for stage, points in self.question.points.items():
            visible = stage not in self.question.hidden
            if blocked:
                yield Check(stage, 0.0, points, blocked.verdict, NOT_REACHED, visible=visible)
                continue
            fault = self.fault(stage)
            if fault and stage == "edges" and said:
                fault = said  # what is wrong everywhere is wrong there too
            if fault and stage in self.question.gradients and not forward_right:
                carried = feedback.carried(self, stage)
                if carried:
                    yield Check(stage, points, points, "PASS", "carried", carried, visible=visible)
                    continue
            if not fault:
                yield Check(stage, points, points, visible=visible)
                continue
            verdict, code, sentence = (*fault[:1], NOT_REACHED, "") if fault == said else fault
            said = fault
            hint = self.question.hint if verdict == "FAIL" and sentence else ""
            check = Check(stage, 0.0, points, verdict, code, sentence, hint, visible)
            forward_right = forward_right and stage != "forward"
            if stage in ("signature", "shapes"):
                blocked = check
            yield check

    def fault(self, stage: str) -> tuple[str, str, str] | None:
        """(verdict, code, sentence) of what is wrong at a stage, None if it is right."""
        if stage == "signature":
            return self.of_signature()
        if stage == "shapes":
            return self.of_shapes()
        if stage == "forward":
            return self.of_forward()
        if stage == "edges":
            return self.of_edges()
        return self.of_gradient(self.question.gradients.index(stage))

    def looked(self, kind: str, name: str) -> Iterator[tuple[int, tuple[int, Any] | None]]:
        """(number, reply) of the steps of a kind; the reply is None where none came."""
        for i, this in enumerate(self.steps.kinds):
            if this == (kind, name):
                yield i, self.replies[i] if i < len(self.replies) else None

    def ended(self) -> tuple[str, str, str]:
        """The fault of a runner that ended early, and at what."""
        outcome, name = self.outcome, self.question.name
        step = self.steps.steps[min(len(self.replies), len(self.steps.steps) - 1)]
        at = f"the back of {name}" if step[0] == "back" else name
        at = at if self.replies else f"the file, or {name}"
        return outcome.ended or "CRASH", outcome.ended.lower(), f"at {at}: {outcome.said}"

    def raised(self, i: int, text: str) -> tuple[str, str, str]:
        """The fault of an exception at a step."""
        name, call = self.steps.steps[i][0], self.question.name
        whose = call if name == "forward" else f"the back of {call}"
        if text.startswith(MEMORY):
            return "MEMORY", "memory", f"{whose} asks for more than {self.limits.memory} MiB"
        known = self.bank.exception(i, text)
        if known:
            return "CRASH", known.code, f"{known.says} ({whose} raises {text})"
        if text.startswith("NotImplementedError"):
            return "MISSING", "not written", f"{whose} is not written yet"
        return "CRASH", "exception", f"{whose} raises {helped(text)}"

    def of_signature(self):
        if not self.replies:
            return self.ended()
        kind, what = self.replies[0]
        if kind == frames.NOT_LOADED:
            if what.startswith(MEMORY):
                return "MEMORY", "memory", f"the file asks for more than {self.limits.memory} MiB"
            return "CRASH", NOT_RUN, f"the file does not run: {helped(what)}"
        if kind == frames.MISSING:
            return "MISSING", "missing", missing(self.question, self.source)
        if kind == frames.MISFIT:
            return "FAIL", "signature", what
        return self.raised(0, what) if kind == frames.RAISED else None

    def of_shapes(self):
        for i, reply in self.looked("case", "forward"):
            if reply is None:
                return self.ended()
            kind, what = reply
            if kind == frames.MISFIT:
                return "FAIL", "signature", what
            if kind != frames.ARRAYS:
                return self.raised(i, what)
            if self.steps.holds:
                continue
            for k, (Z, expected) in enumerate(self.values(what, self.steps.expected[i])):
                if Z.shape != expected.shape:
                    sentence = f"shape {Z.shape} where {expected.shape} is expected, for "
                    return self.bank.shape(i) or (
                        "FAIL",
                        "shape",
                        f"{self.question.name} returns {self.of(k)}{sentence}{self.given(i)}",
                    )
                exact = self.question.kind == "operation"
                if Z.dtype != expected.dtype and (exact or not feedback.one_kind(Z, expected)):
                    if expected.dtype == bool:
                        words = "numbers where True and False are expected"
                    elif Z.dtype.kind == "f":
                        words = f"{Z.dtype} for arrays of float64: float32 is used somewhere"
                    else:
                        words = f"{Z.dtype} for arrays of float64: make it float64"
                    sentence = f"{self.question.name} returns {self.of(k)}{words}"
                    return self.bank.shape(i) or ("FAIL", "dtype", sentence)
        return None

    def values(self, *arrays: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, ...]]:
        """What stands at the beginning of a forward's arrays, side by side."""
        return zip(*(a[: self.steps.values] for a in arrays))

    def of(self, k: int) -> str:
        """Which of the values it is, if there is more than one."""
        return f"in value {k + 1} of {self.steps.values} " if self.steps.values > 1 else ""

    def given(self, i: int) -> str:
        """The arguments of a step, by names and shapes."""
        arrays = runner.arrays_of(self.arguments(i))
        return ", ".join(f"{n} {a.shape}" for n, a in zip(self.steps.names, arrays))

    def arguments(self, i: int) -> tuple:
        """The arguments of the forward of a step's call."""
        call = self.steps.steps[i][1]
        return next(s[2] for s in self.steps.steps if s[0] == "forward" and s[1] == call)

    def of_forward(self):
        for i, (_, what) in self.looked("case", "forward"):
            expected, n = self.steps.expected[i], self.steps.values
            changed = self.changed(what[n:], expected[n:])
            if changed is not None:
                return self.bank.forward() or (
                    "FAIL",
                    "in place",
                    f"{self.question.name} changes its argument {self.steps.names[changed]}: make "
                    "a new array",
                )
            if self.steps.holds:
                said = self.judged(i, what[:n])
                if said:
                    return self.bank.forward() or ("FAIL", "wrong value", said)
                continue
            for k, (Z, right) in enumerate(self.values(what, expected)):
                if not close(Z + 0.0, right + 0.0, self.question.tolerance):  # 2 is 2.0
                    value = f"value {k + 1}" if n > 1 else "the value"
                    return self.bank.forward() or feedback.forward(
                        f"{value} of {self.question.name}", Z, right, self.given(i)
                    )
        for i, reply in self.looked("case", "back"):
            if reply and reply[0] == frames.ARRAYS:
                Z = reply[1][len(self.question.gradients)]
                if not np.array_equal(Z, self.before(i)[0], equal_nan=True):
                    return self.bank.back() or (
                        "FAIL",
                        "shared memory",
                        f"the value of {self.question.name} is not the same after another call, or "
                        "after back: each call needs an array of its own",
                    )
        return None

    def judged(self, i: int, arrays: list[np.ndarray]) -> str:
        """What the assignment says of a value where more than one is right."""
        values = [a.item() if not a.ndim else a for a in arrays]
        value = tuple(values) if self.steps.steps[i][3] else values[0]
        given = f"for {self.given(i)}: " if self.given(i) else ""
        try:
            said = self.steps.holds(value, *copied(self.arguments(i)))
        except Exception as error:  # the value is anything
            said = f"it cannot be judged ({type(error).__name__}: {error})"
        return f"{given}{said}" if said else ""

    def before(self, i: int) -> list[np.ndarray]:
        """Value and arguments of a step's call, as its forward left them."""
        call = self.steps.steps[i][1]
        j = next(j for j, s in enumerate(self.steps.steps) if s[0] == "forward" and s[1] == call)
        return self.replies[j][1]

    def changed(self, arrays, expected) -> int | None:
        """The first array that is not as it was."""
        pairs = enumerate(zip(arrays, expected))
        return next((k for k, (a, b) in pairs if not np.array_equal(a, b, equal_nan=True)), None)

    def of_gradient(self, k: int):
        wrong = None
        for i, reply in self.looked("case", "back"):
            if reply is None:
                return self.ended()
            kind, what = reply
            if kind == frames.MISFIT:
                return "FAIL", "signature", what
            expected = self.steps.expected[i]
            if kind != frames.ARRAYS:
                there = beside(what)
                if there and close(there[k], expected[k], self.question.tolerance):
                    continue  # it was deposited before
                return self.raised(i, what)
            changed = self.changed_by_back(i)
            if changed is not None:
                names = (*self.steps.names, "the incoming gradient")
                sentence = (
                    f"the back of {self.question.name} changes {names[changed]}: make a new array"
                )
                return self.bank.back() or ("FAIL", "in place", sentence)
            if what[k].shape != expected[k].shape:
                name = self.question.gradients[k]
                return "FAIL", "shape", f"the back of {self.question.name} changes {name}'s shape"
            if not close(what[k], expected[k], self.question.tolerance) and wrong is None:
                wrong = i
        if wrong is None:
            return None
        return self.bank.gradient(k) or feedback.gradient(self, k)

    def changed_by_back(self, i: int) -> int | None:
        """The first of arguments and incoming gradient that the back of a step does not leave."""
        after = self.replies[i][1][len(self.question.gradients) + 1 :]
        return self.changed(after, [*self.before(i)[1:], self.steps.expected[i][-1]])

    def of_edges(self):
        n = len(self.question.gradients)
        for i, reply in [*self.looked("edges", "forward"), *self.looked("edges", "back")]:
            if reply is None:
                return self.ended()
            kind, what = reply
            step, expected = self.steps.steps[i], self.steps.expected[i]
            where = step[1]
            if kind not in (frames.ARRAYS, frames.MISFIT):
                verdict, code, sentence = self.raised(i, what)
                return verdict, code, f"{where}: {sentence}"
            if kind == frames.MISFIT:
                return "FAIL", "signature", what
            accept = self.steps.accepts[where]
            compared, sentence = what[: n if step[0] == "back" else 1], ""
            shaped = all(a.shape == b.shape for a, b in zip(compared, expected))
            finite = all(np.isfinite(a).all() for a in compared)
            if step[0] == "back" and accept and shaped and finite:
                sentence = accept(copied(self.arguments(i)), step[2].copy(), what[n], compared)
                right = not sentence
            else:
                tolerance = self.question.tolerance
                right = all(close(a, b, tolerance) for a, b in zip(compared, expected))
            if not right:
                known = self.bank.edge(i, reply)
                if known:
                    return known
                part = "the value" if step[0] == "forward" else "a gradient"
                return "FAIL", "edge case", f"{where}: {sentence or f'{part} is wrong'}"
        return None


def missing(question: Question, source: str) -> str:
    """That a question's function is not there, and what is instead."""
    there = ", ".join(defined(source)[:8])
    return f"there is no function {question.signature}" + (f"; there is {there}" if there else "")


def well_formed(outcome: Outcome, steps: Steps) -> Outcome:
    """The outcome up to the first reply that the runner cannot have given."""
    replies = zip(outcome.replies, steps.expected, steps.steps)
    for n, ((kind, what), expected, step) in enumerate(replies):
        form = lambda arrays: [(a.dtype, a.size) for a in arrays]
        if kind == frames.ARRAYS:
            # a value may be anything, and the rest be reshaped
            free = steps.values if step[0] == "forward" else 0
            fits = len(what) == len(expected) and form(what[free:]) == form(expected[free:])
        else:
            gradients = runner.arrays_of(step[3]) if step[0] == "back" else ()
            fits = form(beside(what)) in ([], form(gradients))
        if not fits:
            said = "its answer is not what a runner sends"
            return outcome._replace(replies=outcome.replies[:n], ended="PROTOCOL", said=said)
    return outcome


def beside(text: str) -> Sequence[np.ndarray]:
    """The gradients that came with an exception, as they stood then."""
    return getattr(text, "arrays", ())


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """True if a is finite where b is and equal up to a part of the largest entry."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not np.isfinite(b).all():
        return np.array_equal(a, b, equal_nan=True)
    error = float(np.abs(a + 0.0 - b).max(initial=0))  # True - True is refused
    return math.isfinite(error) and error <= tolerance * (float(np.abs(b).max(initial=0)) or 1.0)
