"""Leave one out: how far a forecast moves without each row, from the slopes at the optimum and without a refit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.engine.uncertainty import slopes_for_errors
from scaling.engine.verdict.near import Near

NEARLY_ALL = 0.95  # leverage from which on a row alone decides something, and one step no longer says where it would go


@dataclass(frozen=True, eq=False)
class Influence:
    """What leaving out each of n rows does to the parameters.

    One Newton step from the optimum, in which the row's own curvature is taken out: exact for least squares of a linear law
    (Cook and Weisberg 1982, section 2.2), the influence function of a robust one. Rows whose leverage is nearly one give
    infinity: without them nothing is known.

    Attributes
    ----------
    change (n, k) : of k combinations of the free parameters. inverse (p', k) : these in the p' free parameters. free (p,).
    size (n,) : length of a row's change.
    """

    change: np.ndarray
    inverse: np.ndarray
    free: np.ndarray
    size: np.ndarray

    @classmethod
    @np.errstate(all="ignore")
    def of(cls, near: Near) -> Influence:
        """Of the rows around an optimum."""
        free = ~near.held
        root = np.sqrt(near.design.weights)
        slope, curvature = slopes_for_errors(near.loss, -near.rest / root)
        bend = curvature.mean()  # of a robust loss few rows have any, which are not those that hold it
        effect = near.effect[free].T
        _, s, Vt = np.linalg.svd(effect * np.sqrt(bend), full_matrices=False)
        known = s > 1e-9 * s.max(initial=0.0)
        inverse = Vt[known].T / s[known]
        pull = effect @ inverse
        leverage = (pull**2).sum(1) * bend
        change = pull * (slope * root / np.maximum(1 - leverage, 1e-300))[:, None]
        change[~(leverage < NEARLY_ALL)] = np.inf
        return cls(change, inverse, free, np.sqrt((change**2).sum(1)))

    @np.errstate(all="ignore")
    def moved(self, slopes: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """What forecasts change by when each row (of all, or some, by number) is left out (n, m), in the objective's units.

        Parameters
        ----------
        slopes (p, m) : of the forecasts in the solver's variables.
        """
        change = self.change if rows is None else self.change[rows]
        decides = np.isinf(change).any(1)
        shift = np.where(decides[:, None], 0.0, change) @ (self.inverse.T @ slopes[self.free])
        return np.asarray(np.where(decides[:, None], np.inf, shift))

    def beyond(self, slopes: np.ndarray, limits: np.ndarray) -> np.ndarray:
        """Numbers of the rows that may move any of m forecasts by more than its limit (m,); none of the others can."""
        reach = np.sqrt(((self.inverse.T @ slopes[self.free]) ** 2).sum(0))
        return np.flatnonzero(self.size * np.max(reach / np.maximum(limits, 1e-300)) > 1.0)
