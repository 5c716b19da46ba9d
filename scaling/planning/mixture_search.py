"""The best mixture: for laws of the whole mixture a convex solver, with several starts where the problem is not convex."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import ArgumentError, FitError
from scaling.fits import Fit
from scaling.numerics import complex_step
from scaling.planning.mixture import Mixture, by_name, check, counts, doubted, draws, mixture_of, outside, own_shares
from scaling.planning.shares import bounds
from scaling.words import check_seed, listed


def whole_shares(
    fits: Mapping[str, Fit], *, N: float | None = None, D: float | None = None,
    weights: Mapping[str, float] | None = None, floors: Any = 0.0, caps: Any = 1.0,
    reference: Mapping[str, float] | None = None, starts: int = 16, level: float = 0.9, seed: int = 0,
) -> Mixture:  # fmt: skip
    """The mixture that minimises the weighted sum of predicted losses, for laws of the whole mixture.

    Parameters
    ----------
    fits : target -> Fit of a mixture law; all over the same domains.
    N, D : size and tokens of the planned run, where the laws take them.
    weights, floors, caps, reference, level, seed : as in `mix`.
    starts : where the problem is not convex, how many starts; their spread is reported.

    Returns
    -------
    Mixture
        `residual` is the largest violation of the first-order conditions, relative to the gradient.
    """
    check(fits, level, {"N": N, "D": D})
    names = _domains(fits, {"N": N, "D": D})
    w, values = counts(weights, list(fits)), [f.values for f in fits.values()]
    lo, hi = bounds(len(names), by_name(floors, names, 0.0, "floors"), by_name(caps, names, 1.0, "caps"), names)
    ref = mixture_of(reference, names)
    losses = [_loss_of(f, {"N": N, "D": D}, names) for f in fits.values()]

    def total(h: np.ndarray, constants: Sequence[Mapping[str, Any]] = values) -> Any:
        return sum(weight * loss(h, v) for weight, loss, v in zip(w, losses, constants, strict=True))

    def gradient(h: np.ndarray) -> np.ndarray:
        return complex_step(total, h[:, None], np.eye(len(h)))  # over all shares at once

    convex = all(f.law.hooks.convex is not None and f.law.hooks.convex(**f.values) for f in fits.values())
    begin = [ref, *np.random.default_rng(seed).dirichlet(np.ones(len(names)), 0 if convex else starts - 1)]
    ends = [_descend(total, gradient, b, lo, hi) for b in begin]
    lows = np.array([total(p) for p in ends])
    p = ends[int(lows.argmin())]
    drawn = draws(fits, seed)
    with np.errstate(all="ignore"):  # what is not determined is drawn from anywhere
        gains = total(ref, drawn) - total(p, drawn)
    low, high = np.percentile(gains, [50 * (1 - level), 50 * (1 + level)]) if np.isfinite(gains).all() else (-np.inf, np.inf)
    bound = np.where((p <= lo + 1e-9) & (lo < hi), "floor", np.where((p >= hi - 1e-9) & (lo < hi), "cap", ""))
    sides = {"loss": p, "reference": ref}
    doubts, seen = doubted(fits, {"N": N, "D": D}), _fitted(fits, names)
    beyond = [said for name, share in zip(names, p, strict=True) for said in outside(name, float(share), seen[name])]
    found = {k: [float(f(h, v)) for f, v in zip(losses, values, strict=True)] for k, h in sides.items()}
    return Mixture(
        pd.DataFrame({"share": p, "reference": ref, "bound": bound}, index=names), pd.DataFrame(found, index=list(fits)),
        "weighted sum of losses", float(total(p)), float(total(ref)), float(low), float(high), level,
        _first_order(gradient(p), p, lo, hi), pd.DataFrame(index=names), (*doubts, *beyond, *_notes(convex, lows)),
        not doubts,
    )  # fmt: skip


def mix(
    fits: Mapping[str, Fit], *, N: float | None = None, D: float | None = None, objective: str | None = None,
    weights: Mapping[str, float] | None = None, floors: Any = 0.0, caps: Any = 1.0,
    reference: Mapping[str, float] | None = None, level: float = 0.9, seed: int = 0,
) -> Mixture:  # fmt: skip
    """The best shares of the tokens for families (`own_shares`) or domains (`whole_shares`), as the laws of the fits declare.

    Parameters
    ----------
    fits : name of the family or target -> Fit, of laws of one kind.
    N, D : parameters and tokens of the planned run; laws of the whole mixture may do without.
    objective : for families alone, "normalised" if not given.
    weights : name in `fits` -> how much its loss counts (1 if not given).
    floors, caps : of the shares: a number for all, or family or domain -> number (missing: 0 and 1).
    reference : the mixture to compare with; uniform if not given.
    level, seed : of the intervals, from draws of the fits' parameters.

    Raises
    ------
    ArgumentError : an objective for laws of the whole mixture, or families without N or D.
    """
    check(fits, level, {"N": N, "D": D})
    check_seed(seed)
    how: dict[str, Any] = {"weights": weights, "floors": floors, "caps": caps, "reference": reference, "level": level}
    if all(one.law.domains for one in fits.values()):
        if objective is not None:
            raise ArgumentError(f"objective '{objective}' is for families; mixture laws minimise weighted losses.")
        return whole_shares(fits, N=N, D=D, seed=seed, **how)
    if N is None or D is None:
        raise ArgumentError("a mixture of families needs N= and D= of the planned run.")
    return own_shares(fits, N=N, D=D, objective=objective or "normalised", seed=seed, **how)


def _domains(fits: Mapping[str, Fit], given: Mapping[str, float | None]) -> list[str]:
    """Of all the laws; or why they cannot be planned with together, or with what is given."""
    laws = [one.law for one in fits.values()]
    if any(not law.domains or {*law.domains} != {*(laws[0].domains or ())} for law in laws):
        raise FitError(
            "whole_shares needs fits of mixture laws (additive, joint, exponential) over the same domains; for laws of the "
            "own share use scaling.planning.own_shares."
        )
    needed = {name for law in laws if law.layout is not None for name, each in law.layout.inputs if not each}
    if missing := sorted(name for name in needed if given.get(name) is None):
        raise FitError(f"these laws also take {listed(missing)}: give {', '.join(f'{m}=' for m in missing)}.")
    for name, x in given.items():
        if x is not None and name not in needed:
            raise ArgumentError(f"none of these laws takes {name}; leave out {name}=")
    return list(laws[0].domains)


def _fitted(fits: Mapping[str, Fit], names: list[str]) -> dict[str, np.ndarray]:
    """The shares (n,) of every domain that the fits have seen."""
    rows = [np.stack([one.design.inputs[k] for k in one.law.shares[0]]) for one in fits.values()]
    order = [[one.law.domains.index(name) for name in names] for one in fits.values()]
    return dict(zip(names, np.concatenate([x[at] for x, at in zip(rows, order, strict=True)], axis=1), strict=True))


def _notes(convex: bool, lows: np.ndarray) -> list[str]:
    """What to know; lows (starts,) : where the searches ended."""
    agree, worst = int((lows <= lows.min() * (1 + 1e-8)).sum()), lows.max() / lows.min() - 1
    starts = f"not convex: {agree} of {len(lows)} starts agree; the worst ends {worst:.2%} higher"
    found = "convex: this is the only optimum" if convex else starts
    return [found, "no interval of single shares: neighbouring mixtures are nearly as good"]


def _loss_of(fit: Fit, plain: dict[str, float | None], names: list[str]) -> Callable[[np.ndarray, Mapping[str, Any]], Any]:
    """Loss at shares h (k,) or (k, m) of the domains named, and constants that are numbers or, with h (k,), arrays (B,)."""
    assert fit.law.layout is not None
    inputs, order = fit.law.layout.inputs, [names.index(name) for name in fit.law.domains]
    return lambda h, v: fit.law(*(x for name, each in inputs for x in (h[order] if each else [plain[name]])), **v)


def _descend(
    total: Callable[[np.ndarray], float], gradient: Callable[[np.ndarray], np.ndarray], start: np.ndarray,
    lo: np.ndarray, hi: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Sequential quadratic programming on the simplex; shares stay 1e-9 above zero, where powers lose their slope."""
    from scipy.optimize import minimize

    low = np.maximum(lo, np.minimum(1e-9, hi))
    whole = {"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: np.ones(len(p))}
    found = minimize(total, np.clip(start, low, hi), jac=gradient, method="SLSQP", bounds=list(zip(low, hi, strict=True)),
                     constraints=whole, options={"ftol": 1e-15, "maxiter": 500})  # fmt: skip
    p = np.clip(found.x, low, hi)
    return np.asarray(p / p.sum())


def _first_order(slope: np.ndarray, p: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> float:
    free = (p > lo + 1e-8) & (p < hi - 1e-8)
    if not free.any():
        return 0.0
    level = np.average(slope[free], weights=p[free])
    off = np.where(free, np.abs(slope - level), np.where(p >= hi - 1e-8, slope - level, level - slope))
    return float(np.maximum(off, 0).max() / np.abs(slope).max())
