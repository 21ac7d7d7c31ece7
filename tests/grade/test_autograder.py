"""The upload for Gradescope: a zip that grades by itself."""

import io
import json
import os
import subprocess
import sys
import zipfile

import pytest

from minigrad.grade.assignments import load
from minigrad.grade.autograder import packed


def unpacked(folder):
    with zipfile.ZipFile(io.BytesIO(packed(load("affine")))) as archive:
        archive.extractall(folder / "source")
        return archive.namelist()


def test_the_same_assignment_gives_the_same_bytes():
    assert packed(load("affine")) == packed(load("affine"))


def test_it_has_what_gradescope_asks_for_and_no_other_answers(tmp_path):
    names = unpacked(tmp_path)
    assert {"setup.sh", "run_autograder", "assignment/reference.py", "minigrad/cli.py"} <= {*names}
    assert not [n for n in names if "assignments/" in n or "attacks/" in n]


@pytest.mark.slow
def test_unpacked_it_grades_a_submission_into_results_json(tmp_path):
    unpacked(tmp_path)
    (tmp_path / "submission").mkdir()
    wrong = load("affine").source_of_reference.replace("dA.sum(0)", "dA.mean(0)")
    (tmp_path / "submission/affine.py").write_text(wrong)
    there = {**os.environ, "AUTOGRADER": str(tmp_path), "PYTHON": sys.executable}
    ran = subprocess.run(
        ["bash", tmp_path / "source/run_autograder"], env=there, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    tests = json.loads((tmp_path / "results/results.json").read_text())["tests"]
    assert {t["name"]: t["status"] for t in tests}["affine db"] == "failed"
    assert {t["name"]: t["status"] for t in tests}["affine dW"] == "passed"
