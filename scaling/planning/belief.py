"""What is believed about a law before and after any number of runs: ln loss = ln law + misfit + noise.

The parameters have a wide normal prior in the solver's variables, so that fewer runs than parameters will do. No law is
quite right: the misfit is a smooth random function of the logarithms of the inputs (of curves: of their `way`), the same for
runs that lie together, so that many cheap runs cannot average it away. How large it is, and how large the noise, is read off
the runs by evidence.

A curve is no set of independent runs. It counts as few rows (see `curves`), and these share an error as large as that of
one row: two runs that differ by their seed alone are apart all along, by about as much as their rows scatter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scaling.design.bins import evenly
from scaling.design.inputs import Design, design
from scaling.engine import model as models
from scaling.engine.coordinates import Coordinates
from scaling.engine.losses import Loss
from scaling.engine.refit import refit
from scaling.engine.starts import linear_params, search_range
from scaling.errors import DataError, ScalingError
from scaling.formula import Law, Parameter
from scaling.logs import Runs
from scaling.planning.curves import LOOKS, looks, way

Model = models.MonomialModel | models.GeneralModel
NOISE, MISFIT = 0.005, 0.01  # relative sd of one loss and of the law, until runs say otherwise; within a factor of e
NOISES, MISFITS = np.geomspace(5e-4, 0.064, 8), np.geomspace(3e-4, 0.1, 6)
WIGGLES, LANDMARKS = 24, 200  # functions the misfit is made of, rows they are built from
LOSS = Loss("huber", True, 1e-2)
ROUNDS, STEP = 60, 3.0  # of the search for the most probable parameters, longest step in prior sd


class Belief:
    """Parameters and their prior, linearised at the most probable values given the runs that were made.

    Attributes
    ----------
    t, sd (p,) : most probable parameters and prior sd, in the solver's variables. noise, misfit : relative sd.
    curves : is each candidate a curve, whose rows share an error, rather than a row?
    J (n, p), F (n, q) : of the pool, slopes of ln law in parameters over prior sd, and functions of unit variance that
        the misfit is made of; target_J, target_F and made_J, made_F likewise for the target and the runs made.
    """

    def __init__(
        self, law: Law, pool: Any, target: Any, done: Any = None, *, fixed: Mapping[str, float] | None = None,
        misfit: bool = True, seed: int = 0,
    ) -> None:  # fmt: skip
        self.law, self.fixed, self.curves = law, dict(fixed or {}), law.over_schedules
        params = tuple(p for k, p in law.params.items() if k not in self.fixed)
        self.pool, self.target = _inputs(pool, law, "pool"), _inputs(target, law, "target")
        self.made = design(done, law, fitting=True) if done is not None and len(done) else self.pool.take(np.arange(0))
        if self.curves and len(self.made):
            self.made = self.made.take(evenly(self.made.runs, LOOKS))
        self.coordinates = models.build(law, params, self.pool.inputs, self.fixed, LOSS).coordinates
        self.centre, self.sd = _prior(params, self.coordinates, [self._model(x) for x in (self.pool, self.target)])
        self.t, self.noise, self.misfit = self.centre, NOISE, MISFIT if misfit else 0.0
        parts = [self.pool, self.target, self.made]
        places = [self._places(part, runs) for part, runs in zip(parts, (pool, target, done), strict=True)]
        F = _wiggles(np.concatenate(places).T if misfit else [], sum(map(len, parts)))
        self.F, self.target_F, self.made_F = np.split(F, np.cumsum([len(part) for part in parts])[:-1])
        if len(self.made):
            self._learn(seed)
        (self.J, _), (self.target_J, self.prediction) = self._slopes(self.pool), self._slopes(self.target)
        self.made_J = self._slopes(self.made)[0] if len(self.made) else np.zeros((0, len(params)))

    def _places(self, rows: Design, runs: Any) -> np.ndarray:
        """Where rows lie, (n, inputs), so that the misfit is alike where they are near; runs: what they were made of."""
        if self.curves:
            return way(rows.frame, runs, (*self.law.hooks.facts, "peak") if self.law.hooks.facts else ())
        return np.stack([np.asarray(rows.inputs[k], float) for k in self.law.inputs], 1)

    def _model(self, rows: Design) -> Model:
        build, coordinates = models.build, self.coordinates
        return build(self.law, coordinates.params, rows.inputs, self.fixed, LOSS, coordinates=coordinates)

    def _slopes(self, rows: Design) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of ln law in parameters over prior sd (n, p), and the law (n,), at t."""
        model = self._model(rows)
        with np.errstate(all="ignore"):
            value, J = models.at(model, self.t)
            J = (J / value).T * self.sd
        return np.where(np.isfinite(J), J, 0.0), value

    def white(self, x: np.ndarray, rows: Design) -> np.ndarray:
        """x (n, ...) of these rows in units in which their errors are independent, of sd `noise` each."""
        w = rows.weights.reshape(-1, *[1] * (x.ndim - 1))
        if not self.curves:
            return np.asarray(np.sqrt(w) * x)
        # inverse root of diag(1 / w) + 1 1^T in every run: less a share of the run's mean
        codes, out = rows.runs, np.empty_like(x)
        for code in np.unique(codes):
            at = codes == code
            total = w[at].sum()
            out[at] = np.sqrt(w[at]) * (x[at] - (1 - 1 / np.sqrt(1 + total)) * (w[at] * x[at]).sum(0) / total)
        return out

    def _candidates(self) -> np.ndarray:
        """Which candidate each row of the pool belongs to."""
        return self.pool.runs if self.curves else np.arange(len(self.pool))

    def blocks(self, x: np.ndarray) -> np.ndarray:
        """x (n, k) of the pool's rows, in units of noise, by candidate: (candidates, rows of the longest, k)."""
        codes = self._candidates()
        place = np.arange(len(codes)) - np.searchsorted(codes, codes)  # rows of a candidate lie together
        out = np.zeros((codes[-1] + 1, place.max() + 1, x.shape[1]))
        out[codes, place] = self.white(x, self.pool) / self.noise
        return out

    def lacks(self, chosen: list[int]) -> list[str]:
        """What the law needs to see, and neither the runs made nor these candidates show."""
        if self.law.hooks.needs is None:
            return []
        taken = self.pool.take(np.flatnonzero(np.isin(self._candidates(), chosen)))
        parts = [part for part in (self.made, taken) if len(part)]
        found = [self.law.hooks.needs(*(part.inputs[name] for name in self.law.inputs)) for part in parts]
        return [f"even with the runs chosen: {reason}" for reason in found[0]] if all(found) else []

    def _learn(self, seed: int) -> None:
        """Most probable parameters, then the levels of noise and misfit at these, twice."""
        model, y = self._model(self.made), np.log(self.made.loss)
        starts = self._starts(model, y, seed)
        for _ in range(2):
            found = [self._mode(model, y, t) for t in starts]
            self.t = min(found, key=lambda f: f[0])[1]
            self._levels(y)
            starts = [self.t]
        self.t = self._mode(model, y, self.t)[1]

    def _starts(self, model: Model, y: np.ndarray, seed: int) -> list[np.ndarray]:
        """The prior's centre with its scales moved to the losses, and the best fit without a prior if there is one."""
        t = self.centre.copy()
        if scales := [j for j in linear_params(model) if self.coordinates.logs[j]]:
            with np.errstate(all="ignore"):
                shift = np.nanmean(y - np.log(model.value(model.terms(t[None]))[0]))
            t[scales] += np.clip(np.nan_to_num(shift), -5.0, 5.0)
        starts = [t, self.centre]
        if len(y) > len(t):
            fits = refit(self.law, self.made, LOSS, self.made.weights[None], fixed=self.fixed, seed=seed)
            if fits.ok[0]:
                found = zip(fits.coordinates.names, fits.coordinates.to_params(fits.t[0]), strict=True)
                values = {**self.fixed, **dict(found)}
                starts.append(self.coordinates.from_params(np.array([values[name] for name in self.coordinates.names])))
                self._doubt(y - fits.predict(fits.model(self.made))[0][0])
        return [np.clip(t, self.coordinates.lower, self.coordinates.upper) for t in starts]

    def _doubt(self, r: np.ndarray) -> None:
        """Runs far from the robust fit, broken ones maybe, count as if they were three sd from it."""
        if len(r) > 2 * len(self.t):
            far = 3 * max(1.4826 * float(np.median(np.abs(r))), NOISE)
            counts = np.minimum(1.0, far / np.maximum(np.abs(r), far)) ** 2
            self.made = replace(self.made, weights=self.made.weights * counts)

    @np.errstate(all="ignore")
    def _mode(self, model: Model, y: np.ndarray, start: np.ndarray) -> tuple[float, np.ndarray]:
        """Damped Gauss-Newton over parameters and misfit from one start: minus twice the log posterior, and where."""
        p, G = len(start), self.misfit * self.made_F

        def at(z: np.ndarray) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, float]:
            terms = model.terms((self.centre + self.sd * z[:p])[None])
            value = model.value(terms)
            r = self.white(y - np.log(value[0]) - G @ z[p:], self.made) / self.noise
            cost = r @ r + z @ z
            return terms, value, r, cost if np.isfinite(cost) else np.inf

        low, high = ((edge - self.centre) / self.sd for edge in (self.coordinates.lower, self.coordinates.upper))
        z, damping = np.concatenate([(start - self.centre) / self.sd, np.zeros(G.shape[1])]), 1e-2
        terms, value, r, cost = at(z)
        for _ in range(ROUNDS):
            A = np.hstack([(model.jacobian(terms, value)[0] / value[0]).T * self.sd, G])
            A = self.white(A, self.made) / self.noise
            H, slope = A.T @ A + np.eye(len(z)), A.T @ r - z
            if not np.isfinite(cost) or not np.isfinite(H).all():
                break
            for _ in range(12):
                step = np.linalg.solve(H + damping * np.diag(np.diag(H)), slope)
                new = z + np.clip(step, -STEP, STEP)
                new[:p] = np.clip(new[:p], low, high)
                ahead = at(new)
                if ahead[3] <= cost:
                    break
                damping *= 5
            else:
                break
            gain, z, damping = cost - ahead[3], new, max(damping / 5, 1e-9)
            terms, value, r, cost = ahead
            if gain < 1e-7 * cost + 1e-9:
                break
        return cost, self.centre + self.sd * z[:p]

    def _levels(self, y: np.ndarray) -> None:
        """Noise and misfit of the highest evidence on a grid, parameters and misfit integrated out."""
        J, value = self._slopes(self.made)
        p, n = J.shape[1], len(y)
        r = self.white(y - np.log(value) + J @ ((self.t - self.centre) / self.sd), self.made)
        A = self.white(np.hstack([J, self.made_F]), self.made)
        AA, Ar, rr = A.T @ A, A.T @ r, r @ r
        best = np.inf
        for misfit in MISFITS if self.made_F.shape[1] else (0.0,):
            size = np.concatenate([np.ones(p), np.full(A.shape[1] - p, misfit)])
            for noise in NOISES:
                M = np.eye(len(size)) + AA * np.outer(size, size) / noise**2
                b = Ar * size / noise**2
                cost = rr / noise**2 - b @ np.linalg.solve(M, b) + np.linalg.slogdet(M)[1] + 2 * n * np.log(noise)
                cost += np.log(noise / NOISE) ** 2 + (np.log(misfit / MISFIT) ** 2 if misfit else 0.0)
                if cost < best:
                    best, self.noise, self.misfit = cost, float(noise), float(misfit)


def _inputs(data: Any, law: Law, what: str) -> Design:
    if isinstance(data, Runs) and law.over_schedules:
        return design(looks(data), law, fitting=False)
    if not hasattr(data, "columns") or not len(data):
        raise DataError(f"{what}: a table with at least one row of {', '.join(law.inputs)} is needed.")
    try:
        return design(data.drop(columns=["loss", "weight"], errors="ignore"), law, fitting=False)
    except ScalingError as error:
        raise type(error)(f"{what}: {error}") from None


@np.errstate(all="ignore")
def _prior(params: Sequence[Parameter], coordinates: Coordinates, there: list[Model]) -> tuple[np.ndarray, np.ndarray]:
    """Centre and sd: a quarter of the range starts are sought in (arXiv:2604.22753), around terms of order one.

    `there` are the models at pool and target: where one has no slopes at the centre it is the law's plain start, and no term
    is expected to take away more than half of the loss anywhere.
    """
    starts = np.array([p.start for p in params])
    plain = coordinates.from_params(starts)
    centre = np.clip(np.where(coordinates.logs, 0.0, starts), coordinates.lower, coordinates.upper)
    if coordinates.straight or not all(np.isfinite(models.at(model, centre)[1]).all() for model in there):
        centre = plain
    for model in there:
        value, J = models.at(model, centre)
        for j in linear_params(model) if (J[coordinates.logs] < 0).any() else []:
            if coordinates.logs[j]:
                less = np.nan_to_num(np.maximum(-J[j], 0.0) / (value - J[j]))
                centre[j] -= np.log(max(2 * less.max(), 1.0))
    ranges = [np.log(search_range(p.domain)) if p.domain.log else search_range(p.domain) for p in params]
    low, high = np.array(ranges).T
    sd = np.maximum((high - low) / 4, np.abs(centre) / 2)
    for j, p in enumerate(params):  # what is known beforehand, where coordinates are the parameters themselves
        if p.prior is not None and np.array_equal(coordinates.inverse[j], np.eye(len(params))[j]):
            centre[j] = plain[j]
            sd[j] = p.prior.sd
    return centre, sd


def _wiggles(inputs: Iterable[np.ndarray], n: int) -> np.ndarray:
    """Functions (n rows, q) whose random sums are once differentiable (Matern 3/2), as long as the range of the inputs (n,)."""
    columns = []
    for x in inputs:
        x = np.log(x) if (x > 0).all() else x
        if np.ptp(x) > 0:
            columns.append((x - x.min()) / np.ptp(x))
    if not columns:
        return np.zeros((n, 0))
    U = np.stack(columns, 1)
    marks = U[np.linspace(0, len(U) - 1, min(len(U), LANDMARKS)).round().astype(int)]

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        r = np.sqrt(3 * ((a[:, None] - b[None]) ** 2).sum(-1))
        return np.asarray((1 + r) * np.exp(-r))

    size, V = np.linalg.eigh(kernel(marks, marks))
    size, V = size[::-1][:WIGGLES], V[:, ::-1][:, :WIGGLES]
    kept = size > 1e-9 * size[0]
    return np.asarray(kernel(U, marks) @ (V[:, kept] / np.sqrt(size[kept])))
