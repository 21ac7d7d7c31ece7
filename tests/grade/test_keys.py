import unicodedata

import hypothesis.strategies as st
import pytest
from hypothesis import given

from minigrad.grade.keys import shown, student_key, student_keys


@given(st.text(max_size=300))
def test_a_key_is_a_safe_name_of_a_file_on_every_system(name):
    key = student_key(name)
    assert 1 <= len(key) <= 100
    assert len((key + ".json").encode()) <= 255
    assert not set(key) & set('/\\:*?"<>|')
    assert all(unicodedata.category(c)[0] != "C" for c in key)
    assert key[0] not in ".- "
    assert key[-1] not in ". "


@given(st.text(max_size=120))
def test_a_key_is_its_own_key(name):
    assert student_key(student_key(name)) == student_key(name)


@pytest.mark.parametrize(
    "name", ["CON", "nul", "com1.py", "LPT9", "Aux .x", "COM\u00b9", "\uff23\uff2f\uff2e", "CONIN$"]
)
def test_a_device_of_windows_is_no_key(name):
    assert student_key(name)[0] == "_" or student_key(name) == "CONIN_"


def test_names_of_all_scripts_stay_and_are_composed():
    for name in ("Zoë Łukasz", "張偉", "नेहा शर्मा", "O'Hara-Smith", "ann.lee@uni.edu", "Żółć"):
        assert student_key(unicodedata.normalize("NFD", name)) == name


@pytest.mark.parametrize(
    "name, key",
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "student"),
        ("", "student"),
        ("\u202egnp.exe", "_gnp.exe"),
        ("a\x1b[2Jb", "a__2Jb"),
        ("x" * 300, "x" * 99),
        ("\udcff", "_"),
    ],
)
def test_what_would_harm_becomes_an_underscore(name, key):
    assert student_key(name) == key


@given(st.lists(st.tuples(st.text("aA.é/", max_size=3), st.text("12/", max_size=2))))
def test_keys_differ_even_where_case_does_not_count(people):
    keys = student_keys(people)
    assert len({k.casefold() for k in keys}) == len(people)
    assert all(len(k) <= 100 for k in keys)


def test_namesakes_keep_their_keys_when_a_third_joins():
    two = student_keys([("Ann", "1"), ("Ann", "2")])
    assert student_keys([("Ann", "0"), ("Ann", "1"), ("Ann", "2")])[1:] == two


def test_long_namesakes_differ_within_the_length():
    keys = student_keys([("x" * 200, "y" * 200), ("x" * 200, "")])
    assert len(set(keys)) == 2
    assert max(map(len, keys)) <= 100


@given(st.text(max_size=200))
def test_a_name_in_a_sentence_moves_no_cursor(name):
    assert shown(name).isprintable()
    assert len(shown(name)) <= 60
