import csv
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import minigrad

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
COMMAND = (sys.executable, "-W", "error", "-m", "examples.exemplar_digits")
QUICK = ("--seeds", 20, "--versions", 10, "--epochs", 1)
CHECKPOINTS = {"checkpoint.safetensors", "checkpoint-before.safetensors"}
TRAINED = CHECKPOINTS | {"log.csv", "times.csv", "run.json"}
FILES = TRAINED | {"report.html", "summary.png", "table.csv"}
TRAINING = 90  # seconds on two cores, or of the processor where others take these


def example(*words):
    return subprocess.run(
        [*COMMAND, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def processor_seconds():
    """Of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(folder):
    """{row: {labels per class: (mean, deviation)}} of a run."""
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {
        row.pop("labels per class"): {
            int(k): tuple(map(float, cell.split(" +- "))) for k, cell in row.items()
        }
        for row in rows
    }


def files(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The folder and the output of a short run."""
    folder = tmp_path_factory.mktemp("quick") / "new"
    return folder, example("--folder", folder, *QUICK)


@pytest.mark.slow
def test_a_short_run_prints_its_table_and_writes_everything(quick):
    folder, done = quick
    assert (done.returncode, done.stderr) == (0, "")
    assert files(folder) == FILES
    scores = table(folder)
    assert list(scores) == ["raw pixels", "random weights", "Exemplar-CNN"]
    for name, cells in scores.items():
        assert list(cells) == [1, 5, 10, 50]
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(name)]
        printed = line.removeprefix(name).split()
        assert [float(x) for x in printed if x != "+-"] == [
            x for pair in cells.values() for x in pair
        ]
        assert all(40 < mean <= 100 for mean, _ in cells.values())  # a guess is right in 10
        assert cells[50] > cells[1]
    assert [p.read_bytes()[:4] for p in folder.glob("*.png")] == [b"\x89PNG"]
    assert "<table>" in (folder / "report.html").read_text()


@pytest.mark.slow
def test_a_finished_run_is_resumed_to_the_same_table(quick):
    folder, first = quick
    before = (folder / "table.csv").read_text()
    (folder / "table.csv").unlink()
    done = example("--folder", folder, *QUICK, "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "table.csv").read_text() == before
    assert files(folder) == FILES
    last = re.compile("trained in .*")
    assert last.search(done.stdout)[0] == last.search(first.stdout)[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--epochs", 2], "of another run: epochs 1 there, 2 here"),
        (["--seed", 1], "of another run: seed 0 there, 1 here"),
        (
            ["--versions", 11],
            "of another run: samples 200 there, 220 here, versions 10 there, 11 here",
        ),
        (["--seeds", 21], "of another run: samples 200 there, 210 here, seeds 20 there, 21 here"),
    ],
    ids=["epochs", "seed", "versions", "seeds"],
)
def test_resuming_another_run_is_one_line_and_exit_code_2(quick, words, sentence):
    folder, _ = quick
    done = example("--folder", folder, *QUICK, *words, "--resume")
    assert done.returncode == 2
    assert f"{folder / 'checkpoint.safetensors'}: {sentence}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--epochs", 0], "epochs at least 1"),
        (["--seeds", 1], "seeds are 2 to 898"),
        (["--seeds", 899], "seeds are 2 to 898"),
        (["--versions", 0], "versions and epochs at least 1"),
        (["--seed", -1], "--seed"),
        (["--epochs", "many"], "many"),
        (["--resume"], "there is no checkpoint here"),
    ],
    ids=str,
)
@pytest.mark.slow
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, words, sentence):
    done = example("--folder", tmp_path, *QUICK, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not files(tmp_path)


@pytest.mark.skipif(minigrad.gpu_available(), reason="there is a GPU")
def test_without_a_gpu_device_gpu_is_one_line_and_exit_code_2(tmp_path):
    done = example("--folder", tmp_path / "new", "--device", "gpu")
    assert done.returncode == 2
    assert re.match(r"to_gpu: (CuPy cannot be imported|no GPU answers)", done.stderr)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_a_file_is_one_line_and_exit_code_2(tmp_path):
    path = tmp_path / "file"
    path.write_text("here")
    done = example("--folder", path, *QUICK)
    assert done.returncode == 2
    assert done.stderr == f"Invalid value for '--folder': Directory '{path}' is a file.\n"
    assert path.read_text() == "here"


@pytest.mark.slow
def test_ctrl_c_saves_the_run_and_says_how_to_go_on(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    running = subprocess.Popen(
        [
            *COMMAND,
            "--folder",
            str(tmp_path),
            "--seeds",
            "20",
            "--versions",
            "10",
            "--epochs",
            "999",
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while running.poll() is None and not checkpoint.exists():  # so that it is among its steps
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate()
    assert running.returncode == 130
    (line,) = said.split("\n")[1:-1]  # click begins a new line, behind the terminal's ^C
    assert re.fullmatch(r"stopped after step \d+ of 1998; saved in (.+): the same again .+", line)
    assert files(tmp_path) == TRAINED


@pytest.mark.slow
def test_the_features_learned_without_labels_beat_pixels_and_random_weights(tmp_path):
    before = processor_seconds()
    done = example("--folder", tmp_path)
    processor = processor_seconds() - before
    assert (done.returncode, done.stderr) == (0, "")
    assert files(tmp_path) == FILES
    scores = {
        name: {k: mean for k, (mean, _) in row.items()} for name, row in table(tmp_path).items()
    }
    raw, random, learned = (
        scores[name] for name in ("raw pixels", "random weights", "Exemplar-CNN")
    )
    assert learned[5] >= raw[5] + 8
    assert learned[50] >= raw[50] + 4
    assert learned[5] >= random[5] + 4
    for line in re.search(r"raw pixels .*\n.*\nExemplar-CNN .*", README.read_text())[
        0
    ].splitlines():
        *words, numbers = re.split(r"  +", line, maxsplit=1)
        for k, cell in zip(scores["raw pixels"], re.findall(r"([\d.]+) \+- ([\d.]+)", numbers)):
            assert float(cell[0]) == pytest.approx(scores[words[0]][k], abs=float(cell[1]))
    seconds, first, last = re.search(r"trained in (.+) s, loss (.+) -> (.+)", done.stdout).groups()
    assert min(float(seconds), processor) < TRAINING
    assert float(last) < 0.7 * float(first)  # 6.1 and 3.3, with dropout and decay in both
    with (tmp_path / "log.csv").open() as file:
        *_, row = csv.DictReader(file)
    assert (row["step"], row["epoch"]) == ("600", "3.0")
