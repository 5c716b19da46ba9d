"""What is known of a run's constants before its log speaks: families of models, and how far relatives may differ.

The constants are those of `path.NAMES`; A and N are nats at the end of the plan, X counts the kernel per horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.running.path import ALPHA, ETA_0, NAMES, K, N, Path, Q, X
from scaling.schedules import Schedule

PEAK, LOSS = 1e-3, 3.0  # the peak rate, and the loss, at which a family's constants are given
# powers of the peak rate and of the loss reached: noise as peak^.4 (.40 to .47 within one model, ladder.md section 3), eta_0 as
# peak^.5 (section 5); A and N are shares of the loss, since nats of a byte and of a word have different sizes
BY_PEAK = np.array([0, 0, 0, 0.4, 0, 0, 0, 0.5])
BY_LOSS = np.array([0, 1.0, 0, 1.0, 0, 0, 0, 0])
WITHIN = 0.3  # N as a power of the peak between two peaks of one model (section 5)
RATIO = 4.0  # of sizes, to which the widening by size belongs: 25M and 100M; d24 and d48 of runs/ in block matrices


@dataclass(frozen=True, eq=False)
class Belief:
    """A Gaussian over the constants: mean (8,) and precision (8, 8), zero where a constant is open."""

    mean: np.ndarray
    precision: np.ndarray


@dataclass(frozen=True, eq=False)
class Family:
    """Means and standard deviations of the constants over models, at peak rate PEAK and loss LOSS; L0 is open."""

    mean: np.ndarray
    sd: np.ndarray

    def belief(self, peak: float, loss: float) -> Belief:
        """At another peak rate and loss."""
        mean = self.mean + shift(peak, loss)
        mean[0] = 0.0
        return Belief(mean, np.diag(np.r_[0.0, self.sd[1:] ** -2.0]))


def shift(peak: float, loss: float) -> np.ndarray:
    """What a family's means change by from PEAK and LOSS to these."""
    return np.asarray(BY_PEAK * np.log(peak / PEAK) + BY_LOSS * np.log(loss / LOSS))


# Least that models differ by (ladder.md section 5): sd of each constant
FLOORS = np.array([np.inf, 0.4, 0.2, 0.35, 0.5, 0.1, 0.12, 0.5])
# What `python -m benchmarks.forecasts.family` prints: the mean of the means of MultiPowerLaw (25M, 100M), lr-scheduling (124M
# at three peaks) and runs/ (d24, d32, d48)
FAMILY = Family(np.array([0, -1.58, -0.56, -1.51, 6.63, 0.65, 0.0, -4.59]), FLOORS)

# By how much two relatives differ (sd): in size, in peak rate, in nothing but the run (after ladder.md section 5)
_SIZE = np.array([10, 0.3, 0.06, 0.3, 0.15, 0.03, 0.03, 0.15])
_PEAK = np.array([0.05, 0.4, 0.2, 0.15, 0.3, 0.08, 0.08, 0.3])
_SAME = np.array([0.02, 0.08, 0.08, 0.15, 0.4, 0.06, 0.06, 0.4])
TOGETHER = 0.95  # correlation of ln A and ln N between sizes: a model's reducible loss grows or shrinks as a whole


def widening(ratio: float, peaks: float) -> np.ndarray:
    """Covariance (8, 8) of the difference between the constants of two models.

    Parameters
    ----------
    ratio : of their sizes; NaN: unknown. peaks : ratio of their peak rates.
    """
    total = np.diag(_SAME**2)
    other = not abs(np.log(ratio)) < 0.01  # true of NaN
    if abs(np.log(peaks)) > 0.05:
        total = np.diag(_PEAK**2)
    if other:
        size = np.diag(_SIZE**2)
        size[1, N] = size[N, 1] = TOGETHER * _SIZE[1] * _SIZE[N]
        far = 1.0 if np.isnan(ratio) else max(1.0, abs(np.log(ratio)) / np.log(RATIO))
        total = far**2 * size + (total if abs(np.log(peaks)) > 0.05 else 0)
    return np.asarray(total)


def carried(x: np.ndarray, here: Schedule, there: Schedule) -> tuple[np.ndarray, np.ndarray]:
    """Constants of one model in the units of another horizon and peak, and the Jacobian (8, 8) of this."""
    (a, da), (b, db) = (Path(plan, np.array([plan.last])).end(x[Q]) for plan in (here, there))
    alpha, k, far, dfar = np.exp(x[ALPHA]), x[K], b - a, db - da
    peaks = np.log(there.peak / here.peak)
    y, J = x.copy(), np.eye(len(NAMES))
    y[1] -= alpha * far
    J[1, ALPHA], J[1, Q] = -alpha * far, -alpha * dfar
    y[N] += WITHIN * peaks - k * alpha * far
    J[N, ALPHA], J[N, K], J[N, Q] = -k * alpha * far, -alpha * far, -k * alpha * dfar
    y[X] += np.log(there.steps / here.steps)
    y[ETA_0] += BY_PEAK[ETA_0] * peaks
    return y, J
