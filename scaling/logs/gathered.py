"""Records, as JSON and event files hold them, gathered into columns that take no space where nothing was logged."""

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scaling.logs.cells import Sparse

DEEPEST = 3  # records within records become names with slashes; what lies deeper is no metric


class Gathered:
    """Columns by name, and the line of every row."""

    def __init__(self) -> None:
        self.columns: dict[str, Sparse] = {}
        self.lines = array("q")

    def add(self, record: Mapping[str, Any], line: int) -> None:
        """One record; what is None was not logged."""
        for name, value in _flat(record, "", 1):
            if value is not None:
                if name not in self.columns:
                    self.columns[name] = Sparse()
                column = self.columns[name]
                if not column.rows or column.rows[-1] < len(self.lines):  # of a name twice in a record the first counts
                    column.add(len(self.lines), value)
        self.lines.append(line)

    def finished(self) -> tuple[dict[str, Sparse], np.ndarray]:
        """The columns, all of one length, and the lines."""
        for column in self.columns.values():
            column.size = len(self.lines)
        return self.columns, np.array(self.lines, np.int64)


def _flat(record: Mapping[str, Any], stem: str, depth: int) -> Iterable[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            if depth < DEEPEST:
                yield from _flat(value, f"{stem}{name}/", depth + 1)
        else:
            yield stem + str(name), value
