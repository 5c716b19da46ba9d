"""One law fitted to many subsets of the same rows at once: backtests and folds are weights, never copied rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from scaling.design.inputs import Design
from scaling.engine import model as models
from scaling.engine.coordinates import Coordinates
from scaling.engine.losses import Loss
from scaling.engine.nested import contained, saying, seen_by
from scaling.engine.prior import onward, scatter, settled
from scaling.engine.solver import costs, minimise
from scaling.engine.starts import Grid, leading
from scaling.engine.uncertainty import deviation, lag_one
from scaling.formula import Law, Parameter

GRID_ROWS = 96  # rows of a subset that rank its starts
STARTS = 4
SKETCH, ENOUGH = 256, 4  # rows that say where the best start leads; of these, per parameter, a subset must have so many
NEAR = 1e-3  # relative change of the strength of priors that is none, in a refit
RACE = 12  # iterations after which the best of several starts of a part is followed alone
ROUNDS = 200  # iterations after which a fit is left where it is
FEW = 7  # parameters up to which a grid finds what a simpler law does not say
ROUGH, FIRST = 2e-2, 40  # as `stall` and `rounds`, of a simpler law
TURNS = 8  # at most, to weigh priors against data


@dataclass(frozen=True, eq=False)
class Refits:
    """F fits of one law.

    Attributes
    ----------
    t (F, p) : parameters in the solver's variables. noise (F,) : residual sd in the objective's units. ok (F,) : usable.
    root (F, p, p) : of (J^T W J)^-1 of each fit: times noise and the root of alike, that of its parameters' covariance.
    alike (F,) : how many rows count as one, because neighbouring rows of a run lean the same way.
    """

    law: Law
    fixed: dict[str, float]
    loss: Loss
    coordinates: Coordinates
    t: np.ndarray
    noise: np.ndarray
    root: np.ndarray
    alike: np.ndarray
    ok: np.ndarray

    @property
    def params(self) -> int:
        return len(self.coordinates.params)

    def with_last(self, other: Refits) -> Refits:
        """These fits, and the last of others."""
        both = {k: np.concatenate([getattr(self, k), getattr(other, k)[-1:]]) for k in ("t", "noise", "root", "alike", "ok")}
        return replace(self, **both)  # type: ignore[arg-type]

    def take(self, which: Sequence[int]) -> Refits:
        """Some of the fits, in this order."""
        return replace(self, **{k: getattr(self, k)[list(which)] for k in ("t", "noise", "root", "alike", "ok")})

    def last(self) -> Refits:
        """The last of the fits alone."""
        return self.take([-1])

    def model(self, rows: Design) -> models.Model:
        """The law over other rows, in the coordinates of these fits."""
        return models.build(self.law, self.coordinates.params, rows.inputs, self.fixed, self.loss, coordinates=self.coordinates)

    def predict(self, model: models.Model) -> tuple[np.ndarray, np.ndarray]:
        """Prediction in the objective's units and its variance, the noise of one row included: both (F, n)."""
        with np.errstate(all="ignore"):
            terms = model.terms(self.t)
            value = model.value(terms)
            J = model.jacobian(terms, value)
            if self.loss.log:
                J = J / value[:, None, :]
            return self.loss.link(value), self.noise[:, None] ** 2 * (1 + self.alike[:, None] * deviation(J, self.root) ** 2)


def refit(
    law: Law,
    made: Design,
    loss: Loss,
    weights: np.ndarray,
    *,
    fixed: Mapping[str, float] | None = None,
    params: tuple[Parameter, ...] | None = None,
    seed: int = 0,
    warm: np.ndarray | None = None,
    coordinates: Coordinates | None = None,
    starts: int = STARTS,
    stall: float = 0.0,
    rounds: int = ROUNDS,
) -> Refits:
    """Fit `law` from scratch to each of F subsets of the rows.

    Parameters
    ----------
    weights : (F, n), zero where a row is not in the subset.
    params : free parameters with their domains; default: all of the law's that are not fixed.
    warm : one more start for every subset, in the solver's variables. coordinates : those of a fit at hand.
    starts : how many of a grid; none where `warm` is enough.
    stall, rounds : a fit is left where it is if its cost falls by less than this part in 20 iterations, or after so many.
    """
    fixed = dict(fixed or {})
    params = params or tuple(p for k, p in law.params.items() if k not in fixed)
    y = loss.link(made.loss)
    model = models.build(law, params, made.inputs, fixed, loss, coordinates=coordinates)

    known = _nested(law, made, loss, weights, fixed, params, model.coordinates, seed)
    grid = None if any(map(len, known)) or not starts else Grid.of(_few(model, made)[0], seed)

    def begin(w: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Where rows of weights w (n,) start: `warm`, and the best of what a simpler law says, else of a grid."""
        found = [] if warm is None else [warm]
        if starts and (grid is not None or len(known)):
            coarse, few, rows = _few(model, made, w)
            y = loss.link(few.loss)
            said = partial(grid.best, raw_y=few.loss) if grid is not None else partial(leading, t=known)
            found.insert(0, said(coarse, y, weights=w[rows], loss=loss, keep=starts))
        return np.vstack(found)

    begun, owner = [], []
    # parts of curves look alike: one grid does for all
    shared = begin(weights.max(0), known[0]) if law.over_schedules and (weights > 0).any() else None
    for f, w in enumerate(weights):
        if (w > 0).sum() > sum(p.prior is None for p in params):
            begun.append(begin(w, known[f]) if shared is None else shared)
            owner += [f] * len(begun[-1])
    F, p = len(weights), len(params)
    t, noise, root, alike = (np.full(shape, np.nan) for shape in ((F, p), F, (F, p, p), F))
    if owner:
        start, who = np.concatenate(begun), np.array(owner)
        if len(made) > SKETCH and len(who) > F:
            rows = np.linspace(0, len(made) - 1, SKETCH).round().astype(int)
            few = made.sketch(rows)
            coarse = model.over(few.inputs)
            start, who = _led(coarse, y[rows], start, who, weights[:, rows], loss, few.runs, stall, rounds)
        elif rounds < ROUNDS and len(who) > F and not model.coordinates.informed:  # a few steps show which start to follow
            first = minimise(model, y, start, weights[who], loss, damping=1e-3, max_iter=RACE)
            best = _firsts(first.t, first.cost, who, F)
            who = np.flatnonzero(np.isfinite(best).all(1))
            start = best[who]
        t, strengths = _solved(model, y, start, who, weights, loss, made.runs, stall, rounds)
    ok = np.isfinite(t).all(1)
    if ok.any():
        strong = strengths[ok] if model.coordinates.informed else None
        noise[ok], root[ok], alike[ok] = _spread(model, y, t[ok], weights[ok], loss, made.runs, strong)
    return Refits(law, fixed, loss, model.coordinates, t, noise, root, alike, ok & np.isfinite(noise))


def _few(model: models.Model, made: Design, w: np.ndarray | None = None) -> tuple[models.Model, Design, np.ndarray]:
    """The law over few of the rows, of those of weights w (n,) above 0, these rows, and which they are."""
    rows = np.arange(len(made)) if w is None else np.flatnonzero(w > 0)
    if len(rows) > GRID_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, GRID_ROWS).round().astype(int)]
    few = made.sketch(rows)
    return model.over(few.inputs), few, rows


def _nested(
    law: Law, made: Design, loss: Loss, weights: np.ndarray, fixed: Mapping[str, float], params: tuple[Parameter, ...],
    coordinates: Coordinates, seed: int,
) -> list[np.ndarray]:  # fmt: skip
    """Starts (k, p) of every part that say what a simpler law fitted to it says; none where `law` contains none."""
    nothing = [np.empty((0, len(params)))] * len(weights)
    simple = contained(law)
    if simple is None or fixed or law.over_schedules or len(params) <= FEW:
        return nothing
    fits = refit(simple, seen_by(simple, made), loss, weights, seed=seed, starts=1, stall=ROUGH, rounds=FIRST)
    found = list(nothing)
    for f in np.flatnonzero(fits.ok):
        values = dict(zip(fits.coordinates.names, fits.coordinates.to_params(fits.t[f]), strict=True))
        found[f] = saying(law, values, made.take(np.flatnonzero(weights[f] > 0)), params, coordinates)
    return found


def _led(
    coarse: models.Model, y: np.ndarray, start: np.ndarray, who: np.ndarray, weights: np.ndarray, loss: Loss, runs: np.ndarray,
    stall: float, rounds: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Starts and their subsets after the few rows of `coarse` were fitted: one per subset that has enough of these rows."""
    enough = ((weights > 0).sum(1) >= ENOUGH * start.shape[1])[who]
    if not enough.any():
        return start, who
    t, _ = _solved(coarse, y, start[enough], who[enough], weights, loss, runs, stall, rounds)
    led = np.flatnonzero(np.isfinite(t).all(1))
    others = ~np.isin(who, led)
    return np.concatenate([t[led], start[others]]), np.concatenate([led, who[others]])


def _solved(
    model: models.Model, y: np.ndarray, start: np.ndarray, who: np.ndarray, weights: np.ndarray, loss: Loss, runs: np.ndarray,
    stall: float, rounds: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The best end (F, p) of the starts (S, p) of each subset `who` (S,), NaN where there is none, and how strong its priors
    are (F,): by the scatter around the best start, then, again, around where it ended."""
    inner, F = model.coordinates, len(weights)
    cost = costs(model, y, start, weights[who], loss)
    best, strengths = _firsts(start, cost, who, F), np.zeros(F)
    tried: list[list[tuple[float, float]]] = [[] for _ in range(F)]
    for turn in range(TURNS if inner.informed else 1):
        if inner.informed:
            now = scatter(model, y, best, weights, loss, runs, strengths)
            if turn and settled(strengths, now, NEAR):
                break
            for f, one in enumerate(tried):
                one += [(strengths[f], now[f])] * bool(turn)
            strengths = np.array([onward(one) if one else new for one, new in zip(tried, now, strict=True)])
        pull = np.column_stack([strengths[who], np.tile(inner.aim, (len(who), 1))])
        found = minimise(model, y, start, weights[who], loss, damping=1e-3, pull=pull, stall=stall, max_iter=rounds)
        best = _firsts(found.t, found.cost, who, F)
        start, who = best[np.isfinite(best).all(1)], np.flatnonzero(np.isfinite(best).all(1))
    return best, strengths


def _firsts(t: np.ndarray, cost: np.ndarray, who: np.ndarray, F: int) -> np.ndarray:
    """Of the problems t (S, p) of each subset the one with the least cost (F, p); NaN where none is finite."""
    out = np.full((F, t.shape[1]), np.nan)
    for f in np.unique(who):
        mine = np.flatnonzero(who == f)
        first = mine[np.argmin(cost[mine])]
        if np.isfinite(cost[first]):
            out[f] = t[first]
    return out


@np.errstate(all="ignore")
def _spread(
    model: models.Model, y: np.ndarray, t: np.ndarray, weights: np.ndarray, loss: Loss, runs: np.ndarray,
    strengths: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Residual sd (F,); root of (J^T W J)^-1 (F, p, p) without directions that no row moves; rows that count as one (F,).

    strengths (F,) : of what is known beforehand, if anything is: more rows, beside which the data's count as their share.
    """
    terms = model.terms(t)
    value = model.value(terms)
    J = model.jacobian(terms, value)
    if loss.log:
        J = J / value[:, None, :]
    r = loss.link(value) - y
    free = (t > model.coordinates.lower) & (t < model.coordinates.upper) & ~(model.coordinates.logs & (t < -25))
    J = np.where(free[:, :, None], J, 0.0)
    noise = np.sqrt((weights * r**2).sum(1) / np.maximum(weights.sum(1) - free.sum(1), 1.0))
    A = (J * np.sqrt(weights)[:, None, :]).transpose(0, 2, 1)
    if strengths is not None:
        known = np.where(free[:, None, :], model.coordinates.known, 0.0)
        A = np.concatenate([A, np.sqrt(strengths)[:, None, None] * known], axis=1)
    size = np.sqrt((A**2).sum(1))
    size = np.where(size > 0, size, 1.0)
    A = np.where(np.isfinite(A), A, 0.0) / size[:, None, :]
    _, s, Vt = np.linalg.svd(A, full_matrices=False)
    inverse = np.where(s > 0, 1 / np.maximum(s, s[:, :1] * 1e-12), 0.0)
    inverse = np.where(s > 1e-14 * s[:, :1], inverse, 0.0)
    rho = np.array([lag_one(r[f, w > 0], runs[w > 0]) for f, w in enumerate(weights)])
    root = (Vt.transpose(0, 2, 1) * inverse[:, None, :]) / size[:, :, None]
    return noise, root, (1 + rho) / (1 - rho) if strengths is None else strengths / np.maximum(noise**2, 1e-300)
