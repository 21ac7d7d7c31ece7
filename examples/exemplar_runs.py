"""What the analyses of Exemplar-CNN share: sizes, data sets, networks that are kept."""

import dataclasses
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from minigrad.models import exemplar_cnn
from minigrad.models.exemplar_extractor import Extractor
from minigrad.models.exemplar_training import PRESETS, Settings, fit, surrogate_error

from minigrad import to_cpu
from minigrad.backend import array_module
from minigrad.data import (
    DataError,
    Ranges,
    Surrogates,
    caltech101,
    cifar10,
    data_folder,
    photographs,
    resized,
    seed_patches,
    stl10,
    stl10_folds,
)
from minigrad.evaluate import caltech_scores, cifar_scores, label_draws, scaled, stl_scores
from minigrad.learn.checkpoint import as_json

HELD = 1000  # surrogates of which the validation error is taken, about
LEFT = 100  # training images of each class of CIFAR-10 beyond the labels, by which C is chosen


class Size(NamedTuple):
    """How large the analyses are.

    data: what transfer is judged on, and all others on its first; settings: of a network; images,
    of_class: that it sees in training, in all and of each class at least, 0 for as many as settings
    say; labels: per class, and draws of them, on CIFAR-10; scales: of the seeds; middle: side of
    the image that is looked at under transformations; trials: random seeds, for a spread; classes,
    samples, codes, sources: what is varied.
    """

    data: tuple[str, ...]
    settings: Settings
    images: int
    of_class: int
    labels: int
    draws: int
    scales: tuple[float, ...]
    middle: int
    trials: int
    classes: tuple[int, ...]
    samples: tuple[int, ...]
    codes: tuple[str, ...]
    sources: tuple[str, ...]


ON_CIFAR = {"data": ("cifar10",), "scales": (1, 0.8), "middle": 48}
QUICK = PRESETS["small"]._replace(versions=64, schedule="linear", rate=0.05)
SIZES = {
    "tiny": Size(
        settings=QUICK._replace(seeds=40, code="8c5-8c5-16f"),
        images=2_000,
        of_class=40,
        labels=20,
        draws=2,
        trials=1,
        classes=(20, 40),
        samples=(1, 4),
        codes=("8c5-8c5-16f", "8c5-16c5-16f"),
        sources=("CIFAR-10", "photographs"),
        **ON_CIFAR,
    ),
    "small": Size(
        settings=QUICK._replace(seeds=250, code="32c5-32c5-64f"),
        images=80_000,
        of_class=320,
        labels=400,
        draws=3,
        trials=3,
        classes=(50, 250, 1000),
        samples=(1, 4, 16, 64),
        codes=("16c5-16c5-32f", "32c5-32c5-64f", "32c5-32c5-256f", "32c5-64c5-128f"),
        sources=("CIFAR-10", "photographs", "STL-10"),
        **ON_CIFAR,
    ),
    "paper": Size(
        data=("stl10", "cifar10", "caltech101"),
        settings=PRESETS["paper"],
        images=0,
        of_class=0,
        labels=400,
        draws=10,
        scales=(1, 0.8, 0.64, 0.512),
        middle=64,
        trials=1,
        classes=(50, 100, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000),
        samples=(1, 2, 4, 8, 16, 32, 64, 100, 150),
        codes=(
            *("32c5-32c5-64f", "64c5-64c5-128f", "64c7-64c5-128f", "64c5-64c5-64c5-128f"),
            *("64c5-64c5-64c5-64c5-128f", "128c5-64c5-128f", "64c5-256c5-128f", "64c5-64c5-512f"),
            *("128c5-256c5-512f", "64c5-128c5-256c5-512f", "92c5-256c5-512c5-1024f"),
        ),
        sources=("STL-10", "CIFAR-10", "Caltech-101"),
    ),
}


def digest(*things):
    """Twelve letters and figures that stand for things, arrays among them."""
    told = hashlib.sha1()
    for thing in things:
        known = hasattr(thing, "dtype")
        told.update(to_cpu(thing).tobytes() if known else as_json(thing).encode())
    return told.hexdigest()[:12]


def source(name):
    """Unlabeled images that seeds are drawn from: an array of bytes, or a list of (3, h, w)."""
    if name == "CIFAR-10":
        return resized(cifar10("train", "jpeg")[0], 2)
    if name == "STL-10":
        return stl10("unlabeled")[0]
    if name == "Caltech-101":
        return caltech101()[0]
    return photographs(data_folder() / "photos").images


class Judge:
    """Labelled images, and the protocol by which features of them are judged.

    X, T: images (n, 3, s, s) as bytes, and labels; test: the same of test images, if they are
    apart. name: "cifar10", of JPEG files and enlarged to 64 x 64; "stl10", ten folds; "caltech101",
    random splits.
    """

    def __init__(self, name, size):
        self.name, self.size = name, size
        if name == "cifar10":
            (X, T), (X_test, T_test) = (cifar10(split, "jpeg") for split in ("train", "test"))
            most = min(size.labels + LEFT, np.bincount(T).min())
            if most <= size.labels:
                raise DataError(
                    f"cifar-10-images: {most} training images of a class, more than {size.labels} "
                    "are needed"
                )
            (some,) = label_draws(T, most, 1, np.random.default_rng(0))
            self.X, self.T, self.test = resized(X[some], 2), T[some], (resized(X_test, 2), T_test)
        elif name == "stl10":
            (self.X, self.T), self.test = stl10("train"), stl10("test")
        else:
            (self.X, self.T), self.test = caltech101(), ()

    def scores(self, features, seed=0):
        """`Scores` of a function from images to blocks of features."""
        rng, how = np.random.default_rng(seed), {"scaling": scaled}
        if self.name == "caltech101":
            return caltech_scores(features(self.X), self.T, rng, **how)
        X_test, T_test = self.test
        four = features(self.X), self.T, features(X_test), T_test
        if self.name == "stl10":
            return stl_scores(*four, stl10_folds(), **how)
        return cifar_scores(*four, rng, self.size.labels, self.size.draws, **how)

    def accuracy(self, extractor):
        """Mean test accuracy of an extractor's features, in percent."""
        return 100 * self.scores(lambda images: to_cpu(extractor(images))).mean


class Classes:
    """Surrogates whose versions are drawn once, as in the paper, and others held out of training.

    groups: of seeds, each of which is a class; by default each seed is one of its own. held: the
    others, images and classes.
    """

    def __init__(self, found, versions, ranges, rng, groups=None):
        groups = np.arange(len(found.energy))[:, None] if groups is None else groups
        self.labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        found = found.take(np.concatenate(groups))
        self.data = Surrogates(found, versions, ranges, rng=rng)
        X, T = Surrogates(found, -(-HELD // len(self.labels)), ranges, rng=rng).all()
        self.held = X, array_module(T).asarray(self.labels)[T]

    def __len__(self):
        return len(self.data)

    def batch(self, chosen, rng):
        X, T = self.data.batch(chosen)
        return X, array_module(T).asarray(self.labels)[T]


class Networks:
    """Networks by what they were trained on and how; each is trained once and kept in a folder."""

    def __init__(self, folder, size, move):
        self.folder, self.size, self.move = Path(folder), size, move
        self.sources: dict = {}

    def get(self, seed, source_name=None, ranges=Ranges(), **changes):
        """An extractor and its surrogate validation error in percent.

        seed: of all that is random; source_name: what seeds are drawn from, by default the first of
        the sources; ranges: of the transformations; changes: of the settings.
        """
        source_name = source_name or self.size.sources[0]
        settings = self.settings(**changes)
        rng = np.random.default_rng(seed)
        found = self.seeds(source_name, settings.seeds, rng)
        return self.trained(settings, Classes(found, settings.versions, ranges, rng), rng)

    def trained(self, settings, classes, rng):
        """An extractor and its error, told from others by settings and held-out surrogates."""
        place = self.folder / "networks" / digest(settings, *classes.held)
        file = place / "extractor.safetensors"
        if not file.exists():
            resume = any(place.glob("checkpoint*"))
            extractor, _ = fit(
                classes, settings, rng=rng, validation=classes.held, folder=place, resume=resume
            )
            extractor.save(file)
        extractor = Extractor.load(file)
        extractor = dataclasses.replace(
            extractor,
            parameters=self.move(extractor.parameters),
            mean=self.move(extractor.mean),
        )
        return extractor, 100 * surrogate_error(extractor, *classes.held)

    def random(self, seed, code=None):
        """The same network with its first weights: what training has to beat."""
        code = code or self.size.settings.code
        rng = np.random.default_rng(seed)
        U = exemplar_cnn.initial(rng, 2, 3, side=32, code=code)
        mean = np.full((3, 32, 32), 0.5, np.float32)
        return Extractor(self.move(U), code, self.move(mean), self.size.settings.scale)

    def settings(self, **changes):
        """The size's settings with changes, and as many epochs as it has images for."""
        settings = self.size.settings._replace(**changes)
        images = max(self.size.images, self.size.of_class * settings.seeds)
        epochs = round(images / (settings.seeds * settings.versions)) or settings.epochs
        return settings._replace(epochs=epochs)

    def seeds(self, source_name, n, rng):
        """n seed patches of a source, of each image as few as suffice."""
        if source_name not in self.sources:
            self.sources[source_name] = source(source_name)
        images = self.sources[source_name]
        per_image = 1 if n <= len(images) else -(-2 * n // len(images))
        found = seed_patches(images, n, rng, scales=self.size.scales, per_image=per_image)
        return found._replace(sources=self.move(found.sources))
