"""Training an Exemplar-CNN as the paper does: from seeds to an extractor of features.

    surrogate classes -> mean image -> train until the surrogate validation error has come to rest

`PRESETS` has the settings of a run of minutes and the paper's own.

>>> seeds = np.random.default_rng(0).random((3, 1, 16, 16), np.float32)
>>> quick = PRESETS["small"]._replace(code="4c5-4c5-8f", versions=20, epochs=1)
>>> extractor, log = fit(seeds, quick, rng=np.random.default_rng(1))
>>> len(extractor(seeds)), list(log[-1])[-1]
(3, 'validation error')
"""

from typing import Any, NamedTuple

import numpy as np

from minigrad.backend import array_module
from minigrad.data import Surrogates
from minigrad.learn import Momentum, Plateau, linear, train
from minigrad.tree import map_leaves

from . import exemplar_cnn
from .exemplar_extractor import Extractor

SAMPLE = 10_000  # surrogates at most that the mean is of, and the validation error
CHUNK = 500  # images at a time
NAMES = {
    "decays": ("alike", "toolbox"),
    "rates": ("alike", "toolbox"),
    "schedule": ("plateau", "linear"),
}


class Settings(NamedTuple):
    """How an Exemplar-CNN is trained; the defaults are those of the paper's small network.

    seeds, versions: classes and samples of each in an epoch; code, weights: as for
    `exemplar_cnn.initial`; scale: what the network sees is scale (image - mean); epochs: at most;
    rate: the first; schedule: "plateau", it is divided by 3 when more than `patience` epochs in a
    row do not lower the validation error, until it is below `lowest`, or "linear", it falls to 0
    over all epochs, for a run of given length; momentum: in Caffe's form.
    decays: "toolbox", decay times 0 for the first two convolutions, 1/4 for others, 1 for the
    hidden layer and 4 for the output, or "alike", of all weights; rates: "toolbox", twice for
    biases and a quarter for the weights of the output, or "alike".
    Source: section 4.1 and appendix B.2; factors and epochs: the authors' toolbox.
    """

    seeds: int = 8000
    versions: int = 150
    code: str = "64c5-64c5-128f"
    weights: str = "he"
    scale: float = 1.0
    batch: int = 128
    epochs: int = 160
    rate: float = 0.01
    schedule: str = "plateau"
    patience: int = 1
    lowest: float = 1e-4
    momentum: float = 0.9
    decay: float = 0.004
    decays: str = "toolbox"
    rates: str = "alike"


QUICK = Settings(scale=2.0, rate=0.02, schedule="linear", decay=4e-4, decays="alike")
PRESETS = {
    "small": QUICK._replace(seeds=500, versions=50, epochs=10),
    "medium": QUICK._replace(seeds=2000, versions=100, epochs=8),
    "paper": Settings(),
    "paper-large": Settings(16000, 100, "64c5-128c5-256c5-512f"),
    "paper-largest": Settings(16000, 100, "92c5-256c5-512c5-1024f"),
}


def fit(data, settings, *, rng, parameters=None, validation=None, facts=None, **options):
    """Train a network to tell surrogate classes apart; returns (Extractor, log).

    data: seeds (n, c, s, s) in [0, 1], or an object like `minigrad.data.Surrogates` whose samples
    stand in the order of their seeds; on the device where it is trained. settings: a `Settings`,
    as one of PRESETS; rng: a numpy Generator; parameters: the first ones, changed in place, as
    from `exemplar_cnn.initial`, which is the default. validation: (X, T), images in [0, 1] and
    seeds, to measure the validation error on; by default further versions of the same seeds, a
    fifth as many as in an epoch. facts: what a resumed run must have as it was besides settings, as
    {"seed": 0}; options: as for `minigrad.learn.train`, as folder and resume. Rows of the log at
    ends of epochs have the "validation error", the share of held-out surrogates whose seed is not
    named; epochs.csv in the folder has it too.
    Raises ValueError for decays, rates or a schedule of another name, images that are not square,
    and as `exemplar_cnn.initial` and `train` do.
    """
    for name, known in NAMES.items():
        if (found := getattr(settings, name)) not in known:
            raise ValueError(f"fit: {name} is one of {', '.join(known)}, not {found!r}")
    if hasattr(data, "dtype"):
        data = Surrogates(data, settings.versions)
    sample, last = some(len(data), data, rng)[0], data.batch(np.array([len(data) - 1]), rng)[1]
    mean, classes = sample.mean(0), int(last[0]) + 1
    _, channels, side, width = sample.shape
    if side != width:
        raise ValueError(f"fit: images are square, not {side} x {width}")
    U = parameters
    if U is None:
        U = exemplar_cnn.initial(rng, classes, channels, side, settings.code, settings.weights)
        U = map_leaves(array_module(mean).asarray, U)
    extractor = Extractor(U, settings.code, mean, settings.scale)
    X, T = held_out(data, rng) if validation is None else validation
    plateau = Plateau(settings.rate, patience=settings.patience, lowest=settings.lowest)
    schedule = {"plateau": plateau, "linear": linear(settings.rate)}[settings.schedule]

    def after_epoch():
        error = surrogate_error(extractor, X, T)
        plateau.observe(error)
        return {"validation error": error}

    rate = decay_rates(U, settings)
    optimiser = ToolboxMomentum if settings.rates == "toolbox" else Momentum
    log = train(
        lambda U, X, T, rng: exemplar_cnn.loss(U, X, T, rate, code=settings.code, rng=rng),
        U,
        Prepared(data, extractor.prepared),
        rng=rng,
        epochs=settings.epochs,
        batch=settings.batch,
        rate=schedule,
        optimiser=optimiser(U, settings.momentum, form="caffe"),
        after_epoch=after_epoch,
        settings={**settings._asdict(), "seeds": classes, **(facts or {})},
        **options,
    )
    return extractor, log


def held_out(data, rng):
    """X, T of further versions of the same seeds, a fifth as many as in an epoch."""
    if getattr(data, "parameters", None) is not None:  # all that it has are trained on
        data = Surrogates(data.seeds, -(-data.versions // 5), data.ranges, rng=rng)
        return some(len(data), data, rng)
    return some(-(-len(data) // 5), data, rng)


def some(n, data, rng):
    """X, T of n surrogates, SAMPLE at most, of all seeds about alike."""
    chosen = rng.permutation(len(data))[: min(n, SAMPLE)]
    parts = [data.batch(chosen[i : i + CHUNK], rng) for i in range(0, len(chosen), CHUNK)]
    xp = array_module(parts[0][0])
    return tuple(xp.concatenate(arrays) for arrays in zip(*parts))


def surrogate_error(extractor, X, T):
    """The share of surrogates whose seed the network does not name.  X: in [0, 1], T: seeds."""
    U, code = extractor.parameters, extractor.code
    found = [
        exemplar_cnn.network(extractor.prepared(X[i : i + CHUNK]), U, code=code).argmax(1)
        for i in range(0, len(X), CHUNK)
    ]
    return float((array_module(T).concatenate(found) != T).mean())


def decay_rates(U, settings):
    """The rate of the decay, for all weights alike or by layer."""
    if settings.decays == "alike":
        return settings.decay
    factors = {"conv1": 0, "conv2": 0, "hidden": 1, "output": 4}
    return {name: settings.decay * f for name in U if (f := factors.get(name, 0.25))}


class ToolboxMomentum(Momentum):
    """Momentum with the toolbox's rates: twice for biases, a quarter for the output's weights."""

    def step(self, gradients: Any, rate: float) -> None:
        factors = {name: (0.25 if name == "output" else 1, 2) for name in gradients}
        super().step(map_leaves(lambda g, f: f * g, gradients, factors), rate)


class Prepared:
    """Surrogates as a network sees them."""

    def __init__(self, data: Any, prepare: Any):
        self.data, self.prepare = data, prepare

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, chosen: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any]:
        X, T = self.data.batch(chosen, rng)
        return self.prepare(X), T
