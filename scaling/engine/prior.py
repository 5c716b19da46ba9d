"""What is known of parameters beforehand, weighed against the data: a pull on the solver's variables, quadratic in them.

A prior is exact about its parameter, while rows of one curve share one misfit: they say less than their number. The cost of
the data is counted in units of their own scatter, as if a curve had `CURVE` rows, and the priors in their standard deviations.
"""

from __future__ import annotations

import numpy as np

from scaling.design.ladders import CURVE
from scaling.engine.coordinates import Coordinates
from scaling.engine.losses import Loss
from scaling.engine.model import Model
from scaling.engine.uncertainty import slopes_for_errors

SETTLED = 1e-4  # relative change of the strength that is none
LEAP = 3.0  # of its logarithm, at most
SECANTS = 5  # turns after which the range in which it lies is halved
SILENT = 0.8  # of the prior's standard deviation: if more of it is left, it was the prior that spoke


@np.errstate(all="ignore")
def spent(J: np.ndarray, r: np.ndarray, weights: np.ndarray, loss: Loss, coordinates: Coordinates, known: float) -> float:
    """How many parameters rows determine: all without a prior, and of each other the part that the prior leaves to them.

    Parameters
    ----------
    J (p, n), r (n,), weights (n,) : slopes in the objective's units, residuals. known : how strong the priors are.
    """
    _, curvature = slopes_for_errors(loss, r)
    J = np.where(np.isfinite(J), J, 0.0)
    data, prior = (J * (weights * curvature)) @ J.T, known * coordinates.known.T @ coordinates.known
    size = np.sqrt(np.diag(data + prior))
    size = np.where(size > 0, size, 1.0)
    part = np.linalg.pinv((data + prior) / np.outer(size, size), rcond=1e-12, hermitian=True) @ (data / np.outer(size, size))
    return float(np.clip(np.trace(part), 0.0, len(J)))


def strength(r: np.ndarray, weights: np.ndarray, loss: Loss, runs: np.ndarray, params: float) -> float:
    """The cost of one standard deviation squared: the scatter of residuals r (n,), times the rows that count as one.

    For least squares the residual sum over n' - p, n' rows that count and p `params` that they determine (`spent`): few curves
    bend the law to their misfit, which is then larger than it looks. For robust losses the scatter is that of their slopes.
    """
    slope, curvature = slopes_for_errors(loss, r)
    rows, bend = weights.sum(), (weights * curvature).sum()
    if not bend > 0:
        return 0.0
    found = float((weights * slope**2).sum() / bend * rows / max(counted(weights, runs) - params, 1.0))
    return found if np.isfinite(found) else 0.0


@np.errstate(all="ignore")
def scatter(
    model: Model, y: np.ndarray, t: np.ndarray, weights: np.ndarray, loss: Loss, runs: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """How strong priors are by the scatter around t (F, p), weights (F, n), given how strong they were (F,)."""
    terms = model.terms(t)
    value = model.value(terms)
    J, r, inner = model.jacobian(terms, value), loss.link(value) - y, model.coordinates
    J = J / value[:, None, :] if loss.log else J
    rows = zip(J, r, weights, known, strict=True)
    return np.array([strength(e, w, loss, runs, spent(j, e, w, loss, inner, k)) for j, e, w, k in rows])


def settled(known: np.ndarray | float, scatter: np.ndarray | float, change: float = SETTLED) -> bool:
    """Are priors as strong as the scatter they leave asks for, to a relative change?"""
    return bool(np.all(np.abs(np.subtract(scatter, known)) <= change * np.asarray(known)))


def onward(tried: list[tuple[float, float]]) -> float:
    """The next strength to try, from (strength, what its scatter asks for): a secant on logarithms, else the last scatter.

    What is asked for jumps where a row crosses the corner of a robust loss, and secants over a jump lead anywhere: between one
    that asked for more and one that asked for less the answer lies, and that range is halved where a secant does not do it.
    """
    known, scatter = tried[-1]
    if len(tried) < 2 or min(min(pair) for pair in tried[-2:]) <= 0:
        return scatter
    low, high = 0.0, np.inf
    for one, asked in tried:
        low, high = (one, high if one < high else np.inf) if asked > one else (low if low < one else 0.0, one)
    middle = np.sqrt(low * high) if low > 0 and high < np.inf else scatter
    x, aim = np.log(tried[-2:]).T
    miss = aim - x
    if len(tried) > SECANTS or miss[1] == miss[0]:
        return float(middle)
    step = -miss[1] * (x[1] - x[0]) / (miss[1] - miss[0])
    there = known * np.exp(np.clip(step, -LEAP, LEAP))
    return float(there if abs(step) <= LEAP and low < there < high else middle)


def counted(weights: np.ndarray, runs: np.ndarray) -> float:
    """Rows (weights (n,) of them) that count beside a prior: each that is a run of its own, `CURVE` at most of a curve."""
    total, several = np.bincount(runs, weights), np.bincount(runs, weights > 0) > 1
    return max(float(np.where(several, np.minimum(total, CURVE), total).sum()), 1e-300)


def from_prior(coordinates: Coordinates, root: np.ndarray) -> tuple[str, ...]:
    """Parameters of which the data say little beside the prior; root (p, k) is that of the covariance at the optimum."""
    left = np.sqrt(((coordinates.known @ root) ** 2).sum(1))
    return tuple(name for name, sd in zip(coordinates.informed, left, strict=True) if sd > SILENT)
