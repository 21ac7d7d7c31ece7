"""One source, and what students and teachers get of it."""

import re

import nbformat
import pytest

from minigrad.gradcheck import Unfit
from minigrad.grade.assignments import load as load_assignment
from minigrad.grade.proofs import verify
from minigrad.grade.sandbox import Sandbox
from minigrad.lectures.assignment import assignment_of, build_assignment
from minigrad.lectures.sources import check_of, digest, load, load_all


def code(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_number_name_title_question_and_exercises_are_read(lecture):
    this = lecture()
    told = (this.number, this.name, this.title, this.question)
    assert told == (1, "means", "Means and squares", "What is the middle of some rows?")
    mean, square = this.exercises
    assert (mean.name, mean.title) == ("mean", "the mean of the rows")
    assert mean.check.endswith("check_exercise(mean, mean_inputs, like=lambda X, kind: X.mean(0))")
    assert [summary for summary, _ in mean.hints][1:] == [
        "Hint 2: the formula",
        "Hint 3: the first line",
    ]
    assert mean.hints[0] == ("Hint 1: the idea", "Add them.")
    assert square.question.startswith('gradients = ["dA"]')


def test_of_two_checks_the_first_belongs_to_the_exercise(lecture):
    more = '# %% [markdown] tags=["hint"]'
    twice = lecture((more, f'# %% tags=["check"]\nmean(1, 2)\n\n{more}'))
    assert twice.exercises == lecture().exercises


def test_students_get_a_raise_in_the_place_of_every_solution(lecture):
    source = code(lecture().student())
    assert (
        'Z any shape."""\n    raise NotImplementedError("Z = A * A and its back; A, Z any' in source
    )
    assert '    def back(dZ, dA):\n        raise NotImplementedError("Z = A * A and' in source
    assert r'raise NotImplementedError("The \"mean\" of the rows' in source
    for hidden in ("SOLUTION", "total", "2 * A", "points"):
        assert hidden not in source
    compile(source, "student", "exec")


def test_the_words_of_a_task_are_left_as_they_are(lecture):
    source = code(lecture(("Z = A * A and its back", "Z = A² and its back")).student())
    assert 'raise NotImplementedError("Z = A² and its back; A, Z any shape.")' in source


def test_a_digest_is_of_what_can_be_seen():
    assert digest("a\n  b", "c") == digest("\na  \n  b\n\n", "c\t")
    assert len({digest("a\nb"), digest("a\n b"), digest("a", "b"), digest("ab")}) == 4


def test_solutions_have_no_marks_and_run(lecture):
    source = code(lecture().solution())
    assert "SOLUTION" not in source
    assert "    total = X.sum(axis=0)\n    m = total / len(X)\n    return m" in source
    names = {}
    exec(source, names)
    assert names["square"](3.0)[0] == 9


def test_neither_notebook_nor_script_has_what_goes_to_the_grader(lecture):
    this = lecture()
    for text in (*map(nbformat.writes, (this.student(), this.solution())), this.script()):
        assert "not divided" not in text
    assert '\n# %% tags=["exercise"]\ndef mean' in this.script()


def test_cells_keep_their_ids_from_one_build_to_the_next(lecture):
    before = [cell.id for cell in lecture().student().cells]
    after = [cell.id for cell in lecture(("SHIFT = 2.0", "SHIFT = 3.0")).student().cells]
    assert [i for i, (a, b) in enumerate(zip(before, after)) if a != b] == [2]
    assert before[4] == "mean"


def test_two_cells_of_the_same_text_have_different_ids(lecture):
    this = lecture(("SHIFT = 2.0", "SHIFT = 2.0\n\n# %%\nSHIFT\n\n# %%\nSHIFT\n\n# %%"))
    ids = [cell.id for cell in this.student().cells]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("name", "old", "new", "sentence"),
    [
        ("means.py", "", "", "is called as 01_neural_networks.py"),
        ("01_means.py", "# # 1. M", "# # M", "the first cell begins with `# 1. Title`"),
        ("01_means.py", "rows?**", "rows?", "and has a question, **in bold**, as a paragraph"),
        ("02_means.py", "", "", "the first cell begins with `# 2. Title`"),
    ],
)
def test_a_source_without_its_head_is_refused(name, old, new, sentence, lecture):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        lecture((old, new), name=name)


def test_the_lectures_of_a_folder_come_in_order(lecture):
    lecture(("# 1. Means", "# 10. Means"), name="10_more.py")
    first = lecture()
    assert [this.number for this in load_all(first.path.parent)] == [1, 10]
    assert load(str(first.path)).exercises == first.exercises


def test_a_check_stands_by_itself_with_all_that_it_needs_and_no_solution(lecture):
    this = lecture()
    source = check_of(this, this.exercises[0])
    assert "SHIFT = 2.0" in source
    assert "scipy" not in source
    names = {"mean": lambda X, kind: X.mean(0) + 1e-3}
    *before, last = source.rsplit("\n\n", 1)
    exec(before[0], names)
    assert "at [" in str(eval(last, names))


def test_a_check_that_needs_an_exercise_is_refused(lecture):
    this = lecture(("like=lambda A: A**2", "like=lambda A: mean(A, 1)"))
    with pytest.raises(ValueError, match="the check of square reads mean, which no cell before it"):
        check_of(this, this.exercises[1])


def test_the_assignment_has_what_the_grader_reads(lecture, tmp_path):
    files = assignment_of(lecture())
    assert set(files) == {"assignment.toml", "inputs.py", "reference.py", "starter.py"}
    assert files["inputs.py"].startswith("SHIFT = 2.0\n\n\ndef moved(X):")
    assert files["assignment.toml"].startswith('schema = 1\ntitle = "1. Means and squares"\n')
    assert 'signature = "mean(X, kind)"' in files["assignment.toml"]
    build_assignment(lecture(), tmp_path / "hw")
    mean, square = load_assignment(tmp_path / "hw").questions
    assert (mean.kind, square.kind, square.gradients) == ("value", "operation", ("dA",))
    with Sandbox() as sandbox:
        rows = list(verify(load_assignment(tmp_path / "hw"), sandbox))
    assert [row for row in rows if not row.holds] == []


def test_inputs_bring_their_helpers_once_and_their_edges(lecture):
    edges = 'def square_edges(rng):\n    yield "zeros", (np.zeros(2),)\n\n\n'
    this = lecture(
        ("    yield (rng.normal(size=(4, 3)),)", "    yield (moved(rng.normal(size=(4, 3))),)"),
        ("check_exercise(square", f"{edges}check_exercise(square"),
    )
    inputs = assignment_of(this)["inputs.py"]
    assert inputs.count("def moved") == inputs.count("SHIFT = ") == 1
    assert edges.strip() in inputs


def test_inputs_that_need_an_exercise_are_refused(lecture):
    with pytest.raises(Unfit, match="the inputs of square read mean, which no cell before them"):
        assignment_of(lecture(("yield (rng.normal(size=(4, 3)),)", "yield (mean(rng, 1),)")))


def test_the_tolerance_of_a_check_is_that_of_the_grader(lecture):
    old = "like=lambda X, kind: X.mean(0)"
    told = assignment_of(lecture((old, f"{old}, tolerance=1e-3")))["assignment.toml"]
    assert told.count("tolerance = 0.001\n") == 1


def test_what_holds_goes_to_the_grader_whatever_it_is_called(lecture):
    old = "like=lambda X, kind: X.mean(0)"
    new = 'holds=lambda m, X, kind: "" if m.shape == (3,) else "no"'
    inputs = assignment_of(lecture((old, new)))["inputs.py"]
    assert "mean_holds = lambda m, X, kind: '' if m.shape == (3,) else 'no'" in inputs


def test_a_node_goes_to_the_grader_as_a_function(lecture):
    this = lecture(
        ("def square", "@node\ndef square"),
        ("import scipy", "from minigrad import node\nimport scipy"),
    )
    files = assignment_of(this)
    assert "@node" not in files["reference.py"]
    assert "from minigrad import node" in files["starter.py"]
