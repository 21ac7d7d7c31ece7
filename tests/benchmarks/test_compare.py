"""The comparison's driver: what it writes, says and draws, without measuring anything."""

import json
import os

import numpy as np
import pytest

from benchmarks import compare
from benchmarks.compare import KEYS, MARKS, RATES, ROWS, child, entry, holds, merged, save, table

TIMED = {"ratio": 0.44321, "low": 0.42, "high": 0.47, "ours_ms": 121.0, "peer_ms": 290.0}
DETAILS = {
    "one_core": {**TIMED, "form": "NCHW"},
    "two_cores": {"why": "2 cores are asked for and 1 may be used", "failed": False},
    "memory": {"ratio": 0.4, "ours_mb": 101.0, "peer_mb": 275.0, "form": "NCHW"},
}


def test_a_row_of_networks_keeps_the_medians_of_what_was_measured():
    assert entry("exemplar-small", DETAILS) == {
        "one_core": 0.4432,
        "two_cores": None,
        "memory": 0.4,
    }


def test_a_module_with_a_peer_says_ratio_and_memory():
    details = {key: {"ratio": 1.2, "memory": 0.6, "seconds": 2.9} for key in KEYS}
    assert entry("knn", details) == {"one_core": 1.2, "two_cores": 1.2, "memory": 0.6}


def test_a_ratio_to_a_peer_that_is_missing_is_nothing():
    details = {key: {"ratio": np.nan, "memory": None} for key in KEYS}
    assert entry("knn", details) == dict.fromkeys(KEYS)


def test_the_table_shows_what_a_module_says_of_both_sides():
    found = {"ratio": 1.2, "low": 1.1, "high": 1.3, "seconds": 2.9, "peer_seconds": 2.4}
    found |= {"peer": "faiss", "memory": 0.6, "mb": 53.0, "peer_mb": 86.0}
    details = dict.fromkeys(KEYS, found)
    line = table({"knn": entry("knn", details)}, {"knn": details}).splitlines()[-1]
    both = "one core 2.90 : 2.40 s (faiss); two 2.90 : 2.40 s (faiss); 53 : 86 MB"
    assert line.endswith(f"| {both} |")
    assert "| 0.60, <= 1.0 holds |" in line  # the quartiles are of the time


def test_a_module_without_a_peer_says_rates():
    details = {key: {"per_s": 25_000.0, "memory_mb": 12.0} for key in RATES}
    assert list(entry("surrogates", details).values()) == [25_000.0, 25_000.0, 12.0]


def test_rows_found_replace_their_own_entries_and_keep_all_others():
    before = {"mlp": {"one_core": 0.9, "two_cores": 1.0, "memory": 0.3}}
    found = {"lenet": {"one_core": 0.7, "two_cores": None, "memory": 0.5}}
    rows = merged(before, found)
    assert tuple(rows) == ROWS
    assert rows["mlp"] == before["mlp"]
    assert rows["lenet"] == found["lenet"]
    assert rows["knn"] == dict.fromkeys(KEYS)
    assert rows["surrogates"] == dict.fromkeys(RATES)


def test_the_file_is_merged_row_by_row_and_a_row_measured_again_forgets_what_it_was(tmp_path):
    path = tmp_path / "build" / "bench.json"
    save(path, {"mlp": {"one_core": 0.9, "two_cores": 1.0, "memory": 0.3}})
    save(path, {"lenet": {"one_core": 0.7, "two_cores": 0.8, "memory": 0.5}})
    save(path, {"lenet": {"one_core": 0.6, "two_cores": None, "memory": 0.5}})
    rows = json.loads(path.read_text())
    assert rows["mlp"]["two_cores"] == 1.0
    assert rows["lenet"] == {"one_core": 0.6, "two_cores": None, "memory": 0.5}
    assert [p.name for p in path.parent.iterdir()] == ["bench.json"]


@pytest.mark.parametrize(
    ("row", "key", "value", "expected"),
    [
        ("exemplar-small", "one_core", 0.50, True),
        ("exemplar-small", "one_core", 0.51, False),
        ("exemplar-small", "one_core", None, None),
        ("resnet18", "two_cores", 3.0, None),
        ("knn", "memory", 1.01, False),
        ("surrogates", "one_core_per_s", 15_000, True),
        ("surrogates", "two_cores_per_s", 24_999, False),
    ],
)
def test_a_mark_binds_where_there_is_one(row, key, value, expected):
    assert holds(row, key, value) is expected


def test_every_mark_is_that_of_a_row_and_of_a_number_it_writes():
    for row, marks in MARKS.items():
        assert set(marks) <= set(compare.keys(row))
    assert set(MARKS) == set(ROWS)


def test_the_table_shows_spread_mark_and_absolute_figures():
    rows = {"exemplar-small": entry("exemplar-small", DETAILS)}
    header, _, line = table(rows, {"exemplar-small": DETAILS}).splitlines()
    assert header == "| row | one core | two cores | memory | minigrad : peer |"
    assert line == (
        "| exemplar-small | 0.44 (0.42-0.47), <= 0.5 holds | not measured | 0.40, <= 1.0 holds "
        "| one core 121.0 : 290.0 ms (NCHW); 101 : 275 MB |"
    )


def test_what_misses_its_mark_is_said():
    rows = {"surrogates": dict(zip(RATES, (9_000.0, 30_000.0, 12.4)))}
    line = table(rows, {}).splitlines()[-1]
    assert "9,000 /s, >= 15,000 **does not hold**" in line
    assert "30,000 /s, >= 25,000 holds" in line
    assert "12 MB" in line


def test_a_row_whose_module_is_missing_is_left_out_with_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(compare.importlib.util, "find_spec", lambda name: None)
    details = compare.module_row("knn")
    assert "knn, one_core: not measured: there is no module benchmarks.knn" in (
        capsys.readouterr().out
    )
    assert entry("knn", details) == dict.fromkeys(KEYS)
    assert not any(detail["failed"] for detail in details.values())


def test_a_run_writes_rows_as_they_come_and_says_what_was_disturbed(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    found = {**DETAILS, "one_core": {**DETAILS["one_core"], "waited": 0.4}}
    monkeypatch.setattr(compare, "BUILD", tmp_path)
    monkeypatch.setattr(compare, "network_row", lambda row, seconds: found)
    assert compare.run(["lenet"], 0) == []
    assert json.loads((tmp_path / "bench.json").read_text())["lenet"] == entry("lenet", found)
    assert json.loads((tmp_path / "bench-details.json").read_text())["lenet"] == found
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "lenet, one_core: disturbed: for 40% of its time other programs had its cores" in said
    assert "lenet, two_cores: disturbed" not in said
    assert "| lenet | 0.44 (0.42-0.47), <= 0.9 holds | not measured |" in said


def test_a_run_says_which_rows_failed(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    failure = {"why": "loss: minigrad and PyTorch differ", "failed": True}
    monkeypatch.setattr(compare, "BUILD", tmp_path)
    monkeypatch.setattr(
        compare, "network_row", lambda row, seconds: {**DETAILS, "one_core": failure}
    )
    assert compare.run(["mlp"], 0) == ["mlp"]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system pins no process")
def test_more_cores_than_there_are_is_a_sentence():
    with pytest.raises(RuntimeError, match=r"4096 cores are asked for and \d+ may be used"):
        compare.pinned(4096)


def test_a_measurement_that_fails_is_told_from_one_that_could_not_begin(monkeypatch, capsys):
    with pytest.raises(compare.Failed, match="No module named benchmarks.no_such_benchmark"):
        child(1, "no_such_benchmark")
    detail = compare.attempt("lenet, one_core", child, 1, "no_such_benchmark")
    assert detail["failed"]
    assert "lenet, one_core: not measured: " in capsys.readouterr().out


def test_the_figure_draws_what_was_measured_and_leaves_out_the_rest():
    pytest.importorskip("matplotlib")
    from benchmarks.pictures import growth, overview

    rows = merged({}, {"exemplar-small": entry("exemplar-small", DETAILS)})
    page = overview(rows, {"exemplar-small": DETAILS}, MARKS)
    time, memory = page.axes
    assert [label.get_text() for label in time.get_yticklabels()] == ["64c5-64c5-128f, step"]
    assert [text.get_text() for text in time.texts] == ["0.44"]
    assert [text.get_text() for text in memory.texts] == ["0.40"]

    page = growth({"batch": [(8, 10.0, 20.0), (16, 18.0, 44.0)]})
    peer, ours = page.axes[0].lines
    assert np.array_equal(ours.get_xydata(), [[8, 10.0], [16, 18.0]])
    assert np.array_equal(peer.get_ydata(), [20.0, 44.0])
