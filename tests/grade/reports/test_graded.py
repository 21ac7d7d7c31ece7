import json

import pytest
from graded import check, question, right, student, write_class, wrong

from minigrad.gradcheck import Unfit
from minigrad.grade.reports import for_student, load, looks
from minigrad.grade.reports.graded import OPEN


def test_students_are_sorted_by_name_and_times_may_be_missing(tmp_path):
    class_ = load(write_class(tmp_path / "out", [right("bo"), wrong("ann")]))
    assert [one["student"] for one in class_.students] == ["ann", "bo"]
    assert class_.run["questions"] == {"affine": 10.0}
    assert class_.times == {}


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(Unfit, match=r"has no run\.json: it is not the folder of a graded class"):
        load(tmp_path)


def test_a_class_of_nobody_is_refused(tmp_path):
    with pytest.raises(Unfit, match="students has no results: nobody is graded yet"):
        load(write_class(tmp_path / "out", []))


def without(key):
    one = right("ann")
    del one[key]
    return json.dumps(one)


def with_(**changes):
    return json.dumps({**right("ann"), **changes})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is damaged: remove it and grade again"),
        (with_()[:-20], "is damaged: remove it and grade again"),
        ("\udcff", "is damaged"),
        ("[" * 100_000, "is damaged"),
        ("[]", "all of it is '\\[\\]', no dict"),
        (without("score"), "all of it has no score"),
        (with_(score="7"), "score is '7', no float"),
        (with_(score=True), "score is 'True', no float"),
        (with_(score=float("nan")), "score is nan"),
        (with_(notes=[1]), "0 is '1', no str"),
        (with_(questions={"affine": {}}), "affine has no checks"),
        (with_(student="bo"), "student is 'bo', the file's name is not"),
    ],
)
def test_a_damaged_file_is_a_sentence_with_its_name(tmp_path, text, words):
    out = write_class(tmp_path / "out", [right("ann"), right("bo")])
    (out / "students/ann.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(Unfit, match=f"students/ann.json .*{words}"):
        load(out)


def test_damaged_times_are_named_as_well(tmp_path):
    out = write_class(tmp_path / "out", [right("ann")], times={"ann": {"affine": "fast"}})
    with pytest.raises(Unfit, match=r"times\.json .* affine is 'fast', no float"):
        load(out)


def test_before_the_release_hidden_checks_have_neither_points_nor_message_nor_verdict():
    hidden = check("edges", 2.0, "two maxima", "Share the gradient.", visible=False)
    failed = student("ann", affine=question(check("forward", 8.0), hidden))
    passed = student("ann", affine=question(check("forward", 8.0), check("edges", visible=False)))
    shown = for_student(failed)
    assert shown == for_student(passed)
    assert (shown["score"], shown["max_score"], shown["hidden"]) == (8.0, 8.0, 1)
    assert shown["questions"]["affine"]["verdict"] == OPEN
    assert shown["questions"]["affine"]["reason"] == ""
    assert [c["stage"] for c in shown["questions"]["affine"]["checks"]] == ["forward"]
    assert shown["seed"] is None


def test_a_mistake_in_a_visible_check_is_the_verdict_before_the_release_too():
    shown = for_student(wrong("ann"))["questions"]["affine"]
    assert (shown["verdict"], shown["reason"]) == ("FAIL", "batch sum missing")
    assert (shown["score"], shown["max_score"]) == (4.0, 8.0)


def test_after_the_release_everything_is_shown():
    shown = for_student(wrong("ann"), released=True)
    assert shown == {**wrong("ann"), "hidden": 0}


def test_a_question_without_hidden_checks_is_shown_as_it_is():
    one = student("ann", relu=question(check("forward")))
    assert for_student(one) == {**one, "hidden": 0, "seed": None}


def test_a_teacher_looks_at_what_was_flagged_stopped_or_rejected_and_at_our_own_failures():
    slow = check("db", code="timeout", sentence="back took over 5 s.", verdict="TIMEOUT")
    ours = check("dX", code="grader", sentence="It broke.", verdict="INTERNAL")
    one = student("ann", b=question(check("forward", code="sign"), slow), a=question(ours))
    assert looks(one) == [("a", "INTERNAL", "It broke."), ("b", "TIMEOUT", "back took over 5 s.")]
    assert looks(student("bo", rejected="a link")) == [("", "REJECTED", "a link")]
    assert looks(wrong("chen")) == []


def test_where_the_grader_failed_reports_say_so_and_add_up_what_there_is(tmp_path):
    failed = student("ann", affine=question(check("forward"), check("dX", verdict="INTERNAL")))
    failed["score"] = failed["questions"]["affine"]["score"] = None
    (loaded,) = load(write_class(tmp_path / "out", [failed])).students
    assert (loaded["score"], loaded["questions"]["affine"]["score"]) == (2, 2)
    assert [look[1] for look in looks(loaded)] == ["INTERNAL"]
