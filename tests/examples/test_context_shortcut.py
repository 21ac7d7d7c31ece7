import csv
import functools

import click
import numpy as np
import pytest
from PIL import Image

from examples.context_shortcut import (
    MADE,
    Bench,
    Case,
    Split,
    as_bytes,
    field,
    mean_error,
    noise,
    taken,
)
from minigrad import to_cpu
from minigrad.learn import Cells
from tests.examples import commands
from tests.examples.small_data import write_photographs

SHORT = ("--quick", "--pairs", 64)

example = functools.partial(commands.finished, "context_shortcut", "")


def table(folder):
    with (folder / "table.csv").open() as file:
        return list(csv.DictReader(file))


def test_noise_is_alike_everywhere_and_says_nothing_beyond_a_few_pixels():
    Z = field(400, 32, 1, np.random.default_rng(0))
    np.testing.assert_allclose(Z.std(0), 1, atol=0.2)
    np.testing.assert_allclose(Z.mean(0), 0, atol=0.25)
    correlation = lambda d: (Z * np.roll(Z, d, 2)).mean()
    for d in range(1, 9):
        assert correlation(d) == pytest.approx(np.exp(-d * d / 4), abs=0.01)


def test_the_images_made_are_colour_photographs_of_nothing_and_always_the_same():
    one, two = (noise(3, np.random.default_rng(0)) for _ in range(2))
    assert (one.shape, one.dtype) == ((3, 3, 128, 128), np.uint8)
    np.testing.assert_array_equal(one, two)
    channels = np.corrcoef(one.swapaxes(0, 1).reshape(3, -1))
    assert 0.8 < channels[0, 1] < 0.95
    assert MADE["judge"] > 1
    np.testing.assert_array_equal(as_bytes(np.array([-1, 0.2, 3])), [0, 51, 255])


def test_means_have_their_standard_error():
    assert mean_error([1.0, 2.0, 3.0]) == pytest.approx((2, 1 / np.sqrt(3)))
    assert mean_error([2.0]) == (2, 0)


def test_every_fifth_photograph_is_judged_and_what_is_too_small_is_said(tmp_path, capsys):
    for i in range(7):
        Image.new("RGB", (150, 100), (i, 0, 0)).save(tmp_path / f"{i}.png")
    Image.new("RGB", (300, 100)).save(tmp_path / "wide.png")
    split = taken(tmp_path)["photographs"]
    assert [image[0, 0, 0] for image in split.judge] == [0, 5]
    assert [image[0, 0, 0] for image in split.learn] == [1, 2, 3, 4, 6]
    assert split.learn[0].shape == (3, 85, 128)
    assert "skipped wide.png: less than 66 pixels a side" in capsys.readouterr().out


def test_grey_photographs_are_counted(tmp_path, capsys):
    Image.new("RGB", (150, 100), (1, 2, 3)).save(tmp_path / "coloured.png")
    Image.new("RGB", (150, 100), (3, 2, 3)).save(tmp_path / "magenta.png")
    taken(tmp_path)
    assert capsys.readouterr().out == ""
    Image.linear_gradient("L").save(tmp_path / "grey.jpg")
    taken(tmp_path)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("1 of 3 photographs are grey: ")


def test_one_photograph_is_not_enough(tmp_path):
    Image.new("RGB", (150, 100)).save(tmp_path / "one.png")
    with pytest.raises(click.UsageError, match="1 of its pictures can be used, and two are needed"):
        taken(tmp_path)


@pytest.mark.parametrize(("pairs", "learned"), [(60, 60), (61, 70), (65, 70), (66, 70)])
def test_as_many_pairs_as_asked_for_or_some_more_and_none_alone_in_the_last_batch(
    pairs, learned, tmp_path
):
    images = np.zeros((5, 3, 66, 66), np.uint8)
    splits, faults = {"noise": Split(images, images[:1])}, {"clean": lambda X: X}
    with Cells(tmp_path / "cells.json") as cells:
        bench = Bench(splits, faults, {}, pairs, 1, cells, to_cpu)
        of = lambda split, settings, rng: {"pairs": len(split.learn) * settings.per_image}
        assert bench.trials("counting", Case(), of)["pairs"] == learned


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--share", 1), "'--share': 1.0 is not in the range 0<=x<1."),
        (("--strength", 1), "'--strength': 1.0 is not in the range 0<=x<1."),
        (("--share", "nan"), "'--share': nan is no number."),
        (("--strength", "nan"), "'--strength': nan is no number."),
        (("nowhere",), "Path 'nowhere' does not exist."),
    ],
)
@pytest.mark.slow
def test_a_mistake_is_one_line_and_exit_code_2(words, sentence, tmp_path):
    done = example(tmp_path / "run", *words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert sentence in line


@pytest.mark.slow
def test_a_quick_run_gives_table_and_figure_and_computes_nothing_twice(tmp_path):
    folder = tmp_path / "run"
    done = example(folder, *SHORT)
    assert (done.returncode, done.stderr) == (0, "")
    rows = table(folder)
    assert [(row["fault"], row["colours"]) for row in rows] == [
        *(("clean", "keep"), ("aberration", "keep")),
        *(("aberration", "project"), ("aberration", "drop")),
    ]
    said = [line.split() for line in done.stdout.splitlines() if line[:5] in ("clean", "aberr")]
    for row, line in zip(rows, said, strict=True):
        assert 5 < float(row["pretext"]) < 25  # so short a training is chance
        assert float(row["best, chance"]) == pytest.approx(np.sqrt(1 / 6) * 104 / 128, rel=0.02)
        found = [float(row[name]) for name in ("pretext", "best", "all")]
        assert [float(number) for number in line[2:]] == pytest.approx(found, abs=0.06)
    assert (folder / "shortcut.png").read_bytes().startswith(b"\x89PNG")
    made = (folder / "cells.json").stat().st_mtime_ns
    again = example(folder, *SHORT)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert (folder / "cells.json").stat().st_mtime_ns == made


@pytest.mark.slow
def test_photographs_stand_in_for_made_images(tmp_path):
    photos = write_photographs(tmp_path / "photos")
    one_more_than_a_batch = ("--quick", "--pairs", 65)
    done = example(tmp_path / "run", photos, *one_more_than_a_batch)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("photographs: 1 to learn from, 1 to judge by")
    assert {row["images"] for row in table(tmp_path / "run")} == {"photographs"}


@pytest.mark.slow
def test_the_network_reads_aberration_until_colours_are_dropped(tmp_path):
    done = example(tmp_path / "run", "--quick")
    assert (done.returncode, done.stderr) == (0, "")
    clean, kept, projected, dropped = (float(row["pretext"]) for row in table(tmp_path / "run"))
    assert kept > 80
    assert projected < 20
    assert max(clean, dropped) < 15
