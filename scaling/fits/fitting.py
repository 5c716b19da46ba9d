"""The road from data to a Fit: which rows, what they are to the law, which parameters are free; the engine does the rest."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scaling.design.inputs import design, of_columns
from scaling.design.select import select
from scaling.engine.estimate import estimate
from scaling.engine.losses import Loss
from scaling.errors import ArgumentError, FitError
from scaling.fits.facade import Fit
from scaling.formula import ANY_POSITIVE, Law, Parameter, Prior, find
from scaling.logs import Runs
from scaling.words import check_seed


def fit(
    data: Any,
    law: Law | str,
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
    law : a Law, its name, or text with conventions such as ``"annealing:lam=0.995"``.
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
        Unknown law or parameter, unusable data, fewer rows than parameters.
    """
    check_seed(seed)
    law, named = of_columns(find(law), data)
    if isinstance(delta, str):
        if delta != "mad":
            raise ArgumentError(f"delta='{delta}' is unknown; give a number, or 'mad' to scale it to the residuals.")
        again = partial(fit, data, law, objective=objective, fixed=fixed, params=params, seed=seed)
        return _scaled_to_residuals(partial(again, where=where, min_step=min_step, top_budgets=top_budgets))
    loss = Loss.parse(objective, delta)
    if law.over_schedules and isinstance(data, (pd.DataFrame, Mapping)):
        data = Runs.from_frame(pd.DataFrame(data))  # whole schedules, whatever rows are then fitted
    chosen, notes = select(data, where=where, min_step=min_step, top_budgets=top_budgets)
    made = design(chosen, law, fitting=True, positive=loss.log)
    made = replace(made, notes=(*named, *notes, *made.notes))
    law, fixed, specs = _free(law, fixed or {}, params)
    if not specs:
        raise FitError(f"all parameters of '{law.name}' are fixed; there is nothing to fit.")
    if len(made) <= len(specs):
        raise FitError(
            f"need at least {len(specs) + 1} rows to fit {len(specs)} parameters of '{law.name}'; got {len(made)}. "
            "Add runs, or fix parameters."
        )
    for name, x in made.inputs.items():
        if law.ranges.get(name, ANY_POSITIVE).bends:
            continue
        if isinstance(x, np.ndarray) and len(x) and np.ptp(x) <= 1e-12 * np.abs(x).max() and np.any(x):
            raise FitError(
                f"all rows have {name} = {x[0]:.6g}, so '{law.name}' cannot tell its terms apart. "
                f"Add rows with other {name}, or fit a law without it."
            )
    runs = chosen if isinstance(chosen, Runs) else None
    with np.errstate(over="ignore", invalid="ignore"):  # trials far off overflow; their cost is infinite
        starts = any(not isinstance(p, Prior) for p in dict(params or {}).values())
        found = estimate(law, made, loss, fixed, specs, runs=runs, seed=seed, given=starts)
    return Fit.of(found)


def _scaled_to_residuals(refit: Callable[..., Fit]) -> Fit:
    """Refit with delta = 1.4826 median |r| until it changes by less than 1 %."""
    found = refit(delta=1e-2)
    for _ in range(20):
        r = found.loss.link(found.eval()) - found.loss.link(found.design.loss)
        delta = max(1.4826 * float(np.median(np.abs(r))), 1e-12)
        settled = abs(delta / found.loss.delta - 1) < 0.01
        found = refit(delta=delta)
        if settled:
            break
    return found


def _free(law: Law, fixed: Mapping[str, float], params: Any) -> tuple[Law, dict[str, float], tuple[Parameter, ...]]:
    """The law with its ties, which parameters are held, and the specifications of the free ones."""
    named = getattr(params, "values", lambda: [None])()
    if params is not None and not all(isinstance(p, Prior) or hasattr(p, "vary") for p in named):
        raise ArgumentError(
            f"params must be lmfit.Parameters or priors by name, not {type(params).__name__}; use fixed= to hold values."
        )
    law.check_names(params or {})
    given = {name: p for name, p in dict(params or {}).items() if not isinstance(p, Prior)}
    priors = {name: prior for name, p in dict(params or {}).items() if isinstance(prior := getattr(p, "user_data", p), Prior)}
    if tied := {name: p.expr for name, p in given.items() if p.expr}:
        law = law.tie(**tied)
    if not isinstance(fixed, Mapping) or not all(isinstance(v, numbers.Real) for v in fixed.values()):
        raise ArgumentError(f"fixed={fixed!r} must map parameters to numbers, for example {{'alpha': 0.34}}.")
    fixed = {k: float(v) for k, v in fixed.items()}
    law.check_names(fixed)
    specs = dict(law.params)
    for name, p in given.items():
        if not p.expr and not p.vary:
            fixed[name] = float(p.value)
        elif not p.expr:
            d = specs[name].domain
            domain = replace(d, lo=max(d.lo, p.min), hi=min(d.hi, p.max))
            specs[name] = replace(specs[name], domain=domain, start=float(np.clip(p.value, domain.lo, domain.hi)))
    for name in priors.keys() & specs.keys():  # a tied parameter follows others
        start = specs[name].start
        specs[name] = specs[name].known(priors[name])
        if name in given:
            specs[name] = replace(specs[name], start=start)
    for name, value in fixed.items():
        d = law.params[name].domain
        if not d.lo <= value <= d.hi:
            raise FitError(f"fixed {name}={value} is outside its domain ({d.lo}, {d.hi}).")
    return law, fixed, tuple(p for k, p in specs.items() if k not in fixed)
