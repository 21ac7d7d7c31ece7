"""Zip archives and notebooks for tests."""

import io
import json
import stat
import struct
import warnings
import zipfile
from pathlib import Path


def packed(members, target=None, compression=zipfile.ZIP_DEFLATED):
    """A zip archive of {name or ZipInfo: content}, or of pairs where names repeat, as bytes."""
    buffer = io.BytesIO()
    pairs = members.items() if isinstance(members, dict) else members
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.simplefilter("ignore", UserWarning)  # of names that repeat
        for name, content in pairs:
            archive.writestr(name, content)
    if target:
        Path(target).write_bytes(buffer.getvalue())
    return buffer.getvalue()


def unusual(name, mode):
    """A member that is a link, a pipe or a device."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (mode | 0o644) << 16
    return info


def link(name):
    return unusual(name, stat.S_IFLNK)


def stating(archive, size):
    """The bytes of an archive of one member that states another size than it has."""
    at = archive.index(b"PK\x01\x02")
    changed = bytearray(archive)
    changed[22:26] = changed[at + 24 : at + 28] = struct.pack("<I", size)
    return bytes(changed)


def encrypted(archive):
    """The bytes of an archive with the bit set that says so, in each of its members."""
    changed = bytearray(archive)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := changed.find(mark, at + 1)) >= 0:
            changed[at + offset] |= 1
    return bytes(changed)


def notebook(*cells, language="python"):
    """A notebook of format 4 with these code cells, and text and outputs between them."""
    return json.dumps(
        {
            "nbformat": 4,
            "metadata": {"kernelspec": {"language": language}},
            "cells": [
                part
                for source in cells
                for part in (
                    {"cell_type": "markdown", "source": ["def text(): ..."]},
                    {
                        "cell_type": "code",
                        "source": source.splitlines(keepends=True),
                        "outputs": [{"data": {"text/plain": "def output(): ..."}}],
                    },
                )
            ],
        }
    ).encode()
