import csv
import io
import re
import unicodedata
from xml.etree import ElementTree

import pytest
from graded import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from minigrad.grade.escapes import markdown, plain, spreadsheet

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.lists(st.sampled_from([*HOSTILE, *"=+-@\t\r\n|<`1. "])).map("".join),
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("dX needs W.T: (N, K) @ (K, D)", "dX needs W.T: (N, K) @ (K, D)"),
        ("Zoë, Łukasz, 李, नी, 👩‍💻", "Zoë, Łukasz, 李, नी, 👩‍💻"),
        ("one\r\ntwo\tthree", "one  two three"),
        ("\x1b[31mred\x1b[0m\x07", "[31mred[0m"),
        ("\x9b31mred\x85", "31mred "),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u200bb\u2028c", "a\\u200bb\\u2028c"),
        ("\U000e0041", "\\U000e0041"),
        ("\udc80\ufffe\U0001ffff", "\\udc80\\ufffe\\U0001ffff"),
    ],
)
def test_plain_text_keeps_letters_and_shows_or_drops_the_rest(text, shown):
    assert plain(text) == shown


@given(TEXTS)
def test_plain_text_is_one_line_of_legal_xml_without_controls_and_stays_as_it_is(text):
    shown = plain(text)
    assert plain(shown) == shown
    assert not {unicodedata.bidirectional(c) for c in shown} & {"LRE", "RLE", "LRO", "RLO", "PDF"}
    assert len(shown.splitlines()) <= 1
    element = ElementTree.Element("a")
    element.text = shown
    assert (ElementTree.fromstring(ElementTree.tostring(element)).text or "") == shown


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "' =1"),
        ("\rcmd", "' cmd"),
        ("\x00=1", "'=1"),
        ("  =1", "'  =1"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(text, cell):
    assert spreadsheet(text) == cell


@given(TEXTS)
def test_no_cell_is_a_formula_and_csv_gives_it_back(text):
    cell = spreadsheet(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow([cell, "next"])
    assert list(csv.reader([line.getvalue()])) == [[cell, "next"]]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("dX (N, K): 0.5, minigrad 1.0", "dX (N, K): 0.5, minigrad 1.0"),
        ("dW_1 *= 2", "dW\\_1 \\*= 2"),
        ("<b>&amp;", "\\<b\\>\\&amp;"),
        ("[x](y) ![z]", "\\[x\\](y) \\!\\[z\\]"),
        ("a | b", "a \\| b"),
        ("http://evil www.evil", "http\\://evil www\\.evil"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
        ("2) item", "2\\) item"),
        ("    code", "code"),
    ],
)
def test_markdown_escapes_what_would_be_markup_and_nothing_else(text, source):
    assert markdown(text) == source


@given(TEXTS)
def test_markdown_without_its_backslashes_is_the_plain_text_and_with_them_has_no_markup(text):
    source = markdown(text)
    escape = r"\\([!-/:-@\[-`{-~])"  # a backslash before ASCII punctuation, as CommonMark has it
    assert re.sub(escape, r"\1", source) == plain(text).strip()
    assert not re.search(r"[`*_<>\[\]|#~&!$]|://|www\.", re.sub(escape, " ", source), re.IGNORECASE)
    assert not re.match(r"[-+=]|\d+[.)](\s|$)", source)
