"""What a check found: true or false, as text, as HTML in a notebook, as JSON."""

import html
import json

import numpy as np

from .subjects import Subject
from .verdicts import Verdict

COLUMNS = ("gradient", "shape", "verdict", "worst entry", "back gives", "differences give")


class Report:
    """The verdict of a check, argument by argument, and the mistake that explains a wrong one.

    passed: also what bool() gives; verdicts: one `Verdict` an argument; cause: a word, "" if right
    or not recognised; sentence: what is wrong, in full; path: the argument it is about, or "";
    note: what is worth a look though the verdict stands, or "".
    """

    def __init__(self, subject: Subject, verdicts: list[Verdict], seed: int):
        self.name, self.kind, self.verdicts, self.seed = subject.name, subject.kind, verdicts, seed
        self.fixed = list(subject.fixed)
        self.passed = all(v.passed for v in verdicts)
        self.cause = self.sentence = self.path = self.note = ""
        self.of_forward = False  # it was the forward that raised
        self.wrong_at_once: set[str] = set()  # paths, at the given arguments
        self.names = subject.called

    def because(self, cause: str, sentence: str, path: str = "") -> "Report":
        """The same report, false, with what explains it."""
        self.passed, self.cause, self.sentence, self.path = False, cause, sentence, path
        return self

    def __bool__(self) -> bool:
        return self.passed

    def table(self) -> list[tuple[str, ...]]:
        """A head and a row of texts for every argument; where all is right, without numbers."""
        rows: list[tuple[str, ...]] = []
        for v in self.verdicts:
            name = f"d{self.names.get(v.path, v.path)}"
            size = int(np.prod(v.shape, dtype=int))
            words = f"right, {v.looked} of {size} entries" if v.passed else "wrong"
            words += f", {v.kinked} at a kink" if v.passed and v.kinked else ""
            numbers = (
                ("", "", "")
                if v.passed
                else (str(list(v.worst)), f"{v.deposited:.6g}", f"{v.expected:.6g}")
            )
            rows.append((name, str(v.shape), words, *numbers))
        table = [COLUMNS, *rows] if rows else []
        return [row[:3] for row in table] if all(v.passed for v in self.verdicts) else table

    def __str__(self) -> str:
        table = self.table()
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths)) for row in table]
        lines = [self._headline(), *(line.rstrip() for line in lines)]
        if self.note:
            lines.append(f"  {self.note}")
        if self.fixed:
            lines.append(f"  held fixed: {', '.join(self.fixed)}")
        if self.sentence:
            lines.append(f"{self.cause}: {self.sentence}" if self.cause else self.sentence)
        return "\n".join(lines)

    __repr__ = __str__

    def _headline(self):
        return f"{self.name}: {'right' if self.passed else 'wrong'}"

    def _repr_html_(self) -> str:
        rows = [
            "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
            for tag, row in zip(["th", *["td"] * len(self.verdicts)], self.table())
        ]
        text = f"<p><b>{html.escape(self._headline())}</b></p>"
        text += "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
        if self.note:
            text += f"<p>{html.escape(self.note)}</p>"
        if self.fixed:
            text += f"<p>held fixed: {html.escape(', '.join(self.fixed))}</p>"
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
                "note": self.note,
                "seed": self.seed,
                "verdicts": [v._asdict() for v in self.verdicts],
            },
            default=float,
        )
