"""Fit: what a fit found and whether to believe it. Immutable; prints its verdict first."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling import document
from scaling.engine.fitted import Fitted
from scaling.errors import ArgumentError
from scaling.fits import kept, origin, saving
from scaling.fits.choice import Choice
from scaling.fits.lmfit_words import LmfitWords
from scaling.formula.ties import resolve
from scaling.intervals.prediction import predict
from scaling.registered.record import Registration, of_fit
from scaling.registered.target import check_open
from scaling.rendering import LABEL, Result, plain
from scaling.words import check_seed, digits, listed, many


@dataclass(frozen=True, eq=False, repr=False)
class Fit(LmfitWords, Result):
    """A fitted law: the record `Fitted`, and everything a user can ask of it.

    choice : how the law did beside others, if it was chosen ("auto"), else None.
    """

    choice: Choice | None = None
    fields = ("ok", "warnings", "objective", "values")
    widths = (LABEL, 14, 26)

    @classmethod
    def of(cls, found: Fitted, choice: Choice | None = None) -> Fit:
        """The facade of a record."""
        return cls(**vars(found), choice=choice)

    def chosen(self, choice: Choice) -> Fit:
        """The same fit, which remembers what its law was chosen from."""
        return replace(self, choice=choice)

    def predict(self, data: Any, interval: str = "calibrated", level: float = 0.9, steps: Any = None) -> pd.DataFrame:
        """Predict the loss where nobody has measured it.

        Parameters
        ----------
        data : Runs, DataFrame or dict of the law's inputs; for schedule laws also a Schedule or its text.
        interval : "calibrated": from what the law missed where rows, schedules or the largest runs were held back, and from
            what other laws say. By name: "delta" (parameter uncertainty plus the noise of a row),
            "profile", "bootstrap", which assume that the law is exact, and "conformal" (runs or blocks left out).
        level : probability the interval is meant to cover.
        steps : step labels, when data is a schedule (default: up to 400 spread over it, the last included).

        Returns
        -------
        DataFrame
            The rows of data with ``prediction``, ``lower``, ``upper``, ``ok`` and one column per component of the law.
            ``ok`` says which rows to trust, ``attrs["why"]`` what speaks against the others, ``attrs["influence"]`` which
            single rows of the data a forecast rests on;
            ``attrs["interval"]`` says what the interval assumes, ``attrs["extrapolation"]`` how far outside the data it is.
        """
        return predict(self, data, interval=interval, level=level, steps=steps)

    def register(self, target: Any, path: str | Path | None = None, *, level: float = 0.9, steps: Any = None) -> Registration:
        """Write down, before the run, what this fit predicts for it; `scaling.score` says later how it went.

        Parameters
        ----------
        target, level, steps : as in `predict`; no row may have a measured loss.
        path : where to write the record. It must be a new file: no registration is ever replaced. None writes nothing.

        Returns
        -------
        Registration
            The forecast with its date, the digests of data and code, and one of the whole: publish that.
            ``fit.register(**record.asked)`` makes it again, and ``record.differences`` says whether it is the same.

        Raises
        ------
        ArgumentError : there is a file already. DataError : the target has been measured.
        """
        if path is not None:
            document.check_target(path, "registration")
        check_open(target)
        made = of_fit(self, target, self.predict(target, level=level, steps=steps), level)
        if path is not None:
            made.save(path)
        return made

    def bootstrap(self, replicates: int = 1000, *, seed: int = 0, by: str | None = None) -> pd.DataFrame:
        """Refit resampled data: one row of parameter values per replicate, with ``converged``.

        Parameters
        ----------
        by : what is drawn: "row", "run", "block" (of neighbouring rows of a run), or None for the largest of these that the
            data have enough of; see `scaling.design.resampling.groups`.
        """
        if not isinstance(replicates, int) or replicates < 1:
            raise ArgumentError(f"bootstrap({replicates!r}): the number of replicates is a whole number from 1 on.")
        check_seed(seed)
        t, converged = self.replicates(replicates, seed, by)
        free = dict(zip(self.coordinates.names, self.coordinates.to_params(t).T, strict=True))
        values = resolve(self.law.ties, {**{k: np.full(replicates, v) for k, v in self.fixed.items()}, **free})
        return pd.DataFrame({k: values[k] for k in self.values}).assign(converged=converged)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the fit as one JSON document: numbers, verdict and the data it was fitted on. No pickles.

        It replaces an earlier one; any other file only by `force`, and a link, a folder or a device never.
        """
        choice = {} if self.choice is None else {"choice": self.choice.to_saved()}
        document.write(
            path, "fit", {**saving.to_saved(self), **origin.to_saved(self), **choice, **kept.to_saved(self)}, force=force
        )

    def summary(self) -> pd.DataFrame:
        """One row per parameter: value, lower, upper (95 %), se, note."""
        se = self.errors()
        logs = dict(zip(self.coordinates.names, self.coordinates.logs, strict=True))
        rows = {}
        for name, value in self.values.items():
            error = se[name]
            if name in self.fixed or name in self.law.ties:
                note = f"= {self.law.ties[name]}" if name in self.law.ties else "fixed"
                rows[name] = (value, np.nan, np.nan, np.nan, note)
                continue
            if logs[name] and math.isfinite(error) and value > 0:
                factor = math.exp(min(1.96 * error / value, 700.0))
                lower, upper = value / factor, value * factor
            else:
                lower, upper = value - 1.96 * error, value + 1.96 * error
            rows[name] = (value, lower, upper, error, self._note(name, math.isfinite(error)))
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "lower", "upper", "se", "note"])

    def _note(self, name: str, determined: bool) -> str:
        if name in self.verdict.at_bound:
            return "at the edge of its range: no interval"
        C = self.covariance
        sd = np.sqrt(np.maximum(np.diag(C), 0))
        i = self.coordinates.names.index(name)
        free = "" if determined else "not determined"
        if sd[i] == 0:
            return free
        with np.errstate(invalid="ignore", divide="ignore"):
            tie = np.where(sd > 0, C[i] / sd[i] / sd, 0.0)
        tie[i] = 0.0
        j = int(np.abs(tie).argmax())
        known = "from its prior" if name in self.verdict.from_prior else ""
        tied = f"tied to {self.coordinates.names[j]} ({tie[j]:+.3f})" if abs(tie[j]) > 0.95 else ""
        return ", ".join(filter(None, [free, known, tied]))

    def head(self) -> list[tuple[str, str]]:
        v, rows, loss = self.verdict, self.design, self.loss
        conventions = ", ".join(f"{k}={x:.6g}" if isinstance(x, float) else f"{k}={x}" for k, x in self.law.conventions.items())
        residual = f"{100 * self.cov.noise:.3g}%" if loss.log else f"{self.cov.noise:.3g}"
        agree = f"{v.agree} of {v.tried} starts agree, condition {v.condition:.3g}"
        name = f"{loss.name}{' of log loss' if loss.log else ''}"
        state, bound = "OK" if self.ok else "NOT TRUSTWORTHY", ", ".join(v.at_bound) or "no parameter"
        from_prior = [listed(v.from_prior)] if v.from_prior else []
        size, low, high = (f"{many(len(rows), 'row')}, {many(self._runs, 'run')}", np.nanmin(rows.loss), np.nanmax(rows.loss))
        return [
            (self.law.name, f"{self.law.formula}   {self.law.cite}"),
            *(self.choice.said() if self.choice else ()),
            ("verdict", f"{state}: {agree}, {bound} at a bound"),
            *(("  failed", said) for said in v.failures),
            *(("  note", said) for said in v.warnings),
            *(("  note", f"{known} from what is known beforehand, not from these data") for known in from_prior),
            ("data", f"{size}, loss {low:.4g} to {high:.4g}"),
            (
                "fit",
                f"{name}, delta {loss.delta:g}, objective {self.objective:.6g}, residual {residual}"
                + (f"; {conventions}" if conventions else ""),
            ),
            *(("  note", said) for said in rows.notes if said not in v.warnings),
        ]

    @property
    def _runs(self) -> int:
        return self.design.frame["run"].nunique() if "run" in self.design.frame else len(self.design)

    def table(self) -> pd.DataFrame:
        rows = {}
        for name, row in self.summary().iterrows():
            value, lower, upper = (digits(row[k], row["se"]) for k in ("value", "lower", "upper"))
            rows[name] = (value, f"{lower} to {upper}" if math.isfinite(row["se"]) else "", row["note"])
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "95 % interval", ""]).rename_axis("")

    def to_dict(self) -> dict[str, Any]:
        law, v, loss, losses = self.law, self.verdict, self.loss, self.design.loss
        told = {
            "law": law.name, "formula": law.formula, "source": law.cite, "conventions": law.conventions,
            "verdict": {k: getattr(v, k) for k in ("agree", "tried", "condition", "at_bound", "from_prior", "failures")},
            "parameters": self.summary(), "rows": len(losses), "runs": self._runs, "notes": self.design.notes,
            "losses": [np.nanmin(losses), np.nanmax(losses)], "residual": self.cov.noise,
            "minimised": {"loss": loss.name, "log": loss.log, "delta": loss.delta},
        }  # fmt: skip
        if self.choice is not None:
            told["choice"] = self.choice.to_saved()
        return {**super().to_dict(), **plain(told)}
