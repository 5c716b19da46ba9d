"""Intervals that hold outside the data: several laws, weighted and widened by what their own backtests show.

Where a law is right, parameter uncertainty plus noise is enough. Real laws are only nearly right, and the error grows with
distance, which no covariance sees. So the law, its rivals, and all of them on the later half of the rows are fitted to the
small part of the data and asked for the large part; each is believed in proportion to 1 / (squared error there), and its
own error bar is stretched until it covers what it missed. Beyond the longest backtest a drift with distance is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from scaling.design.cuts import Cut, cuts
from scaling.design.inputs import Design
from scaling.design.order import WORDS, natural_order, order
from scaling.engine.losses import Loss
from scaling.engine.model import Model
from scaling.engine.refit import Refits, refit
from scaling.engine.threads import one_thread
from scaling.formula import Law, Parameter
from scaling.intervals.rivals import Rival, rivals
from scaling.intervals.trials import thinned
from scaling.waits import steps

SHARES = (0.4, 0.5, 0.6, 0.7, 0.8)  # of the rows, that are fitted
ROWS, LATE_ROWS = 3, 5  # rows per parameter that a backtest fits at least; that the later half of the rows has
LEAST_CUTS = 3  # backtests without which nothing is calibrated
EXACT = 1e-12  # squared errors (of ln loss) below this are the digits of the log, not the law
CLOSEST = 0.05  # distances (in ln) below this say nothing about drift


@dataclass(frozen=True, eq=False)
class Member:
    """One law in the mixture: its fit to all rows (the last of `fits`), how much it is believed, how far it is stretched."""

    rival: Rival
    late: bool
    fits: Refits
    cutoffs: int
    reach: float  # longest distance (ln) among them
    error: float  # median over cutoffs of the mean squared error
    stretch: float
    drift: float  # per unit of distance in ln
    dof: float
    coverage: float  # of its own backtests by its stretched bounds, nominal 90 %


@dataclass(frozen=True, eq=False)
class Calibration:
    """Members, number of cutoffs, longest distance (ln) a backtest reached, largest order fitted, share of own backtest
    rows the law's stretched 90 % bounds cover, direction (+1 up, -1 down) and what `by` is."""

    members: list[Member]
    cutoffs: int
    reach: float
    edge: float
    by: str | None
    sign: int
    coverage: float

    @property
    def calibrated(self) -> bool:
        return self.cutoffs >= LEAST_CUTS and bool(self.members)


def calibrate(
    law: Law,
    made: Design,
    loss: Loss,
    *,
    fixed: Mapping[str, float],
    params: tuple[Parameter, ...],
    seed: int,
    sign: int = 1,
    rows: np.ndarray | None = None,
    by: str | None = None,
) -> Calibration:
    """Backtest a law and its rivals on the data of a fit.

    Parameters
    ----------
    sign : -1 where the targets lie below the data, so that backtests must run downwards.
    rows : use only these rows of `made`.
    """
    by = by if by not in (None, "schedule") else natural_order(law)
    rows = np.arange(len(made)) if rows is None else rows
    rows = rows[thinned(len(rows))]
    used = made.take(rows)
    if by is None:
        return Calibration([], 0, 0.0, 0.0, None, sign, np.nan)
    o = sign * order(used, by)
    trial = _Trial(loss, cuts(o, SHARES), o, float(made.weights.sum() / used.weights.sum()), seed)
    members: list[Member] = []
    with one_thread():
        for rival in steps([Rival(law, dict(fixed), law.name), *rivals(law, fixed)], "calibrating"):
            theirs = aligned(made, rival.law)
            for late in (False, True):
                own = params if rival.law is law and rival.fixed == fixed else None
                member = theirs and _member(rival, late, theirs.take(rows), trial, own)
                if member:
                    members.append(member)
                elif not members:  # the law itself cannot be tested
                    return Calibration([], 0, 0.0, float(o.max()), by, sign, np.nan)
    first = members[0]
    return Calibration(members, first.cutoffs, first.reach, float(o.max()), by, sign, first.coverage)


def aligned(made: Design, law: Law) -> Design | None:
    """The rows of `made` as another law reads them, or None if it cannot."""
    if not set(law.inputs) <= set(made.inputs):
        return None
    return Design(made.frame, {k: made.inputs[k] for k in law.inputs}, made.loss, made.weights, made.notes)


@dataclass(frozen=True, eq=False)
class _Trial:
    """What every member is put through: the backtests, along the order o (n,); `count` is how many rows a row counts for."""

    loss: Loss
    splits: list[Cut]
    o: np.ndarray
    count: float
    seed: int


@dataclass(frozen=True, eq=False)
class _Miss:
    """How one backtest missed: |error| in units of its own error bar and per unit of distance (n,), mean squared error, and
    the longest distance (ln)."""

    scaled: np.ndarray
    drift: np.ndarray
    error: float
    reach: float


def _member(rival: Rival, late: bool, made: Design, trial: _Trial, params: tuple[Parameter, ...] | None) -> Member | None:
    """Fit and backtest; None where the law cannot be fitted to all rows or no backtest of it is usable."""
    masks = np.array([c.train for c in trial.splits] + [np.ones(len(trial.o), bool)])
    if late:
        masks = np.array([m & (trial.o >= np.quantile(trial.o[m], 0.5)) for m in masks])
    p = len(params) if params is not None else len(set(rival.law.params) - set(rival.fixed))
    rows = masks.sum(1)
    if rows[-1] < (LATE_ROWS * p if late else p + 1):
        return None
    enough = (rows[:-1] >= ROWS * p) & np.array([c.test.sum() >= 3 for c in trial.splits])
    if (needs := rival.law.hooks.needs) is not None:  # a part that cannot show what determines the law says nothing
        enough &= [not needs(*made.take(np.flatnonzero(m)).inputs.values()) for m in masks[:-1]]
    weights = masks * made.weights * trial.count
    weights[:-1][~enough] = 0.0
    fits = refit(rival.law, made, trial.loss, weights, fixed=rival.fixed, params=params, seed=trial.seed)
    if not fits.ok[-1]:
        return None
    # a law bends to the errors of few rows and does not see how alike they are: that is measured once, on all rows
    fits = replace(fits, alike=np.full(len(masks), fits.alike[-1]))
    middle, variance = fits.predict(fits.model(made))
    error, misses = trial.loss.link(made.loss) - middle, []
    for f in np.flatnonzero(enough & fits.ok[:-1]):
        # few fitted rows make long tails, which are chance and no fault of the law
        tail = stdtrit(max(rows[f] - p, 1), 0.95) / ndtri(0.95)
        misses.append(_miss(error[f], variance[f], trial.splits[f], tail))
    return _scored(rival, late, fits, [m for m in misses if m], max(float(weights[-1].sum()) - p, 1.0))


def _miss(error: np.ndarray, variance: np.ndarray, cut: Cut, tail: float) -> _Miss | None:
    """How a backtest missed its held-out rows; None where more than a tenth of them could not be predicted."""
    e, v, d = error[cut.test], variance[cut.test], cut.distance[cut.test]
    good = np.isfinite(e) & np.isfinite(v) & (v < 1)
    if good.mean() < 0.9:
        return None
    e, v, d = e[good], v[good], d[good]
    # a schedule left out may lie within the others' steps
    drift = (np.abs(e) / np.maximum(d, CLOSEST))[d > 0]
    return _Miss(np.abs(e) / np.sqrt(np.maximum(v, EXACT)) / tail, drift, float(np.mean(e**2)), float(d.max()))


def _scored(rival: Rival, late: bool, fits: Refits, misses: list[_Miss], dof: float) -> Member | None:
    """What the misses say of a law: belief, stretch, drift and coverage."""
    if not misses:
        return None
    pooled = np.concatenate([m.scaled for m in misses])
    # one vote per cutoff, so that the early ones, which have more to predict, do not decide
    stretch = max(1.0, float(np.median([np.sqrt(np.mean(m.scaled**2)) for m in misses])))
    further = np.concatenate([m.drift for m in misses])
    return Member(
        rival,
        late,
        fits.last(),
        cutoffs=len(misses),
        reach=max(m.reach for m in misses),
        error=max(float(np.median([m.error for m in misses])), EXACT),
        stretch=stretch,
        drift=0.5 * float(np.median(further)) / 0.6745 if len(further) else 0.0,
        dof=dof,
        coverage=float(np.mean(pooled <= stretch * ndtri(0.95))),
    )


def bounds(
    found: Calibration, under: Callable[[Law], Design], o: np.ndarray, middle: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ends (n,) of the calibrated interval in the objective's units.

    Parameters
    ----------
    under : the targets as a law reads them; asked once per rival. o : ordered as the backtests were, (n,). middle : the
        prediction, which the interval always contains.
    """
    tail = 0.5 + level / 2
    beyond = np.maximum(o - found.edge - found.reach, 0.0)
    models: dict[Rival, Model] = {}
    middles, widths, weights = [], [], []
    for member in found.members:
        if member.rival not in models:
            models[member.rival] = member.fits.model(under(member.rival.law))
        mu, v = (x[0] for x in member.fits.predict(models[member.rival]))
        if np.isfinite(mu).all() and np.isfinite(v).all():
            spread = member.stretch * np.sqrt(np.minimum(v, 1.0)) * stdtrit(member.dof, tail) / ndtri(tail)
            middles.append(mu)
            widths.append(np.hypot(spread, member.drift * beyond))
            weights.append(1 / member.error)
    if not middles:
        return np.full(len(o), np.nan), np.full(len(o), np.nan)
    mix = np.array(weights) / np.sum(weights), np.array(middles), np.array(widths)
    return np.minimum(_quantile(*mix, 1 - tail), middle), np.maximum(_quantile(*mix, tail), middle)


@np.errstate(divide="ignore", invalid="ignore")  # members that pass through every row have no width
def _quantile(weights: np.ndarray, middles: np.ndarray, widths: np.ndarray, q: float) -> np.ndarray:
    """The q quantile of mixtures of normals, by bisection."""
    ends = middles + widths * ndtri(q)
    low, high = ends.min(0), ends.max(0)
    for _ in range(40):
        half = (low + high) / 2
        below = (weights[:, None] * ndtr((half - middles) / widths)).sum(0) < q
        low, high = np.where(below, half, low), np.where(below, high, half)
    return np.asarray((low + high) / 2)


def words(found: Calibration, o: np.ndarray) -> str:
    """What the interval rests on, for the reader."""
    if not found.calibrated:
        return "delta method plus row noise, assumes the law is exact: too few rows to hold some back for backtests"
    asked = float(np.exp(max(o.max() - found.edge, 0.0)))
    reach = float(np.exp(found.reach))
    what = f" in {WORDS.get(str(found.by), found.by)}" if found.by else ""
    labels = [m.rival.label for m in found.members[1:] if not m.late and m.rival.label != found.members[0].rival.label]
    rival = f"with rival laws ({'; '.join(labels)})" if labels else "no rival law"
    text = (
        f"calibrated on {found.cutoffs} backtests, {rival}; checked up to {reach:.3g}x{what}, you ask for "
        f"{asked:.3g}x; in those backtests {found.coverage:.0%} lie inside"
    )
    return text + ("; beyond the longest backtest the error is assumed to grow with distance" if asked > reach else "")
