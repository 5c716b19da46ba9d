"""Which rows a fit uses, chosen by the user and always reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import compute
from scaling.errors import ArgumentError, DataError
from scaling.logs import Runs
from scaling.logs.tables import rows_where

SAME_BUDGET = 0.02  # budgets closer than this, relative, are one budget


def select(data: Any, *, where: str | None, min_step: int | None, top_budgets: int | None) -> tuple[Any, list[str]]:
    """The rows that are left of Runs or a DataFrame, and one sentence per choice made.

    Parameters
    ----------
    where : condition on the columns (for Runs: of rows and facts), as in `Runs.select`.
    min_step : drop rows before this step.
    top_budgets : keep the rows with the k largest compute budgets (C or flops, else 6 N D).
    """
    notes: list[str] = []
    for query in [where, f"step >= {min_step}" if min_step is not None else None]:
        if query is not None:
            before = _rows(data)
            data = data.select(query) if isinstance(data, Runs) else rows_where(data, query)
            notes.append(f"selected {query}: {_rows(data)} of {before} rows")
    if top_budgets is not None:
        before = _rows(data)
        data, kept = _largest(data, top_budgets)
        notes.append(
            f"selected the {len(kept)} largest budgets ({', '.join(f'{b:.3g}' for b in kept)} FLOP): "
            f"{_rows(data)} of {before} rows"
        )
    return data, notes


def _rows(data: Any) -> int:
    return len(data.frame) if isinstance(data, Runs) else len(data)


def _largest(data: Any, k: int) -> tuple[Any, list[float]]:
    if not isinstance(k, int) or k < 1:
        raise ArgumentError(f"top_budgets={k!r}: say how many budgets to keep, a whole number from 1 on.")
    frame = data.joined() if isinstance(data, Runs) else data
    spent = _compute(frame)
    if isinstance(data, Runs):  # a run's budget is what it had spent at its end
        spent = spent.groupby(frame["run"]).transform("max")
    levels: list[float] = []
    for value in np.sort(spent.dropna().unique())[::-1]:
        if not levels or value < levels[-1] * (1 - SAME_BUDGET):
            levels.append(float(value))
    kept = levels[:k]
    mask = spent >= kept[-1] * (1 - SAME_BUDGET)
    if isinstance(data, Runs):
        return data.part(data.placed[mask.to_numpy()]), kept
    return data[mask.to_numpy()], kept


def _compute(frame: pd.DataFrame) -> pd.Series:
    for name in ("flops", "C"):
        if name in frame:
            return frame[name].astype(float)
    for N, D in (("n_params", "tokens"), ("N", "D")):
        if N in frame and D in frame:
            return pd.Series(compute(frame[N], frame[D]), frame.index)
    raise DataError("top_budgets needs compute: a column flops or C, or sizes and tokens to count 6 N D from.")
