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
from ..data import prefetch
from ..engine import Node, below, value_and_grad, var
from ..tree import leaves, paths
from .culprits import bad_gradient, bad_value
from .folder import Folder, Nowhere, now
from .optimisers import Descent, Momentum
from .schedules import constant


class NotFinite(FloatingPointError):
    """The loss or a gradient became NaN or infinite; the message names where it began."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM: the run was saved; the message says how to go on, code how to exit."""

    code = 130


def train(
    objective: Callable,
    parameters: Any,
    data: Any,
    *,
    rng: np.random.Generator,
    epochs: int,
    batch: int = 100,
    rate: float | Callable[[float], float] = 0.1,
    optimiser: Descent | None = None,
    state: Any = None,
    after_epoch: Callable[[], Any] | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    when_full: str = "stop",
    log_every: int = 20,
    save_every: int | None = None,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Minimise the mean of an objective over data, changing parameters in place; returns the log.

    objective(parameters, *arrays of a batch, rng=rng) is a scalar Node; parameters: a nest of
    arrays; data: arrays of equal length, on the device of the parameters, or an object that makes
    its samples on the way, as `minigrad.data.Surrogates`: len(data), and data.batch(chosen, rng)
    for the arrays of some, which a thread calls ahead of their use. Samples are shuffled anew each
    epoch. rng: makes the run reproducible; the objective shares it. batch: samples a step, the last
    one of an epoch may be smaller; rate: a number or a schedule (`minigrad.learn.schedules`), 0.1;
    optimiser: over the parameters, Momentum by default; state: a nest of arrays that the objective
    changes in place (running statistics, memory banks), its dicts may be empty at first;
    after_epoch(): called after each epoch, before it is saved, as to observe a Plateau.
    With a folder (`minigrad.learn.folder`), a checkpoint is written every save_every steps (an
    epoch by default), at the end, on Ctrl-C and SIGTERM, a row of the log every log_every steps;
    resume goes on from the checkpoint, to the same bytes as if nothing had happened. settings: what
    a resumed run must have as it was besides samples, batch, epochs, optimiser and rate, as
    {"seed": 0}; when_full: "stop" when the disk is full, with NotSaved, or "go on" with a warning.
    Raises NotFinite, Interrupted, NotSaved, FolderInUse, CheckpointError, and ValueError for data
    that cannot be used.
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
    per_epoch = -(-n // batch)
    total = epochs * per_epoch
    save_every = save_every or per_epoch
    schedule: Any = rate if callable(rate) else constant(rate)
    arrays = {"parameters": parameters, "optimiser": optimiser.state, "state": state}
    facts: dict[str, Any] = {
        "step": 0,
        "started": now(),
        "seconds": 0.0,
        "losses": [],
        "images": 0,
        "log": [],
        "seed": int(rng.integers(1 << 63)),
        "run": {
            "samples": n,
            "batch": batch,
            "epochs": epochs,
            **({} if callable(rate) else {"rate": rate}),
            **optimiser.options(),
            **(settings or {}),
        },
    }

    def save():
        facts["rng"] = rng.bit_generator.state
        facts["schedule"] = getattr(schedule, "state", None)
        place.save(arrays, facts)

    place: Nowhere = Folder(folder, when_full) if folder else Nowhere()
    gradient = value_and_grad(objective)
    with contextlib.ExitStack() as stack:
        stack.enter_context(place)
        if isinstance(place, Folder) and resume:
            facts.update(place.load(arrays, {"run": facts["run"]}))
            rng.bit_generator.state = facts["rng"]
            if facts["schedule"] is not None:
                schedule.state = facts["schedule"]
        place.begin(facts, total)
        start = time.perf_counter() - facts["seconds"]
        noted = stack.enter_context(interrupts())
        bar = stack.enter_context(progress_bar(progress, epochs * n, facts["step"] * batch))
        samples: Any = batches(data, n, batch, facts["seed"], facts["step"], total)
        if hasattr(data, "batch"):
            samples = stack.enter_context(prefetch(samples))
        for step, chosen in enumerate(samples, facts["step"]):
            before = rng.bit_generator.state
            loss, gradients = gradient(parameters, *chosen, rng=rng)
            if not finite(loss, gradients):
                rng.bit_generator.state = before
                name_culprit(objective, parameters, chosen, rng, step)
            rate_now = schedule(step / total)
            optimiser.step(gradients, rate_now)

            done = step + 1
            facts["step"], facts["seconds"] = done, time.perf_counter() - start
            facts["losses"].append(float(loss))
            facts["images"] += len(chosen[0])
            bar.update(len(chosen[0]))
            if done % log_every == 0 or done == total:
                row = log_row(facts, per_epoch, rate_now)
                facts["log"].append(row)
                place.add(row)
                bar.set_postfix(loss=f"{row['loss']:.3f}")
            if after_epoch and done % per_epoch == 0:
                after_epoch()
            if done % save_every == 0 or done == total or noted:
                save()
            if noted:
                raise interrupted(done, total, place, noted[0])
    return facts["log"]


def batches(data, n, batch, seed, first, total):
    """The arrays of each step from first to total; what a step gets depends on seed and step."""
    per_epoch = -(-n // batch)
    for step in range(first, total):
        epoch, k = divmod(step, per_epoch)
        if k == 0 or step == first:
            order = np.random.default_rng([seed, epoch]).permutation(n)
        chosen = order[k * batch : (k + 1) * batch]
        if hasattr(data, "batch"):  # k + 1: numbers that end in 0 seed as if without it
            yield data.batch(chosen, np.random.default_rng([seed, epoch, k + 1]))
        else:
            yield tuple([a[array_module(a).asarray(chosen)] for a in data])


def interrupted(step, total, place, number):
    """The exception for a run that a signal has stopped behind a step."""
    how = "not saved"
    if isinstance(place, Folder):
        how = f"saved in {place.checkpoint}: the same again with resume goes on from there"
    stop = Interrupted(f"stopped after step {step} of {total}; {how}")
    stop.code = 128 + number
    return stop


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


def check_data(data):
    """The number of samples; refuses data that is empty, ragged, or not finite, by position."""
    if hasattr(data, "batch"):
        if len(data) < 1:
            raise ValueError("train: data has no samples")
        return len(data)
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


def name_culprit(objective, parameters, samples, rng, step):
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
    sentence = sentence or "loss or gradient were not finite, computed once more they are"
    raise NotFinite(f"step {step}: {sentence}")


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """A list that Ctrl-C and SIGTERM go to: the step is finished first; a second stops at once."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def restore():
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number, frame):
        noted.append(number)
        restore()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        restore()


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
