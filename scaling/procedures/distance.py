"""How far weights travel with the updates: a logarithm, or a power (Hoffer et al. 2017, arXiv:1705.08741)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling.errors import DataError


def distance_laws(step: ArrayLike, distance: ArrayLike) -> pd.DataFrame:
    """Both laws of the distance |w_t - w_0| by least squares: at a high constant rate the paper finds a logarithm of t.

    Parameters
    ----------
    step, distance : array_like, shape (k,), k >= 4: updates done, positive and rising, and the distance then. Leave out the
        warm-up, which follows neither law.

    Returns
    -------
    DataFrame indexed `logarithm`, a + b ln t, and `power`, a t^b: a, b, rms (of the residuals, in units of the distance), aic
    (k ln of their mean square, plus twice the two constants; rows of one run hang together, so differences of a few say
    nothing).

    Raises
    ------
    DataError : fewer than four rows, or rows that are not positive, finite and rising.
    """
    t, d = np.asarray(step, float), np.asarray(distance, float)
    if t.shape != d.shape or t.ndim != 1 or len(t) < 4:
        raise DataError(f"a law of the distance needs four or more rows of step and distance; got {t.shape} and {d.shape}.")
    if not (
        np.isfinite(d).all() and np.isfinite(t).all() and t[0] > 0 and (np.diff(t) > 0).all() and (d >= 0).all() and d.any()
    ):
        raise DataError(
            "a law of the distance needs positive, rising steps and finite distances; leave out rows that are none."
        )
    slope, height = np.polyfit(np.log(t), d, 1)

    from scipy.optimize import minimize_scalar

    def power(exponent: float) -> tuple[float, np.ndarray]:
        shape = (t / t[-1]) ** exponent
        scale = shape @ d / (shape @ shape)
        return float(scale * t[-1] ** -exponent), scale * shape

    best = float(minimize_scalar(lambda b: ((d - power(b)[1]) ** 2).sum(), bounds=(-1.0, 3.0), method="bounded").x)
    scale, curve = power(best)
    found = {"logarithm": (height, slope, height + slope * np.log(t)), "power": (scale, best, curve)}
    rows = {}
    for name, (a, b, said) in found.items():
        square = max(float(np.mean((d - said) ** 2)), np.finfo(float).tiny)
        rows[name] = {"a": a, "b": b, "rms": square**0.5, "aic": len(t) * np.log(square) + 4}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("law")
