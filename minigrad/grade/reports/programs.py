"""Results for other programs: Gradescope's results.json and JUnit's XML."""

import json
from typing import Any
from xml.etree import ElementTree

from ..escapes import plain
from .graded import HIDDEN, Class, for_student, number, words

WRONG = ("FAIL", "FLAGGED", "MISSING")  # failures to JUnit; all else but PASS is an error
WHOLE = {"stage": "all", "code": "", "hint": "", "visible": True}


def gradescope(student: dict[str, Any], released: bool = False) -> str:
    """The results.json of one student: a test per check, everything as plain text.

    Hidden checks have the visibility "after_published": Gradescope keeps them to itself until the
    grades are published. With released, they are "visible". There is no score of the whole, which
    would tell what is hidden: Gradescope adds up the tests. A check on which the grader failed
    (INTERNAL) has no score, as it is neither zero nor full marks.

    Source: gradescope-autograders.readthedocs.io, "Autograder Specifications".
    """
    shown = for_student(student, released)
    lines = [f"Sandbox: {shown['level']}.", shown["rejected"], *shown["notes"]]
    if shown["hidden"]:
        lines.insert(0, f"This is not all: {HIDDEN}.")
    if released:
        lines.append(f"Seed: {shown['seed']}.")
    tests = [
        _test(f"{question} {check['stage']}", check, released or check["visible"])
        for question, check in _checks(student)
    ]
    whole = {
        "output": "\n".join(plain(line) for line in lines if line),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "stdout_visibility": "hidden",
        "tests": tests,
    }
    return json.dumps(whole, indent=1, sort_keys=True) + "\n"


def _test(name, check, visible):
    scores = {} if check["verdict"] == "INTERNAL" else {"score": check["score"]}
    right = check["verdict"] == "PASS"
    return {
        "name": plain(name),
        "max_score": check["max_score"],
        "status": "passed" if right else "failed",
        "output": "\n".join(plain(t) for t in (_said(check), check["hint"]) if t),
        "visibility": "visible" if visible else "after_published",
        **scores,
    }


def _said(check):
    """What a check says: one that is right may say why, as of an error carried forward."""
    return check["sentence"] if check["verdict"] == "PASS" else words(check)


def junit(class_: Class) -> str:
    """The class as JUnit's XML: a suite per student, a case per check.

    A wrong answer is a failure, code that could not be judged to its end (a crash, a timeout, a
    rejected submission) an error; type is the verdict. There are no times in it.

    Source: the JUnit reports of Apache Ant, which continuous integration reads.
    """
    root = ElementTree.Element("testsuites", name=plain(class_.run["title"]))
    sums = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for student in class_.students:
        suite = ElementTree.SubElement(root, "testsuite", name=plain(student["student"]))
        facts = ElementTree.SubElement(suite, "properties")
        points = f"{number(student['score'])} of {number(student['max_score'])}"
        for name in ("level", "seed", "version"):
            ElementTree.SubElement(facts, "property", name=name, value=plain(str(student[name])))
        ElementTree.SubElement(facts, "property", name="points", value=points)
        counts = dict.fromkeys(sums, 0)
        for question, check in _checks(student):
            kind = _case(suite, question, check)
            for name in {"tests", kind} & counts.keys():
                counts[name] += 1
        for name, count in counts.items():
            suite.set(name, str(count))
            sums[name] += count
    for name, count in sums.items():
        root.set(name, str(count))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _checks(student):
    """The checks with their questions; one in place of those that could not begin."""
    for name, question in sorted(student["questions"].items()):
        for check in question["checks"]:
            yield name, check
        if not question["checks"]:
            yield name, {**question, **WHOLE, "code": question["reason"], "sentence": ""}
    if not student["questions"]:
        verdict = "REJECTED" if student["rejected"] else "MISSING"
        whole = {**student, **WHOLE, "verdict": verdict, "sentence": student["rejected"]}
        yield "submission", whole


def _case(suite, question, check):
    """Add a check to a suite; returns what it counts as besides a test."""
    case = ElementTree.SubElement(
        suite, "testcase", classname=plain(question), name=plain(check["stage"])
    )
    if check["verdict"] == "PASS":
        return ""
    tag = "failure" if check["verdict"] in WRONG else "error"
    message = plain(words(check))
    found = ElementTree.SubElement(case, tag, type=plain(check["verdict"]), message=message)
    found.text = plain(f"{number(check['score'])} of {number(check['max_score'])} points")
    return f"{tag}s"
