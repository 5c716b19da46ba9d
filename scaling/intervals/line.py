"""Intervals where all rows lie on one line of inputs (D = 20 N): along it the losses are a curve, whatever they are made of.

On the line the curve is an offset and one power, which three parameters determine where the law's five would only follow the
noise. Off it a law that falls in every input lies between what the curve says at one input's place and at the other's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import fdtrc, stdtrit

from scaling.design.inputs import Design
from scaling.engine import model as models
from scaling.engine.fitted import Fitted
from scaling.engine.losses import Loss
from scaling.engine.model import Model
from scaling.engine.refit import refit
from scaling.engine.uncertainty import lag_one
from scaling.engine.verdict.rows import robust_scale
from scaling.engine.verdict.structure import CHANCE
from scaling.engine.verdict.tradeoffs import Line
from scaling.formula import Exponent, Law, Positive
from scaling.intervals.target import Target

WIDTH = 2.5  # robust standard deviations at which the loss turns from square to straight: 99 % as efficient as squares


def along(x: Any, *, E: Positive = 1.0, A: Positive = 1.0, a: Exponent = 0.3) -> Any:
    """L = E + A / x^a"""
    return E + A / x**a


CURVE = Law.of(along)


@dataclass(frozen=True, eq=False)
class Bounds:
    """low, high (n,) in the objective's units, and how far (ln) each row is from the line."""

    low: np.ndarray
    high: np.ndarray
    apart: np.ndarray


def bounded(target: Target, line: Line, level: float, exact: bool) -> Bounds:
    """What the line says of the rows of a target: at the place of each of their inputs, from the lowest to the highest."""
    places, middle = line.places(target.rows.inputs), target.middle
    ends = [_exact(target, line, p) if exact else _curve(target, line, p, level) for p in places.T]
    low, high = np.min([e[0] for e in ends], 0), np.max([e[1] for e in ends], 0)
    apart = line.apart(target.rows.inputs)
    if not line.monotone:
        known = apart <= max(line.off, 1e-6)
        low, high = np.where(known, low, -np.inf), np.where(known, high, np.inf)
    return Bounds(np.minimum(low, middle), np.maximum(high, middle), apart)


def _exact(target: Target, line: Line, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The law itself, at points of the line."""
    fit = target.fit
    there = replace(target.rows, inputs={**target.rows.inputs, **line.at(place)})
    model = fit.model(there)
    value = fit.loss.link(model.value(model.terms(fit.t[None]))[0])
    return value, value


def _curve(target: Target, line: Line, place: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of one row at points of the line."""
    fit = target.fit
    near, kept = fit.near, np.ones(len(fit.design))
    kept[fit.findings.strange] = 0.0
    there = {**target.rows.inputs, **line.at(place)}
    if any(np.ptp(np.asarray(x, float)) > 0 for k, x in fit.design.inputs.items() if k not in line.names):
        return _law(
            fit, line, there, level, kept
        )  # other inputs (shares, languages) move the losses too: no curve in one place
    loss = Loss("huber", fit.loss.log, WIDTH * robust_scale(near.rest, near.basis.shape[1]))
    seen = _design(line.places(fit.design.inputs).mean(1), fit.design.loss, fit.design.weights)
    weights = (fit.design.weights * kept)[None]
    fits = fit.memory.once("line", lambda: refit(CURVE, seen, loss, weights))
    if _too_plain(fit, fits.model(seen), fits.t, kept):
        return _law(fit, line, there, level, kept)
    middle, variance = (x[0] for x in fits.predict(fits.model(_design(place, None, None))))
    half = stdtrit(max(weights.sum() - fits.params, 1.0), 0.5 + level / 2) * np.sqrt(variance)
    return middle - half, middle + half


@np.errstate(all="ignore")
def _too_plain(fit: Fitted, model: Model, t: np.ndarray, kept: np.ndarray) -> bool:
    """Do the rows (n,) show that two powers are more than one? F test of what the law does away with beyond the curve."""
    near = fit.near
    of_curve = (fit.loss.link(model.value(model.terms(t))[0]) - near.y) * np.sqrt(near.design.weights)
    extra, spare = near.basis.shape[1] - t.shape[1], kept.sum() - near.basis.shape[1]
    curve, law = float((kept * of_curve**2).sum()), float((kept * near.rest**2).sum())
    return extra > 0 and spare > 0 and bool(fdtrc(extra, spare, (curve - law) / extra / max(law / spare, 1e-300)) < CHANCE)


@np.errstate(all="ignore")
def _law(fit: Fitted, line: Line, there: Mapping[str, Any], level: float, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of one row at points of the line by the law itself: along it, it is determined."""
    near = fit.near
    model = models.build(fit.law, fit.coordinates.params, there, fit.fixed, fit.loss, fit.coordinates)
    value, J = models.at(model, fit.t)
    middle, slopes = fit.loss.link(value), J / value if fit.loss.log else J
    rows = np.argsort(line.places(fit.design.inputs).mean(1))
    alike = lag_one(near.rest[rows], np.zeros(len(rows), int))  # without noise what is left is smooth
    spare = max(float(kept.sum()) - near.basis.shape[1], 1.0)
    noise = np.sqrt((kept * near.rest**2).sum() / spare)
    sd = np.sqrt(((slopes.T @ fit.cov.root) ** 2).sum(1) * (1 + alike) / (1 - alike))
    half = stdtrit(spare, 0.5 + level / 2) * np.hypot(sd, noise)
    return middle - half, middle + half


def _design(place: np.ndarray, loss: np.ndarray | None, weights: np.ndarray | None) -> Design:
    x = np.exp(place)
    nothing = np.full(len(x), np.nan)
    return Design(
        pd.DataFrame({"x": x}), {"x": x}, nothing if loss is None else loss, np.ones(len(x)) if weights is None else weights
    )
