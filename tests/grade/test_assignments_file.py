"""Every mistake that a teacher can make in an assignment's files is a sentence that names it."""

import re
import sys

import numpy as np
import pytest

from minigrad.gradcheck import Unfit
from minigrad.grade.assignments import SHIPPED, load, shipped
from minigrad.grade.draws import drawn
from minigrad.grade.proofs import verify
from minigrad.grade.sandbox import Sandbox
from tests.grade.twice import FILES

POINTS = "{signature = 1, shapes = 1, forward = 2, dA = 2, edges = 1}"
MISTAKE = FILES["assignment.toml"][FILES["assignment.toml"].index("[[question.mistake]]") :]
QUESTION = FILES["assignment.toml"][FILES["assignment.toml"].index("[[question]]") :]


def refused(folder):
    with pytest.raises(Unfit) as refusal:
        load(folder)
    assert str(folder) in str(refusal.value)
    return str(refusal.value).replace(f"{folder}/", "").replace(str(folder), "FOLDER")


def test_without_a_mistake_it_is_loaded(folder):
    (question,) = load(folder).questions
    assert (question.name, question.max_score, question.hidden) == ("twice", 7.0, ("edges",))
    assert load(folder).limits.wall == 5.0


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("schema = 1", "", "schema is missing"),
        ("schema = 1", "schema = 2", "schema is 2, and this grader reads 1"),
        ("schema = 1", "schema = '1'", "schema is '1', and should be int"),
        ("schema = 1", "schema = 1 1", "Expected newline or end of document"),
        ('title = "Twice"', "", "title is missing"),
        ('title = "Twice"', "title = 3", "title is 3, and should be str"),
        ('title = "Twice"', "title = 'a'\nwho = 'me'", "there is no 'who' at the top; known are"),
        ("[limits]", "[limit]", "there is no 'limit' at the top"),
        ("[limits]\nwall = 5.0", "limits = 5", "limits is 5, and should be dict"),
        ("wall = 5.0", "wall = '5 s'", "limits.wall is '5 s', and should be int or float"),
        ("wall = 5.0", "wall = true", "limits.wall is True, and should be int or float"),
        ("wall = 5.0", "wall = 0", "limits.wall is 0, and should be above 0"),
        ("wall = 5.0", "cpu = -1", "limits.cpu is -1, and should be above 0"),
        ("wall = 5.0", "cpu = nan", "limits.cpu is nan, and should be above 0"),
        ("wall = 5.0", "memory = 0.5", "limits.memory is 0.5, and should be int"),
        ("wall = 5.0", "walls = 5", "there is no 'walls' in limits; known are ['cpu', 'memory', "),
        (QUESTION, "", "has no [[question]]"),
        (QUESTION, "[question]", "question is {}, and should be list"),
        ("[limits]\nwall = 5.0\n" + QUESTION, "question = [1]", "should be tables: [[question]]"),
        ('name = "twice"', "", "question.name is missing"),
        ('name = "twice"', 'name = "a b"', "question.name is 'a b', and should be the name of a f"),
        (MISTAKE, QUESTION, "two questions are called 'twice'"),
        ('gradients = ["dA"]', "gradients = 1", "question 'twice'.gradients is 1, and should be"),
        ('gradients = ["dA"]', "gradients = [1]", "gradients is [1], and should hold texts"),
        (POINTS, "7", "question 'twice'.points is 7, and should be dict"),
        ("dA = 2, ", "", "points of 'twice'.dA is missing"),
        ("shapes = 1, ", "", "points of 'twice'.shapes is missing"),
        ("dA = 2, ", "dA = 2, dB = 1, ", "there is no 'dB' in points of 'twice'; known are ['dA'"),
        ("dA = 2, ", "dA = '2', ", "points of 'twice'.dA is '2', and should be int or float"),
        ("dA = 2, ", "dA = -2, ", "points of 'twice'.dA is -2, and should be 0 or more"),
        ("dA = 2, ", "dA = inf, ", "points of 'twice'.dA is inf, and should be 0 or more"),
        ('["edges"]', '["edge"]', "question 'twice'.hidden names 'edge'; stages are signature, sh"),
        ("tolerance = 1e-9", "tolerance = 0.0", "'twice'.tolerance is 0.0, and should be above 0"),
        ("tolerance = 1e-9", "tolerance = '1'", "question 'twice'.tolerance is '1', and should be"),
        ("tolerance = 1e-9", "toleranz = 1", "there is no 'toleranz' in question 'twice'; known"),
        ("tolerance = 1e-9", "kind = 'essay'", "question 'twice'.kind is 'essay', and should be"),
        ("tolerance = 1e-9", "hint = 3", "question 'twice'.hint is 3, and should be str"),
        ('code = "once"', "", "mistake.code is missing"),
        ('stage = "dA"', "", "mistake 'once' of 'twice'.stage is missing"),
        ('stage = "dA"', 'stage = "dB"', "mistake 'once' of 'twice' fails at 'dB'; stages are"),
        ('replace = "2 * dZ"', "", "mistake 'once' of 'twice'.replace is missing"),
        ('replace = "2 * dZ"', 'replace = "3"', "replaces '3', which occurs 0 times in reference"),
        ('replace = "2 * dZ"', 'replace = "2 *"', "replaces '2 *', which occurs 2 times in refere"),
        (
            'replace = "2 * dZ"',
            'replace = ["2", "dZ"]',
            "'once' of 'twice' replaces 2 by 1",
        ),
        ('by = "dZ"', "by = 1", "mistake 'once' of 'twice'.by is 1, and should be str or list"),
        ('says = "The factor is missing."', "", "mistake 'once' of 'twice'.says is missing"),
        ('says = "The', 'say = "a"\nsays = "The', "there is no 'say' in mistake 'once' of 'twice'"),
        (MISTAKE, MISTAKE + MISTAKE, "two mistakes of 'twice' are called 'once'"),
    ],
)
def test_a_mistake_in_assignment_toml_is_a_sentence(folder, old, new, sentence):
    text = FILES["assignment.toml"]
    assert text.count(old) == 1
    (folder / "assignment.toml").write_text(text.replace(old, new))
    said = refused(folder)
    assert sentence in said
    assert said.startswith(("assignment.toml: ", "assignment.toml has no"))


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("inputs.py", None, "FOLDER has no inputs.py"),
        ("starter.py", None, "FOLDER has no starter.py"),
        ("inputs.py", "def", "inputs.py cannot be run: SyntaxError: invalid syntax (inputs.py,"),
        ("inputs.py", "1 / 0", "inputs.py cannot be run: ZeroDivisionError: division by zero"),
        ("inputs.py", "exit()", "inputs.py cannot be run: SystemExit: None"),
        ("inputs.py", "", "inputs.py defines no twice_inputs"),
        ("inputs.py", "def twice_inputs(rng): 0", "inputs.py defines no twice_edges"),
        ("reference.py", "x = 2 * dZ", "reference.py cannot be run: NameError: name 'dZ' is not"),
        ("reference.py", "'2 * dZ'", "reference.py defines no twice"),
        ("reference.py", "twice = 1 # 2 * dZ", "reference.py defines no twice"),
    ],
)
def test_a_mistake_in_a_file_is_a_sentence(folder, file, text, sentence):
    if text is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(text)
    assert refused(folder).startswith(sentence)


def test_bytes_that_are_no_text_are_a_sentence(folder):
    (folder / "inputs.py").write_bytes(b"# \xff")
    assert refused(folder).startswith("inputs.py is not UTF-8: ")


def test_a_folder_that_is_none_names_those_that_ship(tmp_path):
    for name in ("no such", tmp_path):
        with pytest.raises(Unfit, match=r"none of this name ships; there are affine, batchnorm"):
            load(name)


def test_a_students_folder_has_no_reference_and_can_be_read(folder):
    (folder / "reference.py").unlink()
    assignment = load(folder)
    assert assignment.questions[0].name == "twice"
    with pytest.raises(Unfit, match=r"has no reference.py: only a teacher's folder can grade"):
        assert assignment.source_of_reference


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("inputs.py", "yield (rng", "return; yield (rng", "no case is drawn"),
        ("inputs.py", 'yield "z', 'return; yield "z', "no edges is drawn"),
        (
            "inputs.py",
            "size=3),)\ndef",
            "size=3), 1)\ndef",
            "at twice: TypeError: twice.. takes 1 pos",
        ),
        ("reference.py", "2 * A, back", "2 * A, lambda dZ: 0", "back fills 0 gradients, and"),
        ("reference.py", "return 2 * A", "return [2 * A]", "ValueError: non-broadcastable output"),
    ],
)
def test_inputs_that_would_compare_nothing_are_refused(folder, file, old, new, sentence):
    text = FILES[file]
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, new))
    assignment = load(folder)
    with pytest.raises(Unfit, match=sentence):
        drawn(assignment, assignment.questions[0], np.random.default_rng(0))


@pytest.mark.parametrize("name", shipped())
def test_what_ships_is_loaded_by_name_and_by_folder(name):
    by_name = load(name)
    by_folder = load(by_name.folder)
    assert (by_name.name, by_name.sha256) == (name, by_folder.sha256)


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
def test_the_assignment_in_the_readme_holds(tmp_path):
    text = (SHIPPED / "README.md").read_text("utf-8")
    for name, code in re.findall(r"\*\*`(\w+\.\w+)`\*\*.*?```\w+\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(code)
    with Sandbox() as sandbox:
        rows = list(verify(load(tmp_path), sandbox))
    assert {row.name for row in rows} >= {"reference.py", "starter.py", "factor missing"}
    assert all(row.holds for row in rows)


def test_the_parts_of_a_mistake_are_replaced_at_once_so_that_two_can_change_places(folder):
    text = (folder / "assignment.toml").read_text()
    pair = 'replace = ["dZ, dA", "2 * dZ"]\nby = ["2 * dZ", "dZ, dA"]'
    text = text.replace('replace = "2 * dZ"\nby = "dZ"', pair)
    (folder / "assignment.toml").write_text(text)
    task = load(folder)
    source = task.mistaken(task.questions[0], task.questions[0].mistakes[0])
    assert "def back(2 * dZ):\n        dA += dZ, dA\n" in source
