"""What to train with a budget: size, tokens, loss, and how much freedom there is around the optimum."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scaling.counting import PARAMETERS, Shape, counted, named_in
from scaling.design.inputs import design
from scaling.errors import ArgumentError, FitError, LawError
from scaling.fits import Fit
from scaling.formula import Law, Published, constants
from scaling.intervals.distance import extrapolation
from scaling.numerics import root
from scaling.papers.configuration_quadratic import LEVEL, best_by
from scaling.planning import asked
from scaling.planning.beside import beside
from scaling.planning.ladders import plan_runs
from scaling.planning.movement import Movement
from scaling.planning.rates import recommended
from scaling.planning.repeats import MIXED, Pool, epochs, fresh
from scaling.planning.surface import COSTS, Budget, Surface

FEW = 32  # sets of parameters of which all budgets are solved at once
ON = 1e-6  # what is off a line of sizes and tokens by less (ln) is on it
OPEN = "where the best size lies these runs do not say: "
FLAT = 1e-3  # a loss within this fraction of the best counts as equally good


def plan(
    source: Fit | Published | str, flops: float | Sequence[float] | None = None, *,
    loss: float | None = None, N: float | None = None, D: float | None = None,
    served: float = 0.0, unique: float | Mapping[str, float] | None = None, shares: Mapping[str, float] | None = None,
    rates: str | None = None,
    level: float = 0.9, interval: str = "calibrated", replicates: int = 400, seed: int = 0,
    inputs: Mapping[str, float] | None = None, counts: str | None = None, shape: Shape | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The best size and number of tokens for a budget, or the cheapest run that reaches a loss.

    Parameters
    ----------
    source : a Fit; constants such as ``laws["chinchilla"].published["besiroglu2024"]``; or their name as text,
        ``"chinchilla/besiroglu2024"``. The law must be one over N and D (or N and M = D / N), or `ladder`, for which the plan
        also chooses the schedule, with batch and peak as usual for the size.
    flops : compute of the run, or several: one row each. C = 6 N D, plus 2 N per token served.
    loss : instead of flops: the loss to reach as cheaply as possible.
    N, D : hold the size or the tokens. With `flops` the other follows from the budget, and the row says what that costs;
        alone they ask for the budget at which this size, or these tokens, are optimal.
    served : tokens the model will be asked for after training.
    unique : unique tokens there are, for laws that know what repetition is worth (data_constrained, data_constrained_2); also
        by domain, ``{"web": 3e11, "code": 2e10}``. shares : of the training tokens that come from each domain; in proportion
        to their unique tokens if not given, so that all repeat alike.
    rates : name of published rules for learning rate and batch ("li2025", "deepseek2024"): adds `lr` and `batch_tokens`.
        Rules count parameters or FLOP in their own way; the plan converts with `shape`, or refuses.
    level, interval : of the intervals, which only a Fit can have. "calibrated": by how the optimum moved where budgets were
        held back, how laws usually drift, what other laws say, and the bootstrap; or "bootstrap" alone: the law as exact.
    replicates, seed : of the bootstrap.
    inputs : values of further inputs of the law, for example ``{"P_w": 8}``; rate and batch of `configuration` are else the
        best ones of each size with its tokens (`scaling.procedures.settings` says which).
    counts : which parameters N counts ("total", "non_embedding", "active_with_head"), where neither the data of the fit
        (column `params_counted`) nor the constants say.
    shape : `scaling.counting.Shape` whose proportions the models will have.

    Returns
    -------
    DataFrame
        flops, N, D, tokens_per_param, loss; `<name>_lower`, `<name>_upper` from a Fit; `flat_N_lower`, `flat_N_upper`:
        sizes that at the same cost come within 0.1 % of the best loss; `wasted`: share of the compute that a held N or D
        loses against the optimum. With `unique`: `epochs` (of the domain repeated most, `epochs_<domain>` of each),
        `epochs_pay_to`: those beyond which as much compute in parameters would gain more, and `epochs_end`: those after which
        all further ones together gain less than 0.1 %. ``attrs``: law, counts, interval, extrapolation; with `unique` or
        `served` also `costs`: what each limit adds to the loss of the best run without any; and of a Fit `beside`: what tied
        exponents and iso-FLOP parabolas of the same rows say, and how far off each is known to be.

    Raises
    ------
    LawError : a law without N and D, an input without a value, or rates that count otherwise than the plan.
    FitError : no budget given, or two; a value that is none; a loss out of reach.

    Examples
    --------
    >>> import scaling
    >>> best = scaling.plan("chinchilla/besiroglu2024", 5.76e23)
    >>> f"{best.N[0]:.3g} parameters, {best.D[0]:.3g} tokens"
    '7.23e+10 parameters, 1.33e+12 tokens'
    """
    if interval not in ("calibrated", "bootstrap"):
        raise ArgumentError(f"interval={interval!r} is unknown; a plan has 'calibrated' or 'bootstrap'.")
    asked.check(flops, loss, N, D, served, level, inputs)
    if isinstance(source, Fit) and source.law.hooks.facts:
        if loss is not None or served or (unique, shares, rates) != (None, None, None) or inputs:
            raise ArgumentError(
                f"a plan from '{source.law.name}' takes flops=, with N= or D= held: batch, peak and schedule follow from the "
                "runs fitted; loss, served, unique, rates and inputs do not go with it."
            )
        if "N" not in source.law.hooks.facts:
            raise LawError(
                f"law '{source.law.name}' is of one model and has no size to plan: fit 'ladder' to runs of several sizes."
            )
        return plan_runs(source, flops, N=N, D=D, level=level)
    law, point, said, fit = _source(source)
    said, counts = _counts(said, fit, counts)
    pool = Pool.of(unique, shares, law)
    extra = {**_settings(law), **_extra(law, pool, inputs)}
    budget = Budget(served=float(served))
    surfaces = [Surface.of(law, {k: np.array([v]) for k, v in point.items()}, extra)]
    draws = _draws(fit, asked.whole("replicates", replicates), asked.whole("seed", seed))
    if draws is not None:
        surfaces.append(Surface.of(law, draws, extra))
    movement = Movement.of(fit, extra) if fit is not None and draws is not None and interval == "calibrated" else None
    rows, wanted = [], [Asked(C, loss, N, D) for C in ([None] if flops is None else asked.budgets(flops))]
    for found in _found(surfaces, budget, wanted, fit):
        if pool is not None:
            found = [part | epochs(s, budget, part, pool) for s, part in zip(surfaces, found, strict=True)]
        rows.append(_row(found, level))
    if movement is not None:
        wider = movement.widened(rows, lambda s, some: _solve_each(s, budget, [wanted[i] for i in some]), level)
        rows = [row | ends for row, ends in zip(rows, wider, strict=True)]
    if "wasted" not in rows[0]:
        rows = [row | flat for row, flat in zip(rows, _flat(surfaces[0], budget, rows), strict=True)]
    out = pd.DataFrame(rows)
    said += ", at the best rate and batch of each" * ({"lr", "batch"} <= {*extra} - {*(inputs or {})})
    cost = "C = 6 N D" + (f" + 2 N x {served:g} tokens served" if served else "")
    out.attrs.update(law=law.name, counts=said, cost=cost)
    if pool is not None and pool.shares is not None:
        out.attrs["mixing"] = MIXED
    if flops is not None and (pool is not None or served):
        out.attrs["costs"] = [row for C in out["flops"] for row in _costs(surfaces[0], pool, budget, Asked(C, None, N, D))]
    if rates is not None:
        out = out.assign(**recommended(rates, out, counts, shape))
        fed = "" if shape is None else f", fed what it counts, for models in proportion to {shape}"
        out.attrs["rates"] = rates + fed
    out.attrs["interval"] = "none: " + ("published constants without their data" if fit is None else "replicates=0")
    if draws is not None:
        refits = f"{level:.0%} of {surfaces[1].sets} bootstrap refits: assumes that the law is exact"
        if movement is not None:
            refits = f"{level:.0%} interval, {movement.words(float(np.log(out['flops'].max())))}"
        never = (out.filter(like="flops_upper") == np.inf).any(axis=None)
        some = f"; {np.isinf(found[1]['flops']).mean():.0%} of them never reach the loss" if never else ""
        out.attrs["interval"] = refits + some
    if fit is not None:
        if flops is not None and (served, pool, N, D, inputs) == (0.0, None, None, None, None):
            out.attrs["beside"] = beside(fit, out["flops"])
        asked_for = out.assign(M=out["tokens_per_param"], **_given(surfaces[0], out, extra))[list(law.inputs)]
        out.attrs["extrapolation"] = extrapolation(fit.design, design(asked_for, law, fitting=False))
        if movement is not None and "loss_lower" in out:
            ends = fit.predict(asked_for, level=level)
            out = out.assign(**{f"loss_{k}": ends[k].fillna(out[f"loss_{k}"]) for k in ("lower", "upper")})
        for doubt in _doubts(fit, asked_for):
            out = _undecided(out) if doubt.startswith(OPEN) else out
            warnings.warn(doubt, stacklevel=2)
    return out


def _undecided(rows: pd.DataFrame) -> pd.DataFrame:
    """A plan whose split between size and tokens the data leave open: no end of theirs is one."""
    ends = [name for name in map(str, rows) if name.endswith(("_lower", "_upper")) and not name.startswith("flat_")]
    return rows.assign(**{name: 0.0 if name.endswith("_lower") else np.inf for name in ends})


def _doubts(fit: Fit, asked_for: pd.DataFrame) -> list[str]:
    """What speaks against a plan from a fit: its verdict, and runs on one line of sizes and tokens, which the plan leaves."""
    doubts = [f"the fit behind this plan is not trustworthy: {reason}" for reason in fit.verdict.failures]
    line = fit.findings.line
    if line is not None and (line.apart({k: asked_for[k].to_numpy(float) for k in line.names}) > max(line.off, ON)).any():
        doubts.append(OPEN + line.said(()))
    return doubts


def _source(source: Any) -> tuple[Law, dict[str, float], str, Fit | None]:
    """Law, constants, what N counts in words, and the fit that they come from, if any."""
    if isinstance(source, Fit):
        return source.law, dict(source.values), "as in the data of the fit", source
    if isinstance(source, str):
        source = constants(source)
    if not isinstance(source, Published):
        raise LawError(f"a plan needs a Fit, published constants, or their name as law/constants; not {source!r}.")
    assert source.law is not None
    if not source.verified:
        warnings.warn(f"these constants are not verified against the primary source ({source.source})", stacklevel=3)
    return source.law, dict(source), source.counts, None


def _counts(said: str, fit: Fit | None, given: str | None) -> tuple[str, str | None]:
    """What N counts, in words and as a convention, from the constants or the data of the fit, or else as given."""
    known = named_in(said) if fit is None else counted(fit.data)
    if given is not None and given not in PARAMETERS:
        raise LawError(f"counts={given!r} is unknown; there are {', '.join(PARAMETERS)}.")
    if None not in (given, known) and given != known:
        raise LawError(f"counts='{given}', but the {'constants' if fit is None else 'data of the fit'} count {known}.")
    counts = known or given
    return (said if fit is None or counts is None else f"N = {counts} parameters"), counts


def _extra(law: Law, pool: Pool | None, inputs: Mapping[str, float] | None) -> dict[str, Any]:
    if taken := sorted({"N", "D", "M", *({} if pool is None else {"U"})} & set(inputs or {})):
        raise LawError(f"inputs= gives {', '.join(taken)}, which the plan finds or has; use N=, D= or unique=.")
    return {**({} if pool is None else pool.extra()), **(inputs or {})}


def _settings(law: Law) -> dict[str, Any]:
    """Rate and batch of a law of bowls: the best ones of every size with its tokens, by the same parameters."""
    if not {"lr", "batch"} <= {*law.inputs} or law.name not in LEVEL:
        return {}
    return {
        name: lambda N, D, values, k=k: np.exp(best_by(law, N, D, values)[k]) for k, name in enumerate(("lr", "batch"))
    }  # fmt: skip


def _given(s: Surface, rows: pd.DataFrame, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The further inputs of planned rows; an equivalent pool of a mix by the constants themselves."""
    N, D = rows["N"].to_numpy()[None], rows["D"].to_numpy()[None]
    return {k: np.ravel(v(N, D, s.values)) if callable(v) else v for k, v in extra.items()}


def _draws(fit: Fit | None, replicates: int, seed: int) -> dict[str, np.ndarray] | None:
    if fit is None or replicates < 1:
        return None
    boot = fit.bootstrap(replicates, seed=seed)
    boot = boot[boot.pop("converged")]
    return {str(k): boot[k].to_numpy() for k in boot}


class Asked(NamedTuple):
    """What one row of a plan is asked for: a cost, a loss, a size or tokens; beside a cost one of size and tokens is held."""

    C: float | None
    loss: float | None
    N: float | None
    D: float | None


def _found(
    surfaces: Sequence[Surface], budget: Budget, wanted: Sequence[Asked], fit: Fit | None
) -> list[list[dict[str, np.ndarray]]]:
    """What every surface finds for each row of a plan."""
    try:
        return [list(row) for row in zip(*(_solve_each(s, budget, wanted) for s in surfaces), strict=True)]
    except FitError as problem:
        if fit is None or fit.findings.line is None:
            raise
        raise FitError(f"{OPEN}{fit.findings.line.said(())}.") from problem


def _solve_each(s: Surface, budget: Budget, wanted: Sequence[Asked]) -> list[dict[str, np.ndarray]]:
    """What `_solve` finds for every row of a plan; of few sets of parameters, all rows at once."""
    if s.sets > FEW or any(a.C is None or a.N is not None or a.D is not None for a in wanted):
        return [_solve(s, budget, a) for a in wanted]
    C = [_payable(budget, a.C) for a in wanted if a.C is not None]
    return _optima(s, budget, np.array(C))


def _payable(budget: Budget, C: float) -> float:
    """The cost, which must pay for something, and be one at which losses still differ by their digits."""
    if (most := COSTS[1]) < C:
        raise FitError(f"flops={C:g} is beyond {most:g}, from where on no law's losses differ by the digits of a number.")
    if budget.flops(1.0, 1.0) >= C:
        served = f", and to serve {budget.served:g} tokens" if budget.served else ""
        raise FitError(f"flops={C:g} is too little to train one parameter on one token{served}.")
    return C


def _optima(s: Surface, budget: Budget, C: np.ndarray) -> list[dict[str, np.ndarray]]:
    """flops, N, D, loss (B,) of the best run at each of K costs (K,)."""
    cost = np.repeat(C, s.sets)
    # a replicate without a best size counts as at the end it points to
    n, best = s.repeated(len(C)).best(cost, budget, ends=s.sets > 1)
    found = {"flops": cost, "N": n, "D": budget.tokens(n, cost), "loss": best}
    out = [{k: v[i * s.sets : (i + 1) * s.sets] for k, v in found.items()} for i in range(len(C))]
    for at, part in zip(C, out, strict=True):
        if np.isnan(part["N"]).all():
            raise FitError(
                f"law '{s.law.name}' has no best size at {at:g} FLOP: what it predicts falls up to a single parameter or "
                "token. Is it a loss, and are its constants meant for such a budget?"
            )
    return out


def _solve(s: Surface, budget: Budget, asked: Asked) -> dict[str, np.ndarray]:
    """flops, N, D, loss (B,) and, where something is held, the share of compute it wastes."""
    if asked.C is None:
        return _cheapest(s, budget, asked)
    C = _payable(budget, asked.C)
    if asked.N is not None or asked.D is not None:
        return _held(s, budget, np.full(s.sets, C), asked)
    return _optima(s, budget, np.array([C]))[0]


def _cheapest(s: Surface, budget: Budget, asked: Asked) -> dict[str, np.ndarray]:
    """The least cost at which a loss is reached, or at which a size, or tokens, are optimal."""
    loss, N, D = asked.loss, asked.N, asked.D
    C = s.compute_for(loss, budget) if loss is not None else _budget_of(s, budget, N, D)
    if not np.isfinite(C).any():
        raise FitError(f"loss={loss} is out of reach: below what the law gives at 1e36 FLOP (its irreducible loss?).")
    if (C == 0).all():
        raise FitError(f"loss={loss} is reached by any run: the law gives less at 1e6 FLOP.")
    C = np.maximum(C, COSTS[0])
    ever = np.isfinite(C)
    n, best = (np.where(ever, x, np.nan) for x in s.best(np.where(ever, C, COSTS[1]), budget))
    for name, held, there in (("N", N, n), ("D", D, budget.tokens(n, C))):
        if held is not None and not (np.abs(np.log(there / held)) < 1e-3).any():
            raise FitError(f"{name}={held:g} is optimal at no budget between 1e6 and 1e36 FLOP under this law.")
    if loss is None:  # exactly what was asked for, not what the search came to
        n = np.where(ever, N if N is not None else C / budget.flops(1.0, D), np.nan)
    return {"flops": C, "N": n, "D": budget.tokens(n, C), "loss": best}


def _held(s: Surface, budget: Budget, C: np.ndarray, asked: Asked) -> dict[str, np.ndarray]:
    """The run of cost C (B,) with its size or its tokens given."""
    n = np.full(s.sets, asked.N) if asked.N is not None else C / budget.flops(1.0, asked.D)
    d = budget.tokens(n, C)
    if (n < 1).any():
        raise FitError(f"D={asked.D:g} leaves less than one parameter at {C[0]:g} FLOP; hold fewer tokens.")
    if (d <= 0).any():
        raise FitError(f"N={asked.N:g} leaves no compute to train on {C[0]:g} FLOP once {budget.served:g} tokens are served.")
    lost = s(n[:, None], d[:, None])[:, 0]
    return {"flops": C, "N": n, "D": d, "loss": lost, "wasted": 1 - s.compute_for(lost, budget) / C}


def _budget_of(s: Surface, budget: Budget, N: float | None, D: float | None) -> np.ndarray:
    """Cost C (B,) at which the optimal N, or D, is the given one."""

    def beyond(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        n, _ = s.take(rows).best(np.exp(x), budget, ends=True)
        return np.asarray(np.log(n / N if N is not None else np.maximum(budget.tokens(n, np.exp(x)) / D, 1e-300)))

    return np.asarray(np.exp(root(beyond, np.full(s.sets, np.log(COSTS[0])), np.log(COSTS[1]))))


def _row(found: list[dict[str, np.ndarray]], level: float) -> dict[str, float]:
    """What was found for the constants, with intervals from replicates, if there are any."""
    for part in found:
        part["tokens_per_param"] = part["D"] / part["N"]
    seen = [k for k in found[0] if k.startswith("epochs")]
    order = [k for k in ("flops", "N", "D", "tokens_per_param", *seen, "loss", "wasted") if k in found[0]]
    row: dict[str, float] = {k: float(found[0][k][0]) for k in order}
    tails = [0.5 - level / 2, 0.5 + level / 2]
    for name, x in ((k, part[k]) for part in found[1:] for k in order):
        known = x[~np.isnan(x)]  # replicates that never reach the loss have an infinite cost, and no size
        if len(known) and known.max() - known.min() > 1e-9 * row[name]:  # what was asked for does not vary
            ends = np.quantile(known, tails, method="linear" if np.isfinite(known).all() else "inverted_cdf")
            row[f"{name}_lower"], row[f"{name}_upper"] = ends
    return row


def _costs(s: Surface, pool: Pool | None, budget: Budget, wanted: Asked) -> list[dict[str, Any]]:
    """The best run of a budget without limits, and what each limit in turn adds to its loss.

    compute: share of the budget that would do as well without limits.
    """
    free = wanted._replace(N=None, D=None)
    ideal = s if pool is None else replace(s, extra={**s.extra, "U": fresh})
    steps = [("every token fresh, none served", ideal, Budget(), free)]
    if pool is not None:
        steps.append(("unique tokens limited", replace(s, extra={**s.extra, "U": pool.total}), Budget(), free))
        if pool.shares is not None:
            steps.append(("mixed as asked", s, Budget(), free))
    if budget.served:
        steps.append((f"{budget.served:.3g} tokens served", s, budget, free))
    if free != wanted:
        steps.append((f"{'N' if wanted.N is not None else 'D'} held", s, budget, wanted))
    rows: list[dict[str, Any]] = []
    for what, surface, cost, ask in steps:
        found = {k: float(v[0]) for k, v in _solve(surface, cost, ask).items()}
        least, before = (rows[k]["loss"] if rows else found["loss"] for k in (0, -1))
        equal = float(ideal.compute_for(found["loss"], Budget())[0]) if rows else found["flops"]
        added, total = max(found["loss"] - before, 0.0), max(found["loss"] - least, 0.0)
        row = {"what": what, **{k: found[k] for k in ("flops", "N", "D", "loss")}}
        rows.append({**row, "added": added, "total": total, "compute": min(equal / found["flops"], 1.0)})
    return rows


def _flat(s: Surface, budget: Budget, rows: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """The sizes below and above the best one up to which the loss is as good: laws may fall again further out."""
    N, C, best = (np.array([row[k] for row in rows]) for k in ("N", "flops", "loss"))
    far = np.log(1e4) * np.multiply.outer([-1.0, 1.0], np.linspace(0, 1, 65))

    def over(x: np.ndarray, row: np.ndarray) -> np.ndarray:
        n = N[row] * np.exp(x)
        d = budget.tokens(n, C[row])
        loss = s(n.reshape(1, -1), np.maximum(d, 1e-300).reshape(1, -1)).reshape(n.shape)
        return np.asarray(np.where(d > 0, np.minimum(loss, 1e300), 1e300) - best[row] * (1 + FLAT))

    worse = over(far, np.arange(len(rows))[:, None, None]) > 0
    ever = worse.any(2)
    first = np.where(ever, worse.argmax(2), -1)  # else as far as is looked
    ends = root(lambda x, end: over(x, end // 2), far[[0, 1], first - ever], far[[0, 1], first])
    return [{"flat_N_lower": float(low), "flat_N_upper": float(high)} for low, high in N[:, None] * np.exp(ends)]
