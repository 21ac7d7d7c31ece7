"""How long it takes to grade a class of 200 with four questions, and where the time goes.

    python -m benchmarks.grading [--seed N]

The class: 160 right, in all the odd forms that ship; 32 wrong in every question, half with known
mistakes; 8 hostile. It is graded by `minigrad grade run --jobs 2`, and every verdict is compared
with the one that is expected. Then one question after the other is checked in this process.
"""

import argparse
import contextlib
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minigrad.grade import judging
from minigrad.grade.assignments import SHIPPED, load, shipped
from minigrad.grade.classroom import Class, walls
from minigrad.grade.draws import drawn, generator
from minigrad.grade.flags import flagged
from minigrad.grade.intake import Submission
from minigrad.grade.sandbox import Limits, Sandbox

from .compare import machine

PARTS = {"affine": "affine", "softmax": "entropy", "maxpool": "maxpool", "batchnorm": "batchnorm"}
RIGHT, WRONG, JOBS = 160, 32, 2
MARKS = {"class, s": 60, "peak of the parent, MB": 300, "check, median, ms": 50}
TIMES = 20  # that the reference of every shipped question is checked
DRAWN = "drawn"
ROWS = {
    "check": "a right answer, from asking the sandbox to the verdict",
    "check of a wrong answer": "a wrong answer",
    DRAWN: "before that: inputs drawn, the reference's answers",
    "no walls": "an empty job without walls: a fork, a reply",
    "empty job": "an empty job behind walls",
    "runner": "a job",
    "verdict: right": "comparison, all right",
    "verdict: known mistakes": "comparison, and the known mistake that fits",
    "verdict: unknown mistakes": "comparison, and a diagnosis as no known mistake fits",
    "flags": "the source read for what somebody should look at",
    "file": "a student's file written, with fsync",
}
TIMEOUTS = 5 + 2 + 2 + 2  # s of a worker for a student whose four questions do not end
PR_SET_CHILD_SUBREAPER = 36

UNKNOWN = {  # changes of the references that no bank knows, the first of each in the forward
    "affine": [
        ("X @ W + b", "X @ W + 1.1 * b"),
        ("dX += dA @ W.T", "dX += 1.5 * (dA @ W.T)"),
        ("dW += X.T @ dA", "dW += X.T @ dA + 0.1 * W"),
        ("db += dA.sum(0)", "db += dA.sum(0) + 0.1 * b"),
    ],
    "softmax": [
        ("D = -(H * L).sum() / N", "D = 0.1 - (H * L).sum() / N"),
        ("(Y - H) / N", "(Y - 0.9 * H) / N"),
        ("(Y - H) / N", "(Y * Y - H) / N"),
    ],
    "maxpool": [
        ("window.max(2)", "window.max(2) + 0.5"),
        ("dX[place] += dZ[:, :, i, j]", "dX[place] += 0.7 * dZ[:, :, i, j]"),
        ("dX[place] += dZ[:, :, i, j]", "dX[place] += dZ[:, :, i, j] * (i < 1)"),
    ],
    "batchnorm": [
        ("gamma * H + beta", "gamma * H + 1.1 * beta"),
        ("dH - dH.mean(0)", "dH - 0.9 * dH.mean(0)"),
        ("dgamma += (dZ * H).sum(0)", "dgamma += (dZ * H * H).sum(0)"),
        ("dbeta += dZ.sum(0)", "dbeta += dZ.sum(0) - 0.1 * beta"),
    ],
}
HOSTILE = {  # what all four functions do, in a line, and the verdict of every question
    "loop": ("while True: pass", "TIMEOUT"),
    "loop of BLAS": ("while True: np.ones((500, 500)) @ np.ones((500, 500))", "TIMEOUT"),
    "sleeper": ("time.sleep(1e6)", "TIMEOUT"),
    "fork bomb": ("while True: os.fork()", "CRASH"),
    "memory bomb": ("while True: hoard.extend(hoard)", "MEMORY"),
}
LIES = ("K01_patches_numpy", "K03_forges_frames", "K11_lying_array")  # of affine; no other answer


class Handed(NamedTuple):
    """A submission, its kind, and for each question verdicts or causes of which one must come."""

    kind: str
    source: str
    expected: dict[str, tuple[str, ...]]


def compose(folder: Path) -> None:
    """Write an assignment of four shipped questions, one of each file behind the other."""
    parts = {name: load(name) for name in PARTS}
    for file in ("inputs.py", "reference.py", "starter.py"):
        (folder / file).write_text("\n\n".join(a.sources[file] for a in parts.values()))
    head, mark = 'schema = 1\ntitle = "Four layers"\n', "[[question]]"
    asked = [
        mark + text
        for name, a in parts.items()
        for text in a.sources["assignment.toml"].split(mark)[1:]
        if f'name = "{PARTS[name]}"' in text
    ]
    (folder / "assignment.toml").write_text(head + "".join(asked))


def handed_in() -> list[Handed]:
    """The class, always the same."""
    parts = {name: load(name) for name in PARTS}
    asked = {
        name: next(q for q in a.questions if q.name == PARTS[name]) for name, a in parts.items()
    }
    bank = {name: question.mistakes for name, question in asked.items()}
    odd = {
        name: [a.source_of_reference, *(p.read_text() for p in sorted(a.folder.glob("right/*.py")))]
        for name, a in parts.items()
    }
    alike = lambda *words: dict.fromkeys(PARTS.values(), words)
    found = []
    for i in range(RIGHT):
        found.append(Handed("right", _joined(o[i % len(o)] for o in odd.values()), alike("PASS")))
    for i in range(WRONG // 2):
        known = {name: m[i * len(m) // (WRONG // 2)] for name, m in bank.items()}
        source = _joined(parts[name].mistaken(asked[name], m) for name, m in known.items())
        codes = {PARTS[name]: (m.code,) for name, m in known.items()}
        found.append(Handed("known mistakes", source, codes))
    for i in range(WRONG // 2):
        source = _joined(
            parts[name].source_of_reference.replace(*changes[i % len(changes)])
            for name, changes in UNKNOWN.items()
        )
        found.append(Handed("unknown mistakes", source, alike("FAIL")))
    for kind, (bomb, verdict) in HOSTILE.items():
        bombs = [f"def {name}(*args):\n    {bomb}" for name in PARTS.values()]
        source = _joined(["import os\nimport time\nimport numpy as np\nhoard = [0]", *bombs])
        found.append(Handed(kind, source, alike(verdict)))
    for name in LIES:
        source = (SHIPPED.with_name("attacks") / f"{name}.py").read_text()
        verdicts = source.splitlines()[0].removeprefix("# verdict: ").split()
        found.append(Handed("lies", source, alike("MISSING") | {"affine": tuple(verdicts)}))
    return found


def _joined(sources: Iterable[str]) -> str:
    return "\n\n\n".join(sources)


def graded(folder: Path, seed: int) -> dict:
    """Grade the class as a teacher would; what it took, and what came of each."""
    (folder / "four").mkdir()
    (folder / "submissions").mkdir()
    compose(folder / "four")
    students = handed_in()
    order = np.random.default_rng(0).permutation(len(students))
    names = [f"s{i:03}" for i in order]
    for name, student in zip(names, students):
        (folder / "submissions" / f"{name}.py").write_text(student.source)
    command = ["grade", "run", "four", "submissions", "-o", "out", "--require", "basic"]
    command += ["--jobs", str(JOBS), "--seed", str(seed)]
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "minigrad", *command], cwd=folder)
    peak, own, done = 0.0, 0.0, 0
    while not done:
        with contextlib.suppress(OSError, StopIteration):
            peak, own = _peak(process.pid), _seconds(process.pid)
        time.sleep(0.02)
        done, status, used = os.wait4(process.pid, os.WNOHANG)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode > 1:
        raise SystemExit(f"minigrad {' '.join(command)} ended with {process.returncode}")
    results = {
        name: json.loads((folder / "out" / "students" / f"{name}.json").read_text())
        for name in names
    }
    return {
        "wall": wall,
        "peak": peak,
        "own": own,
        "cpu": used.ru_utime + used.ru_stime,
        "left": _children(),
        "rows": [(s, results[name]["questions"]) for name, s in zip(names, students)],
    }


def _peak(pid: int) -> float:
    """The largest resident size that a process had, in MB; children do not count."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _seconds(pid: int) -> float:
    """Processor time of a process without its children's."""
    after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after[11]) + int(after[12])) / os.sysconf("SC_CLK_TCK")


def _children() -> list[str]:
    """Processes below this one: with it as subreaper, all that a command has left behind."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text()
            if text.rpartition(")")[2].split()[1] == str(os.getpid()):
                found.append(text.rpartition(")")[0] + ")")
    return found


def unexpected(rows: list) -> list[str]:
    """A sentence for every verdict that is not as expected."""
    codes = {m.code for name in PARTS for q in load(name).questions for m in q.mistakes}
    said = []
    for student, questions in rows:
        for name, wanted in student.expected.items():
            got = questions[name]["verdict"], questions[name]["reason"]
            guessed = student.kind == "unknown mistakes" and got[1] in codes
            if set(wanted).isdisjoint(got) or guessed:
                said.append(
                    f"{student.kind}: {name} gives {got[0]} {got[1]!r} for {' or '.join(wanted)}"
                )
    return said


def verdicts(rows: list) -> Iterable[str]:
    """A line for each kind of student: how many, and the verdicts of their questions."""
    kinds = dict.fromkeys(student.kind for student, _ in rows)
    for kind in kinds:
        of_kind = [questions.values() for student, questions in rows if student.kind == kind]
        count = Counter(q["verdict"] for questions in of_kind for q in questions)
        words = ", ".join(f"{n} {verdict}" for verdict, n in count.most_common())
        yield f"| {kind} | {len(of_kind)} | {words} |"


def clocked(times: dict, part: str, f, *args):
    """What a function gives; appends (ms of the wall, ms of this process) to a part's times."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = f(*args)
    times.setdefault(part, []).append(
        (1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))
    )
    return result


def parts(folder: Path, layers: Sequence[str], level: str) -> dict[str, list[tuple[float, float]]]:
    """ms of the parts of a check, over a right student for each wrong one."""
    assignment = load(folder / "four")
    course = Class(assignment, folder / "again", layers, level, seed=1)
    times: dict = {}
    with Sandbox(layers) as sandbox, Sandbox(()) as bare:
        grader = judging.Judge(assignment, sandbox)
        for student in handed_in()[RIGHT - WRONG : RIGHT + WRONG]:
            for question in assignment.questions:
                check = {}
                rng = generator(1, student.source, question.name)
                steps = clocked(times, DRAWN, drawn, assignment, question, rng)
                asked = student.source, question.name, steps.steps, assignment.limits
                outcome = clocked(check, "runner", sandbox.run, *asked)
                verdict = judging.Verdict(
                    grader, question, student.source, steps, outcome, assignment.limits
                )
                clocked(check, f"verdict: {student.kind}", list, verdict.checks())
                clocked(check, "flags", list, flagged(student.source, question.name))
                for part, spent in check.items():
                    times.setdefault(part, []).extend(spent)
                whole = "check" if student.kind == "right" else "check of a wrong answer"
                spent = tuple(map(sum, zip(*(ms for (ms,) in check.values()))))
                times.setdefault(whole, []).append(spent)
            result, _ = course.result(Submission("ada", student.source), sandbox)
            clocked(times, "file", course.keep, result)
            clocked(times, "no walls", bare.run, "", "f", [("forward", "a", ())])
            clocked(times, "empty job", sandbox.run, "", "f", [("forward", "a", ())])
    return times


def of_every_question(layers: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """ms of a check of the reference, drawing included, for every question that ships."""
    times: dict = {}
    with Sandbox(layers) as sandbox:
        for name in shipped():
            grader = judging.Judge(load(name), sandbox)
            for question in grader.assignment.questions:
                for i in range(TIMES):
                    rng = generator(1, str(i), question.name)
                    asked = question, grader.assignment.source_of_reference, rng, Limits()
                    result = clocked(times, question.name, grader.question, *asked)
                    if result["verdict"] != "PASS":
                        raise SystemExit(f"{question.name} of {name}: its reference does not pass")
    return times


def line(words: str, spent: list[tuple[float, float]]) -> str:
    """A row of a table: median and 95th of 100 by the wall, median of this process's own time."""
    walls, own = zip(*spent)
    return (
        f"| {words} | {statistics.median(walls):.1f} | {np.percentile(walls, 95):.1f} "
        f"| {statistics.median(own):.1f} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of the inputs, 1 by default")
    seed = parser.parse_args().seed
    if sys.platform != "linux":
        raise SystemExit("the sandbox is Linux's: there is nothing to measure here")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    layers, level = walls()
    load_before = os.getloadavg()[0]
    print(f"{machine()}; load {load_before:.1f} before; sandbox: {level}\n")
    with tempfile.TemporaryDirectory() as name:
        found = graded(Path(name), seed)
        spent = parts(Path(name), layers, level)
    print("\n| students | | verdicts of their questions |\n|---|---|---|")
    print("\n".join(verdicts(found["rows"])))
    most = (3 * TIMEOUTS + found["cpu"]) / JOBS
    print(
        f"\nprocessor time {found['cpu']:.0f} s, of it {found['own']:.0f} s the parent's; alone on "
        f"{JOBS} cores {most - 2 * TIMEOUTS / JOBS:.0f} to {most:.0f} s, as loops count as both\n"
    )
    print("| ms | median | 95 of 100 | the parent's processor time |\n|---|---|---|---|")
    print("\n".join(line(words, spent[part]) for part, words in ROWS.items()))
    print("\n| ms, drawing included | median | 95 of 100 | the parent's |\n|---|---|---|---|")
    print("\n".join(line(words, ms) for words, ms in of_every_question(layers).items()))
    figures = {
        "class, s": found["wall"],
        "peak of the parent, MB": found["peak"],
        "check, median, ms": statistics.median(wall for wall, _ in spent["check"]),
    }
    wrong = unexpected(found["rows"]) + [f"{one} was left behind" for one in found["left"]]
    print()
    for what, mark in MARKS.items():
        holds = "holds" if figures[what] < mark else "does not hold"
        print(f"{what}: {figures[what]:.1f}, under {mark} {holds}")
    print("\n".join(wrong) or "every verdict as expected, no process left behind")
    return int(bool(wrong) or any(figures[what] >= mark for what, mark in MARKS.items()))


if __name__ == "__main__":
    sys.exit(main())
