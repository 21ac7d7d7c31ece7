"""Assignments: a folder with questions, inputs, the reference and the mistakes to tell.

assignment.toml   title, text, [limits], and a [[question]] with its [[question.mistake]]s each
inputs.py         NAME_inputs(rng), and perhaps NAME_edges(rng): what is tried; students may have it
reference.py      the right answers, for the judge alone
starter.py        what students begin with
right/            odd but right answers, which `minigrad grade verify` must find right

>>> shipped()[:3]
['affine', 'batchnorm', 'conv']
>>> load("affine").questions[0].gradients
('dX', 'dW', 'db')
"""

import ast
import functools
import hashlib
import math
import re
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..gradcheck import Unfit
from ..gradcheck.values import DIGITS
from .sandbox import Limits

SHIPPED = Path(__file__).with_name("assignments")
STAGES = ("signature", "shapes", "forward")  # of a value all; then the gradients, then edges
KINDS = ("operation", "value", "check")  # (value, back), a value alone, a check of others
OF_A_CHECK = ("signature", "right passed", "wrong caught")  # where students write the check
TOLERANCE = 1e-12  # of the largest entry: right codings agree to 1e-13 (notes on grading)
TOLERANCES = {"value": DIGITS}  # as where students check a value themselves


@dataclass(frozen=True)
class Mistake:
    """A known mistake: what of reference.py it replaces by what, and what the student reads."""

    code: str
    stage: str
    replace: tuple[str, ...]
    by: tuple[str, ...]
    says: str


@dataclass(frozen=True)
class Question:
    """A function to write: its gradients, points for each stage, and known mistakes."""

    name: str
    signature: str
    gradients: tuple[str, ...]
    points: Mapping[str, float]
    kind: str = "operation"
    hidden: tuple[str, ...] = ()
    tolerance: float = TOLERANCE
    hint: str = ""
    mistakes: tuple[Mistake, ...] = ()

    @property
    def max_score(self) -> float:
        return float(sum(self.points.values()))


@dataclass(frozen=True)
class Assignment:
    """An assignment as it stands in its folder."""

    name: str
    folder: Path
    title: str
    text: str
    limits: Limits
    questions: tuple[Question, ...]
    sources: Mapping[str, str] = field(repr=False)

    @functools.cached_property
    def inputs(self) -> Mapping[str, Any]:
        """What inputs.py defines."""
        return run(self.sources["inputs.py"], self.folder / "inputs.py")

    @functools.cached_property
    def reference(self) -> Mapping[str, Any]:
        """What reference.py defines; Unfit without it, as students have no such file."""
        return run(self.source_of_reference, self.folder / "reference.py")

    @property
    def source_of_reference(self) -> str:
        if "reference.py" not in self.sources:
            raise Unfit(f"{self.folder} has no reference.py: only a teacher's folder can grade")
        return self.sources["reference.py"]

    def mistaken(self, question: Question, mistake: Mistake) -> str:
        """The reference with a mistake; Unfit unless what it replaces is there once.

        What is there more than once is looked for in the question's own function.
        """
        source = self.source_of_reference
        once = all(source.count(old) == 1 for old in mistake.replace)
        part = source if once else _function(source, question.name)
        for old in mistake.replace:
            if part.count(old) != 1:
                raise Unfit(
                    f"{self.folder / 'assignment.toml'}: mistake {mistake.code!r} replaces "
                    f"{old!r}, which occurs {source.count(old)} times in reference.py, not once"
                )
        return source.replace(part, replaced(part, mistake.replace, mistake.by))

    def cases(self, question: Question, *rngs: Any) -> Iterator[tuple]:
        """For every case of a question its arguments, once for each generator."""
        draw = self.inputs[f"{question.name}_inputs"]
        for args in zip(*(draw(rng) for rng in rngs), strict=True):
            for a in args:
                if not isinstance(a, tuple):
                    raise Unfit(
                        f"inputs.py: {question.name}_inputs yields {type(a).__name__}: a case is a "
                        "tuple of arguments, (A,) if there is one"
                    )
            yield args

    def edges(self, question: Question, rng: Any) -> list[tuple[str, tuple, Callable | None]]:
        """(what, arguments, accept or None) of the edge cases of a question."""
        draw = self.inputs.get(f"{question.name}_edges", lambda rng: ())
        return [(what, args, *accept, None)[:3] for what, args, *accept in draw(rng)]

    @functools.cached_property
    def sha256(self) -> str:
        """Of everything that decides a grade."""
        text = "".join(f"{name}\0{source}\0" for name, source in sorted(self.sources.items()))
        return hashlib.sha256(text.encode()).hexdigest()


def file_names(assignment: Assignment) -> list[str]:
    """What the file may be called where a student hands in several, the likeliest first."""
    return ["starter.py", "my_ops.py", f"{assignment.name}.py", "starter.ipynb", "my_ops.ipynb"]


def shipped() -> list[str]:
    """The names of the assignments that come with minigrad."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/assignment.toml"))


def load(name: str | Path) -> Assignment:
    """The assignment in a folder, or the shipped one of this name; Unfit says what is wrong."""
    folder = Path(name)
    if not folder.is_dir() and str(name) in shipped():
        folder = SHIPPED / name
    if not (folder / "assignment.toml").is_file():
        raise Unfit(
            f"{name}: there is no folder with an assignment.toml, and none of this name ships; "
            f"there are {', '.join(shipped())}"
        )
    sources = {}
    for file in ("assignment.toml", "inputs.py", "reference.py", "starter.py"):
        if (folder / file).is_file():
            try:
                sources[file] = (folder / file).read_text("utf-8")
            except UnicodeDecodeError as error:
                raise Unfit(f"{folder / file} is not UTF-8: {error}") from None
        elif file != "reference.py":
            raise Unfit(f"{folder} has no {file}")
    try:
        told = tomllib.loads(sources["assignment.toml"])
    except tomllib.TOMLDecodeError as error:
        raise Unfit(f"{folder / 'assignment.toml'}: {error}") from None
    at = Reader(folder / "assignment.toml", told, "")
    if at.get("schema", int) != 1:
        raise Unfit(f"{at.path}: schema is {told['schema']}, and this grader reads 1")
    given = Reader(at.path, at.get("limits", dict, {}), "limits")
    limits = Limits(
        float(given.positive("wall", (int, float), Limits().wall)),
        float(given.positive("cpu", (int, float), Limits().cpu)),
        given.positive("memory", int, Limits().memory),
    )
    given.nothing_else()
    questions = tuple(_question(q) for q in at.parts("question"))
    title, text = at.get("title", str), at.get("text", str, "")
    at.nothing_else()
    assignment = Assignment(folder.resolve().name, folder, title, text, limits, questions, sources)
    _complete(assignment)
    return assignment


class Reader:
    """A table of a TOML file that says what it misses, by the file's and the table's name."""

    def __init__(self, path: Path, table: dict, name: str):
        self.path, self.table, self.name = path, table, name
        self.seen: set[str] = set()

    def get(self, key: str, kind: Any, *default: Any) -> Any:
        self.seen.add(key)
        value = self.table.get(key, *default)
        where = self.where(key)
        if key not in self.table and not default:
            raise Unfit(f"{where} is missing")
        if not isinstance(value, kind) or isinstance(value, bool):
            wanted = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
            raise Unfit(f"{where} is {value!r}, and should be {wanted}")
        return value

    def where(self, key: str) -> str:
        return f"{self.path}: {self.name + '.' if self.name else ''}{key}"

    def positive(self, key: str, kind: Any, *default: Any) -> Any:
        """A finite number above 0."""
        value = self.get(key, kind, *default)
        if not 0 < value < math.inf:
            raise Unfit(f"{self.where(key)} is {value}, and should be above 0")
        return value

    def texts(self, key: str, *default: Any) -> tuple[str, ...]:
        """A text or a list of texts."""
        value = self.get(key, (str, list, tuple), *default)
        texts = (value,) if isinstance(value, str) else tuple(value)
        if not all(isinstance(text, str) for text in texts):
            raise Unfit(f"{self.where(key)} is {value!r}, and should hold texts")
        return texts

    def parts(self, key: str) -> "list[Reader]":
        """The tables of [[key]]."""
        parts = self.get(key, list, [])
        if not all(isinstance(part, dict) for part in parts):
            raise Unfit(f"{self.where(key)} is {parts!r}, and should be tables: [[{key}]]")
        return [Reader(self.path, part, key) for part in parts]

    def nothing_else(self) -> None:
        for key in self.table.keys() - self.seen:
            where = f"in {self.name}" if self.name else "at the top"
            raise Unfit(f"{self.path}: there is no {key!r} {where}; known are {sorted(self.seen)}")


def _question(at):
    name = at.get("name", str)
    if not name.isidentifier():
        raise Unfit(f"{at.path}: question.name is {name!r}, and should be the name of a function")
    at.name = f"question {name!r}"
    gradients, hidden = at.texts("gradients", ()), at.texts("hidden", ())
    kind = at.get("kind", str, "operation")
    if kind not in KINDS:
        raise Unfit(f"{at.where('kind')} is {kind!r}, and should be one of {', '.join(KINDS)}")
    if kind == "value" and gradients:
        raise Unfit(f"{at.where('gradients')}: a value has none")
    stages = {"operation": (*STAGES, *gradients, "edges"), "value": STAGES}.get(kind, OF_A_CHECK)
    given = Reader(at.path, at.get("points", dict), f"points of {name!r}")
    points = {s: float(given.get(s, (int, float))) for s in stages if s != "edges"}
    if "edges" in given.table:
        points["edges"] = float(given.get("edges", (int, float)))
    given.nothing_else()
    for stage, number in points.items():
        if not 0 <= number < math.inf:
            raise Unfit(f"{given.where(stage)} is {number:g}, and should be 0 or more")
    for stage in hidden:
        if stage not in points:
            raise Unfit(f"{at.where('hidden')} names {stage!r}; stages are {', '.join(points)}")
    mistakes = tuple(_mistake(m, name, stages) for m in at.parts("mistake"))
    question = Question(
        name,
        at.get("signature", str, name),
        gradients,
        points,
        kind,
        hidden,
        float(at.positive("tolerance", (int, float), TOLERANCES.get(kind, TOLERANCE))),
        at.get("hint", str, ""),
        mistakes,
    )
    at.nothing_else()
    _different(at.path, f"mistakes of {name!r}", [m.code for m in mistakes])
    return question


def _mistake(at, question, stages):
    code = at.get("code", str)
    at.name = f"mistake {code!r} of {question!r}"
    stage = at.get("stage", str)
    if stage not in stages:
        raise Unfit(f"{at.path}: {at.name} fails at {stage!r}; stages are {stages}")
    mistake = Mistake(code, stage, at.texts("replace"), at.texts("by"), at.get("says", str))
    at.nothing_else()
    if len(mistake.replace) != len(mistake.by):
        raise Unfit(f"{at.path}: {at.name} replaces {len(mistake.replace)} by {len(mistake.by)}")
    return mistake


def _different(path, what, names):
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Unfit(f"{path}: two {what} are called {min(twice)!r}")


def _complete(assignment):
    """Raise Unfit for what is named and not defined."""
    path = assignment.folder / "assignment.toml"
    _different(path, "questions", [q.name for q in assignment.questions])
    if not assignment.questions:
        raise Unfit(f"{path} has no [[question]]")
    for question in assignment.questions:
        inputs, edges = f"{question.name}_inputs", f"{question.name}_edges"
        wanted = [("inputs.py", inputs), ("reference.py", question.name)]
        wanted += [("inputs.py", edges)] if question.points.get("edges") else []
        wanted += [("reference.py", inputs)] if question.kind == "check" else []
        for file, name in wanted:
            if file in assignment.sources:
                defined = assignment.inputs if file == "inputs.py" else assignment.reference
                if not callable(defined.get(name)):
                    raise Unfit(f"{assignment.folder / file} defines no {name}")
        for mistake in question.mistakes if "reference.py" in assignment.sources else ():
            assignment.mistaken(question, mistake)


def replaced(source: str, old: Sequence[str], new: Sequence[str]) -> str:
    """A text with all replacements made at once, so that two parts can change places."""
    changes = dict(zip(old, new, strict=True))
    return re.sub("|".join(map(re.escape, changes)), lambda found: changes[found[0]], source)


def _function(source: str, name: str) -> str:
    """The text of a function at the top of a source; "" without it."""
    found = [n for n in ast.parse(source).body if getattr(n, "name", "") == name]
    return (ast.get_source_segment(source, found[-1]) or "") if found else ""


@functools.lru_cache(1000)  # more than an assignment has known mistakes
def _compiled(source: str, path: str) -> types.CodeType:
    return compile(source, path, "exec", dont_inherit=True)


def run(source: str, path: Path | str) -> Mapping[str, Any]:
    """What a teacher's Python defines; Unfit if it cannot be run."""
    module = types.ModuleType(Path(path).stem)
    try:
        exec(_compiled(source, str(path)), module.__dict__)
    except (Exception, SystemExit) as error:
        raise Unfit(f"{path} cannot be run: {type(error).__name__}: {error}") from None
    return vars(module)
