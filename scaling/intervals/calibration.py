"""What was learnt of a fit by holding back some of its data, made once: how far it drifts, or what its rivals say of curves."""

from __future__ import annotations

import numpy as np

from scaling.design.candidates import candidates
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


def _drifting(fit: Fitted, sign: int) -> Drift | None:
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
    if own is None:
        return None
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
    return drift(own, others, tests, made, fit.loss, by, sign)


def calibration(target: Target) -> Calibration:
    """The backtests behind the intervals of a law of steps, made once."""
    fit, sign = target.fit, direction(target)
    return fit.memory.once(
        ("calibration", sign),
        lambda: calibrate(
            fit.law, fit.design, fit.loss, fixed=fit.fixed, params=fit.coordinates.params, seed=fit.seed, sign=sign
        ),
    )
