import csv
import functools
import json
import signal
import subprocess
import time

import numpy as np
import pytest
import strict
from minigrad.models import drlim
from PIL import Image
from scipy.ndimage import shift

from examples.drlim import (
    GRAPHS,
    MEASURES,
    SHIFTS,
    Pairs,
    loss,
    measured,
    nearest,
    of_copies,
    shifted,
)
from minigrad import to_cpu, to_gpu, value_and_grad
from tests.data.published import real
from tests.examples import commands

M = len(SHIFTS)


command = functools.partial(commands.command, "drlim")
example = functools.partial(commands.finished, "drlim")


def table(folder):
    """{map: {measure: value}} of seed 0."""
    with (folder / "table.csv").open() as file:
        return {
            row["map"]: {m: float(row[m]) for m in MEASURES}
            for row in csv.DictReader(file)
            if row["seed"] == "0"
        }


@pytest.fixture
def images():
    return np.random.default_rng(0).random((12, 1, 28, 28), np.float32)


def test_copies_stand_next_to_each_other_and_nothing_comes_in_at_the_other_side(images):
    Z = shifted(images).reshape(12, M, 28, 28)
    for n in range(12):
        for copy, by in zip(Z[n], SHIFTS):
            assert (copy == shift(images[n, 0], (0, by), order=0)).all()


def test_of_two_neighbours_one_way_is_enough():
    X = np.array([[0.0], [1], [2], [3], [4], [5], [100]])  # nobody's neighbour, and has five
    A = nearest(X).toarray()
    assert (A == A.T).all()
    assert not A.diagonal().any()
    assert A[6].tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_all_copies_of_an_image_and_of_its_neighbours_are_similar_to_each_of_its_copies(images):
    A = nearest(images).toarray()
    S = of_copies(nearest(images)).toarray()
    for i in range(len(S)):
        for j in range(len(S)):
            a, b = i // M, j // M
            assert S[i, j] == (i != j and (a == b or A[a, b] == 1))


@pytest.mark.parametrize("copies", [1, M])
def test_pairs_are_similar_as_the_graph_says_and_drawn_anew_from_the_generator(copies):
    n = 12 * copies
    X = np.arange(n, dtype=np.float32)  # an image that is its own number
    near = nearest(np.random.default_rng(0).random((12, 3)))
    similar = near if copies == 1 else of_copies(near)
    data = Pairs(X, similar, copies)
    assert len(data) == 1008  # whole rounds
    chosen = np.arange(600)
    A, B, t = data.batch(chosen, np.random.default_rng(1))
    assert t.tolist() == [1] * 600 + [0] * 600
    a, b = A.astype(int), B.astype(int)
    assert (a // copies == np.tile(chosen % 12, 2)).all()
    assert (similar.toarray()[a, b] == t).all()
    assert (a != b).all()
    assert set(a) == set(b) == set(range(n))
    again = data.batch(chosen, np.random.default_rng(1))
    other = data.batch(chosen, np.random.default_rng(2))
    assert (again[1] == B).all()
    assert (other[1] != B).any()


def test_on_another_device_pairs_and_loss_are_the_same(images, monkeypatch):
    strict.install(monkeypatch)
    U, similar = drlim.initial(np.random.default_rng(0)), nearest(images)
    found = []
    for move in (to_cpu, to_gpu):
        A, B, t = Pairs(move(images), similar).batch(np.arange(12), np.random.default_rng(1))
        L, dU = value_and_grad(loss)(move(U), A, B, t)
        found.append(to_cpu((L, dU["conv1"][0])))
    (L, dW), (L_there, dW_there) = found
    assert L_there == pytest.approx(L, rel=1e-5)
    np.testing.assert_allclose(dW_there, dW, atol=1e-5)


def test_a_map_that_forgets_the_shift_has_ratio_0_and_one_that_knows_nothing_else_about_1(images):
    rng = np.random.default_rng(0)
    X = rng.random((300, 1, 2, 1))
    plain = X.reshape(300, 1, 2)
    forgets = measured(X, plain + 1e-6 * rng.random((300, M, 2)))
    assert forgets["shift ratio"] < 1e-3
    assert forgets["trustworthiness"] > 0.999
    knows = measured(X, plain + 100 * np.arange(M)[:, None])
    assert knows["shift ratio"] == pytest.approx(M / (M - 1), rel=0.05)
    assert knows["same shift"] == 1
    nothing = measured(X, rng.random((300, M, 2)))
    assert nothing["shift ratio"] == pytest.approx(1, rel=0.05)
    assert nothing["same shift"] == pytest.approx(1 / M, abs=0.03)
    assert nothing["trustworthiness"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_without_mnist_it_says_so_draws_other_digits_and_computes_nothing_twice(tmp_path):
    folder = tmp_path / "run"
    done = example(tmp_path, folder, "--quick", "--epochs", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("scikit-learn's digits, as MNIST is not here: 1")
    found = table(folder)
    assert list(found) == ["principal components", "random network", *GRAPHS]
    for name, row in found.items():
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name}  ")]
        assert all(f"{m} {row[m]:.3f}" in line for m in MEASURES)
        assert "+-" not in line
    for graph in GRAPHS:
        assert (folder / f"{graph}.png").read_bytes().startswith(b"\x89PNG")
        with Image.open(folder / f"{graph}.gif") as moving:
            assert moving.n_frames == 3
        assert GRAPHS[graph].replace("'", "&#39;") in (folder / "report.html").read_text()
    made = {path: path.stat().st_mtime_ns for path in folder.glob("maps/*")}
    again = example(tmp_path, folder, "--quick", "--epochs", 2)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("maps/*")} == made


@pytest.mark.slow
def test_a_stopped_run_keeps_what_is_finished_and_goes_on(tmp_path):
    cells = tmp_path / "run/table.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    words = (tmp_path, tmp_path / "run", "--quick", "--epochs", 3)
    with subprocess.Popen(**command(*words), **quiet) as run:
        while not cells.exists() and run.poll() is None:
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        _, error = run.communicate()
    assert run.returncode == 130
    assert error.split("\n")[1:-1] == [
        "stopped; what is finished is kept: the same command goes on"
    ]
    kept = json.loads(cells.read_text())["cells"]
    assert 0 < len(kept) < 5
    assert example(*words).returncode == 0
    whole = json.loads(cells.read_text())["cells"]
    assert (whole[: len(kept)], len(whole)) == (kept, 5)


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path):
    done = example(tmp_path, tmp_path / "run", "--epochs", "many")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "--epochs" in line


@pytest.mark.slow
def test_a_map_falls_apart_by_shift_or_forgets_it_as_its_graph_says(tmp_path):
    done = example(real("mnist").parent, tmp_path, "--quick")
    assert (done.returncode, done.stderr) == (0, "")
    found = table(tmp_path)
    by_shift, without = found["nearest of shifted"], found["copies of nearest"]
    assert without["shift ratio"] < 0.3 < 1 < by_shift["shift ratio"]
    assert without["same shift"] < 0.3 < 0.7 < by_shift["same shift"]
    for name in ("random network", "principal components"):
        assert found["nearest"]["trustworthiness"] > found[name]["trustworthiness"] + 0.1
