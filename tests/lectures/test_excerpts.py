"""What some names need of the statements of many cells."""

import pytest

from minigrad.lectures.excerpts import missing, needed_by, statements

CASES = {
    "what is read, in turn": ("a = 1\nb = 2\nc = a", "c", "a = 1|c = a"),
    "one name of an import": ("from math import pi, e\nx = e", "x", "from math import e|x = e"),
    "the last of two": ("a = 1\na = 2", "a", "a = 2"),
    "what a changed one was": ("a = 1\na += 2", "a", "a = 1|a += 2"),
    "entries set later": ("a = {}\na[1] = 2", "a", "a = {}|a[1] = 2"),
    "loops whole": ("for i in []:\n    a = i\nb = 1", "a", "for i in []:\n    a = i"),
    "what a function reads": ("a = 1\ndef f():\n    return a", "f", "a = 1|def f():\n    return a"),
    "what it reads when called": (
        "def f():\n    return a\na = 1",
        "f",
        "def f():\n    return a|a = 1",
    ),
    "no local of a function": ("a = 1\ndef f(a):\n    return a", "f", "def f(a):\n    return a"),
    "what stood there at that time": ("a = 1\nb = a\na = 2", "b", "a = 1|b = a"),
    "its decorators": ("d = len\n@d\ndef f(): 0", "f", "d = len|@d\ndef f(): 0"),
}


@pytest.mark.parametrize(("source", "name", "wanted"), CASES.values(), ids=CASES)
def test_statements_that_a_name_needs(source, name, wanted):
    assert "|".join(s.text for s in needed_by({name}, statements([source]))) == wanted


def test_a_cell_that_is_no_python_has_no_statements():
    assert [s.text for s in statements(["a = 1", "1 +", "b = 2"])] == ["a = 1", "b = 2"]


def test_names_that_nothing_binds_are_told_and_builtins_are_no_such():
    assert missing({"f"}, statements(["def f(x):\n    return len(x) + g(h)"])) == ["g", "h"]
    assert missing({"f"}, []) == ["f"]
