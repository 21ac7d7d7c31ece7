import csv
import io

import pytest
from graded import HOSTILE, check, question, right, student, write_class, wrong

from minigrad.grade.reports import Class, csv_table, load, table

RUN = {"title": "Layers", "questions": {"affine": 10.0, "relu": 2.0}, "level": "basic", "seed": 5}


def slow(name):
    took = check("dA", code="timeout", sentence="Too long.", verdict="TIMEOUT")
    return student(name, affine=right(name)["questions"]["affine"], relu=question(took))


def test_the_table_has_points_totals_and_what_needs_a_look():
    assert table(Class(RUN, [wrong("ann"), slow("bo")])) == (
        "Layers: sandbox basic, seed 5\n"
        "\n"
        "student  affine  relu  total  look at\n"
        "ann           6     -      6\n"
        "bo           10     0     10  relu TIMEOUT\n"
        "of           10     2     12\n"
    )


def read(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_csv_has_a_line_per_student_with_verdicts_and_diagnoses():
    first, second = read(csv_table(Class(RUN, [wrong("ann"), slow("bo")])))
    assert first == {
        "student": "ann",
        "affine": "6",
        "relu": "",
        "total": "6",
        "of": "10",
        "verdicts": "affine FAIL",
        "diagnoses": "affine: batch sum missing",
        "rejected": "",
        "level": "strong",
        "seed": "5",
    }
    assert second["verdicts"] == "affine PASS; relu TIMEOUT"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_one_cell_and_never_a_formula(text):
    hostile = student(text, rejected=text, relu=question(check("dA", code=text)))
    rows = read(csv_table(Class({**RUN, "title": text}, [hostile, right("bo")])))
    assert len(rows) == 2
    assert rows[1]["student"] == "bo"
    for cell in rows[0].values():
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_line_of_the_terminal(text):
    lines = table(Class({**RUN, "title": text}, [student(text, rejected=text)])).splitlines()
    assert len(lines) == 5
    assert "".join(lines).isprintable()


def test_tables_are_the_same_when_repeated(tmp_path):
    out = write_class(tmp_path / "out", [right("bo"), wrong("ann")])
    assert table(load(out)) == table(load(out))
    assert csv_table(load(out)) == csv_table(load(out))
