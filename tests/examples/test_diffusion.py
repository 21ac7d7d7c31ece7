import csv
import functools

import click
import numpy as np
import pytest
from numpy.testing import assert_allclose

from examples import diffusion
from examples.diffusion import Samples, arcs, asked, inside, outside, sweeps
from minigrad import normalize
from minigrad.evaluate import (
    diffuse,
    low_pass,
    mean_average_precision,
    recall_at,
    reciprocal_graph,
    symmetric_normalized,
)
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


@pytest.fixture
def mixed(monkeypatch):
    """Three classes that overlap, and no two samples as far from a third one; shorter sweeps."""
    fewer = {"ALPHAS": (0.3, 0.9), "NEIGHBOURS": (3, 20), "RANKS": (2, 5, 500)}
    for name, value in {"CANDIDATES": 12, "RANK": 7, **fewer}.items():
        monkeypatch.setattr(diffusion, name, value)
    F, T = np.random.default_rng(0).random((40, 4)), np.arange(40) % 3
    return Samples("mixed", F + 0.2 * np.eye(4)[T], T)


def agree(found, expected, judged):
    """Whether each row, or point of a sweep, is what is judged of its scores; no two are alike."""
    assert list(found) == list(expected)
    for name, S in expected.items():
        assert_allclose(found[name], judged(S), err_msg=name)
    assert len(set(map(str, found.values()))) == len(found)


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


def test_rows_where_all_ask_are_what_they_are_called(mixed):
    found, every = inside(mixed), np.arange(40)
    U = normalize(mixed.F)
    S, graph = U @ U.T, {k: symmetric_normalized(reciprocal_graph(U, k)) for k in (10, 50)}
    near = np.argsort(-S)[:, :6]  # oneself and five others
    s = np.take_along_axis(S, near, 1)[..., None]
    w, X = np.linalg.eigh(graph[10].toarray())
    expected = {
        "cosine": S,
        "average query expansion, 5": normalize(U + U[near].sum(1)) @ U.T,
        "alpha query expansion, 5": normalize(U + (s**3 * U[near]).sum(1)) @ U.T,
        "diffusion, k = 50, alpha = 0.99": diffuse(graph[50], np.eye(40)).T,
        "diffusion, k = 10, alpha = 0.99": diffuse(graph[10], np.eye(40)).T,
        "diffusion, k = 10, alpha = 0.9": diffuse(graph[10], np.eye(40), 0.9).T,
        "spectral, k = 10, rank 7": (X * low_pass(0.99)(w))[:, -7:] @ X[:, -7:].T,
    }
    agree(found, expected, asked(mixed.T, every, every).judged)


def test_from_outside_a_query_enters_by_its_ten_nearest_among_the_others(mixed):
    found, asks = outside(mixed), np.arange(40) % 5 == 0
    Q, V = normalize(mixed.F[asks]), normalize(mixed.F[~asks])
    A, near = reciprocal_graph(V, 10), np.argsort(-Q @ V.T)
    W, S = symmetric_normalized(A), Q @ V.T - 2
    ten, three = (np.where(near.argsort() < k, Q @ V.T, 0).T ** 3 for k in (10, 3))
    for scores, y, some in zip(S, ten.T, near[:, :12]):
        scores[some] = diffuse(symmetric_normalized(A[some][:, some]), y[some])
    w, X = np.linalg.eigh(W.toarray())
    expected = {
        "cosine": Q @ V.T,
        "diffusion, k = 10, alpha = 0.99": diffuse(W, ten).T,
        "by the 3 nearest, alpha = 0.9": diffuse(W, three, 0.9).T,
        "among the first 12 alone": S,
        "spectral, rank 7": ((X * low_pass(0.99)(w))[:, -7:] @ X[:, -7:].T @ ten).T,
    }
    agree(found, expected, asked(mixed.T, np.flatnonzero(asks), np.flatnonzero(~asks)).judged)


def test_sweeps_change_one_number_each_and_a_small_rank_keeps_the_largest_eigenvalues(mixed):
    found, queries = sweeps(mixed), np.arange(0, 40, 4)
    judged = lambda S: asked(mixed.T, queries, np.arange(40)).judged(S)[0]
    U, y = normalize(mixed.F), np.eye(40)[:, queries]
    graph = lambda k: symmetric_normalized(reciprocal_graph(U, k))
    w, X = np.linalg.eigh(graph(10).toarray())
    spectral = lambda alpha, r: X[queries, -r:] @ (X * low_pass(alpha)(w))[:, -r:].T
    assert found["cosine"] == judged(U[queries] @ U.T)
    agree(found["alpha"], {alpha: spectral(alpha, 40) for alpha in (0.3, 0.9)}, judged)
    agree(found["rank"], {r: spectral(0.99, r) for r in (2, 5, 40)}, judged)
    agree(found["k"], {k: diffuse(graph(k), y).T for k in (3, 20)}, judged)


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


def test_the_table_has_both_measures_of_every_set(capsys):
    found = {"outside": {"cosine": {"digits": (61.254, 97.5), "faces": (40.0, 30.0)}}}
    assert diffusion.table(found, ["digits", "faces"]) == [
        {
            "queries": "outside",
            "row": "cosine",
            "digits, mAP": 61.25,
            "digits, R@1": 97.5,
            "faces, mAP": 40.0,
            "faces, R@1": 30.0,
        }
    ]
    (said,) = [line.split() for line in capsys.readouterr().out.splitlines() if "cosine" in line]
    assert said == ["cosine", "61.3", "97.5", "40.0", "30.0"]


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
