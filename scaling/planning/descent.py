"""Rates that never rise and end at the lowest loss of a law, by descent along its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.formula import Law
from scaling.papers.luo2025 import kernel, multi_power

KNOTS = 300  # at which rates are sought
COARSE, FINE = 3000, 60  # rounds on all rates or every so many, and on all of them after these
# The optimum is flat, and its exact form jumps where the fall begins; of schedules within 1e-5 nats the gentler is taken:
# nats added per unit of the integral of (d rate / d progress)^2, rate in peaks
GENTLE = 1e-5


class FinalLoss:
    """Loss at the last update of a law with a `final` hook, and its gradient in every rate, in O(updates).

    Parameters
    ----------
    constants : of the law, all of them. warm : rates of the warm-up. rises : do its rises count in the loss drop?
    stride : updates that one rate stands for, so that a search can begin on a coarse grid.
    law : whose constants these are. conventions : of the law, in place of its own.
    """

    def __init__(
        self, constants: Mapping[str, float], warm: np.ndarray, rises: bool = False, stride: int = 1,
        law: Law = multi_power, conventions: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.p, self.warm, self.rises, self.stride = dict(constants), warm, rises, stride
        self.law, self.conventions = law, law.conventions if conventions is None else conventions

    def __call__(self, rates: np.ndarray) -> tuple[float, np.ndarray]:
        """rates (n,) after the warm-up, beginning at the peak: loss, gradient (n,) (that of rates[0] as if it had no rise)."""
        assert self.law.hooks.final is not None
        return self.law.hooks.final(rates, self.warm, self.stride, self.conventions, **self.p)

    def with_rises(self, rates: np.ndarray) -> float:
        """The loss in the law's own convention: with the rises of the warm-up where they count, so far back that no search
        feels them."""
        loss, p = self(rates)[0], self.p
        if not self.rises or len(self.warm) < 2:
            return loss
        S = np.cumsum(self.warm[::-1])[::-1][1:] + rates.sum()
        G = kernel(S, self.warm[1:], p["C"], p["beta"], p["gamma"])
        return loss + float(p["B"] * (np.diff(self.warm) @ G))


class Falling:
    """Rates (n,) from `peak` that never rise, nor fall below `low`: straight between knots, which lie dense towards the end.

    Over `low` they are (peak - low) exp(-(c_1 + ... + c_j)) at knot j, c (knots - 1,) >= 0.
    """

    def __init__(self, n: int, peak: float, low: float) -> None:
        self.peak, self.low = peak, low
        self.knots = np.unique(np.r_[0, (n - 1) * (1 - np.linspace(1, 0, KNOTS) ** 2)].round().astype(int))
        widths = np.diff(self.knots)
        self.left = np.clip(np.searchsorted(self.knots, np.arange(n), side="right") - 1, 0, len(widths) - 1)
        self.share = (np.arange(n) - self.knots[self.left]) / widths[self.left]  # of the way to the next knot
        self.width = widths / n

    def excess(self, c: np.ndarray) -> np.ndarray:
        """What the rates have over `low` at the knots."""
        return np.asarray((self.peak - self.low) * np.exp(-np.r_[0.0, np.cumsum(c)]))

    def rates(self, excess: np.ndarray) -> np.ndarray:
        return np.asarray(self.low + (1 - self.share) * excess[self.left] + self.share * excess[self.left + 1])

    def nearest(self, rates: np.ndarray) -> np.ndarray:
        """c of rates (n,) at the knots, as far as these do not rise."""
        left = np.maximum(rates[self.knots] - self.low, 1e-6 * (self.peak - self.low)) / (self.peak - self.low)
        return np.maximum(-np.diff(np.log(np.minimum.accumulate(np.r_[1.0, left[1:]]))), 0.0)

    def slopes(self, by_rates: np.ndarray, excess: np.ndarray) -> np.ndarray:
        """Gradient (knots,) in the excess, from that (n,) in the rates, and with it that of steepness."""
        k, left, fall = len(self.knots), self.left, np.diff(excess) / self.peak
        push = 2 * GENTLE * fall / self.width / self.peak
        by_knots = np.bincount(left, by_rates * (1 - self.share), k)
        by_knots = by_knots + np.bincount(left + 1, by_rates * self.share, k)
        return np.asarray(by_knots + (np.r_[0.0, push] - np.r_[push, 0.0]))

    def steepness(self, excess: np.ndarray) -> float:
        """Nats that a steep fall counts as."""
        return GENTLE * float(((np.diff(excess) / self.peak) ** 2 / self.width).sum())


def freely(loss: FinalLoss, coarse: FinalLoss, start: np.ndarray, peak: float, lowest: float) -> np.ndarray:
    """The rates (n,) of lowest loss that never rise nor fall below `lowest` peaks, sought from `start`, first on every so many.

    Parameters
    ----------
    loss, coarse : of all rates, and of every `coarse.stride`-th. start : ndarray, shape (n,).
    """
    n, stride = len(start), coarse.stride
    if stride > 1:
        few = _descend(coarse, start[: n // stride * stride : stride], peak, lowest, COARSE)
        start = np.interp(np.arange(n), np.arange(len(few)) * stride, few)
    return np.minimum.accumulate(_descend(loss, start, peak, lowest, COARSE if stride == 1 else FINE))


def _descend(loss: FinalLoss, start: np.ndarray, peak: float, lowest: float, rounds: int) -> np.ndarray:
    from scipy.optimize import minimize

    form = Falling(len(start), peak, lowest * peak)

    def objective(c: np.ndarray) -> tuple[float, np.ndarray]:
        excess = form.excess(c)
        value, slopes = loss(form.rates(excess))
        by_knots = form.slopes(slopes, excess)
        return value + form.steepness(excess), -np.cumsum((by_knots * excess)[::-1])[::-1][1:]

    c = form.nearest(start)
    found = minimize(objective, c, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(c),
                     options={"maxiter": rounds, "maxfun": 2 * rounds, "ftol": 1e-12, "gtol": 1e-9, "maxcor": 30})  # fmt: skip
    return form.rates(form.excess(found.x))
