"""Runs that differ in more than their schedule: what is known of each, which rows count, and how much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.formula import Law
from scaling.logs import Runs
from scaling.schedules import Schedule

CURVE = 4.0  # rows that a curve counts as, however many it has: its rows share one misfit
LATE, EARLY, FEW = 0.5, 0.2, 8  # part of a run after which rows are fitted; where runs are few; runs that are few
ROWS = 24  # of a curve that are fitted as they are; more become means of neighbours
# facts as laws call them: what logs call them, and what to do without
NAMES = {"N": ("n_params", "N", "params"), "B": ("batch_tokens", "B")}
MEANT = {"N": "its number of parameters", "B": "the tokens of one update"}


def known(runs: Runs, wanted: tuple[str, ...]) -> tuple[dict[str, tuple[float, ...]], list[str]]:
    """Facts of every run, in the order a law's features take them, and what had to be assumed.

    Raises
    ------
    DataError : a fact that some runs lack, or that is not positive.
    """
    columns, notes = {}, []
    for name in wanted:
        values = _fact(runs, name)
        if values.isna().all() and name == "B":
            values = pd.Series(1.0, index=values.index)
            notes.append("no run says how many tokens an update takes (fact batch_tokens): all are taken to take the same")
        if (bad := ~(values > 0) | ~np.isfinite(values)).any():
            run, column = values.index[bad][0], NAMES[name][0]
            raise DataError(
                f"run '{run}': {MEANT[name]} is not known ({bad.sum()} of {len(bad)} runs). Write it as {column} in runs.csv, "
                f"or pass facts={{'{run}': {{'{column}': ...}}}}."
            )
        columns[name] = values
    return {run: tuple(float(columns[name][run]) for name in wanted) for run in runs.names}, notes


def _fact(runs: Runs, name: str) -> pd.Series:
    """One value per run, NaN where nobody says it. Tokens of an update follow from the tokens logged."""
    facts, frame = runs.facts, runs.frame
    found = pd.Series(np.nan, index=list(runs.names))
    for column in NAMES[name]:
        if column in facts:
            found = found.fillna(pd.to_numeric(facts[column], errors="coerce"))
    if name == "B" and "tokens" in frame and found.isna().any():
        logged = frame[frame["tokens"].notna() & (frame["step"] > 0)].groupby("run").tail(1).set_index("run")
        found = found.fillna(logged["tokens"] / logged["step"])
    return found


def in_units(law: Law, runs: Runs) -> Law:
    """The law in the units of the runs it is fitted to, with the priors that follow from them."""
    if law.hooks.units is None:
        return law
    frame = runs.frame[runs.frame["loss"].notna()]
    ends = frame.groupby("run", sort=False).tail(1).set_index("run")
    if not len(ends):
        raise DataError("none of these rows has a loss; there is nothing to fit.")
    facts, _ = known(runs, law.hooks.facts)
    names = [str(name) for name in ends.index if str(name) in runs.schedules]
    if not names:
        raise DataError(f"law '{law.name}' needs learning rates, and no run has any: pass schedule=..., or a column lr.")
    found: dict[str, Any] = {name: np.array([facts[run][i] for run in names]) for i, name in enumerate(law.hooks.facts)}
    found["peak"] = np.array([runs.schedules[run].peak for run in names])
    found["tokens"] = ends.loc[names, "step"].to_numpy(float) * found.get("B", 1.0)
    found["loss"] = ends.loc[names, "loss"].to_numpy(float)
    conventions, priors = law.hooks.units(found)
    made = law.using(**conventions)
    return replace(made, params={**made.params, **{k: made.params[k].known(p) for k, p in priors.items() if k in made.params}})


def told(rows: pd.DataFrame, wanted: tuple[str, ...], facts: tuple[float, ...], plan: Schedule) -> pd.DataFrame:
    """The rows of one run with what is known of it: its facts, tokens so far D, and its peak rate."""
    columns = dict(zip(wanted, facts, strict=True))
    done = rows["step"].to_numpy(float) - plan.first + 1
    return rows.assign(**columns, D=done * columns.get("B", 1.0), peak=plan.peak)


def settled(rows: pd.DataFrame, runs: int, last: float) -> pd.DataFrame:
    """The rows of one run that are fitted, at most about `ROWS`: early ones carry what no law describes.

    More rows are means of ln loss over an odd number of neighbours, each at the step of the middle one. Bins are counted from
    the first row, so that runs which share a trunk share its bins.

    Parameters
    ----------
    runs : how many runs there are. last : step to which this one was trained, also where it diverged before.
    """
    share = LATE if runs >= FEW else EARLY
    rows = rows[rows["step"] >= share * last]
    size = -(-len(rows) // ROWS) // 2 * 2 + 1
    if size == 1:
        return rows
    loss = rows["loss"].to_numpy(float)
    positive = bool((loss > 0).all())
    values, middle, means = np.log(loss) if positive else loss, [], []
    for begin in range(0, len(rows), size):
        last = min(begin + size, len(rows))
        first = begin + (last - begin + 1) % 2  # the last bin may be short: odd, too
        middle.append((first + last) // 2)
        means.append(values[first:last].mean())
    return rows.iloc[middle].assign(loss=np.exp(means) if positive else means)


def weights(runs: np.ndarray) -> np.ndarray:
    """What each row counts (n,), by its run (n,): those of a curve as `CURVE` together, one alone as one."""
    count = np.bincount(runs)
    return np.asarray((np.minimum(count, CURVE) / count)[runs])
