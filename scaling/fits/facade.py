"""Fit: what a fit found and whether to believe it. Immutable; prints its verdict first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling import document
from scaling.engine.fitted import Fitted
from scaling.errors import ArgumentError
from scaling.fits import saving
from scaling.fits.lmfit_words import LmfitWords
from scaling.fits.summary import Summary
from scaling.formula.ties import resolve
from scaling.intervals.prediction import predict


@dataclass(frozen=True, eq=False, repr=False)
class Fit(LmfitWords, Summary):
    """A fitted law: the record `Fitted`, and everything a user can ask of it."""

    @classmethod
    def of(cls, found: Fitted) -> Fit:
        """The facade of a record."""
        return cls(**vars(found))

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
        return predict(self, data, interval=interval, level=level, steps=steps)

    def bootstrap(self, replicates: int = 1000, *, seed: int = 0, by: str | None = None) -> pd.DataFrame:
        """Refit resampled data: one row of parameter values per replicate, with ``converged``.

        Parameters
        ----------
        by : what is drawn: "row", "run", "block" (of neighbouring rows of a run), or None for the largest of these that the
            data have enough of; see `scaling.design.resampling.groups`.
        """
        if not isinstance(replicates, int) or replicates < 1:
            raise ArgumentError(f"bootstrap({replicates!r}): the number of replicates is a whole number from 1 on.")
        t, converged = self.replicates(replicates, seed, by)
        free = dict(zip(self.coordinates.names, self.coordinates.to_params(t).T, strict=True))
        values = resolve(self.law.ties, {**{k: np.full(replicates, v) for k, v in self.fixed.items()}, **free})
        return pd.DataFrame({k: values[k] for k in self.values}).assign(converged=converged)

    def save(self, path: str | Path) -> None:
        """Write the fit as one JSON document: numbers, verdict and the data it was fitted on. No pickles."""
        document.write(path, "fit", saving.to_saved(self))
