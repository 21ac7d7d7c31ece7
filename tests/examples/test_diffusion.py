import csv
import functools

import click
import numpy as np
import pytest
from numpy.testing import assert_allclose

from examples import diffusion
from examples.diffusion import Samples, arcs, asked, inside, outside, sweeps
from minigrad import normalize
from minigrad.evaluate import mean_average_precision, recall_at
from minigrad.stepper import figures
from tests.data.published import real
from tests.examples import commands

example = functools.partial(commands.finished, "diffusion")


@pytest.fixture
def curved(monkeypatch):
    """Two classes side by side on arcs of a sphere: only paths tell them apart."""
    monkeypatch.setattr(diffusion, "K", 4)
    angle = np.linspace(0, 2.5, 40)
    both = [np.column_stack([np.cos(angle), np.sin(angle), np.full(40, h)]) for h in (0, 0.4)]
    order = np.random.default_rng(0).permutation(80)
    return Samples("arcs", np.concatenate(both)[order], np.repeat([0, 1], 40)[order])


def test_who_asks_is_not_among_the_answers():
    F, T = np.random.default_rng(0).standard_normal((30, 4)), np.arange(30) % 3
    U = normalize(F)
    every = np.arange(30)
    found = asked(T, every, every).judged(U @ U.T)
    expected = [mean_average_precision(F, T, measure="cosine"), recall_at(F, T, 1, "cosine")]
    assert_allclose(found, [100 * float(np.ravel(e.mean)[0]) for e in expected])


def test_diffusion_wins_where_classes_lie_along_arcs(curved):
    for found in (inside(curved), outside(curved)):
        rows = list(found)
        (best,) = [row for row in rows if row.endswith("k = 4, alpha = 0.99")]
        assert found[best][0] > found["cosine"][0] + 10
        assert all(0 <= score <= 100 for scores in found.values() for score in scores)


@pytest.mark.slow
def test_sweeps_end_at_the_whole_spectrum_and_are_drawn(curved):
    found = sweeps(curved)
    assert found["rank"][80] == pytest.approx(found["alpha"][0.99])
    assert list(found["k"]) == list(diffusion.NEIGHBOURS)
    page = diffusion.draw({"arcs": found}, np.random.default_rng(0))
    assert [ax.get_xlabel() for ax in page.axes[3:6]] == ["alpha", "k", "rank"]
    assert page.axes[1].get_title("left") == "first 150 by diffusion: 100% right"
    assert figures.png(page).startswith(b"\x89PNG")


def test_arcs_are_three_and_do_not_touch():
    P, T = arcs(np.random.default_rng(0))
    far = np.linalg.norm(P[:, None] - P, axis=2)
    assert far[T[:, None] != T].min() > 0.05
    assert np.bincount(T).tolist() == [150, 150, 150]


@pytest.mark.slow
def test_digits_alone_give_a_table_sweeps_and_a_picture(tmp_path):
    folder = tmp_path / "run"
    done = example(tmp_path, folder, "--quick")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "digits: 599 images of 10 classes, 64 numbers each"
    with (folder / "table.csv").open() as file:
        rows = {
            (row["queries"], row["row"]): float(row["digits, mAP"]) for row in csv.DictReader(file)
        }
    for queries in ("all ask", "outside"):
        better = rows[queries, "diffusion, k = 10, alpha = 0.99"]
        assert better > rows[queries, "cosine"] + 10
    assert len((folder / "sweeps.csv").read_text().splitlines()) > 20
    assert (folder / "diffusion.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_sets_that_are_there_are_read(tmp_path, monkeypatch):
    data = real("olivetti/faces-images-idx3-ubyte.gz").parents[1]
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    (alone,) = diffusion.sets(quick=False)
    assert (alone.title, alone.F.shape) == ("digits", (1797, 64))
    (tmp_path / "olivetti").symlink_to(data / "olivetti")
    _, faces = diffusion.sets(quick=False)
    assert (faces.F.shape, np.bincount(faces.T).tolist()) == ((400, 4096), [10] * 40)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(click.BadParameter, match="holds something else, as letter.txt"):
        diffusion.main(["--quick", "--folder", str(tmp_path)], standalone_mode=False)
