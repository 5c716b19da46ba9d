"""Intervals over sizes, tokens and compute: how far a law drifts beyond its data, in units of the table's own slope.

Parameter uncertainty and the noise of a row are what a right law would need. Real laws are nearly right, and two things show
by how much: their backtests (late ones first), and what the other laws that the columns allow say of the same rows, each
believed in proportion to 1 / (held-out error)^2. The constants are those that most of 11 families (23 public tables, cut at
their large ends, and simulated ones) ask for when each family is left out in turn, by the interval score: left out, coverage
is .93 and the score 1 to 3 % worse than where they were chosen. What the other laws account for in a backtest is taken off
its misses; how much they count then was chosen on simulated tables alone. `benchmarks.forecasts.sizes` measures what they give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from scaling.design.cuts import Cut
from scaling.design.inputs import Design
from scaling.design.order import WORDS, beyond, measures
from scaling.engine.losses import Loss
from scaling.engine.verdict.rows import robust_scale
from scaling.errors import ScalingError
from scaling.formula import Law
from scaling.intervals.trials import Trial, weights
from scaling.words import many

PARAMETERS = 0.5  # of the delta method's standard deviation: what drifts is not counted twice
USUAL, PRIOR = 0.15, 0.5  # drift per root of distance of a usual table, in units of its slope; backtests that this counts for
APART = 0.5  # of the root mean square distance to the other laws
DOF, MOST = 23.0, 60.0  # degrees of freedom of that usual drift; most, however many backtests
CLOSEST = 0.05  # distances (in ln) below this are none
FLATTEST = 0.01  # slopes of ln loss in ln compute below this are none
NOWHERE = 1e3  # ln of the largest row in a measure that the rows fitted do not say: nothing lies beyond it
OFF = 0.3  # further apart (in ln) laws no longer count more
STABLE, HOLDS = 3, 0.7  # backtests, and share of their rows inside, from which on a law's forecasts are seen to hold
LEAST = 1  # backtests without which nothing is calibrated


@dataclass(frozen=True, eq=False)
class Other:
    """Another law: its parameters for these rows, and the share it is believed."""

    law: Law
    values: dict[str, float]
    share: float


@dataclass(frozen=True, eq=False)
class Drift:
    """What an interval is made of.

    Attributes
    ----------
    by, sign : along what rows were held out, and which way (+1 up). cutoffs : backtests. reach : the furthest, in ln.
    edges (k,) : largest rows in every measure of distance. noise : robust standard deviation of a row. tau : drift per root of
        distance. dof : of the quantile. root (p, m) : of the parameters' covariance. others : laws beside this one.
    coverage : share of the backtests' rows inside the interval of nominal 90 %. explodes : does the law rise beyond the data,
        where runs grow?
    """

    by: str
    sign: int
    cutoffs: int
    reach: float
    edges: np.ndarray
    noise: float
    tau: float
    dof: float
    root: np.ndarray
    others: tuple[Other, ...]
    coverage: float
    explodes: bool = False

    @property
    def calibrated(self) -> bool:
        return self.cutoffs >= LEAST

    @property
    def stable(self) -> bool:
        """Did the law's own forecasts hold where rows were held back?"""
        return self.cutoffs >= STABLE and self.coverage >= HOLDS and not self.explodes

    def further(self, rows: Design) -> np.ndarray:
        """Which rows (n,) lie beyond the largest."""
        return beyond(self.sign * measures(rows, self.by), self.edges[:, None]) > CLOSEST


def drift(
    own: Trial, others: Sequence[Trial], tests: Sequence[Cut], made: Design, loss: Loss, by: str, sign: int = 1,
    counts: np.ndarray | None = None,
) -> Drift:  # fmt: skip
    """Measure the drift of a law.

    Parameters
    ----------
    own, others : the law and those beside it, put to the same tests. made : the rows they were put to.
    counts (F,) : how much every test counts, where these are of more rows than `made`; else by the rows of `made`.
    """
    counts = weights(tests) if counts is None else counts
    at, y = sign * measures(made, by), loss.link(made.loss)
    slope = max(-sign * float(np.polyfit(at[0], y, 1)[0]) if np.ptp(at[0]) > 0 else 0.0, FLATTEST)
    fits = own.fits.last()
    value = fits.predict(fits.model(made))[0][0]
    noise = robust_scale(np.sqrt(made.weights) * (y - value), fits.params)
    scale = 1.0 if loss.log else float(np.median(np.abs(y)))
    usable = np.flatnonzero(own.usable)
    pairs, misses = [(f, cut) for f, cut in enumerate(tests) if own.usable[f]], []
    distance = {f: np.maximum(beyond(at, at[:, cut.train]), CLOSEST)[cut.test] for f, cut in pairs}
    believed = _believed(own, others, counts)
    apart = {f: _apart(own, believed, f, cut.test, OFF * scale) for f, cut in pairs}
    for f, cut in pairs:  # what parameters, noise and the other laws account for is no drift; the rest grows with distance
        rest = np.clip(own.error[f, cut.test], -scale, scale) ** 2 - (PARAMETERS * own.sd[f, cut.test]) ** 2 - noise**2
        misses.append(float((rest - APART**2 * apart[f]) @ distance[f] / (distance[f] @ distance[f])))
    W = float(counts[usable].sum())
    mean = float(counts[usable] @ misses) / W if W else 0.0
    seen = max(0.0, mean)  # one cutoff may miss by less than noise: that counts, too
    tau2 = max((PRIOR * (USUAL * slope * scale) ** 2 + W * seen) / (PRIOR + W), seen)
    found = Drift(
        by=by,
        sign=sign,
        cutoffs=len(usable),
        reach=max((float(distance[f].max()) for f, cut in pairs), default=0.0),
        edges=np.nan_to_num(at.max(axis=1), nan=NOWHERE),
        noise=noise,
        tau=float(np.sqrt(tau2)),
        dof=min(DOF + W, MOST),
        root=fits.root[0] * fits.noise[0] * np.sqrt(fits.alike[0]),
        others=tuple(_other(trial, share) for trial, share in believed),
        coverage=np.nan,
        explodes=own.explodes,
    )
    spread = {f: _spread(found, own.sd[f, cut.test], distance[f], apart[f]) for f, cut in pairs}
    inside = [np.mean(np.abs(own.error[f, cut.test]) <= _quantile(found, 0.9) * spread[f]) for f, cut in pairs]
    return replace(found, coverage=float(np.mean(inside)) if inside else np.nan)


def _believed(own: Trial, others: Sequence[Trial], counts: np.ndarray) -> list[tuple[Trial, float]]:
    """The other laws that do not explode, by 1 / (error where held out)^2; the law itself has a share, too."""
    kept = [trial for trial in others if not trial.explodes and trial.usable.any()]
    said = np.array([trial.held_out(counts) for trial in (own, *kept)])
    if not np.isfinite(said[0]):
        return []
    shares = 1 / np.clip(said, 1e-12, 1e12) ** 2
    return list(zip(kept, map(float, shares[1:] / shares.sum()), strict=True))


def _apart(own: Trial, believed: Sequence[tuple[Trial, float]], f: int, test: np.ndarray, most: float) -> np.ndarray:
    """Mean square distance (n,) to the other laws in the rows that were predicted at cutoff f; what one cannot say is none."""
    apart, names, rows = np.zeros(int(test.sum())), own.made.frame.index, np.flatnonzero(test)
    for trial, share in believed:
        known = trial.made.frame.index
        same = known.equals(names)
        if trial.usable[f] and (same or known.is_unique) and not trial.law.over_schedules:  # which goes by other rows
            at = rows if same else known.get_indexer(names[test])
            off = np.where(at >= 0, trial.error[f, at] - own.error[f, test], 0.0)
            apart += share * np.clip(off, -most, most) ** 2
    return apart


def _other(trial: Trial, share: float) -> Other:
    names, t = trial.fits.coordinates.names, trial.fits.t[-1]
    values = dict(zip(names, map(float, trial.fits.coordinates.to_params(t)), strict=True))
    return Other(trial.law, {**trial.fixed, **values}, share)


def _quantile(found: Drift, level: float) -> float:
    return float(stdtrit(found.dof, 0.5 + level / 2))


def _spread(found: Drift, sd: np.ndarray, distance: np.ndarray, apart: np.ndarray | float = 0.0) -> np.ndarray:
    """Standard deviation (n,) of rows; apart (n,) : mean square distance to the other laws."""
    parts = (PARAMETERS * np.minimum(sd, 1.0)) ** 2 + found.noise**2 + found.tau**2 * distance + APART**2 * apart
    return np.asarray(np.sqrt(parts))


def half_width(
    found: Drift, rows: Design, under: Callable[[Law], Design], middle: np.ndarray, sd: np.ndarray, loss: Loss, level: float
) -> np.ndarray:
    """Half of the interval (n,) in the objective's units.

    Parameters
    ----------
    rows : the target as the law reads it. under : as another law reads it. middle, sd (n,) : the law's prediction and its
        standard deviation by the delta method with `found.root`.
    """
    distance = np.maximum(beyond(found.sign * measures(rows, found.by), found.edges[:, None]), CLOSEST)
    most = OFF if loss.log else OFF * np.maximum(np.abs(middle), 1e-300)
    apart = np.zeros(len(middle))
    for other in found.others:
        try:
            theirs = under(other.law)
        except ScalingError:  # a column that it takes is not there
            continue
        if len(theirs) != len(middle):  # a law of steps reads every row of a run, not its end
            continue
        with np.errstate(all="ignore"):
            values = {k: np.float64(v) for k, v in other.values.items()}  # which divide by zero without raising
            value = loss.link(np.asarray(other.law(*theirs.inputs.values(), **values), float))
            off = np.clip(np.nan_to_num(value - middle, nan=np.inf), -most, most)
        apart += other.share * off**2
    return _quantile(found, level) * _spread(found, sd, distance, apart)


def words(found: Drift, rows: Design) -> str:
    """What the interval rests on, for the reader."""
    at = found.sign * measures(rows, found.by)
    asked = float(np.exp(max(float(np.max(at[0] - found.edges[0])), 0.0)))
    names = ", ".join(dict.fromkeys(other.law.name for other in found.others))
    beside = f"and what {names} say" if names else "alone, no other law"
    backtests = many(found.cutoffs, "backtest")
    text = (
        f"calibrated on {backtests} {beside}; checked up to {np.exp(found.reach):.3g}x in {WORDS.get(found.by, found.by)}, "
        f"you ask for {asked:.3g}x; in those backtests {found.coverage:.0%} lie inside"
    )
    return text + ("; beyond the longest backtest the error is assumed to grow on" if asked > np.exp(found.reach) else "")
