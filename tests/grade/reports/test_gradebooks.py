import csv
import io

import pytest
from graded import FACTS, HOSTILE, check, question, right, student, wrong
from hypothesis import given
from hypothesis import strategies as st
from pages import Page

from minigrad.gradcheck import Unfit
from minigrad.grade.reports import Class, canvas, moodle

RUN = {**FACTS, "questions": {"affine": 10.0}}

HEAD = "Student,ID,SIS User ID,SIS Login ID,Section,Essay (71),Layers (72),Final Score\r\n"
POINTS = "    Points Possible,,,,,5.00,10.00,(read only)\r\n"
ANN = '"Lee, Ann",101,s1,ann@uni,"A, B",4.00,,88\r\n'
BO = '"van der Bo, Bo",102,s2,bo@uni,A,3.00,9.50,77\r\n'
TEST = '"Student, Test",199,,t,A,,,\r\n'


def put(tmp_path, text):
    path = tmp_path / "book.csv"
    path.write_bytes(text.encode())
    return path


def filled(fill, tmp_path, text, *students, **options):
    """The filled gradebook and what was said."""
    said = []
    book = fill(Class(RUN, list(students)), put(tmp_path, text), say=said.append, **options)
    return book, said


def cells(text):
    return list(csv.reader(io.StringIO(text, newline="")))


# Canvas


def test_canvas_gets_one_column_and_all_else_as_it_was(tmp_path):
    book = HEAD + POINTS + ANN + BO + TEST
    text, said = filled(canvas, tmp_path, book, right("x", canvas="101"), wrong("y", canvas="102"))
    assert text == (
        "Student,ID,SIS User ID,SIS Login ID,Section,Layers (72)\r\n"
        "    Points Possible,,,,,10.00\r\n"
        '"Lee, Ann",101,s1,ann@uni,"A, B","10"\r\n'
        '"van der Bo, Bo",102,s2,bo@uni,A,"6"\r\n'
        '"Student, Test",199,,t,A,\r\n'
    )
    assert said == ["1 in the gradebook, but not graded: Student, Test"]


@pytest.mark.parametrize("column", ["Layers (72)", "Layers", "layers", "72", ""])
def test_the_column_goes_by_name_or_number_or_the_assignment_s_title(tmp_path, column):
    text, _ = filled(canvas, tmp_path, HEAD + POINTS + ANN, right("x", canvas="101"), column=column)
    assert cells(text)[0][-1] == "Layers (72)"
    assert cells(text)[2][-1] == "10"


@pytest.mark.parametrize(
    ("head", "column", "words"),
    [
        (HEAD, "Lauers", r"no column 'Lauers'; its assignments: 'Essay \(71\)', 'Layers \(72\)'"),
        (HEAD.replace("Essay", "Layers"), "Layers", "several columns 'Layers'"),
        (HEAD, "Final Score", "Canvas lets nobody change 'Final Score'"),
        ("Name,Points\r\n", "", "no gradebook of Canvas: its head lacks ID or Section"),
    ],
)
def test_a_column_that_cannot_be_filled_is_refused(tmp_path, head, column, words):
    with pytest.raises(Unfit, match=words):
        filled(canvas, tmp_path, head + (POINTS + ANN) * (head != "Name,Points\r\n"), column=column)


@pytest.mark.parametrize(
    "one",
    [
        right("anything", canvas="101"),
        right("ann@uni"),
        right("S1"),
        right("k", email="ANN@uni"),
        right("k", sid="S1"),
        right("ann lee"),
        right("k", name="Lee, Ann"),
        right("k", name="Ann  LEE"),
    ],
    ids=lambda one: f"{one['student']} {one['ids']}",
)
def test_a_student_is_found_by_id_login_or_name(tmp_path, one):
    text, said = filled(canvas, tmp_path, HEAD + POINTS + ANN + BO, one)
    assert [row[-1] for row in cells(text)[2:]] == ["10", "9.50"]
    assert said == ["1 in the gradebook, but not graded: van der Bo, Bo"]


def test_an_id_that_is_not_in_the_gradebook_is_not_replaced_by_a_name(tmp_path):
    text, said = filled(canvas, tmp_path, HEAD + POINTS + ANN, right("Ann Lee", canvas="999"))
    assert cells(text)[2][-1] == ""
    assert "1 graded, but not found in the gradebook, or several of it fit: Ann Lee" in said


def test_a_number_that_another_system_gave_finds_nobody(tmp_path):
    others = [right("a", gradescope="101"), right("b", moodle="101"), right("c", sid="101")]
    text, _ = filled(canvas, tmp_path, HEAD + POINTS + ANN, *others)
    assert cells(text)[2][-1] == ""


def test_where_several_fit_nothing_is_filled_in(tmp_path):
    twin = ANN.replace("101,s1,ann@uni", "103,s3,ann2")
    text, said = filled(canvas, tmp_path, HEAD + POINTS + ANN + twin, right("Ann Lee"))
    assert [row[-1] for row in cells(text)[2:]] == ["", ""]
    assert said[0].endswith("or several of it fit: Ann Lee")
    text, said = filled(canvas, tmp_path, HEAD + POINTS + ANN, right("s1"), wrong("ann lee"))
    assert cells(text)[2][-1] == ""
    assert said == [
        "2 graded, but several of them fit the same row, which stays as it was: s1; ann lee"
    ]


def test_where_the_grader_failed_the_old_points_stay(tmp_path):
    ours = student("x", {"canvas": "102"}, affine=question(check("db", verdict="INTERNAL")))
    text, said = filled(canvas, tmp_path, HEAD + POINTS + BO, ours)
    assert cells(text)[2][-1] == "9.50"
    assert said == ["1 left as before: the grader failed (INTERNAL): x"]


def test_another_maximum_is_refused_unless_points_are_scaled(tmp_path):
    book = HEAD + POINTS.replace("10.00", "100.00") + ANN
    with pytest.raises(Unfit, match="a maximum of 100 points, the assignment 10: change one"):
        filled(canvas, tmp_path, book, wrong("s1"))
    text, _ = filled(canvas, tmp_path, book, wrong("s1"), scale=True)
    assert cells(text)[2][-1] == "60"


def test_byte_order_mark_semicolons_quotes_and_blank_lines_stay(tmp_path):
    book = '\ufeff"Student";ID;Section;Layers (72)\n"L ""x"" \n; A";101;"A;B";\n\n'
    text, _ = filled(canvas, tmp_path, book, right("k", canvas="101"))
    assert text == book.replace('"A;B";', '"A;B";"10"')


def test_hostile_names_of_the_gradebook_go_back_as_they_came(tmp_path):
    for name in HOSTILE[:-3]:
        quoted = name.replace('"', '""').encode("utf-8", "replace").decode()
        book = f'{HEAD}{POINTS}"{quoted}",101,s1,x,A,,,\r\n'
        text, _ = filled(canvas, tmp_path, book, right("k", canvas="101"))
        assert f'"{quoted}",101,s1,x,A,"10"\r\n' in text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        ("Müller".encode("latin-1"), "is not in UTF-8"),
        (b'Student,ID\r\n"never closed,1\r\n', "line 2 has a quote in the wrong place"),
        (b"Student,ID,Section,A\r\nx,1\r\n", "row 2 has 2 cells, the head has 4"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, data, words):
    path = tmp_path / "book.csv"
    path.write_bytes(data)
    with pytest.raises(Unfit, match=f"book.csv.* {words}"):
        canvas(Class(RUN, []), path)
    with pytest.raises(Unfit, match=f"book.csv.* {words}"):
        moodle(Class(RUN, []), path)


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), max_size=8)


@given(st.lists(st.tuples(CELL, CELL), max_size=4), st.sampled_from(["\r\n", "\n"]))
def test_a_gradebook_comes_back_to_the_byte_except_for_the_points(tmp_path_factory, rows, end):
    book = io.StringIO(newline="")
    lines = csv.writer(book, lineterminator=end, quoting=csv.QUOTE_ALL)
    lines.writerow(["Student", "ID", "Section", "Layers (72)"])
    lines.writerows([[name, f"x{i}", section, "3"] for i, (name, section) in enumerate(rows)])
    lines.writerow(["last", "101", "A", "3"])
    folder = tmp_path_factory.mktemp("book")
    text, _ = filled(canvas, folder, book.getvalue(), right("k", canvas="101"))
    assert text == book.getvalue()[: -len(f'"3"{end}')] + f'"10"{end}'


# Moodle

SHEET = (
    "Identifier,Full name,ID number,Email address,Status,Grade,Maximum Grade,"
    "Grade can be changed,Last modified (submission),Last modified (grade),Feedback comments\r\n"
    'Participant 7,Ann Lee,0101,ann@uni,Submitted,,10.00,Yes,"Monday, 1 May",-,\r\n'
    "Participant 8,Bo Yu,0102,bo@uni,Submitted,9.50,10.00,No,-,-,old\r\n"
)
GERMAN = (
    "ID,Vollständiger Name,E-Mail-Adresse,Status,Bewertung,Bestwertung,"
    "Bewertung kann geändert werden,Zuletzt geändert (Abgabe),Zuletzt geändert (Bewertung),"
    "Feedback als Kommentar\r\n"
    'Teilnehmer/in7,Ann Lee,ann@uni,Abgegeben,,"10,00",Ja,-,-,\r\n'
    'Teilnehmer/in8,Bo Yu,bo@uni,Abgegeben,"9,50","10,00",Ja,-,-,alt\r\n'
)


def half(name, /, **ids):
    return student(name, ids, affine=question(check("db", 7.5), check("dX", 2.5, "sign", "No.")))


def test_moodle_gets_two_cells_per_student_and_all_else_as_it_was(tmp_path):
    text, said = filled(moodle, tmp_path, SHEET, half("x", moodle="7"))
    before, after = cells(SHEET), cells(text)
    changed = [(i, j) for i in range(3) for j in range(11) if before[i][j] != after[i][j]]
    assert changed == [(1, 5), (1, 10)]
    assert after[1][5] == "7.5"
    assert after[1][10] == (
        "7.5 of 10 points<br>affine: 7.5 of 10<br>- dX: sign: No.<br>Sandbox: strong, seed 5"
    )
    assert text.count("\r\n") == text.count("\n") == 3
    assert said == ["1 in the gradebook, but not graded: Bo Yu"]


def test_a_translated_sheet_keeps_its_decimal_comma(tmp_path):
    text, _ = filled(moodle, tmp_path, GERMAN, half("x", moodle="7"), right("y", moodle="8"))
    assert [row[4] for row in cells(text)[1:]] == ["7,5", "10"]
    assert [row[-1][:7] for row in cells(text)[1:]] == ["7.5 of ", "10 of 1"]
    assert text.startswith(GERMAN.partition("\r\n")[0])


def test_a_sheet_in_an_unknown_language_gets_grades_only(tmp_path):
    unknown = GERMAN.replace("Feedback als Kommentar", "Hægt")
    text, said = filled(moodle, tmp_path, unknown, half("x", moodle="7"))
    assert [row[-1] for row in cells(text)] == ["Hægt", "", "alt"]
    assert cells(text)[1][4] == "7,5"
    assert said[0].endswith("has no column of comments: only grades are filled in")


@pytest.mark.parametrize(
    "one", [half("q", moodle="7"), half("ann@uni"), half("0101"), half("q", name="lee ann")]
)
def test_moodle_s_students_are_found_by_identifier_address_number_or_name(tmp_path, one):
    text, _ = filled(moodle, tmp_path, SHEET, one)
    assert [row[5] for row in cells(text)[1:]] == ["7.5", "9.50"]


def test_an_anonymous_sheet_has_no_names_and_works(tmp_path):
    sheet = (
        "Identifier,Status,Grade,Maximum Grade,Grade can be changed,Last modified (grade)\n"
        "Participant 7,Submitted,-,10.00,Yes,-\n"
    )
    text, _ = filled(moodle, tmp_path, sheet, half("x", moodle="7"))
    assert text == sheet.replace(",-,10.00", ',"7.5",10.00')


def test_numbers_that_differ_are_no_maximum(tmp_path):
    sheet = SHEET.replace("Email address", "Phone").replace("ann@uni", "55").replace("bo@uni", "66")
    text, _ = filled(moodle, tmp_path, sheet, half("x", moodle="7"))
    assert cells(text)[1][2:7] == ["0101", "55", "Submitted", "7.5", "10.00"]


@pytest.mark.parametrize("sheet", ["a,b,c\nx1,y,3\n", "Identifier,Grade\n", HEAD + ANN])
def test_what_is_no_worksheet_is_refused(tmp_path, sheet):
    with pytest.raises(Unfit, match="no grading worksheet of Moodle: no numbered identifiers"):
        filled(moodle, tmp_path, sheet, half("x"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_comment_with_hostile_text_is_one_cell_of_html_without_elements_of_its_own(
    tmp_path, text
):
    one = student("x", {"moodle": "7"}, text, affine=question(check(text, 10.0, text, text)))
    sheet, _ = filled(moodle, tmp_path, SHEET, one)
    comment = cells(sheet)[1][10]
    assert len(cells(sheet)) == 3
    assert comment.startswith("0 of 10 points")
    assert {tag for tag, _, _ in Page(comment).found} == {"br"}
