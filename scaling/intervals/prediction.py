"""Predictions with intervals: calibrated on backtests, or one of the classical ones by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from scaling.counting import matched
from scaling.design.inputs import Design, design
from scaling.design.order import natural_order, order
from scaling.engine import model as models
from scaling.engine.fitted import Fitted
from scaling.errors import ArgumentError
from scaling.formula.monomials import Monomial, trace
from scaling.intervals.calibrate import Calibration, bounds, calibrate, words
from scaling.intervals.distance import extrapolation
from scaling.intervals.sampled import bootstrapped, conformal, profile
from scaling.words import check_level

EXACT = "delta method plus row noise: assumes the law is exact"
ROUNDING = 1e-11  # relative scatter below which residuals are rounding errors of the losses
INTERVALS = ("calibrated", "delta", "profile", "bootstrap", "conformal")


def predict(fit: Fitted, data: Any, *, interval: str, level: float, steps: Any) -> pd.DataFrame:
    """The frame behind `Fit.predict`."""
    if interval not in INTERVALS:
        raise ArgumentError(f"interval='{interval}' is unknown; use one of {', '.join(INTERVALS)}.")
    check_level(level)
    data = matched(data, fit.data, fit.law.inputs)
    target = design(data, fit.law, fitting=False, steps=steps)
    model = fit.model(target)
    value = model.value(model.terms(fit.t[None]))[0]
    middle = fit.loss.link(value)
    if fit.cov.noise <= ROUNDING * max(1.0, np.abs(fit.loss.link(fit.design.loss)).max()):
        low = high = np.full(len(middle), np.nan)
        said = "none: the law passes through every row to rounding, so there is no scatter to make an interval from"
    elif interval == "calibrated":
        low, high, said = _calibrated(fit, data, steps, target, middle, level)
    elif interval == "delta":
        (low, high), said = _delta(fit, target, middle, level), EXACT
    else:
        method = {"profile": profile, "bootstrap": bootstrapped, "conformal": conformal}[interval]
        low, high, said = method(fit, target, middle, level)
    back = np.exp if fit.loss.log else np.asarray
    out = target.frame.assign(prediction=value, lower=back(low), upper=back(high))
    for name, part in _components(fit, target).items():
        out[name] = part
    if target.asked is not None:  # rows in the warm-up have no prediction
        out = target.asked.join(out[[c for c in out if c not in target.asked]])
    out = out.reset_index(drop=True)
    out.attrs["interval"] = f"{level:.0%} interval, {said}"
    out.attrs["extrapolation"] = extrapolation(fit.design, target)
    return out


def _delta(fit: Fitted, target: Design, middle: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    model = fit.model(target)
    value, J = models.at(model, fit.t)
    if fit.loss.log:
        J = J / value
    sd = fit.cov.spread(J, 1.0 if fit.loss.log else np.abs(value))
    half = student.ppf(0.5 + level / 2, fit.cov.dof) * np.hypot(sd, fit.cov.noise)
    return middle - half, middle + half


def _calibrated(fit: Fitted, data: Any, steps: Any, target: Design, middle: np.ndarray, level: float):
    found = calibration(fit, target)
    if not found.calibrated:
        low, high = _delta(fit, target, middle, level)
        return low, high, words(found, np.zeros(1), level)
    laws = {k: m.rival.law for k, m in enumerate(found.members)}
    made = {id(law): design(data, law, fitting=False, steps=steps) for law in laws.values() if law is not fit.law}
    o = found.sign * order(target, str(found.by))
    low, high = bounds(found, {k: made.get(id(law), target) for k, law in laws.items()}, o, middle, level)
    return low, high, words(found, o, level)


def calibration(fit: Fitted, target: Design) -> Calibration:
    """The backtests behind the intervals of a fit, made once; downwards if most of the target lies below the data."""
    by, sign = natural_order(fit.law), 1
    if by is not None:
        sign = -1 if np.median(order(target, by)) < order(fit.design, by).min() else 1
    rows = fit.design.frame if fit.runs is None else fit.runs
    return fit.memory.once(
        ("calibration", sign),
        lambda: calibrate(
            rows,
            fit.law,
            fit.design,
            fit.loss,
            fixed=fit.fixed,
            params=fit.coordinates.params,
            seed=fit.seed,
            sign=sign,
        ),
    )


def _components(fit: Fitted, target: Design) -> dict[str, np.ndarray]:
    """The parts of the prediction, which add up to it."""
    law, values = fit.law, {**fit.law.held, **fit.values}
    if law.hooks.components is not None:
        parts = law.hooks.components(*target.inputs.values(), **values)
        return {k: np.broadcast_to(np.asarray(v, float), (len(target),)) for k, v in parts.items()}
    return {m.label(): _evaluate(m, target.inputs, values) for m in trace(law) or []}


def _evaluate(term: Monomial, inputs, values) -> np.ndarray:
    out = np.full(len(next(iter(inputs.values()))), term.coef)
    for base, (const, slopes) in term.powers.items():
        x = inputs[base] if base in inputs else values[base]
        out = out * np.asarray(x, float) ** (const + sum(c * values[p] for p, c in slopes.items()))
    return out
