"""Which pooling of a network's maps finds the same scene again, and what fine-tuning adds.

    python -m examples.retrieval            two tables and a picture, eight minutes of one core
    python -m examples.retrieval --quick    one seed, fewer rules, a minute

Scenes are the photographs in photos/ below MINIGRAD_DATA, seen in views through known maps, in
other light, some of them partly hidden. Networks learn on one half of the photographs; views of 24
others ask for views of the same scene among those of all others, the rest of which are distractors.
As in the Oxford buildings, views of the same scene that hardly overlap are junk: neither right nor
wrong.

Below the folder:

    descriptors.csv    mAP (%) of each network and pooling: as it is, whitened by the learning
                       scenes, of three scales
    tuning.csv         mAP of MAC and R-MAC before and after fine-tuning, by rule of positives and
                       negatives
    retrieval.png      queries and what they find before and after the best of them, seed 0

A number that is computed is kept there, so that a run that was stopped goes on.

Source: Radenovic, Tolias and Chum, ECCV 2016; judged as Philbin et al., CVPR 2007.
"""

import io
from functools import partial
from typing import NamedTuple

import click
import numpy as np
from minigrad.models import exemplar_cnn, exemplar_training
from minigrad.models.exemplar_extractor import Extractor
from minigrad.models.image_descriptors import described, neural_codes
from minigrad.models.retrieval_training import PRESETS, fit

from minigrad.cli import run, say, workers
from minigrad.data import Surrogates, data_folder, photographs, scene_views, seed_patches
from minigrad.evaluate import (
    average_precision,
    crow,
    mac,
    multi_scale,
    pca_whitening,
    pixels,
    ranked_precision,
    rmac,
    spoc,
)
from minigrad.learn import Cells, as_csv, write_whole
from minigrad.nodes import normalize
from minigrad.stepper import figures
from minigrad.version import VERSION

from .digit_runs import about, kept, place
from .exemplar_runs import digest

CODE = "16c5-32c5-48c3-64f"
SIDE = 32  # of the patches of Exemplar-CNN
LONGEST = 320  # of photographs
FEWEST = 2 * (1 + PRESETS["small"].number)  # of them
VIEWS = 8  # of each scene
SEEN = {"window": (0.45, 0.8), "hidden": 0.4}  # of views
ASKED = 24  # scenes
ENOUGH = 0.3  # of the points of the view that shows fewer: below it is junk
DIMENSIONS = 32  # of whitened descriptors, at most
RULES = "rectangle", "trapezoid"
POOLS = {"MAC": mac, "SPoC": spoc, "CroW": crow, "R-MAC": rmac}
FORMS = "plain", "whitened", "3 scales", "3 scales, whitened"
SHOWN = 5  # queries in the picture
FIRST = 6  # results of each
FRAME = 3  # pixels


class Size(NamedTuple):
    """seeds; classes, versions, epochs: of Exemplar-CNN; tuned: epochs of fine-tuning; rates: the
    first of both; rules: (pooling, positives, negatives) of fine-tuning.
    """

    seeds: int
    classes: int
    versions: int
    epochs: int
    tuned: int
    rates: tuple[float, float]
    rules: tuple[tuple[str, str, str], ...]


FULL = Size(
    seeds=3,
    classes=300,
    versions=40,
    epochs=5,
    tuned=6,
    rates=(0.05, 0.1),
    rules=(
        ("MAC", "m1", "N2"),
        ("MAC", "m2", "N2"),
        ("MAC", "m3", "N2"),
        ("MAC", "m3", "N1"),
        ("MAC", "m3", "random"),
        ("R-MAC", "m3", "N2"),
    ),
)
QUICK = FULL._replace(
    seeds=1, epochs=2, tuned=2, rules=(("MAC", "m3", "N2"), ("MAC", "m3", "random"))
)


def large(folder):
    """Photographs with room for patches; says which are skipped.  Raises UsageError for too few."""
    images, names, skipped = photographs(folder, LONGEST)
    skipped += [(n, "too small") for x, n in zip(images, names) if min(x.shape[1:]) < SIDE]
    for name, why in skipped:
        say(f"skipped {name}: {why}")
    kept = [x for x in images if min(x.shape[1:]) >= SIDE]
    if len(kept) < FEWEST:
        raise click.UsageError(
            f"{folder}: {len(kept)} pictures of {SIDE} pixels or more each way, and {FEWEST} are "
            "needed: six scenes to learn from have five negatives each"
        )
    return kept


def whitening(known):
    """By the directions of descriptors along which they vary most."""
    white = pca_whitening(known)
    return white._replace(P=white.P[:, :DIMENSIONS])


class Bench:
    """Views to learn from and to ask for, and what has been found out about networks."""

    cells: Cells

    def __init__(self, size, folder):
        self.size, self.networks = size, folder / "networks"
        found = large(data_folder() / "photos")
        order = np.random.default_rng(0).permutation(len(found))
        half = len(order) // 2
        self.learned = [found[i] for i in order[:half]]
        others = [found[i] for i in order[half:]]
        see = partial(scene_views, views=VIEWS, **SEEN)
        self.known = see(self.learned, rng=np.random.default_rng(1))
        self.made = see(others, rng=np.random.default_rng(2))
        same = self.made.scenes[:, None] == self.made.scenes
        self.relevant = same & (self.made.overlap() >= ENOUGH)
        np.fill_diagonal(self.relevant, False)
        self.junk = same & ~self.relevant  # the query itself too
        (self.asked,) = np.nonzero((self.made.scenes < ASKED) & self.relevant.any(1))
        self.images = digest(self.known.images, self.made.images)

    def cell(self, compute, **plan):
        facts = {"of": self.images, "code": CODE, "version": VERSION}
        return self.cells.get({**plan, **facts}, compute)

    def scores(self, F):
        """{rule: mAP (%)} of descriptors (n, d) of unit length."""
        q = self.asked
        S = F[q] @ F.T
        return {
            rule: 100 * ranked_precision(S, self.relevant[q], self.junk[q], rule).mean
            for rule in RULES
        }

    def precisions(self, F):
        """The average precision of each query, by the rectangle rule: (q,)."""
        order = np.argsort(-(F[self.asked] @ F.T), 1, kind="stable")
        return np.array(
            [
                average_precision(self.relevant[q, o], self.junk[q, o])
                for q, o in zip(self.asked, order)
            ]
        )

    def color(self, query, view):
        """Of the frame of a view that a query finds."""
        if query == view:
            return figures.BLUE
        if self.relevant[query, view]:
            return figures.GREEN
        return figures.GREY if self.junk[query, view] else figures.RED

    def random(self, seed):
        """The network with its first weights."""
        rng = np.random.default_rng(seed)
        U = exemplar_cnn.initial(rng, self.size.classes, 3, SIDE, CODE)
        mean = np.mean([x.mean((1, 2)) for x in self.learned], 0) / 255
        mean = np.broadcast_to(mean[:, None, None], (3, SIDE, SIDE)).astype(np.float32)
        return Extractor(U, CODE, mean, exemplar_training.PRESETS["small"].scale)

    def exemplar(self, seed):
        """The network that learned to tell patches of the learning photographs apart."""

        def learn():
            rng, size = np.random.default_rng(seed), self.size
            each = 4 * -(-size.classes // len(self.learned))
            seeds = seed_patches(self.learned, size.classes, rng, SIDE, per_image=each)
            data = Surrogates(seeds, size.versions)
            return exemplar_training.fit(data, self.pretext(), rng=rng, progress=False)[0]

        return self.network(learn, self.pretext(), seed)

    def tuned(self, rules, seed):
        """The same after fine-tuning by (pooling, positives, negatives)."""

        def learn():
            rng = np.random.default_rng(seed)
            settings = self.settings(rules)
            return fit(self.exemplar(seed), self.known, settings, rng=rng, progress=False)[0]

        return self.network(learn, self.pretext(), self.settings(rules), seed)

    def network(self, learn, *facts):
        """What learn() gives, kept in a file."""
        path = self.networks / f"{digest(*facts, self.images, VERSION)}.safetensors"
        if not path.exists():
            net = learn()
            path.parent.mkdir(parents=True, exist_ok=True)
            net.save(path)
        return Extractor.load(path)

    def pretext(self):
        size = self.size
        return exemplar_training.PRESETS["small"]._replace(
            code=CODE,
            seeds=size.classes,
            versions=size.versions,
            epochs=size.epochs,
            rate=size.rates[0],
        )

    def settings(self, rules):
        names = dict(zip(("pooling", "positives", "negatives"), rules))
        return PRESETS["small"]._replace(epochs=self.size.tuned, rate=self.size.rates[1], **names)

    def of_pixels(self):
        """The same of the views themselves, each less its mean."""
        describe = lambda X: normalize(pixels(X) - pixels(X).mean(1, keepdims=True))
        F, known = describe(self.made.images), describe(self.known.images)
        return {"plain": self.scores(F), "whitened": self.scores(whitening(known)(F))}

    def forms(self, make, pooling):
        """{form: {rule: mAP}} of the descriptors of the network that make() gives."""
        net = make()

        def describe(X):
            if pooling in POOLS:
                return described(net, X, POOLS[pooling])
            return neural_codes(net, X)

        found = {}
        for word, see in (("", describe), ("3 scales", lambda X: multi_scale(X, describe))):
            F, known = see(self.made.images), see(self.known.images)
            found[word or "plain"] = self.scores(F)
            found[", ".join(filter(None, (word, "whitened")))] = self.scores(whitening(known)(F))
        return found


@click.command(help=about(__doc__))
@click.option("--quick", is_flag=True, help="One seed, fewer rules, less training.")
@click.option("--seeds", type=click.IntRange(1), help="How many.  [default: 3]")
@click.option("--epochs", type=click.IntRange(1), help="Of fine-tuning.  [default: 6]")
@place("retrieval", "cells.json", "*.csv", "networks")
@workers
def main(quick, seeds, epochs, folder):
    size = QUICK if quick else FULL
    size = size._replace(seeds=seeds or size.seeds, tuned=epochs or size.tuned)
    bench = Bench(size, folder)
    q = bench.asked
    print(
        f"{len(q)} queries, {bench.relevant[q].sum(1).mean():.1f} right answers each, "
        f"{bench.junk[q].sum(1).mean() - 1:.1f} junk, of {len(bench.made.scenes)} views\n"
    )
    with kept(folder / "cells.json") as bench.cells:
        poolings(bench, folder)
        best = tunings(bench, folder)
    write_whole(folder / "retrieval.png", few_colors(figures.png(shown(bench, best))))
    what = "Of seed 0" if size.seeds == 1 else f"Mean and standard error of {size.seeds} seeds"
    print(f"\n{what}. {folder / 'retrieval.png'} has the picture")


def poolings(bench, folder):
    """The table of networks and poolings."""
    print(f"{'mAP (%), ' + RULES[0]:<32}" + "".join(f"{form:>20}" for form in FORMS))
    lines = line_of_row("raw pixels", "", [bench.cell(bench.of_pixels, row="raw pixels")])
    for name, make in (("random weights", bench.random), ("Exemplar-CNN", bench.exemplar)):
        for pooling in (*POOLS, "neural codes"):
            plan = {"row": name, "pooling": pooling, "settings": digest(bench.pretext())}
            cells = [
                bench.cell(partial(bench.forms, partial(make, seed), pooling), **plan, seed=seed)
                for seed in range(bench.size.seeds)
            ]
            lines += line_of_row(name, pooling, cells)
    write_table(folder / "descriptors.csv", lines)


def line_of_row(name, pooling, cells):
    """Print a row of `poolings`; its lines in the file."""
    words = [mean_and_error([c[form][RULES[0]] for c in cells if form in c]) for form in FORMS]
    print(f"{name:<17}{pooling:<15}" + "".join(f"{word:>20}" for word in words), flush=True)
    return line_of({"network": name, "pooling": pooling}, cells)


def tunings(bench, folder):
    """The table of fine-tuning: descriptors of one scale, as trained; the best rules of all."""
    print(f"\n{'mAP (%), MAC or R-MAC':<34}" + "".join(f"{r:>16}" for r in (*RULES, "whitened")))
    lines, means = [], {}
    before = dict.fromkeys((pooling, "before", "") for pooling, *_ in bench.size.rules)
    for rules in (*before, *bench.size.rules):
        plan = {"row": "tuned", "rules": rules, "settings": digest(bench.pretext())}
        make = bench.exemplar
        if rules not in before:
            plan["tuning"] = digest(bench.settings(rules))
            make = partial(bench.tuned, rules)
        cells = [
            bench.cell(partial(bench.forms, partial(make, seed), rules[0]), **plan, seed=seed)
            for seed in range(bench.size.seeds)
        ]
        words = [mean_and_error([c["plain"][rule] for c in cells]) for rule in RULES]
        words.append(mean_and_error([c["whitened"][RULES[0]] for c in cells]))
        print(f"{' '.join(rules):<34}" + "".join(f"{word:>16}" for word in words), flush=True)
        lines += line_of(dict(zip(("pooling", "positives", "negatives"), rules)), cells)
        means[rules] = np.mean([cell["plain"][RULES[0]] for cell in cells])
    write_table(folder / "tuning.csv", lines)
    return max(bench.size.rules, key=means.get)


def write_table(path, lines):
    write_whole(path, as_csv(lines, list(dict.fromkeys(name for line in lines for name in line))))


def line_of(how, cells):
    """Rows of a table: what was done, and mean and error of each form by each rule."""
    lines = []
    for rule in RULES:
        line = {**how, "rule": rule}
        for form in FORMS:
            values = [cell[form][rule] for cell in cells if form in cell]
            if values:
                line[form] = round(float(np.mean(values)), 2)
                line[f"{form}, error"] = round(error(values), 2)
        lines.append(line)
    return lines


def error(values):
    """The standard error of a mean, 0 of one value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def mean_and_error(values):
    if not values:
        return ""
    text = f"{np.mean(values):.1f}"
    return text + (f" +- {error(values):.1f}" if len(values) > 1 else "")


def shown(bench, rules):
    """A Figure of queries and their first results, before and after fine-tuning by rules.

    Of seed 0; queries are those at even steps of the change of average precision.
    """
    networks = {
        f"before: {rules[0]} of Exemplar-CNN": bench.exemplar(0),
        f"after: {', '.join(rules)}": bench.tuned(rules, 0),
    }
    found = [described(net, bench.made.images, POOLS[rules[0]]) for net in networks.values()]
    before, after = map(bench.precisions, found)
    order = np.argsort(after - before, kind="stable")
    asked = bench.asked[order[(np.linspace(0.05, 0.95, SHOWN) * len(order)).astype(int)]]
    page, axes = figures.figure(8.4, 0.62 * len(asked) + 0.9, columns=2)
    for ax, title, F in zip(axes, networks, found):
        S = F[asked] @ F.T
        S[np.arange(len(asked)), asked] = np.inf  # first, and framed as what it is
        near = np.argsort(-S, 1, kind="stable")[:, : FIRST + 1]
        images = bench.made.images[near.ravel()] / 255
        colors = [bench.color(q, i) for q, row in zip(asked, near) for i in row]
        figures.picture(ax, figures.sheet(framed(images, colors), FIRST + 1), title)
    page.suptitle(
        "Queries (blue) and what they find first: right (green), junk (grey), wrong (red);\n"
        "from one that loses by fine-tuning (at 5 % of the queries) to one that gains (at 95 %)",
        fontsize=10,
        color=figures.INK,
    )
    return page


def few_colors(picture):
    """The bytes of a PNG of many noisy images, with 256 colors: a third of the size."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def framed(images, colors):
    """Images (n, 3, h, w) in [0, 1], each with a frame of its color around it."""
    from matplotlib.colors import to_rgb

    Z = np.pad(images, ((0, 0), (0, 0), (FRAME, FRAME), (FRAME, FRAME)))
    edge = np.ones(Z.shape[2:], bool)
    edge[FRAME:-FRAME, FRAME:-FRAME] = False
    for image, color in zip(Z, colors):
        image[:, edge] = np.array(to_rgb(color))[:, None]
    return Z


if __name__ == "__main__":
    run(main)
