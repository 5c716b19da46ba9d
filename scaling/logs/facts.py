"""Facts of a run: one value for the whole run, from runs.csv, from constant columns, or from the caller."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.logs.beside import canonical, parse
from scaling.logs.cells import Lazy, Numbers, Sparse
from scaling.logs.columns import x_of
from scaling.logs.findings import Findings, near, some
from scaling.logs.sources import delimited

TABLE, KEYS = "runs.csv", ("run_id", "run")  # its name, and that of its column of runs
HEAD = 2**16  # bytes in which its first line ends
Facts = dict[str, dict[str, Any]]


def constant_columns(
    columns: Mapping[str, Any], left: list[str], rows: Mapping[str, np.ndarray], name: str, findings: Findings
) -> Facts:
    """Facts by run: the columns (of those not part of the curve) that hold one value per run.

    Parameters
    ----------
    columns : of the sheet. left : names of those not part of the curve. rows : run -> the cells of it that are read.
    """
    facts: Facts = {key: {} for key in rows}
    varying = []
    for column in left:
        if MEASURED.search(column):
            continue
        few = columns.first(column, _FEW) if isinstance(columns, Lazy) and len(rows) == 1 else []
        if _only(few, np.arange(len(few)), alone=True) is VARIES:
            varying.append(column)
            continue
        values = columns[column]
        seen = {key: _only(values, at, alone=len(rows) == 1) for key, at in rows.items()}
        if any(value is VARIES for value in seen.values()):
            varying.append(column)
            continue
        for key, value in seen.items():
            if value is not None:
                facts[key][column] = value
    if varying:
        findings.note(f"columns not read, as no canonical name matches: {some(varying, 3)}", name)
    return {key: canonical(said) for key, said in facts.items()}


MEASURED = re.compile(
    r"^_|runtime|per_second|_time$|/wps|created_at|timestamp|wall.time", re.IGNORECASE
)  # never of a run as a whole
VARIES = object()
_FEW = 100  # cells that are looked at before a column is read as a whole


def _only(values: Any, rows: np.ndarray, *, alone: bool) -> Any:
    """The one value of these rows; None if they are empty, VARIES if they differ."""
    if isinstance(values, Sparse) and alone:
        if not len(values.rows):
            return None
        return VARIES if (only := values.only()) is None else parse(only) if isinstance(only, str) else only
    values = values.dense() if isinstance(values, Sparse) else values
    found = None
    for part in (rows[:_FEW], rows[_FEW:]):
        if isinstance(values, Numbers):
            numbers = np.unique(values.values[part][~values.missing[part]])
            texts = {repr(x.item()).removesuffix(".0") for x in numbers[:2]}
        else:
            texts = {text for i in part if (text := str(values[i]).strip()) not in ("", "nan", "None")}
        if len(texts) > 1 or (texts and found is not None and found not in texts):
            return VARIES
        found = next(iter(texts), found)
    return None if found is None else parse(found)


def from_table(path: Path, findings: Findings) -> Facts | None:
    """Facts by run id from a runs.csv."""
    found = delimited.sheets(path, findings)
    if not found:
        return None
    sheet = found[0]
    key = next((alias for alias in KEYS if alias in sheet.columns), None)
    if key is None:
        findings.problem(str(path), f"no column run_id (it has {some(list(sheet.columns), 8)}); name the runs there")
        return None
    facts: Facts = {}
    for i, name in enumerate(sheet.columns[key]):
        if not name or name in facts:
            findings.problem(sheet.place(i, key), f"run id {name!r} is empty or repeated; one row per run")
            continue
        cells = {column: cells[i] for column, cells in sheet.columns.items() if column not in (key, "")}
        facts[name] = canonical({c: parse(cell) for c, cell in cells.items() if cell != ""})
    return facts


def find_table(path: Path) -> Path | None:
    """The runs.csv beside a curve file or in the folder above."""
    folder = path.absolute().parent
    return next((f / TABLE for f in (folder, folder.parent) if is_table(f / TABLE)), None)


def is_table(path: Path) -> bool:
    """Is a file a table of facts? One of that name is, but for a log: it has steps, and does not name one run a row."""
    if path.name != TABLE or not path.is_file():
        return False
    with path.open("rb") as file:
        header = delimited.header_in(file.read(HEAD))
    if x_of(header)[1] != "updates":
        return True
    if not {*KEYS} & {*header} or not (found := delimited.sheets(path, Findings())):
        return False
    names = found[0].columns[next(key for key in KEYS if key in header)]  # steps may be a fact of a run
    return len({*names}) == len(names)


def joined(place: str, table: Mapping[str, Any], columns: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Facts of one run from both sources, which must agree."""
    for key in table.keys() & columns.keys():
        if table[key] != columns[key]:
            said = f"{key} is {columns[key]!r} in the curve file but {table[key]!r} in {TABLE}; correct one"
            findings.problem(place, said)
    return {**table, **columns}


def given(facts: Any, runs: list[str]) -> Facts:
    """Facts by run from a DataFrame indexed by run, {run: {fact: value}}, or {fact: value} for all runs."""
    if facts is None:
        return {}
    if isinstance(facts, pd.DataFrame):
        facts = {str(run): row.dropna().to_dict() for run, row in facts.iterrows()}
    if not all(isinstance(value, Mapping) for value in facts.values()):
        if any(isinstance(value, Mapping) for value in facts.values()):
            raise DataError("facts: give {run: {fact: value}} or {fact: value} for all runs, not a mixture")
        return {run: canonical(facts) for run in runs}
    for run in facts:
        if run not in runs:
            raise DataError(f"facts: no run {run!r}{near(str(run), runs, 'the runs are')}")
    return {run: canonical(values) for run, values in facts.items()}
