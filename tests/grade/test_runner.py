import sys

import numpy as np
import pytest

from minigrad.grade import runner, stub
from minigrad.grade.frames import ARRAYS, MISFIT, RAISED

A, dZ = np.array([1.0, 2.0]), np.array([3.0, 5.0])
GRADIENT = np.array([10.0, 20.0])


def performed(source, *steps, entry="f"):
    f, _ = runner.load(source, entry)
    return list(runner.perform(f, entry, steps))


def both(source, args=(A,), gradients=(GRADIENT,), entry="f"):
    """What a forward and its back give."""
    args, gradients = ([a.copy() for a in nest] for nest in (args, gradients))
    forward = ("forward", 0, tuple(args))
    return performed(source, forward, ("back", 0, dZ.copy(), tuple(gradients)), entry=entry)


def said(source, **options):
    """The only text that comes back."""
    (text,) = [what for kind, what in both(source, **options) if kind != ARRAYS]
    return text


DIALECT = """
def f(A):
    def back(dZ, dA):
        dA += 2 * dZ
    return 2 * A, back
"""
PAIR = """
def f_forward(A):
    return 2 * A, "cache"
def f_backward(dZ, cache):
    assert cache == "cache"
    return 2 * dZ
"""


@pytest.mark.parametrize("source", [DIALECT, PAIR])
def test_both_forms_of_an_answer_give_the_same(source):
    (kind, (value, argument)), (kind_of_back, after) = both(source)
    assert (kind, kind_of_back) == (ARRAYS, ARRAYS)
    assert np.array_equal(value, 2 * A) and np.array_equal(argument, A)
    expected = [GRADIENT + 2 * dZ, 2 * A, A, dZ]  # gradients, value, arguments, incoming
    assert all(map(np.array_equal, after, expected))


def test_the_dialect_is_taken_before_the_pair():
    assert np.array_equal(both(PAIR + DIALECT.replace("2 * A", "3 * A"))[0][1][0], 3 * A)


def test_half_a_pair_is_no_answer():
    assert runner.load("def f_forward(A): pass", "f") == (None, {})
    assert runner.load("def g(A): pass", "f") == (None, {})


@pytest.mark.parametrize("nest", ["(dZ, (dZ, None))", "{'dA': dZ, 'db': dZ}", "[dZ, dZ]"])
def test_the_gradients_of_a_pair_may_be_a_nest(nest):
    source = f"def f_forward(A, b): return A + b, 0\ndef f_backward(dZ, cache): return {nest}"
    _, (kind, after) = both(source, args=(A, A), gradients=(GRADIENT, GRADIENT))
    assert kind == ARRAYS, after
    assert all(np.array_equal(g, GRADIENT + dZ) for g in after[:2])


@pytest.mark.parametrize(
    "deposit", ["dU[0] += dZ; dU[1] += dZ", "dW, db = dU; dW += dZ; db += dZ", "[g for g in dU]"]
)
def test_the_gradients_of_a_nest_take_deposits(deposit):
    source = f"def f(U):\n def back(dZ, dU):\n  {deposit}\n return U[0] + U[1], back"
    steps = ("forward", 0, ((A, A),)), ("back", 0, dZ, ((GRADIENT.copy(), GRADIENT.copy()),))
    _, (kind, after) = performed(source, *steps)
    expected = GRADIENT + dZ if "+=" in deposit else GRADIENT
    assert kind == ARRAYS
    assert np.array_equal(after[0], expected) and np.array_equal(after[1], expected)


def test_a_gradient_in_a_nest_is_not_overwritten():
    source = "def f(U):\n def back(dZ, dU):\n  dU[0] = dZ\n return U[0], back"
    _, (kind, text) = performed(source, ("forward", 0, ((A,),)), ("back", 0, dZ, ((GRADIENT,),)))
    assert kind == RAISED
    assert "never overwrites a gradient" in text


def test_a_gradient_that_nobody_wants_takes_deposits_and_is_not_needed(monkeypatch):
    source = """
from minigrad import needed
def f(A, t):
    def back(dZ, dA, dt):
        assert needed(dA) and not needed(dt)
        dt += 1; dt[0] -= 2; dt[:] = 3
        dA += dZ
    return A, back
"""
    monkeypatch.setitem(sys.modules, "minigrad", stub)
    gradients = (GRADIENT.copy(), stub.Unwanted(A))
    _, (kind, after) = performed(source, ("forward", 0, (A, A)), ("back", 0, dZ, gradients))
    assert kind == ARRAYS, after
    assert np.array_equal(after[0], GRADIENT + dZ)


@pytest.mark.parametrize(
    ("body", "sentence"),
    {
        "pass": "f returns nothing: return value, back",
        "return A": "f returns ndarray: return value, back",
        "return [A, abs]": "f returns list: return value, back",
        "return A, A": "f returns (ndarray, ndarray): return value, back",
        "yield A": "f returns generator: return value, back",
        "return A.tolist(), abs": "the value of f is one array, not a list",
        "return np.ma.array(A), abs": "the value of f is one array, not a MaskedArray",
        "return None, abs": "the value of f is one array, not a NoneType",
    }.items(),
)
def test_a_misfit_says_what_came_and_what_is_asked_for(body, sentence):
    ((kind, text),) = performed(f"import numpy as np\ndef f(A):\n {body}", ("forward", 0, (A,)))
    assert (kind, text) == (MISFIT, sentence)


@pytest.mark.parametrize(
    ("source", "sentence"),
    {
        "f = 3": "f is a int, and should be a function",
        "def f(): pass": "f() does not take 1 arguments",
        "def f(A, b): pass": "f(A, b) does not take 1 arguments",
        "def f(A): return A, lambda dZ: 0": "the back of f takes 0 gradients after the incoming",
        "def f(A): return A, lambda: 0": "the back of f takes 0 gradients after the incoming",
        "def f_forward(A): return A\ndef f_backward(d, c): 0": "f_forward returns ndarray",
        PAIR.replace("return 2 * dZ", "return dZ, dZ"): "f_backward returns 2 gradients: 1 are",
        PAIR.replace(
            "return 2 * dZ", "return dZ[:1]"
        ): "f_backward returns a gradient of shape (1,)",
    }.items(),
)
def test_a_misfit_of_signatures_names_the_function(source, sentence):
    assert next(text for kind, text in both(source) if kind == MISFIT).startswith(sentence)


@pytest.mark.parametrize(
    "source",
    [
        "def f(A, verbose=False): return A, lambda dZ, dA: None",
        "def f(*args): return args[0], lambda *args: None",
        "from functools import partial\nf = partial(lambda k, A: (k * A, lambda *a: None), 2.0)",
        "class F:\n def __call__(self, A): return A, self.back\n def back(*args): 0\nf = F()",
        "from collections import namedtuple\nP = namedtuple('P', 'value back')\n"
        "def f(A): return P(A, lambda dZ, dA: None)",
        "def f(A): return 1.5, lambda dZ, dA: None",
        "def f(A): return A[0], lambda dZ, dA: 'what a back returns is nobody\\'s'",
        "import os\nHERE = os.path.dirname(__file__)\ndef f(A): return A, lambda dZ, dA: None",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\n"
        "class Kept:\n A: object\ndef f(A): return Kept(A).A, lambda dZ, dA: None",
        "if __name__ == '__main__': exit()\ndef f(A): return A, lambda dZ, dA: None",
    ],
)
def test_odd_forms_are_taken(source):
    assert [kind for kind, _ in both(source)] == [ARRAYS, ARRAYS]


@pytest.mark.parametrize(
    ("raised", "text"),
    {
        "raise ValueError": "ValueError (line 2)",
        "raise KeyboardInterrupt": "KeyboardInterrupt (line 2)",
        "exit(0)": "SystemExit: 0 (line 2)",
        "import json; json.loads('{')": "JSONDecodeError: Expecting property name enclosed in "
        "double quotes: line 1 column 2 (char 1) (line 2)",
        "exec('1 +')": "SyntaxError: invalid syntax (line 1)",
        "raise ValueError('x' * 10**6)": f"ValueError: {'x' * 228} (line 2)",
    }.items(),
)
def test_an_exception_is_told_with_the_line_of_the_student(raised, text):
    ((kind, found),) = performed(f"def f(A):\n {raised}", ("forward", 0, (A,)))
    assert kind == RAISED
    assert found == text or (found[:240], found[-9:]) == (text[:240], text[-9:])


def test_what_an_exception_says_about_itself_cannot_do_harm():
    source = "class E(Exception):\n def __str__(self): exit()\ndef f(A): raise E"
    assert performed(source, ("forward", 0, (A,))) == [(RAISED, "E (line 3)")]


def test_a_back_without_its_forward_is_left_out():
    assert both("def f(A): 1 / 0")[1] == (RAISED, "left out, as the forward had failed")


def test_changes_in_place_come_back_as_they_stand():
    source = "def f(A):\n A *= 2\n def back(dZ, dA):\n  dZ *= 3\n return A, back"
    (_, (value, argument)), (_, after) = both(source)
    assert np.array_equal(value, 2 * A) and np.array_equal(argument, 2 * A)
    assert np.array_equal(after[-1], 3 * dZ)


@pytest.mark.parametrize(
    "nest", [A, (A, [A, {"a": A, "b": 2}]), 1.5, "text", None, True, {"a": (A, 3)}, np.float64(2)]
)
def test_a_nest_is_outlined_and_filled(nest):
    arrays = []
    found = runner.filled(runner.outline(nest, arrays), arrays)
    assert repr(found) == repr(nest.item() if isinstance(nest, np.generic) else nest)


def test_answers_of_a_check_are_truths_or_misfits():
    step = ("answer", 0, "def f(x): return x", 1.0)
    ((kind, (truth,)),) = performed("def check(f, x): return f(x) == 1.0", step, entry="check")
    assert (kind, truth.dtype, bool(truth)) == (ARRAYS, bool, True)
    ((kind, text),) = performed("def check(f, x): return 1", step, entry="check")
    assert (kind, text) == (MISFIT, "check returns int, and should return True or False")
