import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from minigrad.models import triplet
from numeric import GOLDEN, arrays, follows, normal
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cosine

from minigrad import value_and_grad

DISTANCES = {
    "squared": lambda a, b: np.sum((a - b) ** 2),
    "unsquared": lambda a, b: np.sqrt(np.sum((a - b) ** 2)),
    "cosine": lambda a, b: cosine(a, b) if a.any() and b.any() else 1.0,
}


def slow_triplet(A, P, N, margin, form):
    """The mean over triplets, one at a time."""
    D = DISTANCES[form]
    V = np.array([D(a, p) - D(a, n) for a, p, n in zip(A, P, N)])
    return np.mean(np.log1p(np.exp(V)) if margin == "soft" else np.maximum(V + margin, 0))


@pytest.mark.parametrize("form", DISTANCES)
@given(A=arrays((3, 2)), P=arrays((3, 2)), N=arrays((3, 2)), margin=st.sampled_from([0.5, "soft"]))
def test_it_is_the_mean_over_triplets_of_the_hinge_or_its_soft_form(form, A, P, N, margin):
    A, P, N = (X.astype(float) for X in (A, P, N))
    assert follows(
        lambda A, P, N: triplet(A, P, N, margin, form),
        lambda A, P, N: slow_triplet(A, P, N, margin, form),
        *(A, P, N),
    )


@pytest.mark.parametrize(
    ("name", "form", "reduction"),
    [
        ("triplet_squared", "squared", "mean"),
        ("triplet_squared_sum", "squared", "sum"),
        ("triplet_squared_active", "squared", "active"),
        ("triplet_unsquared", "unsquared", "mean"),
        ("triplet_cosine", "cosine", "mean"),
    ],
)
def test_it_has_the_golden_values(golden, name, form, reduction):
    entry = golden(name)
    inputs = [entry.inputs[k] for k in "APN"]
    L, gradients = value_and_grad(triplet, (0, 1, 2))(
        *inputs, entry.options["margin"], form, reduction
    )
    assert_allclose(L, entry.outputs["L"], **GOLDEN)
    for k, gradient in zip("APN", gradients):
        assert_allclose(gradient, entry.grads[k], **GOLDEN)


def test_the_gradients_of_a_triplet_sum_to_0_and_are_the_slide_s():
    a, p, n = normal(3, 1, 4)
    _, (da, dp, dn) = value_and_grad(triplet, (0, 1, 2))(a, p, n, 100.0)
    assert_allclose(da, 2 * (n - p))
    assert_allclose(dp, 2 * (p - a))
    assert_allclose(dn, 2 * (a - n))
    assert_allclose(da + dp + dn, 0 * a, atol=1e-15)


def test_exactly_at_the_hinge_nothing_moves():
    a, p, n = np.array([[0.0]]), np.array([[1.0]]), np.array([[2.0]])  # 1 - 4 + 3
    L, da = value_and_grad(triplet)(a, p, n, 3.0)
    assert L == 0
    assert_array_equal(da, [[0.0]])


def test_the_mean_over_active_triplets_does_not_shrink_as_others_become_easy():
    A, P, N = np.zeros((4, 1)), np.zeros((4, 1)), np.array([[0.0], [9.0], [9.0], [9.0]])
    assert triplet(A, P, N, 0.5) == 0.125
    assert triplet(A, P, N, 0.5, reduction="active") == 0.5
    assert triplet(A[1:], P[1:], N[1:], 0.5, reduction="active") == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_soft_margin_neither_overflows_nor_lets_go_too_early(dtype):
    far, near = np.array([[1e3]], dtype), np.array([[0.0]], dtype)
    L, dA = value_and_grad(triplet)(near, far, near, "soft")
    assert_allclose(L, 1e6, rtol=1e-6)
    L, _ = value_and_grad(triplet)(near, near, far, "soft")
    assert L == 0
    L = triplet(near, near, np.array([[3.0]], dtype), "soft")
    assert_allclose(L, np.log1p(np.exp(-9.0)), rtol=1e-5)


def test_the_cosine_form_does_not_mind_the_length_of_embeddings():
    A, P, N = normal(3, 5, 4)
    assert_allclose(triplet(A, P, N, form="cosine"), triplet(7 * A, P / 9, N, form="cosine"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"margin": 0.0}, 'margin, unless "soft", is above 0, not 0.0'),
        ({"margin": np.nan}, 'margin, unless "soft", is above 0, not nan'),
        ({"margin": "Soft"}, 'margin, unless "soft", is above 0, not Soft'),
        ({"form": "l1"}, "form is squared or unsquared or cosine, not 'l1'"),
        ({"reduction": "max"}, "reduction is mean or sum or active, not 'max'"),
    ],
)
def test_other_options_are_refused(options, sentence):
    A = np.ones((2, 3))
    with pytest.raises(ValueError, match=re.escape(f"triplet: {sentence}")):
        triplet(A, A, A, **options)


def test_embeddings_of_different_shapes_are_refused_before_they_broadcast():
    sentence = "all of one shape, not A (2, 3), P (1, 3), N (2, 3)"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        triplet(np.ones((2, 3)), np.ones((1, 3)), np.ones((2, 3)))
