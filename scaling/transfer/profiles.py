"""How far irreducible losses may move before pairs speak against it: where they trade off, no curvature at a point says so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr, stdtrit

STEPS = 96  # values of an irreducible loss that are tried
BENDS = np.geomspace(0.05, 10.0, 64)  # exponents, refined around the best of them
ZOOMS, FINE = 4, 9
ROUNDING = 1e-12  # of the losses, below which no misfit counts


def reach(x: np.ndarray, y: np.ndarray, known: Mapping[str, float], values: Mapping[str, float]) -> dict[str, float]:
    """The furthest that each estimated E0 or E1 may lie from its value at one standard error, by its profile.

    Parameters
    ----------
    x, y : (n,), paired losses. known : irreducible losses that are held. values : of K, kappa, E0, E1, fitted.

    Returns
    -------
    By name; infinite where a loss may be zero, or all of the lowest one.
    """
    below = np.linspace(0.0, 1.0 - 1e-3, STEPS)
    if "E0" in known:
        tried, limit = np.append(below * y.min(), values["E1"]), {"E1": y.min()}
        rest, _ = _best(np.full(len(tried), known["E0"]), tried, x, y, values["kappa"])
        found = {"E1": tried}
    else:
        tried = np.append(below * x.min(), min(values["E0"], (1 - 1e-6) * x.min()))
        held = np.full(len(tried), known["E1"]) if "E1" in known else None
        rest, E1 = _best(tried, held, x, y, values["kappa"])
        found, limit = {"E0": tried} | ({} if held is not None else {"E1": E1}), {"E0": x.min()}
    dof = max(len(x) - 4 + len(known), 1)
    least = max(float(rest.min()), len(x) * (ROUNDING * float(np.abs(y).max())) ** 2)
    allowed = rest <= least * (1 + float(stdtrit(dof, ndtr(1.0))) ** 2 / dof)
    out = {}
    for name, at in found.items():
        low, high = float(at[allowed].min()), float(at[allowed].max())
        end = (1 - 2e-3) * limit.get(name, np.inf)
        open_ = allowed.sum() > 1 and (low <= 0 or high >= end)
        out[name] = np.inf if open_ else max(values[name] - low, high - values[name], 0.0)
    return out


def _best(E0: np.ndarray, E1: np.ndarray | None, x: np.ndarray, y: np.ndarray, kappa: float) -> tuple[np.ndarray, np.ndarray]:
    """Least sum of squares (m,) over K, kappa and, where it is None, E1, at every E0 (m,) and E1 (m,); and that E1 (m,)."""
    bends = np.tile(np.append(BENDS, [kappa, 1.0]), (len(E0), 1))
    for zoom in range(ZOOMS + 1):
        rest, irreducible = _squares(E0, E1, bends, x, y)
        best = np.arange(len(E0)), rest.argmin(1)
        if zoom < ZOOMS:
            width = np.log(BENDS[1] / BENDS[0]) / (FINE / 2) ** zoom
            around = np.exp(np.linspace(-width, width, FINE))
            bends = np.concatenate([bends[best][:, None] * around, bends[best][:, None]], axis=1)
    return rest[best], irreducible[best]


def _squares(
    E0: np.ndarray, E1: np.ndarray | None, bends: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of squares (m, b) with the best K, and E1 (from 0 on), at E0 (m,) and exponents (m, b)."""
    above = np.log(x[None, :] - E0[:, None])
    power = np.exp(bends[:, :, None] * (above - above.max(1, keepdims=True))[:, None, :])
    free = power - power.mean(2, keepdims=True)
    if E1 is None:
        slope = (free * (y - y.mean())).sum(2) / np.maximum((free**2).sum(2), 1e-300)
        level = np.maximum(y.mean() - slope * power.mean(2), 0.0)
    else:
        level = np.broadcast_to(E1[:, None], bends.shape)
    left = y - level[:, :, None]
    slope = (power * left).sum(2) / (power**2).sum(2)
    return ((left - slope[:, :, None] * power) ** 2).sum(2), level
