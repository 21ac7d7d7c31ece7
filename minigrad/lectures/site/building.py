"""The whole site: what is read, run and set, and the files that are written."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..sources import Lecture, load
from . import packages, reference
from .cells import TEMPLATES, body
from .formulas import Formulas
from .problems import SiteError
from .running import run_all
from .texts import Heading, Text


@dataclass
class Page:
    """A page to be written; kind: lecture, contents, reference or source; files: of its frames."""

    file: str
    title: str
    body: str
    headings: list[Heading] = field(default_factory=list)
    kind: str = "reference"
    lecture: Lecture | None = None
    files: dict[str, str] = field(default_factory=dict)


def build(folder: Path, out: Path, work: Path, say: Callable[[str], Any] = print) -> list[Page]:
    """Build the site of a folder of lectures.

    out: the site's folder, replaced when the new one is whole; work: a folder that keeps npm's
    packages and what lectures printed; say: is told how long lectures ran.
    Raises SiteError for what is wrong in a lecture, or what cannot be installed.
    """
    try:
        found = [load(path) for path in sorted(folder.glob("[0-9][0-9]_*.py"))]
    except ValueError as mistake:
        raise SiteError(str(mistake)) from None
    if not found:
        raise SiteError(f"{folder}: there is no lecture here, named as 01_neural_networks.py")
    if out.exists() and any(out.iterdir()) and not (out / "headings.js").exists():
        raise SiteError(f"{out}: not a site that was built here, and it would be replaced whole")
    modules = packages.install(work)
    formulas = Formulas()
    runs = run_all(found, work / "runs", say)
    told = [lecture_page(each, run, formulas) for each, run in zip(found, runs)]
    formulas.set(modules)
    for page in told:
        page.body = formulas.put(page.body)
        page.headings = [replace(h, html=formulas.put(h.html)) for h in page.headings]
    pages = [*told, *other_pages(found)]
    new = out.with_name(f".{out.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    write(pages, new)
    packages.copy_styles(modules, new)
    shutil.rmtree(out, ignore_errors=True)
    new.rename(out)
    return pages


def lecture_page(lecture: Lecture, run: Any, formulas: Formulas) -> Page:
    text = Text(formulas)
    told = body(lecture, run, text)
    title = f"{lecture.number}. {lecture.title}"
    file = f"{lecture.path.stem}.html"
    return Page(file, title, told, text.headings, "lecture", lecture, text.files)


def other_pages(found: list[Lecture]) -> list[Page]:
    """The contents, the reference, and the sources it links to."""
    parts = reference.parts()
    contents = filled("contents.html", lectures=found, parts=parts)
    pages = [Page("index.html", "Contents", contents, kind="contents")]
    for part in parts:
        told = filled("reference.html", part=part, parts=parts)
        pages.append(Page(part.file, f"Reference: {part.title}", told, part.headings))
    for file, told in reference.source_pages(parts).items():
        pages.append(Page(file, Path(file).stem, told, kind="source"))
    return pages


def write(pages: list[Page], out: Path) -> None:
    """Write pages, what lectures offer to be taken along, the search's index, style and script."""
    import nbformat

    turns = [page for page in pages if page.kind == "lecture"]
    turns += [page for page in pages if page.file == "reference.html"]
    for page in pages:
        n = turns.index(page) if page in turns else None
        before = turns[n - 1] if n else None
        after = turns[n + 1] if n is not None and n + 1 < len(turns) else None
        sections = [heading for heading in page.headings if heading.level in (2, 3)]
        told = filled(
            "page.html",
            page=page,
            body=page.body,
            sections=sections,
            before=before,
            after=after,
            root="../" * page.file.count("/"),
        )
        (out / page.file).parent.mkdir(exist_ok=True)
        (out / page.file).write_text(told, "utf-8")
        for file, whole in page.files.items():
            (out / file).write_text(whole, "utf-8")
        if page.lecture:
            name = page.lecture.path.stem
            (out / f"{name}.ipynb").write_text(nbformat.writes(page.lecture.student()), "utf-8")
            (out / f"{name}.py").write_text(page.lecture.script(), "utf-8")
    index = [
        [heading.words, page.title, f"{page.file}#{heading.anchor}"]
        for page in pages
        for heading in page.headings
    ]
    told = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    (out / "headings.js").write_text(f"const headings = {told}\n", "utf-8")
    for name in ("site.css", "site.js"):
        shutil.copy(TEMPLATES / name, out)


def filled(template: str, **what: Any) -> str:
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    pages = jinja2.Environment(loader=loader, autoescape=True)
    return pages.get_template(template).render(**what)
