import numpy as np
import pytest
from minigrad.models import exemplar_cnn
from minigrad.models.exemplar_descriptors import ExemplarDescriptor
from minigrad.models.exemplar_extractor import Extractor
from numpy.testing import assert_allclose

from minigrad.evaluate import circles, greedy, normalised_patches
from tests.regions import photograph


def extractor(code="4c7s2-6c5-8c5-10f", channels=3, side=32):
    U = exemplar_cnn.initial(np.random.default_rng(0), 5, channels, side, code)
    return Extractor(U, code, np.full((channels, side, side), 0.4, np.float32))


def patches(n=3, c=3, side=64):
    return np.random.default_rng(1).random((n, c, side, side), np.float32)


@pytest.mark.parametrize("side", [64, 32])
def test_with_2_cells_they_are_the_features_of_the_extractor(side):
    E = extractor()
    for layer, block in enumerate(E(patches(side=side)), 1):
        found = ExemplarDescriptor(E, layer, 2)(patches(side=side))
        assert found.shape == block.shape
        if layer < 4 or side == 32:  # the hidden units' maps are odd, where quadrants are halves
            assert_allclose(found, block, rtol=1e-4, atol=1e-6)


def test_there_are_16_values_of_each_map_and_batches_change_nothing(monkeypatch):
    E, X = extractor(), patches(5)
    whole = [ExemplarDescriptor(E, layer)(X) for layer in (1, 2, 3, 4)]
    assert [F.shape for F in whole] == [(5, 64), (5, 96), (5, 128), (5, 160)]
    monkeypatch.setattr("minigrad.models.exemplar_descriptors.ENTRIES", 1)
    for layer, F in enumerate(whole, 1):
        assert_allclose(ExemplarDescriptor(E, layer)(X), F, rtol=1e-4, atol=1e-6)
    assert ExemplarDescriptor(E, 2)(X[:0]).shape == (0, 96)


def test_grey_patches_are_seen_by_networks_of_colours_and_the_other_way_round():
    X = patches()
    grey = np.einsum("c,ncyx->nyx", [0.299, 0.587, 0.114], X)[:, None].astype(np.float32)
    one, three = extractor(channels=1), extractor()
    assert_allclose(
        ExemplarDescriptor(one, 3)(X), ExemplarDescriptor(one, 3)(grey), rtol=1e-3, atol=1e-5
    )
    assert_allclose(
        ExemplarDescriptor(three, 3)(grey), ExemplarDescriptor(three, 3)(grey.repeat(3, 1))
    )


def test_maps_are_those_before_their_own_pooling():
    E = extractor("4c5-6c5-8f")
    X = E.prepared(patches())
    shapes = [ExemplarDescriptor(E, layer).maps(X).shape for layer in (1, 2, 3)]
    assert shapes == [(3, 4, 64, 64), (3, 6, 32, 32), (3, 8, 9, 9)]


@pytest.mark.parametrize("c", [1, 3])
def test_bytes_are_seen_as_numbers_up_to_1_are(c):
    X = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), np.uint8)
    describe = ExemplarDescriptor(extractor(channels=c), 3)
    rounding = 0.005 * (c == 1)  # luminance is made bytes again
    assert_allclose(describe(X), describe(X / np.float32(255)), atol=1e-5 + rounding)


def test_patches_of_a_photograph_find_themselves_in_noise():
    E = circles([[40, 60], [90, 120], [70, 80], [100, 60]], [5, 6, 7, 8])
    P = normalised_patches(photograph(), E, 64)
    describe = ExemplarDescriptor(extractor(), 3)
    pairs, _ = greedy(describe(P), describe(0.95 * P + 0.05 * patches(4)))
    assert sorted(pairs.tolist()) == [[i, i] for i in range(4)]


def test_other_layers_and_patches_are_refused():
    with pytest.raises(ValueError, match="ExemplarDescriptor: layer is 1 to 4 for 4c7s2-.* not 5"):
        ExemplarDescriptor(extractor(), 5)
    with pytest.raises(
        ValueError, match=r"ExemplarDescriptor: patches are \(n, 3, s, s\), .* \(3,"
    ):
        ExemplarDescriptor(extractor(), 1)(patches(c=2))
    with pytest.raises(ValueError, match="the patches are smaller than the images of training"):
        ExemplarDescriptor(extractor(), 4)(patches(side=24))
    with pytest.raises(ValueError, match="their last maps are 8 x 3, those were 4 x 4"):
        ExemplarDescriptor(extractor(), 4)(patches()[..., :24])
    with pytest.raises(ValueError, match=r"layer is 1 to 4 .* not 1\.5"):  # no hidden units instead
        ExemplarDescriptor(extractor(), 1.5)


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("value", [np.nan, 255.0])
def test_patches_beyond_0_to_1_are_refused(c, value):
    with pytest.raises(ValueError, match=r"ExemplarDescriptor: images of floats lie in \[0, 1\]"):
        ExemplarDescriptor(extractor(channels=c), 1)(value * np.ones_like(patches()))
