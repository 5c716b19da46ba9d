"""Fit: what a fit found and whether to believe it. Immutable; prints its verdict first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from scaling.errors import FitError
from scaling.fitting.bins import binned
from scaling.fitting.coordinates import Coordinates
from scaling.fitting.design import Design
from scaling.fitting.diagnostics import Verdict
from scaling.fitting.explore import Explore
from scaling.fitting.lmfit_face import LmfitVocabulary
from scaling.fitting.losses import Loss
from scaling.fitting.resampling import groups
from scaling.fitting.uncertainty import UNDETERMINED, Covariance, bootstrap
from scaling.formula import Law
from scaling.logs import Runs
from scaling.ties import resolve


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Explore, LmfitVocabulary):
    """A fitted law.

    Attributes
    ----------
    law : Law. values : {name: float} in the paper's units, fixed parameters included.
    objective : float, summed over rows, unscaled (for "squares" the residual sum of squares).
    ok, warnings : may it be trusted, and every reason why not.
    verdict : the same in numbers: starts that agree, condition, parameters at a bound.
    runs : the Runs it was fitted on, or None. data : the rows used, with the law's inputs.
    """

    law: Law
    values: dict[str, float]
    objective: float
    loss: Loss
    fixed: dict[str, float]
    frame: Coordinates
    t: np.ndarray
    cov: Covariance
    verdict: Verdict
    design: Design
    runs: Runs | None
    seed: int = 0

    @property
    def ok(self) -> bool:
        return self.verdict.ok

    @property
    def warnings(self) -> list[str]:
        return [*self.verdict.failures, *self.verdict.warnings]

    @property
    def data(self) -> pd.DataFrame:
        return self.design.frame.copy()

    def predict(self, data: Any, interval: str = "calibrated", level: float = 0.9, steps: Any = None) -> pd.DataFrame:
        """Predict the loss where nobody has measured it.

        Parameters
        ----------
        data : Runs, DataFrame or dict of the law's inputs; for schedule laws also a Schedule or its text.
        interval : "calibrated": a mixture of the law and its rivals, weighted and widened by their errors on the larger part
            of the data when fitted to the smaller. By name: "delta" (parameter uncertainty plus the noise of a row),
            "profile", "bootstrap", which assume that the law is exact, and "conformal" (runs or blocks left out).
        level : probability the interval is meant to cover.
        steps : step labels, when data is a schedule (default: up to 400 spread over it, the last included).

        Returns
        -------
        DataFrame
            The rows of data with ``prediction``, ``lower``, ``upper`` and one column per component of the law.
            ``attrs["interval"]`` says what the interval assumes, ``attrs["extrapolation"]`` how far outside the data it is.
        """
        from scaling.forecasting import predict

        return predict(self, data, interval=interval, level=level, steps=steps)

    def bootstrap(self, replicates: int = 1000, *, seed: int = 0, by: str | None = None) -> pd.DataFrame:
        """Refit resampled data: one row of parameter values per replicate, with ``converged``.

        Parameters
        ----------
        by : what is drawn: "row", "run", "block" (of neighbouring rows of a run), or None for the largest of these that the
            data have enough of; see `scaling.fitting.resampling.groups`.
        """
        if not isinstance(replicates, int) or replicates < 1:
            raise FitError(f"bootstrap({replicates!r}): the number of replicates is a whole number from 1 on.")
        t, converged = self._replicates(replicates, seed, by)
        free = dict(zip(self.frame.names, self.frame.to_params(t).T, strict=True))
        values = resolve(self.law.ties, {**{k: np.full(replicates, v) for k, v in self.fixed.items()}, **free})
        return pd.DataFrame({k: values[k] for k in self.values}).assign(converged=converged)

    def _replicates(self, count: int, seed: int, by: str | None) -> tuple[np.ndarray, np.ndarray]:
        """Solver variables (count, p) of refits to resampled data and which converged (count,); made once, then kept."""
        kept = self.__dict__.setdefault("_resampled", {})  # frozen, but the replicates of a fit never change
        if (count, seed, by) not in kept:
            made = binned(self.design)
            y, drawn = self.loss.link(made.loss), groups(made, by)
            with threadpool_limits(1):
                kept[count, seed, by] = bootstrap(
                    self._model(made), self.t, y, made.weights, self.loss, count, seed, drawn
                )
        return kept[count, seed, by]

    def _model(self, design: Design):
        from scaling.fitting import model

        return model.build(self.law, self.frame.params, design.inputs, self.fixed, self.loss, frame=self.frame)

    def errors(self) -> pd.Series:
        """Standard error of every parameter in the paper's units; NaN where held at a bound or not determined."""
        slopes = self.frame.slopes(self.t)
        size = np.sqrt(np.maximum(np.diag(slopes @ self.cov.matrix @ slopes.T), 0.0))
        undetermined = (self.cov.condition > UNDETERMINED) | (np.diag(self.cov.matrix) == 0)
        named = pd.Series(np.where(undetermined, np.nan, size), self.frame.names)
        return named.reindex(list(self.values), fill_value=np.nan)

    def summary(self) -> pd.DataFrame:
        """One row per parameter: value, 95 % interval, standard error, note."""
        from scaling.report import summary

        return summary(self)

    def save(self, path: str | Path) -> None:
        """Write the fit as one JSON document: numbers, verdict and the data it was fitted on. No pickles."""
        from scaling.fitting.files import to_dict, write

        write(to_dict(self), path)

    def __str__(self) -> str:
        from scaling.report import text

        return text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from scaling.report import html

        return html(self)
