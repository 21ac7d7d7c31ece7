"""Crops: torchvision's rules as loops over single images, compared as distributions."""

import math
import random

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import ks_2samp

from minigrad.data.images.crops import boxes

SHAPES = pytest.mark.parametrize("image", [(32, 32), (96, 64), (64, 96), (30, 60)], ids=str)
SCALE, RATIO = (0.2, 1.0), (3 / 4, 4 / 3)


def today(H, W, rng):
    """RandomResizedCrop as documented: (top, left, height, width)."""
    for _ in range(10):
        area = H * W * rng.uniform(*SCALE)
        ratio = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if w in range(1, W + 1) and h in range(1, H + 1):
            return rng.randint(0, H - h), rng.randint(0, W - w), h, w
    least, most = RATIO
    if least > W / H:
        w, h = W, round(W / least)
    elif most < W / H:
        w, h = round(H * most), H
    else:
        w, h = W, H
    return (H - h) // 2, (W - w) // 2, h, w


def in_2018(H, W, rng):
    """The same in torchvision 0.2.1."""
    for _ in range(10):
        area, ratio = H * W * rng.uniform(*SCALE), rng.uniform(*RATIO)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if rng.random() < 0.5:
            w, h = h, w
        if w <= W and h <= H:
            return rng.randint(0, H - h), rng.randint(0, W - w), h, w
    side = min(H, W)
    return (H - side) // 2, (W - side) // 2, side, side


LOOPS = {"torchvision": today, "torchvision 0.2.1": in_2018}


def looped(rule, image, n):
    rng = random.Random(0)
    return np.array([LOOPS[rule](*image, rng) for _ in range(n)])


def quantities(box):
    """What is compared: where crops lie, their sides, areas and shapes."""
    top, left, h, w = box.T
    return {"top": top, "left": left, "height": h, "width": w, "area": h * w, "ratio": w / h}


def differences(a, b):
    """The p-values of Kolmogorov and Smirnov's test."""
    a, b = quantities(a), quantities(b)
    return [ks_2samp(a[name], b[name]).pvalue for name in a]


@pytest.mark.parametrize("rule", LOOPS)
@SHAPES
def test_crops_are_distributed_as_torchvision_s(rule, image):
    n = 4000
    ours = boxes(n, image, np.random.default_rng(0), SCALE, RATIO, rule)
    assert min(differences(ours, looped(rule, image, n))) > 1e-3


def test_such_samples_would_tell_that_areas_are_not_uniform():
    uniform = np.random.default_rng(0).uniform(*SCALE, 4000) * 32 * 32
    area = quantities(boxes(4000, (32, 32), np.random.default_rng(0)))["area"]
    assert ks_2samp(area, uniform).pvalue < 1e-6  # what does not fit is drawn again


@pytest.mark.parametrize("rule", LOOPS)
@SHAPES
def test_crops_lie_in_their_image(rule, image):
    box = boxes(5000, image, np.random.default_rng(0), SCALE, RATIO, rule)
    assert box.dtype == int
    assert box[:, :2].min() >= 0
    assert box[:, 2:].min() >= 1
    assert (box[:, :2] + box[:, 2:] <= image).all()


@pytest.mark.parametrize(
    ("rule", "image", "expected"),
    [
        ("torchvision", (10, 100), (0, 43, 10, 13)),
        ("torchvision", (100, 10), (43, 0, 13, 10)),
        ("torchvision", (30, 30), (0, 0, 30, 30)),
        ("torchvision 0.2.1", (10, 100), (0, 45, 10, 10)),
        ("torchvision 0.2.1", (100, 10), (45, 0, 10, 10)),
    ],
)
def test_where_nothing_fits_the_centre_is_taken(rule, image, expected):
    box = boxes(300, image, np.random.default_rng(0), (1.0, 1.0), RATIO, rule)
    assert_array_equal(box, [expected] * 300)
