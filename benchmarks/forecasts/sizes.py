"""Laws of size and tokens with the largest budgets of every public table held out: errors, coverage and interval score.

`python -m benchmarks.forecasts sizes`. Every table is cut once at its own large end (`tables.held_out`) and at a half to a
fortieth of its largest compute; the first is what the bars are about, all of them what the table of laws is made of.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.forecasts import Bar
from benchmarks.forecasts.tables import budgets, held_out, tables
from scaling.errors import ScalingError

LAWS = ("chinchilla", "chinchilla_outer", "kaplan_offset", "over_training", "farseer")
CUTS = (2, 4, 10, 40)  # the largest compute over that of the largest row fitted
INTERVALS = ("calibrated", "delta", "bootstrap")


def tasks(data: Path, own: Path | None, *, deep: bool) -> Iterator[tuple[str, str, str, pd.DataFrame, pd.DataFrame]]:
    """(family, table, cut, rows fitted, rows held out)."""
    for family, name, frame in tables(data, own):
        columns = [c for c in ("N", "D", "C", "U", "loss") if c in frame]
        frame = frame[columns].astype(float)
        if (parted := held_out(frame)) is not None:
            yield family, name, "end", *parted
        C = budgets(frame)
        for k in CUTS if deep else ():
            small = C.max() / k * 1.01 >= C
            if small.sum() >= 16 and (~small).sum() >= 3:
                yield family, name, f"/{k}", frame[small].reset_index(drop=True), frame[~small].reset_index(drop=True)


def scored(fit: scaling.Fit, large: pd.DataFrame, interval: str) -> dict[str, float]:
    """Mean |error|, coverage, median half-width and interval score, all in ln loss and of the rows not refused; the share of
    rows refused."""
    found = fit.predict(large, interval=interval)
    with np.errstate(all="ignore"):
        y, p, low, high = (
            np.log(x.to_numpy(float)) for x in (large["loss"], *(found[c] for c in ("prediction", "lower", "upper")))
        )
        given = found["prediction"].notna().to_numpy()  # a law that explodes has no forecast, and no interval that could hold
        if not given.any():
            return {"refused": 1.0}
        y, p, low, high = (x[given] for x in (y, p, low, high))
        miss = np.maximum(low - y, 0) + np.maximum(y - high, 0)
        return {
            "refused": float(1 - given.mean()), "error": float(np.mean(np.abs(np.expm1(p - y)))),
            "median": float(np.median(np.abs(p - y))), "inside": float(np.mean(miss == 0)),
            "half": float(np.median(high - low) / 2), "score": float(min(np.mean(high - low + 20 * miss), 2.0)),
        }  # fmt: skip


def table(data: Path, own: Path | None, *, deep: bool = False, intervals: tuple[str, ...] = INTERVALS) -> pd.DataFrame:
    """One row per task, law ("auto" among them) and kind of interval."""
    out = []
    for family, name, cut, small, large in tasks(data, own, deep=deep):
        start = time.process_time()
        for law in ("auto", *LAWS):
            try:
                fit = scaling.fit(small, law)
            except ScalingError:
                continue
            for interval in intervals if law in ("auto", "chinchilla") else intervals[:1]:
                row = {"family": family, "table": name, "cut": cut, "law": law, "chosen": fit.law.name, "interval": interval}
                out.append(row | scored(fit, large, interval))
        print(f"{family} {name} {cut}: {time.process_time() - start:.1f} s", file=sys.stderr, flush=True)
    return pd.DataFrame(out)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Per law and interval: tables, mean error, pooled and least coverage, median half-width over median error, score, and
    the share of rows refused, of which nothing else counts."""
    groups = found.groupby(["law", "interval"], sort=False)
    return pd.DataFrame(
        {
            "tables": groups.size(), "error": groups["error"].mean(), "coverage": groups["inside"].mean(),
            "least": groups["inside"].min(), "half/error": groups["half"].median() / groups["median"].median(),
            "score": groups["score"].mean(), "refused": groups["refused"].mean(),
        }
    )  # fmt: skip


def bars(found: pd.DataFrame) -> Iterator[Bar]:
    """What is measured, the bar, the number, met?"""
    end = found[(found["cut"] == "end") & (found["interval"] == "calibrated")]
    whole = end.assign(error=end["error"].where(end["refused"] == 0))  # a law that refuses the hard rows is not the best
    wide = whole.pivot(index=["family", "table"], columns="law", values="error")
    auto, oracle = wide["auto"], wide.min(axis=1)
    ratio = auto.mean() / oracle.mean()
    yield "auto: mean error over that of the best law of each table", "<= 1.8", f"{ratio:.2f}", ratio <= 1.8
    same = float((auto <= wide["chinchilla"] * 1.0001).mean())
    yield "auto: no worse than always chinchilla", ">= 85 %", f"{same:.0%}", same >= 0.85
    sweep = 100 * float(auto["loss-to-loss"].mean())
    yield "auto: loss-to-loss sweep, top budget", "<= 0.40 %", f"{sweep:.2f} %", sweep <= 0.40
    rows = summary(end)
    for law in ("auto", *LAWS):
        low, high = (0.85, 0.95) if law == "auto" else (0.83, 0.97)
        value = float(rows.loc[(law, "calibrated"), "coverage"])
        yield f"{law}: coverage of 90 % intervals", f"{low} to {high}", f"{value:.3f}", low <= value <= high
    least = float(rows.loc[("auto", "calibrated"), "least"])
    yield "auto: least coverage of a table", ">= 0.6", f"{least:.2f}", least >= 0.6
    half = float(rows.loc[("auto", "calibrated"), "half/error"])
    yield "auto: median half-width over median error", "<= 3", f"{half:.2f}", half <= 3
