"""A network that cheats: it tells how patches lie by the lens, until that is taken from it.

    python -m examples.context_shortcut                 made images, ten minutes on two cores
    python -m examples.context_shortcut photos/         a folder of photographs instead
    python -m examples.context_shortcut --quick         one seed, aberration alone, two minutes

Images are made of noise that says nothing about a place: what a network tells about it above
chance, it has from the lens. Two faults of lenses are planted: aberration, green shrunk about the
centre, and a vignette. A network learns how two patches lie to each other (context prediction,
chance 12.5 %), another where in its image a single one lies (chance: always the centre); with
colours kept, projected, and dropped, and with and without the gap between patches and their jitter,
which are there for what runs on from patch to patch, as lines do.

Images have 128 pixels, a quarter of the paper's, as have patches, gap and jitter; a fringe is not
to be a quarter as wide, so that green is shrunk by 2 %: in the corners 1.8 pixels, as 0.5 % are of
512. Written to the folder: shortcut.png, table.csv, and cells.json with all that was computed and
is not computed again: a run that was stopped goes on.

Source: Doersch, Gupta and Efros, ICCV 2015, sections 3.1 and 4.2, figure 5.
"""

from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from minigrad.models import context_position
from minigrad.models.context_training import PRESETS, fit, held_out_pairs, none_alone

from minigrad import to_cpu
from minigrad.cli import device, number, run, say, workers
from minigrad.data import Layout, Preparation, aberration, photographs, vignette
from minigrad.learn import as_csv, write_whole
from minigrad.stepper import figures
from minigrad.version import VERSION

from .context import say_grey
from .digit_runs import about, kept, place, trials
from .exemplar_runs import digest

SIDE = 128
MADE = {"learn": 200, "judge": 40}  # images
EVERY = 5  # of photographs one is judged
PAIRS = 9_000  # of a training, and as many patches
JUDGED = 2_000  # pairs, about
SEEDS = 3
SETTINGS = PRESETS["small"]._replace(net="tiny", pixelation=0.0, epochs=1)
LINES = SETTINGS._replace(batch=16, rate=0.1)  # learned by many bold steps, or hardly at all
LAYOUT = Layout(24, SETTINGS.gap, SETTINGS.jitter)
COLOURS = {"keep": "kept", "project": "projected", "drop": "dropped"}
CHANCE = 100 / 8
MEASURES = "pretext", "best", "best, chance", "all", "all, chance"
CROP = 48  # pixels of the corner that is shown


class Case(NamedTuple):
    """Which images, with what fault of the lens, and what hides the place of patches."""

    images: str = "noise"
    fault: str = "clean"
    colours: str = "keep"
    gap: int = SETTINGS.gap
    jitter: int = SETTINGS.jitter


class Split(NamedTuple):
    """Images to learn from and to judge by, each (n, 3, h, w) or a list of (3, h_i, w_i)."""

    learn: np.ndarray | list
    judge: np.ndarray | list


def field(n, side, width, rng):
    """Noise blurred by a Gaussian of a width in pixels: (n, side, side), of deviation 1.

    Blurred around the edges, as on a torus: all places are alike.
    """
    F = np.fft.rfft2(rng.standard_normal((n, side, side)))
    y, x = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)
    Z = np.fft.irfft2(F * np.exp(-2 * (np.pi * width) ** 2 * (x * x + y * y)), (side, side))
    return Z / Z.std()


def noise(n, rng, side=SIDE):
    """Images (n, 3, side, side) as bytes: noise that all channels share, and some of their own.

    It is blurred by a pixel: what lies behind a gap of some pixels has nothing to do with it.
    """
    own = field(3 * n, side, 1, rng).reshape(n, 3, side, side)
    return as_bytes(0.5 + 0.15 * field(n, side, 1, rng)[:, None] + 0.06 * own)


def lines(n, rng, side=SIDE, count=8):
    """Images as of `noise`, weaker, with straight lines that run across, dark and bright."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    angle, far = rng.uniform(0, np.pi, (n, count)), rng.uniform(-0.6, 0.6, (n, count)) * side
    value = 0.3 * rng.choice([-1, 1], (n, count))
    Z = 0.5 + 0.045 * field(n, side, 1, rng)
    for image, *drawn in zip(Z, angle, far, value):
        for a, d, v in zip(*drawn):
            image += v * np.exp(-(((x * np.cos(a) + y * np.sin(a) - d) / 1.2) ** 2) / 2)
    return as_bytes(Z[:, None]).repeat(3, 1)


def as_bytes(X):
    return np.rint(255 * np.clip(X, 0, 1)).astype(np.uint8)


def made():
    """{"noise": Split, "lines": Split}, always the same."""
    rng = np.random.default_rng(0)
    return {
        name: Split(*(make(n, rng) for n in MADE.values()))
        for name, make in {"noise": noise, "lines": lines}.items()
    }


def taken(folder):
    """{"photographs": Split} of a folder, shrunk to a longest side of SIDE; every fifth is judged.

    Says which were skipped, and how many are grey.
    """
    images, names, skipped = photographs(folder, SIDE)
    small = [i for i, image in enumerate(images) if min(image.shape[1:]) < LAYOUT.needed]
    skipped += [(names[i], f"less than {LAYOUT.needed} pixels a side at {SIDE}") for i in small]
    for name, why in skipped:
        say(f"skipped {name}: {why}")
    left = [image for i, image in enumerate(images) if i not in small]
    if len(left) < 2:
        raise click.UsageError(
            f"{folder}: {len(left)} of its pictures can be used, and two are needed at least, "
            "one to learn from and one to judge by"
        )
    say_grey(left)
    judge = left[::EVERY]
    return {"photographs": Split([a for i, a in enumerate(left) if i % EVERY], judge)}


class Bench:
    """Images, faults of lenses, and what has been found out with them.

    splits: {name: Split}; faults: {name: function of images}; pairs: of a training; seeds: how
    many; cells: what is computed already; move: to the device.
    """

    def __init__(self, splits, faults, facts, pairs, seeds, cells, move):
        self.splits, self.faults, self.pairs, self.seeds = splits, faults, pairs, seeds
        self.cells, self.move = cells, move
        self.of = {name: digest(*split.learn, *split.judge) for name, split in splits.items()}
        self.facts = facts | {"pairs": pairs, "version": VERSION}

    def images(self, case):
        """A Split with the fault, on the device."""
        fault = self.faults[case.fault]
        parts = ([fault(image) for image in part] for part in self.splits[case.images])
        return Split(*map(self.move, parts))

    def trials(self, task, case, compute):
        """{name: (seeds, ...)} of what compute(split, settings, rng) gives."""

        def of(seed):
            split = self.images(case)
            own = {name: getattr(case, name) for name in ("colours", "gap", "jitter")}
            per_image = -(-self.pairs // len(split.learn))
            settings = settings_of(case)._replace(per_image=per_image, **own)
            settings = none_alone(settings, len(split.learn))
            return compute(split, settings, np.random.default_rng(seed))

        plan = {"task": task, **case._asdict(), **self.facts, "of": self.of[case.images]}
        plan |= {"settings": digest(settings_of(case))}
        return trials(self.cells, plan, self.seeds, of)

    def pretext(self, case):
        """Accuracy in percent on held-out images: (seeds,)."""

        def compute(split, settings, rng):
            net, _ = fit(split.learn, settings, rng=rng, progress=False)
            each = -(-JUDGED // len(split.judge))
            pairs = held_out_pairs(split.judge, settings, net.prepare.mean, each)
            return {"accuracy (%)": 100 * net.accuracy(*pairs.all())}

        return self.trials("pretext", case, compute)["accuracy (%)"]

    def position(self, case):
        """Errors on held-out images, all and the best tenth, beside chance, and some places.

        {"best", "best, chance", "all", "all, chance": (seeds,), "places": (seeds, 64, 2)}, the
        places as they are told of patches of the first held-out image.
        """

        def compute(split, settings, rng):
            net, _ = context_position.fit(split.learn, settings, rng=rng, progress=False)
            errors, chance = context_position.position_errors(net, split.judge)
            best = context_position.of_best(errors, chance)
            X, _ = context_position.grid(split.judge[0], net.patch)
            found = dict(zip(("best", "best, chance"), best))
            found |= {"all": errors.mean(), "all, chance": chance.mean()}
            return found | {"places": to_cpu(net(X)).round(3)}

        case = case._replace(gap=0, jitter=0)  # of no use here: one cell for all
        return self.trials("position", case, compute)


@click.command(help=about(__doc__))
@click.argument("photos", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--quick", is_flag=True, help="One seed, aberration alone.")
@click.option(
    "--share",
    default=0.02,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    callback=number,
    help="By how much aberration shrinks green.",
)
@click.option(
    "--strength",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    callback=number,
    help="By how much a vignette darkens corners.",
)
@click.option(
    "--pairs",
    default=PAIRS,
    show_default=True,
    type=click.IntRange(1),
    help="Of patches in each training.",
)
@place("context-shortcut", "cells.*")
@workers
@device
def main(photos, quick, share, strength, pairs, folder, move):
    splits = taken(photos) if photos else made()
    first = next(iter(splits))
    faults = {
        "clean": lambda X: X,
        "aberration": lambda X: aberration(X, share),
        "vignette": lambda X: vignette(X, strength),
    }
    for name, split in splits.items():
        print(f"{name}: {len(split.learn)} to learn from, {len(split.judge)} to judge by")
    seeds = 1 if quick else SEEDS
    over = "mean and its standard error over 3 seeds" if seeds > 1 else "seed 0"
    print(f"{pairs:,} pairs or patches in each training, {over}\n")
    cases = [Case(first, fault, name) for fault in faults for name in COLOURS]
    if quick:
        cases = [Case(first), *(case for case in cases if case.fault == "aberration")]
    with kept(folder / "cells.json") as cells:
        facts = {"share": share, "strength": strength}
        bench = Bench(splits, faults, facts, pairs, seeds, cells, move)
        rows = by_colours(bench, cases)
        others = {} if quick else by_layout(bench, layouts(splits))
        found = [as_line(*row) for part in (rows, others) for row in part.items()]
        write_whole(folder / "table.csv", as_csv(found, list(found[0])))
        write_whole(folder / "shortcut.png", figures.png(picture(bench, rows, others)))
    print(f"\n{folder / 'shortcut.png'} and table.csv")


def settings_of(case):
    return LINES if case.images == "lines" else SETTINGS


def layouts(splits):
    """Cases with gap and jitter, or without, where lines run on, and where green is shrunk."""
    gaps, jitters = (0, SETTINGS.gap), (0, SETTINGS.jitter)
    both = [(gap, jitter) for gap in gaps for jitter in jitters]
    names = list(splits)
    return [
        *(Case(names[-1], "clean", "keep", *layout) for layout in both),
        *(Case(names[0], "aberration", "keep", *layout) for layout in (both[0], both[-1])),
    ]


def by_colours(bench, cases):
    """{case: {name: (seeds,) or places}}: both tasks, printed row by row."""
    rows = {}
    for case in cases:
        row = rows[case] = {"pretext": bench.pretext(case), **bench.position(case)}
        if len(rows) == 1:
            chance = [row[f"{name}, chance"][0] for name in ("best", "all")]
            print(f"{'images':<14}{'colours':<12}{'pairs (%)':<16}{'best tenth':<18}all")
            print(f"{'chance':<26}{CHANCE:<16.1f}{chance[0]:<18.3f}{chance[1]:.3f}")
        words = [told(row["pretext"], 1), told(row["best"], 3), told(row["all"], 3)]
        print(
            f"{case.fault:<14}{COLOURS[case.colours]:<12}{words[0]:<16}{words[1]:<18}{words[2]}",
            flush=True,
        )
    return rows


def by_layout(bench, cases):
    """{case: {"pretext": (seeds,)}}, printed row by row."""
    rows = {}
    for case in cases:
        if not rows:
            print(f"\n{'images':<26}{'gap':<6}{'jitter':<10}pairs (%)")
        rows[case] = {"pretext": bench.pretext(case)}
        words = told(rows[case]["pretext"], 1)
        name = f"{case.images}, {case.fault}"
        print(f"{name:<26}{case.gap:<6}{case.jitter:<10}{words}", flush=True)
    return rows


def as_line(case, row):
    """A line of the table as a file."""
    line = case._asdict()
    for name in MEASURES:
        mean, error = mean_error(row[name]) if name in row else ("", "")
        line |= {name: mean and round(mean, 4), f"{name} error": error and round(error, 4)}
    return line


def mean_error(values):
    """Mean and its standard error over seeds, 0 of one."""
    n = len(values)
    return float(np.mean(values)), float(np.std(values, ddof=1) / n**0.5) if n > 1 else 0.0


def told(values, digits):
    """Mean +- standard error, one value alone."""
    return " +- ".join(f"{v:.{digits}f}" for v in mean_error(values)[: len(values)])


def picture(bench, rows, others):
    """A Figure: a corner as networks see it, where they place patches, and the table as bars."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(11, 8.6), layout="constrained")
    above, middle, below = page.subfigures(3, 1, height_ratios=(1, 1.1, 1.6))
    name = next(iter(rows)).images
    corners(above.subplots(1, 4), bench, name)
    shown = [case for case in rows if case.fault == "aberration" or case.colours == "keep"]
    shown.sort(key=lambda case: case.fault == "vignette")
    _, T = context_position.grid(bench.splits[name].judge[0], LAYOUT.patch)
    first, *axes = middle.subplots(1, 1 + len(shown))
    mesh(first, T, T, "where patches lie")
    for ax, case in zip(axes, shown):
        mesh(ax, rows[case]["places"][0], T, name_of(case))
    pairs, share = "pairs told rightly (%)", "position: error of the best tenth (% of chance)"
    panels = {
        pairs: {name_of(case): row["pretext"] for case, row in rows.items()},
        share: {name_of(case): percent(row["best"], row) for case, row in rows.items()},
    }
    if others:
        panels["gap, jitter: " + pairs] = {
            f"{case.images}{' (aberration)' * (case.fault != 'clean')} {case.gap}, {case.jitter}": (
                row["pretext"]
            )
            for case, row in others.items()
        }
    axes = below.subplots(1, len(panels))
    for ax, (label, found), chance in zip(axes, panels.items(), (CHANCE, 100, CHANCE)):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(colors=figures.INK, labelsize=8)
        figures.bar_rows(ax, {name: mean_error(v) for name, v in found.items()}, label=label)
        ax.axvline(chance, color=figures.INK, lw=1, ls="--", zorder=0)
        for text in ax.texts:
            text.set(fontsize=8, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        ax.xaxis.label.set_size(9)
    return page


def name_of(case):
    return f"{case.fault}, {COLOURS[case.colours]}"


def percent(errors, row):
    return 100 * errors / row["best, chance"]


def corners(axes, bench, name):
    """Draw a corner of a held-out image: clean, with aberration, and as it is hidden."""
    image = bench.splits[name].judge[0][None]
    faulty = bench.faults["aberration"](image)
    mean = faulty.mean((0, 2, 3)) / 255
    shown = {"clean": image / 255, "aberration": faulty / 255}
    for colours in ("project", "drop"):
        Z = Preparation(mean, colours)(faulty) + mean[:, None, None]
        if colours == "drop":
            Z = Z[:, 1:2].repeat(3, 1)
        shown[f"aberration, {COLOURS[colours]}"] = Z
    for ax, (title, X) in zip(axes, shown.items()):
        page = np.clip(X[0, :, :CROP, :CROP].transpose(1, 2, 0), 0, 1)
        figures.picture(ax, page, title)


def mesh(ax, places, T, title):
    """Draw places (64, 2) of patches in an image as a net, each in the colour of its true one."""
    side = context_position.SIDE
    net = np.asarray(places).reshape(side, side, 2)
    for threads in (net, net.swapaxes(0, 1)):
        ax.plot(threads[..., 0].T, threads[..., 1].T, color=figures.GREY, lw=0.6)
    low, high = T.min(0), T.max(0)
    x, y = ((T - low) / (high - low)).T
    ax.scatter(*net.reshape(-1, 2).T, c=np.stack([x, 0.3 + 0 * x, y], -1), s=10, zorder=3)
    ax.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[], aspect="equal")
    ax.set_title(title, fontsize=9, color=figures.INK, loc="left")


if __name__ == "__main__":
    run(main)
