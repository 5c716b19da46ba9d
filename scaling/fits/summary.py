"""What a fit says of itself: verdict first, numbers after."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from scaling.engine.fitted import Fitted
from scaling.rendering import LABEL, Result, plain
from scaling.words import digits


class Summary(Fitted, Result):
    """The report of `Fit`, as lines, table and plain data."""

    fields = ("ok", "warnings", "objective", "values")
    widths = (LABEL, 14, 26)

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
        tied = f"tied to {self.coordinates.names[j]} ({tie[j]:+.3f})" if abs(tie[j]) > 0.95 else ""
        return ", ".join(filter(None, [free, tied]))

    def head(self) -> list[tuple[str, str]]:
        v, rows, loss = self.verdict, self.design, self.loss
        conventions = ", ".join(f"{k}={x}" for k, x in self.law.conventions.items())
        residual = f"{100 * self.cov.noise:.3g}%" if loss.log else f"{self.cov.noise:.3g}"
        agree = f"{v.agree} of {v.tried} starts agree, condition {v.condition:.3g}"
        name = f"{loss.name}{' of log loss' if loss.log else ''}"
        state, bound = "OK" if self.ok else "NOT TRUSTWORTHY", ", ".join(v.at_bound) or "no parameter"
        size, low, high = f"{len(rows)} rows, {self._runs} runs", np.nanmin(rows.loss), np.nanmax(rows.loss)
        return [
            (self.law.name, f"{self.law.formula}   {self.law.cite}"),
            ("verdict", f"{state}: {agree}, {bound} at a bound"),
            *(("  failed", said) for said in v.failures),
            *(("  note", said) for said in v.warnings),
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
            "verdict": {k: getattr(v, k) for k in ("agree", "tried", "condition", "at_bound", "failures")},
            "parameters": self.summary(), "rows": len(losses), "runs": self._runs, "notes": self.design.notes,
            "losses": [np.nanmin(losses), np.nanmax(losses)], "residual": self.cov.noise,
            "minimised": {"loss": loss.name, "log": loss.log, "delta": loss.delta},
        }  # fmt: skip
        return {**super().to_dict(), **plain(told)}
