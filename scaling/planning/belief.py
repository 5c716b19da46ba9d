"""What is believed about a law before and after any number of runs: ln loss = ln law + misfit + noise.

The parameters have a wide normal prior in the solver's variables, so that fewer runs than parameters will do. No law is
quite right: the misfit is a smooth random function of the logarithms of the inputs, the same for runs that lie together,
so that many cheap runs cannot average it away. How large it is, and how large the noise, is read off the runs by evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scaling.errors import DataError, LawError, ScalingError
from scaling.fitting import model as models
from scaling.fitting.design import Design, design
from scaling.fitting.losses import Loss
from scaling.fitting.refit import refit
from scaling.fitting.starts import linear_params
from scaling.formula import Law, Parameter

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
    J (n, p), F (n, q) : of the pool, slopes of ln law in parameters over prior sd, and functions of unit variance that
        the misfit is made of; target_J, target_F and made_J, made_F likewise for the target and the runs made.
    """

    def __init__(
        self, law: Law, pool, target, done=None, *, fixed: Mapping[str, float] | None = None,
        misfit: bool = True, seed: int = 0,
    ) -> None:  # fmt: skip
        if "features" in law.hooks:
            raise LawError(
                f"law '{law.name}' predicts curves from schedules; experiments are chosen among rows of inputs. "
                "Use a law of final losses."
            )
        self.law, self.fixed = law, dict(fixed or {})
        params = tuple(p for k, p in law.params.items() if k not in self.fixed)
        self.pool, self.target = _inputs(pool, law, "pool"), _inputs(target, law, "target")
        self.made = design(done, law, fitting=True) if done is not None and len(done) else self.pool.take([])
        self.frame = models.build(law, params, self.pool.inputs, self.fixed, LOSS).frame
        self.centre, self.sd = _prior(params, self.frame)
        self.t, self.noise, self.misfit = self.centre, NOISE, MISFIT if misfit else 0.0
        parts = [self.pool, self.target, self.made]
        F = _wiggles(parts, law) if misfit else np.zeros((sum(map(len, parts)), 0))
        self.F, self.target_F, self.made_F = np.split(F, np.cumsum([len(part) for part in parts])[:-1])
        if len(self.made):
            self._learn(seed)
        (self.J, _), (self.target_J, self.prediction) = self._slopes(self.pool), self._slopes(self.target)
        self.made_J = self._slopes(self.made)[0] if len(self.made) else np.zeros((0, len(params)))

    def _model(self, rows: Design):
        return models.build(self.law, self.frame.params, rows.inputs, self.fixed, LOSS, frame=self.frame)

    def _slopes(self, rows: Design) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of ln law in parameters over prior sd (n, p), and the law (n,), at t."""
        model = self._model(rows)
        with np.errstate(all="ignore"):
            value, J = models.at(model, self.t)
            J = (J / value).T * self.sd
        return np.where(np.isfinite(J), J, 0.0), value

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

    def _starts(self, model, y: np.ndarray, seed: int) -> list[np.ndarray]:
        """The prior's centre with its scales moved to the losses, and the best fit without a prior if there is one."""
        t = self.centre.copy()
        if scales := [j for j in linear_params(model) if self.frame.logs[j]]:
            with np.errstate(all="ignore"):
                shift = np.nanmean(y - np.log(model.value(model.terms(t[None]))[0]))
            t[scales] += np.clip(np.nan_to_num(shift), -5.0, 5.0)
        starts = [t, self.centre]
        if len(y) > len(t):
            fits = refit(self.law, self.made, LOSS, self.made.weights[None], fixed=self.fixed, seed=seed)
            if fits.ok[0]:
                values = {**self.fixed, **dict(zip(fits.frame.names, fits.frame.to_params(fits.t[0]), strict=True))}
                starts.append(self.frame.from_params(np.array([values[name] for name in self.frame.names])))
                self._doubt(y - fits.predict(self.made)[0][0])
        return [np.clip(t, self.frame.lower, self.frame.upper) for t in starts]

    def _doubt(self, r: np.ndarray) -> None:
        """Runs far from the robust fit, broken ones maybe, count as if they were three sd from it."""
        if len(r) > 2 * len(self.t):
            far = 3 * max(1.4826 * float(np.median(np.abs(r))), NOISE)
            self.made = replace(
                self.made, weights=self.made.weights * np.minimum(1.0, far / np.maximum(np.abs(r), far)) ** 2
            )

    @np.errstate(all="ignore")
    def _mode(self, model, y: np.ndarray, start: np.ndarray) -> tuple[float, np.ndarray]:
        """Damped Gauss-Newton over parameters and misfit from one start: minus twice the log posterior, and where."""
        p, root = len(start), np.sqrt(self.made.weights) / self.noise
        G = self.misfit * self.made_F

        def at(z):
            terms = model.terms((self.centre + self.sd * z[:p])[None])
            value = model.value(terms)
            r = (y - np.log(value[0]) - G @ z[p:]) * root
            cost = r @ r + z @ z
            return terms, value, r, cost if np.isfinite(cost) else np.inf

        low, high = ((edge - self.centre) / self.sd for edge in (self.frame.lower, self.frame.upper))
        z, damping = np.concatenate([(start - self.centre) / self.sd, np.zeros(G.shape[1])]), 1e-2
        terms, value, r, cost = at(z)
        for _ in range(ROUNDS):
            A = np.hstack([(model.jacobian(terms, value)[0] / value[0]).T * self.sd, G]) * root[:, None]
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
        p, n, w = J.shape[1], len(y), self.made.weights
        r = (y - np.log(value) + J @ ((self.t - self.centre) / self.sd)) * np.sqrt(w)
        A = np.hstack([J, self.made_F]) * np.sqrt(w)[:, None]
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


def _inputs(data, law: Law, what: str) -> Design:
    if not hasattr(data, "columns") or not len(data):
        raise DataError(f"{what}: a table with at least one row of {', '.join(law.inputs)} is needed.")
    try:
        return design(data.drop(columns="loss", errors="ignore"), law, fitting=False)
    except ScalingError as error:
        raise type(error)(f"{what}: {error}") from None


def _prior(params: tuple[Parameter, ...], frame) -> tuple[np.ndarray, np.ndarray]:
    """Centre and sd: a quarter of the range starts are sought in (arXiv:2604.22753), around terms of order one."""
    starts = np.array([p.start for p in params])
    centre = frame.from_params(starts) if frame.straight else np.where(frame.logs, 0.0, starts)
    sd = []
    for p, at in zip(params, centre, strict=True):
        d = p.domain
        low, high = d.grid
        if d.log and (d.lo > 0 or np.isfinite(d.hi)):
            low, high = max(d.lo, 1e-12 * d.hi) if np.isfinite(d.hi) else d.lo, min(d.hi, 1e6 * max(d.lo, 1e-300))
        low, high = (np.log(low), np.log(high)) if d.log else (max(low, d.lo), min(high, d.hi))
        sd.append(max((high - low) / 4, abs(at) / 2))
    return np.clip(centre, frame.lower, frame.upper), np.array(sd)


def _wiggles(parts: list[Design], law: Law) -> np.ndarray:
    """Functions (rows of all parts, q) whose random sums are once differentiable (Matern 3/2), as long as the data's range."""
    columns = []
    for name in law.inputs:
        x = np.concatenate([np.asarray(part.inputs[name], float) for part in parts])
        x = np.log(x) if (x > 0).all() else x
        if np.ptp(x) > 0:
            columns.append((x - x.min()) / np.ptp(x))
    if not columns:
        return np.zeros((sum(map(len, parts)), 0))
    U = np.stack(columns, 1)
    marks = U[np.linspace(0, len(U) - 1, min(len(U), LANDMARKS)).round().astype(int)]

    def kernel(a, b):
        r = np.sqrt(3 * ((a[:, None] - b[None]) ** 2).sum(-1))
        return (1 + r) * np.exp(-r)

    size, V = np.linalg.eigh(kernel(marks, marks))
    size, V = size[::-1][:WIGGLES], V[:, ::-1][:, :WIGGLES]
    kept = size > 1e-9 * size[0]
    return kernel(U, marks) @ (V[:, kept] / np.sqrt(size[kept]))
