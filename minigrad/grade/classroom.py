"""A whole class: every submission to a file of its own, whatever happens to the others.

out/run.json             what all results have in common: assignment, seed, level of the sandbox
out/students/NAME.json   a result, written whole; equal for equal submissions, so without times
out/times.json           seconds for each student and question
"""

import contextlib
import json
import queue
import secrets
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from ..gradcheck import Unfit
from ..learn import write_whole
from ..version import VERSION
from . import confine
from .assignments import Assignment
from .intake import Submission
from .judge import Judge
from .results import written
from .sandbox import Sandbox


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
    """The grading of many submissions into a folder."""

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
        self.seed = secrets.randbits(62) if seed is None else seed
        self.level = level
        self.times: dict[str, dict[str, float]] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """What all results have in common."""
        questions = [q for q in self.assignment.questions if not self.only or q.name in self.only]
        return {
            "assignment": self.assignment.name,
            "title": self.assignment.title,
            "questions": {q.name: q.max_score for q in questions},
            "sha256": self.assignment.sha256,
            "level": self.level,
            "seed": self.seed,
            "version": VERSION,
        }

    def begin(self, resume: bool = False, force: bool = False) -> None:
        """Write run.json; a folder that holds a grading already needs resume or force."""
        path = self.out / "run.json"
        if path.exists() and not force:
            before = json.loads(path.read_text())
            if not resume:
                raise Unfit(f"{self.out} holds a grading already: --resume goes on, --force redoes")
            self.seed = before.get("seed", self.seed)
            for name, value in self.facts.items():
                if before.get(name) != value:
                    raise Unfit(
                        f"{self.out} was graded with {name} {before.get(name)}, and now it is "
                        f"{value}: --force grades all again"
                    )
            with contextlib.suppress(OSError, ValueError):
                self.times = json.loads((self.out / "times.json").read_text())
        write_whole(path, written(self.facts))

    def grade(
        self,
        submissions: Sequence[Submission],
        jobs: int = 1,
        resume: bool = False,
        files: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Grade with so many sandboxes at a time, and yield results as they come.

        resume: what is graded already stays; files: write each to its file.
        """
        todo = []
        for submission in submissions:
            there = self._there(submission) if resume else None
            if there:
                yield there
            else:
                todo.append(submission)
        if not todo:
            return
        free: queue.SimpleQueue[Sandbox] = queue.SimpleQueue()
        stopped = threading.Event()
        with contextlib.ExitStack() as open_ones:
            for _ in range(min(jobs, len(todo))):
                free.put(open_ones.enter_context(Sandbox(self.layers)))

            def one(submission):
                sandbox = free.get()
                try:
                    return None if stopped.is_set() else self.result(submission, sandbox)
                finally:
                    free.put(sandbox)

            pool = ThreadPoolExecutor(jobs)
            try:
                waiting: set[Future] = {pool.submit(one, s) for s in todo}
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        result, seconds = future.result()
                        self.times[result["student"]] = rounded(seconds)
                        yield self.keep(result) if files else result
            finally:
                stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                if files:
                    write_whole(self.out / "times.json", written(self.times))

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
        result |= {
            "sha256": submission.sha256,
            "version": VERSION,
            "ids": dict(submission.ids),
            "notes": list(submission.notes),
            "rejected": submission.rejected,
        }
        return result, judge.seconds

    def keep(self, result: dict[str, Any]) -> dict[str, Any]:
        """Write a result, unless the grader failed and an older score is there: that one stays."""
        path = self.path(result["student"])
        if result["score"] is None and path.exists():
            with contextlib.suppress(OSError, ValueError):
                before = json.loads(path.read_text())
                if before["score"] is not None and before["sha256"] == result["sha256"]:
                    return before | {"kept": True}
        write_whole(path, written(result))
        return result

    def path(self, student: str) -> Path:
        return self.out / "students" / f"{student}.json"

    def _there(self, submission):
        """The result of this submission, if it was graded so already and by no failing grader."""
        try:
            result = json.loads(self.path(submission.student).read_text())
        except (OSError, ValueError):
            return None
        same = result.get("sha256") == submission.sha256 and result.get("seed") == self.seed
        return result if same and result.get("score") is not None else None


def rounded(seconds: dict[str, float]) -> dict[str, float]:
    """To a tenth of a millisecond."""
    return {name: round(s, 4) for name, s in seconds.items()}
