"""The attacks that ship say what they try, how they must end, and where they must hold."""

import sys
from pathlib import Path

import pytest

from minigrad.grade import confine
from minigrad.grade.results import VERDICTS

FILES = sorted(Path(confine.__file__).parent.joinpath("attacks").glob("*.py"))
STAGES = {"signature", "shapes", "forward", "dX", "dW", "db", "edges"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_attack_says_how_it_must_end(path):
    source = path.read_text()
    head = dict(line[2:].split(":") for line in source.splitlines()[:3])
    assert list(head) == ["verdict", "level", "stage"]
    assert head["verdict"].split() and set(head["verdict"].split()) <= set(VERDICTS)
    assert head["level"].strip() in ("none", "basic", "strong")
    assert set(head["stage"].split()) <= STAGES
    assert compile(source, path.name, "exec").co_consts[0].endswith(".")  # its docstring


def test_all_attacks_of_the_table_that_are_sources_are_there():
    handed_in_otherwise = {17, 28, 29, 34, 35, 36}  # links, archives, notebooks: see test_intake
    assert {int(path.name[1:3]) for path in FILES} == set(range(1, 37)) - handed_in_otherwise


@pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")
def test_an_attack_that_a_layer_stops_gets_through_without_it():
    (talks,) = (path.read_text() for path in FILES if path.name.startswith("K18"))
    judged = f"{talks}\nwon or exit('stopped')"
    through, stopped = confine.outcomes([((), judged), (confine.BASIC, judged)])
    if stopped.startswith("OSError"):
        pytest.skip(f"basic layers are missing: {stopped}")
    assert (through, stopped) == ("", "SystemExit: stopped")
