import dataclasses
import os

import numpy as np
import pytest
from minigrad.models.embedding_training import METHODS, PRESETS, Embedder, fit, told, untrained
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import cifar10
from minigrad.data.images import Augmentation, Changes
from minigrad.evaluate import knn_vote
from minigrad.learn import CheckpointError
from minigrad.learn.folder import CHECKPOINT
from minigrad.tree import leaves

TINY = PRESETS["small"]._replace(network="4c5-4c5-8f", dimensions=6, batch=8, epochs=2, noise=10)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), np.uint8)


def go(images, settings, seed=0, **options):
    return fit(images, settings, rng=np.random.default_rng(seed), progress=False, **options)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_unit_rows_and_sees_each_image_twice_in_an_epoch(images, method):
    seen = []

    def after_epoch(embedder):
        seen.append(embedder(images))
        return {"epoch done": 1.0}

    settings = TINY._replace(method=method)
    embedder, log = go(images, settings, after_epoch=after_epoch)
    F = embedder(images)
    assert F.shape == (20, 6)
    assert_allclose((F**2).sum(1), 1, rtol=1e-5)
    assert len(seen) == 2
    assert not np.array_equal(seen[0], seen[1])
    views = METHODS[method].views
    assert log[-1]["step"] == settings.epochs * -(-20 * (2 // views) // 8)


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(images, method, tmp_path):
    class Stop(Exception):
        pass

    def stop_once(embedder):
        if not (tmp_path / "stopped").exists():
            (tmp_path / "stopped").touch()
            raise Stop

    settings = TINY._replace(method=method)
    whole, _ = go(images, settings, folder=tmp_path / "whole")
    options = {"folder": tmp_path / "parts", "save_every": 1}
    with pytest.raises(Stop):
        go(images, settings, after_epoch=stop_once, **options)
    parts, _ = go(images, settings, after_epoch=stop_once, resume=True, **options)
    for a, b in zip(
        leaves((whole.parameters, whole.state)), leaves((parts.parameters, parts.state))
    ):
        assert_array_equal(a, b)
    assert_array_equal(whole(images), parts(images))


def test_other_settings_are_not_gone_on_with(images, tmp_path):
    go(images, TINY, folder=tmp_path)
    less = dataclasses.replace(TINY.augmentation, gray=0)
    with pytest.raises(CheckpointError, match="augmentation"):
        go(images, TINY._replace(augmentation=less), folder=tmp_path, resume=True)


def test_embedding_is_of_plain_images_by_kept_statistics(images):
    embedder, _ = go(images, TINY)
    together = embedder(images)
    alone = np.concatenate([embedder(images[i : i + 1]) for i in range(len(images))])
    assert_allclose(together, alone, rtol=1e-4, atol=1e-6)
    plain = TINY.augmentation.apply(images, Changes())
    assert_allclose(embedder.rows(plain), together, rtol=1e-4, atol=1e-6)


def test_an_untrained_network_has_the_first_parameters_of_a_trained_one(images):
    settings = TINY._replace(rate=0.0)
    trained, _ = go(images, settings)
    first = untrained(images, settings, np.random.default_rng(0))
    for a, b in zip(leaves(trained.parameters), leaves(first.parameters), strict=True):
        assert_array_equal(a, b)
    assert isinstance(first, Embedder)
    assert np.isfinite(first(images)).all()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda X: X[:0], r"images are an array \(n, 3, h, w\), n at least 1, not \(0, 3, 32, 32"),
        (lambda X: X[:, :1], r"images are an array \(n, 3, h, w\), n at least 1, not \(20, 1, 32"),
        (lambda X: [*X], r"images are an array \(n, 3, h, w\), n at least 1, not list"),
        (lambda X: X.astype(float), r"images of floats lie in \[0, 1\]"),
        (lambda X: X / np.nan, r"images of floats lie in \[0, 1\]"),
    ],
    ids=["none", "of one channel", "a list", "up to 255", "NaN"],
)
def test_what_are_no_images_is_refused(images, wrong, sentence):
    embedder = untrained(images, TINY, np.random.default_rng(0))
    with pytest.raises(ValueError, match=sentence):
        embedder(wrong(images))


def test_resnet_embeds_too(images):
    settings = PRESETS["paper"]
    assert settings.network == "resnet18"
    F = untrained(images[:2], settings, np.random.default_rng(0))(images[:2])
    assert F.shape == (2, 128)
    assert_allclose((F**2).sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "magic"}, "method is one of 'Exemplar', 'NPSoftmax', .*, not 'magic'"),
        ({"schedule": "magic"}, "schedule is one of 'paper', 'linear', not 'magic'"),
        ({"method": "batch-hard"}, "'batch-hard' learns from labels: give labels="),
        ({"dimensions": 0}, "dimensions is a whole number, at least 1, not 0"),
        ({"network": "magic"}, "magic"),
        (
            {"method": "NCE", "batch": 13},
            "taken 2 times in batches of 13 leave one alone",
        ),
    ],
)
def test_what_is_no_setting_is_refused(images, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        go(images, TINY._replace(**change))


def test_a_method_without_labels_is_given_none(images):
    with pytest.raises(ValueError, match="'ISIF' takes no labels: leave them out, or .* 'batch-h"):
        go(images, TINY, labels=np.arange(20) // 4)


@pytest.mark.parametrize("wrong", ["photos/", np.zeros((1, 3, 32, 32)), np.zeros((20, 32, 32))])
def test_what_nothing_can_be_learned_from_is_refused(wrong):
    with pytest.raises(ValueError, match=r"fit: images are an array \(n, c, h, w\), n at least 2"):
        go(wrong, TINY)


def test_a_run_in_the_folder_is_gone_on_with_or_kept(images, tmp_path):
    first, _ = go(images, TINY, folder=tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(CheckpointError, match="holds a run already: resume=True goes on with it"):
        go(images, TINY, folder=tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    again, _ = go(images, TINY, folder=tmp_path, resume=True)
    assert_array_equal(again(images), first(images))


@pytest.mark.parametrize(
    ("channels", "change"),
    [(3, {}), (1, {"augmentation": Augmentation(scale=None, mean=0.5, std=0.25, size=(32, 32))})],
)
def test_an_embedder_comes_back_from_its_file(channels, change, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, channels, 32, 32), np.uint8)
    embedder, _ = go(images, TINY._replace(**change))
    embedder.save(tmp_path / "mine.safetensors")
    found = Embedder.load(tmp_path / "mine.safetensors")
    assert told(found.settings) == told(embedder.settings)
    assert_array_equal(found(images), embedder(images))
    with pytest.raises(ValueError, match=rf"images are an array \(n, {channels}, h, w\)"):
        found(np.zeros((2, 4 - channels, 32, 32)))


def test_a_resnet_comes_back_from_its_file(images, tmp_path):
    embedder = untrained(images[:2], PRESETS["paper"], np.random.default_rng(0))
    embedder.save(tmp_path / "mine.safetensors")
    assert_array_equal(
        Embedder.load(tmp_path / "mine.safetensors")(images[:2]), embedder(images[:2])
    )


def test_files_of_something_else_are_refused(images, tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint here"):
        Embedder.load(tmp_path / "none.safetensors")
    go(images, TINY, folder=tmp_path)
    with pytest.raises(CheckpointError, match="a checkpoint, but not of an Embedder"):
        Embedder.load(tmp_path / CHECKPOINT)


def test_photographs_of_any_size_are_made_one_and_learned_from(tmp_path):
    shapes = ((3, 60, 40), (3, 33, 90))
    photographs = [np.random.default_rng(0).choice([0, 1], s).astype(np.float32) for s in shapes]
    square = Augmentation(size=64, mean=None, std=None)
    X = np.concatenate([square.apply(image[None], Changes()) for image in photographs])
    embedder, _ = go(X, TINY)
    assert embedder(X).shape == (2, 6)
    with pytest.raises(ValueError, match=r"images of floats lie in \[0, 1\]"):
        embedder(X * 1.01)


def test_what_resampling_rounds_beyond_white_is_white(images):
    embedder = untrained(images, TINY, np.random.default_rng(0))
    white = np.ones((1, 3, 32, 32), np.float32)
    beyond = np.nextafter(white, np.float32(2))
    assert_allclose(embedder(beyond), embedder(white), atol=1e-5)


def test_images_of_another_size_are_resampled_to_the_one_of_training(images):
    embedder, _ = go(images, TINY)
    large = images.repeat(2, 2).repeat(3, 3)
    resampled = Augmentation(mean=None, std=None).apply(large, Changes())
    assert_allclose(embedder(large), embedder(resampled.clip(0, 1)), rtol=1e-4, atol=1e-5)


def test_the_paper_s_schedule_is_a_tenth_from_120_and_a_hundredth_from_160_of_200():
    from minigrad.models.embedding_training import SCHEDULES

    rate = SCHEDULES["paper"](0.03)
    assert [rate(epoch / 200) for epoch in (0, 119, 120, 159, 160)] == pytest.approx(
        [0.03, 0.03, 0.003, 0.003, 0.0003]
    )


def test_settings_are_told_without_arrays():
    assert told(TINY)["augmentation"]["scale"] == (0.2, 1.0)
    assert "colours" not in told(TINY)["augmentation"]


@pytest.mark.slow
def test_instance_softmax_beats_pixels_and_the_random_network_on_real_images():
    if "MINIGRAD_DATA" not in os.environ:
        pytest.skip("real images stand in $MINIGRAD_DATA, which is not set")
    (X, T), (X_test, T_test) = (cifar10(split, "jpeg") for split in ("train", "test"))
    accuracy = lambda embed: (knn_vote(embed(X_test), embed(X), T) == T_test).mean()
    settings = PRESETS["small"]._replace(epochs=2)
    random = untrained(X, settings, np.random.default_rng(0))
    learned, log = go(X, settings)
    pixels = lambda images: images.reshape(len(images), -1) / np.float32(255) - 0.5
    assert log[-1]["loss"] < log[0]["loss"]
    assert accuracy(learned) > accuracy(random) + 0.04
    assert accuracy(learned) > accuracy(pixels) + 0.04


def test_without_augmentation_both_views_are_the_image():
    none = Augmentation(scale=None, brightness=0, contrast=0, saturation=0, hue=0, gray=0, flip=0)
    X = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), np.uint8)
    views = none.two_views(X, np.random.default_rng(1))
    assert_array_equal(views[:3], views[3:])
    assert_array_equal(views[:3], none.apply(X, Changes()))
