"""Which of several judged laws a table speaks for: the one the field uses, unless another is clearly better and seen to be."""

from __future__ import annotations

import pandas as pd

from scaling.engine.verdict.examine import FURTHER
from scaling.engine.verdict.near import ahead
from scaling.errors import ScalingError
from scaling.fits import Fit
from scaling.fits.choice import CLOSE
from scaling.intervals.drift import STABLE
from scaling.intervals.trials import PLAIN, needed
from scaling.judging.contest import DIGITS, Contest, surely
from scaling.judging.larger import FEWEST
from scaling.words import listed

STANDARD = ("chinchilla",)  # laws the field quotes results in: they stay unless another is clearly better
ALIKE = 2.0  # times the scatter around the chosen law, up to which another fits the rows about as well


def preferred(found: Contest) -> tuple[str, list[str]]:
    """The law that is fitted, and what is told of those that are not.

    A law that could not be judged is not beaten by that: if it is the standard one, it stays.
    """
    order, said = sorted(found.trials, key=found.error), list[str]()
    exploding = [label for label in order if found.trials[label].explodes]
    if exploding:
        said.append(f"{listed(exploding)} explode: beyond the data the law rises where runs grow, so it is not chosen")
    sound = [label for label in order if label not in exploding]
    if standard := next((k for k in STANDARD if k in found.fits and k not in exploding), ""):
        if standard not in found.trials:
            return standard, [*said, *([f"{standard} stays: it could not be put to the test"] if order else [])]
        better = (k for k in sound if not unproven(found, k) and clearly(found, k, standard))
        return next(better, standard), said
    proven = [label for label in sound if not unproven(found, label)]
    fewest = min(found.fits, key=lambda k: (k not in STANDARD, len(found.fits[k].t)))
    return next(iter([*proven, *sound]), fewest), said


def clearly(found: Contest, one: str, other: str) -> bool:
    """Does a law err less than another by a factor, and at one cutoff after the other?"""
    mine, theirs = found.trials[one].scores, found.trials[other].scores
    factor = found.error(other) > max(CLOSE * found.error(one), DIGITS)
    return factor and surely(mine, theirs, found.counts)


def unproven(found: Contest, label: str) -> bool:
    """Has a law parameters at a bound, and too few backtests to show that its forecasts hold all the same; or so many
    parameters that it passes close to these rows whatever they are?"""
    fit, trial = found.fits[label], found.trials[label]
    bound = len(fit.verdict.at_bound) and trial.usable.sum() < STABLE
    return bool(bound) or (len(fit.t) > PLAIN and len(trial.made) < FEWEST * len(fit.t))


def untested(found: Contest, chosen: str, fit: Fit) -> str:
    """What speaks against a choice between laws of which rows are too few to hold some back; "" where it matters not.

    It matters where the forecast of a larger run by another law, which fits the rows about as well, leaves the interval.
    """
    most = max((int(cut.train.sum()) for tests in found.tests.values() for cut in tests), default=0)
    others = {}
    for label, other in found.fits.items():
        few = label not in found.trials and needed(len(other.t)) > most
        if label != chosen and len(other.t) <= PLAIN and (few or chosen not in found.trials):
            others[label] = other
    at = ahead(fit.law, fit.design, FURTHER) if others else None
    if at is None:
        return ""
    asked = pd.DataFrame({str(fit.law.conventions.get(name, name)): x for name, x in at.items()})
    own, apart = fit.predict(asked).iloc[0], {}
    for label, other in others.items():
        if other.cov.noise > ALIKE * fit.cov.noise:
            continue
        try:
            value = float(other.predict(asked, interval="delta")["prediction"].iloc[0])
        except ScalingError:  # a law of what the chosen one does not take
            continue
        if value < own["lower"] or value > own["upper"]:
            apart[label] = abs(value / own["prediction"] - 1)
    if not apart:
        return ""
    return (
        f"the rows are too few to hold some back and choose between laws by them, and it matters: of a {FURTHER:g}x larger run "
        f"{listed([*apart])} say up to {100 * max(apart.values()):.2g} % else, outside the interval; add runs"
    )
