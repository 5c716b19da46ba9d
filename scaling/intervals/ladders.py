"""Intervals of a law over runs of several sizes: its own errors on the largest, longest and otherwise extreme runs it left out.

Parameter uncertainty grows where the data end, but not as fast as the errors of a law that is only nearly right. So the law is
fitted without the largest size, without the longest runs, without both, and asked for them: by how much it missed, in its
own standard deviations, is what the standard deviations of a forecast are stretched by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from scaling.design.folds import Fold, folds
from scaling.design.inputs import Design
from scaling.engine.fitted import Fitted
from scaling.engine.refit import refit
from scaling.engine.threads import one_thread

ROWS = 6  # of a curve, in a backtest
LATE = 3  # of these, the last, that are asked for
FLOOR = 1e-3  # relative: no law holds better for a run nobody has seen
ASSUMED = 2.0  # stretch where no run can be left out, counted as one backtest


@dataclass(frozen=True, eq=False)
class Backtests:
    """What was left out, how far each was off at the end (mean |error|, relative), and in its own standard deviations (rms).

    stretch : of standard deviations. dof : of the t distribution the forecast is given. sizes : does the law go over sizes? No
    posterior is wide enough beyond them; among peaks and batches of one it is too wide as often, and each of the runs left out
    tells.
    """

    what: tuple[str, ...]
    error: tuple[float, ...]
    scaled: tuple[float, ...]
    runs: int = 0
    sizes: bool = True

    @property
    def stretch(self) -> float:
        found = float(np.sqrt(np.mean([ASSUMED**2 if self.sizes else 1.0, *np.square(self.scaled)])))
        return max(1.0, found) if self.sizes else found

    @property
    def dof(self) -> float:
        return 1.0 + (len(self.what) if self.sizes else self.runs)


def backtests(fit: Fitted) -> Backtests:
    """Refit without parts of the runs, and ask for them."""
    rows = _thinned(fit.design)
    made = fit.design.take(rows)
    parts = folds(made)
    sizes = "N" in fit.law.hooks.facts
    if not parts:
        return Backtests((), (), (), sizes=sizes)
    scale = fit.design.weights.sum() / made.weights.sum()
    weights = np.array([part.train * made.weights * scale for part in parts])
    with one_thread():
        fits = refit(
            fit.law,
            made,
            fit.loss,
            weights,
            fixed=fit.fixed,
            params=fit.coordinates.params,
            seed=fit.seed,
            warm=fit.t,
            starts=0,
        )
        middle, variance = fits.predict(fits.model(made))
    error = fit.loss.link(made.loss) - middle
    kept = [(part, *_missed(part, made, e, v)) for part, e, v, ok in zip(parts, error, variance, fits.ok, strict=True) if ok]
    runs = sum(len(np.unique(made.runs[k[0].test])) for k in kept)
    return Backtests(tuple(k[0].what for k in kept), tuple(k[1] for k in kept), tuple(k[2] for k in kept), runs, sizes)


def _thinned(made: Design) -> np.ndarray:
    """Up to `ROWS` rows of every run, the last included."""
    return np.concatenate(
        [rows[np.unique(np.linspace(0, len(rows) - 1, ROWS).round().astype(int))] for rows in _by_run(made.runs)]
    )


def _by_run(runs: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(runs == code) for code in range(runs.max() + 1)]


def _missed(part: Fold, made: Design, error: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Mean |error| at the ends of the runs left out, and root mean square in standard deviations late in them."""
    ends = [rows[-LATE:] for rows in _by_run(made.runs) if part.test[rows[0]]]
    late = np.concatenate(ends)
    size = np.mean([abs(error[rows[-1]]) for rows in ends])
    return float(size), float(np.sqrt(np.mean(error[late] ** 2 / (variance[late] + FLOOR**2))))


def ends(fit: Fitted, middle: np.ndarray, deviation: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, str]:
    """Ends (n,) of the interval in the objective's units, and what it rests on.

    Parameters
    ----------
    middle, deviation (n,) : the prediction and its standard deviation by the delta method, in the objective's units.
    """
    found = fit.memory.once("folds", lambda: backtests(fit))
    sd = np.sqrt(found.stretch**2 * (deviation**2 + fit.cov.noise**2 + FLOOR**2))
    half = student.ppf(0.5 + level / 2, found.dof) * sd
    return middle - half, middle + half, words(found)


def words(found: Backtests) -> str:
    """What the interval rests on, for the reader."""
    if not found.what:
        return f"delta method times {found.stretch:.2g}: no size or length can be left out to see how well it is predicted"
    told = ", ".join(f"{what} ({100 * e:.2g} %)" for what, e in zip(found.what, found.error, strict=True))
    return f"calibrated by leaving out {told}; standard deviations are {found.stretch:.2g} times those of the delta method"
