"""What context prediction's features are worth on CIFAR-10, beside other features without labels.

    python -m examples.context_transfer            seven rows, 3 seeds, 20 minutes of one core
    python -m examples.context_transfer tuning     the network as a beginning, five minutes more
    python -m examples.context_transfer --quick    one seed, half of the training

Images: 10,000 and 2,000 of CIFAR-10 as JPEG, cifar-10-images/, and photographs, photos/, below
MINIGRAD_DATA; no others stand in. All networks have the same layers, no labels, and see 40,000
patches, versions or views: pairs of patches of 24 x 24 of the images enlarged to 64 x 64 (gap 8,
jitter 2), or of the photographs; versions of 250 seeds of the enlarged images (Exemplar-CNN);
views of the images as they are (ISIF, instance softmax). Features are the greatest values of each
map in each quadrant of an enlarged image; of ISIF, of images as they are, those of its convolutions
and its embedding. Below the folder:

    features/table.csv    linear SVM with 200 labels per class, kNN (k = 200), and accuracy of the
                          pretext task on pairs of patches of test images
    tuning/table.csv      test accuracy after fine-tuning of the network without normalisation with
                          25 labels per class (images as they are), with and without rescaling
    table.png             beside each of them

A number that is computed is kept there, so that a run that was stopped goes on.

Source: Doersch, Gupta and Efros, ICCV 2015, section 4.3; judged as in Exemplar-CNN.
"""

from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from minigrad.models import context_prediction as cp
from minigrad.models import context_training, embedding_training, exemplar_cnn, exemplar_training
from minigrad.models.context_extractor import untrained
from minigrad.models.context_pooling import features
from minigrad.models.embedding_training import told
from minigrad.models.norm_removal import remove_norms
from minigrad.models.rescaling import balanced, drawn, ratios

from minigrad import affine, entropy, flatten, pyramid, relu, to_cpu
from minigrad.cli import device, run, workers
from minigrad.data import (
    Preparation,
    Surrogates,
    cifar10,
    data_folder,
    photographs,
    resized,
    seed_patches,
)
from minigrad.evaluate import cifar_scores, knn_vote, label_draws, pixels, scaled
from minigrad.learn import Cells, Momentum, as_csv, he, linear, train, write_whole
from minigrad.stepper import figures
from minigrad.tree import map_leaves
from minigrad.version import VERSION

from .digit_runs import about, kept, over, place, spread, summary
from .exemplar_runs import digest

CODE = "32c5p3-64c3p3-64c3-128f"  # the tower of SMALL, in the words of Exemplar-CNN
MEASURES = ("SVM", "kNN", "kNN, last layer", "pretext")
DRAWS = 3  # of labels
CLASSES = 250  # seeds of Exemplar-CNN
WEIGHTS = (0.03, 0.1, 0.3)  # candidates for C
LEFT = 50  # training images of each class beyond the labels, by which C is chosen
WATCHED = 10  # test images, of which 2500 pairs are that the pretext task is tested on
ONCE = ("raw pixels", "its norms removed")  # rows of seed 0 alone
SOME = 50  # training images, by which layers are scaled


class Size(NamedTuple):
    """epochs: of 10,000 pairs of patches, 20,000 versions or views; seeds; labels: per class, of
    the SVM; few: the same in tuning; steps: epochs of it; rates: that are tried in it.
    """

    epochs: int = 2
    seeds: int = 3
    labels: int = 200
    few: int = 25
    steps: int = 15
    rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1)


FULL, QUICK = Size(), Size(epochs=1, seeds=1, steps=5, rates=(0.01,))


class Bench:
    """Images, networks, and what has been found out about them."""

    cells: Cells

    def __init__(self, size, folder, move):
        self.size, self.folder, self.move = size, folder, move
        (X, T), (X_test, T_test) = (cifar10(split, "jpeg") for split in ("train", "test"))
        self.X, self.T, self.X_test, self.T_test = X, T, X_test, T_test
        self.enlarged, self.enlarged_test = resized(X, 2), resized(X_test, 2)
        most = min(size.labels + LEFT, np.bincount(T).min())
        (some,) = label_draws(T, most, 1, np.random.default_rng(0))
        self.labels = T[some]
        self.plain, self.large = (X[some], X_test), (self.enlarged[some], self.enlarged_test)
        self.images = digest(X, T, X_test, T_test)
        small = context_training.PRESETS["small"]._replace(gap=8, jitter=2, epochs=size.epochs)
        self.photographs = photographs(data_folder() / "photos").images
        of_photographs = -(-len(X) // len(self.photographs))
        self.settings = {
            "context prediction": context_training.none_alone(small._replace(per_image=1), len(X)),
            "of photographs": context_training.none_alone(
                small._replace(per_image=of_photographs), len(self.photographs)
            ),
            "Exemplar-CNN": exemplar_training.PRESETS["small"]._replace(
                seeds=min(CLASSES, len(X)),
                versions=20_000 // CLASSES,
                epochs=size.epochs,
                code=CODE,
            ),
            "ISIF": embedding_training.PRESETS["small"]._replace(
                network=CODE, epochs=size.epochs, rate=0.1
            ),
        }
        self.settings["its norms removed"] = self.settings["context prediction"]

    def how(self, name):
        """The digest of the settings of a row, "" where nothing is learned."""
        settings = self.settings.get(name)
        return "" if settings is None else digest(told(settings) if name == "ISIF" else settings)

    def cell(self, compute, **plan):
        facts = {"of": self.images, "version": VERSION}
        return self.cells.get({**plan, **facts}, compute)

    def where(self, name, seed):
        """Options of a training that is kept, gone on with, or loaded."""
        folder = self.folder / "networks" / digest(name, self.how(name), seed, self.images, VERSION)
        resume = any(folder.glob("checkpoint*"))
        return {"folder": folder, "resume": resume, "progress": False, "facts": {"seed": seed}}

    def context(self, seed, name="context prediction"):
        """A ContextNet learned from the enlarged images, or from photographs."""
        rng, where = np.random.default_rng(seed), self.where(name, seed)
        X = self.enlarged if name == "context prediction" else self.photographs
        X = [self.move(x) for x in X]
        return context_training.fit(X, self.settings[name], rng=rng, **where)[0]

    def random(self, seed):
        """The same network with its first weights, normalised by patches of the images."""
        rng = np.random.default_rng(seed)
        n = min(500, len(self.X))
        some = seed_patches(self.enlarged, n, rng, size=24, scales=(1,)).images()
        return untrained(self.move(some), cp.SMALL, "project", rng=rng)

    def exemplar(self, seed):
        settings, rng = self.settings["Exemplar-CNN"], np.random.default_rng(seed)
        found = seed_patches(self.enlarged, settings.seeds, rng, scales=(1, 0.8))
        found = found._replace(sources=self.move(found.sources))
        data = Surrogates(found, settings.versions)
        where = self.where("Exemplar-CNN", seed)
        return exemplar_training.fit(data, settings, rng=rng, **where)[0]

    def isif(self, seed):
        rng, where = np.random.default_rng(seed), self.where("ISIF", seed)
        return embedding_training.fit(self.move(self.X), self.settings["ISIF"], rng=rng, **where)[0]

    def judged(self, blocks, net=None):
        """Measures (%) of blocks(image size): features of training and of test images."""
        train, test = blocks
        rng = np.random.default_rng(0)
        T, T_test, labels = self.labels, self.T_test, self.size.labels
        svm = cifar_scores(
            train, T, test, T_test, rng, labels, DRAWS, weights=WEIGHTS, scaling=scaled
        )
        found = {"numbers": sum(block.shape[1] for block in train), "SVM": 100 * svm.mean}
        for name, some in {"kNN": slice(None), "kNN, last layer": slice(-1, None)}.items():
            F, Q = scaled(train[some], test[some])
            found[name] = 100 * float(np.mean(knn_vote(Q, F, T, min(200, len(F))) == T_test))
        if net:
            settings = self.settings["context prediction"]
            some = self.move(self.enlarged_test[:WATCHED])
            pairs = context_training.held_out_pairs(some, settings, net.prepare.mean).all()
            found["pretext"] = 100 * net.accuracy(*pairs)
        return found

    def of_context(self, net):
        return self.judged([to_cpu(features(net, self.move(X))) for X in self.large], net)

    def of_isif(self, embedder):
        U = {k: v for k, v in embedder.parameters.items() if k != "hidden norm"}
        plain = embedder.settings.augmentation.apply
        prepare = lambda X: plain(X, embedding_training.Changes())
        two = [
            [
                *exemplar_cnn.features(self.move(X), U, CODE, prepare=prepare)[:-1],
                embedder(self.move(X)),
            ]
            for X in self.plain
        ]
        return self.judged(to_cpu(two))

    def of_exemplar(self, extractor):
        return self.judged([to_cpu(extractor(self.move(X))) for X in self.large])


@click.command(help=about(__doc__))
@click.argument(
    "part", metavar="[tuning]", default="features", type=click.Choice(["features", "tuning"])
)
@click.option("--quick", is_flag=True, help="One seed, half of the training, one rate.")
@click.option("--epochs", type=click.IntRange(1), help="Of 20,000 patches.  [default: 2]")
@click.option("--seeds", type=click.IntRange(1), help="How many.  [default: 3]")
@click.option("--labels", type=click.IntRange(1), help="Per class.  [default: 200, of tuning 25]")
@place("context-transfer", "features", "tuning", "networks")
@workers
@device
def main(part, quick, epochs, seeds, labels, folder, move):
    size = QUICK if quick else FULL
    size = size._replace(epochs=epochs or size.epochs, seeds=seeds or size.seeds)
    if labels:
        size = size._replace(**{{"features": "labels", "tuning": "few"}[part]: labels})
    bench = Bench(size, folder, move)
    least = np.bincount(bench.T).min()
    most = {"features": least - 1, "tuning": least // 2}[part]  # others choose C, or the rate
    wanted = {"features": size.labels, "tuning": size.few}[part]
    if wanted > most:
        raise click.UsageError(f"--labels {wanted}: the images allow for {most} at most")
    with kept(folder / part / "cells.json") as bench.cells:
        {"features": compare, "tuning": tune}[part](bench, folder / part)


def compare(bench, folder):
    """Compute, print and write the table of features and its picture."""
    rows = {
        "raw pixels": lambda seed: bench.judged([[pixels(X)] for X in bench.plain]),
        "random weights": lambda seed: bench.of_context(bench.random(seed)),
        "context prediction": lambda seed: bench.of_context(bench.context(seed)),
        "its norms removed": lambda seed: bench.of_context(remove_norms(bench.context(seed))),
        "of photographs": lambda seed: bench.of_context(bench.context(seed, "of photographs")),
        "Exemplar-CNN": lambda seed: bench.of_exemplar(bench.exemplar(seed)),
        "ISIF": lambda seed: bench.of_isif(bench.isif(seed)),
    }
    found = {name: {} for name in rows}
    for seed in range(bench.size.seeds):
        for name, compute in rows.items():
            if seed and name in ONCE:
                continue
            plan = {"row": name, "seed": seed, "labels": bench.size.labels}
            plan["settings"] = bench.how(name)
            cell = bench.cell(lambda compute=compute, seed=seed: compute(seed), **plan)
            for measure in cell:
                found[name].setdefault(measure, []).append(cell[measure])
            print(f"seed {seed}, {name}: SVM {cell['SVM']:.1f}", flush=True)
    print()
    line = "{:<20}{:>8}" + "{:>16}" * len(MEASURES)
    print(line.format("features", "numbers", *MEASURES))
    for name, row in found.items():
        words = [summary(row[m]) if m in row else "" for m in MEASURES]
        print(line.format(name, f"{row['numbers'][0]:,}", *words))
    finish(folder, found, "SVM", "context prediction", bench.size.seeds)


def tune(bench, folder):
    """The same of tuning: each way with the best of some rates, by other training images."""
    few, steps = bench.size.few, bench.size.steps
    print(f"{few} labels per class, {steps} epochs\n")
    found = {}
    for name in BEGINNINGS:
        plan = {"beginning": name, "labels": few, "tuned": steps}
        plan["settings"] = bench.how("context prediction") if name.startswith("context") else ""

        def cell(seed, rate, plan=plan, name=name):
            compute = lambda: tuned(bench, name, seed, rate)
            return bench.cell(compute, **plan, seed=seed, rate=rate)

        best = max(bench.size.rates, key=lambda rate: cell(0, rate)["held out"])
        cells = [cell(seed, best) for seed in range(bench.size.seeds)]
        found[name] = {"test accuracy": [c["test accuracy"] for c in cells]}
        spreads = ", ".join(f"{c['spread of ratios']:.1f}" for c in cells)
        print(
            f"{name:<38}{summary(found[name]['test accuracy']):>13}   rate {best:g}; largest ratio "
            f"over smallest: {spreads}",
            flush=True,
        )
    finish(folder, found, "test accuracy", BEGINNINGS[-1], bench.size.seeds)


BEGINNINGS = (
    "random",
    "random, rescaled",
    "context prediction",
    "context prediction, rescaled",
)


def logits(U, X):
    """Classes (n, 10) from the convolutions of the network without norms, and two new layers."""
    Z = pyramid(cp.maps(X, U, cp.SMALL.without_norms())[-1], (2,), "halves")
    return affine(relu(affine(flatten(Z), U["fc6"])), U["fc7"])


def beginning(bench, name, seed, X):
    """First parameters; X: some images as the network sees them, for the scales."""
    rng = np.random.default_rng(seed)
    if name.startswith("context"):
        net = remove_norms(bench.context(seed))
        U = {k: u for k, u in net.parameters.items() if k.startswith("conv")}
    else:
        U = {k: u for k, u in cp.initial(rng).items() if k.startswith("conv")}
    U = bench.move(U)
    Z = flatten(pyramid(cp.maps(X, U, cp.SMALL.without_norms())[-1], (2,), "halves"))
    if name == "random":
        return U | {
            "fc6": (he((256, 128), rng), np.zeros(128, np.float32)),
            "fc7": (he((128, 10), rng, 1.0), np.zeros(10, np.float32)),
        }
    U["fc6"] = drawn(Z, (256, 128), rng)
    U["fc7"] = drawn(relu(affine(Z, U["fc6"])), (128, 10), rng)
    if name.endswith("rescaled"):
        U = balanced(lambda U: logits(U, X), U, rng=rng)
    return U


def tuned(bench, name, seed, rate):
    """Accuracies (%) on test images and on training images left over, after training all layers."""
    rng, few = np.random.default_rng(seed), bench.size.few
    both = label_draws(bench.T, 2 * few, 1, rng)[0].reshape(-1, 2, few)
    chosen, left = both[:, 0].ravel(), both[:, 1].ravel()
    mean = bench.X.mean((0, 2, 3)) / 255
    see = lambda X: Preparation(mean, "project")(bench.move(X))
    X, T = see(bench.X[chosen]), bench.move(bench.T[chosen])
    some = see(bench.X[left][:: max(1, len(left) // SOME)])
    U = map_leaves(lambda w: w.astype(np.float32), beginning(bench, name, seed, some))
    rated = ratios(lambda U: logits(U, some), U, np.random.default_rng(0)).values()
    train(
        lambda U, X, T, rng: entropy(logits(U, X), T),
        U,
        (X, T),
        rng=rng,
        epochs=bench.size.steps,
        batch=50,
        rate=linear(rate),
        optimiser=Momentum(U, 0.9, 5e-4),
        progress=False,
    )

    def accuracy(X, T):
        chunks = [X[i : i + 500] for i in range(0, len(X), 500)]
        named = np.concatenate([to_cpu(logits(U, see(some))).argmax(1) for some in chunks])
        return 100 * float(np.mean(named == T))

    return {
        "test accuracy": accuracy(bench.X_test, bench.T_test),
        "held out": accuracy(bench.X[left], bench.T[left]),
        "spread of ratios": max(rated) / min(rated),
    }


def finish(folder, found, measure, ours, seeds):
    """Write a table of {row: {measure: values}} and bars of one measure."""
    lines = [
        {"row": name}
        | {
            f"{m}, {word}": round(float(number), 2)
            for m in row
            for word, number in zip(("mean", "deviation"), spread(row[m]))
        }
        for name, row in found.items()
    ]
    columns = list(dict.fromkeys(name for line in lines for name in line))
    write_whole(folder / "table.csv", as_csv(lines, columns))
    bars = figures.bars({name: spread(row[measure]) for name, row in found.items()}, ours)
    write_whole(folder / "table.png", figures.png(bars))
    print(f"\n{over(seeds)}. {Path(folder) / 'table.png'} has the picture")


if __name__ == "__main__":
    run(main)
