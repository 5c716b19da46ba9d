"""Fit a law: seeds from a grid, second-order solver from each, then a verdict."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from scaling.errors import FitError
from scaling.fitting import model as models
from scaling.fitting.bins import binned
from scaling.fitting.design import Design, design
from scaling.fitting.diagnostics import judge
from scaling.fitting.losses import Loss
from scaling.fitting.result import Fit
from scaling.fitting.select import select
from scaling.fitting.solver import Solution, minimise, polish
from scaling.fitting.starts import seeds
from scaling.fitting.uncertainty import covariance
from scaling.formula import Law
from scaling.laws import find
from scaling.logs import Runs
from scaling.ties import resolve

STARTS, FEW = 8, 7  # starts for laws of up to FEW parameters; each further one multiplies the basins
# parameters beyond which scattered starts are far from everything, and those from a simpler law are what counts
MANY = 12
CROWD = 24  # parameters beyond which the valley's end is a matter of patience, and the verdict says so
ROUGH, FINE = 2e-2, 2e-3  # gain in 20 iterations below which a crowd goes no further: as a start, as a result
GRID_ROWS, SEARCH_ROWS = 96, 256  # rows enough to rank starts and to find basins; the optimum itself uses all rows
SAME = 1e-6  # relative difference of objectives below which two starts reached the same optimum


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
        "log_student_t", "log_one_sided", and the same without "log_" for prediction - loss; see `fitting.losses.Loss`.
    delta : threshold of the robust losses, in the units of the residual; "mad" for one robust standard deviation of the
        residuals, found by refitting until it settles.
    fixed : parameters held at given values.
    params : lmfit.Parameters; their bounds, expr, and values of those with vary=False are honoured, other values are
        tried as starts beside our own.
    seed : of the start grid, where it is random (three or more non-linear parameters).
    where, min_step, top_budgets : which rows are fitted: a pandas query, a first step, the k largest compute budgets.
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
    law = _over_domains(find(law), data)
    if isinstance(delta, str):
        if delta != "mad":
            raise FitError(f"delta='{delta}' is unknown; give a number, or 'mad' to scale it to the residuals.")
        return _scaled_to_residuals(
            lambda delta: fit(
                data,
                law,
                objective=objective,
                delta=delta,
                fixed=fixed,
                params=params,
                seed=seed,
                where=where,
                min_step=min_step,
                top_budgets=top_budgets,
            )
        )
    loss = Loss.parse(objective, delta)
    if "features" in law.hooks and isinstance(data, (pd.DataFrame, Mapping)):
        data = Runs.from_frame(pd.DataFrame(data))  # whole schedules, whatever rows are then fitted
    chosen, notes = select(data, where=where, min_step=min_step, top_budgets=top_budgets)
    made = design(chosen, law, fitting=True, positive=loss.log)
    made = replace(made, notes=(*notes, *made.notes))
    law, fixed, specs = _free(law, fixed, params)
    if not specs:
        raise FitError(f"all parameters of '{law.name}' are fixed; there is nothing to fit.")
    if len(made) <= len(specs):
        raise FitError(
            f"need at least {len(specs) + 1} rows to fit {len(specs)} parameters of '{law.name}'; got {len(made)}. "
            "Add runs, or fix parameters."
        )
    for name, x in made.inputs.items():
        if name.partition("_")[0] == "U":  # how many unique tokens there are bends D, and may well be one number
            continue
        if isinstance(x, np.ndarray) and len(x) and np.ptp(x) <= 1e-12 * np.abs(x).max() and np.any(x):
            raise FitError(
                f"all rows have {name} = {x[0]:.6g}, so '{law.name}' cannot tell its terms apart. "
                f"Add rows with other {name}, or fit a law without it."
            )
    with threadpool_limits(1):
        return _fit(chosen, law, made, loss, fixed, specs, seed, params is not None)


def _over_domains(law: Law, data: Any) -> Law:
    """A mixture law that was named without its domains takes those the data have columns for (h_web, h_code, ...)."""
    if law.layout is None or law is not find(law.name):
        return law
    frame = data.joined() if isinstance(data, Runs) else data
    domains = law.layout.found_in([str(c) for c in frame]) if isinstance(frame, (Mapping, pd.DataFrame)) else ()
    return law.using(domains=domains) if domains else law


def _scaled_to_residuals(refit) -> Fit:
    """Refit with delta = 1.4826 median |r| until it changes by less than 1 %."""
    found = refit(1e-2)
    for _ in range(20):
        made = found.design
        r = found.loss.link(found.law(*made.inputs.values(), **found.values)) - found.loss.link(made.loss)
        delta = max(1.4826 * float(np.median(np.abs(r))), 1e-12)
        settled = abs(delta / found.loss.delta - 1) < 0.01
        found = refit(delta)
        if settled:
            break
    return found


def _free(law: Law, fixed, params) -> tuple[Law, dict[str, float], tuple]:
    """The law with its ties, which parameters are held, and the specifications of the free ones."""
    if params is not None and not all(hasattr(p, "vary") for p in getattr(params, "values", lambda: [None])()):
        raise FitError(f"params must be lmfit.Parameters, not {type(params).__name__}; use fixed= to hold values.")
    law.check_names(params or {})
    if tied := {name: p.expr for name, p in (params or {}).items() if p.expr}:
        law = law.tie(**tied)
    if not isinstance(fixed or {}, Mapping) or not all(isinstance(v, numbers.Real) for v in (fixed or {}).values()):
        raise FitError(f"fixed={fixed!r} must map parameters to numbers, for example {{'alpha': 0.34}}.")
    fixed = {k: float(v) for k, v in (fixed or {}).items()}
    law.check_names(fixed)
    specs = dict(law.params)
    for name, p in (params or {}).items():
        if p.expr:
            continue
        if not p.vary:
            fixed[name] = float(p.value)
        else:
            d = specs[name].domain
            domain = replace(d, lo=max(d.lo, p.min), hi=min(d.hi, p.max))
            specs[name] = replace(specs[name], domain=domain, start=float(np.clip(p.value, domain.lo, domain.hi)))
    for name, value in fixed.items():
        d = law.params[name].domain
        if not d.lo <= value <= d.hi:
            raise FitError(f"fixed {name}={value} is outside its domain ({d.lo}, {d.hi}).")
    return law, fixed, tuple(p for k, p in specs.items() if k not in fixed)


def _fit(data, law, made: Design, loss, fixed, specs, seed, given: bool) -> Fit:
    y = loss.link(made.loss)
    model = models.build(law, specs, made.inputs, fixed, loss)

    short = binned(made)
    made = replace(made, notes=short.notes)

    def thinned(rows: int):
        few = short if len(short) <= rows else short.take(np.linspace(0, len(short) - 1, rows).round().astype(int))
        return few, model if len(few) == len(made) else models.build(
            law, specs, few.inputs, fixed, loss, frame=model.frame
        )

    few, coarse = thinned(GRID_ROWS)
    start = _starts(law, coarse, few, loss, specs, seed, given)
    many, crowd = len(specs) > MANY, len(specs) > CROWD
    if not len(start):
        raise FitError(
            f"no start of '{law.name}' gives a finite objective on these data; check units and signs of the inputs."
        )
    few, search = thinned(SEARCH_ROWS if model.cheap_second else SEARCH_ROWS // 2)
    # a narrow robust loss has few rows inside its threshold, too few to lead many parameters anywhere: first least squares
    wide = replace(loss, name="squares") if many else loss
    found = minimise(search, loss.link(few.loss), start, few.weights, wide, stall=ROUGH * crowd)
    rounding = made.weights.sum() * (1e-13 * max(1.0, np.abs(y).max())) ** 2
    order = _best_first(found, rounding)
    best = found.cost[order[0]]
    near = found.cost <= best * (1 + SAME) + rounding
    others = found.cost[~near]
    iterations = int(found.iterations.sum())
    if len(few) < len(made) or many:
        ends = _distinct(found, order)
        if many and len(ends) > 1:  # a few steps on all rows show which one to follow
            race = minimise(model, y, ends, made.weights, loss, damping=1e-3, max_iter=10 if crowd else 20)
            ends, iterations = race.t[[race.cost.argmin()]], iterations + int(race.iterations.sum())
        found = minimise(model, y, ends, made.weights, loss, damping=1e-3, stall=FINE * crowd)
        iterations += int(found.iterations.sum())
        order = _best_first(found, rounding)
    winner = order[0]
    t, cost = found.t[winner], float(found.cost[winner])
    converged = bool(found.converged[winner])
    if loss.name == "squares":
        t, cost, settled = polish(model, y, t, made.weights, loss)
        converged |= settled
    frame = model.frame
    theta = frame.to_params(t)
    at_bound = (t <= frame.lower) | (t >= frame.upper)
    # a scale that shrinks without limit is a term the data do not show, not a bound
    gone = frame.logs & (t < -25)
    # an exponent of such a term has nothing left to act on, wherever it ended
    idle = gone | (np.abs(models.at(model, t)[1]).max(1) < 1e-12 * np.abs(made.loss).min())
    cov = covariance(model, t, y, made.weights, loss, made.runs, at_bound | idle)
    names = np.array(frame.names)
    values = resolve(law.ties, {**law.held, **fixed, **dict(zip(frame.names, map(float, theta), strict=True))})
    values = {k: float(values[k]) for k in (*law.params, *law.ties)}
    verdict = judge(
        law,
        made,
        values,
        cov,
        converged=converged,
        agree=int(near.sum()),
        tried=len(start),
        rival=float(others.min() / best - 1) if len(others) and best > 0 else np.inf,
        at_bound=tuple(names[at_bound & ~idle]),
        vanished=tuple(names[gone]),
        idle=tuple(names[idle & ~gone]) if not gone.any() else (),
        iterations=iterations,
        explained=_explained(made, y, cost, loss, len(specs)),
    )
    return Fit(
        law=law,
        values=values,
        objective=cost * loss.scale,
        loss=loss,
        fixed=fixed,
        frame=frame,
        t=t,
        cov=cov,
        verdict=verdict,
        design=made,
        runs=data if isinstance(data, Runs) else None,
        seed=seed,
    )


def _starts(law: Law, model, few: Design, loss: Loss, specs, seed: int, given: bool) -> np.ndarray:
    """The best nodes of a grid, and what simpler laws say; with many parameters the latter alone, where there are any."""
    nested = _simpler(law, few, loss, specs, model.frame, seed)
    if len(specs) > MANY and len(nested):
        return nested
    keep = STARTS if len(specs) <= FEW else 3 * len(specs)
    return np.concatenate([seeds(model, loss.link(few.loss), few.loss, few.weights, loss, keep, seed, given), nested])


def _simpler(law: Law, few: Design, loss: Loss, specs, frame, seed: int) -> np.ndarray:
    """Starts that say what the best fit of a simpler law says, where the law declares one it contains."""
    if (hook := law.hooks.get("contains")) is None:
        return np.empty((0, len(specs)))
    simple = find(law.simpler[0])
    if simple.layout is not None and law.layout is not None:
        simple = simple.using(domains=law.layout.domains)
    inputs = {k: few.inputs[k] for k in simple.inputs}
    part = Design(few.frame, inputs, few.loss, few.weights)
    params = tuple(simple.params.values())
    model, y = models.build(simple, params, inputs, {}, loss), loss.link(few.loss)
    start = _starts(simple, model, part, loss, params, seed, False)
    if not len(start):
        return np.empty((0, len(specs)))
    found = minimise(model, y, start, few.weights, loss, max_iter=40, stall=ROUGH)
    best = dict(zip(model.frame.names, model.frame.to_params(found.t[found.cost.argmin()]), strict=True))
    rows = [[values[p.name] for p in specs] for values in hook(*few.inputs.values(), **best)]
    return frame.from_params(np.array(rows, float)) if rows else np.empty((0, len(specs)))


def _explained(made: Design, y: np.ndarray, cost: float, loss: Loss, p: int) -> float:
    """Share of the objective of the best constant that the law does away with, both per degree of freedom."""
    order = np.argsort(y)
    half = np.searchsorted(np.cumsum(made.weights[order]), made.weights.sum() / 2)
    constant = y[order[min(half, len(y) - 1)]]
    rows = made.weights.sum()
    spread = (made.weights * loss.value(constant - y)).sum() / max(rows - 1, 1.0)
    return float(1 - cost / max(rows - p, 1.0) / spread) if spread > 1e-24 else 0.0


def _best_first(found: Solution, rounding: float) -> np.ndarray:
    """Order by objective; among equals an earlier start wins, so that exchangeable terms keep the user's order."""
    best = found.cost.min()
    tied = found.cost <= best * (1 + 1e-9) + rounding
    return np.lexsort([np.where(tied, best, found.cost)])


def _distinct(found: Solution, order: np.ndarray) -> np.ndarray:
    """Up to three different optima, best first."""
    ends: list[int] = []
    for i in order:
        if np.isfinite(found.cost[i]) and all(abs(found.cost[i] - found.cost[j]) > SAME * found.cost[j] for j in ends):
            ends.append(i)
    return found.t[ends[:3]]
