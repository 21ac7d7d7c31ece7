"""Visual data mining: which objects come again and again in a folder of pictures?

    python -m examples.mining             a made collection of which the truth is known
    python -m examples.mining photos/     a folder of photographs
    python -m examples.mining photos/ --network runs/context/net.safetensors

Four adjacent patches of a picture find their best matches in all others, each by itself; where
these lie like four adjacent patches again, an object is likely to be there. Clusters are ranked by
the share of such pictures. Features are those of a network of context prediction, of the same one
with random weights, and pixels. Without --network one is learned on the pictures, for some minutes.
In the folder:

    report.html        neighbours of patches, the clusters, and where the truth is known, purity
    table.csv          the figures
    net.safetensors    the network, for --network and `ContextNet.load`

Source: Doersch, Gupta and Efros, ICCV 2015, sections 4.1 and 4.5, in small.
"""

import base64
import io
import time
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from minigrad.models.context_extractor import ContextNet, untrained
from minigrad.models.context_training import PRESETS, fit, net_of, none_alone

from minigrad.cli import run, say, workers
from minigrad.data import Layout, Planted, photographs, planted
from minigrad.data.objects import TEXTURES
from minigrad.evaluate import (
    Mined,
    constellations,
    cover,
    cut_patches,
    mine,
    patch_features,
    patch_grid,
    patch_neighbours,
    pixels,
    purity_coverage,
    verified,
    verified_sets,
)
from minigrad.learn import as_csv, write_whole
from minigrad.tree import leaves

from .context import say_grey
from .digit_runs import about

TEMPLATE = Path(__file__).with_name("mining.html")
SMALL = PRESETS["small"]
PAIRS = 9000  # in an epoch, of all pictures
LEARNED, RANDOM, PIXELS = "context prediction", "random weights", "pixels"
MADE = {"side": 8, "size": 3}  # of pictures and objects, in patches
QUERIES, NEIGHBOURS, CLUSTERS, MATCHES, STRONGEST = 8, 6, 10, 7, 3
TRIES = 20000  # draws of four patches at random places


class Collection(NamedTuple):
    """Pictures uint8 (3, h_i, w_i), their names, and what was planted, if it is known."""

    images: list[np.ndarray]
    names: list[str]
    made: Planted | None
    about: str


@click.command(help=about(__doc__))
@click.argument("photos", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--network",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A ContextNet's file; without it one is learned.",
)
@click.option("--epochs", default=6, show_default=True, type=click.IntRange(1), help="Of learning.")
@click.option(
    "--images", default=120, show_default=True, type=click.IntRange(2), help="That are made."
)
@click.option(
    "--longest",
    default=192,
    show_default=True,
    type=click.IntRange(1),
    help="Side to which photographs are shrunk, in pixels: patches are 24 x 24.",
)
@click.option(
    "--constellations", "k", default=5000, show_default=True, type=click.IntRange(1), help="Drawn."
)
@click.option(
    "--top",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="Pictures that match best, of which those that verify are counted.",
)
@click.option(
    "--size",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Verified pictures of a cluster whose purity is measured.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--folder",
    default="runs/mining",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where report, table and network go.",
)
@workers
def main(photos, network, epochs, images, longest, k, top, size, seed, folder):
    start = time.perf_counter()
    net = loaded(network) if network else None
    side = net.patch if net else net_of(SMALL).patch
    making, learning, weights, rng = np.random.default_rng(seed).spawn(4)
    if photos:
        collection = pictures(photos, longest, side, not net)
    else:
        collection = textures(images, side, making)
    m = len(collection.images)
    say(f"{collection.about}: {m} pictures, patches of {side} x {side}")
    if net is None:
        net = learned(collection.images, epochs, learning)
        folder.mkdir(parents=True, exist_ok=True)
        net.save(folder / "net.safetensors")
    grid = patch_grid(collection.images, side)
    some = rng.choice(grid.starts[-1], min(500, grid.starts[-1]), replace=False)
    first = untrained(
        cut_patches(collection.images, grid, some),
        net.net,
        *net.prepare[1:],
        rng=weights,
    )
    features = {
        name: patch_features(collection.images, grid, f)
        for name, f in {LEARNED: net, RANDOM: first, PIXELS: pixels}.items()
    }
    chosen = constellations(grid, k, rng)
    kinds = f"{len(chosen)} constellations"
    if collection.made:
        objects, beside = placed(collection.made, grid, chosen)
        kinds += f": {objects.sum()} in objects, {beside.sum()} beside all"
    say(f"{grid.starts[-1]:,} patches, {kinds}\n")
    mined = {name: mine(F, grid, chosen, top) for name, F in features.items()}
    by_chance = chance(grid, rng)
    table, curves = judged(collection, grid, mined, size)
    say(f"four patches at random places of a picture verify: {by_chance:.2%}\n")
    for line in zip(*table):
        say(f"{line[0]:<20}" + "".join(f"{cell:>18}" for cell in line[1:]))
    rows = [dict(zip(["features", *table[0][1:]], line)) for line in table[1:]]
    write_whole(folder / "table.csv", as_csv(rows))
    settings = [
        ("pictures", f"{m}: {collection.about}"),
        ("network", str(network) if network else f"learned here, {epochs} epochs"),
        ("patches", f"{grid.starts[-1]:,} of {side} x {side} pixels, every {grid.step} pixels"),
        ("drawn", f"{kinds}, of 2 x 2 patches"),
        ("matches", f"the best {min(top, m - 1)} of {m - 1} other pictures"),
        ("seed", seed),
        ("in all", f"{time.perf_counter() - start:.0f} s"),
    ]
    page = Page(collection, grid)
    write_report(
        folder / "report.html",
        page,
        table=table,
        chance=by_chance,
        curves=curves,
        queries=page.queries(features, rng),
        clusters=page.clusters(mined[LEARNED], size),
        large=bool((mined[LEARNED].verified.sum(1) >= size).any()),
        strongest=page.strongest(mined[LEARNED]),
        size=size,
        settings=settings,
    )
    seconds = time.perf_counter() - start
    say(f"\n{folder / 'report.html'} has the pictures; {seconds:.0f} s in all")


def loaded(path):
    """The network of a file.  Raises UsageError if it cannot see pictures."""
    net = ContextNet.load(path)
    if (channels := len(net.prepare.mean)) != 3:
        raise click.UsageError(f"{path}: a network for {channels} channels, and pictures have 3")
    if not all(np.isfinite(W).all() for W in leaves((net.parameters, net.state))):
        raise click.UsageError(f"{path}: a network whose weights are not all finite")
    return net


def textures(n, side, rng):
    """The made collection, with sides in patches of MADE."""
    made = planted(n, rng, **{name: side * patches for name, patches in MADE.items()})
    names = [f"made {i}" for i in range(n)]
    return Collection(list(made.images), names, made, "made, objects planted in textures")


def pictures(folder, longest, side, learn):
    """Photographs with room for a constellation, and for pairs to learn from; says which have not.

    Raises UsageError if there are not two.
    """
    images, names, skipped = photographs(folder, longest)
    needed = 2 * side
    if learn:
        needed = max(needed, Layout(side, SMALL.gap, SMALL.jitter).needed)
    small = [i for i, x in enumerate(images) if min(x.shape[1:]) < needed]
    skipped += [(names[i], f"smaller than {needed} pixels one way") for i in small]
    for name, why in skipped:
        say(f"skipped {name}: {why}")
    kept = [i for i in range(len(images)) if i not in small]
    if len(kept) < 2:
        raise click.UsageError(
            f"{folder}: {len(kept)} of {len(images)} pictures with room for four patches, {needed} "
            f"pixels each way at --longest {longest}; matches in other pictures take two at least"
        )
    collection = [images[i] for i in kept]
    say_grey(collection)
    about = f"{folder}, shrunk to {longest} pixels"
    return Collection(collection, [names[i] for i in kept], None, about)


def learned(images, epochs, rng):
    """A network of context prediction, learned on the pictures themselves."""
    per_image = max(2, PAIRS // len(images))
    settings = none_alone(SMALL._replace(epochs=epochs, per_image=per_image), len(images))
    net, log = fit(images, settings, rng=rng)
    say(
        f"learned in {log[-1]['seconds']:.0f} s, loss {log[0]['loss']:.2f} -> {log[-1]['loss']:.2f}"
    )
    return net


def chance(grid, rng):
    """How often four patches verify that lie anywhere in a picture, each by itself."""
    image = rng.integers(len(grid.rows), size=TRIES)
    inside = rng.integers((grid.rows * grid.columns)[image], size=(4, TRIES)).T
    return float(verified(grid.centre[grid.starts[image][:, None] + inside], grid.side).mean())


def placed(made, grid, chosen):
    """Which constellations lie in an object, and which beside all of them: (k,) bool each."""
    top, left = grid.corner[chosen[:, 0]].T
    y, x, h, w = made.boxes[grid.image[chosen[:, 0]]].T
    reach = 2 * grid.side
    within = (top >= y) & (left >= x) & (top + reach <= y + h) & (left + reach <= x + w)
    beside = (top >= y + h) | (left >= x + w) | (top + reach <= y) | (left + reach <= x)
    return within & (h > 0), beside | (h == 0)


def by_strength(mined):
    """The ranking without verification: by mean correlation alone."""
    return np.argsort(-mined.correlation.mean(1), kind="stable")


def above(order, first, second):
    """The share of pairs of both kinds in which the one of the first kind ranks higher."""
    rank = np.argsort(order)
    pairs = rank[first][:, None] < rank[second]
    return f"{pairs.mean():.3f}" if pairs.size else "-"


def judged(collection, grid, mined, size):
    """A table of all features, and {name: purity-coverage curve}, if the truth is known."""
    head = ["", "verified, best", "verified, mean"]
    if collection.made:
        head += ["objects above", *(f"above {name}" for name in TEXTURES)]
        head += ["not verified", "purity area", "to half"]
    table, curves = [head], {}
    for name, found in mined.items():
        row = [name, f"{found.share.max():.0%}", f"{found.share.mean():.1%}"]
        if made := collection.made:
            objects, beside = placed(made, grid, found.constellations)
            texture = made.textures[grid.image[found.constellations[:, 0]]]
            on_each = [beside & (texture == i) for i in range(len(TEXTURES))]
            row += [above(found.ranking(), objects, some) for some in (beside, *on_each)]
            row.append(above(by_strength(found), objects, beside))
            _, sets = verified_sets(found, size)
            if len(sets):
                chosen = sets[cover(sets)]
                holds = made.kinds[:, None] == np.arange(made.kinds.max() + 1)
                curves[name] = purity_coverage(chosen, holds)
                row += [f"{curves[name].area:.3f}", f"{curves[name].half:.3f}"]
            else:
                row += ["-", "-"]
        table.append(row)
    return table, curves


class Page:
    """What the report shows: each picture stands in it once, and patches are windows on it."""

    def __init__(self, collection, grid):
        self.collection, self.grid, self.used = collection, grid, set()

    def patch(self, i):
        """One patch, as a window on its picture."""
        image, (top, left) = int(self.grid.image[i]), self.grid.corner[i]
        self.used.add(image)
        side = self.grid.side
        box = f"{left} {top} {side} {side}"
        return {"image": image, "box": box, "frames": [], "words": self.words(image)}

    def picture(self, image, patches):
        """A whole picture with the frames of four patches."""
        image = int(image)
        self.used.add(image)
        h, w = self.collection.images[image].shape[1:]
        frames = [(int(left), int(top)) for top, left in self.grid.corner[patches]]
        return {
            "image": image,
            "box": f"0 0 {w} {h}",
            "frames": frames,
            "words": self.words(image),
        }

    def words(self, image):
        return self.collection.names[image]

    def queries(self, features, rng):
        """Query patches, half of them in objects where these are known, and their neighbours."""
        grid, made = self.grid, self.collection.made
        anywhere = np.arange(grid.starts[-1])
        queries = rng.choice(anywhere, min(QUERIES, len(anywhere)), replace=False)
        if made:
            y, x, h, w = made.boxes[grid.image].T
            top, left = grid.corner.T
            within = (top >= y) & (left >= x) & (top < y + h - grid.side)
            within = np.flatnonzero(within & (left < x + w - grid.side))
            some = min(QUERIES // 2, len(within))
            queries[:some] = rng.choice(within, some, replace=False)
        k = min(NEIGHBOURS, len(grid.rows) - 1)
        near = {n: patch_neighbours(F, grid, queries, k) for n, F in features.items()}
        return [
            {
                "query": self.patch(q),
                "found": {
                    name: [
                        self.patch(j) | {"correlation": f"{c:.2f}"} for j, c in zip(index[i], C[i])
                    ]
                    for name, (index, C) in near.items()
                },
            }
            for i, q in enumerate(queries)
        ]

    def clusters(self, found, size):
        """The best clusters that each add a picture, in the order of their rank."""
        order = found.ranking()
        which, sets = verified_sets(found, size)
        shown = which[cover(sets)] if len(which) else order
        rank = np.argsort(order)
        shown = sorted(shown[:CLUSTERS], key=lambda c: rank[c])
        return [self.cluster(found, c, rank[c] + 1, found.verified[c]) for c in shown]

    def strongest(self, found):
        """The best clusters if nothing were verified."""
        best = by_strength(found)[:STRONGEST]
        every = np.ones(found.images.shape[1], bool)
        return [self.cluster(found, c, i, every) for i, c in enumerate(best, 1)]

    def cluster(self, found: Mined, c, rank, kept):
        patches = found.constellations[c]
        matches = np.flatnonzero(kept)[:MATCHES]
        return {
            "rank": rank,
            "good": int(found.verified[c].sum()),
            "of": found.images.shape[1],
            "correlation": f"{found.correlation[c].mean():.2f}",
            "query": self.picture(self.grid.image[patches[0]], patches),
            "matches": [self.picture(found.images[c, j], found.patches[c, j]) for j in matches],
        }

    def embedded(self):
        """{number: (data URI, width, height)} of the pictures that were shown."""
        return {i: (data(x), *x.shape[:0:-1]) for i, x in self.pixels()}

    def pixels(self):
        return ((i, self.collection.images[i]) for i in sorted(self.used))


def made_share(made):
    """How many of the made pictures hold an object, in percent."""
    return "" if made is None else f"{100 * (made.kinds >= 0).mean():.0f}"


def data(image):
    """An image (3, h, w) as a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_report(path, page, **parts):
    """Fill the template and write it whole."""
    from jinja2 import Environment, StrictUndefined

    curves = {
        name: {
            "points": " ".join(
                f"{100 * x:.2f},{100 - 100 * y:.2f}"
                for x, y in [(0, c.purity[0]), *zip(c.coverage, c.purity)]
            ),
            "area": f"{c.area:.2f}",
            "half": f"{c.half:.2f}",
        }
        for name, c in parts.pop("curves").items()
    }
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        TEMPLATE.read_text("utf-8")
    )
    text = template.render(
        images=page.embedded(),
        side=page.grid.side,
        about=page.collection.about,
        known=page.collection.made is not None,
        planted=made_share(page.collection.made),
        curves=curves,
        **parts,
    )
    write_whole(path, text)


if __name__ == "__main__":
    run(main)
