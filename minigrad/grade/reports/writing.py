"""The reports of a class as files."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from ...gradcheck import Unfit
from ...learn import write_whole
from .gradebooks import Say, canvas, moodle
from .graded import load
from .pages import class_page, student_markdown, student_page
from .programs import gradescope, junit
from .tables import csv_table, table

CLASS: dict[str, tuple[str, Callable]] = {
    "table": ("class.txt", table),
    "csv": ("class.csv", csv_table),
    "junit": ("junit.xml", junit),
    "class": ("class.html", class_page),
}
STUDENT: dict[str, tuple[str, Callable]] = {
    "markdown": ("students/{}.md", student_markdown),
    "html": ("students/{}.html", student_page),
    "gradescope": ("gradescope/{}.json", gradescope),
}
KINDS = (*CLASS, *STUDENT, "canvas", "moodle")


def write(
    out: Path,
    kinds: Iterable[str],
    *,
    exported: Path | None = None,
    worksheet: Path | None = None,
    column: str = "",
    scale: bool = False,
    released: bool = False,
    say: Say = lambda sentence: None,
) -> list[Path]:
    """Write reports of the results in a folder into its folder reports, each whole; their paths.

    kinds: of KINDS. canvas needs `exported`, Canvas's gradebook, and moodle `worksheet`; column,
    scale and say are theirs. released: whether students see the hidden checks in gradescope,
    markdown and html, which are a file per student; the others are for the teacher.
    The same results give the same bytes. Raises Unfit as `load`, `canvas` and `moodle` do.
    """
    class_ = load(out)
    books: dict[str, tuple[Path | None, Callable]] = {
        "canvas": (exported, partial(canvas, column=column)),
        "moodle": (worksheet, moodle),
    }
    texts = {}
    for kind in kinds:
        if kind in CLASS:
            name, made = CLASS[kind]
            texts[name] = made(class_)
        elif kind in STUDENT:
            name, made = STUDENT[kind]
            for student in class_.students:
                texts[name.format(student["student"])] = made(student, released)
        elif kind in books:
            book, filled = books[kind]
            if book is None:
                raise Unfit(f"{kind} fills in the file that {kind} exports: say which it is")
            texts[f"{kind}.csv"] = filled(class_, book, scale=scale, say=say)
        else:
            raise Unfit(f"no report is called {kind!r}; there are {', '.join(KINDS)}")
    for name, text in texts.items():
        write_whole(out / "reports" / name, text)
    return [out / "reports" / name for name in texts]
