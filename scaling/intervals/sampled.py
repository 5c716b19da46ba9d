"""Intervals by name: profile likelihood, bootstrap, conformal. None of them sees that a law is only nearly right, but
conformal asks whole held-out runs or blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import chdtri, stdtrit

from scaling.design.inputs import Design
from scaling.design.resampling import groups, unit
from scaling.engine.fitted import Fitted
from scaling.engine.refit import refit
from scaling.engine.solver import minimise
from scaling.engine.threads import one_thread
from scaling.errors import ArgumentError, FitError
from scaling.intervals.target import Target
from scaling.schedules.drops import RateDrops

REPLICATES = 400
UNITS = {"row": "rows", "run": "runs", "block": "blocks of curves"}
LIKELY, RUNGS, PULL = 24, 14, 1e3  # rows asked, rungs to each side, weight of the pulled row against all others
ROBUST = 1.345  # standard deviations up to which residuals count as squares
PROFILED = 60  # rows of the target that are profiled; between them the width is interpolated

Ends = tuple[np.ndarray, np.ndarray, str]


def bootstrapped(target: Target, level: float) -> Ends:
    """Quantiles of predictions refitted to resampled rows, runs or blocks, with the noise of one row added."""
    fit, there, middle = target.fit, target.model, target.middle
    t, converged = fit.replicates(REPLICATES, fit.seed, None)
    if not converged.any():
        raise FitError("interval='bootstrap': no refit to resampled data converged; use 'calibrated' or 'delta'.")
    rng = np.random.default_rng(fit.seed)
    with one_thread(), np.errstate(all="ignore"):
        drawn = fit.loss.link(there.value(there.terms(t[converged])))
    drawn = drawn + fit.cov.noise * rng.standard_normal((len(drawn), 1))
    low, high = np.nanquantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    said = f"bootstrap of {UNITS[unit(fit.design)]} plus row noise: assumes the law is exact"
    return np.minimum(low, middle), np.maximum(high, middle), said


def profile(target: Target, level: float) -> Ends:
    """Predictions that the data still allow: the objective, with the prediction pulled to a value, rises by less than chi^2.

    Each end is found by adding the prediction as one more row of growing weight, which moves the fit along its profile.
    """
    fit, middle = target.fit, target.middle
    if fit.loss.name != "squares":
        raise ArgumentError("interval='profile' is the likelihood's and needs objective='squares' or 'log_squares'.")
    rows = np.unique(np.linspace(0, len(middle) - 1, PROFILED).round().astype(int))
    allowed = chdtri(1, 1 - level) * (fit.coordinates.strength or fit.cov.noise**2) / 2
    base = fit.objective / fit.loss.scale + float(fit.coordinates.pulled(fit.t[None])[0][0])
    half = np.zeros((2, len(rows)))
    y, w = fit.loss.link(fit.design.loss), fit.design.weights
    delta = np.sqrt(chdtri(1, 1 - level)) * fit.cov.noise
    with one_thread():
        for k, row in enumerate(rows):
            both = _with_row(fit, target.rows.take(rows[k : k + 1]))
            model = fit.model(both)
            for side, sign in enumerate((-1, 1)):
                low, high = 1e-4, 1e4
                for _ in range(25):
                    pull = np.sqrt(low * high)
                    aim = np.append(y, middle[row] + sign * 100 * delta)
                    found = minimise(model, aim, fit.t[None], np.append(w, pull / 1e4), fit.loss, damping=1e-3)
                    with np.errstate(all="ignore"):
                        reached = fit.loss.link(model.value(model.terms(found.t)))[0]
                    rise = 0.5 * float((w * (reached[:-1] - y) ** 2).sum()) - base
                    rise += float(fit.coordinates.pulled(found.t)[0][0])
                    low, high = (pull, high) if rise < allowed else (low, pull)
                half[side, k] = abs(reached[-1] - middle[row])
    wide = [np.hypot(np.interp(np.arange(len(middle)), rows, h), delta) for h in half]
    return middle - wide[0], middle + wide[1], "profile likelihood plus row noise: assumes the law is exact"


def likely(target: Target, level: float) -> Ends:
    """Predictions that the data still allow, for any objective: each is pulled to a ladder of values and the fit follows.

    Residuals count as squares up to their own scatter, straight beyond. An end is where the objective has risen by what
    chance allows; where no rung of the ladder is that unlikely the data set no bound.
    """
    fit, middle = target.fit, target.middle
    rows = np.unique(np.linspace(0, len(middle) - 1, LIKELY).round().astype(int))
    quantile = float(stdtrit(fit.cov.dof, 0.5 + level / 2))
    ends = np.array([_allowed(target, row, quantile) for row in rows]) - middle[rows, None]
    index = np.arange(len(middle))
    low, high = (np.hypot(np.interp(index, rows, np.abs(side)), quantile * fit.cov.noise) for side in ends.T)
    said = "profile likelihood plus row noise: too few rows for backtests, assumes the law is exact"
    return middle - low, middle + high, said


@np.errstate(all="ignore")
def _allowed(target: Target, row: int, quantile: float) -> tuple[float, float]:
    """Lowest and highest value of one row at which the objective has risen by quantile^2; infinite where it never does."""
    fit, n, noise = target.fit, len(target.fit.design), target.fit.cov.noise
    middle = float(target.middle[row])
    rungs = np.geomspace(0.3, 1e3, RUNGS) * noise
    ladder = np.concatenate([-rungs[::-1], [0.0], rungs])
    both = _with_row(fit, target.rows.take(np.full(len(ladder), row)))
    model, y, w = fit.model(both), fit.loss.link(fit.design.loss), fit.design.weights
    pulls = np.diag(np.where(ladder == 0, 0.0, PULL * w.sum()))
    loss = replace(fit.loss, name="huber", delta=ROBUST * noise)
    with one_thread():
        found = minimise(
            model, np.append(y, middle + ladder), np.tile(fit.t, (len(ladder), 1)),
            np.hstack([np.tile(w, (len(ladder), 1)), pulls]), loss, damping=1e-3, max_iter=60,
        )  # fmt: skip
    reached = fit.loss.link(model.value(model.terms(found.t)))
    cost = loss.total(reached[:, :n] - y, w) + fit.coordinates.pulled(found.t)[0]
    free = RUNGS  # the rung that is not pulled
    rise = np.sqrt(np.maximum(cost - cost[free], 0.0) * 2 / (fit.coordinates.strength or noise**2))
    value, ends = reached[:, n], []
    for side in (np.arange(free, -1, -1), np.arange(free, len(ladder))):
        height = np.maximum.accumulate(np.nan_to_num(rise[side], nan=0.0, posinf=0.0))
        there = float(np.interp(quantile, height, value[side])) if height[-1] >= quantile else np.inf
        ends.append(there)
    low, high = ends
    return min(-np.inf if np.isinf(low) else low, middle), max(high, middle)


def _with_row(fit: Fitted, one: Design) -> Design:
    joined = {}
    for key, x in fit.design.inputs.items():
        parts = [x, one.inputs[key]]
        joined[key] = RateDrops.concatenate(parts) if isinstance(x, RateDrops) else np.concatenate(parts)
    frame = pd.concat([fit.design.frame, one.frame], ignore_index=True)
    nothing, one_each = np.full(len(one), np.nan), np.ones(len(one))
    return Design(frame, joined, np.append(fit.design.loss, nothing), np.append(fit.design.weights, one_each))


def conformal(target: Target, level: float) -> Ends:
    """Prediction +- the quantile of |error| on rows whose run (or block) was left out of the fit."""
    fit, middle = target.fit, target.middle
    runs = fit.design.runs
    if 2 < runs.max() + 1 < len(runs):
        left, what = runs, "runs"
    elif unit(fit.design) == "row":
        left, what = np.arange(len(runs)) % 10, "tenths of the rows"
    else:
        left, what = groups(fit.design, "block"), UNITS["block"]
    codes = np.arange(left.max() + 1)
    w = fit.design.weights
    with one_thread():
        fits = refit(
            fit.law, fit.design, fit.loss, np.array([(left != c) * w for c in codes]), fixed=fit.fixed,
            params=fit.coordinates.params, seed=fit.seed,
        )  # fmt: skip
        errors = np.abs(fit.loss.link(fit.design.loss) - fits.predict(fits.model(fit.design))[0])
    own = errors[left, np.arange(len(left))]
    own = own[np.isfinite(own)]
    if not len(own):
        raise FitError("interval='conformal' could not refit the law with any part left out; use 'calibrated'.")
    half = np.quantile(own, min(1.0, level * (1 + 1 / len(own))))
    said = f"conformal, leaving out {what}: holds for new ones like those of the data, not beyond them"
    return middle - half, middle + half, said
