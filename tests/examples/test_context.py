import csv
import functools

import numpy as np
import pytest
from minigrad.models.context_extractor import ContextNet
from minigrad.models.context_training import PRESETS, pairs_of
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.datasets import load_sample_images

from examples.context import LINEAR, OURS, flat, usable
from tests.examples import commands

example = functools.partial(commands.finished, "context")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of eight photographs: strips of two that scikit-learn carries."""
    folder = tmp_path_factory.mktemp("photos")
    for name, image in zip(("china", "flower"), load_sample_images().images, strict=True):
        for i, top in enumerate((0, 90, 180, 270)):
            Image.fromarray(image[top : top + 110]).save(folder / f"{name}{i}.png")
    return folder


@pytest.mark.slow
def test_a_quick_run_prints_writes_and_is_done_at_once_the_second_time(photos, tmp_path):
    words = (photos, "--quick", "--epochs", 1, "--longest", 400)
    done = example(photos, tmp_path / "run", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 photographs to learn from, 2 held out" in done.stdout
    with (tmp_path / "run/table.csv").open() as file:
        rows = [row["row"] for row in csv.DictReader(file)]
    assert rows == [LINEAR, OURS]
    net = ContextNet.load(tmp_path / "run/net.safetensors")
    assert net(np.zeros((2, 3, 24, 24), np.uint8)).shape == (2, 128)
    for name in ("accuracy", "curves", "guesses", "places"):
        assert (tmp_path / f"run/{name}.png").stat().st_size > 5000
    again = example(photos, tmp_path / "run", *words)
    assert again.stdout == done.stdout


def test_rows_of_pixels_hold_both_orders_of_each_pair():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 70, 70), np.uint8)
    settings = PRESETS["small"]._replace(colours="keep", per_image=3)
    data = pairs_of(images, settings, pixelation=0, rng=np.random.default_rng(1))
    X, T = flat(data)
    one, two, label = data.all()
    assert X.shape == (12, 2 * 3 * 24 * 24)
    assert_array_equal(X[2].reshape(2, 3, 24, 24), [one[2], two[2]])
    assert_array_equal(X[8].reshape(2, 3, 24, 24), [two[2], one[2]])
    assert_array_equal(T, [*label, *(7 - label)])


def test_grey_photographs_are_counted(tmp_path, capsys):
    for i in range(3):
        Image.new("RGB", (90, 80), (i, 0, 9)).save(tmp_path / f"{i}.png")
    for name, side in (("grey", 80), ("small", 30)):
        Image.new("L", (90, side), 9).save(tmp_path / f"{name}.png")
    assert len(usable(tmp_path, 160)) == 4
    skipped, grey = capsys.readouterr().out.splitlines()
    assert skipped.startswith("skipped small.png: ")
    assert grey.startswith("1 of 4 photographs are grey: ")


@pytest.mark.parametrize(
    ("few", "words", "said"),
    [
        (1, (), "1 photographs with room for a pair at --longest 160; 4 are needed"),
        (8, ("--longest", 60), "0 photographs with room for a pair at --longest 60"),
    ],
)
@pytest.mark.slow
def test_too_few_or_too_small_photographs_are_refused_in_a_sentence(
    photos, tmp_path, few, words, said
):
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in sorted(photos.iterdir())[:few]:
        image = Image.open(file)
        image.crop((0, 0, 160, 110)).save(folder / file.name)
    done = example(folder, tmp_path / "run", folder, "--quick", *words)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
