"""How often minigrad agreed with a peer, row by row."""

import collections
import contextlib
import dataclasses


class Unsupported(Exception):
    """Why: an option, a shape, a kind of number or a function that minigrad does not have."""


def unless(holds, reason):
    if not holds:
        raise Unsupported(reason)


@dataclasses.dataclass
class Tally:
    """One operation's cases: how many agreed, why some are unsupported, what was wrong."""

    agreed: int = 0
    unsupported: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    wrong: list[str] = dataclasses.field(default_factory=list)

    @contextlib.contextmanager
    def one(self):
        """Count the case in the block: unsupported, wrong by any other exception, or agreed."""
        try:
            yield
        except Unsupported as reason:
            self.unsupported[str(reason)] += 1
        except Exception as error:
            self.wrong.append(f"{type(error).__name__}: {error}")
        else:
            self.agreed += 1


def table(title, about, rows):
    """Rows of tallies by name as Markdown, in the order of their names."""
    agreed = sum(row.agreed for row in rows.values())
    unsupported = sum(row.unsupported.total() for row in rows.values())
    wrong = sum(len(row.wrong) for row in rows.values())
    lines = [
        title,
        "",
        about,
        "",
        f"Agreed: {agreed}; unsupported: {unsupported}; wrong: {wrong}.",
        "",
        "| operation | agreed | unsupported | wrong | why unsupported |",
        "|---|---|---|---|---|",
    ]
    for name, row in sorted(rows.items()):
        reasons = "; ".join(f"{why} ({n})" for why, n in sorted(row.unsupported.items()))
        counts = f"{row.agreed} | {row.unsupported.total()} | {len(row.wrong)}"
        lines.append(f"| {name} | {counts} | {reasons} |")
    return "\n".join(lines) + "\n"
