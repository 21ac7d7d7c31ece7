"""Learning an embedding without labels: the methods that the paper of instance softmax compares.

All share a network, its augmentation, its optimiser and the number of images that they see; they
differ in what they ask of a batch (`METHODS`). One that is told the labels (`LABELLED`) shows what
these are worth.

>>> images = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), np.uint8)
>>> settings = PRESETS["small"]._replace(network="4c5-4c5-8f", batch=10, epochs=1)
>>> embedder, log = fit(images, settings, rng=np.random.default_rng(1))
>>> embedder(images).shape, list(METHODS)[-1]
((20, 128), 'ISIF, easy half')

What was learned is kept in a file, and is an `Embedder` again: embedder.save(path), load(path).

Source: Ye, Zhang, Yuen and Chang, CVPR 2019, section 4.1 and its code; of batch-hard: Hermans,
Beyer and Leibe, arXiv 1703.07737, section 2.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigrad import affine, batchnorm, block, detach, flatten, normalize, relu, take
from minigrad.backend import array_module
from minigrad.data.checks import in_range
from minigrad.data.images import Augmentation, Changes, Views
from minigrad.learn import CheckpointError, Momentum, he, linear, save_checkpoint, steps, train
from minigrad.learn.checkpoint import load_checkpoint, read_checkpoint
from minigrad.learn.folder import CHECKPOINT
from minigrad.tree import map_leaves

from . import exemplar_cnn, resnet
from .class_batches import ClassBatches
from .contrastive_loss import contrastive
from .instance_losses import exemplar_softmax, instance_softmax, ntxent
from .memory_bank import initial as bank
from .memory_bank import memory_nce, memory_softmax, remember
from .triplet_loss import triplet
from .triplet_mining import batch_hard, hard, random_triplets, semi_hard

CHUNK = 500  # images at a time where nothing is learned


class Settings(NamedTuple):
    """How an embedding is learned; the defaults are the paper's for CIFAR-10.

    method: of METHODS, or with labels of LABELLED; network: "resnet18", or an Exemplar-CNN's code
    with a linear layer on its hidden units; dimensions: of the embedding; temperature: of all that
    have one; noise: of NCE, for each image; batch: images, all where there are fewer; epochs: of
    two views of each image: methods that take one view go over the images twice as often; rate: the
    first; schedule: "paper", a tenth from 3/5 and a hundredth from 4/5 of the training on, or
    "linear", falling to 0; momentum, decay: of the optimiser; augmentation: of the views.
    """

    method: str = "ISIF"
    network: str = "resnet18"
    dimensions: int = 128
    temperature: float = 0.1
    noise: int = 4096
    batch: int = 128
    epochs: int = 200
    rate: float = 0.03
    schedule: str = "paper"
    momentum: float = 0.9
    decay: float = 5e-4
    augmentation: Augmentation = Augmentation()


PRESETS = {
    "small": Settings(network="32c5-64c5-128f", epochs=6, schedule="linear"),
    "paper": Settings(),
}


SCHEDULES: dict[str, Callable] = {
    "paper": lambda rate: steps(rate, at=(0.6, 0.8)),
    "linear": linear,
}


class Method(NamedTuple):
    """views: of each image in a batch; loss(F, y, U, state, settings, rng), F: (views m, d) unit
    rows, y: (m,) which images they are of, or their labels, state: what the method keeps;
    first(rng, n, d): that state and parameters of its own at the beginning, for n images.
    """

    views: int
    loss: Callable
    first: Callable = lambda rng, n, d: ({}, {})


def instances(F, y, U, state, settings, rng, **options):
    return instance_softmax(F, detach(F), settings.temperature, **options)


def two_views(F, y, U, state, settings, rng):
    return ntxent(F, settings.temperature)


def triplets(F, y, U, state, settings, rng, *, mine, **options):
    a, p, n = mine(detach(F), of_rows(F, y), rng)
    return triplet(take(F, a), take(F, p), take(F, n), **options)


def pairs(F, y, U, state, settings, rng, *, mine):
    a, p, n = mine(detach(F), of_rows(F, y), rng)
    xp = array_module(y)
    similar = xp.arange(2 * len(a)) < len(a)
    first, second = xp.concatenate((a, a)), xp.concatenate((p, n))
    return contrastive(take(F, first), take(F, second), similar)


def of_rows(F, y):
    """y for each row of F, whose views stand one behind the other."""
    return array_module(y).concatenate([y] * (len(F) // len(y)))


def remembered(F, y, U, state, settings, rng):
    L = memory_softmax(F, y, state=state, temperature=settings.temperature)
    remember(state, detach(F), y)
    return L


def contrasted(F, y, U, state, settings, rng, *, Z):
    noise = min(settings.noise, len(state["memory"]))
    options = {"noise": noise, "temperature": settings.temperature, "Z": Z}
    L = memory_nce(F, y, state=state, rng=rng, **options)
    remember(state, detach(F), y)
    return L


def own_class(F, y, U, state, settings, rng):
    return exemplar_softmax(F, U["classes"], y)


def own_classes(rng, n, d):
    return {}, {"classes": he((d, n), rng, gain=1.0).T.copy()}


def with_bank(rng, n, d):
    return bank(rng, n, d), {}


MINING: dict[str, Callable] = {
    "random": lambda F, y, rng: random_triplets(y, rng),
    "hard": lambda F, y, rng: hard(F, y),
    "semi-hard": lambda F, y, rng: semi_hard(F, y),
    "batch-hard": lambda F, y, rng: batch_hard(F, y),
}

METHODS = {
    "Exemplar": Method(1, own_class, own_classes),
    "NPSoftmax": Method(1, remembered, with_bank),
    "NCE": Method(1, partial(contrasted, Z="first"), with_bank),
    "NCE, moving Z": Method(1, partial(contrasted, Z="moving"), with_bank),
    "contrastive": Method(2, partial(pairs, mine=MINING["random"])),
    "contrastive, hard": Method(2, partial(pairs, mine=MINING["hard"])),
    "triplet": Method(2, partial(triplets, mine=MINING["random"])),
    "triplet, hard": Method(2, partial(triplets, mine=MINING["hard"])),
    "triplet, semi-hard": Method(2, partial(triplets, mine=MINING["semi-hard"])),
    "NT-Xent": Method(2, two_views),
    "ISIF": Method(2, instances),
    "ISIF, hard half": Method(2, partial(instances, negatives="hard")),
    "ISIF, easy half": Method(2, partial(instances, negatives="easy")),
}

# as in its source: with squared distances and a hinge all embeddings become alike
SOFT = {"margin": "soft", "form": "unsquared"}
LABELLED = {"batch-hard": Method(1, partial(triplets, mine=MINING["batch-hard"], **SOFT))}


@dataclass
class Embedder:
    """A network that embeds images: calling it gives unit rows (n, d), by arrays as they are.

    settings: a `Settings`; parameters, state: of the network; channels: of its images.
    """

    settings: Settings
    parameters: Any
    state: dict
    channels: int

    def __call__(self, images: Any) -> Any:
        """images: (n, c, h, w), bytes or in [0, 1], on the device of the parameters.

        Those of another size than the augmentation's are resampled to it: what is not square is
        seen distorted, unless it is cropped before.
        """
        check_images("Embedder", images, 1, self.channels)
        plain = self.settings.augmentation.apply
        chunks = (images[i : i + CHUNK] for i in range(0, len(images), CHUNK))
        return array_module(images).concatenate(
            [self.rows(plain(some, Changes(), order="last")) for some in chunks]
        )

    def rows(self, X: Any) -> Any:
        """Of images as the augmentation has made them."""
        embed = network(self.settings.network)[1]
        return embed(X, self.parameters, state=self.state, training=False)

    def save(self, path: str | Path) -> None:
        """Write all of it to a safetensors file, whole or not at all.

        Of the augmentation without colours, which only its pca needs.
        """
        arrays = {"parameters": self.parameters, "state": self.state}
        save_checkpoint(path, arrays, {"embedder": told(self.settings), "channels": self.channels})

    @classmethod
    def load(cls, path: str | Path) -> "Embedder":
        """The embedder that a file holds, in NumPy's arrays.

        Raises CheckpointError if there is none, it is damaged, or holds something else.
        """
        _, facts, _ = read_checkpoint(path)
        if "embedder" not in facts:
            raise CheckpointError(f"{path}: a checkpoint, but not of an Embedder")
        found, channels = facts["embedder"], facts["channels"]
        fields = {
            k: tuple(v) if isinstance(v, list) else v for k, v in found["augmentation"].items()
        }
        settings = Settings(**found | {"augmentation": Augmentation(**fields)})
        U = first_parameters(settings, np.random.default_rng(0), channels)
        state: dict = {}
        load_checkpoint(path, {"parameters": U, "state": state})
        return cls(settings, U, state, channels)


def check_images(name, images, least, channels=None):
    """ValueError unless they are at least so many, of so many channels, of bytes or in [0, 1]."""
    shape = getattr(images, "shape", ())
    if len(shape) != 4 or shape[0] < least or 0 in shape or shape[1] != (channels or shape[1]):
        found = shape if hasattr(images, "shape") else type(images).__name__
        wanted = f"(n, {channels or 'c'}, h, w), n at least {least}"
        raise ValueError(f"{name}: images are an array {wanted}, not {found}")
    in_range(name, images)


def network(name):
    """(initial(rng, d, channels, side), embedding(X, U, state=, training=)) by a network's name."""
    if name == "resnet18":
        return lambda rng, d, channels, side: resnet.initial(rng, d, channels), resnet.embedding

    def initial(rng, d, channels, side):
        U = exemplar_cnn.initial(rng, d, channels, side, name, "embedding")
        k = len(U["hidden"][1])
        return U | {"hidden norm": (np.ones(k, np.float32), np.zeros(k, np.float32))}

    return initial, partial(exemplar_embedding, code=name)


@block
def exemplar_embedding(X, U, *, code, state, **options):
    """Unit rows (n, d) of an Exemplar network with batch normalisation of its hidden units.

    Without it all embeddings are alike at the beginning. The options are those of `batchnorm`.
    """
    A = affine(flatten(exemplar_cnn.maps(X, U, code)[-1]), U["hidden"])
    Z = relu(batchnorm(A, U["hidden norm"], state=state, **options))
    return normalize(affine(Z, U["output"]))


def untrained(images, settings, rng):
    """An Embedder with its first parameters: what learning has to beat.

    The statistics of its batch normalisation are those of images, CHUNK of them at most.
    """
    embedder = beginning(images, settings, rng)
    X = settings.augmentation.apply(images[rng.permutation(len(images))[:CHUNK]], Changes())
    options = {"state": embedder.state, "training": True, "momentum": 1.0}
    network(settings.network)[1](X, embedder.parameters, **options)
    return embedder


def beginning(images, settings, rng):
    channels = images.shape[1]
    U = first_parameters(settings, rng, channels)
    return Embedder(settings, map_leaves(array_module(images).asarray, U), {}, channels)


def first_parameters(settings, rng, channels):
    side = np.ravel(settings.augmentation.size)[0]
    return network(settings.network)[0](rng, settings.dimensions, channels, side)


def fit(images, settings, *, rng, labels=None, after_epoch=None, facts=None, **options):
    """Learn an embedding of images; returns (Embedder, log).

    images: (n, c, h, w), n at least 2, bytes or in [0, 1], on the device where it is learned,
    resampled to the augmentation's size where theirs is another; settings: a `Settings`; rng: a
    numpy Generator; labels: (n,), NumPy's, for a method of LABELLED; after_epoch(embedder): scores
    to be noted in the log; facts: what a resumed run must have as it was besides settings, as
    {"seed": 0}; options: as for `minigrad.learn.train`, as folder and resume. In an epoch each
    image is seen twice, by methods of one view in two batches, with labels on average
    (`ClassBatches`).
    Raises ValueError for what are no images, a method or schedule of another name, no dimensions,
    labels that are not as many as images, a batch that leaves one view alone in the last one, which
    has no variance, CheckpointError for a folder that holds a run which is not to be resumed, and
    as `train` does.
    """
    check_images("fit", images, 2)
    method = method_of(settings, labels)
    folder = options.get("folder")
    if folder is not None and not options.get("resume") and (Path(folder) / CHECKPOINT).exists():
        raise CheckpointError(
            f"fit: {folder} holds a run already: resume=True goes on with it, or loads it if it is "
            "finished; to begin anew, take another folder, or remove this one"
        )
    times = 2 // method.views
    if method.views * (times * len(images) % settings.batch or settings.batch) == 1:
        raise ValueError(
            f"fit: {len(images)} images taken {times} times in batches of {settings.batch} leave "
            "one alone, which batch normalisation cannot take: another batch, or an image less"
        )
    embedder = beginning(images, settings, rng)
    move = array_module(images).asarray
    state, own = map_leaves(move, method.first(rng, len(images), settings.dimensions))
    U = {"network": embedder.parameters, **own}
    embed = network(settings.network)[1]
    data = Views(images, settings.augmentation, method.views)
    if labels is not None:
        data = ClassBatches(data, labels)

    def objective(U, X, y, rng):
        F = embed(X, U["network"], state=embedder.state, training=True)
        return method.loss(F, y, U, state, settings, rng)

    log = train(
        objective,
        U,
        Often(data, times),
        rng=rng,
        epochs=settings.epochs,
        batch=settings.batch,
        rate=SCHEDULES[settings.schedule](settings.rate),
        optimiser=Momentum(U, settings.momentum, settings.decay),
        state={"network": embedder.state, "method": state},
        after_epoch=after_epoch and (lambda: after_epoch(embedder)),
        settings={**told(settings), **(facts or {})},
        **options,
    )
    return embedder, log


def method_of(settings, labels):
    """The Method of settings; ValueError for what fit cannot do."""
    name, methods = settings.method, METHODS if labels is None else LABELLED
    if name in LABELLED and labels is None:
        raise ValueError(
            f"fit: method {name!r} learns from labels: give labels=, one for each image"
        )
    if name in METHODS and labels is not None:
        raise ValueError(
            f"fit: method {name!r} takes no labels: leave them out, or take {named(LABELLED)}"
        )
    for field, known in {"method": {**METHODS, **LABELLED}, "schedule": SCHEDULES}.items():
        if (found := getattr(settings, field)) not in known:
            raise ValueError(f"fit: {field} is one of {named(known)}, not {found!r}")
    d = settings.dimensions
    if not isinstance(d, (int, np.integer)) or d < 1:
        raise ValueError(f"fit: dimensions is a whole number, at least 1, not {d!r}")
    return methods[name]


def named(known):
    return ", ".join(map(repr, known))


class Often:
    """Data of which an epoch has each sample so many times."""

    def __init__(self, data: Any, times: int):
        self.data, self.times = data, times

    def __len__(self) -> int:
        return self.times * len(self.data)

    def batch(self, chosen: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any]:
        return self.data.batch(chosen % len(self.data), rng)


def told(settings):
    """Settings as what JSON can hold."""
    augmentation = {k: v for k, v in asdict(settings.augmentation).items() if k != "colours"}
    return settings._asdict() | {"augmentation": augmentation}
