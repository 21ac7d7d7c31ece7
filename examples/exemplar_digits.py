"""Exemplar-CNN on handwritten digits: features learned without a label, judged with very few.

    python -m examples.exemplar_digits            ten seconds on two cores;
                                                  --device gpu: on a GPU
    mpiexec -n 2 python -m examples.exemplar_digits   two processes that share each batch

400 unlabeled digits are the seeds, each a class of its own; a small network learns to tell versions
of them apart: shifted, scaled, turned, with other contrast, 50 of each in an epoch, drawn anew by a
thread while the network learns from those before. What its layers see of plain digits is then given
to a linear SVM with 1, 5, 10 or 50 labels per class, and tested on the other half of the data.
Printed, and written to runs/exemplar-digits/: test accuracy for raw pixels, for the same network
with its random first weights, and for Exemplar-CNN; a report with pictures.

Expected (seed 0; mean +- deviation over 5 draws of labels):

    labels per class              1            5           10           50
    raw pixels          60.4 +- 2.0  81.8 +- 1.7  86.9 +- 1.0  92.0 +- 0.8
    random weights      56.5 +- 4.0  86.1 +- 1.6  91.1 +- 0.8  97.2 +- 0.4
    Exemplar-CNN        73.5 +- 3.6  94.2 +- 1.8  96.2 +- 0.5  98.2 +- 0.2

Source: Dosovitskiy et al., TPAMI 2016, in small.
"""

import time

import click
import numpy as np
from minigrad.models import exemplar_cnn

from minigrad import to_cpu
from minigrad.cli import run, run_options
from minigrad.data import Ranges, Surrogates, digits, surrogates
from minigrad.evaluate import label_draws, nearest, scaled, svm_scores
from minigrad.learn import (
    Momentum,
    as_csv,
    count,
    linear,
    note_scores,
    started,
    train,
    write_whole,
)
from minigrad.stepper import figures
from minigrad.stepper.report import write_report
from minigrad.tree import map_leaves

from . import exemplar_parts

LABELS = (1, 5, 10, 50)
DRAWS = 5
RANGES = Ranges(value=(1, 1, 0.1))  # x^p m + a: p and m from a half to two, a up to a tenth
BATCH, RATE, MOMENTUM = 100, 0.05, 0.9


@click.command(help=__doc__.partition("\n")[0])
@click.option(
    "--seeds", default=400, show_default=True, help="How many images are taken, each a class."
)
@click.option("--versions", default=50, show_default=True, help="Made of each of these images.")
@click.option("--epochs", default=3, show_default=True, help="Passes over all versions.")
@run_options("runs/exemplar-digits")
def main(**options):
    with started() as ranks:
        demo(ranks, **options)


def demo(ranks, seed, seeds, versions, epochs, folder, resume, when_full, move):
    """The run, on all ranks if mpiexec has started some; rank 0 judges what it has learned."""
    start = time.perf_counter()
    X, T = digits()
    half = len(X) // 2  # in the data set's order: seeds and labels before, test images after
    if not 2 <= seeds <= half or versions < 1 or epochs < 1:
        raise click.UsageError(
            f"--seeds {seeds}, --versions {versions}, --epochs {epochs}: "
            f"seeds are 2 to {half}, versions and epochs at least 1"
        )

    rng = np.random.default_rng(seed)
    originals = X[rng.choice(half, seeds, replace=False)]
    mean = surrogates(move(originals), 5, rng, RANGES)[0].mean(0)
    data = Surrogates(move(originals), versions, RANGES, then=lambda X: 2 * (X - mean))
    U = move(exemplar_cnn.initial(rng, classes=seeds))
    random = map_leaves(np.copy, U)
    print(f"{seeds} seeds x {versions} versions, {epochs} times over, {count(U):,} parameters")
    log = train(
        exemplar_cnn.loss,
        U,
        data,
        rng=rng,
        epochs=epochs,
        batch=BATCH,
        rate=linear(RATE),
        optimiser=Momentum(U, MOMENTUM),
        folder=folder,
        resume=resume,
        settings={"seed": seed, "seeds": seeds, "versions": versions},
        when_full=when_full,
        ranks=ranks,
    )
    if ranks and ranks.rank:
        return
    trained = log[-1]["seconds"]
    print(f"trained in {trained:.0f} s, loss {log[0]['loss']:.2f} -> {log[-1]['loss']:.2f}\n")

    plain = 2 * (move(X) - mean)
    blocks = {
        "raw pixels": [X.reshape(len(X), -1)],
        "random weights": to_cpu(exemplar_cnn.features(plain, random)),
        "Exemplar-CNN": to_cpu(exemplar_cnn.features(plain, U)[1:]),
    }
    U, random = to_cpu((U, random))
    features = {
        name: scaled([b[:half] for b in parts], [b[half:] for b in parts])
        for name, parts in blocks.items()
    }
    scores = {name: accuracies(pair, T, seed) for name, pair in features.items()}
    table = [["labels per class", *map(str, LABELS)]] + [
        [name, *(f"{m:.1f} +- {d:.1f}" for m, d in zip(*both))] for name, both in scores.items()
    ]
    for name, *cells in table:
        print(f"{name:<18}" + "".join(f"{cell:>13}" for cell in cells))

    note_scores(
        folder, {f"{k} labels per class": m for k, m in zip(LABELS, scores["Exemplar-CNN"][0])}
    )
    queries = np.random.default_rng(seed).choice(len(X) - half, 8, replace=False)
    found = {
        name: nearest(features[name][1], queries, 10) for name in ("raw pixels", "Exemplar-CNN")
    }
    shown, _ = surrogates(originals[:6], 16, np.random.default_rng(seed), RANGES)
    shown = shown[:, 0].reshape(-1, 16, *originals.shape[2:])
    curves, (ax,) = figures.figure(6, 3.6)
    figures.accuracy(ax, LABELS, scores)
    settings = [
        ["setting", "value"],
        ["seed", seed],
        ["seeds x versions", f"{seeds} x {versions}"],
        ["network", "32c5-32c5-128f, 2 x 2 pooling, dropout 0.5"],
        ["parameters", f"{count(U):,}"],
        ["epochs, batch", f"{epochs}, {BATCH}"],
        ["rate, momentum, decay", f"{RATE} falling to 0, {MOMENTUM}, 4e-4"],
        ["training", f"{trained:.1f} s"],
        ["in all", f"{time.perf_counter() - start:.1f} s"],
    ]
    sections = [
        {
            "title": "Test accuracy",
            "text": f"In percent, mean and deviation over {DRAWS} draws of labelled digits; all "
            "features scaled alike, block by block. Random weights: all three layers. "
            "Exemplar-CNN: the second convolution and the hidden layer.",
            "table": table,
            "figure": curves,
            "alt": "Accuracy against labels per class, a curve with error bars for each row",
        },
        exemplar_parts.seeds(originals[:, 0], 60),
        exemplar_parts.versions(
            originals[: len(shown), 0], shown, "Shifted, scaled, turned, with other contrast"
        ),
        exemplar_parts.learning_curve(log, seeds, "A flat start is usual with this many classes."),
        exemplar_parts.filters(
            *(u["conv1"][0][:, 0] for u in (random, U)),
            "Few steps change them little to the eye; the table has what they did.",
        ),
        exemplar_parts.neighbours(
            "Of eight test digits drawn at random, among the other test digits; one of another "
            "class is framed red.",
            figures.query_rows(X[half:, 0], queries, found, T[half:]),
        ),
        {"title": "This run", "table": settings},
    ]
    write_whole(folder / "table.csv", as_csv([dict(zip(table[0], row)) for row in table[1:]]))
    write_whole(folder / "summary.png", figures.png(summary(originals, shown, scores)))
    write_report(
        folder / "report.html",
        "Exemplar-CNN on handwritten digits",
        "Features learned from unlabeled digits by telling their transformed versions apart, then "
        "judged by a linear SVM with few labels on other digits. After Dosovitskiy et al., "
        "TPAMI 2016, in small.",
        sections,
    )
    seconds = time.perf_counter() - start
    print(f"\n{folder / 'report.html'} has the pictures; {seconds:.0f} s in all")


def accuracies(features, T, seed):
    """(means, deviations) of the test accuracy in percent, for each number of labels per class."""
    train_side, test_side = features
    half = len(train_side)
    rng = np.random.default_rng(seed)  # the same draws of labels for all features
    draws = [label_draws(T[:half], k, DRAWS, rng) for k in LABELS]
    scores = [100 * svm_scores(train_side, T[:half], test_side, T[half:], d) for d in draws]
    return [s.mean() for s in scores], [s.std() for s in scores]


def summary(originals, shown, scores):
    """A Figure for the README: some seeds with versions, and the accuracies."""
    picture, (left, right) = figures.figure(9, 3.2, columns=2)
    figures.version_rows(left, originals[: len(shown), 0], shown[:, :7])
    figures.accuracy(right, LABELS, scores)
    return picture


if __name__ == "__main__":
    run(main)
