"""Pairs of students to look at: how much of their own code is in the other's, and where.

Winnowing (Schleimer, Wilkerson and Aiken 2003, "Winnowing: local algorithms for document
fingerprinting"): of the hashes of all runs of 10 tokens, the smallest in every window of 5 is kept,
so every common run of 14 tokens leaves a common fingerprint. Equal code is no proof of anything:
a short task has few solutions.
"""

import keyword
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .intake import Submission
from .lexemes import lexeme

RUN, WINDOW = 10, 5  # tokens; hashes
MOST = 20_000  # tokens of a source that are compared, some twenty times an assignment's
SHOWN = 3  # fragments in a line of text
FEW = 10  # weight that two lines and the one usual solution do not reach

Fragment = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Pair:
    """Two students to look at.

    score: in 0..1, see `similar`.  fragments: ((first, last), (first, last)) lines of what they
    share in the source of the first and of the second student, the longest fragment first.
    """

    first: str
    second: str
    score: float
    fragments: tuple[Fragment, ...]


def similar(submissions: Sequence[Submission], starter: str, least: float = 0.6) -> list[Pair]:
    r'''Pairs of students whose code is alike, the most alike first.

    Compared are tokens without comments, docstrings and layout, with one word for all names (but
    not for those behind a dot) and one for all literals. What the starter has does not count.
    The score is

        sum of w over the fingerprints of both / sum of w over those of the lighter one,

    the latter at least 10, where w falls from 1 for fingerprints of two students to 0 for those of
    the whole class: w = log((n + 1) / m) / log((n + 1) / 2) if m of n students have it.
    Students of one group (equal "gradescope" in ids) and rejected submissions are not compared.

    >>> ann = """
    ... def f(X, W):
    ...     total = np.zeros(W.shape[1])
    ...     for i, x in enumerate(X):
    ...         total += x @ W / (1 + i) if i % 2 else -(x @ W)
    ...     scale = np.sqrt(np.sum(total**2) + 1e-8)
    ...     def back(g):
    ...         return {k: g * total[k] / scale for k in range(len(total))}
    ...     return total / scale, back"""
    >>> bo = ann.replace("total", "t").replace("scale", "norm")
    >>> class_ = [Submission("ann", ann), Submission("bo", bo), Submission("cy", "def f(): ...")]
    >>> similar(class_, "def f(X, W):\n    raise NotImplementedError")
    [Pair(first='ann', second='bo', score=1.0, fragments=(((2, 9), (2, 9)),))]
    '''
    compared = [s for s in submissions if not s.rejected]
    if len(compared) < 2:
        return []
    tokens = [_Tokens(s.source) for s in compared]
    given = set(_hashes(_Tokens(starter).codes).tolist())
    prints = [_fingerprints(t.codes, given) for t in tokens]
    scores = _scores(prints)
    pairs = []
    for i, j in np.argwhere(np.triu(scores >= least, 1)).tolist():
        group = compared[i].ids.get("gradescope")
        if group is None or group != compared[j].ids.get("gradescope"):
            shared = _fragments(tokens[i], tokens[j], prints[i], prints[j])
            pairs.append(
                Pair(compared[i].student, compared[j].student, float(scores[i, j]), shared)
            )
    return sorted(pairs, key=lambda p: (-p.score, p.first, p.second))


def as_text(pairs: Sequence[Pair], compared: int, most: int = 30) -> str:
    """The pairs as lines for a terminal, the first ones if there are many.

    compared: how many submissions there were.

    >>> print(as_text([Pair("ann", "bo", 0.914, (((3, 17), (5, 19)), ((20, 24), (40, 44))))], 30))
    1 pair to look at, of 30 submissions. Equal code is no proof of anything.
    0.91  ann  bo  lines 3-17 and 5-19, 20-24 and 40-44
    """
    count = f"{len(pairs)} pair{'s' * (len(pairs) != 1)} to look at, of {compared} submissions."
    lines = [count + (" Equal code is no proof of anything." if pairs else "")]
    wide = [max(map(len, side)) for side in zip(*((p.first, p.second) for p in pairs))]
    for p in pairs[:most]:
        places = [f"{a}-{b} and {c}-{d}" for (a, b), (c, d) in p.fragments[:SHOWN]]
        if len(p.fragments) > SHOWN:
            places.append(f"{len(p.fragments) - SHOWN} more")
        names = f"{p.first:{wide[0]}}  {p.second:{wide[1]}}"
        lines.append(f"{p.score:.2f}  {names}  lines {', '.join(places)}")
    more = [f"and {len(pairs) - most} more"] if len(pairs) > most else []
    return "\n".join(lines + more)


class _Tokens:
    """The tokens of a source that count: a code and a line for each."""

    def __init__(self, source: str):
        codes: list[int] = []
        lines: list[int] = []
        at, line, begins, before = 0, 1, True, ""
        while at < len(source) and len(codes) < MOST:
            found = lexeme(source, at)
            text, kind = found[0], found.lastgroup
            if kind not in ("comment", "newline", "space"):
                if not (kind == "string" and begins):  # a docstring
                    codes.append(zlib.crc32(_word(text, kind, before).encode(errors="replace")))
                    lines.append(line)
                begins, before = False, text
            begins = begins or kind == "newline"
            line += text.count("\n")
            at = found.end()
        self.codes = np.array(codes, np.uint64)
        self.lines = lines


def _word(text: str, kind: str | None, before: str) -> str:
    if kind in ("string", "number"):
        return "0"
    if kind == "name" and before != "." and not keyword.iskeyword(text):
        return "a"
    return text


def _hashes(codes: np.ndarray) -> np.ndarray:
    """A hash of every run of tokens."""
    if len(codes) < RUN:
        return np.empty(0, np.uint64)
    runs = np.lib.stride_tricks.sliding_window_view(codes, RUN)
    h = runs @ np.uint64(0x9E3779B97F4A7C15) ** np.arange(RUN, dtype=np.uint64)
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)  # MurmurHash3's last step, so
    return h ^ (h >> np.uint64(33))  # that the smallest is no special run of tokens


def _fingerprints(codes: np.ndarray, given: set[int]) -> dict[int, int]:
    """{hash: where in the tokens it first is}, without those that were given."""
    hashes = _hashes(codes)
    if not len(hashes):
        return {}
    windows = np.lib.stride_tricks.sliding_window_view(hashes, min(WINDOW, len(hashes)))
    kept = np.unique(windows.argmin(axis=1) + np.arange(len(windows)))
    found: dict[int, int] = {}
    for i, h in zip(kept.tolist(), hashes[kept].tolist()):
        if h not in given:
            found.setdefault(h, i)
    return found


def _scores(prints: Sequence[dict[int, int]]) -> np.ndarray:
    """The score of each pair (n, n)."""
    n = len(prints)
    columns = {h: k for k, h in enumerate(dict.fromkeys(h for p in prints for h in p))}
    sizes = np.array([len(p) for p in prints], int)
    indices = [columns[h] for p in prints for h in p]
    pointers = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    has = sparse.csr_array((np.ones(len(indices)), indices, pointers), (n, max(1, len(columns))))
    having = np.maximum(has.sum(axis=0), 2)
    weights = np.log((n + 1) / having) / np.log((n + 1) / 2)
    shared = (has * weights @ has.T).toarray()
    own = has @ weights
    return shared / np.maximum(np.minimum.outer(own, own), FEW)


def _fragments(
    a: _Tokens, b: _Tokens, in_a: dict[int, int], in_b: dict[int, int]
) -> tuple[Fragment, ...]:
    """The longest equal runs of tokens around fingerprints of both, each token in one at most."""
    runs = []
    reached: dict[int, int] = {}  # by j - i: where in a the last run ends
    for i, j in sorted((in_a[h], in_b[h]) for h in in_a.keys() & in_b.keys()):
        if i < reached.get(j - i, 0):
            continue
        before = _equal(a.codes[:i][::-1], b.codes[:j][::-1])
        after = _equal(a.codes[i:], b.codes[j:])
        runs.append((before + after, i - before, j - before))
        reached[j - i] = i + after
    taken_a, taken_b = (np.zeros(len(t.codes), bool) for t in (a, b))
    fragments = []
    for length, i, j in sorted(runs, key=lambda r: (-r[0], *r[1:])):
        free, length = _longest(~(taken_a[i : i + length] | taken_b[j : j + length]))
        i, j = i + free, j + free
        if length >= RUN:
            taken_a[i : i + length] = taken_b[j : j + length] = True
            last = length - 1
            fragments.append(((a.lines[i], a.lines[i + last]), (b.lines[j], b.lines[j + last])))
    return tuple(fragments)


def _longest(free: np.ndarray) -> tuple[int, int]:
    """(where, how long) the longest stretch of True is."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], free, [0]])))
    if not len(edges):
        return 0, 0
    begins, lengths = edges[::2], edges[1::2] - edges[::2]
    longest = lengths.argmax()
    return int(begins[longest]), int(lengths[longest])


def _equal(a: np.ndarray, b: np.ndarray) -> int:
    """How many entries are equal before the first that differ."""
    n = min(len(a), len(b))
    differ = np.flatnonzero(a[:n] != b[:n])
    return int(differ[0]) if len(differ) else n
