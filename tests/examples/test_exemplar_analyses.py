import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.examples.small_data import write

ROOT = Path(__file__).parents[2]
NAMES = {  # of the analyses, and how many cells each has in the tiny size
    "classes": 3,
    "samples": 3,
    "transformations": 8,
    "invariance": 3,
    "robustness": 11,
    "filters": 2,
    "transfer": 2,
    "architectures": 4,
    "clusters": 1,
}


def command(data, name, folder):
    return {
        "args": [
            *(sys.executable, "-W", "error", "-m", "examples.exemplar_analyses", name),
            *("--size", "tiny", "--folder", str(folder)),
        ],
        "cwd": ROOT,
        "text": True,
        "env": os.environ | {"MINIGRAD_DATA": str(data)},
    }


def analysis(data, name, folder):
    return subprocess.run(**command(data, name, folder), capture_output=True, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("analyses"), per_class=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all analyses write: they share networks."""
    return tmp_path_factory.mktemp("analyses-run")


def rows(folder, name):
    with (folder / f"tiny/{name}.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_analysis_gives_a_figure_and_a_table_and_makes_nothing_twice(data, folder, name):
    first = analysis(data, name, folder)
    assert (first.returncode, first.stderr) == (0, "")
    assert len(rows(folder, name)) == NAMES[name]
    picture = folder / f"tiny/{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    networks = {path: path.stat().st_mtime for path in folder.glob("tiny/networks/*/*")}
    again = analysis(data, name, folder)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert {path: path.stat().st_mtime for path in folder.glob("tiny/networks/*/*")} == networks


@pytest.mark.slow
def test_a_stopped_analysis_goes_on_where_it_was(data, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert analysis(data, "classes", whole).returncode == 0
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(**command(data, "classes", stopped), **quiet) as run:
        table = stopped / "tiny/classes.json"
        while not table.exists() and run.poll() is None:
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        _, error = run.communicate()
    assert run.returncode == 130
    (line,) = error.split("\n")[1:-1]  # the first one ends that of ^C
    assert line == "stopped; what is finished is kept: the same command goes on"
    kept = json.loads(table.read_text())["cells"]
    assert len(kept) < 3
    assert analysis(data, "classes", stopped).returncode == 0
    assert rows(stopped, "classes") == rows(whole, "classes")


def test_without_the_images_it_says_what_to_put_where(tmp_path):
    done = analysis(tmp_path, "classes", tmp_path / "run")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path} has no cifar-10-images/train")
