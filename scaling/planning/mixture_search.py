"""The best mixture for laws of the whole mixture: a convex solver, with several starts where the problem is not convex."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from scaling.counting import alike
from scaling.errors import FitError
from scaling.fits import Fit
from scaling.numerics import complex_step
from scaling.planning.mixture import Mixture, by_name, check, draws, mixture_of
from scaling.planning.shares import bounds
from scaling.words import listed


def search(
    fits: Mapping[str, Fit],
    *,
    N: float | None = None,
    D: float | None = None,
    weights: Mapping[str, float] | None = None,
    floors: Any = 0.0,
    caps: Any = 1.0,
    reference: Mapping[str, float] | None = None,
    starts: int = 16,
    level: float = 0.9,
    seed: int = 0,
) -> Mixture:
    """The mixture that minimises the weighted sum of predicted losses, for laws of the whole mixture.

    Parameters
    ----------
    fits : target -> Fit of a mixture law; all over the same domains.
    N, D : size and tokens of the planned run, where the laws take them.
    weights : target -> how much its loss counts (1 if not given). floors, caps : as in `own_shares`, by domain.
    starts : where the problem is not convex, how many starts; their spread is reported.

    Returns
    -------
    Mixture
        `residual` is the largest violation of the first-order conditions, relative to the gradient.
    """
    check(fits, level)
    first = next(iter(fits.values()))
    if any(not f.law.domains or f.law.domains != first.law.domains for f in fits.values()):
        raise FitError(
            "search needs fits of mixture laws (additive, joint, exponential) over the same domains; for laws of the "
            "own share use scaling.planning.own_shares."
        )
    alike(**{name: one.data for name, one in fits.items()})
    names = list(first.law.domains)
    w = np.array(by_name(weights if weights is not None else 1.0, list(fits), 1.0, "weights"))
    lo, hi = bounds(len(names), by_name(floors, names, 0.0, "floors"), by_name(caps, names, 1.0, "caps"), names)
    ref = mixture_of(reference, names)
    plain = {"N": N, "D": D}
    needed = {i for f in fits.values() for i, each in f.law.layout.inputs if not each}  # type: ignore[union-attr]
    if missing := [i for i in needed if plain.get(i) is None]:
        raise FitError(
            f"these laws also take {listed(sorted(missing))}: give {', '.join(f'{m}=' for m in sorted(missing))}."
        )
    losses = [_loss_of(f, plain) for f in fits.values()]

    def total(h: np.ndarray) -> np.ndarray:
        return sum(weight * loss(h, None) for weight, loss in zip(w, losses, strict=True))

    def gradient(h: np.ndarray) -> np.ndarray:
        return complex_step(total, h[:, None], np.eye(len(h)))  # over all shares at once

    convex = all(_convex(f) for f in fits.values())
    rng = np.random.default_rng(seed)
    begin = [ref, *([] if convex else rng.dirichlet(np.ones(len(names)), starts - 1))]
    ends = [_descend(total, gradient, b, lo, hi) for b in begin]
    values = np.array([total(p) for p in ends])
    p = ends[int(values.argmin())]
    agree = int((values <= values.min() * (1 + 1e-8)).sum())
    notes = [f"{name}: its fit is not trustworthy ({f.warnings[0]})" for name, f in fits.items() if not f.ok]
    notes.append(
        "convex: this is the only optimum"
        if convex
        else f"not convex: {agree} of {len(begin)} starts agree; the worst ends {values.max() / values.min() - 1:.2%} higher"
    )
    drawn = [draws(f, seed + i) for i, f in enumerate(fits.values())]
    gains = sum(weight * (loss(ref, t) - loss(p, t)) for weight, loss, t in zip(w, losses, drawn, strict=True))
    low, high = np.percentile(gains, [50 * (1 - level), 100 - 50 * (1 - level)])
    notes.append("no interval of single shares: neighbouring mixtures are nearly as good")
    at_floor, at_cap = (p <= lo + 1e-9) & (lo < hi), (p >= hi - 1e-9) & (lo < hi)
    table = pd.DataFrame(
        {
            "share": p,
            "reference": ref,
            "bound": np.where(at_floor, "floor", np.where(at_cap, "cap", "")),
        },
        index=names,
    )
    at = pd.DataFrame(
        {"loss": [float(f(p, None)) for f in losses], "reference": [float(f(ref, None)) for f in losses]},
        index=list(fits),
    )
    return Mixture(
        table,
        at,
        "weighted sum of losses",
        float(total(p)),
        float(total(ref)),
        float(low),
        float(high),
        level,
        _first_order(gradient(p), p, lo, hi),
        pd.DataFrame(index=names),
        tuple(notes),
    )


def _loss_of(fit: Fit, plain: dict[str, float | None]) -> Callable[[np.ndarray, np.ndarray | None], Any]:
    """h (k,) or (k, m) -> loss at the fit's values; at internal parameter vectors t (B, p) -> (B,)."""
    inputs = fit.law.layout.inputs  # type: ignore[union-attr]

    def loss(h: np.ndarray, t: np.ndarray | None):
        args = [x for name, each in inputs for x in (h if each else [plain[name]])]
        if t is None:
            return fit.law(*args, **fit.values)
        theta = dict(zip(fit.coordinates.names, fit.coordinates.to_params(t).T, strict=True))
        return fit.law(*args, **{**fit.fixed, **theta})

    return loss


def _convex(fit: Fit) -> bool:
    if fit.law.name == "mixture_exponential":
        return True
    return fit.law.name == "mixture_additive" and all(v <= 1 for k, v in fit.values.items() if k.startswith("gamma_"))


def _descend(total, gradient, start, lo, hi) -> np.ndarray:
    """Sequential quadratic programming on the simplex; shares stay 1e-9 above zero, where powers lose their slope."""
    low = np.maximum(lo, np.minimum(1e-9, hi))
    begin = np.clip(start, low, hi)
    found = minimize(
        total,
        begin,
        jac=gradient,
        method="SLSQP",
        bounds=list(zip(low, hi, strict=True)),
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: np.ones(len(p))},
        options={"ftol": 1e-15, "maxiter": 500},
    )
    p = np.clip(found.x, low, hi)
    return p / p.sum()


def _first_order(slope: np.ndarray, p: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> float:
    free = (p > lo + 1e-8) & (p < hi - 1e-8)
    if not free.any():
        return 0.0
    level = np.average(slope[free], weights=p[free])
    off = np.where(free, np.abs(slope - level), np.where(p >= hi - 1e-8, slope - level, level - slope))
    return float(np.maximum(off, 0).max() / np.abs(slope).max())
