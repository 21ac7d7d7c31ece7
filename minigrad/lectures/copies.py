"""A student's own copies of the lectures: they are changed by the student only.

A notebook carries the sha256 of its cells as they were handed out, so that an untouched one, run or
not, may be replaced by a newer one, and any other is left alone.
"""

import ast
import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from ..gradcheck import Unfit
from ..learn import write_whole
from .excerpts import statements
from .handouts import Handout
from .sources import digest

PERCENT = re.compile(r"^(?=# %%)", re.MULTILINE)
MAGIC = re.compile(r"^[ \t]*[%!].*$", re.MULTILINE)


class Function(NamedTuple):
    """A function at the top of a cell: where it stands, and how much of it is not written yet."""

    cell: int
    first: int  # line, from 0
    text: str
    arguments: str
    unwritten: float


def cells_of(path: Path) -> list[str]:
    """The code cells of a notebook, or the parts of a script; Unfit if it is neither."""
    text = _read(path)
    if path.suffix != ".ipynb":
        return PERCENT.split(text)
    return [_source(cell) for cell in _notebook(path, text)["cells"] if cell["cell_type"] == "code"]


def opened(handout: Handout, folder: Path) -> str:
    """Write a lecture's notebook into a folder, and say what was done; nothing changed is lost."""
    path = folder / f"{handout.stem}.ipynb"
    if not path.exists():
        write_whole(path, handout.notebook.encode())
        return f"{path} is there to be opened"
    given = _stamp(json.loads(handout.notebook))[0]
    was, now = _stamp(_notebook(path, _read(path)))
    if was == given:
        return f"{path} is there already" + (", with your changes" if now != was else "")
    if now == was:
        write_whole(path, handout.notebook.encode())
        return f"{path} had no changes of yours, and is now the newer one"
    newer = path.with_suffix(".new.ipynb")
    if newer.exists():
        was, now = _stamp(_notebook(newer, _read(newer)))
        if was == given != now:
            return (
                f"{newer} is there already, with your changes: when it has all that {path.name} "
                "has, give it that name"
            )
        if was != now:
            raise Unfit(f"{path} and {newer} both have changes of yours: rename one, and try again")
    write_whole(newer, handout.notebook.encode())
    return (
        f"{path} has changes of yours, and stays; the newer one is {newer}. Your functions go into "
        f"it by\n  minigrad lectures carry {path} {newer}"
    )


def reset(handout: Handout, folder: Path) -> str:
    """Write a lecture's notebook anew; an older one stays beside it under another name."""
    path = folder / f"{handout.stem}.ipynb"
    kept = ""
    if path.exists():
        names = (path.with_suffix(f".old{n}.ipynb") for n in range(1, 1000))
        old = next(name for name in names if not name.exists())
        path.rename(old)
        kept = f"; the old one is {old}"
    write_whole(path, handout.notebook.encode())
    return f"{path} is as it was handed out{kept}"


def carried(old: Path, new: Path) -> str:
    """Put the functions that are written in old, and not in new, into new; say which.

    What else was changed in old stays there.
    """
    if old.resolve() == new.resolve():
        raise Unfit(f"{old} cannot be carried into itself")
    theirs = functions_of(cells_of(old))
    cells = cells_of(new)
    mine = functions_of(cells)
    lines = [cell.split("\n") for cell in cells]
    said = []
    for name, here in sorted(mine.items(), key=lambda item: (item[1].cell, -item[1].first)):
        there = theirs.get(name)
        if not there or there.unwritten >= here.unwritten:
            continue
        count = len(here.text.split("\n"))
        lines[here.cell][here.first : here.first + count] = there.text.split("\n")
        changed = here.arguments != there.arguments
        note = f", which now gets ({here.arguments}): compare" if changed else ""
        said.append(f"  {name}{note}")
    if not said:
        return f"nothing to carry: no function is written in {old} and not in {new}"
    _put(new, ["\n".join(cell) for cell in lines])
    return "\n".join([f"carried into {new}:", *said, f"{old} is as it was"])


def functions_of(cells: list[str]) -> dict[str, Function]:
    """The functions at the top of cells, by name; of two the one that has more, or the later."""
    found: dict[str, Function] = {}
    for i, cell in enumerate(cells):
        for s in statements([without_magics(cell)]):
            if isinstance(s.node, ast.FunctionDef):
                first = min([s.node.lineno, *(d.lineno for d in s.node.decorator_list)]) - 1
                told = ast.unparse(s.node.args)
                this = Function(i, first, s.text, told, _unwritten(s.node))
                if this.unwritten <= found.get(s.node.name, this).unwritten:
                    found[s.node.name] = this
    return found


def without_magics(cell: str) -> str:
    """A cell with an empty line for each line that only a notebook understands."""
    return MAGIC.sub("", cell)


def _unwritten(function):
    """How many parts are not written; infinity if the value is not, whatever else is."""
    is_gap = lambda n: isinstance(n, ast.Raise) and "NotImplementedError" in ast.unparse(n)
    if any(map(is_gap, function.body)):
        return math.inf
    return sum(map(is_gap, ast.walk(function)))


def _read(path):
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise Unfit(f"{path} is not UTF-8") from None


def _notebook(path: Path, text: str) -> dict[str, Any]:
    try:
        notebook = json.loads(text)
        [(cell["cell_type"], _source(cell)) for cell in notebook["cells"]]
    except (ValueError, TypeError, KeyError):
        raise Unfit(f"{path} is no notebook, or a damaged one") from None
    return notebook


def _source(cell):
    return "".join(cell["source"])


def _stamp(notebook):
    """(the sha256 that a notebook was handed out with, that of its cells as they are)."""
    sources = [_source(cell) for cell in notebook["cells"]]
    about = notebook.get("metadata", {}).get("minigrad", {})
    return about.get("sha256", ""), digest(*sources)


def _put(path, cells):
    """Write code cells back to where `cells_of` found them."""
    if path.suffix != ".ipynb":
        return write_whole(path, "".join(cells).encode())
    notebook = _notebook(path, _read(path))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell, source in zip(code, cells, strict=True):
        cell["source"] = source.splitlines(keepends=True)
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    return write_whole(path, f"{text}\n".encode())
