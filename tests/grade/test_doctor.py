"""The doctor tries real harm, and does not take what fails by itself for stopped."""

import os
import sys

import pytest

from minigrad.grade import confine, doctor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")


@pytest.fixture(scope="module")
def examined():
    found = doctor.examine()
    if not found.applied:
        pytest.skip(f"basic layers are missing: {found.layers}")
    return found


def test_all_harms_are_stopped_and_all_needs_met(examined):
    assert [harm for harm, end in examined.stopped.items() if not end] == []
    assert [(need, end) for need, end in examined.hindered.items() if end] == []
    assert examined.level == confine.level(examined.layers) != "none"


@pytest.mark.skipif(sys.platform == "linux" and os.geteuid() != 0, reason="not root: less harm")
def test_every_harm_happens_where_nothing_stops_it():
    ends = confine.outcomes([((), s.format(home="/")) for s in doctor.HARMS.values()], wall=0.5)
    assert {h: e for h, e in zip(doctor.HARMS, ends) if e} == {
        "compute without end": "still running after 0.5 s"
    }


def test_one_harm_or_one_need_too_many_leaves_no_level():
    layers = dict.fromkeys(confine.LAYERS, "")
    good = doctor.Examination(layers, confine.BASIC, {"fork": "EPERM"}, {"thread": ""})
    assert good.level == "basic"
    for stopped, hindered in ({"fork": ""}, {"thread": ""}), ({"fork": "EPERM"}, {"thread": "no"}):
        assert doctor.Examination(layers, confine.BASIC, stopped, hindered).level == "none"


def test_people_read_what_was_used_what_was_stopped_and_the_level():
    layers = dict.fromkeys(confine.LAYERS, "") | {"uid": "Only root can give a child another user."}
    found = doctor.Examination(layers, confine.BASIC, {"fork": ""}, {"thread": "no threads"})
    text = str(found)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "limits used" in lines
    assert "network left out" in lines
    assert "uid missing Only root can give a child another user." in lines
    assert "fork NOT STOPPED" in lines
    assert "thread FAILS no threads" in lines
    assert lines[-1] == "Level: none"


def test_where_the_basic_layers_fail_nothing_harmful_is_tried(monkeypatch):
    layers = dict.fromkeys(confine.LAYERS, "") | {"seccomp": "pyseccomp is not installed"}
    monkeypatch.setattr(confine, "available", lambda: layers)
    monkeypatch.setattr(confine, "outcomes", None)
    found = doctor.examine()
    assert found.level == "none"
    assert found.stopped == {}
