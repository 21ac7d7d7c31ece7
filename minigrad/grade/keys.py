"""Names of students as names of files, and names of files in sentences."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

CHARACTERS, BYTES = 100, 200  # of a key: file systems take 255 bytes, and ".json" follows
_DEVICES = {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in range(10)
}


def student_key(name: str) -> str:
    """A student's name, made safe as the name of a file on every system.

    Letters and digits of all scripts stay, and space - _ . @ + '; everything else becomes _.
    At most 100 characters and 200 bytes.

    >>> student_key("Zoë O'Hara"), student_key("../../etc/passwd"), student_key("nul.txt")
    ("Zoë O'Hara", '_.._etc_passwd', '_nul.txt')
    """
    kept = [
        c if c.isalnum() or c in " -_.@+'" or unicodedata.category(c)[0] == "M" else "_"
        for c in unicodedata.normalize("NFC", name)
    ]
    key = _cut(" ".join("".join(kept).split()).lstrip(".- "), CHARACTERS - 1, BYTES - 1)
    if unicodedata.normalize("NFKC", key.split(".")[0]).strip().upper() in _DEVICES:
        return "_" + key  # Windows opens a device by this name, whatever the extension
    return key or "student"


def student_keys(people: Sequence[tuple[str, str]]) -> list[str]:
    """A key for each (name, id), all different, also where upper and lower case are one.

    Those of one name get their id behind it, or a number where it is "".

    >>> student_keys([("Ann Lee", "17"), ("ann lee", "25"), ("Bo", ""), ("Bo", "")])
    ['Ann Lee-17', 'ann lee-25', 'Bo', 'Bo-2']
    """
    wanted = [student_key(name) for name, _ in people]
    namesakes = Counter(map(_folded, wanted))
    taken: set[str] = set()
    keys = []
    for key, (_, identity) in zip(wanted, people):
        if namesakes[_folded(key)] > 1 and identity:
            key = _numbered(key, student_key(identity))
        unique, n = key, 1
        while _folded(unique) in taken:
            n += 1
            unique = _numbered(key, str(n))
        taken.add(_folded(unique))
        keys.append(unique)
    return keys


def shown(name: str) -> str:
    r"""A name in a sentence: without characters that move the cursor, at most 60 long.

    >>> print(shown("a\x1b[2J.py"))
    a\x1b[2J.py
    """
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return plain if len(plain) <= 60 else f"{plain[:40]}...{plain[-17:]}"


def _folded(key: str) -> str:
    return unicodedata.normalize("NFC", key.casefold())


def _numbered(key: str, number: str) -> str:
    number = _cut(number, 40, 80)
    return f"{_cut(key, CHARACTERS - 1 - len(number), BYTES - 1 - len(number.encode()))}-{number}"


def _cut(text: str, characters: int, size: int) -> str:
    return text[:characters].encode()[:size].decode(errors="ignore").rstrip(". ")
