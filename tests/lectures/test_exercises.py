"""Every way to be wrong has its sentence."""

import warnings

import nbclient
import numpy as np
import pytest

from minigrad import node
from minigrad.lectures import NotWritten, check_exercise, requires
from minigrad.lectures.exercises import AGAIN


def inputs(rng):
    yield (rng.normal(size=(4, 3)),)
    yield (rng.normal(size=(3, 3)),)


def checked(f, like=lambda X: X.mean(0), **options):
    f.__name__ = "f"
    return check_exercise(f, inputs, like, **options)


def test_right_is_said_with_the_number_of_cases():
    result = checked(lambda X: X.sum(0) / len(X))
    assert result
    assert str(result) == "f: right in 2 cases"
    assert result._repr_html_() == "<p><b>f: right in 2 cases</b></p>"


def overwriting(X):
    X -= 1
    return X.mean(0) + 1


def wrong_later(X):
    return X.mean(0) + (len(X) == 3)


WRONG = {
    "nothing": (lambda X: None, "it returns nothing (is there a return?), and should return an ar"),
    "a list": (lambda X: [1, 2], "it returns a list, and should return an array"),
    "a text": (lambda X: "m", "it returns a str, and should return an array"),
    "two values": (lambda X: (X, X), "it returns a tuple of 2, and should return an array"),
    "a number": (lambda X: X.mean(), "it returns one number where an array of shape (3,) is expec"),
    "another shape": (lambda X: X.mean(1), "it returns shape (4,) where (3,) is expected"),
    "truths": (lambda X: X.mean(0) > 0, "it returns bool where numbers are expected"),
    "float32": (lambda X: np.float32(X.mean(0)), "it returns float32 for arrays of float64"),
    "integers": (lambda X: X.mean(0).astype(int), "it is cut to an integer"),
    "a factor": (lambda X: X.sum(0), "every entry is 4 times what it should be"),
    "infinite": (lambda X: X.mean(0) + np.inf, "at [0] it is inf and should be 0.067"),
    "nan": (lambda X: X.mean(0) + np.nan, "at [0] it is nan and should be 0.067"),
    "in place": (overwriting, "for X (4, 3): it changes its argument X: make a new array"),
    "an exception": (
        lambda X: 1 / 0,
        "it raises ZeroDivisionError: division by zero, in the line: ",
    ),
    "arguments": (lambda X, Y: X, "it is called with 1 argument, and takes (X, Y)"),
    "the second case": (wrong_later, "for X (3, 3): at ["),
}


@pytest.mark.parametrize(("f", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(f, sentence):
    result = checked(f)
    assert not result
    assert str(result).startswith("f: wrong\n  for X (")
    assert sentence in str(result)
    assert "&#x27;" in result._repr_html_() or sentence in result._repr_html_()


M = 300


def test_an_array_from_another_cell_is_named_where_the_value_is_wrong():
    assert str(checked(lambda X: X.T.sum(1) / M)).endswith(
        " times what it should be (it reads M, which is none of its arguments)"
    )


LIKE = {
    "transposed": (
        lambda X: X.T,
        lambda X: X,
        "(3, 4) where (4, 3) is expected: its transpose is r",
    ),
    "an array for a number": (lambda X: X[0], lambda X: 1.0, "an array of shape (3,) where a numb"),
    "a nothing for a number": (lambda X: None, lambda X: 1.0, "and should return a number"),
    "one value of two": (lambda X: X, lambda X: (X, X), "one array (4, 3), and should return 2 va"),
    "the second value": (lambda X: (X, 0.5), lambda X: (X, 1.0), "value 2 of 2: it is 0.5 and sho"),
    "numbers for truths": (lambda X: X, lambda X: X > 0, "float64 where True and False are expec"),
    "a wrong truth": (lambda X: False, lambda X: True, "it is False and should be True"),
    "0 where nan is": (lambda X: X * 0, lambda X: X * np.nan, "it is 0 and should be nan"),
}


@pytest.mark.parametrize(("f", "like", "sentence"), LIKE.values(), ids=LIKE)
def test_what_is_wrong_beside_other_values_is_said(f, like, sentence):
    with np.errstate(all="ignore"):
        assert sentence in str(checked(f, like))


SAME = {
    "an integer and a float": (lambda X: 2, lambda X: 2.0),
    "an array without axes and a number": (lambda X: np.array(2.0), lambda X: 2.0),
    "nan and nan": (lambda X: X * np.nan, lambda X: X + np.nan),
    "inf and inf": (lambda X: X + np.inf, lambda X: abs(X) + np.inf),
    "tuples": (lambda X: (X, 1), lambda X: (X, 1.0)),
}


@pytest.mark.parametrize(("f", "like"), SAME.values(), ids=SAME)
def test_what_is_the_same_is_right(f, like):
    assert checked(f, like)


def doubled(slope):
    def double(A):
        def back(dZ, dA):
            dA += slope * dZ

        return 2 * A, back

    return double


def test_the_gradients_of_an_operation_are_checked_too():
    assert str(check_exercise(doubled(2), inputs, like=lambda A: A + A)) == (
        "double: right in 2 cases, and its gradients"
    )
    wrong = check_exercise(doubled(1), inputs, like=lambda A: A + A)
    assert not wrong
    assert "factor: the gradient of A is wrong by the factor 0.5" in str(wrong)
    assert "<table>" in wrong._repr_html_()
    assert check_exercise(node(doubled(2)), inputs, like=lambda A: A + A)


def test_what_is_not_written_stops_with_one_line():
    def f(X):
        raise NotImplementedError("the task")

    def caller(X):
        return f(X)

    def half(X):
        def back(dZ, dX):
            raise NotImplementedError("the task")

        return X, back

    with pytest.raises(
        NotWritten, match="^f is not written yet: write it in the cell above, "
    ) as e:
        checked(f)
    assert e.value._render_traceback_() == [str(e.value)]
    with pytest.raises(NotWritten, match="^caller calls f, which is not written yet$"):
        check_exercise(caller, inputs, len)
    with pytest.raises(NotWritten, match="^the back of half is not written yet"):
        check_exercise(half, inputs, like=lambda X: X)


@pytest.mark.slow
def test_a_notebook_fails_at_the_check_with_this_line_alone(lecture):
    notebook = lecture().student()
    with warnings.catch_warnings(action="ignore"):  # of the event loop
        nbclient.NotebookClient(notebook, allow_errors=True, kernel_name="python3").execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    exercise, check = code[2], code[3]
    assert exercise.outputs == []
    (output,) = check.outputs
    assert (output.output_type, output.ename) == ("error", "NotWritten")
    assert output.traceback == [f"mean is not written yet: {AGAIN}"]


def test_where_several_answers_are_right_a_property_is_asked_for():
    unit = lambda v, X: "" if abs(v @ v - 1) < 1e-9 else f"its length is {v @ v:.2g}, not 1"
    assert checked(lambda X: X[0] / np.linalg.norm(X[0]), None, holds=unit)
    assert "its length is 4, not 1" in str(checked(lambda X: np.array([2.0]), None, holds=unit))
    assert "it returns nothing (is there a return?), which is none that can be judged" in str(
        checked(lambda X: None, None, holds=unit)
    )


def test_a_check_that_compares_nothing_is_a_mistake_of_who_wrote_it():
    with pytest.raises(ValueError, match="compares nothing: give like= or holds="):
        checked(lambda X: X, None)
    with pytest.raises(ValueError, match="its inputs yield no case"):
        check_exercise(len, lambda rng: iter(()), len)


def test_what_is_no_function_is_said():
    assert "it is an int, and should be a function" in str(check_exercise(3, inputs, len))


def test_a_newer_minigrad_is_asked_for_in_words():
    with pytest.raises(ImportError, match=r"this lecture needs minigrad 99\.0, and here is 0"):
        requires("99.0")


def test_a_function_of_numpy_is_checked_like_any_other():
    assert check_exercise(np.exp, inputs, like=lambda X: np.e**X)
