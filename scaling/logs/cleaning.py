"""Cleaning that is asked for, and says what it did: spikes dropped, losses averaged evenly in the logarithm of the step."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from scaling.errors import ArgumentError
from scaling.logs.columns import LOSSES
from scaling.logs.findings import some
from scaling.logs.runs import Runs

BESIDE = 9  # rows on either side that tell what a loss should be
FAR = 6.0  # standard deviations above them
ROUNDS = 5  # of looking again, as a spike hides the lower one beside it
METRICS = ("loss", *LOSSES)


def without_spikes(runs: Runs) -> Runs:
    """The runs without losses that stand above the rows on BOTH sides by more than their noise explains.

    The median of the nearest 9 rows before and after, the higher of both, is what a loss is held against, so that neither a
    falling curve nor a rise that lasts is a spike. Noise is the median absolute difference of neighbours. Rates stay, and so
    does the schedule; notes name the steps.
    """
    frame, notes = runs.frame, list(runs.notes)
    metrics = [name for name in METRICS if name in frame]
    for (run, rows), name in product(frame.groupby("run", sort=False), metrics):
        known = rows[rows[name].notna()]
        value, kept = np.log(known[name].to_numpy()), np.arange(len(known))
        for _ in range(ROUNDS):
            kept = kept[~_spikes(value[kept])]
        gone = np.setdiff1d(np.arange(len(known)), kept)
        frame.loc[known.index[gone], name] = np.nan
        if len(gone) and (name != "loss" or len(metrics) == 1):
            steps = some(list(known["step"].to_numpy()[gone]), 6)
            notes.append(f"{run}: {len(gone)} spikes of {name} dropped, as asked: step {steps}")
    return _rest(runs, frame, metrics, notes)


def _rest(runs: Runs, frame: pd.DataFrame, metrics: list[str], notes: list[str]) -> Runs:
    """Rows that still hold a loss, or a rate, by which schedules are known; those that held none before stay too."""
    had = runs.frame[metrics].notna().any(axis=1)
    stay = frame[metrics].notna().any(axis=1) | (frame["lr"].notna() if "lr" in frame else False) | ~had
    return replace(runs.part(frame[stay]), notes=tuple(notes))


def _spikes(value: np.ndarray) -> np.ndarray:
    """Which logarithms of losses stand out above both sides."""
    if len(value) < 2 * BESIDE + 1:
        return np.zeros(len(value), bool)
    padded = np.concatenate([np.full(BESIDE, np.nan), value, np.full(BESIDE, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, BESIDE)
    before, after = windows[: len(value)], windows[BESIDE + 1 :]
    beside = np.full(len(value), np.inf)  # the first and the last row have but one side
    beside[1:-1] = np.maximum(np.nanmedian(before[1:-1], axis=1), np.nanmedian(after[1:-1], axis=1))
    change = np.abs(np.diff(value))
    noise = 1.4826 * np.median(change) / np.sqrt(2)
    found: np.ndarray = value - beside > FAR * max(noise, 1e-6)
    return found


def averaged(runs: Runs, per_decade: int) -> Runs:
    """The runs with losses averaged in bins of steps, so many a factor of ten in step: late rows no longer outweigh early ones.

    A bin gives one row, at the row nearest to the mean of the logarithms of its steps, with the mean of each loss. All other
    rows of the bin lose their losses; those with a rate stay, so that the schedule is as it was. Notes say how many.
    """
    if isinstance(per_decade, bool) or not isinstance(per_decade, int) or not 1 <= per_decade <= 10_000:
        raise ArgumentError(f"per_decade={per_decade!r} must be a whole number of rows a decade of steps, like 50.")
    frame, notes = runs.frame, list(runs.notes)
    metrics = [name for name in METRICS if name in frame]
    out = frame.copy()
    for name in metrics:
        rows = frame[frame[name].notna() & (frame["step"] > 0)]
        place = np.log10(rows["step"])
        bins = [rows["run"], np.floor(place * per_decade + 1e-9)]
        apart = (place - place.groupby(bins).transform("mean")).abs()
        chosen = apart.groupby(bins).idxmin()
        out.loc[rows.index, name] = np.nan
        out.loc[chosen, name] = rows[name].groupby(bins).transform("mean").loc[chosen]
        if name != "loss" or len(metrics) == 1:
            notes.append(f"{len(rows)} values of {name} averaged into {len(chosen)}, {per_decade} a decade of steps, as asked")
    return _rest(runs, out, metrics, notes)
