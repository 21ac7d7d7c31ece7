import base64
import re

import jinja2
import pytest
from pages import Page

from minigrad.stepper import figures
from minigrad.stepper.report import write_report

NASTY = """<script>alert("x")</script> & 'ä' </style>"""


def report(tmp_path, sections, title="A title", lead="A lead."):
    path = tmp_path / "report.html"
    write_report(path, title, lead, sections)
    return path.read_text(encoding="utf-8")


def figure():
    return figures.learning_curve([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}])


SECTIONS = [
    {"title": "First", "text": "Some text.", "table": [["a", "b"], [1, "2 +- 1"], [3, 4]]},
    {"title": "Second", "figure": figure(), "alt": "A falling line"},
    {"title": "Third"},
]


def test_a_report_is_a_page_with_all_titles_texts_and_tables(tmp_path):
    text = report(tmp_path, SECTIONS)
    assert text.startswith("<!doctype html>")
    page = Page(text)
    assert page.texts("title") == page.texts("h1") == ["A title"]
    assert page.texts("h2") == ["First", "Second", "Third"]
    assert page.texts("p") == ["A lead.", "Some text."]
    assert page.texts("th") == ["a", "b"]
    assert page.texts("td") == ["1", "2 +- 1", "3", "4"]
    assert len(page.texts("table")) == 1


def test_a_figure_stands_in_the_page_as_png_and_has_words(tmp_path):
    (image,) = Page(report(tmp_path, SECTIONS)).attributes("img")
    kind, data = image["src"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data, validate=True).startswith(b"\x89PNG\r\n\x1a\n")
    assert image["alt"] == "A falling line"


def test_a_report_needs_no_network(tmp_path):
    text = report(tmp_path, SECTIONS)
    assert not re.search(r"https?:|@import|url\(", text)
    for _, attributes, _ in Page(text).found:
        assert all(attributes.get(name) is None for name in ("href", "srcset", "action"))
        assert attributes.get("src", "data:").startswith("data:")


def test_the_page_says_its_language_and_encoding(tmp_path):
    page = Page(report(tmp_path, SECTIONS))
    assert page.attributes("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in page.attributes("meta")


def test_whatever_stands_in_the_texts_is_shown_and_never_run(tmp_path):
    section = {"title": NASTY, "text": NASTY, "table": [[NASTY], [NASTY]]}
    picture = {"title": "picture", "figure": figure(), "alt": '" onload="alert(1)'}
    page = Page(report(tmp_path, [section, picture], title=NASTY, lead=NASTY))
    assert not page.texts("script")
    for tag in ("title", "h1", "th", "td"):
        assert page.texts(tag) == [NASTY]
    assert page.texts("p") == [NASTY, NASTY]
    (image,) = page.attributes("img")
    assert image.keys() == {"src", "alt"}
    assert image["alt"] == '" onload="alert(1)'


@pytest.mark.parametrize("section", [{}, {"text": "x"}, {"titel": "x"}], ids=str)
def test_a_section_without_a_title_is_refused_and_nothing_is_written(tmp_path, section):
    with pytest.raises(jinja2.UndefinedError, match="title"):
        report(tmp_path, [section])
    assert not list(tmp_path.iterdir())


def test_a_figure_without_words_is_refused(tmp_path):
    with pytest.raises((jinja2.UndefinedError, ValueError, KeyError), match="alt"):
        report(tmp_path, [{"title": "picture", "figure": figure()}])


def test_a_report_is_written_into_a_new_folder_and_over_an_old_one(tmp_path):
    report(tmp_path, SECTIONS)
    (tmp_path / "deep").mkdir()
    write_report(tmp_path / "deep" / "er" / "r.html", "t", "l", [])
    assert Page(report(tmp_path, [])).texts("h2") == []
