"""The judge's side of the wall: one job to one runner, and what came back, or why nothing did.

>>> with Sandbox(layers=()) as sandbox:
...     A = np.array([1.0, 2.0])
...     source = "def double(A): return 2 * A, lambda dZ, dA: dA.__iadd__(2 * dZ)"
...     outcome = sandbox.run(source, "double", [("forward", "a", (A,))])
>>> kind, (value, A_after) = outcome.replies[0]
>>> value, A_after
(array([2., 4.]), array([1., 2.]))
"""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import confine, frames, runner

LARGEST = 1 << 22  # bytes of a reply
MOST = 1 << 26  # bytes of all replies to a job
ANSWERS = (frames.ARRAYS, frames.MISFIT, frames.RAISED)
NO_FUNCTION = (frames.NOT_LOADED, frames.MISSING)  # a job's first reply, and then its last
PATIENCE = 10.0  # s for the zygote, beyond a job's wall time, before it counts as broken


class Limits(NamedTuple):
    """Of one job: wall and CPU time in s, address space in MiB."""

    wall: float = 5.0
    cpu: float = 5.0
    memory: int = 512


DEFAULTS = Limits()


class Outcome(NamedTuple):
    """What a job gave: (kind, arrays or text) of its steps, seconds of each, and how it ended.

    seconds: also those of a step that was waited for and gave nothing.

    ended: "" if every step has a reply, else TIMEOUT, CRASH, PROTOCOL or INTERNAL; said: a
    sentence on it.
    """

    replies: list[tuple[int, Any]]
    seconds: list[float]
    ended: str
    said: str


class Broken(Exception):
    """The sandbox itself failed: none of the student's doing."""


class Sandbox:
    """A zygote and its runners, one at a time; close it, or use `with`.

    layers: of `confine.LAYERS`, those that stand around a runner; by default all that work here.
    """

    def __init__(self, layers: Sequence[str] | None = None):
        if layers is None:
            layers = [name for name, missing in confine.available().items() if not missing]
        self.layers = list(layers)
        left_out = {name: "" if name in self.layers else "left out" for name in confine.LAYERS}
        self.level = confine.level(left_out)
        self.uid: int | None
        self._holder: socket.socket | None
        self.uid, self._holder = confine.free_uid() if "uid" in self.layers else (None, None)
        self._start()

    def _start(self):
        self._control, theirs = socket.socketpair()
        script = Path(__file__).with_name("zygote.py")
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
        with theirs:
            self._zygote = subprocess.Popen(
                [sys.executable, "-I", str(script), str(theirs.fileno()), *self.layers],
                pass_fds=[theirs.fileno()],
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **threads},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the zygote, and give the user number back."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._zygote.wait(1)
        self._zygote.kill()
        self._zygote.wait()
        if self._holder:
            self._holder.close()

    def run(
        self, source: str, entry: str, steps: Sequence[tuple], limits: Limits = DEFAULTS
    ) -> Outcome:
        """Let a runner do the steps with a student's function; see `runner`."""
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(limits.wall + PATIENCE)
            try:
                with theirs:
                    job = {**limits._asdict(), "layers": self.layers, "uid": self.uid}
                    socket.send_fds(self._control, [json.dumps(job).encode()], [theirs.fileno()])
                outcome = self._replies(ours, source, entry, steps)
                return self._ended(outcome, limits)
            except Exception as error:  # whatever it is, the zygote may be in the middle of a job
                self._again()
                return Outcome([], [], "INTERNAL", f"the sandbox failed: {error}")

    def _again(self):
        self._zygote.kill()
        self._zygote.wait()
        self._control.close()
        self._start()

    def _replies(self, ours, source, entry, steps):
        replies, seconds = [], []
        outcome = Outcome(replies, seconds, "", "")
        kind, what = reply(ours, (frames.READY, frames.OURS))
        if kind == frames.OURS:
            raise Broken(what)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            ours.sendall(job_of(source, entry, steps))
        before, size = time.monotonic(), 0
        try:
            for _ in steps:
                replies.append(reply(ours, ANSWERS if replies else (*ANSWERS, *NO_FUNCTION)))
                now = time.monotonic()
                seconds.append(now - before)
                before = now
                what = replies[-1][1]
                size += sum(a.nbytes for a in getattr(what, "arrays", what))
                if size > MOST:
                    raise frames.BadFrame(f"its answers are more than {MOST} bytes")
                if replies[-1][0] in NO_FUNCTION:
                    break
        except (EOFError, ConnectionResetError):
            seconds.append(time.monotonic() - before)
            return outcome._replace(ended="CRASH", said="it ended before it had answered")
        except frames.BadFrame as error:
            return outcome._replace(ended="PROTOCOL", said=f"its answer cannot be read: {error}")
        return outcome

    def _ended(self, outcome, limits):
        self._control.settimeout(limits.wall + PATIENCE)
        self._control.sendall(b".")
        told = json.loads(self._control.recv(1000) or "null")
        if told is None:
            raise Broken("the zygote has ended")
        if outcome.ended == "CRASH":
            number = told["status"] & 0x7F
            if not told["in_time"]:
                said = f"it was not done after {limits.wall:g} s"
                return outcome._replace(ended="TIMEOUT", said=said)
            if number == signal.SIGKILL and told["cpu"] > 0.7 * limits.cpu:  # ticks are coarse
                said = f"it had used {limits.cpu:g} s of the processor"
                return outcome._replace(ended="TIMEOUT", said=said)
            if number:
                said = f"its process was ended by signal {number} ({signal.strsignal(number)})"
                return outcome._replace(said=said)
        return outcome


def job_of(source: str, entry: str, steps: Sequence[tuple]) -> bytes:
    """A job as two frames: what to do, and its arrays."""
    arrays: list[np.ndarray] = []
    outlined = [
        [name, call, *(runner.outline(nest, arrays) for nest in rest)]
        for name, call, *rest in steps
    ]
    job = {"source": source, "entry": entry, "steps": outlined}
    return frames.pack_text(frames.JOB, json.dumps(job)) + frames.pack(frames.ARRAYS, arrays)


def reply(connection: socket.socket, kinds: Sequence[int]) -> tuple[int, Any]:
    """The next (kind, arrays or text); kind and length are looked at before anything else is read.

    Raises frames.BadFrame for what is none, too long, or not of these kinds.
    """
    length, kind, count = frames.HEAD.unpack(runner.exactly(connection.recv, frames.HEAD.size))
    if kind not in kinds:
        raise frames.BadFrame(f"its kind, {kind}, is not expected here")
    if length > (LARGEST if kind in (frames.ARRAYS, frames.RAISED) else 2 * frames.TEXT):
        raise frames.BadFrame(f"it is {length} bytes long")
    body = runner.exactly(connection.recv, length)
    if kind == frames.ARRAYS:
        return kind, frames.unpack(count, body)
    return kind, frames.text_of(body, count)
