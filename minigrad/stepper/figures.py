"""Figures: images, filters, curves, neighbours, maps, as matplotlib Figures without a display."""

import io
import itertools

import numpy as np

from ..evaluate import cosine_density, overlap

INK, GREY, BLUE, ORANGE = "#1f2430", "#8a8f98", "#3b6fb6", "#d9822b"
RED, GREEN, VIOLET, PINK = "#c0392b", "#3a8f5c", "#7d5ba6", "#d16ba5"
GAP = 1  # pixels between images of a sheet
MANY = 20  # classes: more have no legend


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


def filters(layers, columns=8):
    """A Figure of first layers, each filter at its own scale, 0 grey.

    layers: {title: (k, r, s), or of colours (k, 3, r, s)}, as of one network before and after
    training, or of several.
    """
    rows = max(-(-len(W) // columns) for W in layers.values())
    wide = 9 if len(layers) > 2 else 6
    page, axes = figure(wide, wide / len(layers) * rows / columns + 0.4, columns=len(layers))
    for ax, (title, W) in zip(axes, layers.items()):
        scale = np.abs(W).max(axis=tuple(range(1, W.ndim)), keepdims=True)
        picture(ax, sheet((1 + W / np.where(scale > 0, scale, 1)) / 2, columns), title, 0, 1)
    return page


def learning_curve(log, flat=None):
    """A Figure of the loss against the step, from the rows of a log; flat: the loss of a guess."""
    page, (ax,) = figure(6, 3)
    form = "o-" if len(log) == 1 else "-"  # one point has no line
    ax.plot([row["step"] for row in log], [row["loss"] for row in log], form, color=ORANGE, lw=2)
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


def query_rows(images, queries, found, T=None, mark="other"):
    """A Figure of queries, framed blue, and their neighbours.

    images: (n, h, w) or (n, 3, h, w); queries: (q,) indices; found: {title: (q, k) indices}; T:
    (n,) labels, if there are any: the neighbours of the same class are counted, and those of
    another one framed red, with mark "same" those of the same one green, with "both" all, as in
    figure 4 of Ye et al., CVPR 2019.
    """
    k = next(iter(found.values())).shape[1]
    page, axes = figure(9, 9 / len(found) * len(queries) / (k + 1) + 0.4, columns=len(found))
    page.get_layout_engine().set(wspace=0.05)
    h, w = images.shape[-2:]
    for ax, (title, near) in zip(axes, found.items()):
        rows = np.concatenate([queries[:, None], near], 1)
        picture(ax, sheet(images[rows.ravel()], k + 1), title, 0, 1)
        if T is not None:
            same = T[near] == T[queries][:, None]
            ax.set_title(f"{title}: {same.mean():.0%} of the same class", fontsize=10, loc="left")
            frames = {"same": [(same, GREEN)], "other": [(~same, RED)]}
            frames["both"] = frames["same"] + frames["other"]
            for marked, color in frames[mark]:
                for row, column in np.argwhere(marked):
                    frame(ax, row, 1 + column, h, w, color)
        for row in range(len(queries)):
            frame(ax, row, 0, h, w, BLUE)
    return page


def frame(ax, row, column, height, width, color):
    """Frame one image of a sheet."""
    from matplotlib.patches import Rectangle

    corner = (column * (width + GAP) - 0.5, row * (height + GAP) - 0.5)
    ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=color, lw=1.5))


def bars(rows, ours=None, label="test accuracy (%)"):
    """A Figure of means as bars with deviations, and the numbers beside them.

    rows: {name: (mean, deviation)}, 0 where there is none; ours: the name whose bar is orange,
    others are grey.
    """
    page, (ax,) = figure(6.5, 0.4 * len(rows) + 0.7)
    bar_rows(ax, rows, ours, label)
    return page


def bar_rows(ax, rows, ours=None, label="test accuracy (%)"):
    """Draw the rows of `bars`."""
    for place, (name, (mean, deviation)) in enumerate(rows.items()):
        color = ORANGE if name == ours else GREY
        ax.barh(place, mean, xerr=deviation or None, color=color, height=0.6, capsize=3, ecolor=INK)
        spread = f" \N{PLUS-MINUS SIGN} {deviation:.1f}" if deviation > 0 else ""
        end = (max(mean + deviation, 0), place)
        ax.annotate(f"{mean:.1f}{spread}", end, (5, 0), textcoords="offset points", va="center")
    ax.set_yticks(range(len(rows)), list(rows))
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.set_xlabel(label)


def accuracy_per_epoch(curves, levels):
    """A Figure of test accuracy (%) after each epoch; levels: of what learns nothing, level.

    curves: {name: (epochs,) values}; levels: {name: value}.
    """
    page, (ax,) = figure(6.5, 3.6)
    styles = itertools.product(("-", "--"), (BLUE, GREEN, VIOLET, GREY, RED, PINK))
    for (name, values), (dashes, color) in zip(curves.items(), itertools.cycle(styles)):
        style = {"color": color, "ls": dashes}
        if name == list(curves)[-1]:
            style = {"color": ORANGE, "zorder": 3}
        ax.plot(1 + np.arange(len(values)), values, marker="o", ms=4, lw=2, label=name, **style)
    looks = itertools.cycle(((INK, ":", 1.9), (GREY, "-", 1.8)))  # to be told apart when equal
    for (name, value), (color, dashes, height) in zip(levels.items(), looks):
        ax.axhline(value, color=color, lw=1.5, ls=dashes, zorder=height, label=name)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("epoch")
    ax.set_ylabel("test accuracy (%)")
    page.legend(loc="outside right center", frameon=False, fontsize=9)
    return page


def scores_against(numbers, rows, label, error=None):
    """A Figure of test accuracy (%) against a number, as of classes or samples, log axis.

    numbers: (m,); rows: {name: (means, deviations)}; label: of the numbers; error: (means,
    deviations) of the surrogate validation error (%), dashed, on an axis of its own at the right.
    """
    page, (ax,) = figure(6, 3.6)
    curves = [
        ax.errorbar(numbers, *both, color=color, lw=2, capsize=3, marker="o", ms=4, label=name)
        for (name, both), color in zip(rows.items(), itertools.cycle((ORANGE, BLUE, GREEN, VIOLET)))
    ]
    ax.set_xscale("log")
    ax.set_xticks(numbers, [f"{k:,}" for k in numbers])
    ax.minorticks_off()
    ax.set_xlabel(label)
    ax.set_ylabel("test accuracy (%)")
    if error is not None:
        right = ax.twinx()
        right.spines["top"].set_visible(False)
        right.tick_params(colors=RED, labelsize=9)
        right.set_ylabel("surrogate validation error (%)", color=RED)
        style = {"color": RED, "ls": "--", "lw": 2, "capsize": 3, "marker": "s", "ms": 4}
        curves.append(right.errorbar(numbers, *error, **style, label="surrogate error"))
    if len(curves) > 1:
        ax.legend(handles=curves, frameon=False, fontsize=9, loc="best")
    return page


def curves_along(panels, label):
    """A Figure with a panel for each transformation: a value against its magnitude.

    panels: {transformation: (magnitudes, {name: (m,) values})}; label: of the values. Factors,
    magnitudes all above 0, have a log axis. HOG and raw pixels, if among the names, are grey,
    dashed and dotted, as what others are compared with. Each panel has its names below, if they
    are not the same in all.
    """
    page, axes = figure(3.2 * len(panels), 3.2, columns=len(panels))
    plain = {"HOG": {"color": GREY, "ls": "--"}, "raw pixels": {"color": GREY, "ls": ":"}}
    for ax, (title, (magnitudes, curves)) in zip(axes, panels.items()):
        colors = itertools.cycle((BLUE, GREEN, VIOLET, ORANGE, RED))
        for name, values in curves.items():
            style = plain.get(name) or {"color": next(colors)}
            ax.plot(magnitudes, values, lw=2, label=name, **style)
        if min(magnitudes) > 0:
            ax.set_xscale("log")
            ticks = sorted({min(magnitudes), 1, max(magnitudes)})
            ax.set_xticks(ticks, [f"{m:g}" for m in ticks])
            ax.minorticks_off()
        ax.set_title(title, fontsize=10, color=INK, loc="left")
        ax.set_xlabel("magnitude")
    axes[0].set_ylabel(label)
    if len({tuple(curves) for _, curves in panels.values()}) > 1:
        for ax in axes:
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False, fontsize=9)
    else:
        lines, names = axes[0].get_legend_handles_labels()
        page.legend(lines, names, loc="outside right center", frameon=False, fontsize=9)
    return page


def cosine_densities(cosines, bins=50):
    """A Figure with a panel for each embedding: cosines within classes, and to other ones.

    cosines: {title: (same, other)}, as `minigrad.evaluate.class_cosines` gives them; their overlap
    stands in the title. As figure 5 of Ye et al., CVPR 2019.
    """
    page, axes = figure(3.2 * len(cosines), 2.6, columns=len(cosines))
    for ax, (title, both) in zip(axes, cosines.items()):
        for values, name, color in zip(both, ("same class", "other class"), (GREEN, RED)):
            style = {"fill": True, "facecolor": f"{color}40", "edgecolor": color, "lw": 1.5}
            edges = np.linspace(0, 1, bins + 1)
            ax.stairs(cosine_density(values, bins), edges, label=name, **style)
        ax.set_title(f"{title}: overlap {overlap(*both, bins):.2f}", fontsize=10, loc="left")
        ax.set_xlabel("cosine")
    axes[0].set_ylabel("density")
    axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    return page


def plane_map(Y, T=None, names=None, images=None, columns=24):
    """A Figure of an embedding in the plane: a dot for each sample, and thumbnails of some.

    Y: (n, 2), as an embedding or `minigrad.evaluate.to_plane` gives it; T: (n,) labels, told by
    color; names: {label: name}. images: (n, h, w) or (n, 3, h, w), in [0, 1]: in an order that is
    always the same and knows no classes each is drawn at its place, framed in the color of its
    class, if it covers none before it; columns: so many would fill the width, 24. Both axes have
    one scale.
    Raises ValueError if Y is not (n, 2) or not finite, and for another number of labels.
    As figure 4 of Hadsell, Chopra and LeCun, CVPR 2006.
    """
    Y = np.asarray(Y)
    page, ax, dots = _plane(Y[None], T, names)
    if images is not None:
        side = (ax.get_xlim()[1] - ax.get_xlim()[0]) / columns
        for i in _apart(Y, side):
            _thumbnail(ax, images[i], Y[i], 0.94 * side, dots.get_facecolors()[i])
    return page


def moving_map(Y, T=None, names=None, titles=None, milliseconds=150):
    """An embedding that moves, as the bytes of a GIF file that repeats.

    Y: (frames, n, 2), as after each epoch, with one scale for all; T, names, errors: as for
    `plane_map`; titles: of the frames; milliseconds: how long each is shown, 150, and the last
    eight times as long.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    page, ax, dots = _plane(np.asarray(Y), T, names, inches=4.8)
    canvas, palette, frames = FigureCanvasAgg(page), Image.new("P", (1, 1)), []
    palette.putpalette(_shades(_class_colors(1 if T is None else min(len(np.unique(T)), 80))))
    for points, title in zip(Y, titles or [" "] * len(Y)):
        dots.set_offsets(points)
        ax.set_title(title, fontsize=10, color=INK, loc="left")
        canvas.draw()
        shown = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
        frames.append(shown.quantize(palette=palette, dither=Image.Dither.NONE))
    times = [milliseconds] * (len(frames) - 1) + [8 * milliseconds]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)
    return buffer.getvalue()


def _plane(Y, T, names, inches=7.0):
    """A Figure, axes that hold all of Y (frames, n, 2), and the dots of the first frame."""
    if Y.ndim != 3 or Y.shape[2] != 2 or not Y.size or not np.isfinite(Y).all():
        raise ValueError(f"a map is of finite points in the plane, (n, 2), not of {Y.shape[1:]}")
    if T is not None and np.shape(T) != Y.shape[1:2]:
        raise ValueError(f"a map of {Y.shape[1]} points has as many labels, not {np.shape(T)}")
    page, (ax,) = figure(inches, inches)
    classes, place = np.unique(np.zeros(Y.shape[1]) if T is None else T, return_inverse=True)
    colors = _class_colors(len(classes))
    dots = ax.scatter(*Y[0].T, s=8, c=colors[place], linewidths=0)
    if T is not None and len(classes) <= MANY:
        marks = [ax.scatter([], [], s=24, color=color) for color in colors]
        labels = [str((names or {}).get(c, c)) for c in classes]
        style = {"frameon": False, "fontsize": 9, "ncols": min(len(classes), 5)}
        page.legend(marks, labels, loc="outside lower center", **style)
    low, high = Y.min((0, 1)), Y.max((0, 1))
    span = high - low
    half = 0.54 * np.maximum(span, span.max() / 2 or 1)
    (left, bottom), (right, top) = (low + high) / 2 - half, (low + high) / 2 + half
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    ax.set_axis_off()
    return page, ax, dots


def _class_colors(k):
    """Colors of k classes: (k, 4)."""
    from matplotlib import colormaps

    if k <= 2:
        return np.array([[*bytes.fromhex(c[1:]), 255] for c in (BLUE, RED)][:k]) / 255
    return colormaps["tab10"](range(k)) if k <= 10 else colormaps["hsv"](np.arange(k) / k)


def _shades(colors):
    """A palette of white, and of ink and colors as they fade into it, as flat bytes."""
    from matplotlib.colors import to_rgb

    full = np.vstack([to_rgb(INK), colors[:, :3]])
    faded = [1 - share * (1 - full) for share in (1, 0.6, 0.3)]
    return np.rint(255 * np.vstack([np.ones((1, 3)), *faded])).astype(int).ravel().tolist()


def _apart(Y, side):
    """Indices of points, each so far from all before it that squares of a side do not overlap."""
    left, chosen = np.random.default_rng(0).permutation(len(Y)), []
    while len(left):
        chosen.append(left[0])
        left = left[np.abs(Y[left] - Y[left[0]]).max(1) >= side]
    return chosen


def _thumbnail(ax, image, centre, side, color):
    from matplotlib.patches import Rectangle

    x, y = centre - side / 2
    shown = np.clip(image if image.ndim == 2 else image.transpose(1, 2, 0), 0, 1)
    box = (x, x + side, y, y + side)
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=box, interpolation="nearest", zorder=2)
    ax.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=color, lw=1.2, zorder=3))
