"""Predictions with intervals: the delta method plus the noise of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from scaling.errors import FitError
from scaling.fitting.design import Design, design
from scaling.forecasting.distance import extrapolation
from scaling.monomials import Monomial, trace

if TYPE_CHECKING:
    from scaling.fitting import Fit

EXACT = "delta method plus row noise: assumes the law is exact"


def predict(fit: Fit, data: Any, *, interval: str, level: float, steps: Any) -> pd.DataFrame:
    """The frame behind `Fit.predict`."""
    if interval != "delta":
        raise FitError(f"interval='{interval}' is unknown; this version offers 'delta' ({EXACT}).")
    if not 0 < level < 1:
        raise FitError(f"level={level} must lie between 0 and 1, for example 0.9.")
    target = design(data, fit.law, fitting=False, steps=steps)
    model = fit._model(target)
    terms = model.terms(fit.t[None])
    value = model.value(terms)
    J = model.jacobian(terms, value)[0]
    value = value[0]
    if fit.loss.log:
        J = J / value
    sd = fit.cov.spread(J, 1.0 if fit.loss.log else np.abs(value))
    half = student.ppf(0.5 + level / 2, fit.cov.dof) * np.hypot(sd, fit.cov.noise)
    middle = fit.loss.link(value)
    ends = (np.exp if fit.loss.log else np.asarray)([middle - half, middle + half])
    out = target.frame.assign(prediction=value, lower=ends[0], upper=ends[1])
    for name, part in _components(fit, target).items():
        out[name] = part
    if target.asked is not None:  # rows in the warm-up have no prediction
        out = target.asked.join(out[[c for c in out if c not in target.asked]])
    out = out.reset_index(drop=True)
    out.attrs["interval"] = f"{level:.0%} interval, {EXACT}"
    out.attrs["extrapolation"] = extrapolation(fit.design, target)
    return out


def _components(fit: Fit, target: Design) -> dict[str, np.ndarray]:
    """The parts of the prediction, which add up to it."""
    law, values = fit.law, {**fit.law.held, **fit.values}
    if "components" in law.hooks:
        parts = law.hooks["components"](*target.inputs.values(), **values)
        return {k: np.broadcast_to(np.asarray(v, float), (len(target),)) for k, v in parts.items()}
    return {m.label(): _evaluate(m, target.inputs, values) for m in trace(law) or []}


def _evaluate(term: Monomial, inputs, values) -> np.ndarray:
    out = np.full(len(next(iter(inputs.values()))), term.coef)
    for base, (const, slopes) in term.powers.items():
        x = inputs[base] if base in inputs else values[base]
        out = out * np.asarray(x, float) ** (const + sum(c * values[p] for p, c in slopes.items()))
    return out
