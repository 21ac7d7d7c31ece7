"""Figures: images, filters, curves, neighbours, as matplotlib Figures that need no display."""

import io
import itertools

import numpy as np

INK, GREY, BLUE, ORANGE = "#1f2430", "#8a8f98", "#3b6fb6", "#d9822b"
RED, GREEN, VIOLET = "#c0392b", "#3a8f5c", "#7d5ba6"
GAP = 1  # pixels between images of a sheet


def png(figure):
    """A Figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, bbox_inches="tight", facecolor="white")
    return buffer.getvalue()


def sheet(images, columns, value=np.nan):
    """Images row by row on one sheet, gaps of a value between.

    images: (n, h, w), for a sheet (rows h', columns w'), or in colours (n, 3, h, w), clipped to
    [0, 1], for one of (rows h', columns w', 3), on which NaN is white.
    """
    if images.ndim == 4:
        planes = [sheet(R, columns, value) for R in np.clip(images, 0, 1).swapaxes(0, 1)]
        return np.nan_to_num(np.stack(planes, -1), nan=1.0)
    n, h, w = images.shape
    rows = -(-n // columns)
    sides = rows * (h + GAP) - GAP, columns * (w + GAP) - GAP
    page = np.full(sides, value, np.float32)
    for i, image in enumerate(images):
        top, left = i // columns * (h + GAP), i % columns * (w + GAP)
        page[top : top + h, left : left + w] = image
    return page


def figure(width, height, columns=1, rows=1):
    """A Figure of a size in inches and its axes, drawn without a frame above and to the right."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(width, height), layout="constrained")
    axes = np.atleast_1d(page.subplots(rows, columns)).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(colors=INK, labelsize=9)
    return page, axes


def picture(ax, page, title="", low=None, high=None):
    """Show a sheet of images, in grey levels or colours, without ticks."""
    ax.imshow(page, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(title, fontsize=10, color=INK, loc="left")


def image_sheet(images, columns=20):
    """A Figure of images (n, h, w), or (n, 3, h, w)."""
    page, (ax,) = figure(9, 9 * -(-len(images) // columns) / columns + 0.1)
    picture(ax, sheet(images, columns), low=0, high=1)
    return page


def versions(originals, transformed):
    """A Figure with a row for each seed, framed, and its versions.

    originals: (n, h, w), transformed: (n, m, h, w), or in colours (n, 3, h, w), (n, m, 3, h, w).
    """
    n, m = transformed.shape[:2]
    page, (ax,) = figure(9, 9 * n / (m + 1) + 0.1)
    version_rows(ax, originals, transformed)
    return page


def version_rows(ax, originals, transformed):
    """Draw the rows of `versions`."""
    n, m = transformed.shape[:2]
    images = np.concatenate([originals[:, None], transformed], 1)
    picture(ax, sheet(images.reshape(-1, *originals.shape[1:]), m + 1), low=0, high=1)
    for row in range(n):
        frame(ax, row, 0, *originals.shape[-2:], BLUE)


def filters(before, after):
    """A Figure of filters before and after training, each at its own scale, 0 grey.

    before, after: (k, r, s), or of colours (k, 3, r, s).
    """
    page, axes = figure(9, 2.3, columns=2)
    for ax, W, title in zip(axes, (before, after), ("before training", "after training")):
        scale = np.abs(W).max(axis=tuple(range(1, W.ndim)), keepdims=True)
        picture(ax, sheet((1 + W / np.where(scale > 0, scale, 1)) / 2, 8), title, 0, 1)
    return page


def learning_curve(log, flat=None):
    """A Figure of the loss against the step, from the rows of a log; flat: the loss of a guess."""
    page, (ax,) = figure(6, 3)
    ax.plot([row["step"] for row in log], [row["loss"] for row in log], color=ORANGE, lw=2)
    if flat is not None:
        ax.axhline(flat, color=GREY, lw=1, ls="--")
        place = {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "bottom"}
        ax.text(1, flat, "guessing", color=GREY, fontsize=9, **place)
    ax.set_xlabel("step")
    ax.set_ylabel("loss")
    return page


def learning_curves(logs, logarithmic=False):
    """A Figure of the losses of several runs against the step and, where rows have them, seconds.

    logs: {name: rows}, each row a dict with step, loss, seconds; logarithmic: the losses' axis.
    """
    timed = any("seconds" in row for rows in logs.values() for row in rows)
    against = ("step", "seconds") if timed else ("step",)
    page, axes = figure(4.5 * len(against), 3.4, columns=len(against))
    for ax, name in zip(axes, against):
        for (label, rows), (color, dashes) in zip(
            logs.items(),
            itertools.cycle([(BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VIOLET, ":")]),
        ):
            rows = [row for row in rows if name in row]
            points = [[row[key] for row in rows] for key in (name, "loss")]
            marker = "o" if len(rows) == 1 else ""  # a line of one point is not seen
            ax.plot(*points, color=color, ls=dashes, lw=2, marker=marker, ms=4, label=label)
        if logarithmic:
            ax.set_yscale("log")
        ax.set_xlabel(name)
        ax.set_ylabel("loss")
    axes[0].legend(frameon=False, fontsize=9)
    return page


def accuracy(ax, labels, rows):
    """Draw test accuracy (%) against labels per class; rows: {name: (means, deviations)}."""
    for (name, both), color in zip(
        rows.items(), itertools.cycle((GREY, BLUE, ORANGE, RED, GREEN, VIOLET))
    ):
        ax.errorbar(labels, *both, color=color, lw=2, capsize=3, marker="o", ms=4, label=name)
    ax.set_xscale("log")
    ax.set_xticks(labels, [str(k) for k in labels])
    ax.minorticks_off()
    ax.set_xlabel("labels per class")
    ax.set_ylabel("test accuracy (%)")
    ax.legend(frameon=False, fontsize=9, loc="lower right")


def query_rows(images, T, queries, found):
    """A Figure of queries and their neighbours; found: {title: (q, k) indices}; wrong classes red.

    images: (n, h, w) or (n, 3, h, w); T: (n,) labels; queries: (q,) indices.
    """
    k = next(iter(found.values())).shape[1]
    page, axes = figure(9, 9 * len(queries) / (2 * k + 3) + 0.3, columns=len(found))
    h, w = images.shape[-2:]
    for ax, (title, near) in zip(axes, found.items()):
        right = (T[near] == T[queries][:, None]).mean()
        rows = np.concatenate([queries[:, None], near], 1)
        title = f"{title}: {right:.0%} of the same class"
        picture(ax, sheet(images[rows.ravel()], k + 1), title, 0, 1)
        for row, column in np.argwhere(T[rows] != T[queries][:, None]):
            frame(ax, row, column, h, w, RED)
        for row in range(len(queries)):
            frame(ax, row, 0, h, w, BLUE)
    return page


def frame(ax, row, column, height, width, color):
    """Frame one image of a sheet."""
    from matplotlib.patches import Rectangle

    corner = (column * (width + GAP) - 0.5, row * (height + GAP) - 0.5)
    ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=color, lw=1.5))
