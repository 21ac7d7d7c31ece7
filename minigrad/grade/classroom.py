"""A whole class: every submission to a file of its own, whatever happens to the others.

out/run.json             what all results have in common: assignment, seed, level of the sandbox
out/students/NAME.json   a result, written whole; equal for equal submissions, so without times
out/times.json           seconds for each student and question

A run may be stopped or killed at any moment. Gone on with, it leaves what it would have left.
"""

import contextlib
import itertools
import json
import queue
import secrets
import time
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from ..gradcheck import Unfit
from ..learn import remove_leftovers, write_whole
from ..version import VERSION
from . import confine
from .assignments import Assignment
from .intake import Submission
from .judging import Judge
from .results import written
from .sandbox import Sandbox

OFTEN = 1.0  # s between two times that times.json is written


class TooWeak(Exception):
    """The sandbox of this machine is weaker than what was required."""


def walls(require: str | None = None, trust: bool = False) -> tuple[tuple[str, ...], str]:
    """(layers, level) of the sandbox here; TooWeak if the level required is not reached.

    trust: run submissions without any, where there is none.
    """
    missing = confine.available()
    level = confine.level(missing)
    levels = ("none", "basic", "strong")
    if levels.index(level) < levels.index(require or "none"):
        reasons = "; ".join(f"{name}: {why}" for name, why in missing.items() if why)
        raise TooWeak(f"the sandbox here is {level}, and {require} is required ({reasons})")
    if level == "none" and not trust:
        raise TooWeak(
            "there is no sandbox here, so a submission can do all that you can: grade on Linux, or "
            "give --trust-submissions if you trust every one"
        )
    return confine.layers_of(level, missing), level


class Class:
    """The grading of many submissions into a folder.

    seed: of all inputs; by default that of the folder, or a secret one.  only: names of questions.
    """

    def __init__(
        self,
        assignment: Assignment,
        out: Path,
        layers: Sequence[str],
        level: str,
        seed: int | None = None,
        only: Sequence[str] = (),
    ):
        unknown = set(only) - {q.name for q in assignment.questions}
        if unknown:
            names = ", ".join(q.name for q in assignment.questions)
            raise Unfit(f"{assignment.name} has no question {min(unknown)!r}: it has {names}")
        self.assignment, self.out, self.layers, self.only = assignment, out, layers, tuple(only)
        self.given, self.seed = seed, secrets.randbits(62) if seed is None else seed
        self.level = level
        self.times: dict[str, dict[str, float]] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """What all results have in common."""
        questions = [q for q in self.assignment.questions if not self.only or q.name in self.only]
        return {
            "assignment": self.assignment.name,
            "assignment_sha256": self.assignment.sha256,
            "title": self.assignment.title,
            "questions": {q.name: q.max_score for q in questions},
            "level": self.level,
            "seed": self.seed,
            "version": VERSION,
        }

    def begin(self, resume: bool = False, force: bool = False) -> None:
        """Write run.json; a folder that holds a grading already needs resume or force.

        Raises Unfit if resume would mix what was graded in different ways.
        """
        path = self.out / "run.json"
        if path.exists() and not (resume or force):
            raise Unfit(f"{self.out} holds a grading already: --resume goes on, --force redoes")
        before = _read(path)
        if self.given is None:
            self.seed = before.get("seed", self.seed)
        if resume and path.exists():
            self._refuse_another(before)
            self.times = _read(self.out / "times.json")
        for folder in (self.out, self.out / "students"):
            remove_leftovers(folder)
        write_whole(path, written(self.facts))

    def _refuse_another(self, before):
        for name, now in self.facts.items():
            then = before.get(name)
            if then == now:
                continue
            if name == "assignment_sha256":
                differs = f"an earlier version of {self.assignment.name}"
            elif name == "questions":
                differs = f"questions {', '.join(then or ())}, and now it is {', '.join(now)}"
            else:
                differs = f"{name} {then}, and now it is {now}"
            raise Unfit(
                f"{self.out} was graded with {differs}: --force, for the whole class, grades again"
            )

    def grade(
        self,
        submissions: Sequence[Submission],
        jobs: int = 1,
        resume: bool = False,
        files: bool = True,
    ) -> Generator[dict[str, Any]]:
        """Grade with so many sandboxes at a time, and yield results as they come.

        resume: what is graded already stays; files: write each to its file.
        """
        left = []
        for submission in submissions:
            there = self._there(submission) if resume else None
            if there:
                yield there
            else:
                left.append(submission)
        if not left:
            return
        jobs, todo = min(jobs, len(left)), iter(left)
        free: queue.SimpleQueue[Sandbox] = queue.SimpleQueue()

        def one(submission):
            sandbox = free.get()
            try:
                result, seconds = self.result(submission, sandbox)
            finally:
                free.put(sandbox)
            if files:
                result = self.keep(result)
            self.times[submission.student] = seconds
            return result

        with contextlib.ExitStack() as stack:
            for _ in range(jobs):
                free.put(stack.enter_context(Sandbox(self.layers)))
            if files:
                stack.callback(self._note_times)
            pool = stack.enter_context(ThreadPoolExecutor(jobs))
            # never more than can run: stopped, it has no others to finish
            waiting: set[Future] = {pool.submit(one, s) for s in itertools.islice(todo, jobs)}
            noted = time.monotonic()
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= {pool.submit(one, s) for s in itertools.islice(todo, len(done))}
                if files and time.monotonic() > noted + OFTEN:
                    self._note_times()
                    noted = time.monotonic()
                for future in done:
                    yield future.result()

    def _note_times(self):
        write_whole(self.out / "times.json", written(dict(self.times)))

    def result(
        self, submission: Submission, sandbox: Sandbox
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """(result, seconds of its questions) of one submission."""
        judge = Judge(self.assignment, sandbox)
        if submission.rejected:
            result = judge.without(
                "REJECTED", submission.rejected, submission.student, self.seed, self.only
            )
        else:
            result = judge.student(submission.student, submission.source, self.seed, self.only)
        seconds = {name: round(s, 4) for name, s in judge.seconds.items()}
        return result | self._known(submission), seconds

    def _known(self, submission):
        """What of a result stands before the grading: equal, it would be graded the same again."""
        common = self.facts
        del common["questions"]
        return common | {
            "sha256": submission.sha256,
            "ids": dict(submission.ids),
            "notes": list(submission.notes),
            "rejected": submission.rejected,
        }

    def keep(self, result: dict[str, Any]) -> dict[str, Any]:
        """Write a result, unless the grader failed and an older score is there: that one stays."""
        path = self.path(result["student"])
        if result["score"] is None:
            before = _read(path)
            if before.get("score") is not None and before["sha256"] == result["sha256"]:
                return before | {"kept": True}
        write_whole(path, written(result))
        return result

    def path(self, student: str) -> Path:
        return self.out / "students" / f"{student}.json"

    def _there(self, submission):
        """The result of this submission, if it was graded so already and by no failing grader.

        Without its time it counts as not graded: a killed run may have come no further.
        """
        before = _read(self.path(submission.student))
        if before.get("score") is None or submission.student not in self.times:
            return None
        questions = before["questions"].keys() == self.facts["questions"].keys()
        return before if questions and before == before | self._known(submission) else None


def _read(path: Path) -> dict[str, Any]:
    """A file's JSON object; an empty one if there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
