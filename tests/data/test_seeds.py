import numpy as np
import pytest
from minigrad.models import exemplar_cnn
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import (
    TOOLBOX,
    Ranges,
    Surrogates,
    digits,
    draw,
    inside,
    patches,
    prefetch,
    seed_patches,
    surrogates,
    transform,
)
from minigrad.data.parameters import rows
from minigrad.kernels.order import is_batch_last
from minigrad.learn import train
from minigrad.learn.parallel import Ranks
from minigrad.learn.training import batches
from minigrad.tree import leaves

POWER = {"rtol": 1e-6, "atol": 1e-7}  # NumPy's power of a float32 is right to an ulp
IDENTITY = Ranges(0, (1, 1), 0, (0, 0, 0), (0, 0, 0), 0, 0)


@pytest.fixture(scope="module")
def seeds():
    return digits()[0][:7]


@pytest.mark.parametrize(("n", "versions"), [(1, 1), (1, 4), (7, 1), (7, 3)])
def test_each_seed_is_a_class_of_as_many_versions(seeds, n, versions):
    X, T = surrogates(seeds[:n], versions, np.random.default_rng(0))
    assert X.shape == (n * versions, 1, 16, 16)
    assert X.dtype == np.float32
    assert_array_equal(T, [seed for seed in range(n) for _ in range(versions)])


def test_a_version_is_its_own_seed_transformed(seeds):
    X, T = surrogates(seeds, 3, np.random.default_rng(0), IDENTITY)
    assert_allclose(X, seeds[T], **POWER)


def test_versions_are_those_of_transform_also_beyond_the_first_thousand(seeds):
    X, T = surrogates(seeds, 300, np.random.default_rng(0))
    assert len(X) == 2100
    Z = transform(seeds[T], draw(2100, np.random.default_rng(0)))
    assert_allclose(X, Z, **POWER)


def test_versions_of_a_seed_differ(seeds):
    X, _ = surrogates(seeds[:1], 50, np.random.default_rng(0))
    assert len(np.unique(X.reshape(50, -1), axis=0)) == 50


def test_the_same_seed_gives_the_same_versions_and_the_generator_goes_on(seeds):
    rng = np.random.default_rng(2)
    first, second = (surrogates(seeds, 2, rng)[0] for _ in range(2))
    assert_array_equal(first, surrogates(seeds, 2, np.random.default_rng(2))[0])
    assert (first != second).any()


def test_colours_and_other_sides_and_dtypes_are_kept():
    seeds = np.random.default_rng(0).random((2, 3, 12, 20))
    X, _ = surrogates(seeds, 2, np.random.default_rng(0))
    assert X.shape == (4, 3, 12, 20)
    assert X.dtype == np.float64


def test_seeds_are_not_changed(seeds):
    before = seeds.copy()
    surrogates(seeds, 2, np.random.default_rng(0))
    assert_array_equal(seeds, before)


@pytest.mark.parametrize(
    ("shape", "versions"),
    [((0, 1, 8, 8), 2), ((2, 8, 8), 2), ((2, 64), 2), ((2, 1, 8, 8), 0), ((2, 1, 8, 8), -1)],
    ids=str,
)
def test_no_seeds_no_versions_and_no_images_are_refused(shape, versions):
    sentence = r"surrogates: seeds are \(n, c, h, w\), n and versions at least 1"
    with pytest.raises(ValueError, match=sentence):
        surrogates(np.zeros(shape), versions, np.random.default_rng(0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_seeds_that_are_not_finite_are_refused(value):
    seeds = np.zeros((2, 1, 8, 8))
    seeds[1, 0, 3, 3] = value
    with pytest.raises(ValueError, match=r"surrogates: seeds \(2, 1, 8, 8\) hold values that"):
        surrogates(seeds, 2, np.random.default_rng(0))


# ahead of time or on the way, of images or of regions


def regions(n=6, side=70, **options):
    X = np.random.default_rng(0).integers(0, 256, (n, 3, side, side)).astype(np.uint8)
    return seed_patches(X, n, np.random.default_rng(0), **options)


KINDS = {
    "grey images": lambda: digits()[0][:7],
    "colours of bytes": lambda: (255 * regions().images()).astype(np.uint8),
    "regions of images": regions,
}


@pytest.fixture(params=KINDS)
def originals(request):
    return KINDS[request.param]()


def drawn_once(seeds, versions=5, **options):
    return Surrogates(seeds, versions, rng=np.random.default_rng(1), **options)


def test_what_is_made_on_the_way_is_what_was_made_ahead_bit_for_bit(originals):
    X, T = drawn_once(originals).all()
    assert X.flags.c_contiguous
    data = drawn_once(originals)  # another object of the same seed
    with prefetch(batches(data, len(data), 4, 0, 0, 20, Ranks())) as made:
        for chosen, (Z, S) in made:
            assert is_batch_last(Z)
            assert_array_equal(Z, X[chosen])
            assert_array_equal(S, T[chosen])


def test_training_takes_the_same_batches_of_arrays_and_of_samples_made_on_the_way(originals):
    data = drawn_once(originals)
    ahead, way = (batches(d, len(data), 4, 0, 0, 10, Ranks()) for d in (data.all(), data))
    for (a, (X, T)), (b, (Z, S)) in zip(ahead, way, strict=True):
        assert_array_equal(a, b)
        assert_array_equal(X, Z)
        assert_array_equal(T, S)


def test_training_on_samples_made_on_the_way_ends_at_the_same_weights_as_on_those_made_ahead():
    data = drawn_once(regions(), 20)
    data.subtract_mean()
    ends = []
    for samples in (data, data.all()):
        rng = np.random.default_rng(0)
        U = exemplar_cnn.initial(rng, 6, 3, 32, "4c5-4c5-8f")
        train(exemplar_cnn.loss, U, samples, rng=rng, epochs=2, batch=30, progress=False)
        ends.append(leaves(U))
    for a, b in zip(*ends, strict=True):
        assert_array_equal(a, b)


def test_surrogates_are_all_that_were_drawn_once(originals):
    X, T = surrogates(originals, 5, np.random.default_rng(1))
    Z, S = drawn_once(originals).all("last")
    assert is_batch_last(Z)
    assert_array_equal(Z, X)
    assert_array_equal(S, T)


def test_without_a_generator_at_first_versions_are_drawn_anew_by_that_of_the_batch(originals):
    data = Surrogates(originals, 5)
    assert data.parameters is None
    chosen = np.array([0, 3, 3])
    X, Y, Z = (data.batch(chosen, np.random.default_rng(seed))[0] for seed in (0, 0, 1))
    assert_array_equal(X, Y)
    assert (X != Z).any((1, 2, 3)).all()
    assert (X[1] != X[2]).any()
    with pytest.raises(ValueError, match="surrogates: nothing was drawn at first: rng is needed"):
        data.all()


def test_versions_of_a_region_are_its_patches_by_the_parameters_kept():
    data = drawn_once(regions())
    X, T = data.all()
    places = rows(data.seeds.places, T)
    Z = patches(data.seeds.sources, places, data.parameters, colours=data.colours)
    assert_array_equal(X, Z)


def test_windows_stay_in_the_image_where_they_can_and_those_that_do_not_are_counted():
    data = drawn_once(regions(side=130), 20)
    assert data.outside == 0
    assert inside(
        rows(data.seeds.places, data.labels), data.parameters, data.seeds.sides[data.labels]
    ).all()
    narrow = regions(side=32, scales=(1,))
    assert drawn_once(narrow, 50, ranges=Ranges(scale=(0.7, 0.9))).outside == 300
    fresh = Surrogates(narrow, 50, Ranges(scale=(0.7, 0.9)))
    fresh.batch(np.arange(7), np.random.default_rng(0))
    assert fresh.outside == 7


def test_the_authors_program_drops_what_leaves_the_image():
    data = drawn_once(regions(), 20, ranges=TOOLBOX, drop=True)
    assert data.outside == 6 * 20 - len(data) > 0
    X, T = data.all()
    assert_array_equal(T, data.labels)
    assert len(X) == len(data.parameters.scale) == len(data)
    assert inside(rows(data.seeds.places, T), data.parameters, data.seeds.sides[T]).all()
    with pytest.raises(ValueError, match="surrogates: drop is for Seeds, as of seed_patches, with"):
        Surrogates(regions(), 20, drop=True)


def test_the_mean_over_the_set_is_subtracted_before_anything_else(originals, monkeypatch):
    monkeypatch.setattr("minigrad.data.seeds.AT_ONCE", 7)
    data = drawn_once(originals)
    plain, _ = data.all()
    for _ in range(2):  # also of what is subtracted already
        mean = data.subtract_mean()
        assert mean is data.mean
        assert mean.dtype == np.float32
        assert_allclose(mean, plain.mean(0), atol=1e-6)
        data.then = lambda X: 2 * X
        assert_array_equal(data.all()[0], 2 * (plain - mean))
        assert_array_equal(data.batch(np.array([3]))[0], 2 * (plain[3:4] - mean))


def test_the_mean_of_versions_drawn_anew_is_one_epochs():
    data = Surrogates(regions(), 5)
    mean = data.subtract_mean(np.random.default_rng(1))
    assert_array_equal(mean, drawn_once(regions()).subtract_mean())
