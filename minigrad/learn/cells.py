"""A table of results that outlives its process: what was computed once is not computed again."""

import json
from pathlib import Path
from typing import Any

from .checkpoint import CheckpointError, as_json, remove_leftovers, write_whole
from .folder import as_csv, hold, let_go


class Cells:
    """Results by their settings, kept in a file and held by one process at a time.

    path: of the table, as runs/classes.json; the same as a CSV file, to be read by people, stands
    beside it. Both are written after each cell, whole: a process that is stopped or killed loses
    the cell it was at. Two processes may not share a table.
    Entering raises FolderInUse if another process holds the table, CheckpointError if the file is
    no table; `get` before that RuntimeError.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "squares.json"
    >>> with Cells(path) as cells:
    ...     cells.get({"n": 3}, lambda: {"square": 9})
    {'square': 9}
    >>> with Cells(path) as cells:
    ...     cells.get({"n": 3}, lambda: 1 / 0)
    {'square': 9}
    """

    def __init__(self, path: str | Path):
        self.path = Path(path).absolute()
        self.table: dict[str, tuple[dict, dict]] = {}  # text of the settings: settings, result
        self._lock: Any = None

    def __enter__(self) -> "Cells":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = hold(self.path.with_suffix(".lock"))
        for path in (self.path, self.path.with_suffix(".csv")):
            remove_leftovers(path.parent, path.name)
        try:
            if self.path.exists():
                self._read()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: Any) -> None:
        let_go(self.path.with_suffix(".lock"), self._lock)
        self._lock = None

    def get(self, settings: dict[str, Any], compute: Any) -> dict[str, Any]:
        """The result for these settings: the one kept, else compute() is called and kept.

        settings, and what compute returns: dicts of what JSON can hold, NumPy's too; all that the
        result depends on belongs to the settings, seeds as well. Their order does not matter.
        """
        if self._lock is None:
            raise RuntimeError("Cells: a table is entered first: with Cells(path) as cells")
        settings = json.loads(as_json(settings))
        key = json.dumps(settings, sort_keys=True)
        if key not in self.table:
            result = json.loads(as_json(compute()))
            self.table[key] = settings, result
            self._write()
        return self.table[key][1]

    def rows(self) -> list[dict[str, Any]]:
        """Settings and results of all cells, in the order they were computed."""
        return [settings | result for settings, result in self.table.values()]

    def _read(self):
        try:
            for cell in json.loads(self.path.read_bytes())["cells"]:
                settings, result = cell["settings"], cell["result"]
                self.table[json.dumps(settings, sort_keys=True)] = settings, result
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self.path} is damaged, or no table of cells: remove it, or take another name"
            ) from error

    def _write(self):
        cells = [{"settings": s, "result": r} for s, r in self.table.values()]
        columns = list(dict.fromkeys(name for row in self.rows() for name in row))
        write_whole(self.path.with_suffix(".csv"), as_csv(self.rows(), columns))
        write_whole(self.path, as_json({"cells": cells}))  # last: a cell it lacks is made again
