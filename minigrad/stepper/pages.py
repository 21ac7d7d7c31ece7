"""Pages that stand alone: one HTML file with its styles, scripts and data inside."""

import html
import json
from pathlib import Path
from string import Template
from typing import Any

from ..learn import write_whole

FOLDER = Path(__file__).parent


class Page:
    """A page to look at: in a notebook as it is, as `.html`, or saved to a file.

    >>> page = Page("Two < three", "<p>Hello.</p>", {"end": "</script>"}, [], [])
    >>> page
    <Page: Two < three>
    >>> "<title>Two &lt; three</title>" in page.html, page.html.count("</script>")
    (True, 3)
    """

    def __init__(
        self,
        title: str,
        body: str,
        data: Any,
        styles: list[str],
        scripts: list[str],
        height: int = 46,
    ):
        """body: HTML; data: what the scripts find as DATA; styles, scripts: files of this folder,
        after those that all pages share; height: of the frame in a notebook, 46 rem by default.
        """
        self.title, self.height = title, height
        self.html = Template(_read("page.html")).substitute(
            title=html.escape(title),
            style="\n".join(map(_read, ["page.css", *styles])),
            body=body,
            data=_inside_script(data),
            script="\n".join(map(_read, ["page.js", *scripts])),
        )

    def __repr__(self) -> str:
        return f"<Page: {self.title}>"

    def _repr_html_(self) -> str:
        """A frame, so that neither the page nor the notebook changes how the other looks."""
        look = f"width: 100%; height: {self.height}rem; border: 1px solid #8886; border-radius: 6px"
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="{html.escape(self.title)}" '
            f'loading="lazy" style="{look}"></iframe>'
        )

    def save(self, path: str | Path) -> None:
        """Write the page to a file, whole."""
        write_whole(path, self.html)


def _read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def _inside_script(data):
    """JSON that ends no script and opens no comment."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
