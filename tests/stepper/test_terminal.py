import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.stepper.terminal import curve, table

FINITE = st.floats(-1e300, 1e300)


def picture(text):
    """The lines between the title and the axis of steps, and the marks before them."""
    _, *lines, floor, _ = text.split("\n")
    edge = len(floor) - len(floor.lstrip())
    return [line[edge + 1 :] for line in lines], [line[:edge].strip() for line in lines]


def test_a_table_has_its_columns_one_below_the_other():
    lines = table([["a", "long head", "c"], ["wide cell", "", "d"]]).split("\n")
    assert lines == ["a          long head  c", "wide cell             d"]


@pytest.mark.parametrize("braille", [True, False])
@pytest.mark.parametrize("width", [1, 40, 80, 200])
def test_a_curve_keeps_to_its_width_and_height_where_these_leave_room(width, braille):
    lines = curve([1, 2, 9], [3, 1, 2], width=width, height=7, braille=braille).split("\n")
    assert len(lines) == 1 + 7 + 2
    assert max(map(len, lines)) == max(width, len(lines[1]), len(lines[-2]))


def test_ascii_is_ascii_and_braille_is_not():
    assert curve([1, 2], [3, 1], braille=False).isascii()
    assert not curve([1, 2], [3, 1]).isascii()


def test_the_axes_are_named_and_marked_with_the_ends():
    text = curve([20, 600], [5.99, 0.41], braille=False)
    first, *_, steps = text.split("\n")
    _, marks = picture(text)
    assert first == "loss"
    assert (marks[0], marks[-1]) == ("5.99", "0.41")
    assert steps.split() == ["20", "step", "600"]


def test_a_falling_straight_line_is_drawn_as_one():
    drawn, _ = picture(curve(range(13), range(13, 0, -1), width=29, height=13, braille=False))
    centres = [np.mean([i for i, c in enumerate(line) if c == "*"]) for line in drawn]
    np.testing.assert_allclose(np.diff(centres), np.ptp(centres) / 12, atol=1)
    assert centres[0] < centres[-1]


def test_braille_and_ascii_draw_the_same_curve():
    steps = np.arange(100)
    losses = np.exp(-steps / 20) + 0.1 * np.sin(steps)
    fine, coarse = (
        picture(curve(steps, losses, width=40, height=13, braille=b))[0] for b in (True, False)
    )
    for i, line in enumerate(fine):
        for j, c in enumerate(line):
            near = [row[max(j - 1, 0) : j + 2] for row in coarse[max(i - 1, 0) : i + 2]]
            assert c == " " or "*" in "".join(near)


def test_a_logarithmic_axis_makes_a_straight_line_of_an_exponential_one():
    steps = np.arange(50)
    on_log = curve(steps, 10.0**-steps, logarithmic=True, braille=False)
    straight = curve(steps, -steps, braille=False)
    assert on_log.startswith("loss, logarithmic\n")
    ink = [[line.strip().count("*") for line in picture(t)[0]] for t in (on_log, straight)]
    np.testing.assert_allclose(*ink, atol=1)
    assert picture(on_log)[1][-1] == "1e-49"


@pytest.mark.parametrize("losses", [[2.3021, 2.3022], [1e30, 2e30], [-1, 1]], ids=str)
def test_marks_have_the_digits_that_tell_them_apart(losses):
    _, marks = picture(curve([1, 2], losses))
    marks = [mark for mark in marks if mark]
    assert len(set(marks)) == len(marks) == 5
    assert sorted(marks, key=float, reverse=True) == marks


@pytest.mark.parametrize("losses", [[0.5], [0.5, 0.5]], ids=str)
def test_one_loss_and_equal_losses_are_a_point_and_a_level_line(losses):
    drawn, marks = picture(curve([3, 4][: len(losses)], losses, width=40, braille=False))
    assert [mark for mark in marks if mark] == ["0.5"]
    assert not "".join(drawn[:-1]).strip()
    assert drawn[-1].count("*") == (1 if len(losses) == 1 else len(drawn[-1]))


@given(st.lists(st.tuples(st.integers(0, 10**9), FINITE), min_size=1, max_size=40))
def test_every_column_between_the_first_and_the_last_step_has_a_dot(rows):
    rows = sorted(rows)
    drawn, _ = picture(curve(*zip(*rows), width=50, braille=False))
    columns = ["".join(column).strip() for column in zip(*(line.ljust(50) for line in drawn))]
    filled = [bool(column) for column in columns]
    assert filled[0]
    assert filled == sorted(filled, reverse=True)
    assert all(set(column) == {"*"} for column in columns if column)  # without gaps
