import numpy as np
import pytest

from minigrad.grade.assignments import load
from minigrad.grade.judging import Judge
from minigrad.grade.sandbox import Limits


@pytest.fixture(scope="module")
def task():
    return load("gradient-check")


@pytest.fixture
def graded(task, sandbox):
    def result(source, seed=1):
        return Judge(task, sandbox).student("ada", source, seed)["questions"]["check"]

    return result


def failed(question):
    return next(c for c in question["checks"] if c["verdict"] != "PASS")


def test_a_right_check_has_all_points(task, graded):
    question = graded(task.source_of_reference)
    assert (question["score"], question["verdict"]) == (10.0, "PASS")


@pytest.mark.parametrize("answer", ["True", "(counts.append(0) or len(counts)) % 2 == 0"])
def test_answers_that_do_not_look_earn_the_signature_alone(graded, answer):
    question = graded(f"counts = []\ndef check(f, x): return {answer}")
    assert question["score"] <= 1 + 9 * 0.3  # a guess is right now and then
    assert question["verdict"] == "FAIL"
    assert question["score"] == 1 or "counts" in answer


@pytest.mark.parametrize(
    ("source", "verdict", "sentence"),
    [
        ("x = 1", "MISSING", "there is no function check(f, x)"),
        ("def check(f, x): raise NotImplementedError", "MISSING", "check is not written yet"),
        ("def check(f): return True", "FAIL", "check(f) does not take 2 arguments"),
        ("def check(f, x): return 1", "FAIL", "check returns int, and should return True or False"),
        ("def check(f, x): f()", "CRASH", "check raises TypeError: f() missing 1 required "
         "positional argument: 'x' (line 1)"),
        ("def check(:", "CRASH", "the file does not run: SyntaxError: invalid syntax (line 1)"),
        ("check = [0] * (1 << 40)", "MEMORY", "the file does not run: MemoryError (line 1)"),
        ("import os; os._exit(1)", "CRASH", "it ended before it had answered"),
    ],
)  # fmt: skip
def test_a_check_that_gives_no_answer_says_why(graded, source, verdict, sentence):
    question = graded(source)
    assert (question["score"], question["verdict"]) == (0, verdict)
    assert failed(question)["sentence"] == sentence
    assert [c["code"] for c in question["checks"][1:]] == ["not reached"] * 2


def test_replies_that_no_runner_sends_are_protocol(graded):
    source = """
import os, sys
frames, runner = sys.modules["grading.frames"], sys.modules["grading.runner"]
caller = sys._getframe()
while caller.f_code.co_name != "serve":
    caller = caller.f_back
for _ in range(40):
    runner.put(caller.f_locals["descriptor"], frames.pack(frames.ARRAYS, []))
os._exit(0)
"""
    assert graded(source)["verdict"] == "PROTOCOL"


def test_an_exception_is_no_answer(task, graded):
    source = f"""{task.source_of_reference}
right_check = check
def check(f, x):
    return right_check(f, x) or 1 / 0
"""
    question = graded(source)
    assert question["score"] == 1.0
    assert "wrong functions pass" in failed(question)["sentence"]


def test_what_was_answered_before_the_time_was_up_counts(task, sandbox):
    source = "n = []\ndef check(f, x):\n while len(n) > 3: pass\n n.append(0); return False"
    question = Judge(task, sandbox).question(
        task.questions[0], source, np.random.default_rng(0), Limits(wall=0.3)
    )
    assert question["verdict"] == "TIMEOUT"
    assert "after 4 functions" in failed(question)["sentence"]


def test_known_mistakes_answer_as_themselves(task, graded):
    mistake = task.questions[0].mistakes[0]
    check = failed(graded(task.mistaken(task.questions[0], mistake)))
    assert check["code"] == mistake.code
    assert mistake.says in check["sentence"]
