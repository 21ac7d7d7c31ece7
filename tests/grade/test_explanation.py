"""`explain` shows what a function was given, what it gave, and what is right: the same again."""

import json
import re
import sys

import numpy as np
import pytest
from classes import HANDED_IN, RIGHT, assignment, course

from minigrad.gradcheck import Unfit
from minigrad.grade.classroom import walls
from minigrad.grade.explanation import explained
from minigrad.grade.intake import Submission
from minigrad.grade.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
SOURCES = {
    "bo": HANDED_IN["bo"],
    "cy": HANDED_IN["cy"],
    "ann": RIGHT,
    "plus": RIGHT.replace("X @ W + b", "X @ W + b + 1"),
    "low": RIGHT.replace("X @ W + b", '(X @ W + b).astype("f")'),
    "hal": 'def affine(X, U):\n    raise ValueError("red: \\x1b[31m\\nall right")',
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """said(student, name): the explanation of a class that is graded; .of makes submissions."""
    folder = tmp_path_factory.mktemp("said")
    task = assignment(folder)
    these = [Submission(name, source, sha256=name) for name, source in SOURCES.items()]
    these.append(Submission("di", "", rejected="di.py is empty."))
    graded = course(task, folder / "out")
    with Sandbox(walls(trust=True)[0]) as sandbox:
        for submission in these:
            graded.keep(graded.result(submission, sandbox)[0])

        def said(student, name=None, submission=None):
            submission = submission or next(s for s in these if s.student == student)
            return explained(graded.assignment, sandbox, submission, folder / "out", name)

        said.out = folder / "out"
        yield said


def arrays(text):
    """The arrays of an explanation by the line before them; the last of a name counts."""
    found = {}
    for name, array in re.findall(r"(.+)\n(\[[^a-zA-Z]*\])", text):
        rows = [[float(x) for x in re.findall(r"-?\d+\.\d*", row)] for row in array.splitlines()]
        found[name.removesuffix(" =")] = np.array(rows if array.startswith("[[") else rows[0])
    return found


def test_the_numbers_shown_are_those_of_the_function(said):
    shown = arrays(said("plus"))
    expected = shown["X"] @ shown["W"] + shown["b"]
    np.testing.assert_allclose(shown["should be"], expected, atol=1e-5)
    np.testing.assert_allclose(shown["gave"], expected + 1, atol=1e-5)


def test_of_a_back_the_incoming_gradient_and_what_the_others_held_are_shown(said):
    text = said("bo")
    assert text.startswith("bo, affine, seed 5\ndb: db is a mean over the batch.")
    assert "\nback at call 0b, given:\n" in text
    shown = arrays(text)
    dA, held = shown["incoming gradient"], shown["db"]
    np.testing.assert_allclose(shown["should be"], held + dA.sum(0), atol=1e-5)  # db comes last
    np.testing.assert_allclose(shown["gave"], held + dA.mean(0), atol=1e-5)
    assert re.findall("d.: (?:right|wrong)", text) == ["dX: right", "dW: right", "db: wrong"]


def test_other_kinds_of_numbers_are_named(said):
    assert "value: wrong\ngave, in float32\n" in said("low")


def test_what_an_exception_says_moves_no_cursor(said):
    assert said("hal").endswith("gave: ValueError: red: [31m all right (line 2)")


def test_what_never_ended_and_what_was_never_run_are_told(said):
    assert said("cy").endswith("\nthen it stopped: it was not done after 0.6 s")
    assert said("di") == "di: di.py is empty."
    assert said("ann") == "ann: nothing failed"
    assert said("ann", "affine").endswith("\nevery number is right this time")


def test_what_cannot_be_replayed_is_refused(said):
    with pytest.raises(Unfit, match="out has no result of eve"):
        said("eve", submission=Submission("eve", ""))
    with pytest.raises(Unfit, match="out has no question 'conv' of bo: it has affine"):
        said("bo", "conv")
    with pytest.raises(Unfit, match="bo has handed in something else since: grade it again"):
        said("bo", submission=Submission("bo", RIGHT, sha256="another"))
    path = said.out / "students" / "bo.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"assignment_sha256": "before"}))
    with pytest.raises(Unfit, match="affine has changed since bo was graded: grade it again"):
        said("bo")
