"""The command line: a user's mistake ends with one line and exit code 2, never with a traceback.

minigrad check FILE[:FUNCTION] [--shapes "(5, 4), ((4, 6), (6,))"] [--seed N] [--json]
minigrad check FILE --question NAME [--assignment FOLDER]
minigrad step FILE:FUNCTION [-o page.html] [--shapes "(5, 4), ..."] [--seed N]
minigrad grade new | verify | doctor | run | report | explain | similar | shard | merge
minigrad lectures list | open N | check N | reset N | carry OLD NEW | build OUT
minigrad runs [--folder runs] [--json]
minigrad runs show NAME [--log]
minigrad runs compare A B [--out runs/compare.html] [--log]
"""

import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import faults
from .backend import NoGPU, to_cpu, to_gpu
from .data import DataError
from .gradcheck import Unfit, check
from .gradcheck.assignment import arguments, functions, guessed
from .grade.classroom import TooWeak
from .grade.commands import add_grade
from .grade.intake import submissions
from .grade.practice import check_question, question_of
from .kernels.parallel import threads
from .learn.checkpoint import CheckpointError
from .learn.folder import FolderInUse, NotSaved
from .learn.parallel import TURN, NoRanks, RankGone, environment
from .learn.training import NotFinite
from .lectures.commands import add_lectures
from .stepper.files import page_of
from .stepper.runs import Comparison, NoRun, as_json, described, find_run, find_runs, listed
from .stepper.terminal import DRAWN


def run(command: Any) -> None:
    """Run a click command; print one line for a mistake (exit 2), a failure (1) or Ctrl-C (130)."""
    import click

    try:
        code = command(standalone_mode=False)
    except click.Abort as stop:  # click's name for Ctrl-C
        _stop(str(stop.__cause__ or "") or "stopped", getattr(stop.__cause__, "code", 130))
    except click.ClickException as mistake:
        _stop(mistake.format_message(), 2)
    except (CheckpointError, DataError, FolderInUse, NoGPU, NoRanks, NoRun, Unfit) as mistake:
        _stop(str(mistake), 2)
    except OSError as mistake:
        words = mistake.strerror or str(mistake)
        _stop(f"{mistake.filename}: {words}" if mistake.filename else words, 2)
    except TooWeak as weak:
        _stop(str(weak), 3)
    except (NotFinite, NotSaved, MemoryError) as failure:
        _stop(str(failure), 1)
    except RankGone as end:
        _stop(str(end), 1, say_at_once=True)
    sys.exit(code if isinstance(code, int) else 0)  # the code that the command chose, if any


def device(command: Any) -> Any:
    """Give a click command the option --device, cpu or gpu, and with it `move`: to_cpu or to_gpu.

    Without a GPU, gpu ends it before it begins.
    """
    import click

    def move(context, option, where):
        chosen = {"cpu": to_cpu, "gpu": to_gpu}[where]
        chosen(np.zeros(1))
        return chosen

    kinds = click.Choice(["cpu", "gpu"])
    options: Any = {"default": "cpu", "show_default": True, "help": "Where it computes."}
    return click.option("--device", "move", type=kinds, callback=move, **options)(command)


def number(context: Any, option: Any, value: float) -> float:
    """A callback of options in a range: BadParameter for nan, which click finds in every range."""
    import click

    if np.isnan(value):
        raise click.BadParameter(f"{value} is no number.")
    return value


def workers(command: Any) -> Any:
    """Give a click command the option --threads, which `threads` is called with."""
    import click

    return click.option(
        "--threads",
        type=click.IntRange(1),
        expose_value=False,
        callback=lambda context, option, n: threads(n) if n else None,
        help="Of the kernels, with BLAS held to one; by default one, and BLAS as it is.",
    )(command)


def run_options(folder: str) -> Any:
    """Give a click command what runs share: --seed, --folder, --resume, --when-full, --threads.

    folder: where results go by default. With them comes `device`.
    """
    import click

    place = click.Path(file_okay=False, path_type=Path)
    options: Any = [
        click.option(
            "--seed",
            default=0,
            show_default=True,
            type=click.IntRange(0),
            help="Where all random numbers of the run begin.",
        ),
        click.option(
            "--folder", default=folder, show_default=True, type=place, help="Where results go."
        ),
        click.option("--resume", is_flag=True, help="Go on from the folder's checkpoint."),
        click.option(
            "--when-full",
            default="stop",
            show_default=True,
            type=click.Choice(["stop", "go on"]),
            help="What to do when the disk is full.",
        ),
        workers,
        device,
    ]

    def with_options(command):
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


@contextlib.contextmanager
def stopping(
    sentence: str = "stopped; what is finished is kept: the same command goes on",
) -> Iterator[None]:
    """What `run` says of Ctrl-C in here: how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(sentence) from stop


def _stop(sentence: str, code: int, say_at_once: bool = False) -> None:
    import click

    if environment("RANK") and not say_at_once:
        time.sleep(TURN)  # what all ranks would say rank 0 says, and mpiexec ends the others
    click.echo(sentence, err=True)
    sys.exit(code)


def main() -> None:
    """The command `minigrad`."""
    import click

    shapes = click.option(
        "--shapes", help="Of the arguments, as '(5, 4), ((4, 6), (6,)), labels(5, 6)'."
    )
    kind: Any = {"default": 0, "show_default": True, "type": click.IntRange(0)}
    seed = click.option("--seed", **kind, help="Of all that is drawn.")

    @click.group(help="Deep learning in code to read, step through, break and write.")
    def minigrad():
        pass

    @minigrad.command("check", help=check_file.__doc__)
    @click.argument("target", metavar="FILE[:FUNCTION]")
    @shapes
    @seed
    @click.option("--json", "as_json", is_flag=True, help="For programs: a list of reports.")
    @click.option("--question", help="Of an assignment: its public checks.")
    @click.option("--assignment", default="", help="Its folder, if it is none that ships.")
    def _check(target, shapes, seed, as_json, question, assignment):
        if not question:
            return check_file(target, shapes, seed, as_json)
        if shapes or as_json:
            raise click.UsageError("--question has shapes of its own, and gives a text")
        return check_answer(Path(target), question, assignment, seed)

    @minigrad.command("step", help=step_file.__doc__)
    @click.argument("target", metavar="FILE:FUNCTION")
    @click.option(
        "-o",
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The page that is written.  [default: FUNCTION.html]",
    )
    @shapes
    @seed
    def _step(target, out, shapes, seed):
        return step_file(target, out, shapes, seed)

    _add_runs(minigrad)
    add_grade(minigrad)
    add_lectures(minigrad)
    run(minigrad)


def _add_runs(minigrad: Any) -> None:
    """Add the commands that look at runs."""
    import click

    below = click.option(
        "--folder",
        default="runs",
        show_default=True,
        type=click.Path(path_type=Path),
        help="Where runs are looked for, at any depth.",
    )
    logarithmic = click.option("--log", is_flag=True, help="Give the losses a logarithmic axis.")

    @minigrad.group("runs", invoke_without_command=True)
    @below
    @click.option("--json", "programs", is_flag=True, help="For programs: the list as JSON.")
    @click.pass_context
    def runs(context, folder, programs):
        """List the runs: state, start, last loss, score, command; `show` or `compare` them."""
        if not context.invoked_subcommand:
            found = find_runs(folder)
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            say(as_json(found) if programs else listed(found, width) or f"no runs in {folder}")
        elif programs:
            raise click.UsageError("--json is for the list, without a command")
        context.default_map = {name: {"folder": folder} for name in runs.commands}

    @runs.command("show")
    @click.argument("name")
    @below
    @logarithmic
    def _show(name, folder, log):
        """Print a run, by its name in the list or its path, and draw its learning curve."""
        width = shutil.get_terminal_size().columns
        run = find_run(folder, name)
        say(described(run, width=width, braille=_takes(DRAWN), logarithmic=log))

    @runs.command("compare")
    @click.argument("a")
    @click.argument("b")
    @below
    @click.option(
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The page that is written.  [default: compare.html in the folder]",
    )
    @logarithmic
    def _compare(a, b, folder, out, log):
        """Print which options of two runs differ and how both went, and draw both curves."""
        both = Comparison(find_run(folder, a), find_run(folder, b))
        say(f"{both}\n")
        out = out or folder / "compare.html"
        both.save(out, logarithmic=log)
        say(f"{out} has the curves")


def say(text: str) -> None:
    """Print, with escapes for characters that the terminal's encoding does not have."""
    import click

    encoding = sys.stdout.encoding
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


def _takes(text: str) -> bool:
    """True if the terminal's encoding has all characters of a text."""
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def check_file(target: str, shapes: str | None, seed: int, as_json: bool) -> int:
    """Check the gradients of a file's nodes, of its functions that return (value, back), and of its
    pairs NAME_forward, NAME_backward. Exit code 0: all right, 1: something is wrong, 2: something
    could not be checked.
    """
    import click

    file, _, name = target.partition(":")
    found, codes = [], {0}
    if shapes:
        arguments(shapes, np.random.default_rng(seed))  # a mistake in them is none of a function
    to_check, others = functions(Path(file), name)
    for called, f in to_check.items():
        try:
            report, args = _checked(f, shapes, seed)
        except (Unfit, ValueError) as mistake:
            if name:
                raise Unfit(str(mistake)) from mistake
            codes.add(2)
            found.append({"name": called, "passed": None, "sentence": str(mistake)})
            text = f"{called}: not checked\n  {mistake}\n"
        else:
            codes.add(int(not report))
            found.append(json.loads(report.json()))
            given = ", ".join(map(faults.shapes, args))
            text = f"{report}\n  checked with {given}, seed {seed}\n"
        if not as_json:
            click.echo(text)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    elif others:
        click.echo(f"no back, not checked: {', '.join(others)}")
    return 1 if 1 in codes else max(codes)


def step_file(target: str, out: Path | None, shapes: str | None, seed: int) -> None:
    """Write a page that goes through a program, forward and backward, one write at a time.

    FUNCTION returns the scalar that the program computes; without arguments, or of --shapes.
    """
    file, _, name = target.partition(":")
    if not name:
        raise Unfit(f"{target}: name the function behind a colon, as in {file}:loss")
    page = page_of(Path(file), name, shapes, seed)
    out = out or Path(f"{name}.html")
    page.save(out)
    say(f"{out} goes through {name}, one write at a time")


def check_answer(file: Path, name: str, assignment: str, seed: int) -> int:
    """Do the public checks of an assignment's question on a student's file."""
    import click

    question_of(name, assignment)  # a question that is not there is none of the file's mistakes
    with tempfile.TemporaryDirectory() as folder:
        if file.suffix == ".ipynb":
            (notebook,) = submissions(file)
            if notebook.rejected:
                raise Unfit(notebook.rejected)
            file = Path(folder, f"{file.stem}.py")
            file.write_text(notebook.source, "utf-8")
        try:
            found, _ = functions(file, name)
        except Unfit as missing:
            if "there is no function" not in str(missing):
                raise
            try:
                found, _ = functions(file, f"{name}_forward")
            except Unfit:
                raise missing from None
    (f,) = found.values()
    result = check_question(f, name, assignment, seed)
    click.echo(str(result))
    return int(not result)


def _checked(f: Any, shapes: str | None, seed: int) -> tuple[Any, tuple]:
    """The report on a function and its arguments; Unfit if it depends on which shapes it gets."""
    rng = np.random.default_rng(seed)
    if shapes:
        args = arguments(shapes, rng)
        report = check(f, *args, seed=seed)
        if report.of_forward:
            raise Unfit(f"it does not take --shapes {shapes}: {report.sentence}")
        return report, args
    every = guessed(f, rng)
    reports = [check(f, *args, seed=seed) for args in every]
    if len({bool(report) for report in reports}) > 1:
        words = [
            f"{'right' if report else 'wrong'} with {', '.join(map(faults.shapes, args))}"
            for report, args in zip(reports, every)
        ]
        raise Unfit(f"it is {'; '.join(words)}: say which it takes, with --shapes")
    return reports[0], every[0]
