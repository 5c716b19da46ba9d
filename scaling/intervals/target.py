"""Rows to be predicted: each law that is asked reads them once, and the fit's own prediction of them is at hand."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from scaling.counting import matched
from scaling.design.inputs import Design, design
from scaling.engine.fitted import Fitted
from scaling.formula import Law


class Target:
    """What a fit is asked to predict.

    Attributes
    ----------
    fit : Fitted. rows : the Design its law reads. model : the law over these rows, in the fit's coordinates.
    value, middle : the prediction (n,), as a loss and in the objective's units.
    """

    def __init__(self, fit: Fitted, data: Any, steps: Any = None) -> None:
        self.fit, self.steps = fit, steps
        self.data = matched(data, fit.data, fit.law.inputs)
        self.designs: dict[Law, Design] = {}
        self.rows = self.under(fit.law)
        self.model = fit.model(self.rows)
        self.terms = self.model.terms(fit.t[None])
        self.value: np.ndarray = self.model.value(self.terms)[0]
        self.middle = fit.loss.link(self.value)

    def under(self, law: Law) -> Design:
        """The rows as another law reads them."""
        if law not in self.designs:
            self.designs[law] = design(self.data, law, fitting=False, steps=self.steps)
        return self.designs[law]

    @cached_property
    def slopes(self) -> np.ndarray:
        """Slopes (p, n) of the prediction in the fit's variables, in units of the loss."""
        return np.asarray(self.model.jacobian(self.terms, self.value[None])[0])

    @property
    def unit(self) -> np.ndarray:
        """What one of the objective's units is in units of the loss (n,)."""
        return self.value if self.fit.loss.log else np.ones_like(self.value)

    def deviation(self) -> np.ndarray:
        """Standard deviation (n,) of the law's value by the delta method, in units of the loss; NaN where the data leave it
        undetermined: a free combination of parameters moves it by more than its own size."""
        return self.fit.deviation(self.slopes, np.abs(self.value))

    @cached_property
    def without(self) -> np.ndarray:
        """The prediction (n,) without the rows that do not belong, in the objective's units; NaN where it has none."""
        if (t := self.fit.findings.without) is None:
            return self.middle
        with np.errstate(all="ignore"):
            return np.asarray(self.fit.loss.link(self.model.value(self.model.terms(t[None])))[0])

    def noise(self) -> np.ndarray:
        """Standard deviation (n,) of one row around the law, in units of the loss."""
        return self.fit.cov.noise * self.unit
