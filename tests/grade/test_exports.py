import unicodedata
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.gradcheck import Unfit
from minigrad.grade.archives import Rejected
from minigrad.grade.exports import read_yaml
from minigrad.grade.intake import take_in
from tests.grade.packing import link, packed

CANVAS = {
    "leeann_12_345_affine-2.py": b"x = 'ann'",
    "leeann_12_346_report.pdf": b"%PDF",
    "ob_LATE_13_347_affine.py": b"x = 'ob'",
    "kimjo_14_348_notes.docx": b"PK",
}
MOODLE = {
    "Zoe\u0308 Li_7_assignsubmission_file_/affine.py": b"x = 'zoe'",
    "Ann_5_Lee_8_assignsubmission_file_/hw/affine.py": b"x = 'ann'",
    "Ann_5_Lee_8_assignsubmission_onlinetext_/onlinetext.html": b"<p>",
}
METADATA = b"""
submission_101:
  :submitters:
  - :name: Ann Lee
    :sid: 007
    :email: ann@uni.edu
  - :name: Bo
    :sid: '12'
    :email: bo@uni.edu
  :created_at: 2026-11-02 10:00:00.1 Z
  :score: 0.0
  :status: unprocessed
  :history:
  - :id: 99
submission_102:
  :submitters:
  - :name: Cy
    :sid: ''
    :email: cy@uni.edu
"""
GRADESCOPE = {
    "assignment_55_export/submission_metadata.yml": METADATA,
    "assignment_55_export/submission_101/affine.py": b"x = 'both'",
    "assignment_55_export/submission_102/hw.py": b"x = 'cy'",
}


def taken(members, tmp_path, names=("affine.py",)):
    """What is taken in from a zip archive; the same as from the folder that it unpacks to."""
    packed(members, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        archive.extractall(tmp_path / "all")
    folder = take_in(tmp_path / "all", names)
    assert folder == take_in(tmp_path / "all.zip", names)
    return folder


def test_a_download_of_canvas(tmp_path):
    found = taken(CANVAS, tmp_path)
    assert found.layout == "a download of Canvas"
    jo, ann, ob = found.submissions
    assert (ann.student, ann.source, ann.notes) == ("leeann", "x = 'ann'", ())
    assert ann.ids == {"name": "leeann", "canvas": "12"}
    assert ob.notes == ("Canvas marks this as late.",)
    assert jo.rejected == "No .py or .ipynb file was handed in, only notes.docx."


def test_a_download_of_canvas_within_a_folder_and_with_a_stranger(tmp_path):
    members = {f"hw3/{name}": content for name, content in {**CANVAS, "roster.csv": b""}.items()}
    found = taken(members, tmp_path)
    assert found.layout == "a download of Canvas"
    assert found.left_out == ("roster.csv was left out: no name that Canvas gives.",)


def test_a_number_at_the_end_is_dropped_only_if_the_expected_name_is_left(tmp_path):
    members = {"ann_1_2_affine-1.py": b"x = 1", "ann_1_3_helper-1.py": b"", "bo_2_4_my-2.py": b"y"}
    ann, bo = taken(members, tmp_path).submissions
    assert ann.source == "x = 1"
    assert bo.source == "y"
    members = {"ann_1_2_affine-1.py": b"x = 1", "ann_1_3_affine-2.py": b"x = 2"}
    packed(members, tmp_path / "two.zip")
    [ann] = take_in(tmp_path / "two.zip", ["affine.py"]).submissions
    assert ann.rejected == (
        "affine-1.py and affine-2.py could all be meant: hand in one, named affine.py."
    )


def test_namesakes_in_canvas_are_told_apart_by_their_number(tmp_path):
    found = taken({"leeann_12_1_a.py": b"x", "leeann_13_2_a.py": b"y"}, tmp_path)
    assert [s.student for s in found.submissions] == ["leeann-12", "leeann-13"]
    assert found.submissions[0].notes == ("Another student has the same name: this is leeann-12.",)


def test_a_download_of_moodle_with_folders(tmp_path):
    found = taken(MOODLE, tmp_path)
    assert found.layout == "a download of Moodle"
    ann, zoe = found.submissions
    assert (ann.student, ann.source, ann.ids["moodle"]) == ("Ann_5_Lee", "x = 'ann'", "8")
    assert (zoe.student, zoe.ids["name"]) == ("Zo\u00eb Li", "Zo\u00eb Li")


def test_a_flat_download_of_moodle(tmp_path):
    members = {
        unicodedata.normalize("NFD", "Zoë Li_7_assignsubmission_file_affine.py"): b"x = 1",
        "Ann_5_Lee_8_assignsubmission_file_my_affine.ipynb": b"{",
    }
    ann, zoe = taken(members, tmp_path).submissions
    assert (zoe.student, zoe.source) == ("Zoë Li", "x = 1")
    assert ann.rejected == "The notebook is damaged: it is not JSON (line 1)."


def test_a_file_of_moodle_cannot_pass_for_another_students(tmp_path):
    members = {
        "Eve_6_assignsubmission_file_x_7_assignsubmission_file_affine.py": b"wrong",
        "Ann_7_assignsubmission_file_affine.py": b"x = 1",
    }
    ann, eve = taken(members, tmp_path).submissions
    assert (ann.source, ann.rejected) == ("x = 1", "")
    assert (eve.student, eve.ids["moodle"]) == ("Eve", "6")
    assert "does not tell whose file it is" in eve.rejected


def test_an_export_of_gradescope_gives_each_of_a_group_the_submission(tmp_path):
    found = taken(GRADESCOPE, tmp_path)
    assert found.layout == "an export of Gradescope"
    ann, bo, cy = found.submissions
    assert ann.source == bo.source == "x = 'both'"
    assert ann.notes == ("Handed in by 2 students together.",)
    ids = {"name": "Ann Lee", "sid": "007", "email": "ann@uni.edu", "gradescope": "101"}
    assert ann.ids == ids
    assert (cy.student, cy.source) == ("Cy", "x = 'cy'")


def test_folders_and_entries_of_gradescope_without_each_other_are_rejected(tmp_path):
    members = {
        "submission_metadata.yml": METADATA,
        "submission_101/a.py": b"x",
        "submission_7/a.py": b"y",
        "roster.csv": b"",
    }
    found = taken(members, tmp_path)
    rejected = {s.student: s.rejected for s in found.submissions}
    assert rejected["Ann Lee"] == ""
    assert rejected["Cy"] == "No .py or .ipynb file was handed in."
    assert "does not tell who handed in submission_7" in rejected["submission_7"]
    assert found.left_out == ("roster.csv was left out: no name that Gradescope gives.",)


MERGED = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [{', '.join(['*' + a] * 9)}]}}\n"
    for a, b in zip("abcdefghijk", "bcdefghijkl")
)


@pytest.mark.parametrize(
    "text, words",
    [
        ("- " * 40 + "x", "over 30 levels"),
        ("[" * 100_000, "over 30 levels"),
        ("- &a x\n" + "- *a\n" * 1001, "over 1000 aliases"),
        ("!!python/object/apply:os.system [echo]", "it asks for tag:yaml.org,2002:python/object"),
        ("- *b", "an alias of nothing"),
        ("a: [", "not YAML"),
        ("\0", "not YAML"),
        (b"\xff\xff\xff", "not YAML"),
        ("", "empty"),
    ],
)
def test_metadata_that_are_an_attack_or_damaged_are_refused(text, words, tmp_path):
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(Rejected, match=words):
        read_yaml(data)
    packed({"submission_metadata.yml": data, "submission_1/a.py": b""}, tmp_path / "all.zip")
    with pytest.raises(Unfit, match=r"^submission_metadata\.yml: "):
        take_in(tmp_path / "all.zip")


def test_a_bomb_of_aliases_or_merges_stays_small():
    laughs = 'a: &a ["ha"]\n' + "".join(
        f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefghijk", "bcdefghijkl")
    )
    assert read_yaml(laughs.encode())["a"] == ["ha"]
    assert set(read_yaml(MERGED.encode())["l"]) == {"<<"}


@pytest.mark.parametrize("scalar", ["007", "1_000", "yes", "2026-11-02", "0x1F", "~", "1e3"])
def test_scalars_stay_the_text_that_they_are(scalar):
    assert read_yaml(f":sid: {scalar}".encode()) == {":sid": scalar}


@given(st.text(max_size=60))
def test_any_text_as_metadata_is_read_or_rejected(text):
    try:
        read_yaml(text.encode("utf-8", "replace"))
    except Rejected as reason:
        assert str(reason).isprintable()


def test_an_attack_in_a_download_costs_its_student_only(tmp_path):
    members = [
        ("ann_1_2_affine.py", b"x = 1"),
        ("eve_3_4_../../affine.py", b"x = 2"),
        (link("max_5_6_affine.py"), b"/etc/passwd"),
        ("../kim_7_8_affine.py", b"x = 3"),
    ]
    packed(members, tmp_path / "all.zip")
    ann, *others = take_in(tmp_path / "all.zip").submissions
    assert (ann.student, ann.source) == ("ann", "x = 1")
    assert [s.student for s in others] == ["eve", "kim", "max"]
    assert [s.rejected.split(" ", 1)[1] for s in others] == [
        "leads out of its folder.",
        "leads out of its folder.",
        "is a link or a device.",
    ]
