"""What a student's function was given when it failed, what it gave, and what is right."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..gradcheck import Unfit
from . import frames
from .assignments import Assignment
from .draws import drawn, generator
from .judge import close
from .sandbox import Sandbox


def explained(
    assignment: Assignment, sandbox: Sandbox, submission: Any, out: Path, name: str | None
) -> str:
    """The first failing step of a student's question in full; the inputs are drawn again."""
    path = out / "students" / f"{submission.student}.json"
    if not path.exists():
        raise Unfit(f"{out} has no result of {submission.student}")
    result = json.loads(path.read_text())
    failing = [q for q, r in result["questions"].items() if r["verdict"] != "PASS"]
    if name is None and not failing:
        return f"{submission.student}: nothing failed"
    question = {q.name: q for q in assignment.questions}.get(name or failing[0])
    if question is None:
        raise Unfit(f"{assignment.name} has no question {name!r}")
    if result["sha256"] != submission.sha256:
        raise Unfit(f"{submission.student} has handed in something else since: grade it again")
    steps = drawn(
        assignment, question, generator(result["seed"], submission.student, question.name)
    )
    outcome = sandbox.run(submission.source, question.name, steps.steps, assignment.limits)
    lines = [f"{submission.student}, {question.name}, seed {result['seed']}"]
    for check in result["questions"][question.name]["checks"]:
        if check["sentence"]:
            lines.append(f"{check['stage']}: {check['sentence']}")
    for i, (step, expected) in enumerate(zip(steps.steps, steps.expected)):
        if i >= len(outcome.replies):
            return "\n".join([*lines, f"then it stopped: {outcome.said}"])
        kind, what = outcome.replies[i]
        count = 1 if step[0] == "forward" else len(question.gradients)
        if kind != frames.ARRAYS:
            return "\n".join([*lines, *_given(steps, step), f"gave: {what}"])
        pairs = list(zip(what[:count], expected))
        if not all(close(a, b, question.tolerance) for a, b in pairs):
            names = ["value"] if step[0] == "forward" else question.gradients
            shown = [_beside(n, a, b) for n, (a, b) in zip(names, pairs)]
            return "\n".join([*lines, *_given(steps, step), *shown])
    return "\n".join([*lines, "every number is right this time"])


def _given(steps, step):
    call = next(s for s in steps.steps if s[0] == "forward" and s[1] == step[1])
    lines = [f"{step[0]} at call {step[1]}, given:", *_listed(call[2], steps.names)]
    if step[0] == "back":
        lines += [f"incoming gradient =\n{_text(step[2])}", "into gradients that held:"]
        lines += _listed(step[3], steps.names)
    return lines


def _listed(nest, names):
    from .runner import leaves

    arrays = [leaf for leaf in leaves(nest) if isinstance(leaf, np.ndarray)]
    return [f"{n} =\n{_text(a)}" for n, a in zip(names, arrays)]


def _beside(name, a, b):
    same = "right" if close(a, b, 1e-9) else "wrong"
    return f"{name}: {same}\ngave\n{_text(a)}\nshould be\n{_text(b)}"


def _text(a: np.ndarray) -> str:
    return np.array2string(a, precision=6, suppress_small=True, max_line_width=100)
