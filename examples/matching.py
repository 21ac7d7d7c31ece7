"""Are features that tell exemplars apart good descriptors of regions, beside SIFT?

    python -m examples.matching              four photographs and graf, 98 pairs
    python -m examples.matching --images 16  the size of the paper's set, 384 pairs and graf
    python -m examples.matching --quick      one photograph, small networks, two minutes

Photographs in a folder, photos/ below MINIGRAD_DATA by default, in the order of their names: the
first 16 are base images, on two of the next four patch sizes and layers are chosen, and networks
learn from all behind them. A base image is matched to itself turned, shrunk, seen aslant, deformed,
darkened and blurred, in four magnitudes each, and the regions of a pair (MSER) are paired by their
descriptors. Networks: 5 x 5 filters without blur among the transformations (orig), 7 x 7 of stride
2 with blur (blur), the other two combinations, and random weights; they see colours, SIFT does not,
therefore both are shown grey patches too. Below the folder:

    table.csv      average precision (AP) of each pair and method
    sizes.csv      AP over patch size and layer, on the images for choosing
    sizes.png      the same, as Fig. 8 of the paper
    scatter.png    AP of pairs of methods, as Fig. 9
    changes.png    AP over the magnitude of each change, and on graf, as Fig. 10 and 11

A number that is computed is kept there, so that a run that was stopped goes on.

Source: Dosovitskiy et al., TPAMI 2016 (Exemplar-CNN), section 5.
"""

import time
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
import numpy as np
from minigrad.models.exemplar_descriptors import ExemplarDescriptor

from minigrad import normalize
from minigrad.cli import device, run, say, workers
from minigrad.data import MATCHING_SET, DataError, data_folder, graf, photographs
from minigrad.evaluate import (
    achievable,
    dominant_orientation,
    greedy,
    homography,
    matching_precision,
    mser,
    normalised_patches,
    overlapping,
    raw,
    sift,
)
from minigrad.evaluate.ellipses import opencv
from minigrad.evaluate.patch_descriptors import greys
from minigrad.evaluate.patch_frames import UPRIGHT
from minigrad.learn import as_csv, write_whole
from minigrad.stepper import figures
from minigrad.version import VERSION

from .digit_runs import about, kept, place
from .exemplar_runs import digest
from .matching_figures import along_changes, over_sizes, scatter
from .matching_networks import BLUR, KINDS, NETWORK_PRESETS, ORIG, PatchNetworks

BASES, CHOOSING = 16, 4
LEAST = 128  # pixels of the smaller side of a photograph that is matched
PLAIN = {"SIFT": sift, "raw pixels": raw}
GREY = {"orig, grey patches": ORIG, "blur, grey patches": BLUR}  # SIFT sees no colours either
METHODS = *PLAIN, *KINDS, *GREY
EFFECTS = (  # in words, this one against that one
    ("Exemplar-CNN-orig over SIFT", ORIG, "SIFT"),
    ("Exemplar-CNN-blur over SIFT", BLUR, "SIFT"),
    ("blur in training, 5 x 5", "orig, with blur", ORIG),
    ("blur in training, 7 x 7", BLUR, "blur, without blur"),
    ("7 x 7 of stride 2, without blur", "blur, without blur", ORIG),
    ("7 x 7 of stride 2, with blur", BLUR, "orig, with blur"),
    ("colours, 5 x 5", ORIG, "orig, grey patches"),
    ("colours, 7 x 7", BLUR, "blur, grey patches"),
    ("training without blur, 5 x 5", ORIG, "orig, random weights"),
    ("training without blur, 7 x 7", "blur, without blur", "blur, random weights"),
)
GRAF = (2, 4)
VIEWPOINT = {2: 20, 4: 40}  # degrees between the photographs of graf
TIMED = 113  # pixels a side of the patches whose time the paper gives
ROUNDS = 9  # of which the median counts
SIDES = 32, 256  # least and most pixels a side of a patch: networks learn from 32
ENLARGE = 3.0  # of regions to what is described of them
LAYERS = 4


class Size(NamedTuple):
    """images: base images; choosing: that sizes are chosen on, at one magnitude of each change;
    seeds: of networks; sizes: of patches, in pixels.
    """

    images: int = 4
    choosing: int = 2
    seeds: int = 2
    sizes: tuple[int, ...] = (32, 48, 69, 91)


FULL, QUICK = Size(), Size(images=1, choosing=1, seeds=1, sizes=(32, 48))
CHOSEN_AT = 2  # the third of the four magnitudes


class View:
    """An image, its regions, their directions, and their patches of a size; made when asked for."""

    def __init__(self, image):
        self.image = image
        self._patches: dict = {}

    @cached_property
    def regions(self):
        return mser(self.image)

    @cached_property
    def angles(self):
        upright = normalised_patches(self.image, self.regions, UPRIGHT, ENLARGE, angles=0)
        return dominant_orientation(upright)

    def patches(self, size):
        """(n, c, size, size)."""
        if size not in self._patches:
            how = size, ENLARGE, self.angles
            self._patches[size] = normalised_patches(self.image, self.regions, *how)
        return self._patches[size]


class Scene:
    """A base View and others: which regions may be paired rightly, and which are.

    make() gives the other images, each with the map of points from the base.
    """

    def __init__(self, base, make):
        self.base, self.make = base, make

    @cached_property
    def others(self):
        return [(View(image), where) for image, where in self.make()]

    @cached_property
    def relations(self):
        return [overlapping(self.base.regions, v.regions, where) for v, where in self.others]

    @cached_property
    def achievable(self):
        return [achievable(relation) for relation in self.relations]

    def described(self, describe, size):
        """What describe makes of the patches of all views; of none, the patches."""
        views = self.base, *(view for view, _ in self.others)
        return [describe(P) if len(P) else P for P in (view.patches(size) for view in views)]

    def judged(self, descriptors):
        """AP of each pair, 0 without regions.  descriptors: of all views, (n_i, d)."""
        first, *rest = descriptors
        found = []
        for F, relation, most in zip(rest, self.relations, self.achievable):
            right = np.zeros(0, bool)
            if relation.size:
                pairs, _ = greedy(first, F)
                right = relation[tuple(pairs.T)]
            found.append(matching_precision(right, most))
        return found

    def precisions(self, describe, size):
        """AP of each pair, by descriptors as they are, and at unit length."""
        F = self.described(describe, size)
        return self.judged(F), self.judged([at_unit_length(f) for f in F])

    def of_layers(self, extractor, size):
        """AP of each layer of an `Extractor` of the first pair, in one pass."""
        blocks = self.described(lambda P: extractor(P, pooling="cells"), size)
        if not all(isinstance(block, list) for block in blocks[:2]):
            return [0.0] * LAYERS
        return [self.judged(F)[0] for F in zip(*blocks[:2])]


def at_unit_length(F):
    """Descriptors (n, d) divided by their length; of length 0, as they are."""
    F = F.reshape(len(F), int(np.prod(F.shape[1:])))
    return normalize(F) if F.size else F


def under(view, how, *magnitudes):
    """The Scene of a View and what a `Change` makes of it."""
    make = lambda: [how.apply(view.image, magnitude) for magnitude in magnitudes]
    return Scene(view, make)


class Bench:
    """Photographs, networks, and what has been found out about them."""

    def __init__(self, size, folder, photos, preset, move, cells):
        self.size, self.cells, self.preset = size, cells, preset
        images, names, _ = photographs(photos)
        large = [i for i, image in enumerate(images) if min(image.shape[1:]) >= LEAST]
        images, names = [images[i] for i in large], [names[i] for i in large]
        wanted = BASES + CHOOSING + 1
        if len(images) < wanted:
            raise click.UsageError(
                f"{photos}: {len(images)} photographs of {LEAST} pixels each way or more, "
                f"{wanted} are needed: {BASES} to match, {CHOOSING} to choose sizes on, others to "
                "learn from"
            )
        self.names, self.bases = names, images[:BASES]
        self.choosing = images[BASES : BASES + CHOOSING]
        self.networks = PatchNetworks(
            folder / "networks", images[BASES + CHOOSING :], NETWORK_PRESETS[preset], move
        )
        self.chosen: dict = {}
        self.loaded: dict = {}

    def cell(self, compute, image, method, seed, **plan):
        """What is kept of an image and a method, which compute() makes if it is not there."""
        facts = {"method": method}
        if method not in PLAIN:
            facts = self.networks.facts(GREY.get(method, method), seed)
            facts |= {"grey": True} if method in GREY else {}
        facts |= {"version": VERSION, "enlarge": ENLARGE, "image": digest(image)}
        return self.cells.get({**plan, **facts}, compute)

    def describe(self, method, seed, layer):
        if method in PLAIN:
            return PLAIN[method]
        found = ExemplarDescriptor(self.network(GREY.get(method, method), seed), layer)
        if method in GREY:
            return lambda P: found(greys(method, P)[:, None])
        return found

    def network(self, method, seed):
        if (method, seed) not in self.loaded:
            self.loaded[method, seed] = self.networks.get(method, seed)
        return self.loaded[method, seed]

    def sweep(self):
        """{method: AP (layers, sizes)} on images that are for choosing; the best is chosen, and by
        other networks that of their architecture.
        """
        found = {method: [] for method in (*PLAIN, ORIG, BLUR)}
        for image in self.choosing[: self.size.choosing]:
            view = View(image)
            for change, how in MATCHING_SET.items():
                scene = under(view, how, how.magnitudes[CHOSEN_AT])
                for method, rows in found.items():
                    at = how.magnitudes[CHOSEN_AT]
                    plan = {"sweep": change, "magnitude": at, "sizes": self.size.sizes}

                    def compute(scene=scene, method=method):
                        if method in PLAIN:
                            of_size = lambda size: scene.precisions(PLAIN[method], size)[0]
                        else:
                            net = self.network(method, 0)
                            of_size = lambda size: scene.of_layers(net, size)
                        return {"grid": np.transpose([of_size(size) for size in self.size.sizes])}

                    cell = self.cell(compute, image, method, 0, **plan)
                    rows.append(cell["grid"])
        means = {method: np.mean(rows, 0) for method, rows in found.items()}
        for method, grid in means.items():
            layer, size = np.unravel_index(grid.argmax(), grid.shape)
            self.chosen[method] = (
                0 if method in PLAIN else int(layer) + 1,
                self.size.sizes[size],
            )
        like = {KINDS[method].first: self.chosen[method] for method in (ORIG, BLUR)}
        self.chosen |= {method: like[kind.first] for method, kind in KINDS.items()}
        self.chosen |= {method: self.chosen[of] for method, of in GREY.items()}
        return means

    def trials(self):
        """(method, seed) of all rows."""
        return [(m, s) for m in METHODS for s in range(1 if m in PLAIN else self.size.seeds)]

    def measured(self, scene, image, change, magnitudes):
        """{(method, seed): AP of each pair of a scene}, and how many pairs could be right."""
        cells = {}
        for method, seed in self.trials():
            layer, size = self.chosen[method]

            def compute(method=method, seed=seed, layer=layer, size=size):
                describe = self.describe(method, seed, layer)
                ap, unit = scene.precisions(describe, size)
                return {"ap": ap, "unit": unit, "achievable": scene.achievable}

            plan = {"change": change, "magnitudes": magnitudes, "layer": layer, "size": size}
            cells[method, seed] = self.cell(compute, image, method, seed, **plan)
        return cells

    def compare(self):
        """AP (2, images, changes, magnitudes) by method and seed, as it is and of descriptors of
        unit length, and how many pairs could be right.
        """
        ap, most = {key: [] for key in self.trials()}, []
        for number, image in enumerate(self.bases[: self.size.images]):
            rows, view = {key: [] for key in ap}, View(image)
            most.append([])
            for change, how in MATCHING_SET.items():
                scene = under(view, how, *how.magnitudes)
                cells = self.measured(scene, image, change, how.magnitudes)
                for key, cell in cells.items():
                    rows[key].append([cell["ap"], cell["unit"]])
                most[-1].append(cell["achievable"])
            for key, row in rows.items():
                ap[key].append(row)
            say(f"{self.names[number]}: {np.sum(most[-1])} regions could be paired rightly")
        found = {key: np.moveaxis(rows, 2, 0) for key, rows in ap.items()}
        return found, np.array(most)

    def graf(self):
        """{(method, seed): AP of the pairs of graf}, or nothing where the data are not."""
        try:
            pairs = [graf(other) for other in GRAF]
        except DataError as error:
            say(f"without graf: {error}")
            return {}
        base = pairs[0][0]
        scene = Scene(View(base), lambda: [(image, homography(H)) for _, image, H in pairs])
        cells = self.measured(scene, base, "graf", GRAF)
        return {key: np.array(cell["ap"]) for key, cell in cells.items()}

    def speed(self):
        """{method: (ms per patch of its size, of 113 x 113)}, as this machine has it."""
        found = {}
        for method in (*PLAIN, ORIG, BLUR):
            layer, size = self.chosen[method]

            def compute(method=method, layer=layer, size=size):
                describe, times = self.describe(method, 0, layer), []
                for side in (size, TIMED):
                    P = np.random.default_rng(0).random((32, 3, side, side), np.float32)
                    clock = [time.process_time()]
                    for _ in range(ROUNDS):
                        describe(P)
                        clock.append(time.process_time())
                    times.append(1000 * median(np.diff(clock)) / len(P))
                return {"ms": times}

            plan = {"time": TIMED, "rounds": ROUNDS, "layer": layer, "size": size}
            found[method] = self.cell(compute, self.bases[0], method, 0, **plan)["ms"]
        return found


@click.command(help=about(__doc__))
@click.argument("photos", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--quick", is_flag=True, help="One base image, tiny networks, one seed, two sizes.")
@click.option("--images", type=click.IntRange(1, BASES), help="Base images.  [default: 4]")
@click.option("--seeds", type=click.IntRange(1), help="Of networks.  [default: 2]")
@click.option(
    "--size",
    "sizes",
    type=click.IntRange(*SIDES),
    multiple=True,
    help="Of patches, in pixels, to choose from; once or more.  [default: 32, 48, 69, 91]",
)
@click.option(
    "--preset",
    type=click.Choice(list(NETWORK_PRESETS)),
    help="Of the networks; paper: its layers and training.  [default: small, of --quick tiny]",
)
@place("matching", "cells.json", "networks")
@workers
@device
def main(photos, quick, images, seeds, sizes, preset, folder, move):
    try:
        opencv("matching")
    except ImportError as error:
        raise click.UsageError(str(error)) from None
    size = QUICK if quick else FULL
    size = Size(
        images or size.images,
        size.choosing,
        seeds or size.seeds,
        tuple(sorted(set(sizes))) or size.sizes,
    )
    preset = preset or ("tiny" if quick else "small")
    with kept(folder / "cells.json") as cells:
        bench = Bench(size, folder, photos or data_folder() / "photos", preset, move, cells)
        grids = bench.sweep()
        report_sizes(bench, grids)
        ap, most = bench.compare()
        wall = bench.graf()
        times = bench.speed()
    result = Result(ap, most, wall, bench.chosen)
    for line in (*result.table(), "", *result.effects(), "", *result.blur(), "", *timed(times)):
        say(line)
    write_whole(folder / "table.csv", as_csv(list(result.rows(bench.names))))
    write_whole(folder / "sizes.csv", as_csv(list(sized(grids, size.sizes))))
    shown = [m for m in METHODS if m not in GREY]
    of_size = {m: (size.sizes, grid) for m, grid in grids.items()}
    drawn = {
        "sizes": over_sizes(of_size),
        "scatter": scatter(result.means, most, result.wall),
        "changes": along_changes(
            {m: result.curves(m) for m in shown}, {m: result.wall[m] for m in shown if result.wall}
        ),
    }
    for name, page in drawn.items():
        write_whole(folder / f"{name}.png", figures.png(page))
    say(f"\n{folder} has table.csv, sizes.csv, {', '.join(f'{name}.png' for name in drawn)}")


def report_sizes(bench, grids):
    """Say what is best on which images, and what is taken."""
    used = ", ".join(bench.names[BASES : BASES + bench.size.choosing])
    say(f"AP over patch size and layer on {used}; * is taken")
    say(line("", (f"{size} x {size}" for size in bench.size.sizes)))
    for method, grid in grids.items():
        for i, values in enumerate(grid, 1):
            layer, size = bench.chosen[method]
            taken = [layer in (0, i) and size == one for one in bench.size.sizes]
            name = method if method in PLAIN else f"{method}, layer {i}"
            say(line(name, (f"{ap:.3f}{' *'[star]}" for ap, star in zip(values, taken))))
    say("")


def sized(grids, sizes):
    """Rows of {method: AP (layers, sizes)} as a file."""
    for method, grid in grids.items():
        for (i, j), ap in np.ndenumerate(grid):
            layer = "" if method in PLAIN else i + 1
            yield {"method": method, "layer": layer, "size": sizes[j], "AP": round(float(ap), 4)}


class Result:
    """Tables of AP: means over seeds, of each image over its pairs; errors are over images.

    ap: {(method, seed): (2, images, changes, magnitudes)}, as it is and at unit length; most: how
    many pairs could be right, of the last three axes; pairs of images of which none could are left
    out. wall: {(method, seed): (pairs,)} of graf, or empty; chosen: {method: (layer, size)}.
    """

    def __init__(self, ap, most, wall, chosen):
        self.ap, self.unit = ({key: A[i] for key, A in ap.items()} for i in (0, 1))
        self.most, self.walls, self.chosen = most, wall, chosen
        self.means = over_seeds(self.ap)
        self.wall = over_seeds(wall) if wall else {}

    def of_images(self, A, change=None):
        """The mean of each image over its pairs, of one change or all: (images,)."""
        some = slice(None) if change is None else [list(MATCHING_SET).index(change)]
        A, counts = A[:, some], self.most[:, some] > 0
        return (A * counts).sum((1, 2)) / np.maximum(counts.sum((1, 2)), 1)

    def words(self, A, change=None, sign=""):
        """Mean and standard error over images."""
        return told(self.of_images(A, change), sign)

    def table(self):
        """AP of each method, and how often SIFT is above it."""
        n = len(self.most)
        over = f"mean and standard error over {n} base images" if n > 1 else "of one base image"
        yield f"AP, {over}; graf: 2 pairs"
        heads = "all pairs", "less SIFT", "of seeds", *MATCHING_SET, "graf", "at unit length"
        yield line("", heads)
        unit = over_seeds(self.unit)
        for method, A in self.means.items():
            seeds = [self.of_images(B).mean() for (name, _), B in self.ap.items() if name == method]
            cells = [
                self.words(A),
                self.words(A - self.means["SIFT"], sign="+") if method != "SIFT" else "",
                f"{np.std(seeds, ddof=1):.3f}" if len(seeds) > 1 else "",
                *(self.words(A, change) for change in MATCHING_SET),
                f"{self.wall[method].mean():.3f}" if self.wall else "",
                self.words(unit[method]),
            ]
            yield line(method, cells)
        counted = self.most > 0
        yield ""
        yield f"Pairs of {counted.sum()} in which SIFT is above, and below"
        yield line("", ("all pairs", *MATCHING_SET))
        for method in list(self.means)[1:]:
            D = self.means["SIFT"] - self.means[method]
            cells = []
            for some in (slice(None), *range(len(MATCHING_SET))):
                values = D[:, some][counted[:, some]]
                cells.append(f"{(values > 0).sum()}, {(values < 0).sum()}")
            yield line(method, cells)

    def effects(self):
        """What blur in training does, what the first layer does, and training at all."""
        over = ", mean and standard error of the differences over images"
        yield "AP gained" + over * (len(self.most) > 1)
        yield line("", ("all pairs", *MATCHING_SET, "  blur, each seed"))
        for found in (self.ap, self.unit):
            if found is self.unit:
                yield "the same, descriptors at unit length"
            means = over_seeds(found)
            for words, one, other in EFFECTS:
                D = means[one] - means[other]
                cells = [self.words(D, change, "+") for change in (None, *MATCHING_SET)]
                yield line(words, [*cells, self.by_seed(found, one, other, "blur")])

    def by_seed(self, found, one, other, change):
        """What one gains over another under a change, of each seed in words."""
        gains = [
            self.of_images(A - found.get((other, seed), found[other, 0]), change).mean()
            for (method, seed), A in found.items()
            if method == one
        ]
        return "  " + ", ".join(f"{gain:+.3f}" for gain in gains)

    def blur(self):
        """AP on blur by its deviation."""
        place = list(MATCHING_SET).index("blur")
        magnitudes = MATCHING_SET["blur"].magnitudes
        yield "AP on blur, by its deviation in pixels; below, how many pairs could be right"
        yield line("", (f"{m:g}" for m in magnitudes))
        for method in self.means:
            yield line(method, map(told, self.columns(method, place)))
        yield line("", self.most[:, place].sum(0))

    def columns(self, method, change):
        """AP by magnitude of a change, of all images that have right pairs: (images,) each."""
        there = self.most[:, change] > 0
        return [A[some] for A, some in zip(self.means[method][:, change].T, there.T)]

    def curves(self, method):
        """{change: (magnitudes, means, standard errors)}."""
        found = {}
        for i, (change, how) in enumerate(MATCHING_SET.items()):
            columns = self.columns(method, i)
            means = [values.mean() if len(values) else 0.0 for values in columns]
            found[change] = how.magnitudes, means, [error(values) for values in columns]
        return found

    def rows(self, names):
        """Rows of the table as a file."""
        for (method, seed), A in self.ap.items():
            layer, size = self.chosen[method]
            for i, j, k in np.ndindex(A.shape):
                change, how = list(MATCHING_SET.items())[j]
                yield {
                    "image": names[i],
                    "change": change,
                    "magnitude": how.magnitudes[k],
                    "achievable": self.most[i, j, k],
                    "method": method,
                    "seed": "" if method in PLAIN else seed,
                    "size": size,
                    "layer": layer or "",
                    "AP": round(float(A[i, j, k]), 4),
                }
        for (method, seed), values in self.walls.items():
            for other, value in zip(GRAF, values):
                yield {
                    "image": f"graf 1-{other}",
                    "change": "viewpoint",
                    "magnitude": VIEWPOINT[other],
                    "method": method,
                    "seed": "" if method in PLAIN else seed,
                    "AP": round(float(value), 4),
                }


def over_seeds(found):
    """{method: mean over seeds} of {(method, seed): values}."""
    return {m: np.mean([A for (name, _), A in found.items() if name == m], 0) for m in METHODS}


def line(name, cells):
    """A row of a table in words."""
    return f"{name:<34}" + "".join(f"{cell:>17}" for cell in cells)


def error(values):
    """The standard error of a mean, 0 of one value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def told(values, sign=""):
    """Mean and standard error in words; nothing of no values."""
    if not len(values):
        return ""
    spread = f" +- {error(values):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):{sign}.3f}{spread}"


def timed(times):
    """A table of milliseconds per patch."""
    yield "ms per patch on this machine, one thread"
    yield line("", ("of its size", f"of {TIMED} x {TIMED}"))
    for method, both in times.items():
        yield line(method, (f"{ms:.2f}" for ms in both))


if __name__ == "__main__":
    run(main)
