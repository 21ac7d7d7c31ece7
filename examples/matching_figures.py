"""The figures of descriptor matching, in the form of Fig. 8 to 11 of the paper."""

from minigrad.data import MATCHING_SET
from minigrad.stepper.figures import BLUE, GREEN, GREY, INK, ORANGE, PINK, RED, VIOLET, figure

from .matching_networks import BLUR, ORIG

STYLES = {
    "SIFT": {"color": INK, "lw": 2.2},
    "raw pixels": {"color": GREY, "ls": ":"},
    ORIG: {"color": BLUE, "lw": 2.2},
    BLUR: {"color": ORANGE, "lw": 2.2},
    "orig, with blur": {"color": BLUE, "ls": "--"},
    "blur, without blur": {"color": ORANGE, "ls": "--"},
    "orig, random weights": {"color": BLUE, "ls": ":"},
    "blur, random weights": {"color": ORANGE, "ls": ":"},
}
KINDS_OF_CHANGE = dict(zip(MATCHING_SET, (BLUE, GREEN, VIOLET, PINK, GREY, RED)))
LAYERS = GREY, GREEN, BLUE, ORANGE
GRAF_DEGREES = 20, 40


def over_sizes(grids):
    """AP over the patch size, a panel per method, a line per layer.

    grids: {method: (sizes, AP (layers, sizes))}; SIFT and raw pixels share a panel.
    """
    nets = [method for method in grids if method not in ("SIFT", "raw pixels")]
    page, axes = figure(2.6 * (len(nets) + 1) + 0.9, 2.8, columns=len(nets) + 1)
    for method in ("SIFT", "raw pixels"):
        sizes, grid = grids[method]
        axes[0].plot(sizes, grid[0], marker="o", ms=4, label=method, **STYLES[method])
    axes[0].set_title("no network", fontsize=10, color=INK, loc="left")
    for ax, method in zip(axes[1:], nets):
        sizes, grid = grids[method]
        for number, (values, color) in enumerate(zip(grid, LAYERS), 1):
            ax.plot(sizes, values, marker="o", ms=4, lw=2, color=color, label=f"layer {number}")
        ax.set_title(method, fontsize=10, color=INK, loc="left")
    low = min(grid.min() for _, grid in grids.values())
    high = max(grid.max() for _, grid in grids.values())
    for ax in axes:
        ax.set(ylim=(low - 0.02, high + 0.02), xlabel="patch size (pixels)", xticks=sizes)
    axes[0].set_ylabel("AP, images for choosing")
    axes[0].legend(frameon=False, fontsize=9, loc="lower left")
    page.legend(
        *axes[1].get_legend_handles_labels(), loc="outside right", frameon=False, fontsize=9
    )
    return page


def scatter(means, most, wall):
    """AP of three pairs of methods, a dot per pair of images, a cross per pair of graf.

    means: {method: (images, changes, magnitudes)}; most: how many pairs could be right; wall:
    {method: (pairs,)}, or empty.
    """
    page, axes = figure(9.6, 3.6, columns=3)
    for ax, (one, other) in zip(axes, (("SIFT", ORIG), ("SIFT", BLUR), (ORIG, BLUR))):
        for i, (change, color) in enumerate(KINDS_OF_CHANGE.items()):
            there = most[:, i] > 0
            both = (means[m][:, i][there] for m in (one, other))
            ax.scatter(*both, s=10, color=color, alpha=0.7, linewidths=0, label=change)
        if wall:
            ax.scatter(wall[one], wall[other], s=40, marker="x", color=INK, label="graf")
        low = min(means[m][most > 0].min() for m in ("SIFT", ORIG, BLUR))
        low = min(low, *(wall[m].min() for m in ("SIFT", ORIG, BLUR) if wall)) if wall else low
        ends = max(0, low - 0.03), 1.01
        ax.plot(ends, ends, color=GREY, lw=1)
        ax.set(xlim=ends, ylim=ends, aspect="equal")
        ax.set_xlabel(f"AP with {one}")
        ax.set_ylabel(f"AP with {other}")
    lines, names = axes[0].get_legend_handles_labels()
    page.legend(lines, names, loc="outside lower center", frameon=False, fontsize=9, ncols=7)
    return page


def along_changes(curves, wall):
    """AP over the magnitude of each change, and on graf; error bars: standard errors over images.

    curves: {method: {change: (magnitudes, means, errors)}}; wall: {method: (pairs,)}, or empty.
    """
    page, axes = figure(9.6, 5.4, columns=4, rows=2)
    for ax, (change, how) in zip(axes, MATCHING_SET.items()):
        for method, found in curves.items():
            magnitudes, means, errors = found[change]
            errors = errors if STYLES[method].get("lw") else None  # of all they would hide lines
            thin = {"ms": 3, "marker": "o", "elinewidth": 0.8, "capsize": 2}
            ax.errorbar(magnitudes, means, errors, **thin, **STYLES[method])
        ax.set_title(change, fontsize=10, color=INK, loc="left")
        ax.set_xticks(how.magnitudes, [f"{m:g}" for m in how.magnitudes])
        ax.set_xlabel(how.unit)
    last = axes[len(MATCHING_SET)]
    for method, values in wall.items():
        last.plot(GRAF_DEGREES, values, ms=3, marker="o", **STYLES[method])
    last.set_title("graf, photographs", fontsize=10, color=INK, loc="left")
    last.set_xticks(GRAF_DEGREES)
    last.set_xlabel("degrees")
    for ax in axes[:: len(axes) // 2]:
        ax.set_ylabel("AP")
    for ax in axes:
        ax.yaxis.get_major_locator().set_params(nbins=5)
        ax.yaxis.set_major_formatter("{x:.2f}")
    axes[-1].set_axis_off()
    for method in curves:
        axes[-1].plot([], [], ms=3, marker="o", label=method, **STYLES[method])
    axes[-1].legend(frameon=False, fontsize=9, loc="center")
    page.get_layout_engine().set(wspace=0.04, hspace=0.06)
    return page
