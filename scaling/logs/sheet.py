"""`Sheet`: columns of cells and where each row stands; the only thing a source makes, whatever its format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PLACE = ("file", "line")  # columns that say where a row was read
Cells = Any  # list of texts or values, an array (NaN: no value), or `Numbers`


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


@dataclass
class Sheet:
    """One or more runs as they stand in a file or folder.

    Attributes
    ----------
    name : of the file, for messages. parts : folders and stem, from which the names of runs are made.
    columns : name in the file -> its cells. lines : where each row stands. unit : what `lines` counts.
    torn : the file does not end with a newline, so its last row may be cut.
    facts : what the file says about the whole run, by the names of `scaling.logs.facts`: max_steps, n_params, ...
    step_unit : what the column of steps counts, a key of `scaling.logs.units.STEPS`.
    names : canonical name -> column, where the format fixes it; the caller's own mapping wins.
    ordered : rows stand in the order in which they were written, so that of two rows of one step the later is the newer.
    read_from : `PLACE` of the rows of a DataFrame that was read before.
    """

    name: str
    parts: tuple[str, ...]
    columns: Mapping[str, Cells]
    lines: Sequence[int] | np.ndarray
    unit: str = "line"
    torn: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    step_unit: str = "updates"
    names: dict[str, str] = field(default_factory=dict)
    ordered: bool = True
    read_from: pd.DataFrame | None = None

    def place(self, row: int, column: str | None = None) -> str:
        where = f"{self.name}, {self.unit} {self.lines[row]}"
        return where if column is None else f"{where}, column {column!r}"

    def placed(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows (their index: numbers of rows here) with the file and line of each: one text they share and whole numbers, so
        that a million rows cost no million texts. Columns of these names that are in the rows already are left as they are."""
        if self.read_from is not None:
            return rows.assign(**{name: self.read_from[name].array[rows.index] for name in PLACE})
        if self.unit != "line" or {*PLACE} & {*map(str, rows)}:
            return rows
        file = pd.Series(np.repeat(np.array([self.name], object), len(rows)), rows.index, object)
        return rows.assign(file=file, line=np.asarray(self.lines)[rows.index])


def parts_of(path: Path) -> tuple[str, ...]:
    """Folders and stem of a file, without the endings of a compressed one."""
    absolute = path.absolute()
    stem = absolute.stem if absolute.suffix not in (".gz", ".zst", ".bz2", ".xz") else Path(absolute.stem).stem
    return (*absolute.parent.parts[1:], stem)


def sheet_of(df: pd.DataFrame) -> Sheet:
    """A DataFrame: its order says nothing about what was written when."""
    read = df[[*PLACE]] if {*PLACE} <= {*df.columns} else None
    columns = {str(name): df[name].to_numpy() for name in df.columns if read is None or name not in PLACE}
    return Sheet("DataFrame", ("run",), columns, np.asarray(df.index), "row", ordered=False, read_from=read)
