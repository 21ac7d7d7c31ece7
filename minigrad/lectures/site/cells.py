"""The cells of a lecture as the body of its page, by nbconvert and a template of our own."""

import html
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

from ..linting import is_trivial
from ..sources import Lecture, solutions
from .problems import SiteError
from .texts import Text, code_box

TEMPLATES = Path(__file__).parent / "templates"
BOXED = {"task", "exercise", "check", "hint"}  # the cells of one exercise, one after the other
FRAME = re.compile(r'<iframe srcdoc="([^"]*)"')


def body(lecture: Lecture, run: Any, text: Text) -> str:
    """The page of a lecture: the code that students get, with the outputs of what was run.

    run: the solution notebook with its outputs; text: gets the headings. Formulas are marks.
    """
    from nbconvert import HTMLExporter

    notebook = lecture.student()
    if len(notebook.cells) != len(run.cells):
        raise SiteError(f"{lecture.path.stem}: the notebooks have different numbers of cells")
    for n, (cell, done) in enumerate(zip(notebook.cells, run.cells), 1):
        where = f"{lecture.path.stem}, cell {n}"
        if cell.cell_type == "markdown":
            cell.source = text.formulas.taken(cell.source, where)
        elif cell.cell_type == "code":
            check_outputs(lecture, notebook, done, where)
            cell.outputs = [framed(output, lecture, text) for output in done.outputs]
    mark_boxes(notebook.cells)
    exporter = HTMLExporter(
        template_name="lecture",
        extra_template_basedirs=[str(TEMPLATES)],
        filters={"markdown2html": text.html, "code_box": code_box},
    )
    return str(exporter.from_notebook_node(notebook)[0])


def tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", []))


def framed(output: Any, lecture: Lecture, text: Text) -> Any:
    """An output whose frame holds a whole page shows that page from a file of its own."""
    told = output.get("data", {}).get("text/html", "")
    found = FRAME.match(told)
    if not found:
        return output
    file = f"{lecture.path.stem}.{len(text.files) + 1}.html"
    text.files[file] = html.unescape(found[1])
    frame = told.replace(found[0], f'<iframe src="{file}"')
    link = f'<a href="{file}">On a page of its own</a>'
    shown = deepcopy(output)
    shown.data["text/html"] = f'<div class="frame">{frame}{link}</div>'
    return shown


def mark_boxes(cells: list[Any]) -> None:
    """Note in the cells where the box of an exercise opens and where it closes."""
    inside = False
    for cell, after in zip(cells, [*cells[1:], None]):
        boxed = bool(tags(cell) & BOXED)
        cell.metadata["opens"] = boxed and not inside
        inside = boxed and after is not None and bool(tags(after) & BOXED - {"task"})
        cell.metadata["closes"] = boxed and not inside


def check_outputs(lecture: Lecture, notebook: Any, cell: Any, where: str) -> None:
    """Raise SiteError for a picture without words, or an output that shows a solution."""
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data and "text/html" not in data:
            raise SiteError(f"{where}: a picture without words: end with Picture(page, words)")
        shown += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
    told = html.unescape(html.unescape("\n".join(shown)))  # twice: of a frame's page
    seen = squeezed(told) + squeezed(re.sub(r"<[^>]*>", "", told))
    given = squeezed("\n".join(cell.source for cell in notebook.cells))
    for exercise in lecture.exercises:
        for line in solutions(exercise.source):
            plain = squeezed(line)
            if plain in seen and plain not in given and not is_trivial(line):
                told = f"its output shows the solution of {exercise.name}: {line}"
                raise SiteError(f"{where}: {told}")


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)
