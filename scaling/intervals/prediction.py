"""Predictions with intervals: calibrated on backtests, or one of the classical ones by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from scaling.engine.fitted import Fitted
from scaling.engine.uncertainty import deviation
from scaling.errors import ArgumentError
from scaling.formula.monomials import Monomial, trace
from scaling.intervals import along_steps, left_out
from scaling.intervals.calibration import along, direction, drifting
from scaling.intervals.distance import extrapolation
from scaling.intervals.drift import Drift, half_width
from scaling.intervals.drift import words as said
from scaling.intervals.line import bounded
from scaling.intervals.sampled import Ends, bootstrapped, conformal, likely, profile
from scaling.intervals.target import Target
from scaling.intervals.trust import rests_on, trust
from scaling.words import check_level

EXACT = "delta method plus row noise: assumes the law is exact"
FEW_ROWS = "too few rows to hold some back for backtests"
FEW = 3  # degrees of freedom up to which the covariance alone is not believed
ROUNDING = 1e-11  # relative scatter below which residuals are rounding errors of the losses


def predict(fit: Fitted, data: Any, *, interval: str, level: float, steps: Any) -> pd.DataFrame:
    """The frame behind `Fit.predict`."""
    if interval not in INTERVALS:
        raise ArgumentError(f"interval='{interval}' is unknown; use one of {', '.join(INTERVALS)}.")
    check_level(level)
    target = Target(fit, data, steps)
    exact = fit.cov.noise <= ROUNDING * max(1.0, np.abs(fit.loss.link(fit.design.loss)).max())
    line, bounds = fit.findings.line, None
    if line is not None and (exact or interval == "calibrated"):
        bounds = bounded(target, line, level, exact)
        low, high = bounds.low, bounds.high
        said = f"along the line {line.equation}, as a curve of one power and an offset; off it what either input alone says"
    elif exact:
        undetermined = np.isnan(target.deviation())
        low, high = (np.where(undetermined, np.nan, target.middle) for _ in range(2))
        said = "of zero width: the law passes through every row to rounding, so there is no scatter to make an interval from"
    else:
        low, high, said = INTERVALS[interval](target, level)
    back = fit.loss.back
    asks = interval == "calibrated" and not exact and line is None and along(fit.law) is not None
    found = drifting(fit, direction(target)) if asks else None
    trusted = trust(target, low, high, bounds, found)
    refused = _exploded(target, found)
    out = target.rows.frame.assign(prediction=target.value, lower=back(low), upper=back(high), ok=trusted.ok)
    out.loc[refused, ["prediction", "lower", "upper"]] = np.nan
    for name, part in _components(target).items():
        out[name] = part
    if (asked := target.rows.asked) is not None:  # rows in the warm-up have no prediction
        out = asked.join(out[[c for c in out if c not in asked]])
        out["ok"] = out["ok"].eq(True)
    out = _as_given(out.reset_index(drop=True), data)
    out.attrs["interval"] = f"{level:.0%} interval, {said}"
    out.attrs["why"] = trusted.why
    out.attrs["influence"] = [] if exact else rests_on(target, low, high)
    out.attrs["extrapolation"] = extrapolation(fit.design, target.rows)
    return out


def _as_given(out: pd.DataFrame, data: Any) -> pd.DataFrame:
    """Rows of runs in the order of the table they were given in, each under its place there; runs are read sorted by name."""
    if not isinstance(data, pd.DataFrame) or not {"run", "step"} <= {*data} & {*out}:
        return out
    keys = [pd.MultiIndex.from_arrays([table["run"].astype(str), table["step"].astype(float)]) for table in (data, out)]
    place = keys[0].get_indexer(keys[1]) if keys[0].is_unique else np.array([-1])
    return out if (place < 0).any() else out.set_index(pd.Index(place)).sort_index()


def _exploded(target: Target, found: Drift | None) -> np.ndarray:
    """Rows (n,) beyond the data of which a law that explodes says more than the largest loss fitted: no forecast at all."""
    if found is None or not found.explodes:
        return np.zeros(len(target.value), bool)
    return np.asarray(found.further(target.rows) & ~(target.value <= np.nanmax(target.fit.design.loss)))


def delta(target: Target, level: float) -> Ends:
    """Parameter uncertainty and the noise of one row, as if the law were exact."""
    fit = target.fit
    half = stdtrit(fit.cov.dof, 0.5 + level / 2) * np.hypot(target.deviation() / target.unit, fit.cov.noise)
    return target.middle - half, target.middle + half, EXACT


def calibrated(target: Target, level: float) -> Ends:
    """What backtests of the law and of those beside it say; the delta method where there are too few rows for backtests."""
    if target.fit.law.over_schedules:
        return left_out.ends(target, level)
    if along_steps.is_along_steps(target.fit.law):
        return _of_curves(target, level)
    if along(target.fit.law) is None:
        inputs = ", ".join(target.fit.law.inputs)
        return _plain(target, level, f"{inputs} have no order along which rows could be held back")
    found = drifting(target.fit, direction(target))
    if found is None or not found.calibrated:
        return _plain(target, level, FEW_ROWS)
    sd = deviation(target.slopes, found.root) / np.abs(target.unit)
    half = half_width(found, target.rows, target.under, target.middle, sd, target.fit.loss, level)
    low, high = (end(target.middle, target.without) for end in (np.fmin, np.fmax))  # a bad row may be one, or none
    return low - half, high + half, said(found, target.rows)


def _of_curves(target: Target, level: float) -> Ends:
    """Of laws of steps that read no learning rate."""
    fit, found = target.fit, along_steps.along_steps(target.fit)
    if not found.calibrated:
        return _plain(target, level, FEW_ROWS)
    ends = found.ends(fit.law, fit.loss.log, target.rows, target.middle, target.deviation() / target.unit, level)
    return *ends, along_steps.words(found, target.rows)


def _plain(target: Target, level: float, why: str) -> Ends:
    """Parameter uncertainty and noise alone, and why no more is known."""
    low, high, _ = delta(target, level)
    told = f"delta method plus row noise, assumes the law is exact: {why}"
    # a parameter at its bound counts as known in the covariance, which it is not; of few rows no curvature is sure
    if target.fit.doubtful_errors or target.fit.cov.dof <= FEW:
        wide = likely(target, level)
        low, high, told = np.fmin(low, wide[0]), np.fmax(high, wide[1]), wide[2]
    return low, high, told


INTERVALS = {"calibrated": calibrated, "delta": delta, "profile": profile, "bootstrap": bootstrapped, "conformal": conformal}


def _components(target: Target) -> dict[str, np.ndarray]:
    """The parts of the prediction, which add up to it."""
    law, values, inputs = target.fit.law, {**target.fit.law.held, **target.fit.values}, target.rows.inputs
    if law.hooks.components is not None:
        parts = law.hooks.components(*inputs.values(), **values)
        return {k: np.broadcast_to(np.asarray(v, float), target.value.shape) for k, v in parts.items()}
    return {m.label(): _evaluate(m, inputs, values) for m in trace(law) or []}


def _evaluate(term: Monomial, inputs: Mapping[str, Any], values: Mapping[str, float]) -> np.ndarray:
    out = np.full(len(next(iter(inputs.values()))), term.coef)
    for base, (const, slopes) in term.powers.items():
        x = inputs[base] if base in inputs else values[base]
        out = out * np.asarray(x, float) ** (const + sum(c * values[p] for p, c in slopes.items()))
    return out
