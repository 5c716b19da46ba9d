"""Which of the smallest rows are better left out, and which law is better fitted to the rest.

Laws are nearly right: what bends them to runs far below those asked for costs forecasts above. Whether it does is seen where
larger rows are held out, by the same cutoffs the law was chosen by. Without these rows another law may do better than any
does with them, so each is tried; most of its constants may need the small rows, so cutoffs that leave it few say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling.design.cuts import SAME, Cut
from scaling.design.inputs import Design
from scaling.design.order import WORDS, order
from scaling.engine.estimate import estimate
from scaling.fits import Fit
from scaling.fits.choice import CLOSE
from scaling.intervals.calibration import along
from scaling.intervals.trials import Trial, tried
from scaling.judging.contest import SURE, Contest, surely
from scaling.words import verb

SHARES = (0.2, 0.4, 0.6)  # of the rows, that may be left out
FEWEST = 5  # rows per parameter that are fitted at least: fewer would trade what a law misses for what it does not know
JUDGED = 4  # rows per parameter from which on a cutoff speaks of such a fit, and not of its few rows
CLEAR = 1.5  # times less that a law must err without the rows: of many tried the luckiest errs less by chance
WITHIN = 3.0  # times the error of the chosen law with all rows, beyond which a law is not tried without some


@dataclass(frozen=True, eq=False)
class Larger:
    """The rows of a law above a floor, and how it did when fitted to them.

    Attributes
    ----------
    label : of the law. made, trial, tests : the rows, and how it did on those held out of them, as in a `Contest`.
    cutoffs : which of the contest's cutoffs these tests are.
    floor : ln of the order (compute, size ...) up to which rows are left out. error, before : held-out error without the
        rows below, and that of the law chosen with all rows, at the cutoffs both were put to.
    """

    label: str
    made: Design
    trial: Trial
    tests: list[Cut]
    cutoffs: np.ndarray
    floor: float = -np.inf
    error: float = np.nan
    before: float = np.nan

    @classmethod
    def whole(cls, found: Contest, label: str) -> Larger:
        """All rows of a law."""
        tests = found.tests[label]
        return cls(label, found.rows[label], found.trials[label], tests, np.arange(len(tests)))

    @property
    def gain(self) -> float:
        """How many times less it errs."""
        return self.before / max(self.error, 1e-300)

    def beside(self, found: Contest) -> list[Trial]:
        """The other laws at the same cutoffs."""
        at, others = self.cutoffs, [trial for label, trial in found.trials.items() if label != self.label]
        return [
            replace(
                trial, fits=trial.fits.take([*at, len(trial.usable)]), usable=trial.usable[at], error=trial.error[at],
                relative=trial.relative[at], sd=trial.sd[at], scores=trial.scores[at],
            )
            for trial in others
        ]  # fmt: skip

    def refitted(self, found: Contest, chosen: str, by: str) -> tuple[Fit, list[str]]:
        """The law fitted to the rows above the floor, and a sentence about those left out, if there are any."""
        fit = found.fits[self.label]
        if self.floor == -np.inf:
            return fit, []
        kept = np.flatnonzero(order(fit.design, by) > self.floor)
        other = "" if self.label == chosen else f"{self.label} "
        n = len(fit.design) - len(kept)
        said = (
            f"the smallest {n} of {len(fit.design)} rows by {WORDS.get(by, by)} {verb(n)} left out: with "
            f"them {chosen} is off by {100 * self.before:.2g} % on larger rows held out, {other}without by "
            f"{100 * self.error:.2g} %"
        )
        again = estimate(
            fit.law, fit.design.take(kept), fit.loss, fit.fixed, fit.coordinates.params, runs=fit.runs, seed=fit.seed
        )
        return Fit.of(again), [said]


def larger(found: Contest, chosen: str, by: str, standard: Sequence[str] = ()) -> Larger:
    """The law and the part of its rows that err least, and clearly less than the chosen law with all rows, on larger rows held
    out; all rows of the chosen law where none does.

    Parameters
    ----------
    chosen : the label of the law. by : along what rows were held out. standard : laws that stay, after the chosen one, where
        others do about as well.
    """
    whole = Larger.whole(found, chosen)
    most = WITHIN * found.error(chosen)
    laws = [k for k, trial in found.trials.items() if not trial.explodes and found.error(k) <= most]
    laws = [k for k in laws if along(found.fits[k].law) == by]
    parts = [part for k in laws for share in SHARES if (part := _above(found, k, share, whole, by)) and part.gain > CLEAR]
    parts = [part for part in parts if _seen(found, whole, part, by)]
    if not parts:
        return whole
    near = [part for part in parts if CLOSE * part.gain >= max(part.gain for part in parts)]
    liked = next((k for k in (chosen, *standard) if any(part.label == k for part in near)), "")
    return max((part for part in near if part.label == liked or not liked), key=lambda part: part.gain)


def _above(found: Contest, label: str, share: float, whole: Larger, by: str) -> Larger | None:
    """A law fitted without a share of the rows; None where too few are left, or no cutoff speaks of both."""
    fit, made = found.fits[label], found.rows[label]
    o = order(made, by)
    floor = float(np.quantile(o, share)) + SAME
    kept = np.flatnonzero(o > floor)
    tests = [cut.take(kept) for cut in found.tests[label]]
    judged = np.flatnonzero([cut.train.sum() >= JUDGED * len(fit.t) for cut in tests])
    if len(kept) < FEWEST * len(fit.t) or not len(judged):
        return None
    part, tests = made.take(kept), [tests[f] for f in judged]
    trial = tried(
        fit.law, part, fit.loss, tests, fixed=fit.fixed, params=fit.coordinates.params, coordinates=fit.coordinates,
        warm=fit.t[None], seed=fit.seed,
    )  # fmt: skip
    if trial is None or trial.explodes:
        return None
    scores, counts = whole.trial.scores[judged], found.counts[judged]
    both = np.isfinite(trial.scores) & np.isfinite(scores)
    if not both.any():
        return None
    error, before = (float(np.average(x[both], weights=counts[both])) for x in (trial.scores, scores))
    return Larger(label, part, trial, tests, judged, floor, error, before)


def _seen(found: Contest, whole: Larger, part: Larger, by: str) -> bool:
    """Is it no chance: of another law at one cutoff after the other, of a single cutoff by more than its rows scatter?"""
    scores = whole.trial.scores[part.cutoffs]
    both = np.flatnonzero(np.isfinite(part.trial.scores) & np.isfinite(scores))
    if len(both) > 1:
        return part.label == whole.label or surely(part.trial.scores, scores, found.counts[part.cutoffs])
    at, f = int(both[0]), int(part.cutoffs[both[0]])
    test = np.flatnonzero(part.tests[at].test)
    named, places = found.places[whole.label], found.places[part.label][order(found.rows[part.label], by) > part.floor]
    sorter = np.argsort(named, kind="stable")
    theirs = sorter[np.searchsorted(named, places[test], sorter=sorter)]  # the same rows, as the other law has them
    less = np.abs(whole.trial.error[f, theirs]) - np.abs(part.trial.error[at, test])
    return len(less) > 1 and float(less.mean()) > SURE * float(less.std(ddof=1)) / np.sqrt(len(less))
