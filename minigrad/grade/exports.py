"""What a learning-management system gives a teacher to download: whose is which file.

Canvas      <lastfirst>_[LATE_]<user id>_<submission id>_<file>, all in one folder
Moodle      <full name>_<participant>_assignsubmission_file_/<file>, or the same without the /
Gradescope  submission_metadata.yml, and a folder submission_<id> for each
otherwise   a file or a folder for each student
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..gradcheck import Unfit
from .archives import File, Rejected
from .keys import shown

READ = (".py", ".ipynb", ".zip")
ALIASES, LEVELS = 1000, 30  # of a YAML file

_CANVAS = re.compile(r"([^_]+)_(LATE_)?(\d+)_(\d+)_(.+)", re.DOTALL)
_MOODLE = re.compile(r"(.*?)_(\d+)_assignsubmission_(?:file|onlinetext)_?(.*)", re.DOTALL)
_GRADESCOPE = re.compile(r"submission_(\d+)")
_METADATA = "submission_metadata.yml"


@dataclass
class HandedIn:
    """What one student handed in, or one group.

    people: a mapping for each student, {"name": ..., "canvas": ...}: how the system knows them.
    files: with parts relative to the student.  trouble: why it cannot be graded, if so.
    """

    people: list[dict[str, str]]
    files: list[File] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trouble: str = ""


Found = tuple[str, list[HandedIn], list[str]]


def recognise(files: Sequence[File], packed: bool, names: Sequence[str] = ()) -> Found:
    """(the layout in words, what each student handed in, a sentence for each file left out).

    packed: the files come from an archive, where one folder around everything is usual.
    """
    inner = _unwrapped(files)
    for layer in (files, inner):
        for export in (_gradescope, _moodle, _canvas):
            if layer and (found := export(layer)):
                return found
    programs = [f for f in inner if len(f.parts) == 1 and f.suffix in READ]
    asked = any(f.name in names for f in programs)
    students = any(len(f.parts) > 1 for f in inner) or (len(programs) > 1 and not asked)
    return _plain(inner if packed and students else files)


def _unwrapped(files: Sequence[File]) -> list[File]:
    """The files in the only folder on top; none if there is more than that."""
    tops = {f.parts[0] for f in files}
    if len(tops) != 1 or any(len(f.parts) == 1 for f in files):
        return []
    inner = (replace(f, parts=f.parts[1:]) for f in files)
    return [f for f in inner if f.parts != ("",)]


def _plain(files: Sequence[File]) -> Found:
    found: dict[str, HandedIn] = {}
    left_out = []
    kinds = set()
    for f in files:
        if len(f.parts) > 1:
            name, below = f.parts[0], f.parts[1:]
            kinds.add("a folder for each student")
        elif f.suffix in READ or f.danger:
            name, below = f.name.removesuffix(f.name[-len(f.suffix) :] if f.suffix else ""), f.parts
            kinds.add("a file for each student")
        else:
            left_out.append(f"{shown(f.name)} was left out: it is no .py, .ipynb or .zip file.")
            continue
        handed = found.setdefault(name, HandedIn([{"name": name}]))
        handed.files.append(replace(f, parts=below))
    return " or ".join(sorted(kinds)), list(found.values()), left_out


def _canvas(files: Sequence[File]) -> Found | None:
    found: dict[str, HandedIn] = {}
    left_out = []
    for f in files:
        parts = _CANVAS.fullmatch(f.parts[0])
        if not parts or (len(f.parts) > 1 and not f.danger):
            left_out.append(f.parts[0])
            continue
        name, late, user, _, file = parts.groups()
        handed = found.setdefault(user, HandedIn([{"name": name, "canvas": user}]))
        handed.files.append(replace(f, parts=(file,)))
        if late and not handed.notes:
            handed.notes.append("Canvas marks this as late.")
    if sum(len(handed.files) for handed in found.values()) <= len(left_out):
        return None
    return "a download of Canvas", list(found.values()), _strangers(left_out, "Canvas")


def _moodle(files: Sequence[File]) -> Found | None:
    found: dict[str, HandedIn] = {}
    left_out = []
    for f in files:
        parts = _MOODLE.fullmatch(f.parts[0])
        if not parts:
            left_out.append(f.parts[0])
            continue
        name, participant, file = parts.groups()
        handed = found.setdefault(participant, HandedIn([{"name": name, "moodle": participant}]))
        handed.files.append(replace(f, parts=f.parts[1:] if len(f.parts) > 1 else (file,)))
        if "_assignsubmission_" in file or "_assignsubmission_" in name:
            handed.trouble = f"The name {shown(f.parts[0])} does not tell whose file it is."
    if sum(len(handed.files) for handed in found.values()) <= len(left_out):
        return None
    return "a download of Moodle", list(found.values()), _strangers(left_out, "Moodle")


def _strangers(tops: Sequence[str], system: str) -> list[str]:
    return [f"{shown(t)} was left out: no name that {system} gives." for t in sorted(set(tops))]


def _gradescope(files: Sequence[File]) -> Found | None:
    metadata = [f for f in files if f.parts == (_METADATA,)]
    if not metadata:
        return None
    try:
        stated = read_yaml(metadata[0].read())
    except Rejected as error:
        raise Unfit(f"{_METADATA}: {error}") from None
    stated = stated if isinstance(stated, dict) else {}
    folders: dict[str, list[File]] = {top: [] for top in stated if _GRADESCOPE.fullmatch(top)}
    left_out = []
    for f in files:
        if _GRADESCOPE.fullmatch(f.parts[0]) and len(f.parts) > 1:
            folders.setdefault(f.parts[0], []).append(replace(f, parts=f.parts[1:]))
        elif f.parts != (_METADATA,):
            left_out.append(f.parts[0])
    found = []
    for top, inside in folders.items():
        people = [
            {"name": p.get("name") or p.get("email") or p.get("sid") or top, **p}
            for p in _submitters(stated.get(top))
        ]
        handed = HandedIn(people or [{"name": top}], inside)
        for person in handed.people:
            person["gradescope"] = top.removeprefix("submission_")
        if not people:
            handed.trouble = f"{_METADATA} does not tell who handed in {top}."
        elif len(people) > 1:
            handed.notes.append(f"Handed in by {len(people)} students together.")
        found.append(handed)
    return "an export of Gradescope", found, _strangers(left_out, "Gradescope")


def _submitters(entry: Any) -> list[dict[str, str]]:
    people = entry.get(":submitters") if isinstance(entry, dict) else None
    return [
        {k: p[f":{k}"] for k in ("name", "email", "sid") if isinstance(p.get(f":{k}"), str)}
        for p in (people if isinstance(people, list) else [])
        if isinstance(p, dict)
    ]


def read_yaml(data: bytes) -> Any:
    """Dicts, lists and strings from YAML: every scalar stays the text that it is, 007 too.

    Read by the events of PyYAML's safe loader, so nothing is constructed or merged. Rejected if
    it asks for a type of Python's, has over 1000 aliases or over 30 levels, or is not YAML.
    """
    try:
        import yaml
    except ImportError:
        words = "it needs PyYAML: pip install 'minigrad-lectures[grade]'"
        raise Unfit(f"{_METADATA}: {words}") from None

    anchors: dict[str, Any] = {}
    aliases = 0

    def build(event: Any, level: int) -> Any:
        nonlocal aliases
        if level > LEVELS:
            raise Rejected(f"it has over {LEVELS} levels")
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > ALIASES:
                raise Rejected(f"it has over {ALIASES} aliases")
            return anchors[event.anchor]
        if event.tag and "python" in event.tag:
            raise Rejected(f"it asks for {shown(event.tag)}")
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
            while not isinstance(e := next(events), yaml.SequenceEndEvent):
                value.append(build(e, level + 1))
        else:
            value = {}
            while not isinstance(e := next(events), yaml.MappingEndEvent):
                key = build(e, level + 1)
                content = build(next(events), level + 1)
                if isinstance(key, str):
                    value[key] = content
        if event.anchor:
            anchors[event.anchor] = value
        return value

    try:
        events = (
            e
            for e in yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            if isinstance(e, yaml.NodeEvent | yaml.CollectionEndEvent)
        )
        return build(next(events), 0)
    except StopIteration:
        raise Rejected("it is empty") from None
    except KeyError as error:
        raise Rejected(f"it has an alias of nothing, {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, Rejected):
            raise
        raise Rejected(f"it is not YAML: {shown(str(error).splitlines()[0])}") from None
