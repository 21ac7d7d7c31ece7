"""Pages for people: of a student in Markdown and HTML, of the class in HTML."""

import statistics
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from ..escapes import markdown, plain
from ..results import NOT_REACHED
from .graded import HIDDEN, Class, for_student, looks, number, words

LEVELS = {
    "strong": "limits, a user of its own, no network, only the files and system calls it needs",
    "basic": "limits, only the files and system calls it needs, but no user of its own",
    "none": "code of students ran with the rights of whoever graded",
}
SAID = {
    "PASS": "right",
    "FAIL": "wrong",
    "FLAGGED": "to be looked at",
    "CRASH": "crashed",
    "TIMEOUT": "too slow",
    "MEMORY": "too much memory",
    "PROTOCOL": "unreadable answer",
    "REJECTED": "rejected",
    "MISSING": "missing",
    "INTERNAL": "grader failed",
    "OPEN": "right so far",
}
MANY = 100  # names in a list, at most
BARS = 10  # of a histogram, and one for nothing
HEIGHT = 6.5  # rem, of its highest bar


def student_markdown(student: dict[str, Any], released: bool = False) -> str:
    """A student's result as Markdown; without released, hidden checks stay hidden."""
    shown = for_student(student, released)
    points = f"{number(shown['score'])} of {number(shown['max_score'])} points"
    lines = [f"# {markdown(shown['title'])}: {markdown(shown['student'])}", ""]
    if shown["hidden"]:
        lines.append(f"**{points} so far.** This is not all: {HIDDEN}.")
    else:
        lines.append(f"**{points}.**")
    if shown["rejected"]:
        lines += ["", f"**Not graded:** {markdown(shown['rejected'])}"]
    if shown["notes"]:
        lines += ["", *(f"- {markdown(note)}" for note in shown["notes"])]
    for name, question in sorted(shown["questions"].items()):
        scored = f"{number(question['score'])} of {number(question['max_score'])}"
        lines += ["", f"## {markdown(name)}: {_said(question['verdict'])}, {scored}", ""]
        if question["checks"]:
            lines += ["| stage | verdict | points | |", "|---|---|---|---|"]
        for check in question["checks"]:
            cells = [check["stage"], _said(check["verdict"]), _points(check), _message(check)]
            lines.append(f"| {' | '.join(map(markdown, cells))} |")
    seed = "" if shown["seed"] is None else f" Seed {shown['seed']}."
    level = markdown(shown["level"])
    lines += ["", f"Sandbox: {level}.{seed} Graded with minigrad {markdown(shown['version'])}."]
    return "\n".join(lines) + "\n"


def _message(check):
    message = words(check) if check["verdict"] != "PASS" else check["sentence"]
    return f"{message} Hint: {check['hint']}" if check["hint"] else message


def _points(check):
    return f"{number(check['score'])} of {number(check['max_score'])}"


def _said(verdict):
    return SAID.get(verdict, plain(verdict).lower())


def student_page(student: dict[str, Any], released: bool = False) -> str:
    """A student's result as one HTML file; without released, hidden checks stay hidden."""
    return _template("student.html").render(for_student(student, released))


def class_page(class_: Class) -> str:
    """The class as one HTML file: mistakes by how many made them, points, who to look at, time."""
    most = class_.run["questions"]
    totals = [student["score"] for student in class_.students]
    return _template("class.html").render(
        class_.run,
        students=len(totals),
        mean=statistics.mean(totals),
        median=statistics.median(totals),
        most=sum(most.values()),
        full=sum(total >= sum(most.values()) for total in totals),
        points=_histogram(totals, sum(most.values())),
        diagnoses=_diagnoses(class_),
        questions=[_question(class_, name, most[name]) for name in sorted(most)],
        look=[(s["student"], *found) for s in class_.students for found in looks(s)],
        times=_times(class_),
    )


def _diagnoses(class_):
    """The mistakes of the class, the most frequent first: each student counts once in each."""
    stages, sentences = {}, {}  # by question and code: the first stage by student; counts
    for student in class_.students:
        for name, question in student["questions"].items():
            for check in question["checks"]:
                ours = check["verdict"] == "INTERNAL"
                if check["verdict"] == "PASS" or ours or check["code"] == NOT_REACHED:
                    continue
                key = name, check["code"] or _said(check["verdict"])
                stages.setdefault(key, {}).setdefault(student["student"], check["stage"])
                sentences.setdefault(key, Counter())[check["sentence"]] += 1
    mistakes = [
        {
            "question": name,
            "code": code,
            "stage": _most(Counter(by.values())),
            "names": list(by),
            "sentence": _told(sentences[name, code]),
        }
        for (name, code), by in stages.items()
    ]
    return sorted(mistakes, key=lambda m: (-len(m["names"]), m["question"], m["code"]))


def _told(sentences):
    """The most frequent sentence, and how many others there are."""
    others = len(sentences) - 1
    words = "another sentence" if others == 1 else f"{others} other sentences"
    return _most(sentences) + (f" (for some students {words})" if others else "")


def _most(counts):
    """What is there most often, of equals the first in the alphabet."""
    return min(counts, key=lambda text: (-counts[text], text))


def _question(class_, name, most):
    answers = [student["questions"].get(name) for student in class_.students]
    scores = [answer["score"] if answer else 0 for answer in answers]
    right = {}
    for answer in filter(None, answers):
        for check in answer["checks"]:
            passed = check["verdict"] == "PASS"
            right[check["stage"]] = right.get(check["stage"], 0) + passed
    return {
        "name": name,
        "most": most,
        "mean": statistics.mean(scores),
        "full": sum(score >= most for score in scores),
        "nothing": sum(score <= 0 for score in scores),
        "points": _histogram(scores, most),
        "stages": [{"name": stage, "right": n} for stage, n in right.items()],
    }


def _histogram(scores, most):
    """Bars of a point each, or wider where that makes too many; the last one is full marks."""
    bars = max(1, min(BARS, round(most)))
    counts = Counter(int(bars * score / most + 1e-9) if most else 0 for score in scores)
    highest = max(counts.values())
    return [
        {
            "label": number(most * bar / bars),
            "students": counts[bar],
            "height": round(HEIGHT * counts[bar] / highest, 2),
        }
        for bar in range(bars + 1)
    ]


def _times(class_):
    rows = []
    for name in sorted(class_.run["questions"]):
        took = sorted((of[name], student) for student, of in class_.times.items() if name in of)
        if took:
            seconds = [s for s, _ in took]
            rows.append(
                {
                    "name": name,
                    "median": statistics.median(seconds),
                    "longest": took[-1][0],
                    "student": took[-1][1],
                    "total": sum(seconds),
                }
            )
    return rows


def _share(part, whole):
    """Of a hundred, as a whole number that is 0 or 100 only if all or none are meant."""
    if not whole or part <= 0:
        return 0
    return 100 if part >= whole else min(99, max(1, round(100 * part / whole)))


def _seconds(s):
    return f"{1000 * s:.0f} ms" if s < 1 else f"{s:.1f} s" if s < 120 else f"{s / 60:.0f} min"


@cache
def _template(name):
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    pages.filters |= {
        "number": number,
        "said": _said,
        "seconds": _seconds,
        "verdict_class": lambda verdict: verdict if verdict in SAID else "",
    }
    pages.globals |= {"HIDDEN": HIDDEN, "LEVELS": LEVELS, "MANY": MANY, "share": _share}
    return pages.get_template(name)
