"""Context prediction on a folder of photographs: how do two patches lie to each other?

    python -m examples.context photos/           all rows, half an hour on two cores
    python -m examples.context photos/ --quick   one seed of the first rows, three minutes

Of two patches of a photograph a small network says which of eight places the second one has around
the first; chance is 12.5 %. Every fourth photograph is held out. All networks see the same number
of pairs; rows differ in what is done to colours (three seeds), in batch normalisation and in the
first weights (one). In the folder:

    table.csv          accuracy on held-out photographs, of each seed
    report.html        the task, the table, learning curves, what is told apart from what
    net.safetensors    the network of seed 0 with projected colours, for `ContextNet.load`

A number that is computed is kept there, so that a run that was stopped goes on.

Source: Doersch, Gupta and Efros, ICCV 2015, in small.
"""

from pathlib import Path

import click
import numpy as np
from minigrad.models.context_extractor import ContextNet
from minigrad.models.context_prediction import tower
from minigrad.models.context_training import PRESETS, fit, held_out_pairs, net_of, pairs_of

from minigrad import to_cpu
from minigrad.cli import device, run, say, workers
from minigrad.data import Layout, photographs
from minigrad.data.patch_pairs import NAMES, PLACES
from minigrad.evaluate import best_weight, linear_svm, scaled
from minigrad.learn import as_csv, write_whole
from minigrad.stepper import figures
from minigrad.stepper.report import write_report
from minigrad.version import VERSION

from .digit_runs import about, kept, over, place, spread, summary
from .exemplar_runs import digest

SMALL = PRESETS["small"]
ROWS = {
    "colours projected": SMALL,
    "colours dropped": SMALL._replace(colours="drop"),
    "colours kept": SMALL._replace(colours="keep"),
    "not normalised": SMALL._replace(norm=False),
    "not normalised, weights of 0.01": SMALL._replace(norm=False, weights="gaussian"),
    "normalised, weights of 0.01": SMALL._replace(weights="gaussian"),
}
OURS = "colours projected"
ONCE = list(ROWS)[3:]  # of seed 0 alone: whether they learn at all is seen by one
LINEAR = "linear SVM on pixels"
QUICK = 1  # row and seed
SEEDS, CHANCE = 3, 100 / 8
HELD = 4  # every such photograph is held out
WEIGHTS = np.geomspace(1e-5, 1e-2, 4)  # of the SVM's errors
SHOWN = 24


class Bench:
    """The photographs, what is held out, and what has been found out about rows."""

    def __init__(self, images, epochs, seeds, cells, move):
        self.learn = [move(x) for i, x in enumerate(images) if i % HELD != HELD - 1]
        self.held = [move(x) for i, x in enumerate(images) if i % HELD == HELD - 1]
        self.epochs, self.seeds, self.cells = epochs, seeds, cells
        self.images = digest(*self.learn, *self.held)

    def row(self, name):
        """Of each seed: {"accuracy", "deviation of fc6", "losses", "accuracies"}."""
        settings = ROWS[name]._replace(epochs=self.epochs)
        seeds = 1 if name in ONCE else self.seeds
        return [self.cell(settings, seed) for seed in range(seeds)]

    def cell(self, settings, seed):
        def compute():
            net, log = self.trained(settings, seed)
            X1, _, _ = held_out_pairs(self.held, settings, net.prepare.mean).all()
            options = {"net": net.net, "state": net.state, "training": False}
            F = to_cpu(tower(X1[:500], net.parameters, **options))
            name = "held-out accuracy"
            accuracies = [100 * row[name] for row in log if name in row]
            return {
                "accuracy": accuracies[-1],
                "deviation of fc6": float(F.std(0).mean()),
                "losses": [[row["step"], row["loss"]] for row in log],
                "accuracies": accuracies,
            }

        return self.cells.get(self.plan(settings, seed), compute)

    def plan(self, settings, seed):
        return {"settings": digest(settings), "seed": seed, "of": self.images, "version": VERSION}

    def trained(self, settings, seed):
        """A network that is learned, gone on with, or loaded; its log."""
        folder = self.cells.path.parent / "networks" / digest(self.plan(settings, seed))
        return fit(
            self.learn,
            settings,
            rng=np.random.default_rng(seed),
            held_out=self.held,
            facts={"seed": seed},
            folder=folder,
            resume=any(folder.glob("checkpoint*")),
        )

    def linear(self, seed):
        """Accuracy of an SVM on the pixels of as many pairs as there are in one epoch.

        Colours are kept; the weight of errors is chosen on a quarter of the photographs learned.
        """
        settings = ROWS["colours kept"]

        def compute():
            rng = np.random.default_rng(seed)
            data = pairs_of(self.learn, settings, pixelation=0, rng=rng)
            judged = held_out_pairs(self.held, settings, data.prepare.mean)
            (X, T), (Z, S) = flat(data), flat(judged)
            apart = np.tile(data.pairs.image % HELD == 0, 2)
            folds = [(np.flatnonzero(~apart), np.flatnonzero(apart))]
            C = best_weight(X, T, folds, WEIGHTS, scaling=scaled)
            A, B = scaled([X], [Z])
            return {"accuracy": 100 * linear_svm(A, T, C).accuracy(B, S), "C": C}

        return self.cells.get(self.plan(settings, seed) | {"linear": list(WEIGHTS)}, compute)


def flat(data):
    """Both orders of all pairs as rows of pixels (2 n, 2 c s s), and labels."""
    X1, X2, T = to_cpu(data.all())
    one, two = X1.reshape(len(X1), -1), X2.reshape(len(X2), -1)
    both = np.concatenate((np.concatenate((one, two), 1), np.concatenate((two, one), 1)))
    return both, np.concatenate((T, 7 - T))


@click.command(help=about(__doc__))
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--quick", is_flag=True, help="One seed, of the first row and the linear model.")
@click.option(
    "--longest",
    default=160,
    show_default=True,
    type=click.IntRange(1),
    help="Side to which photographs are shrunk, in pixels: patches are 24 x 24.",
)
@click.option(
    "--epochs", default=SMALL.epochs, show_default=True, type=click.IntRange(1), help="Of training."
)
@place("context", "cells.json")
@workers
@device
def main(photos, quick, longest, epochs, folder, move):
    images = usable(photos, longest)
    with kept(folder / "cells.json") as cells:
        bench = Bench(images, epochs, QUICK if quick else SEEDS, cells, move)
        print(
            f"{len(bench.learn)} photographs to learn from, {len(bench.held)} held out; "
            f"{SMALL.per_image} pairs of each in an epoch, {epochs} epochs\n"
        )
        compare(bench, list(ROWS)[: QUICK if quick else None])


def usable(photos, longest):
    """The photographs that have room for a pair; says which do not, and how many are grey."""
    needed = Layout(net_of(SMALL).patch, SMALL.gap, SMALL.jitter).needed
    images, names, skipped = photographs(photos, longest)
    small = {i for i, x in enumerate(images) if min(x.shape[1:]) < needed}
    skipped += [(names[i], f"no room for a pair, {needed} pixels each way") for i in sorted(small)]
    for name, why in skipped:
        say(f"skipped {name}: {why}")
    images = [x for i, x in enumerate(images) if i not in small]
    if len(images) < HELD:
        raise click.UsageError(
            f"{photos}: {len(images)} photographs with room for a pair at --longest {longest}; "
            f"{HELD} are needed, as every {HELD}th is held out"
        )
    say_grey(images)
    return images


def say_grey(images):
    """Say how many of the photographs are grey, if any are."""
    grey = sum(bool((image == image[:1]).all()) for image in images)
    if grey:
        say(
            f"{grey} of {len(images)} photographs are grey: of their three channels, all alike, "
            "dropping or projecting colours takes nothing away"
        )


def compare(bench, names):
    """Compute, print and write the table, the network and the report."""
    folder, rows = bench.cells.path.parent, {}
    print(f"{'':<34}held-out accuracy (%)   deviation of fc6")
    print(f"{'chance':<34}{CHANCE:.1f}")
    linear = [bench.linear(seed)["accuracy"] for seed in range(bench.seeds)]
    print(f"{LINEAR:<34}{summary(linear)}", flush=True)
    for name in names:
        rows[name] = bench.row(name)
        accuracy, varies = (
            [cell[key] for cell in rows[name]] for key in ("accuracy", "deviation of fc6")
        )
        print(f"{name:<34}{summary(accuracy):<24}{np.mean(varies):.2g}", flush=True)
    net, _ = bench.trained(ROWS[OURS]._replace(epochs=bench.epochs), 0)
    net = ContextNet(net.net, *to_cpu((net.parameters, net.state)), net.prepare)
    net.prepare = net.prepare._replace(mean=to_cpu(net.prepare.mean))
    net.save(folder / "net.safetensors")
    lines = [{"row": LINEAR, "seed": seed, "accuracy": a} for seed, a in enumerate(linear)]
    lines += [
        {"row": name, "seed": seed, "accuracy": cell["accuracy"]}
        for name, cells in rows.items()
        for seed, cell in enumerate(cells)
    ]
    write_whole(folder / "table.csv", as_csv(lines))
    sections, drawn = pages(bench, net, rows, linear)
    for name, figure in drawn.items():
        write_whole(folder / f"{name}.png", figures.png(figure))
    write_report(
        folder / "report.html",
        "Context prediction",
        "How do two patches of a photograph lie to each other? Learned without a label, judged on "
        "photographs that were held out. After Doersch, Gupta and Efros, ICCV 2015.",
        sections,
    )
    print(
        f"\n{folder / 'report.html'} has the pictures, {folder / 'net.safetensors'} the network\n"
        f"    from minigrad.models.context_extractor import ContextNet\n"
        f'    net = ContextNet.load("{folder / "net.safetensors"}")\n'
        f"    net(patches)  # (n, 3, {net.patch}, {net.patch}), bytes or in [0, 1]: (n, 128)"
    )


def pages(bench, net, rows, linear):
    """The report's sections, and its figures by name."""
    learned = {name: spread([c["accuracy"] for c in cells]) for name, cells in rows.items()}
    results = {"chance": (CHANCE, 0), LINEAR: spread(linear), **learned}
    held = [to_cpu(image) for image in bench.held]
    judged = held_out_pairs(held, ROWS[OURS], net.prepare.mean)
    P = net.positions(*judged.cut(judged.pairs))
    drawn = {
        "accuracy": figures.bars(results, OURS, "held-out accuracy (%)"),
        "curves": curves(rows),
        "guesses": guesses(held, judged, P),
        "places": places(judged.pairs.label, P.argmax(1)),
    }
    texts = {
        "accuracy": (
            "Accuracy",
            f"In percent, of {len(judged)} pairs of {len(held)} held-out photographs. "
            f"{over(bench.seeds)}, where norm and weights differ of seed 0. The linear SVM sees "
            "the pixels of both patches, colours kept.",
            "Bars of accuracy with deviations",
        ),
        "curves": (
            "Learning",
            "Loss of seed 0 in training; dashed is ln 8, that of a guess. Without batch "
            "normalisation, small first weights leave it there: features of all patches are alike.",
            "Curves of the loss against the step",
        ),
        "guesses": (
            "Held-out pairs",
            "The network sees the two framed patches alone, not what is faded. The second one is "
            "framed green if it said where that lies, else red, and grey is where it said it lies.",
            "Parts of photographs with two framed patches each",
        ),
        "places": (
            "Which places are told",
            "Rows: where the second patch lies; columns: where the network says it does, in "
            "percent of the row.",
            "A table of eight by eight shares in shades of grey",
        ),
    }
    sections = [
        {"title": title, "text": text, "figure": drawn[name], "alt": alt}
        for name, (title, text, alt) in texts.items()
    ]
    return sections, drawn


def curves(rows):
    """A Figure of losses by step, seed 0."""
    page, (ax,) = figures.figure(6.5, 3.6)
    colors = (figures.ORANGE, figures.BLUE, figures.GREEN, figures.RED, figures.VIOLET, figures.INK)
    for (name, (first, *_)), color in zip(rows.items(), colors):
        ax.plot(*np.transpose(first["losses"]), color=color, lw=1.5, label=name)
    ax.axhline(np.log(8), color=figures.GREY, ls="--", lw=1)
    ax.set_xlabel("step")
    ax.set_ylabel("loss")
    page.legend(loc="outside right center", frameon=False, fontsize=9)
    return page


def guesses(images, data, P):
    """A Figure of some pairs in their photographs, faded around them, and what is said of them."""
    from matplotlib.patches import Rectangle

    chosen = np.random.default_rng(0).choice(len(data), SHOWN, replace=False)
    side, step = data.layout.patch, data.layout.patch + data.layout.gap
    page, axes = figures.figure(9, 3.6, columns=8, rows=SHOWN // 8)
    for ax, i in zip(axes, chosen):
        pair = data.pairs.image[i], data.pairs.first[i], data.pairs.second[i]
        label, said = data.pairs.label[i], P[i].argmax()
        image, first, second = images[pair[0]].transpose(1, 2, 0) / 255, *pair[1:]
        shown = 0.65 + 0.35 * image
        for top, left in (first, second):
            window = slice(top, top + side), slice(left, left + side)
            shown[window] = image[window]
        ax.imshow(shown)
        color = figures.GREEN if said == label else figures.RED
        framed = [(first, figures.INK), (second, color)]
        if said != label:
            framed.append((first + step * PLACES[said], figures.GREY))
        for (top, left), edge in framed:
            corner = left - 0.5, top - 0.5
            ax.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=edge, lw=1.5))
        around = step + 2 * data.layout.jitter
        ax.set_xlim(first[1] - around, first[1] + side + around)
        ax.set_ylim(first[0] + side + around, first[0] - around)
        ax.set_axis_off()
    return page


def places(T, said):
    """A Figure of how often each place is taken for which."""
    shares = np.array([np.bincount(said[t == T], minlength=8) / (t == T).sum() for t in range(8)])
    page, (ax,) = figures.figure(4.4, 4)
    ax.imshow(shares, cmap="Greys", vmin=0, vmax=shares.max() * 1.4)
    for (row, column), share in np.ndenumerate(shares):
        weight = "bold" if row == column else "normal"
        ax.text(column, row, f"{100 * share:.0f}", ha="center", va="center", weight=weight)
    ax.set_xticks(range(8), NAMES)
    ax.set_yticks(range(8), NAMES)
    ax.set_xlabel("said")
    ax.set_ylabel("true")
    return page


if __name__ == "__main__":
    run(main)
