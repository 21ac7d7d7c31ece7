"""A class is graded whatever is handed in, and whenever the grading is stopped."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from classes import (
    HANDED_IN,
    QUICK,
    RIGHT,
    assignment,
    children,
    cmdline,
    contents,
    course,
    graded,
    hand_in,
    nothing_left,
    used_again,
)

from minigrad.gradcheck import Unfit
from minigrad.grade import classroom, confine
from minigrad.grade.classroom import TooWeak, walls
from minigrad.grade.intake import submissions
from minigrad.grade.results import needs_look

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A class that was graded once: its assignment, what was handed in, the results."""
    folder = tmp_path_factory.mktemp("once")
    task, handed_in, out = assignment(folder), hand_in(folder / "in"), folder / "out"
    graded(task, handed_in, out)
    return task, handed_in, out


def result(out, student):
    return json.loads((out / "students" / f"{student}.json").read_text())


def test_nothing_that_is_handed_in_stops_the_others(once):
    verdicts = {name: result(once[-1], name)["questions"]["affine"] for name in HANDED_IN}
    assert {name: (q["verdict"], q["score"]) for name, q in verdicts.items()} == {
        "ann": ("PASS", 10),
        "bo": ("FAIL", 8),
        "cy": ("TIMEOUT", 0),
        "di": ("REJECTED", 0),
        "ed": ("CRASH", 0),
        "fay": ("CRASH", 0),
        "gus": ("MISSING", 0),
    }
    looks = [name for name in HANDED_IN if needs_look(result(once[-1], name))]
    assert looks == ["cy", "di", "fay"]


def test_two_runs_give_the_same_bytes_with_any_number_of_jobs(once, tmp_path):
    task, handed_in, out = once
    graded(task, handed_in, tmp_path, jobs=3)
    assert contents(tmp_path) == contents(out)


def test_a_folder_that_holds_a_grading_is_not_graded_into_unasked(once):
    before = contents(once[-1])
    with pytest.raises(Unfit, match="holds a grading already: --resume goes on, --force redoes"):
        graded(*once)
    assert contents(once[-1]) == before


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A folder with an assignment, what three have handed in, and their results."""
    folder = tmp_path_factory.mktemp("three")
    these = assignment(folder), hand_in(folder / "in", ["ann", "bo", "di"]), folder / "out"
    graded(*these)
    return folder


@pytest.fixture
def quick(three, tmp_path, monkeypatch):
    """The arguments of a quick grading, done, in a folder of its own."""
    monkeypatch.setattr(classroom, "Sandbox", used_again)
    shutil.copytree(three, tmp_path, dirs_exist_ok=True)
    return tmp_path / "affine", tmp_path / "in", tmp_path / "out"


def test_resume_grades_only_what_changed(quick, monkeypatch):
    task, handed_in, out = quick
    (handed_in / "bo.py").write_text(RIGHT)
    (handed_in / "eve.py").write_text(RIGHT)
    anew = []
    keep = lambda self, result: anew.append(result["student"]) or keeps(self, result)
    keeps = classroom.Class.keep
    monkeypatch.setattr(classroom.Class, "keep", keep)
    results = graded(*quick, resume=True)
    assert sorted(r["student"] for r in results) == ["ann", "bo", "di", "eve"]
    assert sorted(anew) == ["bo", "eve"]
    assert result(out, "bo")["score"] == 10
    assert sorted(json.loads((out / "times.json").read_text())) == ["ann", "bo", "di", "eve"]


def test_resume_mends_what_was_damaged_or_left_half_written(quick):
    out = quick[-1]
    before = contents(out)
    (out / "students" / "ann.json").write_text('{"score": 10')
    (out / "students" / "bo.json").write_text("[]")
    (out / "students" / ".di.json.4321.part").write_text('{"sco')
    (out / ".times.json.4321.part").write_text('{"an')
    (out / "times.json").unlink()
    graded(*quick, resume=True)
    assert contents(out) == before


def test_a_seed_is_secret_and_that_of_the_folder(quick, tmp_path):
    task, _, out = quick
    new, another = (course(task, tmp_path / name, seed=None) for name in ("new", "another"))
    new.begin()
    another.begin()
    assert new.seed != another.seed
    for how in ({"resume": True}, {"force": True}):
        these = course(task, out, seed=None)
        these.begin(**how)
        assert these.seed == 5
    these = course(task, out, seed=6)
    these.begin(force=True)
    assert json.loads((out / "run.json").read_text())["seed"] == 6


CHANGES = {  # of run.json, and what is said of them
    "seed": (7, "seed 7, and now it is 5"),
    "questions": ({"affine": 1, "more": 1}, "questions affine, more, and now it is affine"),
    "level": ("odd", "level odd, and now it is"),
    "version": ("0.0.1", "version 0.0.1, and now it is"),
    "assignment": ("relu", "assignment relu, and now it is affine"),
    "assignment_sha256": ("0" * 64, "an earlier version of affine: --force"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_resume_refuses_to_mix(name, quick):
    out = quick[-1]
    then, sentence = CHANGES[name]
    run = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(run | {name: then}))
    before = contents(out)
    with pytest.raises(Unfit, match=f"was graded with {sentence}"):
        graded(*quick, resume=True)
    assert contents(out) == before


def test_any_change_of_an_assignment_makes_another_version(quick):
    inputs = quick[0] / "inputs.py"
    inputs.write_text(inputs.read_text() + "\n")
    with pytest.raises(Unfit, match="an earlier version of affine"):
        graded(*quick, resume=True)


def test_results_of_an_earlier_version_do_not_stay_when_a_forced_run_was_stopped(quick):
    task, handed_in, out = quick
    toml = task / "assignment.toml"
    toml.write_text(toml.read_text().replace("dX = 2", "dX = 4"))
    course(task, out).begin(force=True)  # and stopped there
    graded(*quick, resume=True)
    assert result(out, "ann")["score"] == 12


def test_an_older_score_stays_when_the_grader_fails(quick, monkeypatch):
    task, handed_in, out = quick
    (handed_in / "bo.py").write_text(RIGHT)
    (handed_in / "eve.py").write_text(RIGHT)
    before = contents(out)
    with monkeypatch.context() as patched:
        patched.setattr("minigrad.grade.judging.drawn", lambda *args: 1 / 0)
        results = {r["student"]: r for r in graded(*quick, force=True)}
    assert [name for name, r in results.items() if r.get("kept")] == ["ann"]
    assert contents(out)["students/ann.json"] == before["students/ann.json"]
    for name in ("bo", "eve"):  # their older score is of something else, or there is none
        assert result(out, name)["score"] is None
        assert result(out, name)["questions"]["affine"]["verdict"] == "INTERNAL"
    graded(*quick, resume=True)
    assert result(out, "bo")["score"] == result(out, "eve")["score"] == 10


def test_only_the_questions_that_are_named_are_graded(quick):
    handed_in, out = quick[1], quick[-1].with_name("new")
    task = assignment(handed_in.parent, name="relu")
    (handed_in / "ann.py").write_text((task / "reference.py").read_text())
    graded(task, handed_in, out, only=["relu"])
    assert list(result(out, "ann")["questions"]) == ["relu"]
    run = json.loads((out / "run.json").read_text())
    assert run["questions"] == {"relu": result(out, "ann")["score"]}
    course(task, out).begin(force=True)  # and stopped there
    graded(task, handed_in, out, resume=True)
    assert len(result(out, "ann")["questions"]) == 4
    with pytest.raises(Unfit, match="relu has no question 'conv': it has relu"):
        course(task, out, only=["conv"])


def test_a_run_that_is_left_has_noted_what_is_done_and_begins_no_more(quick, monkeypatch):
    monkeypatch.setattr(classroom, "OFTEN", 0)
    out = quick[-1].with_name("new")
    these = course(quick[0], out)
    these.begin()
    coming = these.grade(submissions(hand_in(quick[1], QUICK)))
    next(coming)
    assert list(json.loads((out / "times.json").read_text())) == ["ann"]
    coming.close()
    assert sorted(path.stem for path in (out / "students").iterdir()) == ["ann", "bo"]
    assert list(json.loads((out / "times.json").read_text())) == ["ann", "bo"]


def test_a_sandbox_that_is_too_weak_is_refused(monkeypatch):
    missing = dict.fromkeys(confine.LAYERS, "") | {"seccomp": "not in this kernel"}
    monkeypatch.setattr(confine, "available", lambda: missing)
    with pytest.raises(TooWeak, match="none, and strong is required .seccomp: not in this kernel"):
        walls("strong", trust=True)
    with pytest.raises(TooWeak, match="give --trust-submissions if you trust every one"):
        walls()
    assert walls(trust=True)[1] == "none"


RUN = """
import sys
from pathlib import Path
from classes import graded
graded(*map(Path, sys.argv[1:4]), jobs=2, resume=True)
"""


def started(these):
    """A process that grades, in a session of its own."""
    paths = os.pathsep.join(p for p in sys.path if p)
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, these)],
        env={**os.environ, "PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def stopped(these, how, done=None, after=0.0):
    """Grade in a process until so many are done, or so many seconds; send it a signal then."""
    until = time.monotonic() + 30
    with started(these) as process:
        time.sleep(after)
        while done and time.monotonic() < until and process.poll() is None:
            if len(list((these[-1] / "students").glob("*.json"))) >= done:
                break
            time.sleep(0.002)
        process.send_signal(how)
        return process.communicate(timeout=30)[1], process.returncode


def of_students(files):
    """The whole ones."""
    return {n: data for n, data in files.items() if n.startswith("students/") and "/." not in n}


def test_a_process_that_is_left_would_be_seen():
    with pytest.raises(AssertionError, match="sleep"), nothing_left(patience=0.1):
        subprocess.run(["sh", "-c", "sleep 2 &"], check=True)  # an orphan
    for pid in children():
        if "sleep" in cmdline(pid):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_stop_loses_nothing_and_leaves_no_process(how, once, tmp_path):
    *these, out = once
    expected = contents(out)
    with nothing_left():
        said, code = stopped((*these, tmp_path), how, done=3)
    assert code == -how
    assert "INTERNAL" not in said
    done = of_students(contents(tmp_path))
    assert 3 <= len(done) < len(of_students(expected))
    assert done.items() <= expected.items()
    graded(*these, tmp_path, resume=True)
    assert contents(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stops_at_random_moments_lose_nothing(how, once, tmp_path):
    *these, out = once
    expected = contents(out)
    rng, stops, seen = random.Random(how), 0, set()
    times = []
    for i in range(3):
        with started((*these, tmp_path / f"whole {i}")) as process:
            begun = time.monotonic()
            process.wait()
        times.append(time.monotonic() - begun)
    whole = min(times)  # of a run that others held up, most of the moments come too late
    for i in range(7):
        out = tmp_path / str(i)
        with nothing_left():
            _, code = stopped((*these, out), how, after=rng.uniform(0.3, 1.0) * whole)
        stops += code == -how
        done = of_students(contents(out))
        seen.add(len(done))
        assert done.items() <= expected.items()
        graded(*these, out, resume=True)
        assert contents(out) == expected
    assert stops > 3
    assert len(seen) > 1
