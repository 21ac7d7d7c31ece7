r"""Formulas: taken out before Markdown reads the text, set by KaTeX, put where they stood.

Between `$` and `$`, without a space inside of either, and between `$$` and `$$`; code keeps its
dollars, and `\$` is one.
"""

import json
import re
from pathlib import Path

from . import packages
from .problems import SiteError

MARK = re.compile("\ue000(\\d+)\ue001")  # characters that Markdown leaves alone and nobody writes
JOINED = re.compile(rf"(\(?){MARK.pattern}([,.;:!?)]*)")
SHORT = 25  # characters: that much fits on the line of a telephone
TEXT = re.compile(
    r"""
    (?P<code> ^[ >]*(?P<fence>```+|~~~+)[^\n]*\n.*?^[ >]*(?P=fence)[^\n]*$
            | (?<!`)(?P<tick>`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)(?P=tick)(?!`) )
    | \\[^\w\s]
    | \$\$(?P<display>.+?)\$\$
    | \$(?!\s)(?P<inline>(?:\\.|[^$\\\n]|\n(?!\s*\n))+?)(?<!\s)\$(?!\d)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


class Formulas:
    """The formulas of a site, each once, with the place where it stands first."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, bool], int] = {}  # of a formula, and whether it is displayed
        self.places: list[str] = []
        self.html: list[str] = []

    def taken(self, text: str, place: str) -> str:
        """The text with marks in place of its formulas; place: where that is, for an error."""

        def mark(found: re.Match) -> str:
            formula = found["display"] or found["inline"]
            if not formula:
                return found[0]
            begin = text.rfind("\n", 0, found.start()) + 1
            if text[begin : found.start()].lstrip().startswith(">"):  # a formula in a quotation
                formula = re.sub(r"\n[ ]*> ?", "\n", formula)
            key = formula.strip(), bool(found["display"])
            if key not in self.numbers:
                self.numbers[key] = len(self.places)
                self.places.append(place)
            return f"\ue000{self.numbers[key]}\ue001"

        return TEXT.sub(mark, text)

    def set(self, modules: Path) -> None:
        """Let KaTeX set all formulas; SiteError names the first it does not understand."""
        if not self.places:
            return
        script = Path(__file__).with_name("formulas.js")
        given = json.dumps(list(self.numbers))
        answer = packages.run("node", str(script), str((modules / "katex").resolve()), input=given)
        for ((formula, _), place), said in zip(zip(self.numbers, self.places), json.loads(answer)):
            if "error" in said:
                raise SiteError(f"{place}: KaTeX cannot set ${formula}$: {said['error']}")
            self.html.append(said["html"])

    def put(self, html: str) -> str:
        """The page with its formulas in place of the marks; no short one parts from its comma."""
        formulas = list(self.numbers)

        def whole(found: re.Match) -> str:
            before, number, after = found[1], int(found[2]), found[3]
            formula, display = formulas[number]
            told = f"{before}{self.html[number]}{after}"
            joined = (before or after) and not display and len(formula) <= SHORT
            return f'<span class="joined">{told}</span>' if joined else told

        return JOINED.sub(whole, html)

    def words(self, text: str) -> str:
        """A text without formatting: formulas as they are written, without backslashes."""
        formulas = list(self.numbers)
        return MARK.sub(lambda found: formulas[int(found[1])][0].replace("\\", ""), text)
