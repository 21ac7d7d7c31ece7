"""What is written down of a grade: checks of stages, questions, a student; as JSON, without times.

>>> checks = [Check("forward", 2.0, 2.0), Check("dX", 0.0, 2.0, "FAIL", "sign", "Turn the sign.")]
>>> result = question_result(checks)
>>> result["score"], result["verdict"], result["reason"]
(2.0, 'FAIL', 'sign')
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

# of a check, and of a question that of its first check that did not pass
VERDICTS = {
    "PASS": "right",
    "FAIL": "wrong",
    "FLAGGED": "right by its numbers, and somebody should look at how",
    "CRASH": "an exception, or the process ended",
    "TIMEOUT": "not done in time",
    "MEMORY": "more memory than there is",
    "PROTOCOL": "an answer that cannot be read",
    "REJECTED": "not graded, as it could not be taken in",
    "MISSING": "not handed in",
    "INTERNAL": "the grader failed: no grade, and none of the student's doing",
}
NOT_RUN = "does not run"  # the code of a file that defines nothing, as an exception ended it
NOT_REACHED = "not reached"  # the code of what failed only because something before it did
LOOK = ("FLAGGED", "TIMEOUT", "MEMORY", "PROTOCOL", "REJECTED", "INTERNAL")  # a person should look


class Check(NamedTuple):
    """A stage of a question: points, verdict, what went wrong in a word, a sentence, a hint."""

    stage: str
    score: float
    max_score: float
    verdict: str = "PASS"
    code: str = ""
    sentence: str = ""
    hint: str = ""
    visible: bool = True


def question_result(checks: Sequence[Check], flags: Sequence[str] = ()) -> dict[str, Any]:
    """A question's part of a student's result; its score is None where the grader failed."""
    first = next((c for c in checks if c.verdict != "PASS"), None)
    verdict, reason = (first.verdict, first.code) if first else ("PASS", "")
    if flags and not first:
        verdict, reason = "FLAGGED", "to look at"
    internal = any(c.verdict == "INTERNAL" for c in checks)
    return {
        "score": None if internal else sum(c.score for c in checks),
        "max_score": sum(c.max_score for c in checks),
        "verdict": verdict,
        "reason": reason,
        "flags": list(flags),
        "checks": [c._asdict() for c in checks],
    }


def score_of(questions: dict[str, dict]) -> float | None:
    """The sum over questions; None where one has no score."""
    scores = [q["score"] for q in questions.values()]
    return None if None in scores else sum(scores)


def to_look_at(question: dict[str, Any]) -> tuple[str, str] | None:
    """(verdict, sentence) of what a person should look at in a question, None if nothing."""
    for check in question["checks"]:
        if check["verdict"] in LOOK or check["code"] == NOT_RUN:
            return check["verdict"], check["sentence"]
    flags = question.get("flags", ())
    return ("FLAGGED", flags[0]) if flags else None


def needs_look(student: dict[str, Any]) -> bool:
    """True if a person should look: the grader failed, or something was rejected or flagged."""
    return bool(student["rejected"]) or any(map(to_look_at, student["questions"].values()))


def written(result: dict[str, Any]) -> str:
    """A result as text; equal results give equal bytes."""
    return json.dumps(result, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
