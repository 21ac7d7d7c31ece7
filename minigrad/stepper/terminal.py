"""Tables and curves as plain text, for a terminal or a file.

>>> print(table([["name", "loss"], ["a/b", "0.5"], ["c", "12"]]))
name  loss
a/b   0.5
c     12
>>> print(curve([1, 2, 3, 4], [8, 4, 2, 1], width=24, height=4, braille=False))
loss
8 +***
  |  *****
  |      ********
1 +             ********
  +---------------------
   1       step        4
"""

from collections.abc import Sequence

import numpy as np

DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # bits of U+2800 + bits
DRAWN = "⣿│┤└─"  # what a terminal's encoding must have for braille


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, columns left-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def curve(
    steps: Sequence[float],
    losses: Sequence[float],
    *,
    width: int = 80,
    height: int = 13,
    braille: bool = True,
    logarithmic: bool = False,
) -> str:
    """The losses against the steps, joined by lines, with axes.

    steps: ascending; losses: finite, and above 0 on a logarithmic axis; width: characters of a
    line; height: lines of the picture, every third has a mark; braille: with eight dots to a
    character and lines for axes, else in ASCII.
    """
    x, y = np.asarray(steps, float), np.asarray(losses, float)
    y = np.log10(y) if logarithmic else y
    low, high = y.min(), y.max()
    marked = range(0, height, 3)
    at = [high - (high - low) * row / (height - 1) for row in marked]
    marks = dict(zip(marked, _apart([10**v for v in at] if logarithmic else at)))
    if high == low:
        marks = {height - 1: f"{losses[0]:.4g}"}
    margin = max(map(len, marks.values()))
    columns = max(width - margin - 2, 12)
    dots = DOTS if braille else np.ones((1, 1), int)
    r, c = dots.shape
    grid = _line(_scaled(x, columns * c), _scaled(y, height * r), columns * c, height * r)
    codes = np.einsum("hrwc,rc->hw", grid.reshape(height, r, columns, c), dots)
    side, tick, corner, floor = list(DRAWN[1:] if braille else "|++-")
    lines = [
        f"{marks.get(row, ''):>{margin}} {tick if row in marks else side}"
        + "".join(" " if not code else chr(0x2800 + code) if braille else "*" for code in cells)
        for row, cells in enumerate(codes)
    ]
    first, last = f"{x[0]:.0f}", f"{x[-1]:.0f}" if len(x) > 1 else ""
    between = f"{'step':^{columns - len(first) - len(last)}}"
    return "\n".join(
        line.rstrip()
        for line in [
            "loss, logarithmic" if logarithmic else "loss",
            *lines,
            " " * (margin + 1) + corner + floor * columns,
            " " * (margin + 2) + first + between + last,
        ]
    )


def _apart(values):
    """Numbers as text, with as many digits, at least 3, as tell them apart."""
    for digits in range(3, 18):
        texts = [f"{v:.{digits}g}" for v in values]
        if len(set(texts)) == len(texts):
            break
    return texts


def _scaled(values, size):
    """From 0 for the smallest to size - 1 for the largest; 0 for all if they are one number."""
    low, high = values.min(), values.max()
    return (values - low) / ((high - low) or 1) * (size - 1)


def _line(x, y, width, height):
    """Dots (height, width), the top row first: in each column from the lowest point to the highest.

    Columns share their edges, so that the dots join however steep the line is.
    """
    edges = np.clip(np.arange(width + 1) - 0.5, x[0], x[-1])
    points = np.union1d(edges, x)
    levels = np.interp(points, x, y)
    first, last = np.searchsorted(points, edges[:-1]), np.searchsorted(points, edges[1:], "right")
    grid = np.zeros((height, width), bool)
    for column in range(round(x[-1]) + 1):
        part = levels[first[column] : last[column]]
        grid[round(part.min()) : round(part.max()) + 1, column] = True
    return grid[::-1]
