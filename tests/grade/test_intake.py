import hashlib
import os

import hypothesis.strategies as st
import pytest
from hypothesis import given

from minigrad.gradcheck import Unfit
from minigrad.grade.archives import MIB
from minigrad.grade.intake import submissions, take_in
from tests.grade.packing import encrypted, link, notebook, packed


def written(tmp_path, files):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def sources(path, names=()):
    return {s.student: s.source or s.rejected for s in submissions(path, names)}


def test_a_folder_of_files(tmp_path):
    written(tmp_path, {"bo.py": "x = 1", "Ann Lee.ipynb": notebook("y = 2"), "roster.csv": ""})
    found = take_in(tmp_path)
    assert found.layout == "a file for each student"
    assert [s.student for s in found.submissions] == ["Ann Lee", "bo"]
    assert found.left_out == ("roster.csv was left out: it is no .py, .ipynb or .zip file.",)
    assert found.submissions[1].sha256 == hashlib.sha256(b"x = 1").hexdigest()
    assert found.submissions[1].ids == {}


def test_a_folder_of_folders(tmp_path):
    written(
        tmp_path,
        {
            "ann/affine.py": "named",
            "ann/numpy.py": "besides",
            "bo/my.py": "only",
            "cy/hw/deep.ipynb": notebook("deep"),
            "di/a.py": "",
            "di/b.py": "",
            "ed/readme.txt": "",
            "fi/Affine.PY": "upper case",
            "gus/affine (1).py": "a browser's copy",
            "gus/other.py": "",
            "hal/affine.py": "above",
            "hal/old/affine.py": "below",
        },
    )
    (tmp_path / "ian").mkdir()
    found = take_in(tmp_path, ["affine.py"])
    assert found.layout == "a folder for each student"
    assert sources(tmp_path, ["affine.py"]) == {
        "ann": "named",
        "bo": "only",
        "cy": "# Code cell 1\ndeep\n",
        "di": "a.py and b.py could all be meant: hand in one, named affine.py.",
        "ed": "No .py or .ipynb file was handed in, only readme.txt.",
        "fi": "upper case",
        "gus": "a browser's copy",
        "hal": "above",
        "ian": "No .py or .ipynb file was handed in.",
    }
    assert found.submissions[0].notes == ("Only affine.py is graded, not numpy.py.",)
    assert sources(tmp_path)["ann"] == ("affine.py and numpy.py could all be meant: hand in one.")


def test_the_first_of_the_expected_names_is_preferred(tmp_path):
    written(tmp_path, {"ann/affine.py": "py", "ann/affine.ipynb": notebook("nb")})
    assert sources(tmp_path, ["affine.py", "affine.ipynb"])["ann"] == "py"
    assert sources(tmp_path, ["affine.ipynb", "affine.py"])["ann"] == "# Code cell 1\nnb\n"


@pytest.mark.parametrize("name", ["ann.py", "ann.ipynb"])
def test_a_single_file(tmp_path, name):
    written(tmp_path, {name: notebook("x") if name.endswith("ipynb") else "x"})
    [ann] = submissions(tmp_path / name)
    assert ann.student == "ann"
    assert "x" in ann.source


@pytest.mark.parametrize(
    "names, students",
    [
        (["ann.py", "bo.py"], ["ann", "bo"]),
        (["hw3/ann.py", "hw3/bo.py"], ["ann", "bo"]),
        (["ann/a.py", "bo/a.py"], ["ann", "bo"]),
        (["hw3/ann/a.py", "hw3/bo/a.py"], ["ann", "bo"]),
        (["ann/affine.py"], ["ann"]),
        (["ann/affine.py", "ann/helper.py"], ["ann"]),
    ],
)
def test_a_zip_of_any_of_these_also_with_a_folder_around(tmp_path, names, students):
    packed(dict.fromkeys(names, b"x = 1"), tmp_path / "all.zip")
    assert sources(tmp_path / "all.zip", ["affine.py"]) == dict.fromkeys(students, "x = 1")


def test_a_student_may_hand_in_a_zip_but_no_zip_within_it(tmp_path):
    inner = packed({"hw/affine.py": b"x = 1", "hw/data.csv": b""})
    written(
        tmp_path,
        {
            "ann/hw.zip": inner,
            "bo/hw.zip": packed({"more.zip": inner}),
            "cy/a.zip": inner,
            "cy/b.zip": inner,
            "di.zip": inner,
            "ed/hw.zip": b"no zip",
        },
    )
    assert sources(tmp_path) == {
        "ann": "x = 1",
        "bo": "hw.zip holds no .py or .ipynb file, only more.zip.",
        "cy": "a.zip and b.zip could all be meant: hand in one.",
        "di": "x = 1",
        "ed": "hw.zip is not a zip archive that can be read: File is not a zip file.",
    }


@pytest.mark.parametrize(
    "attack",
    [
        packed({"affine.py": b"x", "../a.py": b""}),
        packed({"affine.py": b"x", "/a.py": b""}),
        packed({"affine.py": b"x", "C:\\a.py": b""}),
        packed([("affine.py", b"x"), (link("ref.py"), b"../reference.py")]),
        packed([("affine.py", b"x"), ("affine.py", b"y")]),
        packed({"affine.py": b"x", "bomb.bin": bytes(20 * MIB)}),
        packed([("affine.py", b"x"), *((str(n), b"") for n in range(1001))]),
        encrypted(packed({"affine.py": b"x"})),
    ],
    ids=["slip", "absolute", "drive", "link", "twice", "bomb", "entries", "encrypted"],
)
def test_an_attack_by_zip_is_rejected_also_within_a_download_and_stops_nobody(tmp_path, attack):
    handed = {"subs/eve/hw.zip": attack, "subs/ann/affine.py": b"x = 1"}
    written(tmp_path, handed)
    packed(handed, tmp_path / "all.zip")
    for path in (tmp_path / "subs", tmp_path / "all.zip"):
        ann, eve = submissions(path, ["affine.py"])
        assert (ann.source, ann.rejected) == ("x = 1", "")
        assert (eve.source, eve.sha256) == ("", "")
        assert eve.rejected.endswith(".")


def test_a_link_to_the_reference_is_rejected_and_stops_nobody(tmp_path):
    written(tmp_path, {"reference.py": "secret", "subs/ann.py": "x = 1", "subs/bo/a.py": "y"})
    (tmp_path / "subs/eve.py").symlink_to(tmp_path / "reference.py")
    (tmp_path / "subs/bo/affine.py").symlink_to(tmp_path / "reference.py")
    (tmp_path / "subs/fay").symlink_to(tmp_path)
    found = sources(tmp_path / "subs")
    assert found.pop("ann") == "x = 1"
    assert found == {
        "bo": "bo/affine.py is a link; only plain files and folders are read.",
        "eve": "eve.py is a link; only plain files and folders are read.",
        "fay": "fay is a link; only plain files and folders are read.",
    }


@pytest.mark.parametrize(
    "data, source",
    [
        (b"x = 1\r\ny = 2\rz = 3\n", "x = 1\ny = 2\nz = 3\n"),
        (b"\xef\xbb\xbfx = 1", "x = 1"),
        ("x = 'é'".encode(), "x = 'é'"),
        ("# coding: latin-1\nx = 'é'".encode("latin-1"), "# coding: latin-1\nx = 'é'"),
        ("#!/bin/x\n# -*- coding: cp1252 -*-\n'€'".encode("cp1252"), None),
        (b"x = '\xe9'\n", "a.py is not in UTF-8 (line 1): save it as UTF-8."),
        (b"x\n\n'\xff'", "a.py is not in UTF-8 (line 3): save it as UTF-8."),
        (b"# coding: no-such\n'\xff'", "a.py is not in UTF-8 (line 2): save it as UTF-8."),
        (b"# coding: idna\n'\xff'", "a.py is not in UTF-8 (line 2): save it as UTF-8."),
        ("x = 1".encode("utf-16"), "a.py is in UTF-16: save it as UTF-8."),
        (b"x = 1\0", "a.py has NUL characters: it is no text."),
        (b" \r\n", "a.py is empty."),
        (b"#" * MIB, "#" * MIB),
        (b"#" * (MIB + 200_000), "a.py has 1.2 MiB of Python; 1 MiB is read at most."),
    ],
)
def test_a_source_is_text_in_utf_8_or_as_it_declares(tmp_path, data, source):
    (tmp_path / "a.py").write_bytes(data)
    assert sources(tmp_path) == {"a": source or data.decode("cp1252")}


def test_half_a_character_in_a_notebook_costs_its_cell_or_is_rejected(tmp_path):
    half, long = "x = '\ud800'", "#" * 200_000
    written(tmp_path, {"a.ipynb": notebook(half, "y"), "b.ipynb": notebook(f"{half}\n{long}")})
    assert sources(tmp_path) == {
        "a": "# Code cell 2\ny\n",
        "b": "b.ipynb has half of a character (a lone surrogate).",
    }


def test_names_that_would_harm_a_terminal_or_a_page_are_not_repeated(tmp_path):
    written(tmp_path, {"eve/a\x1b[2J.txt": "", "fay\u202e.py": "", "<b>.py": "x"})
    (tmp_path / os.fsdecode(b"\xff.py")).write_text("x")
    found = take_in(tmp_path)
    for s in found.submissions:
        assert s.student.isprintable()
        assert "<" not in s.student
        assert s.rejected.isprintable()


def test_names_that_differ_by_case_only_get_a_number_and_a_note(tmp_path):
    packed({"ann.py": b"x", "Ann.py": b"y"}, tmp_path / "all.zip")
    first, second = submissions(tmp_path / "all.zip")
    assert [first.student, second.student] == ["Ann", "ann-2"]
    assert second.notes == ("Another student has the same name: this is ann-2.",)


def test_one_students_two_files_are_not_two_students(tmp_path):
    written(tmp_path, {"ann.py": "x", "ann.ipynb": notebook("y")})
    assert sources(tmp_path) == {"ann": "ann.ipynb and ann.py could all be meant: hand in one."}


def test_no_submission_is_ever_executed(tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w')"
    written(tmp_path, {"subs/a.py": code, "subs/b.ipynb": notebook(code)})
    assert len(submissions(tmp_path / "subs")) == 2
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name, words",
    [
        ("nowhere", "there is no such file or folder"),
        ("empty", "no submission found: expected .py, .ipynb or .zip files, a folder for"),
        ("a.pdf", "expected a folder, or a .py, .ipynb or .zip file"),
        ("a.zip", "not a zip archive that can be read: File is not a zip file"),
    ],
)
def test_a_teachers_mistake_is_told_in_a_sentence(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    written(tmp_path, {"a.pdf": "", "a.zip": "no zip"})
    with pytest.raises(Unfit) as error:
        submissions(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: {words}")


@given(
    st.dictionaries(
        st.from_regex(r"[a-b./_0-9]{1,12}(\.py|\.zip|/)?", fullmatch=True), st.just(b"x")
    )
)
def test_any_names_in_a_zip_give_students_or_one_sentence(tmp_path_factory, members):
    path = tmp_path_factory.mktemp("any") / "all.zip"
    packed(members, path)
    try:
        found = submissions(path)
    except Unfit:
        return
    students = [s.student for s in found]
    assert students == sorted(set(students))
    assert all(bool(s.source) != bool(s.rejected) for s in found)
