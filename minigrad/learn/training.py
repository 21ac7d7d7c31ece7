"""The training loop: batches, steps, a progress bar, a log, checkpoints.

>>> from minigrad import affine, entropy
>>> rng = np.random.default_rng(0)
>>> X = rng.standard_normal((200, 2)); T = (X[:, 0] > 0).astype(int)
>>> U = (np.zeros((2, 2)), np.zeros(2))
>>> log = train(lambda U, X, T, rng: entropy(affine(X, U), T), U, (X, T), rng=rng,
...             epochs=2, batch=5)
>>> log[-1]["loss"] < log[0]["loss"]
True
"""

import contextlib
import csv
import io
import operator
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import tree
from ..backend import array_module
from ..engine import Node, below, value_and_grad, var
from ..tree import leaves, paths
from .checkpoint import load_checkpoint, save_checkpoint, write_whole
from .culprits import bad_gradient, bad_value
from .optimisers import Descent, Momentum
from .parallel import Ranks
from .schedules import constant


class NotFinite(FloatingPointError):
    """The loss or a gradient became NaN or infinite; the message names where it began."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C: the run was saved; the message says how to go on."""


def train(
    objective: Callable,
    parameters: Any,
    data: tuple,
    *,
    rng: np.random.Generator,
    epochs: int,
    batch: int = 100,
    rate: float | Callable[[float], float] = 0.1,
    optimiser: Descent | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    log_every: int = 20,
    save_every: int | None = None,
    progress: bool = True,
    ranks: Ranks | None = None,
) -> list[dict[str, float]]:
    """Minimise the mean of an objective over data, changing parameters in place; returns the log.

    objective(parameters, *arrays of a batch, rng=rng) is a scalar Node; parameters: a nest of
    arrays; data: arrays of equal length, on the device of the parameters, shuffled anew each epoch
    by rng, which the objective shares (one generator makes the run reproducible); batch: samples a
    step, the last one of an epoch may be smaller; rate: a number or a schedule
    (`minigrad.learn.schedules`), 0.1; optimiser: over the parameters, Momentum by default.
    With a folder, checkpoint.safetensors and log.csv (a row every log_every steps) are written
    every save_every steps (an epoch by default), at the end and on Ctrl-C; resume goes on from
    there as if nothing had happened. settings: what a resumed run must have as it was besides
    samples, batch and epochs, as {"seed": 0}.
    ranks: the processes that train together (`minigrad.learn.parallel`), each called alike; the
    objective is then a mean over samples, and only rank 0 writes. None, this process alone.
    Raises NotFinite, Interrupted, CheckpointError, and ValueError for data that cannot be used.
    """
    n = check_data(data)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"train: rng is a numpy Generator, as of default_rng(0), not {rng!r}")
    if resume and not folder:
        raise ValueError("train: resume goes on from a folder's checkpoint: give folder= too")
    if min(batch, epochs, log_every) < 1:
        raise ValueError(
            f"train: batch {batch}, epochs {epochs}, log_every {log_every}: at least 1"
        )
    if any(isinstance(w, Node) for w in leaves(parameters)):
        raise TypeError("train: parameters are arrays, not Nodes: without var")
    optimiser = Momentum(parameters) if optimiser is None else optimiser
    if not tree.same(optimiser.parameters, parameters, operator.is_):
        raise ValueError("train: the optimiser steps other arrays than parameters")
    ranks = ranks or Ranks()
    per_epoch = -(-n // batch)
    total = epochs * per_epoch
    save_every = save_every or per_epoch
    order = np.zeros(n, np.int64)
    arrays: dict[str, Any] = {
        "parameters": parameters,
        "optimiser": optimiser.state,
        "order": order,
    }
    facts: dict[str, Any] = {
        "step": 0,
        "seconds": 0.0,
        "losses": [],
        "images": 0,
        "log": [],
        "run": {"samples": n, "batch": batch, "epochs": epochs, **(settings or {})},
    }
    path = None
    if folder:
        path = Path(folder) / "checkpoint.safetensors"
        if ranks.rank == 0:
            path.parent.mkdir(parents=True, exist_ok=True)

    def save():
        if path and ranks.rank == 0:
            facts["rng"] = rng.bit_generator.state
            save_checkpoint(path, arrays, facts)
            write_whole(path.with_name("log.csv"), as_csv(facts["log"]))
        if path:
            ranks.saved(facts["step"])

    if resume and path:
        facts.update(load_checkpoint(path, arrays, {"run": facts["run"]}))
        rng.bit_generator.state = facts["rng"]
        ranks.saved(facts["step"])
    ranks.check(arrays, rng)

    schedule = rate if callable(rate) else constant(rate)
    gradient = value_and_grad(objective)
    start = time.perf_counter() - facts["seconds"]
    with (
        interrupts() as interrupted,
        progress_bar(progress and ranks.rank == 0, epochs * n, facts["step"] * batch) as bar,
    ):
        for step in range(facts["step"], total):
            first = step % per_epoch * batch
            if first == 0:
                order[...] = rng.permutation(n)
            chosen = order[first : first + batch]
            own = ranks.share(chosen)
            samples = [a[array_module(a).asarray(own)] for a in data]
            draws = ranks.generator(rng, step)
            before = draws.bit_generator.state
            loss, gradients = gradient(parameters, *samples, rng=draws)
            loss, gradients, stop = ranks.average(loss, gradients, interrupted.is_set())
            if not finite(loss, gradients):
                draws.bit_generator.state = before
                name_culprit(objective, parameters, samples, draws, step, ranks)
            rate_now = schedule(step / total)
            optimiser.step(gradients, rate_now)

            facts["step"], facts["seconds"] = step + 1, time.perf_counter() - start
            facts["losses"].append(float(loss))
            facts["images"] += len(chosen)
            bar.update(len(chosen))
            if (step + 1) % log_every == 0 or step + 1 == total:
                row = log_row(facts, per_epoch, rate_now)
                facts["log"].append(row)
                bar.set_postfix(loss=f"{row['loss']:.3f}")
            if (step + 1) % save_every == 0 or step + 1 == total or stop:
                save()
            if stop:
                raise Interrupted(
                    f"stopped after step {step + 1} of {total}"
                    + (
                        f"; saved in {path}: the same again with resume goes on from there"
                        if path
                        else "; not saved"
                    )
                )
    return facts["log"]


def log_row(facts, per_epoch, rate):
    """A row of the log: the mean loss since the last one; it empties the losses."""
    losses, rows = facts["losses"], facts["log"]
    seconds = facts["seconds"] - (rows[-1]["seconds"] if rows else 0)
    row = {
        "step": facts["step"],
        "epoch": round(facts["step"] / per_epoch, 4),
        "loss": float(np.mean(losses)),
        "rate": rate,
        "images_per_s": round(facts["images"] / max(seconds, 1e-9), 1),
        "seconds": round(facts["seconds"], 3),
    }
    losses.clear()
    facts["images"] = 0
    return row


def as_csv(rows):
    """Rows (dicts with the same keys) as the text of a CSV file."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def check_data(data):
    """The number of samples; refuses data that is empty, ragged, or not finite, by position."""
    if not isinstance(data, (tuple, list)):
        raise TypeError(f"train: data is a tuple of arrays, as (X, T), not a {type(data).__name__}")
    for i, a in enumerate(data):
        if not hasattr(a, "dtype"):
            raise TypeError(
                f"train: data is a tuple of arrays, and data[{i}] is a {type(a).__name__}"
            )
    lengths = [len(a) for a in data]
    if not lengths or min(lengths) == 0 or len(set(lengths)) > 1:
        raise ValueError(
            f"train: data are arrays of equal length, at least 1; these have {lengths}"
        )
    for i, a in enumerate(data):
        if a.dtype.kind == "f" and not np.isfinite(a).all():
            where = tuple(int(j) for j in np.argwhere(~np.isfinite(a))[0])
            raise ValueError(f"train: data[{i}] {a.shape} holds {a[where]} at {where}")
    return lengths[0]


def finite(loss, gradients):
    """True if loss and gradients are finite; one pass of dot products, for speed."""
    return np.isfinite(loss) and all(
        np.isfinite(np.vdot(g, g)) or np.isfinite(g).all()
        for g in leaves(gradients)
        if g is not None
    )


def name_culprit(objective, parameters, samples, rng, step, ranks):
    """Compute the step once more, keeping everything, and raise NotFinite for where it began."""
    with np.errstate(all="ignore"):
        nest = var(parameters)
        names = {leaf: path for path, leaf in paths(nest, "parameters")}
        L = objective(nest, *samples, rng=rng)
        order = below(L)
        sentence = bad_value(order, names)
        if not sentence:
            L.backward()
            sentence = bad_gradient(order, names)
    sentence = ranks.first(sentence)
    sentence = sentence or "loss or gradient were not finite, computed once more they are"
    raise NotFinite(f"step {step}: {sentence}")


@contextlib.contextmanager
def interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that the step is finished; a second one stops at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(number, frame):
        event.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def progress_bar(wanted, total, done):
    """A tqdm bar in terminals and notebooks; silent where nobody looks."""
    from tqdm import TqdmWarning
    from tqdm.auto import tqdm

    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        return tqdm(
            total=total,
            initial=done,
            unit=" images",
            unit_scale=True,
            disable=not (wanted and seen),
        )
