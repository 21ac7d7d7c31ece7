import csv
from types import SimpleNamespace

import click
import numpy as np
import pytest
from minigrad.models.image_descriptors import neural_codes
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.datasets import load_sample_images
from sklearn.metrics import average_precision_score

from examples import retrieval
from minigrad.data import DataError, scene_views
from minigrad.evaluate import crow, mac, multi_scale, pca_whitening, pixels, rmac, spoc
from minigrad.nodes import normalize
from minigrad.stepper import figures
from tests.examples import commands

TINY = retrieval.QUICK._replace(classes=14, versions=4, epochs=1, tuned=1)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Sixteen pictures, strips of two."""
    folder = tmp_path / "data" / "photos"
    folder.mkdir(parents=True)
    for i in range(16):
        image, top = load_sample_images().images[i % 2], 20 * i
        Image.fromarray(image[top : top + 70, 40 * i : 40 * i + 100]).save(folder / f"{i:02}.png")
    monkeypatch.setenv("MINIGRAD_DATA", str(folder.parent))
    return folder.parent


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Of twelve small photographs in memory, three views each; nothing is kept."""
    rng = np.random.default_rng(0)
    some = list(rng.integers(0, 256, (12, 3, 24, 32), np.uint8))
    monkeypatch.setattr(retrieval, "large", lambda folder: some)
    monkeypatch.setattr(retrieval, "VIEWS", 3)
    monkeypatch.setattr(retrieval, "SEEN", {**retrieval.SEEN, "side": 16})
    monkeypatch.setattr(retrieval.Bench, "network", lambda self, learn, *facts: learn())
    return retrieval.Bench(TINY, tmp_path)


def nothing(*_):
    raise AssertionError("computed again")


def started(*words):
    return retrieval.main([str(w) for w in words], standalone_mode=False)


def test_same_views_that_hardly_overlap_are_junk_and_so_is_the_query(data, tmp_path):
    bench = retrieval.Bench(TINY, tmp_path)
    made, q = bench.made, bench.asked
    overlap = made.overlap()
    assert len(made.scenes) == 8 * retrieval.VIEWS
    for i in q[::7]:
        for j in range(len(made.scenes)):
            same = made.scenes[i] == made.scenes[j]
            right = same and i != j and overlap[i, j] >= retrieval.ENOUGH
            assert bench.relevant[i, j] == right
            assert bench.junk[i, j] == (same and not right)
    perfect = bench.relevant.astype(float) + 2 * bench.junk  # junk before all: it counts nothing
    F = np.linalg.cholesky(perfect + perfect.T + 99 * np.eye(len(perfect)))
    assert bench.scores(F)["rectangle"] > 90
    assert bench.precisions(F).mean() == pytest.approx(bench.scores(F)["rectangle"] / 100)


def test_distractors_are_not_asked(data, tmp_path, monkeypatch):
    monkeypatch.setattr(retrieval, "ASKED", 3)
    bench = retrieval.Bench(TINY, tmp_path)
    assert set(bench.made.scenes[bench.asked]) == {0, 1, 2}
    assert bench.scores(normalize(pixels(bench.made.images)))["rectangle"] <= 100


def test_what_is_learned_from_is_not_searched(monkeypatch, bench):
    seen = []

    def see(photographs, rng, **how):
        seen.append({x.tobytes() for x in photographs})
        return scene_views(photographs, rng=rng, **how)

    monkeypatch.setattr(retrieval, "scene_views", see)
    again = retrieval.Bench(TINY, bench.networks)
    learned, searched = seen
    assert {x.tobytes() for x in again.learned} == learned
    assert (len(learned), len(searched), len(learned | searched)) == (6, 6, 12)
    assert_array_equal(again.known.images, bench.known.images)
    assert (again.known.images != again.made.images).any()


def test_networks_learn_from_the_learning_photographs_and_their_views(bench, monkeypatch):
    cut, learned, tuned = [], [], []
    monkeypatch.setattr(retrieval, "seed_patches", lambda *a, **_: cut.append(a) or "patches")
    monkeypatch.setattr(retrieval, "Surrogates", lambda *a: a)
    pretext = lambda *a, rng, **_: learned.append((*a, rng.random())) or ["a network"]
    monkeypatch.setattr(retrieval.exemplar_training, "fit", pretext)
    tune = lambda *a, rng, **_: tuned.append((*a, rng.random())) or ["tuned"]
    monkeypatch.setattr(retrieval, "fit", tune)
    assert bench.tuned(("R-MAC", "m1", "N1"), 5) == "tuned"
    first = np.random.default_rng(5).random()
    assert cut[0][0] is bench.learned
    assert learned == [(("patches", TINY.versions), bench.pretext(), first)]
    assert tuned == [("a network", bench.known, bench.settings(("R-MAC", "m1", "N1")), first)]


def test_the_rules_of_a_row_are_those_it_learns_by(bench):
    for rules in retrieval.FULL.rules:
        how = bench.settings(rules)
        assert (how.pooling, how.positives, how.negatives) == rules
        assert (how.epochs, how.rate) == (TINY.tuned, TINY.rates[1])


def test_random_weights_are_those_of_their_seed(bench):
    one, same, other = (neural_codes(bench.random(i), bench.known.images) for i in (0, 0, 1))
    assert_array_equal(one, same)
    assert (one != other).any()


def test_a_score_is_mean_average_precision_without_junk(bench):
    F = normalize(np.random.default_rng(0).random((18, 5)))
    expected = []
    for q in bench.asked:
        left = ~bench.junk[q]
        expected.append(average_precision_score(bench.relevant[q, left], F[left] @ F[q]))
    found = bench.scores(F)
    assert bench.junk[bench.asked].sum() > len(bench.asked)  # not the queries alone
    assert_allclose(bench.precisions(F), expected)
    assert found["rectangle"] == pytest.approx(100 * np.mean(expected))
    assert found["trapezoid"] < found["rectangle"]


def test_poolings_codes_and_pixels_are_judged_whitened_by_the_learning_views(bench, monkeypatch):
    codes = lambda X: normalize(X.std((2, 3)))
    monkeypatch.setattr(retrieval, "described", lambda net, X, pool: pool(X / 255))
    monkeypatch.setattr(retrieval, "neural_codes", lambda net, X: codes(X))
    for name, pool in {"MAC": mac, "SPoC": spoc, "CroW": crow, "R-MAC": rmac}.items():
        assert bench.forms(lambda: None, name) == forms(bench, lambda X, pool=pool: pool(X / 255))
    assert bench.forms(lambda: None, "neural codes") == forms(bench, codes)
    centred = lambda X: normalize(pixels(X) - pixels(X).mean(1, keepdims=True))
    F, known = centred(bench.made.images), centred(bench.known.images)
    white = bench.scores(retrieval.whitening(known)(F))
    assert bench.of_pixels() == {"plain": bench.scores(F), "whitened": white}


def forms(bench, describe):
    """What `Bench.forms` is to find, written out."""
    F, known = describe(bench.made.images), describe(bench.known.images)
    G, other = (multi_scale(V.images, describe) for V in (bench.made, bench.known))
    return {
        "plain": bench.scores(F),
        "whitened": bench.scores(retrieval.whitening(known)(F)),
        "3 scales": bench.scores(G),
        "3 scales, whitened": bench.scores(retrieval.whitening(other)(G)),
    }


@pytest.fixture
def counted(bench):
    """A bench of two seeds, whose figures tell network, seed, pooling, form and rule apart."""
    bench.size = TINY._replace(seeds=2, rules=retrieval.FULL.rules)
    bench.cells = SimpleNamespace(get=lambda plan, compute: compute())
    bench.of_pixels = lambda: figure_of(0)
    bench.random, bench.exemplar = lambda seed: 100 + 2 * seed, lambda seed: 200 + 2 * seed
    bench.tuned = lambda rules, seed: 300 + 2 * seed + 9 * (rules == ("MAC", "m3", "N2"))
    bench.forms = lambda make, pooling: figure_of(make() + len(pooling))
    return bench


def figure_of(base):
    return {
        form: {"rectangle": base + 10 * i, "trapezoid": base + 10 * i + 5}
        for i, form in enumerate(retrieval.FORMS)
    }


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_table_of_poolings_has_means_and_errors_over_seeds(counted, tmp_path, capsys):
    retrieval.poolings(counted, tmp_path)
    bases = {"random weights": 101, "Exemplar-CNN": 201}  # of seeds 0 and 1
    pools = "MAC", "SPoC", "CroW", "R-MAC", "neural codes"
    names = [("raw pixels", ""), *((network, pool) for network in bases for pool in pools)]
    rows = read(tmp_path / "descriptors.csv")
    assert [(row["network"], row["pooling"]) for row in rows[::2]] == names
    for row in rows:
        learned = row["network"] in bases
        expected = figure_of(bases[row["network"]] + len(row["pooling"]) if learned else 0)
        for form in retrieval.FORMS:
            assert float(row[form]) == expected[form][row["rule"]]
            assert float(row[f"{form}, error"]) == learned
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "random weights MAC 104.0 +- 1.0 114.0 +- 1.0 124.0 +- 1.0 134.0 +- 1.0" in said


def test_the_table_of_fine_tuning_has_all_rules_and_gives_the_best(counted, tmp_path, capsys):
    assert retrieval.tunings(counted, tmp_path) == ("MAC", "m3", "N2")
    columns = "pooling", "positives", "negatives"
    rows = read(tmp_path / "tuning.csv")
    expected = {("MAC", "before", ""): 204, ("R-MAC", "before", ""): 206}
    expected |= {rules: 301 + len(rules[0]) for rules in retrieval.FULL.rules}
    expected["MAC", "m3", "N2"] += 9
    assert {tuple(row[c] for c in columns): float(row["plain"]) for row in rows[::2]} == expected
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "MAC before 204.0 +- 1.0 209.0 +- 1.0 214.0 +- 1.0" in said


@pytest.mark.slow
def test_the_picture_goes_from_a_query_that_loses_to_one_that_gains(bench, monkeypatch):
    before, after = normalize(np.random.default_rng(0).random((2 * 18, 8))).reshape(2, 18, 8)
    bench.exemplar, bench.tuned = lambda seed: before, lambda rules, seed: after
    monkeypatch.setattr(retrieval, "described", lambda net, images, pool: net)
    color, pairs = bench.color, []
    bench.color = lambda q, i: pairs.append((q, i)) or color(q, i)
    retrieval.shown(bench, ("MAC", "m3", "N2"))
    pairs = np.reshape(pairs, (2, retrieval.SHOWN, 1 + retrieval.FIRST, 2))
    queries = pairs[0, :, 0, 0]
    gains = (bench.precisions(after) - bench.precisions(before))[
        np.searchsorted(bench.asked, queries)
    ]
    assert gains[0] < 0 < gains[-1]
    assert (np.diff(gains) >= 0).all()
    for F, found in zip((before, after), pairs):
        S = F[queries] @ F.T
        S[np.arange(len(S)), queries] = 2  # itself first
        assert_array_equal(found[:, :, 1], np.argsort(-S)[:, :7])


def test_frames_tell_the_query_right_junk_and_wrong_apart(bench):
    seen = set()
    for q in bench.asked:
        known = dict.fromkeys(range(18), figures.RED)
        known |= dict.fromkeys(np.flatnonzero(bench.junk[q]), figures.GREY)
        known |= dict.fromkeys(np.flatnonzero(bench.relevant[q]), figures.GREEN)
        known[q] = figures.BLUE
        assert {i: bench.color(q, i) for i in range(18)} == known
        seen |= set(known.values())
    assert len(seen) == 4


@pytest.mark.slow
def test_it_prints_and_writes_its_tables_and_goes_on_where_it_ended(
    data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(retrieval, "QUICK", TINY)
    folder = tmp_path / "run"
    started("--quick", "--folder", folder)
    said = capsys.readouterr().out
    assert "Exemplar-CNN     neural codes" in said
    assert "MAC m3 random" in said
    with (folder / "descriptors.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (1 + 2 * 5)
    assert all(0 < float(row["plain"]) <= 100 for row in rows)
    with (folder / "tuning.csv").open() as file:
        rules = [row["positives"] for row in csv.DictReader(file)]
    assert rules == ["before", "before", "m3", "m3", "m3", "m3"]
    with Image.open(folder / "retrieval.png") as picture:
        assert picture.width > 500
    before = (folder / "cells.json").read_bytes()
    monkeypatch.setattr(retrieval.Bench, "forms", nothing)
    started("--quick", "--folder", folder)
    assert (folder / "cells.json").read_bytes() == before
    assert capsys.readouterr().out == said


def test_a_missing_folder_of_photographs_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    with pytest.raises(DataError, match="there is no folder"):
        started("--quick", "--folder", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_few_or_small_photographs_are_said(data, tmp_path, capsys):
    for i in range(5):
        Image.new("RGB", (31, 80)).save(data / "photos" / f"{i:02}.png")
    with pytest.raises(click.UsageError, match="11 pictures of 32 pixels or more .*, and 12 are"):
        started("--quick", "--folder", tmp_path / "run")
    assert "skipped 04.png: too small" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_descriptors_that_vary_along_few_directions_are_whitened_along_these():
    F = np.random.default_rng(0).normal(size=(90, 40))
    assert retrieval.whitening(F).P.shape == (40, 32)
    assert retrieval.whitening(F[:9]).P.shape == (40, 8)
    np.testing.assert_array_equal(retrieval.whitening(F).P, pca_whitening(F, 32).P)


@pytest.mark.slow
def test_on_the_command_line_that_is_one_sentence_and_exit_code_2(tmp_path):
    done = commands.finished("retrieval", tmp_path, tmp_path / "run", "--quick")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "there is no folder" in line
