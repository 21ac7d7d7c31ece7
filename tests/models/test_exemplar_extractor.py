import re

import numpy as np
import pytest
from minigrad.models import exemplar_cnn
from minigrad.models.exemplar_extractor import Extractor, load_features, save_features
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.learn import CheckpointError, save_checkpoint
from minigrad.tree import leaves
from minigrad.version import VERSION

CODE = "4c5s2p3-6c3-8f"


@pytest.fixture(scope="module")
def extractor():
    rng = np.random.default_rng(0)
    U = exemplar_cnn.initial(rng, 5, channels=3, side=32, code=CODE)
    return Extractor(U, CODE, rng.random((3, 32, 32), np.float32), scale=2.0)


def images(*shape):
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def test_features_are_those_of_the_scaled_images_minus_the_mean(extractor):
    X = images(5, 3, 32, 32)
    plain = (2 * (X / 255 - extractor.mean)).astype(np.float32)
    expected = exemplar_cnn.features(plain, extractor.parameters, CODE)
    for found, block in zip(extractor(X), expected, strict=True):
        assert_allclose(found, block, rtol=1e-4, atol=1e-5)  # float32
        assert found.dtype == np.float32


def test_bytes_and_numbers_up_to_1_are_the_same_images(extractor):
    X = images(3, 3, 32, 32)
    for a, b in zip(extractor(X), extractor((X / 255).astype(np.float32)), strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.uint8])
def test_the_network_sees_float32_whatever_the_images_are(extractor, dtype):
    X = np.ones((2, 3, 32, 32), dtype)
    assert extractor.prepared(X).dtype == np.float32
    white = 255 if dtype == np.uint8 else 1
    assert_allclose(extractor.prepared(X)[0], 2 * (1 / white - extractor.mean), atol=1e-6)


def test_images_of_another_size_lose_the_mean_colour(extractor):
    X = images(2, 3, 40, 36)
    colour = extractor.mean.mean((1, 2), keepdims=True)
    assert_allclose(extractor.prepared(X), 2 * (X / 255 - colour), atol=1e-5)
    assert [block.shape for block in extractor(X, "pyramid")] == [(2, 84), (2, 126), (2, 168)]


def test_another_mean_can_be_given_as_that_of_the_evaluated_set(extractor):
    X = images(4, 3, 40, 36)
    mean = X.mean(0) / 255
    assert_allclose(extractor.prepared(X, mean), 2 * (X / 255 - mean), atol=1e-5)
    other = Extractor(extractor.parameters, CODE, mean.astype(np.float32), 2.0)
    for a, b in zip(extractor(X, mean=mean), other(X), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (0, 3, 32, 32)])
def test_what_is_no_such_images_is_refused(extractor, shape):
    with pytest.raises(
        ValueError, match=r"images are an array \(n, 3, h, w\), n at least 1, not \("
    ):
        extractor(np.zeros(shape, np.float32))


def test_an_extractor_comes_back_from_its_file(extractor, tmp_path):
    extractor.save(tmp_path / "mine.safetensors")
    found = Extractor.load(tmp_path / "mine.safetensors")
    assert (found.code, found.scale) == (CODE, 2.0)
    assert list(found.parameters) == list(extractor.parameters)
    for a, b in zip(leaves(found.parameters), leaves(extractor.parameters), strict=True):
        assert_array_equal(a, b)
    X = images(2, 3, 45, 64)
    for a, b in zip(found(X), extractor(X), strict=True):
        assert_array_equal(a, b)


def test_features_come_back_from_their_file_with_what_they_are_of(extractor, tmp_path):
    path, blocks = tmp_path / "features.safetensors", extractor(images(12, 3, 32, 32))
    facts = {"code": CODE, "pooling": "quadrants", "mean": [0.5, 0.25], "images": "test.zip"}
    save_features(path, blocks, **facts)
    found, read = load_features(path)
    assert read == {"version": VERSION, **facts}
    for a, b in zip(found, blocks, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("load", "what"), [(Extractor.load, "of an Extractor"), (load_features, "of features")]
)
def test_files_of_something_else_are_refused(tmp_path, load, what):
    path = tmp_path / "other.safetensors"
    with pytest.raises(CheckpointError, match="there is no checkpoint here"):
        load(path)
    save_checkpoint(path, {"parameters": {"W": np.ones(2)}}, {})
    with pytest.raises(CheckpointError, match=f"a checkpoint, but not {what}"):
        load(path)


def test_a_damaged_file_is_refused(extractor, tmp_path):
    path = tmp_path / "mine.safetensors"
    extractor.save(path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        Extractor.load(path)


def test_more_than_ten_blocks_keep_their_order(tmp_path):
    blocks = [np.full((2, 1), float(i)) for i in range(12)]
    save_features(tmp_path / "f.safetensors", blocks)
    found, _ = load_features(tmp_path / "f.safetensors")
    assert [block[0, 0] for block in found] == list(range(12))


def test_numbers_up_to_255_are_refused(extractor):
    X = images(2, 3, 32, 32)
    with pytest.raises(
        ValueError, match=r"Extractor: images are bytes \(uint8\) or in \[0, 1\], not up to 2"
    ):
        extractor(X.astype(np.float32))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([np.zeros((3, 32, 32))], "images are an array (n, 3, h, w), n at least 1, not list"),
        (np.full((1, 3, 32, 32), np.nan, np.float32), "or in [0, 1], not up to nan"),
    ],
)
def test_a_list_and_what_is_not_finite_are_refused(extractor, images, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        extractor(images)
