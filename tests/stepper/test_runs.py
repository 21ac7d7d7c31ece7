import json
import re
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import Page

from minigrad.stepper.runs import (
    Comparison,
    NoRun,
    as_json,
    described,
    duration,
    find_run,
    find_runs,
    listed,
    read_numbers,
    read_run,
)

FACTS = {
    "what": "python -m examples.exemplar_digits --seed 1",
    "version": "0.1.0",
    "started": "2026-11-21T13:50:02+00:00",
    "updated": "2026-11-21T13:52:07+00:00",
    "state": "finished",
    "step": 60,
    "steps": 600,
    "options": {"seed": 1, "batch": 100, "device": "cpu"},
    "loss": 0.25,
    "seconds": 125.4,
    "scores": {"5 labels per class": 94.5, "10 labels per class": 96.1},
}
LOG = "step,epoch,loss,rate\n20,0.2,5.99,0.1\n40,0.4,1.5,0.1\n60,0.6,0.25,0.1\n"
TIMES = "step,seconds,images_per_s\n20,1.0,2000\n40,2.0,2000\n60,4.0,1000\n"
NASTY = """<script>alert("x")</script> & 'ä' \x1b[2J\n$x_$"""


def write(folder, log=LOG, times=TIMES, **facts):
    """A run's folder as `train` leaves it."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({**FACTS, **facts}))
    (folder / "log.csv").write_text(log)
    (folder / "times.csv").write_text(times)
    (folder / "lock").touch()
    return folder


def row(text, name):
    """The line of a table that begins with a name, without it."""
    (line,) = [line for line in text.split("\n") if line.startswith(name + "  ")]
    return line.removeprefix(name).strip()


@pytest.fixture
def zone(monkeypatch):
    """zone(name) sets the time zone."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone cannot be set here")

    def choose(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


# the list


def test_the_list_says_what_when_state_step_loss_and_score(tmp_path, zone):
    zone("UTC")
    write(tmp_path / "digits" / "a", started="2020-11-21T13:50:02+00:00")
    head, line = listed(find_runs(tmp_path)).split("\n")
    cells = re.split("  +", line)
    assert dict(zip(re.split("  +", head), cells)) == {
        "name": "digits/a",
        "state": "finished",
        "started": "21 Nov 2020",
        "time": "2 min 5 s",
        "step": "60/600",
        "loss": "0.25",
        "score": "94.5 (5 labels per class)",
        "command": FACTS["what"],
    }


def test_times_are_local_and_of_this_year_without_it(tmp_path, zone):
    year = time.localtime().tm_year
    write(tmp_path / "a", started=f"{year}-06-21T23:50:02+00:00")
    zone("EAST-05:30")
    assert "22 Jun 05:20" in listed(find_runs(tmp_path))
    assert f"{year}-06-22 05:20" in described(find_run(tmp_path, "a"))


def test_runs_are_found_at_any_depth_the_oldest_first(tmp_path):
    for name, hour in (("b", 3), ("deep/er/a", 2), ("c", 1)):
        write(tmp_path / name, started=f"2026-01-01T0{hour}:00:00+00:00")
    assert [run.name for run in find_runs(tmp_path)] == ["c", "deep/er/a", "b"]


def test_a_folder_that_is_a_run_is_found_as_well(tmp_path):
    write(tmp_path / "a")
    (run,) = find_runs(tmp_path / "a")
    assert (run.name, find_run(tmp_path / "a", run.name).facts) == (".", run.facts)


def test_a_run_without_loss_and_score_has_empty_cells(tmp_path):
    write(tmp_path / "a", loss=None, scores={})
    assert row(listed(find_runs(tmp_path)), "a").split("60/600")[1].strip() == FACTS["what"]


def test_a_missing_folder_is_no_empty_list(tmp_path):
    with pytest.raises(NoRun, match="none: there is no such folder"):
        find_runs(tmp_path / "none")
    assert find_runs(tmp_path) == []


def test_lines_of_the_table_are_cut_at_a_width(tmp_path):
    write(tmp_path / "a", what="python " + 100 * "x")
    assert max(map(len, listed(find_runs(tmp_path)).split("\n"))) > 100
    head, line = listed(find_runs(tmp_path), 80).split("\n")
    assert len(line) == 80
    assert line.endswith("...")


def test_programs_get_the_facts_as_json(tmp_path):
    write(tmp_path / "a", loss=float("nan"))
    write(tmp_path / "b").joinpath("run.json").write_text("{")
    runs = json.loads(as_json(find_runs(tmp_path)), parse_constant=pytest.fail)
    a, b = sorted(runs, key=lambda run: run["name"])
    assert a == {**FACTS, "name": "a", "loss": None}
    assert b.keys() == {"name", "fault"}


# states


@pytest.mark.parametrize("state", ["finished", "interrupted", "failed"])
def test_a_run_that_ended_has_the_state_it_says(tmp_path, state):
    assert read_run(write(tmp_path / "a", state=state), "a").facts["state"] == state


def test_a_run_whose_lock_is_held_is_running(tmp_path):
    fcntl = pytest.importorskip("fcntl", reason="there are no such locks here")
    folder = write(tmp_path / "a", state="running")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_run(folder, "a").facts["state"] == "running"
    assert read_run(folder, "a").facts["state"] == "killed"


def test_asking_for_the_lock_leaves_it_free(tmp_path):
    fcntl = pytest.importorskip("fcntl", reason="there are no such locks here")
    folder = write(tmp_path / "a", state="running")
    read_run(folder, "a")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_run_that_says_running_without_a_lock_was_killed(tmp_path):
    pytest.importorskip("fcntl", reason="there are no such locks here")
    folder = write(tmp_path / "a", state="running")
    (folder / "lock").unlink()
    assert read_run(folder, "a").facts["state"] == "killed"


def test_where_locks_cannot_be_asked_running_stays_running(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert read_run(write(tmp_path / "a", state="running"), "a").facts["state"] == "running"


@pytest.mark.parametrize(
    ("state", "found"), {"running": (60, 0.25, 4), "failed": (7, None, 1)}.items(), ids=str
)
def test_a_run_that_has_not_ended_is_as_far_as_its_last_row(tmp_path, state, found):
    folder = write(tmp_path / "a", state=state, step=7, loss=None, seconds=1)
    facts = read_run(folder, "a").facts
    assert (facts["step"], facts["loss"], facts["seconds"]) == found
    (folder / "log.csv").write_text("")
    assert read_run(folder, "a").facts["step"] == 7


@pytest.mark.parametrize("state", ["interrupted", "running"])
def test_how_a_run_goes_on_that_ended_early_is_said(tmp_path, state):
    pytest.importorskip("fcntl", reason="there are no such locks here")
    write(tmp_path / "a", state=state)
    write(tmp_path / "b")
    ended = {"running": "killed"}.get(state, state)
    how = "the same command, with --resume if it takes that"
    assert listed(find_runs(tmp_path)).endswith(f"{ended}: to go on, {how}")
    assert how in described(find_run(tmp_path, "a"))
    assert "--resume" not in described(find_run(tmp_path, "b"))


# damaged facts

DAMAGED = {
    "": "Expecting value",
    '{"what": "py': "Unterminated string",
    "[]": "it holds [], not an object",
    "{}": "it has no what",
    json.dumps({**FACTS, "step": "many"}): "step is 'many', not a whole number",
    json.dumps({**FACTS, "options": [1]}): "options is [1], not an object",
    json.dumps({**FACTS, "loss": "low"}): "loss is 'low', not a number or null",
    json.dumps({**FACTS, "scores": {"a": "good"}}): "the score 'a' is 'good', not a number",
    json.dumps({**FACTS, "seconds": float("inf")}): "seconds is inf",
    json.dumps({**FACTS, "started": "yesterday"}): "yesterday",
    json.dumps({**FACTS, "started": "0001-01-01T00:00:00+23:00"}): "out of range",
    "[" * 100_000: "recursion",
    "\xff": "decode",
}


@pytest.mark.parametrize(("text", "why"), DAMAGED.items(), ids=DAMAGED.values())
def test_a_damaged_run_is_listed_with_a_sentence_and_the_others_as_they_are(tmp_path, text, why):
    write(tmp_path / "a")
    write(tmp_path / "b").joinpath("run.json").write_text(text, encoding="latin-1")
    _, line, sentence = listed(find_runs(tmp_path)).split("\n")
    assert line.startswith("a  ")
    assert sentence.startswith("b: run.json is damaged: ")
    assert why in sentence


def test_a_run_whose_facts_cannot_be_opened_is_listed_with_a_sentence(tmp_path):
    (tmp_path / "a" / "run.json").mkdir(parents=True)
    assert listed(find_runs(tmp_path)).startswith("a: run.json cannot be read: ")


@pytest.mark.slow
def test_no_cut_and_no_flipped_bit_ends_the_listing(tmp_path):
    path = write(tmp_path / "a") / "run.json"
    whole = path.read_bytes()
    cut = [whole[:n] for n in range(len(whole))]
    flipped = [
        whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :]
        for i in range(len(whole))
        for bit in (0, 3, 7)
    ]
    for data in cut + flipped:
        path.write_bytes(data)
        (run,) = find_runs(tmp_path)
        assert bool(run.facts) != bool(run.fault)
        assert listed([run]) and described(run) and as_json([run])


# names


def test_a_run_is_found_by_its_name_or_its_path(tmp_path, monkeypatch):
    write(tmp_path / "runs" / "digits" / "a", step=7)
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "runs"
    for name in ("digits/a", "digits/a/", "runs/digits/a", str(root / "digits" / "a")):
        assert find_run(root, name).facts["step"] == 7


def test_an_unknown_name_lists_the_nearest(tmp_path):
    for name in ("digits/one", "digits/two", "stl"):
        write(tmp_path / name)
    with pytest.raises(NoRun) as mistake:
        find_run(tmp_path, "digit/one")
    assert str(mistake.value).startswith("there is no run digit/one; the nearest: digits/one, ")
    with pytest.raises(NoRun, match=r"there is no run a\\x1b; .*empty has no runs"):
        find_run(tmp_path / "empty", "a\x1b")


# numbers


def numbers(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(text, newline="")
    return read_numbers(path, ("step", "loss"))


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
def test_named_columns_are_read_wherever_they_stand(tmp_path, end):
    rows, note = numbers(tmp_path, end.join(["rate,loss,step", "0.1,5.5,20", "0.1,nan,40", ""]))
    assert str(rows) == "[{'step': 20.0, 'loss': 5.5}, {'step': 40.0, 'loss': nan}]"
    assert note == ""


UNREADABLE = {
    "": (0, "log.csv has no rows"),
    "step,loss": (0, "log.csv has no rows"),
    "step,loss\n": (0, "log.csv has no rows"),
    "step,rate\n1,2\n": (0, "log.csv has no column loss"),
    "step,loss\n1,2\n3,4": (1, "the last line of log.csv is cut off, and left out"),
    "step,loss\n1,2\n3\n4,5\n": (1, "log.csv is damaged in line 3, and read up to there"),
    "step,loss\n1,2\n3,4,5\n": (1, "log.csv is damaged in line 3, and read up to there"),
    "step,loss\n1,2\nx,4\n": (1, "log.csv is damaged in line 3, and read up to there"),
    "step,loss\n1,2\nnan,4\n": (1, "log.csv is damaged in line 3, and read up to there"),
    "step,loss\n1,2\n\0\xff,4\n": (1, "log.csv is damaged in line 3, and read up to there"),
}


@pytest.mark.parametrize(("text", "found"), UNREADABLE.items(), ids=repr)
def test_numbers_are_read_as_far_as_they_go_and_a_sentence_says_why(tmp_path, text, found):
    rows, note = numbers(tmp_path, text)
    assert (len(rows), note) == found


def test_missing_numbers_are_no_rows_and_a_sentence(tmp_path):
    assert read_numbers(tmp_path / "log.csv", ("step",)) == ([], "there is no log.csv")
    rows, note = read_numbers(tmp_path, ("step",))
    assert rows == []
    assert "cannot be read" in note


@given(st.binary(max_size=60))
def test_whatever_stands_in_the_file_reading_it_ends_well(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"step,loss\n" + data)
    rows, note = read_numbers(path, ("step", "loss"))
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    assert note or len(rows) == len(lines) - 1


def test_a_log_has_the_seconds_of_its_steps(tmp_path):
    rows, notes = read_run(write(tmp_path / "a"), "a").log()
    assert [row["seconds"] for row in rows] == [1, 2, 4]
    assert rows[2] == {
        "step": 60,
        "epoch": 0.6,
        "loss": 0.25,
        "rate": 0.1,
        "seconds": 4,
        "images_per_s": 1000,
    }
    assert notes == []


def test_steps_whose_time_is_lost_have_none(tmp_path):
    folder = write(tmp_path / "a", times=TIMES[:-1])
    rows, notes = read_run(folder, "a").log()
    assert ["seconds" in row for row in rows] == [True, True, False]
    assert notes == ["the last line of times.csv is cut off, and left out"]
    assert row(described(read_run(folder, "a")), "speed") == "2,000 images a second"


# one run


def test_a_run_is_described_with_facts_and_curve(tmp_path):
    text = described(read_run(write(tmp_path / "a"), "a"), width=60)
    assert row(text, "command") == FACTS["what"]
    assert row(text, "time") == "2 min 5 s"
    assert row(text, "step") == "60 of 600"
    assert row(text, "loss") == "5.99 at step 20, 0.25 at step 60"
    assert row(text, "speed") == "2,000 images a second"
    assert row(text, "score (10 labels per class)") == "96.1"
    assert row(text, "options") == 'seed 1, batch 100, device "cpu"'
    assert "┤" in text
    assert "+-----" in described(read_run(tmp_path / "a", "a"), braille=False)


def test_a_run_named_like_a_fact_hides_none(tmp_path):
    text = described(read_run(write(tmp_path / "state"), "state"))
    assert text.startswith("state\ncommand ")
    assert row(text, "state") == "finished"


def test_losses_that_have_no_place_on_the_axis_are_counted(tmp_path):
    run = read_run(write(tmp_path / "a", LOG + "80,0.8,0,0.1\n100,1,nan,0.1\n"), "a")
    last = "losses cannot be drawn: the first, {}, at step {}"
    assert described(run).endswith("1 of 5 " + last.format("nan", 100))
    assert described(run, logarithmic=True).endswith("2 of 5 " + last.format(0, 80))
    assert "nan at step 100" in row(described(run), "loss")


@pytest.mark.parametrize("log", ["", LOG.split("\n")[0] + "\n20,0.2,nan,0.1\n"], ids=repr)
def test_a_run_without_losses_is_described_without_a_curve(tmp_path, log):
    text = described(read_run(write(tmp_path / "a", log, ""), "a"))
    assert "┤" not in text
    assert "log.csv has no rows" in text or "1 of 1 losses cannot be drawn" in text
    assert "times.csv has no rows" in text


def test_a_damaged_run_still_has_its_curve(tmp_path):
    (write(tmp_path / "a") / "run.json").write_text("{")
    text = described(find_run(tmp_path, "a"))
    assert text.startswith("a: run.json is damaged: ")
    assert "┤" in text


def test_a_terminal_shows_what_files_hold_and_obeys_none_of_it(tmp_path):
    folder = write(
        tmp_path / "a", what=NASTY, state=NASTY, scores={NASTY: 1}, options={NASTY: NASTY}
    )
    run = read_run(folder, NASTY)
    for text in (listed([run]), described(run), repr(Comparison(run, run))):
        assert all(c.isprintable() for c in text.replace("\n", ""))
        assert r"\x1b[2J\n" in text


# two runs


def compared(tmp_path, **facts):
    a = write(tmp_path / "a")
    b = write(tmp_path / "b", LOG.replace("5.99", "7"), **facts)
    return Comparison(read_run(a, "a"), read_run(b, "b"))


def test_a_comparison_has_the_options_that_differ_and_only_these(tmp_path):
    options = {"seed": 1.0, "batch": 100, "device": "cpu", "epochs": None}
    both = compared(tmp_path, options=options, version="0.2.0")
    assert both.options() == [
        ["option", "A: a", "B: b"],
        ["(minigrad)", "0.1.0", "0.2.0"],
        ["seed", "1", "1.0"],
        ["epochs", "not there", "null"],
    ]
    assert "batch" not in str(both)


def test_runs_with_the_same_options_are_said_to_have_them(tmp_path):
    assert str(compared(tmp_path)).startswith("Command, version and all options are the same.\n")


def test_a_comparison_says_how_both_went(tmp_path):
    both = compared(tmp_path, state="failed", scores={"loss": 3})
    rows = {name: cells for name, *cells in both.results()}
    assert rows["state"] == ["finished", "failed"]
    assert rows["loss"] == [f"{loss} at step 20, 0.25 at step 60" for loss in ("5.99", "7")]
    assert rows["score (loss)"] == ["not there", "3"]
    assert rows["score (5 labels per class)"] == ["94.5", "not there"]


def test_a_damaged_run_cannot_be_compared(tmp_path):
    a = read_run(write(tmp_path / "a"), "a")
    (write(tmp_path / "b") / "run.json").write_text("[]")
    with pytest.raises(NoRun, match="b: run.json is damaged: it holds"):
        Comparison(a, read_run(tmp_path / "b", "b"))


def page(both, tmp_path, **options):
    both.save(tmp_path / "new" / "compare.html", **options)
    return Page((tmp_path / "new" / "compare.html").read_text(encoding="utf-8"))


def test_the_page_has_what_differs_how_both_went_and_both_curves_in_words(tmp_path):
    found = page(compared(tmp_path, options={"seed": 2}), tmp_path)
    assert found.texts("h2") == ["What differs", "How they went", "Loss"]
    assert found.texts("th") == ["option", "A: a", "B: b", "result", "A: a", "B: b"]
    (image,) = found.attributes("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert image["alt"] == (
        "The loss against the step: A goes from 5.99 at step 20 to 0.25 at step 60; "
        "B goes from 7 at step 20 to 0.25 at step 60"
    )


def test_the_page_needs_nothing_else_and_runs_nothing(tmp_path):
    found = page(compared(tmp_path, what=NASTY, options={NASTY: NASTY}), tmp_path)
    assert not found.texts("script")
    for _, attributes, _ in found.found:
        assert attributes.keys() & {"href", "onload"} == set()
        assert attributes.get("src", "data:").startswith("data:")
    assert any('<script>alert("x")</script>' in text for text in found.texts("td"))


@pytest.mark.parametrize("logarithmic", [True, False])
def test_what_is_missing_in_a_log_is_said_on_the_page(tmp_path, logarithmic):
    a = read_run(write(tmp_path / "a", LOG + "80,0.8,-1,0.1\n99,"), "a")
    b = read_run(write(tmp_path / "b", ""), "b")
    found = page(Comparison(a, b), tmp_path, logarithmic=logarithmic)
    assert found.texts("h2")[-1] == "What is missing"
    missing = found.texts("p")[-1]
    assert "A: a: the last line of log.csv is cut off" in missing
    assert "B: b: log.csv has no rows" in missing
    assert ("A: a: 1 of 4 losses cannot be drawn" in missing) == logarithmic
    assert found.attributes("img")[0]["alt"].endswith("B has none")


def test_runs_without_any_loss_make_a_page_without_a_picture(tmp_path):
    run = read_run(write(tmp_path / "a", "", ""), "a")
    found = page(Comparison(run, run), tmp_path)
    assert not found.attributes("img")
    assert "There are no losses to draw." in found.texts("p")


# durations


@pytest.mark.parametrize(
    ("seconds", "text"),
    {
        0: "0.0 s",
        9.94: "9.9 s",
        9.96: "10 s",
        59.4: "59 s",
        59.6: "1 min 0 s",
        125: "2 min 5 s",
        3599.6: "1 h 0 min",
        86399: "23 h 59 min",
        86400: "1 d 0 h",
    }.items(),
    ids=str,
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert duration(seconds) == text
