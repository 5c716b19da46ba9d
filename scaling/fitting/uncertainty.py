"""How well the data determine the parameters: covariance from QR, and bootstraps as weights, never as copied rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.fitting.losses import Loss
from scaling.fitting.solver import minimise


@dataclass(frozen=True)
class Covariance:
    """matrix (p, p) of the internal variables; noise = residual sd in the objective's units; dof = rows - parameters.

    condition is that of the column-scaled Jacobian: how far the data are from leaving some combination undetermined.
    inflation is the factor by which rows are fewer than they look, from the lag-1 autocorrelation within runs.
    """

    matrix: np.ndarray
    noise: float
    dof: float
    condition: float
    autocorrelation: float
    weakest: tuple[str, ...]


def covariance(model, t: np.ndarray, y: np.ndarray, weights: np.ndarray, loss: Loss, runs: np.ndarray,
               held: np.ndarray) -> Covariance:
    """Covariance at the optimum; coordinates `held` at a bound are left out (zero).

    Least squares: sigma^2 (J^T W J)^-1, as the objective itself assumes rows of equal scatter. Robust losses: the sandwich
    H^-1 (sum_i w_i psi_i^2 J_i J_i^T / (1 - h_i)^2) H^-1 with leverages h_i (HC3), which holds when rows scatter by different
    amounts, as losses of runs of different sizes do. A threshold far below the scatter leaves too few rows inside it to
    measure the curvature H; it is then measured over one robust standard deviation.
    """
    terms = model.terms(t[None])
    f = model.value(terms)
    J = model.jacobian(terms, f)[0]
    r = (loss.link(f) - y)[0]
    if loss.log:
        J = J / f
    free = np.flatnonzero(~held)
    p, rows = len(free), weights.sum()
    dof = max(rows - p, 1.0)
    noise = float(np.sqrt((weights * r**2).sum() / dof))
    A = (J[free] * np.sqrt(weights)).T
    size = np.sqrt((A**2).sum(0))
    A = A / np.where(size > 0, size, 1.0)
    Q, s, Vt = np.linalg.svd(A, full_matrices=False)
    condition = float(s[0] / s[-1]) if len(s) == p and s[-1] > 0 else np.inf
    names = np.array(model.frame.names)[free]
    weakest = tuple(names[np.abs(Vt[-1]) > 0.3]) if condition > 1e3 else ()
    if (size == 0).any():
        condition, weakest = np.inf, tuple(names[size == 0])
    rho = lag_one(r, runs)
    if loss.name == "squares":
        core = noise**2 * np.eye(p)
    else:
        slope, curvature = _slopes(loss, r)
        leverage = np.minimum((Q**2).sum(1) / np.maximum(weights, 1e-300), 0.99)
        inner = (Q.T * curvature) @ Q  # H in the basis of left singular vectors
        outer = (Q.T * (slope / (1 - leverage)) ** 2) @ Q
        half = np.linalg.pinv(inner, rcond=1e-10, hermitian=True)
        core = half @ outer @ half
    inverse = 1 / np.maximum(s, s[0] * 1e-12)
    root = (Vt.T * inverse) / np.where(size > 0, size, 1.0)[:, None]
    matrix = np.zeros((len(t), len(t)))
    # rows of one run that lean the same way carry less than their number says
    matrix[np.ix_(free, free)] = root @ core @ root.T * (1 + rho) / (1 - rho)
    return Covariance(matrix, noise, dof, condition, rho, weakest)


def _slopes(loss: Loss, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    slope, curvature, _ = loss.slopes(r)
    width = 1.4826 * float(np.median(np.abs(r)))
    if loss.name == "huber" and width > loss.delta:
        return slope, np.where(np.abs(r) <= width, loss.delta / width, 0.0)
    return slope, np.maximum(curvature, 0.0)


def lag_one(r: np.ndarray, runs: np.ndarray) -> float:
    """Lag-1 autocorrelation of residuals within runs of at least 10 rows, between 0 and 0.98; 0 without such runs."""
    top = bottom = 0.0
    for run in np.unique(runs):
        x = r[runs == run]
        if len(x) >= 10:
            top += (x[1:] * x[:-1]).sum()
            bottom += (x * x).sum()
    return float(np.clip(top / bottom, 0.0, 0.98)) if bottom > 0 else 0.0


def bootstrap(model, t: np.ndarray, y: np.ndarray, weights: np.ndarray, loss: Loss, replicates: int, seed: int,
              groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Refit `replicates` resamples of whole groups, warm-started: (t (replicates, p), converged (replicates,))."""
    rng = np.random.default_rng(seed)
    count = groups.max() + 1
    picks = rng.multinomial(count, np.full(count, 1 / count), size=replicates)
    found = minimise(model, y, np.tile(t, (replicates, 1)), weights * picks[:, groups], loss, damping=1e-3)
    return found.t, found.converged
