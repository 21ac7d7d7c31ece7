import itertools

import numpy as np
import pytest
from minigrad.models import video_triplet as vt
from minigrad.models.embedding_training import Embedder
from minigrad.models.triplet_loss import triplet
from minigrad.models.video_triplet import PRESETS, fit, negatives, recall, towers, untrained
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import concatenate, mean, normalize, value_and_grad
from minigrad.learn import CheckpointError
from minigrad.tree import leaves

SIDE = 8
QUICK = PRESETS["small"]._replace(
    network="6c3-8c3-16f",
    dimensions=8,
    batch=12,
    epochs=8,
    random_epochs=4,
    augmentation=vt.Augmentation(
        SIDE, scale=None, brightness=0, contrast=0, saturation=0, hue=0, gray=0, mean=0.5, std=0.25
    ),
)


def pairs(n, seed=0):
    """Patches of 3 x 3 colours; the last ones are the first turned half round, with noise: not
    alike by their pixels, but by what a network can learn.
    """
    rng = np.random.default_rng(seed)
    X = rng.random((n, 3, 3, 3)).repeat(3, 2).repeat(3, 3)[:, :, :SIDE, :SIDE]
    Y = np.clip(X[:, :, ::-1, ::-1] + rng.normal(0, 0.02, X.shape), 0, 1)
    return X.astype(np.float32), Y.astype(np.float32)


def go(settings=QUICK, n=48, seed=0, **options):
    rng = np.random.default_rng(seed)
    return fit(*pairs(n), settings, rng=rng, progress=False, **options)


def test_towers_are_one_network_and_what_they_deposit_adds_up():
    X, Y = pairs(6)
    net = untrained(X, Y, QUICK, np.random.default_rng(0))
    U, code = net.parameters, QUICK.network
    embed = vt.network(code)[1]
    R = np.random.default_rng(1).random((12, 8)).astype(np.float32)

    def apart(U, V):
        F = [embed(Z, W, state={}, training=True) for Z, W in ((X, U), (Y, V))]
        return mean(concatenate(tuple(F), 0) * R)

    def tied(U):
        return mean(towers(X, Y, U, code=code, state={}) * R)

    one, G = value_and_grad(tied)(U)
    two, (A, B) = value_and_grad(apart, (0, 1))(U, U)
    assert_allclose(one, two, rtol=1e-5)
    for g, a, b in zip(leaves(G), leaves(A), leaves(B)):
        assert_allclose(g, a + b, atol=1e-6)
    assert any(abs(a - b).max() > 1e-5 for a, b in zip(leaves(A), leaves(B)))


def test_negatives_are_first_any_of_the_batch_then_the_four_with_the_greatest_loss():
    m, rng = 9, np.random.default_rng(0)
    F = normalize(rng.standard_normal((2 * m, 5)))
    seen = set()
    for epoch, wanted in ((0, "random"), (QUICK.random_epochs, "hard")):
        a, p, n = negatives(F, QUICK, epoch, np.random.default_rng(1))
        assert len(a) == 2 * m * 4
        assert_array_equal(p, (a + m) % (2 * m))
        assert (n % m != a % m).all()
        for i in range(2 * m):
            own = set(n[a == i].tolist())
            assert len(own) == 4
            others = [j for j in range(2 * m) if j % m != i % m]
            loss = [float(triplet(F[[i]], F[[(i + m) % 18]], F[[j]], 2, "cosine")) for j in others]
            hardest = {others[k] for k in np.argsort(loss)[::-1][:4]}
            if wanted == "hard":
                assert own == hardest
            seen |= {own == hardest}
    assert seen == {True, False}  # random ones are others


def test_in_a_batch_of_few_there_are_fewer_negatives():
    a, _, n = negatives(
        normalize(np.random.default_rng(0).random((4, 3))), QUICK, 9, np.random.default_rng(0)
    )
    assert [sorted(n[a == i].tolist()) for i in range(4)] == [[1, 3], [0, 2], [1, 3], [0, 2]]


@pytest.mark.slow
def test_what_can_be_learned_is_learned_and_holds_for_pairs_that_were_held_out():
    held = pairs(60, seed=1)
    net, log = go(QUICK._replace(epochs=16), n=96, held_out=held)
    recalls = [row["held-out recall"] for row in log if "held-out recall" in row]
    assert len(recalls) == 16
    before = untrained(*pairs(96), QUICK, np.random.default_rng(0))
    raw = recall(lambda X: X.reshape(len(X), -1) - 0.5, *held)
    assert recalls[-1] == recall(net, *held) > max(recall(before, *held), raw) + 0.1
    assert recalls[-1] > 0.3  # chance: 1/60


def test_an_epoch_ends_with_the_batch_that_is_not_full(monkeypatch):
    seen, mine = [], vt.negatives
    monkeypatch.setattr(vt, "negatives", lambda F, s, e, rng: seen.append(e) or mine(F, s, e, rng))
    go(QUICK._replace(epochs=2), n=28)
    assert seen == [0] * 3 + [1] * 3


@pytest.mark.slow
def test_the_loss_rises_when_hard_negatives_begin():
    _, log = go(QUICK._replace(epochs=6, random_epochs=5), log_every=4)  # 4 steps an epoch
    *_, last_random, hard = (row["loss"] for row in log)
    assert hard > 1.5 * last_random


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network_and_a_resumed_run_goes_on_with_its_mining(
    tmp_path, monkeypatch
):
    net, log = go()
    batch, left = vt.Tracked.batch, itertools.count()

    def failing(*arguments):
        if next(left) == 22:  # in the sixth epoch, of hard negatives
            raise OSError("the disk went away")
        return batch(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(vt.Tracked, "batch", failing)
        with pytest.raises(OSError, match="went away"):
            go(folder=tmp_path / "run")
    again, rows = go(folder=tmp_path / "run", resume=True)
    for a, b in zip(leaves((net.parameters, net.state)), leaves((again.parameters, again.state))):
        assert_array_equal(a, b)
    assert [row["loss"] for row in rows] == [row["loss"] for row in log]
    with pytest.raises(CheckpointError, match="random_epochs"):
        go(QUICK._replace(random_epochs=3), folder=tmp_path / "run", resume=True)


def test_both_of_a_pair_are_mirrored_or_neither():
    X, _ = pairs(40)
    A, B = vt.Tracked(X, X, QUICK.augmentation).batch(np.arange(40), np.random.default_rng(0))
    assert_array_equal(A, B)
    plain = (X - 0.5) / 0.25
    turned = [not np.allclose(a, x, atol=1e-5) for a, x in zip(A, plain)]
    assert 10 < sum(turned) < 30
    assert_allclose(A[turned], plain[turned][..., ::-1], atol=1e-5)


def test_untrained_is_what_training_begins_with():
    net = untrained(*pairs(12), QUICK, np.random.default_rng(3))
    trained, _ = fit(
        *pairs(12),
        QUICK._replace(epochs=1, rate=1e-12, decay=0.0),
        rng=np.random.default_rng(3),
        progress=False,
    )
    for a, b in zip(leaves(net.parameters), leaves(trained.parameters)):
        assert_allclose(a, b, atol=1e-9)


def test_recall_counts_whose_own_is_the_nearest_of_all_last_ones():
    first, last = pairs(5)
    F = np.eye(5)
    G = F[[0, 1, 3, 2, 4]] + 0.1
    features = {first.tobytes(): F, last.tobytes(): G}
    assert recall(lambda X: features[X.tobytes()], first, last) == 3 / 5
    assert recall(lambda X: np.ones((len(X), 2)), first, last) == 1 / 5


def test_an_embedder_that_is_kept_says_the_same(tmp_path):
    X, Y = pairs(12)
    net = untrained(X, Y, QUICK, np.random.default_rng(0))
    net.save(tmp_path / "net.safetensors")
    assert_array_equal(Embedder.load(tmp_path / "net.safetensors")(X), net(X))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"schedule": "steps"}, "schedule is one of constant, linear, not 'steps'"),
        ({"negatives": 0}, "negatives is a whole number, at least 1, not 0"),
        ({"random_epochs": -1}, "random_epochs is a whole number, at least 0, not -1"),
        ({"dimensions": 2.0}, "dimensions is a whole number, at least 1, not 2.0"),
        ({"batch": 47}, "48 pairs in batches of 47 leave one alone, which has no negatives"),
        ({"batch": 1}, "48 pairs in batches of 1 leave one alone"),
        ({"batch": 0}, "batch is a whole number, at least 1, not 0"),
        ({"margin": 0}, 'margin, unless "soft", is above 0, not 0'),
        ({"network": "6c3"}, "'6c3' is not like 64c5-64c5-128f"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        go(QUICK._replace(**wrong))


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (pairs(4)[0], pairs(5)[1], r"alike and as many, not \(4, 3, 8, 8\) .* and \(5, 3, 8, 8\)"),
        (pairs(4)[0], np.zeros((4, 3, 8, 8), np.uint8), "not .* float32 and .* uint8"),
        (pairs(1)[0], pairs(1)[1], r"\(n, c, h, w\), n at least 2, not \(1, 3, 8, 8\)"),
        (pairs(4)[0] * np.nan, pairs(4)[1], r"images of floats lie in \[0, 1\]"),
        ([1, 2], [3, 4], "images are an array .* not list"),
    ],
)
def test_patches_that_are_no_pairs_are_refused(first, last, said):
    with pytest.raises(ValueError, match=said):
        fit(first, last, QUICK, rng=np.random.default_rng(0))


def test_held_out_patches_are_looked_at_before_anything_is_learned(monkeypatch):
    monkeypatch.setattr(vt, "train", None)
    X, Y = pairs(12)
    with pytest.raises(ValueError, match=r"fit: held out: .* not \(12, .* and \(5, "):
        go(held_out=(X, Y[:5]))


def test_grey_patches_can_be_learned_from():
    X, Y = (P[:, :1] for P in pairs(24))
    net, _ = fit(X, Y, QUICK._replace(epochs=1), rng=np.random.default_rng(0), progress=False)
    assert net(X).shape == (24, 8)
