"""What a student's function was given when it failed, what it gave, and what is right."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..gradcheck import Unfit
from . import frames
from .assignments import Assignment
from .draws import drawn, generator
from .escapes import plain
from .judging import close
from .runner import arrays_of
from .sandbox import Sandbox


def explained(
    assignment: Assignment, sandbox: Sandbox, submission: Any, out: Path, name: str | None
) -> str:
    """The first failing step of a student's question in full; the inputs are drawn again."""
    student = submission.student
    path = out / "students" / f"{student}.json"
    if not path.exists():
        raise Unfit(f"{out} has no result of {student}")
    result = json.loads(path.read_text())
    graded = result["questions"]
    if name and name not in graded:
        raise Unfit(f"{out} has no question {name!r} of {student}: it has {', '.join(graded)}")
    if result["sha256"] != submission.sha256:
        raise Unfit(f"{student} has handed in something else since: grade it again")
    if result["assignment_sha256"] != assignment.sha256:
        raise Unfit(f"{assignment.name} has changed since {student} was graded: grade it again")
    if result["rejected"]:
        return f"{student}: {plain(result['rejected'])}"
    name = name or next((q for q, r in graded.items() if r["verdict"] != "PASS"), None)
    if not name:
        return f"{student}: nothing failed"
    lines = [f"{student}, {name}, seed {result['seed']}"]
    for check in graded[name]["checks"]:
        if check["sentence"]:
            lines.append(f"{check['stage']}: {plain(check['sentence'])}")
    (question,) = (q for q in assignment.questions if q.name == name)
    if question.kind == "check":
        return "\n".join(lines)
    steps = drawn(assignment, question, generator(result["seed"], student, name))
    outcome = sandbox.run(submission.source, name, steps.steps, assignment.limits)
    for i, (step, expected) in enumerate(zip(steps.steps, steps.expected)):
        if i >= len(outcome.replies):
            return "\n".join([*lines, f"then it stopped: {outcome.said}"])
        kind, what = outcome.replies[i]
        count = steps.values if step[0] == "forward" else len(question.gradients)
        if kind != frames.ARRAYS:
            return "\n".join([*lines, *_given(steps, step, question), f"gave: {plain(what)}"])
        pairs = list(zip(what[:count], expected))
        if steps.holds or not all(close(a, b, question.tolerance) for a, b in pairs):
            names = ["value"] * count if step[0] == "forward" else question.gradients
            shown = [_beside(n, a, b) for n, (a, b) in zip(names, pairs)]
            return "\n".join([*lines, *_given(steps, step, question), *shown])
    return "\n".join([*lines, "every number is right this time"])


def _given(steps, step, question):
    call = next(s for s in steps.steps if s[0] == "forward" and s[1] == step[1])
    lines = [f"{step[0]} at call {step[1]}, given:", *_listed(call[2], steps.names)]
    if step[0] == "back":
        lines += [f"incoming gradient =\n{_text(step[2])}", "into gradients that held:"]
        lines += _listed(step[3], question.gradients)
    return lines


def _listed(nest, names):
    return [f"{n} =\n{_text(a)}" for n, a in zip(names, arrays_of(nest))]


def _beside(name, a, b):
    same = "right" if close(a, b, 1e-9) else "wrong"
    kind = "" if a.dtype == b.dtype else f", in {a.dtype}"
    return f"{name}: {same}\ngave{kind}\n{_text(a)}\nshould be\n{_text(b)}"


def _text(a: np.ndarray) -> str:
    return np.array2string(a, precision=10, suppress_small=True, max_line_width=100)
