"""`minigrad grade`: what a teacher types, what it says, and how it ends."""

import errno
import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from classes import HANDED_IN, RIGHT, assignment, contents, hand_in, used_again

from minigrad.cli import main
from minigrad.grade import classroom, confine
from minigrad.learn import write_whole

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")


available = functools.cache(confine.available)


@pytest.fixture
def grade(monkeypatch, capfd):
    """grade(words): exit code, stdout and stderr of `minigrad grade WORDS`."""

    monkeypatch.setattr(confine, "available", available)
    monkeypatch.setattr(classroom, "Sandbox", used_again)

    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["minigrad", "grade", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capfd.readouterr()

    return typed


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder to work in: an assignment `affine`, and what ann and bo have handed in."""
    assignment(tmp_path)
    hand_in(tmp_path / "in", ["ann", "bo"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_class_is_graded_looked_at_and_gone_on_with(there, grade):
    code, out, err = grade("run", "affine", "in", "-o", "out", "--seed", 5)
    assert (code, err) == (0, "")
    assert out.startswith("2 graded, 1 with full marks; sandbox: ")
    assert out.endswith("; results in out/students\n")

    hand_in(there / "in", ["di"])  # an empty file
    code, out, _ = grade("run", "affine", "in", "-o", "out", "--resume")
    assert code == 1
    assert out.startswith("3 graded, 1 with full marks")
    assert out.endswith("somebody should look at di\n")

    (there / "in" / "di.py").write_text(RIGHT)
    code, out, _ = grade("run", "affine", "in", "-o", "out", "--only", "di")
    assert (code, out.split(";")[0]) == (0, "1 graded, 1 with full marks")

    code, out, _ = grade("explain", "affine", "in", "out", "bo")
    assert code == 0
    assert out.startswith("bo, affine, seed 5\ndb: ")


def test_only_one_student_may_begin_a_folder_and_the_rest_follow(there, grade):
    grade("run", "affine", "in", "-o", "whole", "--seed", 5)
    grade("run", "affine", "in", "-o", "out", "--seed", 5, "--only", "bo")
    assert [path.stem for path in (there / "out/students").iterdir()] == ["bo"]
    assert grade("run", "affine", "in", "-o", "out", "--resume")[0] == 0
    assert contents(there / "out") == contents(there / "whole")


def test_shards_are_graded_and_merged(there, grade):
    for index in range(2):
        words = "shard", "affine", "in", "-o", "parts", "--of", 2, "--index", index, "--seed", 5
        code, out, err = grade(*words)
        assert (code, out, err) == (0, f"parts/part-0000{index}-of-00002.jsonl\n", "")
    assert grade("merge", "parts", "-o", "out") == (0, "out has the grades of affine\n", "")
    assert {path.stem for path in (there / "out/students").iterdir()} == {"ann", "bo"}


def test_a_new_assignment_can_be_graded_at_once(tmp_path, monkeypatch, grade):
    monkeypatch.chdir(tmp_path)
    code, out, _ = grade("new", "decay-add")
    assert code == 0
    *_, last = out.splitlines()
    hand_in(tmp_path / "submissions", ["gus"])
    starter = Path("decay-add/starter.py").read_text()
    Path("submissions/gus.py").write_text(starter)
    words = last.split()
    assert words[:2] == ["minigrad", "grade"]
    code, out, _ = grade(*words[2:])
    assert (code, out.split(";")[0]) == (0, "1 graded, 0 with full marks")


RUN = "run affine in -o out "
MISTAKES = {
    "run nothing in -o out": "nothing: there is no folder with an assignment.toml, and none of",
    "run affine nowhere -o out": "Path 'nowhere' does not exist",
    "run affine affine/assignment.toml -o out": "expected a folder, or a .py, .ipynb or .zip file",
    "run affine in": "Missing option '-o'",
    RUN + "--resume --force": "--resume and --force: choose one",
    RUN + "--only eve": "in has nothing of 'eve'",
    RUN + "--question conv": "affine has no question 'conv': it has affine",
    RUN + "--jobs 0": "0 is not in the range x>=1",
    RUN + "--seed five": "'five' is not a valid integer",
    RUN + "--require total": "'total' is not one of 'basic', 'strong'",
    "run affine in -o in/out": "in/out lies in in, and would be graded the next time",
    "run affine in -o affine/starter.py": "affine/starter.py: File exists",
    "explain affine in in ann": "in has no result of ann",
    "explain affine in in eve": "in has nothing of 'eve'",
    "new nothing": "'nothing' is not one of 'affine', 'batchnorm', 'conv'",
    "new affine": "affine exists already: name another folder",
    "verify nothing": "nothing: there is no folder with an assignment.toml",
    "shard affine in --index 3 --of 3 -o p --seed 1": "--index 3 is not below --of 3: the first",
    "shard affine in --index 0 --of 3 -o p": "Missing option '--seed'",
    "similar affine in --least nan": "nan is no number",
    "merge in -o out": "in has no parts: `minigrad grade shard` makes them",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(words, there, grade):
    before = sorted(there.rglob("*"))
    code, out, err = grade(*words.split())
    assert (code, out) == (2, "")
    assert MISTAKES[words] in err
    assert err.count("\n") == 1
    assert sorted(there.rglob("*")) == before


def test_a_sandbox_that_is_too_weak_is_exit_code_3(there, grade, monkeypatch):
    missing = dict.fromkeys(confine.LAYERS, "") | {"landlock": "not in this kernel"}
    monkeypatch.setattr(confine, "available", lambda: missing)
    code, out, err = grade("run", "affine", "in", "-o", "out", "--require", "strong")
    assert (code, out) == (3, "")
    assert "and strong is required (landlock: not in this kernel)" in err
    assert err.count("\n") == 1
    assert not (there / "out").exists()


def test_a_full_disk_is_one_line_and_what_is_whole_stays(there, grade, monkeypatch):
    def full(path, data):
        if path.stem == "bo":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_whole(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(classroom, "write_whole", full)
        code, out, err = grade(*RUN.split(), "--jobs", 1)
    assert (code, out) == (2, "")
    assert err == "out/students/bo.json: No space left on device\n"
    assert [path.name for path in (there / "out/students").iterdir()] == ["ann.json"]
    assert grade(*RUN.split(), "--resume")[0] == 0
    assert (there / "out/students/bo.json").exists()


@pytest.mark.slow
def test_ctrl_c_is_one_line_and_resume_goes_on(there, grade):
    (there / "in" / "cy.py").write_text(HANDED_IN["cy"])
    command = Path(sys.executable).with_name("minigrad")
    words = [command, "grade", *RUN.split(), "--jobs", "2"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while not (there / "out/students/ann.json").exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith("\nstopped") and err.count("\n") == 2  # the first after ^C
    code, out, _ = grade(*RUN.split(), "--resume")
    assert (code, out.split(",")[0]) == (1, "3 graded")
