"""Sensitivity to the learning rate and growth of attention logits (Wortsman et al. 2023, arXiv:2309.14322)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling.errors import DataError
from scaling.procedures.tables import needs
from scaling.rendering import Result

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)  # the paper's seven, nearly even in ln lr
DIVERGED = 1e4  # attention logit above which every run of the paper diverged


def lr_sensitivity(lr: ArrayLike, loss: ArrayLike, initial: float) -> dict[str, float]:
    """How much is lost by a wrong learning rate, on average over a range of them.

    Parameters
    ----------
    lr, loss : array_like, shape (k,), peak rates and final losses; NaN or inf stand for a diverged run.
    initial : loss at initialisation, the worst that counts.

    Returns
    -------
    dict
        sensitivity: mean over the rates of min(loss, initial) - best, the paper's definition (a plain mean, so the rates
        should be even in ln lr, as its seven from 3e-4 to 3e-1 are); above_optimum: the same over rates at or above the
        best one, which short runs at low rates do not spoil; best_lr, best_loss.
    """
    lr, loss = np.asarray(lr, float), np.asarray(loss, float)
    if lr.shape != loss.shape or lr.ndim != 1 or len(lr) < 2:
        raise DataError(f"sensitivity needs one loss per learning rate, at least two; got {lr.shape} and {loss.shape}.")
    if not (np.isfinite(lr) & (lr > 0)).all() or len(np.unique(lr)) < len(lr):
        raise DataError("sensitivity needs positive learning rates, each once; average the losses of seeds first.")
    if not (np.isfinite(initial) and np.isfinite(loss).any()):
        raise DataError("sensitivity needs the loss at initialisation and at least one run that did not diverge.")
    clipped = np.minimum(np.where(np.isfinite(loss), loss, initial), initial)
    best = int(clipped.argmin())
    excess = clipped - clipped[best]
    means = {"sensitivity": float(excess.mean()), "above_optimum": float(excess[lr >= lr[best]].mean())}
    return {**means, "best_lr": float(lr[best]), "best_loss": float(clipped[best])}


def sensitivity_by_size(runs: pd.DataFrame) -> pd.DataFrame:
    """`lr_sensitivity` for every N of a size x rate grid: columns N, lr, loss, initial_loss; one row per N."""
    runs = needs("a size x rate grid", runs, ("N", "lr", "loss", "initial_loss"))
    rows = {N: lr_sensitivity(g["lr"], g["loss"], float(g["initial_loss"].mean())) for N, g in runs.groupby("N")}
    if len({tuple(sorted(g["lr"])) for _, g in runs.groupby("N")}) > 1:
        raise DataError("sensitivities at different learning rates do not compare; run every size at the same ones.")
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("N")


@dataclass(frozen=True, repr=False)
class Growth(Result):
    """ln y = c2 ln^2 N + c1 ln N + c0, and where it crosses the threshold first beyond the data (inf: never)."""

    c2: float
    c1: float
    c0: float
    crosses_at: float
    fields = ("c2", "c1", "c0", "crosses_at")

    def at(self, N: ArrayLike) -> np.ndarray:
        """The quantity at a size."""
        x = np.log(np.asarray(N, float))
        found: np.ndarray = np.exp((self.c2 * x + self.c1) * x + self.c0)
        return found


def extrapolate_logits(N: ArrayLike, y: ArrayLike, threshold: float = DIVERGED) -> Growth:
    """Quadratic in logarithms of the largest attention logit (or any positive probe) against size, at one learning rate.

    Parameters
    ----------
    N, y : array_like, shape (k,), k >= 3, positive.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        x, v = np.log(np.asarray(N, float)), np.log(np.asarray(y, float))
    if not 0 < threshold < np.inf:
        raise DataError(f"threshold={threshold!r} must be a positive number.")
    if x.shape != v.shape:
        raise DataError(f"a quadratic needs one value per size; got {x.shape} and {v.shape}.")
    if len(np.unique(x)) < 3 or not (np.isfinite(x).all() and np.isfinite(v).all()):
        raise DataError("a quadratic needs positive values at three or more sizes.")
    middle, crossed = x.mean(), np.log(threshold)
    q2, q1, q0 = np.polyfit(x - middle, v, 2)
    c2, c1, c0 = q2, q1 - 2 * q2 * middle, q0 - q1 * middle + q2 * middle**2
    shift = np.roots([q2, q1, q0 - crossed]) + middle
    ahead = [float(r.real) for r in shift if abs(r.imag) < 1e-12 and r.real >= x.max()]
    first = x[v >= crossed].min() if v[x.argmax()] >= crossed else min(ahead, default=np.inf)
    return Growth(float(c2), float(c1), float(c0), float(np.exp(first)))
