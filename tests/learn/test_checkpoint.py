import json
import os
import re
import shutil
import struct
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import strict
from numeric import normal, strided
from numpy.testing import assert_array_equal

from minigrad import to_gpu
from minigrad.learn import load_checkpoint, save_checkpoint, write_whole
from minigrad.learn.checkpoint import CheckpointError
from minigrad.tree import leaves, map_leaves
from minigrad.version import VERSION

Pair = namedtuple("Pair", "W b")


def nests():
    return {
        "parameters": {
            "hidden": (strided(normal(3, 4)), None),
            "output": [Pair(np.asfortranarray(normal(2, 3).astype(np.float32)), np.array(2.5))],
        },
        "order": np.arange(5),
        "empty": np.zeros((0, 3)),
        "odd": np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324]),
        "flag": np.array([True, False]),
    }


def zeros():
    """Nests like those saved, whose arrays have other memory orders."""
    return map_leaves(lambda a: None if a is None else np.zeros(a.shape, a.dtype), nests())


def arrays(nest):
    return [a for a in leaves(nest) if a is not None]


def saved(folder, **facts):
    path = folder / "c.safetensors"
    save_checkpoint(path, nests(), facts)
    return path


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path)


def test_nests_come_back_bit_for_bit_into_the_same_arrays(checkpoint):
    nest = zeros()
    same = arrays(nest)
    load_checkpoint(checkpoint, nest)
    for got, a, expected in zip(arrays(nest), same, arrays(nests())):
        assert got is a
        assert got.dtype == expected.dtype
        assert got.shape == expected.shape
        assert got.tobytes() == expected.tobytes()


def test_arrays_of_any_memory_order_are_filled(checkpoint):
    nest = map_leaves(lambda a: a if a is None or a.ndim < 2 else strided(a * 0), zeros())
    load_checkpoint(checkpoint, nest)
    for got, expected in zip(arrays(nest), arrays(nests())):
        assert_array_equal(got, expected)


def test_facts_come_back(tmp_path):
    facts = {"step": 3, "text": "ä\n'\"", "rows": [{"loss": 0.1}], "big": 2**127, "none": None}
    assert load_checkpoint(saved(tmp_path, **facts), zeros()) == facts


def test_a_number_that_is_not_finite_comes_back_among_the_facts(tmp_path):
    assert load_checkpoint(saved(tmp_path, best=np.inf), zeros()) == {"best": np.inf}


def test_a_checkpoint_in_a_new_folder_replaces_the_one_before(tmp_path):
    path = saved(tmp_path / "new" / "deep", step=1)
    assert load_checkpoint(path, zeros()) == {"step": 1}
    assert load_checkpoint(saved(path.parent, step=2), zeros()) == {"step": 2}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("old", [None, b"the old content"])
@pytest.mark.parametrize(
    ("owner", "name"), [(os, "fsync"), (Path, "replace")], ids=["fsync", "replace"]
)
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_crash_while_writing_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, owner, name, error, old
):
    path = tmp_path / "c.safetensors"
    if old:
        path.write_bytes(old)

    def crash(*args):
        raise error("no space left")

    monkeypatch.setattr(owner, name, crash)
    with pytest.raises(error, match="no space left"):
        save_checkpoint(path, nests(), {})
    monkeypatch.undo()
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([old] if old else [])


def test_the_new_content_is_on_the_disk_before_it_takes_the_olds_place(tmp_path, monkeypatch):
    path, seen = tmp_path / "c.txt", []
    path.write_text("old")
    fsync = os.fsync

    def look(number):
        temporary = set(tmp_path.iterdir()) - {path}
        seen.append((path.read_text(), [file.read_text() for file in temporary]))
        fsync(number)

    monkeypatch.setattr(os, "fsync", look)
    write_whole(path, "new ä")
    assert seen == [("old", ["new ä"]), ("new ä", [])]  # the second makes the new name last
    assert path.read_bytes() == "new ä".encode()


def flip(path, where):
    """Flip one bit of the byte at `where`."""
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)


def truncate(path, size):
    path.write_bytes(path.read_bytes()[:size])


def change(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def header(path):
    return 8 + struct.unpack("<Q", path.read_bytes()[:8])[0]


DAMAGES = {
    "the last byte is missing": lambda path: truncate(path, -1),
    "half of it is missing": lambda path: truncate(path, path.stat().st_size // 2),
    "it is empty": lambda path: truncate(path, 0),
    "a bit of the first number is flipped": lambda path: flip(path, header(path)),
    "a bit of the last number is flipped": lambda path: flip(path, -1),
    "a bit of the header's length is flipped": lambda path: flip(path, 0),
    "a fact is changed": lambda path: change(path, b'"step": 7', b'"step": 8'),
    "it is text": lambda path: path.write_text("a text, and quite a long one at that\n" * 9),
    "a byte of an outline is changed": lambda path: change(path, b'"order"', b'"ordes"'),
    "it is a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_and_nothing_is_touched(tmp_path, damage):
    path, nest = saved(tmp_path, step=7), zeros()
    damage(path)
    with pytest.raises(CheckpointError, match=r"c\.safetensors: (not a checkpoint, or a )?damaged"):
        load_checkpoint(path, nest)
    assert not any(a.any() for a in arrays(nest))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.safetensors: there is no checkpoint here"):
        load_checkpoint(tmp_path / "none.safetensors", zeros())


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_another_programs_safetensors_file_is_refused(tmp_path, metadata):
    path, nest = tmp_path / "foreign.safetensors", {"W": np.zeros(2)}
    safetensors.numpy.save_file({"W": np.ones(2)}, path, metadata)
    says = metadata and metadata["format"]
    with pytest.raises(CheckpointError, match=f'no "minigrad checkpoint 2": it says {says!r}'):
        load_checkpoint(path, nest)
    assert not nest["W"].any()


def test_another_programs_file_of_a_dtype_numpy_lacks_is_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    head = json.dumps({"W": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + bytes(4))
    with pytest.raises(CheckpointError, match=r"foreign\.safetensors: "):
        load_checkpoint(path, {"W": np.zeros(2)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"parameters": {**zeros()["parameters"], "hidden": (np.zeros((4, 3)), None)}},
            r"parameters\['hidden'\]\[0\] is float64 \(3, 4\) there, float64 \(4, 3\) here",
        ),
        ({"order": np.zeros(5, np.int32)}, r"order is int64 \(5,\) there, int32 \(5,\) here"),
        ({"order": np.zeros((5, 1), int)}, r"order is int64 \(5,\) there, int64 \(5, 1\) here"),
        ({"extra": np.zeros(2)}, r"extra is none there, float64 \(2,\) here"),
        ({"order": None}, r"order is int64 \(5,\) there, none here"),
        ({"order": (np.zeros(5, int),)}, r"order\[0\] is none there, int64 \(5,\) here"),
    ],
    ids=["shape", "dtype", "axes", "missing in the file", "missing here", "nested otherwise"],
)
def test_a_checkpoint_of_another_model_is_refused_by_what_differs(checkpoint, change, sentence):
    nest = {**zeros(), **change}
    with pytest.raises(
        CheckpointError, match=rf"c\.safetensors: made for something else: {sentence}"
    ):
        load_checkpoint(checkpoint, nest)
    assert not any(a.any() for a in arrays(nest))


def test_a_checkpoint_of_the_same_arrays_under_another_name_is_refused(checkpoint):
    nest = zeros()
    nest["turn"] = nest.pop("order")
    with pytest.raises(CheckpointError, match=r"turn is none there"):
        load_checkpoint(checkpoint, nest)


def test_a_copied_checkpoint_is_as_good(checkpoint, tmp_path):
    copy = shutil.copy(checkpoint, tmp_path / "copy")
    nest = zeros()
    load_checkpoint(str(copy), nest)
    assert_array_equal(nest["order"], np.arange(5))


def test_the_one_before_is_kept(tmp_path):
    path, before = tmp_path / "c.safetensors", tmp_path / "before.safetensors"
    for step in (1, 2, 3):
        save_checkpoint(path, nests(), {"step": step}, keep=before)
    assert [load_checkpoint(p, zeros())["step"] for p in (path, before)] == [3, 2]
    assert set(tmp_path.iterdir()) == {path, before}


def test_the_one_before_is_kept_where_files_have_one_name_only(tmp_path, monkeypatch):
    def refuse(*names):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    test_the_one_before_is_kept(tmp_path)


@pytest.mark.parametrize("crash_at", ["link", "replace"])
def test_a_crash_while_the_one_before_is_kept_leaves_two_whole_ones(
    tmp_path, monkeypatch, crash_at
):
    path, before = tmp_path / "c.safetensors", tmp_path / "before.safetensors"
    for step in (1, 2):
        save_checkpoint(path, nests(), {"step": step}, keep=before)
    replace, calls = Path.replace, []

    def crash(self, target):
        calls.append(target)
        if len(calls) == {"link": 1, "replace": 2}[crash_at]:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, nests(), {"step": 3}, keep=before)
    monkeypatch.undo()
    steps = [load_checkpoint(p, zeros())["step"] for p in (path, before)]
    assert steps == ([2, 1] if crash_at == "link" else [2, 2])
    assert set(tmp_path.iterdir()) == {path, before}


def test_a_dict_that_was_empty_gets_what_training_had_put_into_it(tmp_path):
    state = {"stem": {"mean": np.arange(3.0)}, "blocks": {"first": {"var": np.ones(2)}}}
    path, bank = tmp_path / "c.safetensors", np.full(4, 7.0)
    save_checkpoint(path, {"state": {**state, "bank": bank}}, {})
    own = {"state": {"bank": np.zeros(4), "blocks": {}}}
    same = own["state"]["bank"], own["state"]["blocks"]
    load_checkpoint(path, own)
    assert_array_equal(own["state"]["stem"]["mean"], np.arange(3.0))
    assert_array_equal(own["state"]["blocks"]["first"]["var"], np.ones(2))
    assert_array_equal(same[0], bank)  # what was there is filled, not replaced
    assert own["state"]["bank"] is same[0]
    assert own["state"]["blocks"] is same[1]


def test_a_refused_checkpoint_puts_nothing_into_a_dict(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"state": {"mean": np.ones(2)}, "W": np.ones(2)}, {})
    own = {"state": {}, "W": np.zeros(3)}
    with pytest.raises(CheckpointError, match="W is float64"):
        load_checkpoint(path, own)
    assert own["state"] == {}


def test_a_newer_minigrads_checkpoint_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("minigrad.learn.checkpoint.VERSION", "12.0.3")
    path = saved(tmp_path)
    monkeypatch.undo()
    sentence = f"written by minigrad 12.0.3, which is newer than this one, {VERSION}"
    with pytest.raises(CheckpointError, match=re.escape(sentence)):
        load_checkpoint(path, zeros())


def test_keys_that_are_numbers_come_back_as_numbers(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"U": {0: np.ones(2)}, "state": {1: {2: np.ones(3)}}}, {})
    own = {"U": {0: np.zeros(2)}, "state": {}}
    load_checkpoint(path, own)
    assert own["U"].keys() == {0} and own["U"][0].all()
    assert own["state"].keys() == {1} and own["state"][1][2].all()


def test_what_a_dict_lacked_is_made_on_the_device_of_the_other_arrays(tmp_path, monkeypatch):
    strict.install(monkeypatch)
    path, U, state = tmp_path / "c.safetensors", to_gpu(np.zeros(2)), {}
    save_checkpoint(path, {"U": np.ones(2), "state": {"mean": np.ones(3)}}, {})
    load_checkpoint(path, {"U": U, "state": state})
    assert type(state["mean"]) is type(U)


def test_arrays_of_either_byte_order_come_back(tmp_path):
    path, own = tmp_path / "c.safetensors", {"a": np.zeros(3, ">f4")}
    save_checkpoint(path, {"a": np.arange(3, dtype=">f4")}, {})
    load_checkpoint(path, own)
    assert_array_equal(own["a"], [0, 1, 2])


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"n": 0}, r"state\['n'\] is a int, not an array"),
        ({"n": np.float64(0)}, r"state\['n'\] is a float64, not an array"),
        ({"n": np.ones(2, complex)}, "cannot be saved: "),
    ],
    ids=["number", "NumPy's number", "complex"],
)
def test_what_cannot_be_saved_is_named(tmp_path, state, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        save_checkpoint(tmp_path / "c.safetensors", {"state": state}, {})
    assert not list(tmp_path.iterdir())


def test_facts_may_be_numpys(tmp_path):
    facts = {"seed": np.int64(3), "rate": np.float32(0.5), "path": Path("a") / "b"}
    path = saved(tmp_path, **facts)
    assert load_checkpoint(path, zeros()) == {"seed": 3, "rate": 0.5, "path": str(Path("a/b"))}


def test_a_long_log_does_not_stand_in_the_files_head_which_has_a_limit(tmp_path):
    rows = [{"step": i, "loss": 1 / (i + 1)} for i in range(1000)]
    path = saved(tmp_path, log=rows)
    assert header(path) < 2000
    assert load_checkpoint(path, zeros())["log"] == rows
