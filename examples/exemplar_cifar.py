"""Exemplar-CNN on CIFAR-10: features learned without a label, judged beside pixels, HOG and chance.

    python -m examples.exemplar_cifar             at most half an hour on two cores
    python -m examples.exemplar_cifar --epochs 1  a minute or two, to see it work

Seeds are patches of the training images, enlarged to 64 x 64 as in the paper, and no label is used
until the judgement: a linear SVM with 400 labels per class, its weight C chosen on training images
alone, the same five draws of labels for all features. Printed, and written to runs/exemplar-cifar/:
test accuracy for raw pixels, HOG, the same network with its random first weights, and
Exemplar-CNN; a report with pictures.

Images: 10,000 and 2,000 of CIFAR-10 as JPEG (`minigrad.data.cifar10(form="jpeg")`), below
MINIGRAD_DATA; they differ a little from the published pixels, and so do scores from published ones.

Source: Dosovitskiy et al., TPAMI 2016, in small.
"""

import dataclasses
import time

import click
import numpy as np

from minigrad import to_cpu
from minigrad.cli import run, run_options
from minigrad.data import cifar10, resized, seed_patches
from minigrad.evaluate import cifar_scores, hog, nearest, pixels, scaled
from minigrad.learn import as_csv, note_scores, write_whole
from minigrad.stepper import figures
from minigrad.stepper.report import write_report

from . import exemplar_parts
from .exemplar_parts import learned, preset_options, the_rest

SCALES = (1, 0.8)  # of the enlarged images: windows of 50 pixels could not move
DRAWS = 5  # of labels


@click.command(help=__doc__.partition("\n")[0])
@preset_options("medium")
@click.option(
    "--labels", default=400, show_default=True, type=click.IntRange(1), help="Of each class."
)
@run_options("runs/exemplar-cifar")
def main(settings, labels, seed, folder, resume, when_full, move):
    start = time.perf_counter()
    (X, T), (X_test, T_test) = (cifar10(split, "jpeg") for split in ("train", "test"))
    most = np.bincount(T).min() - 1  # one is left to choose C by
    if labels > most:
        raise click.UsageError(f"--labels {labels}: the training images allow for {most} at most")
    large, large_test = resized(X, 2), resized(X_test, 2)

    rng = np.random.default_rng(seed)
    per_image = -(-settings.seeds // len(large))
    found = seed_patches(large, settings.seeds, rng, scales=SCALES, per_image=per_image)
    options = {"folder": folder, "resume": resume, "when_full": when_full}
    data, first, extractor, log, settings_table = learned(
        X, found, settings, rng, seed, move, **options
    )
    with the_rest(folder):
        extractor.save(folder / "extractor.safetensors")
        random = dataclasses.replace(extractor, parameters=move(first))
        kinds = {
            "raw pixels": lambda: [[pixels(A)] for A in (X, X_test)],
            "HOG": lambda: [[hog(A)] for A in (X, X_test)],
            "random weights": lambda: [to_cpu(random(move(A))) for A in (large, large_test)],
            "Exemplar-CNN": lambda: [to_cpu(extractor(move(A))) for A in (large, large_test)],
        }
        features, scores, table = judged(kinds, T, T_test, labels, seed)
        note_scores(folder, {f"{labels} labels per class": 100 * scores["Exemplar-CNN"].mean})
        write_whole(folder / "table.csv", as_csv([dict(zip(table[0], row)) for row in table[1:]]))
        settings_table.append(["in all", f"{time.perf_counter() - start:.0f} s"])
        sections = [
            *pages(X_test, T_test, found, data, features, scores, table, labels, seed, folder),
            exemplar_parts.learning_curve(log, settings.seeds, ""),
            exemplar_parts.filters(first["conv1"][0], to_cpu(extractor.parameters)["conv1"][0]),
            {"title": "This run", "table": settings_table},
        ]
        write_report(
            folder / "report.html",
            "Exemplar-CNN on CIFAR-10",
            "Features learned from CIFAR-10 without a label, by telling transformed patches of its "
            "images apart, beside others. After Dosovitskiy et al., TPAMI 2016, in small.",
            sections,
        )
    print(
        f"\n{folder / 'report.html'} has the pictures; {time.perf_counter() - start:.0f} s in all"
    )


def judged(kinds, T, T_test, labels, seed):
    """Features of each kind, their `Scores`, and a table of these, printed row by row."""
    features, scores = {}, {}
    table = [["features", "numbers", "test accuracy (%)", "C"]]
    line = lambda row: print("{:<16}{:>9}{:>20}{:>8}".format(*row), flush=True)
    line(table[0])
    for name, compute in kinds.items():
        A, B = features[name] = compute()
        rng = np.random.default_rng(seed)
        s = scores[name] = cifar_scores(A, T, B, T_test, rng, labels, DRAWS, scaling=scaled)
        table.append([name, f"{sum(a.shape[1] for a in A):,}", str(s), f"{s.C:.2g}"])
        line(table[-1])
    return features, scores, table


def pages(X_test, T_test, found, data, features, scores, table, labels, seed, folder):
    """The report's sections of this example alone; writes summary.png, too."""
    rng = np.random.default_rng(seed)
    versions, _ = data.batch(np.repeat(np.arange(6), 14) * (len(data) // len(found.energy)), rng)
    shown = to_cpu(versions).reshape(6, 14, *versions.shape[1:])
    queries = rng.choice(len(X_test), 10, replace=False)
    near = {
        name: nearest(scaled(*features[name])[1], queries, 8)
        for name in ("raw pixels", "Exemplar-CNN")
    }
    bars = {name: (100 * s.mean, 100 * s.deviation) for name, s in scores.items()}
    originals = to_cpu(found.images())
    summary, (left, right) = figures.figure(9, 2.4, columns=2)
    figures.version_rows(left, originals[:6], shown[:, :9])
    figures.bar_rows(right, bars, "Exemplar-CNN")
    write_whole(folder / "summary.png", figures.png(summary))
    return [
        {
            "title": "Test accuracy",
            "text": f"In percent, of a linear SVM with {labels} labels per class; mean and "
            f"deviation over {DRAWS} draws of labels, the same for all. C was chosen on training "
            "images; features are scaled alike, block by block.",
            "table": table,
            "figure": figures.bars(bars, "Exemplar-CNN"),
            "alt": "Bars of test accuracy with deviations",
        },
        exemplar_parts.seeds(originals, 100),
        exemplar_parts.versions(
            originals[:6], shown, "Shifted, scaled, turned, with other colours and contrast"
        ),
        exemplar_parts.neighbours(
            "Of ten test images drawn at random, among the other test images; one of its class is "
            "framed green.",
            figures.query_rows(X_test / np.float32(255), queries, near, T_test, mark="same"),
        ),
    ]


if __name__ == "__main__":
    run(main)
