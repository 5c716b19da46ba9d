"""The cells of one column, and the numbers they stand for; what was not logged and what was logged as NaN are told apart."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.words import parse_number

Cells = Any  # list of texts or values, an array (NaN: no value), `Numbers` or `Sparse`


class Lazy(Mapping[str, Cells]):
    """Columns of a file that are read when they are asked for."""

    @abstractmethod
    def first(self, name: str, count: int) -> Cells:
        """The first cells of a column, without reading the rest."""


MISSING = frozenset(("", "No log", "None", "null", "NULL", "NA", "<NA>", "N/A", "-"))  # words for what was not evaluated


@dataclass(frozen=True)
class Numbers:
    """A column of numbers that tells a value that was not logged from one that was logged as NaN."""

    values: np.ndarray  # float64
    missing: np.ndarray  # bool: nothing was logged; elsewhere NaN and infinities are what the run wrote
    tail: Sequence[str] = ()  # the last cells as they were written, where the file may be cut

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> Any:
        value = self.values[row]
        whole = np.isfinite(value) and value == int(value)
        return None if self.missing[row] else int(value) if whole else float(value)

    @classmethod
    def of(cls, cells: Sequence[Any]) -> "Numbers":
        """From numbers, with None where nothing was logged."""
        missing = np.array([cell is None for cell in cells], bool)
        return cls(np.array([np.nan if cell is None else cell for cell in cells], np.float64), missing)


@dataclass(frozen=True)
class Sparse:
    """A column of which few cells may be filled: their rows, rising, their numbers (NaN for a word), and words by row."""

    rows: np.ndarray
    values: np.ndarray
    words: Mapping[int, str]
    size: int

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, row: int) -> Any:
        return self.dense()[row]

    def dense(self) -> Numbers | list[Any]:
        """All rows: numbers, or a list with None where nothing was logged if any of it is a word."""
        values, missing = np.full(self.size, np.nan), np.ones(self.size, bool)
        values[self.rows], missing[self.rows] = self.values, False
        if not self.words:
            return Numbers(values, missing)
        cells: list[Any] = [None] * self.size
        for row, value in zip(self.rows.tolist(), self.values.tolist(), strict=True):
            cells[row] = self.words.get(row, int(value) if value.is_integer() else value)
        return cells

    def only(self) -> Any:
        """The one value that all filled rows have; None where there is none, or several."""
        if self.words:
            words = set(self.words.values())
            return words.pop() if len(words) == 1 and len(self.words) == len(self.rows) else None
        if not len(self.rows) or not (self.values == self.values[0]).all():
            return None
        first = float(self.values[0])
        return int(first) if first.is_integer() else first


def taken(cells: Cells, rows: np.ndarray) -> Cells:
    """The cells of some rows, in their order."""
    if isinstance(cells, Sparse):
        cells = cells.dense()
    if isinstance(cells, Numbers):
        return Numbers(cells.values[rows], cells.missing[rows])
    return cells[rows] if isinstance(cells, np.ndarray) else [cells[row] for row in rows]


def is_missing(cell: Any) -> bool:
    """Was nothing logged here? NaN in a table of numbers says so, the text nan does not."""
    return cell is None or cell != cell or (isinstance(cell, str) and cell.strip() in MISSING)


def numbers_of(cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (NaN where none), which cells are text and no number, which cells are filled."""
    if isinstance(cells, Sparse):
        cells = cells.dense()
    if isinstance(cells, Numbers):
        return cells.values, np.zeros(len(cells), bool), ~cells.missing
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        values = cells.astype(np.float64)
        return values, np.zeros(len(values), bool), ~np.isnan(values)
    if (
        not isinstance(cells, np.ndarray)
        and all(isinstance(cell, str) for cell in cells)
        and not any("_" in cell for cell in cells)
    ):
        try:  # most columns are numbers throughout, and this is several times faster
            return np.fromiter(map(float, cells), np.float64, len(cells)), np.zeros(len(cells), bool), np.ones(len(cells), bool)
        except ValueError:
            pass
    values, text = np.full(len(cells), np.nan), np.zeros(len(cells), bool)
    filled = np.array([not is_missing(cell) for cell in cells], bool)
    for i in np.flatnonzero(filled):
        number = _number(cells[i])
        text[i] = number is None
        values[i] = math.nan if number is None else number
    return values, text, filled


def _number(cell: Any) -> float | None:
    """A number, also with a unit, such as 1.2B; None for any other text."""
    if isinstance(cell, str) and "_" in cell:
        return None
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        return parse_number(cell)
    except ValueError:
        return None
