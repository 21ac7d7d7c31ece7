"""Exemplar-CNN on a folder of photographs: features learned without a label, to be used elsewhere.

    python -m examples.exemplar photos/           some minutes on two cores
    python -m examples.exemplar photos/ --preset paper --device gpu   as large as in the paper

Seeds are 32 x 32 patches of the photographs at several scales, drawn where something is to be seen,
each a class of its own; a network learns to tell versions of them apart: shifted, scaled, turned,
with other colours and contrast. Written to runs/exemplar/:

    extractor.safetensors   the network, for `Extractor.load`
    features.safetensors    what its layers say of each photograph, for `load_features`
    report.html             seeds, versions, learning curve, filters, nearest neighbours of patches

Source: Dosovitskiy et al., TPAMI 2016.
"""

import time
import warnings
from pathlib import Path

import click
import numpy as np
from minigrad.models.exemplar_extractor import save_features

from minigrad import normalize, to_cpu
from minigrad.cli import run, run_options, say
from minigrad.data import Surrogates, describe, photographs, seed_patches
from minigrad.stepper import figures
from minigrad.stepper.report import write_report

from . import exemplar_parts
from .exemplar_parts import SIDE, learned, preset_options, the_rest

LEAST = SIDE + 4  # of a photograph: hidden units, too, have something in each quadrant
LONGEST = 1024  # side of a photograph, in pixels: larger ones are shrunk
CANDIDATES = 2000  # patches at most among which neighbours are looked for
QUERIES, NEIGHBOURS = 10, 8


@click.command(help=__doc__.partition("\n")[0])
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@preset_options("small")
@run_options("runs/exemplar")
def main(photos, settings, seed, folder, resume, when_full, move):
    start = time.perf_counter()
    images, names = usable(photos)
    rng = np.random.default_rng(seed)
    found = drawn(images, settings.seeds, rng)
    options = {"folder": folder, "resume": resume, "when_full": when_full}
    data, first, extractor, log, table = learned(
        images, found, settings, rng, seed, move, **options
    )
    with the_rest(folder):
        extractor.save(folder / "extractor.safetensors")
        blocks = [to_cpu(extractor(move(image[None]))) for image in images]
        blocks = [np.concatenate(layer) for layer in zip(*blocks)]
        facts = {"photographs": names, "code": extractor.code, "seed": seed}
        save_features(folder / "features.safetensors", blocks, **facts)
        sections = pages(images, found, data, extractor, first, log, seed)
        write_report(
            folder / "report.html",
            "Exemplar-CNN on photographs",
            "Features learned by telling transformed patches of photographs apart; no label was "
            "used. After Dosovitskiy et al., TPAMI 2016.",
            [*sections, {"title": "This run", "table": table}],
        )
    width = sum(block.shape[1] for block in blocks)
    print(
        f"{folder / 'extractor.safetensors'} and features.safetensors: {width} features of each\n"
        f"    from minigrad.models.exemplar_extractor import Extractor\n"
        f'    extractor = Extractor.load("{folder / "extractor.safetensors"}")\n'
        f"    blocks = extractor(images)  # (n, 3, h, w), bytes or in [0, 1]\n"
        f"{folder / 'report.html'} has the pictures; {time.perf_counter() - start:.0f} s in all"
    )


def usable(photos):
    """The photographs that have room for a patch, and their names; says what was skipped."""
    images, names, skipped = photographs(photos, LONGEST)
    small = [i for i, image in enumerate(images) if min(image.shape[1:]) < LEAST]
    room = f"no room for {LEAST} x {LEAST} pixels"
    for i in small:
        shrunk = max(images[i].shape) == LONGEST
        skipped.append((names[i], room + f" when shrunk to {LONGEST}" * shrunk))
    for name, why in skipped:
        say(f"skipped {name}: {why}")
    if skipped:
        say(f"skipped {len(skipped)} of {len(names) + len(skipped) - len(small)} pictures")
    kept = [i for i in range(len(images)) if i not in small]
    if not kept:
        raise click.UsageError(f"{photos}: no picture has room for {LEAST} x {LEAST} pixels")
    return [images[i] for i in kept], [names[i] for i in kept]


def drawn(images, n, rng):
    """n seed patches, at most twice as many of an image as there are on average; says what is."""
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            found = seed_patches(images, n, rng, per_image=-(-2 * n // len(images)))
        except ValueError as mistake:
            raise click.UsageError(f"{mistake}: give --seeds fewer") from mistake
    for warning in noted:
        print(warning.message)
    return found


def pages(images, found, data, extractor, first, log, seed):
    """The report's sections with pictures."""
    busy = np.argsort(-found.energy, kind="stable")  # of much contrast: there is much to see
    apart = np.unique(found.found.index[busy], return_index=True)[1]  # in different photographs
    shown = busy[np.sort(apart)[:6]]
    rng = np.random.default_rng(seed)
    drawn_once = Surrogates(data.seeds.take(shown), 14, data.ranges, rng=rng)
    drawn_once.colours = data.colours
    versions, _ = drawn_once.all()
    versions = to_cpu(versions).reshape(len(shown), 14, *versions.shape[1:])
    told = [[str(i + 1), describe(drawn_once.parameters, i)] for i in range(4)]
    originals = to_cpu(found.images())
    ends = [row for row in log if "validation error" in row]
    pool = drawn(images, min(CANDIDATES, 20 * len(images)), rng)
    patches, photo = pool.images(), pool.found.index
    queries = rng.choice(len(patches), min(QUERIES, len(patches)), replace=False)
    hidden = lambda e: to_cpu(e(patches)[-1])
    near = {
        "raw pixels": elsewhere(patches.reshape(len(patches), -1), queries, photo),
        "Exemplar-CNN, hidden units": elsewhere(hidden(extractor), queries, photo),
    }
    return [
        exemplar_parts.seeds(originals, 100),
        exemplar_parts.versions(
            originals[shown],
            versions,
            "Shifted, scaled, turned, with other colours and contrast",
            [["version", "what was done"], *told],
        ),
        exemplar_parts.learning_curve(log, len(originals), ""),
        {
            "title": "Surrogate validation error",
            "text": "The share of held-out versions whose seed the network does not name, at the "
            "end of each epoch, and the rate.",
            "table": [["epoch", "validation error", "rate"]]
            + [
                [f"{row['epoch']:.0f}", f"{row['validation error']:.1%}", f"{row['rate']:.4f}"]
                for row in ends
            ],
        },
        exemplar_parts.filters(first["conv1"][0], to_cpu(extractor.parameters)["conv1"][0]),
        exemplar_parts.neighbours(
            f"Of ten patches among {len(patches)}, in other photographs only.",
            figures.query_rows(patches, queries, near),
        ),
    ]


def elsewhere(F, queries, photo):
    """The patches most like each query by cosine, in other photographs if there are any."""
    F = normalize(F)
    S = F[queries] @ F.T
    apart = photo if len(set(photo)) > 1 else np.arange(len(photo))
    S[apart[queries][:, None] == apart] = -np.inf
    return np.argsort(-S, axis=1, kind="stable")[:, :NEIGHBOURS]


if __name__ == "__main__":
    run(main)
