"""Learning from video: two patches of one track are to be more alike than patches of other clips.

Two towers with the same weights see the first and the last patch of each track; a triplet is such a
pair, either way round, and a patch of another clip in the batch. Which, is chosen at random in the
first epochs, then by what the network has not learned: the most alike ones (`hard_with_random`).

>>> rng = np.random.default_rng(0)
>>> first = rng.integers(0, 256, (12, 3, 32, 32), np.uint8)
>>> quick = PRESETS["small"]._replace(network="4c5p3-8c3p3-16f", batch=6, epochs=2, random_epochs=1)
>>> net, log = fit(first, 255 - first, quick, rng=rng)
>>> net(first).shape
(12, 64)

Source: Wang and Gupta, ICCV 2015, section 5.
"""

from typing import NamedTuple

import numpy as np

from minigrad import block, concatenate, detach, take, to_cpu
from minigrad.backend import array_module
from minigrad.data.images import Augmentation
from minigrad.evaluate import most_similar
from minigrad.learn import Momentum, constant, linear, train

from . import embedding_training
from .embedding_training import check_images, network, told
from .triplet_loss import triplet
from .triplet_mining import hard_with_random

SCHEDULES = {"constant": constant, "linear": linear}
LOWEST = {"negatives": 1, "random_epochs": 0, "dimensions": 1, "batch": 1}
MIRRORED = Augmentation(
    scale=None, brightness=0, contrast=0, saturation=0, hue=0, gray=0, mean=0.45, std=0.25
)


class Settings(NamedTuple):
    """How a network learns from tracks; the defaults are the paper's where it says so.

    network, dimensions: as of `embedding_training.Settings` (the paper: AlexNet's convolutions and
    layers of 4096 and 1024); margin: of the cosine ranking loss, 0.5; negatives: K, to each pair
    either way round, 4; random_epochs: in which they are drawn at random from the batch, 10, then
    they are the K with the greatest loss; batch: pairs, 100; epochs; rate: the first; schedule:
    "constant", or "linear", falling to 0; momentum; decay: 5e-4; augmentation: of patches, the same
    of both of a pair, as mirroring (ours).
    """

    network: str = "32c5p3-64c3p3-64c3-128f"
    dimensions: int = 64
    margin: float = 0.5
    negatives: int = 4
    random_epochs: int = 10
    batch: int = 100
    epochs: int = 20
    rate: float = 0.1
    schedule: str = "linear"
    momentum: float = 0.9
    decay: float = 5e-4
    augmentation: Augmentation = MIRRORED


PRESETS = {"small": Settings(), "random negatives": Settings(random_epochs=20)}


class Tracked:
    """Pairs of patches as data of `minigrad.learn.train`: both of a pair changed alike."""

    def __init__(self, first, last, augmentation):
        self.first, self.last, self.augmentation = first, last, augmentation

    def __len__(self) -> int:
        return len(self.first)

    def batch(self, chosen, rng):
        """First and last patches (n, c, s, s) as the network sees them, batch-last."""
        changes = self.augmentation.draw(len(chosen), self.first.shape[2:], rng)
        apply = self.augmentation.apply
        return tuple(apply(X, changes, chosen, order="last") for X in (self.first, self.last))


@block
def towers(X1, X2, U, *, code, state):
    """Unit rows (2n, d) of first and last patches: one network, written once, applied twice.

    What both deposit in its weights adds up. Each has statistics of its own where it normalises.
    """
    embed = network(code)[1]
    options = {"state": state, "training": True}
    return concatenate((embed(X1, U, **options), embed(X2, U, **options)), 0)


def negatives(F, settings, epoch, rng):
    """(a, p, n) of unit rows F (2m, d), first patches, then last ones, as the paper mines them.

    Each pair either way round, with K patches of other pairs: in the first `random_epochs` epochs
    (from 0) at random, then those with the greatest loss, which are the most alike. Ties go to any.
    """
    xp, m = array_module(F), len(F) // 2
    y = xp.tile(xp.arange(m), 2)
    k = settings.negatives
    hard = 0 if epoch < settings.random_epochs else k
    return hard_with_random(F, y, rng, hardest=hard, hard=hard, random=k - hard)


def fit(first, last, settings, *, rng, held_out=None, facts=None, **options):
    """Learn an embedding from tracked pairs of patches, one of each clip; returns (Embedder, log).

    first, last: (n, c, s, s), bytes or in [0, 1], patch i of both of one track, as of
    `minigrad.data.tracked_pairs`; settings: a `Settings`; rng: a numpy Generator; held_out: (first,
    last) of other clips, whose "held-out recall" (`recall`) is noted in the log after each epoch;
    facts: what a resumed run must have as it was besides settings; options: as for
    `minigrad.learn.train`, as folder and resume. The loss is a mean over all triplets, so that
    steps shrink as they become easy.
    Raises ValueError for patches that are none, or not as many of both, a schedule of another name,
    numbers that are none, a batch that leaves one pair alone, which has no negatives, and as
    `train` does.
    """
    check_pairs("fit", first, last, 2)
    if held_out is not None:
        check_pairs("fit: held out", *held_out, 1)
    check_settings(settings, len(first))
    embedder = beginning(first, settings, rng)
    state = {"norms": embedder.state, "steps": np.zeros(1, int)}
    per_epoch = -(-len(first) // settings.batch)

    def objective(U, X1, X2, rng):
        F = towers(X1, X2, U, code=settings.network, state=embedder.state)
        epoch = int(state["steps"][0]) // per_epoch
        state["steps"] += 1
        a, p, n = negatives(detach(F), settings, epoch, rng)
        return triplet(take(F, a), take(F, p), take(F, n), settings.margin, "cosine")

    log = train(
        objective,
        embedder.parameters,
        Tracked(first, last, settings.augmentation),
        rng=rng,
        epochs=settings.epochs,
        batch=settings.batch,
        rate=SCHEDULES[settings.schedule](settings.rate),
        optimiser=Momentum(embedder.parameters, settings.momentum, settings.decay),
        state=state,
        after_epoch=held_out and (lambda: {"held-out recall": recall(embedder, *held_out)}),
        settings={**told(settings), **(facts or {})},
        **options,
    )
    return embedder, log


def untrained(first, last, settings, rng):
    """An Embedder with its first parameters: what learning has to beat.

    The same that `fit` begins with from an equal rng; the statistics of its normalisation are those
    of the patches.
    """
    check_pairs("untrained", first, last, 2)
    embedder = beginning(first, settings, rng)
    X = [settings.augmentation.apply(P, embedding_training.Changes()) for P in (first, last)]
    options = {"state": embedder.state, "training": True, "momentum": 1.0}
    network(settings.network)[1](array_module(first).concatenate(X), embedder.parameters, **options)
    return embedder


def recall(embed, first, last):
    """The share of first patches whose last one is the nearest of all last ones by cosine.

    embed: patches to features (n, d), as an `Embedder`; first, last: (n, c, s, s). By chance: 1/n.
    Ties: the first of them counts, so that features that are all alike find one in n.
    Raises ValueError for patches that are not as many of both.
    """
    check_pairs("recall", first, last, 1)
    index, _ = most_similar(to_cpu(embed(first)), to_cpu(embed(last)), 1)
    return float((index[:, 0] == np.arange(len(index))).mean())


def beginning(first, settings, rng):
    """An Embedder before training, of no statistics yet."""
    own = ("network", "dimensions", "augmentation")
    same = {name: getattr(settings, name) for name in own}
    of = embedding_training.Settings(method="video triplet", **same)
    return embedding_training.beginning(first, of, rng)


def check_pairs(name, first, last, least):
    """ValueError unless both are images, alike, and as many of each."""
    check_images(name, first, least)
    check_images(name, last, least)
    if first.shape != last.shape or first.dtype != last.dtype:
        raise ValueError(
            f"{name}: first and last patches are alike and as many, not {first.shape} of "
            f"{first.dtype} and {last.shape} of {last.dtype}"
        )


def check_settings(settings, n):
    """ValueError, as a sentence, for what cannot be trained."""
    if settings.schedule not in SCHEDULES:
        raise ValueError(
            f"fit: schedule is one of {', '.join(SCHEDULES)}, not {settings.schedule!r}"
        )
    for name, lowest in LOWEST.items():
        found = getattr(settings, name)
        if not isinstance(found, (int, np.integer)) or found < lowest:
            raise ValueError(f"fit: {name} is a whole number, at least {lowest}, not {found!r}")
    if (n % settings.batch or settings.batch) == 1:
        raise ValueError(
            f"fit: {n} pairs in batches of {settings.batch} leave one alone, which has no "
            "negatives: another batch, or a pair less"
        )
