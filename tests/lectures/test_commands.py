"""`minigrad lectures`: a student's copies are the student's."""

import json
import sys
from pathlib import Path

import pytest

from minigrad.cli import main
from minigrad.lectures import commands, handouts
from minigrad.lectures.copies import cells_of, functions_of, without_magics
from minigrad.lectures.handouts import built
from minigrad.lectures.trials import tried

MEAN = "total = X.sum(axis=0)\n    m = total / len(X)"
RIGHT = {"mean": "m = X.mean(0)", "square": "return A * A, lambda dZ, dA: dA.__iadd__(2 * A * dZ)"}


@pytest.fixture
def typed(lecture, tmp_path, monkeypatch, capfd):
    """typed(words): exit code, stdout and stderr, where the sample is the only lecture."""
    lecture()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(handouts, "SOURCES", tmp_path)
    monkeypatch.setattr(commands, "SOURCES", tmp_path)

    def result(words):
        monkeypatch.setattr(sys, "argv", ["minigrad", "lectures", *words.split()])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capfd.readouterr()

    return result


@pytest.fixture
def copy(tmp_path):
    """The student's notebook."""
    return tmp_path / "my-lectures" / "01_means.ipynb"


def write(path, name, body):
    """Write an exercise in a notebook, in the place of its first raise."""
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if f"def {name}(" in source:
            head, _, rest = source.partition("raise NotImplementedError")
            _, _, rest = rest.partition("\n")
            cell["source"] = (head + body + "\n" + rest).splitlines(keepends=True)
    path.write_text(json.dumps(notebook))


def test_list_tells_the_lectures_and_where_a_copy_is(typed, copy):
    assert typed("list") == (
        0,
        " 1  Means and squares: What is the middle of some rows?\n    2 exercises\n",
        "",
    )
    typed("open 1")
    assert "2 exercises, your copy my-lectures/01_means.ipynb" in typed("list")[1]


def test_open_writes_a_notebook_and_leaves_a_changed_one_alone(typed, copy):
    assert typed("open 1")[1] == "my-lectures/01_means.ipynb is there to be opened\n"
    assert typed("open 1")[1] == "my-lectures/01_means.ipynb is there already\n"
    write(copy, "mean", RIGHT["mean"])
    mine = copy.read_bytes()
    assert typed("open 1")[1] == "my-lectures/01_means.ipynb is there already, with your changes\n"
    assert copy.read_bytes() == mine


def test_open_replaces_an_older_one_that_was_run_and_not_changed(typed, lecture, copy):
    typed("open 1")
    notebook = json.loads(copy.read_text())
    notebook["cells"][1].update(execution_count=1, outputs=[{"output_type": "stream", "text": "1"}])
    copy.write_text(json.dumps(notebook))
    lecture(("Return m.", "Return the mean m."))
    assert "had no changes of yours, and is now the newer one" in typed("open 1")[1]
    assert "Return the mean m." in copy.read_text()


def test_open_puts_a_newer_one_beside_a_changed_one_and_says_how_to_carry(typed, lecture, copy):
    typed("open 1")
    write(copy, "mean", RIGHT["mean"])
    mine = copy.read_bytes()
    lecture(("Return m.", "Return the mean m."))
    _, out, _ = typed("open 1")
    command = "minigrad lectures carry my-lectures/01_means.ipynb my-lectures/01_means.new.ipynb"
    assert out.endswith(f"by\n  {command}\n")
    assert copy.read_bytes() == mine
    newer = copy.with_suffix(".new.ipynb")
    assert "Return the mean m." in newer.read_text()

    assert typed(command.removeprefix("minigrad lectures "))[1] == (
        "carried into my-lectures/01_means.new.ipynb:\n  mean\n"
        "my-lectures/01_means.ipynb is as it was\n"
    )
    assert copy.read_bytes() == mine
    assert RIGHT["mean"] in newer.read_text()

    assert typed("open 1")[1] == (
        "my-lectures/01_means.new.ipynb is there already, with your changes: when it has all that "
        "01_means.ipynb has, give it that name\n"
    )

    lecture(("Return m.", "Return it."))
    code, _, err = typed("open 1")
    assert (code, err) == (
        2,
        "my-lectures/01_means.ipynb and my-lectures/01_means.new.ipynb both have changes of yours: "
        "rename one, and try again\n",
    )


def test_carry_moves_what_is_written_by_name_between_scripts_and_notebooks(typed, tmp_path, copy):
    typed("open 1")
    old = tmp_path / "old.py"
    old.write_text(
        "def mean(X):\n    return X.mean(0)\n\ndef square(A):\n    raise NotImplementedError\n"
        "\ndef cube(A):\n    return A**3\n"
    )
    _, out, _ = typed("carry old.py my-lectures/01_means.ipynb")
    assert "  mean, which now gets (X, kind): compare\n" in out
    assert "square" not in out
    assert "cube" not in out
    assert "return X.mean(0)" in copy.read_text()
    assert "nothing to carry" in typed("carry old.py my-lectures/01_means.ipynb")[1]


def test_carry_writes_into_the_cells_of_a_script(typed, tmp_path):
    Path("old.py").write_text("def mean(X):\n    return X.mean(0)\n")
    before, after = "import numpy as np\n\n# %%\n", "\n\n# %%\nmean(3)\n"
    Path("new.py").write_text(f"{before}def mean(X):\n    raise NotImplementedError{after}")
    typed("carry old.py new.py")
    assert Path("new.py").read_text() == f"{before}def mean(X):\n    return X.mean(0){after}"


def test_of_two_functions_the_written_one_is_carried():
    written, copy = "def f(x):\n    return x", "def f(x):\n    raise NotImplementedError"
    assert functions_of([written, copy])["f"].text == written
    assert functions_of([written, "def f(x): return 2"])["f"].cell == 1


def test_functions_of_one_script_are_carried_each_to_its_place(typed, tmp_path):
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    gap = "    raise NotImplementedError\n"
    longer = "@max\ndef a():\n    x = 1\n    return x\n\n"
    old.write_text(f"{longer}def b(): return 2\n\ndef b(): return 3\n")
    new.write_text(f"@max\ndef a():\n{gap}\nc = 4\n\ndef b():\n{gap}")
    assert "\n  b\n  a\n" in typed("carry old.py new.py")[1]
    assert new.read_text() == f"{longer}c = 4\n\ndef b(): return 3\n"


def test_a_value_that_is_written_is_carried_whatever_its_back_lacks(typed, tmp_path):
    gap = "raise NotImplementedError"
    back = f"    def back(dZ, dA):\n        {gap}\n"
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    new.write_text(f"def f(A):\n    {gap}\n{back}    return Z, back\n")
    old.write_text(f"def f(A):\n    Z = A\n{back}    def other(): {gap}\n    return Z, back\n")
    assert "\n  f\n" in typed("carry old.py new.py")[1]
    assert new.read_text() == old.read_text()


def test_reset_keeps_every_older_notebook(typed, copy):
    typed("open 1")
    for number in (1, 2):
        write(copy, "mean", RIGHT["mean"])
        mine = copy.read_bytes()
        old = copy.with_suffix(f".old{number}.ipynb")
        assert typed("reset 1")[1].endswith(f"the old one is my-lectures/{old.name}\n")
        assert old.read_bytes() == mine
        assert RIGHT["mean"] not in copy.read_text()


def test_check_tells_of_every_exercise_and_exits_with_1_until_all_are_right(typed, copy):
    typed("open 1")
    write(copy, "mean", "m = X.sum(0)")
    code, out, err = typed("check 1")
    assert (code, err) == (1, "")
    assert out.startswith("my-lectures/01_means.ipynb\n  mean    wrong\n    for X (4, 3), kind 'r")
    assert out.endswith("  square  not written\n0 of 2 right\n")


@pytest.mark.slow
def test_check_exits_with_0_when_all_are_right(typed, copy):
    typed("open 1")
    for name, body in RIGHT.items():
        write(copy, name, body)
    assert typed("check 1") == (
        0,
        "my-lectures/01_means.ipynb\n  mean    right\n  square  right\n2 of 2 right\n",
        "",
    )


@pytest.fixture
def outcome(lecture):
    """outcome(*cells): what the check of `mean` says of a notebook of these cells."""
    checks = {"mean": built(lecture().path.parent)[0].checks["mean"]}

    def result(*cells, seconds=20):
        (one,) = tried(list(cells), checks, seconds)
        return one.state, one.text

    return result


MEANS = "import numpy as np\ndef mean(X, kind): return np.mean(X, 0)"


@pytest.mark.slow
@pytest.mark.parametrize(
    "cells",
    {
        "of two the last counts": ("def mean(X, kind): return 0", MEANS),
        "with a helper": (
            "def half(A):\n    return A / 2",
            "def mean(X, kind): return half(2 * X.mean(0))",
        ),
        "cells that fail": ("1 / 0", "syntax error", MEANS, "plot(unknown)"),
        "a changed check": (MEANS, "def mean_inputs(rng): 1 / 0", "check_exercise(mean)"),
        "magics": ("%matplotlib inline\n!ls\n" + MEANS,),
        "prints": (
            MEANS,
            "print('right')",
            "def mean(X, kind):\n    print('[')\n    return X.mean(0)",
        ),
        "an import of that name later": (MEANS, "from statistics import mean"),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_else_stands_in_a_notebook_does_no_harm(cells, outcome):
    assert outcome(*cells[1])[0] == "right"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("import os\ndef mean(X, kind): os._exit(3)", "the check ended early: exit code 3"),
        (
            "N = 1 / 0\ndef mean(X, kind): return N",
            "what it reads cannot be run: ZeroDivisionError",
        ),
        ("def mean(X, kind):\n    return X.mean(5)", "in the line: return X.mean(5)"),
        (
            "def mean(X, kind):\n    M = X.mean(0)\n    return m\nm = 3",
            "NameError: name 'm' is not defined",
        ),
        (MEANS + "\ndef mean(X, kind): return 0", "there are 2 functions of this name"),
    ],
)
def test_a_function_that_does_not_end_well_is_wrong(cell, sentence, outcome):
    state, text = outcome(cell)
    assert state == "wrong"
    assert sentence in text


@pytest.mark.slow
def test_a_function_that_does_not_end_is_wrong(outcome):
    state, text = outcome("def mean(X, kind):\n    while True: pass", seconds=3)
    assert state == "wrong"
    assert "it was not done after 3 seconds" in text


def test_a_function_that_is_not_there_is_not_written(outcome):
    assert outcome("a = 1") == ("not written", "there is no function of this name")


@pytest.mark.slow
def test_a_function_that_calls_one_that_is_not_written_says_so(outcome):
    cells = "def total(X):\n    raise NotImplementedError", "def mean(X, kind): return total(X)"
    says = "mean calls total, which is not written yet"
    assert outcome(*cells) == ("not written", says)


def test_a_function_that_is_no_python_is_wrong(outcome):
    assert outcome("def mean(X, kind):\n    m = (X.sum(0)\n    return m") == (
        "wrong",
        "Python cannot read it: '(' was never closed (its cell, line 2)",
    )


def test_a_cell_of_a_script_that_is_no_python_spoils_no_other(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("a = (\n# %%\nb = 1\n\n# %% [markdown]\n# text\n")
    assert cells_of(script) == ["a = (\n", "# %%\nb = 1\n\n", "# %% [markdown]\n# text\n"]


def test_lines_that_only_a_notebook_understands_leave_the_others_their_numbers():
    assert without_magics("%time\na = 1\n  !ls\nb") == "\na = 1\n\nb"


MISTAKES = {
    "open 9": "there is no lecture 9: there are 1",
    "open x": "'x' is not a valid integer",
    "check 1": "my-lectures has no 01_means.ipynb: `minigrad lectures open 1` writes it",
    "check 1 none.py": "File 'none.py' does not exist",
    "check 1 damaged.ipynb": "damaged.ipynb is no notebook, or a damaged one",
    "carry damaged.ipynb 01_means.py": "damaged.ipynb is no notebook, or a damaged one",
    "carry 01_means.py 01_means.py": "01_means.py cannot be carried into itself",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line(words, typed, tmp_path):
    (tmp_path / "damaged.ipynb").write_text('{"cells": [{}]}')
    code, out, err = typed(words)
    assert (code, out) == (2, "")
    assert MISTAKES[words] in err
    assert err.count("\n") == 1


def test_a_teacher_builds_what_students_get_solutions_and_assignments(typed, tmp_path):
    assert typed("build out")[1] == ("out has student/, solutions/ and assignments/ of 1 lecture\n")
    files = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")}
    assert files == {
        "student/01_means.ipynb",
        "student/01_means.py",
        "solutions/01_means.ipynb",
        *(f"assignments/01_means/{f}" for f in ("assignment.toml", "inputs.py")),
        *(f"assignments/01_means/{f}" for f in ("reference.py", "starter.py")),
    }
    assert "total" not in (tmp_path / "out/student/01_means.py").read_text()


def test_an_installed_minigrad_reads_its_data_and_builds_nothing(typed, tmp_path, monkeypatch):
    (handout,) = built(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    handout.write(data)
    monkeypatch.setattr(handouts, "DATA", data)
    monkeypatch.setattr(commands, "DATA", data)
    monkeypatch.setattr(handouts, "built", None)
    assert handouts.all_handouts() == [handout]
    code, _, err = typed("build out")
    assert code == 2
    assert (
        err == "solutions and assignments are built in a checkout: an installed minigrad has none\n"
    )
