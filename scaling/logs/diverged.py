"""Runs whose loss stopped being a finite number: read up to there."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scaling.logs.columns import LOSSES
from scaling.logs.findings import Findings
from scaling.logs.sheet import Sheet

AGAIN = (
    "a run that diverged has no finite loss after it, but this one has. If it means 'not evaluated', leave the cell empty; "
    "else remove the row"
)


def cut(
    frame: pd.DataFrame, lost: Mapping[str, np.ndarray], found: Mapping[str, str], sheet: Sheet, findings: Findings
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Rows without what follows a loss that is no finite number, and the step of that loss by run.

    Planned rows, with a rate but no loss, stay. A finite loss after it is a problem: it was no divergence.

    Parameters
    ----------
    frame : run, step and numbers, one row for each of the sheet. lost : name of a loss -> rows where it is no finite number.
    found : canonical name -> column.
    """
    losses = [name for name in ("loss", *LOSSES) if name in frame]
    ends: dict[str, float] = {}
    if not any(rows.any() for rows in lost.values()):
        return frame, ends
    frame, gone = frame.copy(), np.zeros(len(frame), bool)
    for loss, rows in lost.items():
        for run in frame["run"][rows].unique():
            own = (frame["run"] == run).to_numpy()
            first = int(np.flatnonzero(own & rows)[0])
            after = own & (np.arange(len(frame)) >= first)
            if np.isfinite(frame[loss].to_numpy()[after]).any():
                cell = sheet.columns[found[loss]][first]
                findings.problem(sheet.place(first, found[loss]), f"found {str(cell)!r}; {AGAIN}")
                continue
            frame.loc[rows & own, loss] = np.nan
            gone |= after
            step = float(frame["step"].iloc[first])
            ends[run] = min(step, ends.get(run, step))
    kept = [*losses, "lr"] if "lr" in frame else losses
    return frame[~(gone & frame[kept].isna().all(axis=1).to_numpy())], ends
