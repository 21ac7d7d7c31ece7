import csv
import functools
import json

import pytest

from tests.examples import commands
from tests.examples.small_data import write

example = functools.partial(commands.finished, "context_transfer")
ROWS = [
    "raw pixels",
    "random weights",
    "context prediction",
    "its norms removed",
    "of photographs",
    "Exemplar-CNN",
    "ISIF",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data"))


def table(folder):
    with (folder / "table.csv").open() as file:
        return {row["row"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_a_short_run_judges_all_features_and_computes_nothing_twice(data, tmp_path):
    words = ("--quick", "--labels", 4)
    first = example(data, tmp_path, *words)
    assert (first.returncode, first.stderr) == (0, "")
    found = table(tmp_path / "features")
    assert list(found) == ROWS
    for row in found.values():
        assert 0 <= float(row["SVM, mean"]) <= 100
    learned, plain = (found[name] for name in ROWS[2:4])
    assert all(learned[m] == plain[m] for m in learned if m != "row")
    assert (tmp_path / "features/table.png").read_bytes().startswith(b"\x89PNG")
    cells = (tmp_path / "features/cells.json").read_bytes()
    again = example(data, tmp_path, *words)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert (tmp_path / "features/cells.json").read_bytes() == cells


@pytest.mark.slow
def test_a_short_tuning_learns_from_each_beginning(data, tmp_path):
    done = example(data, tmp_path, "tuning", "--quick", "--labels", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(table(tmp_path / "tuning")) == 4
    cells = json.loads((tmp_path / "tuning/cells.json").read_bytes())["cells"]
    ratios = {c["settings"]["beginning"]: c["result"]["spread of ratios"] for c in cells}
    for name in ("random", "context prediction"):
        assert ratios[f"{name}, rescaled"] < 1.5 < ratios[name]


@pytest.mark.slow
@pytest.mark.parametrize(("part", "most"), [((), 5), (("tuning",), 3)])
def test_more_labels_than_there_are_is_one_line_and_exit_code_2(data, tmp_path, part, most):
    done = example(data, tmp_path, *part, "--labels", 6)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == f"--labels 6: the images allow for {most} at most"


@pytest.mark.slow
def test_without_the_images_it_says_what_to_put_where(tmp_path):
    done = example(tmp_path, tmp_path / "run")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path} has no cifar-10-images/train")
