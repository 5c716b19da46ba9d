"""Which of the smallest rows a chosen law is better fitted without.

Laws are nearly right: what bends them to runs far below those asked for costs forecasts above. Whether it does is seen where
larger rows are held out, by the same cutoffs the law was chosen by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.design.cuts import SAME, Cut
from scaling.design.inputs import Design
from scaling.design.order import WORDS, order
from scaling.engine.estimate import estimate
from scaling.fits import Fit
from scaling.fits.choice import CLOSE
from scaling.intervals.trials import Trial, tried, weights

SHARES = (0.2, 0.4, 0.6)  # of the rows, that may be left out
FEWEST = 5  # rows per parameter that are fitted at least: fewer would trade what a law misses for what it does not know
CUTOFFS = 3  # at which both were tested, at least: of fewer the luckiest would be chosen


@dataclass(frozen=True, eq=False)
class Larger:
    """The rows of a law above a floor, and how it did when fitted to them.

    Attributes
    ----------
    made, trial, tests : the rows, and how the law did on those held out of them, as in a `Contest`.
    floor : ln of the order (compute, size ...) up to which rows are left out. error, before : held-out error without the
        rows below, and with them, at the cutoffs both were put to.
    """

    made: Design
    trial: Trial
    tests: list[Cut]
    floor: float = -np.inf
    error: float = np.nan
    before: float = np.nan

    def refitted(self, fit: Fit, by: str) -> tuple[Fit, list[str]]:
        """The law fitted to the rows above the floor, and a sentence about those left out, if there are any."""
        if self.floor == -np.inf:
            return fit, []
        kept = np.flatnonzero(order(fit.design, by) > self.floor)
        said = (
            f"the smallest {len(fit.design) - len(kept)} of {len(fit.design)} rows by {WORDS.get(by, by)} are left out: with "
            f"them {fit.law.name} is off by {100 * self.before:.2g} % on larger rows held out, without by "
            f"{100 * self.error:.2g} %"
        )
        found = estimate(
            fit.law, fit.design.take(kept), fit.loss, fit.fixed, fit.coordinates.params, runs=fit.runs, seed=fit.seed
        )
        return Fit.of(found), [said]


def larger(fit: Fit, whole: Larger, by: str) -> Larger:
    """The part of the rows whose fit errs least, and clearly less, on larger rows held out; all rows where none does.

    Parameters
    ----------
    fit, whole : the law fitted to all rows, and how it did. by : along what rows were held out.
    """
    o, counts, best = order(whole.made, by), weights(whole.tests), whole
    for share in SHARES:
        floor = float(np.quantile(o, share)) + SAME
        kept = np.flatnonzero(o > floor)
        part, tests = whole.made.take(kept), [cut.take(kept) for cut in whole.tests]
        trial = None if len(kept) < FEWEST * len(fit.t) else tried(
            fit.law, part, fit.loss, tests, fixed=fit.fixed, params=fit.coordinates.params, coordinates=fit.coordinates,
            warm=fit.t[None], seed=fit.seed,
        )  # fmt: skip
        if trial is None or trial.explodes:
            continue
        both = np.isfinite(trial.scores) & np.isfinite(whole.trial.scores)
        if both.sum() >= CUTOFFS:
            error, before = (float(np.average(t.scores[both], weights=counts[both])) for t in (trial, whole.trial))
            if error / before < (best.error / best.before if best is not whole else 1 / CLOSE):
                best = Larger(part, trial, tests, floor, error, before)
    return best
