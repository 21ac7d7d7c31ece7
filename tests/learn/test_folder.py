import json
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minigrad as mg
from minigrad.learn import (
    CheckpointError,
    FolderInUse,
    Interrupted,
    Momentum,
    NotSaved,
    Plateau,
    linear,
    note_scores,
    train,
)
from minigrad.learn.checkpoint import read_checkpoint
from minigrad.version import VERSION
from tests.learn import runs

ROOT = Path(__file__).parents[2]
STEPS = 30
SAVED = [*range(4, STEPS, 4), STEPS]  # the steps after which `runs` saves
FILES = {
    *("checkpoint.safetensors", "checkpoint-before.safetensors"),
    *("log.csv", "times.csv", "run.json", "table.csv"),
}
REPEATED = ("log.csv", "table.csv")


def child(network, folder, *moment):
    """A run in a process of its own, until it ends or kills itself; its exit code."""
    words = [sys.executable, "-W", "error", "-m", "tests.learn.runs", network, folder, *moment]
    done = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    return done.returncode


def same(folder, other):
    """True if two runs left the same bytes: parameters and all that was learned, log, table."""
    for name in REPEATED:
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name
    (arrays, facts, _), (others, other_facts, _) = (
        read_checkpoint(path / "checkpoint.safetensors") for path in (folder, other)
    )
    assert arrays.keys() == others.keys()
    for name in ("step", "losses", "seed", "rng", "run"):
        assert facts[name] == other_facts[name], name
    return all(a.tobytes() == others[name].tobytes() for name, a in arrays.items())


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """{network: the folder of a run that nothing has happened to}."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("dense", "conv")}
    assert [child(name, folder) for name, folder in folders.items()] == [0, 0]
    return folders


def broken(network, folder, call, k):
    """A run that was killed at the k-th such call, and gone on with; True if it lived to be."""
    code = child(network, folder, call, k)
    assert code in (-signal.SIGKILL, 0)
    if code:
        assert child(network, folder) == 0
    return bool(code)


def moments(rng, n):
    """Calls drawn at random in which a run is killed: (name, k)."""
    least = {"step": 120, "write": 43, "fsync": 46, "link": 8, "replace": 31, "unlink": 34}
    for _ in range(n):
        call = rng.choice(sorted(least))  # how many of these any run has
        yield str(call), int(rng.integers(1, least[call] + 1))


@pytest.mark.parametrize(
    ("network", "call", "k"),
    [
        pytest.param("dense", "write", 30, marks=pytest.mark.slow),
        pytest.param("dense", "link", 3, marks=pytest.mark.slow),
        pytest.param("dense", "replace", 31, marks=pytest.mark.slow),  # of table.csv
        pytest.param("conv", "step", 50, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, unbroken, network, call, k):
    assert broken(network, tmp_path, call, k)
    assert same(tmp_path, unbroken[network])
    assert {path.name for path in tmp_path.iterdir()} == FILES


@pytest.mark.slow
@pytest.mark.parametrize("network", ["dense", "conv"])
def test_a_run_killed_at_any_moment_goes_on_to_the_same_bytes(tmp_path, unbroken, network):
    seed = np.random.SeedSequence().entropy
    print(f"moments drawn with seed {seed}")
    for i, (call, k) in enumerate(moments(np.random.default_rng(seed), 20)):
        folder = tmp_path / str(i)
        assert broken(network, folder, call, k), (call, k)
        assert same(folder, unbroken[network]), (call, k)
        assert {path.name for path in folder.iterdir()} == FILES, (call, k)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["dense", "conv"])
def test_a_run_killed_again_and_again_goes_on_to_the_same_bytes(tmp_path, unbroken, network):
    kills = 0
    for call, k in [("step", 30), ("write", 9), ("fsync", 11), ("replace", 10), ("unlink", 12)] * 2:
        kills += child(network, tmp_path, call, k) != 0
    assert kills >= 5
    assert child(network, tmp_path) == 0
    assert same(tmp_path, unbroken[network])


def test_every_signal_that_asks_to_stop_saves_and_says_how_to_go_on(tmp_path, unbroken):
    for number in (signal.SIGINT, signal.SIGTERM):
        folder = tmp_path / str(number)
        with pytest.raises(Interrupted) as stop:
            at_step(9, lambda number=number: signal.raise_signal(number), folder)
        assert stop.value.code == 128 + number
        assert str(stop.value) == (
            f"stopped after step 11 of {STEPS}; saved in {folder / 'checkpoint.safetensors'}: "
            "the same again with resume goes on from there"
        )
        assert fact(folder, "state") == "interrupted"
        runs.go("dense", folder)
        assert same(folder, unbroken["dense"])


def at_step(k, action, folder, network="dense", **options):
    """Run, doing something before the parameters change in step k, counted from 0."""
    update, seen = Momentum.step, []

    def acting(self, *args, **words):
        if len(seen) == k:
            action()
        seen.append(1)
        return update(self, *args, **words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Momentum, "step", acting)
        runs.go(network, folder, **options)


def fact(folder, name):
    return json.loads((folder / "run.json").read_text())[name]


# what the folder tells


def test_run_json_says_what_runs_and_how_far_it_is(tmp_path):
    seen = []
    at_step(13, lambda: seen.append(json.loads((tmp_path / "run.json").read_text())), tmp_path)
    (during,) = seen
    after = json.loads((tmp_path / "run.json").read_text())
    assert (during["state"], during["step"], during["steps"]) == ("running", 12, STEPS)
    assert (after["state"], after["step"]) == ("finished", STEPS)
    assert after["version"] == VERSION
    assert after["started"] == during["started"] <= after["updated"]
    assert during["options"] == {
        "samples": 300,
        "batch": 50,
        "epochs": 5,
        "optimiser": "Momentum",
        "momentum": 0.9,
        "decay": 0.0,
        "form": "pytorch",
        "generator": "PCG64",
    }
    last = (tmp_path / "log.csv").read_text().splitlines()[-1]
    assert str(after["loss"]) == last.split(",")[2]


def test_a_run_that_fails_says_so(tmp_path):
    with pytest.raises(ZeroDivisionError):
        at_step(5, lambda: 1 / 0, tmp_path)
    assert fact(tmp_path, "state") == "failed"


def test_rows_are_there_as_soon_as_they_are_made(tmp_path):
    seen = []
    at_step(10, lambda: seen.append((tmp_path / "log.csv").read_text()), tmp_path, save_every=100)
    assert [row.split(",")[0] for row in seen[0].splitlines()] == ["step", "3", "6", "9"]


def test_scores_are_added(tmp_path):
    runs.go("dense", tmp_path)
    note_scores(tmp_path, {"accuracy": 93.5})
    assert fact(tmp_path, "scores") == {"accuracy": 93.5}
    assert fact(tmp_path, "state") == "finished"


# one run at a time


def test_a_second_run_in_the_folder_is_refused(tmp_path, unbroken):
    refused = []

    def second():
        with pytest.raises(FolderInUse) as error:
            runs.go("dense", tmp_path)
        refused.append(str(error.value))

    at_step(3, second, tmp_path)
    assert len(refused) == 1
    assert re.fullmatch(
        rf"{tmp_path}: process \d+ is at work here: wait for it, or take another folder", refused[0]
    )
    assert same(tmp_path, unbroken["dense"])  # nothing of the first was touched


@pytest.mark.slow
def test_a_run_killed_before_its_first_step_goes_on_too(tmp_path, unbroken):
    assert child("dense", tmp_path, "step", 1) == -signal.SIGKILL
    assert child("dense", tmp_path) == 0
    assert same(tmp_path, unbroken["dense"])


def test_a_new_run_where_another_could_go_on_is_refused(tmp_path):
    def go(stop=False, **options):
        def objective(U, X, rng):
            if stop:
                signal.raise_signal(signal.SIGINT)
            return mg.sum(U * U) * X.mean()

        data, rng = (np.ones(4),), np.random.default_rng(0)
        train(objective, np.ones(3), data, rng=rng, epochs=3, folder=tmp_path, **options)

    with pytest.raises(Interrupted):
        go(stop=True)
    log = (tmp_path / "log.csv").read_bytes()
    sentence = f"{tmp_path}: holds a run that stopped at step 1 of 3: resume goes on from there; to"
    with pytest.raises(CheckpointError, match=re.escape(sentence)):
        go()
    assert (tmp_path / "log.csv").read_bytes() == log
    go(resume=True)
    go()  # what is finished may be replaced


def test_a_new_run_is_not_taken_for_the_finished_one_before_it(tmp_path):
    runs.go("dense", tmp_path / "other", epochs=2)
    (tmp_path / "other" / "checkpoint.safetensors").rename(tmp_path / "checkpoint.safetensors")
    with pytest.raises(SystemExit):
        plateau(tmp_path, fail_at=0)
    assert rates(plateau(tmp_path, resume=True)) == rates(plateau(tmp_path / "unbroken"))


def test_the_checkpoint_of_another_run_is_not_kept_as_the_one_before(tmp_path):
    plateau(tmp_path)
    with pytest.raises(SystemExit):
        plateau(tmp_path, fail_at=0)
    assert not (tmp_path / "checkpoint-before.safetensors").exists()


def test_files_of_others_are_left_alone(tmp_path):
    others = [tmp_path / name for name in (".notes.2024", ".cache.3", "log.csv.1")]
    for path in others:
        path.write_text("mine")
    for name in ("log.csv", "table.csv", "summary.png"):  # a killed process's
        (tmp_path / f".{name}.4711.part").write_text("half a ta")
    runs.go("dense", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES | {path.name for path in others}


@pytest.mark.slow
def test_a_killed_run_holds_its_folder_no_longer(tmp_path):
    assert child("dense", tmp_path, "step", 50) == -signal.SIGKILL
    assert (tmp_path / "lock").exists()
    assert child("dense", tmp_path) == 0


# damaged checkpoints


def damage(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def test_of_a_damaged_checkpoint_the_one_before_is_offered(tmp_path, unbroken):
    with pytest.raises(Interrupted):
        at_step(9, lambda: signal.raise_signal(signal.SIGINT), tmp_path)
    last, before = (tmp_path / f"checkpoint{name}.safetensors" for name in ("", "-before"))
    damage(last)
    with pytest.raises(CheckpointError) as error:
        runs.go("dense", tmp_path)
    assert str(error.value) == (
        f"{last}: damaged: its content does not have the checksum it states. "
        "checkpoint-before.safetensors is whole, of step 8: to go on from there, give it the name "
        "checkpoint.safetensors"
    )
    before.replace(last)
    runs.go("dense", tmp_path)
    assert same(tmp_path, unbroken["dense"])


def test_a_damaged_one_before_is_not_offered(tmp_path):
    runs.go("dense", tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        damage(path)
    with pytest.raises(CheckpointError, match="the checksum it states$"):
        runs.go("dense", tmp_path)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"optimiser": {"momentum": 0.5}}, "momentum 0.9 there, 0.5 here"),
        ({"optimiser": {"form": "caffe"}}, "form pytorch there, caffe here"),
        ({"rate": 0.2}, "rate 0.1 there, 0.2 here"),
        ({"settings": {"seed": 3}}, "seed None there, 3 here"),
        ({"rate": Plateau(0.1)}, "schedule None there, Plateau here"),
        ({"rng": np.random.Generator(np.random.MT19937(0))}, "generator PCG64 there, MT19937 here"),
    ],
    ids=["momentum", "form", "rate", "settings", "schedule", "generator"],
)
def test_going_on_with_other_options_is_refused(tmp_path, other, sentence):
    def go(optimiser=None, **options):
        U = np.ones(3)
        chosen = Momentum(U, **(optimiser or {}))
        options = {"rng": np.random.default_rng(0), "epochs": 1, "rate": 0.1} | options
        train(
            lambda U, X, rng: mg.sum(U * U) * X.mean(),
            *(U, (np.ones(4),)),
            optimiser=chosen,
            folder=tmp_path,
            progress=False,
            **options,
        )

    go()
    with pytest.raises(CheckpointError, match=re.escape(f"of another run: {sentence}")):
        go(resume=True, **other)


def test_going_on_with_another_schedule_is_refused(tmp_path):
    with pytest.raises(Interrupted):
        at_step(9, lambda: signal.raise_signal(signal.SIGINT), tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "linear", lambda rate: linear(2 * rate))
        with pytest.raises(CheckpointError, match=r"the rate of step 9 is 0\.0\d+ there, 0\.0\d+ "):
            runs.go("dense", tmp_path)


# a full disk


class full_disk:
    """While entered, files of this process cannot grow beyond a size, in bytes."""

    def __init__(self, size):
        self.size = size

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *exception):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


def test_a_full_disk_stops_the_run_and_what_was_saved_is_whole(tmp_path, unbroken):
    disk = full_disk(10_000)
    try:
        with pytest.raises(NotSaved) as error:
            at_step(9, disk.__enter__, tmp_path)
    finally:
        disk.__exit__()
    assert str(error.value) == (
        f"step 12 could not be saved in {tmp_path}: File too large; what was saved before is "
        "whole: make room, and the same again with resume goes on from there"
    )
    assert fact(tmp_path, "state") == "failed"
    runs.go("dense", tmp_path)
    assert same(tmp_path, unbroken["dense"])


def test_a_full_disk_may_be_gone_on_with_until_there_is_room_again(tmp_path, unbroken):
    disk = full_disk(300)  # no room for rows either
    seen = []

    def room():
        disk.__exit__()
        seen.append((tmp_path / "checkpoint.safetensors").stat().st_mtime_ns)

    actions = {9: disk.__enter__, 22: room}
    update, steps = Momentum.step, []

    def acting(self, *args, **words):
        actions.get(len(steps), lambda: None)()
        steps.append(1)
        return update(self, *args, **words)

    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.warns(RuntimeWarning, match="could not be saved .* and the run goes on") as warned,
    ):
        patch.setattr(Momentum, "step", acting)
        runs.go("dense", tmp_path, when_full="go on")
    assert [re.search(r"step (\d+)", str(w.message))[1] for w in warned] == ["12", "16", "20"]
    assert same(tmp_path, unbroken["dense"])


def test_a_run_that_could_not_be_saved_does_not_say_that_it_was(tmp_path):
    disk = full_disk(300)

    def stop():
        disk.__enter__()
        signal.raise_signal(signal.SIGTERM)

    try:
        with pytest.warns(RuntimeWarning, match="not be saved"), pytest.raises(Interrupted) as e:
            at_step(1, stop, tmp_path, when_full="go on")
    finally:
        disk.__exit__()
    assert str(e.value) == (
        f"stopped after step 3 of {STEPS}; not saved: the disk is full; what was saved before is "
        "whole"
    )


def test_another_wish_for_a_full_disk_is_refused(tmp_path):
    with pytest.raises(ValueError, match='train: when_full is "stop" or "go on", not \'wait\''):
        runs.go("dense", tmp_path, when_full="wait")


# what changes besides parameters


def plateau(folder, resume=False, fail_at=None, lowest=0.0, scores=None):
    """A run with a rate that depends on what was seen after each epoch; its log."""
    rate, U, seen = Plateau(1.0, patience=0, lowest=lowest), np.ones(2), []

    def after_epoch():
        if len(seen) == fail_at:
            raise SystemExit
        seen.append(1)
        rate.observe(0.5)
        return scores and {**scores, "sum": float(U.sum())}

    return train(
        lambda U, X, rng: mg.sum(U) * X.mean(),
        *(U, (np.ones(4),)),
        rng=np.random.default_rng(0),
        epochs=6,
        batch=2,
        rate=rate,
        after_epoch=after_epoch,
        folder=folder,
        resume=resume,
        log_every=1,
        progress=False,
    )


def rates(log):
    return [row["rate"] for row in log]


def test_a_plateau_goes_on_where_it_was(tmp_path):
    unbroken = rates(plateau(tmp_path / "unbroken"))
    assert len(set(unbroken)) == 5
    with pytest.raises(SystemExit):
        plateau(tmp_path / "broken", fail_at=3)
    assert rates(plateau(tmp_path / "broken", resume=True)) == unbroken


@pytest.mark.parametrize("fail_at", [0, 1, 2])
def test_a_plateau_below_its_lowest_rate_ends_the_run_broken_off_or_not(tmp_path, fail_at):
    log = plateau(tmp_path, lowest=0.2)  # of six epochs of two steps each
    assert_allclose(rates(log), [1, 1, 1, 1, 1 / 3, 1 / 3])
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["state"], run["step"], run["steps"]) == ("finished", 6, 6)
    assert plateau(tmp_path, resume=True, lowest=0.2) == log
    broken = tmp_path / "broken"
    with pytest.raises(SystemExit):
        plateau(broken, fail_at=fail_at, lowest=0.2)
    assert rates(plateau(broken, resume=True, lowest=0.2)) == rates(log)
    assert rates(plateau(broken, lowest=0.2)) == rates(log)  # it has ended: a new one may begin


def test_scores_of_an_epoch_stand_in_the_log_in_a_table_and_in_what_runs_show(tmp_path):
    with pytest.raises(SystemExit):
        plateau(tmp_path, fail_at=3, scores={"error": 0.5})
    log = plateau(tmp_path, resume=True, scores={"error": 0.5})
    rows = [row for row in log if "error" in row]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    lines = [f"{row['step']},{row['epoch']},0.5,{row['sum']}" for row in rows]
    assert (tmp_path / "epochs.csv").read_text().split() == ["step,epoch,error,sum", *lines]
    scores = json.loads((tmp_path / "run.json").read_text())["scores"]
    assert scores == {"error": 0.5, "sum": rows[-1]["sum"]}
    plateau(tmp_path)
    assert not (tmp_path / "epochs.csv").exists()
    assert json.loads((tmp_path / "run.json").read_text())["scores"] == {}


def test_an_epoch_with_scores_has_a_row_whatever_log_every_says():
    X = np.ones(6)
    log = train(
        lambda U, X, rng: U * X.mean(),
        *(np.ones(()), (X,)),
        rng=np.random.default_rng(0),
        epochs=2,
        batch=2,
        after_epoch=lambda: {"error": 1.0},
        log_every=100,
        progress=False,
    )
    assert [(row["step"], row["error"]) for row in log] == [(3, 1.0), (6, 1.0)]


def test_an_error_in_data_made_on_the_way_reaches_the_caller_and_leaves_no_thread(tmp_path):
    class Broken:
        def __len__(self):
            return 10

        def batch(self, chosen, rng):
            raise OSError(5, "no such photograph")

    before = threading.active_count()
    with pytest.raises(OSError, match="no such photograph"):
        train(
            lambda U, X, rng: mg.sum(U),
            *(np.ones(2), Broken()),
            rng=np.random.default_rng(0),
            epochs=1,
            folder=tmp_path,
        )
    assert threading.active_count() == before
    assert fact(tmp_path, "state") == "failed"
