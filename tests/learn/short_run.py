"""A short run, alone or on ranks, that a rank may break off.

python short_run.py FOLDER [--epochs N] [--resume] [--signal NAME RANK STEP]

Each rank leaves its parameters in the folder.
"""

import itertools
import os
import signal
from pathlib import Path

import click
import numpy as np

import minigrad as mg
from minigrad.cli import run
from minigrad.learn import started, train

SAMPLES, BATCH, EPOCHS = 62, 15, 4  # the last batch of an epoch has 2 samples, less than 3 ranks


def parameters(seed=0):
    rng = np.random.default_rng(seed)
    U = {"hidden": (rng.standard_normal((6, 5)), np.zeros(5)), "norm": (np.ones(5), np.zeros(5))}
    return U | {"output": (rng.standard_normal((5, 3)), np.zeros(3))}


def samples():
    rng = np.random.default_rng(1)
    return rng.standard_normal((SAMPLES, 6)), rng.integers(0, 3, SAMPLES)


def objective(U, X, T, *, rng, ranks=None, state=None):
    A = mg.batchnorm(mg.affine(X, U["hidden"]), U["norm"], ranks=ranks, state=state)
    return mg.entropy(mg.affine(mg.relu(A), U["output"]), T) + mg.decay(U["hidden"][0], 0.01)


def trained(ranks=None, f=objective, **options):
    """(parameters, log, running statistics) after a run with statistics that all ranks share."""
    U, state = parameters(), {}
    options = {"epochs": EPOCHS, "batch": BATCH, "log_every": 3, "save_every": 2} | options
    shared = lambda *args, rng: f(*args, rng=rng, ranks=ranks, state=state)
    rng = np.random.default_rng(2)
    log = train(shared, U, samples(), rng=rng, ranks=ranks, progress=False, **options)
    return U, log, state


@click.command()
@click.argument("folder", type=Path)
@click.option("--epochs", default=EPOCHS)
@click.option("--resume", is_flag=True)
@click.option("--signal", "broken", type=(str, int, int), default=("", -1, -1))
def main(folder, epochs, resume, broken):
    name, rank, step = broken
    calls = itertools.count()

    def broken_off(*args, ranks, **options):
        if next(calls) == step and ranks.rank == rank:
            os.kill(os.getpid(), getattr(signal, name))
        return objective(*args, ranks=ranks, **options)

    with started() as ranks:
        U, log, _ = trained(ranks, broken_off, folder=folder, epochs=epochs, resume=resume)
        W = np.concatenate([w.ravel() for w in mg.tree.leaves(U)])
        np.save(folder / f"{ranks.rank} of {ranks.size}.npy", W)
        print(f"{ranks.size} ranks: loss {log[-1]['loss']}")


if __name__ == "__main__":
    run(main)
