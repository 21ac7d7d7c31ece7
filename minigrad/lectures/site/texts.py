"""Text and code as HTML: Markdown with formulas, headings with anchors, highlighted code."""

import html
import re
from dataclasses import dataclass, field
from typing import Any

from .formulas import Formulas


@dataclass(frozen=True)
class Heading:
    """level: 1 to 6; words: its text alone; html: as it is set."""

    level: int
    anchor: str
    words: str
    html: str


@dataclass
class Text:
    """What stands on a page; it collects the headings, whose anchors differ.

    files: what stands in frames of the page, by the files they get.
    """

    formulas: Formulas
    headings: list[Heading] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def html(self, markdown: str) -> str:
        """A text whose formulas are marks already."""
        import mistune

        page = self

        class Renderer(mistune.HTMLRenderer):
            def heading(self, text, level, **attributes):
                found = page.heading(level, text)
                link = f'<a class="anchor" href="#{found.anchor}" aria-label="Link to here">#</a>'
                return f'<h{level} id="{found.anchor}">{text}{link}</h{level}>\n'

            def block_code(self, code, info=None):
                return code_box(code, info or "text")

        convert = mistune.create_markdown(
            renderer=Renderer(escape=False), plugins=["table", "strikethrough"]
        )
        told = str(convert(markdown))
        return told.replace("<table>", '<div class="wide"><table>').replace(
            "</table>", "</table></div>"
        )

    def heading(self, level: int, text: str) -> Heading:
        """Note a heading, given as HTML."""
        words = self.formulas.words(html.unescape(re.sub(r"<[^>]+>", "", text)))
        anchor = base = re.sub(r"\W+", "-", words.lower()).strip("-") or "section"
        taken, n = {heading.anchor for heading in self.headings}, 1
        while anchor in taken:
            n += 1
            anchor = f"{base}-{n}"
        self.headings.append(Heading(level, anchor, words, text))
        return self.headings[-1]


def code_box(source: str, language: str = "python") -> str:
    """Code in a box that scrolls by itself."""
    return f'<div class="code"><pre><code>{highlighted(source, language)}</code></pre></div>\n'


def highlighted(source: str, language: str = "python", **options: Any) -> str:
    """Code with Pygments' short classes; options: of its HtmlFormatter."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language.split()[0], stripnl=False)
    except ClassNotFound:
        return html.escape(source.rstrip())
    return str(highlight(source, lexer, HtmlFormatter(nowrap=True, **options))).rstrip()
