import functools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import exemplar_cnn, retrieval_training
from minigrad.models.exemplar_extractor import Extractor
from minigrad.models.image_descriptors import described
from minigrad.models.retrieval_training import PRESETS, fit, largest_component, matching, mined
from numeric import normal
from numpy.testing import assert_array_equal

from minigrad import normalize
from minigrad.data import scene_views
from minigrad.evaluate import mac, rmac
from minigrad.learn import Interrupted
from minigrad.tree import leaves

CODE = "4c5-6c5-8f"
SMALL = PRESETS["small"]._replace(epochs=2)


@functools.cache
def views(scenes=8, each=4):
    rng = np.random.default_rng(0)
    photographs = [rng.integers(0, 256, (3, 40, 50), np.uint8) for _ in range(scenes)]
    return scene_views(photographs, each, rng, side=16)


def network(seed=0):
    U = exemplar_cnn.initial(np.random.default_rng(seed), 5, 3, 16, CODE)
    return Extractor(U, CODE, np.full((3, 16, 16), 0.5, np.float32), 2.0)


class Geometry(NamedTuple):
    """What verification says of five images, the last one of another scene."""

    scenes = np.array([7, 7, 7, 7, 9])
    centres = np.array([[0, 0], [0, 1], [0, 2], [0, 9], [0, 0.5]])
    common = np.array(
        [
            [1.0, 0.1, 0.4, 0.9, 0],
            [0.3, 1.0, 0.0, 0.0, 0],
            [0.4, 0.0, 1.0, 0.2, 0],
            [0.9, 0.0, 0.2, 1.0, 0],
            [0.0, 0.0, 0.0, 0.0, 1],
        ]
    )
    change = np.array([1.0, 1.2, 3, 1.1, 1])

    def shared(self):
        return self.common

    def zooms(self):
        return np.maximum(self.change[:, None] / self.change, self.change / self.change[:, None])


# positives


def test_m1_takes_the_nearest_descriptor_of_those_that_stood_nearby():
    F = np.array([[0.0], [5], [1], [0], [0]])
    assert_array_equal(matching(Geometry(), "m1", F, pool=2), [2, 2, 0, 2, -1])
    assert_array_equal(matching(Geometry(), "m1", F, pool=9), [3, 2, 0, 0, -1])


def test_m2_takes_the_most_common_points_of_those_that_stood_nearby():
    assert_array_equal(matching(Geometry(), "m2", pool=2), [2, 0, 0, 2, -1])
    assert_array_equal(matching(Geometry(), "m2", pool=3), [3, 0, 0, 0, -1])
    assert_array_equal(matching(Geometry(), "m2", pool=1), [1, 0, -1, 2, -1])  # 2 and 1: none


def test_m3_draws_any_one_that_shows_enough_at_about_the_same_scale():
    made, drawn = Geometry(), []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        drawn.append(matching(made, "m3", rng=rng, shared=0.1, zoom=1.5))
    assert [set(column) for column in np.transpose(drawn)] == [{1, 3}, {0}, {-1}, {0}, {-1}]
    strict = matching(made, "m3", rng=rng, shared=0.5, zoom=1.5)
    assert_array_equal(strict, [3, -1, -1, 0, -1])


def test_positives_of_made_views_are_verified():
    made = views()
    S, Z = made.shared(), made.zooms()
    own = np.arange(len(S))
    for rule in ("m2", "m3"):
        found = matching(made, rule, rng=np.random.default_rng(0))
        q = own[found >= 0]
        assert len(q) > len(S) / 2
        assert (found[q] != q).all()
        assert_array_equal(made.scenes[found[q]], made.scenes[q])
        assert (S[q, found[q]] > (0 if rule == "m2" else 0.2)).all()
    assert (Z[q, found[q]] <= 1.5).all()


@pytest.mark.parametrize(
    ("rule", "said"),
    [("m4", "m1 or m2 or m3"), ("m1", "m1 needs descriptors, F"), ("m3", "m3 needs a generator")],
)
def test_a_rule_without_what_it_needs_is_refused(rule, said):
    with pytest.raises(ValueError, match=said):
        matching(Geometry(), rule)


def test_positives_of_no_pool_and_by_no_descriptors_are_refused():
    for F in (np.eye(4), np.ones(5), np.full((5, 2), np.nan)):
        with pytest.raises(ValueError, match=r"matching: descriptors are finite, \(5, d\), not"):
            matching(Geometry(), "m1", F)
    with pytest.raises(ValueError, match="matching: pool is 1 or more, not 0"):
        matching(Geometry(), "m2", pool=0)


# negatives


@given(seed=st.integers(0, 99), number=st.integers(1, 3))
def test_negatives_are_of_other_scenes_the_nearest_first(seed, number):
    F, scenes = normalize(normal(12, 3, seed=seed)), np.arange(12) % 4
    D = np.linalg.norm(F[:, None] - F, axis=2)
    D[scenes[:, None] == scenes] = np.inf
    assert_array_equal(mined(F, scenes, "N1", number), np.argsort(D, 1)[:, :number])
    nearest = np.array([D[:, scenes == s].min(1) for s in range(4)])
    best = np.array([np.flatnonzero(scenes == s)[D[:, scenes == s].argmin(1)] for s in range(4)])
    order = np.argsort(nearest, 0)[:number]
    assert_array_equal(mined(F, scenes, "N2", number), np.take_along_axis(best, order, 0).T)


def test_random_negatives_differ_and_are_of_other_scenes():
    scenes = np.repeat([0, 1, 2], 4)
    rng = np.random.default_rng(0)
    a, b = (mined(normal(12, 3), scenes, "random", 5, rng) for _ in range(2))
    assert (a != b).any()
    assert (scenes[a] != scenes[:, None]).all()
    assert all(len(set(row)) == 5 for row in a.tolist())


@pytest.mark.parametrize(
    ("F", "scenes", "rule", "number", "said"),
    [
        (np.eye(3), np.arange(3), "N3", 1, "rule is N1 or N2 or random"),
        (np.eye(3), np.arange(2), "N1", 1, r"\(3, 3\) and \(2,\)"),
        (np.full((3, 3), np.nan), np.arange(3), "N1", 1, "finite"),
        (np.eye(3), np.arange(3), "N2", 3, "3 scenes has 1 to 2 negatives, not 3"),
        (np.eye(3), np.array([0, 0, 1]), "N1", 2, "2 scenes has 1 to 1 negatives, not 2"),
        (np.eye(3), np.zeros(3), "N1", 1, "1 scenes has 1 to 0"),
        (np.eye(3), np.arange(3), "random", 1, "give rng"),
        (np.eye(3), np.arange(3), "N1", 0, "not 0"),
    ],
)
def test_negatives_that_are_not_to_be_had_are_refused(F, scenes, rule, number, said):
    with pytest.raises(ValueError, match=said):
        mined(F, scenes, rule, number)


# training


def run(settings=SMALL, seed=0, made=None, **options):
    options = {"progress": False, "log_every": 1, **options}
    return fit(network(), made or views(), settings, rng=np.random.default_rng(seed), **options)


@pytest.mark.parametrize("pooling", ["MAC", pytest.param("R-MAC", marks=pytest.mark.slow)])
def test_what_matches_comes_nearer_than_what_does_not(pooling):
    made, net = views(), network()
    pool = {"MAC": mac, "R-MAC": rmac}[pooling]
    settings = SMALL._replace(pooling=pooling, epochs=4, rate=0.05, positives="m2")
    tuned, log = run(settings, made=made)
    positive = matching(made, "m2")
    negative = mined(described(net, made.images, pool), made.scenes, "N2", 1)[:, 0]

    def gap(net):
        F, q = described(net, made.images, pool), positive >= 0
        far = lambda other: np.linalg.norm(F - F[other], axis=1)[q].mean()
        return far(negative) - far(positive)

    assert gap(tuned) > gap(net)
    ends = [row for row in log if "positives at" in row]
    assert len(ends) == 4


def test_training_leaves_the_first_network_and_its_other_layers():
    net = network()
    before = [w.copy() for w in leaves(net.parameters)]
    tuned, _ = fit(net, views(), SMALL, rng=np.random.default_rng(0), progress=False)
    assert all((a == b).all() for a, b in zip(before, leaves(net.parameters)))
    assert (tuned.parameters["conv1"][0] != net.parameters["conv1"][0]).any()
    assert tuned.parameters["hidden"] is net.parameters["hidden"]
    assert list(tuned.parameters) == list(net.parameters)


def test_negatives_are_mined_before_the_first_and_after_each_epoch(monkeypatch):
    seen = []

    def noted(F, *rest):
        seen.append(F)
        return mined(F, *rest)

    monkeypatch.setattr(retrieval_training, "mined", noted)
    tuned, _ = run()
    assert len(seen) == 3
    assert_array_equal(seen[-1], described(tuned, views().images))
    assert (seen[0] != seen[1]).any()


def first_weights(settings, monkeypatch, by_epoch=(1, 1, 1)):
    """Of the first convolution, where the negatives are by_epoch scenes further."""
    found = iter(by_epoch)
    number = np.arange(32)
    further = lambda *_: ((number + 4 * next(found)) % 32)[:, None].repeat(settings.number, 1)
    monkeypatch.setattr(retrieval_training, "mined", further)
    return run(settings)[0].parameters["conv1"][0]


def test_each_epoch_learns_from_the_negatives_mined_before_it(monkeypatch):
    settings = SMALL._replace(number=1)
    same = first_weights(settings, monkeypatch)
    assert_array_equal(first_weights(settings, monkeypatch, (1, 1, 2)), same)  # for a next epoch
    for by_epoch in ((1, 2, 1), (2, 1, 1)):
        assert (first_weights(settings, monkeypatch, by_epoch) != same).any()


@pytest.mark.parametrize(
    "changed",
    [
        {"margin": 0.1},
        {"momentum": 0.0},
        {"decay": 0.1},
        {"pooling": "R-MAC"},
        {"shared": 0.6},
        {"zoom": 1.1},
    ],
)
def test_every_setting_counts(changed, monkeypatch):
    settings = SMALL._replace(epochs=1, number=1)
    other = first_weights(settings._replace(**changed), monkeypatch)
    assert (other != first_weights(settings, monkeypatch)).any()


@pytest.mark.parametrize("negatives", [pytest.param("N1", marks=pytest.mark.slow), "random"])
def test_a_run_repeats_bit_for_bit(negatives):
    settings = SMALL._replace(negatives=negatives, epochs=1)
    (a, _), (b, _), (c, _) = run(settings), run(settings), run(settings, seed=1)
    alike = lambda x, y: all(
        (v == w).all() for v, w in zip(leaves(x.parameters), leaves(y.parameters))
    )
    assert alike(a, b)
    assert not alike(a, c)


@pytest.mark.parametrize("negatives", [pytest.param("N2", marks=pytest.mark.slow), "random"])
def test_a_run_that_was_stopped_goes_on_with_its_own_negatives(negatives, tmp_path, monkeypatch):
    settings = SMALL._replace(negatives=negatives)
    whole, _ = run(settings)
    real, calls = retrieval_training.contrastive, []

    def stopped(*args):
        calls.append(1)
        if len(calls) == 8:  # in the second epoch
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(retrieval_training, "contrastive", stopped)
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        run(settings, folder=tmp_path)
    monkeypatch.undo()
    again, _ = run(settings, folder=tmp_path, resume=True)
    for a, b in zip(leaves(whole.parameters), leaves(again.parameters)):
        assert_array_equal(a, b)


def test_an_option_of_another_name_is_refused():
    for field, said in {
        "pooling": "pooling is MAC or R-MAC, not 'x'",
        "positives": "m1 or m2 or m3",
        "negatives": "N1 or N2 or random",
        "schedule": "paper or linear",
    }.items():
        with pytest.raises(ValueError, match=said):
            run(SMALL._replace(**{field: "x"}))


def test_the_papers_rate_falls_twice_to_a_fifth():
    settings = PRESETS["paper"]._replace(epochs=3, rate=0.01)
    _, log = run(settings)
    rates = {int(np.ceil(row["epoch"])): row["rate"] for row in log}
    assert rates == pytest.approx({1: 0.01, 2: 0.002, 3: 0.0004})


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(TypeError, match="the network is an Extractor, not a function"):
        fit(mac, views(), SMALL, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="by m3 none of 8 images has a positive"):
        run(SMALL._replace(number=1), made=views(8, 1))


# cleaning


def test_a_scene_keeps_its_largest_component():
    A = np.zeros((7, 7))
    for i, j in ((0, 1), (1, 2), (3, 4), (2, 5)):
        A[i, j] = 1  # in one direction is enough
    scenes = np.array([0, 0, 0, 0, 0, 1, 1])
    kept = largest_component(A, scenes)  # what joins 2 and 5, of other scenes, counts nothing
    assert_array_equal(kept, [1, 1, 1, 0, 0, 1, 0])
    with pytest.raises(ValueError, match=r"not \(2, 3\) and \(2,\)"):
        largest_component(np.ones((2, 3)), np.zeros(2))
