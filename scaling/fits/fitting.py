"""The road from data to a Fit: which rows, what they are to the law, which parameters are free; the engine does the rest."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scaling.design.candidates import unfit
from scaling.design.described import together
from scaling.design.inputs import Design, design, of_columns
from scaling.design.ladders import in_units
from scaling.design.select import select
from scaling.engine.estimate import estimate
from scaling.engine.losses import Loss
from scaling.errors import ArgumentError, FitError, LawError
from scaling.fits.facade import Fit
from scaling.formula import Law, Parameter, Prior, find
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
    made: Design | None = None,
) -> Fit:
    """Fit one law to data; `scaling.fit` says what the arguments are, and chooses the law where none is named.

    Parameters
    ----------
    made : the rows as this very law reads them, where they are known.
    """
    check_seed(seed)
    law, named = of_columns(find(law), data)
    if isinstance(delta, str):
        if delta != "mad":
            raise ArgumentError(f"delta='{delta}' is unknown; give a number, or 'mad' to scale it to the residuals.")
        again = partial(fit, data, law, objective=objective, fixed=fixed, params=params, seed=seed)
        return _scaled_to_residuals(partial(again, where=where, min_step=min_step, top_budgets=top_budgets))
    loss = Loss.parse(objective, delta)
    if law.hooks.facts:
        data = together(data, law)
    if law.over_schedules and isinstance(data, (pd.DataFrame, Mapping)):
        data = Runs.from_frame(pd.DataFrame(data))  # whole schedules, whatever rows are then fitted
    chosen, notes = select(data, where=where, min_step=min_step, top_budgets=top_budgets)
    if isinstance(chosen, Runs):
        law = in_units(law, chosen)
    if made is None:
        made = design(chosen, law, fitting=True, positive=loss.log)
    made = replace(made, notes=(*named, *notes, *made.notes))
    law, fixed, specs = _free(law, fixed or {}, params)
    if not specs:
        raise FitError(f"all parameters of '{law.name}' are fixed; there is nothing to fit.")
    if reason := unfit(law, made, sum(p.prior is None for p in specs)):
        raise FitError(reason)
    _check_shape(law, made)
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
    if not isinstance(fixed, Mapping) or not all(map(_number, fixed.values())):
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
            raise ArgumentError(f"fixed {name}={value} is outside its domain ({d.lo}, {d.hi}).")
    return law, fixed, tuple(p for k, p in specs.items() if k not in fixed)


def _number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


@np.errstate(all="ignore")
def _check_shape(law: Law, made: Design) -> None:
    """Refuse a formula that does not give one value per row."""
    starts = {name: np.float64(p.start) for name, p in law.params.items()}
    shape = np.shape(law(*(made.inputs[name] for name in law.inputs), **starts))
    if shape not in ((), (1,), (len(made),)):
        raise LawError(f"law '{law.name}' gives values of shape {shape} for {len(made)} rows; it must give one per row.")
