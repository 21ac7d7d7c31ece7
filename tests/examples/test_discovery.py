import csv
import re

import click
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from examples import discovery
from examples.discovery import (
    Size,
    discovered,
    judged,
    lit,
    main,
    network,
    precision,
    retrieval,
    shares,
    spread,
    uniform,
)
from minigrad.data import cluttered
from minigrad.evaluate import (
    diffuse,
    feature_saliency,
    mac,
    object_saliency,
    pca_whitening,
    pooled,
    ranked_precision,
    reciprocal_graph,
    region_centrality,
    region_features,
    rmac,
    saliency_precision,
    salient_regions,
    symmetric_normalized,
)
from tests.examples import commands
from tests.pages import Page

TINY = discovery.SETTINGS._replace(seeds=6, versions=4, code="4c3-6c3-8f")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(discovery, "SETTINGS", TINY)


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_run_writes_tables_and_a_page_and_loads_its_network_again(small, tmp_path, capsys):
    folder = tmp_path / "run"
    words = ["--seeds", "2", "--images", "12", "--epochs", "1", "--folder", str(folder)]
    main(words, standalone_mode=False)
    said = capsys.readouterr().out
    assert "12 pictures of 128 x 128 in each collection, on made clouds" in said
    assert re.search(r"object saliency +0\.\d{3} \+- 0\.\d{3}", said)
    table = rows(folder / "precision.csv")
    assert [(r["seed"], r["row"]) for r in table][:3] == [
        ("0", "FS"),
        ("0", "OS"),
        ("0", "FS sharpened"),
    ]
    assert {r["row"] for r in rows(folder / "retrieval.csv")} == set(discovery.METHODS)
    text = (folder / "report.html").read_text("utf-8")
    assert not re.findall(r'(?:href|src)="(?!#|data:)', text)
    page = Page(text)
    assert len(page.attributes("figure")) == 3 * discovery.SHOWN
    assert "OS - FS" in page.texts("th")
    networks = {p: p.stat().st_mtime_ns for p in (folder / "networks").iterdir()}
    assert len(networks) == 2
    main(words, standalone_mode=False)
    assert {p: p.stat().st_mtime_ns for p in (folder / "networks").iterdir()} == networks
    assert rows(folder / "precision.csv") == table


@pytest.mark.slow
def test_photographs_are_grounds_and_small_ones_are_skipped(small, tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (200, 150), (90, 120, 100)).save(photos / "large.png")
    Image.new("RGB", (200, 90)).save(photos / "small.png")
    words = [str(photos), "--quick", "--images", "12", "--epochs", "1"]
    main([*words, "--folder", str(tmp_path / "run")], standalone_mode=False)
    said = capsys.readouterr().out
    assert "skipped small.png: too small" in said
    assert "on parts of 1 photographs" in said
    (photos / "large.png").unlink()
    with pytest.raises(click.UsageError, match="no picture of 128 pixels or more each way"):
        main([*words, "--folder", str(tmp_path / "run")], standalone_mode=False)


@pytest.mark.slow
def test_on_the_command_line_that_is_one_sentence_and_exit_code_2(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (20, 15)).save(photos / "small.png")
    done = commands.finished("discovery", tmp_path, tmp_path / "run", photos)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no picture of 128 pixels" in line


def test_the_whitening_is_learned_on_the_other_collection_and_rows_are_what_they_are_called(
    monkeypatch,
):
    made = cluttered(8, np.random.default_rng(0), kinds=3)
    X, others = (ideal(made, seed)[:, :12] for seed in (1, 2))
    learned, n = [], len(X)
    learn = lambda V, d: learned.append((V, d)) or pca_whitening(V, d)
    monkeypatch.setattr(discovery, "pca_whitening", learn)
    one = judged(made, X, others, power=2.0)
    regions = lambda S: salient_regions(S, 2.0, **discovery.PARAMETERS)
    ((V, d),) = learned
    assert_array_equal(V, region_features(others, regions(feature_saliency(others))))
    FS, OS = feature_saliency(X), one.saliency["OS"]
    assert_array_equal(one.saliency["FS"], FS)
    saliency = {"FS": FS, "FS sharpened": FS**2, "OS": OS, "area": np.ones_like(FS)}
    objects, clutter = (shares(boxes, (16, 16)) for boxes in (made.boxes[:, None], made.clutter))
    for name, S in saliency.items():
        a, b = (saliency_precision(S, P).mean() for P in (objects, clutter))
        expected = {"objects": a, "clutter": b, "objects of both": a / (a + b)}
        assert one.precision[name] == pytest.approx(expected), name
    white, found = pca_whitening(V, d), regions(FS)
    F = white(region_features(X, found))
    how = found.image, region_centrality(F, found.image, 15), 7, 15
    assert_allclose(OS, object_saliency(X, FS, F, *how, described=white))
    same, other = made.kinds[:, None] == made.kinds, ~np.eye(n, dtype=bool)
    pictures = {
        "MAC": white(mac(X)),
        "R-MAC (uniform)": pooled(X, uniform(X), white),
        "FS.EGM": pooled(X, found, white),
        "OS.EGM": pooled(X, regions(OS), white),
    }
    assert list(one.retrieval) == list(pictures)
    for name, Z in pictures.items():
        graph = symmetric_normalized(reciprocal_graph(Z, 10))
        scores = {"nearest": Z @ Z.T, "diffusion": diffuse(graph, np.eye(n), 0.9)}
        for way, S in scores.items():
            S, right = (A[other].reshape(n, n - 1) for A in (S, same))
            expected = ranked_precision(S, right, np.zeros_like(right)).mean
            assert one.retrieval[name][way] == pytest.approx(expected), (name, way)


def test_a_network_learns_on_the_pictures_of_another_collection(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(discovery, "network", lambda *a: seen.append(a) or "net")
    monkeypatch.setattr(discovery, "maps", lambda net, images: (net, images))
    monkeypatch.setattr(discovery, "judged", lambda *a: a)
    size = Size(1, 2, 1)
    made, searched, learned, power, plain = discovered(7, size, None, tmp_path, 2.0, True)
    ((images, how, rng, folder),) = seen
    first, second, third = np.random.default_rng(7).spawn(3)
    assert_array_equal(made.images, cluttered(2, first).images)
    assert_array_equal(images, cluttered(2, second).images)
    assert rng.random() == third.random()
    assert (searched, learned) == (("net", made.images), ("net", images))
    assert (how, folder, power, plain) == (size, tmp_path, 2.0, True)


@pytest.mark.slow
def test_object_saliency_beats_feature_saliency_on_maps_that_tell_objects_apart():
    made = cluttered(24, np.random.default_rng(0), kinds=3)
    X, others = (ideal(made, seed) for seed in (1, 2))
    one = judged(made, X, others)
    assert one.precision["OS"]["objects"] > one.precision["FS"]["objects"] + 0.1
    assert one.precision["OS"]["clutter"] < one.precision["FS"]["clutter"]
    assert one.retrieval["OS.EGM"]["nearest"] > one.retrieval["MAC"]["nearest"]
    plain = judged(made, X, others, power=1.0, plain=True)
    assert plain.precision["FS"] == one.precision["FS"] == plain.precision["FS sharpened"]
    assert plain.precision["OS"] != one.precision["OS"]
    tables = precision([one, one]), retrieval([one])
    assert [row[0] for row in tables[0]][1:] == [
        "feature saliency",
        "the same, sharpened",
        "object saliency",
        "every place alike",
        "OS - FS",
    ]
    assert one.precision["area"]["objects of both"] == pytest.approx(1 / 3, abs=0.05)
    assert tables[0][5][1].endswith("+- 0.000")
    assert [len(row) for row in tables[1]] == [3] * 5


def ideal(made, seed):
    """Maps in which each kind, and each piece of clutter, is a direction of its own."""
    rng = np.random.default_rng(seed)
    kinds = rng.random((made.kinds.max() + 1, 48)) ** 4
    X = 0.02 * rng.random((len(made.images), 48, 16, 16))
    for i, box in enumerate(made.boxes):
        X[i] += shares(box[None, None], (16, 16)) * kinds[made.kinds[i]][:, None, None]
        for other in made.clutter[i]:
            alone = rng.random(48) ** 4
            X[i] += shares(other[None, None], (16, 16)) * alone[:, None, None]
    return X


def test_shares_of_places_are_counted_in_pixels():
    P = shares(np.array([[[8, 4, 8, 8]], [[0, 0, 128, 128]]]), (16, 16))
    assert P[0, 1, :2].tolist() == [0.5, 0.5]
    assert P[0].sum() == 1
    assert (P[1] == 1).all()


def test_uniform_regions_pool_like_rmac_up_to_the_whole_map():
    X = np.random.default_rng(0).random((3, 20, 16, 16))
    Z = pooled(X, uniform(X))
    assert ((Z * rmac(X)).sum(1) > 0.999).all()


def test_what_is_not_salient_is_dark():
    image = np.full((3, 128, 128), 200, np.uint8)
    S = np.zeros((16, 16))
    S[0, 0] = 5
    shown = lit(image, S)
    assert (shown[:, :8, :8] == 200).all()
    assert (shown[:, 8:] == 24).all()
    assert (lit(image, 0 * S) == 24).all()


def test_a_power_that_is_no_number_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(click.BadParameter, match="nan is no number"):
        main(["--power", "nan", "--folder", str(tmp_path)], standalone_mode=False)


def test_a_spread_is_a_standard_error():
    assert spread([1.0]) == "1.000"
    assert spread([1.0, 3.0]) == "2.000 +- 1.000"


def test_tables_are_of_all_collections_and_gains_are_of_each():
    def one(value):
        """Each row and column a figure of its own, that grows with value."""
        rows = enumerate(("FS", "FS sharpened", "OS", "area"))
        where = "objects", "clutter", "objects of both"
        saliency = {name: {w: value * i + j for j, w in enumerate(where)} for i, name in rows}
        ways = lambda i: {"nearest": value + i, "diffusion": value + i + 0.5}
        found = {name: ways(i) for i, name in enumerate(discovery.METHODS)}
        return discovery.Found(None, None, None, saliency, found)

    both = one(1), one(3)
    assert precision(both)[1:] == [
        ["feature saliency", "0.000 +- 0.000", "1.000 +- 0.000", "2.000 +- 0.000"],
        ["the same, sharpened", "2.000 +- 1.000", "3.000 +- 1.000", "4.000 +- 1.000"],
        ["object saliency", "4.000 +- 2.000", "5.000 +- 2.000", "6.000 +- 2.000"],
        ["every place alike", "6.000 +- 3.000", "7.000 +- 3.000", "8.000 +- 3.000"],
        ["OS - FS", *["4.000 +- 2.000"] * 3],
    ]
    assert retrieval(both)[:2] == [
        ["", "nearest", "diffusion"],
        ["MAC", "2.000 +- 1.000", "2.500 +- 1.000"],
    ]


@pytest.mark.slow
def test_a_collection_is_the_same_for_the_same_seed(small, tmp_path):
    size = Size(1, 12, 1)
    a, b = (discovered(3, size, None, tmp_path / str(i)) for i in range(2))
    assert a.precision == b.precision
    assert a.retrieval == b.retrieval
    again = network(
        cluttered(12, np.random.default_rng(3).spawn(3)[1]).images,
        size,
        np.random.default_rng(0),
        tmp_path / "0",
    )
    assert len(list((tmp_path / "0").iterdir())) == 1  # it was loaded
    assert again.code == TINY.code
