"""What one measurement does: turns, statistics, and no timing of networks that differ."""

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import measuring
from benchmarks.compare import child
from benchmarks.measuring import ROWS, Row, alternate, changed, comparison, distance, errors, ours
from minigrad import threads
from minigrad.learn import count

TINY = {
    "exemplar": Row("exemplar", (3, 8, 8), 5, (4, 6, 7), batch=4),
    "lenet": Row("lenet", (1, 28, 28), 10, batch=2),
    "resnet18": Row("resnet18", (3, 8, 8), 10, (4, 8), batch=4),
    "mlp": Row("mlp", (12,), 5, (7,), batch=4),
}


def test_ratios_are_taken_round_by_round_to_the_best_form_of_that_round():
    found = comparison([1.0, 2.0, 3.0], {"a": [2.0, 8.0, 3.0], "b": [4.0, 4.0, 6.0]})
    assert found["ratio"] == 0.5
    assert (found["low"], found["high"]) == (0.5, 0.75)
    assert found["rounds"] == 3
    assert found["form"] == "a"
    assert (found["ours_ms"], found["peer_ms"]) == (2000.0, 3000.0)


def test_a_round_slowed_down_on_both_sides_alike_does_not_move_the_ratio():
    quiet = comparison([1.0, 1.0, 1.0], {"a": [2.0, 2.0, 2.0]})
    loaded = comparison([1.0, 9.0, 1.0], {"a": [2.0, 18.0, 2.0]})
    assert loaded["ratio"] == quiet["ratio"] == 0.5


def test_all_contenders_take_turns_each_with_one_call_untimed():
    calls = []
    times = alternate({name: lambda name=name: calls.append(name) for name in "ab"}, 0, 3, 5)
    assert [len(seconds) for seconds in times.values()] == [3, 3]
    assert len(calls) == 12
    for i in range(0, 12, 4):
        assert sorted(calls[i : i + 4]) == ["a", "a", "b", "b"]
        assert calls[i] == calls[i + 1]


def test_rounds_end_at_the_most_even_with_time_left():
    assert len(alternate({"a": lambda: None}, 1000.0, 1, 4)["a"]) == 4


def test_a_distance_is_relative_to_the_largest_entry():
    assert distance([1.0, 4.0], [1.0, 5.0]) == pytest.approx(0.2)
    assert distance(np.zeros(2), np.zeros(2)) == 0
    with pytest.raises(RuntimeError, match=r"\(2,\) and \(3,\)"):
        distance(np.zeros(2), np.zeros(3))


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="counts no waiting")
def test_time_on_a_core_is_counted():
    before, _ = measuring.processor_seconds()
    end = time.thread_time() + 0.05
    while time.thread_time() < end:
        pass
    ran, waited = measuring.processor_seconds()
    assert ran - before >= 0.03
    assert waited >= 0


class Side:
    """A side whose loss and gradients are given."""

    def __init__(self, loss, *gradients):
        self.found = loss, [np.array(g) for g in gradients]

    def loss_and_gradients(self):
        return self.found


def exceeding(mine, peer):
    return [what for what, error, allowed in errors(mine, peer) if not error <= allowed]


def test_another_loss_gradient_or_number_that_is_none_is_seen():
    right = Side(1.0, [1.0, 2.0], [3.0])
    assert exceeding(Side(1.0 + 1e-6, [1.0, 2.0], [3.0 + 1e-6]), right) == []
    assert exceeding(Side(1.001, [1.0, 2.0], [3.0]), right) == ["loss"]
    assert exceeding(Side(1.0, [1.001, 2.0], [3.0]), right) == ["gradient of parameter 0 (2,)"]
    assert "gradient of parameter 1 (1,)" in exceeding(Side(1.0, [9.0, 2.0], [np.nan]), right)


def test_in_float32_a_unit_decided_otherwise_passes_and_a_wrong_gradient_does_not():
    g = np.ones(100, np.float32)
    moved, wrong = g.copy(), 1.1 * g
    moved[0] += 5e-3
    assert exceeding(Side(1.0, moved), Side(1.0, g)) == []
    assert exceeding(Side(1.0, wrong), Side(1.0, g)) == ["gradients as one vector"]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("exemplar-small", 4864 + 102_464 + 524_416 + 129_000),
        ("exemplar-large", 4864 + 204_928 + 819_456 + 8_389_120 + 513_000),
        ("lenet", 61_706),
        ("resnet18", 11_173_962),
        ("mlp", 397_510),
    ],
)
def test_the_networks_have_as_many_parameters_as_they_should(name, numbers):
    row = dataclasses.replace(ROWS[name], batch=1)
    assert count(ours(row).parameters) == numbers


@pytest.mark.parametrize("row", TINY.values(), ids=TINY)
def test_our_side_infers_and_learns(row):
    side = ours(row)
    assert side.infer().shape == (row.batch, row.classes)
    assert side.infer().dtype == np.float32
    losses = [side.step() for _ in range(20)]
    assert min(losses) < losses[0]


def test_a_row_is_changed_in_one_dimension_at_a_time():
    row = ROWS["exemplar-small"]
    assert changed(row, batch=8) == dataclasses.replace(row, batch=8)
    assert changed(row, image=16).images == (3, 16, 16)
    assert changed(row, channels=16).widths == (16, 16, 128)
    assert changed(row) == row


@pytest.mark.parametrize("row", TINY.values(), ids=TINY)
def test_both_sides_compute_the_same(row):
    pytest.importorskip("torch", reason="PyTorch, the peer, is not installed")
    measuring.agree(row)
    if row.network != "resnet18":  # in use it would normalise by its running statistics
        measuring.agree(dataclasses.replace(row, inference=True))


def test_a_row_is_timed_beside_pytorch():
    pytest.importorskip("torch", reason="PyTorch, the peer, is not installed")
    with threads(1):
        found = measuring.timed(TINY["mlp"], 1, seconds=0)
    assert found["rounds"] == measuring.LEAST
    assert found["ratio"] > 0
    assert found["form"] == "NCHW"
    assert 0 <= found["waited"] <= 1


def test_another_network_on_our_side_is_not_timed(monkeypatch):
    pytest.importorskip("torch", reason="PyTorch, the peer, is not installed")
    make = measuring.networks.mlp

    def other(*shape):
        network = make(*shape)
        return network._replace(loss=lambda U, X, T, rng=None: 1.01 * network.loss(U, X, T))

    monkeypatch.setattr(measuring.networks, "mlp", other)
    with pytest.raises(RuntimeError, match="loss: minigrad and PyTorch .NCHW. differ by"):
        measuring.timed(TINY["mlp"], 1, seconds=0)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="tells no peak memory")
def test_memory_is_what_the_steps_need_beyond_what_stands():
    found = child(1, "measuring", "memory", "mlp")["mb"]
    gradients_and_velocities = 2 * 4 * 397_510 / 2**20
    assert gradients_and_velocities <= found < 100
