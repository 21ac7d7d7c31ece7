"""A small class that has handed in: right, wrong, broken and hostile answers; and its grading."""

import atexit
import contextlib
import ctypes
import functools
import json
import os
import shutil
import time
from pathlib import Path

from minigrad.grade.assignments import SHIPPED, load
from minigrad.grade.classroom import Class, walls
from minigrad.grade.intake import submissions
from minigrad.grade.sandbox import Sandbox

RIGHT = (SHIPPED / "affine" / "reference.py").read_text()
HANDED_IN = {
    "ann": RIGHT,
    "bo": RIGHT.replace("dA.sum(0)", "dA.mean(0)"),
    "cy": RIGHT.replace("A = X @ W + b", "import time; time.sleep(60)"),
    "di": "",
    "ed": RIGHT.replace("A = X @ W + b", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
    "fay": "def affine(X, U) return X",
    "gus": (SHIPPED / "affine" / "starter.py").read_text(),
}
QUICK = [name for name in HANDED_IN if name != "cy"]  # who end by themselves


def assignment(folder, wall=0.6, name="affine"):
    """A copy of a shipped assignment with less patience."""
    shutil.copytree(SHIPPED / name, folder / name)
    toml = folder / name / "assignment.toml"
    limits = f"[limits]\nwall = {wall}\n\n[[question]]"
    toml.write_text(toml.read_text().replace("[[question]]", limits, 1))
    return folder / name


def hand_in(folder, names=tuple(HANDED_IN)):
    """A folder of files, one a student."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(HANDED_IN[name])
    return folder


walls_here = functools.cache(lambda: walls(trust=True))


def course(task, out, seed=5, **options):
    return Class(load(task), out, *walls_here(), seed, **options)


def graded(task, handed_in, out, jobs=1, resume=False, force=False, **options):
    """Grade into out; the results in the order in which they came."""
    these = course(task, out, **options)
    these.begin(resume, force)
    return list(these.grade(submissions(handed_in), jobs, resume))


def contents(out):
    """The bytes of all files by their names, and of times.json who is in it."""
    files = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    if "times.json" in files:
        files["times.json"] = sorted(json.loads(files["times.json"]))
    return files


sandboxes, idle = contextlib.ExitStack(), []
atexit.register(sandboxes.close)


@contextlib.contextmanager
def used_again(layers):
    """A sandbox that was used before, if one is idle: to start one takes longer than most tests."""
    sandbox = idle.pop() if idle else sandboxes.enter_context(Sandbox(layers))
    yield sandbox
    idle.append(sandbox)


@contextlib.contextmanager
def nothing_left(patience=5.0):
    """Fails if a process that began inside, or a child of its children, outlives the `with`."""
    subreaper, libc = 36, ctypes.CDLL(None)
    before = children()
    libc.prctl(subreaper, 1, 0, 0, 0)  # orphans come to this process
    try:
        yield
        until = time.monotonic() + patience
        while left := children() - before:
            assert time.monotonic() < until, [cmdline(pid) for pid in left]
            for pid in left:
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.01)
    finally:
        libc.prctl(subreaper, 0, 0, 0, 0)


def children():
    """The processes whose parent is this one."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state = path.read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has just ended
        if int(state[1]) == os.getpid():
            found.add(int(path.parent.name))
    return found


def cmdline(pid):
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
