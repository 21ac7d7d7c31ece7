"""Two small runs that are killed and go on: `python -m tests.learn.runs NETWORK FOLDER [CALL K]`.

A run goes on from the folder's checkpoint, if there is one, and ends by writing table.csv. With
`replace 3` the process kills itself with SIGKILL at the third call of os.replace; see CALLS.
"""

import io
import itertools
import os
import signal
import sys
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad.data import Surrogates, digits
from minigrad.learn import Momentum, as_csv, he, linear, train, write_whole

CALLS = {  # in which a run can be killed
    "step": (Momentum, "update"),
    "write": (Path, "open"),
    **{name: (os, name) for name in ("fsync", "link", "replace", "unlink")},
}


@mg.block
def dense_loss(U, X, T, *, rng):
    Z = mg.dropout(mg.relu(mg.affine(mg.flatten(X), U["hidden"])), 0.2, rng=rng)
    return mg.entropy(mg.affine(Z, U["output"]), T)


def dense(rng):
    """A network of two layers on digits: parameters, objective, data, state."""
    X, T = digits(8)
    U = {"hidden": layer(rng, 64, 30), "output": layer(rng, 30, 10)}
    return U, dense_loss, (X[:300], T[:300]), None


def conv(rng):
    """Convolution, batch normalisation and dropout, on surrogates made on the way."""
    U = {
        "conv": (he((6, 1, 3, 3), rng), None),
        "norm": (np.ones(6, np.float32), np.zeros(6, np.float32)),
        "output": layer(rng, 6 * 64, 20),
    }
    state = {}

    @mg.block
    def loss(U, X, T, *, rng):
        Z = mg.conv(X, U["conv"], padding=1)
        Z = mg.batchnorm_relu(Z, U["norm"], state=state.setdefault("norm", {}))
        return mg.entropy(mg.affine(mg.dropout(mg.flatten(Z), rng=rng), U["output"]), T)

    return U, loss, Surrogates(digits(8)[0][:20], 15), state


def layer(rng, d, k):
    return he((d, k), rng), np.zeros(k, np.float32)


def go(network, folder, **options):
    """Train as far as it is not done, and write a table of the last loss and of the next draw."""
    rng = np.random.default_rng(1)
    U, objective, data, state = {"dense": dense, "conv": conv}[network](rng)
    options = {"epochs": 5, "batch": 50, "log_every": 3, "save_every": 4} | options
    resume = (Path(folder) / "checkpoint.safetensors").exists()
    optimiser = Momentum(U)
    log = train(
        objective,
        U,
        data,
        rng=rng,
        rate=linear(0.05),
        optimiser=optimiser,
        state=state,
        folder=folder,
        resume=resume,
        progress=False,
        **options,
    )
    write_whole(
        Path(folder) / "table.csv", as_csv([{"last": log[-1]["loss"], "draw": rng.random()}])
    )


def killing(kind, k):
    """Make the k-th call of a kind the process's last one; of a write, half is done."""
    calls = itertools.count(1)
    owner, name = CALLS[kind]
    original = getattr(owner, name)

    def deadly(*args, **options):
        if next(calls) == k:
            die()
        return original(*args, **options)

    def half(path, mode="r", **options):
        if not mode.startswith(("w", "a")) or "+" in mode or next(calls) != k:
            return original(path, mode, **options)
        file = io.BufferedWriter(Half(path, mode.replace("b", "")))
        return file if "b" in mode else io.TextIOWrapper(file)

    setattr(owner, name, half if kind == "write" else deadly)


class Half(io.FileIO):
    """A file whose process dies half way through its first write."""

    def write(self, content):
        super().write(bytes(content)[: len(content) // 2])
        die()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    network, folder, *moment = sys.argv[1:]
    if moment:
        kind, k = moment
        killing(kind, int(k))
    go(network, folder)
