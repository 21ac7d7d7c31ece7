"""Gallery: arrays as bytes, numbers and notes."""

import base64

import numpy as np
import pytest

from minigrad.stepper.heatmaps import Gallery

X = "\N{MULTIPLICATION SIGN}"


def entry(a, cells=16384):
    gallery = Gallery(cells)
    gallery.add(np.asarray(a))
    return gallery.entries[0]


def drawn(entry):
    """The matrix that a page draws, NaN where a cell is not finite or stands for nothing."""
    coded = np.frombuffer(base64.b64decode(entry["cells"]), np.uint8)
    low, high = entry["drawn"]
    values = np.where(coded == 255, np.nan, low + coded / 254 * (high - low))
    return values.reshape(entry["rows"], entry["columns"])


@pytest.mark.parametrize("shape", [(), (5,), (6, 4), (64, 64), (2, 3, 4), (2, 3, 4, 5)])
def test_what_is_drawn_is_off_by_half_a_byte_at_most(shape):
    a = np.random.default_rng(0).normal(size=shape)
    e = entry(a)
    assert "note" not in e
    assert e["range"] == [a.min(), a.max()]
    assert np.nanmax(np.abs(np.sort(drawn(e), None) - np.sort(a, None))) <= np.ptp(a) / 508 + 1e-12


def test_maps_stand_beside_each_other():
    a = np.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2)
    e = entry(a)
    assert e["tile"] == [2, 2]
    sheet = drawn(e)
    assert sheet.shape == (4, 6)
    assert np.allclose(sheet[:2, :2], a[0, 0], atol=0.05)
    assert np.allclose(sheet[2:, 4:], a[1, 2], atol=0.05)


def test_long_sides_are_means_of_blocks_and_say_so():
    a = np.arange(130.0 * 10).reshape(130, 10)
    e = entry(a)
    assert e["note"] == f"means of 3{X}1"
    assert drawn(e).shape == (44, 10)
    assert np.allclose(drawn(e)[0], a[:3].mean(0), atol=3)
    assert np.allclose(drawn(e)[-1], a[129:].mean(0), atol=3)
    assert e["range"] == [0, 1299]


def test_of_many_maps_the_first_are_drawn_and_it_says_so():
    e = entry(np.zeros((64, 64, 5, 5)))
    assert e["note"] == "first 63 of 4096 maps"
    assert e["rows"] * e["columns"] == 63 * 25


def test_no_array_has_more_cells_than_it_may():
    for shape in [(1000, 1000), (30, 30, 40, 40), (3, 224, 224), (100_000,)]:
        e = entry(np.zeros(shape), cells=4096)
        assert e["rows"] * e["columns"] <= 4096


@pytest.mark.parametrize("shape", [(), (3,), (8, 8), (2, 2, 4, 4)])
def test_up_to_64_entries_are_given_as_numbers(shape):
    a = np.random.default_rng(0).normal(size=shape)
    e = entry(a)
    assert e["whole"]
    given = np.array(e["values"], float)
    assert np.allclose(np.sort(given, None), np.sort(a, None), rtol=1e-3)


def test_of_more_entries_the_first_corner_is_given():
    a = np.arange(100.0).reshape(10, 10)
    e = entry(a)
    assert not e["whole"]
    assert e["values"][1][:3] == ["10", "11", "12"]
    assert len(e["values"]) == len(e["values"][0]) == 6


def test_what_is_not_finite_is_counted_and_apart():
    e = entry([[1.0, np.nan], [-np.inf, 3.0]])
    assert e["range"] == [1, 3]
    assert e["note"] == "2 not finite"
    assert np.isnan(drawn(e)).tolist() == [[False, True], [True, False]]
    assert e["values"][0] == ["1", "nan"]
    assert entry([np.nan])["range"] == [0, 0]


def test_an_empty_array_is_called_empty():
    assert entry(np.zeros((0, 3))) == {"shape": f"0{X}3", "note": "empty"}


def test_numbers_may_be_as_large_and_as_small_as_there_are():
    a = np.array([[-1.7e308, 0.0], [0.85e308, 1.7e308]])
    coded = np.frombuffer(base64.b64decode(entry(a)["cells"]), np.uint8)
    assert coded.tolist() == [0, 127, 190, 254]
    assert entry(a)["range"] == [-1.7e308, 1.7e308]
    assert drawn(entry([5e-324, -5e-324])).tolist() == [[5e-324, -5e-324]]
    assert entry(np.full((100, 100), 1.7e308))["range"] == [1.7e308, 1.7e308]


@pytest.mark.parametrize(
    ("a", "note"),
    [
        (np.array([1j, 2.0]), "complex"),
        (np.array(["a", "b"]), "not numbers"),
        (np.array([None, "b"]), "not numbers"),
        (np.array("2026-01-01", "M8[D]"), "not numbers"),
    ],
)
def test_what_is_no_real_number_is_not_drawn_and_says_so(a, note):
    assert entry(a) == {"shape": "2" if a.ndim else "scalar", "note": note}


def test_labels_and_truth_values_are_drawn_as_numbers():
    assert entry(np.array([2, 0, 1]))["values"] == [["2", "0", "1"]]
    assert entry(np.array([True, False]))["values"] == [["1", "0"]]


def test_equal_arrays_are_kept_once():
    gallery = Gallery(64)
    places = [gallery.add(a) for a in (np.zeros(3), np.ones(3), np.zeros(3), np.zeros((3, 1)))]
    assert places == [0, 1, 0, 2]
