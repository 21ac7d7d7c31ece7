import csv
import functools
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from examples import video
from minigrad import normalize
from minigrad.data.tracks import TrackedPairs
from minigrad.evaluate import overlap, pixels, scaled
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


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """Photographs are numbers, pairs are noise: twelve to learn from, ten to judge by; no CIFAR."""

    def noise(images, n, seed):
        patches = np.random.default_rng(seed).integers(0, 256, (2, n, 3, 32, 32), np.uint8)
        return video.Tracked(*patches, np.array(images), np.array([f"{n} clips, seed {seed}"]))

    monkeypatch.setattr(video, "followed", noise)
    monkeypatch.setattr(video.Size, "judge", 10)
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    images = np.arange(9)
    return video.Bench(images, video.FULL._replace(learn=12), tmp_path, None, lambda X: X)


def test_every_fourth_photograph_is_held_out_and_judges(bench):
    assert bench.pairs.off.tolist() == bench.learn == [0, 1, 2, 4, 5, 6, 8]
    assert bench.judge.off.tolist() == bench.held == [3, 7]
    assert (bench.pairs.why, bench.judge.why) == ("12 clips, seed 0", "10 clips, seed 1")


def test_a_row_learns_from_pairs_by_the_schedule_in_its_name(bench, monkeypatch):
    fitted = []

    def fit(first, last, how, *, rng, held_out, **_):
        fitted.append((first, last, how, rng.random(), held_out))
        return "net", [{"epoch": 1.0, "loss": 2.0, "held-out recall": 0.5}]

    monkeypatch.setattr(video, "fit", fit)
    monkeypatch.setattr(video.Bench, "of", lambda self, net: {"of": net})
    for name, epochs in {"random negatives": 20, "random, then hard": 10}.items():
        found = bench.trained(name, 3)
        assert found == {"of": "net", "losses": [[1.0, 2.0]], "recalls": [50.0]}
        first, last, how, drawn, held = fitted.pop()
        assert (how.random_epochs, how.epochs) == (epochs, 20)
        assert_array_equal([first, last], bench.pairs[:2])
        assert_array_equal(held, bench.judge[:2])
        assert drawn == np.random.default_rng(3).random()


def test_features_are_judged_by_held_out_pairs_and_by_images(bench, monkeypatch):
    same = bench.judge.first
    bench.judge = bench.judge._replace(last=np.concatenate([same[:6], same[6:][::-1]]))
    found = bench.judged(video.as_rows, None)
    F, G = (normalize(video.as_rows(X)) for X in bench.judge[:2])
    assert found["recall"] == 60
    assert_allclose(found["same"], (F * G).sum(1), atol=1e-3)
    assert_allclose(found["other"], (F @ G.T)[~np.eye(10, dtype=bool)], atol=1e-3)
    assert found["overlap"] == overlap((F * G).sum(1), (F @ G.T)[~np.eye(10, dtype=bool)])
    assert "SVM" not in found


def test_images_are_learned_from_and_asked_for_in_their_own_splits(bench, monkeypatch):
    train, test = np.random.default_rng(0).integers(0, 256, (2, 8, 3, 32, 32), np.uint8)
    T, T_test = np.arange(8) // 4, np.arange(8) // 6
    bench.cifar, learned, voted = (train, T, test, T_test, 3), [], []
    svm = lambda *a, **_: learned.append(a) or SimpleNamespace(mean=0.75)
    monkeypatch.setattr(video, "cifar_scores", svm)
    monkeypatch.setattr(video, "knn_vote", lambda *a: voted.append(a) or np.ones(8))
    found = bench.judged(video.as_rows, lambda X: [pixels(X)])
    assert (found["SVM"], found["kNN"]) == (75, 25)
    ((one, labels, other, answers, _, *few),) = learned
    assert_array_equal([one[0], other[0]], [pixels(train), pixels(test)])
    assert (labels is T, answers is T_test, few) == (True, True, [3, 3])
    ((queries, nodes, labels, k),) = voted
    for found, expected in zip((nodes, queries), scaled([pixels(train)], [pixels(test)])):
        assert_array_equal(found, expected)
    assert (labels is T, k) == (True, 8)


def test_random_weights_are_those_of_their_seed_for_pairs_to_learn_from(bench, monkeypatch):
    begun = []
    monkeypatch.setattr(video, "untrained", lambda *a: begun.append(a))
    monkeypatch.setattr(video.Bench, "of", lambda self, net: "judged")
    assert bench.untrained(3) == "judged"
    ((first, last, how, rng),) = begun
    assert_array_equal([first, last], bench.pairs[:2])
    assert (how, rng.random()) == (bench.settings(video.OURS), np.random.default_rng(3).random())


def test_the_table_has_means_errors_chance_and_what_our_row_gains(capsys):
    values = {"raw pixels": [7], "random weights": [1, 3], "random negatives": [4, 8]}
    values["random, then hard"] = [9, 11]
    rows = {name: {"recall": np.array(v), "CPU minutes": np.ones(2)} for name, v in values.items()}
    video.table(rows, 2, 25)
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert said == [
        "features tracked patch found (%)",
        "raw pixels 7.0",
        "random weights 2.0 +- 1.0",
        "random negatives 6.0 +- 2.0",
        "random, then hard 10.0 +- 1.0",
        "chance 4.0",
        "Mean and its standard error over seeds",
        "",
        "random, then hard, seed by seed:",
        "less random weights 8.0 +- 0.0",
        "less random negatives 4.0 +- 1.0",
    ]
    line = video.as_line("random weights", rows["random weights"])
    assert line == {"row": "random weights", "recall": 2, "recall error": 1, "CPU minutes": 2}


def test_how_far_a_track_is_off_is_measured_from_where_its_first_middle_has_gone(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 96, 112), np.uint8)
    made, starts = list(video.clips(images, 2, seed=5)), [0, 3]

    def tracked(frames, length, size):
        """As if found without a fault, but for the last patch."""
        for clip, X in zip(made, frames, strict=True):
            assert_array_equal(X, clip.frames)
        corners = []
        for clip, start in zip(made, starts):
            (point, *_) = np.argwhere(clip.owner[start] > bool(start) * clip.owner[0])
            path = clip.follow(point[None], 1, start)  # in frame 3, of what comes there after 0
            corners.append(path[start : start + length + 1, 0] - (size - 1) / 2)
            corners[-1][-1] += [3, -4]
        return TrackedPairs("first", "last", [0, 1], starts, np.array(corners), ["tracked"] * 2)

    monkeypatch.setattr(video, "tracked_pairs", tracked)
    assert_allclose(video.followed(images, 2, 5).off, 5)


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
