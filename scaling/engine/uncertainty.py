"""How well the data determine the parameters: covariance from QR, and bootstraps as weights, never as copied rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.engine.coordinates import Coordinates
from scaling.engine.losses import Loss
from scaling.engine.model import Model, at
from scaling.engine.solver import minimise

UNDETERMINED = 1e7  # condition of the scaled Jacobian beyond which a combination of parameters is free
WEAK = 1e3  # beyond which it is told which combination that would be


@dataclass(frozen=True)
class Covariance:
    """root (p, k): root root^T is the covariance of the internal variables. noise: residual sd in the objective's units.
    dof: rows - parameters.

    condition is that of the column-scaled Jacobian: how far the data are from leaving some combination undetermined.
    autocorrelation is that of residuals within runs, lag 1, by which rows are fewer than they look.
    """

    root: np.ndarray
    noise: float
    dof: float
    condition: float
    autocorrelation: float
    weakest: tuple[str, ...]

    @property
    def matrix(self) -> np.ndarray:
        """Covariance (p, p) of the internal variables."""
        return np.asarray(self.root @ self.root.T)


def deviation(J: np.ndarray, root: np.ndarray, condition: float = 0.0, size: np.ndarray | float = 0.0) -> np.ndarray:
    """The delta method: standard deviation (..., n) of quantities with gradients J, NaN where they are not determined.

    From the root, not the matrix: what a free combination does not move is exact even beside what it does move.

    Parameters
    ----------
    J (..., p, n), root (..., p, k) : gradients, and a root of the parameters' covariance, root root^T.
    condition : of the scaled Jacobian. Beyond `UNDETERMINED` some combination of parameters is free.
    size (n,) : what a quantity may then move by and still count as determined; single parameters by nothing.
    """
    sd = np.sqrt(((np.swapaxes(J, -1, -2) @ root) ** 2).sum(-1))
    return np.where((condition > UNDETERMINED) & ~(sd < size), np.nan, sd)


def covariance(
    model: Model, t: np.ndarray, y: np.ndarray, weights: np.ndarray, loss: Loss, runs: np.ndarray, held: np.ndarray
) -> Covariance:
    """Covariance at the optimum; coordinates `held` at a bound are left out (zero).

    Least squares: sigma^2 (J^T W J)^-1, as the objective itself assumes rows of equal scatter. Robust losses: the sandwich
    H^-1 (sum_i w_i psi_i^2 J_i J_i^T / (1 - h_i)^2) H^-1 with leverages h_i (HC3), which holds when rows scatter by different
    amounts, as losses of runs of different sizes do. A threshold far below the scatter leaves too few rows inside it to
    measure the curvature H; it is then measured over one robust standard deviation.

    What is known of parameters beforehand are more rows, exact, beside which the others count as `prior.counted` says.
    """
    f, J = at(model, t)
    r = loss.link(f) - y
    if loss.log:
        J = J / f
    free = np.flatnonzero(~held)
    p, rows = len(free), weights.sum()
    dof = max(rows - p, 1.0)
    noise = float(np.sqrt((weights * r**2).sum() / dof))
    inner = model.coordinates
    A = np.vstack([(J[free] * np.sqrt(weights)).T, np.sqrt(inner.strength) * inner.known[:, free]])
    A = np.where(np.isfinite(A).all(0), A, 0.0)  # a slope without bound determines nothing
    largest = np.abs(A).max(0, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)
    size = np.sqrt(((A / largest) ** 2).sum(0)) * largest
    A = A / np.where(size > 0, size, 1.0)
    Q, s, Vt = np.linalg.svd(A, full_matrices=False)
    condition = float(s[0] / s[-1]) if len(s) == p > 0 and s[-1] > 0 else np.inf
    names = np.array(model.coordinates.names)[free]
    weakest = tuple(names[np.abs(Vt[-1]) > 0.3]) if condition > WEAK and p else ()
    if (size == 0).any():
        condition, weakest = np.inf, tuple(names[size == 0])
    rho = lag_one(r, runs)
    # rows of one run that lean the same way carry less than their number says
    fewer = (1 + rho) / (1 - rho)
    if loss.name == "squares":
        core = (np.sqrt(inner.strength) if len(inner.known) else noise * np.sqrt(fewer)) * np.eye(p)
    else:
        core = _sandwich(Q, r, weights, loss, inner, fewer)
    inverse = 1 / np.maximum(s, s.max(initial=0.0) * 1e-12)
    root = np.zeros((len(t), p))
    root[free] = (Vt.T * inverse) / np.where(size > 0, size, 1.0)[:, None] @ core
    return Covariance(root, noise, dof, condition, rho, weakest)


def _sandwich(Q: np.ndarray, r: np.ndarray, weights: np.ndarray, loss: Loss, inner: Coordinates, fewer: float) -> np.ndarray:
    """Root (p, p) of H^-1 S H^-1 in the basis Q (n + k, p) of rows r (n,) and of k rows for what is known beforehand."""
    slope, curvature = slopes_for_errors(loss, r)
    n, k = len(r), len(inner.known)
    if k:
        bend, steep = (weights * curvature).sum(), (weights * slope**2).sum()
        fewer = inner.strength * bend / steep if steep > 0 else 1.0
    # of one of the rows that a weight counts; beside a prior rows that count less than one are counted by `fewer` already
    leverage = np.minimum((Q[:n] ** 2).sum(1) / np.maximum(weights, 1.0 if k else 1e-300), 0.99)
    H = (Q.T * np.append(curvature, np.ones(k))) @ Q
    slopes = np.append(slope / (1 - leverage) * np.sqrt(fewer), np.full(k, np.sqrt(inner.strength)))
    outer = np.linalg.qr(Q * slopes[:, None]).R
    return np.asarray(np.linalg.pinv(H, rcond=1e-10, hermitian=True) @ outer.T)


def slopes_for_errors(loss: Loss, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and curvature of the loss, the curvature measured over enough rows (see `covariance`)."""
    slope, curvature, _ = loss.slopes(r)
    width = 1.4826 * float(np.median(np.abs(r)))
    if loss.name in ("huber", "one_sided") and width > loss.delta:
        return slope, np.where(np.abs(r) <= width, loss.delta / width, 0.0) * (curvature.max() or 1.0)
    return slope, np.maximum(curvature, 0.0)


def lag_one(r: np.ndarray, runs: np.ndarray) -> float:
    """Lag-1 autocorrelation of residuals within runs of at least 10 rows, between 0 and 0.98; 0 without such runs."""
    _, code, size = np.unique(runs, return_inverse=True, return_counts=True)
    order = np.argsort(code, kind="stable")
    x = np.where(size[code[order]] >= 10, r[order], 0.0)
    same = code[order][1:] == code[order][:-1]
    bottom = x @ x
    return float(np.clip((x[1:] * x[:-1])[same].sum() / bottom, 0.0, 0.98)) if bottom > 0 else 0.0


def bootstrap(
    model: Model, t: np.ndarray, y: np.ndarray, weights: np.ndarray, loss: Loss, replicates: int, seed: int, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Refit `replicates` resamples of whole groups, warm-started: (t (replicates, p), converged (replicates,)).

    What is known of parameters beforehand is drawn anew for each, as it might have been known.
    """
    rng = np.random.default_rng(seed)
    count = groups.max() + 1
    picks = np.stack([np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(replicates)])
    pull = np.tile(model.coordinates.pull, (replicates, 1))
    pull[:, 1:] += rng.standard_normal((replicates, len(model.coordinates.known)))
    found = minimise(model, y, np.tile(t, (replicates, 1)), weights * picks[:, groups], loss, damping=1e-3, pull=pull)
    return found.t, found.converged
