"""Intervals of laws over whole runs: by how much the law missed the runs it left out, in its own standard deviations.

Parameter uncertainty grows where the data end, but not as fast as the errors of a law that is only nearly right. So the law is
fitted without some of the runs and asked for them: a law of one model without each of its schedules, a law over several
sizes or peaks without the largest, the longest, the highest. By how much it missed is what the standard deviations of a
forecast are stretched by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, stdtrit

from scaling.design.bins import binned, by_run, evenly
from scaling.design.cuts import cuts
from scaling.design.folds import Fold, folds
from scaling.design.inputs import Design
from scaling.design.neighbours import NOISE
from scaling.engine.fitted import Fitted
from scaling.engine.model import at
from scaling.engine.prior import counted
from scaling.engine.refit import Refits, refit
from scaling.engine.threads import one_thread
from scaling.engine.uncertainty import lag_one
from scaling.engine.verdict.rows import robust_scale
from scaling.intervals.target import Target

ROWS, CURVE_ROWS = 6, 40  # of a run, in a backtest: of many runs; of few curves, each of which tells more
BINS = 200  # means of neighbours in a curve, of which these rows are taken
LATE = 3  # of the rows of one of many runs, the last, that are asked for
MOST = 8  # schedules that are left out in turn
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)  # of the rows of one curve alone, that are fitted
SPARE = 2  # rows per parameter that a part must have
ROUNDS, STALL = 60, 1e-3  # iterations of a refit; gain in 20 of them below which it goes no further
CLIP = 3.0  # robust standard deviations beyond which a row says nothing of the others
FLOOR = 1e-3  # relative: no law holds better for a run nobody has seen
ASSUMED = 2.0  # stretch of a law over sizes where no run can be left out, counted as one backtest
# of one model's runs left out by a law with priors: misses of this size, known beforehand as so many; the part of them that
# forecasts from all runs have (both 1 of other laws, as if these were right); degrees of freedom that each tells. Chosen on
# 25M, 100M, 124M and tiny models (benchmarks/forecasts/schedules_inside.py tells what other families would have chosen)
MISS, PRIOR, USUAL, DOF = 0.7, 2.0, 0.8, 3.0
BEGUN = (0.3, 0.45, 0.6)  # parts of the longest run from which its rest is predicted, to see how a miss grows with length
LONGER = 0.5  # standard deviation beyond the longest run, in root mean squares of such misses per ln of length


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What was left out, how far each was off (mean |error|, relative), and in its own standard deviations (rms).

    sizes : does the law go over sizes? No posterior is wide enough beyond them. Of other runs a law that missed more than
    usual in all that were left out keeps that, one that missed less does not.
    noise, misfit : standard deviation of a row around a smooth curve, and of such curves around the law. wider : by how much
    the fit's own standard deviations are to be wider where curves count as few rows. informed : has the law priors?
    length, slope : the longest run's steps; what the law misses per ln of length beyond such an end.
    """

    what: tuple[str, ...]
    error: tuple[float, ...]
    scaled: tuple[float, ...]
    sizes: bool
    noise: float = 0.0
    misfit: float = 0.0
    wider: float = 1.0
    informed: bool = True
    length: float = 1.0
    slope: float = 0.0

    @property
    def stretch(self) -> float:
        """Of standard deviations."""
        squares = np.square(self.scaled)
        if self.sizes:
            return max(1.0, float(np.sqrt(np.mean([ASSUMED**2, *squares]))))
        if not len(squares):
            return 1.0
        miss, part = (MISS, USUAL) if self.informed else (1.0, 1.0)
        shrunk = (PRIOR * miss**2 + squares.sum()) / (PRIOR + len(squares))
        return part * float(np.sqrt(max(shrunk, squares.mean())))

    @property
    def dof(self) -> float:
        """Of the t distribution that a forecast is given."""
        return 1.0 + len(self.what) if self.sizes else DOF * max(len(self.what), 1)

    def half(self, deviation: np.ndarray, level: float, step: np.ndarray | float = 0.0) -> np.ndarray:
        """Half of the interval (n,) where the law's standard deviations (n,) are these, in the objective's units."""
        beyond = np.maximum(step / self.length, 1.0)
        # misses of runs as long as others say nothing of what lies beyond all of them: there a deviation counts in full
        stretch = self.stretch + (max(self.stretch, 1.0) - self.stretch) * (1 - 1 / beyond)
        drift = stretch * np.sqrt((self.wider * deviation) ** 2 + self.misfit**2 + FLOOR**2)
        drift = np.hypot(drift, LONGER * self.slope * np.log(beyond))
        return np.asarray(np.hypot(stdtrit(self.dof, 0.5 + level / 2) * drift, ndtri(0.5 + level / 2) * self.noise))


def left_out(fit: Fitted) -> LeftOut:
    """The runs left out of a fit, once."""
    return fit.memory.once("left out", lambda: _of_many(fit) if fit.law.hooks.facts else _of_curves(fit))


def ends(target: Target, level: float) -> tuple[np.ndarray, np.ndarray, str]:
    """Ends (n,) of the interval in the objective's units, and what it rests on."""
    found = left_out(target.fit)
    half = found.half(target.deviation() / target.unit, level, steps(target.rows))
    return target.middle - half, target.middle + half, words(found)


def half_width(fit: Fitted, rows: Design, level: float) -> np.ndarray:
    """Half of the interval (n,) of other rows, in the objective's units."""
    value, J = at(fit.model(rows), fit.t)
    return left_out(fit).half(fit.deviation(J, np.abs(value)) / (value if fit.loss.log else 1.0), level, steps(rows))


def steps(rows: Design) -> np.ndarray:
    """Updates made (n,)."""
    return rows.frame["step"].to_numpy(float)


def _of_many(fit: Fitted) -> LeftOut:
    """Of a law over runs of several sizes or peaks: without the extreme ones."""
    made = fit.design.take(evenly(fit.design.runs, ROWS))
    parts, sizes = folds(made), "N" in fit.law.hooks.facts
    if not parts:
        return LeftOut((), (), (), sizes, misfit=fit.cov.noise)
    scale = fit.design.weights.sum() / made.weights.sum()
    fits = _refitted(fit, made, np.array([part.train * made.weights * scale for part in parts]))
    middle, variance = fits.predict(fits.model(made))
    error, kept = fit.loss.link(made.loss) - middle, []
    for f in np.flatnonzero(fits.ok):
        runs = [rows for rows in by_run(made.runs) if parts[f].test[rows[0]]]
        late = np.concatenate([rows[-LATE:] for rows in runs])
        size = float(np.mean([abs(error[f, rows[-1]]) for rows in runs]))
        kept.append((parts[f].what, size, float(np.sqrt(np.mean(error[f, late] ** 2 / (variance[f, late] + FLOOR**2))))))
    return LeftOut(*_columns(kept), sizes, misfit=fit.cov.noise)


def _of_curves(fit: Fitted) -> LeftOut:
    """Of a law of one model's schedules: without each of them; of one curve alone without its end."""
    made = binned(fit.design, BINS)
    made = made.take(evenly(made.runs, CURVE_ROWS))
    made = replace(made, weights=made.weights / made.weights.mean())
    parts = _parts(fit, made)
    masks = np.array([*(part.train for part in parts), np.ones(len(made), bool)])
    fits, error = _missed(fit, made, masks)
    length = float(steps(fit.design).max())
    return replace(_measured(fit, made, parts, fits, error), length=length, slope=_slope(fit, made, length))


def _parts(fit: Fitted, made: Design) -> list[Fold]:
    """What is left out: of several schedules each, where the others show what determines the law; of one its end."""
    runs = made.runs
    chosen = np.unique(np.linspace(0, runs.max(), MOST).round().astype(int))
    found = [Fold(f"run '{made.frame['run'].iloc[np.argmax(runs == k)]}'", runs != k, runs == k) for k in chosen]
    found = [part for part in found if _suffices(fit, made, part)]
    if not found:
        grown = np.log(steps(made).clip(1.0))
        found = [Fold(f"what follows step {cut.label}", cut.train, cut.test) for cut in cuts(grown, SHARES)]
        found = [part for part in found if _suffices(fit, made, part)]
    return found


def _slope(fit: Fitted, made: Design, length: float) -> float:
    """Root mean square of what the law misses per ln of length, when the rest of runs is predicted from how they began."""
    step = steps(made)
    parts = [Fold(f"{share:g}", step <= share * length, step > share * length) for share in BEGUN]
    parts = [part for part in parts if _suffices(fit, made, part)]
    if not parts:
        return 0.0
    fits, error = _missed(fit, made, np.array([part.train for part in parts]))
    squares = []
    for f in np.flatnonzero(fits.ok):
        rest = parts[f].test
        beyond = np.log(step[rest] / step[parts[f].train].max())
        squares.append(float(np.sum(error[f, rest] ** 2) / np.sum(beyond**2)))
    return float(np.sqrt(np.mean(squares))) if squares and np.isfinite(squares).all() else 0.0


def _suffices(fit: Fitted, made: Design, part: Fold) -> bool:
    """Can the rows of a part show what determines the law?"""
    if part.train.sum() < SPARE * len(fit.t) or not part.test.any():
        return False
    needs = fit.law.hooks.needs
    return needs is None or not needs(*made.take(np.flatnonzero(part.train)).inputs.values())


def _measured(fit: Fitted, made: Design, parts: list[Fold], fits: Refits, error: np.ndarray) -> LeftOut:
    """The misses (parts + 1, n) of refits without each part and, last, of the one with all rows."""
    noise, misfit = parted(error[-1] * np.sqrt(made.weights), made.runs, fits.params)
    if not fits.coordinates.informed:  # beside what is known beforehand rows of a curve count as few already
        masks = [*(part.train for part in parts), np.ones(len(made), bool)]
        alike = [_alike(mask * made.weights, made.runs, fits.params) for mask in masks]
        fits = replace(fits, alike=np.maximum(fits.alike, alike))
    variance = fits.predict(fits.model(made))[1] - fits.noise[:, None] ** 2
    kept = []
    for f in np.flatnonzero(fits.ok[:-1]):
        e, v = error[f, parts[f].test], variance[f, parts[f].test] + misfit**2 + FLOOR**2
        excess = max(float(np.mean((e**2 - noise**2) / v)), 0.0)
        if np.isfinite(excess):  # a part without which the law explodes says nothing of the whole
            kept.append((parts[f].what, float(np.mean(np.abs(e))), float(np.sqrt(excess))))
    whole, rho = fit.design, fit.cov.autocorrelation
    row, _ = parted(fit.near.rest, whole.runs, fits.params)
    if NOISE in whole.frame:  # of the rows that means were made of
        within = whole.frame[NOISE].to_numpy(float) * (1.0 if fit.loss.log else whole.loss)
        row = float(np.hypot(row, np.sqrt(np.mean(within**2))))
    informed = bool(fits.coordinates.informed)
    fewer = 1.0 if informed else _alike(whole.weights, whole.runs, fits.params) * (1 - rho) / (1 + rho)
    return LeftOut(*_columns(kept), False, row, misfit, float(np.sqrt(max(fewer, 1.0))), informed)


def _alike(weights: np.ndarray, runs: np.ndarray, params: int) -> float:
    """How many rows (weights (n,) of them) count as one that is left when the parameters have had theirs."""
    return float(weights.sum() / max(counted(weights, runs) - params, 1.0))


def parted(rest: np.ndarray, runs: np.ndarray, params: int) -> tuple[float, float]:
    """Standard deviations of residuals (n,) from row to row, and of what neighbours share; few far rows aside."""
    limit = CLIP * robust_scale(rest, params)
    rest = np.clip(rest, -limit, limit)
    scale, rho = np.sqrt(np.sum(rest**2) / max(len(rest) - params, 1)), lag_one(rest, runs)
    return float(scale * np.sqrt(1 - rho)), float(scale * np.sqrt(rho))


def _missed(fit: Fitted, made: Design, masks: np.ndarray) -> tuple[Refits, np.ndarray]:
    """Fits to the rows of every mask (k, n), and by how much each misses all rows (k, n)."""
    fits = _refitted(fit, made, masks * made.weights)
    return fits, fit.loss.link(made.loss) - fits.predict(fits.model(made))[0]


def _refitted(fit: Fitted, made: Design, weights: np.ndarray) -> Refits:
    """The law fitted to parts of the rows, from where it is for all of them."""
    with one_thread():
        return refit(
            fit.law, made, fit.loss, weights, fixed=fit.fixed, params=fit.coordinates.params, coordinates=fit.coordinates,
            seed=fit.seed, warm=fit.t, starts=0, stall=STALL, rounds=ROUNDS,
        )  # fmt: skip


def _columns(kept: list[tuple[str, float, float]]) -> tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]:
    return tuple(k[0] for k in kept), tuple(k[1] for k in kept), tuple(k[2] for k in kept)


def words(found: LeftOut) -> str:
    """What the interval rests on, for the reader."""
    if not found.what:
        return f"delta method times {found.stretch:.2g}: no run can be left out to see how well it is predicted"
    told = ", ".join(f"{what} ({100 * e:.2g} %)" for what, e in zip(found.what, found.error, strict=True))
    return f"calibrated by leaving out {told}; standard deviations are {found.stretch:.2g} times those of the delta method"
