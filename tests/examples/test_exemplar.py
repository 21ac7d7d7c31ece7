import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from minigrad.models.exemplar_extractor import Extractor, load_features
from PIL import Image

from minigrad.data import photographs
from tests.examples.small_data import write_photographs

ROOT = Path(__file__).parents[2]
QUICK = ("--seeds", 8, "--epochs", 1)


def example(*words, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.exemplar", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of photographs, some of which cannot be used."""
    folder = write_photographs(tmp_path_factory.mktemp("exemplar") / "photos")
    good = (folder / "china.jpg").read_bytes()
    (folder / "broken.jpg").write_bytes(good[: len(good) // 2])
    (folder / "notes.txt").write_text("no picture")
    Image.new("RGB", (20, 60)).save(folder / "small.png")
    Image.open(folder / "china.jpg").convert("L").save(folder / "grey.png")
    return folder


@pytest.fixture(scope="module")
def quick(photos):
    """The folder and the output of a short run."""
    folder = photos.parent / "run"
    return folder, example(photos, "--folder", folder, *QUICK)


@pytest.mark.slow
def test_a_folder_of_photographs_gives_an_extractor_features_and_a_report(quick):
    folder, done = quick
    assert (done.returncode, done.stderr) == (0, "")
    assert {"extractor.safetensors", "features.safetensors", "report.html"} < {
        path.name for path in folder.iterdir()
    }
    report = (folder / "report.html").read_text()
    assert report.count("data:image/png") == 5
    assert f"{folder / 'report.html'} has the pictures" in done.stdout


@pytest.mark.slow
def test_what_cannot_be_used_is_listed_and_counted(quick):
    lines = quick[1].stdout.splitlines()
    assert lines[0].startswith("skipped broken.jpg: ")
    assert lines[1:4] == [
        "skipped small.png: no room for 36 x 36 pixels",
        "skipped 2 of 5 pictures",
        "3 images, 8 seeds x 50 versions, 64c5-64c5-128f, at most 1 epochs",
    ]


@pytest.mark.slow
def test_the_features_are_what_the_extractor_says_of_the_photographs(quick, photos):
    folder, _ = quick
    blocks, facts = load_features(folder / "features.safetensors")
    assert facts["photographs"] == ["china.jpg", "flower.png", "grey.png"]
    extractor = Extractor.load(folder / "extractor.safetensors")
    images = photographs(photos)
    image = images.images[images.names.index("grey.png")]
    for block, own in zip(blocks, extractor(image[None]), strict=True):
        assert len(block) == 3
        np.testing.assert_allclose(block[2], own[0], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers_and_a_finished_run_goes_on_to_them(quick, photos):
    folder, _ = quick
    again = folder.with_name("again")
    for words in (QUICK, (*QUICK, "--resume")):
        assert example(photos, "--folder", again, *words).returncode == 0
        for name in ("log.csv", "epochs.csv"):
            assert (again / name).read_bytes() == (folder / name).read_bytes()
        pairs = [load_features(f / "features.safetensors")[0] for f in (folder, again)]
        for block, same in zip(*pairs, strict=True):
            np.testing.assert_array_equal(block, same)


@pytest.mark.slow
def test_a_run_on_other_photographs_is_not_gone_on_with(quick, tmp_path):
    folder, _ = quick
    others = write_photographs(tmp_path / "others")
    for photograph in others.iterdir():
        turned = Image.open(photograph).rotate(90)
        turned.save(photograph)
    done = example(others, "--folder", folder, *QUICK, "--resume")
    assert done.returncode == 2
    assert "images" in done.stderr


@pytest.mark.slow
def test_one_photograph_is_enough(photos, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "flower.png").write_bytes((photos / "flower.png").read_bytes())
    done = example(alone, "--folder", tmp_path / "run", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 images, 8 seeds")


@pytest.mark.slow
def test_a_flat_picture_is_taken_anywhere_and_that_is_said(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 60), "red").save(tmp_path / "photos/red.png")
    done = example(tmp_path / "photos", "--folder", tmp_path / "run", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("seed_patches: 8 of 8 seeds are flat")


def write_nothing(folder):
    folder.mkdir()


def write_small(folder):
    folder.mkdir()
    Image.new("RGB", (20, 60)).save(folder / "small.png")


def write_one_patch(folder):
    folder.mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (36, 36, 3), np.uint8)
    Image.fromarray(picture).save(folder / "one.png")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "words", "sentence"),
    [
        (lambda folder: None, (), "'PHOTOS': Directory '{photos}' does not exist."),
        (write_nothing, (), "{photos} holds no pictures"),
        (write_small, (), "no picture has room for 36 x 36 pixels"),
        (
            write_one_patch,
            (),
            "500 seeds wanted of 1 images, which have 25, "
            "at most 1000 of each (per_image): give --seeds fewer",
        ),
        (write_photographs, ("--seeds", 1), "'--seeds': 1 is not in the range x>=2."),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(write, words, sentence, tmp_path):
    photos = tmp_path / "photos"
    write(photos)
    done = example(photos, "--folder", tmp_path / "run", *words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert sentence.format(photos=photos) in line


@pytest.mark.slow
def test_ctrl_c_after_training_says_how_to_get_the_rest(photos, tmp_path):
    words = map(str, (photos, "--folder", tmp_path / "run", *QUICK))
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "examples.exemplar", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while not running.stdout.readline().startswith("trained in"):
            assert running.poll() is None
        time.sleep(0.2)  # it prints before it enters what says so
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    assert running.returncode == 130
    (line,) = said.split("\n")[1:-1]  # the first one ends that of ^C
    kept = f"stopped; the network stays in {tmp_path / 'run'}: the same with --resume does the rest"
    assert line == kept
    assert example(photos, "--folder", tmp_path / "run", *QUICK, "--resume").returncode == 0
    assert (tmp_path / "run/report.html").exists()


@pytest.mark.slow
def test_a_finished_network_is_not_overwritten(quick, photos):
    folder, _ = quick
    before = (folder / "extractor.safetensors").read_bytes()
    done = example(photos, "--folder", folder, *QUICK)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{folder} has a network already: give another --folder")
    assert (folder / "extractor.safetensors").read_bytes() == before
