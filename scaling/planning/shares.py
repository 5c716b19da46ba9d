"""Shares that solve one equation: sum_i clip(exp(e_i (c_i - u)), lo_i, hi_i) = 1, by Newton in u inside a bracket.

Three problems have this form (spec: own-share laws): the weighted sum of losses a_i p_i^-g_i, their maximum, and one target
of the additive mixture law. Each is convex, so the solution is the optimum; its residual is checked, not hoped for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import FitError

Names = Sequence[str] | None  # of the families, for messages
TIGHT = 4e-16  # |ln sum p| at which the shares sum to 1 as well as doubles can
MOST = 200


@dataclass(frozen=True, eq=False)
class Solved:
    """p (k,): the shares. u: ln of the multiplier of the constraint. at_floor, at_cap (k,): bounds that bind.

    residual: largest relative violation of the optimality conditions. iterations: of Newton's method.
    """

    p: np.ndarray
    u: float
    at_floor: np.ndarray
    at_cap: np.ndarray
    residual: float
    iterations: int


def least_sum(a: ArrayLike, g: ArrayLike, lo: ArrayLike = 0.0, hi: ArrayLike = 1.0, names: Names = None) -> Solved:
    """Minimise sum_i a_i p_i^-g_i over shares p that sum to 1, lo <= p <= hi.

    Parameters
    ----------
    a, g : (k,), positive. lo, hi : numbers or (k,). names : of the k families, for messages.

    Raises
    ------
    FitError : a or g not positive, or no shares satisfy the bounds (says which are the trouble).
    """
    a, g = _positive(a, "a", names), _positive(g, "gamma", names)
    return _solve(np.log(a * g), 1 / (1 + g), lo, hi, names)


def least_worst(a: ArrayLike, g: ArrayLike, lo: ArrayLike = 0.0, hi: ArrayLike = 1.0, names: Names = None) -> Solved:
    """Minimise max_i a_i p_i^-g_i over the same shares; without active bounds all losses come out equal, exp(u)."""
    a, g = _positive(a, "a", names), _positive(g, "gamma", names)
    return _solve(np.log(a), 1 / g, lo, hi, names)


def most_help(C: ArrayLike, gamma: ArrayLike, lo: ArrayLike = 0.0, hi: ArrayLike = 1.0, names: Names = None) -> Solved:
    """Maximise sum_i C_i h_i^gamma_i, 0 < gamma_i < 1: the best mixture for one target of `mixture_additive`."""
    C, gamma = _positive(C, "C", names), _positive(gamma, "gamma", names)
    if (gamma >= 1).any():
        raise FitError("the sum of C h^gamma is concave for gamma below 1 only; use scaling.planning.whole_shares.")
    return _solve(np.log(C * gamma), 1 / (1 - gamma), lo, hi, names)


def _positive(given: ArrayLike, name: str, names: Names) -> np.ndarray:
    x = np.atleast_1d(np.asarray(given, float))
    fine = (x > 0) & (x < np.inf)
    if not fine.all():
        i = int(np.argmin(fine))
        who = names[i] if names is not None else f"number {i}"
        raise FitError(f"{name} of {who} is {x[i]}: optimal shares need positive, finite losses and exponents.")
    return x


def bounds(k: int, floor: ArrayLike, cap: ArrayLike, names: Names = None) -> tuple[np.ndarray, np.ndarray]:
    """Floors and caps as arrays (k,), or FitError with the reason why no shares satisfy them."""
    lo, hi = np.zeros(k) + np.asarray(floor, float), np.minimum(np.zeros(k) + np.asarray(cap, float), 1.0)
    fine = (lo >= 0) & (lo <= hi)
    if fine.all() and lo.sum() <= 1 + 1e-12 and hi.sum() >= 1 - 1e-12:
        return lo, hi
    names = [str(n) for n in names] if names is not None else [f"number {i}" for i in range(k)]
    if not fine.all():
        i = int(np.argmin(fine))
        raise FitError(f"{names[i]}: floor {lo[i]:g} and cap {hi[i]:g} leave no share; floors lie from 0 to the cap.")
    if lo.sum() > 1 + 1e-12:
        raise FitError(f"the floors sum to {lo.sum():.4g}, more than 1: lower them, first of {names[int(lo.argmax())]}.")
    i = int(hi.argmin())
    raise FitError(
        f"the caps sum to {hi.sum():.4g}, less than 1: {1 - hi.sum():.2%} of the tokens have no data. "
        f"The scarcest is {names[i]} (cap {hi[i]:.3g}); add data, allow more epochs, or train on fewer tokens."
    )


def _solve(c: np.ndarray, e: np.ndarray, floor: ArrayLike, cap: ArrayLike, names: Names) -> Solved:
    k = len(c)
    lo, hi = bounds(k, floor, cap, names)
    ceiling, bottom = np.log(np.maximum(hi, 1e-300)), np.maximum(lo, 1e-300)
    left = float((c - ceiling / e).min())  # every share at its cap: sum >= 1
    right = float((c - np.log(lo + max(1 - lo.sum(), 1e-300) / k) / e).max())  # sum <= 1
    ec, u, iterations = e * c, left, 0
    while True:
        raw = ec - e * u
        p = np.maximum(np.exp(np.minimum(raw, ceiling)), lo)
        total = float(np.add.reduce(p))
        phi = math.log(total)
        if abs(phi) < TIGHT or right - left <= TIGHT * max(1.0, abs(u)) or iterations == MOST:
            break
        left, right = (u, right) if phi > 0 else (left, u)
        slope = float(e @ (p * ((p > bottom) & (raw < ceiling)))) / total
        step = u + phi / slope if slope > 0 else math.nan
        u = step if left < step < right else 0.5 * (left + right)
        iterations += 1
    free = (p > lo) & (raw < ceiling)
    spare = 1 - np.add.reduce(p)  # rounding of a sum of k numbers
    some, every = bool(free.any()), bool(free.all())
    if some:
        p = np.where(free, p * (1 + spare / np.add.reduce(p[free])), p)
    at_floor, at_cap = ~free & (p <= lo) & (lo < hi), ~free & (p > lo) & (lo < hi)
    # stationarity of free shares, c - ln(p)/e = u, relative to the size of what is subtracted; the sum; the bounds' signs
    scaled = np.log(np.maximum(p, 1e-320)) / e
    off = np.abs(tilt := c - scaled - u)
    if not every:
        bound = np.where(at_cap, np.maximum(-tilt, 0), np.where(at_floor, np.maximum(tilt, 0), 0))
        off = np.where(free, off, bound)
    size = np.maximum(1.0, np.abs(scaled))
    # with every share at a bound any u between the two kinds of bounds will do
    residual = max(float((off / size).max()) if some else 0.0, float(abs(np.add.reduce(p) - 1)))
    return Solved(p, u, at_floor, at_cap, residual, iterations)
