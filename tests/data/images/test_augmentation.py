"""Augmentation: torchvision's rules written once more as plain loops, its pixels by Pillow."""

import colorsys
import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageEnhance
from scipy.stats import binomtest, chisquare, kstest
from sklearn.datasets import load_sample_images

from minigrad import threads
from minigrad.data import NPID_IMAGENET, Augmentation, Changes, principal_colours
from minigrad.data.images.changes import JITTER
from minigrad.data.parameters import rows
from minigrad.kernels.order import is_batch_last

PLAIN = Augmentation(mean=None, std=None)
LUMINANCE = np.array([0.299, 0.587, 0.114])


def noise(n=6, c=3, side=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, c, side, side), np.uint8)


def smooth(n=8, side=32):
    """Images with all colours, not too different from pixel to pixel, as bytes."""
    coarse = noise(n, 3, 5, seed=1).transpose(0, 2, 3, 1)
    pictures = [Image.fromarray(X).resize((side, side), Image.Resampling.BICUBIC) for X in coarse]
    return np.stack([np.asarray(p).transpose(2, 0, 1) for p in pictures])


def jittered(X, factors, order):
    """Jitter of an image (3, h, w) pixel by pixel, as documented, colours by colorsys."""
    X = X.transpose(1, 2, 0).astype(float)
    for name in (JITTER[k] for k in order):
        f, grey = factors[name], X @ LUMINANCE
        if name == "hue":
            for at in np.ndindex(X.shape[:2]):
                h, s, v = colorsys.rgb_to_hsv(*X[at])
                X[at] = colorsys.hsv_to_rgb((h + f) % 1, s, v)
        else:
            reference = {"brightness": 0, "contrast": grey.mean(), "saturation": grey[..., None]}
            X = np.clip(f * X + (1 - f) * reference[name], 0, 1)
    return X.transpose(2, 0, 1)


# what is drawn


MANY = PLAIN.draw(20_000, (32, 32), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [(name, 0.6, 1.4) for name in JITTER[:3]] + [("hue", -0.4, 0.4)],
)
def test_factors_are_uniform_in_torchvision_s_ranges(name, low, high):
    drawn = getattr(MANY, name)
    assert low <= drawn.min() <= drawn.max() <= high
    assert kstest(drawn, "uniform", (low, high - low)).pvalue > 0.01


def test_a_factor_is_never_below_0():
    assert (
        replace(PLAIN, contrast=1.5).draw(500, (8, 8), np.random.default_rng(0)).contrast.min() > 0
    )


@pytest.mark.parametrize(("name", "probability"), [("flip", 0.5), ("gray", 0.2)])
def test_flips_and_gray_happen_as_often_as_they_are_said_to(name, probability):
    happened = int(getattr(MANY, name).sum())
    assert binomtest(happened, 20_000, probability).pvalue > 0.01


def test_each_image_draws_an_order_of_its_own_all_24_alike():
    orders, counts = np.unique(MANY.order, axis=0, return_counts=True)
    assert_array_equal(orders, list(itertools.permutations(range(4))))
    assert chisquare(counts).pvalue > 0.01


def test_pca_is_normal_with_its_deviation():
    drawn = replace(PLAIN, pca=0.1).draw(5_000, (8, 8), np.random.default_rng(0)).pca
    for column in drawn.T:
        assert kstest(column, "norm", (0, 0.1)).pvalue > 0.01


def test_what_is_drawn_for_an_image_tells_nothing_about_its_other_changes():
    columns = [MANY.box[:, 2], MANY.flip, *(getattr(MANY, name) for name in JITTER), MANY.gray]
    correlations = np.corrcoef(np.array(columns, float))
    assert abs(correlations - np.eye(len(columns))).max() < 4 / np.sqrt(20_000)


def test_what_cannot_happen_is_not_drawn():
    nothing = dict.fromkeys(("flip", "gray", *JITTER), 0) | {"scale": None}
    assert replace(PLAIN, **nothing).draw(3, (8, 8), np.random.default_rng(0)) == Changes()


def test_the_same_generator_draws_the_same_and_goes_on():
    rng = np.random.default_rng(3)
    first, second = (PLAIN(noise(), rng) for _ in range(2))
    assert_array_equal(first, PLAIN(noise(), np.random.default_rng(3)))
    assert (first != second).any((1, 2, 3)).all()


# what is done


def test_colour_jitter_is_the_golden_one(golden):
    entry = golden("color_jitter")
    X = entry.inputs["X"].transpose(2, 0, 1)[None]
    p = Changes(order=entry.inputs["order"][None])
    p = p._replace(**{name: entry.inputs[name].reshape(1) for name in JITTER})
    Z = replace(PLAIN, size=X.shape[2:]).apply(X, p)
    assert_allclose(Z[0].transpose(1, 2, 0), entry.outputs["Z"], rtol=1e-9, atol=1e-12)


def test_jitter_is_done_in_the_order_of_each_image():
    n = 24
    X = np.random.default_rng(0).random((n, 3, 5, 4))
    p = PLAIN.draw(n, (5, 4), np.random.default_rng(1))
    p = p._replace(box=None, flip=None, gray=None)
    p = p._replace(order=np.array(list(itertools.permutations(range(4)))))
    Z = replace(PLAIN, size=(5, 4)).apply(X, p)
    differ = 0
    for i in range(n):
        factors = {name: getattr(p, name)[i].astype(float) for name in JITTER}
        assert_allclose(Z[i], jittered(X[i], factors, p.order[i]), atol=1e-6)
        differ += abs(Z[i] - jittered(X[i], factors, p.order[i][::-1])).max() > 1e-3
    assert differ > n / 2


def pillow(name, image, f):
    if name != "hue":
        enhance = {"brightness": "Brightness", "contrast": "Contrast", "saturation": "Color"}
        return np.asarray(getattr(ImageEnhance, enhance[name])(image).enhance(f))
    h, s, v = image.convert("HSV").split()
    turned = (np.asarray(h).astype(int) + round(f * 255)) % 256
    turned = Image.fromarray(turned.astype(np.uint8))
    return np.asarray(Image.merge("HSV", (turned, s, v)).convert("RGB"))


@pytest.mark.parametrize(("name", "levels"), [*((name, 2) for name in JITTER[:3]), ("hue", 9)])
def test_each_change_is_pillow_s_on_bytes_to_its_rounding(name, levels):
    """Of a hue in bytes, a step, 1/255 of the circle, is up to 6 levels of a colour."""
    X = smooth()
    values = np.linspace(-100, 100, len(X)).round() / 255 + (name != "hue")
    Z = PLAIN.apply(X, Changes(**{name: values}))
    for i, f in enumerate(values):
        expected = pillow(name, Image.fromarray(X[i].transpose(1, 2, 0)), f).transpose(2, 0, 1)
        error = abs(255 * Z[i] - expected)
        assert np.percentile(error, 99) <= levels
        assert error.mean() < levels / 3


@pytest.mark.parametrize("scale", [(0.2, 1.0), (0.001, 0.01)], ids=["smaller", "larger"])
def test_crop_and_flips_of_photographs_are_pillow_s_on_bytes_to_its_rounding(scale):
    X = np.stack(load_sample_images().images).transpose(0, 3, 1, 2)
    index = np.arange(16) % 2
    p = replace(PLAIN, upside_down=0.5, scale=scale).draw(16, X.shape[2:], np.random.default_rng(2))
    p = Changes(*p[:3])
    Z = PLAIN.apply(X, p, index)
    for i, (top, left, height, width) in enumerate(p.box):
        image = Image.fromarray(X[index[i]].transpose(1, 2, 0))
        image = image.crop((left, top, left + width, top + height))
        image = image.resize((32, 32), Image.Resampling.BILINEAR)
        for done, way in ((p.flip[i], "FLIP_LEFT_RIGHT"), (p.upside_down[i], "FLIP_TOP_BOTTOM")):
            image = image.transpose(Image.Transpose[way]) if done else image
        expected = np.asarray(image).transpose(2, 0, 1)
        assert abs(255 * Z[i] - expected).max() <= 1.01
    assert len({(a, b) for a, b in zip(p.flip, p.upside_down)}) == 4


def test_flips_alone_move_pixels_and_change_none():
    X = noise(2)
    flip, not_flip = np.array([True, False]), np.array([False, True])
    Z = PLAIN.apply(X, Changes(flip=flip, upside_down=not_flip))
    assert_array_equal(Z, PLAIN.apply(np.stack([X[0, :, :, ::-1], X[1, :, ::-1]]), Changes()))


def test_gray_is_the_luminance_in_three_channels_of_those_that_draw_it():
    X = noise(3)
    Z = PLAIN.apply(X, Changes(gray=np.array([True, False, True])))
    expected = np.tensordot(LUMINANCE, X / 255, (0, 1))
    for i in (0, 2):
        for channel in Z[i]:
            assert_allclose(channel, expected[i], atol=1e-6)
    assert_allclose(Z[1], X[1] / 255, atol=1e-7)


@pytest.mark.parametrize("steps", [("jitter", "gray", "pca"), ("gray", "jitter", "pca")])
def test_gray_comes_after_or_before_the_jitter(steps):
    X = noise(1) / 255
    one = {name: np.array([1.3]) for name in JITTER[:3]}
    jitter, gray = Changes(**one, hue=np.array([0.3])), Changes(gray=np.array([True]))
    Z = X
    for step in steps[:2]:
        Z = PLAIN.apply(Z, {"jitter": jitter, "gray": gray}[step])
    got = replace(PLAIN, steps=steps).apply(X, jitter._replace(gray=gray.gray))
    assert_allclose(got, Z, atol=1e-12)
    assert NPID_IMAGENET.steps[:2] == ("gray", "jitter")


def test_alexnet_s_colours_are_added_along_the_principal_components():
    X = smooth(20) / 255
    colours = principal_colours(X)
    pixels = X.transpose(1, 0, 2, 3).reshape(3, -1)
    assert_allclose(colours.deviations, (colours.directions.T @ pixels).std(1), rtol=1e-9)
    a = np.random.default_rng(0).normal(0, 0.1, (20, 3))
    Z = replace(PLAIN, colours=colours).apply(X, Changes(pca=a))
    for i in range(20):
        shift = sum(a[i, k] * colours.deviations[k] * colours.directions[:, k] for k in range(3))
        assert_allclose(Z[i], X[i] + shift[:, None, None], atol=1e-12)


def test_a_test_image_is_only_normalised():
    X = noise(2)
    Z = Augmentation().apply(X, Changes())
    for k, (mean, std) in enumerate(zip((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))):
        assert_allclose(Z[:, k], (X[:, k] / 255 - mean) / std, atol=1e-5)
    assert Z.dtype == np.float32


def test_bytes_are_the_floats_that_they_stand_for_and_doubles_stay_doubles():
    X, p = noise(), PLAIN.draw(6, (32, 32), np.random.default_rng(0))
    Z = PLAIN.apply(X, p)
    for dtype in (np.float32, np.float64):
        again = PLAIN.apply((X / 255).astype(dtype), p)
        assert again.dtype == dtype
        assert_allclose(Z, again, atol=2e-5)  # a hue near gray magnifies rounding


@pytest.mark.parametrize("channels", [1, 4])
def test_without_three_channels_there_is_no_hue_no_gray_and_no_saturation(channels):
    X = noise(c=channels)
    p = replace(PLAIN, pca=0.1).draw(6, (32, 32), np.random.default_rng(0))
    Z = PLAIN.apply(X, p)
    assert Z.shape == (6, channels, 32, 32)
    fewer = p._replace(saturation=None, hue=None, gray=None, pca=None)
    assert_array_equal(Z, PLAIN.apply(X, fewer))


# drawn first, then applied


OFF = {
    "box": [0, 0, 32, 32],
    **dict.fromkeys(("flip", "upside_down", "gray"), False),
    **dict.fromkeys(JITTER[:3], 1.0),
    "hue": 0.0,
    "order": [0, 1, 2, 3],
    "pca": [0.0] * 3,
}
ALL = replace(PLAIN, upside_down=0.5, pca=0.1, colours=principal_colours(noise()))


@pytest.mark.parametrize("name", Changes._fields)
def test_each_change_is_switched_off_by_itself(name):
    X, p = smooth(12), ALL.draw(12, (32, 32), np.random.default_rng(1))
    off = ALL.apply(X, p._replace(**{name: None}))
    same = p._replace(**{name: np.array([OFF[name]] * 12)})
    assert_allclose(off, ALL.apply(X, same), atol=1e-4)
    assert abs(off - ALL.apply(X, p)).max() > 1e-2


def test_changes_are_stored_and_replayed_to_the_bit(tmp_path):
    X, p = noise(), PLAIN.draw(6, (32, 32), np.random.default_rng(1))
    stored = {name: values for name, values in p._asdict().items() if values is not None}
    np.savez(tmp_path / "changes.npz", **stored)
    with np.load(tmp_path / "changes.npz") as file:
        again = Changes(**file)
    assert again.upside_down is None
    assert_array_equal(PLAIN.apply(X, again), PLAIN.apply(X, p))


def test_an_image_looks_the_same_whichever_others_are_made_with_it():
    X, n = noise(), 300  # several chunks, threads
    index = np.random.default_rng(0).integers(0, 6, n)
    p = PLAIN.draw(n, (32, 32), np.random.default_rng(1))
    Z = PLAIN.apply(X, p, index)
    with threads(2):
        assert_array_equal(PLAIN.apply(X, p, index), Z)
    some = np.array([7, 299, 128, 7])
    assert_allclose(PLAIN.apply(X, rows(p, some), index[some]), Z[some], atol=1e-5)


def test_the_batch_may_stand_last_in_memory():
    X, p = noise(), PLAIN.draw(6, (32, 32), np.random.default_rng(1))
    first, last = (PLAIN.apply(X, p, order=order) for order in ("first", "last"))
    assert first.flags.c_contiguous
    assert is_batch_last(last)
    assert_array_equal(first, last)


def test_two_views_are_each_image_twice_changed_independently():
    X = smooth(6)
    Z = PLAIN.two_views(X, np.random.default_rng(0))
    p = PLAIN.draw(12, (32, 32), np.random.default_rng(0))
    assert_array_equal(Z, PLAIN.apply(np.concatenate([X, X]), p))
    assert (Z[:6] != Z[6:]).any((1, 2, 3)).all()


def test_images_of_other_sides_are_brought_to_the_size():
    X = smooth(2, side=20)[:, :, :, :13]
    assert replace(PLAIN, size=(8, 9)).apply(X, Changes()).shape == (2, 3, 8, 9)
    flat = PLAIN.apply(np.full((1, 3, 20, 13), 51, np.uint8), Changes())
    assert_allclose(flat, np.full((1, 3, 32, 32), 0.2), atol=1e-6)


def test_no_images_give_none():
    assert Augmentation().two_views(noise(0), np.random.default_rng(0)).shape == (0, 3, 32, 32)


def test_changes_are_told():
    p = ALL.draw(1, (32, 32), np.random.default_rng(0))
    p = p._replace(order=np.array([[3, 0, 2, 1]]), flip=np.array([True]), gray=np.array([True]))
    told = p.describe(0)
    names = ["pixels from", "mirrored", "hue", "brightness", "saturation", "contrast", "gray"]
    assert sorted(names, key=told.index) == names
    assert Changes().describe(0) == "as it is"


# what is refused


@pytest.mark.parametrize(
    "field",
    [
        {"size": 0}, {"size": 3.5}, {"size": (4, 4, 4)}, {"scale": (0, 1)}, {"scale": (0.5, 0.2)},
        {"scale": (0.2, 1.5)}, {"scale": 0.2}, {"ratio": (-1, 2)}, {"flip": 1.5}, {"gray": -0.1},
        {"contrast": -1}, {"brightness": np.nan}, {"hue": 0.6}, {"hue": None}, {"pca": "much"},
        {"steps": ("jitter", "gray")}, {"steps": 3}, {"std": (0.2, 0, 0.2)}, {"mean": "grey"},
        {"rule": "0.3"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_range_is_refused_by_its_name(field):
    (name,) = field
    with pytest.raises(ValueError, match=f"Augmentation: {name} cannot be "):
        Augmentation(**field)


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"images are \(n, c, h, w\), of floats or bytes, not \(3"),
        (np.zeros((2, 3, 8, 8), int), "of floats or bytes, not"),
        (np.full((2, 3, 8, 8), 255.0), r"lie in \[0, 1\], these .* reach from 255 to 255"),
        (np.full((2, 3, 8, 8), np.nan), r"lie in \[0, 1\], these .* reach from nan to nan"),
    ],
)
def test_what_is_no_image_is_refused(X, sentence):
    for call in (Augmentation(), Augmentation().two_views):
        with pytest.raises(ValueError, match=sentence):
            call(X, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "options", "sentence"),
    [
        (Changes(flip=np.ones(3, bool)), {}, r"2 images, but parameters of 3 \(flip\)"),
        (Changes(box=np.array([[0, 0, 8, 8], [1, 0, 8, 8]])), {}, "box 1 is .* image of 8 x 8"),
        (Changes(box=np.array([[0, 0, 8, 8], [1, 1, 0, 8]])), {}, r"box 1 is .* \(1, 1, 0, 8\)"),
        (Changes(pca=np.ones((2, 3))), {}, "give Augmentation colours=principal_colours"),
        (Changes(), {"index": np.array([0, 2])}, "index is 0 to 1 for 2 images, not 0 to 2"),
        (Changes(), {"order": "middle"}, 'order is "first" or "last", not'),
    ],
    ids=str,
)
def test_changes_that_do_not_fit_are_refused(changes, options, sentence):
    with pytest.raises(ValueError, match=f"apply: .*{sentence}"):
        Augmentation().apply(noise(2, side=8), changes, **options)


def test_a_mean_for_three_channels_does_not_fit_one():
    with pytest.raises(ValueError, match="apply: mean has 3 numbers, the images have 1 channels"):
        Augmentation().apply(noise(c=1), Changes())
