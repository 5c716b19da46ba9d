"""One maximum a posteriori fit of a running log and its references, and what it says about the steps to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import solve_triangular

from scaling.running.beliefs import Belief, carried
from scaling.running.path import DRIFT, NAMES, Path
from scaling.schedules import Schedule

HUBER = 4.0  # whitened residuals beyond which a row weighs less
ROW = 0.001  # sd of ln loss of a row apart from its own noise
SHARED, ALIKE = 0.9, 0.1  # correlation of the drifts of two runs on one schedule; mean distance of rates over which it falls
ROUNDS, ENOUGH = 100, 1e-7
TOO_FAR, SCALINGS = 1.5, 4  # typical size of a run's whitened residuals from which its drift is scaled up, and how often
SIZE = len(NAMES)
LEAST = 0.01  # of the last loss, below which no law is followed
_SHARES = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Curve:
    """Rows of one run for a fit: the path through them, loss (n,), sd of its noise (n,), and whose constants they have."""

    path: Path
    loss: np.ndarray
    noise: np.ndarray
    block: int = 0

    @property
    def drift(self) -> np.ndarray:
        """Counted from the end of its plan, so that runs of all lengths share it."""
        return np.asarray(self.path.drift - DRIFT**2 * np.log(self.path.schedule.steps))


@dataclass(frozen=True, eq=False)
class Link:
    """A group of references: the schedule whose horizon its constants are of, where its loss ended, what its constants are
    before its log speaks, and the covariance of their difference from the target's."""

    horizon: Schedule
    start: Belief
    spread: np.ndarray


def alike(plans: Sequence[Schedule]) -> np.ndarray:
    """Correlation of the drifts of runs (n, n), by the mean distance of their relative rates at equal shares of the run."""
    shapes = np.stack([np.interp(_SHARES, np.arange(1, p.steps + 1) / p.steps, p.rates / p.peak) for p in plans])
    same = SHARED * np.exp(-np.abs(shapes[:, None] - shapes[None]).mean(-1) / ALIKE)
    np.fill_diagonal(same, 1.0)
    return np.asarray(same)


@dataclass(eq=False)
class Hierarchy:
    """Constants of a target (block 0) and of groups of references (1, 2, ...) linked to it, with the drift of every run.

    ln loss = ln law + drift + noise: the drift is Brownian in the time of `Path.drift` and shared by runs on like schedules.
    Whitened residuals have a Huber loss, the Gaussian of the constants has none. A run that the law follows worse than the
    drift allows has more drift: `scale` times as much, in standard deviations.

    Parameters
    ----------
    curves : rows of the runs, those of the target first. prior : of the target's constants. links : the groups.
    """

    curves: Sequence[Curve]
    prior: Belief
    links: Sequence[Link] = ()
    x: np.ndarray = field(init=False)
    covariance: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self._plan = self.curves[0].path.schedule
        self._like = alike([curve.path.schedule for curve in self.curves])
        self._of = np.repeat(np.arange(len(self.curves)), [len(curve.loss) for curve in self.curves])
        drift = [curve.drift for curve in self.curves]
        self._begin = min(c[0] for c in drift)
        self._drift = np.concatenate(drift) - self._begin
        self._log = np.log(np.concatenate([curve.loss for curve in self.curves]))
        white = np.diag(ROW**2 + (np.concatenate([curve.noise for curve in self.curves]) / np.exp(self._log)) ** 2)
        drift = np.minimum(self._drift[:, None], self._drift) * self._like[self._of[:, None], self._of]
        self.scale, x = np.ones(len(self.curves)), self._started()
        for left in reversed(range(SCALINGS)):
            every = self.scale[self._of]
            self._root = np.linalg.cholesky(drift * every[:, None] * every + white)
            x, self.covariance = self._fitted(x)
            if (seen := self._seen(x)).max() < TOO_FAR or not left:
                break
            self.scale = self.scale * np.where(seen < TOO_FAR, 1.0, seen)
        self.x = x

    def _seen(self, x: np.ndarray) -> np.ndarray:
        """How much larger the whitened residuals of every run are than they should be, robustly."""
        found = self._white(x)
        assert found is not None  # the fit ended there
        return np.array([np.median(np.abs(found[0][self._of == k])) / 0.6745 for k in range(len(self.curves))])

    def _started(self) -> np.ndarray:
        """Every block at its prior mean, with L0 where its last loss needs it."""
        x = np.concatenate([self.prior.mean, *(link.start.mean for link in self.links)])
        for curve in reversed(self.curves):
            part = x[SIZE * curve.block :][:SIZE]
            part[0] += curve.loss[-1] - curve.path(part, [-1])[0][0]
        return x

    def _fitted(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Damped Gauss-Newton from one start."""
        damping = 1e-3
        cost, slope, H = self._system(x)
        for _ in range(ROUNDS):
            step = np.linalg.solve(H + damping * np.diag(np.diag(H)), slope)
            step *= min(1.0, 1 / np.abs(step).max())
            new = self._system(x + step)
            if new[0] < cost:
                done = cost - new[0] < ENOUGH * (1 + cost)
                x, (cost, slope, H), damping = x + step, new, damping / 5
                if done:
                    break
            elif (damping := 5 * damping) > 1e8:
                break
        return x, np.linalg.inv(H)

    def _system(self, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Cost, its falling slope, and the curvature of a Gauss-Newton step."""
        n = len(x)
        found = self._white(x)
        if found is None:
            return np.inf, np.zeros(n), np.eye(n)
        r, weight, J = found
        a = np.abs(r)
        cost = float(np.sum(np.where(a <= HUBER, a**2 / 2, HUBER * (a - HUBER / 2))))
        slope, H = J.T @ (weight * r), (J.T * weight) @ J
        ties = [(self.prior.precision, x[:SIZE] - self.prior.mean, np.eye(SIZE, n))]
        for b, link in enumerate(self.links, 1):
            y, by = carried(x[SIZE * b :][:SIZE], link.horizon, self._plan)
            tie = np.eye(SIZE, n)
            tie[:, SIZE * b : SIZE * (b + 1)] = -by
            ties.append((np.linalg.inv(link.spread), x[:SIZE] - y, tie))
        for precision, off, tie in ties:
            cost += float(off @ precision @ off) / 2
            slope -= tie.T @ (precision @ off)
            H += tie.T @ precision @ tie
        return cost, slope, H

    def _white(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Whitened residuals, their Huber weights, and slopes of the whitened ln law; None where the law is below 0
        or beyond all numbers."""
        J, fitted = np.zeros((len(self._log), len(x))), []
        for k, curve in enumerate(self.curves):
            block = slice(SIZE * curve.block, SIZE * (curve.block + 1))
            with np.errstate(over="ignore", invalid="ignore"):  # a step too far, which the solver takes back
                value, by = curve.path(x[block])
            if not ((value > 0).all() and np.isfinite(by).all()):
                return None
            J[self._of == k, block] = by / value[:, None]
            fitted.append(np.log(value))
        both = np.column_stack([self._log - np.concatenate(fitted), J])
        both = solve_triangular(self._root, both, lower=True, check_finite=False)
        r = both[:, 0]
        return r, np.minimum(1.0, HUBER / np.maximum(np.abs(r), 1e-12)), both[:, 1:]

    @property
    def plan(self) -> Schedule:
        """Of the target."""
        return self._plan

    @property
    def residuals(self) -> np.ndarray:
        """loss / law - 1 of the target's rows."""
        curve = self.curves[0]
        return np.asarray(curve.loss / curve.path(self.x[:SIZE])[0] - 1)

    def ahead(self, paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
        """ln loss of the target at the steps of some paths, one after the other, and its covariance, the constants' and the
        drift's: law and carried residual, and the slope of both. Paths count in the units of the target's plan."""
        found = self._white(self.x)
        assert found is not None  # the fit ended there
        r, weight, J = found
        values, slopes = zip(*(path(self.x[:SIZE]) for path in paths), strict=True)
        value, by = np.maximum(np.concatenate(values), LEAST * self.curves[0].loss[-1]), np.concatenate(slopes)
        of = np.repeat(np.arange(len(paths)), [len(path.steps) for path in paths])
        begin = self._begin + DRIFT**2 * np.log(self._plan.steps)
        drift = np.concatenate([path.drift for path in paths]) - begin
        near = np.minimum(self._drift[:, None], drift) * (self.scale[0] * self.scale * self._like[0])[self._of][:, None]
        near = solve_triangular(self._root, near, lower=True, check_finite=False)
        slope = -near.T @ (weight[:, None] * J)
        slope[:, :SIZE] += by / value[:, None]
        own = self.scale[0] ** 2 * np.minimum(drift[:, None], drift) - near.T @ near
        if len(paths) > 1:
            own = own * alike([path.schedule for path in paths])[of[:, None], of]
        return np.log(value) + near.T @ (weight * r), slope @ self.covariance @ slope.T + own
