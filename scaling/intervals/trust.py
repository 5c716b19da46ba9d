"""Which predicted rows to trust: each has its `ok`, and what speaks against it is said with the rows it holds for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.design.order import order
from scaling.engine.verdict.examine import NAMED, called
from scaling.engine.verdict.influence import Influence
from scaling.engine.verdict.judgement import settled
from scaling.engine.verdict.tradeoffs import NEAR
from scaling.formula import Law
from scaling.intervals.drift import Drift
from scaling.intervals.line import Bounds
from scaling.intervals.target import Target
from scaling.words import many

BEYOND = 0.05  # of the range of an input, which is none
GOOD = 0.01  # of the loss of a run nobody made, about what a fifth of its compute buys: less is no forecast
OPEN = 2.0  # factor to both sides of a prediction, which is less than what anybody knows of a loss beforehand
START = 0.04  # of the longest run fitted, in which a loss falls so steeply that a wide interval says little of the run
HELD = "its forecasts held where rows were held back"
EXPLODES = "the law explodes: beyond the data it rises where runs grow; compare laws, or take law='auto'"
FOREIGN = {"N": 1e5, "D": 1e5, "C": 1e10}  # factors outside the rows fitted that are no extrapolation but other units
FURTHEST = 1e6  # times the largest compute fitted; the boldest forecast that was published and kept, GPT-4's, was some 1e4
SHOWN = 8  # numbers of rows listed
ASKED = 16  # predicted rows, of many, of which it is told what they rest on
MUCH = 0.5  # of its half-width, by which a forecast must move without rows for these to be told


@dataclass(frozen=True, eq=False)
class Trust:
    """ok (n,) : may a row be trusted? why : what speaks against rows, in words."""

    ok: np.ndarray
    why: list[str]


def trust(target: Target, low: np.ndarray, high: np.ndarray, bounds: Bounds | None, found: Drift | None = None) -> Trust:
    """The verdict on every predicted row.

    Parameters
    ----------
    low, high (n,) : ends of the interval in the objective's units. bounds : what the line of the rows says, if they lie on one.
    found : what backtests showed.
    """
    fit, n = target.fit, len(target.value)
    verdict = settled(fit.verdict, HELD) if found is not None and found.stable else fit.verdict
    doubts: list[tuple[np.ndarray, str]] = [
        (np.full(n, not verdict.ok), f"the fit is not trustworthy: {'; '.join(verdict.failures)}")
    ]
    if found is not None and found.explodes:
        doubts.insert(0, (found.further(target.rows), EXPLODES))
    line = fit.findings.line
    if bounds is not None and line is not None:
        far = bounds.apart > max(NEAR, line.off)
        doubts.append((far, f"off the line {line.equation} on which all fitted rows lie, so nothing says which input counts"))
    else:
        doubts.append((np.isnan(target.deviation()), "not determined by the data: a free combination of parameters moves it"))
    few = many(len(fit.findings.strange), "row")
    told = f"without what does not belong ({few}) it moves by more than {MUCH:g} of its half-width"
    doubts.append((np.abs(target.without - target.middle) > MUCH * (high - low) / 2, told))
    doubts += beyond(target, low, high) + foreign(target)
    unbounded = ~(np.isfinite(low) & np.isfinite(high))
    doubts.append((unbounded, "the data set no bound to it"))
    lower, upper = fit.loss.back(low), fit.loss.back(high)
    step, seen = (rows.frame.get("step", pd.Series(1.0, rows.frame.index)) for rows in (target.rows, fit.design))
    steep = step.to_numpy(float) < START * seen.max()
    told = f"the interval is wider than a factor of {OPEN:g} each way, which is no forecast"
    doubts.append((~steep & (target.value > 0) & (upper > OPEN**2 * lower), told))
    ok, why = np.ones(n, bool), []
    for bad, reason in doubts:
        if (new := bad & ok).any():
            why.append(f"{_rows(new)}: {reason}")
            ok &= ~bad
    return Trust(ok, why)


@np.errstate(all="ignore")
def rests_on(target: Target, low: np.ndarray, high: np.ndarray) -> list[str]:
    """Which single rows a forecast rests on: without them it would move by more than `MUCH` of its half-width.

    Parameters
    ----------
    low, high (n,) : ends of the interval in the objective's units.
    """
    fit, n = target.fit, len(target.value)
    some = np.unique(np.linspace(0, n - 1, min(n, ASKED)).round().astype(int))
    found = fit.memory.once("influence", lambda: Influence.of(fit.near))
    slopes, half = (target.slopes / target.unit)[:, some], ((high - low) / 2)[some]
    rows = found.beyond(slopes, MUCH * half)
    shift = found.moved(slopes, rows)
    part = np.nan_to_num(np.abs(shift) / half)
    worst = part.max(1)
    said = []
    for i in np.argsort(-worst)[:NAMED]:
        if worst[i] > MUCH:
            k = int(part[i].argmax())
            by = shift[i, k]
            size = f"{100 * by:+.2g} %" if fit.loss.log else f"{by:+.2g}"
            how = f"moves by {size}, {worst[i]:.1f} of its half-width" if np.isfinite(by) else "is not determined"
            said.append(f"{called(fit.design, rows[i : i + 1])[0]}: without it alone row {some[k]} {how}")
    return said


def beyond(target: Target, low: np.ndarray, high: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Rows (n,) outside the runs that a law over runs was fitted to, where that makes them no forecast, and why."""
    fit, found = target.fit, []
    if fit.law.hooks.reach is None:
        return []
    anywhere = np.zeros(len(target.value), bool)
    for name, facts in fit.law.hooks.reach().items():
        outside = np.zeros(len(target.value), bool)
        for x in facts:
            seen, asked = (_unusual(fit.law, rows.frame, x) for rows in (fit.design, target.rows))
            outside |= asked > seen.max() * (1 + BEYOND)
            outside |= (asked < seen.min() * (1 - BEYOND)) & (x != "D")  # every run was short once
        anywhere |= outside
        if name in fit.verdict.from_prior:
            found.append((outside, f"beyond the runs fitted, and {name} is known from its prior alone, not from these runs"))
    d, noise = target.deviation() / target.unit, max(fit.cov.noise, 1e-300)
    half = (high - low) / 2 * d / np.hypot(d, noise)  # of the interval, the noise of a row left out
    limit = GOOD * (1.0 if fit.loss.log else target.value)
    found.append((anywhere & (half > limit), f"beyond the runs fitted, which leave it open by more than {GOOD:.0%}"))
    return found


def foreign(target: Target) -> list[tuple[np.ndarray, str]]:
    """Rows (n,) so far from all fitted in size, tokens or compute that nobody knows or the units are others, and why."""
    law, found = target.fit.law, []
    for name in law.inputs:
        if (factor := FOREIGN.get(str(law.conventions.get(name, name)))) is None:
            continue
        seen, asked = (np.asarray(rows.inputs[name], float) for rows in (target.fit.design, target.rows))
        apart = (asked > seen.max() * factor) | (asked * factor < seen.min())
        told = f"the rows fitted have {name} {seen.min():.3g} to {seen.max():.3g}: asked this far off, is it in the same units?"
        found.append((apart, told))
    if {"N", "D"} <= {*law.inputs} or {"N", "M"} <= {*law.inputs}:
        ahead = order(target.rows, "compute") - order(target.fit.design, "compute").max()
        told = f"more than {FURTHEST:.0e} times the largest compute fitted: no law was ever seen to hold so far ahead"
        found.append((ahead > np.log(FURTHEST), told.replace("e+0", "e")))
    return found


def _unusual(law: Law, frame: pd.DataFrame, name: str) -> np.ndarray:
    """A fact of runs (n,), peak and batch over those that are usual for the size."""
    value = frame[name].to_numpy(float)
    size = frame["N"].to_numpy(float) if "N" in frame else None
    usual = {} if law.hooks.usual is None else law.hooks.usual(size, **law.conventions)
    return np.asarray(value / usual.get(name, 1.0))


def _rows(bad: np.ndarray) -> str:
    if bad.all():
        return "all rows" if len(bad) > 1 else "row 0"
    rows = np.flatnonzero(bad)
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:SHOWN]))}{more}"
