import dataclasses

import numpy as np

from benchmarks import measuring, surrogates
from minigrad.kernels.order import is_batch_last


def small(monkeypatch):
    for name, value in (("SOURCES", 3), ("BATCH", 8), ("BATCHES", 1), ("REST", 0)):
        monkeypatch.setattr(surrogates, name, value)
    monkeypatch.setattr(surrogates, "in_new_process", lambda *command: 2.0)


def test_images_a_second_and_memory_are_measured(monkeypatch):
    small(monkeypatch)
    found = surrogates.measure(1, rounds=3)
    assert 0 < found["low"] <= found["per_s"] <= found["high"]
    assert found["memory_mb"] == 2.0


def test_a_batch_is_what_a_first_convolution_wants_with_all_windows_inside(monkeypatch):
    small(monkeypatch)
    Z = surrogates.batch(*surrogates.problem(), np.random.default_rng(0))
    assert Z.shape == (8, 3, 32, 32)
    assert Z.dtype == np.float32
    assert is_batch_last(Z)


def test_every_transformation_is_left_out_once(monkeypatch):
    small(monkeypatch)
    names = [name for name, rate in surrogates.variants(1, 1) if rate > 0]
    assert len(names) == 12
    assert "without hue" in names


def test_training_is_timed_with_samples_made_on_the_way_and_samples_that_are_there(monkeypatch):
    small = dataclasses.replace(measuring.SMALL, widths=(2, 2, 4))
    monkeypatch.setattr(measuring, "SMALL", small)
    monkeypatch.setattr(surrogates, "STEPS", 2)
    monkeypatch.setattr(surrogates, "SAMPLES", 4)
    step, wait, kept = surrogates.training(1, rounds=2)
    assert 0 < wait < step and kept > 0
