"""Whole curves that do not belong: far from the law that the curves of all other runs follow."""

from __future__ import annotations

import numpy as np

from scaling.engine.verdict.near import Near
from scaling.engine.verdict.rows import Strange, robust_scale

LEAST = 6  # runs without which nobody knows what the others do
MOST = 0.2  # of the runs: more of them are another law, not other runs
FAR, GAP = 10.0, 3.0  # standard deviations of runs, and times the next one, from which on a run stands apart
LITTLE = 0.05  # of the spread of the losses, below which none does


def apart(near: Near) -> Strange:
    """The rows of the runs whose middle stands apart from all others; of few parameters, as many runs are met by themselves."""
    sizes = near.rest / np.sqrt(near.design.weights)
    runs = near.design.runs
    count = int(runs.max()) + 1
    nothing = Strange(np.empty(0, int), np.zeros(len(sizes)), sizes, 0.0)
    if not near.on_curves or near.exact or count < LEAST:
        return nothing
    off = np.array([np.median(sizes[runs == k]) for k in range(count)])
    order = np.argsort(-np.abs(off), kind="stable")
    far, unit = np.abs(off)[order], robust_scale(off, min(near.basis.shape[1], count // 2))
    for k in range(int(MOST * count), 0, -1):
        if far[k - 1] > max(FAR * unit, GAP * far[k], LITTLE * near.spread):
            rows = np.flatnonzero(np.isin(runs, order[:k]))
            return Strange(rows, sizes / unit, near.rest, unit)
    return nothing
