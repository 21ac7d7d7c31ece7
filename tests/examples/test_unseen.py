import csv
import functools
import json
import signal
import statistics
import subprocess
import time
import zipfile
from io import BytesIO

import numpy as np
import pytest
from minigrad.models.embedding_training import Embedder
from PIL import Image

from examples.unseen import DATA, LEARNED, MEASURES, RATES, SEEDS, Bench, compare
from minigrad import to_cpu
from minigrad.learn import Cells
from tests.data.published import idx, real
from tests.examples import commands

FLOORS = ["raw pixels", "random network"]


command = functools.partial(commands.command, "unseen")
example = functools.partial(commands.finished, "unseen")


def table(folder):
    """{row: {measure: mean}} of a run."""
    with (folder / "table.csv").open() as file:
        return {row["row"]: {m: float(row[m]) for m in MEASURES} for row in csv.DictReader(file)}


def patterns(classes, each, side, seed=0):
    """Coarse patterns, one for each class, in noise: (classes each, side, side) of bytes."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.random((classes, 4, 4)), np.ones((side // 4, side // 4)))
    noise = rng.random((classes * each, side, side))
    return np.rint(255 * (0.7 * coarse.repeat(each, 0) + 0.3 * noise)).astype(np.uint8)


@pytest.fixture
def faces(tmp_path):
    """A data folder with 40 persons in the files of ORL, two images of each."""
    data = tmp_path / "data"
    (data / "olivetti").mkdir(parents=True)
    images, labels = patterns(40, 2, 64), np.repeat(np.arange(40, dtype=np.uint8), 2)
    for kind, a in (("images-idx3", images), ("labels-idx1", labels)):
        content = idx(*a.shape, of=lambda shape, a=a: a)
        (data / f"olivetti/faces-{kind}-ubyte").write_bytes(content)
    return data


@pytest.fixture
def bench(faces, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", str(faces))
    with Cells(tmp_path / "run/cells.json") as cells:
        yield Bench(DATA["faces"], 1, 1, cells, to_cpu)


def test_persons_to_learn_from_are_not_those_to_be_told_apart(bench):
    X, T, X_test, T_test = bench.halves
    assert X.shape == X_test.shape == (40, 1, 32, 32)
    assert (X.min(), X.max()) > (0, 0.5)
    assert sorted(set(T)) == list(range(20))
    assert sorted(set(T_test)) == list(range(20, 40))


def test_characters_to_be_told_apart_are_of_alphabets_that_were_not_learned(tmp_path, monkeypatch):
    (tmp_path / "omniglot").mkdir()
    for part, alphabets in ((1, ("Greek", "Korean", "Latin")), (2, ("Greek", "Latin", "Tagalog"))):
        path = tmp_path / f"omniglot/images_background_small{part}.zip"
        with zipfile.ZipFile(path, "w") as packed:
            for alphabet in alphabets:
                ink = np.full((105, 105), 255, np.uint8)
                ink[48:60, : 20 * len(alphabet)] = 0
                file = BytesIO()
                Image.fromarray(ink).convert("1").save(file, "PNG")
                packed.writestr(f"small/{alphabet}/character01/1_01.png", file.getvalue())
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    X, T, X_test, T_test = DATA["omniglot"].read()
    assert (X.shape, X_test.shape) == ((3, 1, 28, 28), (1, 1, 28, 28))
    assert (T.tolist(), T_test.tolist()) == ([0, 1, 2], [0])
    assert X_test.max() == 1  # ink, on nothing
    assert X_test[0, 0, 0].max() == 0


def test_a_rate_is_chosen_without_a_look_at_the_classes_that_judge(bench):
    bench.halves = bench.halves._replace(X_test=None, T_test=None)
    settings = bench.best("ISIF", (0.0, 0.1))
    tried = [row for row in bench.cells.rows() if "tried" in row]
    assert [row["rate"] for row in tried] == [0, 0.1]
    scores = [row["R@1 of training classes"] for row in tried]
    assert settings.rate == (0.0, 0.1)[int(np.argmax(scores))]
    assert bench.best("ISIF", (0.0, 0.1)) == settings


def test_deviations_are_those_of_a_sample(bench, capsys, monkeypatch):
    monkeypatch.setattr("examples.unseen.pages", lambda *results: [])
    bench.seeds = 3
    compare(bench, "faces", {})
    R = [row["R@1"] for row in bench.cells.rows() if row["row"] == "random network"]
    (line,) = [s for s in capsys.readouterr().out.splitlines() if s.startswith("random network")]
    assert line.split()[2:5] == [f"{np.mean(R):.1f}", "+-", f"{statistics.stdev(R):.1f}"]


def test_features_that_are_the_classes_have_all_and_noise_has_little(bench):
    T = bench.halves.T_test
    perfect = bench.judged(np.eye(40, dtype=np.float32)[T], 0)
    assert list(perfect) == list(MEASURES)
    assert all(score == pytest.approx(100) for score in perfect.values())
    noise = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    assert bench.judged(noise, 0)["R@1"] < 20


@pytest.mark.slow
def test_it_gives_a_table_and_pictures_and_computes_nothing_twice(faces, tmp_path):
    folder = tmp_path / "run"
    words = ("--data", "faces", "--quick", "--epochs", 1)
    done = example(faces, folder, *words)
    assert (done.returncode, done.stderr) == (0, "")
    first = done.stdout.splitlines()[0]
    assert first == (
        "faces of ORL: 40 of 20 classes to learn from, 40 of 20 others to be told apart"
    )
    found = table(folder / "faces")
    assert list(found) == [*FLOORS, "ISIF", "batch-hard"]
    for name, row in found.items():
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name}  ")]
        assert line.split()[-len(MEASURES) :] == [f"{row[m]:.1f}" for m in MEASURES]
        assert row["R@1"] <= row["R@2"] <= row["R@4"] <= row["R@8"]
    assert (folder / "faces/report.html").read_text().count("data:image/png") == 3
    for method, rate in (("ISIF", 0.01), ("batch-hard", 0.3)):
        embedder = Embedder.load(folder / f"faces/embedders/{method}/embedder.safetensors")
        assert (embedder.settings.method, embedder.settings.rate) == (method, rate)
        assert embedder(patterns(1, 2, 64)[:, None]).shape == (2, 128)
    made = (folder / "faces/cells.json").stat().st_mtime_ns
    again = example(faces, folder, *words)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert (folder / "faces/cells.json").stat().st_mtime_ns == made


@pytest.mark.slow
def test_without_data_it_says_so_and_takes_digits(tmp_path):
    done = example(tmp_path, tmp_path / "run", "--quick", "--epochs", 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == (
        "scikit-learn's digits, as characters of Omniglot are not here: "
        "901 of 5 classes to learn from, 896 of 5 others to be told apart"
    )
    assert list(table(tmp_path / "run/digits")) == [*FLOORS, "ISIF", "batch-hard"]


@pytest.mark.slow
def test_a_stopped_run_keeps_what_is_finished_and_goes_on(faces, tmp_path):
    cells = tmp_path / "run/faces/cells.json"
    words = (faces, tmp_path / "run", "--data", "faces", "--epochs", 1)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
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
    all_of_them = SEEDS * (len(FLOORS) + len(LEARNED)) + len(RATES) * len(LEARNED)
    assert 0 < len(kept) < all_of_them
    assert example(*words).returncode == 0
    whole = json.loads(cells.read_text())["cells"]
    assert (whole[: len(kept)], len(whole)) == (kept, all_of_them)


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path):
    done = example(tmp_path, tmp_path / "run", "--data", "birds")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "--data" in line


@pytest.mark.slow
def test_without_a_label_unseen_characters_are_found_better_than_by_pixels(tmp_path):
    data = real("omniglot/images_background_small2").parents[1]
    done = example(data, tmp_path, "--quick", "--epochs", 4)
    assert (done.returncode, done.stderr) == (0, "")
    found = table(tmp_path / "omniglot")
    for floor in FLOORS:
        assert found["ISIF"]["R@1"] > found[floor]["R@1"] + 8
        assert found["ISIF"]["NMI"] > found[floor]["NMI"] + 6
