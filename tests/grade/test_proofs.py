import pytest

from minigrad.grade.assignments import load, shipped
from minigrad.grade.proofs import Row, matrix, verify
from minigrad.grade.sandbox import Sandbox


def broken(rows):
    return [row for row in rows if not row.holds]


def test_a_small_assignment_holds(sandbox):
    rows = list(verify(load("maxpool"), sandbox))
    assert broken(rows) == []
    assert {row.kind for row in rows} == {"reference", "starter", "right", "mistake"}


def test_what_does_not_hold_is_marked_and_counted(sandbox, tmp_path):
    maxpool = load("maxpool").folder
    for path in maxpool.glob("*.*"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "starter.py").write_text((maxpool / "reference.py").read_text())
    (tmp_path / "right").mkdir()
    (tmp_path / "right" / "wrong.py").write_text("def maxpool(*args): 1 / 0")
    rows = list(verify(load(tmp_path), sandbox))
    assert [(row.kind, row.name) for row in broken(rows)] == [
        ("starter", "starter.py"),
        ("right", "wrong.py"),
    ]
    lines = matrix(rows).splitlines()
    assert [line.split()[1:3] for line in lines if line.startswith("! ")] == [
        ["starter", "starter.py"],
        ["right", "wrong.py"],
    ]
    assert lines[-1] == f"2 of {len(rows)} do not hold (!)"
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
        rows = list(verify(load(name), sandbox))
    assert broken(rows) == []
    if name == "affine":  # what the attacks are submitted to
        assert sum(row.kind == "attack" for row in rows) > 30
