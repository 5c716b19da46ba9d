"""Records, as JSON and event files hold them, gathered into columns that take no space where nothing was logged."""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from scaling.logs.cells import Sparse

DEEPEST = 3  # records within records become names with slashes; what lies deeper is no metric


class Gathered:
    """What was logged, one value after the other, whatever their names; the line of every record."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.lines = array("q")
        self.ids, self.rows, self.values = array("l"), array("q"), array("d")  # of every value: whose it is, and where
        self.words: dict[int, str] = {}  # of these values, of which the number is NaN

    def add(self, record: Mapping[str, Any], line: int) -> None:
        """One record; what is None was not logged."""
        row = len(self.lines)
        for name, value in _flat(record, "", 1):
            if value is not None:
                self._put(name, row, value)
        self.lines.append(line)

    def count(self, name: str) -> None:
        """A column 0, 1, 2, ..."""
        for row in range(len(self.lines)):
            self._put(name, row, row)

    def _put(self, name: str, row: int, value: Any) -> None:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]  # rates of one group of parameters
        number = math.nan
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
        else:
            self.words[len(self.rows)] = str(value)
        self.ids.append(self.names.setdefault(name, len(self.names)))
        self.rows.append(row)
        self.values.append(number)

    @classmethod
    def by_step(cls, points: Mapping[int, Mapping[str, float]]) -> "Gathered":
        """What was logged a metric at a time: step -> metrics, in a column `step` and one for each."""
        gathered = cls()
        for step in sorted(points):
            gathered.add({"step": step, **points[step]}, step)
        return gathered

    def finished(self) -> tuple["Columns", np.ndarray]:
        """The columns, all of one length, and the lines."""
        return Columns(self), np.array(self.lines, np.int64)


class Columns(Mapping[str, Sparse]):
    """Name -> cells, made when they are asked for."""

    def __init__(self, gathered: Gathered) -> None:
        ids = np.array(gathered.ids, np.int64)
        self._order = np.argsort(ids, kind="stable")
        self._ends = np.searchsorted(ids[self._order], np.arange(len(gathered.names) + 1))
        self._names, self._words, self._size = gathered.names, gathered.words, len(gathered.lines)
        self._row, self._value = np.array(gathered.rows, np.int64), np.array(gathered.values, np.float64)

    def __getitem__(self, name: str) -> Sparse:
        at = self._order[slice(*self._ends[[(i := self._names[name]), i + 1]])]
        rows = self._row[at]
        first = np.append(True, np.diff(rows) > 0)  # of a name twice in a record the first counts
        at, rows = at[first], rows[first]
        of_row = zip(at.tolist(), rows.tolist(), strict=True) if self._words else ()
        words = {row: self._words[i] for i, row in of_row if i in self._words}
        return Sparse(rows, self._value[at], words, self._size)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _flat(record: Mapping[str, Any], stem: str, depth: int) -> Iterable[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            if depth < DEEPEST:
                yield from _flat(value, f"{stem}{name}/", depth + 1)
        else:
            yield stem + str(name), value
