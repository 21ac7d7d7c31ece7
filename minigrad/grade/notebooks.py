"""The Python in a notebook: code cells in order; what was handed in as outputs is not looked at."""

import ast
import json
import re
import warnings
from typing import Any

from .archives import MIB, Rejected
from .keys import shown
from .lexemes import lexeme, nesting

BRACKETS = 500_000  # of the JSON: each may become an object of 64 bytes and more
PARSED = 100_000  # characters of a cell: the parser needs 250 times their memory

_MAGIC = re.compile(  # possessive, so that a long line takes linear time
    r"(?P<indent>[ \t]*+)"
    r"(?:[%!?](?:\\\n|[^\n])*+"  # %matplotlib inline, !ls, ?relu
    r"|[\w., ]++=[ \t]*+[%!](?:\\\n|[^\n])*+"  # files = !ls
    r"|[\w.]++\?{1,2}+[ \t]*+(?=\n|\Z))"  # relu?
)
_TRANSPARENT = {"%%time", "%%capture"}  # what follows runs in the notebook's own namespace


def notebook_source(data: bytes) -> tuple[str, tuple[str, ...]]:
    """(the code cells as one source, a note on each thing left out) of a notebook's bytes.

    Formats 3 and 4. Left out are lines of magics (% ! ?), cells of magics (%%) except %%time and
    %%capture, and cells that are not Python, as in Jupyter, where the others run all the same.
    Raises Rejected if it is no notebook, not in Python, or has no code.
    """
    notes: list[str] = []
    sources: list[str] = []
    cells = _code_cells(_read(data))
    if sum(map(len, cells)) > MIB:
        raise Rejected("The notebook has over 1 MiB of code.")
    for n, cell in enumerate(cells, 1):
        text = _plain(f"Code cell {n}", cell, notes)
        if text.strip():
            sources.append(f"# Code cell {n}\n{text.rstrip()}\n")
    if not sources:
        raise Rejected(" ".join(["The notebook has no code.", *notes]))
    return "\n".join(sources), tuple(notes)


def _read(data: bytes) -> dict[str, Any]:
    if data.count(b"[") + data.count(b"{") > BRACKETS:
        raise Rejected("The notebook is too large: clear its outputs.")
    try:
        book = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError) as error:
        at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Rejected(f"The notebook is damaged: it is not JSON{at}.") from None
    if not isinstance(book, dict):
        raise Rejected("The notebook is damaged: its JSON is not an object.")
    return book


def _code_cells(book: dict[str, Any]) -> list[str]:
    about = book.get("metadata")
    about = about if isinstance(about, dict) else {}
    for part, entry in (("language_info", "name"), ("kernelspec", "language")):
        language = about[part].get(entry) if isinstance(about.get(part), dict) else None
        if isinstance(language, str) and "python" not in language.lower():
            raise Rejected(f"The notebook is not in Python but in {shown(language)}.")
    sheets = book.get("worksheets", [book])  # format 3 has worksheets
    sources: list[str] = []
    try:
        for cell in [c for sheet in sheets for c in sheet["cells"]]:
            if cell["cell_type"] == "code":
                source = cell["source"] if "source" in cell else cell["input"]
                sources.append(source if isinstance(source, str) else "".join(source))
    except (KeyError, TypeError, AttributeError):
        raise Rejected("The notebook is damaged: its cells are not those of a notebook.") from None
    return [s.replace("\r\n", "\n").replace("\r", "\n") for s in sources]


def _plain(name: str, text: str, notes: list[str]) -> str:
    """A cell without magics; "" if nothing is left of it."""
    first = text.split(maxsplit=1)[:1]
    if first and first[0].startswith("%%") and first[0] not in _TRANSPARENT:
        notes.append(f"{name} was left out: it begins with {shown(first[0])}.")
        return ""
    text, magics = _without_magics(text)
    if magics:
        more = f" and {len(magics) - 1} more of the kind" if len(magics) > 1 else ""
        notes.append(f"{name}: left out {shown(magics[0])}{more}.")
    try:
        if len(text) <= PARSED:
            with warnings.catch_warnings(action="ignore"):
                ast.parse(text)
    except SyntaxError as error:
        at = f", line {error.lineno}" if error.lineno else ""
        words = f"it is not Python ({shown(error.msg)}{at})"
        notes.append(f"{name} was left out: {words}.")
        return ""
    except ValueError:  # NUL, half of a character
        notes.append(f"{name} was left out: it has characters that are none of Python's.")
        return ""
    except (RecursionError, MemoryError):
        notes.append(f"{name} was left out: it is nested too deeply for Python.")
        return ""
    return text


def _without_magics(text: str) -> tuple[str, list[str]]:
    """(text with `pass` for each statement that is a magic, these)."""
    kept: list[str] = []
    magics: list[str] = []
    at = depth = 0
    fresh = True
    while at < len(text):
        magic = _MAGIC.match(text, at) if fresh else None
        if magic:
            magics.append(magic[0].strip())
            kept.append(f"{magic['indent']}pass" + "\n" * magic[0].count("\n"))
            at, fresh = magic.end(), False
            continue
        found = lexeme(text, at)
        depth = max(0, depth + nesting(found[0]))
        fresh = found.lastgroup == "newline" and depth == 0
        kept.append(found[0])
        at = found.end()
    return "".join(kept), magics
