import json

import numpy as np
import pytest

from minigrad.grade import frames
from minigrad.grade.assignments import load, shipped
from minigrad.grade.draws import drawn, generator, performed
from minigrad.grade.judging import Judge, close
from minigrad.grade.results import written
from minigrad.grade.sandbox import Limits, Outcome

HANDS = """
import os, sys
import numpy as np
frames, runner = sys.modules["grading.frames"], sys.modules["grading.runner"]
caller = sys._getframe()
while caller.f_code.co_name != "serve":
    caller = caller.f_back
steps, descriptor = caller.f_locals["steps"], caller.f_locals["descriptor"]
replies = [[kind, what] for kind, what in runner.perform(twice, "twice", steps)]
backs = [what for step, (kind, what) in zip(steps, replies) if step[0] == "back"]
{}
for kind, what in replies:
    text = isinstance(what, str)
    runner.put(descriptor, frames.pack_text(kind, what) if text else frames.pack(kind, what))
os._exit(0)
"""  # right answers, of which a student's code changes the replies


def verdicts(question):
    return {c["stage"]: c["verdict"] for c in question["checks"] if c["verdict"] != "PASS"}


def first(question):
    """The check that failed first."""
    return next(c for c in question["checks"] if c["verdict"] != "PASS")


def test_a_right_answer_has_all_points(graded):
    question = graded()
    assert (question["score"], question["verdict"], question["reason"]) == (10.0, "PASS", "")
    assert [c["stage"] for c in question["checks"]][:3] == ["signature", "shapes", "forward"]


@pytest.mark.parametrize(
    "changes",
    {
        "a default": [("def affine(X, U)", "def affine(X, U, verbose=False)")],
        "Fortran order": [("return A, back", "return A.copy('F'), back")],
        "a view of something larger": [("A = X @ W + b", "A = (X @ W + b)[::-1][::-1]")],
        "a value returned from back": [("db += dA.sum(0)", "db += dA.sum(0); return dX")],
        "tests at the end": [("return A, back", "return A, back\nif __name__ == '__main__': 1/0")],
        "prints": [("W, b = U", "W, b = U; print('x' * 100_000)")],
        "a wrapped function": [("def affine", "import functools\ndef same(f): return "
                                "functools.wraps(f)(lambda *a: f(*a))\n@same\ndef affine")],
        "a sum in another order": [("dA.sum(0)", "dA[::-1].cumsum(0)[-1]")],
        "in-place work on its own arrays": [("A = X @ W + b", "A = X @ W; A[:] += b")],
        "a large constant": [("def affine", "table = " + repr(list(range(5000))) + "\ndef affine")],
    }.values(),
)  # fmt: skip
def test_odd_right_answers_have_all_points(graded, changes):
    question = graded("", *changes)
    assert (question["verdict"], question["score"]) == ("PASS", 10.0), question["checks"]


@pytest.mark.parametrize(
    ("old", "new", "stage", "code", "words"),
    [
        ("A = X @ W + b", "X -= 1; A = (X + 1) @ W + b", "forward", "in place", "argument X:"),
        ("A = X @ W + b", "A = X @ W + b; X.shape = -1", "forward", "in place", "argument X:"),
        (
            "A = X @ W + b",
            "A = vars(affine).setdefault(X.shape, X @ W); A[:] = X @ W + b",
            "forward",
            "shared memory",
            "not the same after another call",
        ),
        ("db += dA.sum(0)", "db += dA.sum(0); A[:] = 0", "forward", "shared memory", "its own"),
        ("dX += dA @ W.T", "dX += dA @ W.T; W[:] = 0", "dX", "in place", "changes W: make"),
        ("db += dA.sum(0)", "db += dA.sum(0); dA *= 2", "dX", "in place", "incoming gradient"),
        ("db += dA.sum(0)", "db += dA.sum(0); dX.shape = -1", "dX", "shape", "dX's shape"),
    ],
)
def test_what_is_changed_in_place_is_named(graded, old, new, stage, code, words):
    check = first(graded("", (old, new)))
    assert (check["stage"], check["verdict"], check["code"]) == (stage, "FAIL", code), check
    assert words in check["sentence"]


def test_a_back_that_is_right_for_a_wrong_forward_earns_its_points_and_says_so(graded):
    twice = graded("", ("A = X @ W + b", "A = 2 * (X @ W + b)"), ("dX += dA @ W.T",
        "dA = 2 * dA; dX += dA @ W.T"))  # fmt: skip
    stages = {c["stage"]: c for c in twice["checks"]}
    for name in ("dX", "dW", "db"):
        assert stages[name]["code"] == "carried"
        assert stages[name]["score"] == stages[name]["max_score"] > 0
        assert stages[name]["sentence"].startswith(f"{name} is right for your own forward")
    assert first(twice)["code"] == "factor"
    assert "2 times what it should be" in first(twice)["sentence"]
    assert twice["verdict"] == "FAIL"
    assert stages["edges"]["score"] == 0
    right_back = graded("", ("A = X @ W + b", "A = 2 * (X @ W + b)"))
    assert right_back["score"] == twice["score"]  # right for what is asked is right, too


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\ndef affine(X, U):\n"
        " return np.zeros((len(X), len(U[1]))), lambda dA, dX, dU: None",
        "import numpy as np\ndef affine(X, U):\n A = np.zeros((len(X), len(U[1]))) + X.sum()\n"
        " def back(dA, dX, dU): dX += dA.sum()\n return A, back",
        "import numpy as np\ndef affine(X, U):\n A = np.zeros((len(X), len(U[1]))) + np.nan\n"
        " def back(dA, dX, dU): dX += np.nan; dU[0].fill(np.nan); dU[1].fill(np.nan)\n"
        " return A, back",
    ],
    ids=["nothing", "a sum", "nan"],
)
def test_a_trivial_forward_earns_no_gradients(graded, source):
    assert graded(source)["score"] == 2.0  # signature and shapes


def test_a_sum_in_place_of_a_product_earns_no_gradients_though_it_depends_on_the_same(graded):
    question = graded("""
def affine(X, U):
    W, b = U
    def back(dA, dX, dU):
        dW, db = dU
        dX += dA.sum(1, keepdims=True)
        dW += dA.sum(0)
        db += dA.sum(0)
    return X.sum(1, keepdims=True) + W.sum(0) + b, back
""")
    earned = {c["stage"]: c["score"] for c in question["checks"]}
    assert (earned["dX"], earned["dW"]) == (0, 0)
    assert earned["db"] == 1  # b is added, as it should be


@pytest.mark.parametrize("harm", ["db += np.nan * dA.sum(0)", "db += dA.sum(0); dA *= 2"])
def test_nothing_is_carried_that_is_nan_or_changes_things(graded, harm):
    changes = [("A = X @ W + b", "A = 2 * X @ W + b"), ("db += dA.sum(0)", harm)]
    question = graded("", ("def affine", "import numpy as np\ndef affine"), *changes)
    assert {c["stage"]: c["score"] for c in question["checks"]}["db"] == 0


def test_trouble_of_the_grader_while_carrying_is_no_zero(affine, sandbox, monkeypatch):
    run = sandbox.run
    broken = lambda *a: Outcome([], [], "INTERNAL", "out of memory")
    monkeypatch.setattr(sandbox, "run", lambda *a: run(*a) if len(a[2]) < 20 else broken())
    source = affine.source_of_reference.replace("A = X @ W + b", "A = 2 * (X @ W + b)")
    source = source.replace("dX += dA @ W.T", "dX += 2 * dA @ W.T")
    question = Judge(affine, sandbox).student("ada", source, 1)["questions"]["affine"]
    assert (question["verdict"], question["score"]) == ("INTERNAL", None)
    assert "out of memory" in first(question)["sentence"]


def test_hidden_stages_are_marked(graded):
    hidden = [c["stage"] for c in graded()["checks"] if not c["visible"]]
    assert hidden == ["edges"]
    failed = graded("", ("db += dA.sum(0)", "db += dA.sum(0) if len(dA) > 1 else 0"))
    assert verdicts(failed) == {"edges": "FAIL"}


@pytest.mark.parametrize(
    ("source", "verdict", "sentence"),
    [
        ("x = 1", "MISSING", "there is no function affine(X, U)"),
        ("def affine(X, U): raise NotImplementedError", "MISSING", "affine is not written yet"),
        ("def affine(X): pass", "FAIL", "affine(X) does not take 2 arguments"),
        (
            "from helpers import *",
            "CRASH",
            "the file does not run: ModuleNotFoundError: No module named 'helpers' (line 1); "
            "while grading there are NumPy and Python's own modules only",
        ),
        (
            "affine = input('n?')",
            "CRASH",
            "the file does not run: EOFError: EOF when reading a line (line 1); "
            "while grading nobody answers input()",
        ),
        (
            "from .own import affine",
            "CRASH",
            "the file does not run: ImportError: attempted relative import with no known parent "
            "package (line 1); while grading no other file can be read",
        ),
        (
            "def affine(X, U): 1 / 0",
            "CRASH",
            "affine raises ZeroDivisionError: division by zero (line 1)",
        ),
        ("affine = [0] * (1 << 40)", "MEMORY", "the file asks for more than 512 MiB"),
        (
            "import os; os._exit(0)",
            "CRASH",
            "at the file, or affine: it ended before it had answered",
        ),
    ],
)
def test_what_does_not_run_earns_nothing_and_says_why(graded, source, verdict, sentence):
    question = graded(source)
    assert (question["score"], question["verdict"]) == (0, verdict)
    assert first(question)["sentence"] == sentence
    assert {c["code"] for c in question["checks"][1:]} == {"not reached"}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    {
        "replies *= 3": "PASS",
        "replies[0][1] = []": "PROTOCOL",
        "replies[2][1].append(np.ones(2))": "PROTOCOL",
        "replies.reverse()": "PROTOCOL",
        "replies[2] = (frames.MISSING, 'affine')": "PROTOCOL",
        "replies[2] = (frames.RAISED, 'x (line ' + '9' * 900 + ')')": "CRASH",
        "replies[0] = (frames.RAISED, 'x (line 0)')": "CRASH",
        "replies[0][1][0] = replies[0][1][0] > 0": "FAIL",
        "replies[0][1][0] = replies[0][1][0] + 1j": "FAIL",
        "replies[0][1][0] = replies[0][1][0].reshape((1,) * 39 + (3,))": "FAIL",
        "for what in backs: what[0] = what[0] > 0": "PROTOCOL",
        "for what in backs: what[0] = what[0] + 1j": "PROTOCOL",
        "for what in backs: what[0] *= np.nan": "FAIL",
        "for what in backs: what[0][:] = 1.7e308": "FAIL",
        "for what in backs: what[0] = what[0][None]": "FAIL",
        "for kind, what in replies: what[0] = what[0] * 0 + 1.7e308": "FAIL",
        "for kind, what in replies: what[0] = what[0] * np.inf": "FAIL",
        "for kind, what in replies[5:]: what[0] = what[0].reshape(-1, 1, 1)": "FAIL",
    }.items(),
)
def test_no_reply_of_a_student_is_trouble_of_the_grader(sandbox, folder, changes, verdict):
    task = load(folder)
    source = task.source_of_reference + HANDS.format(changes)
    question = Judge(task, sandbox).student("ada", source, 1)["questions"]["twice"]
    assert question["verdict"] == verdict
    assert question["score"] == 7 if verdict == "PASS" else question["score"] < 7


@pytest.mark.parametrize(
    "does", ["A = A > 0", "A = A + 1j", "A = A[:1]", "exit()", "A = A * 1e999"]
)
def test_nor_is_a_forward_that_is_another_when_it_is_varied(affine, graded, does):
    source = affine.source_of_reference.replace("+ b\n", "+ b\n    A *= 2\n    {}\n", 1)
    source = source.format(f"affine.calls += 1\n    if affine.calls > 10: {does}")
    question = graded(source + "\naffine.calls = 0\n")
    assert (question["verdict"], question["score"]) == ("FAIL", 7.0)


def test_a_slow_back_is_flagged_and_keeps_its_points(graded):
    slow = graded("", ("dW, db = dU", "import time; time.sleep(0.01); dW, db = dU"))
    assert (slow["verdict"], slow["score"]) == ("FLAGGED", 10.0)
    assert slow["flags"] == ["its back takes far longer than its forward, as finite differences do"]


def test_trouble_of_the_grader_is_none_and_no_zero(affine, sandbox, monkeypatch):
    monkeypatch.setattr(sandbox, "run", lambda *a: 1 / 0)
    result = Judge(affine, sandbox).student("ada", "", 1)
    assert result["score"] is None
    assert result["questions"]["affine"]["verdict"] == "INTERNAL"
    assert "ZeroDivisionError" in first(result["questions"]["affine"])["sentence"]


def test_after_a_timeout_the_next_questions_get_less_time(sandbox, monkeypatch):
    decay = load("decay-add")
    walls = []
    timed_out = Outcome([], [], "TIMEOUT", "it was not done")
    monkeypatch.setattr(sandbox, "run", lambda *a: walls.append(a[3].wall) or timed_out)
    result = Judge(decay, sandbox).student("ada", "", 1)
    assert walls == [Limits().wall, 2.0, 2.0]
    assert {q["verdict"] for q in result["questions"].values()} == {"TIMEOUT"}
    assert result["score"] == 0.0


def test_equal_seeds_give_equal_results_and_others_other_inputs(affine, sandbox):
    judge = Judge(affine, sandbox)
    wrong = affine.source_of_reference.replace("dA @ W.T", "dA @ W.T * 2")
    assert written(judge.student("ada", wrong, 5)) == written(judge.student("ada", wrong, 5))

    def inputs(*who):
        return drawn(affine, affine.questions[0], generator(*who)).steps[0][2][0]

    mine = inputs(5, "ada", "affine")
    assert np.array_equal(mine, inputs(5, "ada", "affine"))
    for other in ((6, "ada", "affine"), (5, "bob", "affine"), (5, "ada", "relu")):
        assert not np.isin(inputs(*other), mine).any()


def test_only_some_questions_are_graded_if_asked(sandbox):
    decay = load("decay-add")
    result = Judge(decay, sandbox).student("ada", decay.source_of_reference, 1, ["add"])
    assert list(result["questions"]) == ["add"]
    assert result["score"] == result["max_score"]


def test_who_cannot_be_graded_has_the_verdict_in_every_question(affine, sandbox):
    result = Judge(affine, sandbox).without("REJECTED", "It is a link.", "ada", 1)
    assert (result["score"], result["questions"]["affine"]["verdict"]) == (0.0, "REJECTED")
    assert first(result["questions"]["affine"])["sentence"] == "It is a link."
    json.dumps(result)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ([1.0, 2.0], [1.0, 2.0 + 1e-13], True),
        ([1.0, 2.0], [1.0, 2.0 + 1e-10], False),
        ([np.nan, 2.0], [1.0, 2.0], False),
        ([np.inf, 2.0], [np.inf, 2.0], True),
        ([1e-300, 0.0], [0.0, 0.0], True),
        ([1.0], [1.0, 1.0], False),
        ([1, 2], [1.0, 2.0], False),
        ([], [], True),
    ],
)
def test_close_is_of_the_largest_entry_and_never_nan(a, b, same):
    assert close(np.array(a), np.array(b), 1e-12) is same


CHANGES = (
    lambda a: a * np.nan,
    lambda a: a * np.inf,
    lambda a: a * 0,
    lambda a: a * 0 + 1.7e308,
    lambda a: -a,
    lambda a: a > 0,
    lambda a: a + 1j,
    lambda a: a.astype("f4"),
    lambda a: a.reshape(-1),
    lambda a: a[None],
    lambda a: np.zeros(0),
)
TEXTS = ("", " (line 0)", "x (line 3)", "MemoryError", "NotImplementedError", "SyntaxError: (")


class Forger:
    """A sandbox in which the reference answers, and some of its replies are changed."""

    level = "none"

    def __init__(self, task, rng):
        self.task, self.rng = task, rng

    def run(self, source, entry, steps, limits):
        replies = performed(self.task.reference[entry], entry, steps)
        chance = self.rng.choice([0.02, 0.2])
        for i, (kind, what) in enumerate(replies):
            if kind == frames.ARRAYS:
                chosen = self.rng.random(len(what)) < chance
                replies[i] = kind, [self.changed(a) if c else a for a, c in zip(what, chosen)]
            if self.rng.random() < chance / 4:
                replies[i] = int(self.rng.choice([frames.MISFIT, frames.RAISED])), self.text()
            elif self.rng.random() < chance / 4 and kind == frames.ARRAYS:
                replies[i] = frames.RAISED, frames.Told(self.text(), replies[i][1][: self.some()])
        return Outcome(replies, [0.001] * len(replies), "", "")

    def changed(self, a):
        with np.errstate(all="ignore"):
            return CHANGES[self.rng.integers(len(CHANGES))](a)

    def text(self):
        return str(self.rng.choice(TEXTS))

    def some(self):
        return int(self.rng.integers(6))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in shipped() if n != "gradient-check"])
def test_whatever_numbers_come_back_the_grader_has_a_verdict(name):
    task, rng = load(name), np.random.default_rng(0)
    judge = Judge(task, Forger(task, rng))
    for seed in range(60):
        result = judge.student("ada", task.source_of_reference, seed)
        assert result["score"] is not None, result
        assert 0 <= result["score"] <= result["max_score"]


def test_what_was_deposited_before_a_back_raised_counts(graded):
    question = graded("", ("db += dA.sum(0)", "db += dA.sum(0)[:, None, None] @ W"))
    verdicts = {c["stage"]: c["verdict"] for c in question["checks"]}
    assert (verdicts["dX"], verdicts["dW"], verdicts["db"]) == ("PASS", "PASS", "CRASH")


def test_gradients_beside_an_exception_are_looked_at_like_others(affine, sandbox):
    source = (
        affine.source_of_reference
        + """
import sys
real = sys.modules["grading.runner"].done
def done(*args):
    kind, what = real(*args)
    if args[2][0] == "back":
        return 7, sys.modules["grading.frames"].Told("E", [A.astype("f4") for A in what[:1]])
    return kind, what
sys.modules["grading.runner"].done = done
"""
    )
    question = Judge(affine, sandbox).student("ada", source, 1)["questions"]["affine"]
    assert question["verdict"] == "PROTOCOL"
    assert {c["score"] for c in question["checks"] if c["stage"] in ("dX", "dW", "db")} == {0}


def test_a_gradient_that_is_right_where_the_back_raises_and_wrong_elsewhere_is_wrong(graded):
    changes = [
        ("dX += dA @ W.T", "dX += dA @ W.T * (1 if len(W) != W.shape[1] else 7)"),
        ("db += dA.sum(0)", "db += dA.sum(0) if len(W) == W.shape[1] else 1 / 0"),
    ]
    checks = {c["stage"]: (c["verdict"], c["code"]) for c in graded("", *changes)["checks"]}
    assert checks["dX"] == ("FAIL", "factor")
    assert checks["dW"][0] == "PASS"
    assert checks["db"][0] == "CRASH"
