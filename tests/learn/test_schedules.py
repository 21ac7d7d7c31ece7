import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import GOLDEN
from numpy.testing import assert_allclose

from minigrad.learn import Plateau, constant, cosine, linear, steps

SHARES = (0.5, 0.75)


@pytest.mark.parametrize(
    ("rate", "values"),
    [
        (constant(0.2), [0.2, 0.2, 0.2, 0.2, 0.2]),
        (linear(0.2), [0.2, 0.15, 0.1, 0.05, 0]),
        # cos of 45 degrees is the root of a half
        (cosine(0.2), [0.2, 0.1 + 0.1 * np.sqrt(0.5), 0.1, 0.1 - 0.1 * np.sqrt(0.5), 0]),
        (steps(0.2, SHARES), [0.2, 0.2, 0.02, 0.002, 0.002]),
        (steps(0.2, SHARES, factor=0.5), [0.2, 0.2, 0.1, 0.05, 0.05]),
        (steps(0.2, ()), [0.2, 0.2, 0.2, 0.2, 0.2]),
    ],
    ids=["constant", "linear", "cosine", "steps", "steps halving", "no steps"],
)
def test_a_schedule_has_the_values_worked_out_by_hand(rate, values):
    progress = [0, 0.25, 0.5, 0.75, 1]
    assert_allclose([rate(p) for p in progress], values, rtol=1e-14, atol=1e-16)


@given(p=st.floats(0, 1), q=st.floats(0, 1), first=st.floats(0.0, 10))
@pytest.mark.parametrize("schedule", [constant, linear, cosine, lambda r: steps(r, SHARES)])
def test_a_schedule_never_rises_and_stays_between_its_first_rate_and_0(schedule, p, q, first):
    rate = schedule(first)
    assert rate(0) == first
    assert first >= rate(min(p, q)) >= rate(max(p, q)) >= 0


def test_plateau_has_the_golden_rates(golden):
    entry = golden("plateau_schedule")
    rate = Plateau(entry.options["lr0"], factor=1 / 3, patience=entry.options["patience"])
    found = []
    for error in entry.inputs["errors"]:
        rate.observe(error)
        found.append(rate(0.5))
    assert_allclose(found, entry.outputs["lr"], **GOLDEN)


def observed(errors, **options):
    """The rate after each error, beginning at 9."""
    rate = Plateau(9.0, **options)
    found = []
    for error in errors:
        rate.observe(error)
        found.append(round(rate(0), 12))
    return found


def test_plateau_divides_by_3_at_the_second_epoch_in_a_row_without_improvement():
    assert observed([0.5, 0.6, 0.4, 0.6, 0.6, 0.6, 0.6]) == [9, 9, 9, 9, 3, 3, 1]


def test_an_equal_error_is_no_improvement():
    assert observed([0.5, 0.5], patience=0) == [9, 3]


def test_an_error_better_than_the_last_but_not_than_the_best_is_no_improvement():
    assert observed([0.5, 0.9, 0.7]) == [9, 9, 3]


def test_an_improvement_starts_the_count_anew():
    assert observed([0.5, 0.6, 0.4, 0.5, 0.3, 0.4]) == [9] * 6


def test_plateau_takes_another_factor_and_patience():
    assert observed([1, 1, 1, 1, 1], factor=0.5, patience=2) == [9, 9, 9, 4.5, 4.5]


def test_plateau_has_ended_below_its_lowest_rate():
    rate = Plateau(9.0, patience=0, lowest=1.0)
    found = []
    for _ in range(4):
        rate.observe(0.5)
        found.append((round(rate(0), 12), rate.ended))
    assert found == [(9, False), (3, False), (1, False), (round(1 / 3, 12), True)]
    assert not Plateau(1e-300).ended


def test_plateau_does_not_depend_on_the_progress():
    rate = Plateau(9.0)
    assert rate(0) == rate(1) == 9
