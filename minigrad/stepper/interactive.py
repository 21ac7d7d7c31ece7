"""Pages to play with: a window that slides, points that attract and repel, a softmax to cool.

>>> page = softmax_page(np.array([1.0, 2.0, 3.0]))
>>> page
<Page: Softmax and its temperature>
"""

import html
from collections.abc import Iterator
from itertools import combinations
from string import Template
from typing import Any

import numpy as np

from ..engine import detach
from ..kernels.im2col import columns
from ..kernels.windows import padded, sliding
from ..nodes import conv, softmax
from .pages import FOLDER, Page

LARGEST = 400  # cells of the image with its border, and places of the window
CLOSE = {"contrastive": (0, 0, 1, 1, 2, 2), "triplet": (0, 0, 1)}  # the class of each point
NAMES = {
    "contrastive": ("A1", "A2", "B1", "B2", "C1", "C2"),
    "triplet": ("anchor", "positive", "negative"),
}
TEMPERATURES = 0.1, 1, 10
START = {
    "contrastive": ((-0.9, 0.5), (0.2, 0.7), (-0.3, 0.1), (0.5, -0.4), (0.1, -0.6), (0.9, 0.3)),
    "triplet": ((0.0, 0.0), (0.8, 0.5), (0.3, -0.5)),
}


def convolution_page(X: Any, W: Any, stride: Any = 1, padding: Any = 0) -> Page:
    """A window slides over an image: the row it becomes, the product with the filter, the output.

    X: (h, w), up to 400 cells with its border; W: (r, s); stride, padding: as for `conv`, 1 and 0.
    What is shown is what `conv` computes: the row of the matrix at each place of the window, and
    the one output that its product with the filter gives.
    Raises ValueError for other shapes, what is not finite, and more than 400 cells or places.

    >>> convolution_page(np.eye(5), np.ones((3, 3)), padding=1)
    <Page: A window slides over an image>
    """
    X, W = (np.asarray(detach(a), float) for a in (X, W))
    if X.ndim != 2 or W.ndim != 2:
        raise ValueError(f"convolution_page: X is (h, w), W (r, s), not {X.shape} and {W.shape}")
    if not (np.isfinite(X).all() and np.isfinite(W).all()):
        raise ValueError("convolution_page: X and W hold finite numbers")
    g = sliding("convolution_page", X.shape, W.shape, stride, padding)
    P = padded(X[None, None], g)[0, 0]
    places = g.out[0] * g.out[1]
    if P.size > LARGEST or places > LARGEST:
        raise ValueError(
            f"convolution_page: {P.size} cells and {places} places are too many to look at: "
            f"at most {LARGEST}"
        )
    data = {
        "image": P.tolist(),
        "inside": [g.padding[0][0], g.padding[1][0], *X.shape],
        "filter": W.tolist(),
        "stride": list(g.stride),
        "rows": columns(X[None, None], g)[0].T.tolist(),
        "output": conv(X[None, None], (W[None, None], None), stride, padding)[0, 0].tolist(),
    }
    sees = [" ".join(map(_number, row)) for row in data["rows"]]
    rows = [
        (f"{i}, {j}", sees[i * g.out[1] + j], _number(Z))
        for i, line in enumerate(data["output"])
        for j, Z in enumerate(line)
    ]
    about = f"The filter, row by row: {' '.join(map(_number, W.ravel()))}"
    table = _table(about, ("place", "what the window sees", "output"), rows)
    return _page("A window slides over an image", "convolution", data, table)


def forces_page(kind: str, margin: float = 1.0) -> Page:
    """Points in the plane to drag, and the forces of a loss on them: minus its gradients.

    kind: "contrastive", six points of three classes and all their pairs, or "triplet", an anchor, a
    positive and a negative; margin: 1 by default. Both are the slide's forms, `contrastive` and
    `triplet` of `minigrad.models` with their squared distances.
    Raises ValueError for another kind, and a margin that is infinite or not above 0.

    >>> forces_page("triplet", margin=0.5)
    <Page: The forces of the triplet loss>
    """
    if kind not in START:
        raise ValueError(f'forces_page: kind is "contrastive" or "triplet", not {kind!r}')
    if not 0 < margin < np.inf:
        raise ValueError(f"forces_page: the margin is a finite number above 0, not {margin!r}")
    data = {"kind": kind, "margin": float(margin), "points": START[kind], "classes": CLOSE[kind]}
    rows = list(_pairs(kind, margin))
    inside = [H for *_, H in rows]
    loss = max(0, inside[0] - inside[1] + margin) if kind == "triplet" else np.mean(inside)
    about = f"With a margin of {margin:g} the loss is {loss:.4g}."
    heads = ("pair", "distance", "squared" if kind == "triplet" else "loss")
    table = _table(about, heads, [(names, f"{D:.3f}", f"{H:.3f}") for names, D, H in rows])
    return _page(f"The forces of the {kind} loss", "forces", data | {"names": NAMES[kind]}, table)


def softmax_page(A: Any) -> Page:
    """The softmax of activations over a temperature that one can turn: softmax(A / T).

    A: (k,) activations, or (1, k), at most 40. Beside the bars stands the entropy of the
    probabilities, 0 where all is certain and ln k where all are equal.
    Raises ValueError for other shapes, and for activations that are not finite.
    """
    A = np.asarray(detach(A), float)
    A = A[0] if A.ndim == 2 and len(A) == 1 else A
    if A.ndim != 1 or not 1 <= len(A) <= 40 or not np.isfinite(A).all():
        raise ValueError(f"softmax_page: A is (k,), up to 40 finite numbers, not {A.shape}")
    with np.errstate(over="ignore"):
        Y = [softmax((A - A.max())[None] / T)[0] for T in TEMPERATURES]
    rows = [map(_number, row) for row in zip(A, *Y)]
    heads = ("activation", *(f"τ = {tau:g}" for tau in TEMPERATURES))
    table = _table("The probabilities at three temperatures.", heads, rows)
    data = {"activations": A.tolist()}
    return _page("Softmax and its temperature", "softmax", data, table, height=28)


def _pairs(kind: str, margin: float) -> Iterator[tuple[str, float, float]]:
    """The pairs of points at the start: their names, distance, and what they give to the loss."""
    P, names, classes = np.array(START[kind]), NAMES[kind], CLOSE[kind]
    for i, j in combinations(range(len(P)), 2):
        D = float(np.linalg.norm(P[i] - P[j]))
        if kind == "contrastive":
            H = D if classes[i] == classes[j] else max(0, margin - D)
            yield f"{names[i]}, {names[j]}", D, H * H
        elif i == 0:
            yield f"{names[i]}, {names[j]}", D, D * D


def _number(x):
    return f"{x:.4g}"


def _table(about, heads, rows):
    """What a page shows at first, as a table, for who has no JavaScript."""
    lines = [_row("th", heads), *(_row("td", row) for row in rows)]
    return f"<p>{about}</p>\n<table>\n{''.join(lines)}</table>"


def _row(tag, cells):
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>\n"


def _page(title, name, data, table, height=46):
    """A page of ours: its body, style and script are files of its name."""
    template = Template((FOLDER / f"{name}.html").read_text(encoding="utf-8"))
    body = template.substitute(title=html.escape(title), table=table)
    return Page(title, body, data, ["interactive.css"], [f"{name}.js"], height)
