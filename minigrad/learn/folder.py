"""The folder of a run: what it leaves behind, held by one process at a time, never half written.

checkpoint.safetensors          the last step saved: what a resumed run goes on from
checkpoint-before.safetensors   the one before
log.csv, times.csv              a row every few steps: the losses, which a resumed run repeats
                                to the byte, and the clock's, which it does not
epochs.csv                      a row for each epoch with scores, as of validation
run.json                        what runs, since when, how far it is, its options and scores
lock                            while a process holds the folder
"""

import csv
import datetime
import io
import json
import os
import shlex
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..version import VERSION
from .checkpoint import (
    CheckpointError,
    Damaged,
    as_json,
    load_checkpoint,
    read_checkpoint,
    remove_leftovers,
    save_checkpoint,
    write_whole,
)

CHECKPOINT, BEFORE = "checkpoint.safetensors", "checkpoint-before.safetensors"
LOG = ("step", "epoch", "loss", "rate")
TIMES = ("step", "seconds", "images_per_s")
TABLES = {"log.csv": LOG, "times.csv": TIMES}
EPOCHS = "epochs.csv"


class FolderInUse(RuntimeError):
    """Another process trains in the folder; the message says which."""


class NotSaved(RuntimeError):
    """The disk took no more; the message says what is whole and how to go on."""


class Nowhere:
    """A run that leaves nothing behind.  steps: how many it has, which may turn out to be fewer."""

    steps = 0

    def __enter__(self) -> "Nowhere":
        return self

    def __exit__(self, *exception: Any) -> None:
        pass

    def begin(self, facts: dict[str, Any], steps: int, resumed: bool) -> None:
        pass

    def add(self, row: dict[str, Any]) -> None:
        pass

    def save(self, arrays: dict[str, Any], facts: dict[str, Any]) -> str:
        return "not saved"


class Folder(Nowhere):
    """A run's folder, held from entering `with` until leaving it.

    when_full: "stop" or "go on" when something could not be written, see `train`.
    Raises FolderInUse if another process holds it, NotSaved to stop.
    """

    def __init__(self, path: str | Path, when_full: str = "stop"):
        if when_full not in ("stop", "go on"):
            raise ValueError(f'train: when_full is "stop" or "go on", not {when_full!r}')
        self.path, self.when_full = Path(path).absolute(), when_full
        self.checkpoint, self.before = self.path / CHECKPOINT, self.path / BEFORE
        self.behind = True  # the tables lack rows, or hold another run's
        self.facts: dict[str, Any] = {}
        self.scores: dict[str, float] = {}

    def __enter__(self) -> "Folder":
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = hold(self.path / "lock")
        remove_leftovers(self.path)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        stopped = kind and issubclass(kind, KeyboardInterrupt)
        try:
            if self.facts:
                self._note("interrupted" if stopped else "failed" if kind else "finished")
        except OSError:
            pass  # the disk is full, and save has said so
        finally:
            let_go(self.path / "lock", self._lock)

    def begin(self, facts: dict[str, Any], steps: int, resumed: bool) -> None:
        """Tell what runs, and how far it is: facts, which change as it runs.

        Raises CheckpointError for a new run where another one could go on.
        """
        before = noted(self.path)
        done, wanted = before.get("step", 0), before.get("steps", 0)
        if resumed:
            self.scores = before.get("scores", {})
        elif 0 < done < wanted and self.checkpoint.exists():
            raise CheckpointError(
                f"{self.path}: holds a run that stopped at step {done} of {wanted}: resume goes on "
                "from there; to begin anew, remove the folder or take another"
            )
        else:
            self.before.unlink(missing_ok=True)
            (self.path / EPOCHS).unlink(missing_ok=True)
        self.steps, self.facts = steps, facts

        def write():
            self._tables()
            self._note("running")

        self._unless_full(write)

    def add(self, row: dict[str, Any]) -> None:
        """Append a row to the tables, for those who look at them while the run is on."""
        if self.behind:
            return
        try:
            for name, columns in TABLES.items():
                with (self.path / name).open("a", newline="") as file:
                    file.write(as_csv([row], columns).partition("\n")[2])
        except OSError:
            self.behind = True  # they are written whole with the next checkpoint

    def save(self, arrays: dict[str, Any], facts: dict[str, Any]) -> str:
        """Write the checkpoint, keeping the run's one before; says in words how it went."""
        keep = self.before if facts["step"] else None

        def write():
            save_checkpoint(self.checkpoint, arrays, facts, keep)
            if self.behind:
                self._tables()
            self._epochs()
            self._note("running")

        if self._unless_full(write):
            return f"saved in {self.checkpoint}: the same again with resume goes on from there"
        return "not saved: the disk is full; what was saved before is whole"

    def _unless_full(self, write):
        """True if something could be written; else stop, or warn, as was asked."""
        try:
            write()
        except OSError as error:
            self.behind = True
            sentence = (
                f"step {self.facts['step']} could not be saved in {self.path}: "
                f"{error.strerror or error}; what was saved before is whole"
            )
            if self.when_full == "stop":
                raise NotSaved(
                    f"{sentence}: make room, and the same again with resume goes on from there"
                ) from error
            warnings.warn(f"{sentence}, and the run goes on", RuntimeWarning, stacklevel=4)
            return False
        return True

    def _tables(self):
        for name, columns in TABLES.items():
            write_whole(self.path / name, as_csv(self.facts["log"], columns))
        self.behind = False

    def _epochs(self):
        """Write the rows that have scores as a table, and note those of the last one."""
        names = lambda row: [name for name in row if name not in (*LOG, *TIMES)]
        if rows := [row for row in self.facts["log"] if names(row)]:
            own = names(rows[-1])
            write_whole(self.path / EPOCHS, as_csv(rows, ("step", "epoch", *own)))
            self.scores |= {name: rows[-1][name] for name in own}

    def _note(self, state):
        log = self.facts["log"]
        found = {
            "what": command(),
            "version": VERSION,
            "started": self.facts["started"],
            "updated": now(),
            "state": state,
            "step": self.facts["step"],
            "steps": self.steps,
            "options": self.facts["run"],
            "loss": log[-1]["loss"] if log else None,
            "seconds": round(self.facts["seconds"], 3),
            "scores": self.scores,
        }
        write_whole(self.path / "run.json", as_json(found))


def load_last(
    folder: str | Path, arrays: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Fill the arrays from a run's last checkpoint; returns its facts. Raises CheckpointError.

    Of a damaged one the message says whether the one before is whole.
    """
    last, before = (Path(folder) / name for name in (CHECKPOINT, BEFORE))
    try:
        return load_checkpoint(last, arrays, expected)
    except Damaged as error:
        try:
            _, facts, _ = read_checkpoint(before, expected)
        except CheckpointError:
            raise error from None
        raise Damaged(
            f"{error}. {BEFORE} is whole, of step {facts['step']}: "
            f"to go on from there, give it the name {CHECKPOINT}"
        ) from None


def noted(folder: Path) -> dict[str, Any]:
    """What run.json says; nothing if there is none that can be read."""
    try:
        found = json.loads((folder / "run.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note_scores(folder: str | Path, scores: dict[str, float]) -> None:
    """Add scores by name to a run's `run.json`, which `minigrad runs` shows, the first first."""
    path = Path(folder) / "run.json"
    write_whole(path, as_json(noted(path.parent) | {"scores": scores}))


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def command() -> str:
    """What was typed to start this process, about."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    script = ["-m", spec.name.removesuffix(".__main__")] if spec else sys.argv[:1]
    return shlex.join(["python", *script, *sys.argv[1:]])


def as_csv(rows: list[dict[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Rows (dicts) as the text of a CSV file; columns: which keys, those of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, columns or list(rows[0]), extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def hold(path: Path) -> Any:
    """The lock file, open and held by this process; it is let go when the process ends, however.

    Where the system has no such locks (Windows), nothing is refused.
    """
    try:
        import fcntl
    except ImportError:
        return path.open("a")
    asked = False
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not asked:  # once more: `minigrad runs` holds it, too, for as long as it looks
                asked = True
                file.close()
                time.sleep(0.1)
                continue
            file.seek(0)
            other = file.read() or "another process"
            file.close()
            raise FolderInUse(
                f"{path.parent}: {other} is at work here: wait for it, or take another folder"
            ) from None
        except OSError:  # a file system without locks
            return file
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.truncate(0)
            file.write(f"process {os.getpid()}")
            file.flush()
            return file
        file.close()  # who had it before has just removed it


def let_go(path: Path, file: Any) -> None:
    path.unlink(missing_ok=True)
    file.close()
