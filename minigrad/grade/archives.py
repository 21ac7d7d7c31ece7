"""The files that were handed in, in a folder or a zip archive: listed first, read when wanted.

Nothing is ever unpacked to the disk, no link is followed, and what is read is counted.
"""

import io
import itertools
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from .keys import shown

MIB = 1 << 20
FILE, STUDENT = 10 * MIB, 50 * MIB  # bytes
ENTRIES, RATIO, DEPTH = 1000, 100, 20  # of one student; unpacked over packed; folders in folders


class Rejected(ValueError):
    """This cannot be graded; the message says why."""


@dataclass(frozen=True)
class File:
    """A file that was handed in.

    parts: its path, without `.` and `..`; a folder's ends with "".  size: in bytes, as stated.
    read: its bytes, at most 10 MiB of them; raises Rejected.
    danger: why nothing of the student who handed this in is graded, if so.
    """

    parts: tuple[str, ...]
    size: int
    read: Callable[[], bytes]
    danger: str = ""

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()


def in_folder(folder: Path) -> Iterator[File]:
    """What a folder holds, sorted; at most 1001 entries of each folder directly in it."""
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        yield from itertools.islice(_below(entry, ()), ENTRIES + 1)


def in_archive(archive: zipfile.ZipFile) -> Iterator[File]:
    """What an open zip archive holds, in its order."""
    members = archive.infolist()
    times = Counter(_parts(m.orig_filename) for m in members)
    for m in members:
        parts = _parts(m.orig_filename)
        if not any(map(_is_litter, parts)):
            danger = _danger(m, times[parts])
            yield File(parts, m.file_size, partial(_read_member, archive, m, danger), danger)


def open_archive(data: bytes, name: str) -> zipfile.ZipFile:
    """The zip archive that these bytes are; Rejected if it is none, or has over 1000 entries."""
    if data.count(b"PK\x01\x02") > ENTRIES:  # before zipfile makes an object of each
        raise Rejected(f"{shown(name)} has over {ENTRIES} entries.")
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except _UNREADABLE as error:
        raise Rejected(f"{shown(name)} is not a zip archive that can be read: {error}.") from None


def in_file(path: Path) -> File:
    """One file, under its own name."""
    return _file(path, (path.name,), path.lstat())


def check(files: Sequence[File]) -> None:
    """Raise Rejected if one student's files are an attack, too many or too large."""
    for f in files:
        if f.danger:
            raise Rejected(f.danger)
        if f.size > FILE:
            words = f"has {f.size / MIB:.1f} MiB; {FILE // MIB} MiB are read at most"
            raise Rejected(f"{shown('/'.join(f.parts))} {words}.")
    if len(files) > ENTRIES:
        raise Rejected(f"There are over {ENTRIES} files and folders.")
    total = sum(f.size for f in files)
    if total > STUDENT:
        raise Rejected(f"The files have {total // MIB} MiB; {STUDENT // MIB} MiB are read at most.")


# what zipfile raises on archives that were damaged or forged
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def _is_litter(name: str) -> bool:
    """What systems and tools leave behind, and all that is hidden."""
    return name.startswith(".") or name in ("__MACOSX", "__pycache__")


def _below(entry: os.DirEntry, above: tuple[str, ...]) -> Iterator[File]:
    if _is_litter(entry.name):
        return
    parts = (*above, unicodedata.normalize("NFC", entry.name))
    nothing = partial(bytes)
    try:
        if not entry.is_dir(follow_symlinks=False):
            yield _file(Path(entry.path), parts, entry.stat(follow_symlinks=False))
            return
        danger = f"There are over {DEPTH} folders in each other." if len(parts) > DEPTH else ""
        yield File((*parts, ""), 0, nothing, danger)
        if not danger:
            with os.scandir(entry.path) as inside:
                for e in sorted(itertools.islice(inside, ENTRIES + 1), key=lambda e: e.name):
                    yield from _below(e, parts)
    except OSError as error:
        words = f"{shown('/'.join(parts))} cannot be read: {error.strerror}."
        yield File(parts, 0, nothing, words)


def _file(path: Path, parts: tuple[str, ...], status: os.stat_result) -> File:
    name, danger = "/".join(parts), ""
    if not stat.S_ISREG(status.st_mode):
        kind = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        found = kind.get(stat.S_IFMT(status.st_mode), "a device")
        danger = f"{shown(name)} is {found}; only plain files and folders are read."
    return File(parts, status.st_size, partial(_read_file, path, name, danger), danger)


def _read_file(path: Path, name: str, danger: str) -> bytes:
    if danger:
        raise Rejected(danger)
    flags = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")  # not every system has each
    try:
        handle = os.open(path, os.O_RDONLY | sum(getattr(os, f, 0) for f in flags))
        with os.fdopen(handle, "rb") as f:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Rejected(f"{shown(name)} was a plain file and is none now.")
            return _counted(f, name, FILE)
    except OSError as error:
        raise Rejected(f"{shown(name)} cannot be read: {error.strerror}.") from None


def _read_member(archive: zipfile.ZipFile, m: zipfile.ZipInfo, danger: str) -> bytes:
    if danger:
        raise Rejected(danger)
    try:
        with archive.open(m) as f:
            return _counted(f, m.orig_filename, min(FILE, m.file_size))
    except Rejected:
        raise
    except _UNREADABLE as error:
        raise Rejected(f"{shown(m.orig_filename)} is damaged: {shown(str(error))}.") from None


def _counted(f: IO[bytes], name: str, most: int) -> bytes:
    data = f.read(most + 1)
    if len(data) > most:
        raise Rejected(f"{shown(name)} has over {most // MIB} MiB.")
    return data


def _parts(name: str) -> tuple[str, ...]:
    """A member's path; without .. and a leading /, so that its student is known all the same."""
    split = re.split(r"[/\\]", unicodedata.normalize("NFC", name))
    parts = tuple(p for p in split if p not in ("", ".", ".."))
    return (*parts, "") if name.endswith("/") or not parts else parts


def _danger(m: zipfile.ZipInfo, times: int) -> str:
    name, mode = m.orig_filename, m.external_attr >> 16
    known = (0, stat.S_IFREG, stat.S_IFDIR)
    attacks = {
        "lies outside of the archive": name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name),
        "leads out of its folder": ".." in re.split(r"[/\\]", name),
        "has a \\ in its name": "\\" in name,
        "has a NUL in its name": "\0" in name,
        "is a link or a device": stat.S_IFMT(mode) not in known,
        "is encrypted": m.flag_bits & 0x41,
        # the others are unpacked in blocks of any size
        "is compressed by a method other than deflate": m.compress_type
        not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        f"unpacks to over {RATIO} times its size": m.file_size
        > max(MIB, RATIO * m.compress_size),  # one MiB is no bomb
        "is in the archive more than once": times > 1 and not m.is_dir(),
    }
    found = [attack for attack, so in attacks.items() if so]
    return f"{shown(name)} {found[0]}." if found else ""
