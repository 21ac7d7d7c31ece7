"""The analyses of the Exemplar-CNN paper, each one command with a figure and a table.

    python -m examples.exemplar_analyses classes          how many surrogate classes (figure 3)
    python -m examples.exemplar_analyses samples          how many samples of each (figure 4)
    python -m examples.exemplar_analyses transformations  which are needed (figure 5)
    python -m examples.exemplar_analyses invariance       of features, beside HOG (figure 6 a-c)
    python -m examples.exemplar_analyses robustness       of accuracy (figure 6 d-f)
    python -m examples.exemplar_analyses filters          of several data sets (figure 7)
    python -m examples.exemplar_analyses transfer         between data sets (table 3)
    python -m examples.exemplar_analyses architectures    (table 4)
    python -m examples.exemplar_analyses clusters         of surrogate classes (table 2)

--size small takes minutes on two cores and is judged on CIFAR-10 as JPEG, enlarged to 64 x 64;
tiny takes seconds and shows nothing but that it works; paper is the paper's, judged on STL-10.
Each writes runs/exemplar-analyses/SIZE/NAME.png and NAME.csv; a network that is trained, and a
number that is computed, is kept there and not made again, so that a run that was stopped goes on.
What came out, beside the paper's figures: models/README.md.

Source: Dosovitskiy et al., TPAMI 2016, sections 4.2 to 4.6, appendices B.3 and C.
"""

from pathlib import Path

import click
import numpy as np

from minigrad import to_cpu
from minigrad.cli import device, run, stopping, workers
from minigrad.data import Ranges, Surrogates
from minigrad.evaluate import (
    accuracy_curve,
    distance_curves,
    hog,
    label_draws,
    linear_svm,
    merged,
    scaled,
    top_firing,
    transformed,
)
from minigrad.learn import Cells, write_whole
from minigrad.stepper import figures
from minigrad.version import VERSION

from .exemplar_runs import SIZES, Classes, Judge, Networks, digest

GROUPS = {  # of transformations, as in figure 5: the ranges that are left out
    "rotation": {"rotation": None},
    "scaling": {"scale": None},
    "translation": {"shift": None},
    "colour": {"hue": None},
    "contrast": {"components": None, "value": None, "saturation": None},
    "rotation, scaling, translation": {"rotation": None, "scale": None, "shift": None},
    "colour, contrast": {"hue": None, "components": None, "value": None, "saturation": None},
}
STILL = {"rotation": None, "scale": None, "shift": None}
TRAINED = {  # for figure 6 d-f: the transformation of test images, its magnitudes, the ranges
    "rotation": (
        np.linspace(-40, 40, 9),
        {
            "no movements": Ranges(**STILL),
            "up to 20 degrees": Ranges(),
            "up to 40 degrees": Ranges(rotation=40),
        },
    ),
    "hue": (
        np.linspace(-0.3, 0.3, 7),
        {
            "no change": Ranges(hue=None),
            **{f"within {h}": Ranges(hue=h) for h in (0.1, 0.2, 0.3)},
        },
    ),
    "value power": (
        2.0 ** np.linspace(-3, 3, 7),
        {
            "no contrast": Ranges(value=None, saturation=None),
            **{
                f"({p}, {m}, {a})": Ranges(value=(p, m, a), saturation=(p, m, a))
                for p, m, a in ((2, 0.5, 0.1), (4, 1, 0.2), (6, 1.5, 0.3))
            },
        },
    ),
}
MAGNITUDES = {  # for figure 6 a-c
    "translation": np.linspace(-0.3, 0.3, 13),
    "rotation": np.linspace(-40, 40, 9),
    "saturation factor": 2.0 ** np.linspace(-4, 1, 6),
}
PATCHES = 500  # test images that are transformed
SHOWN = 20  # versions of each seed that its SVM learns from
POOL = 8  # times as many patches as seeds are looked at for clusters


class Analysis:
    """A command's data, networks and table."""

    def __init__(self, name, size, folder, move):
        self.name, self.size = name, SIZES[size]
        self.folder = Path(folder) / size
        self.networks = Networks(self.folder, self.size, move)
        self.judge = Judge(self.size.data[0], self.size)
        self.cells = Cells(self.folder / f"{name}.json")
        judge = self.judge.X, self.judge.T, *self.judge.test
        plan = [self.size, Ranges(), GROUPS, TRAINED, MAGNITUDES, PATCHES, SHOWN, POOL, VERSION]
        self.digest = digest(plan, *judge)

    def cell(self, settings, compute):
        """The result for these settings: computed, unless it was, of the same data and so on."""
        return self.cells.get({**settings, "of": self.digest}, compute)

    def trials(self, settings, compute):
        """The cells of one setting: {name: (trials,)} of each number that compute(seed) gives."""
        cells = [
            self.cell({**settings, "seed": seed}, lambda seed=seed: compute(seed))
            for seed in range(self.size.trials)
        ]
        found = {name: np.array([cell[name] for cell in cells]) for name in cells[0]}
        say(settings, found)
        return found

    def trained(self, settings, **how):
        """Accuracy and surrogate validation error of networks trained so."""

        def compute(seed):
            extractor, error = self.networks.get(seed, **how)
            return {"accuracy": self.judge.accuracy(extractor), "validation error": error}

        return self.trials(settings, compute)

    def random(self, code=None):
        """Accuracy of networks that were not trained."""
        settings = {"network": "random weights", **({"code": code} if code else {})}
        random = lambda seed: {"accuracy": self.judge.accuracy(self.networks.random(seed, code))}
        return self.trials(settings, random)

    def draw(self, figure):
        """Write the command's figure."""
        path = self.folder / f"{self.name}.png"
        write_whole(path, figures.png(figure))
        print(f"\n{path} and {path.with_suffix('.csv').name}")


def say(settings, found):
    """Print a line of a table."""
    what = ", ".join(f"{name} {value}" for name, value in settings.items())
    more = lambda v: f" +- {v.std():.1f}" * (len(v) > 1)
    numbers = "   ".join(f"{k} {v.mean():.1f}{more(v)}" for k, v in found.items())
    print(f"{what:<34}{numbers}", flush=True)


def spread(values):
    """Mean and deviation."""
    return values.mean(), values.std()


def points(rows, name):
    """Means and deviations of a number in rows as `trials` gives them."""
    return tuple(zip(*[spread(row[name]) for row in rows]))


@click.group(help=__doc__.partition("\n")[0])
def analyses():
    pass


def analysis(function):
    """Make a function of an Analysis a command of its name."""

    @analyses.command(function.__name__, help=function.__doc__)
    @click.option(
        "--size",
        default="small",
        show_default=True,
        type=click.Choice(list(SIZES)),
        help="tiny: seconds, to see it work; small: minutes on two cores; paper: the paper's.",
    )
    @click.option(
        "--folder",
        default="runs/exemplar-analyses",
        show_default=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="Where figures, tables and networks go.",
    )
    @workers
    @device
    def command(size, folder, move):
        this = Analysis(function.__name__, size, folder, move)
        with stopping(), this.cells:
            function(this)

    return command


def accuracy_against(numbers, rows, random, label, error=None):
    """A Figure of accuracy against numbers, one row of trials each, beside random weights."""
    found = {
        "Exemplar-CNN": points(rows, "accuracy"),
        "random weights": points([random] * len(rows), "accuracy"),
    }
    return figures.scores_against(numbers, found, label, error)


@analysis
def classes(this):
    """Accuracy and surrogate validation error against the number of surrogate classes."""
    numbers, random = this.size.classes, this.random()
    rows = [this.trained({"classes": n}, seeds=n) for n in numbers]
    error = points(rows, "validation error")
    this.draw(accuracy_against(numbers, rows, random, "surrogate classes", error))


@analysis
def samples(this):
    """Accuracy against the number of samples of each surrogate class."""
    numbers, random = this.size.samples, this.random()
    rows = [this.trained({"samples": k}, versions=k) for k in numbers]
    this.draw(accuracy_against(numbers, rows, random, "samples of each surrogate class"))


@analysis
def transformations(this):
    """How much accuracy changes when groups of transformations are left out."""
    base = this.trained({"left out": "none"})["accuracy"]
    rows = {}
    for group, ranges in GROUPS.items():
        found = this.trained({"left out": group}, ranges=Ranges()._replace(**ranges))
        rows[group] = spread(found["accuracy"] - base)
    this.draw(figures.bars(rows, label="difference of test accuracy (%)"))


@analysis
def invariance(this):
    """How far features move when images are transformed, beside HOG."""
    extractor, _ = this.networks.get(0)
    X, size = this.judge.test[0][:PATCHES], this.size.middle
    names = [*(f"layer {i}" for i in range(1, len(extractor.parameters) - 1)), "hidden units"]
    panels = {}
    for name, magnitudes in MAGNITUDES.items():

        def curves(name=name, magnitudes=magnitudes):
            ours = distance_curves(lambda A: to_cpu(extractor(A)), X, name, magnitudes, size)
            (theirs,) = distance_curves(hog, X, name, magnitudes, size)
            return dict(zip([*names, "HOG"], [*ours, theirs]))

        found = this.cell({"transformation": name, "magnitudes": magnitudes}, curves)
        panels[name] = magnitudes, found
    this.draw(figures.curves_along(panels, "distance of features"))


@analysis
def robustness(this):
    """Accuracy on transformed images, for several strengths of the transformations in training."""
    X_test, T_test = (a[:PATCHES] for a in this.judge.test)
    size, rng = this.size.middle, np.random.default_rng(0)
    (labelled,) = label_draws(this.judge.T, min(100, this.size.labels), 1, rng)
    T, middle = this.judge.T[labelled], transformed(this.judge.X[labelled], "scale", 1, size)
    panels = {}
    for name, (magnitudes, trained) in TRAINED.items():
        rows = {}
        for label, ranges in trained.items():

            def curve(name=name, magnitudes=magnitudes, ranges=ranges):
                extractor, _ = this.networks.get(0, ranges=ranges)
                A = to_cpu(extractor(middle))
                svm = linear_svm(scaled(A, A)[0], T, C=0.1)
                accuracy = lambda X, T: svm.accuracy(scaled(A, to_cpu(extractor(X)))[1], T)
                curve = accuracy_curve(accuracy, X_test, T_test, name, magnitudes, size)
                return {"accuracy": 100 * curve}

            settings = {"transformation": name, "trained with": label, "magnitudes": magnitudes}
            rows[label] = this.cell(settings, curve)["accuracy"]
            print(f"{name:<14}{label:<20}" + "".join(f"{a:6.1f}" for a in rows[label]), flush=True)
        panels[name] = magnitudes, rows
    this.draw(figures.curves_along(panels, "test accuracy (%)"))


@analysis
def filters(this):
    """First-layer filters of networks trained on several data sets."""
    found = {}
    for name in this.size.sources:
        extractor, error = this.networks.get(0, name)
        this.cell({"source": name}, lambda error=error: {"validation error": error})
        found[name] = to_cpu(extractor.parameters)["conv1"][0]
    this.draw(figures.filters(found))


@analysis
def transfer(this):
    """Accuracy of features learned from several data sets, on one or several."""
    rows = {}
    for data in this.size.data:
        this.judge = Judge(data, this.size)
        for name in this.size.sources:
            found = this.trained({"learned on": name, "judged on": data}, source_name=name)
            rows[f"{name}, on {data}" if len(this.size.data) > 1 else name] = spread(
                found["accuracy"]
            )
    this.draw(figures.bars(rows))


@analysis
def architectures(this):
    """Accuracy of several networks, trained and not."""
    rows = {}
    for code in this.size.codes:
        rows[f"{code}, random"] = spread(this.random(code)["accuracy"])
        rows[code] = spread(this.trained({"code": code}, code=code)["accuracy"])
    this.draw(figures.bars(rows))


@analysis
def clusters(this):
    """Accuracy when seeds that fire for the same patches become one class, beside the single ones.

    An SVM for each surrogate class is applied to many patches; the ten for which it fires most are
    a cluster, and clusters that overlap are merged or left out.
    """

    def accuracies(seed):
        extractor, error = this.networks.get(seed)
        networks, settings = this.networks, this.networks.settings()
        rng = np.random.default_rng([seed, 1])
        found = networks.seeds(this.size.sources[0], settings.seeds, np.random.default_rng(seed))
        pool = networks.seeds(this.size.sources[0], POOL * settings.seeds, rng)
        versions, T = Surrogates(found, SHOWN, rng=rng).all()
        A, B = scaled(*(to_cpu(extractor(X)) for X in (versions, pool.images())))
        groups = merged(top_firing(linear_svm(A, to_cpu(T)).values(B).T))
        own = settings.seeds * settings.versions // len(np.concatenate(groups))
        classes = Classes(pool, max(1, own), Ranges(), rng, groups)
        clustered, clustered_error = networks.trained(settings, classes, rng)
        return {
            "accuracy": this.judge.accuracy(extractor),
            "with clusters": this.judge.accuracy(clustered),
            "clusters": len(groups),
            "validation error": error,
            "with clusters, error": clustered_error,
        }

    found = this.trials({"classes": this.size.settings.seeds}, accuracies)
    rows = {"single seeds": "accuracy", "clusters": "with clusters"}
    this.draw(figures.bars({k: spread(found[v]) for k, v in rows.items()}, "clusters"))


if __name__ == "__main__":
    run(analyses)
