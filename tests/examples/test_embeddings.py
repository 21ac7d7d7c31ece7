import csv
import functools
import json
import signal
import subprocess
import time

import pytest
from minigrad.models.embedding_training import Embedder

from examples.embeddings import METHODS
from minigrad.data import cifar10
from tests.examples import commands
from tests.examples.small_data import write

TINY = ("--size", "tiny")
TABLES = {"table": 9, "augmentation": 6, "sampling": 6}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data"))


command = functools.partial(commands.command, "embeddings")
bench = functools.partial(commands.finished, "embeddings")


def table(folder, name):
    with (folder / f"tiny/{name}.csv").open() as file:
        return [(row["row"], float(row["accuracy"])) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_bench_gives_tables_and_a_report_and_computes_nothing_twice(data, tmp_path):
    first = bench(data, tmp_path, *TINY)
    assert (first.returncode, first.stderr) == (0, "")
    for name, rows in TABLES.items():
        assert len(table(tmp_path, name)) == rows
        assert (tmp_path / f"tiny/{name}.png").read_bytes().startswith(b"\x89PNG")
    report = (tmp_path / "tiny/report.html").read_text()
    assert report.count("data:image/png") == 7
    assert "\N{PLUS-MINUS SIGN}" not in first.stdout + report
    assert "over 1 seeds" not in report
    X, _ = cifar10("test", "jpeg", folder=data)
    for method in METHODS:
        embedder = Embedder.load(tmp_path / f"tiny/embedders/{method}/embedder.safetensors")
        assert embedder.settings.method == method
        assert embedder(X).shape == (len(X), 128)
    again = bench(data, tmp_path, *TINY)
    assert (again.returncode, again.stdout) == (0, first.stdout)


@pytest.mark.slow
def test_a_stopped_bench_goes_on_where_it_was(data, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert bench(data, whole, *TINY, "--quick").returncode == 0
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(**command(data, stopped, *TINY, "--quick"), **quiet) as running:
        cells = stopped / "tiny/cells.json"
        while running.poll() is None and not (
            cells.exists() and '"row": "NPSoftmax"' in cells.read_text()
        ):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    assert running.returncode == 130
    (line,) = said.split("\n")[1:-1]  # the first one ends that of ^C
    assert line == "stopped; what is finished is kept: the same command goes on"
    assert len(json.loads(cells.read_text())["cells"]) < 5
    assert bench(data, stopped, *TINY, "--quick").returncode == 0
    assert table(stopped, "table") == table(whole, "table")


def test_without_the_images_it_says_what_to_put_where(tmp_path):
    done = bench(tmp_path, tmp_path / "run", *TINY)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "set MINIGRAD_DATA to that one" in line
