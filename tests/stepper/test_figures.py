import io
import struct
import zlib

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_array_equal

from minigrad.stepper import figures

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def size(data):
    """Width and height that a PNG file states, after a look at its checksum."""
    assert data[:8] == SIGNATURE
    assert struct.unpack(">I", data[29:33])[0] == zlib.crc32(data[12:29])
    return struct.unpack(">II", data[16:24])


def images(n, h=4, w=6):
    return np.random.default_rng(0).random((n, h, w)).astype(np.float32)


def colours(n, h=4, w=6):
    return images(3 * n, h, w).reshape(n, 3, h, w)


# sheets


@pytest.mark.parametrize(
    ("n", "columns"), [(1, 1), (1, 3), (5, 3), (6, 3), (6, 1), (2, 5)], ids=str
)
def test_a_sheet_places_every_image_and_leaves_gaps_between(n, columns):
    X = images(n, 3, 5)
    page = figures.sheet(X, columns, value=-1)
    rows = -(-n // columns)
    assert page.shape == (rows * 4 - 1, columns * 6 - 1)
    for i, image in enumerate(X):
        top, left = i // columns * 4, i % columns * 6
        assert_array_equal(page[top : top + 3, left : left + 5], image)
    assert (page != -1).sum() == X.size
    assert (page[3::4] == -1).all()
    assert (page[:, 5::6] == -1).all()


def test_a_sheet_of_colours_is_the_sheets_of_their_channels_clipped_and_its_gaps_are_white():
    X = 2 * colours(5) - 0.5
    page = figures.sheet(X, 3)
    for c in range(3):
        expected = np.clip(np.nan_to_num(figures.sheet(X[:, c], 3), nan=1), 0, 1)
        assert_array_equal(page[..., c], expected)


def test_gaps_are_nan_by_default_so_that_no_scale_sees_them():
    page = figures.sheet(images(2), 2)
    assert np.isnan(page[:, 6]).all()
    assert np.isnan(page).sum() == 4


# figures


def log(n=3):
    return [{"step": k, "loss": 1 / (k + 1)} for k in range(n)]


def scores(names):
    return {name: ([50.0, 60.0 + i], [1.0, 2.0]) for i, name in enumerate(names)}


def accuracy(names):
    page, (ax,) = figures.figure(6, 3.6)
    figures.accuracy(ax, (1, 10), scores(names))
    return page


def query_rows(X, *labels):
    near = np.array([[2, 4, 1], [3, 0, 5]])  # of 0: one wrong; of 1: one wrong
    return figures.query_rows(
        X, np.array([0, 1]), {"pixels": near, "again": near[:, ::-1]}, *labels
    )


LABELS = np.array([0, 1] * 6)


def accuracy_per_epoch():
    curves = {"triplet": [40.0, 42.0, 41.0], "ISIF": [42.0, 45.0, 46.0]}
    return figures.accuracy_per_epoch(curves, {"raw pixels": 36.0, "random weights": 35.0})


def scores_against(error=None):
    rows = {"CIFAR-10": ([40.0, 50.0, 55.0], [1.0, 2.0, 1.0])}
    return figures.scores_against([50, 500, 5000], rows, "number of classes", error)


def curves_along():
    curves = {"conv1": [1, 0, 0.5], "HOG": [1, 0, 1], "conv2": [0.5, 0, 1]}
    panels = {"rotation": ([-20, 0, 20], curves), "scale": ([0.5, 1, 2], curves)}
    return figures.curves_along(panels, "distance")


def cosine_densities():
    apart = {"pixels": (np.array([0.9, 0.8]), np.array([0.1, 0.9])), "again": (np.ones(3), [0.2])}
    return figures.cosine_densities(apart, bins=10)


POINTS = np.random.default_rng(1).standard_normal((12, 2)) * [1, 3]


FIGURES = {
    "cosine_densities": cosine_densities,
    "plane_map": lambda: figures.plane_map(POINTS),
    "plane_map of classes": lambda: figures.plane_map(POINTS, LABELS, {0: "four"}, images(12)),
    "plane_map in colour": lambda: figures.plane_map(POINTS, images=colours(12)),
    "plane_map of many": lambda: figures.plane_map(POINTS, np.arange(12)),
    "plane_map of one point": lambda: figures.plane_map(0 * POINTS, LABELS, images=images(12)),
    "bars": lambda: figures.bars({"raw pixels": (40.0, 1.0), "Exemplar-CNN": (60.0, 0.5)}),
    "accuracy_per_epoch": accuracy_per_epoch,
    "scores_against": scores_against,
    "scores_against with an error": lambda: scores_against(([5, 10, 30], [1, 1, 2])),
    "curves_along": curves_along,
    "image_sheet": lambda: figures.image_sheet(images(45)),
    "colours": lambda: figures.image_sheet(colours(45)),
    "one image": lambda: figures.image_sheet(images(1)),
    "versions": lambda: figures.versions(images(3), images(12).reshape(3, 4, 4, 6)),
    "filters": lambda: figures.filters({"a": images(32) - 0.5, "b": images(3), "c": images(9)}),
    "filters in colour": lambda: figures.filters({"a": colours(5) - 0.5, "b": colours(64)}),
    "filters of zeros": lambda: figures.filters({"a": images(8) * 0}),
    "learning_curve": lambda: figures.learning_curve(log()),
    "learning_curve with a guess": lambda: figures.learning_curve(log(1), flat=2.3),
    "learning_curves": lambda: figures.learning_curves({"A": log(), "B": []}, logarithmic=True),
    "accuracy": lambda: accuracy("abc"),
    "query_rows": lambda: query_rows(images(12), LABELS),
    "query_rows in colour": lambda: query_rows(colours(12)),
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_a_figure_becomes_a_png(make):
    page = make()
    assert isinstance(page, Figure)
    width, height = size(figures.png(page))
    assert width > 300
    assert height > 30


def test_a_larger_figure_is_a_larger_png():
    (w, h), (w2, h2) = (size(figures.png(figures.figure(k, k)[0])) for k in (2, 4))
    assert 1.8 * w < w2 < 2.2 * w
    assert 1.8 * h < h2 < 2.2 * h


def test_figure_has_as_many_axes_as_asked_for():
    page, axes = figures.figure(4, 3, columns=3, rows=2)
    assert len(axes) == len(page.axes) == 6
    assert not any(ax.spines[side].get_visible() for ax in axes for side in ("top", "right"))


def shown(ax):
    """The sheet that axes show."""
    (image,) = ax.get_images()
    return np.ma.filled(image.get_array(), np.nan)


def framed(ax):
    """(row, column) of the framed images of a sheet of 4 x 6 images with gaps of 1, by color."""
    found = {}
    for patch in ax.patches:
        assert (patch.get_height(), patch.get_width()) == (4, 6)
        left, top = patch.get_xy()
        place = ((top + 0.5) / 5, (left + 0.5) / 7)  # a pixel reaches half a unit to each side
        found.setdefault(patch.get_edgecolor(), set()).add(place)
    return found


def color(name):
    from matplotlib.colors import to_rgba

    return to_rgba(name)


def test_image_sheet_shows_the_images_from_black_to_white():
    X = images(5)
    (ax,) = figures.image_sheet(X, columns=3).axes
    assert_array_equal(shown(ax), figures.sheet(X, 3))
    assert ax.get_images()[0].get_clim() == (0, 1)


def test_versions_have_their_seed_first_and_framed():
    seeds, V = images(2), images(6).reshape(2, 3, 4, 6)
    (ax,) = figures.versions(seeds, V).axes
    rows = [image for seed, row in zip(seeds, V) for image in (seed, *row)]
    assert_array_equal(shown(ax), figures.sheet(np.array(rows), 4))
    assert framed(ax) == {color(figures.BLUE): {(0, 0), (1, 0)}}


def test_versions_in_colour_have_their_seed_first_and_framed():
    seeds, V = colours(2), colours(6).reshape(2, 3, 3, 4, 6)
    (ax,) = figures.versions(seeds, V).axes
    rows = [image for seed, row in zip(seeds, V) for image in (seed, *row)]
    assert_array_equal(shown(ax), figures.sheet(np.array(rows), 4))
    assert framed(ax) == {color(figures.BLUE): {(0, 0), (1, 0)}}


def test_filters_are_shown_each_at_its_own_scale_with_zero_as_grey():
    W = images(2) - 0.5
    a, b = figures.filters({"A": W, "B": 100 * W}).axes
    assert [ax.get_title("left") for ax in (a, b)] == ["A", "B"]
    np.testing.assert_allclose(shown(a), shown(b), atol=1e-6)
    np.testing.assert_allclose(shown(a)[:4, :6], 0.5 + W[0] / (2 * abs(W[0]).max()), rtol=1e-5)
    assert a.get_images()[0].get_clim() == (0, 1)
    (coloured,) = figures.filters({"A": colours(9) - 0.5}).axes
    assert shown(coloured).shape == (9, 8 * 7 - 1, 3)


def test_a_learning_curve_shows_the_losses_of_a_log_and_the_guess():
    (ax,) = figures.learning_curve(log(), flat=2.3).axes
    curve, guess = ax.get_lines()
    assert_array_equal(curve.get_xydata(), [[0, 1], [1, 1 / 2], [2, 1 / 3]])
    assert set(guess.get_ydata()) == {2.3}
    assert len(figures.learning_curve(log()).axes[0].get_lines()) == 1


def test_learning_curves_show_every_log_against_the_step_and_known_seconds():
    timed = [{**row, "seconds": 2.0 * row["step"]} for row in log()]
    steps, seconds = figures.learning_curves({"A": timed, "B": timed[:1]}).axes
    for ax, scale in ((steps, 1), (seconds, 2)):
        a, b = ax.get_lines()
        assert_array_equal(a.get_xydata(), [[0, 1], [scale, 1 / 2], [2 * scale, 1 / 3]])
        assert_array_equal(b.get_xydata(), [[0, 1]])
        assert b.get_marker() == "o"
        assert a.get_linestyle() != b.get_linestyle()
    assert [ax.get_xlabel() for ax in (steps, seconds)] == ["step", "seconds"]
    assert [text.get_text() for text in steps.get_legend().get_texts()] == ["A", "B"]
    _, seconds = figures.learning_curves({"A": [*timed[:2], *log()], "B": log()}).axes
    assert [len(line.get_xdata()) for line in seconds.get_lines()] == [2, 0]
    (alone,) = figures.learning_curves({"A": log()}, logarithmic=True).axes
    assert alone.get_yscale() == "log"


@pytest.mark.parametrize("names", ["a", "abcd", "abcdef"])
def test_accuracy_draws_every_row(names):
    (ax,) = accuracy(names).axes
    drawn = ax.get_legend_handles_labels()
    assert drawn[1] == list(names)
    for i, bars in enumerate(drawn[0]):
        assert_array_equal(bars.lines[0].get_xydata(), [[1, 50], [10, 60 + i]])
    colors = [bars.lines[0].get_color() for bars in drawn[0]]
    assert len(set(colors)) == len(names)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "10"]


def test_query_rows_show_queries_and_neighbours_and_frame_wrong_classes_red():
    X = images(12)
    left, right = query_rows(X, LABELS).axes
    assert_array_equal(shown(left), figures.sheet(X[[0, 2, 4, 1, 1, 3, 0, 5]], 4))
    blue, red = color(figures.BLUE), color(figures.RED)
    assert framed(left) == {blue: {(0, 0), (1, 0)}, red: {(0, 3), (1, 2)}}
    assert framed(right) == {blue: {(0, 0), (1, 0)}, red: {(0, 1), (1, 2)}}
    assert left.get_title("left") == "pixels: 67% of the same class"


def test_query_rows_frame_right_classes_green_if_asked_and_none_without_labels():
    X = colours(12)
    ax, _ = query_rows(X, LABELS, "same").axes
    assert_array_equal(shown(ax), figures.sheet(X[[0, 2, 4, 1, 1, 3, 0, 5]], 4))
    blue, green = color(figures.BLUE), color(figures.GREEN)
    assert framed(ax) == {blue: {(0, 0), (1, 0)}, green: {(0, 1), (0, 2), (1, 1), (1, 3)}}
    plain, _ = query_rows(X).axes
    assert framed(plain) == {blue: {(0, 0), (1, 0)}}
    assert plain.get_title("left") == "pixels"


def test_query_rows_frame_both_if_asked():
    ax, _ = query_rows(colours(12), LABELS, "both").axes
    blue, green, red = (color(c) for c in (figures.BLUE, figures.GREEN, figures.RED))
    right, wrong = {(0, 1), (0, 2), (1, 1), (1, 3)}, {(0, 3), (1, 2)}
    assert framed(ax) == {blue: {(0, 0), (1, 0)}, green: right, red: wrong}


def test_cosine_densities_show_both_and_say_their_overlap():
    left, right = cosine_densities().axes
    assert left.get_title("left") == "pixels: overlap 0.50"
    assert right.get_title("left") == "again: overlap 0.00"
    same, other = left.patches
    np.testing.assert_allclose(same.get_data().values, [0] * 8 + [5, 5])
    np.testing.assert_allclose(other.get_data().values, [0, 5] + [0] * 7 + [5])
    names = [text.get_text() for text in left.get_legend().get_texts()]
    assert names == ["same class", "other class"]


def test_a_map_has_a_dot_for_each_sample_in_the_color_of_its_class_and_one_scale():
    page = figures.plane_map(POINTS, LABELS, {0: "four"})
    (ax,) = page.axes
    dots = ax.collections[0]
    assert_array_equal(dots.get_offsets(), POINTS)
    expected = [color((figures.BLUE, figures.RED)[t]) for t in LABELS]
    np.testing.assert_allclose(dots.get_facecolors(), expected)
    assert ax.get_aspect() == 1
    for low, high, x in zip(*np.transpose([ax.get_xlim(), ax.get_ylim()]), POINTS.T):
        assert low < x.min() < x.max() < high
    assert [text.get_text() for text in page.legends[0].get_texts()] == ["four", "1"]
    assert not figures.plane_map(POINTS, images=images(12)).legends


@pytest.mark.parametrize("X", [images(300), colours(300)], ids=["grey", "colour"])
def test_thumbnails_stand_at_their_places_and_cover_no_other(X):
    Y, T = np.random.default_rng(2).random((300, 2)), np.arange(300) % 4
    (ax,) = figures.plane_map(Y, T, images=X, columns=10).axes
    left, right, bottom, top = np.transpose([image.get_extent() for image in ax.get_images()])
    centres = np.transpose([left + right, bottom + top]) / 2
    found = [np.abs(Y - centre).sum(1).argmin() for centre in centres]
    np.testing.assert_allclose(Y[found], centres)
    assert 20 < len(set(found)) == len(found) < 110
    for i in range(len(found)):
        gaps = np.abs(centres - centres[i]).max(1)
        gaps[i] = np.inf
        assert gaps.min() > right[i] - left[i]
    for i, image, box in zip(found, ax.get_images(), ax.patches):
        shown = image.get_array()
        assert_array_equal(shown, X[i] if X.ndim == 3 else X[i].transpose(1, 2, 0))
        assert box.get_edgecolor() == tuple(ax.collections[0].get_facecolors()[i])
    assert ax.get_xlim()[0] < 0 < 1 < ax.get_xlim()[1]


def frames_of(gif):
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(gif)) as file:
        shown = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)]
        return shown, file.info


def test_a_moving_map_is_a_small_gif_that_repeats_with_a_frame_for_each_place():
    rng = np.random.default_rng(0)
    end, T = rng.standard_normal((2000, 2)), np.arange(2000) % 10
    Y = np.linspace(0.1, 1, 12)[:, None, None] * end
    gif = figures.moving_map(Y, T, titles=[f"epoch {i}" for i in range(12)])
    shown, info = frames_of(gif)
    assert len(gif) < 12 * 25_000
    assert (len(shown), shown[0].shape, info["loop"]) == (12, (480, 480, 3), 0)
    inked = [(frame != 255).any(2).sum() for frame in shown]
    assert inked[0] < inked[5] < inked[11]  # one scale for all frames
    for frame in (shown[0], shown[-1]):
        assert (frame[200, 0] == 255).all()  # white stays white


@pytest.mark.parametrize("classes", [1, 2, 10, 30, 300])
def test_colors_of_a_moving_map_are_those_of_the_map(classes):
    T = np.arange(300) % classes
    far = np.stack([np.arange(300) % 20, np.arange(300) // 20], 1) * 1.0
    shown, _ = frames_of(figures.moving_map([0 * far, far], T))
    assert len(shown) == 2
    (ax,) = figures.plane_map(far, T).axes
    palette = np.unique(shown[1].reshape(-1, 3), axis=0)
    for rgb in np.unique(ax.collections[0].get_facecolors()[:, :3], axis=0):
        assert np.abs(palette - 255 * rgb).max(1).min() < 20  # 80 hues are 19 apart


@pytest.mark.parametrize(
    ("Y", "T", "sentence"),
    [
        (np.zeros((3, 3)), None, r"finite points in the plane, \(n, 2\), not of \(3, 3\)"),
        (np.zeros((0, 2)), None, r"not of \(0, 2\)"),
        (np.full((3, 2), np.nan), None, r"finite points in the plane"),
        (np.zeros((3, 2)), np.zeros(2), r"a map of 3 points has as many labels, not \(2,\)"),
    ],
)
def test_what_is_no_map_is_refused(Y, T, sentence):
    for make in (figures.plane_map, lambda Y, T: figures.moving_map([Y, Y], T)):
        with pytest.raises(ValueError, match=sentence):
            make(Y, T)


def test_bars_are_as_long_as_the_means_and_say_them():
    (ax,) = figures.bars(
        {"raw pixels": (40.0, 1.0), "HOG": (45.0, 0.25), "ours": (60.0, 0.5)}, "ours"
    ).axes
    assert [bar.get_width() for bar in ax.patches] == [40, 45, 60]
    colors = [bar.get_facecolor() for bar in ax.patches]
    assert colors == [color(figures.GREY)] * 2 + [color(figures.ORANGE)]
    assert [text.get_text() for text in ax.texts] == ["40.0 ± 1.0", "45.0 ± 0.2", "60.0 ± 0.5"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["raw pixels", "HOG", "ours"]
    assert ax.yaxis_inverted()


def test_a_bar_of_one_value_says_no_deviation_and_numpy_numbers_are_numbers():
    rows = {"one seed": (np.float64(40), np.float64(0)), "three": np.array([60, 0.5])}
    (ax,) = figures.bars(rows).axes
    assert [text.get_text() for text in ax.texts] == ["40.0", "60.0 ± 0.5"]
    one, three = (bar for bar in ax.containers if hasattr(bar, "patches"))
    assert (one.errorbar is None, three.errorbar is None) == (True, False)


def test_accuracy_per_epoch_has_the_last_curve_in_orange_and_levels_drawn_apart():
    page = accuracy_per_epoch()
    (ax,) = page.axes
    triplet, ours, *levels = ax.get_lines()
    assert_array_equal(triplet.get_xydata(), [[1, 40], [2, 42], [3, 41]])
    assert ours.get_color() == figures.ORANGE != triplet.get_color()
    assert [line.get_ydata()[0] for line in levels] == [36, 35]
    assert [line.get_linestyle() for line in levels] == [":", "-"]
    assert levels[0].get_zorder() > levels[1].get_zorder()  # dots that are seen on the line
    names = [text.get_text() for text in page.legends[0].get_texts()]
    assert names == ["triplet", "ISIF", "raw pixels", "random weights"]


def test_seven_curves_have_seven_colors():
    curves = {f"method {i}": [40, 42] for i in range(7)}
    (ax,) = figures.accuracy_per_epoch(curves, {}).axes
    assert len({line.get_color() for line in ax.get_lines()}) == 7


def test_scores_against_a_number_have_the_surrogate_error_on_an_axis_of_its_own():
    left, right = scores_against(([5, 10, 30], [1, 1, 2])).axes
    assert_array_equal(left.containers[0].lines[0].get_xydata(), [[50, 40], [500, 50], [5000, 55]])
    assert_array_equal(right.containers[0].lines[0].get_xydata(), [[50, 5], [500, 10], [5000, 30]])
    assert left.get_xscale() == "log"
    assert [label.get_text() for label in left.get_xticklabels()] == ["50", "500", "5,000"]
    assert right.get_ylabel() == "surrogate validation error (%)"
    names = [text.get_text() for text in left.get_legend().get_texts()]
    assert names == ["CIFAR-10", "surrogate error"]
    (alone,) = scores_against().axes
    assert alone.get_legend() is None


def test_curves_along_a_transformation_have_a_panel_each_and_factors_a_log_axis():
    rotation, scale = curves_along().axes
    assert [ax.get_title("left") for ax in (rotation, scale)] == ["rotation", "scale"]
    assert [ax.get_xscale() for ax in (rotation, scale)] == ["linear", "log"]
    for ax, x in ((rotation, [-20, 0, 20]), (scale, [0.5, 1, 2])):
        conv1, hog, conv2 = ax.get_lines()
        assert_array_equal(conv1.get_xydata(), np.transpose([x, [1, 0, 0.5]]))
        assert (hog.get_linestyle(), hog.get_color()) == ("--", figures.GREY)
        assert conv1.get_color() != conv2.get_color()


def test_curves_of_other_names_in_each_panel_have_their_names_below_it():
    panels = {"A": ([0, 1], {"a": [0, 1]}), "B": ([0, 1], {"b": [0, 1], "c": [1, 0]})}
    page = figures.curves_along(panels, "accuracy")
    names = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in page.axes]
    assert names == [["a"], ["b", "c"]]
    assert not page.legends
    (shared,) = curves_along().legends
    assert [text.get_text() for text in shared.get_texts()] == ["conv1", "HOG", "conv2"]


def test_nothing_needs_a_display_or_changes_what_others_draw():
    import matplotlib.pyplot as plt

    for make in FIGURES.values():
        make()
    assert not plt.get_fignums()
