"""`Sheet`: columns of cells and where each row stands; the only thing a source makes, whatever its format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling.logs.cells import Cells, numbers_of, taken
from scaling.logs.findings import Findings
from scaling.words import listed

EVERY = ("metrics", "history", "log", "train_log", "trainer_log", "training_log", "progress", "main")  # names of any log
PLACE = ("file", "line")  # columns that say where a row was read


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
    advice : what to do if the unit of steps cannot be converted, where the format knows better than a fact.
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
    advice: str = ""
    names: dict[str, str] = field(default_factory=dict)
    ordered: bool = True
    read_from: pd.DataFrame | None = None

    def place(self, row: int, column: str | None = None) -> str:
        where = f"{self.name}, {self.unit} {self.lines[row]}"
        return where if column is None else f"{where}, column {column!r}"

    def placed(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows (their index: numbers of rows here) with the file and line of each: one text they share and whole numbers, so
        that a million rows cost no million texts. Columns of these names that are in the rows already are left as they are."""
        return rows.assign(**self.places(rows.index.to_numpy()))

    def places(self, at: np.ndarray) -> dict[str, Any]:
        """File and line of these rows, where they have any."""
        if self.read_from is not None:
            return {name: self.read_from[name].to_numpy()[at] for name in PLACE}
        if self.unit != "line" or {*PLACE} & self.columns.keys():
            return {}
        lines = np.arange(self.lines.start, self.lines.stop) if isinstance(self.lines, range) else np.asarray(self.lines)
        return {"file": np.repeat(np.array([self.name], object), len(at)), "line": lines[at]}


def row_named(frame: pd.DataFrame, at: int, column: str = "") -> str:
    """How a message calls a row of a table, and a cell of it: by file and line where it was read from a file."""
    if {*PLACE} <= {*frame}:
        file, line = (frame[name].iloc[at] for name in PLACE)
        return f"{file}, line {line}" + (f", column '{column}'" if column else "")
    row = f"row {frame.index[at]}"
    return f"column '{column}', {row}" if column else row


def as_written(sheet: Sheet, findings: Findings) -> Sheet:
    """The rows in the order in which they were logged, where W&B says it: its sampled histories have a tail out of order."""
    if "_step" not in sheet.columns:
        return sheet
    call, _, filled = numbers_of(sheet.columns["_step"])
    if not filled.all() or (np.diff(call) >= 0).all() or (np.diff(call) <= 0).all():
        return sheet
    rows = np.argsort(call, kind="stable")
    findings.note("rows were sorted by _step, the order in which they were logged", sheet.name)
    columns = {name: taken(cells, rows) for name, cells in sheet.columns.items()}
    return replace(sheet, columns=columns, lines=np.asarray(sheet.lines)[rows])


def parts_of(path: Path) -> tuple[str, ...]:
    """Folders and stem of a file; the folders alone where programs give every log the same name."""
    absolute = path.absolute()
    stem = absolute.stem if absolute.suffix not in (".gz", ".zst", ".bz2", ".xz") else Path(absolute.stem).stem
    folders = absolute.parent.parts[1:]
    return folders if stem.lower() in EVERY and folders else (*folders, stem)


def sheet_of(df: pd.DataFrame) -> Sheet:
    """A DataFrame: its order says nothing about what was written when."""
    read = df[[*PLACE]] if {*PLACE} <= {*df.columns} else None
    columns = {str(name): df[name].to_numpy() for name in df.columns if read is None or name not in PLACE}
    return Sheet("DataFrame", ("run",), columns, np.asarray(df.index), "row", ordered=False, read_from=read)


def rows_named(rows: pd.DataFrame, most: int = 3) -> str:
    """The first of these rows of a table: run, file and line, or number in the table; and how many more there are."""
    few = rows.head(most)
    if "run" in few:
        names = [f"run {name}" for name in few["run"]]
    elif {*PLACE} <= {*few}:
        names = [f"{Path(str(file)).name}:{line}" for file, line in few[[*PLACE]].to_numpy()]
    else:
        names = [f"row {k}" for k in few.index]
    return listed([*names, *[f"{len(rows) - most} more"] * (len(rows) > most)])
