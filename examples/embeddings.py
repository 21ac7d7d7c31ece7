"""Seven methods that embed images without labels, on one bench, beside what learns nothing.

    python -m examples.embeddings --threads 2      CIFAR-10, below two hours on two cores
    python -m examples.embeddings --quick          one seed, fewer rows, four minutes
    python -m examples.embeddings --size paper --device gpu    ResNet-18, 200 epochs

Images: 10,000 and 2,000 of CIFAR-10 as JPEG, cifar-10-images/ below MINIGRAD_DATA; no others stand
in. ISIF is the paper's instance softmax. Judged by the nearest neighbours.

All rows share the network, the number of images seen, the dimensions of the embedding, the
augmentation and the schedule; each method has the best of five first rates, tried in a third of
the time and judged on training images alone; random weights are judged so, too. What is left out
or exchanged in the ablations keeps the rate of the whole. In the folder, below the size's name:

    table       raw pixels, random weights, seven methods (table 1), accuracy per epoch (figure 3)
    augmentation    ISIF without parts of it (table 7)
    sampling        which negatives (table 8)
    report.html     all of it, cosines (figure 5), neighbours (figure 4), maps
    embedders/ISIF/embedder.safetensors    and so on: to be used on other images (`Embedder.load`)

A number that is computed is kept there, so that a run that was stopped goes on.

Source: Ye, Zhang, Yuen and Chang, CVPR 2019, section 4.
"""

import dataclasses
import warnings
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from minigrad.models.embedding_health import CollapseWarning, health
from minigrad.models.embedding_training import PRESETS, Settings, fit, told, untrained
from minigrad.models.triplet_mining import hard

from minigrad import to_cpu
from minigrad.cli import device, run, stopping, workers
from minigrad.data import CIFAR10, cifar10
from minigrad.evaluate import class_cosines, knn_vote, nearest, overlap, to_plane
from minigrad.learn import Cells, as_csv, write_whole
from minigrad.stepper import figures
from minigrad.stepper.report import write_report
from minigrad.version import VERSION

from .digit_runs import about, over, place, spread, summary
from .exemplar_runs import digest

METHODS = ("Exemplar", "NPSoftmax", "NCE", "triplet", "triplet, hard", "ISIF", "NCE, moving Z")
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
FOUND = {"ISIF": 0.1, "NPSoftmax": 0.01, "triplet, hard": 0.003}  # by the grid of size small
AUGMENTATION = {
    "without crop": {"scale": None},
    "without jitter": {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0},
    "without gray": {"gray": 0},
    "without flip": {"flip": 0},
}
AUGMENTATION["none"] = {k: v for part in AUGMENTATION.values() for k, v in part.items()}
OWN = "own class among 20 neighbours"
SAMPLING = ("ISIF, hard half", "ISIF, easy half", "triplet, semi-hard")
WATCHED = 256  # training images whose two views are looked at after each epoch
QUERIES, NEIGHBOURS, MAPPED = 10, 8, 1000


class Size(NamedTuple):
    """settings: of all methods; tried: epochs in which a rate is tried; seeds: for the spread;
    ablated: seeds of the ablations, 0 for none; methods: the rows; images: about so many for
    training and for testing, 0 for all.
    """

    settings: Settings
    tried: int
    seeds: int
    methods: tuple[str, ...] = METHODS
    ablated: int = 1
    rates: tuple[float, ...] = RATES
    images: int = 0


SIZES = {
    "tiny": Size(
        PRESETS["small"]._replace(network="4c5-4c5-8f", batch=20, epochs=1, noise=50),
        tried=1,
        seeds=1,
        rates=(),
        images=100,
    ),
    "small": Size(PRESETS["small"], tried=2, seeds=3, ablated=2),
    "paper": Size(PRESETS["paper"], tried=20, seeds=1),
}


class Bench:
    """Images, and what has been found out about each way to embed them."""

    def __init__(self, size, folder, move):
        self.size, self.folder, self.move = size, Path(folder), move
        (self.X, self.T), (self.X_test, self.T_test) = (
            [a[:: max(1, len(a) // (size.images or len(a)))] for a in cifar10(split, "jpeg")]
            for split in ("train", "test")
        )
        self.images = digest(self.X, self.T, self.X_test, self.T_test)
        self.cells = Cells(self.folder / "cells.json")

    def cell(self, settings, compute):
        return self.cells.get({**settings, "of": self.images, "version": VERSION}, compute)

    def learned(self, settings, seed, judge=None):
        """(Embedder, log): learned, or gone on with, or loaded if it was."""
        folder = self.folder / "networks" / digest(told(settings), seed, self.images, VERSION)
        return fit(
            self.move(self.X),
            settings,
            rng=np.random.default_rng(seed),
            after_epoch=judge,
            facts={"seed": seed},
            folder=folder,
            resume=any(folder.glob("checkpoint*")),
            progress=False,
        )

    def random(self, seed):
        return untrained(self.move(self.X), self.size.settings, np.random.default_rng(seed))

    def accuracy(self, embed):
        """Test accuracy (%) by the nearest neighbours among the training images."""
        return percent(knn_vote(embed(self.X_test), embed(self.X), self.T) == self.T_test)

    def judged(self, settings, seed):
        """What becomes of a method: {"accuracy": of the end, "epochs": of each, ...}."""

        def judge(embedder):
            embed = lambda images: to_cpu(embedder(self.move(images)))
            with warnings.catch_warnings(record=True) as noted:
                warnings.simplefilter("always", CollapseWarning)
                scores = {"accuracy": self.accuracy(embed), **self.state(embedder)}
            return {**scores, "collapsed": float(bool(noted))}

        _, log = self.learned(settings, seed, judge)
        rows = [row for row in log if "accuracy" in row]
        return {
            "accuracy": rows[-1]["accuracy"],
            "epochs": [row["accuracy"] for row in rows],
            "collapsed": [row["collapsed"] for row in rows],
            "seconds": log[-1]["seconds"],
        }

    def state(self, embedder):
        """`health` of two views of some training images, by triplets where a method has them."""
        settings = embedder.settings
        some = self.X[:: max(1, len(self.X) // WATCHED)][:WATCHED]
        views = settings.augmentation.two_views(some, np.random.default_rng(WATCHED))
        F, y = to_cpu(embedder.rows(self.move(views))), np.tile(np.arange(len(some)), 2)
        return health(F, y, hard(F, y) if settings.method.startswith("triplet") else None)

    def row(self, name, settings, seeds):
        """The cells of a row, one for each seed, and a line of what they say."""
        cells = []
        for seed in range(seeds):
            what = {"row": name, "rate": settings.rate, "seed": seed}
            plan = {**what, "settings": digest(told(settings))}
            cells.append(self.cell(plan, lambda seed=seed: self.judged(settings, seed)))
        say(name, cells, f"rate {settings.rate:g}, {cells[0]['seconds']:.0f} s")
        if any(np.any(cell["collapsed"]) for cell in cells):
            print("    collapsed: all embeddings equal, or a triplet loss stuck at its margin")
        return cells

    def best(self, method):
        """A method's settings with the rate of the grid that serves training images best."""
        settings = self.size.settings._replace(method=method)
        if not self.size.rates:
            return settings._replace(rate=FOUND.get(method, settings.rate))

        def tried(rate):
            found, _ = self.learned(settings._replace(rate=rate, epochs=self.size.tried), 0)
            return {OWN: self.own(found)}

        found = {}
        for rate in self.size.rates:
            plan = {"row": method, "tried": self.size.tried, "rate": rate}
            plan["settings"] = digest(told(settings))
            found[rate] = self.cell(plan, lambda rate=rate: tried(rate))[OWN]
        best = max(found, key=found.get)
        scores = ", ".join(f"{score:.1f} ({rate:g})" for rate, score in found.items())
        print(f"{method:<22}{OWN} (%), by rate: {scores}", flush=True)
        return settings._replace(rate=best)

    def own(self, embedder):
        """How many (%) of the 20 nearest training images are of a training image's class."""
        F = to_cpu(embedder(self.move(self.X)))
        near = nearest(F, np.arange(0, len(F), 5), min(20, len(F) - 1))
        return percent(self.T[near] == self.T[::5, None])


def percent(right):
    return 100 * float(np.mean(right))


def accuracies(cells):
    return [cell["accuracy"] for cell in cells]


def say(name, cells, rest=""):
    print(f"{name:<24}{summary(accuracies(cells)):<13}{rest}", flush=True)


@click.command(help=about(__doc__))
@click.option("--size", default="small", show_default=True, type=click.Choice(list(SIZES)))
@click.option("--quick", is_flag=True, help="One seed, three methods, no grid, no ablations.")
@place("embeddings", *SIZES)
@workers
@device
def main(size, quick, folder, move):
    folder, size = folder / size, SIZES[size]
    if quick:
        size = size._replace(
            seeds=1, methods=("ISIF", "NPSoftmax", "triplet, hard"), ablated=0, rates=()
        )
    bench = Bench(size, folder, move)
    print(f"CIFAR-10: {len(bench.X):,} images to learn from, {len(bench.X_test):,} to test\n")
    with stopping(), bench.cells:
        compare(bench)


def compare(bench):
    """Compute and write all tables, figures and the report."""
    size = bench.size
    seeds = range(size.seeds)
    raw = lambda images: images.reshape(len(images), -1) / np.float32(255) - 0.5
    rows = {
        "raw pixels": [bench.cell({"row": "raw pixels"}, lambda: {"accuracy": bench.accuracy(raw)})]
    }
    network = digest(told(size.settings))
    embed = lambda e: lambda images: to_cpu(e(bench.move(images)))
    rows["random weights"] = [
        bench.cell(
            {"row": "random weights", "seed": seed, "settings": network},
            lambda seed=seed: {"accuracy": bench.accuracy(embed(bench.random(seed)))},
        )
        for seed in seeds
    ]
    for name, cells in rows.items():
        say(name, cells)
    if size.rates:
        own = lambda: {OWN: bench.own(bench.random(0))}
        score = bench.cell({"row": "random weights", "tried": 0, "settings": network}, own)[OWN]
        print(f"{'random weights':<22}{OWN} (%): {score:.1f}")
    settings = {method: bench.best(method) for method in size.methods}
    for method in size.methods:
        rows[method] = bench.row(method, settings[method], size.seeds)
        embedder, _ = bench.learned(settings[method], 0)
        embedder.save(bench.folder / "embedders" / method / "embedder.safetensors")
    tables = {"table": rows}
    if size.ablated:
        tables["augmentation"] = {"all of it": rows["ISIF"]}
        print()
        for name, less in AUGMENTATION.items():
            augmentation = dataclasses.replace(settings["ISIF"].augmentation, **less)
            changed = settings["ISIF"]._replace(augmentation=augmentation)
            tables["augmentation"][name] = bench.row(f"ISIF, {name}", changed, size.ablated)
        print()
        tables["sampling"] = {k: v for k, v in rows.items() if k.startswith(("ISIF", "triplet"))}
        for name in SAMPLING:
            like = settings[name.partition(",")[0]]
            tables["sampling"][name] = bench.row(name, like._replace(method=name), size.ablated)
    for name, found in tables.items():
        names = ("accuracy", "deviation") if size.seeds > 1 else ("accuracy",)
        lines = [
            {"row": row, **dict(zip(names, np.round(spread(accuracies(cells)), 2)))}
            for row, cells in found.items()
        ]
        write_whole(bench.folder / f"{name}.csv", as_csv(lines))
    write_report(
        bench.folder / "report.html",
        "Embedding CIFAR-10 without labels",
        "Methods that learn from images alone, judged by the labels of the nearest neighbours. "
        "After Ye, Zhang, Yuen and Chang, CVPR 2019, in small.",
        pages(bench, tables, settings),
    )
    print(f"\n{bench.folder / 'report.html'} has the pictures")


def pages(bench, tables, settings):
    """The report's sections."""
    bars = {
        name: figures.bars({row: spread(accuracies(cells)) for row, cells in found.items()}, "ISIF")
        for name, found in tables.items()
    }
    learned = {k: v for k, v in tables["table"].items() if "epochs" in v[0]}
    means = {
        name: np.mean([cell["epochs"] for cell in cells], axis=0) for name, cells in learned.items()
    }
    floors = ("raw pixels", "random weights")
    level = {name: np.mean(accuracies(tables["table"][name])) for name in floors}
    means["ISIF"] = means.pop("ISIF")  # drawn last, above the others
    curves = figures.accuracy_per_epoch(means, level)
    write_whole(bench.folder / "curves.png", figures.png(curves))
    for name, figure in bars.items():
        write_whole(bench.folder / f"{name}.png", figures.png(figure))
    words = ("positive similarity", "negative similarity", "effective rank", "active triplets")
    state = [["method", "rate", *words, "seconds"]]
    for name, cells in learned.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollapseWarning)  # said with the rows
            found = bench.state(bench.learned(settings[name], 0)[0])
        told_of = [f"{found[word]:.2f}" if word in found else "" for word in words]
        state.append([name, f"{settings[name].rate:g}", *told_of, f"{cells[0]['seconds']:.0f}"])
    sections = [
        {
            "title": "Test accuracy",
            "text": "In percent, by a vote of the 200 nearest training images, weighed by "
            f"exp(cos / 0.1). {over(bench.size.seeds)}. (Table 1.)",
            "figure": bars["table"],
            "alt": "Bars of accuracy with deviations",
        },
        {
            "title": "While they learn",
            "text": "Accuracy after each epoch, two views of each image. (Figure 3.)",
            "figure": curves,
            "alt": "Accuracy against the epoch, a curve for each method",
        },
        {
            "title": "What the embeddings are like",
            "text": f"Of two views of {WATCHED} training images at the end, seed 0: mean cosine of "
            "the views of an image and of different images, how many dimensions are in use, and "
            "the share of triplets with the hardest negatives that still cost something.",
            "table": state,
        },
    ]
    ablations = {
        "augmentation": "ISIF without parts of its augmentation, at the same rate. (Table 7.)",
        "sampling": "Which negatives a batch offers, at the rates of the whole. (Table 8.)",
    }
    for name in [name for name in ablations if name in tables]:
        sections.append(
            {
                "title": name.capitalize(),
                "text": ablations[name],
                "figure": bars[name],
                "alt": "Bars of accuracy with deviations",
            }
        )
    return sections + shown(bench, settings["ISIF"])


def shown(bench, settings):
    """Sections with the test images, embedded by random weights and by ISIF, seed 0."""
    pair = {"random weights": bench.random(0), "ISIF": bench.learned(settings, 0)[0]}
    F = {name: to_cpu(embedder(bench.move(bench.X_test))) for name, embedder in pair.items()}
    T = bench.T_test
    cosines = {name: class_cosines(f, T) for name, f in F.items()}
    common = {name: overlap(*found) for name, found in cosines.items()}
    rng = np.random.default_rng(0)
    queries = rng.choice(len(T), min(QUERIES, len(T)), replace=False)
    near = {name: nearest(f, queries, NEIGHBOURS) for name, f in F.items()}
    some = rng.choice(len(T), min(MAPPED, len(T)), replace=False)
    images = bench.X_test / np.float32(255)
    names = dict(enumerate(CIFAR10))
    plane = figures.plane_map(to_plane(F["ISIF"][some], rng), T[some], names, images[some])
    write_whole(bench.folder / "map.png", figures.png(plane))
    return [
        {
            "title": "Cosines",
            "text": "Of test images with the five nearest of their own class and of others; the "
            "densities overlap by "
            + ", ".join(f"{share:.2f} ({name})" for name, share in common.items())
            + ". (Figure 5.)",
            "figure": figures.cosine_densities(cosines),
            "alt": "Densities of cosines within and between classes",
        },
        {
            "title": "Nearest neighbours",
            "text": "Of test images drawn at random. The query is framed blue, a neighbour of its "
            "class green, of another red. (Figure 4.)",
            "figure": figures.query_rows(images, queries, near, T, mark="both"),
            "alt": "Rows of images: a query, then its nearest neighbours",
        },
        {
            "title": "Map",
            "text": f"{len(some)} test images by t-SNE of ISIF's embedding, frames by class.",
            "figure": plane,
            "alt": "Small images laid out on a plane",
        },
    ]


if __name__ == "__main__":
    run(main)
