"""Parts of a class, graded apart, are the class; what is not whole is refused."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from classes import QUICK, assignment, contents, course, graded, hand_in, used_again

from minigrad.gradcheck import Unfit
from minigrad.grade import classroom, shards
from minigrad.grade.intake import submissions
from minigrad.grade.shards import grade_shard, merge, shard_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
OF = 3
JOBS = Path(shards.__file__).parent / "jobs"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(classroom, "Sandbox", used_again)


def graded_part(task, handed_in, out, index, of=OF, seed=5):
    return grade_shard(course(task, out, seed=seed), submissions(handed_in), index, of)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An assignment, what was handed in, the results of one run; the parts beside them."""
    folder = tmp_path_factory.mktemp("whole")
    these = assignment(folder), hand_in(folder / "in", QUICK), folder / "out"
    graded(*these)
    for index in range(OF):
        graded_part(*these[:2], folder / "parts", index)
    return these


@pytest.fixture
def parts(whole, tmp_path):
    """A copy of the parts."""
    return Path(shutil.copytree(whole[-1].with_name("parts"), tmp_path / "parts"))


def part(parts, index, of=OF):
    return parts / f"part-{index:05d}-of-{of:05d}.jsonl"


def test_merged_parts_are_the_bytes_of_one_run(whole, parts, tmp_path):
    facts = merge(parts, tmp_path / "merged")
    assert contents(tmp_path / "merged") == contents(whole[-1])
    assert facts["assignment"] == "affine"


def test_every_student_is_in_one_part(parts):
    lines = [line for path in parts.iterdir() for line in path.read_text().splitlines()[2:]]
    assert sorted(json.loads(line)["result"]["student"] for line in lines) == sorted(QUICK)


def test_the_same_shard_again_gives_the_same_part_but_for_the_times(whole, parts, tmp_path):
    again = graded_part(*whole[:2], tmp_path, 1).read_text()
    plain = lambda text: re.sub(r'"seconds": {.*?}', "", text).splitlines()[1:]
    assert plain(again) == plain(part(parts, 1).read_text())
    assert len(plain(again)) > 1


def test_every_student_is_in_one_shard_and_shards_are_of_one_size():
    names = [f"student-{n}" for n in range(1000)]
    sizes = [sum(shard_of(name, 10) == index for name in names) for index in range(10)]
    assert sum(sizes) == 1000
    assert 70 < min(sizes) <= max(sizes) < 130


def test_a_shard_without_students_is_a_part_as_well(whole, tmp_path):
    folder = hand_in(tmp_path / "in", ["ann"])
    for index in range(OF):
        graded_part(whole[0], folder, tmp_path / "parts", index)
    merge(tmp_path / "parts", tmp_path / "out")
    assert [path.stem for path in (tmp_path / "out" / "students").iterdir()] == ["ann"]


def lose(parts, whole):
    part(parts, 1).unlink()


def lose_all(parts, whole):
    for path in parts.iterdir():
        path.unlink()


def copy(parts, whole):
    shutil.copy(part(parts, 0), parts / "part-00000-of-00003 (1).jsonl")


def cut(parts, whole):
    data = part(parts, 2).read_bytes()
    part(parts, 2).write_bytes(data[: data.rindex(b"\n", 0, -1) + 1])


def empty(parts, whole):
    part(parts, 2).write_bytes(b"")


def forge(parts, whole):
    text = part(parts, 0).read_text()
    part(parts, 0).write_text(text.replace('"score": 0.0', '"score": 9.0'))


def garble(parts, whole):
    part(parts, 0).write_bytes(os.urandom(1000))


def seed_anew(parts, whole):
    graded_part(*whole[:2], parts, 1, seed=6)


def cut_in_four(parts, whole):
    graded_part(*whole[:2], parts, 3, of=4)


def hand_in_late(parts, whole):
    folder = hand_in(parts.parent / "in", QUICK)
    (folder / "late.py").write_text("")
    graded_part(whole[0], folder, parts, 1)


def change_the_assignment(parts, whole):
    task = shutil.copytree(whole[0], parts.parent / "affine")
    toml = task / "assignment.toml"
    toml.write_text(toml.read_text().replace("dX = 2", "dX = 4"))
    graded_part(task, whole[1], parts, 1)


FIRST, SECOND = "part-00000-of-00003.jsonl", "part-00001-of-00003.jsonl"
REFUSED = {
    lose: "has 2 of 3 parts; missing: 1",
    lose_all: "has no parts: `minigrad grade shard` makes them",
    copy: f"{FIRST} and .*{re.escape('part-00000-of-00003 (1).jsonl')} are the same part",
    cut: "part-00002-of-00003.jsonl is damaged: run its shard again",
    empty: "part-00002-of-00003.jsonl is damaged: run its shard again",
    forge: f"{FIRST} is damaged: run its shard again",
    garble: f"{FIRST} is damaged: run its shard again",
    seed_anew: f"{SECOND} is of another grading than .*{FIRST}: seed",
    cut_in_four: f"part-00003-of-00004.jsonl is of another grading than .*{FIRST}: of",
    hand_in_late: f"{SECOND} is of another grading than .*{FIRST}: submissions",
    change_the_assignment: f"{SECOND} is of another grading than .*{FIRST}: assignment_sha256",
}


@pytest.mark.parametrize("mistake", REFUSED, ids=lambda mistake: mistake.__name__)
def test_what_is_not_whole_is_refused_and_nothing_written(mistake, whole, parts, tmp_path):
    mistake(parts, whole)
    with pytest.raises(Unfit, match=REFUSED[mistake]):
        merge(parts, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_folder_that_holds_a_grading_is_not_merged_into(whole, parts):
    before = contents(whole[-1])
    with pytest.raises(Unfit, match="holds a grading already: name another folder"):
        merge(parts, whole[-1])
    assert contents(whole[-1]) == before


def manifest():
    return yaml.safe_load((JOBS / "kubernetes.yaml").read_text())["spec"]


def on_slurm(index, *words):
    """The command that a node runs, and what it has in its environment."""
    return ["bash", str(JOBS / "slurm.sh"), *words], {"SLURM_ARRAY_TASK_ID": str(index)}


def on_kubernetes(index, *words):
    """The same of a pod: $(NAME) stands for a variable, and words for what is on its volume."""
    (container,) = manifest()["template"]["spec"]["containers"]
    names = {"hw3/": words[0], "submissions/": words[1], "parts/": words[2]}
    names |= {"$(JOB_COMPLETION_INDEX)": str(index), "$(SEED)": words[3]}
    return [names.get(word, word) for word in container["command"]], {}


def test_the_job_files_name_as_many_parts_as_they_start():
    script = (JOBS / "slurm.sh").read_text()
    (last,), (of,) = (
        re.findall(r"--array=0-(\d+)\n", script),
        re.findall(r"^PARTS=(\d+)", script, re.M),
    )
    assert int(last) + 1 == int(of)
    (container,) = manifest()["template"]["spec"]["containers"]
    command = container["command"]
    assert manifest()["completionMode"] == "Indexed"
    assert manifest()["completions"] == int(command[command.index("--of") + 1])


@pytest.mark.slow
@pytest.mark.parametrize("job", [on_slurm, on_kubernetes])
def test_the_job_files_grade_a_class(job, whole, tmp_path, monkeypatch):
    parts = tmp_path / "parts"
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    of = manifest()["completions"]
    by_job = {shard_of(name, of) for name in QUICK[:3]}
    for index in by_job:
        command, environment = job(index, *map(str, whole[:2]), str(parts), "5")
        subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
    these, found = course(whole[0], parts), submissions(whole[1])
    for index in set(range(of)) - by_job:  # in this process, as that is quicker
        grade_shard(these, found, index, of)
    merge(parts, tmp_path / "merged")
    assert contents(tmp_path / "merged") == contents(whole[-1])
