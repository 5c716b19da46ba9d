"""Where to start: a grid over the non-linear parameters, with the linear ones solved for at every node.

At a node the law is linear in the rest, so the best amplitudes come from weighted least squares; scales must stay
non-negative, which is settled by trying every subset of them. The nodes with the lowest objective are the starts.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import qmc

from scaling.fitting.losses import Loss
from scaling.fitting.solver import costs
from scaling.formula import Domain

LINE, SQUARE, CLOUD = 40, 12, 256  # nodes over one, two (per side), more non-linear parameters (Halton points)


def linear_params(model) -> list[int]:
    """Indices of a largest set of parameters in which the law is jointly affine, found by probing its values."""
    frame = model.frame
    rng = np.random.default_rng(0)
    # natural units, where every scale is of order one; other parameters near their plain starts
    probes = np.array([0.0 if p.domain.log else p.start or 1.0 for p in frame.params]) * np.ones((2, 1))
    probes = np.where(frame.logs, rng.uniform(-0.3, 0.3, probes.shape), probes * rng.uniform(0.8, 1.25, probes.shape))

    def f(t):
        return model.value(model.terms(t))

    def times(t, j, factor):
        out = t.copy()
        out[:, j] = out[:, j] + np.log(factor) if frame.logs[j] else out[:, j] * factor
        return out

    found: list[int] = []
    base = f(probes)
    for j in range(probes.shape[1]):
        one, two = f(times(probes, j, 1.5)), f(times(probes, j, 2.0))
        size = np.abs(base).max() + np.abs(two).max()
        moves = np.isfinite(size) and np.abs(two - base).max() > 1e-9 * size
        if not moves or np.abs(two - 2 * one + base).max() > 1e-9 * size:
            continue
        twice = times(probes, j, 2.0)
        if all(np.abs(f(times(twice, i, 2.0)) - two - f(times(probes, i, 2.0)) + base).max() < 1e-9 * size for i in found):
            found.append(j)
    return found


def seeds(model, y: np.ndarray, raw_y: np.ndarray, weights: np.ndarray, loss: Loss, keep: int, seed: int) -> np.ndarray:
    """The `keep` best starts, shape (k, p), best first."""
    params = model.frame.params
    linear = linear_params(model)
    nonlinear = [j for j in range(len(params)) if j not in linear]
    nodes = _grid(params, nonlinear, seed)
    theta = np.tile([p.start for p in params], (len(nodes), 1)).astype(float)
    t = model.frame.from_params(theta)
    for column, j in enumerate(nonlinear):
        t[:, j] = nodes[:, column]  # grid nodes are internal variables: natural units
    t = np.clip(t, model.frame.lower, model.frame.upper)
    if linear:
        t = _amplitudes(model, t, linear, raw_y, weights, loss)
    t = t[np.isfinite(t).all(1)]
    total = costs(model, y, t, weights, loss)
    order = np.argsort(total, kind="stable")
    order = order[np.isfinite(total[order])][:keep]
    return t[order]


def _grid(params, nonlinear: list[int], seed: int) -> np.ndarray:
    """Nodes over the non-linear parameters in internal variables: logarithms for scales, values otherwise."""
    if not nonlinear:
        return np.zeros((1, 0))
    ranges = []
    for j in nonlinear:
        d: Domain = params[j].domain
        lo, hi = d.grid
        if d.log:
            natural = d.lo == 0 and np.isinf(d.hi)
            lo, hi = (lo, hi) if natural else (max(d.lo, 1e-12 * d.hi), d.hi if np.isfinite(d.hi) else 1e6 * d.lo)
        else:
            lo, hi = max(lo, d.lo), min(hi, d.hi)
        ranges.append((lo, hi, lo > 0))
    if len(nonlinear) <= 2:
        size = LINE if len(nonlinear) == 1 else SQUARE
        unit = np.stack(np.meshgrid(*[np.linspace(0, 1, size)] * len(nonlinear), indexing="ij"), -1)
        unit = unit.reshape(-1, len(nonlinear))
    else:
        unit = qmc.Halton(len(nonlinear), rng=np.random.default_rng(seed)).random(CLOUD)
    nodes = np.empty_like(unit)
    for k, (lo, hi, geometric) in enumerate(ranges):
        nodes[:, k] = lo * (hi / lo) ** unit[:, k] if geometric else lo + (hi - lo) * unit[:, k]
        if params[nonlinear[k]].domain.log:
            nodes[:, k] = np.log(nodes[:, k])
    return nodes


def _amplitudes(model, t: np.ndarray, linear: list[int], y: np.ndarray, weights: np.ndarray, loss: Loss) -> np.ndarray:
    """Solve the linear parameters at every node; for scales, the best subset with all of them positive."""
    frame = model.frame
    scale = frame.logs[linear]
    # one unit of each linear parameter in natural units: t = 0 for scales, 1 for the others; "none" is a vanishing scale
    none = np.where(scale, -60.0, 0.0)
    unit = np.where(scale, 0.0, 1.0)

    def f(values):
        u = t.copy()
        u[:, linear] = values
        return model.value(model.terms(u))

    rest = f(none)
    basis = np.stack([f(np.where(np.arange(len(linear)) == k, unit, none)) - rest for k in range(len(linear))], 1)
    w = weights * (1 / y**2 if loss.log else 1.0)
    target = (y - rest) * np.sqrt(w)
    basis = basis * np.sqrt(w)[..., None, :]
    size = np.sqrt((basis**2).sum(2))
    size = np.where(size > 0, size, 1.0)
    basis = basis / size[:, :, None]
    G = basis @ basis.transpose(0, 2, 1)
    b = (basis @ target[:, :, None])[:, :, 0]
    best = np.full(len(t), np.inf)
    coef = np.zeros((len(t), len(linear)))
    positive = [k for k in range(len(linear)) if scale[k]]
    free = [k for k in range(len(linear)) if not scale[k]]
    for count in range(len(positive), -1, -1):
        for chosen in combinations(positive, count):
            idx = [*free, *chosen]
            if not idx:
                continue
            sub = G[:, idx][:, :, idx] + 1e-13 * np.eye(len(idx))
            try:
                x = np.linalg.solve(sub, b[:, idx, None])[:, :, 0]
            except np.linalg.LinAlgError:
                continue
            rss = -(x * b[:, idx]).sum(1)
            rss[~np.isfinite(rss) | (x[:, len(free):] <= 0).any(1)] = np.inf
            better = rss < best - 1e-12 * np.abs(best, where=np.isfinite(best), out=np.zeros_like(best))
            best[better] = rss[better]
            coef[better] = 0.0
            coef[np.ix_(better, idx)] = x[better]
    coef = coef / size
    typical = 1e-3 * np.sqrt((target**2).mean(1))[:, None] * np.sqrt(len(y)) / size
    out = t.copy()
    for k, j in enumerate(linear):
        # a scale that came out zero starts small instead, so that the solver may still find a use for it
        out[:, j] = np.log(np.where(coef[:, k] > 0, coef[:, k], typical[:, k])) if scale[k] else coef[:, k]
    return out
