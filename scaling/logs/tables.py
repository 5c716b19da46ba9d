"""Thin tables, one row per run: the columns that a law takes, and what else there is."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.expressions import holds
from scaling.logs.beside import parse
from scaling.logs.cells import Cells, Sparse
from scaling.logs.columns import by_any_name
from scaling.logs.findings import Findings, near
from scaling.logs.opened import head_of
from scaling.logs.sheet import PLACE, Sheet
from scaling.logs.sources import delimited, excel, parquet, records, sheets_of, source_of

EMPTY = ("", "NA", "<NA>", "N/A", "NaN", "nan", "NULL", "null", "None")  # cells without a value

MOST = 24  # columns that a message lists


def columns_of(path: str | Path, columns: Mapping[str, str] | None = None) -> list[str]:
    """Names of the columns of a table of any format, renamed as `read_table` would; none where there is no such file."""
    path = Path(path)
    source = source_of(path) if path.is_file() else None
    if source is delimited:
        return _renamed(delimited.header_in(head_of(path)), columns)
    if source not in (excel, parquet, records):
        return []
    found = source.sheets(path, Findings())
    return _renamed(list(found[0].columns), columns) if found else []


def read_table(
    paths: Iterable[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    needed: Iterable[str] = (),
    where: str | None = None,
) -> pd.DataFrame:
    """The rows of tables (CSV, Excel, Parquet, JSON), one below the other.

    Parameters
    ----------
    paths : files with one row per run.
    columns : name wanted -> name in the files, where the two differ.
    needed : columns that must be there and hold numbers in every row that is not empty; others may hold words.
    where : condition that the rows must meet, such as ``"N > 1e8 and size in ['S', 'M']"``.

    Returns
    -------
    DataFrame, shape (rows, columns); numbers such as 7B are numbers. Where each row stands is in columns `file` and `line`,
    unless the files have one of these. `attrs["notes"]`: what was skipped while reading.

    Raises
    ------
    DataError : what cannot be read, with file, line and column; a query that names no column, or leaves no row.
    """
    findings, frames, needed = Findings(), [], list(needed)
    for path in map(Path, paths):
        frames += [sheet.placed(_frame(sheet, columns or {}, needed, findings)) for sheet in sheets_of(path, findings)]
    findings.raise_problems()
    if not frames:
        raise DataError(f"{', '.join(map(str, paths))}: no row below the header; was the table ever filled?")
    frame = pd.concat(frames, ignore_index=True)
    frame = frame if where is None else rows_where(frame, where, columns or {}).reset_index(drop=True)
    frame.attrs["notes"] = findings.notes
    return frame


def rows_where(frame: pd.DataFrame, where: str, names: Mapping[str, str] = MappingProxyType({})) -> pd.DataFrame:
    """The rows that a condition on the columns holds for; at least one. The grammar: `scaling.expressions`.

    Parameters
    ----------
    names : column here -> what it is called in the files, by which the condition may call it too.
    """
    try:
        rows = frame[holds(where, by_any_name(frame, names))]
    except ValueError as problem:
        raise DataError(f"where={problem}; the columns are {listed_columns(frame)}.") from None
    if not len(rows):
        raise DataError(f"where={where!r} leaves no row of {len(frame)}; loosen it.")
    return rows


def listed_columns(frame: pd.DataFrame) -> str:
    """The columns of a table in a message, the first of many, without those that say where a row was read."""
    names = [str(name) for name in frame.columns if name not in PLACE]
    return ", ".join([*names[:MOST], f"... ({len(names)} in all)"] if len(names) > MOST else names)


def _renamed(names: list[str], columns: Mapping[str, str] | None) -> list[str]:
    """What each column is called; "" for one whose name another column takes."""
    asked = {there: here for here, there in (columns or {}).items()}
    return [asked.get(name, "" if name in asked.values() else name) for name in names]


def _frame(sheet: Sheet, columns: Mapping[str, str], needed: list[str], findings: Findings) -> pd.DataFrame:
    header = list(sheet.columns)
    there = {name: column for name, column in zip(_renamed(header, columns), header, strict=True) if name}
    for name in needed:
        if name not in there:
            column = columns.get(name, name)
            asked = f", asked for as {name}" if column != name else ""
            findings.problem(sheet.name, f"no column {column!r}{asked}{near(column, header)}")
    for name in (name for name in needed if name in there):
        cells = _plain(sheet.columns[there[name]])
        for row in [row for row, cell in enumerate(cells) if cell not in EMPTY and _number(cell) is None][:1]:
            why = "expected a number like 3.25 or 7B; correct the cell or remove the line"
            findings.problem(sheet.place(row, there[name]), f"found {cells[row]!r}; {why}")
    return pd.DataFrame({name: _values(_plain(sheet.columns[column])) for name, column in there.items()})


def _plain(cells: Cells) -> list[Any]:
    """Texts and numbers, "" where there is nothing."""
    dense = cells.dense() if isinstance(cells, Sparse) else cells
    return ["" if dense[row] is None else dense[row] for row in range(len(dense))]


def _number(cell: Any) -> float | None:
    if not isinstance(cell, str):
        return cell if isinstance(cell, (int, float)) and not isinstance(cell, bool) else None
    found = parse(cell)
    return None if isinstance(found, str) else found


def _values(cells: list[Any]) -> Any:
    """Numbers where all filled cells are, whole ones where all cells are; else words."""
    numbers = [np.nan if cell in EMPTY else _number(cell) for cell in cells]
    if None in numbers:
        return np.array([np.nan if cell in EMPTY else cell for cell in cells], object)
    return np.array(numbers, np.int64 if all(isinstance(x, int) and abs(x) < 2**63 for x in numbers) else np.float64)
