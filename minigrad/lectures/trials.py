"""A student's functions, each checked in a process of its own by the checks that were handed out.

Of the student's file only the functions and what they read are run: cells that train or draw, or do
not run, do no harm, and copied, split or deleted check cells do not matter.
"""

import ast
import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .copies import without_magics
from .excerpts import Statement, needed_by, statements

SECONDS = 60
LATER = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


class Outcome(NamedTuple):
    """Of one exercise: "right", "wrong" or "not written", and what there is to say."""

    name: str
    state: str
    text: str = ""


def tried(
    cells: list[str], checks: Mapping[str, str], seconds: float = SECONDS
) -> Iterator[Outcome]:
    """The outcome of each exercise of a student's file; a function has so many seconds."""
    cells = list(map(without_magics, cells))
    among = statements(cells)
    for name, check in checks.items():
        places = [i for i, s in enumerate(among) if getattr(s.node, "name", "") == name]
        if not places:
            yield _not_found(name, cells)
            continue
        outcome = _outcome(name, _alone(places[-1], among), check, seconds)
        if len(places) > 1 and outcome.state != "right":
            count = f"there are {len(places)} functions of this name, and the last one counts"
            outcome = outcome._replace(text="\n".join(filter(None, (outcome.text, count))))
        yield outcome


def _not_found(name: str, cells: list[str]) -> Outcome:
    for cell in cells:
        if re.search(rf"^def {name}\b", cell, re.MULTILINE):
            try:
                ast.parse(cell, "its cell")
            except (SyntaxError, ValueError) as error:
                return Outcome(name, "wrong", f"Python cannot read it: {error}")
    return Outcome(name, "not written", "there is no function of this name")


def _alone(place: int, among: list[Statement]) -> str:
    """A function below what it reads; what later cells compute is not there yet when it is run."""
    function = among[place]
    there = [*among[:place], *(s for s in among[place:] if isinstance(s.node, LATER))]
    others = [s for s in there if getattr(s.node, "name", "") not in function.binds]
    return "\n\n".join(s.text for s in [*needed_by(function.reads, others), function])


def _outcome(name, source, check, seconds):
    job = json.dumps({"name": name, "source": source, "check": check})
    command = [sys.executable, "-m", "minigrad.lectures.trials"]
    try:
        done = subprocess.run(command, input=job, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Outcome(name, "wrong", f"it was not done after {seconds:g} seconds")
    try:
        return Outcome(name, *json.loads(done.stdout))
    except (ValueError, TypeError):
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Outcome(name, "wrong", f"the check ended early: {last}")


def _check(job: dict[str, str], folder: str) -> tuple[str, str]:
    """(state, text) of one exercise, here."""
    from .exercises import NotWritten

    path = Path(folder, "lecture.py")  # a file, so that messages can quote its lines
    path.write_text(job["source"], "utf-8")
    student: dict[str, Any] = {"__name__": "lecture"}
    try:
        exec(compile(job["source"], str(path), "exec", dont_inherit=True), student)
    except (Exception, SystemExit) as error:
        return "wrong", f"what it reads cannot be run: {type(error).__name__}: {error}"
    *before, call = statements([job["check"]])
    names = {job["name"]: student[job["name"]]}
    exec("\n\n".join(s.text for s in before), names)
    names[job["name"]] = student[job["name"]]  # a check may import the library's of the same name
    try:
        result = eval(call.text, names)
    except NotWritten as gap:
        says, *_ = str(gap).split(":")
        return "not written", "" if says == f"{job['name']} is not written yet" else says
    _, _, below = str(result).partition("\n")  # of the headline
    return ("right" if result else "wrong"), textwrap.dedent(below)


def main() -> None:
    """Read a job, and write its outcome; what the student's code prints is dropped."""
    job = json.load(sys.stdin)
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        outcome = _check(job, folder)
    json.dump(outcome, sys.stdout)


if __name__ == "__main__":
    main()
