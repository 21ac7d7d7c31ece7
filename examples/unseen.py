"""Embeddings learned on half of the classes, judged by whether they tell the others apart.

    python -m examples.unseen                   characters of Omniglot, a quarter of an hour
    python -m examples.unseen --data faces      persons of ORL, a quarter of an hour
    python -m examples.unseen --quick           one seed, fewer rows, two minutes

Images lie below MINIGRAD_DATA, in omniglot/ or olivetti/; without them scikit-learn's digits stand
in. ISIF is instance softmax.

What is learned without labels can serve classes that nobody has seen. All rows share the network,
the augmentation and the number of images seen; batch-hard, which is told the labels of its half,
shows what these are worth. Each method has the best of five rates, by Recall@1 of one half of the
*training* classes after learning on the other half. In the folder, below the name of the data:

    table.csv     Recall@K, and NMI of k-means with as many clusters as classes
    report.html   the table, neighbours and a map of unseen classes
    embedders/ISIF/embedder.safetensors    and so on: to be used on other images (`Embedder.load`)

A number that is computed is kept there, so that a run that was stopped goes on.

Source of the protocol: Oh Song et al., CVPR 2016, section 6.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import click
import numpy as np
from minigrad.models.embedding_training import LABELLED, PRESETS, fit, told, untrained

from minigrad import normalize, to_cpu
from minigrad.cli import device, run, workers
from minigrad.data import Augmentation, data_folder, digits, omniglot, resized
from minigrad.data.downloads import there
from minigrad.data.formats import labelled, read_idx
from minigrad.evaluate import k_means, nearest, nmi, recall_at, to_plane
from minigrad.learn import as_csv, write_whole
from minigrad.stepper import figures
from minigrad.stepper.report import write_report
from minigrad.version import VERSION

from .digit_runs import about, kept, over, place, spread, summary, trials
from .exemplar_runs import digest

LEARNED = ("contrastive", "contrastive, hard", "triplet, hard", "ISIF", "batch-hard")
LETTER_RATES = {"ISIF": 0.3, "batch-hard": 0.3}  # of --quick, by the grid
FACE_RATES = {"ISIF": 0.01, "batch-hard": 0.3}
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = 3
K = (1, 2, 4, 8)
MEASURES = (*(f"R@{k}" for k in K), "NMI", "NMI, geometric")
UNBROKEN = "\N{NO-BREAK SPACE}\N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}"
SHOWN = ("random network", "ISIF", "batch-hard")
QUERIES, NEIGHBOURS, MAPPED = 10, 7, 25  # MAPPED: classes
LETTERS = Augmentation(scale=(0.4, 1.0), flip=0, brightness=0, contrast=0)
FACES = Augmentation(scale=(0.4, 1.0))
ORL = "olivetti/faces-images-idx3-ubyte", "olivetti/faces-labels-idx1-ubyte"
OMNIGLOT = "omniglot/images_background_small1", "omniglot/images_background_small2"


class Halves(NamedTuple):
    """Images to learn from, and of other classes to be judged by: (n, 1, s, s) in [0, 1]."""

    X: np.ndarray
    T: np.ndarray
    X_test: np.ndarray
    T_test: np.ndarray


def characters():
    """136 characters of one small set, and the 106 of alphabets that only the other one has."""
    (X, T), (X_test, T_test) = (
        omniglot("background_small1"),
        omniglot("background_small2", ("Greek", "Latin")),
    )
    return Halves(shrunk(255 - X, 28), T, shrunk(255 - X_test, 28), T_test)


def faces():
    """The first 20 persons, and the other 20."""
    images, labels = (there(data_folder(), name) for name in ORL)
    X, T = labelled(read_idx(images, (64, 64))[:, None], read_idx(labels, ()), labels, 40)
    return divided(shrunk(X, 32), T, 20)


def shrunk(X, side):
    return resized(X, side / X.shape[-1]) / np.float32(255)


def divided(X, T, classes):
    """The classes below a number, and the others."""
    first = classes > T
    return Halves(X[first], T[first], X[~first], T[~first])


class Data(NamedTuple):
    """needs: files without which it is not there; epochs: of training; rates: of the methods of
    --quick; the augmentation lacks what is the images' own (`Bench`).
    """

    title: str
    needs: tuple[str, ...]
    read: Callable[[], Halves]
    augmentation: Augmentation
    epochs: int
    rates: dict[str, float]


DATA = {
    "omniglot": Data("characters of Omniglot", OMNIGLOT, characters, LETTERS, 12, LETTER_RATES),
    "faces": Data("faces of ORL", ORL, faces, FACES, 60, FACE_RATES),
    "digits": Data(
        "scikit-learn's digits", (), lambda: divided(*digits(), 5), LETTERS, 12, LETTER_RATES
    ),
}


class Bench:
    """One of the data sets, and what has been found out about ways to embed it."""

    def __init__(self, data, epochs, seeds, cells, move):
        self.halves = data.read()
        self.seeds, self.cells, self.move = seeds, cells, move
        X = self.halves.X
        own = {"size": X.shape[-1], "mean": float(X.mean()), "std": float(X.std())}
        augmentation = dataclasses.replace(data.augmentation, **own)
        self.settings = PRESETS["small"]._replace(epochs=epochs, augmentation=augmentation)
        self.images = digest(*self.halves)

    def row(self, name, embedder, settings):
        """{measure: (seeds,)} of test images, where embedder(seed) gives their features."""
        plan = {"row": name, "rate": settings.rate, "settings": digest(told(settings))}
        plan |= {"of": self.images, "version": VERSION}
        return trials(self.cells, plan, self.seeds, lambda seed: self.judged(embedder(seed), seed))

    def judged(self, F, seed):
        T = self.halves.T_test
        clusters = k_means(F, len(np.unique(T)), np.random.default_rng(seed))
        scores = (
            *recall_at(F, T, K, "cosine").mean,
            *(nmi(T, clusters, average) for average in ("arithmetic", "geometric")),
        )
        return {name: 100 * float(score) for name, score in zip(MEASURES, scores)}

    def pixels(self, seed):
        """Unit rows of what is left when the mean training image is subtracted."""
        F = self.halves.X_test - self.halves.X.mean(0)
        return normalize(F.reshape(len(F), -1))

    def random(self, seed):
        start = untrained(self.move(self.halves.X), self.settings, np.random.default_rng(seed))
        return self.embedded(start, self.halves.X_test)

    def features(self, settings, seed):
        return self.embedded(self.trained(settings, seed), self.halves.X_test)

    def trained(self, settings, seed):
        """A network that is learned, gone on with, or loaded."""
        X, T = self.halves[:2]
        folder = self.cells.path.parent / "networks" / digest(told(settings), seed, self.images)
        begun = any(folder.glob("checkpoint*"))
        return self.learned(settings, seed, X, T, folder=folder, resume=begun)

    def learned(self, settings, seed, X, T, **options):
        return fit(
            self.move(X),
            settings,
            rng=np.random.default_rng(seed),
            labels=T if settings.method in LABELLED else None,
            facts={"seed": seed},
            progress=False,
            **options,
        )[0]

    def embedded(self, embedder, X):
        return to_cpu(embedder(self.move(X)))

    def best(self, method, rates):
        """A method's settings with the rate that serves training classes best.

        It learns on the first half of them and is judged by Recall@1 of the second.
        """
        X, T = self.halves[:2]
        first = (T.max() + 1) // 2 > T

        def tried(settings):
            embedder = self.learned(settings, 0, X[first], T[first])
            F = self.embedded(embedder, X[~first])
            return {"R@1 of training classes": 100 * recall_at(F, T[~first], 1, "cosine").mean[0]}

        def score(settings):
            plan = {"row": method, "rate": settings.rate, "settings": digest(told(settings))}
            plan |= {"of": self.images, "version": VERSION, "tried": True}
            return self.cells.get(plan, lambda: tried(settings))["R@1 of training classes"]

        grid = [self.settings._replace(method=method, rate=rate) for rate in rates]
        return max(grid, key=score) if len(grid) > 1 else grid[0]


@click.command(help=about(__doc__))
@click.option("--data", default="omniglot", show_default=True, type=click.Choice(list(DATA)))
@click.option("--quick", is_flag=True, help="One seed, two methods, one rate.")
@click.option("--epochs", type=click.IntRange(1), help="Of training; by default as suits the data.")
@place("unseen", *DATA)
@workers
@device
def main(data, quick, epochs, folder, move):
    title, name = DATA[data].title, data
    if not all(there(data_folder(), file) for file in DATA[data].needs):
        name = "digits"
        title = f"{DATA[name].title}, as {title} are not here"
    folder /= name
    with kept(folder / "cells.json") as cells:
        chosen = DATA[name]
        bench = Bench(chosen, epochs or chosen.epochs, 1 if quick else SEEDS, cells, move)
        X, T, X_test, T_test = bench.halves
        print(
            f"{title}: {len(X)} of {len(np.unique(T))} classes to learn from, "
            f"{len(X_test)} of {len(np.unique(T_test))} others to be told apart\n"
        )
        grids = {name: [rate] for name, rate in chosen.rates.items()}
        compare(bench, title, grids if quick else dict.fromkeys(LEARNED, RATES))


def compare(bench, title, grids):
    """Compute, print and write the table, and the report.  grids: {method: rates to be tried}."""
    folder, start = bench.cells.path.parent, bench.settings
    print(f"{'':<20}" + "".join(f"{name:>16}" for name in MEASURES))
    rows, settings = {}, {}

    def add(name, embedder, chosen):
        rows[name] = bench.row(name, embedder, chosen)
        words = (f"{summary(rows[name][m]):>16}" for m in MEASURES)
        print(f"{name:<20}" + "".join(words), flush=True)

    add("raw pixels", bench.pixels, start)
    add("random network", bench.random, start)
    for method, rates in grids.items():
        settings[method] = chosen = bench.best(method, rates)
        add(method, lambda seed, chosen=chosen: bench.features(chosen, seed), chosen)
        file = folder / "embedders" / method / "embedder.safetensors"
        bench.trained(chosen, 0).save(file)
    several = bench.seeds > 1
    lines = [
        {"row": name, "rate": settings[name].rate if name in settings else ""}
        | {m: round(found[m].mean(), 2) for m in found}
        | ({f"{m} deviation": round(spread(found[m])[1], 2) for m in MEASURES} if several else {})
        for name, found in rows.items()
    ]
    write_whole(folder / "table.csv", as_csv(lines))
    write_report(
        folder / "report.html",
        "Classes that nobody has seen",
        f"Learned on half of the classes, judged by the others: {title}.",
        pages(bench, rows, settings),
    )
    print(f"\n{folder / 'report.html'} has the pictures")


def pages(bench, rows, settings):
    """The report's sections."""
    X, T = bench.halves.X_test[:, 0], bench.halves.T_test
    F = {name: bench.features(settings[name], 0) for name in SHOWN[1:]}
    F = {SHOWN[0]: bench.random(0)} | F
    rng = np.random.default_rng(0)
    queries = rng.choice(len(T), min(QUERIES, len(T)), replace=False)
    near = {name: nearest(f, queries, NEIGHBOURS) for name, f in F.items()}
    classes = np.unique(T)
    some = np.isin(T, classes[:: -(-len(classes) // MAPPED)])
    plane = figures.plane_map(to_plane(F["ISIF"][some], rng), T[some], images=X[some])
    table = [["", "rate", *MEASURES]] + [
        [name, f"{settings[name].rate:g}" if name in settings else ""]
        + [summary(found[m]).replace(" +- ", UNBROKEN) for m in MEASURES]
        for name, found in rows.items()
    ]
    recalls = {name: spread(found["R@1"]) for name, found in rows.items()}
    figure = {
        "recall": figures.bars(recalls, "ISIF", "Recall@1 of unseen classes (%)"),
        "neighbours": figures.query_rows(X, queries, near, T, mark="both"),
        "map": plane,
    }
    for name, drawn in figure.items():
        write_whole(bench.cells.path.parent / f"{name}.png", figures.png(drawn))
    return [
        {
            "title": "Unseen classes",
            "text": f"In percent. {over(bench.seeds)}. R@K: images with one of their class among "
            "the K nearest; NMI: of classes and as many clusters of k-means, over the arithmetic "
            "and the geometric mean of entropies. batch-hard alone was told labels, those of the "
            "other classes.",
            "table": table,
            "figure": figure["recall"],
            "alt": "Bars of Recall@1 with deviations",
        },
        {
            "title": "Nearest neighbours",
            "text": "Of images drawn at random. The query is framed blue, a neighbour of its class "
            "green, of another red.",
            "figure": figure["neighbours"],
            "alt": "Rows of images: a query, then its nearest neighbours",
        },
        {
            "title": "Map",
            "text": f"Images of {len(np.unique(T[some]))} unseen classes by t-SNE of ISIF's "
            "embedding, frames by class.",
            "figure": plane,
            "alt": "Small images laid out on a plane",
        },
    ]


if __name__ == "__main__":
    run(main)
