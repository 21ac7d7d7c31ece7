"""Checkpoints: nests of arrays and a few facts in one file, written whole or not at all."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import array_module, to_cpu
from ..tree import paths

FORMAT = "minigrad checkpoint 1"


class CheckpointError(ValueError):
    """A checkpoint that is damaged, foreign, or of another model; the message says what differs."""


def write_whole(path: str | Path, data: bytes | str) -> None:
    """Write a file so that at any moment its path holds the old content or the new, whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_checkpoint(path: str | Path, arrays: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write nests of arrays and facts (anything JSON can hold) to a file, whole or not at all."""
    from safetensors.numpy import save

    flat = {name: np.ascontiguousarray(a).reshape(np.shape(a)) for name, a in _flat(to_cpu(arrays))}
    text = json.dumps(facts, default=lambda a: a.tolist())  # generators hold arrays
    metadata = {"format": FORMAT, "facts": text, "sha256": _digest(flat, text)}
    write_whole(path, save(flat, metadata))


def load_checkpoint(
    path: str | Path, into: dict[str, Any], expected: dict[str, dict] | None = None
) -> dict[str, Any]:
    """Read a checkpoint into the arrays of nests like those saved, in place; returns the facts.

    expected: facts (dicts) whose entries must be as they are here.
    Raises CheckpointError with a sentence if the file is missing, damaged, not a checkpoint, or
    made for other names, shapes, dtypes or facts; the arrays are untouched then.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no checkpoint here") from None
    except (SafetensorError, OSError, TypeError) as error:
        raise CheckpointError(f"{path}: not a checkpoint, or a damaged one: {error}") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f'{path}: a safetensors file, but no "{FORMAT}": it says {metadata.get("format")!r}'
        )
    if metadata.get("sha256") != _digest(found, metadata.get("facts", "")):
        raise CheckpointError(f"{path}: damaged: its content does not have the checksum it states")
    wanted = dict(_flat(into))
    for name in (*wanted, *found):
        kinds = [
            f"{a[name].dtype} {a[name].shape}" if name in a else "none" for a in (wanted, found)
        ]
        if kinds[0] != kinds[1]:
            raise CheckpointError(
                f"{path}: made for something else: {name} is {kinds[1]} there, {kinds[0]} here"
            )
    facts = json.loads(metadata["facts"])
    for name, fact in (expected or {}).items():
        there = facts.get(name, {})
        if different := [k for k in fact if there.get(k) != fact[k]]:
            raise CheckpointError(
                f"{path}: of another run: "
                + ", ".join(f"{k} {there.get(k)} there, {fact[k]} here" for k in different)
            )
    for name, array in wanted.items():
        array[...] = array_module(array).asarray(found[name])
    return facts


def _flat(arrays):
    """(name, array) of all nests, the name as a path: parameters['W'][0]."""
    for name, nest in arrays.items():
        yield from ((path, a) for path, a in paths(nest, name) if a is not None)


def _digest(flat, text):
    digest = hashlib.sha256(text.encode())
    for name in sorted(flat):
        digest.update(f"{name} {flat[name].dtype} {flat[name].shape}".encode())
        digest.update(np.ascontiguousarray(flat[name]).tobytes())
    return digest.hexdigest()
