"""Views: batches of changed images, as data of train."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minigrad as mg
from minigrad.data import Augmentation, Views
from minigrad.kernels.order import is_batch_last
from minigrad.learn import train

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 3, 12, 12), np.uint8)
AUGMENT = Augmentation(size=8)
CHOSEN = np.array([7, 2, 9])


@pytest.mark.parametrize("views", [1, 2, 3])
def test_a_batch_is_all_of_view_1_then_all_of_view_2_and_the_numbers_of_its_images(views):
    data = Views(IMAGES, AUGMENT, views)
    X, index = data.batch(CHOSEN, np.random.default_rng(1))
    p = AUGMENT.draw(3 * views, (12, 12), np.random.default_rng(1))
    assert_array_equal(X, AUGMENT.apply(IMAGES[np.tile(CHOSEN, views)], p))
    assert is_batch_last(X)
    assert_array_equal(index, CHOSEN)
    assert len(data) == 10


def test_two_views_of_a_batch_are_those_of_the_augmentation():
    X, _ = Views(IMAGES, AUGMENT).batch(CHOSEN, np.random.default_rng(1))
    assert_array_equal(X, AUGMENT.two_views(IMAGES[CHOSEN], np.random.default_rng(1)))


def test_views_are_drawn_anew_for_each_batch_and_the_same_from_the_same_generator():
    data = Views(IMAGES, AUGMENT)
    X, Y, Z = (data.batch(CHOSEN, np.random.default_rng(seed))[0] for seed in (0, 0, 1))
    assert_array_equal(X, Y)
    assert (X != Z).any((1, 2, 3)).all()


def test_training_sees_each_image_twice_a_step_and_is_reproducible():
    def distance(W, X, index, rng):
        assert len(X) == 2 * len(index)
        seen.append(index)
        F = X.reshape(len(X), -1) @ W
        return mg.mean((F[: len(index)] - F[len(index) :]) ** 2)

    ends = []
    for _ in range(2):
        seen, rng = [], np.random.default_rng(0)
        W = rng.standard_normal((3 * 8 * 8, 4)).astype(np.float32) / 8
        data = Views(IMAGES, AUGMENT)
        log = train(distance, W, data, rng=rng, epochs=5, batch=4, rate=1e-3, progress=False)
        ends.append(W)
        assert_array_equal(np.sort(np.concatenate(seen[:3])), np.arange(10))
        assert log[-1]["loss"] < 10
    assert_array_equal(*ends)


def test_the_images_are_not_changed():
    before = IMAGES.copy()
    Views(IMAGES, AUGMENT).batch(CHOSEN, np.random.default_rng(0))
    assert_array_equal(IMAGES, before)


@pytest.mark.parametrize(
    ("images", "views", "sentence"),
    [
        (
            IMAGES[:0],
            2,
            r"images are \(n, c, h, w\), n and views at least 1, not \(0, 3, 12, 12\) and 2",
        ),
        (
            IMAGES,
            0,
            r"images are \(n, c, h, w\), n and views at least 1, not \(10, 3, 12, 12\) and 0",
        ),
        (IMAGES.astype(float), 2, r"images of floats lie in \[0, 1\], these .* from 0 to 255"),
        (IMAGES[0], 2, r"images are \(n, c, h, w\), of floats or bytes, not \(3, 12, 12\)"),
    ],
    ids=lambda v: str(v)[:10],
)
def test_no_images_no_views_and_other_values_are_refused(images, views, sentence):
    with pytest.raises(ValueError, match=f"Views: {sentence}"):
        Views(images, AUGMENT, views)
