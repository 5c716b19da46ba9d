"""Pair runs of two data sets that have the same size and tokens, and account for those that have no partner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import alike, completed
from scaling.design.inputs import COLUMNS
from scaling.errors import DataError
from scaling.fits import Fit
from scaling.logs import Runs
from scaling.logs.sheet import row_named
from scaling.logs.tables import listed_columns
from scaling.words import others

KEYS = ("N", "D")


def points(data: Any) -> pd.DataFrame:
    """Rows of a Fit, of Runs (the last evaluated row of each) or of a DataFrame, with columns N, D, loss as floats."""
    if isinstance(data, Fit):
        data = data.data  # the rows it was fitted on, whatever else its runs hold
    if isinstance(data, Runs):
        frame = data.joined()
        frame = frame[frame["loss"].notna()].groupby("run", sort=False).tail(1)
        frame = frame.rename(columns={COLUMNS[k]: k for k in KEYS if COLUMNS[k] in frame})
    elif isinstance(data, pd.DataFrame):
        frame, _ = completed(data, [*KEYS, "loss"])
    else:
        raise DataError(f"pairing needs a Fit, Runs or a DataFrame, not {type(data).__name__}.")
    if missing := [c for c in (*KEYS, "loss") if c not in frame]:
        raise DataError(
            f"pairing runs by size and tokens needs columns N, D and loss; missing {', '.join(missing)}. "
            f"The data has {listed_columns(frame)}."
        )
    numbers = {}
    for column in (*KEYS, "loss"):
        x = numbers[column] = pd.to_numeric(frame[column], errors="coerce").astype(float)
        off = ~((x > 0) & (x < np.inf)) & (frame[column].notna() if column == "loss" else True)
        if off.any():
            first = int(off.argmax())
            raise DataError(
                f"{row_named(frame, first, column)}: {frame[column].iloc[first]} is not a positive number"
                f"{others(off.sum())}, as pairing by size and tokens needs; mend or remove it."
            )
    kept = frame.assign(**numbers)[numbers["loss"].notna()]
    kept.attrs["empty"] = len(frame) - len(kept)
    return kept


def pair(source: Any, target: Any) -> pd.DataFrame:
    """Runs of `source` and `target` with equal N and D.

    Parameters
    ----------
    source, target : Fit, Runs, or DataFrame with columns N (parameters), D (tokens), loss.

    Returns
    -------
    DataFrame
        One row per pair: N, D, x (loss of the source), loss (of the target). ``attrs["account"]`` says how many runs of either
        side found no partner and which; ``attrs["unpaired"]`` holds them by column.

    Raises
    ------
    DataError : no pairs, several runs of one side with the same N and D, or sides that count N in different ways.
    """
    sides = {"source": points(source), "target": points(target)}
    alike(**sides)
    keys = {}
    for side, frame in sides.items():
        key = pd.Series([f"{n:.9g} {d:.9g}" for n, d in zip(frame["N"], frame["D"], strict=True)], index=frame.index)
        if key.duplicated().any():
            n, d = key[key.duplicated()].iloc[0].split()
            raise DataError(
                f"{key.duplicated(keep=False).sum()} {side} runs share their size and tokens (N={n}, D={d}, ...), so "
                "which to pair is undecided; select one of each, for example one seed or one data set."
            )
        keys[side] = key.to_numpy()
    _, i, j = np.intersect1d(keys["source"], keys["target"], return_indices=True)
    order = np.argsort(i)
    i, j = i[order], j[order]
    a, b = sides["source"], sides["target"]
    if not len(i):
        raise DataError(
            f"no run of the source ({len(a)}) has the size and tokens of a run of the target ({len(b)}). "
            "Train both on the same grid of N and D, or compare their fitted laws."
        )
    columns = {name: a[name].to_numpy()[i] for name in KEYS}
    out = pd.DataFrame({**columns, "x": a["loss"].to_numpy()[i], "loss": b["loss"].to_numpy()[j]})
    hits = zip(sides.items(), (i, j), strict=True)
    left = [frame.assign(side=side).drop(frame.index[hit]) for (side, frame), hit in hits]
    lost = pd.concat(left, ignore_index=True)[["side", *KEYS, "loss"]]
    empty = {side: frame.attrs["empty"] for side, frame in sides.items()}
    said = [f"; {n} {side} row{'s' * (n > 1)} without a loss" for side, n in empty.items() if n]
    out.attrs["account"] = _account(len(i), len(a), len(b), lost) + "".join(said)
    out.attrs["unpaired"] = lost.to_dict("list")
    return out


def _account(pairs: int, sources: int, targets: int, lost: pd.DataFrame) -> str:
    text = f"{pairs} pairs of {sources} source and {targets} target runs"
    for side, rows in lost.groupby("side"):
        some = ", ".join(f"N={r.N:.3g} D={r.D:.3g}" for r in rows.head(3).itertuples())
        text += f"; {len(rows)} {side} run{'s' * (len(rows) > 1)} without partner ({some}{', ...' * (len(rows) > 3)})"
    return text
