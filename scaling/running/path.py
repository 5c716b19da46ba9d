"""One run's law on its learning rates: loss at logged and future steps, with its slopes in the eight constants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from scaling.schedules import Schedule

NAMES = ("L0", "ln A", "ln alpha", "ln N", "ln X", "q", "k", "ln eta_0")
L0, A, ALPHA, N, X, Q, K, ETA_0 = range(8)
POWERS = np.array([0.3, 0.55, 0.8, 1.05, 1.3])  # q at which areas are summed; between them ln of an area is a polynomial
FLOOR = 1e-3  # of the peak: the least rate inside kernel and progress, where the rate itself may be 0
CHANGE, JUMP = 1e-9, 8.0  # of the peak, the least change; times its neighbours, a change that is a block of its own
BLOCKS = 192  # of changing updates, each one drop of the rate: halving them moves no forecast by 1e-4
# sd of the drift of ln loss: per sqrt of ln step, and per sqrt of moved rate in peaks (ladder.md section 5: .004, .002 to .003)
DRIFT, MOVED = 0.004, 0.0025


@dataclass(frozen=True, eq=False)
class Path:
    """Steps of one schedule, and what the law sums up to each of them.

    L(t) = L0 + A p^-alpha + N p^(-k alpha) [h(1) - sum_j (h(u_j-1) - h(u_j)) G_j],   p = Q / Q_T,   Q = sum u^q,
    h(u) = u / (1 + u peak / eta_0),   G_j = 1 - (1 + X (Q - Q_j-1) / (T u_j^1/2))^-1/2,   u = eta / peak.

    Parameters
    ----------
    schedule : rates of the whole run. steps : shape (n,), rising step labels at which the law is wanted.
    horizon : the schedule whose Q_T and T are the units of A, N and X; its own by default.
    """

    schedule: Schedule
    steps: np.ndarray
    horizon: Schedule | None = None

    @cached_property
    def rates(self) -> np.ndarray:
        return self.schedule.rates / self.schedule.peak

    @cached_property
    def knots(self) -> np.ndarray:
        """Positions of updates between which everything is summed: steps, and ends of blocks of drops."""
        u, warm = self.rates, max(self.schedule.warmup, 1)
        size = np.abs(np.diff(u, append=u[-1]))[:-1]  # of the change before update k + 1
        changed = 1 + np.flatnonzero(size > CHANGE)
        changed = changed[changed >= warm]
        around = np.pad(size, 1)
        alone = changed[size[changed - 1] > JUMP * np.maximum(around[changed - 1], around[changed + 1])]
        edges = np.r_[changed[np.diff(changed, prepend=-2) > 1], alone] - 1
        ends = np.r_[changed[np.diff(changed, append=len(u) + 2) > 1], alone]
        if len(edges) > BLOCKS:  # stairs
            edges, ends = changed[:1] - 1, changed[-1:]
        inner = changed[:: max(1, len(changed) // BLOCKS)]
        return np.unique(np.r_[warm - 1, edges, ends, inner, self.schedule.index(self.steps), len(u) - 1])

    @cached_property
    def areas(self) -> np.ndarray:
        """Coefficients of ln sum u^q over the updates between two knots, as a polynomial in q: shape (5, knots)."""
        u = np.log(np.maximum(self.rates, FLOOR))
        begin = np.r_[0, self.knots[:-1] + 1]
        sums = np.stack([np.add.reduceat(np.exp(q * u), begin) for q in POWERS])
        return np.linalg.solve(np.vander(POWERS - 0.8, increasing=True), np.log(sums))

    def progress(self, q: float) -> tuple[np.ndarray, np.ndarray]:
        """Q at every knot, and its derivative in q."""
        x = q - 0.8
        parts = np.exp(x ** np.arange(5) @ self.areas)
        slopes = parts * (np.array([0, 1, 2 * x, 3 * x**2, 4 * x**3]) @ self.areas)
        return np.cumsum(parts), np.cumsum(slopes)

    @cached_property
    def drops(self) -> tuple[np.ndarray, ...]:
        """Blocks over which the rate changes after the warm-up: which interval, u before, u after, u in it, share of its area
        before a change on average."""
        u, knots, warm = self.rates, self.knots, max(self.schedule.warmup, 1)
        change = np.r_[0.0, np.abs(np.diff(u))]
        change[:warm] = 0.0
        begin = np.r_[0, knots[:-1] + 1]
        weight = np.add.reduceat(change, begin)
        logs = np.add.reduceat(change * np.log(np.maximum(u, FLOOR)), begin)
        which = np.flatnonzero(weight > 1e-9)
        which = which[which > 0]
        many = np.diff(knots, prepend=-1)[which]
        before = u[knots[which - 1]]
        if len(which):
            before[0] = max(before[0], u[: warm + 1].max())  # the top of the warm-up, also where it lies between logged rows
        return which, before, u[knots[which]], np.exp(logs[which] / weight[which]), (many - 1) / (2 * many)

    @cached_property
    def at(self) -> np.ndarray:
        return np.searchsorted(self.knots, self.schedule.index(self.steps))

    @cached_property
    def unit(self) -> Path:
        return self if self.horizon is None else Path(self.horizon, np.array([self.horizon.last]))

    @cached_property
    def drift(self) -> np.ndarray:
        """Variance that the drift of ln loss gathers up to each step, from step 1 on: shape (n,)."""
        at = self.schedule.index(self.steps)
        moved = np.cumsum(np.abs(np.diff(self.rates, prepend=self.rates[0])))
        return np.asarray(DRIFT**2 * np.log(at + 1) + MOVED**2 * moved[at])

    def end(self, q: float) -> tuple[float, float]:
        """ln Q_T of the horizon, and its derivative in q."""
        area, slope = (float(v[-1]) for v in self.unit.progress(q))
        return float(np.log(area)), slope / area

    def __call__(self, x: np.ndarray, rows: Any = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Losses of some steps (n,), and their slopes in the constants (n, 8).

        Parameters
        ----------
        x : shape (8,), constants in the order of NAMES. rows : of `steps`, chosen as from an array.
        """
        alpha, q, k = np.exp(x[ALPHA]), x[Q], x[K]
        at = self.at[rows]
        area, slope = self.progress(q)
        end, dend = self.end(q)
        log, dlog = np.log(area[at]) - end, slope[at] / area[at] - dend
        noise, dnoise_X, dnoise_q, dnoise_eta = self._noise(at, area, slope, np.exp(x[X]), np.exp(x[ETA_0]))
        size = np.exp(x[N] - k * alpha * log)
        plain, gain = np.exp(x[A] - alpha * log), size * noise
        both = plain + k * gain
        columns = (
            np.ones(len(at)), plain, -alpha * log * both, gain, size * dnoise_X, size * dnoise_q - alpha * dlog * both,
            -alpha * log * gain, size * dnoise_eta,
        )  # fmt: skip
        return x[L0] + plain + gain, np.stack(columns, 1)

    def _noise(self, at: np.ndarray, area: np.ndarray, slope: np.ndarray, X: float, eta_0: float) -> tuple[np.ndarray, ...]:
        """h(1) - sum of drops, as in the formula, and its derivatives in ln X, q and ln eta_0."""
        which, before, after, inside, share = self.drops
        start, dstart = (v[which - 1] + share * (v[which] - v[which - 1]) for v in (area, slope))
        scale = X / self.unit.schedule.steps / np.sqrt(inside)
        seen = which[None, :] <= at[:, None]
        z = np.where(seen, scale * np.maximum(area[at][:, None] - start, 0.0), 0.0)
        root = 1 / np.sqrt(1 + z)
        pull = np.where(seen, root**3 / 2, 0.0)  # dG / dz
        peak = self.schedule.peak / eta_0
        (high, dhigh), (low, dlow), (top, dtop) = (_saturating(u, peak) for u in (before, after, np.ones(1)))
        G, d = 1 - root, high - low
        moved = (pull * scale * (slope[at][:, None] - dstart)) @ d
        return top - G @ d, -((pull * z) @ d), -moved, dtop - G @ (dhigh - dlow)


def _saturating(u: np.ndarray, peak: float) -> tuple[np.ndarray, np.ndarray]:
    """h(u) = u / (1 + u peak), and its derivative in -ln peak."""
    return u / (1 + u * peak), u**2 * peak / (1 + u * peak) ** 2
