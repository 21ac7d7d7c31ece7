"""What a check found: true or false, as text, as HTML in a notebook, as JSON."""

import html
import json

from .subjects import Subject
from .verdicts import Verdict

COLUMNS = ("gradient", "shape", "verdict", "worst entry", "back gives", "differences give")


class Report:
    """The verdict of a check, argument by argument, and the mistake that explains a wrong one.

    passed: also what bool() gives; verdicts: one `Verdict` an argument; cause: a word, "" if right
    or not recognised; sentence: what is wrong, in full; path: the argument it is about, or "".
    """

    def __init__(self, subject: Subject, verdicts: list[Verdict], seed: int):
        self.name, self.kind, self.verdicts, self.seed = subject.name, subject.kind, verdicts, seed
        self.fixed = list(subject.fixed)
        self.passed = all(v.passed for v in verdicts)
        self.cause = self.sentence = self.path = ""
        self.names = subject.called

    def because(self, cause: str, sentence: str, path: str = "") -> "Report":
        """The same report, false, with what explains it."""
        self.passed, self.cause, self.sentence, self.path = False, cause, sentence, path
        return self

    def __bool__(self) -> bool:
        return self.passed

    def rows(self) -> list[tuple[str, ...]]:
        """The table: a row of texts for every argument."""
        rows: list[tuple[str, ...]] = []
        for v in self.verdicts:
            called = self.names.get(v.path)
            name = f"d{called}" if called else f"d{v.path}"
            if v.passed:
                words = f"right, {v.looked} of {_size(v.shape)} entries"
                words += f", {v.kinked} at a kink" if v.kinked else ""
                rows.append((name, str(v.shape), words, "", "", ""))
            else:
                place = str(list(v.worst)) if v.worst else ""
                numbers = (f"{v.deposited:.6g}", f"{v.expected:.6g}")
                rows.append((name, str(v.shape), "wrong", place, *numbers))
        return rows

    def __str__(self) -> str:
        head = f"{self.name}: {'right' if self.passed else 'wrong'}"
        rows = [COLUMNS, *self.rows()] if self.verdicts else []
        if self.passed:
            rows = [row[:3] for row in rows]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths)) for row in rows]
        lines = [head, *(line.rstrip() for line in lines)]
        if self.fixed:
            lines.append(f"  held fixed: {', '.join(self.fixed)}")
        if self.cause or self.sentence:
            lines.append(f"{self.cause}: {self.sentence}" if self.cause else self.sentence)
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells, tag):
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        table = row(COLUMNS, "th") + "".join(row(cells, "td") for cells in self.rows())
        verdict = "right" if self.passed else "wrong"
        text = f"<p><b>{html.escape(self.name)}: {verdict}</b></p><table>{table}</table>"
        if self.sentence:
            cause = f"<b>{html.escape(self.cause)}</b>: " if self.cause else ""
            text += f"<p>{cause}{html.escape(self.sentence)}</p>"
        return text

    def json(self) -> str:
        """The report as JSON, for programs."""
        return json.dumps(
            {
                "name": self.name,
                "passed": self.passed,
                "cause": self.cause,
                "sentence": self.sentence,
                "path": self.path,
                "seed": self.seed,
                "verdicts": [v._asdict() for v in self.verdicts],
            },
            default=float,
        )


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size
