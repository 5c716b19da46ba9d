"""From the cells of a sheet to checked numbers: one row per run and step, steps rising."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.logs.cells import Numbers, is_missing, numbers_of
from scaling.logs.columns import LOSSES, Resolved
from scaling.logs.diverged import cut
from scaling.logs.findings import Findings, some
from scaling.logs.resumed import one_row_a_step
from scaling.logs.sheet import Sheet
from scaling.schedules import MOST_UPDATES

NUMBER = "expected a number like 3.25; correct the cell or remove the line"


@dataclass(frozen=True)
class Curve:
    """Rows of one run: canonical name -> numbers, and which row of the sheet each is."""

    data: dict[str, np.ndarray]
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.at)

    def only(self, mask: np.ndarray) -> "Curve":
        return Curve({name: values[mask] for name, values in self.data.items()}, self.at[mask])

    def having(self, **columns: np.ndarray) -> "Curve":
        return Curve({**self.data, **columns}, self.at)


@dataclass(frozen=True)
class Cleaned:
    """The runs of a sheet ("" without a column of runs), and the step from which the loss of a run is no number."""

    curves: dict[str, Curve]
    ends: dict[str, float]


def clean(sheet: Sheet, resolved: Resolved, asked: bool, findings: Findings) -> Cleaned | None:
    """Canonical columns as checked numbers, one row a step; None after a problem.

    Parameters
    ----------
    resolved : what each column of the sheet is. asked : was resumed="newest" said? findings : where problems and notes go.
    """
    known, found = findings.count, resolved.columns
    data: dict[str, np.ndarray] = {}
    faults: dict[tuple[str, str], np.ndarray] = {}  # (column, what must hold) -> rows where it does not
    lost: dict[str, np.ndarray] = {}  # loss -> rows where it is no finite number
    run: list[str] | None = None
    for canonical, column in found.items():
        cells = sheet.columns[column]
        if canonical == "run":
            run = [str(cell) for cell in cells]
            faults[column, "every row needs its run; name it"] = np.array([is_missing(c) for c in cells], bool)
            continue
        data[canonical], text, filled = numbers_of(cells)
        if canonical in ("loss", *LOSSES):
            lost[canonical] = filled & ~text & ~np.isfinite(data[canonical])
        for why, rows in _check(canonical, data[canonical], text, filled, resolved.step_unit).items():
            faults[column, why] = rows
    if "tokens" in data and resolved.step_unit == "updates":
        why = "an update reads at least one token: write all tokens so far, not billions of them, or map another column"
        faults[found["tokens"], why] = (data["tokens"] < data["step"]) & (data["step"] > 0)
    size = len(data["step"])
    if _torn(sheet, data, found):
        findings.note(f"line {sheet.lines[size - 1]}, the last, has no newline, looks cut off: dropped", sheet.name)
        size -= 1
    for (column, why), rows in faults.items():
        if rows[:size].any():
            _report(sheet, column, why, np.flatnonzero(rows[:size]), findings)
    if findings.count > known:
        return None
    data = {name: values[:size] for name, values in data.items()}
    if resolved.step_unit == "updates":
        data["step"] = data["step"].astype(np.int64)
    diverged = any(rows[:size].any() for rows in lost.values())
    if run is None and not diverged and (np.diff(data["step"]) > 0).all():
        return Cleaned({"": Curve(data, np.arange(size))}, {})
    frame = pd.DataFrame({"run": "" if run is None else run[:size], **data})
    frame, ends = cut(frame, {loss: rows[:size] for loss, rows in lost.items()}, found, sheet, findings)
    if findings.count > known:
        return None
    frame = frame.iloc[np.argsort(pd.factorize(frame["run"])[0], kind="stable")]
    one = one_row_a_step(frame, sheet, found, asked, findings)
    return None if one is None else Cleaned({str(key): _curve(rows) for key, rows in one.groupby("run", sort=False)}, ends)


def _curve(frame: pd.DataFrame) -> Curve:
    return Curve({str(name): frame[name].to_numpy() for name in frame if name != "run"}, frame.index.to_numpy())


def _torn(sheet: Sheet, data: dict[str, np.ndarray], found: dict[str, str]) -> bool:
    """Is the last cell of a file without final newline cut?"""
    end = list(sheet.columns)[-1]
    canonical = next((name for name, column in found.items() if column == end and name in data), None)
    if not sheet.torn or canonical is None or len(data[canonical]) < 2:
        return False
    cells = sheet.columns[end]
    return _cut(data[canonical], cells.tail if isinstance(cells, Numbers) else cells)


def _check(canonical: str, x: np.ndarray, text: np.ndarray, filled: np.ndarray, unit: str) -> dict[str, np.ndarray]:
    """What must hold and what to do -> the rows where it does not."""
    lost = filled & ~text & ~np.isfinite(x)
    bad = {NUMBER: text}
    if canonical == "step":
        bad["every row needs its step; fill it in or remove the line"] = ~filled
        if unit != "updates":
            bad[f"{unit} are counted from 0 on"] = lost | (x < 0)
            return bad
        bad[f"a run has at most {MOST_UPDATES:,} updates; remove the line, or name the column that counts them"] = np.isfinite(
            x
        ) & (x > MOST_UPDATES)
        bad["steps are whole numbers from 0 on"] = lost | (x < 0) | (np.isfinite(x) & (x != np.floor(x)))
    elif canonical in ("loss", *LOSSES):
        bad["a loss in nats is above 0, and laws take its logarithm; name a column that holds it"] = x <= 0
    elif canonical in ("lr", "tokens"):
        bad[f"{canonical} is finite and not negative; leave the cell empty if unknown"] = lost | (x < 0)
    return bad


def _report(sheet: Sheet, column: str, why: str, rows: np.ndarray, findings: Findings) -> None:
    cell = sheet.columns[column][rows[0]]
    more = f" ({len(rows)} such {sheet.unit}s: {some([sheet.lines[row] for row in rows], 4)})" if len(rows) > 1 else ""
    seen = f"found {str(cell)!r}" if not is_missing(cell) else "empty cell"
    findings.problem(sheet.place(rows[0], column), f"{seen}; {why}{more}")


def _cut(x: np.ndarray, cells: Sequence[str]) -> bool:
    """Is the last cell of a file without final newline cut? It begins a number, or is short and jumps."""
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d*)?([eE][-+]?)?", cells[-1]) and np.isnan(x[-1]) and cells[-1]:
        return True
    if len(x) < 10:
        return False
    change = np.abs(np.diff(x[-50:]))
    known = change[:-1][np.isfinite(change[:-1])]
    jumps = len(known) > 0 and change[-1] > 8 * np.median(known)
    return bool(jumps and len(cells[-1]) < min(len(cell) for cell in cells[-50:-1]))
