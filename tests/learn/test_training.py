import csv
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minigrad as mg
from minigrad import block, node
from minigrad.data import digits
from minigrad.learn import Adam, Descent, Interrupted, Momentum, NotFinite, he, linear, train
from minigrad.learn.checkpoint import CheckpointError
from minigrad.learn.signals import interrupts
from minigrad.learn.training import check_data
from minigrad.tree import leaves

EPOCHS, BATCH = 3, 70
SAMPLES = 300  # 5 steps an epoch, the last one of 20
STEPS = 5 * EPOCHS
FILES = {"log.csv", "times.csv", "run.json"}
SAVED = FILES | {"checkpoint.safetensors", "checkpoint-before.safetensors"}


@block
def network(X, U, *, rng):
    Z = mg.dropout(mg.relu(mg.affine(X, U["hidden"])), 0.2, rng=rng)
    return mg.affine(Z, U["output"])


def objective(U, X, T, *, rng):
    return mg.entropy(network(X, U, rng=rng), T) + mg.decay(U["hidden"][0])


@pytest.fixture(scope="module")
def data():
    X, T = digits(8)
    return X[:SAMPLES].reshape(SAMPLES, -1), T[:SAMPLES]


class Run:
    """Parameters, optimiser and generator of a seed, trained by .go."""

    def __init__(self, data, seed=0, kind=Momentum):
        self.data, self.rng = data, np.random.default_rng(seed)
        self.U = {
            "hidden": (he((64, 30), self.rng), np.zeros(30, np.float32)),
            "output": (he((30, 10), self.rng), np.zeros(10, np.float32)),
        }
        self.optimiser = kind(self.U)

    def go(self, f=objective, **options):
        options = {"epochs": EPOCHS, "batch": BATCH, "rate": linear(0.05), "log_every": 4} | options
        self.log = train(f, self.U, self.data, rng=self.rng, optimiser=self.optimiser, **options)
        return self

    def same(self, other):
        """True if parameters, optimiser, generator, and the log but for time are bit-identical."""
        nests = [(run.U, run.optimiser.state) for run in (self, other)]
        for a, b in zip(*map(leaves, nests)):
            assert_array_equal(a, b)
        assert self.rng.bit_generator.state == other.rng.bit_generator.state
        assert timeless(self.log) == timeless(other.log)
        return True


def timeless(rows):
    return [{k: v for k, v in row.items() if k not in ("images_per_s", "seconds")} for row in rows]


def rows_of(folder, name="log.csv"):
    with (folder / name).open() as file:
        return list(csv.DictReader(file))


def names(folder):
    return {path.name for path in folder.iterdir()}


def at_step(k, action, f=objective):
    """The objective f, which does something at its k-th call, counted from 0."""
    calls = iter(range(10_000))

    def acting(*args, **options):
        if next(calls) == k:
            action()
        return f(*args, **options)

    return acting


def order(seed, n):
    """The order of n samples in the first epoch of a run whose generator has this seed."""
    return np.random.default_rng([np.random.default_rng(seed).integers(1 << 63), 0]).permutation(n)


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def interrupt(run, k, **options):
    """Run until Ctrl-C comes in the middle of step k, and return the exception's message."""
    with pytest.raises(Interrupted) as stop:
        run.go(at_step(k, ctrl_c), **options)
    return str(stop.value)


# learning


def test_a_network_learns_digits(data):
    run = Run(data).go(epochs=40)
    losses = [row["loss"] for row in run.log]
    assert losses[0] > 2  # ln 10 is 2.3
    assert losses[-1] < 0.5
    A = network.plain(data[0], run.U, rng=np.random.default_rng(0))
    assert (A.argmax(1) == data[1]).mean() > 0.9  # of what it learned from, under dropout


def test_parameters_are_changed_in_place(data):
    run = Run(data)
    before = leaves(run.U)
    copies = [w.copy() for w in before]
    run.go(epochs=1)
    assert all(a is b for a, b in zip(leaves(run.U), before))
    assert all((a != b).any() for a, b in zip(before, copies))


@pytest.mark.parametrize("kind", [Descent, Momentum, Adam])
def test_the_same_seed_gives_the_same_bits(data, kind):
    rate = 0.001 if kind is Adam else 0.05
    assert Run(data, kind=kind).go(rate=rate).same(Run(data, kind=kind).go(rate=rate))


def test_another_seed_gives_another_run(data):
    a, b = Run(data, seed=0), Run(data, seed=0)
    b.rng.random()
    assert a.go().log[0]["loss"] != b.go().log[0]["loss"]


def test_each_epoch_shows_every_sample_once_in_a_new_order():
    seen = []

    def f(U, X, T, *, rng):
        assert_array_equal(X, 2 * T)  # samples of all arrays stay together
        seen.append(T.copy())
        return mg.sum(U * 0.0)

    X = np.arange(10.0)
    train(f, np.zeros(3), (2 * X, X), rng=np.random.default_rng(0), epochs=2, batch=4)
    assert [len(T) for T in seen] == [4, 4, 2, 4, 4, 2]
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    assert_array_equal(np.sort(first), X)
    assert_array_equal(np.sort(second), X)
    assert (first != X).any()
    assert (first != second).any()


def test_momentum_is_the_optimiser_by_default_and_a_number_the_rate():
    def f(U, X, *, rng):
        return mg.sum(U * X.mean())

    U = np.zeros(1)
    log = train(f, U, (np.ones((2, 1)),), rng=np.random.default_rng(0), epochs=2, batch=2, rate=0.5)
    assert U == -0.5 * 1 - 0.5 * 1.9
    assert log[0]["rate"] == 0.5


def test_a_schedule_sees_the_share_of_training_done(data):
    seen = []
    Run(data).go(rate=lambda progress: seen.append(progress) or 0.01)
    assert seen == [step / STEPS for step in range(STEPS)]


# the log


def test_the_log_has_a_row_every_few_steps_and_one_at_the_end(data, tmp_path):
    run = Run(data).go(folder=tmp_path)
    assert [row["step"] for row in run.log] == [4, 8, 12, 15]
    assert [row["epoch"] for row in run.log] == [0.8, 1.6, 2.4, 3.0]
    assert [row["rate"] for row in run.log] == [linear(0.05)(s / STEPS) for s in (3, 7, 11, 14)]
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == "step,epoch,loss,rate"
    assert (tmp_path / "times.csv").read_text().splitlines()[0] == "step,seconds,images_per_s"
    rows = zip(rows_of(tmp_path), rows_of(tmp_path, "times.csv"), strict=True)
    assert [{k: float(v) for k, v in (row | times).items()} for row, times in rows] == run.log


def test_a_row_has_the_mean_loss_since_the_row_before(data):
    one_by_one, by_four = Run(data).go(log_every=1), Run(data).go()
    losses = [row["loss"] for row in one_by_one.log]
    assert len(losses) == STEPS
    expected = [np.mean(losses[a:b]) for a, b in [(0, 4), (4, 8), (8, 12), (12, 15)]]
    assert [row["loss"] for row in by_four.log] == expected


def test_seconds_and_images_per_s_are_those_of_the_clock_and_of_the_batches(data, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def two_seconds(*args, **options):
        now[0] += 2
        return objective(*args, **options)

    log = Run(data).go(two_seconds).log
    assert [row["seconds"] for row in log] == [8, 16, 24, 30]
    # an epoch is 70 + 70 + 70 + 70 + 20 images; every fourth step has a row, and the last
    images = [280, 230, 230, 160]
    assert [row["images_per_s"] for row in log] == [
        round(n / seconds, 1) for n, seconds in zip(images, (8, 8, 8, 6))
    ]


def test_without_a_folder_nothing_is_written(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Run(data).go()
    assert not list(tmp_path.iterdir())


def test_the_folder_is_made_and_holds_log_and_checkpoint(data, tmp_path):
    folder = tmp_path / "runs" / "one"
    Run(data).go(folder=str(folder))
    assert names(folder) == SAVED


@pytest.mark.parametrize(("save_every", "saves"), [(None, [5, 10, 15]), (4, [4, 8, 12, 15])])
def test_a_checkpoint_is_written_every_few_steps_an_epoch_by_default(
    data, tmp_path, save_every, saves
):
    seen, path = [], tmp_path / "checkpoint.safetensors"

    def look():
        seen.append(path.stat().st_mtime_ns if path.exists() else None)

    def looking(*args, **options):
        look()
        return objective(*args, **options)

    Run(data).go(looking, folder=tmp_path, save_every=save_every)
    look()
    changed = [k for k in range(1, STEPS + 1) if seen[k] != seen[k - 1]]
    assert changed == saves


# interruptions


@pytest.mark.parametrize("kind", [Descent, Momentum, Adam])
@pytest.mark.parametrize("k", [0, 4, 6, STEPS - 1], ids=lambda k: f"step {k}")
def test_a_run_that_was_interrupted_goes_on_as_if_nothing_had_happened(data, tmp_path, k, kind):
    rate = linear(0.001 if kind is Adam else 0.05)
    message = interrupt(Run(data, kind=kind), k, folder=tmp_path, rate=rate)
    checkpoint = tmp_path / "checkpoint.safetensors"
    assert message == (
        f"stopped after step {k + 1} of {STEPS}; saved in {checkpoint}: "
        "the same again with resume goes on from there"
    )
    resumed = Run(data, kind=kind)
    calls = []
    resumed.go(
        lambda *args, rng: calls.append(1) or objective(*args, rng=rng),
        folder=tmp_path,
        resume=True,
        rate=rate,
    )
    assert len(calls) == STEPS - k - 1
    assert resumed.same(Run(data, kind=kind).go(rate=rate))
    assert len(rows_of(tmp_path)) == len(resumed.log)


def test_a_run_may_be_interrupted_twice(data, tmp_path):
    interrupt(Run(data), 3, folder=tmp_path)
    interrupt(Run(data), 4, folder=tmp_path, resume=True)
    assert Run(data).go(folder=tmp_path, resume=True).same(Run(data).go())


def test_resuming_does_not_depend_on_the_new_runs_own_weights_and_generator(data, tmp_path):
    interrupt(Run(data), 6, folder=tmp_path)
    assert Run(data, seed=5).go(folder=tmp_path, resume=True).same(Run(data).go())


def test_a_run_that_was_killed_goes_on_from_the_last_epochs_end(data, tmp_path):
    def die():
        raise SystemExit

    with pytest.raises(SystemExit):
        Run(data).go(at_step(7, die), folder=tmp_path)
    assert [row["step"] for row in rows_of(tmp_path)] == ["4"]
    assert Run(data).go(folder=tmp_path, resume=True).same(Run(data).go())


def test_a_finished_run_is_not_trained_any_more(data, tmp_path):
    first = Run(data).go(folder=tmp_path)
    again = Run(data).go(None, folder=tmp_path, resume=True)
    assert again.log == first.log
    assert_array_equal(again.U["output"][0], first.U["output"][0])


def test_the_seconds_go_on_from_those_of_the_first_part(data, tmp_path):
    interrupt(Run(data), 6, folder=tmp_path, log_every=1)
    (*_, before) = rows_of(tmp_path, "times.csv")
    log = Run(data).go(folder=tmp_path, resume=True, log_every=1).log
    assert log[6]["seconds"] == float(before["seconds"])
    assert log[7]["seconds"] >= log[6]["seconds"]


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"epochs": EPOCHS + 1}, f"epochs {EPOCHS} there, {EPOCHS + 1} here"),
        ({"batch": BATCH + 1}, f"batch {BATCH} there, {BATCH + 1} here"),
        ({"settings": {"seed": 1}}, "seed 0 there, 1 here"),
    ],
    ids=["epochs", "batch", "settings"],
)
def test_resuming_with_other_settings_is_refused(data, tmp_path, other, sentence):
    same = {"folder": tmp_path, "settings": {"seed": 0}}
    interrupt(Run(data), 6, **same)
    with pytest.raises(ValueError, match=re.escape(f"of another run: {sentence}")):
        Run(data).go(resume=True, **same | other)


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ({"rng": 0}, "train: rng is a numpy Generator, as of default_rng(0), not 0"),
        ({"resume": True}, "train: resume goes on from a folder's checkpoint: give folder= too"),
        ({"optimiser": Momentum(np.zeros(3))}, "train: the optimiser steps other arrays"),
    ],
    ids=["rng", "resume", "optimiser"],
)
def test_options_that_cannot_be_meant_are_refused(mistake, sentence):
    options = {"rng": np.random.default_rng(0), "epochs": 1} | mistake
    with pytest.raises((TypeError, ValueError), match=re.escape(sentence)):
        train(lambda w, X, rng: mg.sum(w * w), np.ones(3), (np.ones(4),), **options)


@pytest.mark.parametrize(
    ("parameters", "data", "sentence"),
    [
        (np.ones(3), np.ones(4), "train: data is a tuple of arrays, as (X, T), not a ndarray"),
        (
            np.ones(3),
            ([1.0], np.ones(1)),
            "train: data is a tuple of arrays, and data[0] is a list",
        ),
        (mg.var(np.ones(3)), (np.ones(4),), "train: parameters are arrays, not Nodes: without var"),
    ],
    ids=["no tuple", "list", "nodes"],
)
def test_data_and_parameters_are_arrays(parameters, data, sentence):
    with pytest.raises(TypeError, match=re.escape(sentence)):
        train(None, parameters, data, rng=np.random.default_rng(0), epochs=1)


def test_a_refused_resume_changes_no_parameter(data, tmp_path):
    interrupt(Run(data), 6, folder=tmp_path)
    run = Run(data)
    with pytest.raises(ValueError, match="of another run"):
        run.go(folder=tmp_path, resume=True, epochs=EPOCHS + 1)
    assert all(np.array_equal(a, b) for a, b in zip(leaves(run.U), leaves(Run(data).U)))


def test_resuming_with_another_number_of_samples_is_refused(data, tmp_path):
    Run(data).go(folder=tmp_path)
    with pytest.raises(CheckpointError, match="of another run: samples 300 there, 299 here"):
        Run((data[0][1:], data[1][1:])).go(folder=tmp_path, resume=True)


def test_resuming_where_no_run_was_is_refused(data, tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint here"):
        Run(data).go(folder=tmp_path, resume=True)


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_generator_of_numpy_can_be_saved_and_goes_on(data, tmp_path, name):
    def run():
        run = Run(data)
        run.rng = np.random.Generator(getattr(np.random, name)(1))
        return run

    interrupt(run(), 6, folder=tmp_path)
    resumed, unbroken = run().go(folder=tmp_path, resume=True), run().go()
    assert_array_equal(resumed.U["output"][0], unbroken.U["output"][0])
    assert timeless(resumed.log) == timeless(unbroken.log)


def test_ctrl_c_that_no_step_follows_is_heard_at_the_end():
    with pytest.raises(KeyboardInterrupt), interrupts() as noted:
        signal.raise_signal(signal.SIGINT)
        assert noted == [signal.SIGINT]


def test_an_interrupted_run_without_a_folder_says_that_nothing_is_saved(data):
    assert interrupt(Run(data), 2) == f"stopped after step 3 of {STEPS}; not saved"


@pytest.mark.parametrize("ending", ["end", "Ctrl-C", "error"])
def test_afterwards_ctrl_c_is_what_it_was_before(data, ending):
    before = signal.getsignal(signal.SIGINT)
    if ending == "end":
        Run(data).go(epochs=1)
    elif ending == "Ctrl-C":
        interrupt(Run(data), 2)
    else:
        with pytest.raises(ZeroDivisionError):
            Run(data).go(at_step(1, lambda: 1 / 0))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_stops_at_once(data, tmp_path):
    reached = []

    def twice():
        ctrl_c()
        reached.append("after the first")
        ctrl_c()
        reached.append("after the second")

    with pytest.raises(KeyboardInterrupt) as stop:
        Run(data).go(at_step(2, twice), folder=tmp_path)
    assert type(stop.value) is KeyboardInterrupt
    assert reached == ["after the first"]
    assert names(tmp_path) == FILES | {"checkpoint.safetensors"}  # of step 0, and no half file


def test_training_runs_in_a_thread_which_ctrl_c_does_not_reach(data):
    run = Run(data)
    thread = threading.Thread(target=run.go)
    thread.start()
    thread.join()
    assert run.same(Run(data).go())


# what cannot be used


@pytest.mark.parametrize(
    ("lengths", "shown"), [((3, 2), r"\[3, 2\]"), ((0, 0), r"\[0, 0\]"), ((), r"\[\]")], ids=str
)
def test_data_that_are_empty_or_ragged_are_refused(lengths, shown):
    with pytest.raises(ValueError, match=f"train: data are arrays of equal length.* {shown}"):
        train(
            None,
            np.zeros(1),
            tuple(np.zeros((n, 2)) for n in lengths),
            rng=np.random.default_rng(0),
            epochs=1,
        )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_data_that_are_not_finite_are_refused_by_position(value):
    X = np.zeros((3, 2))
    X[2, 1] = X[2, 0] = value
    sentence = rf"train: data\[1\] \(3, 2\) holds {value} at \(2, 0\)"
    with pytest.raises(ValueError, match=sentence):
        train(None, np.zeros(1), (np.zeros(3), X), rng=np.random.default_rng(0), epochs=1)


def test_labels_and_any_number_of_arrays_are_data():
    assert check_data((np.arange(3), np.zeros((3, 2), np.float32), np.array(["a", "b", "c"]))) == 3


# where a loss becomes NaN


@node
def bad_back(A):
    def back(dZ, dA):
        dA += dZ / 0

    return A * 1, back


@block
def inner(A):
    return mg.log(A)


@block
def outer(A, wanted):
    return mg.sum(inner(A * wanted))


@block
def careless(A):
    return bad_back(mg.relu(A))


def bad_value(U, X, *, rng):
    return outer(U["w"], X.sum())


def bad_gradient(U, X, *, rng):
    return mg.sum(careless(U["w"] * 3.0)) if X.sum() < 0 else mg.sum(U["w"])


def fail(f, data, w=(1.0, 2.0), rng=None, **options):
    """The message of a run that fails, and its parameters."""
    U = {"w": np.array(w), "none": None}
    rng = np.random.default_rng(0) if rng is None else rng
    with np.errstate(all="ignore"), pytest.raises(NotFinite) as failure:
        train(f, U, (np.array(data),), rng=rng, epochs=1, batch=1, rate=0.0, **options)
    return str(failure.value), U["w"]


def test_a_value_that_is_not_finite_is_named_with_its_blocks_and_arguments():
    message, _ = fail(bad_value, [-1.0])
    assert message == (
        "step 0: the value of outer > inner > log (2,) is the first that is not finite; "
        "its inputs: A (2,) in [-2, -1]"
    )


def test_a_gradient_that_is_not_finite_is_named_with_its_blocks_and_value():
    message, _ = fail(bad_gradient, [-1.0])
    assert message == (
        "step 0: the gradient of careless > relu (2,) is the first that is not finite; it comes "
        "from the back of careless > bad_back, which got dZ (2,) in [1, 1]; its inputs: "
        "A (2,) in [3, 6]"
    )


def test_the_search_for_the_culprit_warns_of_nothing_once_more():
    with warnings.catch_warnings(record=True) as seen, pytest.raises(NotFinite):
        warnings.simplefilter("always")
        train(
            bad_value,
            {"w": np.ones(2)},
            (np.array([-1.0]),),
            rng=np.random.default_rng(0),
            epochs=1,
        )
    assert [str(w.message) for w in seen] == ["invalid value encountered in log"]


def test_blocks_that_are_over_before_the_node_are_not_named():
    def f(U, X, *, rng):
        careless(U["w"])
        return mg.sum(mg.log(careless(U["w"]) * X.sum()))

    message, _ = fail(f, [-1.0])
    assert message.startswith("step 0: the value of log (2,) is the first")


def test_the_first_of_several_culprits_is_named():
    def f(U, X, *, rng):
        return mg.sum(mg.sqrt(mg.log(U["w"] * X.sum()))) + mg.sum(mg.log(-U["w"]))

    message, _ = fail(f, [-1.0])
    assert "value of log 1 of 2 (2,) is the first" in message
    assert message.endswith("inputs: A (2,) in [-2, -1]")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_parameter_that_is_not_finite_is_named_by_its_path(value):
    message, _ = fail(bad_value, [1.0], w=(1.0, value))
    assert message == "step 0: parameters['w'] (2,) is not finite before the step"


def test_a_parameters_gradient_that_is_not_finite_is_named_by_its_path():
    message, _ = fail(lambda U, X, *, rng: mg.sum(bad_back(U["w"])), [-1.0])
    assert "parameters['w']" in message


@pytest.mark.parametrize("f", [bad_value, bad_gradient])
def test_a_failing_step_is_counted_and_changes_no_parameter(f):
    signs = np.array([1.0, 1.0, 1.0, -1.0])
    steps = {3: [], 2: [], 1: [], 0: []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        k = order(seed, 4).tolist().index(3)
        U = {"w": np.array([1.0, 2.0])}
        kept = []

        def note(U, X, *, rng, kept=kept):
            kept.append(U["w"].value.copy())
            return f(U, X, rng=rng)

        with np.errstate(all="ignore"), pytest.raises(NotFinite, match=f"^step {k}: "):
            train(note, U, (signs,), rng=rng, epochs=1, batch=1, rate=0.01)
        assert len(kept) == k + 2  # the failing step is computed once more, to find the culprit
        assert_array_equal(U["w"], kept[k])
        steps[k].append(seed)
    assert sum(map(bool, steps.values())) > 2  # early and late failures were among them


@pytest.mark.parametrize("seed", range(6))
def test_the_culprit_is_found_under_the_same_draw_that_failed(seed):
    def f(U, X, *, rng):
        return mg.sum(mg.log(U["w"] * (-1.0 if rng.random() < 0.3 else 1.0)))

    rng = np.random.default_rng(seed)
    rng.integers(1 << 63)  # the seed of the samples' order
    k = int(np.argmax(rng.random(50) < 0.3))
    message, _ = fail(f, np.ones(50), rng=np.random.default_rng(seed))
    assert message.startswith(f"step {k}: the value of log (2,) is the first")


def test_an_objective_that_fails_only_the_first_time_does_not_reach_the_parameters():
    calls = iter([np.nan, 1.0, 1.0])
    U = np.ones(2)
    with pytest.raises(NotFinite):
        train(
            lambda U, X, *, rng: mg.sum(U * next(calls)),
            U,
            (np.ones(1),),
            rng=np.random.default_rng(0),
            epochs=1,
        )
    assert_array_equal(U, [1, 1])


def test_a_gradient_too_large_to_square_is_no_failure():
    U = np.zeros(2, np.float32)
    train(
        lambda U, X, *, rng: mg.sum(U * np.float32(1e30)),
        U,
        (np.ones(1),),
        rng=np.random.default_rng(0),
        epochs=1,
        rate=1e-30,
    )
    np.testing.assert_allclose(U, -1, rtol=1e-6)


def test_a_failure_keeps_the_checkpoint_of_the_last_epoch(data, tmp_path):
    def f(U, X, T, *, rng):
        return objective(U, X, T, rng=rng) + mg.log(mg.sum(U["hidden"][1] * 0.0) + sign[0])

    sign = [1.0]
    run = Run(data)
    with np.errstate(all="ignore"), pytest.raises(NotFinite, match="value of log"):
        run.go(at_step(7, lambda: sign.__setitem__(0, -1.0), f), folder=tmp_path)
    assert Run(data).go(folder=tmp_path, resume=True).same(Run(data).go())


# where people look


def test_nothing_is_printed_where_nobody_looks(data, capfd):
    Run(data).go(epochs=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("progress", [True, False])
def test_a_terminal_shows_a_bar_that_counts_the_images_unless_it_shall_not(progress):
    code = (
        "import numpy as np, minigrad as mg\n"
        "from minigrad.learn import train\n"
        "train(lambda U, X, *, rng: mg.sum(U * X.sum()), np.ones(1), (np.ones(250),),\n"
        f"      rng=np.random.default_rng(0), epochs=2, progress={progress})\n"
    )
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True)
    os.write(theirs, b"that was all")  # so that there is something to read in any case
    shown = ""
    while "that was all" not in shown:
        shown += os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)
    assert ("500/500" in shown) is progress
    assert ("loss=" in shown) is progress
