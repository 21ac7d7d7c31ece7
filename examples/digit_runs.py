"""What the examples on handwritten digits share: the digits, and tables that outlive Ctrl-C."""

import contextlib
import time

import numpy as np

from minigrad.cli import stopping
from minigrad.data import data_folder, digits, mnist
from minigrad.learn import Cells

ROOM = 6  # pixels around the smaller digits: then they are as far from the edge as MNIST's


def handwritten():
    """(X, T) to learn from, (X, T) to test, and their name.  X: float32 (n, 1, 28, 28) in [0, 1].

    MNIST, if the data folder has it; else the 1797 digits that scikit-learn carries, halves in
    order, enlarged to 16 x 16 on a black ground.
    """
    if (data_folder() / "mnist").exists():
        both = [(X.astype(np.float32) / 255, T) for X, T in map(mnist, ("train", "test"))]
        return *both, "MNIST"
    X, T = digits(16)
    half, room = len(X) // 2, ((0, 0), (0, 0), (ROOM, ROOM), (ROOM, ROOM))
    X = np.pad(X, room)
    return (X[:half], T[:half]), (X[half:], T[half:]), "scikit-learn's digits, as MNIST is not here"


@contextlib.contextmanager
def kept(path):
    """The table of finished cells at a path; who stops the command is told that it goes on."""
    with stopping(), Cells(path) as cells:
        yield cells


def trials(cells, settings, seeds, compute):
    """The cells of one setting: {name: (seeds, ...)} of all that compute(seed) gives.

    "CPU minutes" are measured and kept with them.
    """

    def timed(seed):
        start = time.process_time()
        result = compute(seed)
        return result | {"CPU minutes": round((time.process_time() - start) / 60, 2)}

    found = [
        cells.get(settings | {"seed": seed}, lambda seed=seed: timed(seed)) for seed in range(seeds)
    ]
    return {name: np.array([cell[name] for cell in found]) for name in found[0]}
