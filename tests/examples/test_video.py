import csv
import functools
import json
import shutil

import pytest

from tests.examples import commands
from tests.examples.small_data import write

example = functools.partial(commands.finished, "video")
WORDS = ("--quick", "--clips", 12, "--epochs", 2)
ROWS = ["raw pixels", "random weights", "random negatives", "random, then hard"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """CIFAR-10 in small, and no photographs."""
    folder = write(tmp_path_factory.mktemp("data"))
    shutil.move(folder / "photos", folder / "two")
    return folder


def table(folder):
    with (folder / "table.csv").open() as file:
        return {row["row"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_a_short_run_judges_all_rows_and_computes_nothing_twice(data, tmp_path):
    first = example(data, tmp_path, *WORDS)
    assert (first.returncode, first.stderr) == (0, "")
    assert "tiles of the two that scikit-learn carries; 9 to learn from, 3 to judge by" in (
        first.stdout
    )
    found = table(tmp_path)
    assert list(found) == ROWS
    for row in found.values():
        assert 0 <= float(row["recall"]) <= 100
        assert 0 <= float(row["SVM"]) <= 100
    cells = (tmp_path / "cells.json").read_bytes()
    for cell in json.loads(cells)["cells"]:
        learned = cell["settings"]["row"] in ROWS[2:]
        assert len(cell["result"].get("recalls", [])) == 2 * learned
    assert (tmp_path / "video.png").read_bytes().startswith(b"\x89PNG")
    again = example(data, tmp_path, *WORDS)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert (tmp_path / "cells.json").read_bytes() == cells


@pytest.mark.slow
def test_without_cifar_10_there_is_no_transfer_and_the_rest_is_done(tmp_path):
    done = example(tmp_path, tmp_path / "run", *WORDS)
    assert done.returncode == 0
    assert done.stdout.startswith(f"no transfer: {tmp_path} has no cifar-10-images")
    assert "SVM" not in done.stdout
    assert list(table(tmp_path / "run")) == ROWS


@pytest.mark.slow
def test_too_few_photographs_are_one_line_and_exit_code_2(data, tmp_path):
    done = example(data, tmp_path / "run", data / "two", *WORDS)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == (
        "two: 2 photographs can be used, 8 are needed: every 4th is held out, and a clip is made "
        "of two"
    )
