import csv
import functools
import json
import signal
import subprocess
import time

import numpy as np
import pytest

from examples.shuffled_digits import ordered
from tests.data.published import real
from tests.examples import commands

ROWS = [(net, order) for net in ("two-layer", "LeNet-5") for order in ("in place", "shuffled")]


command = functools.partial(commands.command, "shuffled_digits")
example = functools.partial(commands.finished, "shuffled_digits")


def errors(folder):
    """{(network, order of pixels): (seeds, epochs) test errors} of a run."""
    found: dict = {}
    with (folder / "errors.csv").open() as file:
        for row in csv.DictReader(file):
            rows = found.setdefault((row["network"], row["pixels"]), [])
            rows.append(json.loads(row["errors (%)"]))
    return {name: np.array(rows) for name, rows in found.items()}


def test_shuffled_images_hold_the_same_pixels_all_in_the_same_new_order():
    X = np.arange(2 * 28 * 28.0).reshape(2, 1, 28, 28)
    Z = ordered(X, "shuffled", seed=3)
    assert (np.sort(Z[0].ravel()) == X[0].ravel()).all()
    assert (Z[1] - Z[0] == 28 * 28).all()
    assert (Z[0] != X[0]).any()
    assert (ordered(X, "in place", seed=3) == X).all()


@pytest.mark.slow
def test_without_mnist_it_says_so_takes_other_digits_and_computes_nothing_twice(tmp_path):
    folder = tmp_path / "run"
    done = example(tmp_path, folder, "--quick", "--epochs", 1)
    assert (done.returncode, done.stderr) == (0, "")
    first = done.stdout.splitlines()[0]
    assert first == ("scikit-learn's digits, as MNIST is not here: 898 to learn from, 899 to test")
    found = errors(folder)
    assert list(found) == ROWS
    for (network, order), rows in found.items():
        assert rows.shape == (1, 1)
        assert f"{network:<10} pixels {order:<10} {rows[0, -1]:.2f} % test" in done.stdout
        assert 0 < rows[0, -1] < 89  # guessing
    assert (folder / "errors.png").read_bytes().startswith(b"\x89PNG")
    made = (folder / "errors.json").stat().st_mtime_ns
    again = example(tmp_path, folder, "--quick", "--epochs", 1)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert (folder / "errors.json").stat().st_mtime_ns == made


@pytest.mark.slow
def test_a_stopped_run_keeps_what_is_finished_and_goes_on(tmp_path):
    table = tmp_path / "run/errors.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(**command(tmp_path, tmp_path / "run", "--epochs", 1), **quiet) as run:
        while not table.exists() and run.poll() is None:
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        _, error = run.communicate()
    assert run.returncode == 130
    assert error.split("\n")[1:-1] == [
        "stopped; what is finished is kept: the same command goes on"
    ]
    kept = json.loads(table.read_text())["cells"]
    assert 0 < len(kept) < 12
    assert example(tmp_path, tmp_path / "run", "--epochs", 1).returncode == 0
    cells = json.loads(table.read_text())["cells"]
    assert (cells[: len(kept)], len(cells)) == (kept, 12)


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path):
    done = example(tmp_path, tmp_path / "run", "--epochs", 0)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "--epochs" in line


@pytest.mark.slow
def test_a_convolution_is_better_and_worse_once_pixels_are_shuffled(tmp_path):
    done = example(real("mnist").parent, tmp_path, "--quick")
    assert (done.returncode, done.stderr) == (0, "")
    last = {name: rows[0, -1] for name, rows in errors(tmp_path).items()}
    full = last["two-layer", "in place"], last["two-layer", "shuffled"]
    assert abs(full[0] - full[1]) < 0.8
    assert last["LeNet-5", "in place"] < min(full) - 1
    assert last["LeNet-5", "shuffled"] > max(full)
