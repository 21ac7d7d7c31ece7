"""The lectures themselves: what they promise holds, for solutions, students and the grader."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from minigrad.grade.assignments import load as load_assignment
from minigrad.grade.judging import Judge
from minigrad.grade.notebooks import notebook_source
from minigrad.grade.proofs import verify
from minigrad.grade.sandbox import Sandbox
from minigrad.lectures.assignment import build_assignment
from minigrad.lectures.handouts import built
from minigrad.lectures.linting import faults_of
from minigrad.lectures.sources import load, load_all
from minigrad.lectures.trials import tried

ROOT = Path(__file__).parents[2]
RUNNING = Path(__file__).with_name("running.py")
FILES = sorted((ROOT / "lectures").glob("[0-9][0-9]_*.py"))
SECONDS, IN_ALL = 90, 360  # on two cores that nobody else uses
each = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """ran(path): what running.py tells of a lecture, which is run once."""
    told = {}

    def result(path):
        if path not in told:
            empty = tmp_path_factory.mktemp(path.stem)
            command = [sys.executable, "-W", "error", str(RUNNING), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=empty)
            assert done.returncode == 0, done.stderr
            assert list(empty.iterdir()) == []  # it leaves no file
            told[path] = json.loads(done.stdout)
        return told[path]

    return result


def test_there_are_ten():
    assert [path.stem[:3] for path in FILES] == [f"{n:02}_" for n in range(1, 11)]


@pytest.fixture(scope="module")
def lectures():
    return load_all(ROOT / "lectures")


def test_no_source_has_a_fault(lectures):
    assert list(faults_of(lectures)) == []


def test_zeros_of_the_right_shape_earn_a_quarter_of_an_exercise_at_most(lectures):
    for exercise in (e for lecture in lectures for e in lecture.exercises):
        points = tomllib.loads(exercise.question)["points"]
        assert points["signature"] + points["shapes"] <= sum(points.values()) / 4, exercise.name


@pytest.mark.slow
@each
def test_it_runs_with_all_checks_green_in_time_and_gives_no_solution_away(path, ran):
    found = ran(path)
    assert found["red"] == []
    assert found["seconds"] < SECONDS
    lecture = load(path)
    faults = faults_of([lecture], {lecture.name: found["printed"]})
    assert [fault for fault in faults if "its output" in fault] == []


@pytest.mark.slow
def test_all_run_in_six_minutes(ran):
    assert sum(ran(path)["seconds"] for path in FILES) < IN_ALL


@pytest.mark.slow
@each
def test_a_student_is_stopped_by_the_check_of_the_first_exercise_not_written(path, ran):
    assert ran(path)["stops"] == [e.name for e in load(path).exercises]


RIGHT_TOO = {}
RIGHT_TOO[2, "numeric_gradient"] = """
def numeric_gradient(x, h, f=np.var):
    dx = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = h
        dx[i] = (f(x + e) - f(x - e)) / (2 * h)
    return dx
"""


RIGHT_TOO[3, "add_terms"] = """
def add_terms(X):
    S = X[0].copy()
    for x in X[1:]:
        S += x

    def back(dS, dX):
        for i in range(len(dX)):
            dX[i] += dS

    return S, back
"""

RIGHT_TOO[9, "corners"] = """
def corners(p, t, step, J):
    away = np.delete(np.indices((3, 3)).reshape(2, 9).T - 1.0, 4, axis=0)[t]
    return np.stack([p, p + step * away], axis=1) + J
"""

RIGHT_TOO[10, "reciprocal"] = """
def reciprocal(S, k):
    n = len(S)
    T = S - 2 * S.max() * np.eye(n)
    N = T >= np.sort(T, axis=1)[:, [n - k]]
    return N * N.T * S
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "name"), RIGHT_TOO)
def test_a_lecture_goes_on_with_a_right_answer_that_is_not_its_solution(number, name):
    space = {"__name__": "__main__"}
    for cell in load(FILES[number - 1]).solution().cells:
        if cell.cell_type == "code":
            exec(RIGHT_TOO[number, name] if cell.id == name else cell.source, space)


@pytest.mark.slow
@each
def test_its_checks_hold_for_other_seeds_and_find_every_known_mistake(path, ran):
    assert ran(path)["wrong for seeds"] == []
    assert ran(path)["not found"] == []


@pytest.mark.slow
@each
def test_each_exercise_is_checked_by_itself_without_the_rest_of_the_notebook(path):
    lecture = load(path)
    (handout,) = (h for h in built(path.parent) if h.stem == path.stem)
    states = lambda notebook: [
        outcome.state
        for outcome in tried(
            [cell.source for cell in notebook.cells if cell.cell_type == "code"],
            handout.checks,
        )
    ]
    assert set(states(lecture.solution())) == {"right"}
    assert set(states(lecture.student())) == {"not written"}


@pytest.mark.slow
@each
@pytest.mark.parametrize(
    ("kind", "share", "verdict"), [("solution", 1, "PASS"), ("student", 0, "MISSING")]
)
def test_a_whole_notebook_is_graded_without_a_flag(path, kind, share, verdict, tmp_path):
    lecture = load(path)
    build_assignment(lecture, tmp_path)
    source, _ = notebook_source(nbformat.writes(getattr(lecture, kind)()).encode())
    with Sandbox() as sandbox:
        result = Judge(load_assignment(tmp_path), sandbox).student("ada", source, seed=1)
    assert {q["verdict"] for q in result["questions"].values()} == {verdict}
    assert result["score"] == share * result["max_score"]


@pytest.mark.slow
@each
def test_the_grader_takes_its_assignment(path, tmp_path):
    build_assignment(load(path), tmp_path)
    with Sandbox() as sandbox:
        rows = list(verify(load_assignment(tmp_path), sandbox))
    assert [row for row in rows if not row.holds] == []
