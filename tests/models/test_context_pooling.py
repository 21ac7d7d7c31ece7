import numpy as np
import pytest
from minigrad.models import context_pooling
from minigrad.models import context_prediction as cp
from minigrad.models.context_extractor import untrained
from minigrad.models.context_pooling import features
from minigrad.models.norm_removal import remove_norms
from numpy.testing import assert_allclose

TINY = cp.Net(8, (cp.Convolution(4, 3, norm=True, pool=True), cp.Convolution(5, 3)), 6, (7,))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 3, 20, 16), np.uint8)


@pytest.fixture(scope="module")
def net(images):
    rng = np.random.default_rng(1)
    return untrained(images[:, :, 2:10, 3:11], TINY, "project", rng=rng)


def test_a_layer_has_the_greatest_value_of_each_map_in_each_quadrant(net, images):
    *convolutions, fc6 = features(net, images)
    assert [block.shape for block in (*convolutions, fc6)] == [(7, 16), (7, 20), (7, 24)]
    for block, maps in zip(convolutions, net.maps(images)):
        h, w = (side // 2 for side in maps.shape[2:])
        rows, columns = (slice(h), slice(h, None)), (slice(w), slice(w, None))
        cells = [maps[:, :, i, j].max((2, 3)) for i in rows for j in columns]
        assert_allclose(block, np.stack(cells, 2).reshape(block.shape), rtol=1e-6)


def test_of_a_patch_fc6_is_its_features(net, images):
    patches = images[:, :, :8, :8]
    assert_allclose(features(net, patches)[-1], net(patches), rtol=1e-5, atol=1e-6)


def test_elsewhere_fc6_is_that_of_each_window_of_the_last_maps(net, images):
    plain = remove_norms(net)
    last, (W, b) = plain.maps(images)[-1], plain.parameters["fc6"]
    windows = np.lib.stride_tricks.sliding_window_view(last, (4, 4), (2, 3))  # (7, 5, 7, 5, 4, 4)
    A = windows.transpose(0, 2, 3, 1, 4, 5).reshape(7, 7, 5, -1) @ W + b
    upper_left = np.maximum(0, A[:, :4, :3].max((1, 2)))
    assert_allclose(features(net, images)[-1].reshape(7, 6, 4)[:, :, 0], upper_left, atol=1e-5)


def test_norms_in_the_weights_give_the_same_features(net, images):
    for a, b in zip(features(net, images), features(remove_norms(net), images), strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_images_are_taken_a_few_at_a_time(net, images, monkeypatch):
    whole = features(net, images)
    monkeypatch.setattr(context_pooling, "ENTRIES", 3 * images[0].size)
    for a, b in zip(whole, features(net, images)):
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_other_images_are_refused(net, images):
    with pytest.raises(ValueError, match="images are 7 x 16, smaller than .* patches of 8 x 8"):
        features(net, images[:, :, :7])
    for wrong in (images[:, :1], images[:0], list(images)):
        with pytest.raises(ValueError, match=r"patches are \(n, 3, h, w\), n at least 1, not"):
            features(net, wrong)
    with pytest.raises(ValueError, match="pooling is quadrants or pyramid or cells, not 'halves'"):
        features(net, images, "halves")
