"""Runs, read from the folders that `train` writes: a list, one with its curve, two compared.

A run's folder holds run.json (what runs, with which options, how far it is), log.csv (step, epoch,
loss, rate), times.csv (step, seconds, images_per_s) and lock, which its process holds.
"""

import difflib
import json
import math
import reprlib
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ..learn.folder import LOG, TIMES
from . import figures
from .report import write_report
from .terminal import curve, table

FACTS = {  # what run.json holds, and how a sentence calls it
    "what": (str, "a text"),
    "version": (str, "a text"),
    "started": (str, "a time"),
    "state": (str, "a text"),
    "step": (int, "a whole number"),
    "steps": (int, "a whole number"),
    "seconds": (int | float, "a number"),
    "loss": (int | float | None, "a number or null"),
    "options": (dict, "an object"),
    "scores": (dict, "an object"),
}
RESUMED = "the same command, with --resume if it takes that"  # for what ended before its end
ENDED = ("killed", "interrupted")
SAME = "Command, version and all options are the same."
HEAD = ["name", "state", "started", "time", "step", "loss", "score", "command"]


class NoRun(ValueError):
    """A run that is not there, or cannot be compared; the message says why."""


class Run(NamedTuple):
    """A run: its path below the folder of all, its own folder, and the facts of its run.json.

    The state is "running", "finished", "interrupted", "failed", or "killed": run.json says that it
    runs, and nobody holds the lock. Of one that has not ended, step, loss and seconds are those of
    its last row. fault: why there are no facts, a sentence, else empty.
    """

    name: str
    folder: Path
    facts: dict[str, Any]
    fault: str

    def log(self) -> tuple[list[dict[str, float]], list[str]]:
        """Its rows of step, epoch, loss, rate, with seconds and images_per_s where there are times.

        The second list says in sentences what could not be read.
        """
        rows, note = read_numbers(self.folder / "log.csv", LOG)
        times, other = read_numbers(self.folder / "times.csv", TIMES)
        at = {row["step"]: row for row in times}
        rows = [{**row, **at.get(row["step"], {})} for row in rows]
        return rows, [sentence for sentence in (note, other) if sentence]


def find_runs(root: Path) -> list[Run]:
    """All runs at any depth below a folder, the oldest first, damaged ones before them.

    Raises NoRun if there is no such folder.
    """
    if not root.is_dir():
        raise NoRun(f"{root}: there is no such folder; runs are looked for in runs, or in --folder")
    runs = [read_run(path.parent, _name(path, root)) for path in root.rglob("run.json")]
    since = lambda run: _local(run.facts["started"]).timestamp() if run.facts else 0.0
    return sorted(runs, key=lambda run: (since(run), run.name))


def find_run(root: Path, name: str) -> Run:
    """The run of a name below a folder, or at a path. Raises NoRun with the names most like it."""
    for folder in (root / name, Path(name)):
        if (folder / "run.json").exists():
            return read_run(folder, name)
    names = [_name(path, root) for path in root.rglob("run.json")]
    near = difflib.get_close_matches(name, names, cutoff=0)
    hint = f"the nearest: {', '.join(map(_shown, near))}" if near else f"{root} has no runs"
    raise NoRun(f"there is no run {_shown(name)}; {hint}")


def read_run(folder: Path, name: str) -> Run:
    """The run in a folder, whatever state its run.json is in."""
    try:
        facts = _facts(folder / "run.json")
        if facts["state"] == "running" and not _held(folder / "lock"):
            facts = _facts(folder / "run.json")  # it may just have ended
            facts["state"] = facts["state"].replace("running", "killed")
    except OSError as error:
        return Run(name, folder, {}, f"run.json cannot be read: {error.strerror}")
    except (ValueError, OverflowError, RecursionError) as error:
        return Run(name, folder, {}, f"run.json is damaged: {error}")
    run = Run(name, folder, facts, "")
    if facts["state"] in ("running", "killed"):  # run.json is of its last checkpoint
        rows, _ = run.log()
        if rows and rows[-1]["step"] > facts["step"]:
            last = {
                name: rows[-1][name] for name in ("step", "loss", "seconds") if name in rows[-1]
            }
            facts.update(last, step=int(rows[-1]["step"]))
    return run


def read_numbers(path: Path, names: tuple[str, ...]) -> tuple[list[dict[str, float]], str]:
    """Rows of a CSV file of numbers as far as they can be read, and why not further, in a sentence.

    names: the columns to read, the first finite and the rest any numbers. A last line that no
    newline ends is still being written, or was cut off: it is left out.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        return [], f"there is no {path.name}"
    except OSError as error:
        return [], f"{path.name} cannot be read: {error.strerror}"
    head, *lines = text.split("\n")
    if not any(lines):
        return [], f"{path.name} has no rows"
    columns = head.split(",")
    if missing := [name for name in names if name not in columns]:
        return [], f"{path.name} has no column {', '.join(missing)}"
    rows: list[dict[str, float]] = []
    for number, line in enumerate(lines[:-1], 2):
        try:
            values = dict(zip(columns, map(float, line.split(",")), strict=True))
            if not math.isfinite(values[names[0]]):
                raise ValueError
        except ValueError:
            return rows, f"{path.name} is damaged in line {number}, and read up to there"
        rows.append({name: values[name] for name in names})
    return rows, f"the last line of {path.name} is cut off, and left out" if lines[-1] else ""


def listed(runs: list[Run], width: int | None = None) -> str:
    """The runs as a table, those that cannot be read after it with a sentence each.

    width: where a line of the table is cut, nowhere by default.
    """
    whole = [run for run in runs if run.facts]
    lines = table([HEAD, *map(_cells, whole)]).split("\n") if whole else []
    if width:
        lines = [line if len(line) <= width else line[: width - 3] + "..." for line in lines]
    lines += [f"{_shown(run.name)}: {run.fault}" for run in runs if run.fault]
    if ended := [state for state in ENDED if any(run.facts["state"] == state for run in whole)]:
        lines.append(f"{' or '.join(ended)}: to go on, {RESUMED}")
    return "\n".join(lines)


def as_json(runs: list[Run]) -> str:
    """The runs as a JSON list of objects: `name` with the facts, or `name` and `fault`.

    Numbers that are not finite are null: JSON has none.
    """
    found = [
        {"name": run.name, **(run.facts if run.facts else {"fault": run.fault})} for run in runs
    ]
    return json.dumps(json.loads(json.dumps(found), parse_constant=lambda _: None), indent=1)


def described(run: Run, *, width: int = 80, braille: bool = True, logarithmic: bool = False) -> str:
    """What a run is and how far, its curve, and what of it cannot be read or drawn."""
    rows, notes = run.log()
    drawn, undrawn = _drawable(rows, logarithmic)
    parts = [f"{_shown(run.name)}: {run.fault}" if run.fault else table(_card(run, rows))]
    if drawn:
        steps, losses = ([row[name] for row in drawn] for name in ("step", "loss"))
        parts.append(curve(steps, losses, width=width, braille=braille, logarithmic=logarithmic))
    if notes := notes + undrawn:
        parts.append("\n".join(notes))
    return "\n\n".join(parts)


class Comparison:
    """Two runs side by side. Prints what differs; `save` writes a page with both curves.

    Raises NoRun for a run whose run.json cannot be read.
    """

    def __init__(self, first: Run, second: Run):
        self.runs = {
            f"{letter}: {_shown(run.name)}": run for letter, run in zip("AB", (first, second))
        }
        self.rows, self.notes = [], []
        for name, run in self.runs.items():
            if run.fault:
                raise NoRun(f"{_shown(run.name)}: {run.fault}")
            rows, notes = run.log()
            self.rows.append(rows)
            self.notes += [f"{name}: {note}" for note in notes]

    def options(self) -> list[list[str]]:
        """The table of options, command and version that differ: its head alone if none do."""
        given = [
            {
                "(command)": _shown(run.facts["what"]),
                "(minigrad)": _shown(run.facts["version"]),
                **_texts(run.facts["options"]),
            }
            for run in self.runs.values()
        ]
        return [["option", *self.runs], *(row for row in _beside(given) if row[1] != row[2])]

    def results(self) -> list[list[str]]:
        """The table of how both went: state, times, losses, scores."""
        found = [
            {**_course(run, rows), **_scores(run.facts)}
            for run, rows in zip(self.runs.values(), self.rows)
        ]
        return [["result", *self.runs], *_beside(found)]

    def __repr__(self) -> str:
        options = self.options()
        parts = [table(options) if options[1:] else SAME, table(self.results())]
        return "\n\n".join([*parts, *(["\n".join(self.notes)] if self.notes else [])])

    def save(self, path: str | Path, *, logarithmic: bool = False) -> None:
        """Write a page with what differs and both curves: one file, whole, that opens offline.

        logarithmic: the axis of the losses. Needs matplotlib and jinja2.
        """
        options = self.options()
        drawn = [_drawable(rows, logarithmic) for rows in self.rows]
        logs = {name: rows for name, (rows, _) in zip("AB", drawn)}
        notes = [*self.notes]
        for name, (_, undrawn) in zip(self.runs, drawn):
            notes += [f"{name}: {note}" for note in undrawn]
        curves: dict[str, Any] = {"title": "Loss", "text": "There are no losses to draw."}
        if any(logs.values()):
            curves = {
                "title": "Loss",
                "text": "Mean loss over the steps since the point before.",
                "figure": figures.learning_curves(logs, logarithmic),
                "alt": "The loss against the step: " + "; ".join(map(_words, logs, logs.values())),
            }
        sections = [
            {"title": "What differs", **({"table": options} if options[1:] else {"text": SAME})},
            {"title": "How they went", "table": self.results()},
            curves,
        ]
        if notes:
            sections.append({"title": "What is missing", "text": "; ".join(notes) + "."})
        write_report(path, "Two runs", "; ".join(self.runs), sections)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(4.24), duration(125), duration(12000), duration(200000)
    ('4.2 s', '2 min 5 s', '3 h 20 min', '2 d 7 h')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, below in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {below}"
    return f"{whole} s"


def _name(path, root):
    return path.parent.relative_to(root).as_posix()


def _facts(path):
    """What a run.json holds; a sentence in a ValueError if that is not what it must hold."""
    facts = json.loads(path.read_bytes())
    if not isinstance(facts, dict):
        raise ValueError(f"it holds {reprlib.repr(facts)}, not an object")
    facts = {"scores": {}, **facts}
    for name, (kind, words) in FACTS.items():
        if name not in facts:
            raise ValueError(f"it has no {name}")
        if not isinstance(facts[name], kind):
            raise ValueError(f"{name} is {reprlib.repr(facts[name])}, not {words}")
    for name, score in facts["scores"].items():
        if not isinstance(score, int | float):
            raise ValueError(f"the score {name!r} is {reprlib.repr(score)}, not a number")
    if not math.isfinite(facts["seconds"]):
        raise ValueError(f"seconds is {facts['seconds']}")
    _local(facts["started"])
    return facts


def _local(text):
    """The local time of an ISO time."""
    return datetime.fromisoformat(text).astimezone()


def _held(lock):
    """True if a process holds the lock of a file, or where that cannot be asked."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # it is held, or not for us to open
        return True
    return False


def _drawable(rows, logarithmic):
    """The rows whose loss has a place on the axis, by step; on the others a sentence, in a list."""
    fits = lambda loss: math.isfinite(loss) and (loss > 0 or not logarithmic)
    others = [row for row in rows if not fits(row["loss"])]
    notes = []
    if others:
        where = f"the first, {others[0]['loss']:g}, at step {others[0]['step']:.0f}"
        notes = [f"{len(others)} of {len(rows)} losses cannot be drawn: {where}"]
    return sorted((r for r in rows if fits(r["loss"])), key=lambda row: row["step"]), notes


def _cells(run):
    """A run's row of the listing."""
    f = run.facts
    score = next((f"{score:.4g} ({name})" for name, score in f["scores"].items()), "")
    loss = "" if f["loss"] is None else f"{f['loss']:.4g}"
    when, took = _when(_local(f["started"])), duration(f["seconds"])
    step = f"{f['step']}/{f['steps']}"
    return list(map(_shown, [run.name, f["state"], when, took, step, loss, score, f["what"]]))


def _when(time):
    """A time as `ls` has it: of this year with hour and minute, of another one with the year."""
    return f"{time:%d %b %H:%M}" if time.year == datetime.now().year else f"{time:%d %b %Y}"


def _course(run, rows):
    """How a run went, as texts by name."""
    f = run.facts
    found = {
        "state": _shown(f["state"]),
        "started": f"{_local(f['started']):%Y-%m-%d %H:%M}",
        "time": duration(f["seconds"]),
        "step": f"{f['step']} of {f['steps']}",
    }
    if rows:
        ends = (rows[0], rows[-1])
        found["loss"] = ", ".join(f"{r['loss']:.4g} at step {r['step']:.0f}" for r in ends)
    if speeds := [row["images_per_s"] for row in rows if "images_per_s" in row]:
        found["speed"] = f"{median(speeds):,.0f} images a second"
    return found


def _card(run, rows):
    """What a run is and how it went, as rows of a table."""
    f = run.facts
    found = {"command": _shown(f["what"]), **_course(run, rows), **_scores(f)}
    if f["state"] in ENDED:
        found["to go on"] = RESUMED
    found["options"] = ", ".join(f"{name} {text}" for name, text in _texts(f["options"]).items())
    found["minigrad"] = _shown(f["version"])
    return [(_shown(run.name), ""), *found.items()]


def _scores(facts):
    return {f"score ({_shown(name)})": f"{score:.4g}" for name, score in facts["scores"].items()}


def _beside(found):
    """Rows of two dicts of texts: a name, the first's, the second's."""
    names = dict.fromkeys([*found[0], *found[1]])
    return [[name, *(texts.get(name, "not there") for texts in found)] for name in names]


def _texts(values):
    """A dict of JSON values as texts that tell them apart: 1, 1.0, "1"."""
    return {_shown(name): _shown(json.dumps(v, ensure_ascii=False)) for name, v in values.items()}


def _words(name, rows):
    """A curve in words."""
    if not rows:
        return f"{name} has none"
    first, last = rows[0], rows[-1]
    return (
        f"{name} goes from {first['loss']:.4g} at step {first['step']:.0f} "
        f"to {last['loss']:.4g} at step {last['step']:.0f}"
    )


def _shown(text):
    """A text from a file, with what a terminal would obey rather than show written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
