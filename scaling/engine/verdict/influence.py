"""Leave one out: how far a forecast moves without each row, from the slopes at the optimum and without a refit."""

from __future__ import annotations

import numpy as np

from scaling.engine.uncertainty import slopes_for_errors
from scaling.engine.verdict.near import Near

NEARLY_ALL = 0.95  # leverage from which on a row alone decides something, and one step no longer says where it would go


@np.errstate(all="ignore")
def moved(near: Near, slopes: np.ndarray) -> np.ndarray:
    """What forecasts change by when each row is left out (n, m), in the objective's units.

    One Newton step from the optimum, in which the row's own curvature is taken out: exact for least squares of a linear law
    (Cook and Weisberg 1982, section 2.2), the influence function of a robust one. Rows whose leverage is nearly one give
    infinity: without them nothing is known.

    Parameters
    ----------
    slopes (p, m) : of the forecasts in the solver's variables.
    """
    free = ~near.held
    root = np.sqrt(near.design.weights)
    slope, curvature = slopes_for_errors(near.loss, -near.rest / root)
    curvature = np.full(len(root), curvature.mean())  # of a robust loss few rows have any, which are not those that hold it
    effect = near.effect[free].T
    _, s, Vt = np.linalg.svd(effect * np.sqrt(curvature)[:, None], full_matrices=False)
    known = s > 1e-9 * s.max(initial=0.0)
    inverse = Vt[known].T / s[known]
    pull = effect @ inverse
    leverage = (pull**2).sum(1) * curvature
    change = pull @ (inverse.T @ slopes[free]) * (slope * root / np.maximum(1 - leverage, 1e-300))[:, None]
    return np.asarray(np.where((leverage < NEARLY_ALL)[:, None], change, np.inf))
