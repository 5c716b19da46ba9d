"""Long curves in few rows: log-spaced bins of a run, for the search and the bootstrap. The optimum uses every row."""

from __future__ import annotations

import numpy as np

from scaling.design.inputs import Design
from scaling.schedules.drops import RateDrops
from scaling.words import many

LIMIT = 1000  # rows of one curve that are fitted as they are; longer ones are binned


def axis(made: Design) -> np.ndarray | None:
    """What orders the rows of a curve: the step, or the only input; None where rows form no curve."""
    if "step" in made.frame and "run" in made.frame:
        return made.frame["step"].to_numpy(float)
    arrays = [v for v in made.inputs.values() if isinstance(v, np.ndarray)]
    return arrays[0] if len(made.inputs) == 1 and len(arrays) == 1 else None


def by_run(runs: np.ndarray) -> list[np.ndarray]:
    """The rows of every run; runs (n,) say by whole numbers from 0 which each row belongs to."""
    return [np.flatnonzero(runs == code) for code in range(runs.max() + 1)]


def evenly(runs: np.ndarray, most: int) -> np.ndarray:
    """Up to `most` rows of every run, evenly, the first and the last among them."""
    return np.concatenate([rows[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))] for rows in by_run(runs)])


def binned(made: Design, limit: int = LIMIT) -> Design:
    """Means over log-spaced bins within each run of more than `limit` rows, with the rows' summed weights; the same design if
    it is short.

    Inputs and the logarithm of the loss are averaged as logarithms (inputs that may be zero: as they are).
    """
    order = axis(made)
    runs = made.runs if "run" in made.frame else np.zeros(len(made), int)
    if order is None or len(made) <= limit or (order <= 0).any():
        return made
    label = np.empty(len(made), np.int64)
    for run in np.unique(runs):
        rows = np.flatnonzero(runs == run)
        if len(rows) <= limit:
            label[rows] = run * (limit + 1) + np.arange(len(rows))
            continue
        x = np.log(order[rows])
        width = max(np.ptp(x), 1e-12) / limit
        label[rows] = run * (limit + 1) + np.minimum((x - x.min()) // width, limit - 1).astype(int)
    first, group = np.unique(label, return_index=True, return_inverse=True)[1:]
    if len(first) == len(made):
        return made
    weight = np.bincount(group, made.weights)

    def smooth(values: np.ndarray) -> np.ndarray:
        positive = (values > 0).all()
        mean = np.bincount(group, made.weights * (np.log(values) if positive else values)) / weight
        return np.asarray(np.exp(mean) if positive else mean)

    ends = np.cumsum(np.bincount(group))  # a row in the middle of its bin stands for the drops behind it
    middle = np.argsort(group, kind="stable")[(ends + np.append(0, ends[:-1])) // 2]
    inputs = {k: v[middle] if isinstance(v, RateDrops) else smooth(v) for k, v in made.inputs.items()}
    bins = many(len(first), "log-spaced bin")
    note = f"{len(made):,} rows -> {bins} for the search and the bootstrap; the optimum uses all rows"
    frame = made.frame.iloc[first].assign(**{k: v for k, v in inputs.items() if isinstance(v, np.ndarray)})
    return Design(frame, inputs, smooth(made.loss), weight, (*made.notes, note))
