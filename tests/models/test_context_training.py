import functools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from minigrad.models import context_prediction as cp
from minigrad.models.context_prediction import Convolution, Net
from minigrad.models.context_training import (
    PRESETS,
    Settings,
    fit,
    held_out_pairs,
    net_of,
    none_alone,
)
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import PatchPairs, photographs
from minigrad.learn import CheckpointError
from minigrad.tree import leaves

TINY = Net(12, (Convolution(8, 5, norm=True, pool=True), Convolution(8, 3, norm=True)), 16, (16,))


@pytest.fixture(autouse=True)
def nets(monkeypatch):
    monkeypatch.setitem(cp.NETS, "of 12 x 12", TINY)
    monkeypatch.setitem(cp.NETS, "narrow", TINY._replace(embedding=8))


QUICK = PRESETS["small"]._replace(
    net="of 12 x 12",
    gap=4,
    jitter=1,
    colours="keep",
    pixelation=0,
    per_image=40,
    epochs=4,
    rate=0.05,
)


def slopes(n, seed=0):
    """Images that are darker towards their upper left corner: two patches say how they lie."""
    rng = np.random.default_rng(seed)
    ramp = np.add.outer(2.0 * np.arange(40), 3.0 * np.arange(44))
    noise = rng.normal(0, 2, (n, 3, 40, 44))
    return (rng.uniform(0, 40, (n, 1, 1, 1)) + ramp + noise).clip(0, 255).astype(np.uint8)


def go(images, settings=QUICK, seed=0, **options):
    return fit(images, settings, rng=np.random.default_rng(seed), progress=False, **options)


def test_what_can_be_learned_is_learned_and_holds_on_images_that_were_held_out():
    net, log = go(slopes(12), held_out=slopes(4, seed=1))
    accuracies = [row["held-out accuracy"] for row in log if "held-out accuracy" in row]
    assert len(accuracies) == 4
    assert accuracies[-1] > 0.3  # chance is 1/8
    pairs = held_out_pairs(slopes(4, seed=1), QUICK, net.prepare.mean)
    assert net.accuracy(*pairs.all()) == accuracies[-1]


def test_held_out_pairs_keep_their_detail_and_are_less_the_mean_of_training():
    held = held_out_pairs(slopes(2), QUICK._replace(pixelation=1), np.full(3, 0.25), 3)
    assert held.pairs.side is None
    X1, _ = held.cut(held.pairs)
    assert_allclose(held.all()[0], X1 / 255 - 0.25, atol=1e-6)


def test_on_images_without_order_nothing_can_be_learned():
    noise = np.random.default_rng(0).integers(0, 256, (16, 3, 40, 44), np.uint8)
    _, log = go(noise[:12], held_out=noise[12:])
    n = 4 * 250
    assert abs(log[-1]["held-out accuracy"] - 1 / 8) < 4 * np.sqrt(7 / 64 / n)


def test_the_same_seed_gives_the_same_network_and_a_resumed_run_too(tmp_path, monkeypatch):
    images = slopes(5)
    net, log = go(images)
    short = {"folder": tmp_path / "run"}
    batch, left = PatchPairs.batch, iter(range(10))

    def failing(*arguments):
        if next(left, None) is None:
            raise OSError("the disk went away")
        return batch(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(PatchPairs, "batch", failing)
        with pytest.raises(OSError, match="went away"):
            go(images, QUICK, **short)
    assert 0 < json.loads((tmp_path / "run/run.json").read_text())["step"] < log[-1]["step"]
    again, _ = go(images, QUICK, **short, resume=True)
    for a, b in zip(leaves((net.parameters, net.state)), leaves((again.parameters, again.state))):
        assert_array_equal(a, b)
    with pytest.raises(CheckpointError, match="gap"):
        go(images, QUICK._replace(gap=5), **short, resume=True)


def test_without_normalisation_one_pair_alone_can_be_learned_from():
    _, log = go(slopes(1), QUICK._replace(norm=False, per_image=3, batch=2, epochs=1))
    assert log[-1]["step"] == 2


SHORT = QUICK._replace(per_image=4, batch=4, epochs=1, schedule="constant")  # of two steps
OTHER = {
    "net": "narrow",
    "patch": 10,
    "gap": 5,
    "jitter": 2,
    "colours": "project",
    "contrast": "rms",
    "pixelation": 1,
    "norm": False,
    "weights": "gaussian",
    "per_image": 8,
    "batch": 2,
    "epochs": 2,
    "rate": 0.1,
    "schedule": "linear",
    "momentum": 0.5,
    "decay": 0.1,
}


@functools.cache
def trained(settings):
    """All weights after training, in one row."""
    U = go(slopes(2), settings)[0].parameters
    return np.concatenate([W.ravel() for W in leaves(U)])


@pytest.mark.parametrize("name", Settings._fields)
def test_every_setting_changes_the_weights_that_are_learned(name):
    other = SHORT._replace(**{name: OTHER[name]})
    assert not np.array_equal(trained(other), trained(SHORT))


def test_the_defaults_are_the_papers_and_the_small_preset_is_that_of_the_tables():
    told = {"net": "paper", "patch": None, "gap": 48, "jitter": 7, "pixelation": 1 / 3}
    told |= {"colours": "drop", "contrast": "mean", "norm": True, "weights": "he"}
    told |= {"per_image": 40, "batch": 512, "epochs": 20, "rate": 0.005}
    told |= {"schedule": "constant", "momentum": 0.999, "decay": 0.0}
    assert Settings()._asdict() == PRESETS["paper"]._asdict() == told
    told |= {"net": "small", "gap": 12, "jitter": 3, "colours": "project", "per_image": 150}
    told |= {"batch": 64, "epochs": 6, "rate": 0.02, "schedule": "linear"}
    told |= {"momentum": 0.9, "decay": 5e-4}
    assert PRESETS["small"]._asdict() == told


@pytest.mark.slow
def test_from_small_weights_nothing_is_learned_without_normalisation():
    small, images = QUICK._replace(weights="gaussian"), slopes(12)
    X = images[:, :, :12, :12]
    net, log = go(images, small._replace(norm=False))
    assert all(row["loss"] == pytest.approx(np.log(8), abs=0.02) for row in log)
    assert net(X).std(0).mean() < 1e-3
    net, log = go(images, small)
    assert log[-1]["loss"] < 1.9
    assert net(X).std(0).mean() > 0.1


def test_settings_name_the_network():
    assert net_of(Settings()) == cp.PAPER
    assert net_of(PRESETS["small"]._replace(patch=16)).patch == 16
    assert net_of(PRESETS["small"]._replace(norm=False)) == cp.SMALL.without_norms()


@pytest.mark.parametrize("n", [1, 3, 5, 13])
def test_no_pair_is_left_alone_and_few_are_added(n):
    for per_image in range(1, 131):
        settings = QUICK._replace(batch=64, per_image=per_image)
        alone = n * per_image % 64 == 1
        found = none_alone(settings, n)
        assert n * found.per_image % 64 != 1
        assert found == settings._replace(per_image=per_image + alone)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"net": "large"}, "net is one of paper, small, tiny, of 12 x 12, narrow, not 'large'"),
        ({"schedule": "steps"}, "schedule is one of constant, linear, not 'steps'"),
        ({"per_image": 13, "batch": 64}, "65 pairs in batches of 64 leave one alone"),
        ({"batch": 1}, "200 pairs in batches of 1 leave one alone"),
        ({"batch": 0}, "batch is a whole number, at least 1, not 0"),
        ({"gap": 40}, "image 0 has 40 x 44 pixels, and two patches of 12 with a gap of 40"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        go(slopes(5), QUICK._replace(**wrong))


@pytest.mark.slow
def test_the_small_preset_learns_photographs_above_chance_in_a_minute():
    folder = os.environ.get("MINIGRAD_DATA")
    if not folder:
        pytest.skip("photographs stand in $MINIGRAD_DATA, which is not set")
    images = photographs(Path(folder) / "photos", longest=160).images
    images = [image for image in images if min(image.shape[1:]) >= 66]
    settings = PRESETS["small"]._replace(epochs=2)
    _, log = go(images[1::2] + images[::8], settings, held_out=images[2::8])
    n = 250 * len(images[2::8])
    assert log[-1]["held-out accuracy"] > 1 / 8 + 3 * np.sqrt(7 / 64 / n)
