"""Submissions: for each student the Python that is graded, or a sentence why there is none.

What students handed in is read as bytes and never executed. Nothing that one student hands in
stops the others.

>>> import tempfile
>>> from pathlib import Path
>>> folder = Path(tempfile.mkdtemp())
>>> _ = (folder / "ann.py").write_text("def affine(X, U): ...")
>>> _ = (folder / "bo.py").write_text("")
>>> for s in submissions(folder):
...     print(s.student, s.source or s.rejected)
ann def affine(X, U): ...
bo bo.py is empty.
"""

import codecs
import contextlib
import hashlib
import io
import re
import tokenize
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..gradcheck import Unfit
from .archives import MIB, File, Rejected, check, in_archive, in_file, in_folder, open_archive
from .exports import READ, HandedIn, recognise
from .keys import shown, student_key, student_keys
from .notebooks import notebook_source

SOURCE = MIB  # bytes of Python that are graded at most


@dataclass(frozen=True)
class Submission:
    """What one student handed in.

    student: safe as the name of a file, and no other student's.  source: the Python that is
    graded, with \\n at the ends of lines; "" if rejected.  notes: what was left out or is odd, a
    sentence each.  rejected: a sentence if it cannot be graded.
    ids: how the system it comes from knows the student: "canvas", "moodle", "gradescope" (equal
    for those who handed in together), "name", "email", "sid".
    sha256: of the file's bytes; "" if none was read.
    """

    student: str
    source: str
    notes: tuple[str, ...] = ()
    rejected: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True)
class Intake:
    """Everything that was handed in.

    layout: what was recognised, in words.  submissions: sorted by student.  left_out: a sentence
    for each file that is no student's.
    """

    layout: str
    submissions: list[Submission]
    left_out: tuple[str, ...] = ()


def submissions(path: str | Path, names: Sequence[str] = ()) -> list[Submission]:
    """The submissions in a file, a folder or a zip archive, sorted by student.

    path: a .py or .ipynb file; a folder of such files (the student is the file's name without its
    ending) or of folders (the student is the folder's name); a download of Canvas, Moodle or
    Gradescope; or a zip of any of these. Which it is shows in the names, see `take_in`.
    names: of the expected files, the preferred one first. A student's file is the one so named,
    else the only .py or .ipynb file, else what is in the only .zip file.
    Raises Unfit if path holds no submissions at all.
    """
    return take_in(path, names).submissions


def take_in(path: str | Path, names: Sequence[str] = ()) -> Intake:
    """As `submissions`, with what was recognised and what was left out."""
    with _listed(Path(path)) as (files, packed):
        layout, found, left_out = recognise(files, packed, names)
        if not found:
            raise Unfit(
                f"{path}: no submission found: expected .py, .ipynb or .zip files, a folder for "
                "each student, or a download of Canvas, Moodle or Gradescope"
            )
        taken = sorted(
            (s for handed in found for s in _taken(handed, names)),
            key=lambda s: (s.student, *s.ids.values()),
        )
    keys = student_keys([(s.student, _identity(s.ids)) for s in taken])
    named = []
    for s, key in zip(taken, keys):
        namesake = (f"Another student has the same name: this is {key}.",)
        notes = namesake if key != student_key(s.student) else ()
        named.append(replace(s, student=key, notes=notes + s.notes))
    return Intake(layout, sorted(named, key=lambda s: s.student), tuple(left_out))


@contextlib.contextmanager
def _listed(path: Path) -> Iterator[tuple[list[File], bool]]:
    """(the files at path, whether they are in an archive), readable inside `with`."""
    if path.is_dir():
        yield list(in_folder(path)), False
    elif not path.is_file():
        raise Unfit(f"{path}: there is no such file or folder")
    elif path.suffix.lower() == ".zip":
        try:
            archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise Unfit(f"{path}: not a zip archive that can be read: {error}") from None
        with archive:
            yield list(in_archive(archive)), True
    elif path.suffix.lower() in READ:
        yield [in_file(path.resolve())], False
    else:
        raise Unfit(f"{path}: expected a folder, or a .py, .ipynb or .zip file")


def _identity(ids: Mapping[str, str]) -> str:
    """What tells students of one name apart, the same in every download."""
    found = (ids.get(k) for k in ("canvas", "moodle", "sid", "email", "gradescope"))
    return next((i for i in found if i), "")


def _taken(handed: HandedIn, names: Sequence[str]) -> list[Submission]:
    """A submission for each who handed this in together, under the name that the system gives."""
    notes = list(handed.notes)
    source = sha256 = rejected = ""
    try:
        if handed.trouble:
            raise Rejected(handed.trouble)
        check(handed.files)
        file = _chosen(handed.files, names, notes)
        data = file.read()
        sha256 = hashlib.sha256(data).hexdigest()
        source = _source(file, data, notes)
    except Rejected as reason:
        rejected = str(reason)
    return [
        Submission(p["name"], source, tuple(notes), rejected, _ids(p), sha256)
        for p in handed.people
    ]


def _ids(person: Mapping[str, str]) -> dict[str, str]:
    """What a system knows about a student; nothing for a file in a folder."""
    return dict(person) if len(person) > 1 else {}


def _chosen(files: Sequence[File], names: Sequence[str], notes: list[str]) -> File:
    """The file that is graded; one level of zip is looked into."""
    programs = [f for f in files if f.suffix in (".py", ".ipynb")]
    archives = [f for f in files if f.suffix == ".zip"]
    if not programs and len(archives) == 1:
        name = archives[0].name
        inside = list(in_archive(open_archive(archives[0].read(), name)))
        check(inside)
        if not any(f.suffix in (".py", ".ipynb") for f in inside):
            raise Rejected(f"{shown(name)} holds no .py or .ipynb file{_instead(inside)}.")
        return _chosen(inside, names, notes)
    if not programs:
        if len(archives) > 1:
            raise Rejected(f"{_listing(archives)} could all be meant: hand in one.")
        raise Rejected(f"No .py or .ipynb file was handed in{_instead(files)}.")
    hits = _meant(programs, names)
    if len(hits) > 1:
        one = f"one, named {names[0]}" if names else "one"
        raise Rejected(f"{_listing(hits)} could all be meant: hand in {one}.")
    others = [f for f in programs if f is not hits[0]]
    if others:
        notes.append(f"Only {shown(hits[0].name)} is graded, not {_listing(others)}.")
    return hits[0]


def _meant(programs: Sequence[File], names: Sequence[str]) -> list[File]:
    """Those with the first of the names that is there, else all; of these the least deep."""
    hits: Sequence[File] = ()
    for form in (str, _original):
        for name in names:
            wanted = unicodedata.normalize("NFC", name).casefold()
            hits = hits or [f for f in programs if form(f.name).casefold() == wanted]
    hits = hits or programs
    return [f for f in hits if len(f.parts) == min(len(g.parts) for g in hits)]


def _original(name: str) -> str:
    """The name without what Canvas and browsers add to a second copy: -1 or (1)."""
    return re.sub(r"(-\d+| ?\(\d+\))(?=\.\w+$)", "", name)


def _instead(files: Sequence[File]) -> str:
    found = [f for f in files if f.name]
    return f", only {_listing(found)}" if found else ""


def _listing(files: Sequence[File]) -> str:
    """a.py, b.py and 3 more"""
    listed = sorted(shown("/".join(f.parts)) for f in files)
    if len(listed) > 4:
        listed = [*listed[:3], f"{len(listed) - 3} more"]
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def _source(file: File, data: bytes, notes: list[str]) -> str:
    """The Python in a file's bytes; Rejected if there is none."""
    name = shown(file.name)
    if not data.strip():
        raise Rejected(f"{name} is empty.")
    if file.suffix == ".ipynb":
        source, left_out = notebook_source(data)
        notes += left_out
    else:
        _check_size(len(data), name)
        source = _decoded(data, name).replace("\r\n", "\n").replace("\r", "\n")
    try:
        _check_size(len(source.encode()), name)
    except UnicodeEncodeError:
        raise Rejected(f"{name} has half of a character (a lone surrogate).") from None
    if "\0" in source:
        raise Rejected(f"{name} has NUL characters: it is no text.")
    return source


def _check_size(size: int, name: str) -> None:
    if size > SOURCE:
        words = f"{size / MIB:.1f} MiB of Python; {SOURCE // MIB} MiB is read at most"
        raise Rejected(f"{name} has {words}.")


def _decoded(data: bytes, name: str) -> str:
    """Text in UTF-8, else in the encoding that the source declares (PEP 263)."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Rejected(f"{name} is in UTF-16: save it as UTF-8.")
    with contextlib.suppress(UnicodeDecodeError):
        return data.decode("utf-8-sig")
    try:
        declared, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(declared)
    except (SyntaxError, ValueError, LookupError):
        line = data[: _first_wrong(data)].count(b"\n") + 1
        raise Rejected(f"{name} is not in UTF-8 (line {line}): save it as UTF-8.") from None


def _first_wrong(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0
