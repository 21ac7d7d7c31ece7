"""What the examples of embeddings share: digits, folders, tables that outlive Ctrl-C."""

import contextlib
import time
from pathlib import Path

import click
import numpy as np

from minigrad.cli import stopping
from minigrad.data import data_folder, digits, mnist
from minigrad.data.downloads import there
from minigrad.learn import Cells

KINDS = "images-idx3-ubyte", "labels-idx1-ubyte"
MNIST = [f"mnist/{split}-{kind}" for split in ("train", "t10k") for kind in KINDS]
ROOM = 6  # pixels around the smaller digits: then they are as far from the edge as MNIST's


def handwritten():
    """(X, T) to learn from, (X, T) to test, and their name.  X: float32 (n, 1, 28, 28) in [0, 1].

    MNIST, if the data folder has all of it; else the 1797 digits that scikit-learn carries, halves
    in order, enlarged to 16 x 16 on a black ground.
    """
    lacking = [name for name in MNIST if not there(data_folder(), name)]
    if not lacking:
        both = [(X.astype(np.float32) / 255, T) for X, T in map(mnist, ("train", "test"))]
        return *both, "MNIST"
    X, T = digits(16)
    half, room = len(X) // 2, ((0, 0), (0, 0), (ROOM, ROOM), (ROOM, ROOM))
    X = np.pad(X, room)
    why = "MNIST is not here" if lacking == MNIST else f"there is no {', '.join(lacking)}"
    return (X[:half], T[:half]), (X[half:], T[half:]), f"scikit-learn's digits, as {why}"


def about(doc):
    """The help of a command: the first paragraphs of its module, the commands as they stand."""
    first, commands, rest = doc.split("\n\n")[:3]
    return f"{first}\n\n\b\n{commands}\n\n{rest}"


def place(name, *own):
    """Give a click command --folder, runs/NAME by default, after --quick runs/NAME-quick.

    own: patterns of what stands there. A folder that holds other things only is refused.
    """

    def checked(context, option, folder):
        folder = folder or Path(f"runs/{name}-quick" if context.params["quick"] else f"runs/{name}")
        found = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        if found and not any(match for pattern in own for match in folder.glob(pattern)):
            raise click.BadParameter(
                f"{folder} holds something else, as {found[0]}: take another folder"
            )
        return folder

    return click.option(
        "--folder",
        type=click.Path(file_okay=False, path_type=Path),
        callback=checked,
        help="Where tables, figures and networks go.  "
        f"[default: runs/{name}, of --quick runs/{name}-quick]",
    )


def spread(values):
    """Mean and sample deviation over the first axis, 0 of one value."""
    return np.mean(values, 0), np.std(values, 0, ddof=1) if len(values) > 1 else 0.0


def summary(values, digits=1):
    """Mean +- sample deviation as a text, one value alone."""
    return " +- ".join(f"{number:.{digits}f}" for number in spread(values)[: len(values)])


def over(seeds):
    """Of what numbers are, in words."""
    return "Of seed 0" if seeds == 1 else f"Mean and deviation (of a sample) over {seeds} seeds"


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
