"""Arrays as a page draws them: a byte for each cell between the least and the greatest value.

>>> gallery = Gallery(cells=4096)
>>> gallery.add(np.array([[0.0, 0.5], [0.25, 1.0]]))
0
>>> entry = gallery.entries[0]
>>> entry["range"], entry["values"]
([0.0, 1.0], [['0', '0.5'], ['0.25', '1']])
>>> [*base64.b64decode(entry["cells"])]
[0, 127, 64, 254]
"""

import base64
import math
from typing import Any

import numpy as np

SIDE, TILE, TILES = 64, 32, 64  # cells of a side, of the side of a tile, and tiles at most
EXACT, CORNER = 64, 6  # entries that are all given as numbers, and the side of the corner that is
WIDE = 9  # tiles beside each other, about
TIMES = "\N{MULTIPLICATION SIGN}"
STRANGE = 255  # the byte of what is not finite


class Gallery:
    """The arrays of a page, each once.

    cells: how many each may have at most; what has more is reduced, and says so in its `note`.
    """

    def __init__(self, cells: int):
        self.cells, self.entries = cells, []  # type: ignore[var-annotated]
        self._places: dict[bytes, int] = {}

    def add(self, array: Any) -> int:
        """The place of an array among the entries."""
        a = np.asarray(array)
        key = repr((a.shape, a.dtype)).encode() + a.tobytes()
        if key not in self._places:
            self._places[key] = len(self.entries)
            with np.errstate(over="ignore", invalid="ignore"):
                self.entries.append(_entry(a, self.cells))
        return self._places[key]


def shape_of(a: Any) -> str:
    """A shape as it is read: its sides with the sign of multiplication between, or "scalar"."""
    return TIMES.join(map(str, np.shape(a))) or "scalar"


def _entry(a, cells):
    """What a page needs to draw an array."""
    entry = {"shape": shape_of(a)}
    if not a.size:
        return entry | {"note": "empty"}
    if a.dtype.kind not in "biuf":
        return entry | {"note": "complex" if a.dtype.kind == "c" else "not numbers"}
    a = a.astype(float)
    finite = a[np.isfinite(a)]
    sheet, tiles, notes = _sheet(a, cells)
    if finite.size < a.size:
        notes.append(f"{a.size - finite.size} not finite")
    drawn = sheet[np.isfinite(sheet)]
    least, most = _ends(drawn)
    sheet = sheet / (max(-least, most) or 1.0)  # most - least may overflow
    low, high = _ends(sheet[np.isfinite(sheet)])
    share = np.round((sheet - low) / ((high - low) or 1.0) * 254)
    coded = np.where(np.isfinite(sheet), share, STRANGE).astype(np.uint8)
    entry |= {"range": _ends(finite), "drawn": [least, most], "rows": len(sheet)}
    entry |= {"columns": sheet.shape[1], "cells": base64.b64encode(coded.tobytes()).decode()}
    entry |= {"values": _values(a), "whole": a.size <= EXACT}
    if tiles:
        entry |= {"tile": tiles}
    return entry | ({"note": ", ".join(notes)} if notes else {})


def _ends(finite):
    """The least and the greatest number, 0 and 0 of none."""
    return [float(finite.min()), float(finite.max())] if finite.size else [0.0, 0.0]


def _sheet(a, cells):
    """An array as a matrix, the (rows, columns) of its tiles if it has any, and notes on it."""
    if a.ndim < 3:
        side = min(SIDE, math.isqrt(cells))
        matrix, note = _reduced(np.atleast_2d(a), side)
        return matrix, None, note
    tiles = a.reshape(-1, *a.shape[-2:])
    h, w = (min(side, TILE) for side in tiles.shape[1:])
    shown = max(1, min(len(tiles), TILES, cells // (h * w)))
    across = min(_across(a.shape[-3], len(tiles)), shown)
    shown -= shown % across
    reduced = [_reduced(tile, TILE) for tile in tiles[:shown]]
    notes = [f"first {shown} of {len(tiles)} maps"] * (shown < len(tiles)) + reduced[0][1]
    h, w = reduced[0][0].shape
    down = -(-shown // across)
    sheet = np.full((down * across, h, w), np.nan)
    sheet[:shown] = [matrix for matrix, _ in reduced]
    sheet = sheet.reshape(down, across, h, w).swapaxes(1, 2).reshape(down * h, across * w)
    return sheet, [h, w], notes


def _across(channels, tiles):
    """How many tiles stand beside each other: whole samples where they have few channels."""
    if channels > WIDE:
        return WIDE
    return channels if tiles <= 2 * WIDE else channels * (WIDE // channels)


def _reduced(matrix, side):
    """A matrix of at most side x side, by means of blocks, and the note that says so."""
    blocks = [-(-n // side) for n in matrix.shape]
    if blocks == [1, 1]:
        return matrix, []
    for axis, block in enumerate(blocks):
        starts = np.arange(0, matrix.shape[axis], block)
        counts = np.diff([*starts, matrix.shape[axis]])
        sums = np.add.reduceat(matrix, starts, axis)
        matrix = sums / (counts[:, None] if axis == 0 else counts)
    return matrix, [f"means of {blocks[0]}{TIMES}{blocks[1]}"]


def _values(a):
    """Four digits of the entries, row by row; of a large array, those of its first corner."""
    if a.size <= EXACT:
        rows = np.atleast_1d(a).reshape(-1, a.shape[-1] if a.ndim else 1)
    else:
        first = np.atleast_2d(a.reshape(-1, *a.shape[-2:])[0] if a.ndim > 2 else a)
        rows = first[:CORNER, :CORNER]
    return [[f"{x:.4g}" for x in row] for row in rows]
