"""minigrad lectures: a student's own copies, and a teacher's notebooks and assignments.

minigrad lectures list                 the lectures, and the copies in the folder
minigrad lectures open N               a notebook to work in; no changed file is overwritten
minigrad lectures check N [FILE]       every exercise: right, wrong, not written
minigrad lectures reset N              begin anew; the old notebook is kept
minigrad lectures carry OLD NEW        the written functions of one notebook into a newer one
minigrad lectures build OUT            of a checkout: what students get, solutions, assignments
"""

import textwrap
from pathlib import Path
from typing import Any

from ..gradcheck import Unfit
from ..learn import write_whole
from .copies import carried, cells_of, opened, reset
from .handouts import DATA, SOURCES, Handout, all_handouts
from .trials import SECONDS, Outcome, tried

FOLDER = "my-lectures"


def add_lectures(minigrad: Any) -> None:
    """Add the group `lectures` to the command line."""
    import click

    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    number = click.argument("number", metavar="N", type=click.IntRange(0))
    below = click.option(
        "--folder",
        default=FOLDER,
        show_default=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="Where your copies are.",
    )

    @minigrad.group("lectures")
    def lectures():
        """Work through the lectures, in notebooks of your own."""

    @lectures.command("list")
    @below
    def _list(folder):
        """List the lectures, their questions, and your copies."""
        for handout in _all():
            copy = folder / f"{handout.stem}.ipynb"
            click.echo(f"{handout.number:2}  {handout.title}: {handout.question}")
            there = f", your copy {copy}" if copy.exists() else ""
            click.echo(f"    {_counted(len(handout.checks), 'exercise')}{there}")

    @lectures.command("open")
    @number
    @below
    def _open(number, folder):
        """Write lecture N's notebook, to be opened in Jupyter; a changed one stays as it is."""
        click.echo(opened(_one(number), folder))

    @lectures.command("check")
    @number
    @click.argument("path", metavar="[FILE]", required=False, type=file)
    @below
    @click.option(
        "--seconds",
        default=SECONDS,
        show_default=True,
        type=click.IntRange(1),
        help="That each exercise may take.",
    )
    def _check(number, path, folder, seconds):
        """Check every exercise of lecture N, in your notebook or in FILE, a notebook or script.

        Exit code 0: all right, 1: something is wrong or not written.
        """
        handout = _one(number)
        path = path or _copy(handout, folder)
        cells, right, width = cells_of(path), 0, max(map(len, handout.checks))
        click.echo(f"{path}")
        for outcome in tried(cells, handout.checks, seconds):
            right += outcome.state == "right"
            click.echo(_told(outcome, width))
        click.echo(f"{right} of {len(handout.checks)} right")
        return int(right < len(handout.checks))

    @lectures.command("reset")
    @number
    @below
    def _reset(number, folder):
        """Begin lecture N anew; your notebook is kept beside it under another name."""
        click.echo(reset(_one(number), folder))

    @lectures.command("carry")
    @click.argument("old", type=file)
    @click.argument("new", type=file)
    def _carry(old, new):
        """Put the functions written in OLD, by name, into NEW, where they are not written yet."""
        click.echo(carried(old, new))

    @lectures.command("build")
    @click.argument("out", type=click.Path(file_okay=False, path_type=Path))
    def _build(out):
        """Build from a checkout, for teachers: student/, solutions/ and assignments/ in OUT."""
        click.echo(built_for_teachers(out))


def built_for_teachers(out: Path) -> str:
    """Write what is built of the lectures of a checkout into a folder; Unfit without a checkout."""
    if DATA.is_dir() or not SOURCES.is_dir():
        raise Unfit(
            "solutions and assignments are built in a checkout: an installed minigrad has none"
        )
    import nbformat

    from .assignment import build_assignment
    from .sources import load_all

    for handout in _all():
        for ending, text in ((".ipynb", handout.notebook), (".py", handout.script)):
            write_whole(out / "student" / f"{handout.stem}{ending}", text.encode())
    found = load_all(SOURCES)
    for lecture in found:
        text = nbformat.writes(lecture.solution()) + "\n"
        write_whole(out / "solutions" / f"{lecture.path.stem}.ipynb", text.encode())
        build_assignment(lecture, out / "assignments" / lecture.path.stem)
    return f"{out} has student/, solutions/ and assignments/ of {_counted(len(found), 'lecture')}"


def _all() -> list[Handout]:
    try:
        return all_handouts()
    except ImportError as error:
        raise Unfit(str(error)) from None


def _one(number: int) -> Handout:
    found = {handout.number: handout for handout in _all()}
    if number not in found:
        raise Unfit(f"there is no lecture {number}: there are {', '.join(map(str, found))}")
    return found[number]


def _copy(handout: Handout, folder: Path) -> Path:
    """The student's notebook or, without one, script."""
    for ending in (".ipynb", ".py"):
        if (folder / f"{handout.stem}{ending}").exists():
            return folder / f"{handout.stem}{ending}"
    raise Unfit(
        f"{folder} has no {handout.stem}.ipynb: `minigrad lectures open {handout.number}` writes it"
    )


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _told(outcome: Outcome, width: int) -> str:
    """An outcome as lines: its name, its state, and what there is to say below."""
    text = textwrap.indent(outcome.text, "    ")
    return "\n".join(filter(None, (f"  {outcome.name.ljust(width)}  {outcome.state}", text)))
