"""What was learnt of a fit by holding back some of its data, made once: how far it drifts, and what laws beside it say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scaling.design.candidates import candidates
from scaling.design.cuts import Cut, cuts
from scaling.design.inputs import Design
from scaling.design.order import measures, natural_order, order
from scaling.engine.fitted import Fitted
from scaling.engine.losses import Loss
from scaling.errors import OF_A_FORMULA, ScalingError
from scaling.formula import Law
from scaling.intervals.drift import Drift, drift
from scaling.intervals.target import Target
from scaling.intervals.trials import Trial, aligned, splits, thinned, tried
from scaling.waits import steps

ALIKE = 1.1  # ratio of rows below which two cutoffs nearly coincide


def along(law: Law) -> str | None:
    """Along what a law of sizes, tokens or compute drifts; None for laws of curves, and where its rows have no order."""
    by = natural_order(law)
    return None if by == "step" or law.over_schedules else by


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
    by = along(fit.law)
    try:
        if by is None:
            return None
        rows = telling(fit, by, sign)
        if not len(tests := splits(made := fit.design.take(rows[thinned(len(rows))]), by, sign)):
            return None
    except ScalingError:  # inputs that are not positive have no such order
        return None
    own = tried(
        fit.law, made, fit.loss, tests, fixed=fit.fixed, params=fit.coordinates.params, coordinates=fit.coordinates,
        warm=fit.t[None], seed=fit.seed,
    )  # fmt: skip
    return None if own is None else Backtested(made, order(made, by), tests, own)


def telling(fit: Fitted, by: str, sign: int = 1) -> np.ndarray:
    """Rows (k,) that tell how a law drifts: those that belong, as a bad one would pass for drift. All, where several that do
    not belong lie beyond all others: something else begins there."""
    every, strange = np.arange(len(fit.design)), fit.findings.strange
    kept = np.setdiff1d(every, strange)
    if len(strange) > 1 and len(kept):
        at = sign * measures(fit.design, by)
        if (at[:, strange].min(axis=1) > at[:, kept].max(axis=1)).any():
            return every
    return kept


def _drifting(fit: Fitted, sign: int) -> Drift | None:
    if (own := own_trial(fit, sign)) is None:
        return None
    others = beside(fit.law, own.made, fit.loss, own.tests, fit.seed)
    return drift(own.trial, others, own.tests, own.made, fit.loss, str(along(fit.law)), sign)


def beside(law: Law, made: Design, loss: Loss, tests: list[Cut], seed: int) -> list[Trial]:
    """The other laws that the columns allow, put to the same tests as a law."""
    others: list[Trial] = []
    said = {i: law.conventions.get(i) for i in law.inputs}  # the only input, where the law read it from a column
    frame = made.frame.drop(columns=[i for i, column in said.items() if column != i and column in made.frame])
    for other in steps(candidates(frame, positive=loss.log).laws, "calibrating"):
        theirs = aligned(made, frame, other)
        if theirs is not None and other.name != law.name:
            try:
                trial = tried(other, theirs, loss, tests, seed=seed)
            except (ScalingError, *OF_A_FORMULA):  # a law that cannot be asked says nothing
                continue
            others += [] if trial is None else [trial]
    return others


def anew(law: Law, made: Design, loss: Loss, tests: list[Cut], by: str, seed: int) -> list[Drift | None]:
    """What would have been learnt from the rows fitted at every cutoff alone; None where they are too few for a backtest."""
    kept = thinned(len(made))
    used, outer = made.take(kept), [cut.take(kept) for cut in tests]
    known, below = _shared(outer, order(used, by))
    own = tried(law, used, loss, known, seed=seed)
    others = [] if own is None else beside(law, used, loss, known, seed)
    found: list[Drift | None] = []
    for f, inner in enumerate(below):
        rows = np.flatnonzero(known[f].train)
        parts = [known[k].take(rows) for k in inner]
        mine, *theirs = (trial and trial.within(rows, f, inner, parts) for trial in (own, *others))
        usable = mine is not None and mine.usable.any()
        found.append(drift(mine, [t for t in theirs if t], parts, used.take(rows), loss, by) if mine and usable else None)
    return found


def _shared(outer: list[Cut], o: np.ndarray) -> tuple[list[Cut], list[list[int]]]:
    """Cutoffs along the order o (n,), the given ones first, and which of them lie where the rows below each of these would be
    parted; those that nearly coincide are one, so that few parts are fitted."""
    known, below = list(outer), []
    for cut in outer:
        rows, chosen = np.flatnonzero(cut.train), []
        for part in cuts(o[rows]):
            n, sizes = part.train.sum(), [one.train.sum() for one in known]
            near = [k for k, m in enumerate(sizes) if n <= ALIKE * m and m <= ALIKE * n and m < len(rows)]
            if not near:
                train = np.isin(np.arange(len(o)), rows[part.train])
                near = [len(known)]
                known.append(replace(part, train=train, test=~train, distance=o - o[train].max()))
            chosen += [near[0]] * (near[0] not in chosen)
        below.append(chosen)
    return known, below
