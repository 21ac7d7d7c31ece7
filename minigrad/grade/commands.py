"""minigrad grade: begin an assignment, prove it, grade a class, and tell the students.

minigrad grade new NAME [FOLDER]                       an assignment to change
minigrad grade verify ASSIGNMENT                       does it grade what it should?
minigrad grade doctor                                  how strong is the sandbox here?
minigrad grade run ASSIGNMENT SUBMISSIONS -o OUT       grade a class
minigrad grade report OUT                              tables, pages, files for other systems
minigrad grade explain ASSIGNMENT SUBMISSIONS OUT NAME what a student's function got, and gave
minigrad grade similar ASSIGNMENT SUBMISSIONS          pairs to look at
minigrad grade shard, merge                            the same on many machines
minigrad grade gradescope-zip ASSIGNMENT               an autograder to upload
"""

import contextlib
import shutil
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ..gradcheck import Unfit
from ..learn import write_whole
from .assignments import SHIPPED, file_names, load, shipped
from .autograder import grade_one, packed
from .classroom import Class, walls
from .doctor import examine
from .escapes import plain
from .explanation import explained
from .intake import submissions
from .proofs import attacks, matrix, verify
from .reports import KINDS, table, write
from .reports import load as read_results
from .results import needs_look
from .sandbox import Sandbox
from .shards import grade_shard, merge
from .similarity import as_text, similar

GRADED, LOOK, USAGE, WEAK = range(4)  # exit codes
JOBS = 2


def add_grade(minigrad: Any) -> None:
    """Add the group `grade` to the command line."""
    import click

    file = click.Path(exists=True, path_type=Path)
    level = click.Choice(["basic", "strong"])
    require = click.option("--require", type=level, help="Refuse a weaker sandbox.")
    trust = click.option(
        "--trust-submissions",
        "trust",
        is_flag=True,
        help="Grade even where there is no sandbox: a submission can then do all that you can.",
    )

    @minigrad.group("grade")
    def grade():
        """Grade gradient-check assignments."""

    @grade.command("new")
    @click.argument("name", type=click.Choice(shipped()), metavar="NAME")
    @click.argument("folder", required=False, type=click.Path(path_type=Path))
    def new(name, folder):
        """Copy a shipped assignment, to hand out or to change.

        NAME: affine, batchnorm, conv, decay-add, gradient-check, instance-softmax, maxpool, relu,
        siamese or softmax. FOLDER: where to, by default the name.
        """
        folder = folder or Path(name)
        if folder.exists():
            raise Unfit(f"{folder} exists already: name another folder")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(SHIPPED / name, folder, ignore=ignored)
        questions = ", ".join(q.name for q in load(folder).questions)
        click.echo(
            f"{folder} has the assignment {name} (questions: {questions}).\n"
            f"Students get {folder / 'starter.py'}; keep the rest. What they hand in goes into a "
            "folder, one file or folder a student:\n"
            f"  minigrad grade verify {folder}\n"
            f"  minigrad grade run {folder} submissions/ -o graded/"
        )

    @grade.command("verify")
    @click.argument("assignment")
    def _verify(assignment):
        """Prove an assignment: right answers pass, the starter earns nothing, each known mistake
        gets its own diagnosis, and no attack earns a point.
        """
        layers, _ = walls(trust=True)
        with Sandbox(layers) as sandbox:
            rows = [*verify(load(assignment), sandbox), *attacks(sandbox)]
        click.echo(matrix(rows))
        return GRADED if all(row.holds for row in rows) else LOOK

    @grade.command("doctor")
    def _doctor():
        """Try what a hostile submission would, and say how strong the sandbox here is."""
        report = examine()
        click.echo(str(report))
        return GRADED if report.level == "strong" else WEAK

    @grade.command("run")
    @click.argument("assignment")
    @click.argument("handed_in", metavar="SUBMISSIONS", type=file)
    @click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Results.")
    @click.option("--jobs", default=JOBS, show_default=True, type=click.IntRange(1))
    @click.option("--resume", is_flag=True, help="Go on; what is graded already stays.")
    @click.option("--force", is_flag=True, help="Grade all again.")
    @click.option("--only", multiple=True, help="This student only; may be given more than once.")
    @click.option("--question", multiple=True, help="This question only.")
    @click.option("--seed", type=click.IntRange(0), help="Of the inputs; by default a secret one.")
    @require
    @trust
    def _run(assignment, handed_in, out, jobs, resume, force, only, question, seed, require, trust):
        """Grade every submission.

        ASSIGNMENT: a folder, or the name of a shipped one. SUBMISSIONS: files or folders, one a
        student, or a bulk download of Canvas, Moodle or Gradescope. Exit code 0: all graded, 1:
        somebody should look at some, 2: a mistake in the command, 3: the sandbox is too weak.
        """
        layers, level = walls(require, trust)
        if level == "none":
            click.echo("unsandboxed: every submission can do all that you can", err=True)
        if out.resolve() == handed_in.resolve() or handed_in.resolve() in out.resolve().parents:
            raise Unfit(f"{out} lies in {handed_in}, and would be graded the next time")
        if resume and force:
            raise click.UsageError("--resume and --force: choose one")
        task = load(assignment)
        found = submissions(handed_in, file_names(task))
        missing = set(only) - {s.student for s in found}
        if missing:
            raise Unfit(f"{handed_in} has nothing of {min(missing)!r}")
        found = [s for s in found if not only or s.student in only]
        course = Class(task, out, layers, level, seed, question)
        course.begin(resume or bool(only), force)
        results = _shown(course.grade(found, jobs, resume), len(found))
        return _summary(results, out, level)

    @grade.command("explain")
    @click.argument("assignment")
    @click.argument("handed_in", metavar="SUBMISSIONS", type=file)
    @click.argument("out", type=file)
    @click.argument("student")
    @click.option("--question", help="By default the first that is wrong.")
    @trust
    def _explain(assignment, handed_in, out, student, question, trust):
        """Replay what failed: what a student's function got, what it gave, and what is right."""
        layers, _ = walls(trust=trust)
        task = load(assignment)
        found = {s.student: s for s in submissions(handed_in, file_names(task))}
        if student not in found:
            raise Unfit(f"{handed_in} has nothing of {student!r}")
        with Sandbox(layers) as sandbox:
            text = explained(task, sandbox, found[student], out, question)
        click.echo("\n".join(map(plain, text.split("\n"))))

    _add_reports(grade)
    _add_shards(grade, require, trust)


def _add_reports(grade: Any) -> None:
    """Add the commands that tell teachers, students and other systems."""
    import click

    from ..cli import number

    file = click.Path(exists=True, path_type=Path)

    @grade.command("report")
    @click.argument("out", type=file)
    @click.option(
        "--kind",
        "kinds",
        multiple=True,
        type=click.Choice(KINDS),
        help="May be given more than once; by default a table here, and class and html as pages.",
    )
    @click.option("--exported", type=file, help="Canvas's gradebook, to be filled in.")
    @click.option("--worksheet", type=file, help="Moodle's grading worksheet, to be filled in.")
    @click.option("--column", default="", help="Of the gradebook, if it has more than one.")
    @click.option("--scale", is_flag=True, help="Convert to another maximum of points.")
    @click.option("--released", is_flag=True, help="Show students the hidden checks too.")
    def _report(out, kinds, exported, worksheet, column, scale, released):
        """Tell of the results in OUT: tables, pages for students and teacher, other systems' files.

        Hidden checks, and the seed, are shown to students only when grades are --released.
        """
        options = {"exported": exported, "worksheet": worksheet, "column": column}
        warn = lambda sentence: click.echo(plain(sentence), err=True)
        written = write(
            out, kinds or ("class", "html"), scale=scale, released=released, say=warn, **options
        )
        if not kinds:
            click.echo(table(read_results(out)))
        folders = sorted({str(path.parent) for path in written})
        click.echo(f"{len(written)} files in {', '.join(folders)}")

    @grade.command("similar")
    @click.argument("assignment")
    @click.argument("handed_in", metavar="SUBMISSIONS", type=file)
    @click.option(
        "--least", default=0.6, show_default=True, type=click.FloatRange(0, 1), callback=number
    )
    def _similar(assignment, handed_in, least):
        """List pairs of submissions to look at; what the starter has in common is left out."""
        task = load(assignment)
        found = submissions(handed_in, file_names(task))
        pairs = similar(found, task.sources["starter.py"], least)
        click.echo(as_text(pairs, len(found)))

    @grade.command("gradescope-zip")
    @click.argument("assignment")
    @click.option("-o", "--out", default="autograder.zip", show_default=True, type=Path)
    def _zip(assignment, out):
        """Make the zip that Gradescope takes as an autograder."""
        task = load(assignment)
        if "reference.py" not in task.sources:
            raise Unfit(f"{task.folder} has no reference.py: only a teacher's folder can grade")
        write_whole(out, packed(task))
        click.echo(f"{out} is ready to be uploaded as the autograder of {task.title!r}")

    @grade.command("gradescope", hidden=True)
    @click.argument("assignment")
    @click.argument("handed_in", type=file)
    @click.option("-o", "--out", required=True, type=Path)
    def _gradescope(assignment, handed_in, out):
        """What the zip runs there: grade one submission into its results.json."""
        grade_one(Path(assignment), handed_in, out)


def _add_shards(grade: Any, require: Any, trust: Any) -> None:
    """Add the commands for a class on many machines."""
    import click

    folder = click.Path(exists=True, file_okay=False, path_type=Path)

    @grade.command("shard")
    @click.argument("assignment")
    @click.argument(
        "handed_in", metavar="SUBMISSIONS", type=click.Path(exists=True, path_type=Path)
    )
    @click.option("--index", required=True, type=click.IntRange(0), help="Of this part, from 0.")
    @click.option("--of", required=True, type=click.IntRange(1), help="How many parts there are.")
    @click.option(
        "-o", "--out", required=True, type=click.Path(path_type=Path), help="Of the parts."
    )
    @click.option("--seed", required=True, type=click.IntRange(0), help="The same for all parts.")
    @click.option("--jobs", default=JOBS, show_default=True, type=click.IntRange(1))
    @require
    @trust
    def _shard(assignment, handed_in, index, of, out, seed, jobs, require, trust):
        """Grade one part of a class, for a job array: every student is in one part."""
        if index >= of:
            raise click.UsageError(f"--index {index} is not below --of {of}: the first part is 0")
        layers, level = walls(require, trust)
        task = load(assignment)
        found = submissions(handed_in, file_names(task))
        path = grade_shard(Class(task, out, layers, level, seed), found, index, of, jobs)
        click.echo(f"{path}")

    @grade.command("merge")
    @click.argument("parts", type=folder)
    @click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Results.")
    def _merge(parts, out):
        """Put the parts of a class together, as one run would have left it."""
        facts = merge(parts, out)
        click.echo(f"{out} has the grades of {facts['assignment']}")


def _shown(results: Generator[dict], total: int) -> list[dict]:
    """The results, with a line of progress and the time left where somebody watches."""
    from tqdm import tqdm

    from ..cli import stopping

    watched = sys.stderr.isatty()
    sentence = "stopped; what is graded is kept: the same command with --resume goes on"
    with stopping(sentence), contextlib.closing(results):
        return list(tqdm(results, total=total, unit="submission", disable=not watched, leave=False))


def _summary(results, out, level):
    import click

    kept = sorted(r["student"] for r in results if r.get("kept"))
    look = sorted(r["student"] for r in results if needs_look(r) or r.get("kept"))
    right = sum(r["score"] == r["max_score"] for r in results)
    click.echo(
        f"{len(results)} graded, {right} with full marks; sandbox: {level}; results in "
        f"{out / 'students'}"
    )
    if kept:
        click.echo(f"the grader failed on {', '.join(kept)}: the older scores stay")
    if look:
        few = ", ".join(look[:10]) + (f" and {len(look) - 10} more" if len(look) > 10 else "")
        click.echo(f"somebody should look at {few}")
    return LOOK if look else GRADED
