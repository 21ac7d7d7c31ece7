import re

import hypothesis.strategies as st
import numpy as np
import pytest
import strict
from hypothesis import given
from minigrad.models import (
    batch_hard,
    hard,
    hard_with_random,
    random_triplets,
    semi_hard,
    triplet,
)
from numeric import GOLDEN, arrays, normal
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

import minigrad as mg
from minigrad import value_and_grad

rng = lambda: np.random.default_rng(0)
RULES = {
    "random": lambda X, y: random_triplets(y, rng()),
    "hard": hard,
    "semi_hard": semi_hard,
    "hard_with_random": lambda X, y: hard_with_random(X, y, rng()),
    "batch_hard": batch_hard,
}
LABELS = st.lists(st.integers(0, 2), min_size=7, max_size=7)
Y = np.array([0, 1, 2, 0, 1, 2, 0])


@pytest.mark.parametrize("rule", RULES)
@given(X=arrays((7, 2)), y=LABELS)
def test_a_positive_shares_the_anchor_s_label_and_is_another_and_a_negative_does_not(rule, X, y):
    y = np.array(y)
    a, p, n = RULES[rule](X, y)
    assert a.shape == p.shape == n.shape
    assert {i.dtype.kind for i in (a, p, n)} == {"i"}
    assert (a != p).all()
    assert (y[a] == y[p]).all()
    assert (y[a] != y[n]).all()


@pytest.mark.parametrize("rule", ["random", "hard", "semi_hard"])
@given(y=LABELS)
def test_every_ordered_pair_of_a_label_is_there_once_if_there_is_a_negative(rule, y):
    y = np.array(y)
    a, p, _ = RULES[rule](normal(7, 2), y)
    pairs = [(i, j) for i in range(7) for j in range(7) if i != j and y[i] == y[j]]
    assert [*zip(a, p)] == (pairs if len({*y}) > 1 else [])


@given(X=arrays((7, 2)), y=LABELS)
def test_hard_negatives_are_the_nearest_of_other_labels(X, y):
    y, D = np.array(y), cdist(X, X)
    for a, _, n in zip(*hard(X, y)):
        assert D[a, n] == D[a][y != y[a]].min()


@given(X=arrays((7, 2)), y=LABELS)
def test_semi_hard_negatives_are_the_nearest_beyond_the_positive_or_the_farthest_of_all(X, y):
    X = X.astype(float)
    y, D = np.array(y), ((X[:, None] - X) ** 2).sum(2)
    for a, p, n in zip(*semi_hard(X, y)):
        others = D[a][y != y[a]]
        beyond = others[others > D[a, p]]
        assert D[a, n] == (beyond.min() if len(beyond) else others.max())


@given(X=arrays((7, 2)), y=LABELS)
def test_batch_hard_takes_the_farthest_positive_and_the_nearest_negative_of_every_anchor(X, y):
    y, D, i = np.array(y), cdist(X, X), np.arange(7)
    a, p, n = batch_hard(X, y)
    for k, j, l in zip(a, p, n):
        assert D[k, j] == D[k][(y == y[k]) & (i != k)].max()
        assert D[k, l] == D[k][y != y[k]].min()
    alone = [k for k in i if (y == y[k]).sum() == 1 or (y == y[k]).all()]
    assert [*a] == [k for k in i if k not in alone]


@pytest.mark.parametrize(("rule", "margin"), [("batch_hard", 0.5), ("semi_hard", 0.5)])
def test_mined_triplets_and_their_loss_have_the_golden_values(golden, rule, margin):
    entry = golden(f"triplet_{rule}")
    X, y = entry.inputs["X"], entry.inputs["y"]
    a, p, n = RULES[rule](X, y)
    assert_array_equal(a, entry.outputs.get("anchor_index", np.arange(len(y))))
    assert_array_equal(p, entry.outputs["pos_index"])
    assert_array_equal(n, entry.outputs["neg_index"])
    form = "unsquared" if rule == "batch_hard" else "squared"
    L, dX = value_and_grad(lambda X: triplet(X[a], X[p], X[n], margin, form))(X)
    assert_allclose(L, entry.outputs["L"], **GOLDEN)
    assert_allclose(dX, entry.grads["X"], **GOLDEN)


def test_random_negatives_are_drawn_uniformly_from_the_other_labels():
    y = np.array([0, 0, 1, 2, 2])
    draws = rng()
    n = np.concatenate([random_triplets(y, draws)[2][:2] for _ in range(3000)])
    assert_allclose(np.bincount(n)[2:] / len(n), [1 / 3] * 3, atol=0.03)  # deviation 0.006


def test_hard_with_random_draws_from_the_hardest_and_from_the_rest():
    X = np.arange(10.0)[:, None]
    y = np.array([0, 0] + [1] * 8)
    a, _, n = hard_with_random(X, y, rng(), hardest=4, hard=2, random=3)
    of_first = n[a == 0]  # its negatives stand at 2, 3, ..., 9: 2 to 5 are the hardest
    assert len(of_first) == len({*of_first}) == 5
    assert (of_first <= 5).sum() == 2

    a, _, n = hard_with_random(X, y, rng(), hardest=4, hard=4, random=0)  # the paper's four hardest
    assert_array_equal(n[a == 0], [2, 3, 4, 5])


def test_hard_with_random_takes_what_there_is_where_negatives_are_few():
    a, p, n = hard_with_random(normal(3, 2), np.array([0, 0, 1]), rng())
    assert_array_equal(a, [0, 1])
    assert_array_equal(n, [2, 2])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "y", [[0, 0, 0], [0, 1, 2], [0], []], ids=["no negatives", "no positives", "one", "none"]
)
def test_where_no_triplet_can_be_made_the_loss_is_0_and_connected(rule, y):
    X = normal(len(y), 2)
    a, p, n = RULES[rule](X, np.array(y, int))
    assert len(a) == 0
    L, dX = value_and_grad(lambda X: triplet(X[a], X[p], X[n], reduction="active"))(X)
    assert L == 0
    assert_array_equal(dX, np.zeros((len(y), 2)))


@pytest.mark.parametrize("rule", RULES)
def test_triplets_are_mined_on_the_device(rule, monkeypatch):
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    strict.install(monkeypatch)
    X = normal(7, 3)
    for here, there in zip(RULES[rule](X, Y), RULES[rule](*mg.to_gpu((X, Y))), strict=True):
        assert type(there) is strict.ndarray
        assert_array_equal(here, there.get())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("y", [np.zeros((7, 1), int), np.zeros(7)], ids=["(7, 1)", "floats"])
def test_labels_that_are_none_are_refused(rule, y):
    with pytest.raises(ValueError, match=re.escape(": y is (7,), whole numbers, not ")):
        RULES[rule](normal(7, 2), y)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "random"])
def test_labels_of_another_length_and_embeddings_that_are_not_finite_are_refused(rule):
    with pytest.raises(ValueError, match=re.escape(f"{rule}: y is (6,), whole numbers, not (7,)")):
        RULES[rule](normal(6, 2), Y)
    with pytest.raises(ValueError, match=re.escape(f"{rule}: row 0 of X (7, 2) is not finite")):
        RULES[rule](np.full((7, 2), np.nan), Y)


@pytest.mark.parametrize(("hardest", "few", "random"), [(2, 3, 0), (2, 0, 0), (2, 1, -1)])
def test_more_hard_negatives_than_the_hardest_are_refused(hardest, few, random):
    with pytest.raises(ValueError, match="^hard_with_random: hard negatives are drawn from the"):
        hard_with_random(normal(7, 2), Y, rng(), hardest, few, random)
