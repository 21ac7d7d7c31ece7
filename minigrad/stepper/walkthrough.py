"""The stepper: a page on which a program writes one array at a time, forward, then backward.

>>> from minigrad import mul, var
>>> A, B = var((np.array(3.0), np.array(2.0)))
>>> L = mul(A, B)
>>> page = show(L)
>>> page
<Page: L, one write at a time>
>>> float(A.grad), "file.html" in page.html
(2.0, False)
"""

import html
import sys
from collections import Counter
from string import Template
from typing import Any

import numpy as np

from .. import faults
from ..engine import Block, Node, below
from ..listing.names import Names
from ..tree import leaves
from .anatomy import source_of
from .heatmaps import Gallery, shape_of
from .pages import FOLDER, Page
from .tracing import Write, traced

BYTES = 1_000_000  # of all arrays on a page, roughly
CELLS = 64, 16_384  # of one array, least and most
VISIBLE = 60  # nodes of the graph that are drawn at first, at most


def show(L: Node) -> Page:
    """The stepper of a program: a page to look at in a notebook, or to `.save("page.html")`.

    L: a scalar that was computed. One write at a time, forward, then backward: the graph with
    blocks that fold, the listing, the source of the node that writes, heat maps of all arrays, and
    for each `+=` what was there, what is added and what it makes. The trace is the engine's own:
    `L.backward()` runs once, observed, and leaves its gradients. Values are those computed before:
    nothing is drawn again, and no state of a node changes. Names are the caller's, as in `program`.
    The page is one file that needs no network.
    Raises TypeError for anything but a computed Node, ValueError if it is no scalar, RuntimeError
    if it was freed.
    """
    frame: Any = sys._getframe(1)
    _check(L)
    return walk(L, Names(below(L), frame.f_locals, frame.f_globals))


def walk(L: Node, names: Names, title: str = "") -> Page:
    """The page of a program whose names are known; title: "L, one write at a time" by default."""
    _check(L)
    title = title or f"{names.text(L)}, one write at a time"
    data = Walkthrough(L, names).data()
    template = Template((FOLDER / "stepper.html").read_text(encoding="utf-8"))
    body = template.substitute(
        title=html.escape(title), listing=_listing(data), rows=_rows(data), count=len(data["steps"])
    )
    styles, scripts = ["stepper.css"], ["layout.js", "graph.js", "stepper.js"]
    return Page(title, body, data, styles, scripts)


def _check(L):
    if type(L) is not Node or not L.function:
        got = "a leaf" if type(L) is Node else f"a {type(L).__name__}"
        raise TypeError(f"show: takes a scalar Node that was computed, not {got}")
    if not L._back:
        raise RuntimeError(faults.freed("show", "program"))
    faults.check_scalar("show", L.value)


class Walkthrough:
    """A program and its trace as the data of the page; lists, and places in these lists."""

    def __init__(self, L: Node, names: Names):
        self.names, self.order = names, [n for n in below(L) if n.function]
        self.writes = traced(L)
        self.gallery = Gallery(min(max(CELLS[0], BYTES // (2 * len(self.writes))), CELLS[1]))
        self.variables: list[dict] = []
        self.vertices: list[dict] = []
        self.sources: list[dict] = []
        self._places: dict[int, int] = {}  # of variables, by the id of the Node or array
        self._given_first()
        self.paths, self.blocks = self._paths()
        for n in self.order:
            self._add(n, "computed", self._vertex(n))

    def data(self) -> dict[str, Any]:
        """What the scripts of the page read."""
        steps = [self._step(w) for w in self.writes]
        parts = Counter(s["variable"] for s in steps if s["backward"])
        so_far: Counter = Counter()
        for s in steps:
            if s["backward"]:
                so_far[s["variable"]] += 1
                s["part"] = [so_far[s["variable"]], parts[s["variable"]]]
        self._divide()
        return {
            "variables": self.variables,
            "vertices": self.vertices,
            "edges": self._edges(),
            "blocks": self.blocks,
            "folded": self._folded(),
            "steps": steps,
            "sources": self.sources,
            "arrays": self.gallery.entries,
        }

    def _add(self, a, kind, vertex):
        """A variable: the value of a Node, or a constant array."""
        value = a.value if type(a) is Node else a
        v = {"name": self.names.text(a), "kind": kind, "shape": shape_of(value), "vertex": vertex}
        if kind != "computed":
            v["array"] = self.gallery.add(value)
        self._places[id(a)] = len(self.variables)
        self.variables.append(v)

    def _given_first(self):
        """Leaves and constants; what one argument brings together, as (W, b), is one vertex."""
        for n in self.order:
            for a in n.args:
                new = {id(part): part for part in leaves(a) if self._is_new(part)}
                for part in new.values():
                    kind = "leaf" if type(part) is Node else "constant"
                    self._add(part, kind, len(self.vertices))
                if new:
                    places = [self._places[k] for k in new]
                    label = ", ".join(self.variables[i]["name"] for i in places)
                    whole = self.names.text(a)
                    self.vertices.append(
                        {
                            "kind": "given",
                            "label": whole if len(whole) < len(label) else label,
                            "variables": places,
                            "path": [],
                        }
                    )

    def _is_new(self, a):
        given = not a.function if type(a) is Node else hasattr(a, "__array_function__")
        return given and not isinstance(a, np.generic) and id(a) not in self._places

    def _vertex(self, n):
        """The vertex of a node."""
        self.vertices.append(
            {
                "kind": "node",
                "label": n.name,
                "variables": [len(self.variables)],
                "path": self.paths[n],
                "source": self._source(n),
                **self._texts(n, n),
            }
        )
        return len(self.vertices) - 1

    def _source(self, n):
        s = source_of(n)
        entry = {"name": n.name, "lines": s.lines, "forward": s.forward, "back": s.back}
        if entry not in self.sources:
            self.sources.append(entry)
        return self.sources.index(entry)

    def _paths(self):
        """For each node the blocks around it, the outermost first; and all blocks."""
        marks = [(b, n) for n in self.order for b in n.blocks]
        marks.sort(key=lambda mark: mark[0].since)
        paths: dict[Node, list[int]] = {n: [] for n in self.order}
        blocks = []
        for k, (b, n) in enumerate(marks):
            name, path = b.function.__name__, list(paths[n])
            blocks.append({"name": name, "path": path, **self._texts(b, n)})
            for m in below(n, b.since):
                if m.function:
                    paths[m].append(k)
        return paths, blocks

    def _texts(self, made: Node | Block, n: Node):
        """The lines of a node, or of a block whose result it is."""
        given = ", ".join(map(self.names.text, made.args))
        call = self.names.call(made.function, made.args, made.options)
        name = self.names.text(n)
        return {"forward": f"{name} = {call}", "back": f"{name}.back({given})"}

    def _step(self, w: Write):
        variable = self._places[id(w.target)]
        seed = w.backward and w.old is None
        step: dict[str, Any] = {
            "vertex": self.variables[self._places[id(w.node)]]["vertex"],
            "variable": variable,
            "backward": w.backward,
            "array": self.gallery.add(w.new),
        }
        if w.old is not None:
            step |= {"old": self.gallery.add(w.old), "added": self.gallery.add(w.added)}
            step["reads"] = [self._places[id(w.node)]]
        elif not w.backward:
            read = [self._places.get(id(a)) for a in leaves(w.node.args)]
            step["reads"] = list(dict.fromkeys(i for i in read if i is not None))
        if not seed:
            s = source_of(w.node)
            step["lines"] = s.statement(w.line) if w.backward else s.forward
        return step

    def _edges(self):
        """[from, to, variables that go along], once for each pair of vertices."""
        found: dict[tuple[int, int], list[int]] = {}
        for n in self.order:
            to = self.variables[self._places[id(n)]]["vertex"]
            for a in leaves(n.args):
                if id(a) in self._places:
                    v = self._places[id(a)]
                    along = found.setdefault((self.variables[v]["vertex"], to), [])
                    if v not in along:
                        along.append(v)
        return [[*ends, along] for ends, along in found.items()]

    def _divide(self):
        """Where too much stands outside of blocks, make parts of the program that fold as well."""
        nodes = [v for v in self.vertices if v["kind"] == "node"]
        tops = [v["path"][0] if v["path"] else ("alone", k) for k, v in enumerate(nodes)]
        places = list(dict.fromkeys(tops))
        if len(places) <= VISIBLE:
            return
        size, first = -(-len(places) // (VISIBLE // 2)), len(self.blocks)
        part = {top: first + i // size for i, top in enumerate(places)}
        for top, v in zip(tops, nodes):
            v["path"] = [part[top], *v["path"]]
        for b, own in enumerate(self.blocks):
            own["path"] = [part[(own["path"] or [b])[0]], *own["path"]]
        count = -(-len(places) // size)
        for i in range(count):
            names = [v["forward"].partition(" = ")[0] for v in nodes if v["path"][0] == first + i]
            forward, back = f"{names[0]} to {names[-1]}", f"{names[-1]} to {names[0]}"
            name = f"part {i + 1} of {count}"
            self.blocks.append({"name": name, "path": [], "forward": forward, "back": back})

    def _folded(self):
        """The blocks that are folded at first, the deepest, so that VISIBLE nodes are left."""
        paths, depths = [v["path"] for v in self.vertices], [len(b["path"]) for b in self.blocks]
        for depth in range(max(depths, default=-1) + 1, -1, -1):
            seen = {path[depth] if len(path) > depth else -i for i, path in enumerate(paths, 1)}
            if len(seen) <= VISIBLE or not depth:
                break
        return [b for b, own in enumerate(depths) if own >= depth]


def _listing(data):
    """The program, for who has no JavaScript."""
    nodes = [v for v in data["vertices"] if v["kind"] == "node"]
    lines = [*(v["forward"] for v in nodes), "", *(v["back"] for v in reversed(nodes))]
    return html.escape("\n".join(lines))


def _rows(data):
    """The steps as rows of a table, for print and who has no JavaScript."""
    rows = []
    for k, s in enumerate(data["steps"], 1):
        vertex, variable = data["vertices"][s["vertex"]], data["variables"][s["variable"]]
        line = vertex["back" if s["backward"] else "forward"]
        sign = "+=" if "old" in s else "="
        name = "d" * s["backward"] + variable["name"]
        cells = [line if "reads" in s else f"{name} = 1", f"{name} {sign}", variable["shape"]]
        cells += [_range(data["arrays"][s[of]]) if of in s else "" for of in ("old", "added")]
        cells.append(_range(data["arrays"][s["array"]]))
        inside = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{k}</th>{inside}</tr>')
    return "\n".join(rows)


def _range(entry):
    """The value of a scalar, else the least and the greatest value."""
    if "range" not in entry:
        return entry["note"]
    if entry["shape"] == "scalar":
        return entry["values"][0][0]
    low, high = entry["range"]
    return f"all {low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
