"""A class in parts that need nothing of each other, for a scheduler's job array.

A student's shard follows from the name alone, so each part finds its own. A part is one file,
written whole: a line of facts, then a line for every student. Merged, the parts are the bytes of
one run; a missing part, or a student who comes twice, is refused.

>>> [shard_of(name, 3) for name in ("ada", "bo", "cy")]
[2, 0, 2]
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

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
    """Grade the students of one shard into a file of their results; course.out has the files."""
    mine = [s for s in submissions if shard_of(s.student, of) == index]
    results = {}
    for result in course.grade(mine, jobs, files=False):
        results[result["student"]] = result
    facts = course.facts | {"index": index, "of": of, "submissions": len(submissions)}
    lines = [facts]
    for student in sorted(results):
        lines.append({"result": results[student], "seconds": course.times[student]})
    path = course.out / NAME.format(index=index, of=of)
    write_whole(path, "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))
    return path


def merge(parts: Path, out: Path) -> dict:
    """Write the results of all shards as one run would have; returns what they have in common.

    Raises Unfit for a part that is missing, damaged or of another grading.
    """
    paths = sorted(parts.glob("part-*-of-*.jsonl"))
    if not paths:
        raise Unfit(f"{parts} has no parts: `minigrad grade shard` makes them")
    common: dict = {}
    results: dict[str, dict] = {}
    times: dict[str, dict] = {}
    seen: dict[int, Path] = {}
    for path in paths:
        facts, *lines = _lines(path)
        index = facts.pop("index")
        if common and facts != common:
            differs = sorted(k for k in facts if facts[k] != common.get(k))
            raise Unfit(f"{path} is of another grading than {paths[0]}: {', '.join(differs)}")
        common = facts
        if index in seen:
            raise Unfit(f"{path} and {seen[index]} are the same part")
        seen[index] = path
        for line in lines:
            student = line["result"]["student"]
            if student in results:
                raise Unfit(f"{path}: {student} comes twice")
            if shard_of(student, facts["of"]) != index:
                raise Unfit(f"{path}: {student} belongs to another part")
            results[student], times[student] = line["result"], line["seconds"]
    of, count = common.pop("of"), common.pop("submissions")
    holes = sorted(set(range(of)) - set(seen))
    if holes:
        few = ", ".join(map(str, holes[:10])) + (" ..." if len(holes) > 10 else "")
        raise Unfit(f"{parts} has {len(seen)} of {of} parts; missing: {few}")
    if len(results) != count:
        raise Unfit(f"{parts} has {len(results)} students, and {count} had handed in")
    if (out / "run.json").exists():
        raise Unfit(f"{out} holds a grading already: name another folder")
    for student, result in results.items():
        write_whole(out / "students" / f"{student}.json", written(result))
    write_whole(out / "times.json", written(times))
    write_whole(out / "run.json", written(common))
    return common


def _lines(path):
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        if not lines or "index" not in lines[0]:
            raise ValueError("it has no first line of facts")
    except (ValueError, KeyError) as error:
        raise Unfit(f"{path} is damaged ({error}): run its shard again") from None
    return lines
