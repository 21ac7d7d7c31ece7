"""The confusion table: every mistake of the catalogue and what the check calls it.

PYTHONPATH=tests python -m gradcheck.confusion        prints it; kept in confusion.md
"""

import collections
import contextlib
import io

import numpy as np
from gradcheck.right import RIGHT
from gradcheck.wrong import WRONG

from minigrad import check

SEEDS = range(3)


def diagnoses(case):
    """How often each cause was named, "" for none, None for a report without complaint."""
    found = collections.Counter()
    for seed in SEEDS:
        with contextlib.redirect_stdout(io.StringIO()):
            report = check(case.function, *case.arguments(np.random.default_rng(seed)), seed=seed)
        found[None if report else report.cause] += 1
    return found


def table():
    """The table as Markdown."""
    rows = [(case, diagnoses(case)) for case in WRONG]
    alarms = sum(cause is not None for case in RIGHT for cause in diagnoses(case))
    named = sum(not found[None] and not found[""] for _, found in rows)
    other = sum(bool(found.keys() - {None, "", *case.causes}) for case, found in rows)
    missed = sum(bool(found[None]) for _, found in rows)
    lines = [
        f"# {len(WRONG)} mistakes, {len(RIGHT)} right functions, {len(SEEDS)} checks each",
        "",
        f"Found: {len(WRONG) - missed} of {len(WRONG)}; named: {named}; named wrongly: {other}; "
        f"right functions with an alarm: {alarms} of {len(RIGHT)}.",
        "",
        "| mistake | what it is | what the check says |",
        "|---|---|---|",
    ]
    for case, found in rows:
        words = ", ".join(
            ("not found" if cause is None else cause or "wrong, no cause")
            + (f" ({n})" if len(found) > 1 else "")
            for cause, n in found.most_common()
        )
        lines.append(f"| {case.name} | {case.causes[0]} | {words} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
