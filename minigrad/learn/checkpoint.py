"""Checkpoints: nests of arrays and a few facts in one file, written whole or not at all.

What was saved comes back bit for bit, or is refused with a sentence that says what differs.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import array_module, to_cpu
from ..tree import map_leaves, paths
from ..version import VERSION

FORMAT = "minigrad checkpoint 2"
TEXT = "facts and outlines"  # an array of the bytes of their JSON: a file's own head has a limit


class CheckpointError(ValueError):
    """A checkpoint that is damaged, foreign, or of another model; the message says what differs."""


class Damaged(CheckpointError):
    """A checkpoint that cannot be read, or whose content is not what was written."""


def write_whole(path: str | Path, data: bytes | str, keep: Path | None = None) -> None:
    """Write a file so that at any moment its path holds the old content or the new, whole.

    keep: where the old content goes, if there is any; whole at any moment as well.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        if keep and path.exists():
            _second_name(path, keep)
        temporary.replace(path)
    except OSError as error:
        if error.errno and not error.filename:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # so that a power cut does not undo the new name
        folder = os.open(path.parent, os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)


def _second_name(path, name):
    """Let name hold the content of the file too."""
    temporary = _beside(name)
    try:
        try:
            os.link(path, temporary)
        except OSError:  # a file system without links
            shutil.copyfile(path, temporary)
        temporary.replace(name)
    finally:
        temporary.unlink(missing_ok=True)


def _beside(path):
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def remove_leftovers(folder: Path, names: str = "*") -> None:
    """Remove what killed processes left of files they were writing whole in a folder.

    names: a pattern, which files; of those no other process may be writing one.
    """
    for left in folder.glob(f".{names}.[0-9]*.part"):
        left.unlink()


def save_checkpoint(
    path: str | Path, arrays: dict[str, Any], facts: dict[str, Any], keep: Path | None = None
) -> None:
    """Write nests of arrays and facts to a file, whole or not at all.

    facts: what JSON can hold, NumPy's numbers and arrays as Python's; keep: where the checkpoint
    goes that was there before. Raises CheckpointError for what is no array of numbers.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    flat = {name: _stored(path, name, a) for name, a in _flat(to_cpu(arrays))}
    outlines = {name: _outline(nest) for name, nest in arrays.items()}
    flat[TEXT] = np.frombuffer(as_json([facts, outlines]).encode(), np.uint8)
    metadata = {"format": FORMAT, "version": VERSION, "sha256": _digest(flat)}
    try:
        content = save(flat, metadata)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: cannot be saved: {error}") from error
    write_whole(path, content, keep)


def as_json(facts: Any) -> str:
    """JSON, with NumPy's numbers and arrays as Python's, and anything else by its name."""
    known = lambda a: a.tolist() if hasattr(a, "tolist") else getattr(a, "__name__", str(a))
    return json.dumps(facts, default=known, indent=1)


def load_checkpoint(
    path: str | Path, into: dict[str, Any], expected: dict[str, dict] | None = None
) -> dict[str, Any]:
    """Read a checkpoint into the arrays of nests like those saved, in place; returns the facts.

    A dict of the nests may lack what training put into it since: it gets it. expected: facts
    (dicts) whose entries must be as they are here.
    Raises CheckpointError with a sentence if the file is missing, damaged (Damaged), not a
    checkpoint, of a newer version, or made for other names, shapes, dtypes or facts; the nests are
    untouched then.
    """
    found, facts, outlines = read_checkpoint(path, expected)
    xp = next((array_module(a) for _, a in _flat(into)), np)
    grown = map_leaves(lambda a: a, into)
    for name, nest in grown.items():
        _grow(nest, outlines.get(name), lambda leaf: xp.zeros(leaf[1], leaf[0]))
    wanted = dict(_flat(grown))
    for name in (*wanted, *found):
        kinds = [
            f"{a[name].dtype.newbyteorder('=')} {a[name].shape}" if name in a else "none"
            for a in (wanted, found)
        ]
        if kinds[0] != kinds[1]:
            raise CheckpointError(
                f"{path}: made for something else: {name} is {kinds[1]} there, {kinds[0]} here"
            )
    for name, array in wanted.items():
        array[...] = array_module(array).asarray(found[name])
    for name, nest in grown.items():
        _adopt(into[name], nest)
    return facts


def read_checkpoint(
    path: str | Path, expected: dict[str, dict] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
    """(arrays by path, facts, outlines of nests) of a checkpoint; raises as load_checkpoint."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no checkpoint here") from None
    except (SafetensorError, OSError, TypeError) as error:
        raise Damaged(f"{path}: not a checkpoint, or a damaged one: {error}") from error
    version = metadata.get("version", "0")
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f'{path}: a safetensors file, but no "{FORMAT}": it says {metadata.get("format")!r}'
        )
    if metadata.get("sha256") != _digest(found):
        raise Damaged(f"{path}: damaged: its content does not have the checksum it states")
    if _numbers(version) > _numbers(VERSION):
        raise CheckpointError(
            f"{path}: written by minigrad {version}, which is newer than this one, {VERSION}"
        )
    facts, outlines = json.loads(found.pop(TEXT).tobytes())
    for name, fact in (expected or {}).items():
        there, here = facts.get(name, {}), json.loads(as_json(fact))
        if different := [k for k in {**here, **there} if there.get(k) != here.get(k)]:
            raise CheckpointError(
                f"{path}: of another run: "
                + ", ".join(f"{k} {there.get(k)} there, {here.get(k)} here" for k in different)
            )
    return found, facts, outlines


def _outline(nest):
    """What a nest of dicts may grow by: [[key, outline], ...], arrays as {"array": [dtype, shape]}.

    None for anything else.
    """
    if isinstance(nest, dict):
        return [[k, _outline(part)] for k, part in nest.items()]
    return {"array": [str(nest.dtype), list(nest.shape)]} if hasattr(nest, "dtype") else None


def _grow(nest, outline, new):
    """Give a dict, and those in it, the entries of an outline they lack: arrays are new(...)."""
    if isinstance(nest, dict) and isinstance(outline, list):
        for k, part in outline:
            if isinstance(part, list):
                _grow(nest.setdefault(k, {}), part, new)
            elif part and k not in nest:
                nest[k] = new(part["array"])


def _adopt(nest, grown):
    """Give a dict, and those in it, what another has in addition."""
    if isinstance(nest, dict):
        for k, part in grown.items():
            _adopt(nest.setdefault(k, part), part)


def _stored(path, name, a):
    """An array as the file holds it: contiguous, in the machine's order of bytes."""
    if not hasattr(a, "dtype") or not hasattr(a, "__setitem__"):
        raise CheckpointError(
            f"{path}: cannot be saved: {name} is a {type(a).__name__}, not an array"
        )
    return np.ascontiguousarray(a, a.dtype.newbyteorder("=")).reshape(a.shape)


def _numbers(version):
    return [int(n) for n in version.split(".") if n.isdigit()]


def _flat(arrays):
    """(name, array) of all nests, the name as a path: parameters['W'][0]."""
    for name, nest in arrays.items():
        yield from ((path, a) for path, a in paths(nest, name) if a is not None)


def _digest(flat):
    digest = hashlib.sha256()
    for name in sorted(flat):
        digest.update(f"{name} {flat[name].dtype} {flat[name].shape}".encode())
        digest.update(np.ascontiguousarray(flat[name]).tobytes())
    return digest.hexdigest()
