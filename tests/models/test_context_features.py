import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import digits

pytest.importorskip("sklearn")
from minigrad.models import context_prediction as cp
from minigrad.models.context_features import ContextFeatures
from minigrad.models.context_training import PRESETS
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

TINY = cp.Net(4, (cp.Convolution(3, 3, norm=True, pool=True), cp.Convolution(4, 3)), 6, (5,))
COLOURED = PRESETS["small"]._replace(
    net="of 4 x 4", gap=1, jitter=0, per_image=2, batch=20, epochs=1
)
QUICK = COLOURED._replace(colours="keep")


@pytest.fixture(autouse=True, scope="module")
def net_of_4():
    """A network whose pairs fit into images of 9 x 9."""
    cp.NETS["of 4 x 4"] = TINY
    yield
    del cp.NETS["of 4 x 4"]


class OfRows(ContextFeatures):
    """Takes rows of any numbers, as scikit-learn's checks have them, for small grey images."""

    def _images(self, X):
        if X.ndim == 2:
            n, d = X.shape
            side = max(9, int(np.ceil(np.sqrt(d))))
            rows = np.zeros((n, side * side), np.float32)
            rows[:, :d] = 1 / (1 + np.exp(-np.clip(X, -50, 50)))
            X = rows.reshape(n, 1, side, side)
        return super()._images(X)


# None is expected to fail: beyond OfRows, the same as for ExemplarFeatures holds.
@pytest.mark.slow
@parametrize_with_checks([OfRows(settings=QUICK)])
def test_scikit_learns_own_checks_hold(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def images():
    return digits()[0][:60]


@pytest.fixture(scope="module")
def fitted(images):
    return ContextFeatures(settings=QUICK, random_state=0).fit(images)


@pytest.mark.parametrize("colours", ["project", "drop"])
def test_grey_images_keep_what_they_have_and_settings_that_say_otherwise_get_a_warning(
    images, fitted, colours
):
    told = ContextFeatures(settings=COLOURED._replace(colours=colours), random_state=0)
    said = f"of 1 channels keep their colours, as with .*keep.*: '{colours}' takes three channels"
    with pytest.warns(UserWarning, match=said) as warned:
        told.fit(images)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert told.net_.prepare.colours == "keep"
    assert_array_equal(told.transform(images), fitted.transform(images))


def test_grey_images_keep_what_they_have_without_a_word_where_a_preset_is_named(
    images, monkeypatch
):
    monkeypatch.setitem(PRESETS, "small", COLOURED)
    assert ContextFeatures().fit(images).net_.prepare.colours == "keep"


def test_coloured_images_are_seen_as_the_settings_say(images):
    coloured = images.repeat(3, 1)
    found = ContextFeatures(settings=COLOURED, random_state=0).fit(coloured)
    assert found.net_.prepare.colours == "project"


def test_images_rows_and_bytes_have_the_same_features(images, fitted):
    features, flat = fitted.transform(images), images.reshape(60, -1)
    rows = ContextFeatures((1, 16, 16), QUICK, random_state=0).fit(flat)
    assert_array_equal(rows.transform(flat), features)
    assert_array_equal(clone(fitted).fit_transform(images), features)
    grey = np.round(255 * images).astype(np.uint8)
    assert_allclose(fitted.transform(grey), features, atol=0.02)  # of norms of 1: steps of 1 / 255


def test_blocks_have_norm_1_on_the_images_to_fit(images, fitted):
    for block in np.split(fitted.transform(images), [12, 28], 1):
        assert_allclose((block**2).sum(1).mean(), 1, rtol=1e-5)


def test_images_of_another_size_are_transformed(images, fitted):
    larger = images.repeat(2, 2).repeat(2, 3)
    assert fitted.transform(larger).shape == (60, 4 * (3 + 4 + 6))
    assert fitted.transform(images[:, :, :4, :4]).shape == (60, 4 * (3 + 4) + 6)


def test_it_stands_in_a_pipeline_and_in_a_pickle(images, fitted):
    T = digits()[1][:60]
    pipeline = make_pipeline(ContextFeatures(settings=QUICK, random_state=0), LinearSVC())
    assert pipeline.fit(images, T).score(images, T) > 0.5  # guessing is 0.1
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.transform(images), fitted.transform(images))


def test_images_too_small_for_a_pair_are_refused(images):
    with pytest.raises(ValueError, match=r"image 0 has 16 x 16 pixels, .* need 66 each way"):
        ContextFeatures().fit(images)


@pytest.mark.parametrize(
    ("shape", "image_shape"), [((4, 256), None), ((4, 256), (3, 16, 16)), ((4, 16, 16), None)]
)
def test_rows_that_are_no_images_are_refused(shape, image_shape):
    with pytest.raises(ValueError, match=r"images are \(n, c, h, w\), or rows of image_shape, not"):
        ContextFeatures(image_shape, QUICK).fit(np.zeros(shape))


@pytest.mark.parametrize("value", [-0.5, 16.0])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=f"lie in .0, 1., these .* reach from .*{value:g}"):
        ContextFeatures(settings=QUICK).fit(np.full((4, 1, 9, 9), value))


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="settings are small, paper, not 'tiny'"):
        ContextFeatures(settings="tiny").fit(np.zeros((4, 1, 9, 9)))
