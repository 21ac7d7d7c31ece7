"""A lecture's source, lectures/NN_name.py, and what is built of it: notebooks and a script.

It imports `excerpts` alone: the build of the wheel reads lectures before minigrad can run.
"""

import ast
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .excerpts import Statement, is_import, missing, needed_by, statements

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
REGION = re.compile(rf"^([ \t]*){BEGIN}\n(.*?)^[ \t]*{END}[ \t]*$\n?", re.MULTILINE | re.DOTALL)
TEACHERS = "question"  # the tag of cells that neither students nor readers get
HINT = re.compile(r"<details><summary>(.*?)</summary>(.*?)</details>", re.DOTALL)


@dataclass(frozen=True)
class Exercise:
    """One function to write: the cells that belong to it, as they stand in the source.

    source: with its solution; check: the cell that follows; hints: (summary, text) of each;
    question: TOML for the grader; title: of its task.
    """

    name: str
    title: str
    source: str
    check: str = ""
    hints: tuple[tuple[str, str], ...] = ()
    question: str = ""


@dataclass(frozen=True)
class Lecture:
    """A lecture as its source tells it; cells: the source's, nbformat's nodes, with all tags."""

    path: Path
    number: int
    name: str
    title: str
    question: str
    exercises: tuple[Exercise, ...]
    cells: tuple[Any, ...] = field(repr=False)

    def student(self) -> Any:
        """The notebook that students get: `raise NotImplementedError` in place of solutions."""
        return self._notebook(unsolved)

    def solution(self) -> Any:
        """The notebook with the solutions, without their marks."""
        return self._notebook(solved)

    def script(self) -> str:
        """The student's notebook as Python, in percent format."""
        import jupytext

        notebook = self.student()
        notebook.metadata["jupytext"] = {
            "notebook_metadata_filter": "-all",
            "cell_metadata_filter": "tags,-all",
        }
        return jupytext.writes(notebook, fmt="py:percent")

    def _notebook(self, told: Callable[[str], str]) -> Any:
        import nbformat

        cells, taken = [], set()
        for cell in self.cells:
            tags = cell.metadata.get("tags", [])
            if TEACHERS in tags:
                continue
            source = told(cell.source) if cell.cell_type == "code" else cell.source
            name = cell.metadata.get("id") or digest(source)[:8]
            while name in taken:
                name += "-"
            taken.add(name)
            make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
            cells.append(make(source, id=name, metadata={"tags": tags} if tags else {}))
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        about = {"lecture": self.path.stem, "sha256": digest(*(cell.source for cell in cells))}
        metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "minigrad": about}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        nbformat.validate(notebook)
        return notebook


def load(path: str | Path) -> Lecture:
    """The lecture in a source, which `linting.faults_of` finds fault with: here it is only read.

    Raises ValueError unless the name is as NN_name.py and the first cell has title and question.
    """
    import jupytext

    path = Path(path)
    named = re.fullmatch(r"(\d\d)_(\w+)", path.stem)
    if not named:
        raise ValueError(f"{path}: a lecture's source is called as 01_neural_networks.py")
    cells = tuple(jupytext.reads(path.read_text("utf-8"), fmt="py:percent").cells)
    opening = cells[0].source if cells else ""
    title = re.search(rf"^# {int(named[1])}\. (.+)$", opening, re.MULTILINE)
    question = re.search(r"^\*\*(.+?)\*\*$", opening, re.MULTILINE | re.DOTALL)
    if not title or not question:
        raise ValueError(
            f"{path}: the first cell begins with `# {int(named[1])}. Title` and has a question, "
            "**in bold**, as a paragraph"
        )
    words = " ".join(question[1].split())
    return Lecture(path, int(named[1]), named[2], title[1], words, tuple(_exercises(cells)), cells)


def load_all(folder: str | Path) -> list[Lecture]:
    """The lectures in a folder, in order."""
    return [load(path) for path in sorted(Path(folder).glob("[0-9][0-9]_*.py"))]


def imports_of(lecture: Lecture) -> list[Statement]:
    """The imports of a lecture, one name each."""
    cells = [cell.source for cell in lecture.cells if cell.cell_type == "code"]
    return [s for s in statements(cells) if is_import(s.node)]


def surroundings(lecture: Lecture, exercise: Exercise) -> list[Statement]:
    """All statements up to the end of an exercise's check, without the exercises themselves."""
    cells = []
    for cell in lecture.cells:
        if cell.cell_type == "code" and "exercise" not in cell.metadata.get("tags", []):
            cells.append(cell.source)
            if cell.source == exercise.check:
                break
    return statements(cells)


def check_of(lecture: Lecture, exercise: Exercise) -> str:
    """The check of an exercise with all that it needs, to be run behind any function of the name.

    Its last statement is the call of check_exercise. Raises ValueError if it needs an exercise.
    """
    among = surroundings(lecture, exercise)
    call = among.pop()
    names = call.reads - {exercise.name}
    lacking = sorted({*missing(names, among)} - {exercise.name})
    if lacking:
        raise ValueError(
            f"the check of {exercise.name} reads {', '.join(lacking)}, which no cell before it "
            "binds that is no exercise"
        )
    return "\n\n".join(s.text for s in [*needed_by(names, among), call])


def unsolved(source: str) -> str:
    """A cell with each solution replaced by a `raise` that names the task."""
    words = json.dumps(_first_line(source), ensure_ascii=False) if BEGIN in source else ""
    ending = lambda found: "\n" if found[0].endswith("\n") else ""
    raises = lambda found: f"{found[1]}raise NotImplementedError({words}){ending(found)}"
    return REGION.sub(raises, source)


def solved(source: str) -> str:
    """A cell without the marks of its solutions."""
    return REGION.sub(lambda found: found[2], source).rstrip("\n")


def solutions(source: str) -> list[str]:
    """The lines of a cell's solutions, stripped."""
    return [line.strip() for found in REGION.finditer(source) for line in found[2].splitlines()]


def digest(*texts: str) -> str:
    """The sha256 of texts, whatever spaces stand at the ends of their lines."""
    lines = ("\n".join(line.rstrip() for line in text.strip().splitlines()) for text in texts)
    return hashlib.sha256("\0".join(lines).encode()).hexdigest()


def _first_line(source: str) -> str:
    """The first line of the docstring of a cell's first function."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef):
            return (ast.get_docstring(statement) or statement.name).splitlines()[0]
    return "this is not written yet"


def _exercises(cells: tuple[Any, ...]) -> Iterator[Exercise]:
    """Every cell tagged exercise, with the cells tagged check, hint and question up to the next."""
    found: dict[str, Any] = {}
    title = ""
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if "task" in tags:
            heading = re.search(r"^#+ *(?:Exercise: *)?(.+)$", cell.source, re.MULTILINE)
            title = heading[1] if heading else ""
        if "exercise" in tags:
            if found:
                yield Exercise(**found)
            found = {"name": cell.metadata.get("id", ""), "title": title, "source": cell.source}
        for tag in {"check", "question"} & set(tags) if found else ():
            found.setdefault(tag, cell.source)
        if "hint" in tags and found:
            hints = ((told[1].strip(), told[2].strip()) for told in HINT.finditer(cell.source))
            found["hints"] = (*found.get("hints", ()), *hints)
    if found:
        yield Exercise(**found)
