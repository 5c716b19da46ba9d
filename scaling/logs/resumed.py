"""Rows in the order they were written -> one row per step, steps rising. What a resumed run wrote again counts as newest."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.logs.cells import numbers_of
from scaling.logs.columns import LOSSES
from scaling.logs.findings import Findings, some
from scaling.logs.sheet import Sheet
from scaling.words import many, plain_name

OPTION = "resumed='newest' (command line: --resumed newest)"
FEW = 20  # places where steps fall back, in runs of any length; more are no crashes, unless they are rare


@dataclass(frozen=True)
class Rows:
    """Rows of one run, as written."""

    place: str
    step: np.ndarray
    line: np.ndarray
    loss: np.ndarray  # bool: rows with the loss that is logged most often; evaluations may come late, these do not
    epoch: np.ndarray  # of each row; NaN where none is logged


def one_row_a_step(
    frame: pd.DataFrame, sheet: Sheet, found: dict[str, str], asked: bool, findings: Findings
) -> pd.DataFrame | None:
    """The newest row of every step of every run; rows that fill each other's empty cells (train, eval) are joined.

    Parameters
    ----------
    frame : run, step and numbers, runs one after the other, each in the order of the sheet; the index counts rows of the sheet.
    found : canonical name -> column of the sheet.
    asked : did the caller say resumed="newest"? Else it holds where the order of the rows is that of writing, and cannot be
        mistaken for something else.

    Returns
    -------
    None after a problem was recorded.
    """
    known = findings.count
    in_order = sheet.ordered or asked
    keep = np.ones(len(frame), bool)
    if in_order:
        logged = frame[[c for c in ("loss", *LOSSES) if c in frame]].notna()
        most = logged[logged.sum().idxmax()] if len(logged.columns) and logged.any(axis=None) else None
        loss = np.ones(len(frame), bool) if most is None else most.to_numpy()
        epoch = _epochs(sheet)
        for run, at in frame.groupby("run", sort=False).indices.items():
            place = f"{sheet.name}, run {run}" if run else sheet.name
            here = frame.index[at]
            rows = Rows(place, frame["step"].to_numpy()[at], np.asarray(sheet.lines)[here], loss[at], epoch[here])
            keep[at] = _newest(rows, sheet.unit, found["step"], asked, findings)
    if findings.count > known:
        return None
    frame = frame[keep]
    order = np.lexsort([frame["step"].to_numpy(), pd.factorize(frame["run"])[0]])
    if not in_order and (order != np.arange(len(frame))).any():
        findings.note("rows were sorted by step", sheet.name)
    frame = _joined(frame.iloc[order], sheet, found, in_order, asked, findings)
    return None if findings.count > known else frame


def _epochs(sheet: Sheet) -> np.ndarray:
    """The epoch of every row of the sheet, NaN where it says none."""
    column = next((name for name in sheet.columns if plain_name(name) in ("epoch", "train/epoch")), None)
    return np.full(len(sheet.lines), np.nan) if column is None else numbers_of(sheet.columns[column])[0]


def _newest(rows: Rows, unit: str, column: str, asked: bool, findings: Findings) -> np.ndarray:
    """Which rows to keep: those that no later attempt wrote again, or went back behind."""
    keep = np.ones(len(rows.step), bool)
    at = np.flatnonzero(rows.loss)
    step = rows.step[at]
    if len(at) < 2 or (np.diff(step) >= 0).all():
        return keep
    if (np.diff(step) < 0).all():
        findings.note(f"{unit}s stand from the last step to the first: turned round", rows.place)
        return keep
    strays = _strays(step)
    if len(strays):
        findings.warn(
            f"{len(strays)} {unit}s dropped whose step is out of line: {unit} {some(list(rows.line[at[strays]]), 4)}",
            rows.place,
        )
        keep[at[strays]] = False
        at, step = np.delete(at, strays), np.delete(step, strays)
    back = np.flatnonzero(np.diff(step) < 0) + 1
    if not len(back):
        return keep
    epoch = rows.epoch[at]
    if not asked and (epoch[back] > epoch[back - 1]).all():
        findings.problem(
            f"{rows.place}, {unit} {rows.line[at[back[0]]]}, column {column!r}",
            f"step {step[back[0]]} comes after {step[back[0] - 1]} as epoch {epoch[back[0]]:g} begins: steps begin anew "
            "in every epoch, so they are not updates. Add to each the updates of the epochs before it, or name a column that "
            "counts through",
        )
        return keep
    if not asked and (why := _no_resume(step, back)):
        findings.problem(
            f"{rows.place}, {unit} {rows.line[at[back[0]]]}, column {column!r}",
            f"step {step[back[0]]} comes after {step[back[0] - 1]}{why}. If a resumed run wrote steps again, take the newest: "
            f"{OPTION}; if these are several runs, name them in a column run; else sort by step",
        )
        return keep
    ends = np.full(len(rows.step), np.iinfo(np.int64).max)  # rows up to the one before a restart are older than it
    np.minimum.at(ends, at[back - 1], step[back])
    first_again = np.minimum.accumulate(ends[::-1])[::-1]
    old = keep & (rows.step >= first_again)
    more = f" and {many(len(back) - 1, 'more place')}" if len(back) > 1 else ""
    where = f"{unit} {rows.line[at[back[0]]]} goes back from step {step[back[0] - 1]} to {step[back[0]]}{more}"
    findings.note(f"{many(int(old.sum()), 'row')} of the first attempt dropped, the newest kept: {where}", rows.place)
    return keep & ~old


def _strays(step: np.ndarray) -> np.ndarray:
    """Rows whose step does not fit between its neighbours, which follow each other: one wrong number, no restart."""
    before, here, after = step[:-2], step[1:-1], step[2:]
    peak = np.maximum.accumulate(step)[:-2]
    wrong = (before < after) & (peak < after) & ((here < before) | (here > after))
    found = np.flatnonzero(wrong) + 1
    return found[np.append(True, np.diff(found) > 1)] if len(found) else found


def _no_resume(step: np.ndarray, back: np.ndarray) -> str:
    """Why steps that fall back need not be those of a resumed run."""
    if len(back) > max(FEW, len(step) // FEW):
        return f" ({len(back)} such places, too many for restarts)"
    first = back[0]
    if step[first] <= step[0] and 2 * first > len(step) - first:
        return ", the beginning of the log"
    return ""


def _joined(
    frame: pd.DataFrame, sheet: Sheet, found: dict[str, str], in_order: bool, asked: bool, findings: Findings
) -> pd.DataFrame:
    """One row per step, the newest value of each column."""
    step, run = frame["step"].to_numpy(), frame["run"].to_numpy()
    same = np.append(False, (np.diff(step) == 0) & (run[1:] == run[:-1]))
    if not same.any():
        return frame
    group = np.cumsum(~same) - 1
    values = frame.drop(columns=["run", "step"])
    spread = values.groupby(group).max() > values.groupby(group).min()
    curve = [column for column in ("loss", *LOSSES, "lr", "tokens") if column in spread]
    clash = spread[curve].any(axis=1).to_numpy()
    if clash.any():
        rows = frame.index[same & clash[group]]
        lines = f"{sheet.unit} {some(list(np.asarray(sheet.lines)[rows]), 4)}"
        if in_order and (asked or clash.sum() <= max(3, len(clash) // FEW)):
            findings.note(f"{many(int(clash.sum()), 'step')} twice with other values, the newer is read: {lines}", sheet.name)
        else:
            column = found[next(c for c in curve if spread[c].any())]
            findings.problem(
                sheet.place(rows[0], column),
                f"found {str(sheet.columns[column][rows[0]])!r}; another value than the {sheet.unit} above, for one step "
                f"({clash.sum()} such steps). Keep one {sheet.unit} a step; if the later is the newer: {OPTION}",
            )
            return frame
    known = values.fillna(-1).to_numpy()
    equal = int((same[1:] & (known[1:] == known[:-1]).all(axis=1)).sum())
    if equal:
        findings.note(f"{many(equal, 'row')} that repeated the row above dropped", sheet.name)
    rest = int(same.sum()) - equal
    if rest:
        findings.note(f"{many(rest, 'row')} joined with another of the same step", sheet.name)
    merged = frame.groupby(group).last()
    merged.index = frame.index[~same]
    return merged
