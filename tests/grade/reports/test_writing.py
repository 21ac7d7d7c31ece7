import pytest
from graded import right, write_class, wrong

from minigrad.gradcheck import Unfit
from minigrad.grade.reports import KINDS, load, student_page, write

BOOK = "Student,ID,Section,Layers (72)\r\nAnn,1,A,\r\n"
SHEET = "ID,Name,Grade,Max,Last\r\nP1,Ann,,10,-\r\n"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "book.csv").write_text(BOOK, newline="")
    (tmp_path / "sheet.csv").write_text(SHEET, newline="")
    times = {"ann": {"affine": 0.25}}
    return write_class(tmp_path / "out", [wrong("ann"), right("bo")], times)


def contents(out):
    return {p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def write_all(out):
    books = {"exported": out.parent / "book.csv", "worksheet": out.parent / "sheet.csv"}
    return write(out, KINDS, **books)


def test_every_kind_is_written_under_reports_and_again_the_same_bytes(out):
    paths = write_all(out)
    assert [str(path.relative_to(out / "reports")) for path in paths] == [
        *("class.txt", "class.csv", "junit.xml", "class.html"),
        *("students/ann.md", "students/bo.md", "students/ann.html", "students/bo.html"),
        *("gradescope/ann.json", "gradescope/bo.json", "canvas.csv", "moodle.csv"),
    ]
    first = contents(out)
    assert write_all(out) == paths
    assert contents(out) == first
    assert (out / "reports/canvas.csv").read_bytes() == BOOK.replace("A,", 'A,"6"').encode()


def test_what_is_released_is_in_the_students_files(out):
    write(out, ["html"], released=True)
    ann = (out / "reports/students/ann.html").read_text()
    assert ann == student_page(load(out).students[0], released=True)
    write(out, ["html"])
    assert (out / "reports/students/ann.html").read_text() != ann


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (["table", "tabel"], "no report is called 'tabel'; there are table, csv, junit"),
        (["csv", "canvas"], "canvas fills in the file that canvas exports: say which it is"),
    ],
)
def test_a_report_that_cannot_be_made_is_refused_before_any_is_written(out, kinds, words):
    with pytest.raises(Unfit, match=words):
        write(out, kinds)
    assert not (out / "reports").exists()
