"""The catalogue is what it says: every wrong node shows its mistake, every right one shows none."""

import numpy as np
import pytest
from gradcheck.catalogue import CAUSES
from gradcheck.observing import observe
from gradcheck.right import RIGHT
from gradcheck.wrong import WRONG

SEEDS = (0, 1)
SHOWN_BY = {  # every other cause shows as a gradient that differs from differences
    "in place": {"in place"},
    "overwritten": {"accumulators"},
    "stale or shared": {"other call", "gradient"},
    "not repeatable": {"second back", "second forward"},
    "not finite": {"not finite"},
    "ties": {"ties"},
    "incoming ignored": {"incoming"},
    "exception": {"raises"},
    "shape": {"raises"},
}


def fitted(seen, k):
    """The factor by row that brings the slopes closest to the deposits; nan without slopes."""
    D, G = seen.deposits[k], seen.slopes[k]
    with np.errstate(invalid="ignore"):
        return (D * G).sum(-1, keepdims=True) / (G * G).sum(-1, keepdims=True)


def proportional(seen, k, least=-np.inf, most=np.inf):
    s = fitted(seen, k)
    in_range = (least < s) & (s < most) | np.isnan(s)
    return close(seen.deposits[k], np.nan_to_num(s) * seen.slopes[k]) and in_range.all()


def close(D, E):
    return np.abs(D - E).max() <= 1e-6 * np.abs(E).max()


def untouched(seen, k):
    return not seen.deposits[k].any()


def in_float32(seen, k):
    error = np.abs(seen.deposits[k] - seen.slopes[k]).max() / np.abs(seen.slopes[k]).max()
    return seen.value.dtype == np.float32 or 3e-9 < error < 1e-6


def in_integers(seen, k):
    D = seen.deposits[k]
    return seen.value.dtype.kind == "i" or (D.any() and np.array_equal(D, D.round()))


ROUNDED = {"float32": in_float32, "integers": in_integers}
PRECISELY = {  # what must hold of an argument whose gradient differs
    "untouched": untouched,
    "rebinding": untouched,
    "sign": lambda seen, k: close(seen.deposits[k], -seen.slopes[k]),
    "factor": proportional,
    "lambda": proportional,
    "N": lambda seen, k: proportional(seen, k, least=1.5),
    "1/N": lambda seen, k: proportional(seen, k, most=0.6),
    "slope": lambda seen, k: not seen.differ[k][seen.args[k] > 0].any(),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_wrong_node_shows_its_mistake(case, seed):
    seen, cause = observe(case.function, case.arguments, seed), case.causes[0]
    if seen.symptoms == {"raises"}:
        assert {"shape", "exception"} & set(case.causes)
        return
    if cause in ROUNDED:
        assert any(ROUNDED[cause](seen, k) for k in range(len(seen.args)))
        return
    assert seen.symptoms & SHOWN_BY.get(cause, {"gradient"})
    if cause in PRECISELY:
        differ = [k for k, d in enumerate(seen.differ) if d.any()]
        assert any(PRECISELY[cause](seen, k) for k in differ)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_wrong_node_is_finite_and_repeats_unless_that_is_its_mistake(case, seed):
    symptoms = observe(case.function, case.arguments, seed).symptoms
    assert "value" not in symptoms
    if not {"not repeatable", "stale or shared"} & set(case.causes):
        assert not {"second forward", "second back", "other call"} & symptoms


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.name)
def test_a_right_node_shows_nothing(case, seed):
    seen = observe(case.function, case.arguments, seed)
    assert not seen.symptoms
    assert all(s.any() for s in seen.smooth)


def test_the_catalogue_is_long_and_its_names_are_its_own():
    assert len(WRONG) >= 55
    assert len(RIGHT) >= 35
    assert sum(isinstance(case.function, tuple) for case in WRONG) >= 5
    for cases in (WRONG, RIGHT):
        assert len({case.name for case in cases}) == len(cases)


def test_every_mistake_that_a_back_can_make_is_there():
    of_forward = {23, 24, 25, 26}
    assert set(range(1, 60)) - of_forward <= {case.number for case in WRONG}


def test_every_cause_is_the_first_of_some_mistake():
    assert {case.causes[0] for case in WRONG} == CAUSES
    assert {cause for case in WRONG for cause in case.causes} <= CAUSES
