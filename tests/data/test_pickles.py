import os
import pickle
import pickletools
import struct

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal

from minigrad.data import DataError
from minigrad.data.formats import read_pickled
from minigrad.data.pickles import load
from tests.data.published import real

GOOD = b"\x80\x02}(U\x06labels](K\x06K\x09eU\x04name(K\x01K\x02tu."
ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01K%bK%b\x86cnumpy\ndtype\nU\x02%bK\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    b"J\xff\xff\xff\xffK\x00tb\x89%btb"
)


def array(n, d, kind=b"u1", content=None):
    content = bytes(range(n * d)) if content is None else content
    text = b"T" + struct.pack("<i", len(content)) + content
    return ARRAY % (bytes([n]), bytes([d]), kind, text)


def held(value):
    """A pickle of {"data": value}."""
    return b"\x80\x02}(U\x04data" + value + b"u."


@pytest.fixture
def nothing_runs(monkeypatch):
    """A function of os that notes its calls: none may come."""
    calls = []
    monkeypatch.setattr(os, "system", lambda *words: calls.append(words))
    yield
    assert not calls


def test_dicts_lists_strings_and_numbers_are_read():
    assert load(GOOD) == {"labels": [6, 9], "name": (1, 2)}
    assert load(GOOD) == pickle.loads(GOOD)


def test_an_array_of_bytes_is_read_as_python_reads_it():
    X = load(held(array(2, 3)))["data"]
    assert_array_equal(X, [[0, 1, 2], [3, 4, 5]])
    assert X.dtype == np.uint8


def test_the_published_layout_is_read():
    batch = load(real("cifar-10-batches-py/data_batch_sample50").read_bytes())
    assert batch["data"].shape == (50, 3072)
    assert len(batch["filenames"]) == 50
    names = load(real("cifar-10-batches-py/batches.meta").read_bytes())["label_names"]
    assert names[0] == "airplane"
    assert len(names) == 10


def test_what_the_sample_holds_is_what_the_binary_version_holds():
    X, T = read_pickled(real("cifar-10-batches-py/data_batch_sample50"))
    assert_array_equal(np.bincount(T), [5] * 10)
    assert T[:8].tolist() == [6, 9, 9, 4, 1, 1, 2, 7]
    assert X[0, :4].tolist() == [59, 43, 50, 68]


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def protocols(function, *arguments):
    return [pickle.dumps({"data": Runs(function, *arguments)}, p) for p in range(6)]


DTYPE = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
STATE = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
assert DTYPE + STATE in array(2, 2)
MALICIOUS = {
    "a function by name": b"cos\nsystem\n(U\x04truetR.",
    "a function by INST": b"(U\x04trueios\nsystem\n.",
    "a function by OBJ": b"(cos\nsystem\nU\x04trueo.",
    "a function by STACK_GLOBAL": b"\x80\x02U\x02osU\x06system\x93U\x04true\x85R.",
    "a class by NEWOBJ": b"\x80\x02cbuiltins\nobject\n)\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent object": b"Pname\n.",
    "eval": b"c__builtin__\neval\n(U\x032+2tR.",
    "a dotted name below an allowed module": b"cnumpy\ndtype.__init__\n.",
    "another function of NumPy": b"cnumpy.core.multiarray\nfromfile\n(U\x01xtR.",
    "NumPy's loader of pickles": b"cnumpy\nload\n(U\x01xtR.",
    "ndarray, called": b"\x80\x02}(U\x04datacnumpy\nndarray\n(K\x05K\x05\x86tRu.",
    "an array of a gigabyte, not there": held(
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\x00\x00\x00\x40\x85U\x01b\x87R"
    ),
    "an array with more rows than bytes": held(array(200, 200, content=b"abc")),
    "an array with a negative number of rows": held(
        array(1, 2).replace(b"(K\x01K\x01K", b"(K\x01J\xff\xff\xff\xffK")
    ),
    "an array of no type": held(array(2, 2).replace(DTYPE + STATE, b"N")),
    "an array of objects": held(array(2, 2, b"O8", bytes(4))),
    "an array of objects in a list": held(array(2, 2, b"u1").replace(b"T\4\0\0\0\0\1\2\3", b"]")),
    "an array of another type": held(array(2, 2, b"f8", bytes(4))),
    "a dtype with fields": held(DTYPE + b"(K\x03U\x01|NU\x01a}K\x00K\x00K\x00tb"),
    "state for a function": held(b"cnumpy\ndtype\n}(U\x08__call__K\x01ub"),
    "slots for a function": held(
        b"cnumpy.core.multiarray\n_reconstruct\nN}(U\x0c__defaults__K\x01u\x86b"
    ),
    "state for a dict": held(b"}(U\x0c__setstate__K\x01u}b"),
    "a string that says numpy ndarray": held(
        b"cnumpy.core.multiarray\n_reconstruct\nU\x0dnumpy ndarrayK\x00\x85U\x01b\x87R"
    ),
    "keys that are not strings": b"\x80\x02}(K\x01K\x02u.",
    "an odd number of keys and values": b"\x80\x02}(U\x01aK\x01U\x01bu.",
    "a memo that was never written": b"\x80\x02}(U\x01ah\x07u.",
    "a list that is no list": held(b"K\x01(K\x02e"),
    "an empty stack": b"\x80\x020.",
    "a mark that is missing": b"\x80\x02}u.",
    "two results": b"\x80\x02}}.",
    "no dict": b"\x80\x02](K\x01K\x02e.",
    "a string longer than the file": held(b"T\xff\xff\xff\x7fabc"),
    "a negative length": held(b"T\xff\xff\xff\xff"),
    "no pickle": b"GIF89a",
    "nothing": b"",
}


@pytest.mark.parametrize("content", MALICIOUS.values(), ids=MALICIOUS)
def test_everything_else_is_refused_and_nothing_runs(content, nothing_runs):
    with pytest.raises(ValueError, match=r"it is no pickle of CIFAR-10's: \w"):
        load(content)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("call", [(os.system, "true"), (eval, "2 + 2"), (exec, "x = 1")])
def test_calls_that_python_pickles_are_refused_in_all_its_protocols(protocol, call, nothing_runs):
    with pytest.raises(ValueError, match="it is no pickle"):
        load(protocols(*call)[protocol])


def test_python_itself_would_have_run_such_a_pickle(monkeypatch):
    calls = []
    monkeypatch.setattr(os, "system", lambda word: calls.append(word))
    pickle.loads(b"cos\nsystem\n(U\x04truetR.")
    assert calls == ["true"]


def test_a_call_hidden_deep_among_good_data_is_refused(nothing_runs):
    inner = b"(U\x01aK\x01" * 50 + b"cos\nsystem\nU\x04true\x85R" + b"t" * 50
    with pytest.raises(ValueError, match="it asks for os system"):
        load(held(inner))


def test_a_great_number_of_a_memo_takes_no_memory():
    content = b"\x80\x02}r\xff\xff\xff\xff."  # Python's own makes room for 2^33 entries
    assert load(content) == {}


def test_a_hundred_thousand_nested_tuples_are_read_and_given_back():
    assert load(held(b"K\x01" + b"\x85" * 100_000))


def test_a_list_that_holds_itself_is_harmless(tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(b"\x80\x02}(U\x06labels]q\x01(h\x01eU\x04data" + array(1, 3) + b"u.")
    with pytest.raises(DataError, match="data_batch_1 has no data of 3072 bytes an image"):
        read_pickled(path)


@given(st.binary(max_size=60))
def test_any_bytes_end_in_a_dict_or_a_sentence(content):
    try:
        assert isinstance(load(b"\x80\x02" + content), dict)
    except ValueError as error:
        assert str(error).startswith("it is no pickle")


@given(st.integers(0, 154), st.integers(0, 255))
def test_a_changed_byte_ends_in_a_dict_or_a_sentence(place, byte):
    content = bytearray(held(array(2, 3)))
    content[place % len(content)] = byte
    try:
        assert isinstance(load(content), dict)
    except ValueError as error:
        assert str(error).startswith("it is no pickle")


def test_the_instructions_of_the_published_files_are_all_that_is_known():
    content = real("cifar-10-batches-py/data_batch_sample50").read_bytes()
    used = {instruction.name for instruction, _, _ in pickletools.genops(content)}
    for instruction in pickletools.opcodes:
        if instruction.name in used or "BIN" in instruction.name or instruction.name == "MARK":
            continue
        with pytest.raises(ValueError, match="it is no pickle"):
            load(b"\x80\x02}" + instruction.code.encode("latin-1") + bytes(12) + b".")


@pytest.mark.parametrize(
    "labels", [b"](U\x01aK\x01e", b"](J\xff\xff\xff\xffe", b"K\x01", b"](\x89e"]
)
def test_labels_that_are_no_list_of_numbers_are_refused_by_file(tmp_path, labels):
    path = tmp_path / "data_batch_1"
    good = array(1, 1).replace(b"K\x01K\x01K\x01\x86", b"K\x01K\x01M\x00\x0c\x86")
    image = good.replace(b"T\x01\0\0\0\0", b"T\x00\x0c\0\0" + bytes(3072))
    path.write_bytes(b"\x80\x02}(U\x04data" + image + b"U\x06labels" + labels + b"u.")
    with pytest.raises(DataError, match="data_batch_1 has no labels"):
        read_pickled(path)
    path.write_bytes(b"\x80\x02}(U\x04data" + image + b"U\x06labels](K\x07eu.")
    X, T = read_pickled(path)
    assert X.shape == (1, 3072)
    assert T.tolist() == [7]
