import re
import warnings

import numpy as np
import pytest
import strict
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import CollapseWarning, hard, health, semi_hard, triplet
from minigrad.models.embedding_health import active_share, effective_rank, similarities
from numeric import normal
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

import minigrad as mg
from minigrad import affine, normalize
from minigrad.learn import Momentum, train

Y = np.array([0, 0, 1, 1, 2, 2])


@given(seed=st.integers(0, 99))
def test_similarities_are_the_mean_cosines_of_pairs_of_one_label_and_of_two(seed):
    X = normal(6, 3, seed=seed)
    C, same, i = 1 - cdist(X, X, "cosine"), Y[:, None] == Y, np.arange(6)
    expected = C[same & (i[:, None] != i)].mean(), C[~same].mean()
    assert_allclose(similarities(X, Y), expected, atol=1e-12)


@pytest.mark.parametrize("form", ["squared", "unsquared", "cosine"])
@pytest.mark.parametrize("margin", [0.1, 1.0, "soft"])
def test_triplets_are_active_that_cost_something(form, margin):
    X = normal(6, 3)
    a, p, n = triplets = semi_hard(X, Y)
    costs = [triplet(X[[i]], X[[j]], X[[k]], margin, form) for i, j, k in zip(a, p, n)]
    assert_allclose(active_share(X, triplets, margin, form), np.mean(np.array(costs) > 0))


def test_of_no_triplets_none_is_active():
    none = np.zeros(0, int)
    assert active_share(normal(6, 3), (none, none, none)) == 0


def test_the_effective_rank_counts_directions_that_are_used_alike():
    Q, _ = np.linalg.qr(normal(20, 5))
    assert_allclose(effective_rank(Q), 5)
    assert_allclose(effective_rank(Q * [1, 1, 1, 0, 0]), 3)
    assert_allclose(effective_rank(7 * Q * [1, 0, 0, 0, 0]), 1)
    assert 1 < effective_rank(Q * [1, 0.1, 0, 0, 0]) < 2


def test_health_gives_scores_that_training_notes_in_its_log():
    X = normalize(normal(60, 5) + 4 * np.eye(5)[np.arange(60) % 5])
    y = np.arange(60) % 5

    def objective(U, X, y, rng):
        F = normalize(affine(X, U))
        a, p, n = semi_hard(mg.detach(F), y)
        return triplet(F[a], F[p], F[n])

    U = normal(5, 3), np.zeros(3)

    def after_epoch():
        F = normalize(affine(X, U))
        return health(F, y, triplets=hard(F, y))

    log = train(
        objective,
        U,
        (X, y),
        rng=np.random.default_rng(0),
        epochs=4,
        batch=30,
        progress=False,
        optimiser=Momentum(U),
        after_epoch=after_epoch,
    )
    rows = [row for row in log if "effective rank" in row]
    assert len(rows) == 4
    names = {"positive similarity", "negative similarity", "active triplets", "effective rank"}
    assert names <= rows[0].keys()
    assert rows[-1]["positive similarity"] > rows[-1]["negative similarity"]


def collapsed(noise):
    return normalize(np.ones((6, 3)) + noise * normal(6, 3))


@pytest.mark.parametrize("X", [collapsed(0.0), collapsed(1e-3), np.zeros((6, 3))])
def test_all_embeddings_equal_is_a_collapse_and_the_warning_says_what_to_do(X):
    sentence = r"collapse: all 6 embeddings are equal, .* Begin again at a lower rate, with random"
    with pytest.warns(CollapseWarning, match=sentence):
        scores = health(X, Y, triplets=hard(X, Y))
    assert scores["effective rank"] < 1.1


@pytest.mark.parametrize(
    ("form", "margin"), [("squared", 0.5), ("cosine", 0.2), ("squared", "soft")]
)
def test_a_loss_stuck_at_its_margin_is_a_collapse(form, margin):
    X = np.repeat([[1.0, 0.0], [-1.0, 0.0]], 3, 0) + 1e-4 * normal(6, 2)
    y = np.array([0, 1, 2, 0, 1, 2])  # a label has a sample at either end, so has each other label
    a, p, n = np.array([0, 1, 2]), np.array([3, 4, 5]), np.array([4, 5, 3])
    with pytest.warns(CollapseWarning, match=f"stuck at its margin, {margin}: .* Take semi-hard"):
        health(X, y, (a, p, n), margin, form)


@given(seed=st.integers(0, 99))
def test_a_healthy_embedding_raises_no_alarm(seed):
    X = normalize(normal(12, 8, seed=seed))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        health(X, np.arange(12) // 2, triplets=hard(X, np.arange(12) // 2))


def test_arrays_on_the_device_are_judged_on_the_cpu(monkeypatch):
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    strict.install(monkeypatch)
    X = normal(6, 3)
    there = mg.to_gpu((X, Y, hard(X, Y)))
    assert health(*there) == health(X, Y, hard(X, Y))


@pytest.mark.parametrize(
    ("X", "y", "sentence"),
    [
        (normal(6, 3), np.arange(6), "similarities: there are no positives among 6 rows"),
        (normal(6, 3), np.zeros(6, int), "similarities: there are no negatives among 6 rows"),
        (normal(1, 3), np.zeros(1, int), "similarities: there are no negatives among 1 rows"),
        (normal(6, 3), Y[:5], "similarities: y is (6,), whole numbers, not (5,) of int64"),
        (np.full((6, 3), np.nan), Y, "similarities: row 0 of X (6, 3) is not finite"),
    ],
)
def test_what_cannot_be_judged_is_refused(X, y, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        health(X, y)


def test_a_form_that_the_triplet_loss_does_not_have_is_refused():
    X = normal(6, 3)
    with pytest.raises(ValueError, match="triplet: form is squared or .*, not 'l2'"):
        health(X, Y, hard(X, Y), form="l2")
