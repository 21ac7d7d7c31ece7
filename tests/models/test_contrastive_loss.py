import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from minigrad.models import contrastive
from numeric import GOLDEN, arrays, follows, normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import value_and_grad, var


def slow_contrastive(F, G, t, margin, half=1.0):
    """The mean over pairs, one at a time, as the slide has it."""
    costs = []
    for f, g, similar in zip(F, G, t):
        D = np.sqrt(np.sum((f - g) ** 2))
        costs.append(half * (D**2 if similar else max(0, margin - D) ** 2))
    return np.mean(costs)


LABELS = st.lists(st.integers(0, 1), min_size=4, max_size=4)


@given(F=arrays((4, 2)), G=arrays((4, 2)), t=LABELS, margin=st.sampled_from([0.5, 1.0, 3.0]))
def test_it_is_the_slide_s_formula_and_half_of_it_with_swapped_labels_in_hadsell_s_form(
    F, G, t, margin
):
    t = np.array(t)
    assert follows(
        lambda F, G: contrastive(F, G, t, margin),
        lambda F, G: slow_contrastive(F, G, t, margin),
        F,
        G,
    )
    assert follows(
        lambda F, G: contrastive(F, G, 1 - t, margin, "hadsell"),
        lambda F, G: slow_contrastive(F, G, t, margin, half=0.5),
        F,
        G,
    )


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("contrastive_slide_mean", "t"),
        ("contrastive_slide_sum", "t"),
        ("contrastive_hadsell_mean", "y"),
    ],
)
def test_it_has_the_golden_values(golden, name, labels):
    entry = golden(name)
    F, G, t = (entry.inputs[k] for k in ("A", "B", labels))
    form, reduction = name.split("_")[1:]
    L, (dF, dG) = value_and_grad(contrastive, (0, 1))(
        F, G, t, entry.options["margin"], form, reduction
    )
    assert_allclose(L, entry.outputs["L"], **GOLDEN)
    assert_allclose(dF, entry.grads["A"], **GOLDEN)
    assert_allclose(dG, entry.grads["B"], **GOLDEN)


def step(F, G, t, **options):
    """The cost of a pair, and the gradient of its first sample."""
    F, G = np.array([F], float), np.array([G], float)
    return value_and_grad(contrastive)(F, G, np.array([t]), **options)


def test_descent_pulls_similar_pairs_together_and_pushes_others_apart():
    _, dF = step([0.5, 0.0], [0.0, 0.0], 1)
    assert_array_equal(dF, [[1.0, 0.0]])
    _, dF = step([0.5, 0.0], [0.0, 0.0], 0)
    assert_array_equal(dF, [[-1.0, 0.0]])


@pytest.mark.parametrize("distance", [1.0, 1.5])
def test_at_the_margin_and_beyond_it_a_dissimilar_pair_is_let_go(distance):
    L, dF = step([distance, 0.0], [0.0, 0.0], 0)
    assert L == 0
    assert_array_equal(dF, [[0.0, 0.0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("nearly", [0.0, 1e-300, 1e-30])
def test_coincident_dissimilar_pairs_cost_the_squared_margin_and_never_give_nan(nearly, dtype):
    F = np.array([[nearly, 0.0]], dtype)
    L, dF = value_and_grad(contrastive)(F, 0 * F, np.array([0]), margin=3.0)
    assert_allclose(L, 9)
    assert np.isfinite(dF).all()
    if nearly == 0:
        assert_array_equal(dF, [[0.0, 0.0]])


@pytest.mark.parametrize("dtype", [bool, np.uint8, int, np.float32, float])
def test_labels_may_be_of_any_dtype(dtype):
    F, G, t = normal(4, 3), normal(4, 3, seed=1), np.array([0, 1, 1, 0])
    assert_array_equal(contrastive(F, G, t.astype(dtype)), contrastive(F, G, t))


@pytest.mark.parametrize(
    ("t", "options", "sentence"),
    [
        (np.array([0, 1, 1]), {}, "F is (2, 3), so t is (2,), not (3,)"),
        (np.array([[0], [1]]), {}, "F is (2, 3), so t is (2,), not (2, 1)"),
        (np.array([-1, 1]), {}, "t holds 0 and 1 only, the labels of pairs"),
        (np.array([0.0, np.nan]), {}, "t holds 0 and 1 only, the labels of pairs"),
        (np.array([0, 1]), {"margin": 0.0}, "margin is above 0, not 0.0"),
        (np.array([0, 1]), {"form": "lecun"}, "form is slide or hadsell, not 'lecun'"),
        (np.array([0, 1]), {"reduction": "max"}, "reduction is mean or sum, not 'max'"),
    ],
)
def test_what_does_not_fit_is_refused(t, options, sentence):
    for F in (np.ones((2, 3)), var(np.ones((2, 3)))):
        with pytest.raises(ValueError, match=re.escape(f"contrastive: {sentence}")):
            contrastive(F, np.ones((2, 3)), t, **options)


@pytest.mark.parametrize("G", [(2, 4), (3, 3), (3,)], ids=str)
def test_pairs_of_different_shapes_are_refused(G):
    sentence = f"contrastive: embeddings are (n, d), all of one shape, not F (2, 3), G {G}"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        contrastive(np.ones((2, 3)), np.ones(G), np.array([0, 1]))
