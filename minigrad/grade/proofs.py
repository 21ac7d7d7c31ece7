"""Proof that an assignment grades what it should: right answers pass, mistakes are told apart."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..gradcheck import check
from ..gradcheck.subjects import copied
from .assignments import Assignment, Question, load
from .judging import Judge
from .sandbox import Sandbox

SEED = 1


class Row(NamedTuple):
    """One submission to one question: what it is, what was expected, what came, and whether so."""

    kind: str
    name: str
    question: str
    expected: str
    got: str
    holds: bool


def verify(assignment: Assignment, sandbox: Sandbox) -> Iterator[Row]:
    """Reference and right/ must have full marks, the starter none, every mistake its own code.

    A value that is the same for all inputs, or one of the inputs, must not be right.
    """
    judge = Judge(assignment, sandbox)
    yield from _whole(judge, "reference", "reference.py", assignment.source_of_reference, 1.0)
    yield from _whole(judge, "starter", "starter.py", assignment.sources["starter.py"], 0.0)
    for path in sorted((assignment.folder / "right").glob("*.py")):
        yield from _whole(judge, "right", path.name, path.read_text("utf-8"), 1.0)
    yield from _by_differences(assignment)
    for question in assignment.questions:
        for mistake in question.mistakes:
            yield _mistaken(judge, question, mistake)
        if question.kind == "value":
            yield from _guessed(judge, question)


def attacks(sandbox: Sandbox) -> Iterator[Row]:
    """What hostile submissions to the shipped `affine` come to: none may earn what it is after."""
    judge = Judge(load("affine"), sandbox)
    for path in sorted(Path(__file__).with_name("attacks").glob("K*.py")):
        yield _attacked(judge, path)


def _by_differences(assignment):
    """The reference must be right by the gradient check too, at every case."""
    for question in assignment.questions:
        if question.kind == "operation":
            f = assignment.reference[question.name]
            cases = assignment.cases(question, np.random.default_rng(SEED))
            reports = [check(f, *args) for (args,) in cases]
            got = next((f"{r.cause}: {r.sentence}" for r in reports if not r), "right")
            yield Row("reference", "by differences", question.name, "right", got, all(reports))


def _whole(judge, kind, name, source, share):
    result = judge.student(name, source, SEED)
    for question, got in result["questions"].items():
        if kind == "right" and got["verdict"] == "MISSING":
            continue  # it answers some of the questions
        expected = share * got["max_score"]
        words = f"{got['verdict']} {_points(got['score'])}"
        holds = got["score"] == expected and (share == 0 or got["verdict"] == "PASS")
        reason = next((c["sentence"] for c in got["checks"] if c["sentence"]), "")
        words += f": {reason}" if reason and not holds else ""
        yield Row(kind, name, question, _points(expected), words, holds)


def _guessed(judge, question):
    """Zeros or a value of the right shape, and an argument as it is, earn nothing for the value."""
    asked = judge.assignment
    f = asked.reference[question.name]
    cases = [args for (args,) in asked.cases(question, np.random.default_rng(SEED + 1))]
    values = [f(*copied(args)) for args in cases]
    guesses = {
        "constants": _one_by_one(map(_literal, values)),
        "zeros": _one_by_one(_literal(value, 0) for value in values),
        "its argument": "args[0]",
    }
    if f"{question.name}_holds" in asked.inputs:
        del guesses["constants"]  # one may be a right value
    for name, guess in guesses.items():
        if any(cases):  # without arguments a constant is what is asked for
            source = (
                f"from numpy import array, inf, nan\ndef {question.name}(*args): return {guess}"
            )
            got = judge.student(name, source, SEED, [question.name])["questions"][question.name]
            value = next(c for c in got["checks"] if c["stage"] == "forward")
            words = f"{value['verdict']} {_points(value['score'])}"
            yield Row("guess", name, question.name, "0 for forward", words, not value["score"])


def _one_by_one(literals):
    """An expression that is each of some in turn, for the two draws of a case."""
    return f"next(given)\ngiven = (v for v in [{', '.join(literals)}] for draw in 'ab')"


def _literal(value, times=1):
    """A value, or it times 0, as Python would write it."""
    if isinstance(value, tuple):
        return f"({', '.join(_literal(part, times) for part in value)},)"
    a = np.asarray(value)
    return f"array({(a if times else np.zeros_like(a)).tolist()})"


def _mistaken(judge: Judge, question: Question, mistake) -> Row:
    source = judge.assignment.mistaken(question, mistake)
    result = judge.student(mistake.code, source, SEED, [question.name])["questions"][question.name]
    first = next((c for c in result["checks"] if c["verdict"] != "PASS"), None)
    if first is None:
        return Row("mistake", mistake.code, question.name, mistake.stage, "PASS", False)
    holds = first["code"] == mistake.code
    holds &= first["stage"] == mistake.stage or first["verdict"] == "CRASH"
    return Row(
        "mistake",
        mistake.code,
        question.name,
        f"{mistake.stage}: {mistake.code}",
        f"{first['stage']}: {first['code']}",
        holds,
    )


def _attacked(judge, path):
    """An attack says in comments which verdicts will do, and from which level of the sandbox."""
    source = path.read_text("utf-8")
    told = dict(re.findall(r"^# (verdict|level|stage): (.+)$", source, re.MULTILINE))
    result = judge.student(path.stem, source, SEED)["questions"]["affine"]
    stages = told.get("stage", "").split()
    lost = all(c["score"] == 0 for c in result["checks"] if c["stage"] in stages)
    wanted = told["verdict"].split()
    levels = ("none", "basic", "strong")
    below = levels.index(judge.level) < levels.index(told["level"])
    got = f"{result['verdict']} {_points(result['score'])}"
    return Row(
        "attack",
        path.stem,
        "affine",
        " or ".join(wanted) + (f", 0 for {', '.join(stages)}" if stages else ""),
        got + (f" (holds from {told['level']} on)" if below else ""),
        below or (lost and result["verdict"] in wanted),
    )


def _points(score: float | None) -> str:
    return "no score" if score is None else f"{score:g}"


def matrix(rows: list[Row]) -> str:
    """The rows as text, what does not hold marked, and a count."""
    heads = ("", "kind", "name", "question", "expected", "got")
    lines = [heads, *(("" if r.holds else "!", *r[:5]) for r in rows)]
    widths = [max(map(len, column)) for column in list(zip(*lines))[:-1]]
    text = "\n".join(
        "  ".join([*(c.ljust(w) for c, w in zip(line, widths)), line[-1]]) for line in lines
    )
    wrong = sum(not r.holds for r in rows)
    count = f"{len(rows)} hold" if not wrong else f"{wrong} of {len(rows)} do not hold (!)"
    return f"{text}\n{count}"
