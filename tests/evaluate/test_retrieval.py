import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import GOLDEN, normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import normalize
from minigrad.data.formats import read_idx
from minigrad.evaluate import (
    average_precision,
    mean_average_precision,
    nearest,
    ranked_precision,
    ranked_recall,
    recall_at,
)
from minigrad.evaluate.retrieval import RULES
from tests.data.published import real


def labelled(n, d, classes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.permutation(np.arange(n) % classes)


# one ranking


@given(seed=st.integers(0, 999), n=st.integers(1, 50))
def test_the_rectangle_rule_is_scikit_learns(seed, n):
    from sklearn.metrics import average_precision_score

    hits = np.random.default_rng(seed).random(n) < 0.3
    hits[seed % n] = True
    assert_allclose(average_precision(hits), average_precision_score(hits, -np.arange(n)))


def by_definition(hits, rule):
    """Average precision from the whole curve of precision against recall."""
    found, m = np.cumsum(hits), sum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    if rule == "11-point":
        return np.mean([max(precision[10 * found >= i * m]) for i in range(11)])
    area, recall, before = 0, 0, 1  # the Oxford program's trapezoids, rank by rank
    for f, p in zip(found, precision):
        area += (f / m - recall) * (before + p) / 2
        recall, before = f / m, p
    return area


@pytest.mark.parametrize("rule", ["trapezoid", "11-point"])
@given(seed=st.integers(0, 999), n=st.integers(1, 50))
def test_the_other_rules_follow_their_definitions(rule, seed, n):
    hits = np.random.default_rng(seed).random(n) < 0.4
    hits[seed % n] = True
    assert_allclose(average_precision(hits, rule=rule), by_definition(hits, rule))


@pytest.mark.parametrize("rule", RULES)
def test_a_perfect_ranking_has_1_by_every_rule(rule):
    assert average_precision([True] * 3 + [False] * 4, rule=rule) == 1


def test_eleven_points_meet_recalls_of_tenths_exactly():
    for m in (10, 20, 30, 70):  # where 0.1 * 3 > 0.3 would miss a level
        hits = np.repeat([True, False, True], [3 * m // 10, m, m - 3 * m // 10])
        low = m / (2 * m)
        assert_allclose(average_precision(hits, rule="11-point"), (4 + 7 * low) / 11)


@given(seed=st.integers(0, 999))
def test_junk_leaves_the_ranking_before_it_is_counted(seed):
    rng = np.random.default_rng(seed)
    hits, junk = rng.random(30) < 0.4, rng.random(30) < 0.3
    hits[0], junk[0] = True, False
    for rule in RULES:
        assert average_precision(hits, junk, rule) == average_precision(hits[~junk], rule=rule)


def test_a_ranking_without_hits_or_of_another_length_than_its_junk_is_refused():
    with pytest.raises(ValueError, match="average_precision: none of 3 in the ranking is a hit"):
        average_precision([False] * 3)
    with pytest.raises(ValueError, match="average_precision: none of 1 in"):
        average_precision([True, False], junk=[True, False])
    with pytest.raises(ValueError, match=r"hits \(2,\) and junk \(3,\) differ in length"):
        average_precision([True, False], junk=[True, False, False])
    with pytest.raises(ValueError, match="rule is one of rectangle, trapezoid, 11-point, not 'a'"):
        average_precision([True], rule="a")


# all samples


def test_recall_and_both_means_have_the_golden_values(golden):
    entry = golden("recall_nmi_map")
    F, T = entry.inputs["X"], entry.inputs["y"]
    assert_allclose(recall_at(F, T, entry.options["K"]).mean, entry.outputs["recall"], **GOLDEN)
    for rule, name in (("rectangle", "map_rect"), ("trapezoid", "map_trap")):
        found = mean_average_precision(F, T, rule)
        assert_allclose(found.mean, entry.outputs[name], **GOLDEN)
        assert (found.queries, found.alone) == (12, 0)


@given(seed=st.integers(0, 999), n=st.integers(4, 40), classes=st.integers(1, 30))
def test_both_are_those_of_full_rankings_by_brute_force(seed, n, classes):
    F, T = labelled(n, 3, min(classes, n - 1), seed)
    order = nearest(F, np.arange(n), n - 1)
    hits = T[order] == T[:, None]
    asks = hits.any(1)
    K = (1, 2, 5, n - 1, 99)
    recall, mean = recall_at(F, T, K, "cosine"), mean_average_precision(F, T, measure="cosine")
    assert_allclose(recall.mean, [hits[asks, :k].any(1).mean() for k in K])
    assert_allclose(mean.mean, np.mean([average_precision(h) for h in hits[asks]]))
    assert recall[1:] == mean[1:] == (asks.sum(), n - asks.sum())


def test_a_copy_counts_and_only_the_sample_itself_does_not():
    F = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.0, 1.0]])
    assert_array_equal(recall_at(F, np.array([0, 0, 1, 1, 2]), (1,)).mean, [2 / 4])
    everywhere = np.ones((7, 2))  # all found before itself have a lower index
    assert_array_equal(recall_at(everywhere, np.arange(7) // 6, (1, 9)).mean, [1, 1])
    assert mean_average_precision(everywhere, np.arange(7) // 6).alone == 1


def test_a_class_of_one_cannot_ask_and_is_counted():
    F, T = labelled(20, 3, 4)
    lonely = np.vstack([F, [[5.0, 0, 0], [0, 5.0, 0]]])
    found = recall_at(lonely, np.append(T, [77, 78]))
    assert (found.queries, found.alone) == (20, 2)


@pytest.mark.parametrize("measure", ["cosine", "euclidean"])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_a_collapsed_embedding_ranks_all_in_the_order_of_the_samples(measure, value):
    F, T = np.full((30, 4), value), np.tile([0, 1, 2], 10)
    assert recall_at(F, T, (1,), measure).mean == [9 / 30]  # all but one find sample 0, of class 0
    expected = [average_precision(np.delete(T[i] == T, i)) for i in range(30)]
    assert_allclose(mean_average_precision(F, T, measure=measure).mean, np.mean(expected))


def test_length_matters_to_the_distance_and_not_to_the_cosine():
    F, T = np.array([[1.0, 0.0], [1.0, 0.3], [9.0, 0.0], [9.0, 0.3]]), np.array([0, 0, 1, 1])
    assert recall_at(F, T, (1,), "euclidean").mean == [1]
    assert recall_at(F, T, (1,), "cosine").mean == [0.0]


@pytest.mark.parametrize("measure", ["cosine", "euclidean"])
@pytest.mark.parametrize("rule", RULES)
def test_turns_and_blocks_do_not_change_the_mean(rule, measure, monkeypatch):
    F, T = labelled(50, 3, 7)
    whole = mean_average_precision(F, T, rule, measure), recall_at(F, T, measure=measure).mean
    monkeypatch.setattr("minigrad.evaluate.neighbours.ENTRIES", 200)
    monkeypatch.setattr("minigrad.evaluate.neighbours.BLOCK", 13)
    assert mean_average_precision(F, T, rule, measure) == whole[0]
    assert_array_equal(recall_at(F, T, measure=measure).mean, whole[1])


def test_pixels_of_faces_have_the_floors_that_were_measured_with_the_data():
    X, T = (
        read_idx(real(f"olivetti/faces-{kind}-ubyte.gz"), sides)
        for kind, sides in (("images-idx3", (64, 64)), ("labels-idx1", ()))
    )
    F = X.reshape(400, -1).astype(np.float32)
    F -= F.mean(0)
    assert_allclose(mean_average_precision(F, T, measure="cosine").mean, 0.613, atol=5e-4)
    assert_allclose(recall_at(F, T, (1,), "cosine").mean, [0.940])


# rankings by scores


@given(seed=st.integers(0, 999), n=st.integers(4, 25), classes=st.integers(1, 9))
def test_cosines_as_scores_are_judged_as_features_are(seed, n, classes):
    F, T = labelled(n, 3, min(classes, n - 1), seed)
    S, same, own = normalize(F) @ normalize(F).T, T[:, None] == T, np.eye(n, dtype=bool)
    for rule in RULES:
        found = ranked_precision(S, same, own, rule)
        assert_allclose(found, mean_average_precision(F, T, rule, "cosine"))
    K = (1, 3, n + 9)
    by_scores, by_features = ranked_recall(S, same, own, K), recall_at(F, T, K, "cosine")
    assert_allclose(by_scores.mean, by_features.mean)
    assert by_scores[1:] == by_features[1:]


def test_junk_takes_no_place_and_who_asks_for_nothing_does_not_ask():
    S = np.array([[4, 3, 2, 1]] * 3)
    relevant = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    junk = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], bool)
    assert ranked_precision(S, relevant) == ((1 / 3 + 1) / 2, 2, 1)
    assert ranked_precision(S, relevant, junk) == (1 / 2, 1, 2)  # junk is not relevant either
    assert_array_equal(ranked_recall(S, relevant, junk, (1, 2)).mean, [0, 1])
    assert_array_equal(ranked_recall(S, relevant, None, (1, 2, 3)).mean, [0.5, 0.5, 1])


def test_of_equal_scores_the_lower_index_comes_first_whatever_their_type():
    relevant = np.array([[0, 1, 1, 0]])
    for S in ([[0, 1, 1, 1]], np.array([[0, 1, 1, 1]], np.uint8), np.array([[0, 1, 1, 1]], bool)):
        assert ranked_precision(S, relevant).mean == 1
    assert ranked_precision(np.zeros((1, 4)), relevant).mean == (1 / 2 + 2 / 3) / 2


@pytest.mark.parametrize("judge", [ranked_precision, ranked_recall])
def test_scores_that_cannot_be_judged_are_refused(judge):
    name, S, relevant = judge.__name__, np.ones((2, 3)), np.ones((2, 3), bool)
    for others in ((relevant[:1], None), (relevant, relevant[:, :2])):
        with pytest.raises(ValueError, match=rf"{name}: scores, .* are \(q, n\), not \(2, 3\)"):
            judge(S, *others)
    with pytest.raises(ValueError, match=f"{name}: nothing is relevant for any of 2 queries"):
        judge(S, relevant, relevant)
    with pytest.raises(ValueError, match=f"{name}: query 1 of 2 holds a value that is not finite"):
        judge(np.array([[1, 2, 3], [1, np.nan, 3]]), relevant)


def test_ranked_judges_refuse_other_rules_and_numbers():
    S = np.ones((1, 1))
    with pytest.raises(ValueError, match="ranked_precision: rule is one of .*, not 'oxford'"):
        ranked_precision(S, S, rule="oxford")
    for K in ((), 0, (2, -1), np.nan):
        with pytest.raises(ValueError, match="ranked_recall: K are numbers of samples, 1 or more"):
            ranked_recall(S, S, K=K)


# what cannot be


@pytest.mark.parametrize("judge", [recall_at, mean_average_precision])
def test_what_cannot_be_retrieved_is_refused(judge):
    name, F = judge.__name__, normal(5, 3)
    for T in (np.zeros(4), np.zeros((5, 1))):
        with pytest.raises(ValueError, match=rf"{name}: features .* not \(5, 3\) and \("):
            judge(F, T)
    with pytest.raises(ValueError, match=f"{name}: no two of 5 samples share a class"):
        judge(F, np.arange(5))
    with pytest.raises(ValueError, match=f"{name}: no two of 1 samples share"):
        judge(F[:1], np.zeros(1))
    F[3, 0] = np.nan
    with pytest.raises(ValueError, match=f"{name}: sample 3 of 5 holds a value that is not finite"):
        judge(F, np.zeros(5))


@pytest.mark.parametrize("K", [(), (0, 1), (-1,), np.nan, 1.5])
def test_numbers_of_neighbours_are_whole_and_one_or_more(K):
    with pytest.raises(ValueError, match="recall_at: K are whole numbers of neighbours, 1 or more"):
        recall_at(normal(5, 3), np.zeros(5), K)


def test_another_rule_is_refused_before_anything_is_searched():
    with pytest.raises(ValueError, match="mean_average_precision: rule is one of .*, not 'oxford'"):
        mean_average_precision(normal(5, 3), np.zeros(5), "oxford")


# scores of queries that are not samples


def ranked(seed, q=4, n=20):
    rng = np.random.default_rng(seed)
    S, relevant, junk = rng.random((q, n)), rng.random((q, n)) < 0.3, rng.random((q, n)) < 0.3
    relevant[:, 0], junk[:, 0] = True, False
    return S, relevant, junk


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 999))
def test_scores_rank_as_each_query_would_alone(rule, seed):
    S, relevant, junk = ranked(seed)
    order = np.argsort(-S, 1)
    values = [average_precision(r[o], j[o], rule) for r, j, o in zip(relevant, junk, order)]
    found = ranked_precision(S, relevant, junk, rule)
    assert_allclose(found.mean, np.mean(values))
    assert (found.queries, found.alone) == (4, 0)
    assert ranked_precision(S, relevant, None, rule) == ranked_precision(
        S, relevant, np.zeros_like(junk), rule
    )


@given(seed=st.integers(0, 999))
def test_junk_may_stand_anywhere_in_the_ranking(seed):
    S, relevant, junk = ranked(seed)
    moved = np.where(junk, np.random.default_rng(seed).normal(size=S.shape), S)
    assert ranked_precision(S, relevant, junk) == ranked_precision(moved, relevant, junk)
    assert_array_equal(
        ranked_recall(S, relevant, junk).mean, ranked_recall(moved, relevant, junk).mean
    )


def test_recall_counts_what_is_not_junk():
    S = np.array([[0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.7, 0.6]])
    relevant = np.array([[0, 0, 1, 0], [1, 0, 0, 0]], bool)
    junk = np.array([[1, 0, 0, 0], [1, 0, 0, 0]], bool)
    found = ranked_recall(S, relevant, junk, (1, 2, 9))
    assert_array_equal(found.mean, [0, 1, 1])
    assert (found.queries, found.alone) == (1, 1)  # all that the second one asks for is junk


def test_scores_of_a_set_with_itself_are_its_mean_average_precision():
    F, T = labelled(30, 5, 4)
    F /= np.linalg.norm(F, axis=1, keepdims=True)
    own = np.eye(30, dtype=bool)
    same = T[:, None] == T
    for rule in RULES:
        found = ranked_precision(F @ F.T, same, own, rule)
        assert_allclose(found.mean, mean_average_precision(F, T, rule).mean)
    assert_allclose(ranked_recall(F @ F.T, same, own).mean, recall_at(F, T).mean)


def test_whole_numbers_and_lists_are_scores_too():
    relevant = [[0, 1, 0]]
    for S in ([[1, 3, 2]], np.array([[1, 3, 2]], np.uint8), np.array([[0, 1, 0]], bool)):
        assert ranked_precision(S, relevant).mean == 1


def test_of_equal_scores_the_lower_index_comes_first_and_no_digit_is_lost():
    relevant = np.arange(200)[None] == 100
    assert ranked_precision(np.arange(200)[None] % 2 == 0, relevant).mean == 1 / 51
    S = 1 + 1e-12 * relevant
    assert ranked_precision(S, relevant).mean == 1
    assert ranked_recall(S, relevant, K=1).mean == 1


@pytest.mark.parametrize("function", [ranked_precision, ranked_recall])
def test_scores_that_do_not_fit_are_refused(function):
    with pytest.raises(ValueError, match=r"are \(q, n\), not \(2, 3\), \(2, 2\) and \(2, 3\)"):
        function(np.ones((2, 3)), np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="query 1 of 2 holds a value that is not finite"):
        function(np.array([[1.0, 2], [np.nan, 0]]), np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="nothing is relevant for any of 2 queries"):
        function(np.ones((2, 2)), np.ones((2, 2), bool), np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="K are numbers of samples|rule is one of"):
        function(np.ones((1, 1)), np.ones((1, 1)), None, 0)
