import numpy as np
import pytest
import strict
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models.class_batches import ClassBatches
from minigrad.models.embedding_training import LABELLED, PRESETS, fit, untrained

from minigrad import to_cpu, to_gpu
from minigrad.evaluate import recall_at


class Numbers:
    """Samples that are their own numbers."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def batch(self, chosen, rng):
        return chosen, chosen


def rng(seed=0):
    return np.random.default_rng(seed)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 6), st.integers(1, 5))
def test_a_batch_has_equally_many_different_samples_of_each_class(m, classes, size, k):
    labels = rng(m).permutation(np.arange(classes * size) % classes)
    X, y = ClassBatches(Numbers(len(labels)), labels, k).batch(np.arange(m), rng())
    assert (labels[X] == y).all()
    assert len(set(X)) == len(X) <= m
    found, counts = np.unique(y, return_counts=True)
    assert len(found) == min(max(1, m // k), classes)
    assert set(counts) == {min(m // len(found), size)}


def test_of_a_class_with_few_samples_all_are_taken():
    labels = np.array([0] * 10 + [1] * 2)
    _, y = ClassBatches(Numbers(12), labels).batch(np.arange(8), rng())
    assert np.bincount(y).tolist() == [4, 2]


def test_batches_are_drawn_anew_from_the_generator_and_reach_all_samples():
    data = ClassBatches(Numbers(60), np.arange(60) // 6)
    chosen, seen = np.arange(16), set()
    a, b, again = (data.batch(chosen, rng(seed))[0] for seed in (1, 2, 1))
    assert (a != b).any()
    assert (a == again).all()
    draw = rng()
    for _ in range(60):
        seen |= set(data.batch(chosen, draw)[0])
    assert seen == set(range(60))


def test_labels_are_as_many_as_samples():
    with pytest.raises(ValueError, match=r"ClassBatches: y is \(5,\), whole numbers, not \(4,\)"):
        ClassBatches(Numbers(5), np.zeros(4, int))


SETTINGS = PRESETS["small"]._replace(network="4c5-4c5-16f", dimensions=8, batch=24, epochs=15)
PLAIN = {"size": 8, "mean": 0.5, "std": 0.3, "scale": None, "flip": 0, "brightness": 0}


@pytest.fixture
def settings():
    augmentation = type(SETTINGS.augmentation)(**PLAIN, contrast=0)
    return SETTINGS._replace(augmentation=augmentation, method="batch-hard", rate=0.1)


def test_batch_hard_learns_from_labels_what_images_of_one_channel_do_not_show(settings):
    """Eight pixels in the corner tell the class, the noise of all others hides it."""
    draw = rng()
    X, y = draw.random((96, 1, 8, 8), np.float32), np.arange(96) % 3
    X[:, 0, :2, :4] = (0.1 + 0.4 * y)[:, None, None]
    before = untrained(X, settings, rng())
    after, log = fit(X, settings, labels=y, rng=rng(), progress=False)
    score = lambda embed: recall_at(embed(X), y, 1).mean[0]
    assert log[-1]["loss"] < log[0]["loss"] / 2
    assert score(after) > max(0.95, score(before) + 0.2)


@pytest.mark.parametrize("method", ["batch-hard", "contrastive, hard"])
def test_on_another_device_the_same_is_learned(settings, method, monkeypatch):
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    strict.install(monkeypatch)
    X, y = rng().random((24, 1, 8, 8), np.float32), np.arange(24) % 3
    settings = settings._replace(method=method, epochs=1)
    labels = y if method in LABELLED else None
    found = []
    for move in (to_cpu, to_gpu):
        embedder, _ = fit(move(X), settings, labels=labels, rng=rng(), progress=False)
        found.append(to_cpu(embedder(move(X))))
    np.testing.assert_allclose(*found, atol=1e-4)


def test_a_method_has_the_labels_it_wants_and_no_others(settings):
    X, y = np.zeros((8, 1, 8, 8), np.uint8), np.arange(8) % 2
    with pytest.raises(ValueError, match="method 'batch-hard' learns from labels: give labels="):
        fit(X, settings, rng=rng())
    with pytest.raises(ValueError, match="method 'ISIF' takes no labels"):
        fit(X, settings._replace(method="ISIF"), labels=y, rng=rng())
    with pytest.raises(ValueError, match="whole numbers"):
        fit(X, settings, labels=y[:7], rng=rng())
