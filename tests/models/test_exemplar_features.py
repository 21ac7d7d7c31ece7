import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import digits

pytest.importorskip("sklearn")
from minigrad.models.exemplar_features import ExemplarFeatures
from minigrad.models.exemplar_training import PRESETS
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

QUICK = PRESETS["small"]._replace(seeds=10, versions=2, code="2c3-2c3-4f", epochs=1)


class OfRows(ExemplarFeatures):
    """Takes rows of any numbers, as scikit-learn's checks have them, for small grey images."""

    def _images(self, X):
        if X.ndim == 2:
            n, d = X.shape
            side = 4 * int(np.ceil(np.sqrt(d) / 4))
            rows = np.zeros((n, side * side), np.float32)
            rows[:, :d] = 1 / (1 + np.exp(-np.clip(X, -50, 50)))
            X = rows.reshape(n, 1, side, side)
        return super()._images(X)


# None is expected to fail. Beyond OfRows, what the checks cannot have is the dtype of what comes
# in (features are float32 always, which the transformer's tags say), and rows of any length and
# numbers, which are no images: the two tests behind show how these are refused.
@parametrize_with_checks([OfRows(settings=QUICK)])
def test_scikit_learns_own_checks_hold(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("shape", "image_shape"), [((4, 256), None), ((4, 256), (3, 16, 16)), ((4, 16, 16), None)]
)
def test_rows_that_are_no_images_are_refused(shape, image_shape):
    with pytest.raises(ValueError, match=r"images are \(n, c, h, w\), or rows of image_shape, not"):
        ExemplarFeatures(image_shape, QUICK).fit(np.zeros(shape))


@pytest.mark.parametrize("value", [-0.5, 16.0])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=f"bytes or in .0, 1., these go from .*{value:g}"):
        ExemplarFeatures(settings=QUICK).fit(np.full((4, 1, 8, 8), value))


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="settings are small, medium, paper, .* not 'tiny'"):
        ExemplarFeatures(settings="tiny").fit(np.zeros((4, 1, 8, 8)))


@pytest.fixture(scope="module")
def images():
    return digits()[0][:60]


@pytest.fixture(scope="module")
def fitted(images):
    return ExemplarFeatures(settings=QUICK, random_state=0).fit(images)


def test_images_rows_and_bytes_have_the_same_features(images, fitted):
    features = fitted.transform(images)
    assert features.shape == (60, 4 * 2 + 4 * 2 + 4)
    rows = ExemplarFeatures((1, 16, 16), QUICK, random_state=0).fit(images.reshape(60, -1))
    assert_array_equal(rows.transform(images.reshape(60, -1)), features)
    assert_array_equal(clone(fitted).fit_transform(images), features)
    grey = np.round(255 * images).astype(np.uint8)
    assert_allclose(fitted.transform(grey), features, atol=0.02)  # of norms of 1: steps of 1 / 255


def test_blocks_have_norm_1_on_the_images_to_fit(images, fitted):
    first, second, hidden = np.split(fitted.transform(images), [8, 16], 1)
    for block in (first, second, hidden):
        assert_allclose((block**2).sum(1).mean(), 1, rtol=1e-5)


def test_larger_images_are_transformed(images, fitted):
    larger = images.repeat(2, 2).repeat(2, 3)
    assert fitted.transform(larger).shape == (60, 4 * 2 + 4 * 2 + 4 * 4)


def test_it_stands_in_a_pipeline_and_in_a_pickle(images, fitted):
    T = digits()[1][:60]
    pipeline = make_pipeline(ExemplarFeatures(settings=QUICK, random_state=0), LinearSVC())
    assert pipeline.fit(images, T).score(images, T) > 0.5  # guessing is 0.1
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.transform(images), fitted.transform(images))


def test_the_models_package_needs_no_scikit_learn():
    code = (
        "import sys; from minigrad.models import exemplar_cnn, exemplar_extractor;"
        "from minigrad.models import exemplar_training; print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
