import json
from xml.etree import ElementTree

import jsonschema
import pytest
from graded import FACTS, HOSTILE, check, question, right, student, wrong
from hypothesis import given
from hypothesis import strategies as st

from minigrad.grade.reports import Class, gradescope, junit

RUN = {**FACTS, "questions": {"affine": 10.0}}

# Gradescope's results.json, as its "Autograder Specifications" have it; only plain text here.
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
TEST = {
    "type": "object",
    "required": ["name", "visibility"],
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "max_score": {"type": "number"},
        "status": {"enum": ["passed", "failed"]},
        "name": {"type": "string"},
        "name_format": FORMAT,
        "number": {"type": "string"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "tags": {"type": "array", "items": {"type": "string"}},
        "visibility": VISIBILITY,
        "extra_data": {"type": "object"},
    },
}
RESULTS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "test_output_format": {"const": "text"},
        "test_name_format": {"const": "text"},
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "tests": {"type": "array", "minItems": 1, "items": TEST},
    },
    "required": ["tests", "test_output_format", "test_name_format"],
}


def results(one, **options):
    """What Gradescope reads; it must fit the schema."""
    value = json.loads(gradescope(one, **options))
    jsonschema.validate(value, RESULTS)
    return value


def test_gradescope_gets_a_test_per_check():
    forward, db, edges = results(wrong("ann"))["tests"]
    assert db == {
        "name": "affine db",
        "score": 0.0,
        "max_score": 4.0,
        "status": "failed",
        "output": "batch sum missing: b is added to every row.\nLook at shapes.",
        "visibility": "visible",
    }
    assert (forward["status"], forward["score"], forward["output"]) == ("passed", 4.0, "")


def test_hidden_checks_stay_with_gradescope_until_the_grades_are_published():
    tests = results(right("ann"))["tests"]
    assert [test["visibility"] for test in tests] == ["visible", "visible", "after_published"]
    assert {test["visibility"] for test in results(right("a"), released=True)["tests"]} == {
        "visible"
    }


def test_gradescope_is_told_no_sum_and_no_seed_that_would_tell_what_is_hidden():
    before = results(right("ann"))
    assert "score" not in before
    assert before["output"] == (
        "This is not all: hidden checks follow after the deadline.\nSandbox: strong."
    )
    assert results(right("ann"), released=True)["output"] == "Sandbox: strong.\nSeed: 5."


def test_a_check_on_which_the_grader_failed_has_no_score():
    ours = check("db", code="grader", sentence="It broke.", verdict="INTERNAL")
    (test,) = results(student("ann", affine=question(ours)))["tests"]
    assert "score" not in test
    assert test["status"] == "failed"


def test_what_was_rejected_or_missing_is_a_test_too():
    (test,) = results({**student("ann", rejected="A link."), "max_score": 10.0})["tests"]
    assert (test["score"], test["max_score"], test["output"]) == (0, 10.0, "A link.")
    missing = {**question(), "max_score": 10.0, "verdict": "MISSING", "reason": "not in the file"}
    (test,) = results(student("ann", affine=missing))["tests"]
    assert (test["name"], test["score"]) == ("affine all", 0)
    assert test["output"] == "not in the file"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_has_no_controls_in_gradescope(text):
    one = student(text, rejected=text, notes=[text], q=question(check(text, 1.0, text, text)))
    value = results({**one, "level": text})
    for part in (value["output"], value["tests"][0]["name"], value["tests"][0]["output"]):
        assert part.replace("\n", "").isprintable()


# JUnit


def suites(*students):
    return ElementTree.fromstring(junit(Class(RUN, list(students))).encode())


def test_junit_has_a_suite_per_student_and_a_case_per_check():
    root = suites(wrong("ann"), right("bo"))
    assert root.attrib == {
        "name": "Layers",
        "tests": "6",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    ann, bo = root
    assert ann.attrib == {"name": "ann", "tests": "3", "failures": "1", "errors": "0"} | {
        "skipped": "0"
    }
    forward, db, edges = ann.findall("testcase")
    assert db.attrib == {"classname": "affine", "name": "db"}
    assert db.find("failure").attrib == {
        "type": "FAIL",
        "message": "batch sum missing: b is added to every row.",
    }
    assert not list(forward) and not list(edges) and not bo.findall(".//failure")
    said = {p.get("name"): p.get("value") for p in ann.iter("property")}
    assert said == {"level": "strong", "seed": "5", "version": "0.15", "points": "6 of 10"}


@pytest.mark.parametrize(
    ("verdict", "tag"),
    [("FAIL", "failure"), ("FLAGGED", "failure"), ("MISSING", "failure")]
    + [(v, "error") for v in ("CRASH", "TIMEOUT", "MEMORY", "PROTOCOL", "INTERNAL")],
)
def test_a_wrong_answer_is_a_failure_and_what_never_answered_an_error(verdict, tag):
    root = suites(student("ann", affine=question(check("db", verdict=verdict))))
    (found,) = root.find("testsuite/testcase")
    assert (found.tag, found.get("type")) == (tag, verdict)
    assert root.get(f"{tag}s") == "1"


def test_a_rejected_submission_is_an_error():
    (found,) = suites(student("ann", rejected="A link.")).find("testsuite/testcase")
    assert (found.tag, found.get("message")) == ("error", "A link.")


@given(st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=()))))
def test_hostile_text_is_data_in_junit(text):
    hostile = student(text, q=question(check(text, 1.0, text, text, "FAIL"), check(text)))
    root = suites(hostile, right("bo"))
    assert [len(suite.findall("testcase")) for suite in root] == [2, 3]
    assert {element.tag for element in root.iter()} == {
        *("testsuites", "testsuite", "testcase", "properties", "property", "failure")
    }
