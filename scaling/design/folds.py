"""Which runs of a ladder are left out to see how well larger, longer and otherwise different ones are predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.design.inputs import Design

NEAR = 0.05  # of a logarithm: lengths, peaks and batches closer than this are one
LEAST = 2  # sizes, and runs, that a part to be fitted must keep


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows to fit and rows to predict (n,), and what is left out, in words."""

    what: str
    train: np.ndarray
    test: np.ndarray


def folds(made: Design) -> list[Fold]:
    """The largest size, the two largest, the longest runs of each size, both at once, the highest peak, the largest batch.

    A fold that would leave fewer than two sizes, or nothing to predict, is none. Of a law for one size the lowest peak, too.
    """
    runs = made.frame.assign(code=made.runs).groupby("code").tail(1).sort_values("code")
    length = np.log(runs["D"].to_numpy(float))
    size = np.log(runs["N"].to_numpy(float)) if "N" in runs else np.zeros(len(runs))
    least, kept = (LEAST, LEAST + 1) if "N" in runs else (1, LEAST)
    sizes = np.unique(size)
    longest = pd.Series(length).groupby(size).transform("max").to_numpy()
    several = pd.Series(length).groupby(size).transform("min").to_numpy() < longest - NEAR
    long = several & (length > longest - NEAR)
    large = size >= sizes[-1] - NEAR
    larger = size >= sizes[-2] - NEAR if len(sizes) > LEAST + 1 else large
    parts = [
        ("the largest size", ~large, large),
        ("the two largest sizes", ~larger, larger),
        ("the longest runs", ~long, long),
        ("the largest size and the longest runs", ~large & ~long, large & long),
    ]
    for column, name in (("peak", "the highest peak"), ("B", "the largest batch")):
        value = np.log(runs[column].to_numpy(float))
        within = any(np.ptp(value[size == one]) > NEAR for one in sizes)
        high = within & (value > value.max() - NEAR)
        parts.append((name, ~high, high))
        if column == "peak" and "N" not in runs:
            low = within & (value < value.min() + NEAR)
            parts.append(("the lowest peak", ~low, low))
    found, seen = [], set()
    for what, train, test in parts:
        key = (train.tobytes(), test.tobytes())
        if test.any() and len(np.unique(size[train])) >= least and train.sum() >= kept and key not in seen:
            seen.add(key)
            found.append(Fold(what, train[made.runs], test[made.runs]))
    return found
