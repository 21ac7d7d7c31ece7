"""What a run left in its folder, and what of it a student sees."""

import contextlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...gradcheck import Unfit
from ..results import to_look_at

OPEN = "OPEN"  # a question's verdict for a student: right so far, hidden checks follow
HIDDEN = "hidden checks follow after the deadline"

CHECK = {
    **dict.fromkeys(("stage", "verdict", "code", "sentence", "hint"), str),
    **dict.fromkeys(("score", "max_score"), float),
    "visible": bool,
}
QUESTION = {"score": float, "max_score": float, "verdict": str, "reason": str, "checks": [CHECK]}
FACTS = {"assignment": str, "title": str, "level": str, "seed": int, "version": str}
EVERY = ...  # a key of a form that stands for all keys
RUN: dict = {**FACTS, "questions": {EVERY: float}}
STUDENT: dict = {
    **FACTS,
    **dict.fromkeys(("student", "rejected", "sha256"), str),
    **dict.fromkeys(("score", "max_score"), float),
    "ids": {EVERY: str},
    "notes": [str],
    "questions": {EVERY: QUESTION},
}
TIMES: dict = {EVERY: {EVERY: float}}


@dataclass(frozen=True)
class Class:
    """A graded class: the run's facts, the students' results, seconds by student and question."""

    run: dict[str, Any]
    students: list[dict[str, Any]]
    times: dict[str, dict[str, float]] = field(default_factory=dict)


def load(out: Path) -> Class:
    """The results in the folder of a run, students sorted by name.

    Reads run.json, students/NAME.json and, if it is there, times.json. Raises Unfit for what is
    missing, damaged, or no result.
    """
    if not (out / "run.json").exists():
        raise Unfit(f"{out} has no run.json: it is not the folder of a graded class")
    run = _read(out / "run.json", RUN)
    students = [_read(path, STUDENT) for path in sorted((out / "students").glob("*.json"))]
    if not students:
        raise Unfit(f"{out / 'students'} has no results: nobody is graded yet")
    students.sort(key=lambda student: student["student"])
    times = out / "times.json"
    return Class(run, students, _read(times, TIMES) if times.exists() else {})


def _read(path, form):
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Unfit(f"{path} is damaged: remove it and grade again ({error})") from error
    if form is STUDENT:
        _fill_scores(value)
    wrong = _misfit(value, form)
    if not wrong and form is STUDENT and value["student"] != path.stem:
        wrong = f"student is {value['student']!r}, the file's name is not"
    if wrong:
        raise Unfit(f"{path} is not what a run writes: {wrong}; remove it and grade again")
    return value


def _fill_scores(student):
    """Where the grader failed there is no score: reports add up what there is, and say why."""
    with contextlib.suppress(AttributeError, KeyError, TypeError):  # no result, as is said next
        for part in (*student["questions"].values(), student):
            if part["score"] is None:
                parts = part["checks"] if "checks" in part else part["questions"].values()
                part["score"] = sum(p["score"] for p in parts)


def _misfit(value, form, place="all of it"):
    """What in a value differs from its form, in words; '' if nothing does."""
    kind = type(form) if isinstance(form, (list, dict)) else form
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (kind is not bool and isinstance(value, bool)):
        return f"{place} is {str(value)[:40]!r}, no {kind.__name__}"
    if kind is float and not math.isfinite(value):
        return f"{place} is {value}"
    parts = []
    if kind is list:
        parts = [(i, part, form[0]) for i, part in enumerate(value)]
    elif kind is dict:
        if missing := form.keys() - value.keys() - {EVERY}:
            return f"{place} has no {min(missing)}"
        parts = [(key, value[key], form.get(EVERY, form.get(key))) for key in value]
    return next(
        (wrong for key, part, inner in parts if inner and (wrong := _misfit(part, inner, key))), ""
    )


def for_student(student: dict[str, Any], released: bool = False) -> dict[str, Any]:
    """A student's result without what is not out yet, and `hidden`: how many checks that are.

    released: whether grades are out; if not, hidden stages have neither points, verdict nor
    message, and a question whose visible checks are right has the verdict OPEN if it has hidden
    ones, whatever these say.  The seed stays secret as well: with it, the answers to the hidden
    checks could be written down beforehand.
    """
    shown = dict(student, hidden=0)
    if released:
        return shown
    shown["seed"] = None
    shown["questions"] = {n: _visible(q) for n, q in student["questions"].items()}
    shown["hidden"] = sum(
        not check["visible"] for q in student["questions"].values() for check in q["checks"]
    )
    for key in ("score", "max_score"):
        if shown["hidden"]:
            shown[key] = sum(q[key] for q in shown["questions"].values())
    return shown


def _visible(question):
    checks = [check for check in question["checks"] if check["visible"]]
    if len(checks) == len(question["checks"]):
        return question
    wrong = [check for check in checks if check["verdict"] != "PASS"]
    first = wrong[0] if wrong else {"verdict": OPEN, "code": ""}
    return {
        "score": sum(check["score"] for check in checks),
        "max_score": sum(check["max_score"] for check in checks),
        "verdict": first["verdict"],
        "reason": first["code"],
        "checks": checks,
    }


def looks(student: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What of a result a teacher should look at: (question, verdict, sentence) each.

    The question is "" where the whole submission was rejected.
    """
    if student["rejected"]:
        return [("", "REJECTED", student["rejected"])]
    found = []
    for name, question in sorted(student["questions"].items()):
        look = to_look_at(question)
        if look:
            found.append((name, *look))
    return found


def number(value: float) -> str:
    """Points as people write them: at most two decimals.

    >>> number(7.0), number(2 / 3), number(100)
    ('7', '0.67', '100')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def words(check: dict[str, Any]) -> str:
    """What a check found: its code and sentence, as far as it has them."""
    return ": ".join(filter(None, (check["code"], check["sentence"]))) or check["verdict"]
