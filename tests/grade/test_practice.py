"""`minigrad check FILE --question NAME`: the public checks, for students."""

import sys
import time

import numpy as np
import pytest

from minigrad.cli import main
from minigrad.gradcheck import Unfit
from minigrad.grade.assignments import load, shipped
from minigrad.grade.practice import HIDDEN, check_question

QUESTIONS = {q.name: task for task in map(load, shipped()) for q in task.questions}
CHECKED = [name for name, task in QUESTIONS.items() if task.name != "gradient-check"]
PAIR = """
def affine_forward(X, W, b):
    return X @ W + b, (X, W)

def affine_backward(dA, cache):
    X, W = cache
    return dA @ W.T, X.T @ dA, dA.sum(0)
"""
RIGHT = QUESTIONS["affine"].source_of_reference


@pytest.fixture
def checked(tmp_path, monkeypatch, capfd):
    """checked(source, words): exit code, stdout and stderr of `minigrad check`."""

    def typed(source, *words):
        (tmp_path / "mine.py").write_text(source)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["minigrad", "check", "mine.py", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capfd.readouterr()

    return typed


@pytest.mark.parametrize("name", CHECKED)
def test_the_reference_is_right_and_hidden_checks_are_announced(name):
    begun = time.process_time()
    practice = check_question(QUESTIONS[name].reference[name], name)
    seconds = time.process_time() - begun
    assert practice, str(practice)
    assert str(practice).endswith(HIDDEN)
    assert "all" not in str(practice).replace(HIDDEN, "").split()
    assert seconds < 2


FORMS = {"with back": (RIGHT, "(4, 2), ((2, 3), (3,))"), "a pair": (PAIR, "(4, 2), (2, 3), (3,)")}


@pytest.mark.parametrize(("source", "given"), FORMS.values(), ids=FORMS)
def test_both_forms_are_checked(checked, source, given):
    code, out, err = checked(source, "--question", "affine")
    assert (code, err) == (0, "")
    assert out.endswith(f"checked with {given}\n{HIDDEN}\n")
    code, out, _ = checked(source.replace("sum(0)", "mean(0)"), "--question", "affine")
    assert code == 1
    assert "1/N: the gradient of b is 4 times too small" in out
    assert HIDDEN not in out


def test_a_wrong_value_is_said_even_where_its_gradients_are_right(checked):
    wrong = RIGHT.replace("X @ W + b", "X @ W + b + 1")
    code, out, _ = checked(wrong, "--question", "affine")
    assert code == 1
    assert "affine: wrong\n  for (4, 2), ((2, 3), (3,)): at [" in out


def test_students_need_no_reference(tmp_path):
    public = tmp_path / "affine"
    public.mkdir()
    for file in ("assignment.toml", "inputs.py", "starter.py"):
        (public / file).write_text(QUESTIONS["affine"].sources[file])
    affine = QUESTIONS["affine"].reference["affine"]
    idle = lambda X, U: (X @ U[0] + U[1], lambda dA, *into: None)
    assert check_question(affine, "affine", public)
    assert not check_question(idle, "affine", public)


def test_the_public_numbers_are_the_same_again_and_others_by_seed():
    seen = []

    def affine(X, U):
        seen.append(X.copy())
        return QUESTIONS["affine"].reference["affine"](X, U)

    firsts = []
    for seed in (0, 0, 1):
        firsts.append(len(seen))
        check_question(affine, "affine", seed=seed)
    once, again, other = (seen[i] for i in firsts)
    np.testing.assert_array_equal(once, again)
    assert not np.isclose(once, other).any()


def test_a_notebook_shows_it_as_well():
    practice = check_question(QUESTIONS["affine"].reference["affine"], "affine")
    assert practice._repr_html_().endswith(f"<p>{HIDDEN}</p>")
    wrong = check_question(lambda X, U: (X, lambda dA, *into: None), "affine")
    assert "returns shape (4, 2) where (4, 3) is expected" in wrong._repr_html_()


MISTAKES = {
    ("--question", "dense"): "there is no question 'dense': there are add, affine, batchnorm,",
    ("--question", "conv"): "mine.py: there is no function conv; it has affine",
    ("--question", "affine", "--assignment", "hw9"): "hw9: there is no folder with an assignment",
    ("--question", "affine", "--json"): "--question has shapes of its own, and gives a text",
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_is_one_line(words, checked):
    code, out, err = checked(RIGHT, *words)
    assert (code, out) == (2, "")
    assert MISTAKES[words] in err
    assert err.count("\n") == 1


def test_a_check_that_students_write_is_no_practice():
    with pytest.raises(Unfit, match="check is checked when it is graded only"):
        check_question(lambda f, x: True, "check")


def test_a_function_that_is_a_node_is_checked_as_the_function():
    source = RIGHT.replace("def affine", "from minigrad import node\n\n\n@node\ndef affine")
    names = {}
    exec(source, names)
    practice = check_question(names["affine"], "affine")
    assert practice, str(practice)


@pytest.mark.parametrize("kind", ["matrix", "ma.MaskedArray"])
def test_a_value_of_another_kind_is_wrong_as_it_is_when_graded(kind):
    names = {"np": np}
    exec(RIGHT.replace("return A,", f"return A.view(np.{kind}),"), names)
    assert f"not a {kind.split('.')[-1]}" in str(check_question(names["affine"], "affine"))
