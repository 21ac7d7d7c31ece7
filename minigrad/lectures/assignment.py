"""The assignment that `minigrad grade` takes, made of a lecture's exercises."""

import ast
import json
import re
from pathlib import Path

from ..gradcheck import Unfit
from ..learn import write_whole
from .excerpts import Statement, is_import, missing, needed_by, statements
from .sources import Exercise, Lecture, imports_of, solved, surroundings, unsolved

DIALECT = re.compile(r"^@(node|block)\n", re.MULTILINE)


def assignment_of(lecture: Lecture) -> dict[str, str]:
    """The files of a lecture's assignment: assignment.toml, inputs.py, reference.py, starter.py.

    Raises Unfit if an exercise needs what no file has.
    """
    title = json.dumps(f"{lecture.number}. {lecture.title}", ensure_ascii=False)
    questions = "".join(f"\n{_question(lecture, e)}\n" for e in lecture.exercises)
    imports = imports_of(lecture)
    drawn = (s for e in lecture.exercises for s in _inputs(lecture, e) if not is_import(s.node))
    # the judge calls functions: a node that is given arrays returns no back
    reference = [DIALECT.sub("", solved(e.source)) for e in lecture.exercises]
    starter = [unsolved(e.source) for e in lecture.exercises]
    return {
        "assignment.toml": f"schema = 1\ntitle = {title}\n{questions}",
        "inputs.py": _file(list(dict.fromkeys(s.text for s in drawn)), imports),
        "reference.py": _file(reference, imports),
        "starter.py": _file(starter, imports),
    }


def build_assignment(lecture: Lecture, folder: str | Path) -> None:
    """Write a lecture's assignment into a folder."""
    for name, text in assignment_of(lecture).items():
        write_whole(Path(folder, name), text.encode())


def _question(lecture: Lecture, exercise: Exercise) -> str:
    (function,) = (n for n in ast.parse(exercise.source).body if isinstance(n, ast.FunctionDef))
    kind = "operation" if re.search(r"^gradients\b", exercise.question, re.MULTILINE) else "value"
    told = exercise.question.replace("[[mistake]]", "[[question.mistake]]")
    signature = f"{exercise.name}({ast.unparse(function.args)})"
    tolerance = _options(surroundings(lecture, exercise)[-1]).get("tolerance")
    if tolerance and kind == "value":  # what students are told of their value holds for the grade
        told = f"tolerance = {ast.unparse(tolerance)}\n{told}"
    return (
        f"[[question]]\nname = {json.dumps(exercise.name)}\nkind = {json.dumps(kind)}\n"
        f"signature = {json.dumps(signature)}\n{told}"
    )


def _options(call: Statement) -> dict[str | None, ast.expr]:
    """What a check is given by name."""
    outermost = next(n for n in ast.walk(call.node) if isinstance(n, ast.Call))
    return {k.arg: k.value for k in outermost.keywords}


def _inputs(lecture: Lecture, exercise: Exercise) -> list[Statement]:
    """The statements that draw the inputs and, where more than one value is right, judge it."""
    among = surroundings(lecture, exercise)
    holds = _options(among.pop()).get("holds")
    names = {f"{exercise.name}_{what}" for what in ("inputs", "edges")}
    if holds and ast.unparse(holds) != f"{exercise.name}_holds":
        among += statements([f"{exercise.name}_holds = {ast.unparse(holds)}"])
    if holds:
        names.add(f"{exercise.name}_holds")
    names &= {name for s in among for name in s.binds}
    lacking = missing(names, among)
    if lacking:
        raise Unfit(
            f"the inputs of {exercise.name} read {', '.join(lacking)}, which no cell before them "
            "binds that is no exercise"
        )
    return needed_by(names, among)


def _file(sources: list[str], imports: list[Statement]) -> str:
    """Functions, below the imports that they need."""
    names = set().union(*(s.reads for s in statements(sources)))
    head = "\n".join(s.text for s in needed_by(names, imports))
    return "\n\n\n".join(filter(None, [head, *sources])) + "\n"
