import re

import pytest
from graded import FACTS, HOSTILE, check, question, right, student, wrong
from hypothesis import given
from hypothesis import strategies as st
from pages import Page

from minigrad.grade.escapes import plain
from minigrad.grade.reports import Class, class_page, student_markdown, student_page

RUN = {**FACTS, "questions": {"affine": 10.0}}


def text_of(page):
    """What a reader sees of a page, in one line."""
    return " ".join(" ".join(text for tag, _, text in page.found if tag != "style").split())


def page_of(*students, times=None, **run):
    return Page(class_page(Class({**RUN, **run}, list(students), times or {})))


def test_a_student_reads_points_verdicts_mistakes_and_hints():
    page = Page(student_page(wrong("ann"), released=True))
    assert page.texts("h1") == ["Layers"]
    assert page.texts("h2") == ["affine"]
    assert "6 of 10 points" in page.texts("p")
    text = text_of(page)
    assert "batch sum missing." in text
    assert "b is added to every row." in text
    assert "Hint: Look at shapes." in text
    assert "Seed 5." in text


@pytest.mark.parametrize("made", [student_page, student_markdown])
def test_a_student_never_reads_that_all_passed_while_hidden_checks_follow(made):
    before, after = made(right("ann")), made(right("ann"), released=True)
    assert "This is not all: hidden checks follow after the deadline." in before
    assert "right so far" in before
    assert "8 of 8 points so far" in before
    assert "edges" not in before
    assert "Seed 5" not in before
    assert "hidden checks" not in after
    assert "10 of 10 points" in after
    assert "edges" in after


@pytest.mark.parametrize("made", [student_page, student_markdown])
def test_before_the_release_a_page_is_the_same_whatever_the_hidden_checks_say(made):
    failed = check("edges", code="two maxima", sentence="Share it.", visible=False)
    forward = check("forward", 4.0)
    passed = check("edges", visible=False)
    one, other = (student("ann", pool=question(forward, c)) for c in (failed, passed))
    assert made(one) == made(other)
    assert made(one, released=True) != made(other, released=True)


@pytest.mark.parametrize("made", [student_page, student_markdown])
def test_a_rejected_submission_says_why_and_notes_are_shown(made):
    text = made(student("ann", rejected="It is a link.", notes=["A cell was dropped."]))
    assert "It is a link." in text
    assert "A cell was dropped." in text


def test_markdown_of_a_student():
    assert student_markdown(wrong("ann_lee"), released=True) == (
        "# Layers: ann\\_lee\n"
        "\n"
        "**6 of 10 points.**\n"
        "\n"
        "## affine: wrong, 6 of 10\n"
        "\n"
        "| stage | verdict | points | |\n"
        "|---|---|---|---|\n"
        "| forward | right | 4 of 4 |  |\n"
        "| db | wrong | 0 of 4 | batch sum missing: b is added to every row."
        " Hint: Look at shapes. |\n"
        "| edges | right | 2 of 2 |  |\n"
        "\n"
        "Sandbox: strong. Seed 5. Graded with minigrad 0.15.\n"
    )


def test_the_class_page_counts_each_mistake_once_per_student_the_most_frequent_first():
    sign = check("dX", code="sign", sentence="Turn it.")
    twice = student("c", affine=question(sign, check("dW", code="sign", sentence="Turn it.")))
    page = page_of(wrong("a"), wrong("b"), twice, right("d"), right("e"))
    assert page.texts("b") == ["40 %", "20 %"]
    text = text_of(page)
    assert text.index("batch sum missing") < text.index("sign")
    assert page.texts("summary") == ["2 students", "1 student"]
    assert "b is added to every row." in page.texts("p")
    assert "a, b" in page.texts("p")


def test_the_class_page_has_mean_median_full_marks_and_stages():
    text = text_of(page_of(wrong("a"), right("b"), right("c"), right("d")))
    assert "Students 4 Mean 9 of 10 Median 10 of 10 Full marks 3 75 %" in text
    assert "Mean 9 of 10; full marks: 75 %; nothing: 0 %." in text
    assert "db 75 % right" in text


def test_bars_are_points_and_only_full_marks_are_in_the_last():
    page = page_of(wrong("a"), right("b"), right("c"))
    (total, affine) = (a["aria-label"] for a in page.attributes("div") if a.get("role") == "img")
    assert affine == (
        "Points for affine: 0 with 0, 0 with 1, 0 with 2, 0 with 3, 0 with 4, 0 with 5, "
        "1 with 6, 0 with 7, 0 with 8, 0 with 9, 2 with 10"
    )
    nearly = student("a", affine=question(check("db", 49.9), check("dX", 0.1, "sign")))
    page = page_of(nearly, questions={"affine": 50.0})
    label = next(a["aria-label"] for a in page.attributes("div") if a.get("role") == "img")
    assert label.endswith("1 with 45, 0 with 50")


def test_our_own_failure_is_no_mistake_of_the_class_but_somebody_looks_at_it():
    ours = check("db", code="grader", sentence="It broke.", verdict="INTERNAL")
    page = page_of(student("ann", affine=question(ours)))
    assert "Nothing." in page.texts("p")
    assert "It broke." in page.texts("p")
    assert "INTERNAL" in page.texts("span")


def test_the_class_page_names_the_slowest_and_who_was_rejected():
    text = text_of(
        page_of(
            right("ann"),
            student("bo", rejected="It is a link."),
            times={"ann": {"affine": 0.012}, "bo": {"affine": 5.0}},
        )
    )
    assert "affine 2.5 s 5.0 s bo 5.0 s" in text
    assert "bo REJECTED the whole submission It is a link." in text


def test_a_class_graded_without_a_sandbox_says_so_loudly():
    assert "There was no sandbox:" in page_of(right("a"), level="none").texts("strong")
    assert "There was no sandbox:" not in page_of(right("a")).texts("strong")
    assert "Sandbox: strong" in text_of(page_of(right("a")))


PAGES = [
    student_page(wrong("ann")),
    class_page(Class(RUN, [wrong("ann")], {"ann": {"affine": 1.0}})),
]


@pytest.mark.parametrize("text", PAGES, ids=["student", "class"])
def test_a_page_stands_alone_in_light_and_dark_and_runs_nothing(text):
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert page.attributes("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in page.attributes("meta")
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"https?:|@import|url\(", text)
    for tag, attributes, _ in page.found:
        assert tag not in ("script", "link", "iframe", "img")
        assert not {"href", "src", "action"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)


def shape(text):
    """The elements of a page and their attributes' names, without what is in them."""
    return [(tag, sorted(attributes)) for tag, attributes, _ in Page(text).found]


@given(st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=()))))
def test_hostile_text_is_data_in_a_page(text):
    def pages(name):
        one = student(name, rejected=name, notes=[name])
        bad = check(name, 1.0, name, name, "FLAGGED", name)
        one["questions"] = {name: question(bad)}
        one.update(dict.fromkeys(("title", "level", "version", "sha256"), name))
        facts = {"questions": {name: 1.0}, "title": name, "level": name, "version": name}
        class_ = Class({**RUN, **facts}, [one], {name: {name: 1.0}})
        return student_page(one, released=True), class_page(class_)

    name = text or "x"
    for harmless, hostile in zip(pages("harmless"), pages(name)):
        assert shape(hostile) == shape(harmless)
        assert " ".join(plain(name).split()) in text_of(Page(hostile))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_data_in_markdown(text):
    one = student(text, rejected=text, notes=[text], q=question(check(text, 1.0, text, text)))
    harmless = student("x", rejected="x", notes=["x"], q=question(check("x", 1.0, "x", "x")))
    lines, expected = (student_markdown(s).splitlines() for s in (one, harmless))
    assert len(lines) == len(expected)
    for line, model in zip(lines, expected):
        assert line[:2] == model[:2]
        unescaped = re.sub(r"\\[!-/:-@\[-`{-~]", "", line)
        assert unescaped.count("|") == model.count("|")
        assert not re.search(r"[<>\[`]", unescaped)
