import time

import pytest

from minigrad.grade.assignments import load, shipped
from minigrad.grade.flags import flagged

RIGHT = [
    pytest.param(path.read_text(), question.name, id=f"{name}-{path.stem}-{question.name}")
    for name in shipped()
    for path in [
        *sorted((load(name).folder / "right").glob("*.py")),
        load(name).folder / "reference.py",
    ]
    for question in load(name).questions
]
DIFFERENCES = """
def f(X):
    def back(dA, dX):
        for i in range(X.size):
            X.flat[i] += 1e-6
            up, _ = f(X)
            X.flat[i] -= 2e-6
            down, _ = f(X)
            dX.flat[i] += ((up - down) * dA).sum() / 2e-6
    return X ** 2, back
"""


@pytest.mark.parametrize(("source", "entry"), RIGHT)
def test_honest_answers_are_not_flagged(source, entry):
    assert list(flagged(source, entry)) == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    {
        "import torch": "it imports torch, which computes gradients by itself",
        "import jax.numpy as jnp": "it imports jax.numpy, which computes gradients by itself",
        "def f(X):\n from autograd import grad": "it imports autograd, which computes gradients",
        "import minigrad.engine as e\ndef f(X): e": "it imports minigrad.engine, which computes",
        "from minigrad import node, grad\ndef f(X): h\ndef h(): grad": "it imports more of minigra",
        "x = '" + "a" * 100_000 + "'": "it is too long to be looked through: 100006 characters",
    }.items(),
)
def test_what_a_person_should_look_at_is_a_sentence(source, sentence):
    (found,) = flagged(source, "f")
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    "source",
    [
        "import minigrad",
        "from minigrad import node, check",
        "",
        "from minigrad import *",
        "import minigrad.engine\nfrom minigrad import node, grad\n@node\ndef f(grad): grad",
        "import numpy",
        "def f(",
        "x = '\\d'",
        "\0",
    ],
)
def test_what_is_allowed_or_does_not_run_is_not_flagged(source):
    assert list(flagged(source, "f")) == []


@pytest.mark.parametrize(
    "source",
    [
        DIFFERENCES,
        DIFFERENCES.replace("(up - down)", "(f(X)[0] - down)"),
        DIFFERENCES.replace("for i in range(X.size):", "i = 0\n        while i < X.size:"),
        DIFFERENCES.replace("up, _ = f(X)", "up = value(X)")
        .replace("down, _ = f(X)", "down = value(X)")
        .replace("X ** 2, back", "value(X), back") + "\ndef value(X): return X ** 2",
        """
def f_forward(X):
    return value(X), X
def value(X): return X ** 2
def f_backward(dA, X):
    return [(value(X + 1e-20j * e).imag * dA).sum() for e in basis(X)]
""",
        """
def f(X):
    def back(dA, dX):
        dX += numeric(X, dA)
    return value(X), back
def value(X): return X ** 2
def numeric(X, dA):
    return sum((value(X + h) - value(X - h)) * dA for h in steps(X))
""",
    ],
)  # fmt: skip
def test_differences_of_the_forward_are_found(source):
    assert list(flagged(source, "f")) == [
        "its back takes differences of the forward, entry by entry"
    ]


def test_differences_outside_of_a_back_are_a_students_own_check():
    source = """
def f(X):
    return value(X), lambda dA, dX: None
def value(X): return X ** 2
def my_check(X):
    for h in range(3):
        print(value(X + h) - value(X - h))
"""
    assert list(flagged(source, "f")) == []


def test_loops_that_call_the_forward_without_a_difference_are_honest():
    source = DIFFERENCES.replace("(up - down)", "(up + down)")
    assert list(flagged(source, "f")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    {
        "long differences": "def f(X):\n def back(d):\n  for i in d:\n"
        + ("   x = " + "-".join(["a"] * 900) + "\n") * 50 + " return X, back",
        "calls of calls": "def f(X):\n" + "".join(f" def g{i}(d): h{i}()\n" for i in range(2000))
        + "".join(f"def h{i}(): h{i + 1}()\n" for i in range(2000)),
        "nested": "def f(X):\n" + "".join(f"{' ' * i}def g{i}(d):\n" for i in range(1, 90))
        + " " * 90 + "x = [" + "a - a, " * 9000 + "]",
    }.values(),
    ids=lambda source: source[10:25],
)  # fmt: skip
def test_a_source_cannot_keep_the_judge_busy(source):
    before = time.process_time()
    list(flagged(source, "f"))
    assert time.process_time() - before < 10
