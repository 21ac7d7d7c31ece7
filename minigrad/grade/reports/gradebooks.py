"""The round trip of a gradebook: exported by Canvas or Moodle, filled here, uploaded again.

The file stays as it is, to the byte, except for the cells that are filled (and the columns that
Canvas must not see), so that whatever the system wrote into it comes back to it.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...gradcheck import Unfit
from ..escapes import plain
from .graded import Class, for_student, looks, number, words

Say = Callable[[str], object]
# In Moodle's name of the comments in English, German, French, Spanish, Portuguese, Italian, Dutch.
COMMENTS = re.compile(r"feedback|comm?ent|kommentar|opmerking", re.I)


class Cell(NamedTuple):
    before: str  # a byte order mark, or nothing
    raw: str  # as in the file, with its quotes
    end: str  # what follows: the delimiter, an end of line, or nothing

    @property
    def text(self) -> str:
        quoted = self.raw.startswith('"')
        return self.raw[1:-1].replace('""', '"') if quoted else self.raw

    def filled(self, text: str) -> "Cell":
        quoted = text.replace('"', '""')
        return self._replace(raw=f'"{quoted}"')


def canvas(
    class_: Class,
    exported: Path,
    *,
    column: str = "",
    scale: bool = False,
    say: Say = lambda sentence: None,
) -> str:
    """Canvas's exported gradebook with the points of the class in the column of one assignment.

    column: the assignment in the gradebook, by its name with or without the " (123)" that Canvas
    adds, or by this number; by default the assignment's title. Columns of other assignments are
    left out: an upload would undo what was changed there since the export.
    scale: convert the points if the gradebook's maximum differs; without it that is refused.
    say: called with a sentence about those who were not found, on either side.

    Students are found by Canvas's id; those who handed in elsewhere by login or SIS id (their
    e-mail address, student number or folder), else by name. Rows stay as they were where several
    fit, or where the grader failed (INTERNAL).
    Raises Unfit for a file that is no gradebook, and for a column that it lacks or that is
    read-only.
    """
    rows = _rows(exported)
    width, head = len(rows[0]), [cell.text for cell in rows[0]]
    if "ID" not in head or "Section" not in head:
        raise Unfit(f"{exported} is no gradebook of Canvas: its head lacks ID or Section")
    of_id, info = head.index("ID"), head.index("Section") + 1
    at = _column(exported, head, info, column or class_.run["title"])
    most = next((row[at].text for row in rows if "Points Possible" in row[0].text), "")
    if "read only" in most:
        raise Unfit(f"{exported}: Canvas lets nobody change {plain(head[at])!r}")
    factor = _factor(exported, class_, _float(most), scale)
    people = [
        (i, [row[of_id].text], [cell.text for cell in row[of_id + 1 : info - 1]], row[0].text)
        for i, row in enumerate(rows)
        if i and len(row) == width and row[of_id].text.strip()
    ]
    for i, student in _matched(class_, "canvas", people, say):
        rows[i][at] = rows[i][at].filled(number(factor * student["score"]))
    for row in rows:
        if len(row) == width:
            row[info:] = [row[at]._replace(end=row[-1].end)]
    return _joined(rows)


def _column(path, head, info, wanted):
    found, names = [], []
    for i in range(info, len(head)):
        title, number = re.fullmatch(r"(.*?)(?: \((\d+)\))?", head[i], re.DOTALL).groups()
        names += [repr(plain(head[i]))] if number else []
        if wanted.casefold() in (head[i].casefold(), title.casefold(), number):
            found.append(i)
    if len(found) != 1:
        many = "several columns" if found else "no column"
        raise Unfit(f"{path} has {many} {wanted!r}; its assignments: {', '.join(names) or 'none'}")
    return found[0]


def moodle(
    class_: Class,
    worksheet: Path,
    *,
    scale: bool = False,
    say: Say = lambda sentence: None,
) -> str:
    """Moodle's grading worksheet with two cells changed for a student: grade and comment.

    Its head is translated, so the columns are found by what is in them. Identifiers come first and
    end with a number. The maximum is the first column with the same number in every row and
    numbers or nothing on its left; there stands the grade, with a decimal comma if the maximum has
    one. The comment comes last if its head says so in one of seven languages; else there is none.

    Students are found by identifier; those who handed in elsewhere by e-mail address or ID number,
    else by name. Rows stay as they were where several fit, or where the grader failed (INTERNAL);
    locked rows and unchanged grades are skipped by Moodle itself. An upload puts the grades out,
    so comments name hidden checks too; Moodle reads them as HTML.

    scale and say: as for `canvas`. Raises Unfit for a file that is no grading worksheet.
    Source: Moodle, mod/assign/gradingtable.php, mod/assign/feedback/offline/importgradeslib.php.
    """
    rows = _rows(worksheet)
    people = [row for row in rows[1:] if len(row) == len(rows[0])]
    numbered = people and all(re.search(r"\d$", row[0].text) for row in people)
    columns = range(3, len(rows[0])) if numbered else ()
    most = next((i for i in columns if _is_maximum(people, i)), None)
    if most is None:
        raise Unfit(
            f"{worksheet} is no grading worksheet of Moodle: no numbered identifiers in its first "
            "column, or no maximum on the right of the grades"
        )
    sample = people[0][most].text
    factor = _factor(worksheet, class_, _float(sample), scale)
    with_comment = len(rows[0]) - 1 > most and COMMENTS.search(rows[0][-1].text)
    if not with_comment:
        say(f"{worksheet} has no column of comments: only grades are filled in")
    known = []
    for i, row in enumerate(people):
        identifier, name, *others = (cell.text for cell in row[: most - 1])
        known.append((i, re.findall(r"\d+$", identifier), others, name))
    for i, student in _matched(class_, "moodle", known, say):
        row, grade = people[i], number(factor * student["score"])
        row[most - 1] = row[most - 1].filled(grade.replace(".", "," if "," in sample else "."))
        if with_comment:
            row[-1] = row[-1].filled(_comment(student))
    return _joined(rows)


def _is_maximum(people, i):
    (text, *others) = {row[i].text for row in people}
    left = [row[i - 1].text.strip(" -") for row in people]
    return not others and _float(text) and all(not t or _float(t) is not None for t in left)


def _comment(student):
    shown = for_student(student, released=True)
    lines = [f"{number(shown['score'])} of {number(shown['max_score'])} points", shown["rejected"]]
    for name, question in sorted(shown["questions"].items()):
        lines.append(f"{name}: {number(question['score'])} of {number(question['max_score'])}")
        wrong = [check for check in question["checks"] if check["verdict"] != "PASS"]
        lines += [f"- {check['stage']}: {words(check)}" for check in wrong]
    lines.append(f"Sandbox: {shown['level']}, seed {shown['seed']}")
    return "<br>".join(html.escape(plain(line)) for line in lines if line)


def _factor(path, class_, most, scale):
    """What points are multiplied by to fit the maximum of a gradebook, if it names one."""
    own = sum(class_.run["questions"].values())
    if not most or not own or most == own:
        return 1.0
    if not scale:
        raise Unfit(
            f"{path} has a maximum of {number(most)} points, the assignment {number(own)}: "
            "change one of them, or have the points scaled"
        )
    return most / own


def _matched(class_, system, people, say):
    """Rows with the student in them, each at most once.

    people: (row, ids, logins, name) of those in the gradebook.
    """
    rows = {}
    for row, ids, logins, name in people:
        keys = {("id", key.strip()) for key in ids} | {("login", _login(key)) for key in logins}
        for key in keys | {("name", _name(name))}:
            rows.setdefault(key, []).append(row)
    fits = {}
    for student in class_.students:
        found = (rows.get(key, ()) for key in _keys(student, system))
        row = next((several[0] for several in found if len(several) == 1), None)
        fits.setdefault(row, []).append(student)
    lost = fits.pop(None, [])
    doubled = [student for several in fits.values() if len(several) > 1 for student in several]
    alone = [(row, several[0]) for row, several in fits.items() if len(several) == 1]
    failed = [student for _, student in alone if _failed(student)]
    for students, why in [
        (lost, "graded, but not found in the gradebook, or several of it fit"),
        (doubled, "graded, but several of them fit the same row, which stays as it was"),
        (failed, "left as before: the grader failed (INTERNAL)"),
    ]:
        _tell(say, [student["student"] for student in students], why)
    absent = [name for row, _, _, name in people if row not in fits]
    _tell(say, absent, "in the gradebook, but not graded")
    return [(row, student) for row, student in alone if not _failed(student)]


def _keys(student, system):
    """What a student may be found by, surest first; an id that the system gave is final."""
    ids = student["ids"]
    if system in ids:
        return [("id", ids[system].strip())]
    logins = [ids.get(kind, "") for kind in ("email", "sid")] + [student["student"]]
    names = [ids.get("name", ""), student["student"]]
    keys = [("login", _login(text)) for text in logins] + [("name", _name(text)) for text in names]
    return [key for key in keys if key[1]]


def _tell(say, names, why):
    if names:
        say(f"{len(names)} {why}: {'; '.join(map(plain, names))}")


def _failed(student):
    return any(verdict == "INTERNAL" for _, verdict, _ in looks(student))


def _login(text):
    return plain(text).strip().casefold()


def _name(text):
    """A name in whatever order: "Last, First" is the same as "First Last"."""
    return tuple(sorted(re.findall(r"\w+", unicodedata.normalize("NFC", plain(text).casefold()))))


def _float(text):
    return float(text.replace(",", ".")) if re.fullmatch(r"\s*\d+([.,]\d+)?\s*", text) else None


def _rows(path: Path) -> list[list[Cell]]:
    """The cells of a CSV file; the delimiter is what its head has most of."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise Unfit(f"{path} is not in UTF-8: export it again as CSV in UTF-8") from error
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    cell = re.compile(
        rf'(\ufeff?)("[^"]*(?:""[^"]*)*"|[^"{delimiter}\r\n][^{delimiter}\r\n]*|)'
        rf"({delimiter}|\r?\n|\r|\Z)"
    )
    rows: list[list[Cell]] = [[]]
    at = 0
    while at < len(text) or rows[-1]:
        found = cell.match(text, at)
        if not found:
            line = text.count("\n", 0, at) + 1
            raise Unfit(f"{path} is no CSV file: line {line} has a quote in the wrong place")
        rows[-1].append(Cell(*found.groups()))
        at = found.end()
        if rows[-1][-1].end != delimiter:
            rows.append([])
    rows.pop()
    for i, row in enumerate(rows, 1):
        if len(row) != len(rows[0]) and _joined([row]).strip():
            raise Unfit(f"{path}: row {i} has {len(row)} cells, the head has {len(rows[0])}")
    if not rows:
        raise Unfit(f"{path} is empty")
    return rows


def _joined(rows):
    return "".join(cell.before + cell.raw + cell.end for row in rows for cell in row)
