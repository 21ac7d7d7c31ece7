"""What is wrong with a lecture's source, in sentences that name lecture and cell."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from .excerpts import missing, statements
from .sources import BEGIN, END, Exercise, Lecture, check_of, imports_of, solutions

LONGEST = 25  # lines of a code cell
FEWEST = {"exercise": 4, "figure": 5}
SECTIONS = ("## What was learned", "## What broke when it was left out")
TELLING = 12  # characters: shorter lines of a solution stand anywhere
OURS = {"node", "block", "needed"}  # of minigrad, where the grader runs a function


def faults_of(
    lectures: Sequence[Lecture], outputs: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Sentences on what is wrong with lectures, in their order; none if all is right.

    outputs: by a lecture's name the text that its cells print, to be searched for solutions too.
    """
    given: list[tuple[str, str]] = []  # (where, text) that students have so far
    for lecture in lectures:
        for cell in lecture.student().cells:
            given.append((f"{lecture.path.stem}, {_called(cell)}", _plain(cell.source)))
        printed = (outputs or {}).get(lecture.name, "")
        given.append((f"{lecture.path.stem}, its output", _plain(printed)))
        for fault in (*_of_cells(lecture), *_of_exercises(lecture), *_leaks(lecture, given)):
            yield f"{lecture.path.stem}, {fault}"


def _of_cells(lecture):
    for cell in lecture.cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code":
            yield from (f"{_called(cell)}: {said}" for said in _of_code(cell.source, tags))
        elif re.search(r"(!\[[^]]*\]\(|src *= *[\"']?|url\()\s*http", cell.source):
            yield f"{_called(cell)}: it shows something from the network, and must open without one"
        if "later" in tags:
            yield f"{_called(cell)}: it is tagged later, and stands for something still to be made"
    for tag, fewest in FEWEST.items():
        count = sum(tag in cell.metadata.get("tags", []) for cell in lecture.cells)
        if count < fewest:
            yield f"the whole: it has {count} cells tagged {tag}, and should have {fewest} or more"
    text = "\n".join(cell.source for cell in lecture.cells if cell.cell_type == "markdown")
    for section in SECTIONS:
        if section not in text.splitlines():
            yield f"the whole: the section {section!r} is missing"


def _of_code(source, tags):
    marks = [line.strip() for line in source.splitlines() if re.search("(?i)#.*solution", line)]
    for mark in marks:
        if mark not in (BEGIN, END):
            yield f"{mark!r} is neither {BEGIN!r} nor {END!r}"
    if marks.count(BEGIN) != marks.count(END) or any(a == b for a, b in pairwise(marks)):
        yield f"its marks {BEGIN} and {END} do not alternate"
    if marks and "exercise" not in tags:
        yield "it has the marks of a solution, and is not tagged exercise"
    if re.search(r"^\s*[%!]|get_ipython", source, re.MULTILINE):
        yield "it has a magic or a shell command, and plain Python does not know these"
    if re.search(r"https?://", source):
        yield "its code names an address of the network"
    count = len(source.splitlines())
    if count > LONGEST:
        yield f"it has {count} lines, and should have {LONGEST} at most"
    if ("figure" in tags) != bool(re.search(r"\bPicture\(", source)):
        yield "a cell that ends in a Picture is tagged figure, and no other cell is"


def _of_exercises(lecture):
    names = [e.name for e in lecture.exercises]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"exercise {name}: there are two of this name"
    cells = [cell for cell in lecture.cells if cell.cell_type != "markdown"]
    for this, following in pairwise([*cells, None]):
        tags = this.metadata.get("tags", [])
        if "exercise" in tags and "check" not in getattr(following, "metadata", {}).get("tags", []):
            yield f"exercise {this.metadata.get('id', '')}: no check follows it"
    imports = imports_of(lecture)
    for exercise in lecture.exercises:
        for said in (*_of_function(exercise, imports), *_of_parts(exercise)):
            yield f"exercise {exercise.name}: {said}"
        if exercise.check:
            try:
                check_of(lecture, exercise)
            except ValueError as fault:
                yield f"exercise {exercise.name}: {fault}"


def _of_function(exercise, imports):
    body = ast.parse(exercise.source).body
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
        yield "its cell holds one function and nothing else"
        return
    if body[0].name != exercise.name:
        yield f"its function is called {body[0].name}"
    if not ast.get_docstring(body[0]):
        yield "its function has no docstring, which students read as the task"
    if not solutions(exercise.source):
        yield f"there is no solution between {BEGIN} and {END}"
    known = [s for s in imports if _allowed(s.node)]
    lacking = set(missing({exercise.name}, [*known, *statements([exercise.source])]))
    if lacking:
        yield (
            f"it reads {', '.join(sorted(lacking))}: the grader runs it alone, with NumPy and "
            f"minigrad's {', '.join(sorted(OURS))}"
        )


def _allowed(node):
    """True for an import that the grader has too."""
    if isinstance(node, ast.Import):
        return node.names[0].name.split(".")[0] == "numpy"
    return node.module == "numpy" or (node.module == "minigrad" and node.names[0].name in OURS)


def _of_parts(exercise: Exercise) -> Iterator[str]:
    if len(exercise.hints) != 3:
        wanted = "the idea, the formula, the first line"
        yield f"it has {len(exercise.hints)} of three hints: {wanted}"
    checks = statements([exercise.check])
    if exercise.check:
        last = checks[-1].text if checks else ""
        call = rf"check_exercise\(\s*{exercise.name},\s*{exercise.name}_inputs,\s*(like|holds)="
        if not re.match(call, last):
            wanted = f"check_exercise({exercise.name}, {exercise.name}_inputs, like=...)"
            yield f"its check ends with {wanted}, or holds="
    try:
        question = tomllib.loads(exercise.question)
    except tomllib.TOMLDecodeError as error:
        yield f"its question is no TOML: {error}"
        return
    mistakes = question.get("mistake", [])
    if "points" not in question:
        yield "its question has no points"
    if len(mistakes) < 2:
        yield f"its question has {len(mistakes)} of the two known mistakes that it needs at least"
    for mistake in mistakes:
        replaced = mistake.get("replace", "")
        for old in [replaced] if isinstance(replaced, str) else replaced:
            count = exercise.source.count(old)
            if count != 1:
                code = mistake.get("code")
                yield f"mistake {code!r} replaces {old!r}, which occurs {count} times, not once"


def _leaks(lecture, given):
    for exercise in lecture.exercises:
        for line in dict.fromkeys(solutions(exercise.source)):
            if is_trivial(line):
                continue
            plain = _plain(line)
            whole = re.compile(rf"(?<!\w){re.escape(plain)}(?!\w)")
            for where in (w for w, text in given if plain in text and whole.search(text)):
                yield f"exercise {exercise.name}: its solution's line `{line}` stands in {where}"


def is_trivial(line: str) -> bool:
    """True for what tells nothing: comments, heads of functions and loops, a return of names."""
    if len(line) <= TELLING or line.startswith(("#", "def ", "import ", "from ")):
        return True
    try:
        (statement,) = ast.parse(f"{line} pass" if line.endswith(":") else line).body
    except (SyntaxError, ValueError):
        return False
    return not any(
        isinstance(n, (ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.AugAssign))
        for n in ast.walk(statement)
    )


def _plain(text):
    return " ".join(text.split())


def _called(cell):
    """A cell by its beginning."""
    name = cell.metadata.get("id")
    if name:
        return f"exercise {name}"
    line = next((line for line in cell.source.splitlines() if line.strip()), "")
    return f"cell {line.strip()[:50]!r}"
