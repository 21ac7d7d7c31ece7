"""What the examples of Exemplar-CNN share: options, training, and sections of their reports."""

import functools
import zlib

import click
import numpy as np
from minigrad.models import exemplar_cnn
from minigrad.models.exemplar_training import PRESETS, fit

from minigrad import to_cpu
from minigrad.cli import stopping
from minigrad.data import Surrogates
from minigrad.learn import count
from minigrad.stepper import figures
from minigrad.tree import map_leaves

SIDE = 32  # of a patch, in pixels

MIND = "what the features learn not to mind. The seed is framed. (The paper's figure 2.)"


def preset_options(default):
    """Give a click command the settings of a preset, by --preset, --seeds and --epochs."""

    def with_options(command):
        @functools.wraps(command)  # with the options that it has already
        def chosen(*, preset, seeds, epochs, **others):
            settings = PRESETS[preset]
            given = {"seeds": seeds or settings.seeds, "epochs": epochs or settings.epochs}
            return command(settings=settings._replace(**given), **others)

        most = "if not as many as the preset's."
        for option in (
            click.option("--epochs", type=click.IntRange(1), help=f"At most, {most}"),
            click.option("--seeds", type=click.IntRange(2), help=f"Patches learned from, {most}"),
            click.option(
                "--preset",
                default=default,
                show_default=True,
                type=click.Choice(list(PRESETS)),
                help="; ".join(
                    f"{name}: {p.code}, {p.seeds} seeds, {p.versions} versions of each in each of "
                    f"{p.epochs} epochs"
                    for name, p in PRESETS.items()
                ),
            ),
        ):
            chosen = option(chosen)
        return chosen

    return with_options


def learned(images, found, settings, rng, seed, move, folder, resume, **options):
    """Train on `Seeds` that were found in images and say so; what it needs and what came of it.

    Returns the surrogates, the first parameters, the extractor, the log, and a table of settings.
    """
    if (folder / "extractor.safetensors").exists() and not resume:
        raise click.UsageError(
            f"{folder} has a network already: give another --folder, remove it, or with --resume "
            "do what is left of the same run"
        )
    data = Surrogates(found._replace(sources=move(found.sources)), settings.versions)
    U = move(exemplar_cnn.initial(rng, settings.seeds, 3, SIDE, settings.code))
    first = map_leaves(np.copy, to_cpu(U))
    print(
        f"{len(images):,} images, {settings.seeds} seeds x {settings.versions} versions, "
        f"{settings.code}, at most {settings.epochs} epochs"
    )
    facts = {"seed": seed, "images": f"{zlib.crc32(found.sources.tobytes()):08x}"}
    options |= {"folder": folder, "resume": resume}
    extractor, log = fit(data, settings, rng=rng, parameters=U, facts=facts, **options)
    last = [row for row in log if "validation error" in row][-1]
    print(
        f"trained in {log[-1]['seconds']:.0f} s, loss {log[0]['loss']:.2f} -> "
        f"{log[-1]['loss']:.2f}, surrogate validation error {last['validation error']:.1%}\n"
    )
    table = [
        ["setting", "value"],
        ["images", f"{len(images):,}"],
        ["seed", seed],
        ["seeds x versions", f"{settings.seeds} x {settings.versions}"],
        ["network", f"{settings.code}, {count(extractor.parameters):,} parameters"],
        ["epochs", f"{last['epoch']:.0f} of {settings.epochs} at most"],
        ["validation error", f"{last['validation error']:.1%} of held-out surrogates"],
        ["training", f"{log[-1]['seconds']:.0f} s"],
    ]
    return data, first, extractor, log, table


def the_rest(folder):
    """What follows the training: Ctrl-C in it says how to get it."""
    return stopping(f"stopped; the network stays in {folder}: the same with --resume does the rest")


def seeds(images, most):
    """Seeds as images (n, h, w) or (n, 3, h, w), so many at most."""
    return {
        "title": "Seeds",
        "text": f"Each is a class of its own; no label is used. {min(most, len(images))} of "
        f"{len(images)} are shown. (The paper's figure 1.)",
        "figure": figures.image_sheet(images[:most]),
        "alt": "Small images",
    }


def versions(originals, shown, done, table=()):
    """A row of versions (k, ...) for each seed; done: what was done to them, in words."""
    return {
        "title": "Their versions",
        "text": f"{done}: {MIND}" + " The first ones, in words:" * bool(table),
        "table": list(table),
        "figure": figures.versions(originals, shown),
        "alt": "Rows of images: a seed, then its transformed versions",
    }


def learning_curve(log, classes, text):
    return {
        "title": "Learning curve",
        "text": f"The loss, the mean of some steps; dashed, that of guessing. {text}",
        "figure": figures.learning_curve(log, flat=np.log(classes)),
        "alt": "The loss against the step, with the loss of guessing as a dashed line",
    }


def filters(before, after, text=""):
    """First-layer filters (k, h, w) or (k, 3, h, w)."""
    return {
        "title": "First-layer filters",
        "text": f"Each at its own scale, 0 is grey. {text} (The paper's figure 7.)",
        "figure": figures.filters({"before training": before, "after training": after}),
        "alt": "Filters as small images, before and after training",
    }


def neighbours(text, figure):
    return {
        "title": "Nearest neighbours",
        "text": f"{text} By cosine; the query is framed blue.",
        "figure": figure,
        "alt": "Rows of images: a query, then its nearest neighbours",
    }
