import csv
import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from minigrad.learn import Cells, CheckpointError, FolderInUse


def never():
    raise AssertionError("computed again")


def squares(path, numbers):
    """Get the squares of numbers from a table; the numbers that were computed."""
    computed = []

    def square(n):
        computed.append(n)
        return {"square": n * n}

    with Cells(path) as cells:
        for n in numbers:
            assert cells.get({"n": n}, lambda n=n: square(n)) == {"square": n * n}
    return computed


def test_what_was_computed_once_is_not_computed_again(tmp_path):
    path = tmp_path / "new" / "squares.json"
    assert squares(path, [1, 2, 1]) == [1, 2]
    assert squares(path, [2, 3, 1]) == [3]


def test_settings_are_the_same_in_any_order_and_other_when_anything_differs(tmp_path):
    with Cells(tmp_path / "t.json") as cells:
        cells.get({"classes": 10, "widths": (4, 8), "seed": np.int64(0)}, lambda: {"a": 1})
        cells.get({"seed": 0, "widths": [4, 8], "classes": 10}, never)
        for other in ({"seed": 1}, {"widths": [8, 4]}, {"rate": 0.1}):
            settings = {"classes": 10, "widths": [4, 8], "seed": 0} | other
            assert cells.get(settings, lambda: {"a": 2}) == {"a": 2}


def test_a_result_is_the_same_when_it_is_computed_and_when_it_is_read(tmp_path):
    make = lambda: {"mean": np.float32(0.1), "scores": np.arange(3) / 3, "name": "a, b"}
    with Cells(tmp_path / "t.json") as cells:
        first = cells.get({}, make)
    with Cells(tmp_path / "t.json") as cells:
        assert cells.get({}, never) == first
    assert first == {"mean": float(np.float32(0.1)), "scores": [0, 1 / 3, 2 / 3], "name": "a, b"}


def test_the_csv_file_has_a_row_for_each_cell_and_all_columns(tmp_path):
    with Cells(tmp_path / "t.json") as cells:
        cells.get({"n": 1}, lambda: {"mean": 0.5})
        cells.get({"n": 2, "kind": "late"}, lambda: {"mean": 0.25})
        rows = cells.rows()
    assert rows == [{"n": 1, "mean": 0.5}, {"n": 2, "kind": "late", "mean": 0.25}]
    with (tmp_path / "t.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"n": "1", "mean": "0.5", "kind": ""},
            {"n": "2", "mean": "0.25", "kind": "late"},
        ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_cell_that_is_broken_off_is_lost_and_no_other(tmp_path, error):
    def broken():
        raise error

    with pytest.raises(error), Cells(tmp_path / "t.json") as cells:
        cells.get({"n": 1}, lambda: {"square": 1})
        cells.get({"n": 2}, broken)
    assert squares(tmp_path / "t.json", [1, 2]) == [2]


CHILD = """
import os, pathlib, signal, sys
from minigrad.learn import Cells
path, k, moment = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
replace, calls = os.replace, []

def deadly(*names):
    calls.append(names)
    if moment == "writing" and len(calls) == 2 * k + 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(*names)

os.replace = deadly
with Cells(path) as cells:
    for n in range(5):
        if moment == "computing" and n == k:
            os.kill(os.getpid(), signal.SIGKILL)
        cells.get({"n": n}, lambda: {"square": n * n})
        if moment == "waiting":
            print("holds", flush=True)
            sys.stdin.read()
"""


def child(*words, **options):
    return subprocess.Popen([sys.executable, "-c", CHILD, *map(str, words)], **options)


@pytest.mark.parametrize("moment", ["computing", "writing"])
def test_a_killed_process_loses_only_the_cell_it_was_at(tmp_path, moment):
    path = tmp_path / "t.json"
    assert child(path, 3, moment).wait() == -signal.SIGKILL
    assert len(json.loads(path.read_text())["cells"]) == 3
    assert squares(path, range(5)) == [3, 4]
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 1 + 5
    assert {p.name for p in tmp_path.iterdir()} == {"t.json", "t.csv"}


def test_two_processes_may_not_share_a_table(tmp_path):
    first = child(tmp_path / "t.json", 0, "waiting", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline() == b"holds\n"
        sentence = f"{tmp_path}: process {first.pid} is at work here"
        with pytest.raises(FolderInUse, match=re.escape(sentence)):
            squares(tmp_path / "t.json", [1])
        assert squares(tmp_path / "other.json", [1]) == [1]
    finally:
        first.kill()
        first.communicate()
    assert squares(tmp_path / "t.json", [0, 1]) == [1]  # the lock went with its process


@pytest.mark.parametrize(
    "content", [b"", b"[1", b"[]", b'{"cells": [3]}', b'{"rows": []}', b"\xff"]
)
def test_a_file_that_is_no_table_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "t.json"
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=re.escape(f"{path} is damaged, or no table of cells")
    ):
        squares(path, [1])
    assert path.read_bytes() == content
    path.unlink()
    assert squares(path, [1]) == [1]  # and the table is not held any longer


def test_a_table_that_was_not_entered_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "t.json"
    with Cells(path) as cells:
        cells.get({"n": 1}, lambda: {"square": 1})
    before = path.read_bytes()
    for outside in (cells, Cells(path)):
        with pytest.raises(RuntimeError, match="a table is entered first"):
            outside.get({"n": 2}, lambda: {"square": 4})
    assert path.read_bytes() == before
