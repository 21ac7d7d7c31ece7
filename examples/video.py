"""Learning from video: patches that a tracker follows are to look alike, others are not.

    python -m examples.video photos/     three seeds, six minutes of one core
    python -m examples.video             the same of photos/ below MINIGRAD_DATA
    python -m examples.video --quick     one seed, fewer clips and epochs, a minute

Clips are made: a camera moves over a photograph, a piece of another one moves before it, turns,
grows or shrinks, in changing light, with noise, at times behind a strip. In each, a patch that
moves is found and followed for 12 frames by block matching; a network learns that the first patch
is more like the last than like patches of other clips (cosine ranking loss): of random ones, or of
random ones first, then of the four most alike in the batch. Every fourth photograph is held out;
clips of those judge: the share of first patches whose own last one is the nearest of all, beside
random weights and pixels. If cifar-10-images/ is below MINIGRAD_DATA, a linear SVM and kNN say what
the features are worth there. Without photographs, tiles of the two that scikit-learn carries stand
in, of which some are held out. In the folder: video.png, table.csv, and cells.json and pairs-*.npz
with what is computed and is not computed again.

Source: Wang and Gupta, ICCV 2015, in small.
"""

import io
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from minigrad.models import embedding_training, exemplar_cnn
from minigrad.models.video_triplet import PRESETS, fit, recall, untrained

from minigrad import normalize, to_cpu
from minigrad.cli import device, run, say, workers
from minigrad.data import DataError, cifar10, data_folder, made_clip, photographs, tracked_pairs
from minigrad.data.pictures import pixels as as_planes
from minigrad.evaluate import cifar_scores, knn_vote, label_draws, overlap, pixels, scaled
from minigrad.learn import as_csv, write_whole
from minigrad.stepper import figures
from minigrad.version import VERSION

from .context_shortcut import mean_error
from .digit_runs import about, kept, place, trials
from .exemplar_runs import digest

LONGEST = 256  # pixels of a photograph's longer side
NEEDED = 96, 112  # pixels, less: the camera has no room
HELD = 4  # every such photograph is held out
FRAMES, LENGTH, SIZE = 16, 12, 32
ROWS = {"random negatives": "random negatives", "random, then hard": "small"}
OURS = "random, then hard"
LABELS, LEFT, DRAWS = 100, 25, 3  # per class: to learn from, to choose C by; draws of them
WEIGHTS = (0.03, 0.1, 0.3)  # candidates for C
MEASURES = {
    "recall": "tracked patch found (%)",
    "overlap": "overlap of cosines",
    "SVM": "SVM (%)",
    "kNN": "kNN (%)",
}
OTHERS = 2000  # cosines to other clips that are shown


class Size(NamedTuple):
    """Clips to learn from; epochs, and of those the first, with random negatives; seeds."""

    learn: int = 1000
    epochs: int = 20
    random_epochs: int = 10
    seeds: int = 3

    @property
    def judge(self):
        """Clips to judge by."""
        return max(20, 3 * self.learn // 10)


FULL, QUICK = Size(), Size(150, 6, 3, 1)


class Tracked(NamedTuple):
    """Pairs of patches (m, 3, s, s), how far the last ones are off (m,), and what became of clips.

    off: pixels between the middle of the last patch and where the point of the thing, or of the
    photograph, has gone that was in the middle of the first.
    """

    first: Any
    last: Any
    off: Any
    why: Any


def pictures(photos):
    """Photographs (3, h, w) of a folder, of the data, or of scikit-learn; says which."""
    folder = photos or data_folder() / "photos"
    if photos or folder.is_dir():
        images, names, skipped = photographs(folder, LONGEST)
        small = [i for i, X in enumerate(images) if np.any(np.array(X.shape[1:]) < NEEDED)]
        skipped += [(names[i], f"less than {NEEDED[0]} x {NEEDED[1]} pixels") for i in small]
        for name, why in skipped:
            say(f"skipped {name}: {why}")
        return [X for i, X in enumerate(images) if i not in small], str(folder.name)
    from PIL import Image
    from sklearn.datasets import load_sample_images

    tiles = []
    for image in load_sample_images().images:
        X = as_planes(Image.fromarray(image).resize((512, 342)))
        tiles += [
            np.ascontiguousarray(X[:, y : y + 171, x : x + 170])
            for y in (0, 171)
            for x in (0, 171, 342)
        ]
    return tiles, "tiles of the two that scikit-learn carries"


def clips(images, n, seed):
    """n clips of the images, always the same."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        below, before = rng.choice(len(images), 2, replace=False)
        yield made_clip(images[below], [images[before]], rng, FRAMES)


def followed(images, n, seed):
    """`Tracked` of so many clips."""
    truths = []

    def frames():
        for clip in clips(images, n, seed):
            truths.append(clip._replace(frames=None, owner=clip.owner[: FRAMES - LENGTH]))
            yield clip.frames

    found = tracked_pairs(frames(), LENGTH, SIZE)
    off = []
    for i, start, corners in zip(found.clip, found.start, found.corners):
        one, two = corners[[0, -1]] + (SIZE - 1) / 2
        owner = truths[i].owner[(start, *np.rint(one).astype(int))]
        goal = truths[i].follow(one[None], owner, start)[start + LENGTH, 0]
        off.append(np.hypot(*(two - goal)))
    return Tracked(found.first, found.last, np.array(off), np.array(found.why))


class Bench:
    """Photographs, pairs of them, and what has been found out."""

    def __init__(self, images, size, folder, cells, move):
        self.size, self.folder, self.cells, self.move = size, folder, cells, move
        self.learn = [X for i, X in enumerate(images) if i % HELD != HELD - 1]
        self.held = [X for i, X in enumerate(images) if i % HELD == HELD - 1]
        self.pairs = self.kept_pairs("learn", self.learn, size.learn, 0)
        self.judge = self.kept_pairs("judge", self.held, size.judge, 1)
        self.cifar = None
        try:
            (X, T), (X_test, T_test) = (cifar10(split, "jpeg") for split in ("train", "test"))
            most = min(LABELS + LEFT, np.bincount(T).min())
            (some,) = label_draws(T, most, 1, np.random.default_rng(0))
            self.cifar = X[some], T[some], X_test, T_test, min(LABELS, most - 1)
        except DataError as error:
            say(f"no transfer: {error}")
        self.facts = {
            "pairs": digest(*self.pairs[:2], *self.judge[:2]),
            "images": digest(*self.cifar[:4]) if self.cifar else "",
            "version": VERSION,
        }

    def kept_pairs(self, name, images, n, seed):
        """`followed`, computed once: files hold them."""
        path = self.folder / f"pairs-{name}-{digest(*images, n, seed, FRAMES, LENGTH, VERSION)}.npz"
        if not path.exists():
            file = io.BytesIO()
            np.savez(file, **followed(images, n, seed)._asdict())
            write_whole(path, file.getvalue())
        with np.load(path) as file:
            return Tracked(**file)

    def settings(self, name):
        size = self.size
        first = size.random_epochs if name == OURS else size.epochs
        return PRESETS[ROWS[name]]._replace(epochs=size.epochs, random_epochs=first)

    def row(self, name):
        """{measure: (seeds,) or lists} of a row."""
        compute = {
            "raw pixels": lambda seed: self.judged(as_rows, lambda X: [pixels(X)]),
            "random weights": self.untrained,
        }.get(name, lambda seed: self.trained(name, seed))
        plan = {"row": name, **self.facts}
        if name in ROWS:
            plan["settings"] = digest(embedding_training.told(self.settings(name)))
        return trials(self.cells, plan, 1 if name == "raw pixels" else self.size.seeds, compute)

    def untrained(self, seed):
        pairs = map(self.move, self.pairs[:2])
        net = untrained(*pairs, self.settings(OURS), np.random.default_rng(seed))
        return self.of(net)

    def trained(self, name, seed):
        n = len(self.pairs.first)
        n -= n % self.settings(name).batch == 1  # one alone has no negatives
        first, last = (self.move(P[:n]) for P in self.pairs[:2])
        held = tuple(map(self.move, self.judge[:2]))
        rng = np.random.default_rng(seed)
        net, log = fit(first, last, self.settings(name), rng=rng, held_out=held, log_every=5)
        recalls = [100 * row["held-out recall"] for row in log if "held-out recall" in row]
        losses = [[row["epoch"], row["loss"]] for row in log]
        return self.of(net) | {"losses": losses, "recalls": recalls}

    def of(self, net):
        """Measures of an Embedder."""
        U = {k: v for k, v in net.parameters.items() if k != "hidden norm"}
        prepare = lambda X: net.settings.augmentation.apply(X, embedding_training.Changes())

        def blocks(X):
            X = self.move(X)
            maps = exemplar_cnn.features(X, U, net.settings.network, prepare=prepare)[:-1]
            return to_cpu([*maps, net(X)])

        return self.judged(lambda X: to_cpu(net(self.move(X))), blocks)

    def judged(self, embed, blocks):
        """{measure: number} of patches' features, and of images' blocks of features."""
        F, G = (normalize(embed(X)) for X in self.judge[:2])
        S = F @ G.T
        same, other = np.diag(S), S[~np.eye(len(S), dtype=bool)]
        found = {
            "recall": 100 * recall(embed, *self.judge[:2]),
            "overlap": overlap(same, other),
            "same": same.round(3).tolist(),
            "other": other[:: max(1, len(other) // OTHERS)].round(3).tolist(),
        }
        if self.cifar:
            X, T, X_test, T_test, labels = self.cifar
            train, test, rng = blocks(X), blocks(X_test), np.random.default_rng(0)
            options = {"weights": WEIGHTS, "scaling": scaled}
            svm = cifar_scores(train, T, test, T_test, rng, labels, DRAWS, **options)
            F, Q = scaled(train, test)
            votes = knn_vote(Q, F, T, min(200, len(F)))
            found |= {"SVM": 100 * svm.mean, "kNN": 100 * float(np.mean(votes == T_test))}
        return found


def as_rows(X):
    """Patches as rows less their mean: cosines are then normalised correlations."""
    F = X.reshape(len(X), -1) / 255
    return F - F.mean(1, keepdims=True)


@click.command(help=about(__doc__))
@click.argument("photos", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--quick", is_flag=True, help="One seed, fewer clips and epochs.")
@click.option("--clips", "learn", type=click.IntRange(8), help="To learn from.  [default: 1000]")
@click.option("--epochs", type=click.IntRange(2), help="The first half with random negatives.")
@click.option("--seeds", type=click.IntRange(1), help="How many.  [default: 3]")
@place("video", "cells.*", "pairs-*")
@workers
@device
def main(photos, quick, learn, epochs, seeds, folder, move):
    size = QUICK if quick else FULL
    size = size._replace(learn=learn or size.learn, seeds=seeds or size.seeds)
    if epochs:
        size = size._replace(epochs=epochs, random_epochs=epochs // 2)
    images, name = pictures(photos)
    if len(images) < 2 * HELD:
        raise click.UsageError(
            f"{name}: {len(images)} photographs can be used, {2 * HELD} are needed: every "
            f"{HELD}th is held out, and a clip is made of two"
        )
    with kept(folder / "cells.json") as cells:
        bench = Bench(images, size, folder, cells, move)
        tell(bench, name)
        rows = {row: bench.row(row) for row in ("raw pixels", "random weights", *ROWS)}
        lines = [as_line(row, found) for row, found in rows.items()]
        table(rows, size.seeds, len(bench.judge.first))
        write_whole(folder / "table.csv", as_csv(lines, list(lines[1])))
        write_whole(folder / "video.png", in_256_colours(figures.png(picture(bench, rows))))
    print(f"\n{folder / 'video.png'} and table.csv")


def tell(bench, name):
    """Print what was tracked, and how well."""
    print(f"photographs: {name}; {len(bench.learn)} to learn from, {len(bench.held)} to judge by")
    for what, found in {"to learn from": bench.pairs, "to judge by": bench.judge}.items():
        if len(found.first) < 3:
            raise click.UsageError(
                f"{len(found.first)} of {len(found.why)} clips {what} gave a pair of patches, "
                "3 are needed: take more clips, or other photographs"
            )
        kinds = Counter("too little texture" if "texture" in w else w for w in found.why)
        print(f"{len(found.why)} clips {what}: " + ", ".join(f"{n} {w}" for w, n in kinds.items()))
        half, most = np.quantile(found.off, (0.5, 0.75))
        print(f"    off the truth after {LENGTH} frames: half {half:.1f} pixels, 3/4 {most:.1f}")
    print()


def table(rows, seeds, n):
    """Print means and standard errors, and what is gained by our row over others."""
    measures = {m: label for m, label in MEASURES.items() if m in rows["raw pixels"]}
    line = "{:<22}" + "{:>26}" * len(measures)
    print(line.format("features", *measures.values()))
    for name, row in rows.items():
        print(line.format(name, *(told(row[m], m) for m in measures)))
    print(line.format("chance", f"{100 / n:.1f}", *[""] * (len(measures) - 1)))
    print("Mean and its standard error over seeds" if seeds > 1 else "Of seed 0")
    if seeds > 1:
        print(f"\n{OURS}, seed by seed:")
        for less in ("random weights", "random negatives"):
            gains = [told(rows[OURS][m] - rows[less][m], m) for m in measures]
            print(line.format(f"less {less}", *gains))


def told(values, measure):
    """Mean +- standard error, one value alone."""
    digits = 2 if measure == "overlap" else 1
    return " +- ".join(f"{v:.{digits}f}" for v in mean_error(values)[: len(values)])


def as_line(name, row):
    """A line of the table as a file."""
    line: dict[str, Any] = {"row": name}
    for measure in MEASURES:
        if measure in row:
            mean, error = mean_error(row[measure])
            line |= {measure: round(mean, 4), f"{measure} error": round(error, 4)}
    return line | {"CPU minutes": float(row["CPU minutes"].sum())}


def picture(bench, rows):
    """A Figure: clips with what is tracked, pairs, and what is learned of them."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(11, 7), layout="constrained")
    above, below = page.subfigures(2, 1, height_ratios=(1.1, 1))
    left, right = above.subplots(1, 2, width_ratios=(1.75, 1))
    strips(left, bench)
    some = bench.judge.first[:24], bench.judge.last[:24]
    both = np.stack(some, 1).reshape(-1, *some[0].shape[1:]) / 255
    figures.picture(right, figures.sheet(both, 8, 1.0), "first and last patches, side by side")
    curve, recalls, one, two = below.subplots(1, 4)
    for name, color in zip(ROWS, (figures.BLUE, figures.ORANGE)):
        for losses, found in zip(rows[name]["losses"], rows[name]["recalls"]):
            epochs = range(1, len(found) + 1)
            curve.plot(epochs, per_epoch(losses), color=color, lw=1.2, label=name)
            recalls.plot(epochs, found, color=color, lw=1.2)
            name = None  # one label for all seeds
    for name, dashes in {"raw pixels": ":", "random weights": "--"}.items():
        mean = np.mean(rows[name]["recall"])
        recalls.axhline(mean, color=figures.GREY, lw=1, ls=dashes, label=name)
    for ax in (curve, recalls):
        ax.axvline(bench.size.random_epochs, color=figures.GREY, lw=0.6)
        ax.legend(frameon=False, fontsize=8)
        ax.set_xlabel("epoch", fontsize=9)
    curve.set_title("loss", fontsize=9, loc="left")
    recalls.set_title(MEASURES["recall"] + ", held out", fontsize=9, loc="left")
    for ax, name in ((one, "random weights"), (two, OURS)):
        for kind, color in {"same": figures.GREEN, "other": figures.RED}.items():
            label = "of a track" if kind == "same" else "of other clips"
            style = {"histtype": "stepfilled", "facecolor": f"{color}40", "edgecolor": color}
            values = np.asarray(rows[name][kind][0])
            ax.hist(values, np.linspace(-1, 1, 41), density=True, label=label, **style)
        ax.set_title(f"cosines: {name} (seed 0)", fontsize=9, loc="left")
        ax.set_yticks([])
    one.legend(frameon=False, fontsize=8, loc="upper left")
    for ax in (curve, recalls, one, two):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(colors=figures.INK, labelsize=8)
    return page


def per_epoch(losses):
    """The mean loss of the steps of each epoch.  losses: (epoch at the end, mean loss) of rows."""
    ends, values = np.transpose(losses)
    epoch, steps = np.ceil(ends - 1e-6).astype(int) - 1, np.diff(ends, prepend=0)
    return np.bincount(epoch, values * steps) / np.bincount(epoch, steps)


def in_256_colours(png):
    """A PNG file's bytes with a palette: photographs in full colours are four times as large."""
    from PIL import Image

    file = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=0).save(file, "PNG")
    return file.getvalue()


def strips(ax, bench, many=4, times=4):
    """Draw held-out clips, a row each, and in every frame the patch that is followed."""
    seen = [clip.frames for clip in islice(clips(bench.held, bench.size.judge, 1), 4 * many)]
    found = tracked_pairs(seen, LENGTH, SIZE)
    steps = np.linspace(0, LENGTH, times).round().astype(int)
    images = [seen[i][start + t] for i, start in zip(found.clip, found.start) for t in steps]
    page = figures.sheet(np.array(images[: many * times]) / 255, times, 1.0)
    figures.picture(ax, page, f"held-out clips: frames {', '.join(map(str, steps))} of a track")
    h, w = images[0].shape[1:]
    for row, corners in enumerate(found.corners[:many]):
        for column, (top, left) in enumerate(corners[steps]):
            corner = column * (w + figures.GAP) + left - 0.5, row * (h + figures.GAP) + top - 0.5
            box(ax, corner)


def box(ax, corner):
    from matplotlib.patches import Rectangle

    style = {"fill": False, "edgecolor": "white", "lw": 1.2}
    ax.add_patch(Rectangle(corner, SIZE, SIZE, **style))


if __name__ == "__main__":
    run(main)
