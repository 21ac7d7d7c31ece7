"""A class as a table: for a terminal, and as CSV."""

import csv
import io

from ..escapes import plain, spreadsheet
from .graded import Class, looks, number


def table(class_: Class) -> str:
    """Student, points per question, total, and what needs a look, for a terminal."""
    questions = sorted(class_.run["questions"])
    rows = [["student", *map(plain, questions), "total", "look at"]]
    rows += [
        [
            plain(student["student"]),
            *(_points(student, name) or "-" for name in questions),
            number(student["score"]),
            ", ".join(plain(f"{name} {verdict}".strip()) for name, verdict, _ in looks(student)),
        ]
        for student in class_.students
    ]
    most = class_.run["questions"]
    rows.append(["of", *(number(most[n]) for n in questions), number(sum(most.values())), ""])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        numbers = map(str.rjust, row[1:-1], widths[1:-1])
        lines.append("  ".join([row[0].ljust(widths[0]), *numbers, row[-1]]).rstrip())
    run = class_.run
    facts = f"{plain(run['title'])}: sandbox {plain(run['level'])}, seed {run['seed']}"
    return "\n".join([facts, "", *lines]) + "\n"


def csv_table(class_: Class) -> str:
    """A line per student: points per question, total, verdicts and first diagnoses; all quoted.

    What a spreadsheet would take for a formula has a ' before it. Ends of lines are CRLF, as in
    RFC 4180.
    """
    questions = sorted(class_.run["questions"])
    head = [
        "student",
        *questions,
        "total",
        "of",
        "verdicts",
        "diagnoses",
        "rejected",
        "level",
        "seed",
    ]
    text = io.StringIO(newline="")
    lines = csv.writer(text, quoting=csv.QUOTE_ALL)
    lines.writerow(map(spreadsheet, head))
    for student in class_.students:
        found = [(name, student["questions"].get(name)) for name in questions]
        verdicts = [f"{name} {q['verdict']}" for name, q in found if q]
        reasons = [f"{name}: {q['reason']}" for name, q in found if q and q["reason"]]
        lines.writerow(
            [
                spreadsheet(student["student"]),
                *(_points(student, name) for name in questions),
                number(student["score"]),
                number(student["max_score"]),
                spreadsheet("; ".join(verdicts)),
                spreadsheet("; ".join(reasons)),
                spreadsheet(student["rejected"]),
                spreadsheet(student["level"]),
                str(student["seed"]),
            ]
        )
    return text.getvalue()


def _points(student, name):
    question = student["questions"].get(name)
    return number(question["score"]) if question else ""
