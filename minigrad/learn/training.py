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
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import tree
from ..backend import array_module
from ..data import prefetch
from ..engine import Node, below, value_and_grad, var
from ..tree import leaves, paths
from .checkpoint import CheckpointError
from .culprits import bad_gradient, bad_value
from .folder import Folder, Nowhere, load_last, now
from .optimisers import Descent, Momentum
from .parallel import Ranks
from .schedules import constant
from .signals import interrupts


class NotFinite(FloatingPointError):
    """The loss or a gradient became NaN or infinite; the message names where it began."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM: the run was saved; the message says how to go on, code how to exit."""

    def __init__(self, message: str, number: int = signal.SIGINT):
        super().__init__(message)
        self.code = 128 + number


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
    after_epoch: Callable[[], dict[str, float] | None] | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    when_full: str = "stop",
    log_every: int = 20,
    save_every: int | None = None,
    progress: bool = True,
    ranks: Ranks | None = None,
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
    after_epoch(): called after each epoch, before it is saved, as to observe a Plateau; scores that
    it returns, as {"validation error": 0.2}, stand in a row of the log and in the folder. A Plateau
    with a lowest rate ends the training early.
    With a folder (`minigrad.learn.folder`), a checkpoint is written every save_every steps (an
    epoch by default), at the end, on Ctrl-C and SIGTERM, a row of the log every log_every steps;
    resume goes on from the checkpoint, to the same bytes as if nothing had happened. settings: what
    a resumed run must have as it was besides samples, batch, epochs, optimiser and rate, as
    {"seed": 0}; when_full: "stop" when the disk is full, with NotSaved, or "go on" with a warning.
    ranks: the processes that train together (`minigrad.learn.parallel`), each called alike; the
    objective is then a mean over samples, and only rank 0 writes. None, this process alone.
    Raises NotFinite, Interrupted, NotSaved, FolderInUse, CheckpointError, and ValueError for data
    that cannot be used.
    """
    n = check_data(data)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"train: rng is a numpy Generator, as of default_rng(0), not {rng!r}")
    if resume and folder is None:
        raise ValueError("train: resume goes on from a folder's checkpoint: give folder= too")
    ranks = ranks or Ranks()
    per_epoch = -(-n // whole("batch", batch))
    total = whole("epochs", epochs) * per_epoch
    save_every = per_epoch if save_every is None else whole("save_every", save_every)
    whole("log_every", log_every)
    if any(isinstance(w, Node) for w in leaves(parameters)):
        raise TypeError("train: parameters are arrays, not Nodes: without var")
    optimiser = Momentum(parameters) if optimiser is None else optimiser
    if not tree.same(optimiser.parameters, parameters, operator.is_):
        raise ValueError("train: the optimiser steps other arrays than parameters")
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
            "generator": type(rng.bit_generator).__name__,
            **(rate.options() if hasattr(rate, "options") else {}),
            **({} if callable(rate) else {"rate": rate}),
            **optimiser.options(),
            **(settings or {}),
        },
    }

    def save():
        facts["rng"] = rng.bit_generator.state
        facts["schedule"] = getattr(schedule, "state", None)
        how = place.save(arrays, facts)
        if folder is not None:
            ranks.saved(facts["step"])
        return how

    place = Nowhere() if folder is None or ranks.rank else Folder(folder, when_full)
    gradient = value_and_grad(objective)
    with contextlib.ExitStack() as stack:
        stack.enter_context(place)
        signals = stack.enter_context(interrupts())
        if resume and folder is not None:
            facts.update(load_last(folder, arrays, {"run": facts["run"]}))
            ranks.saved(facts["step"])
            rng.bit_generator.state = facts["rng"]
            if facts["schedule"] is not None:
                schedule.state = facts["schedule"]
                if ended(schedule):
                    total = facts["step"]
            elif facts["log"]:
                check_rate(schedule, facts["log"][-1], total)
        ranks.check(arrays, rng)
        place.begin(facts, total, resume)
        if not resume:
            save()
        start = time.perf_counter() - facts["seconds"]
        seen = progress and ranks.rank == 0
        bar = stack.enter_context(progress_bar(seen, epochs * n, facts["step"] * batch))
        samples: Any = batches(data, n, batch, facts["seed"], facts["step"], total, ranks)
        if makes_batches(data):
            samples = stack.enter_context(prefetch(samples))
        for step, (chosen, own) in enumerate(samples, facts["step"]):
            ranks.share(chosen)
            draws = ranks.generator(rng, step)
            before = draws.bit_generator.state
            loss, gradients = gradient(parameters, *own, rng=draws)
            loss, gradients, stop = ranks.average(loss, gradients, bool(signals))
            if not finite(loss, gradients):
                draws.bit_generator.state = before
                name_culprit(objective, parameters, own, draws, step, ranks)
            rate_now = float(schedule(step / total))
            optimiser.step(gradients, rate_now)

            done = step + 1
            facts["step"], facts["seconds"] = done, time.perf_counter() - start
            facts["losses"].append(float(loss))
            facts["images"] += len(chosen)
            bar.update(len(chosen))
            scores = after_epoch() if after_epoch and done % per_epoch == 0 else None
            if ended(schedule):
                total = place.steps = done
            if done % log_every == 0 or done == total or scores:
                row = log_row(facts, per_epoch, rate_now) | (scores or {})
                facts["log"].append(row)
                place.add(row)
                bar.set_postfix(loss=f"{row['loss']:.3f}")
            if done % save_every == 0 or done == total or stop:
                how = save()
            if stop:
                raise Interrupted(f"stopped after step {done} of {total}; {how}", *signals[:1])
            if done == total:
                break
    return facts["log"]


def batches(data, n, batch, seed, first, total, ranks):
    """(indices, the arrays of this rank's part) of each step from first to total.

    They depend on seed, step and rank alone.
    """
    per_epoch = -(-n // batch)
    for step in range(first, total):
        epoch, k = divmod(step, per_epoch)
        if k == 0 or step == first:
            order = np.random.default_rng([seed, epoch]).permutation(n)
        chosen = order[k * batch : (k + 1) * batch]
        own = ranks.part(chosen)
        if makes_batches(data):  # k + 1: numbers that end in 0 seed as if without it
            draws = np.random.default_rng([seed, epoch, k + 1, ranks.rank])
            yield chosen, data.batch(own, draws)
        else:
            yield chosen, [a[array_module(a).asarray(own)] for a in data]


def makes_batches(data):
    """True for an object that makes its samples on the way."""
    return hasattr(data, "batch") and not isinstance(data, (tuple, list))


def whole(name, n):
    """n, a whole number from 1 on."""
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"train: {name} is a whole number, at least 1, not {n!r}")
    return int(n)


def ended(schedule):
    """True if the schedule says that the training is at its end, as a Plateau may."""
    return getattr(schedule, "ended", False)


def check_rate(schedule, row, total):
    """Refuse to go on with another rate than that of the last row of the log."""
    rate = float(schedule((row["step"] - 1) / total))
    if rate != row["rate"]:
        raise CheckpointError(
            f"train: the checkpoint is of another run: the rate of step {row['step']} is "
            f"{row['rate']} there, {rate} here"
        )


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
    if makes_batches(data):
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


def progress_bar(wanted, total, done):
    """A tqdm bar in terminals and notebooks; silent where nobody looks."""
    from tqdm import TqdmWarning
    from tqdm.auto import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # no thread that outlives it

    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        return Bar(
            total=total,
            initial=done,
            unit=" images",
            unit_scale=True,
            disable=not (wanted and seen),
        )
