"""Where to start: a grid over the non-linear parameters, with the linear ones solved for at every node.

At a node the law is linear in the rest, so the best amplitudes come from weighted least squares; scales must stay
non-negative, which is settled by trying every subset of them. A law that is linear in several sets of parameters, each with
the others held, as a sum times another is, starts from the first set without the others and takes turns from there. The nodes
with the lowest objective are the starts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import ndtri

from scaling.engine.losses import Loss
from scaling.engine.model import Model
from scaling.engine.solver import costs
from scaling.formula import Domain, Parameter
from scaling.numerics import spread

LINE, SQUARE, CLOUD = 40, 12, 256  # nodes over one, two (per side), more non-linear parameters (Halton points)
NONE = -60.0  # logarithm of a scale that is not there
SUBSETS = 6  # scales of a further set that are tried in all subsets
TURNS = 2  # that sets of linear parameters take


def linear_sets(model: Model) -> list[list[int]]:
    """Indices of parameters in which the law is jointly affine, the others held; one set after the other, none in two."""
    found: list[list[int]] = []
    while more := linear_params(model, {j for one in found for j in one}):
        found.append(more)
    logs = model.coordinates.logs
    return found[:1] + [one for one in found[1:] if logs[one].sum() <= SUBSETS]


@np.errstate(all="ignore")
def linear_params(model: Model, without: Collection[int] = ()) -> list[int]:
    """Indices of a set of parameters, none of those `without`, in which the law is jointly affine, found by probing."""
    coordinates = model.coordinates
    rng = np.random.default_rng(0)
    # natural units, where every scale is of order one; other parameters near their plain starts
    probes = np.array([0.0 if p.domain.log else p.start or 1.0 for p in coordinates.params]) * np.ones((2, 1))
    probes = np.where(coordinates.logs, rng.uniform(-0.3, 0.3, probes.shape), probes * rng.uniform(0.8, 1.25, probes.shape))

    def f(t: np.ndarray) -> np.ndarray:
        return model.value(model.terms(t))

    def times(t: np.ndarray, j: int, factor: float) -> np.ndarray:
        out = t.copy()
        out[:, j] = out[:, j] + np.log(factor) if coordinates.logs[j] else out[:, j] * factor
        return out

    found: list[int] = []
    base = f(probes)
    for j in sorted({*range(probes.shape[1])} - {*without}):
        one, two = f(times(probes, j, 1.5)), f(times(probes, j, 2.0))
        size = np.abs(base).max() + np.abs(two).max()
        moves = np.isfinite(size) and np.abs(two - base).max() > 1e-9 * size
        if not moves or np.abs(two - 2 * one + base).max() > 1e-9 * size:
            continue
        twice = times(probes, j, 2.0)
        if all(np.abs(f(times(twice, i, 2.0)) - two - f(times(probes, i, 2.0)) + base).max() < 1e-9 * size for i in found):
            found.append(j)
    return found


@dataclass(frozen=True, eq=False)
class Grid:
    """Nodes (k, p) over the non-linear parameters, and the sets of linear ones: made once for all parts of the rows.

    around (m, p) : starts that no projection moves: a user's, and those scattered around it.
    """

    nodes: np.ndarray
    linear: list[list[int]]
    around: np.ndarray

    @classmethod
    def of(cls, model: Model, seed: int, given: int = 0) -> Grid:
        """The grid of a law; `given` starts are a user's own (those of the parameters) and scattered around it."""
        coordinates = model.coordinates
        linear = linear_sets(model)
        solved = {j for one in linear for j in one}
        nonlinear = [j for j, p in enumerate(coordinates.params) if j not in solved and p.prior is None]  # which says where
        theta = np.array([p.start for p in coordinates.params])
        plain = coordinates.from_params(theta)
        nodes = _grid(coordinates.params, nonlinear, seed, plain, given > 0)
        t = np.tile(plain, (len(nodes), 1))
        t[:, nonlinear] = nodes
        t = np.clip(t, coordinates.lower, coordinates.upper)
        around = t[:0]
        if given:
            near = theta * np.exp(0.5 * ndtri(spread(len(theta), given, seed)))
            around = coordinates.from_params(np.vstack([theta, near[1:]]))
        for one in linear[1:]:
            bare = t.copy()
            bare[:, one] = np.where(coordinates.logs[one], NONE, 0.0)
            t = bare if _answers(model, bare, linear[0]) else t
        return cls(t, linear, around)

    def best(self, model: Model, y: np.ndarray, raw_y: np.ndarray, weights: np.ndarray, loss: Loss, keep: int) -> np.ndarray:
        """The `keep` best nodes for the rows of a model, of losses raw_y (n,), y in the objective's units."""
        t = self.nodes
        for one in self.linear * (TURNS if len(self.linear) > 1 else 1):
            t = _amplitudes(model, t, one, raw_y, weights, loss)
        return np.vstack([self.around, leading(model, y, t, weights, loss, keep)])


def leading(model: Model, y: np.ndarray, t: np.ndarray, weights: np.ndarray, loss: Loss, keep: int) -> np.ndarray:
    """The `keep` of the starts t (k, p) with the lowest objective, best first; none where it is not finite."""
    t = t[np.isfinite(t).all(1)]
    total = costs(model, y, t, weights, loss)
    order = np.argsort(total, kind="stable")
    return np.asarray(t[order[np.isfinite(total[order])][:keep]])


def seeds(
    model: Model, y: np.ndarray, raw_y: np.ndarray, weights: np.ndarray, loss: Loss, keep: int, seed: int, given: bool
) -> np.ndarray:
    """The starts, shape (k, p): the best `keep` nodes of the grid; before them, if a start is `given`, that start itself
    and `keep` - 1 scattered around it, none of them projected."""
    return Grid.of(model, seed, keep if given else 0).best(model, y, raw_y, weights, loss, keep)


@np.errstate(all="ignore")
def _answers(model: Model, t: np.ndarray, linear: list[int]) -> bool:
    """Does the law depend on all of these parameters at some node?"""
    value = model.value(model.terms(t))
    moved = [model.value(model.terms(t + (np.arange(t.shape[1]) == j))) for j in linear]
    return all((np.abs(other - value) > 1e-9 * np.abs(value)).any() for other in moved)


def _grid(params: tuple[Parameter, ...], nonlinear: list[int], seed: int, plain: np.ndarray, given: bool) -> np.ndarray:
    """Nodes over the non-linear parameters in internal variables: logarithms for scales, values otherwise.

    A parameter that may be any real number has no natural range: its nodes scatter around its start, by factors of e^0.5
    and, every other one, e^2.
    """
    count = len(nonlinear)
    if not count:
        return np.zeros((1, 0))
    if count <= 2:
        axis = np.linspace(0, 1, LINE if count == 1 else SQUARE)
        unit = np.stack(np.meshgrid(*[axis] * count, indexing="ij"), -1).reshape(-1, count)
    else:
        unit = spread(count, CLOUD, seed)
    nodes = np.empty_like(unit)
    for k, j in enumerate(nonlinear):
        domain = params[j].domain
        lo, hi = search_range(domain)
        if np.isinf(domain.lo) and np.isinf(domain.hi) and (given or params[j].start):
            width = np.where(np.arange(len(unit)) % 2, 2.0, 0.5)
            nodes[:, k] = (plain[j] or 1.0) * np.exp(width * ndtri(np.clip(unit[:, k], 0.01, 0.99)))
        elif lo > 0:
            nodes[:, k] = lo * (hi / lo) ** unit[:, k]
        else:
            nodes[:, k] = lo + (hi - lo) * unit[:, k]
        if domain.log:
            nodes[:, k] = np.log(nodes[:, k])
    return nodes


def search_range(d: Domain) -> tuple[float, float]:
    """Where starts of a parameter are sought: in natural units if it is a scale without bounds."""
    lo, hi = d.grid
    if not d.log:
        return max(lo, d.lo), min(hi, d.hi)
    if d.lo == 0 and np.isinf(d.hi):
        return lo, hi
    return max(d.lo, 1e-12 * d.hi), d.hi if np.isfinite(d.hi) else 1e6 * d.lo


@np.errstate(all="ignore")  # nodes where the law overflows are dropped by their cost
def _amplitudes(model: Model, t: np.ndarray, linear: list[int], y: np.ndarray, weights: np.ndarray, loss: Loss) -> np.ndarray:
    """Solve the linear parameters at every node t (nodes, p)."""
    scale = model.coordinates.logs[linear]
    # one unit of each linear parameter in natural units: t = 0 for scales, 1 for the others; "none" is a vanishing scale
    none, unit = np.where(scale, NONE, 0.0), np.where(scale, 0.0, 1.0)

    def f(values: np.ndarray) -> np.ndarray:
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
    coef = _nonnegative(basis / size[:, :, None], target, scale) / size
    typical = 1e-3 * np.sqrt((target**2).mean(1))[:, None] * np.sqrt(len(y)) / size
    out = t.copy()
    for k, j in enumerate(linear):
        # a scale that came out zero starts small instead, so that the solver may still find a use for it
        out[:, j] = np.log(np.where(coef[:, k] > 0, coef[:, k], typical[:, k])) if scale[k] else coef[:, k]
    return out


def _nonnegative(basis: np.ndarray, target: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Least squares (nodes, q) of targets (nodes, n) in basis (nodes, q, n): of the subsets in which every `scale` (q,) comes
    out positive, the one with the least sum of squares."""
    gram, b = basis @ basis.transpose(0, 2, 1), (basis @ target[:, :, None])[:, :, 0]
    best, coef = np.full(len(b), np.inf), np.zeros(b.shape)
    positive, free = np.flatnonzero(scale).tolist(), np.flatnonzero(~scale).tolist()
    for chosen in (c for count in range(len(positive), -1, -1) for c in combinations(positive, count)):
        idx = [*free, *chosen]
        if not idx:
            continue
        sub = gram[:, idx][:, :, idx] + 1e-13 * np.eye(len(idx))
        try:
            x = np.linalg.solve(sub, b[:, idx, None])[:, :, 0]
        except np.linalg.LinAlgError:
            continue
        rss = -(x * b[:, idx]).sum(1)
        rss[~np.isfinite(rss) | (x[:, len(free) :] <= 0).any(1)] = np.inf
        better = rss < best - 1e-12 * np.abs(best, where=np.isfinite(best), out=np.zeros_like(best))
        best[better] = rss[better]
        coef[better] = 0.0
        coef[np.ix_(better, idx)] = x[better]
    return coef
