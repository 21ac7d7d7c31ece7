import ast
import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from minigrad.grade.archives import Rejected
from minigrad.grade.notebooks import notebook_source
from tests.grade.packing import notebook


def namespace(data):
    """What the source of a notebook defines."""
    found = {}
    exec(notebook_source(data)[0], found)
    return found


def test_code_cells_come_in_order_without_texts_and_outputs():
    source, notes = notebook_source(notebook("x = 1\n", "y = x + 1"))
    assert source == "# Code cell 1\nx = 1\n\n# Code cell 2\ny = x + 1\n"
    assert notes == ()


def test_the_last_definition_counts():
    assert namespace(notebook("def f(): return 1", "def f(): return 2"))["f"]() == 2


def test_format_3_and_sources_in_one_string_are_read():
    cells = [{"cell_type": "code", "input": "x = 7"}, {"cell_type": "code", "input": ["y", " = 8"]}]
    found = namespace(json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode())
    assert (found["x"], found["y"]) == (7, 8)


@pytest.mark.parametrize(
    "magic",
    ["%matplotlib inline", "!pip install x", "?relu", "relu?", "np.sum??", "a = !ls", "!a '"],
)
def test_a_line_of_magic_is_left_out_with_a_note(magic):
    data = notebook(f"x = 1\nif x:\n    {magic}\ny = 2")
    assert namespace(data)["y"] == 2
    assert notebook_source(data)[1] == (f"Code cell 1: left out {magic}.",)


def test_a_magic_takes_its_continued_lines_along():
    assert namespace(notebook("!pip install \\\n  numpy\ny = 2"))["y"] == 2


@pytest.mark.parametrize(
    "code",
    [
        'x = """\n%no magic\n!nor this\n"""',
        "x = (7\n% 4)",
        "x = 7 \\\n% 4",
        "x = [\n  # it's not closed: (\n  7\n  % 4]",
        "x = r'\\''; y = {\n'a': 3\n% 2}",
        "x = '''a\\'''\n%b'''",
    ],
)
def test_a_percent_sign_within_a_statement_is_no_magic(code):
    source, notes = notebook_source(notebook(code))
    assert code in source
    assert notes == ()


def test_a_cell_of_magic_is_left_out_but_timing_and_capturing_run_their_cell():
    data = notebook("%%bash\nrm -r x", "%%time\na = 1", "\n%%capture out\nb = 2", "%%html\n<b>")
    assert namespace(data).keys() >= {"a", "b"}
    source, notes = notebook_source(data)
    assert "rm" not in source
    assert notes[0] == "Code cell 1 was left out: it begins with %%bash."


def test_a_cell_that_is_not_python_does_not_stop_the_others():
    data = notebook("def f(:", "x = 3")
    assert namespace(data)["x"] == 3
    assert notebook_source(data)[1] == (
        "Code cell 1 was left out: it is not Python (invalid syntax, line 1).",
    )


@pytest.mark.parametrize(
    "deep", ["-" * 50_000 + "1", "(" * 5000, "a" + ".a" * 40_000, "1" + "+1" * 40_000, "[" * 99_000]
)
def test_deep_nesting_costs_its_cell_only(deep):
    assert namespace(notebook(deep, "x = 3"))["x"] == 3


@pytest.mark.parametrize(
    "data, words",
    [
        (b"{", "not JSON (line 1)"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "cells"),
        (b'{"cells": 3}', "cells"),
        (b'{"cells": [3]}', "cells"),
        (b'{"cells": [{"cell_type": "code", "source": [1]}]}', "cells"),
        (b'{"worksheets": {"a": 1}}', "cells"),
        (b'{"cells": []}', "no code"),
        (b"[[]," * 600_000, "too large"),
        (notebook("x", language="R"), "not in Python but in R"),
        (notebook("x = 1\n" * 90_000, "y = 2\n" * 90_000), "over 1 MiB of code"),
        (notebook("%%bash\nls"), "begins with %%bash"),
    ],
)
def test_what_is_no_notebook_in_python_is_told_in_a_sentence(data, words):
    with pytest.raises(Rejected, match=r"^The notebook ") as error:
        notebook_source(data)
    assert words in str(error.value)


@given(st.lists(st.text("ab=%!?\n\\'\"([#) ", max_size=30), min_size=1))
def test_what_is_kept_of_any_cells_is_python(cells):
    try:
        source, _ = notebook_source(notebook(*cells))
    except Rejected:
        return
    ast.parse(source)


@given(st.recursive(st.none() | st.text(max_size=3) | st.integers(), st.lists))
def test_any_json_is_rejected_in_a_sentence(value):
    for shape in ({"cells": value}, {"cells": [value]}, {"worksheets": value}, value):
        with pytest.raises(Rejected):
            notebook_source(json.dumps(shape).encode())
