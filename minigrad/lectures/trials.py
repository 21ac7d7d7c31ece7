"""A student's functions, each checked in a process of its own by the checks that were handed out.

Of the student's file only the functions and what they read are run: cells that train or draw, or do
not run, do no harm, and copied, split or deleted check cells do not matter.
"""

import contextlib
import io
import json
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


class Outcome(NamedTuple):
    """Of one exercise: "right", "wrong" or "not written", and what there is to say."""

    name: str
    state: str
    text: str = ""


def tried(
    cells: list[str], checks: Mapping[str, str], seconds: float = SECONDS
) -> Iterator[Outcome]:
    """The outcome of each exercise of a student's file; a function has so many seconds."""
    among = statements(map(without_magics, cells))
    for name, check in checks.items():
        found = [s for s in among if getattr(s.node, "name", "") == name]
        if found:
            yield _outcome(name, _alone(found[-1], among), check, seconds)
        else:
            yield Outcome(name, "not written", "there is no function of this name")


def _alone(function: Statement, among: list[Statement]) -> str:
    """A function below what it reads."""
    others = [s for s in among if getattr(s.node, "name", "") not in function.binds]
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
    except NotWritten:
        return "not written", ""
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
