"""Reports: one HTML file with tables and pictures inside, which opens offline."""

import base64
from pathlib import Path

from ..learn import write_whole
from .figures import png

TEMPLATE = Path(__file__).with_name("report.html")


def write_report(path, title, lead, sections):
    """Write a report whole.

    lead: a paragraph under the title; sections: a list of dicts with `title` and, as there are,
    `text`, `table` (rows of cells, the first a head), `figure` (a matplotlib Figure) and `alt`
    (what it shows, in words, required beside a figure).
    """
    from jinja2 import Environment, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE.read_text())
    for section in sections:
        if section.get("figure") and not section.get("alt"):
            raise ValueError(f"write_report: the figure of {section['title']!r} needs words in alt")
    shown = [
        {"text": "", "table": [], "alt": "", **section, "image": _data(section.get("figure"))}
        for section in sections
    ]
    write_whole(path, page.render(title=title, lead=lead, sections=shown))


def _data(figure):
    return figure and "data:image/png;base64," + base64.b64encode(png(figure)).decode()
