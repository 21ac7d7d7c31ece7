import pytest

from minigrad.grade.assignments import load, shipped
from minigrad.grade.proofs import Row, attacks, matrix, verify
from minigrad.grade.sandbox import Sandbox


def broken(rows):
    return [row for row in rows if not row.holds]


def test_a_small_assignment_holds(sandbox, folder):
    (folder / "right").mkdir()
    (folder / "right" / "sum.py").write_text(
        "def twice_forward(A): return A + A, 0\ndef twice_backward(dZ, cache): return dZ + dZ"
    )
    rows = list(verify(load(folder), sandbox))
    assert [(row.kind, row.name, row.got) for row in rows] == [
        ("reference", "reference.py", "PASS 7"),
        ("starter", "starter.py", "MISSING 0"),
        ("right", "sum.py", "PASS 7"),
        ("reference", "by differences", "right"),
        ("mistake", "once", "dA: once"),
    ]
    assert broken(rows) == []


def test_what_does_not_hold_is_marked_and_counted(sandbox, folder):
    (folder / "starter.py").write_text((folder / "reference.py").read_text())
    (folder / "right").mkdir()
    (folder / "right" / "wrong.py").write_text("def twice(A): 1 / 0")
    text = (folder / "assignment.toml").read_text()
    (folder / "assignment.toml").write_text(text.replace('by = "dZ"', 'by = "dZ + dZ"'))
    rows = list(verify(load(folder), sandbox))
    wrong = [["starter", "starter.py"], ["right", "wrong.py"], ["mistake", "once"]]
    assert [[row.kind, row.name] for row in broken(rows)] == wrong
    lines = matrix(rows).splitlines()
    assert [line.split()[1:3] for line in lines if line.startswith("! ")] == wrong
    assert lines[-1] == "3 of 5 do not hold (!)"
    assert "ZeroDivisionError" in next(line for line in lines if "wrong.py" in line)


def test_the_matrix_is_aligned_and_says_that_all_hold():
    row = Row("mistake", "sign", "f", "dX: sign", "dX: sign", True)
    head, line, count = matrix([row]).splitlines()
    assert head.index("got") == line.index("dX: sign", line.index("dX: sign") + 1)
    assert count == "1 hold"


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_what_ships_holds(name):
    with Sandbox() as sandbox:
        assert broken(verify(load(name), sandbox)) == []


@pytest.mark.slow
def test_no_attack_earns_what_it_is_after(sandbox):
    rows = list(attacks(sandbox))
    assert broken(rows) == []
    assert len(rows) > 30


def test_a_reference_that_is_wrong_by_differences_does_not_hold(sandbox, folder):
    wrong = (folder / "reference.py").read_text().replace("dA += ", "dA += 1.5 * ")
    (folder / "reference.py").write_text(wrong)
    text = (folder / "assignment.toml").read_text()
    (folder / "assignment.toml").write_text(text[: text.index("[[question.mistake]]")])
    (row,) = broken(verify(load(folder), sandbox))
    assert (row.kind, row.name) == ("reference", "by differences")
    assert "factor 1.5" in row.got
