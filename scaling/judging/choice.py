"""law="auto": the law that forecasts best on the data's own large end, and what it was chosen from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scaling.design.candidates import Candidates, built_once, candidates
from scaling.design.select import select
from scaling.engine.verdict.judgement import settled
from scaling.errors import ArgumentError, FitError
from scaling.fits import Fit, fitting
from scaling.fits.choice import BESIDE, Choice
from scaling.formula import Law
from scaling.intervals.calibration import along, drifting, telling
from scaling.intervals.drift import drift
from scaling.intervals.trust import HELD
from scaling.judging.comparison import judged, none_fits
from scaling.judging.contest import DIGITS, Contest, contest
from scaling.judging.larger import Larger, larger
from scaling.judging.preference import STANDARD, preferred, untested
from scaling.words import check_seed

AUTO = "auto"


def fit(
    data: Any,
    law: Law | str = AUTO,
    *,
    objective: str = "log_huber",
    delta: float | str = 1e-3,
    fixed: Mapping[str, float] | None = None,
    params: Any = None,
    seed: int = 0,
    where: str | None = None,
    min_step: int | None = None,
    top_budgets: int | None = None,
) -> Fit:
    """Fit a law to data, globally and from no user start.

    Parameters
    ----------
    data : Runs, or a DataFrame with the law's inputs and ``loss`` (for schedule laws: ``step``, ``lr``, ``loss``, and
        ``run`` if there are several). Optional: ``weight`` counts rows, ``loss_se`` is the standard error of a loss.
    law : a Law, its name, or text with conventions such as ``"annealing:lam=0.995"``. "auto": of all laws of the loss that the
        columns allow the one that errs least on rows held out toward the large end, chinchilla unless another errs clearly
        less; ``fit.choice`` says how they did.
    objective : summed over rows: "log_huber" (Huber loss of ln prediction - ln loss), "log_squares", "log_soft_l1",
        "log_student_t", "log_one_sided", and the same without "log_" for prediction - loss; see `engine.losses.Loss`.
    delta : threshold of the robust losses, in the units of the residual; "mad" for one robust standard deviation of the
        residuals, found by refitting until it settles.
    fixed : parameters held at given values.
    params : lmfit.Parameters; their bounds, expr, and values of those with vary=False are honoured, other values are
        tried as starts beside our own. Or, and as their user_data, a `scaling.formula.Prior` of some parameters by name, in
        place of the law's own: ``{"eta_0": Prior(0.003, 0.5)}``; one of infinite sd takes the law's away.
    seed : of the start grid, where it is random (three or more non-linear parameters).
    where, min_step, top_budgets : which rows are fitted: a condition on columns, a first step, the k largest compute budgets.
        Rows inside the warm-up are never fitted by schedule laws. The choice is reported with the result.

    Returns
    -------
    Fit
        Verdict first: ``fit.ok``, ``fit.warnings``; then ``fit.values``, ``fit.predict(...)``.

    Raises
    ------
    LawError, DataError, FitError
        Unknown law or parameter, unusable data, fewer rows than parameters, no law that the columns allow.
    """
    if law != AUTO:
        return fitting.fit(
            data, law, objective=objective, delta=delta, fixed=fixed, params=params, seed=seed, where=where,
            min_step=min_step, top_budgets=top_budgets,
        )  # fmt: skip
    check_seed(seed)
    if fixed or params is not None:
        raise ArgumentError("fixed= and params= hold parameters of one law; say which: law='chinchilla'.")
    chosen, notes = select(data, where=where, min_step=min_step, top_budgets=top_budgets)
    chosen = built_once(chosen)
    allowed = candidates(chosen, positive=objective.startswith("log"))
    if not allowed.laws:
        raise FitError(none_fits(allowed.absent))
    found = contest(chosen, allowed.laws, None, objective=objective, delta=delta, seed=seed, designs=allowed.designs)
    return chosen_of(found, allowed, notes, whole=where is not None or min_step is not None or top_budgets is not None)


def chosen_of(found: Contest, allowed: Candidates, notes: list[str], *, whole: bool = False) -> Fit:
    """The fit of the law that won, which remembers how the others did; to all rows where `whole`, else without the smallest
    where they did harm."""
    order = sorted(found.trials, key=found.error)
    label, told = preferred(found)
    said = [*(f"{k}: {reason}" for k, reason in found.reasons.items() if order), *told]
    if allowed.over_curves:
        said.append(
            f"each curve counts by its end; all of it is fitted by {' or '.join(map(repr, allowed.over_curves))}, by name"
        )
    if allowed.unused:
        said.append(allowed.unheeded())
    rows = judged(found) if order else {}
    beside = {name: tuple(rows[k][column] for k in order) for name, column in BESIDE.items()}
    errors = tuple(found.error(k) for k in order)
    if (sure := found.determined(label)) != label:
        said.append(f"{label} forecasts as well, but its fit is not to be trusted: {found.fits[label].verdict.failures[0]}")
        label = sure
    fit, by = found.fits[label], along(found.fits[label].law)
    part = None
    if label in found.trials and by is not None and by == found.by:
        if whole or found.error(label) <= DIGITS:
            part = Larger.whole(found, label)
        else:
            part = larger(found, label, by, STANDARD)
            fit, without = part.refitted(found, label, by)
            label, said = part.label, [*without, *said]
    sound = [k for k in order if not found.trials[k].explodes]
    rival = next((k for k in sound if k != label), "") if label in found.trials else ""
    difference, se = found.apart(rival, label) if rival else (np.nan, np.nan)
    choice = Choice(tuple(order), errors, label, rival, difference, se, found.holdout, (*notes, *said), **beside)
    fit = fit.chosen(choice)
    if part is not None and by is not None:
        if len(telling(fit, by)) == len(fit.design):  # the same tests make its intervals
            others, counts = part.beside(found), found.counts[part.cutoffs]
            fit.memory.once(("drift", 1), lambda: drift(part.trial, others, part.tests, part.made, fit.loss, by, counts=counts))
        own = drifting(fit)
        if own is not None and own.stable:  # what lies at an edge did no harm
            fit = replace(fit, verdict=settled(fit.verdict, HELD))
    if doubt := untested(found, label, fit):
        fit = replace(fit, verdict=replace(fit.verdict, failures=(*fit.verdict.failures, doubt)))
    return fit
