import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from minigrad.cli import run, stopping
from minigrad.data import DataError
from minigrad.learn import Interrupted, NotFinite
from minigrad.learn.checkpoint import CheckpointError


def after(monkeypatch, capsys, do, *words):
    """Exit code, stdout and stderr of a command that calls do(context), called with words."""

    @click.command()
    @click.option("--n", type=int, default=1)
    @click.pass_context
    def command(context, n):
        do(context)

    monkeypatch.setattr(sys, "argv", ["command", *words])
    code = 0
    try:
        run(command)
    except SystemExit as stop:
        code = stop.code or 0
    return code, *capsys.readouterr()


def fail(error):
    def do(context):
        raise error

    return do


# exit code and the one line on stderr
MISTAKES = {
    "usage": (click.UsageError("seeds are 2 to 5"), 2, "seeds are 2 to 5"),
    "parameter": (click.BadParameter("too small"), 2, "Invalid value: too small"),
    "click's own": (click.ClickException("no such thing"), 2, "no such thing"),
    "file": (FileNotFoundError(2, "No such file", "a/b"), 2, "a/b: No such file"),
    "right": (PermissionError(13, "Permission denied", "a/b"), 2, "a/b: Permission denied"),
    "words alone": (OSError("cannot identify image file"), 2, "cannot identify image file"),
    "no file": (OSError(28, "No space left on device"), 2, "No space left on device"),
    "checkpoint": (CheckpointError("c: damaged"), 2, "c: damaged"),
    "data": (DataError("photos holds no pictures"), 2, "photos holds no pictures"),
    "not finite": (NotFinite("step 3: the value of log"), 1, "step 3: the value of log"),
}


@pytest.mark.parametrize(("error", "code", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_an_exit_code(monkeypatch, capsys, error, code, line):
    assert after(monkeypatch, capsys, fail(error)) == (code, "", line + "\n")


@pytest.mark.parametrize(
    ("words", "named"),
    [(["--zz"], "--zz"), (["--n", "many"], "many"), (["--n"], "--n"), (["extra"], "extra")],
    ids=str,
)
def test_an_unknown_option_or_a_wrong_value_is_named_in_one_line(monkeypatch, capsys, words, named):
    code, out, err = after(monkeypatch, capsys, fail(AssertionError), *words)
    assert (code, out) == (2, "")
    assert named in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyboardInterrupt(), "stopped"),
        (Interrupted("stopped after step 3; saved in c"), "stopped after step 3; saved in c"),
        (click.Abort(), "stopped"),
    ],
    ids=["Ctrl-C", "a saved run", "click's Abort"],
)
def test_ctrl_c_ends_with_130_and_what_was_saved(monkeypatch, capsys, error, line):
    code, out, err = after(monkeypatch, capsys, fail(error))
    assert (code, out) == (130, "")
    # click begins a new line, so that the sentence does not stand behind the terminal's ^C
    assert err.removeprefix("\n") == line + "\n"


def test_ctrl_c_ends_with_a_sentence_of_the_command_s_own(monkeypatch, capsys):
    def command(context):
        with stopping("stopped; what is finished is kept"):
            raise KeyboardInterrupt

    code, _, err = after(monkeypatch, capsys, command)
    assert (code, err.removeprefix("\n")) == (130, "stopped; what is finished is kept\n")


def test_a_command_that_ends_well_says_nothing(monkeypatch, capsys):
    assert after(monkeypatch, capsys, lambda context: None) == (0, "", "")


def test_help_is_printed_and_no_mistake(monkeypatch, capsys):
    code, out, err = after(monkeypatch, capsys, fail(AssertionError), "--help")
    assert (code, err) == (0, "")
    assert "--n" in out


@pytest.mark.parametrize("code", [0, 3])
def test_an_exit_code_that_the_command_chose_is_kept(monkeypatch, capsys, code):
    assert after(monkeypatch, capsys, lambda context: context.exit(code)) == (code, "", "")


def test_an_error_of_the_program_keeps_its_traceback(monkeypatch, capsys):
    with pytest.raises(ZeroDivisionError):
        after(monkeypatch, capsys, fail(ZeroDivisionError("a bug")))


def test_a_real_process_ends_alike():
    code = (
        "import click; from minigrad.cli import run\n"
        "@click.command()\n"
        "@click.argument('path', type=click.File())\n"
        "def main(path): pass\n"
        "run(main)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "/none"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "/none" in done.stderr
    assert done.stderr.count("\n") == 1


HOMEWORK = """
import numpy as np

def relu(A):
    print("a print of the student's")
    def back(dZ, dA):
        dA += dZ * {mask}
    return np.maximum(A, 0), back
"""


def minigrad_check(tmp_path, *words, mask="(A > 0)"):
    path = tmp_path / "hw.py"
    path.write_text(HOMEWORK.format(mask=mask))
    command = [sys.executable, "-m", "minigrad", "check", *words]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)


def test_check_says_right_and_exits_with_0(tmp_path):
    done = minigrad_check(tmp_path, "hw.py:relu")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("relu: right\n")
    assert "checked with (5, 4), seed 0" in done.stdout


def test_check_names_the_mistake_and_exits_with_1(tmp_path):
    done = minigrad_check(tmp_path, "hw.py", "--shapes", "(3, 7)", "--seed", "2", mask="(dZ > 0)")
    assert (done.returncode, done.stderr) == (1, "")
    assert "wrong mask: the gradient of A is let through where the incoming" in done.stdout
    assert "checked with (3, 7), seed 2" in done.stdout


@pytest.mark.slow
def test_check_gives_json_for_programs(tmp_path):
    done = minigrad_check(tmp_path, "hw.py", "--json", mask="1")
    (report,) = json.loads(done.stdout)
    assert done.returncode == 1
    assert (report["name"], report["passed"], report["cause"]) == ("relu", False, "mask missing")
    assert report["verdicts"][0]["shape"] == [5, 4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.py"], "none.py: there is no such file"),
        (["hw.py:nope"], "there is no function nope; it has relu"),
        (["hw.py", "--shapes", "(5, 4"], "--shapes '(5, 4': shapes are like (5, 4)"),
        (["hw.py", "--seed", "x"], "--seed"),
        ([], "FILE[:FUNCTION]"),
    ],
    ids=str,
)
def test_a_mistake_on_the_command_line_of_check_is_one_line(tmp_path, words, sentence):
    done = minigrad_check(tmp_path, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


MORE = """
import numpy as np

def bias(X, b):
    def back(dZ, dX, db):
        dX += dZ
        db += dZ.sum(0)
    return X + b, back

def attention(Q, K, V, mask):
    return Q, lambda dZ, dQ: dQ.__iadd__(dZ)

def double(A):
    def back(dZ, dA):
        dA += 2 * dZ
    return 2 * A, back

def forgot_back(A):
    return A**2
"""


@pytest.mark.slow
def test_where_the_verdict_depends_on_the_shapes_they_are_asked_for(tmp_path):
    (tmp_path / "more.py").write_text(MORE)
    done = minigrad_check(tmp_path, "more.py")
    assert done.returncode == 2
    assert "bias: not checked" in done.stdout
    assert "right with (5, 4), (4,): say which it takes, with --shapes" in done.stdout
    assert "double: right" in done.stdout
    assert "no back, not checked: attention, forgot_back" in done.stdout
    assert minigrad_check(tmp_path, "more.py:bias", "--shapes", "(5, 4), (4,)").returncode == 0


@pytest.mark.slow
def test_shapes_that_a_function_does_not_take_are_no_mistake_of_its_author(tmp_path):
    (tmp_path / "more.py").write_text(MORE)
    done = minigrad_check(tmp_path, "more.py", "--shapes", "(5, 4), (4,)")
    assert done.returncode == 2
    assert "double: not checked\n  it does not take --shapes (5, 4), (4,): double" in done.stdout
    assert "bias: right" in done.stdout


RUN = {
    "what": "python -m example",
    "version": "0.1.0",
    "started": "2026-11-21T13:50:02+00:00",
    "state": "finished",
    "step": 3,
    "steps": 3,
    "options": {},
    "loss": 1.0,
    "seconds": 2.0,
    "scores": {},
}


def minigrad_runs(tmp_path, *words, encoding="utf-8", width=80):
    """`minigrad runs` where there are the runs digits/one and digits/two."""
    for name, rate in (("digits/one", 0.1), ("digits/two", 0.2)):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(json.dumps({**RUN, "options": {"rate": rate}}))
        (folder / "log.csv").write_text("step,epoch,loss,rate\n1,1,4,0.1\n2,2,2,0.1\n3,3,1,0.1\n")
        (folder / "times.csv").write_text("step,seconds,images_per_s\n3,2,50\n")
    return subprocess.run(
        [sys.executable, "-m", "minigrad", "runs", *words],
        cwd=tmp_path,
        capture_output=True,
        encoding=encoding,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": str(width)},
    )


def test_runs_lists_the_runs_whole_where_no_terminal_reads(tmp_path):
    done = minigrad_runs(tmp_path, width=20)
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head.startswith("name ")
    assert [line.split()[0] for line in lines] == ["digits/one", "digits/two"]
    assert all(line.endswith("python -m example") for line in lines)


@pytest.mark.slow
def test_runs_gives_json_for_programs(tmp_path):
    one, two = json.loads(minigrad_runs(tmp_path, "--json").stdout)
    assert one == {"name": "digits/one", **RUN, "options": {"rate": 0.1}}
    assert two["options"] == {"rate": 0.2}


@pytest.mark.slow
def test_an_empty_folder_has_no_runs_and_programs_get_an_empty_list(tmp_path):
    (tmp_path / "empty").mkdir()
    done = minigrad_runs(tmp_path, "--folder", "empty")
    assert (done.returncode, done.stdout) == (0, "no runs in empty\n")
    assert json.loads(minigrad_runs(tmp_path, "--folder", "empty", "--json").stdout) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["show", "digits/one"],
        ["show", "runs/digits/one"],
        ["--folder", "runs/digits", "show", "one"],
        ["show", "one", "--folder", "runs/digits", "--log"],
    ],
    ids=" ".join,
)
def test_runs_show_draws_the_curve_as_wide_as_the_terminal(tmp_path, words):
    done = minigrad_runs(tmp_path, *words, width=64)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 at step 1, 1 at step 3" in done.stdout
    assert ("loss, logarithmic" in done.stdout) == ("--log" in words)
    (floor,) = [line for line in done.stdout.splitlines() if "└" in line]
    assert len(floor) == 64


@pytest.mark.slow
def test_the_curve_is_drawn_in_ascii_where_the_encoding_has_no_more(tmp_path):
    done = minigrad_runs(tmp_path, "show", "digits/one", encoding="ascii")
    assert done.returncode == 0
    assert "4 +*" in done.stdout


@pytest.mark.slow
def test_what_the_encoding_cannot_print_is_printed_as_escapes(tmp_path):
    folder = tmp_path / "runs" / "ä"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({**RUN, "what": "python -m ω"}))
    assert r"python -m \u03c9" in minigrad_runs(tmp_path, encoding="latin-1").stdout


@pytest.mark.parametrize("out", [[], ["--out", "new/page.html"]], ids=str)
@pytest.mark.slow
def test_runs_compare_prints_the_options_that_differ_and_writes_a_page(tmp_path, out):
    done = minigrad_runs(tmp_path, "compare", "digits/one", "digits/two", "--log", *out)
    assert (done.returncode, done.stderr) == (0, "")
    page = Path(out[1] if out else "runs/compare.html")
    assert "rate    0.1" in done.stdout
    assert done.stdout.endswith(f"{page} has the curves\n")
    assert (tmp_path / page).read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", "digits/on"], "there is no run digits/on; the nearest: digits/one, digits/two"),
        (["compare", "digits/one", "x"], "there is no run x; the nearest: "),
        (["compare", "digits/one"], "Missing argument 'B'"),
        (["compare", "digits/one", "digits/two", "--out", "runs"], "'runs' is a directory"),
        (["--folder", "none"], "none: there is no such folder"),
        (["--json", "show", "digits/one"], "--json is for the list"),
        (["digits/one"], "No such command 'digits/one'"),
    ],
    ids=str,
)
def test_a_mistake_on_the_command_line_of_runs_is_one_line(tmp_path, words, sentence):
    done = minigrad_runs(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
