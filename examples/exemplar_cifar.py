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
import zlib

import click
import numpy as np
from minigrad.models import exemplar_cnn
from minigrad.models.exemplar_training import PRESETS, fit

from minigrad import to_cpu
from minigrad.cli import run, run_options
from minigrad.data import Surrogates, cifar10, resized, seed_patches
from minigrad.evaluate import cifar_scores, hog, nearest, pixels, scaled
from minigrad.learn import as_csv, count, note_scores, write_whole
from minigrad.stepper import figures
from minigrad.stepper.report import write_report
from minigrad.tree import map_leaves

SCALES = (1, 0.8)  # of the enlarged images: windows of 50 pixels could not move
DRAWS = 5  # of labels


@click.command(help=__doc__.partition("\n")[0])
@click.option("--preset", default="medium", show_default=True, type=click.Choice(list(PRESETS)))
@click.option("--seeds", type=click.IntRange(2), help="How many, if not as many as the preset's.")
@click.option("--epochs", type=click.IntRange(1), help="At most, if not as many as the preset's.")
@click.option(
    "--labels", default=400, show_default=True, type=click.IntRange(1), help="Of each class."
)
@run_options("runs/exemplar-cifar")
def main(preset, seeds, epochs, labels, seed, folder, resume, when_full, move):
    start = time.perf_counter()
    settings = PRESETS[preset]
    settings = settings._replace(seeds=seeds or settings.seeds, epochs=epochs or settings.epochs)
    (X, T), (X_test, T_test) = (cifar10(split, "jpeg") for split in ("train", "test"))
    most = np.bincount(T).min() - 1  # one is left to choose C by
    if labels > most:
        raise click.UsageError(f"--labels {labels}: the training images allow for {most} at most")
    large, large_test = resized(X, 2), resized(X_test, 2)

    rng = np.random.default_rng(seed)
    per_image = -(-settings.seeds // len(large))
    found = seed_patches(large, settings.seeds, rng, scales=SCALES, per_image=per_image)
    data = Surrogates(found._replace(sources=move(found.sources)), settings.versions)
    U = move(exemplar_cnn.initial(rng, settings.seeds, 3, side=32, code=settings.code))
    first = map_leaves(np.copy, to_cpu(U))
    print(
        f"{len(X):,} images, {settings.seeds} seeds x {settings.versions} versions, "
        f"{settings.code}, at most {settings.epochs} epochs"
    )
    extractor, log = fit(
        data,
        settings,
        rng=rng,
        parameters=U,
        folder=folder,
        resume=resume,
        when_full=when_full,
        facts={"seed": seed, "images": f"{zlib.crc32(found.sources.tobytes()):08x}"},
    )
    extractor.save(folder / "extractor.safetensors")
    last = [row for row in log if "validation error" in row][-1]
    trained = log[-1]["seconds"]
    print(
        f"trained in {trained:.0f} s, loss {log[0]['loss']:.2f} -> {log[-1]['loss']:.2f}, "
        f"surrogate validation error {last['validation error']:.1%}\n"
    )

    random = dataclasses.replace(extractor, parameters=move(first))
    features = {
        "raw pixels": [[pixels(A)] for A in (X, X_test)],
        "HOG": [[hog(A)] for A in (X, X_test)],
        "random weights": [to_cpu(random(move(A))) for A in (large, large_test)],
        "Exemplar-CNN": [to_cpu(extractor(move(A))) for A in (large, large_test)],
    }
    scores = {
        name: cifar_scores(
            A, T, B, T_test, np.random.default_rng(seed), labels, DRAWS, scaling=scaled
        )
        for name, (A, B) in features.items()
    }
    table = [["features", "numbers", "test accuracy (%)", "C"]] + [
        [name, f"{sum(b.shape[1] for b in features[name][0]):,}", str(s), f"{s.C:.2g}"]
        for name, s in scores.items()
    ]
    for name, numbers, accuracy, C in table:
        print(f"{name:<16}{numbers:>9}{accuracy:>20}{C:>8}")
    note_scores(folder, {f"{labels} labels per class": 100 * scores["Exemplar-CNN"].mean})
    write_whole(folder / "table.csv", as_csv([dict(zip(table[0], row)) for row in table[1:]]))

    rng = np.random.default_rng(seed)
    versions, _ = data.batch(np.repeat(np.arange(6), 14) * settings.versions, rng)
    queries = rng.choice(len(X_test), 10, replace=False)
    near = {
        name: nearest(scaled(*features[name])[1], queries, 8)
        for name in ("raw pixels", "Exemplar-CNN")
    }
    bars = {name: (100 * s.mean, 100 * s.deviation) for name, s in scores.items()}
    originals = to_cpu(found.images())
    shown = to_cpu(versions).reshape(6, 14, *versions.shape[1:])
    summary, (left, right) = figures.figure(9, 2.4, columns=2)
    figures.version_rows(left, originals[:6], shown[:, :9])
    figures.bar_rows(right, bars, "Exemplar-CNN")
    write_whole(folder / "summary.png", figures.png(summary))
    settings_table = [
        ["setting", "value"],
        ["seed", seed],
        ["seeds x versions", f"{settings.seeds} x {settings.versions}"],
        ["network", f"{settings.code}, {count(extractor.parameters):,} parameters"],
        ["epochs", f"{last['epoch']:.0f} of {settings.epochs} at most"],
        ["training", f"{trained:.0f} s"],
        ["in all", f"{time.perf_counter() - start:.0f} s"],
    ]
    sections = [
        {
            "title": "Test accuracy",
            "text": f"In percent, of a linear SVM with {labels} labels per class; mean and "
            f"deviation over {DRAWS} draws of labels, the same for all. C was chosen on training "
            "images; features are scaled alike, block by block.",
            "table": table,
            "figure": figures.bars(bars, "Exemplar-CNN"),
            "alt": "Bars of test accuracy with deviations",
        },
        {
            "title": "Seeds",
            "text": "The first hundred; each is a class of its own.",
            "figure": figures.image_sheet(originals[:100]),
            "alt": "Small patches of images",
        },
        {
            "title": "Their versions",
            "text": "What the features learn not to mind. The seed is framed.",
            "figure": figures.versions(originals[:6], shown),
            "alt": "Rows of patches: a seed, then its transformed versions",
        },
        {
            "title": "Learning curve",
            "text": f"Surrogate validation error at the end: {last['validation error']:.1%}.",
            "figure": figures.learning_curve(log, flat=np.log(settings.seeds)),
            "alt": "The loss against the step, with the loss of guessing as a dashed line",
        },
        {
            "title": "First-layer filters",
            "text": "Each at its own scale, 0 is grey. (The paper's figure 7.)",
            "figure": figures.filters(
                {
                    "before training": first["conv1"][0],
                    "after training": to_cpu(extractor.parameters["conv1"][0]),
                }
            ),
            "alt": "Filters as small colour images, before and after training",
        },
        {
            "title": "Nearest neighbours",
            "text": "Of ten test images drawn at random, among the other test images, by cosine. "
            "The query is framed blue, a neighbour of its class green.",
            "figure": figures.query_rows(
                X_test / np.float32(255), queries, near, T_test, mark="same"
            ),
            "alt": "Rows of images: a query, then its nearest neighbours",
        },
        {"title": "This run", "table": settings_table},
    ]
    lead = (
        "Features learned from CIFAR-10 without a label, by telling transformed patches of its "
        "images apart, beside others. After Dosovitskiy et al., TPAMI 2016, in small."
    )
    write_report(folder / "report.html", "Exemplar-CNN on CIFAR-10", lead, sections)
    print(
        f"\n{folder / 'report.html'} has the pictures; {time.perf_counter() - start:.0f} s in all"
    )


if __name__ == "__main__":
    run(main)
