import re
from decimal import Decimal, localcontext

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from minigrad.models import exemplar_softmax, instance_softmax, instance_softmax_paper, ntxent
from numeric import GOLDEN, GOLDEN_EXTREME, normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import entropy, grad, normalize, value_and_grad, var

DIGITS = 120  # of the exact loss: 1 - p may be e^(-2 / 0.01), of 87 digits


def exact(X, T, self_term=False, c=1.0, negatives="all"):
    """(loss, dX with keys held fixed) by the definition, in decimal numbers of DIGITS digits."""
    n, T, c = len(X), Decimal(float(T)), Decimal(float(c))
    L, dX = Decimal(0), np.zeros(X.shape)
    with localcontext() as context:
        context.prec = DIGITS
        x = [[Decimal(float(v)) for v in row] for row in X]
        S = [[sum(a * b for a, b in zip(p, q)) / T for q in x] for p in x]
        for i in range(n):
            positive, E = (i + n // 2) % n, [s.exp() for s in S[i]]
            others = [j for j in range(n) if j not in (i, positive)]
            if negatives != "all":
                others.sort(key=lambda j: -S[i][j])
                half = len(others) // 2
                others = others[:half] if negatives == "hard" else others[half:]
            weight = {positive: Decimal(1), **dict.fromkeys(others, c)}
            weight |= {i: Decimal(1)} if self_term else {}
            total = sum(w * E[j] for j, w in weight.items())
            p = {j: E[j] / total for j in weight}
            L -= p[positive].ln() + c * sum((1 - p[j]).ln() for j in others)
            r = {j: p[j] / (1 - p[j]) for j in others}
            R = sum(r.values())
            for j, w in weight.items():
                G = w * p[j] - (j == positive) + c * (r.get(j, 0) - w * p[j] * R)
                dX[i] += [float(G * v / (n * T)) for v in x[j]]
        return float(L / n), dX


def two_views(m, noise, seed, d=3, dtype=float):
    rng = np.random.default_rng(seed)
    F = normalize(rng.standard_normal((m, d)))
    G = normalize(F + noise * normalize(rng.standard_normal((m, d))))
    return np.concatenate([F, G]).astype(dtype)


ROUNDING = {np.float64: 1e-12, np.float32: 1e-6}  # of S, a sum of few products near 1


@pytest.mark.parametrize("dtype", ROUNDING)
@given(
    m=st.integers(1, 3),
    noise=st.sampled_from([0.0, 0.3, 3.0, 100.0]),
    T=st.sampled_from([0.01, 0.02, 0.05, 0.1, 1.0]),
    seed=st.integers(0, 99),
    self_term=st.booleans(),
    c=st.sampled_from([1.0, 1.001, 1.5, 3.0]),
    negatives=st.sampled_from(["all", "hard", "easy"]),
)
def test_instance_softmax_is_exact_down_to_a_temperature_of_001(
    dtype, m, noise, T, seed, self_term, c, negatives
):
    X = two_views(m, noise, seed, dtype=dtype)
    expected, step = exact(X, T, self_term, c, negatives)
    L, dX = value_and_grad(lambda Y: instance_softmax(Y, X, T, self_term, c, negatives))(X)
    assert (L.dtype, dX.dtype) == (dtype, dtype)
    error = ROUNDING[dtype] / T
    assert_allclose(L, expected, rtol=error, atol=error)
    assert_allclose(dX, step, rtol=error, atol=error * max(1, np.abs(step).max()))


@pytest.mark.parametrize("T", [0.01, 0.05, 0.1])
def test_float32_is_exact_where_the_authors_code_gives_nan(T):
    """64 pairs, d = 128, noise 0.3: their p rounds to 1, and their ln(1 - p) is -inf - -inf."""
    X = two_views(64, 0.3, 0, d=128)
    expected, step = value_and_grad(lambda Y: instance_softmax(Y, X, T))(X)
    X = X.astype(np.float32)
    L, dX = value_and_grad(lambda Y: instance_softmax(Y, X, T))(X)
    assert np.isfinite(L)
    assert_allclose(L, expected, rtol=1e-4)
    assert_allclose(dX, step, rtol=1e-3, atol=1e-3 * np.abs(step).max())


@pytest.mark.parametrize(
    "name", ["isif_official", "isif_official_negM3", "isif_official_T001", "isif_official_nodetach"]
)
def test_instance_softmax_has_the_golden_values(golden, name):
    entry = golden(name)
    X, T, c = entry.inputs["X"], entry.options["T"], float(entry.options["negM"])
    error = GOLDEN_EXTREME if T < 0.05 else GOLDEN
    f = lambda Y: instance_softmax(Y, X if entry.options["detach_keys"] else None, T, False, c)
    L, dX = value_and_grad(f)(X)
    assert_allclose(L, entry.outputs["L"], **error)
    assert_allclose(dX, entry.grads["X"], **error)


@pytest.mark.parametrize("name", ["isif_paper_sum", "isif_paper_mean", "isif_paper_T001"])
def test_the_paper_s_form_has_the_golden_values(golden, name):
    entry = golden(name)
    T, reduction = entry.options["T"], entry.options["reduction"]
    J, (dF, dG) = value_and_grad(instance_softmax_paper, (0, 1))(
        entry.inputs["F"], entry.inputs["Fhat"], T, reduction
    )
    error = GOLDEN_EXTREME if T < 0.05 else GOLDEN
    assert_allclose(J, entry.outputs["L"], **error)
    assert_allclose(dF, entry.grads["F"], **error)
    assert_allclose(dG, entry.grads["Fhat"], **error)


@pytest.mark.parametrize("name", ["ntxent", "ntxent_T001"])
def test_ntxent_has_the_golden_values(golden, name):
    entry = golden(name)
    error = GOLDEN_EXTREME if entry.options["T"] < 0.05 else GOLDEN
    L, dX = value_and_grad(ntxent)(entry.inputs["X"], entry.options["T"])
    assert_allclose(L, entry.outputs["L"], **error)
    assert_allclose(dX, entry.grads["X"], **error)


def test_exemplar_softmax_has_the_golden_values(golden):
    entry = golden("exemplar_softmax")
    L, (dX, dW) = value_and_grad(exemplar_softmax, (0, 1))(*(entry.inputs[k] for k in "XWy"))
    assert_allclose(L, entry.outputs["L"], **GOLDEN)
    assert_allclose(dX, entry.grads["X"], **GOLDEN)
    assert_allclose(dW, entry.grads["W"], **GOLDEN)


def test_without_keys_both_factors_carry_gradient_as_with_keys_that_are_the_same_node():
    X = two_views(4, 0.5, 0)
    own = grad(lambda Y: instance_softmax(Y, X))(X)
    of_keys = grad(lambda K: instance_softmax(X, K))(X)
    assert_allclose(grad(instance_softmax)(X), own + of_keys)
    assert_allclose(grad(lambda X: instance_softmax(X, X))(X), own + of_keys)


def test_uncorrelated_features_cost_what_the_notes_say():
    n = 256  # a batch of 128 images
    assert_allclose(instance_softmax(np.zeros((n, 3))), 6.539, atol=5e-4)
    assert_allclose(ntxent(np.zeros((n, 3))), np.log(n - 1))


@pytest.mark.parametrize("self_term", [False, True])
@pytest.mark.parametrize("negatives", ["all", "hard", "easy"])
def test_one_image_alone_has_no_negatives_and_costs_nothing_unless_compared_with_itself(
    self_term, negatives
):
    X = two_views(1, 1.0, 0)
    f = lambda X: instance_softmax(X, None, 0.1, self_term, 1.0, negatives)
    L, dX = value_and_grad(f)(X)
    itself = np.log(1 + np.exp((1 - X[0] @ X[1]) / 0.1)) if self_term else 0
    assert_allclose(L, itself)
    assert np.isfinite(dX).all()
    if not self_term:
        assert_array_equal(dX, np.zeros((2, 3)))


def test_one_image_alone_costs_nothing_in_the_other_forms():
    X = two_views(1, 1.0, 0)
    for loss in (ntxent, lambda X: instance_softmax_paper(X[:1], X[1:])):
        L, dX = value_and_grad(loss)(X)
        assert L == 0
        assert_array_equal(dX, np.zeros((2, 3)))


def test_hard_and_easy_negatives_are_the_nearer_and_the_farther_half_of_each_row():
    angles = np.radians([0, 10, 25, 45, 70])  # of five images, both views alike
    F = np.stack([np.cos(angles), np.sin(angles)], 1)
    X = np.concatenate([F, F])
    for which, chosen in (("hard", [1, 2, 6, 7]), ("easy", [3, 4, 8, 9])):
        S = X[0] @ X[[5, *chosen]].T / 0.5  # of the first image: its other view, its negatives
        p = scipy.special.softmax(S)
        first = -np.log(p[0]) - np.log(1 - p[1:]).sum()
        shifted = X + 0.0
        shifted[0] *= 1 + 1e-6
        rise = instance_softmax(shifted, X, 0.5, negatives=which)
        rise -= instance_softmax(X, X, 0.5, negatives=which)
        p = scipy.special.softmax(S * (1 + 1e-6))
        assert_allclose(10 * rise, -np.log(p[0]) - np.log(1 - p[1:]).sum() - first, rtol=1e-5)


@pytest.mark.parametrize("T", [0.1, 0.5])
def test_ntxent_is_the_entropy_of_the_other_view_among_all_other_rows(T):
    X = two_views(4, 0.5, 1)
    S = X @ X.T / T
    np.fill_diagonal(S, -np.inf)
    expected = -scipy.special.log_softmax(S, 1)[np.arange(8), (np.arange(8) + 4) % 8].mean()
    assert_allclose(ntxent(X, T), expected)


def test_exemplar_softmax_is_the_entropy_of_a_linear_layer_without_biases():
    X, W, y = normal(4, 3), normal(9, 3, seed=1), np.array([0, 8, 8, 2])
    L, (dX, dW) = value_and_grad(exemplar_softmax, (0, 1))(X, W, y, 0.3)
    expected, (eX, eW) = value_and_grad(lambda X, W: entropy(X @ W / 0.3, y), (0, 1))(X, W.T)
    assert_allclose(L, expected)
    assert_allclose(dX, eX)
    assert_allclose(dW, eW.T)


@pytest.mark.parametrize("loss", [instance_softmax, ntxent])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_an_odd_number_of_rows_is_refused(loss, rows):
    for X in (np.ones((rows, 3)), var(np.ones((rows, 3)))):
        sentence = f"{loss.__name__}: X holds two views of each image, rows [view 1; view 2], an "
        with pytest.raises(ValueError, match=re.escape(sentence)):
            loss(X)


@pytest.mark.parametrize(
    ("keys", "options", "sentence"),
    [
        (np.ones((4, 2)), {}, "all of one shape, not X (4, 3), keys (4, 2)"),
        (np.ones((6, 3)), {}, "all of one shape, not X (4, 3), keys (6, 3)"),
        (np.full((4, 3), np.nan), {}, "row 0 of keys (4, 3) is not finite"),
        (None, {"negative_weight": 0.5}, "negative_weight is 1 or more, not 0.5"),
        (None, {"negative_weight": np.nan}, "negative_weight is 1 or more, not nan"),
        (None, {"negatives": "some"}, "negatives is all or hard or easy, not 'some'"),
    ],
)
def test_what_instance_softmax_cannot_use_is_refused(keys, options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        instance_softmax(np.ones((4, 3)), keys, **options)


def test_the_paper_s_form_refuses_no_rows_another_reduction_and_views_that_do_not_match():
    with pytest.raises(ValueError, match=re.escape("instance_softmax_paper: F (0, 3) is empty")):
        instance_softmax_paper(np.ones((0, 3)), np.ones((0, 3)))
    with pytest.raises(ValueError, match="reduction is mean or sum, not 'max'"):
        instance_softmax_paper(np.eye(2), np.eye(2), reduction="max")
    with pytest.raises(ValueError, match=re.escape("not F (2, 2), G (3, 2)")):
        instance_softmax_paper(np.eye(2), np.ones((3, 2)))


@pytest.mark.parametrize(
    ("X", "y", "sentence"),
    [
        ((2, 3), [0, 9], "y holds 9, and there are rows 0 to 8"),
        ((2, 3), [-1, 0], "y holds -1, and there are rows 0 to 8"),
        ((2, 3), [0, 1, 2], "y is (2,), whole numbers, not (3,) of int64"),
        ((2, 3), [0.0, 1.0], "y is (2,), whole numbers, not (2,) of float64"),
        ((2, 4), [0, 1], "X is (m, d) and W (n, d), not (2, 4) and (9, 3)"),
        ((0, 3), [], "X (0, 3) is empty: one row at least is wanted"),
    ],
)
def test_exemplar_softmax_refuses_images_that_there_are_not(X, y, sentence):
    with pytest.raises(ValueError, match=re.escape(f"exemplar_softmax: {sentence}")):
        exemplar_softmax(np.ones(X), np.ones((9, 3)), np.array(y))
