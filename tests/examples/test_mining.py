import csv
import re

import click
import numpy as np
import pytest
from minigrad.models.context_extractor import ContextNet, untrained
from minigrad.models.context_prediction import NETS, Convolution, Net
from PIL import Image

from examples import mining
from examples.mining import Collection, above, chance, judged, learned, main, placed
from minigrad.data import planted
from minigrad.data.objects import TEXTURES
from minigrad.evaluate import Grid, Mined, constellations, mine, patch_features, patch_grid
from tests.examples import commands
from tests.pages import Page

TINY = Net(8, (Convolution(4, 3, pool=True),), 8, (8,), norm=False)


@pytest.fixture
def network(tmp_path):
    """The file of a network for patches of 8 x 8 that has learned nothing."""
    rng = np.random.default_rng(0)
    path = tmp_path / "net.safetensors"
    untrained(rng.integers(0, 256, (9, 3, 8, 8), np.uint8), TINY, rng=rng).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """A folder of four pictures, three of which have the same square in it, and one too small."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    square = rng.integers(0, 256, (20, 20, 3), np.uint8)
    for i in range(4):
        X = rng.integers(0, 256, (48, 64, 3), np.uint8)
        if i < 3:
            X[8 * i : 8 * i + 20, 16:36] = square
        Image.fromarray(X).save(folder / f"{i} & <b>.png")
    Image.fromarray(square[:12]).save(folder / "small.png")
    return folder


def started(*words):
    return main([str(w) for w in words], standalone_mode=False)


def report(folder):
    """The page, after what holds for each: nothing from elsewhere, each picture in it once."""
    text = (folder / "report.html").read_text("utf-8")
    assert not re.findall(r'(?:href|src)="(?!#|data:)', text)
    assert "url(" not in text
    page = Page(text)
    stored = [image["id"] for image in page.attributes("image")]
    shown = {use["href"].removeprefix("#") for use in page.attributes("use")}
    assert len(set(stored)) == len(stored)
    assert set(stored) == shown
    return page


@pytest.mark.slow
def test_a_made_collection_is_mined_and_its_objects_stand_first(network, tmp_path, capsys):
    folder = tmp_path / "run"
    words = ["--network", network, "--images", 40, "--constellations", 150, "--top", 12]
    started(*words, "--folder", folder)
    with (folder / "table.csv").open() as file:
        rows = {row["features"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["context prediction", "random weights", "pixels"]
    assert float(rows["pixels"]["objects above"]) > 0.95
    assert float(rows["pixels"]["not verified"]) < 0.3
    said = capsys.readouterr().out
    assert "made, objects planted in textures: 40 pictures, patches of 8 x 8" in said
    page = report(folder)
    assert "And without verification" in page.texts("h2")
    assert len(page.attributes("article")) >= 4
    before = (folder / "table.csv").read_bytes()
    started(*words, "--folder", folder)
    assert (folder / "table.csv").read_bytes() == before


def test_photographs_are_mined_and_what_is_too_small_is_said(network, photos, tmp_path, capsys):
    folder = tmp_path / "run"
    started(photos, "--network", network, "--folder", folder, "--top", 2)
    said = capsys.readouterr().out
    assert "skipped small.png: smaller than 16 pixels one way" in said
    assert "4 pictures" in said
    page = report(folder)
    assert "Purity and coverage" not in page.texts("h2")
    assert "0 & <b>.png" in page.texts("title")  # escaped, and read back
    assert not page.texts("b")


def test_one_picture_alone_or_with_small_ones_is_refused(network, photos, tmp_path):
    for i in range(1, 4):
        (photos / f"{i} & <b>.png").unlink()
    words = [photos, "--network", network, "--folder", tmp_path / "run"]
    with pytest.raises(click.UsageError, match="1 of 2 pictures with room for four patches, 16"):
        started(*words)
    with pytest.raises(click.UsageError, match="0 of 2 pictures with room for four patches, 66"):
        started(photos, "--longest", 500)  # to learn from, pairs need room
    assert not (tmp_path / "run").exists()


def test_a_network_that_cannot_see_pictures_is_refused(network, tmp_path):
    grey, broken = tmp_path / "grey.safetensors", tmp_path / "broken.safetensors"
    rng = np.random.default_rng(0)
    untrained(rng.random((9, 1, 8, 8)), TINY, "keep", rng=rng).save(grey)
    net = ContextNet.load(network)
    net.parameters["fc6"][0][0] = np.nan
    net.save(broken)
    for path, said in ((grey, "for 1 channels, and pictures have 3"), (broken, "not all finite")):
        with pytest.raises(click.UsageError, match=said):
            started("--network", path, "--folder", tmp_path / "run")


@pytest.mark.slow
def test_on_the_command_line_that_is_one_sentence_and_exit_code_2(network, photos, tmp_path):
    for path in sorted(photos.iterdir())[1:]:
        path.unlink()
    done = commands.finished("mining", tmp_path, tmp_path / "run", photos, "--network", network)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "matches in other pictures take two at least" in line


def test_four_patches_at_random_places_verify_as_often_as_counted_one_by_one():
    grid = Grid(2, 2, np.array([2]), np.array([2]))
    corners = grid.centre
    found = 0
    for four in np.ndindex(4, 4, 4, 4):
        P = corners[list(four)]
        Q = P - P.mean(0)
        c = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])
        s = np.clip((Q * c).sum() / 2, 4 / 3, 8 / 3)
        found += ((Q - s * c) ** 2).sum() < s**2
    assert chance(grid, np.random.default_rng(0)) == pytest.approx(found / 256, abs=0.02)


def test_a_constellation_is_in_an_object_beside_all_or_neither():
    made = planted(6, np.random.default_rng(0), side=64, size=24)
    grid = patch_grid(made.images, 8)
    chosen = constellations(grid)
    within, beside = placed(made, grid, chosen)
    for c, a, b in zip(chosen, within, beside):
        i = grid.image[c[0]]
        inside = np.zeros((64, 64), bool)
        top, left, h, w = made.boxes[i]
        inside[top : top + h, left : left + w] = True
        y, x = grid.corner[c[0]]
        assert a == inside[y : y + 16, x : x + 16].all()
        assert b == (not inside[y : y + 16, x : x + 16].any())
    order = np.concatenate([np.flatnonzero(within), np.flatnonzero(~within)])
    assert (above(order, within, beside), above(order[::-1], within, beside)) == ("1.000", "0.000")
    assert above(order, within, np.zeros_like(within)) == "-"


def test_objects_are_compared_with_what_lies_on_each_texture_by_itself():
    made = planted(10, np.random.default_rng(2), side=64, size=28)
    grid = patch_grid(made.images, 8)
    chosen = constellations(grid)
    objects, beside = placed(made, grid, chosen)
    stripes = beside & (made.textures[grid.image[chosen[:, 0]]] == 0)
    strength = (2.0 * stripes + objects)[:, None]  # first all stripes, then objects, then the rest
    none = np.zeros((len(chosen), 1), int)
    found = Mined(chosen, none, none[..., None], strength, none > 0)
    table, _ = judged(Collection([], [], made, ""), grid, {"made up": found}, 5)
    row = dict(zip(*table))
    assert float(row["objects above"]) == pytest.approx(1 - stripes.sum() / beside.sum(), abs=5e-4)
    assert TEXTURES[0] == "stripes"
    assert [row[f"above {name}"] for name in TEXTURES] == ["0.000", "1.000", "1.000", "1.000"]


@pytest.mark.slow
def test_after_a_short_training_objects_rank_above_every_texture(monkeypatch):
    layers = Convolution(16, 3, norm=True, pool=True), Convolution(32, 3, norm=True)
    monkeypatch.setitem(NETS, "of 8 x 8", Net(8, layers, 64, ()))
    monkeypatch.setattr(mining, "PAIRS", 3000)
    monkeypatch.setattr(mining, "SMALL", mining.SMALL._replace(net="of 8 x 8", gap=4, jitter=1))
    made = planted(48, np.random.default_rng(0), side=64, size=28, kinds=3)
    grid = patch_grid(made.images, 8)
    chosen = constellations(grid, 1000, np.random.default_rng(0))
    net = learned(list(made.images), 2, np.random.default_rng(0))
    found = mine(patch_features(made.images, grid, net), grid, chosen, 12)
    table, _ = judged(Collection([], [], made, ""), grid, {"learned": found}, 5)
    row = dict(zip(*table))
    assert placed(made, grid, chosen)[0].sum() >= 20
    assert all(float(row[f"above {name}"]) > 0.9 for name in TEXTURES)
    assert float(row["not verified"]) < 0.2


@pytest.mark.slow
def test_a_network_is_learned_from_the_pictures_the_same_for_the_same_seed(monkeypatch):
    monkeypatch.setattr(mining, "PAIRS", 129)  # one more than two batches, which is mended
    images = list(planted(3, np.random.default_rng(0), side=80, size=24).images)
    X = np.stack(images)[:, :, :24, :24]
    F, G = (learned(images, 1, np.random.default_rng(0))(X) for _ in range(2))
    assert (F == G).all()
