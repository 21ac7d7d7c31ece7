import csv
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from minigrad.models import exemplar_cnn, exemplar_training
from minigrad.models.exemplar_extractor import Extractor
from minigrad.models.exemplar_training import (
    PRESETS,
    Settings,
    ToolboxMomentum,
    decay_rates,
    fit,
    surrogate_error,
)
from numeric import normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import Surrogates, digits, surrogates
from minigrad.learn import CheckpointError, Momentum
from minigrad.stepper.runs import described, read_run
from minigrad.tree import leaves, map_leaves

QUICK = Settings(code="4c3-4c3-8f", versions=12, batch=20, epochs=4, rate=0.02, decay=0.0)


@pytest.fixture(scope="module")
def seeds():
    return digits()[0][:6]


@pytest.fixture(scope="module")
def cifar():
    """Real images by class, (60, 3, 32, 32) in [0, 1]."""
    folder = os.environ.get("MINIGRAD_DATA")
    if not folder:
        pytest.skip("real images stand in $MINIGRAD_DATA, which is not set")
    image = pytest.importorskip("PIL.Image")
    with zipfile.ZipFile(Path(folder) / "cifar-10-images" / "train.zip") as found:
        names = [n for n in sorted(found.namelist()) if n.endswith(".jpg")][::200]
        images = [np.asarray(image.open(io.BytesIO(found.read(n))).convert("RGB")) for n in names]
    return np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 255


def go(data, settings=QUICK, seed=0, **options):
    return fit(data, settings, rng=np.random.default_rng(seed), progress=False, **options)


def errors(log):
    return [row["validation error"] for row in log if "validation error" in row]


def assert_same(a, b):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        assert_array_equal(x, y)


@pytest.mark.slow
def test_on_real_images_the_surrogate_loss_falls_and_so_does_the_validation_error(cifar):
    settings = PRESETS["small"]._replace(
        code="16c5-16c5-64f", versions=40, epochs=4, batch=40, rate=0.02
    )
    extractor, log = go(cifar[:20], settings)
    assert abs(log[0]["loss"] - np.log(20)) < 0.5
    assert log[-1]["loss"] < log[0]["loss"] - 0.5
    assert errors(log)[-1] < errors(log)[0] - 0.15
    assert errors(log)[0] < 0.95  # that of guessing
    assert [block.shape for block in extractor(cifar)] == [(50, 64), (50, 64), (50, 64)]


def test_the_mean_image_is_subtracted_and_kept_with_the_scale(seeds):
    extractor, _ = go(seeds, QUICK._replace(scale=3.0, epochs=1))
    assert extractor.mean.shape == (1, 16, 16)
    versions = surrogates(seeds, 100, np.random.default_rng(9))[0]
    # of 72 versions, whose pixels deviate by less than a half: four standard errors
    assert_allclose(extractor.mean, versions.mean(0), atol=4 * 0.5 / 72**0.5)
    assert_allclose(extractor.prepared(seeds), 3 * (seeds - extractor.mean), atol=1e-6)


def test_the_validation_error_counts_the_surrogates_whose_seed_is_not_named():
    U = exemplar_cnn.initial(np.random.default_rng(0), 3, code="4c3-4c3-8f")
    extractor = Extractor(U, "4c3-4c3-8f", np.zeros((1, 16, 16), np.float32))
    X = np.random.default_rng(1).random((700, 1, 16, 16), np.float32)
    named = exemplar_cnn.network(X, U).argmax(1)
    T = (named + (np.arange(700) < 70)) % 3
    assert surrogate_error(extractor, X, T) == pytest.approx(0.1)


def test_the_rate_falls_by_3_until_it_is_below_the_lowest_and_the_run_ends(seeds, tmp_path):
    settings = QUICK._replace(rate=1e-6, lowest=1e-7, patience=0, epochs=50)  # nothing is learned
    extractor, log = go(seeds, settings, folder=tmp_path)
    rates = [row["rate"] for row in log if "validation error" in row]
    assert_allclose([*dict.fromkeys(rates)], [1e-6, 1e-6 / 3, 1e-6 / 9])
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["state"], run["step"], run["steps"]) == ("finished", log[-1]["step"], run["step"])
    again, same = go(seeds, settings, folder=tmp_path, resume=True)
    assert same == log
    assert_same(again.parameters, extractor.parameters)
    anew, log = go(seeds, settings, folder=tmp_path)
    assert_same(anew.parameters, extractor.parameters)
    assert not {path.name for path in tmp_path.iterdir()} & {"lock"}


class Failing(Surrogates):
    """Surrogates that some time cannot be made."""

    left = 20

    def batch(self, chosen, rng):
        self.left -= 1
        if not self.left:
            raise OSError("the disk went away")
        return super().batch(chosen, rng)


def test_a_run_that_broke_off_goes_on_to_the_same_bits(seeds, tmp_path):
    settings = QUICK._replace(patience=0, epochs=12, rates="toolbox", decay=0.01)
    whole, log = go(Surrogates(seeds, 12), settings)
    assert len({row["rate"] for row in log}) > 1
    with pytest.raises(OSError, match="went away"):
        go(Failing(seeds, 12), settings, folder=tmp_path)
    done = json.loads((tmp_path / "run.json").read_text())["step"]
    assert 0 < done < log[-1]["step"]
    resumed, other = go(Surrogates(seeds, 12), settings, folder=tmp_path, resume=True)
    assert_same(resumed.parameters, whole.parameters)
    kept = lambda log: [{k: row.get(k) for k in ("step", "loss", *names)} for row in log]
    names = ("rate", "validation error")
    assert kept(other) == kept(log)


def test_a_run_with_other_settings_does_not_go_on(seeds, tmp_path):
    go(seeds, QUICK._replace(epochs=1), folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"rates alike there, toolbox here"):
        go(seeds, QUICK._replace(epochs=1, rates="toolbox"), folder=tmp_path, resume=True)


def test_the_folder_has_the_validation_errors_and_runs_show_has_the_last(seeds, tmp_path):
    _, log = go(seeds, folder=tmp_path)
    with (tmp_path / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    assert [float(row["validation error"]) for row in rows] == errors(log)
    shown = described(read_run(tmp_path, "mine"))
    assert "score (validation error)" in shown
    assert f"{errors(log)[-1]:.4g}" in shown


def test_the_error_can_be_measured_on_surrogates_that_are_given(seeds):
    T = np.zeros(4, int)
    _, log = go(seeds, QUICK._replace(epochs=1), validation=(np.repeat(seeds[5:], 4, 0), T))
    assert errors(log)[0] in (0, 1)  # four times the same image


@pytest.mark.parametrize("name", ["decays", "rates", "schedule"])
def test_a_rule_of_another_name_is_refused(seeds, name):
    with pytest.raises(ValueError, match=f"fit: {name} is one of .*, not 'caffe'"):
        go(seeds, QUICK._replace(**{name: "caffe"}))


def test_the_toolboxs_decay_grows_from_none_to_four_times():
    U = exemplar_cnn.initial(np.random.default_rng(0), 3, code="4c3-4c3-4c3-8f")
    settings = Settings(decay=0.004)
    expected = {"conv3": 0.001, "hidden": 0.004, "output": 0.016}
    assert decay_rates(U, settings) == expected
    assert decay_rates(U, settings._replace(decays="alike")) == 0.004


def test_the_toolboxs_rates_are_twice_for_biases_and_a_quarter_for_the_outputs_weights():
    U = map_leaves(
        lambda w: w.astype(float),
        exemplar_cnn.initial(np.random.default_rng(0), 3, code="4c3-4c3-8f"),
    )
    first, alike = map_leaves(np.copy, U), map_leaves(np.copy, U)
    toolbox, momentum = (
        kind(parameters, form="caffe")
        for kind, parameters in ((ToolboxMomentum, U), (Momentum, alike))
    )
    for seed, rate in enumerate((0.1, 0.1, 0.02)):
        gradients = map_leaves(lambda w, s=seed: normal(*w.shape, seed=s), U)
        toolbox.step(gradients, rate)
        momentum.step(gradients, rate)
    for name in U:
        for i, factor in enumerate((0.25 if name == "output" else 1, 2)):
            way = alike[name][i] - first[name][i]
            assert_allclose(U[name][i] - first[name][i], factor * way, rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "seeds", "versions", "code"),
    [
        ("paper", 8000, 150, "64c5-64c5-128f"),
        ("paper-large", 16000, 100, "64c5-128c5-256c5-512f"),
        ("paper-largest", 16000, 100, "92c5-256c5-512c5-1024f"),
    ],
)
def test_the_papers_presets_have_its_numbers(name, seeds, versions, code):
    found = PRESETS[name]
    assert (found.seeds, found.versions, found.code) == (seeds, versions, code)
    assert (found.rate, found.momentum, found.scale) == (0.01, 0.9, 1)


def test_versions_drawn_once_are_not_validated_on(seeds, monkeypatch):
    data, seen = Surrogates(seeds, 5, rng=np.random.default_rng(0)), []
    measured = exemplar_training.surrogate_error
    monkeypatch.setattr(
        exemplar_training,
        "surrogate_error",
        lambda extractor, X, T: seen.append(X) or measured(extractor, X, T),
    )
    go(data, QUICK._replace(epochs=1))
    trained, _ = data.all()
    assert len(seen[0]) == len(seeds)
    assert not any((x == trained).all((1, 2, 3)).any() for x in seen[0])


def test_images_that_are_not_square_are_refused(seeds):
    with pytest.raises(ValueError, match="fit: images are square, not 16 x 8"):
        go(seeds[..., :8], QUICK)
