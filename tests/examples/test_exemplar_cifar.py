import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.published import real
from tests.examples.small_data import write

ROOT = Path(__file__).parents[2]
ROWS = ["raw pixels", "HOG", "random weights", "Exemplar-CNN"]


def example(data, *words):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.exemplar_cifar", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MINIGRAD_DATA": str(data)},
    )


def table(folder):
    with (folder / "table.csv").open() as file:
        return {
            row["features"]: tuple(map(float, row["test accuracy (%)"].split(" +- ")))
            for row in csv.DictReader(file)
        }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("cifar"))


@pytest.mark.slow
def test_a_short_run_prints_all_rows_and_writes_everything(data, tmp_path):
    folder = tmp_path / "run"
    words = ("--seeds", 70, "--epochs", 1, "--labels", 4)
    done = example(data, *words, "--folder", folder)
    assert (done.returncode, done.stderr) == (0, "")
    found = table(folder)
    assert list(found) == ROWS
    for name, (mean, deviation) in found.items():
        assert 0 <= mean <= 100
        assert f"{mean:.1f} +- {deviation:.1f}" in done.stdout
        assert name in done.stdout
    assert {"extractor.safetensors", "report.html", "summary.png"} < {
        path.name for path in folder.iterdir()
    }
    again = example(data, *words, "--folder", folder, "--resume")
    assert (again.returncode, table(folder)) == (0, found)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--labels", 6), "--labels 6: the training images allow for 5 at most"),
        (("--preset", "huge"), "'huge' is not one of 'small', 'medium'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(data, words, sentence, tmp_path):
    done = example(data, "--folder", tmp_path / "run", *words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert sentence in line


def test_without_the_images_it_says_what_to_put_where(tmp_path):
    done = example(tmp_path, "--folder", tmp_path / "run")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path} has no cifar-10-images/train")


@pytest.mark.slow
def test_features_learned_in_two_minutes_beat_pixels_hog_and_the_random_network(tmp_path):
    data = real("cifar-10-images").parent
    done = example(data, "--seeds", 400, "--epochs", 2, "--threads", 2, "--folder", tmp_path)
    assert done.returncode == 0, done.stderr
    found = table(tmp_path)
    for name in ROWS[:-1]:
        assert found["Exemplar-CNN"][0] > found[name][0] + 1, name
