"""Curves before a law reads them: rows with a loss, after the warm-up, up to where a run diverges; very long ones as means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import pandas as pd

from scaling.design import diverged, neighbours
from scaling.errors import DataError
from scaling.formula import Law
from scaling.logs import Runs
from scaling.schedules import Schedule
from scaling.words import verb


class Curve(NamedTuple):
    """Of one run its rows that count, and its schedule. last : its last step. warm : rows in the warm-up, which are not among
    the rows. notes : what was left out, or joined."""

    name: str
    rows: pd.DataFrame
    plan: Schedule
    last: float
    warm: int
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Curves:
    """runs : one or more. notes : on all of them. asked : every row, where losses are to be predicted."""

    runs: list[Curve]
    notes: list[str]
    asked: pd.DataFrame | None


_LONG: WeakKeyDictionary[Runs, Curves] = WeakKeyDictionary()  # in means: they take longer than what a law adds, and serve all


def curves(runs: Runs, law: Law, fitting: bool) -> Curves:
    """The runs as laws of schedules read them; those over facts of runs join rows in their own way.

    Raises
    ------
    DataError : no row has a loss, or a run has no learning rates, or none above 0.
    """
    plain = fitting and not law.hooks.facts
    if plain and runs in _LONG:
        return _LONG[runs]
    frame, notes = runs.placed if fitting else runs.frame, []
    if fitting:
        if planned := int(frame["loss"].isna().sum()):
            notes.append(lost(planned, len(frame), " (planned or not evaluated)"))
        frame = frame[frame["loss"].notna()]
    if not len(frame):
        raise DataError("none of these rows has a loss; there is nothing to fit.")
    size = neighbours.group(int(frame["run"].value_counts().max())) if plain else 1
    found = []
    for name, rows in frame.groupby("run", sort=False):
        plan = runs.schedules.get(str(name))
        if plan is None:
            raise DataError(
                f"run '{name}': law '{law.name}' needs its learning rates, and there is neither a column 'lr' nor "
                "a schedule. Add the column, or pass schedule='cosine:peak=...,steps=...'."
            )
        if not plan.peak > 0:
            raise DataError(
                f"run '{name}': its learning rate is 0 at every step, so nothing was trained; mend column 'lr', or pass "
                "schedule='cosine:peak=...,steps=...'."
            )
        found.append(_curve(str(name), rows, plan, size, fitting))
    made = Curves(found, notes, None if fitting else frame)
    if size > 1:
        _LONG[runs] = made
    return made


def lost(n: int, of: int, why: str = "") -> str:
    """How many rows have no loss, in words."""
    return f"{n} of {of} rows {verb(n, 'has', 'have')} no loss{why} and {verb(n)} not fitted"


def _curve(name: str, rows: pd.DataFrame, plan: Schedule, size: int, fitting: bool) -> Curve:
    last, notes = float(rows["step"].max()), []
    if fitting:
        rows, left = diverged.cut(rows, name)
        notes += [left] * bool(left)
    warm = rows["step"].to_numpy() < max(plan.first, plan.first + plan.warmup - 1)  # the laws hold from the peak on
    rows = rows[~warm]
    if size > 1 and len(rows) > size:
        made_of, rows = len(rows), neighbours.means(rows, size)
        notes.append(f"run '{name}': {made_of:,} rows -> {len(rows):,} means of {size} neighbours, which are fitted")
    return Curve(name, rows, plan, last, int(warm.sum()), notes)
