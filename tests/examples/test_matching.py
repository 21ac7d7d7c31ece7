import csv
import functools

import numpy as np
import pytest
from minigrad.models.exemplar_descriptors import ExemplarDescriptor
from PIL import Image
from sklearn.datasets import load_sample_images

from examples import matching, matching_networks
from examples.matching import (
    BASES,
    CHOOSING,
    GREY,
    LEAST,
    METHODS,
    PLAIN,
    QUICK,
    Bench,
    Result,
    Size,
    View,
    at_unit_length,
    over_seeds,
    report_sizes,
    sized,
    under,
)
from examples.matching_networks import (
    BLUR,
    BLUR_REACH,
    KINDS,
    NETWORK_PRESETS,
    ORIG,
    PatchNetworks,
)
from minigrad import to_cpu
from minigrad.data import MATCHING_SET, Seeds
from tests.examples import commands

example = functools.partial(commands.finished, "matching")
SHAPE = 2, 6, 4  # images, changes, magnitudes


def crops(n, sides=(150, 180)):
    """Windows of the two photographs that scikit-learn carries."""
    rng = np.random.default_rng(0)
    for i in range(n):
        image = load_sample_images().images[i % 2]
        top, left = (rng.integers(0, a - b) for a, b in zip(image.shape, sides))
        yield image[top : top + sides[0], left : left + sides[1]]


def write_photographs(folder, n, sides=(150, 180)):
    folder.mkdir(parents=True)
    for i, image in enumerate(crops(n, sides)):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    return folder


def made_up(**shifts):
    """A Result of two seeds; shifts: AP of methods above .5, by their first word."""
    ap = {
        (m, seed): np.full((2, *SHAPE), 0.5 + shifts.get(m.split(",")[0], 0) + 0.02 * seed)
        for m in METHODS
        for seed in range(1 if m in PLAIN else 2)
    }
    return ap, np.full(SHAPE, 10)


def columns(lines, name):
    """The cells of the row of a name, in the last table that has it."""
    (*_, row) = (text for text in lines if text.startswith(f"{name}  "))
    return row.removeprefix(name).split("  ")


@pytest.mark.slow
def test_a_scene_finds_what_match_finds():
    pytest.importorskip("cv2")
    from minigrad.evaluate import match, sift

    (image,) = (crop.transpose(2, 0, 1) for crop in crops(1))
    changed = MATCHING_SET["rotation"].apply(image, 30)
    theirs = match(image, changed.image, changed.map, sift, size=32)
    scene = under(View(image), MATCHING_SET["rotation"], 30)
    ap, unit = scene.precisions(sift, 32)
    assert theirs.achievable == scene.achievable[0] > 3
    assert ap == pytest.approx([theirs.ap])
    assert unit == pytest.approx(ap, abs=0.1)


def test_an_image_without_regions_matches_nothing():
    pytest.importorskip("cv2")
    from minigrad.evaluate import sift

    scene = under(View(np.full((3, 64, 64), 90, np.uint8)), MATCHING_SET["blur"], 1)
    assert scene.achievable == [0]
    assert scene.precisions(sift, 32) == ([0.0], [0.0])


@pytest.mark.slow
def test_all_layers_in_one_pass_are_each_layer_by_itself(tmp_path):
    pytest.importorskip("cv2")
    (image,) = (crop.transpose(2, 0, 1) for crop in crops(1))
    scene = under(View(image), MATCHING_SET["rotation"], 30)
    net = PatchNetworks(tmp_path, [image], NETWORK_PRESETS["tiny"], to_cpu)
    net = net.get("orig, random weights", 0)
    each = [scene.precisions(ExemplarDescriptor(net, i), 48)[0][0] for i in (1, 2, 3, 4)]
    assert scene.of_layers(net, 48) == pytest.approx(each)


def test_unit_length_leaves_zero_alone():
    F = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert at_unit_length(F).tolist() == [[0.6, 0.8], [0.0, 0.0]]
    assert at_unit_length(np.zeros((0, 3, 4, 4))).shape == (0, 48)


def test_means_are_over_seeds_and_errors_over_images():
    ap, most = made_up(SIFT=0.2)
    for key in ap:
        ap[key][0, 1] += 0.1  # the second image is easier
    result = Result(ap, most, {}, dict.fromkeys(METHODS, (0, 32)))
    assert result.means["Exemplar-CNN-orig"][0, 0, 0] == pytest.approx(0.51)
    assert result.words(result.means["SIFT"]) == "0.750 +- 0.050"
    less = result.means["Exemplar-CNN-blur"] - result.means["SIFT"]
    assert result.words(less, sign="+") == "-0.190 +- 0.000"
    assert over_seeds(ap)["SIFT"].shape == (2, *SHAPE)


def test_pairs_of_which_none_can_be_right_count_nowhere():
    ap, most = made_up()
    blur = list(MATCHING_SET).index("blur")
    most[0, blur, 3] = 0
    for key in ap:
        ap[key][:, 0, blur, 3] = 0
    result = Result(ap, most, {}, dict.fromkeys(METHODS, (0, 32)))
    assert result.words(result.means["SIFT"], "blur") == "0.500 +- 0.000"
    magnitudes, means, errors = result.curves("SIFT")["blur"]
    assert (means[3], errors[3]) == (0.5, 0.0)
    most[:, blur, 3] = 0
    assert Result(ap, most, {}, {}).curves("SIFT")["blur"][1][3] == 0


def test_the_table_says_in_how_many_pairs_sift_is_above():
    ap, most = made_up(SIFT=0.1, raw=0.0)
    ap["raw pixels", 0][0, 0, 0] = 0.9  # of one image, under all of the first change
    result = Result(ap, most, {}, dict.fromkeys(METHODS, (0, 32)))
    lines = list(result.table())
    cells = [cell.strip() for cell in columns(lines, "raw pixels") if cell.strip()]
    assert cells[:2] == ["44, 4", "4, 4"]
    assert set(cells[2:]) == {"8, 0"}


def test_what_blur_in_training_gains_is_its_difference():
    ap, most = made_up(**{"Exemplar-CNN-blur": 0.3, "orig": 0.05})
    ap["Exemplar-CNN-blur", 1] += 0.02
    lines = list(Result(ap, most, {}, {}).effects())
    for words, gain, seeds in (
        ("blur in training, 7 x 7", "+0.310", "+0.300, +0.320"),
        ("blur in training, 5 x 5", "+0.050", "+0.050, +0.050"),
    ):
        assert columns(lines, words)[-1].strip() == seeds
        assert columns(lines, words)[-2].strip() == f"{gain} +- 0.000"


def test_the_four_networks_are_two_architectures_with_and_without_blur():
    taught = [kind for kind in KINDS.values() if kind.blur is not None]
    assert len(set(taught)) == len(taught) == 4
    for preset in NETWORK_PRESETS.values():
        assert "c5-" in preset.codes["5x5"]
        assert "c7s2-" in preset.codes["7x7s2"]
    assert NETWORK_PRESETS["paper"].codes["7x7s2"] == "64c7s2-128c5-256c5-512f"


def test_random_weights_are_those_of_their_seed(tmp_path):
    images = [crop.transpose(2, 0, 1) for crop in crops(2)]
    nets = PatchNetworks(tmp_path, images, NETWORK_PRESETS["tiny"], to_cpu)
    one, again, other = (nets.get("orig, random weights", seed) for seed in (0, 0, 1))
    W = [net.parameters["conv1"][0] for net in (one, again, other)]
    assert np.array_equal(W[0], W[1])
    assert not np.array_equal(W[0], W[2])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_network_is_trained_once_and_differs_by_blur(tmp_path):
    images = [crop.transpose(2, 0, 1) for crop in crops(4)]
    nets = PatchNetworks(tmp_path, images, NETWORK_PRESETS["tiny"], to_cpu)
    plain, blurred = (nets.get(name, 0) for name in ("Exemplar-CNN-orig", "orig, with blur"))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/extractor.safetensors")}
    assert len(files) == 2
    again = nets.get("Exemplar-CNN-orig", 0)
    assert files == {path: path.stat().st_mtime_ns for path in files}
    same, differs = (net.parameters["conv1"][0] for net in (again, blurred))
    assert np.array_equal(plain.parameters["conv1"][0], same)
    assert not np.array_equal(plain.parameters["conv1"][0], differs)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.blur is not None])
def test_a_network_learns_from_other_photographs_with_the_blur_that_its_name_says(
    tmp_path, monkeypatch, name
):
    seen = {}

    class Trained:
        def save(self, file):
            file.parent.mkdir(parents=True)
            file.write_bytes(b"")

    def fit(ranges, settings, **options):
        seen.update(blur=ranges.blur, code=settings.code)
        return Trained(), []

    def seed_patches(images, *numbers, **options):
        seen["learned"] = [int(image[0, 0, 0]) for image in images]
        return Seeds(*[None] * 5)

    monkeypatch.setattr(matching_networks, "seed_patches", seed_patches)
    monkeypatch.setattr(matching_networks, "Surrogates", lambda seeds, versions, ranges: ranges)
    monkeypatch.setattr(matching_networks, "fit", fit)
    monkeypatch.setattr(matching_networks.Extractor, "load", lambda file: "loaded")
    bench = bench_of(tmp_path)
    assert bench.network(name, 0) == "loaded"
    assert seen["blur"] == (BLUR_REACH if "with blur" in name or name == BLUR else None)
    assert ("7s2" in seen["code"]) == (name in (BLUR, "blur, without blur"))
    apart = [[int(image[0, 0, 0]) for image in some] for some in (bench.bases, bench.choosing)]
    assert apart == [list(range(0, 160, 10)), list(range(160, 200, 10))]
    assert seen["learned"] == [200, 210]


def bench_of(folder, size=QUICK):
    """A Bench of 22 photographs of one grey each: 0, 10, 20 ..."""
    (folder / "photos").mkdir()
    for i in range(BASES + CHOOSING + 2):
        image = Image.new("RGB", (LEAST, LEAST), (10 * i,) * 3)
        image.save(folder / f"photos/{i:02}.png")
    return Bench(size, folder, folder / "photos", "tiny", to_cpu, None)


def test_the_best_size_and_layer_are_taken_as_they_are_on_images_that_nobody_is_judged_on(
    tmp_path, monkeypatch, capsys
):
    bench, asked = bench_of(tmp_path, Size(choosing=2, sizes=(32, 48))), []
    best = {"SIFT": (0, 1), "raw pixels": (0, 0), ORIG: (2, 0), BLUR: (3, 1)}

    def cell(compute, image, method, seed, **plan):
        asked.append(int(image[0, 0, 0]))
        grid = np.full((1 if method in PLAIN else 4, 2), 0.5)
        grid[best[method]] = 0.6
        return {"grid": grid}

    monkeypatch.setattr(bench, "cell", cell)
    grids = bench.sweep()
    assert set(asked) == {160, 170}
    assert bench.chosen["SIFT"] == (0, 48)
    for name, taken in ((ORIG, (3, 32)), (BLUR, (4, 48))):
        alike = [m for m, kind in KINDS.items() if kind.first == KINDS[name].first]
        alike += [m for m, of in GREY.items() if of == name]
        assert {bench.chosen[method] for method in alike} == {taken}
    report_sizes(bench, grids)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "AP over patch size and layer on 16.png, 17.png; * is taken"
    stars = {text[:34].strip(): text.index("*") > 60 for text in said[1:] if "*" in text}
    expected = {"SIFT": True, "raw pixels": False}
    assert stars == expected | {f"{ORIG}, layer 3": False, f"{BLUR}, layer 4": True}
    rows = list(sized(grids, (32, 48)))
    assert len(rows) == 2 * (1 + 1 + 4 + 4)
    assert {"method": ORIG, "layer": 3, "size": 32, "AP": 0.6} in rows


def test_grey_patches_are_seen_without_colours(tmp_path, monkeypatch):
    bench = bench_of(tmp_path)
    monkeypatch.setattr(bench, "network", lambda method, seed: (method, seed))
    monkeypatch.setattr(matching, "ExemplarDescriptor", lambda net, layer: lambda P: (net, P))
    P = np.random.default_rng(0).random((2, 3, 5, 5), np.float32)
    for name, of in GREY.items():
        net, seen = bench.describe(name, 1, 3)(P)
        assert net == (of, 1)
        assert seen.shape == (2, 1, 5, 5)
        assert bench.describe(of, 1, 3)(P)[1] is P


def test_graf_is_matched_by_the_map_from_the_first_photograph(tmp_path, monkeypatch):
    H = np.array([[1, 0, 10], [0, 1, 20], [0, 0, 1]])
    images = np.zeros((2, 3, 40, 40), np.uint8)
    monkeypatch.setattr(matching, "graf", lambda other: (*images, other * H))
    bench, scenes = bench_of(tmp_path), []

    def measured(scene, image, change, magnitudes):
        scenes.append(scene)
        return {("SIFT", 0): {"ap": [0.5, 0.25]}}

    monkeypatch.setattr(bench, "measured", measured)
    assert bench.graf()["SIFT", 0].tolist() == [0.5, 0.25]
    (scene,) = scenes
    for _, where in scene.others:
        assert where(np.zeros((1, 2))).tolist() == [[20.0, 10.0]]


def test_one_image_has_no_error():
    ap, most = made_up()
    result = Result({key: A[:, :1] for key, A in ap.items()}, most[:1], {}, {})
    assert "+-" not in "".join(map(str, (*result.blur(), *result.effects())))


@pytest.mark.slow
def test_a_quick_run_says_and_draws_all_and_computes_nothing_twice(tmp_path):
    pytest.importorskip("cv2")
    photos = write_photographs(tmp_path / "photos", BASES + CHOOSING + 2)
    first = example(tmp_path, tmp_path / "run", "--quick", photos)
    assert (first.returncode, first.stderr) == (0, "")
    assert "without graf" in first.stdout
    with (tmp_path / "run/table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(METHODS) * 24
    assert {row["method"] for row in rows} == set(METHODS)
    assert all(0 <= float(row["AP"]) <= 1 for row in rows)
    easy = [r for r in rows if (r["method"], r["change"]) == ("SIFT", "rotation")]
    assert np.mean([float(r["AP"]) for r in easy]) > 0.5
    for name in ("sizes", "scatter", "changes"):
        assert (tmp_path / f"run/{name}.png").read_bytes().startswith(b"\x89PNG")
    cells = (tmp_path / "run/cells.json").read_bytes()
    again = example(tmp_path, tmp_path / "run", "--quick", photos)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert (tmp_path / "run/cells.json").read_bytes() == cells


def refused(tmp_path, *words):
    """The one line of a run that ends with exit code 2."""
    done = example(tmp_path, tmp_path / "run", *words)
    assert done.returncode == 2
    (said,) = done.stderr.splitlines()
    return said


@pytest.mark.slow
def test_a_missing_folder_is_one_line_and_exit_code_2(tmp_path):
    assert "photos" in refused(tmp_path)


@pytest.mark.slow
def test_too_few_photographs_that_are_large_enough_are_one_line(tmp_path):
    photos = write_photographs(tmp_path / "photos", 20, sides=(120, 180))
    assert refused(tmp_path, photos).startswith(
        f"{photos}: 0 photographs of 128 pixels each way or more, 21 are needed"
    )


@pytest.mark.slow
@pytest.mark.parametrize("size", [31, 257])
def test_patches_that_networks_cannot_take_are_one_line(tmp_path, size):
    assert f"{size} is not in the range 32<=x<=256" in refused(tmp_path, "--size", size)


@pytest.mark.slow
def test_without_opencv_it_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "cv2.py").write_text("raise ImportError('hidden')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "pip install" in refused(tmp_path)
