"""Backtests: fit on the small part, predict the large part whose answer is known, and see how far off the law was."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from scaling.design.cuts import FRACTIONS, Cut, cuts
from scaling.design.inputs import Design, design, of_columns
from scaling.design.order import WORDS, natural_order, order
from scaling.engine.estimate import estimate
from scaling.engine.losses import Loss
from scaling.engine.refit import Refits, refit
from scaling.engine.threads import one_thread
from scaling.errors import ArgumentError, FitError
from scaling.formula import Law, find
from scaling.intervals import along_steps, drift, left_out
from scaling.intervals.calibration import along, anew, drifting
from scaling.intervals.drift import Drift
from scaling.intervals.trials import aligned, splits
from scaling.rendering import Result, plain
from scaling.words import check_level, check_seed, many, verb

HORIZONS = (1.5, 4.0)  # where "near" and "far" end, as ratios to the largest row fitted


@dataclass(frozen=True, repr=False)
class Backtest(Result):
    """Predictions of rows that a law had not seen.

    Attributes
    ----------
    frame : one row per cutoff and predicted row: cutoff, horizon (ratio to the largest row fitted), truth, prediction,
        lower, upper, and run, step where there are such.
    law, by, level : what was tested, in which direction, and the nominal level of the bounds.
    """

    frame: pd.DataFrame
    law: str
    by: str
    level: float
    fields = ("law", "by", "level")

    def metrics(self, horizons: Sequence[float] = HORIZONS) -> pd.DataFrame:
        """One row per range of horizons: cutoffs, rows, error and |error| (relative, means), coverage, width, score.

        score is the interval score, width + 2 / (1 - level) times the miss, relative to the truth: lower is better.
        Every cutoff has one vote.
        """
        given = list(horizons) if isinstance(horizons, Iterable) else []
        if not given or not all(isinstance(h, numbers.Real) and 0 < h < np.inf for h in given):
            raise ArgumentError(f"horizons={horizons!r} must be ratios to the largest row fitted, for example (1.5, 4).")
        horizons = sorted(set(given))
        f, edges = self.frame, [0.0, *horizons, np.inf]
        between = [f"{a:g}x to {b:g}x" for a, b in pairwise(horizons)]
        names = [f"to {horizons[0]:g}x", *between, f"beyond {horizons[-1]:g}x"]
        miss = np.maximum(f["lower"] - f["truth"], 0) + np.maximum(f["truth"] - f["upper"], 0)
        rows = f.assign(
            error=f["prediction"] / f["truth"] - 1,
            abs_error=(f["prediction"] / f["truth"] - 1).abs(),
            coverage=(miss == 0).astype(float),
            width=(f["upper"] - f["lower"]) / f["truth"],
            score=(f["upper"] - f["lower"] + 2 / (1 - self.level) * miss) / f["truth"],
            range=pd.cut(f["horizon"], edges, labels=names, include_lowest=True).astype(str),
        )
        columns = ["error", "abs_error", "coverage", "width", "score"]
        out = []
        for name, part in [*((n, rows[rows["range"] == n]) for n in names), ("all", rows)]:
            if len(part):
                means = part.groupby("cutoff")[columns].mean().mean()
                out.append({"horizon": name, "cutoffs": part["cutoff"].nunique(), "rows": len(part), **means})
        return pd.DataFrame(out).set_index("horizon")

    def head(self) -> list[tuple[str, str]]:
        direction = "leaving out one run" if self.by == "schedule" else f"by {WORDS.get(self.by, self.by)}"
        return [("backtest", f"of {self.law}, {direction}; bounds of nominal {self.level:.0%}")]

    def table(self) -> pd.DataFrame:
        return self.metrics()

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"metrics": plain(self.metrics())}


def backtest(
    data: Any,
    law: Law | str,
    *,
    by: str | None = None,
    fractions: Sequence[float] = FRACTIONS,
    objective: str = "log_huber",
    delta: float = 1e-3,
    level: float = 0.9,
    interval: str = "delta",
    seed: int = 0,
) -> Backtest:
    """Fit the small part of the data, predict the rest, for several cutoffs.

    Parameters
    ----------
    data, law, objective, delta, seed : as in `scaling.fit`.
    by : direction of extrapolation: "compute", "size", "tokens", "step", a column, or "schedule" (leave out one run at a
        time). Default: compute for laws of N and D, steps for laws of curves, else the law's only input.
    fractions : of the rows, that are fitted.
    interval : "delta" (fast) or "calibrated" (the bounds `Fit.predict` gives by default, made anew at every cutoff).

    Returns
    -------
    Backtest
        ``.frame`` row by row, ``.metrics()`` by horizon.
    """
    law, loss = find(law), Loss.parse(objective, delta)
    given = list(fractions) if isinstance(fractions, Iterable) else []
    shares = [f for f in given if isinstance(f, numbers.Real) and 0 < f < 1]
    if not shares or len(shares) < len(given):
        raise ArgumentError(f"fractions={fractions!r} must be shares of the rows between 0 and 1, for example (0.4, 0.6, 0.8).")
    check_level(level)
    check_seed(seed)
    if interval not in ("delta", "calibrated"):
        raise ArgumentError(f"interval='{interval}' cannot be backtested here; use 'delta' or 'calibrated'.")
    law, _ = of_columns(law, data)
    made = design(data, law, fitting=True, positive=loss.log)
    by = by or natural_order(law)
    if by is None:
        raise FitError(f"law '{law.name}' has no natural order of its rows; say by=, a column along which it is extrapolated.")
    tests = splits(made, by) if by == "schedule" else cuts(order(made, by), shares)
    tests = [c for c in tests if c.train.sum() > len(law.params) + 1 and c.test.any()]
    if not tests:
        raise FitError(
            f"{many(len(made), 'row')} {verb(len(made))} too few to hold some back for '{law.name}' by {by}; add runs or rows."
        )
    parts = []
    with one_thread():
        fits = refit(law, made, loss, np.array([c.train * made.weights for c in tests]), seed=seed)
        ordered = interval == "calibrated" and by != "schedule" and along(law) is not None
        learnt = anew(law, made, loss, tests, by, seed) if ordered else []
        for f, cut in enumerate(tests):
            if fits.ok[f]:
                parts.append(_rows(fits, f, made, cut, level))
                if ordered:
                    _drifted(parts[-1], made, fits, f, cut, learnt[f], level)
                elif interval == "calibrated":
                    _calibrated(parts[-1], made, fits, f, cut, level=level, seed=seed)
    if not parts:
        raise FitError(f"no cutoff leaves '{law.name}' enough rows to be fitted; add runs or rows.")
    return Backtest(pd.concat(parts, ignore_index=True), law.name, by, level)


def _rows(fits: Refits, f: int, made: Design, cut: Cut, level: float) -> pd.DataFrame:
    rows = np.flatnonzero(cut.test)
    target = made.take(rows)
    middle, variance = (x[f] for x in fits.predict(fits.model(target)))
    half = stdtrit(max(cut.train.sum() - fits.params, 1), 0.5 + level / 2) * np.sqrt(variance)
    back = fits.loss.back
    shown = {c: target.frame[c].to_numpy() for c in ("run", "step", *fits.law.inputs) if c in target.frame}
    return pd.DataFrame(
        {
            "cutoff": cut.label, "horizon": np.exp(cut.distance[rows]), **shown, "truth": target.loss,
            "prediction": back(middle), "lower": back(middle - half), "upper": back(middle + half),
        }
    )  # fmt: skip


def _drifted(part: pd.DataFrame, made: Design, fits: Refits, f: int, cut: Cut, found: Drift | None, level: float) -> None:
    """Replace the bounds of a cutoff by those that what was learnt before it gives, if anything was."""
    if found is None:
        return
    test = np.flatnonzero(cut.test)
    rows = made.take(test)

    def under(law: Law) -> Design:
        theirs = aligned(made, made.frame, law)
        assert theirs is not None  # as it was when the law was tested
        return theirs.take(test)

    middle, variance = (x[f] for x in fits.predict(fits.model(rows)))
    sd = np.sqrt(np.maximum(variance - fits.noise[f] ** 2, 0.0))
    half = drift.half_width(found, rows, under, middle, sd, fits.loss, level)
    back = fits.loss.back
    part["lower"], part["upper"] = back(middle - half), back(middle + half)


def _calibrated(part: pd.DataFrame, made: Design, fits: Refits, f: int, cut: Cut, *, level: float, seed: int) -> None:
    """Replace the bounds of a cutoff by those calibrated on its own fitted rows, where these are enough."""
    law, rows, test = fits.law, made.take(np.flatnonzero(cut.train)), made.take(np.flatnonzero(cut.test))
    fit = estimate(law, rows, fits.loss, {}, fits.coordinates.params, seed=seed)
    back, middle = fits.loss.back, fits.loss.link(part["prediction"].to_numpy())
    if law.over_schedules:
        half = left_out.half_width(fit, test, level)
        part["lower"], part["upper"] = back(middle - half), back(middle + half)
    elif not along_steps.is_along_steps(law):
        _drifted(part, made, fits, f, cut, drifting(fit), level)
    elif along_steps.along_steps(fit).calibrated:
        low, high = along_steps.bounds(fit, test, middle, level)
        part["lower"], part["upper"] = back(low), back(high)
