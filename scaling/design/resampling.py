"""What is drawn in a bootstrap: rows, runs, or blocks of neighbouring rows."""

from __future__ import annotations

import numpy as np

from scaling.design.bins import axis
from scaling.design.inputs import Design
from scaling.errors import ArgumentError, FitError

BLOCKS = 8  # blocks a run is cut into: long against the correlation of its residuals
ENOUGH = 8  # runs from which on runs themselves are drawn


def unit(made: Design) -> str:
    """What goes together: "run" where there are 8 or more with several rows each, else "block" on a curve, else "row"."""
    runs = made.runs
    if runs.max() + 1 == len(runs) and axis(made) is None:
        return "row"
    return "run" if ENOUGH <= runs.max() + 1 < len(runs) else "block" if axis(made) is not None else "row"


def groups(made: Design, by: str | None) -> np.ndarray:
    """Group code of every row (n,); a replicate draws whole groups.

    Parameters
    ----------
    by : "row", "run", "block", or None, what `unit` says: neighbouring rows of a curve err alike, so drawing single rows
        understates the uncertainty.
    """
    if by not in (None, "row", "run", "block"):
        raise ArgumentError(f"by='{by}' is unknown; resample by 'row', 'run' or 'block'.")
    runs, order = made.runs, axis(made)
    by = by or unit(made)
    if by == "row":
        return np.arange(len(runs))
    if by == "run":
        if runs.max() < 2:
            raise FitError(f"resampling runs needs at least 3 of them, and there are {runs.max() + 1}; use by='block'.")
        return runs
    if order is None:
        raise FitError("resampling blocks needs rows that lie on a curve (run and step, or a single input); use by='row'.")
    owner = runs if "run" in made.frame else np.zeros(len(runs), int)
    code = np.empty(len(runs), int)
    for run in np.unique(owner):
        rows = np.flatnonzero(owner == run)
        rank = np.argsort(np.argsort(order[rows], kind="stable"), kind="stable")
        code[rows] = run * BLOCKS + rank * BLOCKS // len(rows)
    return np.unique(code, return_inverse=True)[1]
