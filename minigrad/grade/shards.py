"""A class in parts that need nothing of each other, for a scheduler's job array.

A student's shard follows from the name alone, so each job finds its own. A part is one file,
written whole: the SHA-256 of what follows, facts, then a line for every student. Merged, the parts
are the bytes of one run.

jobs/slurm.sh, jobs/kubernetes.yaml     what to give to a scheduler

>>> [shard_of(name, 3) for name in ("ada", "bo", "cy")]
[2, 0, 2]
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..gradcheck import Unfit
from ..learn import write_whole
from .classroom import Class
from .intake import Submission
from .results import written

NAME = "part-{index:05d}-of-{of:05d}.jsonl"


def shard_of(student: str, of: int) -> int:
    """The number of a student's shard, below `of`."""
    digest = hashlib.blake2b(student.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % of


def grade_shard(
    course: Class, submissions: Sequence[Submission], index: int, of: int, jobs: int = 1
) -> Path:
    """Grade the students of one shard into a file of their results; course.out has the files.

    submissions: of the whole class, as the facts of a part name them all.
    """
    mine = [s for s in submissions if shard_of(s.student, of) == index]
    results = {r["student"]: r for r in course.grade(mine, jobs, files=False)}
    all_of_them = _lines([s.student, s.sha256, s.rejected] for s in submissions)
    facts = course.facts | {"submissions": _sha256(all_of_them), "index": index, "of": of}
    lines = [{"result": r, "seconds": course.times[name]} for name, r in sorted(results.items())]
    text = _lines([facts, *lines])
    path = course.out / NAME.format(index=index, of=of)
    write_whole(path, f"{_sha256(text)}\n{text}")
    return path


def merge(parts: Path, out: Path) -> dict[str, Any]:
    """Write the results of all shards as one run would have; returns what they have in common.

    Raises Unfit for a part that is missing, damaged, there twice or of another grading.
    """
    paths = sorted(parts.glob("part-*.jsonl"))
    if not paths:
        raise Unfit(f"{parts} has no parts: `minigrad grade shard` makes them")
    common: dict[str, Any] = {}
    seen: dict[int, Path] = {}
    for path in paths:
        facts, *_ = _read(path)
        index = facts.pop("index")
        if common and facts != common:
            differs = sorted(k for k in facts if facts[k] != common.get(k))
            raise Unfit(f"{path} is of another grading than {paths[0]}: {', '.join(differs)}")
        if index in seen:
            raise Unfit(f"{path} and {seen[index]} are the same part")
        common, seen[index] = facts, path
    of = common.pop("of")
    del common["submissions"]
    holes = sorted(set(range(of)) - set(seen))
    if holes:
        few = ", ".join(map(str, holes[:10])) + (" ..." if len(holes) > 10 else "")
        raise Unfit(f"{parts} has {len(seen)} of {of} parts; missing: {few}")
    if (out / "run.json").exists():
        raise Unfit(f"{out} holds a grading already: name another folder")
    _write(paths, out)
    write_whole(out / "run.json", written(common))
    return common


def _write(paths, out):
    """Write what all parts hold, a part at a time, for memory's sake."""
    times = {}
    (out / "students").mkdir(parents=True, exist_ok=True)
    for path in paths:
        for line in _read(path)[1:]:
            result = line["result"]
            times[result["student"]] = line["seconds"]
            (out / "students" / f"{result['student']}.json").write_text(written(result))
    if hasattr(os, "sync"):
        os.sync()  # once: 100,000 files, each made sure of by itself, take an hour
    write_whole(out / "times.json", written(times))


def _lines(parts: Iterable[Any]) -> str:
    return "".join(json.dumps(part, sort_keys=True) + "\n" for part in parts)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path):
    """Facts, then results with their seconds, of a part; Unfit unless it is as it was written."""
    sha256, _, text = path.read_text("utf-8", errors="replace").partition("\n")
    if sha256 != _sha256(text):
        raise Unfit(f"{path} is damaged: run its shard again")
    return [json.loads(line) for line in text.splitlines()]
