"""The figures of the comparison, from what it measured."""

import numpy as np

from minigrad.learn import write_whole
from minigrad.stepper.figures import BLUE, GREY, INK, ORANGE, figure, png

LIGHT = "#9db8dc"
BARS = (("one_core", "one core", BLUE), ("two_cores", "two cores", LIGHT))
NAMES = {
    "exemplar-small": "64c5-64c5-128f, step",
    "exemplar-small-inference": "64c5-64c5-128f, inference",
    "exemplar-large": "64c5-128c5-256c5-512f, step",
    "exemplar-large-inference": "64c5-128c5-256c5-512f, inference",
    "lenet": "LeNet-5, step",
    "resnet18": "ResNet-18, step",
    "mlp": "784-500-10, step",
    "knn": "200 nearest of 50,000 (faiss)",
}


def draw(path, page):
    """Write a Figure to a PNG file."""
    write_whole(path, png(page))


def overview(rows, details, marks):
    """A Figure of all rows with a peer: time and memory, where the peer's is 1."""
    shown = [row for row in NAMES if any(v is not None for v in rows[row].values())]
    page, (time, memory) = figure(9, 0.55 * max(len(shown), 2) + 1.5, columns=2)
    page.suptitle("minigrad on a CPU, PyTorch = 1: less is better", fontsize=12, color=INK)
    for ax, title in ((time, "time"), (memory, "peak memory")):
        ax.set_title(title, fontsize=11, color=INK, loc="left")
        ax.axvline(1, color=INK, lw=1)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(shown) - 0.5, -0.5)
        ax.set_yticks(range(len(shown)), [NAMES[row] for row in shown])
    memory.tick_params(axis="y", labelleft=False)
    for place, row in enumerate(shown):
        kept = details.get(row) or {}
        for i, (key, _, color) in enumerate(BARS):
            bar(time, place + 0.38 * (i - 0.5), rows[row][key], kept.get(key), color)
            tick(time, place + 0.38 * (i - 0.5), marks[row].get(key))
        bar(memory, place, rows[row]["memory"], None, ORANGE)
    for ax in (time, memory):
        ax.set_xlim(0, 1.15 * max(1.0, ax.dataLim.x1))
    for _, name, color in BARS:
        time.barh(np.nan, np.nan, color=color, label=name)
    time.plot([], [], color=INK, lw=2, label="mark")
    page.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    return page


def bar(ax, y, value, detail, color):
    """A bar of a value, its quartiles as a line, its number behind."""
    if value is None:
        return
    ax.barh(y, value, 0.36, color=color)
    end = value
    if detail and "low" in detail:
        end = max(value, detail["high"])
        ax.plot([detail["low"], detail["high"]], [y, y], color=GREY, lw=1.5)
    place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.annotate(f"{value:.2f}", (end, y), **place, fontsize=8, bbox=ground)


def tick(ax, y, mark):
    if mark is not None:
        ax.plot([mark, mark], [y - 0.18, y + 0.18], color=INK, lw=2)


def growth(curves):
    """A Figure of the times of a step against what grows, both axes logarithmic.

    curves: {what: [(x, our ms, the peer's ms), ...]}.
    """
    from matplotlib.ticker import FuncFormatter

    times = np.array([point[1:] for points in curves.values() for point in points])
    page, axes = figure(9, 3.2, columns=len(curves))
    for ax, (what, points) in zip(axes, curves.items(), strict=True):
        x, ours, peer = np.transpose(points)
        ax.loglog(x, peer, color=GREY, lw=2, marker="o", ms=4, label="PyTorch")
        ax.loglog(x, ours, color=BLUE, lw=2, marker="o", ms=4, label="minigrad")
        ax.set_xticks(x, [f"{v:g}" for v in x])
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        ax.minorticks_off()
        ax.set_xlabel(what)
        ax.set_ylim(times.min() / 1.4, times.max() * 1.4)
    axes[0].set_ylabel("ms per training step")
    axes[0].legend(frameon=False, fontsize=9)
    return page
