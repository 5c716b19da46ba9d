"""What was learnt of a fit by holding back some of its data, made once: how far it drifts, or what its rivals say of curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.design.candidates import candidates
from scaling.design.cuts import Cut
from scaling.design.inputs import Design
from scaling.design.order import natural_order, order
from scaling.engine.fitted import Fitted
from scaling.errors import OF_A_FORMULA, ScalingError
from scaling.intervals.calibrate import Calibration, calibrate
from scaling.intervals.drift import Drift, drift
from scaling.intervals.target import Target
from scaling.intervals.trials import Trial, aligned, splits, thinned, tried
from scaling.waits import steps


def along(fit: Fitted) -> str | None:
    """Along what a law of sizes, tokens or compute drifts; None for laws of curves, and where its rows have no order."""
    by = natural_order(fit.law)
    return None if by == "step" or fit.law.over_schedules else by


def direction(target: Target) -> int:
    """-1 where most of the target lies below the data, so that backtests must run downwards, else 1."""
    by = natural_order(target.fit.law)
    if by is None:
        return 1
    return -1 if np.median(order(target.rows, by)) < order(target.fit.design, by).min() else 1


def drifting(fit: Fitted, sign: int = 1) -> Drift | None:
    """The drift of a fit and of the laws beside it, measured once; None where it has none or its rows have no order."""
    return fit.memory.once(("drift", sign), lambda: _drifting(fit, sign))


@dataclass(frozen=True, eq=False)
class Backtested:
    """A fit's own backtests: the rows (those of `made`) by their order (n,), the tests, and how its law did."""

    made: Design
    order: np.ndarray
    tests: list[Cut]
    trial: Trial


def own_trial(fit: Fitted, sign: int = 1) -> Backtested | None:
    """The backtests of a fit's own law, made once; None where it has none or its rows have no order."""
    return fit.memory.once(("trial", sign), lambda: _own_trial(fit, sign))


def _own_trial(fit: Fitted, sign: int) -> Backtested | None:
    by = along(fit)
    try:
        if by is None or not len(tests := splits(made := fit.design.take(thinned(len(fit.design))), by, sign)):
            return None
    except ScalingError:  # inputs that are not positive have no such order
        return None
    own = tried(
        fit.law, made, fit.loss, tests, fixed=fit.fixed, params=fit.coordinates.params, coordinates=fit.coordinates,
        warm=fit.t[None], seed=fit.seed,
    )  # fmt: skip
    return None if own is None else Backtested(made, order(made, by), tests, own)


def _drifting(fit: Fitted, sign: int) -> Drift | None:
    if (own := own_trial(fit, sign)) is None:
        return None
    made, tests = own.made, own.tests
    others: list[Trial] = []
    said = {i: fit.law.conventions.get(i) for i in fit.law.inputs}  # the only input, where the law read it from a column
    frame = fit.design.frame.drop(columns=[i for i, column in said.items() if column != i and column in fit.design.frame])
    for law in steps(candidates(frame, positive=fit.loss.log).laws, "calibrating"):
        theirs = aligned(made, frame, law)
        if theirs is not None and law.name != fit.law.name:
            try:
                trial = tried(law, theirs, fit.loss, tests, seed=fit.seed)
            except (ScalingError, *OF_A_FORMULA):  # a law that cannot be asked says nothing
                continue
            others += [] if trial is None else [trial]
    return drift(own.trial, others, tests, made, fit.loss, str(along(fit)), sign)


def calibration(target: Target) -> Calibration:
    """The backtests behind the intervals of a law of steps, made once."""
    fit, sign = target.fit, direction(target)
    return fit.memory.once(
        ("calibration", sign),
        lambda: calibrate(
            fit.law, fit.design, fit.loss, fixed=fit.fixed, params=fit.coordinates.params, seed=fit.seed, sign=sign
        ),
    )
