from collections import Counter

from benchmarks.grading import PARTS, UNKNOWN, compose, handed_in
from minigrad.grade.assignments import load


def test_200_students_answer_four_questions_and_what_is_changed_in_wrong_answers_is_there(tmp_path):
    compose(tmp_path)
    assignment = load(tmp_path)
    assert [q.name for q in assignment.questions] == list(PARTS.values())
    for changes in UNKNOWN.values():
        assert all(assignment.source_of_reference.count(old) == 1 for old, _ in changes)
    students = handed_in()
    kinds = Counter(student.kind for student in students)
    assert len(students) == 200
    assert (kinds["right"], kinds["known mistakes"], kinds["unknown mistakes"]) == (160, 16, 16)
    for student in students:
        compile(student.source, student.kind, "exec")
        assert set(student.expected) == set(PARTS.values())
