"""Golden values by entry; hypothesis and Ctrl-C the same wherever the tests are started."""

import json
import os
import signal
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest

# derandomised: a test passes or fails by the code alone; the machines are slow and shared
hypothesis.settings.register_profile(
    "minigrad", deadline=None, derandomize=True, database=None, max_examples=25
)
hypothesis.settings.load_profile("minigrad")

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it


class Golden(NamedTuple):
    """One entry of golden.npz: arrays by name, and what was computed."""

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    grads: dict[str, np.ndarray]
    options: dict[str, Any]


@pytest.fixture(scope="session")
def golden_values():
    data = os.environ.get("MINIGRAD_DATA")
    if not data:
        pytest.skip("golden values stand in $MINIGRAD_DATA/../oracles: MINIGRAD_DATA is not set")
    path = Path(data).parent / "oracles" / "golden.npz"
    if not path.is_file():
        pytest.skip(f"golden values are missing: there is no file {path}")
    with np.load(path) as values:
        yield values


@pytest.fixture
def golden(golden_values):
    """golden(entry): its .inputs, .outputs, .grads by name, and .options."""

    def read(entry):
        parts = {
            kind: {
                key.removeprefix(f"{entry}/{kind}/"): golden_values[key]
                for key in golden_values.files
                if key.startswith(f"{entry}/{kind}/")
            }
            for kind in ("in", "out", "grad")
        }
        return Golden(*parts.values(), json.loads(str(golden_values[f"{entry}/options"])))

    return read
