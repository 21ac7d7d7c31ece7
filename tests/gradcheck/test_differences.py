"""Slopes from values alone."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minigrad.gradcheck.differences import allows_complex, derivatives

ACCURATE = 1e-10  # of the largest entry: a hundredth of the tolerance that they serve


def jacobian(f, x, **options):
    return derivatives(lambda args: f(args[0]), (x,), x, list(np.ndindex(x.shape)), **options)


@given(st.integers(0, 999), st.sampled_from([1e-6, 1.0, 1e6]))
def test_slopes_of_smooth_functions_are_accurate_at_every_scale(seed, size):
    x = size * np.random.default_rng(seed).uniform(0.5, 2, 5)
    for f, slope in ((np.log, 1 / x), (np.sin, np.cos(x)), (lambda x: x**3, 3 * x * x)):
        if f is np.sin and size > 1:
            continue  # its waves are shorter than any step from so far out
        d = jacobian(f, x)
        assert not d.kinked.any()
        assert np.abs(d.J - np.diag(slope)).max() <= ACCURATE * np.abs(slope).max()


@given(st.integers(0, 999))
def test_a_kink_nearby_is_stepped_around_and_one_at_the_spot_is_told(seed):
    rng = np.random.default_rng(seed)
    x = np.array([0.0, rng.choice([-1, 1]) * 10.0 ** rng.uniform(-4, -3), 1.0])
    d = jacobian(lambda x: np.maximum(x, 0) * 3, x)
    assert d.kinked.tolist() == [True, False, False]
    np.testing.assert_allclose(np.diag(d.J)[1:], [3.0 * (x[1] > 0), 3.0], atol=1e-9)
    np.testing.assert_allclose([d.left[0, 0], d.right[0, 0]], [0, 3], atol=1e-9)


def test_the_arguments_are_as_before():
    x = np.array([1.0, 2.0])
    jacobian(np.exp, x)
    assert x.tolist() == [1, 2]


def test_the_complex_step_is_right_to_the_last_digits():
    x = np.random.default_rng(0).normal(size=6)
    d = jacobian(lambda x: np.exp(x) * x, x, lifted=[x])
    np.testing.assert_allclose(np.diag(d.J), np.exp(x) * (1 + x), rtol=1e-15)


@pytest.mark.parametrize(
    ("f", "allowed"),
    [
        (np.exp, True),
        (lambda x: np.maximum(x, 0), True),
        (np.abs, False),
        (lambda x: np.real(x) ** 2, False),
        (lambda x: np.array([float(v) for v in x]), False),
        (lambda x: np.vdot(x, x), False),
    ],
)
def test_the_complex_step_is_taken_only_where_it_agrees(f, allowed):
    x = np.random.default_rng(0).normal(size=6)
    rng = np.random.default_rng(1)
    assert allows_complex(lambda args: f(args[0]), (x,), [x], rng) is allowed
