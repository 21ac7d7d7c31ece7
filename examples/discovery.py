"""Which things come again in a collection of pictures, and which only stand out?

    python -m examples.discovery             five made collections, 5 minutes of one core
    python -m examples.discovery photos/     the same, with parts of photographs as grounds
    python -m examples.discovery --quick     one collection

Each picture has an object of one of six kinds, and two others, made alike, of kinds that are
nowhere else. An Exemplar-CNN learns on another collection, of other objects, and gives maps.
Feature saliency (FS) weighs the maps of a picture by how rarely they answer; regions are found on
it by an expanding Gaussian mixture. Object saliency (OS) asks beside that whether regions like a
place are central in the graph of all regions; on it regions are found again. In the folder:

    report.html      pictures, both saliencies, their regions, and the tables
    precision.csv    saliency inside the objects over all, of each collection
    retrieval.csv    mAP of descriptors of whole pictures, with and without diffusion
    networks/        the networks, which are loaded again by the next run

Source: Simeoni et al., WACV 2018: FS, EGM, OS, and Table 1, in small.
"""

import base64
import io
import time
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from minigrad.models import exemplar_cnn, exemplar_training
from minigrad.models.exemplar_extractor import Extractor

from minigrad import maxpool, normalize
from minigrad.cli import number, run, say, workers
from minigrad.data import Ranges, Surrogates, cluttered, photographs, seed_patches
from minigrad.evaluate import (
    Regions,
    diffuse,
    feature_saliency,
    mac,
    mean_average_precision,
    object_saliency,
    pca_whitening,
    pooled,
    ranked_precision,
    reciprocal_graph,
    region_centrality,
    region_features,
    region_grid,
    saliency_precision,
    salient_regions,
    symmetric_normalized,
)
from minigrad.learn import as_csv, write_whole
from minigrad.version import VERSION

from .digit_runs import about, place
from .exemplar_runs import digest

TEMPLATE = Path(__file__).with_name("discovery.html")
SIDE, KINDS, CLUTTER = 128, 6, 2
RANGES = Ranges(0.15, (0.85, 1.2), 6.0, (1.0, 0.25, 0.05), None, None, None)  # colours stay
PARAMETERS = {"tau": 0.5, "expansion": 0.2}
MIXTURES = "overlap {tau:g}, expansion {expansion:g}".format(**PARAMETERS)
WINDOW, NEIGHBOURS, WHITENED = 7, 15, 40
DIFFUSION = {"k": 10, "alpha": 0.9}
SHOWN = 8  # pictures in the report
SALIENCIES = {
    "FS": "feature saliency",
    "FS sharpened": "the same, sharpened",
    "OS": "object saliency",
    "area": "every place alike",
}
METHODS = ("MAC", "R-MAC (uniform)", "FS.EGM", "OS.EGM")


class Size(NamedTuple):
    """seeds: collections, each with its own network; images: of a collection; epochs: of it."""

    seeds: int = 5
    images: int = 96
    epochs: int = 5


FULL, QUICK = Size(), Size(seeds=1)
SETTINGS = exemplar_training.PRESETS["small"]._replace(
    seeds=250, versions=40, code="24c5-48c5-64c3-64f"
)


class Found(NamedTuple):
    """What is known of a collection: its pictures, both saliencies, regions, and the figures."""

    made: object
    saliency: dict
    regions: dict
    precision: dict
    retrieval: dict


@click.command(help=about(__doc__))
@click.argument("photos", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--quick", is_flag=True, help="One collection.")
@click.option("--seeds", type=click.IntRange(1), help="How many collections.  [default: 5]")
@click.option("--images", type=click.IntRange(2 * KINDS), help="Of a collection.  [default: 96]")
@click.option("--epochs", type=click.IntRange(1), help="Of 10,000 patches.  [default: 5]")
@click.option(
    "--first", default=0, show_default=True, type=click.IntRange(0), help="Seed of the first."
)
@click.option(
    "--power",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0, 100, min_open=True),
    callback=number,
    help="To which saliency is raised before regions are found.",
)
@click.option("--plain", is_flag=True, help="Descriptors are not whitened.")
@place("discovery", "report.html", "precision.csv", "networks")
@workers
def main(photos, quick, seeds, images, epochs, first, power, plain, folder):
    start, size = time.perf_counter(), QUICK if quick else FULL
    size = Size(seeds or size.seeds, images or size.images, epochs or size.epochs)
    grounds = large(photos) if photos else None
    ground = f"parts of {len(grounds)} photographs" if grounds else "made clouds"
    say(f"{size.images} pictures of {SIDE} x {SIDE} in each collection, on {ground}\n")
    found = []
    for seed in range(first, first + size.seeds):
        one = discovered(seed, size, grounds, folder / "networks", power, plain)
        found.append(one)
        say(
            f"seed {seed}: saliency in objects "
            + ", ".join(f"{name} {p['objects']:.3f}" for name, p in one.precision.items())
        )
    tables = [precision(found), retrieval(found)]
    for title, table in zip(TITLES, tables):
        say(f"\n{title}")
        for line in table:
            say(f"{line[0]:<22}" + "".join(f"{cell:>20}" for cell in line[1:]))
    for name, key in {"precision": "precision", "retrieval": "retrieval"}.items():
        rows = [
            {"seed": first + i, "row": row} | {k: round(float(v), 4) for k, v in cells.items()}
            for i, one in enumerate(found)
            for row, cells in getattr(one, key).items()
        ]
        write_whole(folder / f"{name}.csv", as_csv(rows))
    seconds = time.perf_counter() - start
    whitened = f"whitened, in {WHITENED} dimensions"
    settings = [
        ("collections", f"{size.seeds} of {size.images} pictures, seeds from {first}"),
        ("pictures", f"{1 + CLUTTER} objects of 31 to 41 pixels on {ground}; {KINDS} kinds recur"),
        ("network", f"{SETTINGS.code}, {size.epochs} epochs of 10,000 patches of other pictures"),
        ("mixtures", f"saliency to the power of {power:g}, {MIXTURES}"),
        ("graph", f"{NEIGHBOURS} neighbours; regions {'as they are' if plain else whitened}"),
        ("diffusion", "{k} neighbours, alpha {alpha:g}".format(**DIFFUSION)),
    ]
    write_report(folder / "report.html", found[0], tables, settings)
    say(f"\n{folder / 'report.html'} has the pictures; {seconds:.0f} s in all")


TITLES = (
    "Share of saliency in objects, and in clutter; objects of both (mean +- standard error)",
    "Retrieval, mAP of pictures with the same object (mean +- standard error)",
)


def large(folder):
    """Photographs with room for a ground.  Raises UsageError if there is none."""
    images, names, skipped = photographs(folder, 3 * SIDE)
    skipped += [(n, "too small") for x, n in zip(images, names) if min(x.shape[1:]) < SIDE]
    for name, why in skipped:
        say(f"skipped {name}: {why}")
    kept = [x for x in images if min(x.shape[1:]) >= SIDE]
    if not kept:
        raise click.UsageError(f"{folder}: no picture of {SIDE} pixels or more each way")
    return kept


def discovered(seed, size, grounds, folder, power=3.0, plain=False):
    """Make a collection, learn on another one, and discover: `Found`."""
    making, other, learning = np.random.default_rng(seed).spawn(3)
    made, others = (
        cluttered(size.images, rng, SIDE, kinds=KINDS, clutter=CLUTTER, grounds=grounds)
        for rng in (making, other)
    )
    net = network(others.images, size, learning, folder)
    return judged(made, maps(net, made.images), maps(net, others.images), power, plain)


def network(images, size, rng, folder):
    """An Exemplar-CNN learned on patches of images, or the one that was kept."""
    settings = SETTINGS._replace(epochs=size.epochs)
    path = folder / f"{digest(images, settings, RANGES, VERSION)}.safetensors"
    if path.exists():
        return Extractor.load(path)
    seeds = seed_patches(
        images, settings.seeds, rng, scales=(1, 0.8), per_image=None, ranges=RANGES
    )
    data = Surrogates(seeds, settings.versions, RANGES)
    net, _ = exemplar_training.fit(data, settings, rng=rng, progress=False)
    folder.mkdir(parents=True, exist_ok=True)
    net.save(path)
    return net


def maps(net, images):
    """The maps of the second convolution, of which a place is 8 x 8 pixels: (n, k, 16, 16)."""
    parts = [images[i : i + 24] for i in range(0, len(images), 24)]
    see = lambda X: exemplar_cnn.maps(net.prepared(X), net.parameters, net.code)[1]
    return np.concatenate([maxpool(see(X), 2) for X in parts])


def shares(boxes, shape):
    """Which share of each place (n, h, w) is in one of the boxes (n, m, 4) in pixels."""
    inside = np.zeros((len(boxes), SIDE, SIDE))
    for X, some in zip(inside, boxes):
        for top, left, h, w in some:
            X[top : top + h, left : left + w] = 1
    h, w = shape
    return inside.reshape(len(boxes), h, SIDE // h, w, SIDE // w).mean((2, 4))


def judged(made, X, others, power=3.0, plain=False):
    """Both saliencies of maps X and all figures; others: maps of pictures for the whitening."""
    regions_of = lambda S: salient_regions(S, power, **PARAMETERS)
    whiten = normalize
    if not plain:
        V = region_features(others, regions_of(feature_saliency(others)))
        whiten = pca_whitening(V, min(WHITENED, len(V) - 1, V.shape[1]))
    FS = feature_saliency(X)
    first = regions_of(FS)
    V = whiten(region_features(X, first))
    g = region_centrality(V, first.image, NEIGHBOURS)
    OS = object_saliency(X, FS, V, first.image, g, WINDOW, NEIGHBOURS, described=whiten)
    again = regions_of(OS)
    places = {"objects": made.boxes[:, None], "clutter": made.clutter}
    inside = {name: shares(boxes, X.shape[2:]) for name, boxes in places.items()}
    saliency, regions = {"FS": FS, "OS": OS}, {"FS": first, "OS": again}
    sharp = {"FS sharpened": FS**power}
    flat = {"area": np.ones_like(FS)}
    precision = {
        name: {where: saliency_precision(S, P).mean() for where, P in inside.items()}
        for name, S in (saliency | sharp | flat).items()
    }
    for row in precision.values():
        row["objects of both"] = row["objects"] / (row["objects"] + row["clutter"])
    pictures = {
        "MAC": whiten(mac(X)),
        "R-MAC (uniform)": pooled(X, uniform(X), whiten),
        "FS.EGM": pooled(X, first, whiten),
        "OS.EGM": pooled(X, again, whiten),
    }
    retrieval = {
        name: {
            "nearest": mean_average_precision(Z, made.kinds).mean,
            "diffusion": diffused(Z, made.kinds),
        }
        for name, Z in pictures.items()
    }
    return Found(made, saliency, regions, precision, retrieval)


def uniform(X):
    """The squares of R-MAC as regions of each picture."""
    top, left, side = region_grid(*X.shape[2:]).T
    boxes = np.stack([top, left, side, side], 1)
    return Regions(np.repeat(np.arange(len(X)), len(boxes)), np.tile(boxes, (len(X), 1)))


def diffused(Z, T):
    """mAP where each picture ranks the others by diffusion."""
    W = symmetric_normalized(reciprocal_graph(Z, DIFFUSION["k"]))
    own = np.eye(len(Z), dtype=bool)
    S = diffuse(W, own.astype(float), DIFFUSION["alpha"]).T
    return ranked_precision(S, T[:, None] == T, own).mean


def spread(values, digits=3):
    """Mean +- standard error, one value alone."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    mean = f"{np.mean(values):.{digits}f}"
    return mean if error is None else f"{mean} +- {error:.{digits}f}"


def precision(found):
    """Rows of the first table."""
    where = ("objects", "clutter", "objects of both")
    rows = [
        [words, *(spread([one.precision[name][w] for one in found]) for w in where)]
        for name, words in SALIENCIES.items()
    ]
    more = [
        spread([one.precision["OS"][w] - one.precision["FS"][w] for one in found]) for w in where
    ]
    return [["", *where], *rows, ["OS - FS", *more]]


def retrieval(found):
    """Rows of the second table."""
    ways = ("nearest", "diffusion")
    rows = [
        [name, *(spread([one.retrieval[name][way] for one in found]) for way in ways)]
        for name in METHODS
    ]
    return [["", *ways], *rows]


def lit(image, S):
    """A picture (3, h, w) uint8, dark where its saliency is small."""
    h, w = S.shape
    light = np.kron(S / max(S.max(), np.finfo(float).tiny), np.ones((SIDE // h, SIDE // w)))
    return np.rint(image * (0.12 + 0.88 * light)).astype(np.uint8)


def data(image):
    """A picture (3, h, w) as a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def picture(one, i):
    """What the report shows of picture i."""
    boxes = lambda rows, scale=1: [[int(scale * v) for v in row] for row in rows]
    image, scale = one.made.images[i], SIDE // one.saliency["FS"].shape[1]
    views = [{"words": "truth", "image": data(image), "boxes": boxes(one.made.boxes[i : i + 1])}]
    for name, words in {"FS": "feature saliency", "OS": "object saliency"}.items():
        S, found = one.saliency[name][i], one.regions[name]
        inside = saliency_precision(S[None], shares(one.made.boxes[i, None][None], S.shape))[0]
        views.append(
            {
                "words": f"{words}, {inside:.0%} in the object",
                "image": data(lit(image, S)),
                "boxes": boxes(found.boxes[found.image == i], scale),
            }
        )
    return {"number": i, "kind": int(one.made.kinds[i]), "views": views}


def write_report(path, one, tables, settings):
    """Fill the template and write it whole."""
    from jinja2 import Environment, StrictUndefined

    order = np.argsort(one.made.kinds, kind="stable")  # two or so of each kind, side by side
    shown = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int)]
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        TEMPLATE.read_text("utf-8")
    )
    text = template.render(
        tables=list(zip(TITLES, tables)),
        pictures=[picture(one, int(i)) for i in shown],
        side=SIDE,
        settings=settings,
    )
    write_whole(path, text)


if __name__ == "__main__":
    run(main)
