"""Mean and variance of a fit's prediction, for chains in which one prediction is the input of the next."""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.counting import matched
from scaling.design.inputs import Design, design
from scaling.engine import model as models
from scaling.fits import Fit


def moments(fit: Fit, data: Any) -> tuple[Design, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, prediction (n,), its variance from the parameters (n,), variance of one row's noise (n,); in loss units."""
    target = design(matched(data, fit.data, fit.law.inputs), fit.law, fitting=False)
    model = fit.model(target)
    value, J = models.at(model, fit.t)
    variance = np.einsum("pn,pq,qn->n", J, fit.cov.matrix, J)
    if fit.cov.condition > 1e12:
        variance = np.full_like(variance, np.nan)  # a combination of parameters is free: any width would be invented
    noise = (fit.cov.noise * (value if fit.loss.log else np.ones_like(value))) ** 2
    return target, value, variance, noise
