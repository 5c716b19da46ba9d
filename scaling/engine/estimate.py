"""Fit a law: seeds from a grid, second-order solver from each, then a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from scaling.design.bins import binned
from scaling.design.inputs import Design
from scaling.design.neighbours import NOISE
from scaling.engine import model as models
from scaling.engine.coordinates import Coordinates
from scaling.engine.fitted import Fitted, Memory
from scaling.engine.losses import Loss
from scaling.engine.nested import contained, saying, seen_by
from scaling.engine.prior import from_prior, onward, scatter, settled
from scaling.engine.solver import Solution, costs, minimise, polish
from scaling.engine.starts import seeds
from scaling.engine.threads import one_thread
from scaling.engine.uncertainty import covariance
from scaling.engine.verdict.examine import examine
from scaling.engine.verdict.judgement import judge
from scaling.engine.verdict.near import Near
from scaling.errors import FitError
from scaling.formula import Law, Parameter
from scaling.formula.ties import resolve
from scaling.logs import Runs

STARTS, FEW = 8, 6  # starts for laws of up to FEW parameters; each further one multiplies the basins
# parameters beyond which scattered starts are far from everything, and those from a simpler law are what counts
MANY = 12
GRID_ROWS, SEARCH_ROWS = 96, 256  # rows enough to rank starts and to find basins; the optimum itself uses all rows
WIDE, MEDIAN = 3.0, 0.6745  # standard deviations within which a row leads with all its weight; the median of normal |errors|
HEAT = 10  # iterations of the first heat of many starts
TURNS = 20  # at most, to weigh priors against data
SAME = 1e-6  # relative difference of objectives below which two starts reached the same optimum
FAR = 10.0  # ln of a scale in natural units, beyond which it is no scale of the data
NOWHERE = (
    "no start of '{}' gives a finite objective on these data; check units and signs of the inputs, and that the loss lies "
    "where this law can go."
)


def estimate(
    law: Law,
    made: Design,
    loss: Loss,
    fixed: Mapping[str, float],
    specs: tuple[Parameter, ...],
    *,
    runs: Runs | None = None,
    seed: int = 0,
    given: bool = False,
) -> Fitted:
    """The parameters of a law over rows, globally, and the verdict on them.

    Parameters
    ----------
    fixed : parameters held. specs : the free ones, with their domains and starts.
    runs : what the rows were made from, kept with the result.
    given : are the starts in `specs` a user's, to be tried beside our own?
    """
    with one_thread():
        short = binned(made)
        made = replace(made, notes=short.notes)
        task = _Task(law, made, short, loss, specs, dict(fixed), models.build(law, specs, made.inputs, fixed, loss))
        few, coarse = task.thinned(GRID_ROWS)
        start = _starts(law, coarse, few, loss, specs, seed, given)
        if not len(start):
            raise FitError(NOWHERE.format(law.name))
        if not task.model.coordinates.informed:
            found, whole = _search(task, start)
            return _assess(task, found, _finish(task, found, whole), runs, seed)
        return _assess(*_weighed(task, start), runs, seed)


@dataclass(frozen=True, eq=False)
class _Task:
    """A law over rows, and what is minimised. short: the rows in bins, for the search."""

    law: Law
    made: Design
    short: Design
    loss: Loss
    specs: tuple[Parameter, ...]
    fixed: dict[str, float]
    model: models.Model

    @property
    def y(self) -> np.ndarray:
        return self.loss.link(self.made.loss)

    @property
    def many(self) -> bool:
        return len(self.specs) > MANY

    @property
    def rounding(self) -> float:
        """Cost below which residuals are rounding errors."""
        return float(self.made.weights.sum() * (1e-13 * max(1.0, np.abs(self.y).max())) ** 2)

    def strength(self, t: np.ndarray, rows: Design | None = None, model: models.Model | None = None) -> float:
        """What a prior's standard deviation squared costs, by the scatter of the rows (some, or all) around t (p,)."""
        rows, model = rows or self.made, model or self.model
        y, known = self.loss.link(rows.loss), np.array([model.coordinates.strength])
        return float(scatter(model, y, t[None], rows.weights[None], self.loss, rows.runs, known)[0])

    def weighing(self, strength: float) -> _Task:
        """The same with priors of another strength."""
        model = copy(self.model)
        model.coordinates = replace(model.coordinates, strength=strength)
        return replace(self, model=model)

    def thinned(self, rows: int) -> tuple[Design, models.Model]:
        """Up to `rows` of the rows, and the law over them."""
        short = self.short
        few = short if len(short) <= rows else short.sketch(np.linspace(0, len(short) - 1, rows).round().astype(int))
        if len(few) == len(self.made):
            return few, self.model
        return few, models.build(self.law, self.specs, few.inputs, self.fixed, self.loss, coordinates=self.model.coordinates)


def _weighed(task: _Task, start: np.ndarray) -> tuple[_Task, Solution, _End]:
    """The minimum with priors, which weigh as much as the data scatter around it: both are found in turns.

    From the scatter around the best start, far too large, towards less: the priors lead, the data take over.
    """
    leading = start[0]
    for _ in range(2):  # on the rows of the search, beside which the priors weigh less
        task = task.weighing(task.strength(leading, *_sketch(task)))
        search, _ = _search(task, start)
        start, leading = search.t, search.t[_best_first(search, task.rounding)[0]]
    task = task.weighing(task.strength(leading))
    end = _finish(task, search, False)
    tried: list[tuple[float, float]] = []
    for _ in range(TURNS):
        tried.append((task.model.coordinates.strength, task.strength(end.t)))
        if settled(*tried[-1]) or settled(tried[-1][0], further := onward(tried)) or end.cost <= task.rounding:
            break
        task = task.weighing(further)
        last = minimise(task.model, task.y, end.t[None], task.made.weights, task.loss, damping=1e-3)
        end = replace(_finish(task, last, True), iterations=end.iterations + int(last.iterations[0]))
    return task, search, end


@dataclass(frozen=True, eq=False)
class _End:
    """Where the solver ended: optimum (p,), cost there, whether it converged, and all iterations on the way."""

    t: np.ndarray
    cost: float
    converged: bool
    iterations: int


def _search(task: _Task, start: np.ndarray) -> tuple[Solution, bool]:
    """Minima from every start, over rows enough to find basins, and whether they are minima of the whole objective."""
    few, model = _sketch(task)
    y, rounds = task.loss.link(few.loss), HEAT
    loss = _led(task.loss, model, y, start) if task.many else task.loss
    while task.many and len(start) >= 2 * STARTS:  # most lead nowhere: the better half goes on, for twice as long
        heat = minimise(model, y, start, few.weights, loss, max_iter=rounds)
        start, rounds = heat.t[np.argsort(heat.cost, kind="stable")[: (len(start) + 1) // 2]], 2 * rounds
    found = minimise(model, y, start, few.weights, loss)
    if not np.isfinite(found.cost).any():
        raise FitError(NOWHERE.format(task.law.name))
    return found, len(few) == len(task.made) and not task.many


def _led(loss: Loss, model: models.Model, y: np.ndarray, start: np.ndarray) -> Loss:
    """The loss that leads many parameters: a narrow one has too few rows inside its threshold, least squares go where one run
    that diverged pulls. So a robust one, as wide as the scatter of most rows y (n,) around the best of the starts (k, p)."""
    if loss.name == "squares":
        return loss
    with np.errstate(all="ignore"):
        away = np.abs(loss.link(model.value(model.terms(start))) - y)
    scatter = np.nanmin(np.where(np.isfinite(away).all(1), np.median(away, axis=1), np.nan)) / MEDIAN
    return replace(loss, name="huber", delta=max(loss.delta, WIDE * float(scatter)))


def _sketch(task: _Task) -> tuple[Design, models.Model]:
    """The rows of the search, and the law over them."""
    return task.thinned(SEARCH_ROWS if isinstance(task.model, models.MonomialModel) else SEARCH_ROWS // 2)


def _finish(task: _Task, found: Solution, whole: bool) -> _End:
    """The best minimum over all rows, to the last digit."""
    y, weights, loss, iterations = task.y, task.made.weights, task.loss, int(found.iterations.sum())
    if not whole:
        ends = _distinct(found, _best_first(found, task.rounding))
        if task.many and len(ends) > 1:  # a few steps on all rows show which one to follow
            race = minimise(task.model, y, ends, weights, loss, damping=1e-3, max_iter=2 * HEAT)
            ends, iterations = race.t[[race.cost.argmin()]], iterations + int(race.iterations.sum())
        found = minimise(task.model, y, ends, weights, loss, damping=1e-3)
        iterations += int(found.iterations.sum())
    winner = _best_first(found, task.rounding)[0]
    t, cost, converged = found.t[winner], float(found.cost[winner]), bool(found.converged[winner])
    if loss.name == "squares":
        t, cost, settled = polish(task.model, y, t, weights, loss)
        converged |= settled
    return _End(t, cost, converged, iterations)


# where the data send a parameter to infinity, or no parameter anywhere, slopes overflow or vanish: that is said
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _assess(task: _Task, search: Solution, end: _End, runs: Runs | None, seed: int) -> Fitted:
    """How sure the optimum is, and whether to believe it."""
    law, made, loss, coordinates, t = task.law, task.made, task.loss, task.model.coordinates, end.t
    at_bound = (t <= coordinates.lower) | (t >= coordinates.upper)
    informed = np.isin(coordinates.names, coordinates.informed)
    # an exponent of a term that is not there has nothing to act on, wherever it ended; a scale that acts on nothing far off has
    # shrunk, or grown, without limit: a term the data do not show, or an effect as sudden as can be told, not a bound
    value, slopes = models.at(task.model, t)
    silent = (np.abs(slopes).max(1) < 1e-12 * np.abs(made.loss).min()) & ~informed
    gone = coordinates.logs & ((t < -25) | (silent & (t < -FAR))) & ~informed
    limit = coordinates.logs & silent & (t > FAR)
    idle = gone | silent
    cov = covariance(task.model, t, task.y, made.weights, loss, made.runs, at_bound | idle)
    if NOISE in made.frame:  # rows that are means of many: a single one scatters more
        within = made.frame[NOISE].to_numpy(float) * (1.0 if loss.log else made.loss)
        cov = replace(cov, noise=float(np.hypot(cov.noise, np.sqrt(np.mean(within**2)))))
    # the logarithm of an edge and back is a rounding beyond it
    ends = ((float(x), p.domain) for x, p in zip(coordinates.to_params(t), coordinates.params, strict=True))
    theta = dict(zip(coordinates.names, (min(max(x, d.lo), d.hi) for x, d in ends), strict=True))
    values = resolve(law.ties, {**law.held, **task.fixed, **theta})
    best = search.cost[_best_first(search, task.rounding)[0]]
    near = search.cost <= best * (1 + SAME) + task.rounding
    names = np.array(coordinates.names)
    around = Near.of(law, made, task.model, t, loss, task.fixed, at_bound | idle, runs)
    seen = examine(around, cov.weakest)
    verdict = judge(
        law,
        made,
        cov,
        converged=end.converged,
        agree=int(near.sum()),
        tried=len(near),
        rival=float(search.cost[~near].min() / best - 1) if best > 0 and not near.all() else np.inf,
        at_bound=tuple(names[at_bound & ~idle]),
        vanished=tuple(names[gone]),
        limit=tuple(names[limit]) if not gone.any() else (),
        idle=tuple(names[idle & ~gone & ~limit]) if not gone.any() else (),
        iterations=end.iterations,
        explained=_explained(made, task.y, end.cost, loss, len(task.specs)),
        left=_left(made.weights, task.y, loss.link(value) - task.y),
        seen=seen,
        from_prior=from_prior(coordinates, cov.root),
    )
    objective = (made.weights * loss.value(loss.link(value) - task.y)).sum()
    return Fitted(
        law=law,
        values={k: float(values[k]) for k in (*law.params, *law.ties)},
        objective=(objective if informed.any() else end.cost) * loss.scale,
        loss=loss,
        fixed=task.fixed,
        coordinates=coordinates,
        t=t,
        cov=cov,
        verdict=verdict,
        design=made,
        runs=runs,
        seed=seed,
        memory=Memory({"near": around, "findings": seen}),
    )


def _starts(
    law: Law, model: models.Model, few: Design, loss: Loss, specs: tuple[Parameter, ...], seed: int, given: bool
) -> np.ndarray:
    """The best nodes of a grid, and what simpler laws say; with many parameters the latter alone, where there are any."""
    nested = _simpler(law, few, loss, specs, model.coordinates, seed)
    if len(nested):  # what a simpler law says need not be finite in this one
        nested = nested[np.isfinite(costs(model, loss.link(few.loss), nested, few.weights, loss))]
    if len(specs) > MANY and len(nested):
        return nested
    unknown = sum(p.prior is None for p in specs)  # the others are where they are known to be
    keep = STARTS if unknown <= FEW else 3 * unknown
    return np.concatenate([seeds(model, loss.link(few.loss), few.loss, few.weights, loss, keep, seed, given), nested])


def _simpler(
    law: Law, few: Design, loss: Loss, specs: tuple[Parameter, ...], coordinates: Coordinates, seed: int
) -> np.ndarray:
    """Starts that say what the best fit of a simpler law says, where the law declares one it contains."""
    if (simple := contained(law)) is None:
        return np.empty((0, len(specs)))
    part, params = seen_by(simple, few), tuple(simple.params.values())
    model, y = models.build(simple, params, part.inputs, {}, loss), loss.link(few.loss)
    start = _starts(simple, model, part, loss, params, seed, False)
    if not len(start):
        return np.empty((0, len(specs)))
    found = minimise(model, y, start, few.weights, loss, max_iter=40)
    if not np.isfinite(found.cost).any():
        return np.empty((0, len(specs)))
    best = dict(zip(model.coordinates.names, model.coordinates.to_params(found.t[found.cost.argmin()]), strict=True))
    return saying(law, best, few, specs, coordinates)


def _explained(made: Design, y: np.ndarray, cost: float, loss: Loss, p: int) -> float:
    """Share of the objective of the best constant that the law does away with, both per degree of freedom."""
    order = np.argsort(y)
    half = np.searchsorted(np.cumsum(made.weights[order]), made.weights.sum() / 2)
    constant = y[order[min(half, len(y) - 1)]]
    rows = made.weights.sum()
    spread = (made.weights * loss.value(constant - y)).sum() / max(rows - 1, 1.0)
    return float(1 - cost / max(rows - p, 1.0) / spread) if spread > 1e-24 else 0.0


def _left(weights: np.ndarray, y: np.ndarray, r: np.ndarray) -> float:
    """Share of the variance of losses y (n,) that is in the residuals r (n,), whatever was minimised."""
    spread = (weights * (y - np.average(y, weights=weights)) ** 2).sum()
    return float((weights * r**2).sum() / spread) if spread > 0 else 0.0


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
